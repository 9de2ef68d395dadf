// SPDX-License-Identifier: Apache-2.0
#include "checked.hpp"

#include "recovery/cubic.h"
#include "recovery/fixed_rate.h"

#include <cmath>

using namespace plait;
using namespace plait::recovery;
using base::millis;
using base::seconds;

namespace {

constexpr size_t kMtu = 1200;

AckEvent ack(Time now, uint64_t bytes, Time sent) {
    AckEvent e;
    e.now = now;
    e.bytes = bytes;
    e.largest_sent_time = sent;
    e.in_flight_before = 1 << 30;
    e.srtt = e.min_rtt = e.rtt = millis(100);
    return e;
}

// High loss unless said otherwise: the RFC's behaviour.
LossEvent loss(Time now, Time sent, uint32_t recent_lost = 50) {
    LossEvent e;
    e.now = now;
    e.bytes = kMtu;
    e.largest_lost_sent_time = sent;
    e.recent_lost = recent_lost;
    e.recent_total = 100;
    e.min_rtt = millis(100);
    return e;
}

// Grows to `bytes` in slow start; the last ACK comes at `now`.
void grow_to(Cubic &c, uint64_t bytes, Time now) {
    while (c.cwnd() < bytes) {
        AckEvent e = ack(now, std::min<uint64_t>(bytes - c.cwnd(), kMtu), now - millis(100));
        e.rtt = {};
        c.on_acked(e);
    }
}

// One window acknowledged in each round trip of 100 ms, packet by packet.
Time run(Cubic &c, Time now, Duration length) {
    const Time end = now + length;
    while (now < end) {
        const auto packets = static_cast<int64_t>(c.cwnd() / kMtu);
        for (int64_t i = 0; i < packets; i++) {
            AckEvent e = ack(now + Duration{100'000 * i / packets}, kMtu, now);
            e.largest_sent_time = e.now - millis(100);
            c.on_acked(e);
        }
        now = now + millis(100);
    }
    return now;
}

} // namespace

CHECKED_TEST(test_initial_window_follows_rfc_9002) {
    CHECK(initial_window(1200) == 12'000);
    CHECK(initial_window(1472) == 14'720);
    CHECK(initial_window(8972) == 17'944);
    CHECK(initial_window(65507) == 131'014);
    CHECK(initial_window(64) == 640);
    return true;
}

CHECKED_TEST(test_cubic_slow_start_grows_by_what_is_acknowledged) {
    Cubic c(kMtu);
    CHECK(c.in_slow_start() && c.cwnd() == 12'000);
    c.on_acked(ack(Time{1'000'000}, 6'000, Time{900'000}));
    CHECK(c.cwnd() == 18'000);
    AckEvent idle = ack(Time{1'000'000}, 6'000, Time{900'000});
    idle.app_limited = true;
    c.on_acked(idle);
    CHECK(c.cwnd() == 18'000);
    CHECK(c.pacing_rate() == 2 * 18'000 * 10);
    return true;
}

// RFC 9438: cut to 0.7, then W_cubic(t) = C (t - K)^3 + W_max with K = cbrt(W_max * 0.3 / C).
CHECKED_TEST(test_cubic_follows_the_curve_of_rfc_9438) {
    Cubic c(kMtu);
    Time now{10'000'000};
    grow_to(c, 1000 * kMtu, now);
    c.on_lost(loss(now, now - millis(50)));
    CHECK(c.cwnd() == 700 * kMtu);
    CHECK(!c.in_slow_start());
    const Time start = now;
    const double k = std::cbrt(1000 * 0.3 / 0.4);
    for (int step = 0; step < 14; step++) {
        now = run(c, now, seconds(1));
        const double t = static_cast<double>((now - start).us) * 1e-6;
        const double want = 0.4 * (t - k) * (t - k) * (t - k) + 1000;
        const double have = static_cast<double>(c.cwnd()) / kMtu;
        CHECK(std::abs(have - want) < 0.04 * want);
    }
    return true;
}

// RFC 9438 section 4.3: with a short round trip and a small window the curve is slower than Reno.
CHECKED_TEST(test_cubic_is_not_slower_than_reno) {
    Cubic c(kMtu);
    Time now{10'000'000};
    c.on_lost(loss(now, now - millis(5))); // from 10 packets to 7
    for (int round = 0; round < 6; round++, now = now + millis(10))
        for (uint64_t left = c.cwnd() / kMtu; left > 0; left--) {
            AckEvent e = ack(now + millis(10), kMtu, now + millis(1));
            e.srtt = e.min_rtt = e.rtt = millis(10);
            c.on_acked(e);
        }
    // 0.53 packets a round trip; the curve alone would be at 7.3 after 70 ms.
    const double have = static_cast<double>(c.cwnd()) / kMtu;
    CHECK(have > 9.2 && have < 10.2);
    return true;
}

CHECKED_TEST(test_cubic_cuts_once_a_round_trip) {
    Cubic c(kMtu);
    const Time now{10'000'000};
    grow_to(c, 100 * kMtu, now);
    c.on_lost(loss(now, now - millis(50)));
    for (int i = 1; i < 10; i++)
        c.on_lost(loss(now + millis(i), now - millis(10)));
    CHECK(c.cwnd() == 70 * kMtu);
    c.on_acked(ack(now + millis(20), kMtu, now - millis(1))); // sent before the cut: no growth
    CHECK(c.cwnd() == 70 * kMtu);
    c.on_lost(loss(now + millis(150), now + millis(20)));
    CHECK(c.cwnd() / kMtu == 48 && c.cwnd() + 1 >= 49 * kMtu); // but for rounding
    return true;
}

CHECKED_TEST(test_cubic_fast_convergence_lowers_the_plateau) {
    Cubic c(kMtu);
    Time now{10'000'000};
    grow_to(c, 1000 * kMtu, now);
    c.on_lost(loss(now, now - millis(50)));
    c.on_lost(loss(now + millis(200), now + millis(100))); // at 700, below the last maximum
    CHECK(c.cwnd() == 490 * kMtu);
    // W_max is now 700 * 0.85 = 595: at K = cbrt(105 / 0.4) s the window is there.
    now = run(c, now + millis(200), Duration{static_cast<int64_t>(std::cbrt(105 / 0.4) * 1e6)});
    CHECK(std::abs(static_cast<double>(c.cwnd()) / kMtu - 595) < 12);
    return true;
}

CHECKED_TEST(test_cubic_low_loss_never_cuts_below_what_the_link_delivers) {
    Cubic c(kMtu);
    const Time now{10'000'000};
    grow_to(c, 150 * kMtu, now);
    AckEvent e = ack(now, kMtu, now - millis(100));
    e.rtt = {};
    e.app_limited = true;
    e.delivery_rate = 1'000 * kMtu; // 100 packets in 100 ms
    c.on_acked(e);
    LossEvent few = loss(now, now - millis(50), 3);
    few.queue_delay = millis(50); // a third of the window waits in a queue
    c.on_lost(few);
    // 100 packets, and 5 for the wait of the ACK; plain CUBIC would also be at 105.
    CHECK(c.cwnd() == 105 * kMtu);
    few.now = now + millis(300);
    few.largest_lost_sent_time = now + millis(200);
    c.on_lost(few);
    CHECK(c.cwnd() == 105 * kMtu);
    // The same loss, when it is not rare: as RFC 9438 wants it.
    c.on_lost(loss(now + millis(600), now + millis(500), 6));
    CHECK(c.cwnd() < 74 * kMtu);
    return true;
}

CHECKED_TEST(test_cubic_floor_is_given_up_when_loss_turns_out_heavy) {
    Cubic c(kMtu);
    const Time now{10'000'000};
    grow_to(c, 120 * kMtu, now);
    AckEvent e = ack(now, kMtu, now - millis(100));
    e.rtt = {};
    e.app_limited = true;
    e.delivery_rate = 1'000 * kMtu;
    c.on_acked(e);
    LossEvent few = loss(now, now - millis(50), 1);
    few.queue_delay = millis(30);
    c.on_lost(few);
    CHECK(c.cwnd() == 105 * kMtu);                          // not 84
    c.on_lost(loss(now + millis(10), now - millis(40), 6)); // of the same flight
    CHECK(c.cwnd() == 84 * kMtu);
    return true;
}

CHECKED_TEST(test_cubic_slow_start_ignores_rare_loss_without_queue) {
    Cubic c(kMtu);
    const Time now{10'000'000};
    grow_to(c, 100 * kMtu, now);
    LossEvent few = loss(now, now - millis(50), 2);
    few.queue_delay = millis(24);
    c.on_lost(few);
    CHECK(c.in_slow_start() && c.cwnd() == 100 * kMtu);
    few.queue_delay = millis(25);
    c.on_lost(few);
    CHECK(!c.in_slow_start());
    return true;
}

CHECKED_TEST(test_cubic_spurious_loss_is_undone_when_all_of_it_came) {
    Cubic c(kMtu);
    const Time now{10'000'000};
    grow_to(c, 100 * kMtu, now);
    c.on_lost(loss(now, now - millis(50)));
    c.on_lost(loss(now + millis(1), now - millis(40)));
    CHECK(c.cwnd() == 70 * kMtu);
    c.on_spurious(now + millis(20), kMtu, now - millis(50));
    CHECK(c.cwnd() == 70 * kMtu); // one of two
    c.on_spurious(now + millis(21), kMtu, now - millis(40));
    CHECK(c.cwnd() == 100 * kMtu && c.in_slow_start());
    c.on_spurious(now + millis(22), kMtu, now - millis(40));
    CHECK(c.cwnd() == 100 * kMtu);
    return true;
}

CHECKED_TEST(test_cubic_persistent_congestion_begins_anew) {
    Cubic c(kMtu);
    const Time now{10'000'000};
    grow_to(c, 100 * kMtu, now);
    LossEvent e = loss(now, now - millis(50));
    e.persistent = true;
    c.on_lost(e);
    CHECK(c.cwnd() == 2 * kMtu && c.in_slow_start());
    c.on_spurious(now + millis(20), kMtu, now - millis(50));
    CHECK(c.cwnd() == 100 * kMtu);
    return true;
}

CHECKED_TEST(test_cubic_mark_cuts_less_than_loss_and_cannot_be_undone) {
    Cubic c(kMtu);
    const Time now{10'000'000};
    grow_to(c, 100 * kMtu, now);
    c.on_ecn({now, now - millis(50), 1, 10, false});
    c.on_ecn({now + millis(1), now - millis(49), 1, 10, false});
    CHECK(c.cwnd() == 85 * kMtu);
    c.on_spurious(now + millis(20), 100 * kMtu, now - millis(50));
    CHECK(c.cwnd() == 85 * kMtu);
    return true;
}

CHECKED_TEST(test_cubic_idle_link_starts_slowly_to_where_it_was) {
    Cubic c(kMtu);
    const Time now{10'000'000};
    grow_to(c, 100 * kMtu, now);
    c.on_idle(now + seconds(2));
    CHECK(c.cwnd() == initial_window(kMtu) && c.in_slow_start());
    CHECK(c.ssthresh() == 100 * kMtu);
    return true;
}

// RFC 9438 section 5.8: time without use of the window does not count.
CHECKED_TEST(test_cubic_app_limited_time_does_not_count) {
    Cubic c(kMtu);
    Time now{10'000'000};
    grow_to(c, 1000 * kMtu, now);
    c.on_lost(loss(now, now - millis(50)));
    now = run(c, now, seconds(1));
    const uint64_t before = c.cwnd();
    for (int i = 0; i < 1000; i++) {
        now = now + millis(100);
        AckEvent e = ack(now, kMtu, now - millis(100));
        e.app_limited = true;
        c.on_acked(e);
    }
    CHECK(c.cwnd() == before);
    now = run(c, now, millis(200));
    CHECK(c.cwnd() < before + before / 10);
    return true;
}

// --- HyStart++ ---

namespace {
// Rounds of `acks` samples; each round's delay is `delay(round)`. Returns the round in which the
// phase was first reached, or -1.
template <class F>
int round_of(HyStart &h, HyStart::Phase phase, F delay, int acks) {
    Time now{1'000'000};
    for (int round = 0; round < 30; round++)
        for (int i = 0; i < acks; i++) {
            now = now + Duration{100'000 / acks};
            h.on_sample(now, now - millis(100), delay(round), true, millis(100));
            if (h.phase() == phase)
                return round;
        }
    return -1;
}
} // namespace

CHECKED_TEST(test_hystart_constant_delay_never_ends_slow_start) {
    HyStart h;
    CHECK(round_of(
              h, HyStart::Phase::kConservative, [](int) { return millis(50); }, 16) == -1);
    return true;
}

CHECKED_TEST(test_hystart_rise_by_an_eighth_is_found) {
    // RttThresh = clamp(100 ms / 8, 4 ms, 16 ms) = 12.5 ms; forward delays may be negative.
    HyStart below, above;
    const auto rise = [](int64_t us) {
        return [us](int round) { return Duration{-5'000'000 + (round >= 5 ? us : 0)}; };
    };
    CHECK(round_of(below, HyStart::Phase::kConservative, rise(12'400), 16) == -1);
    const int found = round_of(above, HyStart::Phase::kConservative, rise(12'500), 16);
    CHECK(found == 5 || found == 6); // rounds are counted by the sender's, not by this one's clock
    CHECK(!above.overshot());
    return true;
}

CHECKED_TEST(test_hystart_few_acks_are_enough_at_the_rounds_end) {
    HyStart h;
    CHECK(round_of(
              h, HyStart::Phase::kConservative, [](int r) { return millis(r >= 5 ? 80 : 50); },
              4) >= 5);
    return true;
}

CHECKED_TEST(test_hystart_passing_jitter_resumes_slow_start) {
    HyStart h;
    const auto spike = [](int r) { return millis(r == 5 ? 80 : 50); };
    CHECK(round_of(h, HyStart::Phase::kDone, spike, 16) == -1);
    CHECK(h.phase() == HyStart::Phase::kSlowStart);
    return true;
}

CHECKED_TEST(test_hystart_lasting_rise_is_done_after_five_rounds) {
    HyStart h;
    const int done = round_of(
        h, HyStart::Phase::kDone, [](int r) { return millis(r >= 5 ? 65 : 50); }, 16);
    CHECK(done >= 10 && done <= 11 && !h.overshot());
    return true;
}

CHECKED_TEST(test_hystart_growing_queue_is_done_at_once) {
    HyStart h;
    const int done = round_of(
        h, HyStart::Phase::kDone, [](int r) { return millis(r >= 5 ? 20 * r : 50); }, 16);
    CHECK(done >= 5 && done <= 7 && h.overshot());
    return true;
}

// --- fixed rate ---

CHECKED_TEST(test_fixed_rate_holds_a_round_trip_and_two_packets) {
    FixedRate f(230, 11'520);
    AckEvent e = ack(Time{1'000'000}, 230, Time{900'000});
    f.on_acked(e);
    CHECK(f.cwnd() == 11'520 * 140 / 1000 + 2 * 230);
    f.on_lost(loss(Time{1'000'000}, Time{900'000}));
    CHECK(f.cwnd() == 11'520 * 140 / 1000 + 2 * 230); // noise, not congestion
    CHECK(f.pacing_rate() == 11'520);
    f.set_line_rate(1'000);
    CHECK(f.pacing_rate() == 1'000);
    return true;
}

CHECKED_TEST(test_factory_makes_what_is_asked_for) {
    const auto cubic = make_controller(ControllerKind::kCubic, kMtu, 0);
    const auto fixed = make_controller(ControllerKind::kFixedRate, kMtu, 1'000);
    CHECK(std::strcmp(cubic->name(), "cubic") == 0 && std::strcmp(fixed->name(), "fixed") == 0);
    return true;
}

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(test_initial_window_follows_rfc_9002),
        cmocka_unit_test(test_cubic_slow_start_grows_by_what_is_acknowledged),
        cmocka_unit_test(test_cubic_follows_the_curve_of_rfc_9438),
        cmocka_unit_test(test_cubic_is_not_slower_than_reno),
        cmocka_unit_test(test_cubic_cuts_once_a_round_trip),
        cmocka_unit_test(test_cubic_fast_convergence_lowers_the_plateau),
        cmocka_unit_test(test_cubic_low_loss_never_cuts_below_what_the_link_delivers),
        cmocka_unit_test(test_cubic_floor_is_given_up_when_loss_turns_out_heavy),
        cmocka_unit_test(test_cubic_slow_start_ignores_rare_loss_without_queue),
        cmocka_unit_test(test_cubic_spurious_loss_is_undone_when_all_of_it_came),
        cmocka_unit_test(test_cubic_persistent_congestion_begins_anew),
        cmocka_unit_test(test_cubic_mark_cuts_less_than_loss_and_cannot_be_undone),
        cmocka_unit_test(test_cubic_idle_link_starts_slowly_to_where_it_was),
        cmocka_unit_test(test_cubic_app_limited_time_does_not_count),
        cmocka_unit_test(test_hystart_constant_delay_never_ends_slow_start),
        cmocka_unit_test(test_hystart_rise_by_an_eighth_is_found),
        cmocka_unit_test(test_hystart_few_acks_are_enough_at_the_rounds_end),
        cmocka_unit_test(test_hystart_passing_jitter_resumes_slow_start),
        cmocka_unit_test(test_hystart_lasting_rise_is_done_after_five_rounds),
        cmocka_unit_test(test_hystart_growing_queue_is_done_at_once),
        cmocka_unit_test(test_fixed_rate_holds_a_round_trip_and_two_packets),
        cmocka_unit_test(test_factory_makes_what_is_asked_for),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
