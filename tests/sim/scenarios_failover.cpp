// SPDX-License-Identifier: Apache-2.0
// How long the loss of a link is felt. The bounds are those that tests/bench/links_table prints
// beside its results; the moment of the cut is drawn.
#include "scenario.h"

#include <cinttypes>

namespace plait::sim {
namespace {

using base::micros;
using base::millis;
using base::seconds;

struct Line {
    uint64_t mbit;
    int64_t rtt_ms;
};

Pair::Way way(const Line &l, uint64_t queue) {
    const uint64_t rate = l.mbit * 125'000;
    return wire_of(rate, micros(l.rtt_ms * 500),
                   rate * static_cast<uint64_t>(l.rtt_ms) * queue / 1000);
}

FlowPlan pings(uint32_t count) {
    FlowPlan plan = message_plan(count, 0, 64, 64);
    plan.config.priority_class = 0;
    plan.there.interval = millis(20);
    return plan;
}

// The longest time between two pings handed over, in us; they come in their order.
uint64_t longest_gap(Flow &f) {
    const FlowEnd &from = f.opener(), &to = f.accepter();
    uint64_t gap = 0, before = 0;
    for (size_t i = 0; i < to.latencies.size(); i++) {
        const uint64_t at = from.sent_at[i] / 1000 + to.latencies[i];
        if (i > 0 && at > before)
            gap = std::max(gap, at - before);
        before = std::max(before, at);
    }
    return gap;
}

// `sides`: bit 0 the way there, bit 1 the way back.
void gap_at_cut(World &w, const Line &first, const Line &second, unsigned sides,
                uint64_t bound_ms) {
    Pair p(w, {way(first, 1), way(second, 1)});
    p.connect();
    constexpr uint32_t kCount = 350;
    Flow &flow = open_flow(w, *p.a, p.at_a, pings(kCount));
    // Until round trips are known well on both links.
    w.run_for(w.rng().between(seconds(4), seconds(5)));
    for (const int side : {0, 1})
        if (sides >> side & 1u)
            p.wires[0]->pipe(side).model.cut = true;
    w.must([&] { return flow.accepter().received == kCount; }, seconds(20), "pings are there");
    if (longest_gap(flow) > bound_ms * 1000)
        w.fail("no ping for %" PRIu64 " us", longest_gap(flow));
    p.heal();
    p.finish_flows(seconds(20));
}

void equal_cut(World &w) {
    gap_at_cut(w, {20, 20}, {20, 20}, 3, 55);
}
void equal_way_there_cut(World &w) {
    gap_at_cut(w, {20, 20}, {20, 20}, 1, 55);
}
void equal_way_back_cut(World &w) {
    gap_at_cut(w, {20, 20}, {20, 20}, 2, 55);
}
void fast_cut(World &w) {
    gap_at_cut(w, {50, 10}, {10, 60}, 3, 85);
}
void to_slow_cut(World &w) {
    gap_at_cut(w, {10, 20}, {2, 200}, 3, 235);
}

// The reader of bulk gets nothing for no longer than this.
void bulk_stall(World &w, const Line &first, const Line &second, int64_t bound_ms) {
    Pair p(w, {way(first, 1), way(second, 1)});
    p.connect();
    Flow &bulk = open_flow(w, *p.a, p.at_a, stream_plan(25'000'000));
    w.run_for(w.rng().between(millis(1500), millis(2000)));
    p.wires[0]->set_cut(true);
    uint64_t seen = 0;
    int64_t quiet = 0, longest = 0;
    for (int ms = 0; ms < 1000; ms++) {
        w.run_for(millis(1));
        quiet = bulk.accepter().received == seen ? quiet + 1 : 0;
        longest = std::max(longest, quiet);
        seen = bulk.accepter().received;
    }
    if (longest > bound_ms)
        w.fail("nothing for %" PRId64 " ms", longest);
    p.finish_flows(seconds(60));
}
void equal_bulk(World &w) {
    bulk_stall(w, {20, 20}, {20, 20}, 70);
}
// 24 ms until the cut is noticed, then the survivor's own queue of 60 ms and its way of 30 ms.
void unequal_bulk(World &w) {
    bulk_stall(w, {50, 10}, {10, 60}, 140);
}

// A radio that sleeps: suspected perhaps, but its window is as it was.
void sleep_is_forgiven(World &w) {
    Pair p(w, {way({20, 20}, 2), way({20, 20}, 2)});
    p.connect();
    Flow &bulk = open_flow(w, *p.a, p.at_a, stream_plan(uint64_t{1} << 40));
    w.run_for(seconds(4));
    const uint64_t before = bulk.accepter().received;
    // Deaf from now on, once; what comes meanwhile waits.
    const Nanos now = w.now();
    const Duration until =
        w.rng().between(millis(100), millis(200)) + Duration{static_cast<int64_t>(now / 1000)};
    p.wires[0]->each_pipe([&](Pipe &pipe) {
        pipe.model.sleep = until;
        pipe.model.sleep_period = seconds(100'000);
        pipe.model.queue *= 10;
    });
    w.run_for(seconds(4));
    const double share = static_cast<double>(bulk.accepter().received - before) / (4 * 5'000'000.0);
    if (share < 0.85)
        w.fail("%.1f %% of both links", share * 100);
}

// A link that goes and comes makes the pair no worse than the other one alone.
void flapping(World &w) {
    Pair p(w, {way({20, 20}, 1), way({20, 20}, 1)});
    p.connect();
    Flow &bulk = open_flow(w, *p.a, p.at_a, stream_plan(uint64_t{1} << 40));
    w.run_for(seconds(3));
    const uint64_t before = bulk.accepter().received;
    w.run_for(w.rng().between(millis(1), millis(300)));
    for (int i = 0; i < 20; i++) {
        p.wires[0]->set_cut(i % 2 == 0);
        w.run_for(millis(300));
    }
    const double rate = static_cast<double>(bulk.accepter().received - before) / 6;
    if (rate < 2'500'000 * 0.975)
        w.fail("%.0f bytes a second", rate);
}

constexpr Scenario kScenarios[] = {
    {"sim_failover_equal_links_cut_gap_55_ms", equal_cut, 40},
    {"sim_failover_equal_links_way_there_cut_gap_55_ms", equal_way_there_cut, 40},
    {"sim_failover_equal_links_way_back_cut_gap_55_ms", equal_way_back_cut, 40},
    {"sim_failover_fast_link_cut_gap_85_ms", fast_cut, 40},
    {"sim_failover_to_slow_link_gap_235_ms", to_slow_cut, 40},
    {"sim_failover_equal_bulk_stalls_70_ms", equal_bulk, 15},
    {"sim_failover_unequal_bulk_stalls_140_ms", unequal_bulk, 15},
    {"sim_failover_sleep_keeps_the_window", sleep_is_forgiven, 10},
    {"sim_failover_flapping_is_not_worse_than_one", flapping, 10},
};

} // namespace

std::span<const Scenario> failover_scenarios() {
    return kScenarios;
}

} // namespace plait::sim
