// SPDX-License-Identifier: Apache-2.0
// What read_frames() must refuse, and what it must pass over.
#include "../cmocka.hpp"

#include "collect.h"

#include <random>

using namespace plait;
using namespace plait::wire;
using plait::test::read_bytes;
using plait::test::read_exact;

namespace {

// Appends varints and bytes; the frames that the writer would not write.
struct Raw {
    std::array<uint8_t, 512> buffer{};
    base::Writer w{buffer};
    Raw &u8(unsigned v) {
        return w.u8(static_cast<uint8_t>(v)), *this;
    }
    Raw &v(uint64_t value) {
        return w.varint(value), *this;
    }
    Raw &u32(uint32_t value) {
        return w.u32(value), *this;
    }
    Raw &zeros(size_t n) {
        return w.fill(0, n), *this;
    }
    Status status() const {
        return read_exact(w.written());
    }
};

// The fields of ACK up to the number of ranges.
Raw &ack_start(Raw &raw, uint64_t largest, uint64_t ranges) {
    return raw.u8(0x02).v(0).v(largest).v(0).u32(0).v(ranges);
}

void test_empty_plaintext_has_no_frames(void **) {
    assert_int_equal(read_bytes({}), PLAIT_OK);
}

void test_unknown_core_types_are_refused(void **) {
    for (unsigned type = 0; type < 64; type++) {
        const bool known = type <= 0x03 || (type >= 0x08 && type <= 0x24);
        // With enough zeros every known frame is complete: most are all varints.
        Raw raw;
        raw.u8(type).zeros(64);
        if (!known)
            assert_int_equal(raw.status(), PLAIT_E_MALFORMED);
    }
    assert_int_equal(read_bytes({0x04}), PLAIT_E_MALFORMED);
    assert_int_equal(read_bytes({0x3f}), PLAIT_E_MALFORMED);
}

void test_repair_out_of_its_bounds_is_refused(void **) {
    const auto status = [](uint64_t symbol_size, uint64_t first, uint64_t length, uint64_t size) {
        Raw raw;
        raw.u8(0x24).v(symbol_size).v(first).v(length).u8(0).u8(7).v(size).zeros(
            static_cast<size_t>(std::min<uint64_t>(size, 100)));
        return raw.status();
    };
    assert_int_equal(status(50, 7, 50, 50), PLAIT_OK);
    assert_int_equal(status(50, 7, 50 * 128, 1), PLAIT_OK);
    assert_int_equal(status(65'535, base::kVarintMax - 9, 9, 9), PLAIT_OK);
    assert_int_equal(status(0, 7, 50, 1), PLAIT_E_MALFORMED);
    assert_int_equal(status(65'536, 7, 50, 1), PLAIT_E_MALFORMED);
    assert_int_equal(status(50, 7, 0, 1), PLAIT_E_MALFORMED);
    assert_int_equal(status(50, 7, 50 * 128 + 1, 1), PLAIT_E_MALFORMED);
    assert_int_equal(status(50, base::kVarintMax - 8, 9, 9), PLAIT_E_MALFORMED);
    assert_int_equal(status(50, 7, 50, 0), PLAIT_E_MALFORMED);
    assert_int_equal(status(50, 7, 50, 51), PLAIT_E_MALFORMED);
    assert_int_equal(status(base::kVarintMax, 7, base::kVarintMax, 101), PLAIT_E_MALFORMED);
}

void test_core_type_in_a_longer_form_is_refused(void **) {
    assert_int_equal(read_bytes({0x01}), PLAIT_OK);
    assert_int_equal(read_bytes({0x40, 0x01}), PLAIT_E_MALFORMED);
    assert_int_equal(read_bytes({0x40, 0x3f, 0x00}), PLAIT_E_MALFORMED);
    assert_int_equal(read_bytes({0x80, 0, 0, 0x01}), PLAIT_E_MALFORMED);
    assert_int_equal(read_bytes({0xc0, 0, 0, 0, 0, 0, 0, 0x01}), PLAIT_E_MALFORMED);
}

void test_extensions_are_skipped_and_what_follows_is_read(void **) {
    const uint8_t packet[] = {0x40, 0x40, 0x03, 0xff, 0xff, 0xff, 0x01, 0xc0, 0,
                              0,    0,    1,    0,    0,    0,    0x00, 0x01};
    test::Only<PingFrame> ping;
    assert_int_equal(read_exact(packet, ping), PLAIT_OK);
    assert_int_equal(ping.count, 2);
}

void test_extension_that_overruns_the_packet_is_refused(void **) {
    assert_int_equal(read_bytes({0x40}), PLAIT_E_MALFORMED);
    assert_int_equal(read_bytes({0x40, 0x40}), PLAIT_E_MALFORMED);
    assert_int_equal(read_bytes({0x40, 0x40, 0x02, 0x00}), PLAIT_E_MALFORMED);
    assert_int_equal(read_bytes({0x40, 0x40, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}),
                     PLAIT_E_MALFORMED);
}

void test_padding_anywhere_is_passed_over(void **) {
    const uint8_t packet[] = {0, 0, 0x01, 0, 0, 0, 0x01, 0};
    test::Only<PingFrame> ping;
    assert_int_equal(read_exact(packet, ping), PLAIT_OK);
    assert_int_equal(ping.count, 2);
}

void test_ack_with_no_or_too_many_ranges_is_refused(void **) {
    for (uint64_t ranges : {uint64_t{0}, uint64_t{65}, uint64_t{1000}, base::kVarintMax}) {
        Raw raw;
        ack_start(raw, 1000, ranges).zeros(200);
        assert_int_equal(raw.status(), PLAIT_E_MALFORMED);
    }
    Raw most; // 64 ranges of one packet, one missing between them
    ack_start(most, 126, 64).zeros(1 + 2 * 63);
    assert_int_equal(most.status(), PLAIT_OK);
}

void test_ack_below_packet_zero_is_refused(void **) {
    Raw first, first_ok;
    ack_start(first, 5, 1).v(6);
    assert_int_equal(first.status(), PLAIT_E_MALFORMED);
    ack_start(first_ok, 5, 1).v(5);
    assert_int_equal(first_ok.status(), PLAIT_OK);

    Raw gap, gap_ok, length;
    ack_start(gap, 5, 2).v(4).v(0).v(0); // smallest 1: no room for a gap and a packet
    assert_int_equal(gap.status(), PLAIT_E_MALFORMED);
    ack_start(gap_ok, 5, 2).v(3).v(0).v(0);
    assert_int_equal(gap_ok.status(), PLAIT_OK);
    ack_start(length, 5, 2).v(3).v(0).v(1);
    assert_int_equal(length.status(), PLAIT_E_MALFORMED);

    Raw huge_gap, huge_length;
    ack_start(huge_gap, base::kVarintMax, 2).v(0).v(base::kVarintMax).v(0);
    assert_int_equal(huge_gap.status(), PLAIT_E_MALFORMED);
    ack_start(huge_length, base::kVarintMax, 2).v(0).v(0).v(base::kVarintMax);
    assert_int_equal(huge_length.status(), PLAIT_E_MALFORMED);
}

void test_numbers_from_two_to_the_thirty_on_are_refused(void **) {
    constexpr uint64_t kTooHigh = uint64_t{1} << 30;
    for (unsigned type :
         {0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x1b, 0x1e, 0x21, 0x22}) {
        Raw raw;
        raw.u8(type).v(kTooHigh).zeros(60);
        assert_int_equal(raw.status(), PLAIT_E_MALFORMED);
    }
    Raw request, ack;
    assert_int_equal(request.u8(0x20).v(0).v(kTooHigh).status(), PLAIT_E_MALFORMED);
    assert_int_equal(ack.u8(0x02).v(kTooHigh).v(0).v(0).u32(0).v(1).v(0).status(),
                     PLAIT_E_MALFORMED);
}

void test_data_beyond_the_offset_space_is_refused(void **) {
    Raw last, over, length;
    assert_int_equal(last.u8(0x09).v(base::kVarintMax - 1).v(1).u8(0xaa).status(), PLAIT_OK);
    assert_int_equal(over.u8(0x09).v(base::kVarintMax).v(1).u8(0xaa).status(), PLAIT_E_MALFORMED);
    assert_int_equal(length.u8(0x09).v(0).v(base::kVarintMax).u8(0xaa).status(), PLAIT_E_MALFORMED);
}

void test_skip_of_nothing_or_beyond_the_offset_space_is_refused(void **) {
    Raw nothing, over, most;
    assert_int_equal(nothing.u8(0x10).v(5).v(100).v(0).v(0).status(), PLAIT_E_MALFORMED);
    assert_int_equal(over.u8(0x10).v(5).v(base::kVarintMax).v(1).v(0).status(), PLAIT_E_MALFORMED);
    assert_int_equal(most.u8(0x10).v(5).v(0).v(base::kVarintMax).v(0).status(), PLAIT_OK);
}

void test_open_with_a_bad_axis_or_label_is_refused(void **) {
    const auto open = [](unsigned axes, unsigned label) {
        Raw raw;
        raw.u8(0x11).v(1).u8(axes);
        if (axes >> 6 >= 2)
            raw.v(0);
        return raw.v(0).u8(0).v(0).u8(0).u8(0).u8(label).zeros(label).status();
    };
    assert_int_equal(open(0x00, 16), PLAIT_OK);
    assert_int_equal(open(0x00, 17), PLAIT_E_MALFORMED);
    assert_int_equal(open(0x00, 255), PLAIT_E_MALFORMED);
    assert_int_equal(open(0x20, 0), PLAIT_OK);
    assert_int_equal(open(0x30, 0), PLAIT_E_MALFORMED);
    assert_int_equal(open(0xf0, 0), PLAIT_E_MALFORMED);
}

void test_new_cid_of_no_or_too_many_bytes_is_refused(void **) {
    const auto new_cid = [](unsigned length) {
        Raw raw;
        return raw.u8(0x1e)
            .v(2)
            .v(0)
            .v(1)
            .u8(length)
            .zeros(length + (length == 8 ? 16 : 0))
            .status();
    };
    assert_int_equal(new_cid(0), PLAIT_E_MALFORMED);
    assert_int_equal(new_cid(1), PLAIT_OK);
    assert_int_equal(new_cid(8), PLAIT_OK);
    assert_int_equal(new_cid(9), PLAIT_E_MALFORMED);
    assert_int_equal(new_cid(255), PLAIT_E_MALFORMED);
}

void test_values_without_a_meaning_are_refused(void **) {
    Raw channels;
    assert_int_equal(channels.u8(0x19).v(kMaxChannelsASide + 1).status(), PLAIT_E_MALFORMED);
    Raw links;
    assert_int_equal(links.u8(0x1a).v(kMaxLinkNumbers + 1).status(), PLAIT_E_MALFORMED);
    assert_int_equal(read_bytes({0x21, 2, 3}), PLAIT_OK);
    assert_int_equal(read_bytes({0x21, 2, 4}), PLAIT_E_MALFORMED); // link state
    assert_int_equal(read_bytes({0x23, 0, 1, 0}), PLAIT_OK);
    assert_int_equal(read_bytes({0x23, 0, 3, 0}), PLAIT_E_MALFORMED); // origin
    Raw reason;
    assert_int_equal(reason.u8(0x23).v(0).u8(0).u8(25).zeros(25).status(), PLAIT_E_MALFORMED);
}

// The walk ends at the first frame that the handler does not want.
struct Refuses {
    size_t seen = 0;
    template <class Frame>
    Status on(const Frame &) {
        return ++seen == 2 ? PLAIT_E_PROTOCOL : PLAIT_OK;
    }
};

void test_a_handler_that_fails_ends_the_walk(void **) {
    Refuses handler;
    const uint8_t packet[] = {0x01, 0x01, 0x01, 0x3f};
    assert_int_equal(read_exact(packet, handler), PLAIT_E_PROTOCOL);
    assert_int_equal(handler.seen, 2);
}

// Random bytes, and frames with one byte changed, give a status and never a step outside.
void test_random_bytes_give_a_status(void **) {
    std::mt19937 random(11);
    std::array<uint8_t, 64> bytes;
    for (int i = 0; i < 200000; i++) {
        const size_t n = random() % bytes.size();
        for (size_t k = 0; k < n; k++)
            bytes[k] = static_cast<uint8_t>(random());
        if (n > 0)
            bytes[0] &= 0x3f;
        const Status s = read_exact(Bytes(bytes).first(n));
        assert_true(s == PLAIT_OK || s == PLAIT_E_MALFORMED);
    }
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(test_empty_plaintext_has_no_frames),
        cmocka_unit_test(test_unknown_core_types_are_refused),
        cmocka_unit_test(test_repair_out_of_its_bounds_is_refused),
        cmocka_unit_test(test_core_type_in_a_longer_form_is_refused),
        cmocka_unit_test(test_extensions_are_skipped_and_what_follows_is_read),
        cmocka_unit_test(test_extension_that_overruns_the_packet_is_refused),
        cmocka_unit_test(test_padding_anywhere_is_passed_over),
        cmocka_unit_test(test_ack_with_no_or_too_many_ranges_is_refused),
        cmocka_unit_test(test_ack_below_packet_zero_is_refused),
        cmocka_unit_test(test_numbers_from_two_to_the_thirty_on_are_refused),
        cmocka_unit_test(test_data_beyond_the_offset_space_is_refused),
        cmocka_unit_test(test_skip_of_nothing_or_beyond_the_offset_space_is_refused),
        cmocka_unit_test(test_open_with_a_bad_axis_or_label_is_refused),
        cmocka_unit_test(test_new_cid_of_no_or_too_many_bytes_is_refused),
        cmocka_unit_test(test_values_without_a_meaning_are_refused),
        cmocka_unit_test(test_a_handler_that_fails_ends_the_walk),
        cmocka_unit_test(test_random_bytes_give_a_status),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
