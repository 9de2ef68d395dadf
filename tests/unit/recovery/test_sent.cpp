// SPDX-License-Identifier: Apache-2.0
#include "checked.hpp"

#include "recovery/sent.h"

#include <algorithm>
#include <map>
#include <set>

using namespace plait;
using namespace plait::recovery;
using base::millis;
using base::Range;

namespace {

constexpr uint8_t kData = SentPacket::kAckEliciting | SentPacket::kInFlight;
constexpr Duration kDelay = millis(90);

void send(SentLedger &l, Time now, uint8_t flags = kData, uint32_t size = 1000) {
    SentPacket p;
    p.sent_us = now.us;
    p.offset = l.next().v; // what the connection stores comes back unchanged
    p.size = size;
    p.flags = flags & 31;
    l.on_sent(l.next(), p);
}

Status ack(SentLedger &l, std::initializer_list<Range> ranges, Time now, Outcome &out) {
    out.clear();
    return l.on_ack({ranges.begin(), ranges.size()}, now, out);
}

} // namespace

CHECKED_TEST(test_ledger_ack_settles_and_empties) {
    SentLedger l;
    Outcome out;
    for (uint64_t i = 0; i < 20; i++)
        send(l, Time{i});
    CHECK(l.bytes_in_flight() == 20'000 && l.eliciting_outstanding() == 20);
    CHECK(l.capacity() == 32);
    CHECK(ack(l, {{0, 20}}, Time{50}, out) == PLAIT_OK);
    CHECK(out.acked.size() == 20 && out.acked_bytes == 20'000 && out.largest_is_new);
    CHECK(out.largest_newly_acked.v == 19 && out.largest_acked_sent == Time{19});
    for (uint64_t i = 0; i < 20; i++)
        CHECK(out.acked[i].offset == i);
    CHECK(l.idle() && l.bytes_in_flight() == 0 && l.eliciting_outstanding() == 0);
    return true;
}

CHECKED_TEST(test_ledger_ack_of_unsent_packet_is_refused_whole) {
    SentLedger l;
    Outcome out;
    send(l, Time{1});
    CHECK(ack(l, {{0, 2}}, Time{2}, out) == PLAIT_E_PROTOCOL);
    CHECK(!out.anything_acked() && l.bytes_in_flight() == 1000);
    CHECK(ack(l, {}, Time{2}, out) == PLAIT_E_MALFORMED);
    for (int i = 0; i < 9; i++)
        send(l, Time{3});
    CHECK(ack(l, {{1, 3}, {4, 6}}, Time{4}, out) == PLAIT_E_MALFORMED); // ascending
    CHECK(ack(l, {{4, 6}, {3, 5}}, Time{4}, out) == PLAIT_E_MALFORMED); // overlapping
    CHECK(ack(l, {{4, 4}}, Time{4}, out) == PLAIT_E_MALFORMED);
    CHECK(l.bytes_in_flight() == 10'000);
    return true;
}

CHECKED_TEST(test_ledger_three_later_packets_declare_lost) {
    SentLedger l;
    Outcome out;
    for (uint64_t i = 0; i < 4; i++)
        send(l, Time{1000 + i});
    CHECK(ack(l, {{2, 3}}, Time{2000}, out) == PLAIT_OK);
    l.detect_lost(Time{2000}, kDelay, out);
    CHECK(out.lost.empty()); // two later is no loss yet
    CHECK(l.loss_time(kDelay) == Time{1000} + kDelay);
    CHECK(ack(l, {{2, 4}}, Time{2001}, out) == PLAIT_OK);
    l.detect_lost(Time{2001}, kDelay, out);
    CHECK(out.lost.size() == 1 && out.lost[0].offset == 0 && out.lost_bytes == 1000);
    CHECK(l.loss_time(kDelay) == Time{1001} + kDelay);
    out.clear();
    l.detect_lost(Time{1001} + kDelay, kDelay, out);
    CHECK(out.lost.size() == 1 && out.lost[0].offset == 1);
    CHECK(l.loss_time(kDelay) == kNever && l.bytes_in_flight() == 0);
    return true;
}

CHECKED_TEST(test_ledger_late_ack_is_told_once_and_widens_tolerance) {
    SentLedger l;
    Outcome out;
    for (uint64_t i = 0; i < 20; i++)
        send(l, Time{i});
    CHECK(ack(l, {{10, 20}}, Time{100}, out) == PLAIT_OK);
    l.detect_lost(Time{100}, kDelay, out);
    CHECK(out.lost.size() == 10);
    CHECK(ack(l, {{10, 20}, {4, 6}}, Time{150}, out) == PLAIT_OK);
    CHECK(out.acked.empty() && out.late_acked.size() == 2 && !out.largest_is_new);
    CHECK(out.late_acked[0].offset == 4 && out.late_acked[0].state == SentState::kLost);
    CHECK(ack(l, {{10, 20}, {4, 6}}, Time{151}, out) == PLAIT_OK);
    CHECK(!out.anything_acked());
    CHECK(l.reordering().packets() == 16); // packet 4 came 15 behind the largest
    return true;
}

CHECKED_TEST(test_ledger_forgets_losses_after_three_pto_not_before) {
    SentLedger l;
    Outcome out;
    const Duration pto = millis(100);
    Time now{0};
    for (int i = 0; i < 12; i++)
        send(l, now);
    CHECK(ack(l, {{4, 12}}, now, out) == PLAIT_OK);
    l.detect_lost(now, kDelay, out);
    CHECK(out.lost.size() == 4);
    l.forget_old(now, pto);
    for (int i = 0; i < 299; i++)
        l.forget_old(now = now + millis(1), pto);
    CHECK(ack(l, {{0, 1}}, now, out) == PLAIT_OK);
    CHECK(out.late_acked.size() == 1);
    for (int i = 0; i < 200; i++)
        l.forget_old(now = now + millis(1), pto);
    CHECK(ack(l, {{0, 4}}, now, out) == PLAIT_OK);
    CHECK(!out.anything_acked());
    return true;
}

CHECKED_TEST(test_ledger_acks_alone_do_not_pile_up) {
    SentLedger l;
    for (uint64_t i = 0; i < 100'000; i++)
        send(l, Time{i}, 0, 40);
    CHECK(l.capacity() == 8 && l.bytes_in_flight() == 0 && l.eliciting_outstanding() == 0);
    return true;
}

CHECKED_TEST(test_ledger_stops_at_its_bound) {
    SentLedger l(64);
    int sent = 0;
    for (; !l.full(); sent++)
        send(l, Time{1});
    CHECK(sent == 56);
    for (; !l.exhausted(); sent++)
        send(l, Time{1});
    CHECK(sent == 64);
    Outcome out;
    CHECK(ack(l, {{40, 64}}, Time{2}, out) == PLAIT_OK);
    l.detect_lost(Time{2}, kDelay, out);
    CHECK(!l.full()); // lost records give way
    for (sent = 0; !l.full() && sent < 1000; sent++)
        send(l, Time{3});
    CHECK(sent == 56 && l.capacity() == 64);
    return true;
}

CHECKED_TEST(test_ledger_abandoned_packets_come_back_once) {
    SentLedger l;
    Outcome out;
    for (int i = 0; i < 10; i++)
        send(l, Time{1}, i == 3 ? 0 : kData);
    CHECK(ack(l, {{0, 1}}, Time{2}, out) == PLAIT_OK);
    out.clear();
    l.abandon_all(out);
    CHECK(out.lost.size() == 8 && out.lost_bytes == 0 && l.bytes_in_flight() == 0);
    CHECK(l.idle() && l.first_unanswered() == kNever);
    out.clear();
    l.abandon_all(out);
    CHECK(out.lost.empty());
    CHECK(ack(l, {{5, 8}}, Time{3}, out) == PLAIT_OK);
    CHECK(out.late_acked.size() == 3 && out.late_acked[0].state == SentState::kAbandoned);
    CHECK(l.reordering().packets() == 3); // no loss was declared, so none was wrong
    return true;
}

CHECKED_TEST(test_ledger_first_unanswered_ignores_later_sends_and_silent_packets) {
    SentLedger l;
    Outcome out;
    send(l, Time{10});
    send(l, Time{20}, 0);
    send(l, Time{30});
    send(l, Time{40});
    CHECK(l.first_unanswered() == Time{10});
    CHECK(ack(l, {{0, 1}}, Time{50}, out) == PLAIT_OK);
    CHECK(l.first_unanswered() == Time{30});
    send(l, Time{60});
    CHECK(l.first_unanswered() == Time{30});
    CHECK(ack(l, {{3, 4}}, Time{70}, out) == PLAIT_OK); // 2 is below the largest now
    CHECK(l.first_unanswered() == Time{60});
    CHECK(ack(l, {{2, 5}}, Time{70}, out) == PLAIT_OK);
    CHECK(l.first_unanswered() == kNever);
    return true;
}

CHECKED_TEST(test_ledger_recent_loss_counts_the_last_hundred) {
    SentLedger l;
    Outcome out;
    for (int i = 0; i < 1000; i++)
        send(l, Time{1});
    for (uint64_t i = 0; i < 500; i++) { // every tenth is lost
        if (i % 10 == 0)
            continue;
        CHECK(ack(l, {{i, i + 1}}, Time{2}, out) == PLAIT_OK);
        l.detect_lost(Time{2}, kDelay, out);
    }
    CHECK(l.recent_total() == 100 && l.recent_lost() == 10);
    CHECK(ack(l, {{500, 1000}}, Time{2}, out) == PLAIT_OK);
    l.detect_lost(Time{2}, kDelay, out);
    CHECK(l.recent_total() == 100 && l.recent_lost() == 0);
    return true;
}

CHECKED_TEST(test_ledger_recent_loss_is_exactly_a_hundred_long) {
    for (uint64_t lost_at = 0; lost_at < 70; lost_at++) {
        SentLedger l;
        Outcome out;
        for (int i = 0; i < 300; i++)
            send(l, Time{1});
        for (uint64_t i = 0; i < 300; i++) {
            if (i != lost_at)
                CHECK(ack(l, {{i, i + 1}}, Time{2}, out) == PLAIT_OK);
            l.detect_lost(Time{2}, kDelay, out);
            const bool told = i >= lost_at + 3, within = i < lost_at + 100;
            CHECK(l.recent_lost() == (told && within ? 1 : 0));
        }
    }
    return true;
}

CHECKED_TEST(test_ledger_probe_loss_is_not_counted) {
    SentLedger l;
    Outcome out;
    send(l, Time{1}, kData | SentPacket::kMtuProbe);
    for (int i = 0; i < 5; i++)
        send(l, Time{1});
    CHECK(ack(l, {{1, 6}}, Time{2}, out) == PLAIT_OK);
    l.detect_lost(Time{2}, kDelay, out);
    CHECK(out.lost.size() == 1 && out.lost_bytes == 0 && l.recent_lost() == 0);
    CHECK(l.bytes_in_flight() == 0);
    return true;
}

// RFC 9002 section 7.6.2: an acknowledged packet between two losses ends the run.
CHECKED_TEST(test_ledger_lost_span_needs_an_unbroken_run) {
    for (const bool broken : {false, true}) {
        SentLedger l;
        Outcome out;
        for (uint64_t i = 0; i < 10; i++)
            send(l, Time{i * 1'000'000});
        if (broken)
            CHECK(ack(l, {{9, 10}, {3, 4}}, Time{10'000'000}, out) == PLAIT_OK);
        else
            CHECK(ack(l, {{9, 10}}, Time{10'000'000}, out) == PLAIT_OK);
        l.detect_lost(Time{10'000'000}, kDelay, out);
        CHECK(out.lost_span == millis(broken ? 4000 : 8000));
    }
    return true;
}

// A hole at the front keeps everything behind it in the ring. Were an ACK to walk over what it
// acknowledged before, this would take 10^11 steps and run into the time limit.
CHECKED_TEST(test_ledger_repeated_ranges_cost_nothing) {
    constexpr uint64_t kN = 400'000;
    SentLedger l(1u << 19);
    Outcome out;
    for (uint64_t i = 0; i <= kN; i++)
        send(l, Time{1});
    for (uint64_t i = 2; i <= kN; i++) {
        CHECK(ack(l, {{1, i}}, Time{2}, out) == PLAIT_OK);
        CHECK(out.acked.size() == 1);
        l.detect_lost(Time{2}, kDelay, out);
    }
    // Every third from behind, then all of it again and again.
    SentLedger m(1u << 19);
    for (uint64_t i = 0; i <= kN; i++)
        send(m, Time{1});
    for (uint64_t i = kN; i > 3; i -= 3)
        CHECK(ack(m, {{i - 1, i}}, Time{2}, out) == PLAIT_OK);
    for (uint64_t i = 0; i < kN; i++)
        CHECK(ack(m, {{1 + i / 2, kN}}, Time{3}, out) == PLAIT_OK);
    return true;
}

// --- against a model that scans everything, as RFC 9002 appendix A does ---

namespace {

struct ModelPacket {
    Time sent;
    uint8_t flags = 0;
    SentState state = SentState::kOutstanding;
    Time lost_at;
};

class Model {
  public:
    std::map<uint64_t, ModelPacket> packets;
    uint64_t largest = 0;
    bool has_largest = false;

    uint64_t in_flight() const {
        uint64_t n = 0;
        for (const auto &[pn, p] : packets)
            if (p.state == SentState::kOutstanding && (p.flags & SentPacket::kInFlight))
                n += 1000;
        return n;
    }
    std::set<uint64_t> on_ack(const std::vector<Range> &ranges) {
        std::set<uint64_t> acked;
        for (const Range &r : ranges)
            for (auto it = packets.lower_bound(r.start); it != packets.end() && it->first < r.end;
                 ++it)
                if (it->second.state == SentState::kOutstanding) {
                    it->second.state = SentState::kAcked;
                    acked.insert(it->first);
                }
        largest = has_largest ? std::max(largest, ranges[0].end - 1) : ranges[0].end - 1;
        has_largest = true;
        return acked;
    }
    std::set<uint64_t> detect(Time now, uint32_t threshold) {
        std::set<uint64_t> lost;
        for (auto &[pn, p] : packets) {
            if (!has_largest || pn >= largest || p.state != SentState::kOutstanding)
                continue;
            if (largest - pn >= threshold || p.sent + kDelay <= now) {
                p.state = SentState::kLost;
                p.lost_at = now;
                if (p.flags & SentPacket::kAckEliciting)
                    lost.insert(pn);
            }
        }
        return lost;
    }
};

std::set<uint64_t> offsets(const std::vector<SentPacket> &v) {
    std::set<uint64_t> s;
    for (const SentPacket &p : v)
        s.insert(p.offset);
    return s;
}

std::vector<Range> random_ranges(Dice &dice, uint64_t next) {
    std::vector<Range> out;
    uint64_t end = next - dice.below(std::min<uint64_t>(next, 30));
    while (end > 0 && out.size() < 1 + dice.below(12)) {
        const uint64_t start = end - std::min(end, 1 + dice.below(dice.chance(0.015) ? 400 : 12));
        out.push_back({start, end});
        end = start - std::min(start, 1 + dice.below(4));
    }
    return out;
}

bool check_late(Model &model, const Outcome &out, const std::vector<Range> &ranges, Time now,
                Duration pto) {
    const std::set<uint64_t> late = offsets(out.late_acked);
    CHECK(late.size() == out.late_acked.size());
    for (const uint64_t pn : late) {
        CHECK(model.packets[pn].state == SentState::kLost);
        model.packets[pn].state = SentState::kAcked;
    }
    // Whoever is not reported must have been lost long ago, or elicited no ACK.
    for (const Range &r : ranges)
        for (uint64_t pn = r.start; pn < r.end; pn++) {
            const ModelPacket &p = model.packets[pn];
            CHECK(p.state != SentState::kLost || !(p.flags & SentPacket::kAckEliciting) ||
                  now - p.lost_at >= pto * 3);
        }
    return true;
}

bool run_model(uint64_t seed) {
    Dice dice{seed};
    SentLedger ledger;
    Model model;
    Outcome out;
    Time now{1000};
    const Duration pto = millis(60);
    for (int step = 0; step < 600; step++) {
        now = now + Duration{static_cast<int64_t>(dice.below(dice.chance(0.05) ? 100'000 : 2'000))};
        ledger.forget_old(now, pto);
        for (uint64_t n = dice.below(12); n > 0; n--) {
            // Silent packets count as in flight here, so that the model need not know when an
            // idle front is dropped: the ring grows for none of them while data is in front.
            const uint8_t flags = dice.chance(0.1) ? SentPacket::kAckEliciting : kData;
            model.packets[ledger.next().v] = {now, flags, SentState::kOutstanding, {}};
            send(ledger, now, flags);
        }
        if (ledger.next().v == 0)
            continue;
        const uint32_t threshold_before = ledger.reordering().packets();
        const std::vector<Range> ranges = random_ranges(dice, ledger.next().v);
        out.clear();
        CHECK(ledger.on_ack(ranges, now, out) == PLAIT_OK);
        CHECK(offsets(out.acked) == model.on_ack(ranges));
        CHECK(check_late(model, out, ranges, now, pto));
        CHECK(ledger.reordering().packets() >= threshold_before);
        const uint32_t threshold = ledger.reordering().packets();
        ledger.detect_lost(now, kDelay, out);
        CHECK(offsets(out.lost) == model.detect(now, threshold));
        CHECK(std::is_sorted(out.lost.begin(), out.lost.end(),
                             [](auto &a, auto &b) { return a.offset < b.offset; }));
        CHECK(ledger.bytes_in_flight() == model.in_flight());
        if (step % 50 == 49 && dice.chance(0.3)) {
            out.clear();
            ledger.abandon_all(out);
            for (auto &[pn, p] : model.packets)
                if (p.state == SentState::kOutstanding)
                    p.state = SentState::kLost, p.lost_at = now;
            CHECK(ledger.bytes_in_flight() == 0);
        }
    }
    return true;
}

} // namespace

CHECKED_TEST(test_ledger_random_runs_agree_with_model) {
    for (uint64_t seed = 1; seed <= 60; seed++)
        if (!run_model(seed)) {
            std::fprintf(stderr, "seed %llu\n", static_cast<unsigned long long>(seed));
            return false;
        }
    return true;
}

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(test_ledger_ack_settles_and_empties),
        cmocka_unit_test(test_ledger_ack_of_unsent_packet_is_refused_whole),
        cmocka_unit_test(test_ledger_three_later_packets_declare_lost),
        cmocka_unit_test(test_ledger_late_ack_is_told_once_and_widens_tolerance),
        cmocka_unit_test(test_ledger_forgets_losses_after_three_pto_not_before),
        cmocka_unit_test(test_ledger_acks_alone_do_not_pile_up),
        cmocka_unit_test(test_ledger_stops_at_its_bound),
        cmocka_unit_test(test_ledger_abandoned_packets_come_back_once),
        cmocka_unit_test(test_ledger_first_unanswered_ignores_later_sends_and_silent_packets),
        cmocka_unit_test(test_ledger_recent_loss_counts_the_last_hundred),
        cmocka_unit_test(test_ledger_recent_loss_is_exactly_a_hundred_long),
        cmocka_unit_test(test_ledger_probe_loss_is_not_counted),
        cmocka_unit_test(test_ledger_lost_span_needs_an_unbroken_run),
        cmocka_unit_test(test_ledger_repeated_ranges_cost_nothing),
        cmocka_unit_test(test_ledger_random_runs_agree_with_model),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
