// SPDX-License-Identifier: Apache-2.0
#include "checked.hpp"

#include "recovery/delivery_rate.h"
#include "recovery/windowed.h"

#include <algorithm>
#include <vector>

using namespace plait;
using namespace plait::recovery;
using base::micros;
using base::millis;
using base::seconds;

namespace {
constexpr Duration kRtt = millis(40);
constexpr uint64_t kSize = 1000;

// Packets leave every `gap`; each is acknowledged a round trip later, `batch` at a time.
RateSample steady(DeliveryRate &rate, Duration gap, uint64_t batch, uint64_t packets) {
    RateSample last;
    std::vector<Time> sent;
    Time now{1'000'000};
    uint64_t acked = 0;
    for (uint64_t pn = 0; pn < packets; pn++, now = now + gap) {
        rate.on_sent({pn}, now, acked == pn);
        sent.push_back(now);
        while (acked + batch <= pn && sent[acked + batch - 1] + kRtt <= now) {
            acked += batch;
            last = rate.on_acked(batch * kSize, {acked - 1}, sent[acked - 1], {pn + 1}, 0, now,
                                 kRtt, kRtt);
        }
    }
    return last;
}
} // namespace

CHECKED_TEST(test_rate_of_a_steady_flow_is_exact_however_acks_come) {
    for (const uint64_t batch : {1, 2, 10, 90}) {
        DeliveryRate rate;
        const RateSample s = steady(rate, micros(100), batch, 5000); // 10 MB/s
        CHECK(s.bytes_per_s > 9'900'000 && s.bytes_per_s < 10'100'000);
        CHECK(!s.app_limited);
    }
    return true;
}

// ACKs held back and let go at once must not look like a fast link: 10 MB/s are sent all the time,
// the ACKs of 200 ms arrive together, and a packet sent in the midst of them is acknowledged on
// time.
CHECKED_TEST(test_rate_is_not_raised_by_an_ack_burst) {
    DeliveryRate rate;
    const Time start{1'000'000};
    const auto sent = [&](uint64_t pn) { return start + micros(100) * static_cast<int64_t>(pn); };
    uint64_t most = 0;
    const auto ack = [&](uint64_t packets, uint64_t largest, uint64_t next, Time now) {
        const auto s =
            rate.on_acked(packets * kSize, {largest}, sent(largest), {next}, 0, now, kRtt, kRtt);
        most = std::max(most, s.bytes_per_s);
    };
    for (uint64_t pn = 0; pn < 2000; pn++)
        rate.on_sent({pn}, sent(pn), pn == 0);
    ack(1, 0, 2000, sent(2000)); // a checkpoint in the midst of the burst
    rate.on_sent({2000}, sent(2000), false);
    ack(1600, 1600, 2001, sent(2000) + micros(10));
    ack(400, 2000, 2400, sent(2000) + kRtt);
    CHECK(most > 8'000'000 && most <= 10'100'000);
    return true;
}

CHECKED_TEST(test_rate_interval_below_a_round_trip_is_no_sample) {
    DeliveryRate rate;
    rate.on_sent({0}, Time{1'000'000}, true);
    const auto s =
        rate.on_acked(kSize, {0}, Time{1'000'000}, {1}, 0, Time{1'000'000} + millis(1), kRtt, kRtt);
    CHECK(s.bytes_per_s == 0 && rate.delivered() == kSize);
    return true;
}

CHECKED_TEST(test_rate_sample_tells_when_the_sender_ran_dry) {
    DeliveryRate rate;
    const Time t{1'000'000};
    rate.on_sent({0}, t, true);
    rate.on_app_limited({1});
    CHECK(rate.on_acked(kSize, {0}, t, {1}, 0, t + kRtt, kRtt, kRtt).app_limited);
    rate.on_sent({1}, t + kRtt, true);
    CHECK(!rate.on_acked(kSize, {1}, t + kRtt, {2}, 0, t + kRtt * 2, kRtt, kRtt).app_limited);
    return true;
}

CHECKED_TEST(test_rate_starts_anew_after_idling) {
    DeliveryRate rate;
    steady(rate, micros(100), 1, 1000);
    const Time t{60'000'000};
    rate.on_sent({1000}, t, true);
    const auto s = rate.on_acked(kSize, {1000}, t, {1001}, 0, t + kRtt, kRtt, kRtt);
    CHECK(s.bytes_per_s == kSize * 1'000'000 / 40'000); // the pause does not count
    return true;
}

// Never better than the best of the window, never worse than the best of its newer half.
CHECKED_TEST(test_windowed_minimum_agrees_with_a_full_history) {
    for (uint64_t seed = 1; seed <= 50; seed++) {
        Dice dice{seed};
        WindowedMin<int64_t> filter;
        std::vector<std::pair<Time, int64_t>> all;
        Time now{0};
        for (int i = 0; i < 2000; i++) {
            now = now + Duration{static_cast<int64_t>(dice.below(30'000))};
            const auto value = static_cast<int64_t>(dice.below(1000)) - 500;
            all.emplace_back(now, value);
            filter.add(value, now, seconds(1));
            int64_t whole = value, half = value;
            for (auto it = all.rbegin(); it != all.rend() && now - it->first <= seconds(1); ++it) {
                whole = std::min(whole, it->second);
                if (now - it->first <= millis(500))
                    half = std::min(half, it->second);
            }
            if (filter.best() < whole || filter.best() > half) {
                std::fprintf(stderr, "seed %llu\n", static_cast<unsigned long long>(seed));
                CHECK(filter.best() >= whole);
                CHECK(filter.best() <= half);
            }
        }
    }
    return true;
}

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(test_rate_of_a_steady_flow_is_exact_however_acks_come),
        cmocka_unit_test(test_rate_is_not_raised_by_an_ack_burst),
        cmocka_unit_test(test_rate_interval_below_a_round_trip_is_no_sample),
        cmocka_unit_test(test_rate_sample_tells_when_the_sender_ran_dry),
        cmocka_unit_test(test_rate_starts_anew_after_idling),
        cmocka_unit_test(test_windowed_minimum_agrees_with_a_full_history),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
