// SPDX-License-Identifier: Apache-2.0
// One link and what a bad line does to it. Always the same plan: connect, send a mix of flows while
// the fault is there, let it heal, and everything must have arrived in bounded time.
#include "scenario.h"

#include <cinttypes>

namespace plait::sim {
namespace {

using base::micros;
using base::millis;
using base::seconds;

constexpr uint64_t kLoad = 400'000;

// `fault` changes the pipes once both are connected; it heals after `lasts`.
template <class F>
void mixed_load_under(World &w, F &&fault, Duration lasts = seconds(4),
                      Duration limit = seconds(60)) {
    Pair p(w, {some_wire(w.rng())}, some_setup(w.rng()), some_setup(w.rng()));
    p.connect();
    p.wires[0]->each_pipe([&](Pipe &pipe) { fault(pipe); });
    open_mixed_load(p, kLoad);
    w.run_until([&] { return all_flows_over(w); }, lasts);
    p.heal();
    p.finish_flows(limit);
}

void clean(World &w) {
    mixed_load_under(
        w, [](Pipe &) {}, seconds(30), seconds(1));
}
void loss_1(World &w) {
    mixed_load_under(w, [](Pipe &p) { p.model.loss = 0.01; });
}
void loss_5(World &w) {
    mixed_load_under(w, [](Pipe &p) { p.model.loss = 0.05; });
}
void loss_30(World &w) {
    mixed_load_under(
        w, [](Pipe &p) { p.model.loss = 0.3; }, seconds(8));
}
void bursts(World &w) {
    mixed_load_under(w, [](Pipe &p) { p.model.bursts = {0.02, 0.2, 0.9}; });
}
void reordering(World &w) {
    mixed_load_under(w, [&](Pipe &p) {
        p.model.reorder = 0.2;
        p.model.reorder_by = p.rng().between(millis(1), millis(40));
    });
}
void duplication(World &w) {
    mixed_load_under(w, [](Pipe &p) { p.model.duplicate = 0.3; });
}
void corruption(World &w) {
    mixed_load_under(w, [](Pipe &p) { p.model.corrupt = 0.05; });
}
void jitter(World &w) {
    mixed_load_under(w, [](Pipe &p) {
        p.model.jitter = millis(30);
        p.model.keeps_order = p.rng().chance(0.5);
    });
}
void everything(World &w) {
    mixed_load_under(w, [](Pipe &p) {
        p.model.loss = 0.03;
        p.model.bursts = {0.005, 0.3, 1};
        p.model.reorder = 0.1;
        p.model.duplicate = 0.05;
        p.model.corrupt = 0.02;
        p.model.jitter = millis(10);
        p.model.keeps_order = false;
    });
}
void sleep(World &w) {
    mixed_load_under(w, [](Pipe &p) {
        p.model.sleep_period = millis(400);
        p.model.sleep = millis(175);
    });
}
void batches(World &w) {
    mixed_load_under(w, [](Pipe &p) { p.model.batch = millis(16); });
}
void policer(World &w) {
    mixed_load_under(w, [](Pipe &p) {
        p.model.police_rate = 100'000;
        p.model.police_burst = 8'000;
    });
}
void rate_steps(World &w) {
    Pair p(w, {wire_of(1'250'000, millis(10), 40'000)}, some_setup(w.rng()), some_setup(w.rng()));
    p.connect();
    for (int i = 0; i < 8; i++)
        w.after(millis(200 * i), [&p, &w] {
            const uint64_t rate = w.rng().range(50'000, 2'500'000);
            p.wires[0]->each_pipe([&](Pipe &pipe) { pipe.set_rate(rate, w.now()); });
        });
    open_mixed_load(p, kLoad);
    p.finish_flows(seconds(60));
}

// -- cuts of the only link

void cut_for(World &w, Duration how_long, int direction) {
    Pair p(w, {some_wire(w.rng())}, some_setup(w.rng()), some_setup(w.rng()));
    p.connect();
    open_mixed_load(p, kLoad);
    w.run_for(w.rng().between(millis(10), millis(500)));
    for (int side : {0, 1})
        if (direction == 2 || direction == side)
            p.wires[0]->pipe(side).model.cut = true;
    w.run_for(how_long);
    p.heal();
    p.finish_flows(seconds(60));
}
void short_cut(World &w) {
    cut_for(w, millis(300), 2);
}
void long_cut(World &w) {
    cut_for(w, seconds(20), 2);
}
void one_way_cut(World &w) {
    cut_for(w, seconds(3), static_cast<int>(w.rng().below(2)));
}

// -- MTU

void mtu_shrinks(World &w, bool told) {
    Pair p(w, {wire_of(2'500'000, millis(8), 60'000)}, some_setup(w.rng()), some_setup(w.rng()));
    p.connect();
    open_flow(w, *p.a, p.at_a, stream_plan(1'500'000, 200'000));
    open_flow(w, *p.z, p.at_z, ping_plan(30, millis(20)));
    w.run_for(w.rng().between(millis(50), millis(300)));
    const auto mtu = static_cast<uint32_t>(w.rng().range(600, 1190));
    p.wires[0]->each_pipe([&](Pipe &pipe) {
        pipe.model.mtu = mtu;
        pipe.model.tells_mtu = told;
    });
    p.finish_flows(seconds(60));
}
void mtu_told(World &w) {
    mtu_shrinks(w, true);
}
void mtu_black_hole(World &w) {
    mtu_shrinks(w, false);
}
void mtu_grows(World &w) {
    PipeModel m = wire_of(2'500'000, millis(8), 60'000);
    m.mtu = static_cast<uint32_t>(w.rng().range(1200, 1452));
    Pair p(w, {m});
    p.connect();
    open_flow(w, *p.a, p.at_a, stream_plan(1'000'000));
    w.must([&] { return all_flows_over(w); }, seconds(30), "all flows are over");
    const uint32_t found = p.link_info(*p.a, 0).mtu;
    if (found > m.mtu || found + 80 < m.mtu)
        w.fail("the MTU is %u, found %u", m.mtu, found);
    p.finish_flows(seconds(1));
}

// -- how well the line is used

// Sends for a while over a line of a known rate; the share of it that the payload gets.
double share_used(World &w, const PipeModel &m, uint64_t bytes) {
    NodeSetup setup;
    setup.config.initial_window = 1u << 20;
    Pair p(w, {m}, std::move(setup));
    p.connect();
    const Nanos begun = w.now();
    FlowPlan plan = stream_plan(bytes);
    plan.config.window = 1u << 20;
    open_flow(w, *p.a, p.at_a, plan);
    w.must([&] { return all_flows_over(w); }, seconds(120), "all flows are over");
    const double took = static_cast<double>(w.now() - begun) / 1e9;
    p.finish_flows(seconds(1));
    return static_cast<double>(bytes) / took / static_cast<double>(m.rate);
}
void clean_is_used(World &w) {
    const uint64_t rate = w.rng().range(1'000'000, 6'000'000);
    const Duration delay = w.rng().between(millis(2), millis(30));
    const auto bdp = rate * static_cast<uint64_t>(2 * delay.us) / 1'000'000;
    const double share =
        share_used(w, wire_of(rate, delay, std::max<uint64_t>(bdp, 30'000)), 4 * rate);
    if (share < 0.75)
        w.fail("only %.0f %% of the line used", share * 100);
}
void loss_1_is_used(World &w) {
    PipeModel m = wire_of(w.rng().range(1'000'000, 4'000'000), millis(20), 200'000);
    m.loss = 0.01;
    const double share = share_used(w, m, 4 * m.rate);
    if (share < 0.5)
        w.fail("only %.0f %% of the line used", share * 100);
}

constexpr Scenario kScenarios[] = {
    {"sim_one_link_clean_everything_arrives", clean, 40},
    {"sim_one_link_loss_1_everything_arrives", loss_1, 30},
    {"sim_one_link_loss_5_everything_arrives", loss_5, 30},
    {"sim_one_link_loss_30_everything_arrives", loss_30, 30},
    {"sim_one_link_burst_loss_everything_arrives", bursts, 30},
    {"sim_one_link_reordering_everything_arrives", reordering, 30},
    {"sim_one_link_duplication_everything_arrives", duplication, 30},
    {"sim_one_link_corruption_everything_arrives", corruption, 30},
    {"sim_one_link_jitter_everything_arrives", jitter, 20},
    {"sim_one_link_all_faults_everything_arrives", everything, 40},
    {"sim_one_link_radio_sleep_everything_arrives", sleep, 20},
    {"sim_one_link_batched_arrivals_everything_arrives", batches, 20},
    {"sim_one_link_policer_everything_arrives", policer, 20},
    {"sim_one_link_rate_steps_everything_arrives", rate_steps, 20},
    {"sim_one_link_short_cut_everything_arrives", short_cut, 30},
    {"sim_one_link_long_cut_everything_arrives", long_cut, 30},
    {"sim_one_link_one_way_cut_everything_arrives", one_way_cut, 30},
    {"sim_one_link_mtu_shrinks_everything_arrives", mtu_told, 20},
    {"sim_one_link_mtu_black_hole_everything_arrives", mtu_black_hole, 20},
    {"sim_one_link_mtu_larger_is_found", mtu_grows, 20},
    {"sim_one_link_clean_rate_is_used", clean_is_used, 6},
    {"sim_one_link_loss_1_rate_is_used", loss_1_is_used, 6},
};

} // namespace

std::span<const Scenario> fault_scenarios() {
    return kScenarios;
}

} // namespace plait::sim
