// SPDX-License-Identifier: Apache-2.0
#include "checked.hpp"

#include "recovery/rtt.h"

using namespace plait;
using namespace plait::recovery;
using base::micros;
using base::millis;
using base::seconds;

CHECKED_TEST(test_rtt_without_sample_uses_initial) {
    RttEstimator r;
    CHECK(!r.has_sample());
    CHECK(r.srtt() == millis(333));
    CHECK(r.pto({}) == micros(333000 + 4 * 166500));
    return true;
}

// RFC 9002 section 5.3.
CHECKED_TEST(test_rtt_first_sample_sets_everything) {
    RttEstimator r;
    r.set_initial(millis(20));
    r.on_sample(millis(100), millis(5), Time{7});
    CHECK(r.has_sample());
    CHECK(r.srtt() == millis(100) && r.rttvar() == millis(50) && r.min_rtt() == millis(100));
    CHECK(r.pto(millis(5)) == millis(305));
    return true;
}

CHECKED_TEST(test_rtt_ack_delay_is_taken_off_but_never_below_min) {
    RttEstimator r;
    r.on_sample(millis(100), {}, Time{1});
    r.on_sample(millis(110), millis(10), Time{2}); // exactly the minimum after the wait: taken off
    CHECK(r.srtt() == millis(100));
    CHECK(r.rttvar() == micros(37500));
    r.on_sample(millis(104), millis(10), Time{3}); // would fall below: not taken off
    CHECK(r.srtt() == micros((7 * 100000 + 104000) / 8));
    CHECK(r.min_rtt() == millis(100));
    CHECK(r.latest() == millis(104));
    return true;
}

CHECKED_TEST(test_rtt_forget_min_takes_next_sample) {
    RttEstimator r;
    r.on_sample(millis(10), {}, Time{1});
    r.forget_min();
    r.on_sample(millis(80), {}, Time{2});
    CHECK(r.min_rtt() == millis(80));
    return true;
}

// A queue that empties must not make the timers slower than one that fills.
CHECKED_TEST(test_rtt_much_shorter_sample_widens_little) {
    RttEstimator up, down;
    for (RttEstimator *r : {&up, &down})
        for (uint64_t i = 0; i < 100; i++)
            r->on_sample(millis(40), {}, Time{i});
    up.on_sample(millis(60), {}, Time{200});
    down.on_sample(millis(20), {}, Time{200});
    CHECK(up.rttvar() == millis(5));
    CHECK(down.rttvar() == micros(625));
    return true;
}

CHECKED_TEST(test_rtt_variance_floor_is_one_millisecond) {
    RttEstimator r;
    for (uint64_t i = 0; i < 100; i++)
        r.on_sample(micros(200), {}, Time{i});
    CHECK(r.srtt() == micros(200));
    CHECK(r.pto({}) == micros(1200));
    return true;
}

namespace {
uint32_t peer_clock(Time t, int64_t offset) {
    return static_cast<uint32_t>(t.us + static_cast<uint64_t>(offset));
}
} // namespace

CHECKED_TEST(test_one_way_queue_is_seen_whatever_the_clock_offset) {
    for (const int64_t offset : {int64_t{0}, int64_t{-5'000'000}, int64_t{0x7ffffff0},
                                 int64_t{0xfffffff0}, int64_t{123456789012}}) {
        OneWayDelay d;
        Time now{1'000'000};
        for (int i = 0; i < 200; i++, now = now + millis(10)) {
            const Duration delay = i < 100 ? millis(20) : millis(50);
            d.on_forward(now, peer_clock(now + delay, offset), now + delay + millis(20));
        }
        CHECK(d.queue_delay_now() == millis(30));
        CHECK(d.queue_delay() > millis(29) && d.queue_delay() <= millis(30));
    }
    return true;
}

CHECKED_TEST(test_one_way_min_is_forgotten_after_ten_seconds) {
    OneWayDelay d;
    Time now{0};
    d.on_forward(now, peer_clock(now + millis(5), 0), now);
    for (int i = 0; i < 300; i++, now = now + millis(100))
        d.on_forward(now, peer_clock(now + millis(40), 0), now);
    CHECK(d.fwd_min() == millis(40));
    CHECK(d.queue_delay() == Duration{});
    return true;
}

// The unknown offset cancels between links, also where one side's 32 bits have wrapped.
CHECKED_TEST(test_one_way_difference_between_links_is_exact) {
    // The second hundred puts 2^31, where 32 bits change their sign, between the two delays.
    for (int64_t i = 0; i < 200; i++) {
        const int64_t offset = i < 100 ? i * 42'949'673 : (int64_t{1} << 31) - 2'600 * (i - 99);
        OneWayDelay wifi, radio;
        const Time now{5'000'000'000};
        wifi.on_forward(now, peer_clock(now + millis(10), offset), now);
        radio.on_forward(now + seconds(1), peer_clock(now + seconds(1) + millis(250), offset), now);
        CHECK(OneWayDelay::difference(radio, wifi) == millis(240));
        CHECK(OneWayDelay::difference(wifi, radio) == millis(-240));
    }
    return true;
}

CHECKED_TEST(test_one_way_forward_plus_return_is_the_round_trip) {
    const int64_t offset = 987654321;
    OneWayDelay d;
    const Time sent{1'000'000}, received = sent + millis(30), arrival = received + millis(3 + 50);
    d.on_forward(sent, peer_clock(received, offset), arrival);
    d.on_return(arrival, peer_clock(received, offset), millis(3));
    CHECK(d.fwd_relative() + d.ret_relative() == millis(80));
    return true;
}

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(test_rtt_without_sample_uses_initial),
        cmocka_unit_test(test_rtt_first_sample_sets_everything),
        cmocka_unit_test(test_rtt_ack_delay_is_taken_off_but_never_below_min),
        cmocka_unit_test(test_rtt_forget_min_takes_next_sample),
        cmocka_unit_test(test_rtt_much_shorter_sample_widens_little),
        cmocka_unit_test(test_rtt_variance_floor_is_one_millisecond),
        cmocka_unit_test(test_one_way_queue_is_seen_whatever_the_clock_offset),
        cmocka_unit_test(test_one_way_min_is_forgotten_after_ten_seconds),
        cmocka_unit_test(test_one_way_difference_between_links_is_exact),
        cmocka_unit_test(test_one_way_forward_plus_return_is_the_round_trip),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
