// SPDX-License-Identifier: Apache-2.0
#include "checked.hpp"

#include "recovery/received.h"

#include <algorithm>
#include <set>
#include <vector>

using namespace plait;
using namespace plait::recovery;
using base::micros;
using base::millis;
using base::Range;

namespace {
void get(ReceivedPackets &r, uint64_t pn, Time now, bool ack_now = false) {
    r.on_received({pn}, now, true, ack_now);
}
std::vector<Range> ranges(const ReceivedPackets &r, size_t most = 64) {
    std::vector<Range> out(most);
    out.resize(r.fill(out));
    return out;
}
} // namespace

CHECKED_TEST(test_received_reports_newest_ranges_first) {
    ReceivedPackets r;
    for (const uint64_t pn : {0, 1, 2, 5, 6, 9})
        get(r, pn, Time{10 + pn});
    CHECK((ranges(r) == std::vector<Range>{{9, 10}, {5, 7}, {0, 3}}));
    CHECK((ranges(r, 2) == std::vector<Range>{{9, 10}, {5, 7}}));
    CHECK(r.largest().v == 9 && r.largest_received_time() == Time{19});
    CHECK(r.ack_delay(Time{29}) == micros(10));
    return true;
}

CHECKED_TEST(test_received_filter_lets_each_packet_pass_once) {
    for (uint64_t seed = 1; seed <= 40; seed++) {
        Dice dice{seed};
        ReceivedPackets r;
        std::set<uint64_t> seen;
        uint64_t top = 0;
        for (int i = 0; i < 3000; i++) {
            top += dice.chance(0.7) ? 1 : dice.below(4);
            const uint64_t pn = dice.chance(0.2) ? top - std::min(top, dice.below(300)) : top;
            const bool duplicate = r.is_duplicate({pn});
            if (seen.count(pn) && !duplicate) {
                std::fprintf(stderr, "seed %llu\n", static_cast<unsigned long long>(seed));
                CHECK(duplicate);
            }
            if (duplicate)
                continue;
            seen.insert(pn);
            get(r, pn, Time{static_cast<uint64_t>(i)});
            const auto out = ranges(r, 100);
            CHECK(out.size() <= ReceivedPackets::kMaxRanges);
            for (const Range &range : out)
                for (uint64_t v = range.start; v < range.end; v++)
                    CHECK(seen.count(v)); // never acknowledges what did not come
            if (dice.chance(0.01)) {
                const ReceivedMemory memory = r.remember();
                CHECK(memory.is_duplicate({pn}));
                r = {};
                r.restore(memory, Time{static_cast<uint64_t>(i)});
                CHECK(r.is_duplicate({pn}));
            }
            if (dice.chance(0.05))
                r.on_ack_acked({pn});
        }
    }
    return true;
}

CHECKED_TEST(test_received_remembered_set_still_filters) {
    ReceivedPackets r;
    for (const uint64_t pn : {0, 1, 4, 8})
        get(r, pn, Time{1});
    const ReceivedMemory memory = r.remember();
    CHECK(memory.is_duplicate({8}) && !memory.is_duplicate({9}));
    ReceivedPackets again;
    again.restore(memory, Time{5});
    for (uint64_t pn = 0; pn <= 8; pn++)
        CHECK(again.is_duplicate({pn}));
    CHECK(!again.is_duplicate({9}) && !again.ack_pending());
    get(again, 9, Time{5});
    CHECK((ranges(again) == std::vector<Range>{{8, 10}})); // the ACK of 8 may have been lost
    ReceivedPackets fresh;
    fresh.restore(ReceivedPackets{}.remember(), Time{5});
    CHECK(fresh.empty() && !fresh.is_duplicate({0}));
    return true;
}

CHECKED_TEST(test_received_early_packets_are_acknowledged_in_pairs) {
    ReceivedPackets r;
    r.set_srtt(millis(24));
    CHECK(r.ack_deadline() == kNever);
    get(r, 0, Time{1000});
    CHECK(r.ack_deadline() == Time{1000} + millis(3)); // srtt / 8
    CHECK(!r.ack_due(Time{2000}));
    get(r, 1, Time{2000});
    CHECK(r.ack_due(Time{2000}));
    r.on_ack_sent(1, Time{2000});
    CHECK(r.ack_deadline() == kNever && !r.ack_pending());
    return true;
}

CHECKED_TEST(test_received_delay_is_bounded_both_ways) {
    ReceivedPackets r;
    r.set_srtt(micros(100));
    CHECK(r.delay() == millis(1));
    r.set_srtt(millis(500));
    CHECK(r.delay() == millis(5));
    r.set_frequency(1, {10, 0, millis(2)});
    CHECK(r.delay() == millis(2));
    r.set_frequency(0, {10, 0, millis(4)}); // an earlier one, overtaken
    CHECK(r.delay() == millis(2));
    r.set_frequency(2, {10, 0, millis(3)});
    CHECK(r.delay() == millis(3));
    r.set_frequency(3, {}); // as it likes
    CHECK(r.delay() == millis(5));
    return true;
}

CHECKED_TEST(test_received_pure_acks_need_no_ack) {
    ReceivedPackets r;
    for (uint64_t pn = 0; pn < 10; pn++)
        r.on_received({pn}, Time{pn}, false, false);
    CHECK(r.ack_deadline() == kNever);
    CHECK(ranges(r).size() == 1);
    return true;
}

// Bulk: at least 8 ACKs a round trip, none more often than every `ack_every` packets needs.
CHECKED_TEST(test_received_bulk_is_acknowledged_eight_times_a_round_trip) {
    ReceivedPackets r;
    r.set_srtt(millis(10));
    uint64_t acks = 0, pn = 0;
    Time now{1'000'000};
    for (; pn < 40'000; pn++, now = now + micros(20)) { // 500 packets a round trip
        get(r, pn, now);
        if (r.ack_due(now)) {
            r.on_ack_sent(1, now);
            acks += pn >= 20'000;
        }
    }
    const double per_rtt = static_cast<double>(acks) / (20'000.0 / 500);
    CHECK(per_rtt >= 8 && per_rtt <= 12);
    // Ten times as fast: every 90 packets.
    for (acks = 0; pn < 140'000; pn++, now = now + micros(2)) {
        get(r, pn, now);
        if (r.ack_due(now)) {
            r.on_ack_sent(1, now);
            acks += pn >= 90'000;
        }
    }
    CHECK(acks >= 50'000 / 92 && acks <= 50'000 / 88);
    return true;
}

CHECKED_TEST(test_received_disorder_is_told_at_once_but_four_times_a_round_trip) {
    ReceivedPackets r;
    r.set_srtt(millis(40));
    Time now{1'000'000};
    uint64_t pn = 0;
    for (; pn < 400; pn++, now = now + micros(100)) { // past the beginning
        get(r, pn, now);
        if (r.ack_due(now))
            r.on_ack_sent(1, now);
    }
    r.on_ack_sent(1, now);
    get(r, ++pn, now); // one is missing
    CHECK(r.ack_due(now));
    r.on_ack_sent(2, now);
    int immediate = 1;
    for (int i = 0; i < 100; i++, now = now + micros(100)) {
        get(r, ++pn, now, true);
        if (r.ack_deadline() == now && r.ack_pending())
            immediate++;
        r.on_ack_sent(2, now);
    }
    CHECK(immediate == 4);
    now = now + millis(60);
    get(r, ++pn, now, true);
    CHECK(r.ack_due(now));
    return true;
}

// As far apart as the sender has asked for, however much comes; alone, a packet is answered soon.
CHECKED_TEST(test_received_asked_spacing_is_kept) {
    ReceivedPackets r;
    r.set_srtt(millis(24));
    r.set_frequency(1, {1 << 20, 3, millis(25)});
    Time now{1'000'000};
    uint64_t pn = 0, acks = 0;
    for (; pn < 10'000; pn++, now = now + micros(100)) { // for a second
        if (pn % 50 == 7)
            continue; // one is missing, now and then
        get(r, pn, now);
        if (r.ack_due(now)) {
            r.on_ack_sent(ranges(r).size(), now);
            acks++;
        }
    }
    CHECK(acks >= 38 && acks <= 42);
    r.on_ack_sent(1, now);
    now = now + millis(100);
    get(r, pn++, now);
    CHECK(r.ack_deadline() == now + millis(3)); // srtt / 8
    r.on_ack_sent(1, now);
    get(r, pn++, now + millis(1));
    CHECK(r.ack_deadline() == now + millis(25));
    get(r, pn++, now + millis(2), true);
    CHECK(r.ack_due(now + millis(2))); // ack-now
    // How it was asked outlives a sleep.
    ReceivedPackets again;
    again.restore(r.remember(), now);
    again.set_frequency(0, {2, 0, millis(1)});
    CHECK(again.frequency() == r.frequency() && again.frequency().delay == millis(25));
    return true;
}

CHECKED_TEST(test_received_asked_until_the_ack_went) {
    ReceivedPackets r;
    get(r, 0, Time{1});
    CHECK(!r.ack_asked());
    get(r, 1, Time{2}, true);
    CHECK(r.ack_asked() && r.ack_due(Time{2}));
    r.on_ack_sent(1, Time{2});
    CHECK(!r.ack_asked());
    return true;
}

CHECKED_TEST(test_received_each_range_is_sent_three_times) {
    for (const size_t room : {64, 8, 3}) {
        ReceivedPackets r;
        r.set_srtt(millis(100));
        std::vector<int> told(4000);
        Time now{1'000'000};
        std::vector<Range> out(room);
        for (uint64_t pn = 0; pn < 8000; pn += 2, now = now + micros(5)) { // every second is lost
            get(r, pn, now);
            if (!r.ack_due(now))
                continue;
            const size_t n = r.fill(out);
            for (size_t i = 0; i < n; i++)
                told[out[i].start / 2]++;
            r.on_ack_sent(n, now);
        }
        // How much room an ACK has is learnt when one is cut short for the first time.
        CHECK(*std::min_element(told.begin() + 4, told.end() - 70) >= 3);
    }
    return true;
}

CHECKED_TEST(test_received_acknowledged_acks_end_the_report) {
    ReceivedPackets r;
    for (const uint64_t pn : {0, 1, 4, 5, 8})
        get(r, pn, Time{1});
    r.on_ack_acked({5});
    CHECK((ranges(r) == std::vector<Range>{{8, 9}}));
    CHECK(r.is_duplicate({4}) && !r.is_duplicate({3}));
    r.on_ack_acked({1000}); // not ours: ignored
    CHECK(ranges(r).size() == 1);
    return true;
}

CHECKED_TEST(test_received_congestion_marks_are_counted) {
    ReceivedPackets r;
    r.on_received({0}, Time{1}, true, false, Ecn::kEct0);
    r.on_received({1}, Time{1}, true, false, Ecn::kCe);
    CHECK(r.ecn().ect0 == 1 && r.ecn().ce == 1 && r.ecn().ect1 == 0);
    return true;
}

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(test_received_reports_newest_ranges_first),
        cmocka_unit_test(test_received_filter_lets_each_packet_pass_once),
        cmocka_unit_test(test_received_remembered_set_still_filters),
        cmocka_unit_test(test_received_early_packets_are_acknowledged_in_pairs),
        cmocka_unit_test(test_received_delay_is_bounded_both_ways),
        cmocka_unit_test(test_received_pure_acks_need_no_ack),
        cmocka_unit_test(test_received_bulk_is_acknowledged_eight_times_a_round_trip),
        cmocka_unit_test(test_received_disorder_is_told_at_once_but_four_times_a_round_trip),
        cmocka_unit_test(test_received_asked_spacing_is_kept),
        cmocka_unit_test(test_received_asked_until_the_ack_went),
        cmocka_unit_test(test_received_each_range_is_sent_three_times),
        cmocka_unit_test(test_received_acknowledged_acks_end_the_report),
        cmocka_unit_test(test_received_congestion_marks_are_counted),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
