// SPDX-License-Identifier: Apache-2.0
#include "checked.hpp"

#include "recovery/pacer.h"

#include <algorithm>

using namespace plait;
using namespace plait::recovery;
using base::micros;
using base::millis;

namespace {

constexpr size_t kMtu = 1400;

struct Run {
    uint64_t bytes = 0, wakes = 0;
    Duration shortest{1'000'000};
    size_t largest = 0;
};

// Sends whatever it may for `length`; the timer is late by up to `late_us`.
Run run(Pacer &pacer, Time start, Duration length, uint64_t late_us, size_t packet) {
    Run r;
    Dice dice{42};
    for (Time now = start; now < start + length; r.wakes++) {
        size_t burst = 0;
        while (pacer.budget(now) >= packet) {
            pacer.on_sent(packet, now);
            burst += packet;
        }
        r.bytes += burst;
        r.largest = std::max(r.largest, burst);
        const Time next = pacer.next(now);
        r.shortest = std::min(r.shortest, next - now);
        now = std::max(next, now + micros(1)) +
              micros(late_us ? static_cast<int64_t>(dice.below(late_us)) : 0);
    }
    return r;
}

} // namespace

CHECKED_TEST(test_pacer_holds_the_rate_over_four_orders) {
    for (const uint64_t rate : {100'000ull, 2'500'000ull, 125'000'000ull, 1'250'000'000ull}) {
        Pacer pacer(kMtu, 0);
        pacer.update(rate, 100 * rate, kMtu);
        const Run r = run(pacer, Time{1'000'000}, base::seconds(2), 0, kMtu);
        const double share = static_cast<double>(r.bytes) / static_cast<double>(2 * rate);
        CHECK(share > 0.99 && share < 1.03);
        CHECK(r.shortest >= Pacer::kMinSleep);
    }
    return true;
}

CHECKED_TEST(test_pacer_late_timers_do_not_cost_rate) {
    Pacer pacer(kMtu, 0);
    pacer.update(12'500'000, 1'000'000, kMtu); // quantum 12.5 kB = 1 ms
    const Run r = run(pacer, Time{1'000'000}, base::seconds(2), 1000, kMtu);
    CHECK(r.bytes > 24'000'000 && r.bytes < 25'500'000);
    return true;
}

CHECKED_TEST(test_pacer_quantum_is_a_millisecond_within_half_the_window) {
    Pacer pacer(kMtu);
    pacer.update(125'000'000, 10'000'000, kMtu);
    CHECK(pacer.quantum() == 125'000);
    pacer.update(125'000'000, 100'000, kMtu);
    CHECK(pacer.quantum() == 50'000);
    pacer.update(100'000, 100'000, kMtu);
    CHECK(pacer.quantum() == 2 * kMtu);
    pacer.update(100'000, 2 * kMtu, kMtu);
    CHECK(pacer.quantum() == kMtu);
    return true;
}

CHECKED_TEST(test_pacer_begins_with_ten_packets_and_again_after_idling) {
    Pacer pacer(kMtu);
    pacer.update(100'000, 100'000, kMtu);
    Time now{1'000'000};
    for (int round = 0; round < 2; round++) {
        int sent = 0;
        for (; pacer.budget(now) >= kMtu; sent++)
            pacer.on_sent(kMtu, now);
        CHECK(sent >= 10 && sent <= 13);
        now = now + base::seconds(5);
        pacer.on_idle();
    }
    return true;
}

CHECKED_TEST(test_pacer_slow_line_never_gets_more_than_two_packets) {
    const size_t packet = 230; // 20 ms at 115200 baud
    Pacer pacer(packet, 0);
    pacer.update(11'520, 1'000, packet);
    const Run r = run(pacer, Time{10'000'000}, base::seconds(10), 0, packet);
    CHECK(r.largest <= 2 * packet);
    CHECK(r.bytes > 114'000 && r.bytes < 116'500);
    return true;
}

CHECKED_TEST(test_pacer_unlimited_never_waits) {
    Pacer pacer(kMtu);
    pacer.update(~uint64_t{0}, 14'000, kMtu);
    for (int i = 0; i < 100; i++) {
        CHECK(pacer.next(Time{5}) == Time{5});
        CHECK(pacer.budget(Time{5}) > 1'000'000);
        pacer.on_sent(kMtu, Time{5});
    }
    return true;
}

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(test_pacer_holds_the_rate_over_four_orders),
        cmocka_unit_test(test_pacer_late_timers_do_not_cost_rate),
        cmocka_unit_test(test_pacer_quantum_is_a_millisecond_within_half_the_window),
        cmocka_unit_test(test_pacer_begins_with_ten_packets_and_again_after_idling),
        cmocka_unit_test(test_pacer_slow_line_never_gets_more_than_two_packets),
        cmocka_unit_test(test_pacer_unlimited_never_waits),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
