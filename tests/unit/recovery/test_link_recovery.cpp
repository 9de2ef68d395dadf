// SPDX-License-Identifier: Apache-2.0
#include "checked.hpp"

#include "recovery/link_recovery.h"

using namespace plait;
using namespace plait::recovery;
using base::micros;
using base::millis;
using base::Range;
using base::seconds;

namespace {

constexpr uint8_t kData = SentPacket::kAckEliciting | SentPacket::kInFlight;
constexpr int64_t kPeerOffset = 3'000'000'000;

void send(LinkRecovery &l, Time now, uint8_t flags = kData, uint32_t size = 1200) {
    SentPacket p;
    p.size = size;
    p.flags = flags & 31;
    p.offset = l.next_packet_number().v;
    l.on_sent(p, now);
}

// An ACK of packets received `back` before `now`, without delay at the peer.
Status ack(LinkRecovery &l, std::initializer_list<Range> ranges, Time now, Outcome &out,
           Duration back = millis(50), bool own = true) {
    out.clear();
    AckInfo info;
    info.ranges = {ranges.begin(), ranges.size()};
    info.rx_time_us = static_cast<uint32_t>((now - back).us + static_cast<uint64_t>(kPeerOffset));
    info.own_return = own;
    return l.on_ack(info, now, out);
}

// A link with a measured round trip of exactly 100 ms; the next packet number is 30.
void warm_up(LinkRecovery &l, Outcome &out, Time &now) {
    for (uint64_t i = 0; i < 30; i++) {
        send(l, now);
        now = now + millis(100);
        ack(l, {{i, i + 1}}, now, out);
    }
}

} // namespace

// RFC 9002 section 6.2.2: 333 ms, so the first timeout comes at 3 * 333 ms (and the ACK delay).
CHECKED_TEST(test_timer_first_timeout_follows_rfc_9002) {
    LinkRecovery l({});
    Outcome out;
    Time now{5'000'000};
    CHECK(l.timer() == kNever);
    send(l, now);
    CHECK(l.timer() == now + micros(333'000 + 4 * 166'500 + 5'000));
    CHECK(l.on_timer(now + millis(900), out) == TimerVerdict::kNone);
    const Time first = l.timer();
    CHECK(l.on_timer(first, out) == TimerVerdict::kPto && l.pto_count() == 1);
    CHECK(out.lost.empty());                           // a timeout is no loss
    CHECK(l.timer() == first + micros(2 * 1'004'000)); // doubled, though nothing could be sent
    send(l, first + millis(1));
    CHECK(l.timer() == first + millis(1) + micros(2 * 1'004'000));
    CHECK(ack(l, {{1, 2}}, first + millis(50), out) == PLAIT_OK);
    CHECK(l.pto_count() == 0);
    return true;
}

CHECKED_TEST(test_timer_never_waits_longer_than_its_bound) {
    LinkRecovery l({});
    Outcome out;
    Time now{5'000'000};
    send(l, now);
    for (int i = 0; i < 30; i++) {
        const Time next = l.timer();
        CHECK(next - now <= LinkRecovery::kMaxPto + seconds(5));
        now = next;
        CHECK(l.on_timer(now, out) == TimerVerdict::kPto);
        send(l, now);
    }
    return true;
}

CHECKED_TEST(test_timer_loss_time_comes_before_the_probe_timeout) {
    LinkRecovery l({});
    Outcome out;
    Time now{5'000'000};
    warm_up(l, out, now);
    send(l, now);
    send(l, now);
    const Time sent = now;
    now = now + millis(100);
    CHECK(ack(l, {{31, 32}}, now, out) == PLAIT_OK);
    CHECK(out.has_rtt && out.rtt == millis(100) && out.lost.empty());
    CHECK(l.timer() == sent + micros(112'500)); // 9/8 of the round trip
    out.clear();
    CHECK(l.on_timer(l.timer(), out) == TimerVerdict::kLoss);
    CHECK(out.lost.size() == 1 && out.lost[0].offset == 30);
    CHECK(l.timer() == kNever && l.bytes_in_flight() == 0);
    return true;
}

CHECKED_TEST(test_timer_slow_line_adds_what_is_still_going_out) {
    LinkRecoveryConfig c;
    c.controller = ControllerKind::kFixedRate;
    c.line_rate = 960;
    c.mtu = {1200, 1200, true};
    LinkRecovery l(c), fast({});
    CHECK(l.packet_size() == 64); // 20 ms would be 19 bytes
    send(l, Time{1'000'000}, kData, 96);
    send(fast, Time{1'000'000}, kData, 96);
    CHECK(l.timer() == fast.timer() + millis(100));
    CHECK(l.suspicion_timer() == fast.suspicion_timer() + millis(100));
    return true;
}

// RFC 9002's timer moves with each send; suspicion does not.
CHECKED_TEST(test_suspicion_is_not_put_off_by_further_sends) {
    LinkRecovery l({});
    Outcome out;
    Time now{5'000'000};
    warm_up(l, out, now);
    CHECK(l.suspicion_timer() == kNever);
    send(l, now);
    const Time due = l.suspicion_timer();
    CHECK(due > now + millis(100) && due < now + millis(130)); // 100 + 12.5 + 5
    const Time pto = l.timer();
    for (int i = 0; i < 10; i++)
        send(l, now + millis(10 * i));
    CHECK(l.suspicion_timer() == due);
    CHECK(l.timer() > pto);
    CHECK(ack(l, {{30, 35}}, now + millis(100), out) == PLAIT_OK);
    const RttEstimator &r = l.rtt();
    const Duration slack = std::max(r.rttvar() * 4, r.srtt() / 8);
    const Time late = now + millis(40) + r.srtt() + millis(5); // packet 35 was sent 40 ms later
    CHECK(l.overdue() == late && l.suspicion_timer() == late + slack);
    l.excuse(now + millis(70)); // answers came over another link, and that one fails
    CHECK(l.suspicion_timer() == late + slack + millis(30));
    return true;
}

CHECKED_TEST(test_ack_for_unsent_packet_is_the_peers_fault) {
    LinkRecovery l({});
    Outcome out;
    send(l, Time{1'000'000});
    CHECK(ack(l, {{0, 2}}, Time{1'100'000}, out) == PLAIT_E_PROTOCOL);
    CHECK(l.bytes_in_flight() == 1200 && !l.rtt().has_sample());
    return true;
}

CHECKED_TEST(test_rtt_sample_needs_new_largest_and_something_eliciting) {
    LinkRecovery l({});
    Outcome out;
    const Time t{1'000'000};
    send(l, t);
    send(l, t, 0, 40);
    CHECK(ack(l, {{1, 2}}, t + millis(30), out) == PLAIT_OK);
    CHECK(!out.has_rtt); // only an ACK was acknowledged
    CHECK(ack(l, {{0, 2}}, t + millis(300), out) == PLAIT_OK);
    CHECK(!out.has_rtt); // the largest is known already
    send(l, t + millis(300));
    CHECK(ack(l, {{0, 3}}, t + millis(340), out) == PLAIT_OK);
    CHECK(out.has_rtt && l.rtt().latest() == millis(40));
    return true;
}

// ACKs over another link: the timers follow the slower way back; the controller its own, until
// nothing new is heard over that any more.
CHECKED_TEST(test_foreign_return_rules_timers_then_the_path) {
    LinkRecovery l({});
    Outcome out;
    Time now{5'000'000};
    warm_up(l, out, now);
    const Duration before = l.pto();
    for (uint64_t i = 30; i < 60; i++) {
        send(l, now);
        now = now + millis(400);
        CHECK(l.rtt().srtt() == (i <= 31 ? millis(100) : millis(400)));
        CHECK(ack(l, {{i, i + 1}}, now, out, millis(350), false) == PLAIT_OK);
    }
    CHECK(l.pto() > millis(400) && l.pto() > before);
    CHECK(l.one_way().queue_delay() == Duration{}); // the way there is as it was
    return true;
}

CHECKED_TEST(test_late_ack_restores_the_window) {
    LinkRecovery l({});
    Outcome out;
    Time now{5'000'000};
    warm_up(l, out, now);
    for (int i = 0; i < 10; i++)
        send(l, now);
    const uint64_t before = l.cwnd();
    now = now + millis(150);
    CHECK(ack(l, {{37, 40}}, now, out, millis(50)) ==
          PLAIT_OK); // 50 ms of queue, 7 packets missing
    CHECK(out.lost.size() == 7 && l.cwnd() < before);
    CHECK(ack(l, {{30, 40}}, now + millis(20), out) == PLAIT_OK);
    CHECK(out.late_acked.size() == 7 && out.spurious);
    CHECK(l.cwnd() >= before);
    CHECK(l.stats().packets_spurious == 7 && l.stats().packets_lost == 7);
    return true;
}

CHECKED_TEST(test_persistent_congestion_is_declared_but_not_while_suspect) {
    for (const bool suspect : {false, true}) {
        LinkRecovery l({});
        Outcome out;
        Time now{5'000'000};
        warm_up(l, out, now);
        for (int i = 0; i < 10; i++, now = now + millis(100))
            send(l, now);
        l.set_suspect(suspect);
        CHECK(ack(l, {{39, 40}}, now, out) == PLAIT_OK);
        CHECK(out.lost.size() == 9);
        CHECK(out.persistent == !suspect);
        CHECK((l.cwnd() <= 3 * 1200) == !suspect);
    }
    return true;
}

CHECKED_TEST(test_dead_link_hands_everything_back_once) {
    LinkRecovery l({});
    Outcome out;
    Time now{5'000'000};
    warm_up(l, out, now);
    for (int i = 0; i < 5; i++)
        send(l, now);
    const uint64_t cwnd = l.cwnd();
    out.clear();
    l.mark_all_lost(out, now);
    CHECK(out.lost.size() == 5 && l.bytes_in_flight() == 0 && l.cwnd() == cwnd);
    CHECK(l.timer() == kNever && l.suspicion_timer() == kNever);
    out.clear();
    l.mark_all_lost(out, now);
    CHECK(out.lost.empty());
    CHECK(ack(l, {{30, 33}}, now + millis(500), out) == PLAIT_OK);
    CHECK(out.acked.empty() && out.late_acked.size() == 3 && !out.spurious);
    return true;
}

CHECKED_TEST(test_idle_link_starts_from_the_initial_window) {
    LinkRecovery l({});
    Outcome out;
    Time now{5'000'000};
    for (uint64_t pn = 0; pn < 400;) { // windows at a time
        const uint64_t first = pn;
        for (; l.window_left() >= 1200; pn++)
            send(l, now);
        now = now + millis(50);
        CHECK(ack(l, {{first, pn}}, now, out, millis(25)) == PLAIT_OK);
    }
    const uint64_t before = l.cwnd();
    CHECK(before > 100'000);
    CHECK(l.send_time(now + millis(900)) <= now + millis(901));
    CHECK(l.cwnd() == before);
    now = now + millis(1100);
    CHECK(l.send_time(now) == now);
    CHECK(l.cwnd() == 12'000 && l.controller().in_slow_start());
    return true;
}

CHECKED_TEST(test_moved_link_starts_anew_and_old_acks_do_not_disturb) {
    LinkRecovery l({});
    Outcome out;
    Time now{5'000'000};
    warm_up(l, out, now);
    send(l, now);
    const Time moved = now + millis(10);
    l.reset_path(moved);
    CHECK(!l.rtt().has_sample() && l.cwnd() == 12'000 && l.bytes_in_flight() == 0);
    CHECK(l.next_packet_number().v == 31);
    CHECK(ack(l, {{30, 31}}, moved + millis(300), out) == PLAIT_OK);
    CHECK(out.acked.size() == 1 && !out.has_rtt && !l.rtt().has_sample());
    CHECK(!l.one_way().has_forward());
    send(l, moved + millis(300));
    CHECK(ack(l, {{31, 32}}, moved + millis(320), out) == PLAIT_OK);
    CHECK(l.rtt().srtt() == millis(20));
    return true;
}

CHECKED_TEST(test_sleeping_link_remembers_round_trip_and_window) {
    LinkRecovery l({});
    Outcome out;
    Time now{5'000'000};
    warm_up(l, out, now);
    // All that the window takes, once: it doubles.
    const uint64_t first = l.next_packet_number().v;
    while (l.window_left() >= 1000)
        send(l, now);
    now = now + millis(100);
    CHECK(!l.may_sleep());
    CHECK(ack(l, {{first, l.next_packet_number().v}}, now, out) == PLAIT_OK);
    CHECK(l.cwnd() > initial_window(1200));
    const LinkMemory memory = l.remember();
    CHECK(l.may_sleep());
    CHECK(memory.path.srtt_us == 100'000 && memory.path.cwnd == l.cwnd());
    LinkRecovery woken({}, memory.next);
    woken.restore(memory);
    CHECK(woken.next_packet_number() == l.next_packet_number());
    CHECK(woken.ledger().largest_acked() == l.ledger().largest_acked());
    CHECK(woken.ledger().has_largest_acked());
    CHECK(woken.pto() < millis(140));
    CHECK(woken.stats().packets_acked == l.stats().packets_acked &&
          woken.stats().mtu == l.stats().mtu);
    // The window of a link that was idle, and slow start back to what it was.
    CHECK(woken.cwnd() == initial_window(1200) && woken.controller().in_slow_start());
    CHECK(woken.controller().threshold() == l.cwnd());
    // Asleep again, before anything was sent, it knows no less.
    CHECK(woken.remember().path.threshold == memory.path.threshold);
    CHECK(woken.remember().path.srtt_us == memory.path.srtt_us);
    LinkRecovery stranger({});
    CHECK(stranger.remember().path.srtt_us == 0);
    return true;
}

// RFC 5681 section 4.1: idling makes no window larger.
CHECKED_TEST(test_sleeping_link_with_a_small_window_wakes_with_it) {
    LinkRecovery l({});
    Outcome out;
    Time now{5'000'000};
    warm_up(l, out, now);
    for (int i = 0; i < 6; i++) {
        const uint64_t first = l.next_packet_number().v;
        for (int k = 0; k < 8; k++)
            send(l, now + millis(k));
        now = now + millis(200);
        CHECK(ack(l, {{first + 7, first + 8}}, now, out) == PLAIT_OK);
    }
    out.clear();
    CHECK(l.on_timer(now + seconds(1), out) == TimerVerdict::kLoss);
    CHECK(l.cwnd() < initial_window(1200));
    CHECK(l.may_sleep());
    const LinkMemory memory = l.remember();
    LinkRecovery woken({}, memory.next);
    woken.restore(memory);
    CHECK(woken.cwnd() == l.cwnd() && !woken.controller().in_slow_start());
    CHECK(woken.stats().packets_lost == 42);
    return true;
}

CHECKED_TEST(test_mtu_probe_loss_is_not_congestion) {
    LinkRecovery l({});
    Outcome out;
    Time now{5'000'000};
    warm_up(l, out, now);
    const auto size = l.mtu().probe(now);
    CHECK(size == size_t{1472});
    send(l, now, kData | SentPacket::kMtuProbe, 1472);
    for (int i = 0; i < 4; i++)
        send(l, now);
    const uint64_t before = l.cwnd();
    now = now + millis(100);
    CHECK(ack(l, {{31, 35}}, now, out) == PLAIT_OK);
    CHECK(out.lost.size() == 1 && out.lost[0].has(SentPacket::kMtuProbe));
    CHECK(l.cwnd() >= before && l.packet_size() == 1200);
    CHECK(l.mtu().probe(now) == size_t{1472}); // its second try
    send(l, now, kData | SentPacket::kMtuProbe, 1472);
    CHECK(ack(l, {{35, 36}}, now + millis(100), out) == PLAIT_OK);
    CHECK(l.packet_size() == 1472);
    return true;
}

CHECKED_TEST(test_black_hole_brings_the_base_size_back) {
    LinkRecovery l({});
    Outcome out;
    Time now{5'000'000};
    warm_up(l, out, now);
    CHECK(l.mtu().probe(now));
    send(l, now, kData | SentPacket::kMtuProbe, 1472);
    CHECK(ack(l, {{30, 31}}, now + millis(100), out) == PLAIT_OK);
    now = now + millis(200);
    for (int i = 0; i < 6; i++)
        send(l, now, kData, 1472);
    for (int i = 0; i < 4; i++)
        send(l, now, kData, 100);
    CHECK(ack(l, {{37, 41}}, now + millis(100), out) == PLAIT_OK);
    CHECK(out.lost.size() == 6 && l.packet_size() == 1200);
    return true;
}

CHECKED_TEST(test_known_line_gets_small_packets_and_no_burst) {
    LinkRecoveryConfig c;
    c.controller = ControllerKind::kFixedRate;
    c.line_rate = 11'520;
    c.mtu = {1200, 1400, true};
    LinkRecovery l(c);
    CHECK(l.packet_size() == 230);
    const Time now{5'000'000};
    int sent = 0;
    for (; l.send_budget(now) >= 230; sent++)
        send(l, now, kData, 230);
    CHECK(sent == 2);
    l.set_line_rate(115'200);
    CHECK(l.packet_size() == 1400);
    return true;
}

// Another link was blamed for the silence, and then was heard: what is owed is due at once.
CHECKED_TEST(test_suspicion_goes_on_when_the_excuse_ends) {
    LinkRecovery l({});
    Outcome out;
    Time now{1'000'000};
    warm_up(l, out, now);
    send(l, now);
    const Time suspicion = l.suspicion_timer(), heard = suspicion + millis(20);
    l.excuse(suspicion);
    CHECK(l.suspicion_timer() >= suspicion + millis(100));
    l.end_excuse(heard);
    CHECK(l.suspicion_timer() > heard && l.suspicion_timer() < heard + millis(30));
    return true;
}

// A peer that was asked to let ACKs be farther apart is not suspected for doing so; one that was
// asked to hurry again may not know it yet.
CHECKED_TEST(test_timer_waits_as_long_as_acks_were_asked_to) {
    LinkRecovery l({});
    Outcome out;
    Time now{1'000'000};
    warm_up(l, out, now);
    send(l, now);
    const Time suspicion = l.suspicion_timer(), timeout = l.timer();
    CHECK(!l.fit_acks(0, 1) && l.ack_request().seq == 0);
    CHECK(l.fit_acks(10'000, 1) && l.ack_request().seq == 1);
    CHECK(!l.fit_acks(10'500, 1)); // about the same
    const Duration spacing = l.ack_frequency().delay;
    CHECK(spacing >= millis(20) && l.ack_frequency().packets > 1000);
    CHECK(l.suspicion_timer() == suspicion + spacing - millis(5));
    CHECK(l.timer() == timeout + spacing - millis(5));
    CHECK(l.fit_acks(0, 1) && l.ack_frequency() == AckFrequency{});
    CHECK(l.suspicion_timer() == suspicion + spacing - millis(5));
    l.on_request_acked(1); // overtaken
    CHECK(l.suspicion_timer() == suspicion + spacing - millis(5));
    l.on_request_acked(2);
    CHECK(l.suspicion_timer() == suspicion && l.timer() == timeout);
    return true;
}

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(test_timer_first_timeout_follows_rfc_9002),
        cmocka_unit_test(test_timer_never_waits_longer_than_its_bound),
        cmocka_unit_test(test_timer_loss_time_comes_before_the_probe_timeout),
        cmocka_unit_test(test_timer_slow_line_adds_what_is_still_going_out),
        cmocka_unit_test(test_suspicion_is_not_put_off_by_further_sends),
        cmocka_unit_test(test_ack_for_unsent_packet_is_the_peers_fault),
        cmocka_unit_test(test_rtt_sample_needs_new_largest_and_something_eliciting),
        cmocka_unit_test(test_foreign_return_rules_timers_then_the_path),
        cmocka_unit_test(test_late_ack_restores_the_window),
        cmocka_unit_test(test_persistent_congestion_is_declared_but_not_while_suspect),
        cmocka_unit_test(test_dead_link_hands_everything_back_once),
        cmocka_unit_test(test_idle_link_starts_from_the_initial_window),
        cmocka_unit_test(test_moved_link_starts_anew_and_old_acks_do_not_disturb),
        cmocka_unit_test(test_sleeping_link_remembers_round_trip_and_window),
        cmocka_unit_test(test_sleeping_link_with_a_small_window_wakes_with_it),
        cmocka_unit_test(test_mtu_probe_loss_is_not_congestion),
        cmocka_unit_test(test_black_hole_brings_the_base_size_back),
        cmocka_unit_test(test_known_line_gets_small_packets_and_no_burst),
        cmocka_unit_test(test_suspicion_goes_on_when_the_excuse_ends),
        cmocka_unit_test(test_timer_waits_as_long_as_acks_were_asked_to),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
