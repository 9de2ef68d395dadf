// SPDX-License-Identifier: Apache-2.0
// The handshake's parameters: those of docs/protocol.md, appendix A, and what must be refused.
#include "../cmocka.hpp"

#include "examples.h"
#include "page_handshake.h"

using namespace plait;
using namespace plait::wire;
using plait::test::example;
using plait::test::same_bytes;

namespace {

std::array<uint8_t, kMaxParametersSize> buffer;

Bytes encode(const Parameters &p) {
    base::Writer w(buffer);
    write(w, p);
    return w.ok() ? w.written() : Bytes();
}

Status read_exact(Bytes in, Parameters &p) {
    const std::vector<uint8_t> copy(in.begin(), in.end());
    return read(copy, p);
}
Status read_bytes(std::initializer_list<uint8_t> bytes) {
    Parameters p;
    return read_exact(Bytes(bytes.begin(), bytes.size()), p);
}
Status read_parameter(uint64_t id, Bytes value) {
    static std::array<uint8_t, 1024> one;
    base::Writer w(one);
    w.varint(id);
    w.varint(value.size());
    w.bytes(value);
    Parameters p;
    return read_exact(w.written(), p);
}

void check_page(const char *block, const Parameters &p) {
    assert_true(same_bytes(encode(p), example(block, "payload")));
    Parameters got;
    assert_int_equal(read_exact(example(block, "payload"), got), PLAIT_OK);
    assert_true(same_bytes(encode(got), example(block, "payload")));
}

void test_parameters_of_the_page_match(void **) {
    check_page("init", test::page_init());
    check_page("resp", test::page_resp());
}

Parameters largest() {
    Parameters p = test::page_init();
    p.cipher_count = kMaxCiphers;
    p.ciphers.fill(7);
    p.class_count = kMaxClasses;
    for (CidClass &c : p.classes)
        c = CidClass::make("a-class-name-of-thirty-two-bytes", 8);
    p.handshake_class = kMaxClasses - 1;
    p.max_channels = uint64_t{1} << 29;
    p.max_links = p.max_message = p.initial_window = base::kVarintMax;
    p.max_ack_delay_us = kLongestAckDelayUs;
    p.idle_timeout_ms = p.dormancy_timeout_ms = kLongestTimeoutMs;
    p.version_count = p.versions.size();
    p.suite_count = p.suites.size();
    p.has_connection_ids = true;
    p.dcid = p.scid = Cid::from(Bytes(p.node_id).first(8));
    p.repair_window = base::kVarintMax;
    p.grease = base::kVarintMax;
    return p;
}

void test_largest_parameters_fit_and_round_trip(void **) {
    const Parameters p = largest();
    const Bytes bytes = encode(p);
    assert_false(bytes.empty());
    const std::vector<uint8_t> first(bytes.begin(), bytes.end());
    Parameters got;
    assert_int_equal(read_exact(first, got), PLAIT_OK);
    got.grease = p.grease; // not kept by a reader
    assert_true(same_bytes(encode(got), first));
    assert_true(got.classes[15].name() == "a-class-name-of-thirty-two-bytes");
}

void test_parameters_cut_anywhere_are_refused_or_fewer(void **) {
    const Bytes whole = example("init", "payload");
    std::array<bool, 512> boundary{};
    base::Reader r(whole);
    while (!r.done()) {
        boundary[whole.size() - r.left()] = true;
        r.varint();
        r.bytes(r.varint());
    }
    for (size_t n = 0; n < whole.size(); n++) {
        Parameters p;
        assert_int_equal(read_exact(whole.first(n), p), boundary[n] ? PLAIT_OK : PLAIT_E_MALFORMED);
    }
}

void test_absent_parameters_have_their_defaults(void **) {
    Parameters p;
    assert_int_equal(read(Bytes(), p), PLAIT_OK);
    assert_false(p.has_node_id);
    assert_int_equal(p.max_links, 1);
    assert_int_equal(p.max_ack_delay_us, 5000);
    assert_int_equal(p.idle_timeout_ms, 0);
}

void test_unknown_and_reserved_ids_are_ignored_also_twice(void **) {
    for (uint64_t id : {uint64_t{0}, uint64_t{17}, uint64_t{18}, uint64_t{27}, uint64_t{63},
                        uint64_t{64}, uint64_t{31 * 1000 + 27}, base::kVarintMax})
        assert_int_equal(read_parameter(id, Bytes(buffer).first(5)), PLAIT_OK);
    assert_int_equal(read_bytes({27, 1, 0xff, 27, 0, 63, 0, 63, 0}), PLAIT_OK);
    assert_true(is_reserved_parameter(27) && is_reserved_parameter(58) &&
                !is_reserved_parameter(26));
    for (uint64_t id = 1; id <= static_cast<uint64_t>(ParameterId::kLast); id++)
        assert_false(is_reserved_parameter(id));
}

void test_known_id_twice_is_refused(void **) {
    assert_int_equal(read_bytes({6, 1, 5}), PLAIT_OK);
    assert_int_equal(read_bytes({6, 1, 5, 6, 1, 5}), PLAIT_E_MALFORMED);
    assert_int_equal(read_bytes({3, 1, 1, 7, 1, 0, 3, 1, 1}), PLAIT_E_MALFORMED);
}

void test_value_of_a_wrong_length_is_refused(void **) {
    static const std::array<uint8_t, 33> zeros{};
    const Bytes z(zeros);
    for (size_t n = 0; n <= 33; n++) {
        assert_int_equal(read_parameter(1, z.first(n)), n == 32 ? PLAIT_OK : PLAIT_E_MALFORMED);
        assert_int_equal(read_parameter(3, z.first(n)), n == 1 ? PLAIT_OK : PLAIT_E_MALFORMED);
        assert_int_equal(read_parameter(6, z.first(n)), n == 1 ? PLAIT_OK : PLAIT_E_MALFORMED);
        assert_int_equal(read_parameter(13, z.first(n)),
                         n && n % 4 == 0 ? PLAIT_OK : PLAIT_E_MALFORMED);
        assert_int_equal(read_parameter(14, z.first(n)),
                         n && n % 2 == 0 ? PLAIT_OK : PLAIT_E_MALFORMED);
        assert_int_equal(read_parameter(15, z.first(n)), n == 8 ? PLAIT_OK : PLAIT_E_MALFORMED);
        assert_int_equal(read_parameter(16, z.first(n)), n == 2 ? PLAIT_OK : PLAIT_E_MALFORMED);
    }
    assert_int_equal(read_bytes({6, 2, 0x40, 0x05}), PLAIT_OK); // a longer varint is one too
    assert_int_equal(read_bytes({6, 1, 0x40}), PLAIT_E_MALFORMED);
    assert_int_equal(read_bytes({6, 3, 0x40, 0x05, 0}), PLAIT_E_MALFORMED);
    assert_int_equal(read_bytes({2, 0}), PLAIT_E_MALFORMED); // no cipher at all
}

void test_lists_longer_than_kept_are_cut(void **) {
    std::array<uint8_t, 40> many;
    for (size_t i = 0; i < many.size(); i++)
        many[i] = static_cast<uint8_t>(i + 1);
    base::Writer w(buffer);
    w.u8(2);
    w.u8(many.size());
    w.bytes(many);
    Parameters p;
    assert_int_equal(read_exact(w.written(), p), PLAIT_OK);
    assert_int_equal(p.cipher_count, kMaxCiphers);
    assert_int_equal(p.ciphers[7], 8);
}

void test_bad_class_tables_are_refused(void **) {
    assert_int_equal(read_bytes({4, 0}), PLAIT_E_MALFORMED);
    assert_int_equal(read_bytes({4, 3, 1, 'a', 8}), PLAIT_OK);
    assert_int_equal(read_bytes({4, 2, 0, 8}), PLAIT_E_MALFORMED);      // no name
    assert_int_equal(read_bytes({4, 3, 1, 'a', 0}), PLAIT_E_MALFORMED); // no bytes
    assert_int_equal(read_bytes({4, 3, 1, 'a', 9}), PLAIT_E_MALFORMED); // too many
    assert_int_equal(read_bytes({4, 2, 1, 'a'}), PLAIT_E_MALFORMED);    // cut
    assert_int_equal(read_bytes({4, 3, 2, 'a', 8}), PLAIT_E_MALFORMED); // name cut
    assert_int_equal(read_bytes({4, 4, 1, 'a', 8, 1}), PLAIT_E_MALFORMED);
    std::array<uint8_t, 40> name{};
    name[0] = 33;
    name[34] = 8;
    assert_int_equal(read_parameter(4, Bytes(name).first(35)), PLAIT_E_MALFORMED);
    name[0] = 32;
    name[33] = 8;
    assert_int_equal(read_parameter(4, Bytes(name).first(34)), PLAIT_OK);
    std::vector<uint8_t> table;
    for (int i = 0; i < 17; i++) {
        if (i == 16)
            assert_int_equal(read_parameter(4, table), PLAIT_OK);
        table.insert(table.end(), {1, static_cast<uint8_t>('a' + i), 8});
    }
    assert_int_equal(read_parameter(4, table), PLAIT_E_MALFORMED);
}

void test_numbers_out_of_range_are_refused_and_times_cut(void **) {
    Parameters p = largest();
    p.max_channels++;
    Parameters got;
    assert_int_equal(read_exact(encode(p), got), PLAIT_E_MALFORMED);
    p = largest();
    p.handshake_class++;
    got = {};
    assert_int_equal(read_exact(encode(p), got), PLAIT_E_MALFORMED);
    assert_int_equal(read_bytes({9, 1, 0}), PLAIT_E_MALFORMED); // no link at all
    assert_int_equal(read_bytes({5, 1, 3}), PLAIT_OK);          // an XX INIT has no table

    p = largest();
    p.max_ack_delay_us = p.idle_timeout_ms = p.dormancy_timeout_ms = base::kVarintMax;
    got = {};
    assert_int_equal(read_exact(encode(p), got), PLAIT_OK);
    assert_int_equal(got.max_ack_delay_us, kLongestAckDelayUs);
    assert_int_equal(got.idle_timeout_ms, kLongestTimeoutMs);
    assert_int_equal(got.dormancy_timeout_ms, kLongestTimeoutMs);
}

void test_bad_connection_ids_are_refused(void **) {
    assert_int_equal(read_bytes({16, 4, 1, 0xaa, 1, 0xbb}), PLAIT_OK);
    assert_int_equal(read_bytes({16, 4, 9, 0xaa, 1, 0xbb}), PLAIT_E_MALFORMED);
    assert_int_equal(read_bytes({16, 3, 1, 0xaa, 1}), PLAIT_E_MALFORMED);
    assert_int_equal(read_bytes({16, 5, 1, 0xaa, 1, 0xbb, 0}), PLAIT_E_MALFORMED);
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(test_parameters_of_the_page_match),
        cmocka_unit_test(test_largest_parameters_fit_and_round_trip),
        cmocka_unit_test(test_parameters_cut_anywhere_are_refused_or_fewer),
        cmocka_unit_test(test_absent_parameters_have_their_defaults),
        cmocka_unit_test(test_unknown_and_reserved_ids_are_ignored_also_twice),
        cmocka_unit_test(test_known_id_twice_is_refused),
        cmocka_unit_test(test_value_of_a_wrong_length_is_refused),
        cmocka_unit_test(test_lists_longer_than_kept_are_cut),
        cmocka_unit_test(test_bad_class_tables_are_refused),
        cmocka_unit_test(test_numbers_out_of_range_are_refused_and_times_cut),
        cmocka_unit_test(test_bad_connection_ids_are_refused),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
