// SPDX-License-Identifier: Apache-2.0
// Opening and closing, URIs, addresses, what an endpoint tells about itself.
#include "suite.h"

#include <cctype>

namespace plait::conformance {
namespace {

std::string with_param(const std::string &uri, const char *param) {
    return uri + (uri.find('?') == std::string::npos ? '?' : '&') + param;
}

// True if the URI is refused, with a status for what it is and a text for a person.
bool refused(Pair &p, const std::string &uri, bool must_be_uri = false) {
    plait_host_endpoint *e = p.host.open(g_suite.transport, uri.c_str());
    if (e != nullptr) {
        std::fprintf(stderr, "\"%s\" was opened\n", uri.c_str());
        p.host.close(e);
        return false;
    }
    plait_status s = p.host.last_status;
    bool other = s == PLAIT_E_ADDRESS || s == PLAIT_E_NO_DEVICE || s == PLAIT_E_TRANSPORT_OPEN;
    bool fits = s == PLAIT_E_URI || (!must_be_uri && other);
    if (!fits || p.host.last_text.empty()) {
        std::fprintf(stderr, "\"%s\": status %d, text \"%s\"\n", uri.c_str(), s,
                     p.host.last_text.c_str());
    }
    return fits && !p.host.last_text.empty() && p.host.last_text.back() != '.' &&
           p.host.last_text.find('\n') == std::string::npos;
}

void test_entry_is_complete(void **) {
    const plait_transport *t = g_suite.transport;
    assert_int_equal(t->abi, PLAIT_TRANSPORT_ABI);
    assert_true(t->struct_size >= sizeof(plait_transport));
    assert_non_null(t->name);
    assert_in_range(std::strlen(t->name), 1, PLAIT_TRANSPORT_NAME_MAX);
    assert_true(std::islower(static_cast<unsigned char>(t->name[0])));
    for (const char *c = t->name; *c != '\0'; c++) {
        auto u = static_cast<unsigned char>(*c);
        assert_true(std::islower(u) || std::isdigit(u) || std::strchr("+-.", *c) != nullptr);
    }
    assert_non_null(t->open);
    assert_non_null(t->close);
    assert_non_null(t->send);
    assert_non_null(t->recv);
    assert_int_equal(t->reserved, 0);
}

void test_open_malformed_uris_are_refused(void **state) {
    Pair &p = pair_of(state);
    const std::string name = g_suite.transport->name;
    assert_true(refused(p, "", true));
    assert_true(refused(p, name, true));
    assert_true(refused(p, name + ":", true));
    assert_true(refused(p, "no-such-scheme://x", true));
    assert_true(refused(p, name + "://"));
    assert_true(refused(p, name + "://?"));
    assert_true(refused(p, name + "://\x01\x02"));
    assert_true(refused(p, name + "://" + std::string(4096, 'x')));
}

void test_open_unknown_parameter_is_refused(void **state) {
    Pair &p = pair_of(state);
    p.host.close(p.a);
    p.a = nullptr;
    assert_true(refused(p, with_param(g_suite.uri_a, "plait-no-such=1"), true));
    assert_true(refused(p, with_param(g_suite.uri_a, "x"), true));
    assert_true(p.open_a()); // and the refusals have left nothing open
}

void test_open_taken_place_is_refused(void **state) {
    Pair &p = pair_of(state);
    char text[PLAIT_ADDR_TEXT_MAX];
    std::string uri = g_suite.uri_a;
    if (p.addr_a.len > 0) {
        assert_int_equal(p.a->format(&p.addr_a, text, sizeof text), PLAIT_OK);
        uri = std::string(g_suite.transport->name) + "://" + text;
    }
    assert_null(p.host.open(g_suite.transport, uri.c_str()));
    assert_int_equal(p.host.last_status, PLAIT_E_ADDRESS_IN_USE);
    assert_false(p.host.last_text.empty());
    assert_true(p.carries(p.z, p.a, pattern(1, 60))); // the first one does not notice
}

void test_close_then_open_again_works(void **state) {
    Pair &p = pair_of(state);
    for (uint32_t i = 0; i < 10; i++) {
        p.host.close(p.a);
        p.a = nullptr;
        assert_true(p.open_a());
        assert_true(p.carries(p.a, p.z, pattern(i, 50)));
        assert_true(p.carries(p.z, p.a, pattern(i, 51)));
    }
}

void test_address_text_goes_round(void **state) {
    Pair &p = pair_of(state);
    char text[PLAIT_ADDR_TEXT_MAX];
    plait_addr back;
    for (const plait_addr *addr : {&p.addr_a, &p.addr_z}) {
        assert_int_equal(p.a->format(addr, text, sizeof text), PLAIT_OK);
        assert_true(std::strlen(text) < sizeof text);
        assert_int_equal(p.a->parse(text, &back), PLAIT_OK);
        assert_memory_equal(&back, addr, sizeof back);
        std::string uri = std::string(g_suite.transport->name) + "://" + text;
        assert_int_equal(p.a->parse(uri.c_str(), &back), PLAIT_OK);
        assert_memory_equal(&back, addr, sizeof back);
        if (g_suite.transport->addr_parse != nullptr) {
            assert_int_equal(g_suite.transport->addr_parse(nullptr, text, &back), PLAIT_OK);
            assert_memory_equal(&back, addr, sizeof back);
        }
        for (size_t cap = 0; cap <= std::strlen(text); cap++) {
            assert_int_equal(p.a->format(addr, text, cap), PLAIT_E_BUFFER);
            assert_int_equal(p.a->format(addr, text, sizeof text), PLAIT_OK);
        }
    }
}

void test_address_of_nobody_is_refused(void **state) {
    Pair &p = pair_of(state);
    plait_addr bad{};
    uint32_t sent = 0;
    Bytes data = pattern(1, 20);
    bad.len = p.point_to_point ? 1 : 0;
    plait_datagram d = datagram_to(bad, data);
    d.peer = &bad;
    assert_int_equal(p.a->send(&d, 1, &sent), PLAIT_E_ADDRESS);
    assert_int_equal(sent, 0);
    if (!p.point_to_point) {
        d.peer = nullptr;
        assert_int_equal(p.a->send(&d, 1, &sent), PLAIT_E_ADDRESS);
    }
    if (g_suite.transport->addr_parse != nullptr) {
        std::string nonsense(400, '\x7f');
        assert_int_equal(p.a->parse(nonsense.c_str(), &bad), PLAIT_E_ADDRESS);
    }
}

void test_info_is_plausible(void **state) {
    Pair &p = pair_of(state);
    const plait_addr *const both[] = {nullptr, &p.addr_z};
    for (const plait_addr *addr : both) {
        plait_transport_info i = p.a->info(addr);
        assert_int_equal(i.struct_size, sizeof i);
        assert_in_range(i.mtu, PLAIT_TRANSPORT_MTU_MIN, 65535);
        assert_int_equal(i.capabilities & ~g_suite.transport->capabilities, 0);
        assert_true(i.cost <= 2);
        assert_int_equal(i.reserved, 0);
        assert_int_equal(i.flags & PLAIT_INFO_DOWN, 0);
        if ((i.capabilities & PLAIT_CAP_GSO) != 0) {
            assert_int_equal(i.header_room + i.tail_room, 0);
            assert_true(i.run_segments > 1 && i.run_bytes > 1);
        }
        assert_int_equal((i.flags & PLAIT_INFO_POINT_TO_POINT) != 0, p.addr_z.len == 0);
    }
}

void test_info_of_an_older_host_is_not_overrun(void **state) {
    Pair &p = pair_of(state);
    if (g_suite.transport->info == nullptr) {
        return;
    }
    plait_transport_info i;
    std::memset(&i, 0x5a, sizeof i);
    i.struct_size = offsetof(plait_transport_info, header_room);
    assert_int_equal(g_suite.transport->info(p.a->self, nullptr, &i), PLAIT_OK);
    assert_true(i.mtu >= PLAIT_TRANSPORT_MTU_MIN);
    assert_int_equal(i.header_room, 0x5a5a);
    assert_int_equal(i.reserved, 0x5a5a5a5a);
}

void test_extension_unknown_is_null(void **state) {
    Pair &p = pair_of(state);
    const plait_transport *t = g_suite.transport;
    if (t->get_extension != nullptr) {
        assert_null(t->get_extension(nullptr, "plait.no-such-thing/1"));
        assert_null(t->get_extension(p.a->self, "plait.no-such-thing/1"));
    }
}

void test_open_with_nothing_to_do_stays_silent(void **state) {
    Pair &p = pair_of(state);
    plait_datagram v[4] = {};
    uint32_t got = 7;
    assert_int_equal(p.a->recv(v, 4, &got), PLAIT_OK);
    assert_int_equal(got, 0);
    p.host.run_for(30);
    assert_true(p.a->inbox.empty() && p.z->inbox.empty());
    assert_true(p.a->up && p.z->up);
    assert_int_equal(p.a->failed, PLAIT_OK);
}

} // namespace

std::vector<CMUnitTest> endpoint_tests() {
    return {PAIR_TEST(test_entry_is_complete),
            PAIR_TEST(test_open_malformed_uris_are_refused),
            PAIR_TEST(test_open_unknown_parameter_is_refused),
            PAIR_TEST(test_open_taken_place_is_refused),
            PAIR_TEST(test_close_then_open_again_works),
            PAIR_TEST(test_address_text_goes_round),
            PAIR_TEST(test_address_of_nobody_is_refused),
            PAIR_TEST(test_info_is_plausible),
            PAIR_TEST(test_info_of_an_older_host_is_not_overrun),
            PAIR_TEST(test_extension_unknown_is_null),
            PAIR_TEST(test_open_with_nothing_to_do_stays_silent)};
}

} // namespace plait::conformance
