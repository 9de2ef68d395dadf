// SPDX-License-Identifier: Apache-2.0
// What a loader takes and what it refuses, with entries made here and with plugin files made by the
// build (plugin.c): good, of another ABI, without an entry.
#include "../cmocka.hpp"

#include "runtime/detail.h"
#include "runtime/loader.h"

#include <string>

using namespace plait;
using namespace plait::runtime;

namespace {

int inits, deinits;
plait_status count_init() {
    inits++;
    return PLAIT_OK;
}
void count_deinit() { deinits++; }
plait_status refuse_init() { return PLAIT_E_UNSUPPORTED; }
plait_status no_open(const plait_host *, plait_host_endpoint *, const plait_open_args *, void **) {
    return PLAIT_E_TRANSPORT_OPEN;
}
void no_close(void *) {}
plait_status no_send(void *, const plait_datagram *, uint32_t, uint32_t *) { return PLAIT_E_AGAIN; }
plait_status no_recv(void *, plait_datagram *, uint32_t, uint32_t *) { return PLAIT_OK; }

plait_transport entry(const char *name) {
    plait_transport e{};
    e.abi = PLAIT_TRANSPORT_ABI;
    e.struct_size = sizeof e;
    e.name = name;
    e.init = count_init;
    e.deinit = count_deinit;
    e.open = no_open;
    e.close = no_close;
    e.send = no_send;
    e.recv = no_recv;
    return e;
}

// PLUGIN_DIR holds plait_good.so, other_abi.so, no_entry.so, misnamed.so.
std::string plugin(const char *file) { return std::string(PLUGIN_DIR "/") + file; }
bool detail_has(const char *text) { return std::strstr(detail(), text) != nullptr; }

void test_names_are_uri_schemes(void **) {
    assert_true(is_transport_name("udp"));
    assert_true(is_transport_name("a1+b-c.d"));
    assert_false(is_transport_name(""));
    assert_false(is_transport_name("1udp"));
    assert_false(is_transport_name("Udp"));
    assert_false(is_transport_name("ud p"));
    assert_true(is_transport_name("abcdefghijklmnopqrstuvwxyzabcde"));
    assert_false(is_transport_name("abcdefghijklmnopqrstuvwxyzabcdef"));
    assert_true(scheme_of("udp://x") == "udp");
    assert_true(scheme_of("serial:") == "serial");
    assert_true(scheme_of("nothing").empty());
}

void test_added_entry_is_found_and_counted(void **) {
    inits = deinits = 0;
    const plait_transport e = entry("one"), same_name = entry("one");
    {
        Loader loader({}, "");
        assert_int_equal(loader.add(&e), PLAIT_OK);
        assert_int_equal(loader.add(&e), PLAIT_OK);
        assert_int_equal(loader.add(&same_name), PLAIT_E_EXISTS);
        const auto found = loader.find("one");
        assert_true(found.ok());
        assert_ptr_equal((*found)->recv, e.recv);
        assert_int_equal(inits, 1);
    }
    assert_int_equal(deinits, 1);
}

void test_two_loaders_do_not_know_of_each_other(void **) {
    const plait_transport e = entry("one");
    Loader a({}, ""), z({}, "");
    assert_int_equal(a.add(&e), PLAIT_OK);
    assert_int_equal(z.find("one").status(), PLAIT_E_TRANSPORT_UNKNOWN);
    assert_int_equal(z.add(&e), PLAIT_OK);
}

void test_faulty_entries_are_refused(void **) {
    Loader loader({}, "");
    plait_transport e = entry("x");
    e.abi = 77;
    assert_int_equal(loader.add(&e), PLAIT_E_TRANSPORT_ABI);
    assert_true(detail_has("77") && detail_has("speaks 1"));
    e = entry("x");
    e.struct_size = 16;
    assert_int_equal(loader.add(&e), PLAIT_E_PLUGIN);
    e = entry("Not a name");
    assert_int_equal(loader.add(&e), PLAIT_E_PLUGIN);
    e = entry("x");
    e.recv = nullptr;
    assert_int_equal(loader.add(&e), PLAIT_E_PLUGIN);
    e = entry("x");
    e.init = refuse_init;
    assert_int_equal(loader.add(&e), PLAIT_E_PLUGIN);
    e = entry("app");
    assert_int_equal(loader.add(&e), PLAIT_E_EXISTS);
}

void test_smaller_entry_of_an_older_plugin_lacks_the_end(void **) {
    plait_transport e = entry("old");
    e.get_extension = [](void *, const char *) -> const void * { return nullptr; };
    e.struct_size = offsetof(plait_transport, get_extension);
    Loader loader({}, "");
    assert_int_equal(loader.add(&e), PLAIT_OK);
    assert_null((*loader.find("old"))->get_extension);
}

void test_builtin_is_found_by_name_and_yields_to_a_loaded_one(void **) {
    const plait_transport built_in = entry("good"), other = entry("good");
    const plait_transport *list[] = {&built_in};
    Loader yields(list, "");
    assert_int_equal(yields.add(&other), PLAIT_OK);
    Loader gives(list, "");
    assert_true(gives.find("good").ok());
    assert_int_equal(gives.add(&other), PLAIT_E_EXISTS);
}

void test_plugin_file_is_loaded_once(void **) {
    Loader loader({}, "");
    assert_int_equal(loader.load(plugin("plait_good.so")), PLAIT_OK);
    assert_int_equal(loader.load(plugin("plait_good.so")), PLAIT_OK);
    assert_true(loader.find("good").ok());
}

void test_plugin_is_looked_for_by_name(void **) {
    Loader loader({}, "/nonexistent::" PLUGIN_DIR);
    assert_true(loader.find("good").ok());
    Loader by_load({}, PLUGIN_DIR);
    assert_int_equal(by_load.load("good"), PLAIT_OK);
    Loader nowhere({}, "/nonexistent");
    assert_int_equal(nowhere.find("good").status(), PLAIT_E_TRANSPORT_UNKNOWN);
    assert_true(detail_has("good") && detail_has("/nonexistent"));
    assert_int_equal(nowhere.load("good"), PLAIT_E_PLUGIN);
}

void test_faulty_plugin_files_are_refused(void **) {
    Loader loader({}, PLUGIN_DIR);
    assert_int_equal(loader.load(plugin("absent.so")), PLAIT_E_PLUGIN);
    assert_true(detail_has("absent.so"));
    assert_int_equal(loader.load(plugin("no_entry.so")), PLAIT_E_PLUGIN);
    assert_true(detail_has("plait_transport_entry"));
    assert_int_equal(loader.load(plugin("other_abi.so")), PLAIT_E_TRANSPORT_ABI);
    assert_true(detail_has("other_abi.so") && detail_has("4711"));
    assert_int_equal(loader.find("misnamed").status(), PLAIT_E_PLUGIN);
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(test_names_are_uri_schemes),
        cmocka_unit_test(test_added_entry_is_found_and_counted),
        cmocka_unit_test(test_two_loaders_do_not_know_of_each_other),
        cmocka_unit_test(test_faulty_entries_are_refused),
        cmocka_unit_test(test_smaller_entry_of_an_older_plugin_lacks_the_end),
        cmocka_unit_test(test_builtin_is_found_by_name_and_yields_to_a_loaded_one),
        cmocka_unit_test(test_plugin_file_is_loaded_once),
        cmocka_unit_test(test_plugin_is_looked_for_by_name),
        cmocka_unit_test(test_faulty_plugin_files_are_refused),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
