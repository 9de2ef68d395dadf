// SPDX-License-Identifier: Apache-2.0
#include "checked.hpp"

#include "recovery/return_path.h"

#include <algorithm>

using namespace plait;
using namespace plait::recovery;
using base::micros;
using base::millis;
using base::seconds;

namespace {

constexpr uint64_t kSize = 45;

// ACKs that leave `every` apart and pass a line of `rate` bytes/s with an empty queue.
struct Line {
    uint64_t rate;
    ReturnPath path;
    Time free{};
    // Sends so many from `now` on; how many it took until the path was found to be narrow.
    int send(int count, Duration every, Time &now) {
        for (int i = 0; i < count; i++, now = now + every) {
            const Time sent = now;
            free = std::max(free, now) + micros(static_cast<int64_t>(kSize * 1'000'000 / rate));
            path.on_received(kSize);
            path.on_ack(free, free - sent - micros(static_cast<int64_t>(kSize * 1'000'000 / rate)));
            if (path.rate() > 0)
                return i + 1;
        }
        return 0;
    }
};

} // namespace

CHECKED_TEST(test_return_path_full_one_is_found_within_few_acks) {
    for (const uint64_t rate : {2'000, 11'520, 100'000}) {
        Line line{rate, {}, {}};
        Time now{1'000'000};
        const int took = line.send(100, micros(300), now);
        if (rate == 100'000) // its queue must grow to 2 ms first
            CHECK(took > 0 && took <= 20);
        else
            CHECK(took > 0 && took <= 8);
        CHECK(line.path.rate() >= rate * 9 / 10 && line.path.rate() <= rate * 11 / 10);
    }
    return true;
}

CHECKED_TEST(test_return_path_half_full_one_is_not_narrow) {
    Line line{11'520, {}, {}};
    Time now{1'000'000};
    CHECK(line.send(1000, millis(8), now) == 0);
    return true;
}

// ACKs that come in batches, or after a radio has slept, are late without a queue.
CHECKED_TEST(test_return_path_bunches_are_no_queue) {
    for (const int64_t every_us : {700, 2'500, 5'000, 12'000, 16'500, 25'000})
        for (const auto &[sleep, period] : {std::pair<int64_t, int64_t>{16'000, 16'000},
                                            {100'000, 1'000'000},
                                            {175'000, 1'000'000}}) {
            ReturnPath path;
            for (int64_t t = 0; t < 20'000'000; t += every_us) {
                const int64_t phase = t % period, wait = phase < sleep ? sleep - phase : 0;
                path.on_received(kSize);
                path.on_ack(Time{static_cast<uint64_t>(1'000'000 + t + wait)}, micros(wait));
                CHECK(path.rate() == 0);
            }
        }
    return true;
}

CHECKED_TEST(test_return_path_is_forgotten_when_it_stays_empty) {
    Line line{11'520, {}, {}};
    Time now{1'000'000};
    line.send(100, micros(300), now);
    const uint64_t rate = line.path.rate();
    CHECK(rate > 0);
    const auto idle = [&](Duration d) {
        for (const Time end = now + d; now < end; now = now + millis(10))
            line.path.on_ack(now, {});
    };
    idle(millis(1900));
    CHECK(line.path.rate() == rate);
    idle(millis(300));
    CHECK(line.path.rate() == 2 * rate);
    idle(seconds(30));
    CHECK(line.path.rate() == 0);
    return true;
}

CHECKED_TEST(test_return_path_spacing_leaves_most_of_it_free) {
    CHECK(ack_spacing(0, millis(20), 1) == Duration{});
    CHECK(ack_spacing(10'000'000, millis(20), 1) == Duration{}); // as often as ever
    for (const uint64_t rate : {1'200, 11'520, 30'000}) {
        const Duration one = ack_spacing(rate, millis(20), 1),
                       two = ack_spacing(rate, millis(20), 2);
        CHECK(one.us > 0 && two >= one);
        CHECK(static_cast<uint64_t>(one.us) * rate / 1'000'000 >= 3 * kSize);
    }
    CHECK(ack_spacing(100, millis(20), 8) == millis(250));
    return true;
}

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(test_return_path_full_one_is_found_within_few_acks),
        cmocka_unit_test(test_return_path_half_full_one_is_not_narrow),
        cmocka_unit_test(test_return_path_bunches_are_no_queue),
        cmocka_unit_test(test_return_path_is_forgotten_when_it_stays_empty),
        cmocka_unit_test(test_return_path_spacing_leaves_most_of_it_free),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
