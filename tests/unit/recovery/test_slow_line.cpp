// SPDX-License-Identifier: Apache-2.0
#include "../cmocka.hpp"

#include "recovery/slow_line.h"

using namespace plait;
using namespace plait::recovery;

namespace {

constexpr Duration kQueued = base::millis(80);

// So many samples, 200 ms apart.
void samples(SlowLine &l, Time &now, int n, uint64_t rate, Duration queued = kQueued) {
    for (int i = 0; i < n; i++) {
        now = now + base::millis(200);
        l.on_sample(now, rate, queued);
    }
}

void test_slow_line_with_a_queue_is_found(void **) {
    SlowLine l;
    Time now{1'000'000};
    samples(l, now, 4, 11'520);
    assert_true(l.packet_size() == SIZE_MAX); // four tell nothing
    samples(l, now, 6, 11'520);
    assert_int_equal(l.packet_size(), 200); // 230 bytes are 20 ms
    l.reset();
    assert_true(l.packet_size() == SIZE_MAX);
}

void test_low_rate_without_a_queue_is_no_slow_line(void **) {
    SlowLine l;
    Time now{1'000'000};
    samples(l, now, 100, 11'520, base::millis(5));
    assert_true(l.packet_size() == SIZE_MAX);
    for (int i = 0; i < 50; i++) { // now and then it was empty
        samples(l, now, 7, 11'520);
        samples(l, now, 1, 11'520, base::millis(5));
    }
    assert_true(l.packet_size() == SIZE_MAX);
}

void test_fast_line_with_a_queue_is_no_slow_line(void **) {
    SlowLine l;
    Time now{1'000'000};
    samples(l, now, 100, 125'000);
    assert_true(l.packet_size() == SIZE_MAX);
    samples(l, now, 10, 30'000); // what it delivered lately counts
    assert_true(l.packet_size() == SIZE_MAX);
}

void test_many_acks_at_once_are_no_run(void **) {
    SlowLine l;
    Time now{1'000'000};
    for (int i = 0; i < 100; i++)
        l.on_sample(now + base::millis(i), 11'520, kQueued);
    assert_true(l.packet_size() == SIZE_MAX);
}

void test_packet_size_is_never_below_the_least(void **) {
    SlowLine l;
    Time now{1'000'000};
    samples(l, now, 20, 960); // 9,600 baud
    assert_int_equal(l.packet_size(), SlowLine::kLeast);
}

void test_packet_size_stays_while_the_rate_wavers(void **) {
    SlowLine l;
    Time now{1'000'000};
    samples(l, now, 20, 20'000);
    const size_t size = l.packet_size();
    assert_int_equal(size, 400);
    for (int i = 0; i < 50; i++) {
        samples(l, now, 25, i % 2 ? 17'000 : 23'000); // each for longer than the window
        assert_int_equal(l.packet_size(), size);
    }
}

void test_packet_size_follows_the_line_both_ways(void **) {
    SlowLine l;
    Time now{1'000'000};
    samples(l, now, 20, 20'000);
    samples(l, now, 40, 8'000);
    assert_int_equal(l.packet_size(), 160);
    samples(l, now, 3, 40'000, base::millis(0));
    assert_int_equal(l.packet_size(), 800);
    samples(l, now, 3, 1'000'000, base::millis(0));
    assert_true(l.packet_size() == SIZE_MAX);
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(test_slow_line_with_a_queue_is_found),
        cmocka_unit_test(test_low_rate_without_a_queue_is_no_slow_line),
        cmocka_unit_test(test_fast_line_with_a_queue_is_no_slow_line),
        cmocka_unit_test(test_many_acks_at_once_are_no_run),
        cmocka_unit_test(test_packet_size_is_never_below_the_least),
        cmocka_unit_test(test_packet_size_stays_while_the_rate_wavers),
        cmocka_unit_test(test_packet_size_follows_the_line_both_ways),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
