// SPDX-License-Identifier: Apache-2.0
// Congestion control at the level of connections: what the controllers make of lines and queues
// when there is a whole engine around them.
#include "scenario.h"

#include <cinttypes>

namespace plait::sim {

using base::millis;
using base::seconds;

namespace {

recovery::ControllerKind some_controller(Rng &rng) {
    return rng.chance(0.5) ? recovery::ControllerKind::kBbr : recovery::ControllerKind::kCubic;
}

NodeSetup setup_with(recovery::ControllerKind controller) {
    NodeSetup s;
    s.config.controller = controller;
    return s;
}

uint64_t bdp_of(const PipeModel &m) {
    return m.rate * static_cast<uint64_t>(2 * m.delay.us) / 1'000'000;
}

// Transfers so many bytes on a connected pair; the share of `rate` that was used.
double share_used(Pair &p, uint64_t bytes, uint64_t rate) {
    FlowPlan plan = stream_plan(bytes);
    plan.config.window = 4u << 20;
    Flow &bulk = open_flow(p.w, *p.a, p.at_a, plan);
    const Nanos begun = p.w.now();
    p.w.must([&] { return bulk.over(); }, seconds(120), "bulk is over");
    return static_cast<double>(bytes) * 1e9 / static_cast<double>(p.w.now() - begun) /
           static_cast<double>(rate);
}

// A long queue that marks: nothing is dropped, and the line is used.
void marking_queue(World &w) {
    PipeModel m =
        wire_of(w.rng().range(500'000, 5'000'000), w.rng().between(millis(5), millis(30)), 0);
    m.ecn_above = std::max<uint64_t>(bdp_of(m) / 2, 10'000);
    m.queue = 40 * std::max<uint64_t>(bdp_of(m), 10'000);
    const auto controller = some_controller(w.rng());
    Pair p(w, {m}, setup_with(controller), setup_with(controller));
    p.connect();
    const double share = share_used(p, 6 * m.rate, m.rate);
    if (p.wires[0]->pipe(0).counters().dropped_by_queue != 0)
        w.fail("%" PRIu64 " packets dropped", p.wires[0]->pipe(0).counters().dropped_by_queue);
    if (share < 0.75)
        w.fail("only %.0f %% of the line used", share * 100);
    const node::LinkInfo info = p.link_info(*p.a, 0);
    if (info.ecn != recovery::EcnValidation::State::kCapable || info.packets_marked == 0)
        w.fail("%" PRIu64 " marks, state %d", info.packets_marked, static_cast<int>(info.ecn));
    p.finish_flows(seconds(1));
}

// A path that loses the marks is used without them.
void cleared_marks(World &w) {
    Pair p(w, {some_wire(w.rng()), some_wire(w.rng())});
    for (Wire *wire : p.wires)
        wire->each_pipe([](Pipe &pipe) { pipe.model.clears_ecn = true; });
    p.connect();
    FlowPlan plan = stream_plan(300'000);
    Flow &bulk = open_flow(w, *p.a, p.at_a, plan);
    w.must([&] { return bulk.over(); }, seconds(60), "bulk is over");
    bool failed = false;
    for (size_t i = 0; i < 2; i++) {
        const auto state = p.link_info(*p.a, i).ecn;
        failed |= state == recovery::EcnValidation::State::kFailed;
        if (state == recovery::EcnValidation::State::kCapable)
            w.fail("a path that clears marks counts as capable of them");
    }
    if (!failed)
        w.fail("no link has noticed");
    p.finish_flows(seconds(1));
}

// BBR through all that may happen to a wire.
void bbr_faults(World &w) {
    std::vector<Pair::Way> ways;
    for (size_t n = w.rng().range(1, 3); n > 0; n--) {
        PipeModel m = some_wire(w.rng());
        m.loss = w.rng().chance(0.5) ? 0.02 : 0;
        m.reorder = w.rng().chance(0.3) ? 0.05 : 0;
        m.duplicate = w.rng().chance(0.2) ? 0.05 : 0;
        ways.push_back(m);
    }
    NodeSetup a = some_setup(w.rng()), z = some_setup(w.rng());
    a.config.controller = z.config.controller = recovery::ControllerKind::kBbr;
    Pair p(w, ways, std::move(a), std::move(z));
    p.connect();
    open_mixed_load(p, 400'000);
    w.run_for(w.rng().between(millis(50), millis(500)));
    if (w.rng().chance(0.5)) {
        p.wires[0]->set_cut(true);
        w.run_for(w.rng().between(millis(50), seconds(2)));
    }
    p.heal();
    p.finish_flows(seconds(60));
}

void bbr_two_links(World &w) {
    const PipeModel first = wire_of(w.rng().range(1'000'000, 4'000'000), millis(10), 100'000),
                    second = wire_of(w.rng().range(1'000'000, 4'000'000), millis(20), 150'000);
    Pair p(w, {first, second}, setup_with(recovery::ControllerKind::kBbr),
           setup_with(recovery::ControllerKind::kBbr));
    p.connect();
    const uint64_t rate = first.rate + second.rate;
    // The beginning and the end of a short transfer included.
    const double share = share_used(p, 6 * rate, rate);
    if (share < 0.85)
        w.fail("only %.0f %% of both lines used", share * 100);
    p.finish_flows(seconds(1));
}

// Two links of one connection and a foreign one through the same queue: about half of it, less than
// the two thirds that three equal ones would leave them. How many of the first 60 seconds the two
// were known to share it.
int one_bottleneck(World &w, recovery::ControllerKind controller,
                   const std::array<Duration, 2> &own_ways, Duration foreign_way) {
    const uint64_t rate = 3'750'000;
    const auto line = [&](Duration delay) { return wire_of(rate, delay, rate / 25); };
    Pair own(w, {line(own_ways[0]), line(own_ways[1])}, setup_with(controller)),
        foreign(w, {line(foreign_way)}, setup_with(controller));
    const auto common = std::make_shared<Queue>(rate, rate / 25);
    for (Wire *wire : {own.wires[0], own.wires[1], foreign.wires[0]})
        wire->pipe(0).share(common);
    own.connect();
    foreign.connect();
    const Flow &ours = open_flow(w, *own.a, own.at_a, stream_plan(uint64_t{1} << 40)),
               &theirs = open_flow(w, *foreign.a, foreign.at_a, stream_plan(uint64_t{1} << 40));
    const auto got = [](const Flow &f) {
        return static_cast<double>(const_cast<Flow &>(f).accepter().received);
    };
    int known = 0;
    double before = 0, beside = 0;
    for (int second = 0; second < 60; second++) {
        if (second == 20) { // a window takes seconds from one loss to the next
            before = got(ours);
            beside = got(theirs);
        }
        w.run_for(seconds(1));
        known += own.link_info(*own.a, 0).shares_bottleneck;
    }
    const double share = (got(ours) - before) / (got(ours) - before + got(theirs) - beside);
    if (share > 0.63 || share < 0.30)
        w.fail("%.1f %% of a shared bottleneck", share * 100);
    return known;
}
void one_bottleneck(World &w, recovery::ControllerKind controller) {
    const Duration longer = millis(10) + w.rng().between(millis(0), millis(10));
    const int known = one_bottleneck(w, controller, {millis(10), longer}, millis(10));
    if (known < 40)
        w.fail("known to share their bottleneck for %d s", known);
}
// Round trips of 10 and 60 ms. What BBR gets is by the round trip: together they get what another
// of 60 ms does.
void one_bottleneck_unequal(World &w) {
    const int known =
        one_bottleneck(w, recovery::ControllerKind::kBbr, {millis(5), millis(30)}, millis(30));
    if (known == 0)
        w.fail("not known to share their bottleneck");
}

// Links of the same kind that share nothing are never taken for one.
void equal_links_apart(World &w) {
    const uint64_t rate = 1'250'000;
    const PipeModel line = wire_of(rate, w.rng().between(millis(5), millis(20)), rate / 25);
    Pair p(w, {line, line}, setup_with(some_controller(w.rng())));
    p.connect();
    open_flow(w, *p.a, p.at_a, stream_plan(uint64_t{1} << 40));
    for (int i = 0; i < 60; i++) {
        w.run_for(seconds(1));
        if (p.link_info(*p.a, 0).shares_bottleneck)
            w.fail("taken for one after %d s", i);
    }
}

// A way back that ACKs alone would fill: the sender asks for fewer, whatever of all that gets lost.
// `faults`: how much of the line is used is then the loss's matter.
void narrow_return(World &w, bool faults) {
    PipeModel forth =
        wire_of(w.rng().range(2'500'000, 12'500'000), w.rng().between(millis(5), millis(20)), 0);
    forth.queue = bdp_of(forth);
    PipeModel back = wire_of(w.rng().range(8'000, 15'000), forth.delay, 16 << 10);
    if (faults)
        for (PipeModel *m : {&forth, &back}) {
            m->loss = w.rng().chance(0.5) ? 0.03 : 0;
            m->reorder = w.rng().chance(0.5) ? 0.05 : 0;
            m->duplicate = w.rng().chance(0.3) ? 0.05 : 0;
        }
    const recovery::ControllerKind controller = some_controller(w.rng());
    Pair p(w, {Pair::Way(forth, back)}, setup_with(controller));
    p.connect();
    Flow &bulk = open_flow(w, *p.a, p.at_a, stream_plan(uint64_t{1} << 40));
    w.run_for(seconds(2));
    const uint64_t before = bulk.accepter().received, bytes = p.wires[0]->pipe(1).counters().bytes;
    w.run_for(seconds(4));
    const double share = static_cast<double>(bulk.accepter().received - before) /
                         (4.0 * static_cast<double>(forth.rate));
    const double back_share = static_cast<double>(p.wires[0]->pipe(1).counters().bytes - bytes) /
                              (4.0 * static_cast<double>(back.rate));
    if (back_share > 0.75 || (!faults && share < 0.8))
        w.fail("%.1f %% of the line, %.1f %% of the way back", share * 100, back_share * 100);
    if (p.wires[0]->pipe(1).counters().dropped_by_queue > 0)
        w.fail("the way back is full");
    // It becomes wide; then all goes on as ever, and the connection ends.
    p.wires[0]->pipe(1).set_rate(forth.rate, w.now());
    p.heal();
    open_mixed_load(p, 100'000);
    w.run_for(seconds(2));
    p.close_and_be_gone();
}
void narrow_return_clean(World &w) {
    narrow_return(w, false);
}
void narrow_return_faults(World &w) {
    narrow_return(w, true);
}

// The application changes its mind while data flow.
void controller_changes(World &w) {
    const PipeModel m = some_wire(w.rng());
    Pair p(w, {m, some_wire(w.rng())});
    p.connect();
    open_mixed_load(p, 400'000);
    std::array<uint64_t, 4> links;
    for (int i = 0; i < 10; i++) {
        w.run_for(w.rng().between(millis(1), millis(100)));
        const auto n = p.a->engine().connection_links(p.at_a, links);
        if (!n.ok())
            break;
        p.a->engine().set_link_controller(links[w.rng().below(*n)], some_controller(w.rng()),
                                          p.a->local_time());
        p.a->poke();
    }
    p.finish_flows(seconds(60));
}

// A slow line behind a fast socket: nobody tells its rate. A ping beside bulk is not to wait behind
// full packets (its 99th percentile was 600 to 1,300 ms so), and the line is to be used.
void untold_slow_line(World &w, bool faults) {
    const uint64_t rate = w.rng().chance(0.5) ? 11'520 : 8'000; // 115,200 baud, 64 kbit/s
    PipeModel m = wire_of(rate, w.rng().between(millis(5), millis(25)), 12'000);
    if (faults) {
        m.loss = 0.005;
        m.reorder = 0.01;
    }
    const auto bbr =
        recovery::ControllerKind::kBbr; // CUBIC fills the queue with packets of any size
    Pair p(w, {m}, setup_with(bbr), setup_with(bbr));
    p.connect();
    Flow &bulk = open_flow(w, *p.a, p.at_a, stream_plan(rate * 60));
    w.run_for(seconds(15));
    Flow &pings = open_flow(w, *p.a, p.at_a, ping_plan(300, millis(100)));
    w.must([&] { return pings.over(); }, seconds(60), "pings are over");
    const uint64_t p99 = percentile(pings.accepter().latencies, 0.99);
    if (p99 > (faults ? 400'000 : 250'000))
        w.fail("a ping takes %" PRIu64 " us", p99);
    w.must([&] { return bulk.over(); }, seconds(90), "bulk is over");
    p.finish_flows(seconds(1));
}

// A second's worth of bulk and more waits in the connection itself: a ping of an urgent class waits
// for what is in the line's queue and for the run that is being sent, not for that.
void ping_beside_bulk(World &w) {
    const uint64_t rate = w.rng().range(2'500'000, 12'500'000);
    const Duration delay = w.rng().between(millis(1), millis(10));
    const Duration queue = w.rng().between(millis(10), millis(30));
    const auto controller = some_controller(w.rng());
    Pair p(w, {wire_of(rate, delay, rate * static_cast<uint64_t>(queue.us) / 1'000'000)},
           setup_with(controller), setup_with(controller));
    p.connect();
    FlowPlan plan = stream_plan(4 * rate);
    plan.config.window = plan.config.send_buffer = rate;
    Flow &bulk = open_flow(w, *p.a, p.at_a, plan);
    w.run_for(seconds(1));
    Flow &pings = open_flow(w, *p.a, p.at_a, ping_plan(200, millis(10)));
    w.must([&] { return pings.over(); }, seconds(30), "pings are over");
    if (bulk.over())
        w.fail("there was nothing to wait for");
    const Duration bound = delay + queue + millis(3);
    if (const uint64_t p99 = percentile(pings.accepter().latencies, 0.99);
        p99 > static_cast<uint64_t>(bound.us))
        w.fail("a ping takes %" PRIu64 " us, %" PRId64 " are allowed", p99, bound.us);
    p.finish_flows(seconds(60));
}

constexpr Scenario kScenarios[] = {
    {"sim_one_link_marking_queue_nothing_is_dropped", marking_queue, 8},
    {"sim_two_links_marks_cleared_are_not_believed", cleared_marks, 10},
    {"sim_links_bbr_faults_everything_arrives", bbr_faults, 30},
    {"sim_two_links_bbr_rate_is_used", bbr_two_links, 4},
    {"sim_two_links_one_bottleneck_take_about_half",
     [](World &w) { one_bottleneck(w, recovery::ControllerKind::kCubic); }, 2},
    {"sim_two_links_bbr_one_bottleneck_take_about_half",
     [](World &w) { one_bottleneck(w, recovery::ControllerKind::kBbr); }, 2},
    {"sim_two_links_bbr_10_and_60_ms_one_bottleneck_take_about_half", one_bottleneck_unequal, 2},
    {"sim_two_links_of_one_kind_stay_apart", equal_links_apart, 2},
    {"sim_one_link_narrow_return_rate_is_used", narrow_return_clean, 3},
    {"sim_one_link_narrow_return_faults_acks_fit", narrow_return_faults, 4},
    {"sim_one_link_untold_slow_line_pings_are_quick", [](World &w) { untold_slow_line(w, false); },
     6},
    {"sim_one_link_untold_slow_line_faults_pings_are_quick",
     [](World &w) { untold_slow_line(w, true); }, 6},
    {"sim_one_link_pings_wait_for_the_line_not_for_bulk", ping_beside_bulk, 6},
    {"sim_two_links_controller_changed_everything_arrives", controller_changes, 15},
};

} // namespace

std::span<const Scenario> congestion_scenarios() {
    return kScenarios;
}

} // namespace plait::sim
