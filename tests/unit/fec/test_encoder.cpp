// SPDX-License-Identifier: Apache-2.0
#include "../recovery/checked.hpp"

#include "../wire/examples.h"
#include "flow.h"

#include "wire/read_frames.h"

using namespace test;

static Options fixed(size_t symbols, uint32_t percent) {
    return {symbols, percent * kShareOne / 100, kMaxWindowBytes};
}

CHECKED_TEST(test_encoder_spends_its_share) {
    for (const uint32_t percent : {5u, 20u, 50u, 100u}) {
        Source s(fixed(20, percent), 100, 1300, 1000, percent);
        for (int i = 0; i < 2000; i++) {
            s.message();
            (void)s.repairs();
        }
        const double share =
            static_cast<double>(s.repair_bytes) / static_cast<double>(s.content.size());
        CHECK(share < percent / 100.0 + 0.005);
        CHECK(share > percent / 100.0 * 0.9);
    }
    return true;
}

CHECKED_TEST(test_encoder_repairs_the_first_packet_at_once) {
    Source s(fixed(20, 10), 200, 200, 1000, 1);
    s.message();
    CHECK(s.repairs().size() == 1);
    s.message();
    CHECK(s.repairs().size() == 0);
    return true;
}

// What ends a burst is repaired after a while, on credit: the next one comes later for it.
CHECKED_TEST(test_encoder_quiet_channel_repairs_its_end) {
    Source s(fixed(20, 20), 200, 200, 1000, 1);
    s.message();
    (void)s.repairs();
    s.gap = Duration{0};
    s.message();
    s.message();
    CHECK(s.repairs().size() == 0);
    CHECK(s.encoder.deadline() > s.now);
    CHECK(s.encoder.deadline() <= s.now + base::millis(20));
    s.encoder.on_timer(s.encoder.deadline());
    CHECK(s.repairs().size() == 1);
    CHECK(s.encoder.deadline() == kNever);
    s.message();
    CHECK(s.encoder.deadline() == kNever); // in debt
    CHECK(s.repairs().size() == 0);
    return true;
}

// Where packets are far apart nothing is gained by waiting.
CHECKED_TEST(test_encoder_sparse_channel_repairs_without_waiting) {
    Source s(fixed(20, 30), 200, 200, 1000, 1);
    s.gap = base::millis(40);
    for (int i = 0; i < 40; i++) {
        s.message();
        (void)s.repairs();
    }
    size_t waited = 0, sent = 0;
    for (int i = 0; i < 40; i++) {
        s.gap = Duration{0};
        s.message();
        s.now = s.now + base::millis(40);
        waited += s.encoder.deadline() != kNever;
        sent += s.repairs().size();
    }
    CHECK(waited == 0);
    CHECK(sent >= 11 && sent <= 13);
    return true;
}

CHECKED_TEST(test_encoder_window_stays_in_its_bounds) {
    for (const uint64_t window_max : {100ull, 3000ull, 1ull << 40}) {
        Source s({0, kShareOne / 2, window_max}, 1, 3000, 1200, 7);
        for (int i = 0; i < 500; i++) {
            s.message();
            for (const auto &r : s.repairs()) {
                CHECK(
                    valid(r.repair.first, r.repair.length, r.repair.symbol_size, r.symbol.size()));
                CHECK(r.repair.length <= window_max);
                CHECK(r.symbol.size() <= 1200);
                CHECK(r.repair.end() == s.content.size());
            }
        }
        CHECK(s.encoder.memory() <= 4 * kMaxWindowBytes);
    }
    return true;
}

// Bytes that were never sent are in no window; what was sent before them is in none either.
CHECKED_TEST(test_encoder_gap_begins_a_new_window) {
    Encoder e(fixed(10, 100));
    const std::vector<uint8_t> bytes(500, 9);
    e.on_source(0, bytes, {}, {}, Time{});
    e.on_source(500, bytes, {}, {}, Time{});
    e.on_source(5000, bytes, {}, {}, Time{});
    const Repair r = e.next(1000);
    CHECK(r.first == 5000);
    CHECK(r.length == 500);
    return true;
}

CHECKED_TEST(test_encoder_smaller_packets_make_smaller_symbols) {
    Encoder e(fixed(10, 100));
    const std::vector<uint8_t> large(1000, 1), small(100, 2);
    uint64_t at = 0;
    const auto send = [&](const std::vector<uint8_t> &b) {
        e.on_source(at, b, {}, {}, Time{});
        at += b.size();
        return e.due() ? e.next(1200).symbol_size : 0;
    };
    CHECK(send(large) == 1008);
    size_t last = 0;
    for (int i = 0; i < 200; i++)
        if (const size_t n = send(small))
            last = n;
    CHECK(last == 112);
    return true;
}

CHECKED_TEST(test_encoder_released_memory_comes_again) {
    Source s(fixed(10, 100), 300, 300, 1000, 3);
    s.message();
    (void)s.repairs();
    CHECK(s.encoder.memory() > 0);
    s.encoder.release();
    CHECK(s.encoder.memory() == 0);
    CHECK(!s.encoder.due());
    s.message();
    const auto sent = s.repairs();
    CHECK(sent.size() == 1);
    CHECK(sent[0].repair.first == s.starts[1]);
    return true;
}

namespace {
struct Page {
    wire::RepairFrame frame;
    Status on(const wire::RepairFrame &f) {
        frame = f;
        return PLAIT_OK;
    }
    template <class Other> Status on(const Other &) { return PLAIT_E_PROTOCOL; }
};
} // namespace

// Made by tools/protocol_examples.py from the same bytes: 40, 41, ... at the offsets 40 to 89.
CHECKED_TEST(test_encoder_makes_the_repair_of_the_page) {
    Page page;
    CHECK(wire::read_frames(plait::test::example("frames", "repair"), page) == PLAIT_OK);
    const wire::RepairFrame &f = page.frame;
    std::vector<uint8_t> bytes(static_cast<size_t>(f.length));
    for (size_t i = 0; i < bytes.size(); i++)
        bytes[i] = static_cast<uint8_t>(f.first + i);
    Encoder e(fixed(10, 100));
    e.on_source(f.first, bytes, {}, {}, Time{});
    const Repair r{f.first, f.length, static_cast<size_t>(f.symbol_size), f.key};
    std::vector<uint8_t> symbol(r.size());
    e.encode(r, symbol);
    CHECK(plait::test::same_bytes(symbol, f.bytes));
    return true;
}

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(test_encoder_makes_the_repair_of_the_page),
        cmocka_unit_test(test_encoder_spends_its_share),
        cmocka_unit_test(test_encoder_repairs_the_first_packet_at_once),
        cmocka_unit_test(test_encoder_quiet_channel_repairs_its_end),
        cmocka_unit_test(test_encoder_sparse_channel_repairs_without_waiting),
        cmocka_unit_test(test_encoder_window_stays_in_its_bounds),
        cmocka_unit_test(test_encoder_gap_begins_a_new_window),
        cmocka_unit_test(test_encoder_smaller_packets_make_smaller_symbols),
        cmocka_unit_test(test_encoder_released_memory_comes_again),
    };
    return cmocka_run_group_tests_name("fec encoder", tests, nullptr, nullptr);
}
