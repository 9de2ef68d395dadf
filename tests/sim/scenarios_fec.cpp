// SPDX-License-Identifier: Apache-2.0
// Forward error correction: what it brings back, and what it must not disturb; that each axis keeps
// its promise with it, the matrix shows. docs/protocol.md section 6.7.
#include "scenario.h"

#include <cinttypes>

namespace plait::sim {
namespace {

using base::millis;
using base::seconds;

FlowPlan protected_datagrams(uint32_t count, uint8_t share) {
    FlowPlan plan = message_plan(count, 0, 100, 1000);
    plan.config = channel::datagram();
    plan.config.fec = true;
    plan.config.fec_share = share;
    plan.there.interval = millis(5);
    return plan;
}

channel::Stats finished(World &w, Pair &p, Flow &flow, Duration limit) {
    w.must([&] { return flow.over(); }, limit, "the flow is over");
    p.heal();
    p.finish_flows(seconds(20));
    return flow.accepter().stats;
}

// Never sent again, and yet most of what is lost comes.
void most_comes_back(World &w) {
    PipeModel m = wire_of(2'500'000, w.rng().between(millis(5), millis(100)), 500'000);
    Pair p(w, {m}, some_setup(w.rng()), some_setup(w.rng()));
    p.connect();
    p.wires[0]->each_pipe([&](Pipe &pipe) {
        pipe.model.loss = 0.03;
        pipe.model.reorder = 0.05;
        pipe.model.duplicate = 0.05;
    });
    constexpr uint32_t kCount = 1500;
    Flow &flow = open_flow(w, *p.a, p.at_a, protected_datagrams(kCount, 30));
    const channel::Stats s = finished(w, p, flow, seconds(60));
    if (s.messages_recovered < kCount / 100 || s.messages_read < kCount - kCount / 100)
        w.fail("%" PRIu64 " of %u messages, %" PRIu64 " of them brought back", s.messages_read,
               kCount, s.messages_recovered);
}

// By itself it spends what the losses ask for: next to nothing where none are.
void adapts(World &w) {
    Pair p(w, {wire_of(2'500'000, millis(20), 500'000)});
    p.connect();
    Flow &clean = open_flow(w, *p.a, p.at_a, protected_datagrams(2000, 0));
    w.must([&] { return clean.over(); }, seconds(60), "the first is over");
    p.wires[0]->each_pipe([&](Pipe &pipe) { pipe.model.loss = 0.05; });
    Flow &lossy = open_flow(w, *p.a, p.at_a, protected_datagrams(2000, 0));
    finished(w, p, lossy, seconds(60));
    const uint64_t few = clean.opener().stats.repair_bytes_sent,
                   many = lossy.opener().stats.repair_bytes_sent,
                   bytes = lossy.opener().stats.bytes_sent;
    if (few > bytes / 20 || many < bytes / 20 || many > bytes / 2)
        w.fail("%" PRIu64 " and %" PRIu64 " bytes of repairs for %" PRIu64, few, many, bytes);
}

// A cut, a second link, a short queue: nothing that is promised is broken by repairs between.
void cut_and_back(World &w) {
    Pair p(w, {some_wire(w.rng()), some_wire(w.rng())}, some_setup(w.rng()), some_setup(w.rng()));
    p.connect();
    for (Wire *wire : p.wires)
        wire->each_pipe([&](Pipe &pipe) { pipe.model.bursts = {0.02, 0.3, 1}; });
    FlowPlan stream = stream_plan(200'000, 100'000);
    stream.config.fec = true;
    open_flow(w, *p.a, p.at_a, stream);
    open_flow(w, *p.a, p.at_a, protected_datagrams(300, 0));
    FlowPlan media = message_plan(300, 300, 1, 5000);
    media.config = channel::media(millis(200));
    media.config.fec = true;
    media.there.interval = media.back.interval = millis(7);
    open_flow(w, *p.z, p.at_z, media);
    for (int i = 0; i < 3; i++) {
        const size_t which = w.rng().below(2);
        w.run_for(w.rng().between(millis(20), millis(500)));
        p.wires[which]->set_cut(true);
        w.run_for(w.rng().between(millis(50), millis(1500)));
        p.wires[which]->set_cut(false);
    }
    p.heal();
    p.finish_flows(seconds(60));
}

constexpr Scenario kScenarios[] = {
    {"sim_one_link_loss_repairs_bring_most_back", most_comes_back, 10},
    {"sim_one_link_repairs_follow_the_losses", adapts, 5},
    {"sim_two_links_cut_repairs_break_no_promise", cut_and_back, 30},
};

} // namespace

std::span<const Scenario> fec_scenarios() {
    return kScenarios;
}

} // namespace plait::sim
