// SPDX-License-Identifier: Apache-2.0
#include "../recovery/checked.hpp"

#include "link/bottleneck.h"

#include <algorithm>
#include <cmath>

using namespace plait;
using namespace plait::link;
using base::millis;
using base::Time;

namespace {

constexpr LinkNumber kFirst{0}, kSecond{2}, kThird{4};
constexpr int kStep = 5; // ms between the ACKs of a link

// A queue that fills for a while and empties at once, with a little noise, as loss-based senders
// make it: its delay in us at any ms.
struct Saw {
    int64_t period_ms, phase_ms, height_us;
    Duration delay(int64_t ms, Dice &dice) const {
        const int64_t at = (ms + phase_ms) % period_ms;
        return base::micros(height_us * at / period_ms + static_cast<int64_t>(dice.next() % 400));
    }
};

// Link i sees queue `of[i]`, over ways of different length and with an unknown clock.
bool grouped_after(int seconds, const std::vector<const Saw *> &of, uint32_t clock = 0) {
    Bottlenecks b;
    Dice dice{7};
    for (int64_t ms = 0; ms < seconds * 1000; ms += kStep)
        for (size_t i = 0; i < of.size(); i++) {
            const auto received = clock + static_cast<uint32_t>(ms * 1000);
            const Duration d = of[i]->delay(ms, dice) + millis(1'000'000 * static_cast<int>(i));
            b.add({static_cast<uint32_t>(2 * i)}, received, d);
            b.look(Time{static_cast<uint64_t>(ms) * 1000 + 1});
        }
    return b.group_of(kSecond) == kFirst;
}

constexpr Saw kQueue{1900, 0, 20'000};

} // namespace

CHECKED_TEST(test_one_queue_is_found_in_time) {
    CHECK(!grouped_after(4, {&kQueue, &kQueue}));
    CHECK(grouped_after(15, {&kQueue, &kQueue}));
    return true;
}

CHECKED_TEST(test_one_queue_is_found_while_the_clock_wraps) {
    CHECK(grouped_after(15, {&kQueue, &kQueue}, 0xffffffffu - 7'000'000));
    return true;
}

// As one sender makes them on links of the same kind.
CHECKED_TEST(test_two_queues_filled_alike_are_apart) {
    const Saw later{1900, 600, 20'000}, slower{2300, 0, 20'000};
    CHECK(!grouped_after(60, {&kQueue, &later}));
    CHECK(!grouped_after(60, {&kQueue, &slower}));
    return true;
}

// At the same moments, but not by the same amount.
CHECKED_TEST(test_two_queues_of_other_height_are_apart) {
    const Saw higher{1900, 0, 60'000};
    CHECK(!grouped_after(60, {&kQueue, &higher}));
    return true;
}

CHECKED_TEST(test_flat_queues_say_nothing) {
    const Saw flat{1900, 0, 100};
    CHECK(!grouped_after(60, {&flat, &flat}));
    return true;
}

CHECKED_TEST(test_group_ends_when_the_way_of_one_changes) {
    Bottlenecks b;
    Dice dice{7};
    const Saw other{1700, 300, 15'000};
    const auto run = [&](int from, int until, const Saw &second) {
        for (int64_t ms = from * 1000; ms < until * 1000; ms += kStep) {
            b.add(kFirst, static_cast<uint32_t>(ms * 1000), kQueue.delay(ms, dice));
            b.add(kSecond, static_cast<uint32_t>(ms * 1000), second.delay(ms, dice));
            b.look(Time{static_cast<uint64_t>(ms) * 1000 + 1});
        }
    };
    run(0, 20, kQueue);
    CHECK(b.group_of(kSecond) == kFirst);
    run(20, 40, other);
    CHECK(b.group_of(kSecond) == kSecond);
    return true;
}

CHECKED_TEST(test_removed_link_leaves_the_others_together) {
    Bottlenecks b;
    Dice dice{7};
    const Saw other{1700, 300, 15'000};
    for (int64_t ms = 0; ms < 20'000; ms += kStep) {
        const auto received = static_cast<uint32_t>(ms * 1000);
        b.add(kFirst, received, other.delay(ms, dice));
        b.add(kSecond, received, kQueue.delay(ms, dice));
        b.add(kThird, received, kQueue.delay(ms, dice));
        b.look(Time{static_cast<uint64_t>(ms) * 1000 + 1});
    }
    CHECK(b.group_of(kFirst) == kFirst && b.group_of(kThird) == kSecond);
    b.remove(kFirst);
    CHECK(b.group_of(kThird) == kSecond && b.group_of(kSecond) == kSecond);
    b.remove(kSecond);
    CHECK(b.group_of(kThird) == kThird);
    return true;
}

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(test_one_queue_is_found_in_time),
        cmocka_unit_test(test_one_queue_is_found_while_the_clock_wraps),
        cmocka_unit_test(test_two_queues_filled_alike_are_apart),
        cmocka_unit_test(test_two_queues_of_other_height_are_apart),
        cmocka_unit_test(test_flat_queues_say_nothing),
        cmocka_unit_test(test_group_ends_when_the_way_of_one_changes),
        cmocka_unit_test(test_removed_link_leaves_the_others_together),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
