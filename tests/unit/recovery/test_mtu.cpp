// SPDX-License-Identifier: Apache-2.0
#include "checked.hpp"

#include "recovery/mtu.h"

using namespace plait;
using namespace plait::recovery;
using base::seconds;

namespace {

struct Search {
    size_t found;
    int probes;
};

// Probes over a path that carries `path` bytes until the search says it is done.
Search search(MtuSearch &mtu, size_t path, Time now) {
    int probes = 0;
    while (const auto size = mtu.probe(now)) {
        if (++probes > 100)
            break;
        if (*size <= path)
            mtu.on_probe_acked(*size, now);
        else
            mtu.on_probe_lost(*size, now);
        now = now + base::millis(50);
    }
    return {mtu.mtu(), probes};
}

} // namespace

CHECKED_TEST(test_mtu_ethernet_needs_one_probe) {
    MtuSearch mtu({1200, 1472, false});
    CHECK(mtu.mtu() == 1200);
    const Search s = search(mtu, 1472, Time{1});
    CHECK(s.found == 1472 && s.probes == 1);
    CHECK(!mtu.searching());
    return true;
}

CHECKED_TEST(test_mtu_finds_the_largest_known_size_below_any_path) {
    const size_t known[] = {1200, 1232, 1280, 1350, 1400,  1452,
                            1472, 4048, 8952, 8972, 16384, 65507};
    for (size_t path = 1200; path <= 65507; path += path < 1500 ? 1 : 61) {
        MtuSearch mtu({1200, 65507, false});
        const Search s = search(mtu, path, Time{1});
        size_t want = 1200;
        for (const size_t k : known)
            want = k <= path ? k : want;
        CHECK(s.found == want);
        CHECK(s.probes <= 15);
    }
    return true;
}

CHECKED_TEST(test_mtu_tries_the_transports_own_limit) {
    MtuSearch mtu({1200, 1300, false});
    CHECK(search(mtu, 1500, Time{1}).found == 1300);
    MtuSearch tiny({1200, 64, false});
    CHECK(tiny.mtu() == 64 && !tiny.probe(Time{1}));
    return true;
}

CHECKED_TEST(test_mtu_fixed_never_probes) {
    MtuSearch mtu({1200, 512, true});
    CHECK(mtu.mtu() == 512);
    CHECK(!mtu.probe(Time{1}) && !mtu.probe(Time{} + seconds(9999)));
    return true;
}

// They are lost, or the link is given up with them.
CHECKED_TEST(test_mtu_size_is_given_up_after_three_probes) {
    for (const bool with_link : {false, true}) {
        MtuSearch mtu({1200, 1472, false});
        for (int i = 0; i < 3; i++) {
            CHECK(mtu.probe(Time{1}) == size_t{1472});
            CHECK(!mtu.probe(Time{1})); // one at a time
            if (with_link)
                mtu.on_probe_given_up(Time{1});
            else
                mtu.on_probe_lost(1472, Time{1});
        }
        CHECK(mtu.probe(Time{1}) != size_t{1472});
    }
    return true;
}

CHECKED_TEST(test_mtu_is_probed_again_after_ten_minutes) {
    MtuSearch mtu({1200, 1472, false});
    const Time start{1};
    CHECK(search(mtu, 1300, start).found == 1280);
    CHECK(!mtu.probe(start + seconds(590)));
    CHECK(search(mtu, 1472, start + seconds(602)).found == 1472);
    return true;
}

CHECKED_TEST(test_mtu_black_hole_falls_back_and_congestion_does_not) {
    MtuSearch mtu({1200, 1472, false});
    search(mtu, 1472, Time{1});
    // A burst of losses with a later large packet acknowledged is congestion.
    mtu.on_acked(1472, Time{1000});
    for (uint64_t i = 0; i < 50; i++)
        CHECK(!mtu.on_lost(1472, Time{900 + i}));
    CHECK(mtu.mtu() == 1472);
    // Nothing large gets through any more, while small ones do.
    for (uint64_t i = 0; i < 5; i++) {
        CHECK(!mtu.on_lost(1472, Time{2000 + i}));
        mtu.on_acked(300, Time{2001 + i});
    }
    CHECK(mtu.on_lost(1472, Time{2010}));
    CHECK(mtu.mtu() == 1200);
    CHECK(search(mtu, 1420, Time{3000}).found == 1400);
    return true;
}

CHECKED_TEST(test_mtu_base_is_lowered_when_only_small_packets_pass) {
    MtuSearch mtu({1200, 1472, false});
    mtu.on_acked(1200, Time{1});
    for (uint32_t i = 0; i < 50; i++)
        CHECK(!mtu.on_lost(1200, Time{100 + i})); // an outage: nothing small passed either
    mtu.on_acked(60, Time{200});
    for (uint32_t i = 1; i < MtuSearch::kBlackHoleLosses; i++)
        CHECK(!mtu.on_lost(1200, Time{150 + i}));
    CHECK(mtu.on_lost(1200, Time{160}));
    CHECK(mtu.mtu() == 600);
    CHECK(search(mtu, 1472, Time{2}).found == 1472);
    return true;
}

CHECKED_TEST(test_mtu_three_timeouts_fall_back) {
    MtuSearch mtu({1200, 1472, false});
    search(mtu, 1472, Time{1});
    CHECK(!mtu.on_timeout(2));
    CHECK(mtu.on_timeout(3));
    CHECK(mtu.mtu() == 1200);
    CHECK(search(mtu, 1472, Time{2}).found == 1472); // it was an outage
    return true;
}

CHECKED_TEST(test_mtu_reported_limit_takes_effect_at_once) {
    MtuSearch mtu({1200, 65507, false});
    CHECK(search(mtu, 65507, Time{1}).found == 65507);
    mtu.set_limit(1420);
    CHECK(mtu.mtu() == 1420);
    mtu.set_limit(1000);
    CHECK(mtu.mtu() == 1000 && mtu.base() == 1000);
    mtu.set_limit(1472);
    CHECK(search(mtu, 1472, Time{2}).found == 1472);
    return true;
}

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(test_mtu_ethernet_needs_one_probe),
        cmocka_unit_test(test_mtu_finds_the_largest_known_size_below_any_path),
        cmocka_unit_test(test_mtu_tries_the_transports_own_limit),
        cmocka_unit_test(test_mtu_fixed_never_probes),
        cmocka_unit_test(test_mtu_size_is_given_up_after_three_probes),
        cmocka_unit_test(test_mtu_is_probed_again_after_ten_minutes),
        cmocka_unit_test(test_mtu_black_hole_falls_back_and_congestion_does_not),
        cmocka_unit_test(test_mtu_base_is_lowered_when_only_small_packets_pass),
        cmocka_unit_test(test_mtu_three_timeouts_fall_back),
        cmocka_unit_test(test_mtu_reported_limit_takes_effect_at_once),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
