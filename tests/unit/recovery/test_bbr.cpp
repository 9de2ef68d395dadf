// SPDX-License-Identifier: Apache-2.0
// What BBRv3 achieves on modelled links. Figures are printed; bounds are asserted.
#include "flow.hpp"

#include "recovery/bbr.h"

using namespace flow;
using base::millis;
using base::seconds;

namespace {

LinkRecoveryConfig bbr() {
    LinkRecoveryConfig c;
    c.controller = ControllerKind::kBbr;
    return c;
}

Link link_of(double mbit, int rtt_ms, double queue_bdp) {
    Link l;
    l.rate = mbit * 125'000;
    l.delay = millis(rtt_ms) / 2;
    l.queue = std::max<uint64_t>(static_cast<uint64_t>(l.rate * rtt_ms / 1000 * queue_bdp), 6000);
    return l;
}

uint32_t percentile(std::vector<uint32_t> v, double share) {
    if (v.empty())
        return 0;
    const auto at =
        v.begin() + static_cast<std::ptrdiff_t>(share * static_cast<double>(v.size() - 1));
    std::nth_element(v.begin(), at, v.end());
    return *at;
}

double jain(const std::vector<double> &x) {
    double sum = 0, squares = 0;
    for (const double v : x) {
        sum += v;
        squares += v * v;
    }
    return sum * sum / (static_cast<double>(x.size()) * squares);
}

} // namespace

CHECKED_TEST(test_bbr_fills_links_of_many_shapes_and_keeps_the_queue_short) {
    bool good = true;
    for (const double queue : {0.1, 1.0, 2.0})
        for (const auto &[mbit, rtt] : std::vector<std::pair<double, int>>{
                 {2, 30}, {5, 50}, {10, 60}, {20, 20}, {50, 10}, {50, 200}, {100, 10}, {300, 40}}) {
            Flow f(link_of(mbit, rtt, queue), bbr(), 7);
            f.run(seconds(5));
            f.waits.clear();
            const uint64_t dropped = f.totals.dropped, sent = f.sender.stats().packets_sent;
            const double share = f.share(seconds(25));
            const double drops = static_cast<double>(f.totals.dropped - dropped) /
                                 static_cast<double>(f.sender.stats().packets_sent - sent);
            const double wait = percentile(f.waits, 0.95) / (rtt * 1000.0);
            std::printf("  %3.0f Mbit/s, %3d ms, queue %.1f BDP: %.1f %%, p95 of the queue %.2f "
                        "rtt, %.2f %% dropped\n",
                        mbit, rtt, queue, share * 100, wait, drops * 100);
            good &= share >= (queue < 1 ? 0.85 : 0.95);
            // Where a round trip holds a handful of packets, each of them is a queue.
            good &= wait <= 0.25 || mbit * rtt < 100;
        }
    CHECK(good);
    return true;
}

CHECKED_TEST(test_bbr_keeps_its_rate_at_random_loss) {
    bool good = true;
    for (const double loss : {0.01, 0.02})
        for (const auto &[mbit, rtt] : std::vector<std::pair<double, int>>{
                 {20, 20}, {20, 40}, {50, 10}, {10, 60}, {100, 50}}) {
            double least = 1;
            for (uint64_t seed = 1; seed <= 3; seed++) {
                Link l = link_of(mbit, rtt, 1);
                l.loss = loss;
                Flow f(l, bbr(), seed);
                f.run(seconds(3));
                least = std::min(least, f.share(seconds(30)) / (1 - loss));
            }
            std::printf("  %.0f %% loss, %3.0f Mbit/s, %d ms: at least %.1f %% of what is left\n",
                        loss * 100, mbit, rtt, least * 100);
            good &= least >= (loss < 0.015 ? 0.94 : 0.6);
        }
    CHECK(good);
    return true;
}

CHECKED_TEST(test_bbr_follows_a_step_of_the_rate_within_two_seconds) {
    bool good = true;
    for (const int rtt : {10, 20, 40})
        for (const double queue : {0.1, 1.0, 2.0}) {
            Flow f(link_of(50, rtt, queue), bbr(), 5);
            f.run(seconds(5));
            f.link.rate = 5 * 125'000;
            f.run(seconds(2));
            f.waits.clear();
            const double down = f.share(seconds(2));
            const double wait = percentile(f.waits, 0.95) / (rtt * 1000.0);
            f.run(seconds(8));
            f.link.rate = 50 * 125'000;
            f.run(seconds(2));
            const double up = f.share(seconds(2));
            std::printf("  50 -> 5 -> 50 Mbit/s, %2d ms, queue %.1f BDP: %.1f %% (p95 of the queue "
                        "%.1f rtt), %.1f %%\n",
                        rtt, queue, down * 100, wait, up * 100);
            good &= down >= 0.9 && up >= (queue < 1 ? 0.85 : 0.9);
        }
    CHECK(good);
    return true;
}

namespace {

// Equal flows that begin one after the other: what each has between the 40th and the 70th second.
std::vector<double> shares_of_equals(size_t count, const Link &link, Duration apart, double &used) {
    std::vector<std::unique_ptr<Flow>> flows;
    Crowd crowd;
    for (size_t i = 0; i < count; i++) {
        flows.push_back(std::make_unique<Flow>(link, bbr(), i + 1));
        flows[i]->has_data = i == 0;
        flows[0]->meet(*flows[i]);
        crowd.add(*flows[i]);
    }
    for (size_t i = 1; i < count; i++) {
        crowd.run(apart);
        flows[i]->has_data = true;
    }
    crowd.run(seconds(40));
    std::vector<double> got;
    for (auto &f : flows)
        got.push_back(-static_cast<double>(f->totals.received));
    crowd.run(seconds(30));
    used = 0;
    for (size_t i = 0; i < count; i++)
        used += got[i] += static_cast<double>(flows[i]->totals.received);
    used /= link.rate * 30;
    return got;
}

} // namespace

CHECKED_TEST(test_bbr_shares_fairly_among_equals) {
    bool good = true;
    for (const size_t count : {2u, 4u})
        for (const double queue : {1.0, 2.0}) {
            double least = 1, least_used = 1, mean = 0;
            for (int64_t apart = 300; apart < 1100; apart += 100) {
                double used = 0;
                const double index =
                    jain(shares_of_equals(count, link_of(50, 20, queue), millis(apart), used));
                least = std::min(least, index);
                mean += index / 8;
                least_used = std::min(least_used, used);
            }
            std::printf("  %zu flows, queue %.1f BDP: Jain %.3f on average, at least %.3f, "
                        "together %.1f %%\n",
                        count, queue, mean, least, least_used * 100);
            good &= mean >= 0.95 && least >= 0.93 && least_used >= 0.93;
        }
    CHECK(good);
    return true;
}

CHECKED_TEST(test_bbr_beside_cubic_neither_starves) {
    bool good = true;
    for (const double queue : {0.5, 1.0, 2.0, 4.0}) {
        Flow b(link_of(50, 20, queue), bbr(), 1), c(link_of(50, 20, queue), {}, 2);
        b.meet(c);
        Crowd crowd;
        crowd.add(b);
        crowd.add(c);
        crowd.run(seconds(10));
        const uint64_t before = b.totals.received, other = c.totals.received;
        crowd.run(seconds(30));
        const auto mine = static_cast<double>(b.totals.received - before),
                   theirs = static_cast<double>(c.totals.received - other);
        std::printf("  queue %.1f BDP: BBR takes %.1f %% of what both get, %.1f %% used\n", queue,
                    mine / (mine + theirs) * 100, (mine + theirs) / (b.link.rate * 30) * 100);
        good &= mine / (mine + theirs) > 0.1 && mine / (mine + theirs) < 0.9;
    }
    CHECK(good);
    return true;
}

namespace {

// Little is sent beside somebody else's standing queue; then that one ends and there is bulk: how
// long until 80 % of the line are used.
Duration until_full(const Link &link, Duration drip) {
    Flow b(link, bbr(), 1), c(link, {}, 2);
    b.meet(c);
    b.drip = drip;
    c.has_data = false;
    Crowd crowd;
    crowd.add(b);
    crowd.add(c);
    crowd.run(seconds(1)); // so that the round trip without a queue is known
    c.has_data = true;
    crowd.run(seconds(14));
    c.has_data = false;
    b.drip = {};
    constexpr Duration kStep = millis(100);
    Duration took{};
    for (double share = 0; share < 0.8 && took < seconds(20); took = took + kStep) {
        const uint64_t before = b.totals.received;
        crowd.run(kStep);
        share = static_cast<double>(b.totals.received - before) /
                (link.rate * static_cast<double>(kStep.us) * 1e-6);
    }
    return took;
}

} // namespace

static Bbr::State state_of(const Flow &f) {
    return static_cast<const Bbr &>(f.sender.controller()).state();
}

static bool reaches(Flow &f, Bbr::State state, Duration within) {
    for (Duration t{}; t < within && state_of(f) != state; t = t + millis(1))
        f.run(millis(1));
    return state_of(f) == state;
}

CHECKED_TEST(test_bbr_link_of_a_group_probes_and_stops_with_the_others) {
    Flow f(link_of(20, 20, 2), bbr(), 3);
    f.run(seconds(5));
    f.sender.set_growth_share(0.4);
    for (int i = 0; i < 5; i++) {
        CHECK(reaches(f, Bbr::State::kCruise, seconds(3)));
        f.run(millis(200)); // far from its own time
        CHECK(state_of(f) == Bbr::State::kCruise);
        f.sender.follow(Probe::kEnded, f.now); // it has begun none
        CHECK(state_of(f) == Bbr::State::kCruise);
        f.sender.follow(Probe::kBegan, f.now);
        CHECK(state_of(f) == Bbr::State::kRefill);
        CHECK(f.sender.probe() == Probe::kNone); // nobody is asked to follow a follower
        CHECK(reaches(f, Bbr::State::kUp, millis(100)));
        f.sender.follow(Probe::kEnded, f.now);
        CHECK(state_of(f) == Bbr::State::kDown);
    }
    CHECK(f.share(seconds(10)) >= 0.95);
    return true;
}

CHECKED_TEST(test_bbr_after_a_trickle_beside_a_foreign_queue_fills_the_link_soon) {
    bool good = true;
    for (const auto &[mbit, rtt] :
         std::vector<std::pair<double, int>>{{5, 50}, {20, 20}, {50, 20}, {50, 100}})
        for (const double queue : {1.0, 2.0, 4.0})
            for (const int drip : {1, 10, 50}) {
                const Duration took = until_full(link_of(mbit, rtt, queue), millis(drip));
                std::printf("  %2.0f Mbit/s, %3d ms, queue %.0f BDP, %3d kB/s before: 80 %% after "
                            "%.1f s\n",
                            mbit, rtt, queue, 100 / drip, static_cast<double>(took.us) * 1e-6);
                good &= took <= millis(2500);
            }
    CHECK(good);
    return true;
}

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(test_bbr_fills_links_of_many_shapes_and_keeps_the_queue_short),
        cmocka_unit_test(test_bbr_keeps_its_rate_at_random_loss),
        cmocka_unit_test(test_bbr_follows_a_step_of_the_rate_within_two_seconds),
        cmocka_unit_test(test_bbr_shares_fairly_among_equals),
        cmocka_unit_test(test_bbr_beside_cubic_neither_starves),
        cmocka_unit_test(test_bbr_after_a_trickle_beside_a_foreign_queue_fills_the_link_soon),
        cmocka_unit_test(test_bbr_link_of_a_group_probes_and_stops_with_the_others),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
