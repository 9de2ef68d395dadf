// SPDX-License-Identifier: Apache-2.0
// Several links: they come, go, die and return; the connection and its channels do not notice.
// docs/protocol.md section 7.
#include "scenario.h"

#include <cinttypes>

namespace plait::sim {
namespace {

using base::micros;
using base::millis;
using base::seconds;

constexpr uint64_t kLoad = 600'000;
constexpr uint64_t k115200 = 11'520; // bytes a second, start and stop bits counted

Pair::Way serial_way(uint64_t rate = k115200) {
    PipeModel m;
    m.delay = micros(500);
    return {m, serial_endpoint(rate), 4096};
}

std::vector<Pair::Way> some_ways(Rng &rng, size_t n) {
    std::vector<Pair::Way> ways;
    for (size_t i = 0; i < n; i++)
        ways.push_back(some_wire(rng));
    return ways;
}

// A wire that is not so slow that the load takes long.
PipeModel good_wire(Rng &rng) {
    PipeModel m =
        wire_of(rng.range(1'000'000, 5'000'000), rng.between(millis(2), millis(40)), 100'000);
    return m;
}

uint64_t slowest_message(Flow &f) {
    return std::max(percentile(f.opener().latencies, 1), percentile(f.accepter().latencies, 1));
}

// -- one dies

void one_cut(World &w) {
    const size_t n = w.rng().range(2, 4);
    Pair p(w, some_ways(w.rng(), n), some_setup(w.rng()), some_setup(w.rng()));
    p.connect();
    open_mixed_load(p, kLoad);
    w.run_for(w.rng().between(millis(1), millis(600)));
    p.wires[w.rng().below(n)]->set_cut(true); // for ever
    p.finish_flows(seconds(60));
}

// The pings notice a cut for no longer than it takes to become suspicious of the link.
void one_cut_stalls_shortly(World &w, int direction) {
    NodeSetup a, z;
    Pair p(w, {good_wire(w.rng()), good_wire(w.rng())}, std::move(a), std::move(z));
    p.connect();
    Flow &bulk = open_flow(w, *p.a, p.at_a, stream_plan(3'000'000));
    Flow &pings = open_flow(w, *p.a, p.at_a, ping_plan(150, millis(20)));
    w.run_for(w.rng().between(millis(500), millis(700)));
    Wire &cut = *p.wires[w.rng().below(2)];
    for (int side : {0, 1})
        if (direction == 2 || direction == side)
            cut.pipe(side).model.cut = true;
    w.must([&] { return pings.over() && bulk.over(); }, seconds(60), "flows are over");
    if (slowest_message(pings) > 1'500'000)
        w.fail("a ping took %" PRIu64 " us", slowest_message(pings));
    p.finish_flows(seconds(1));
}
void cut_stalls_shortly(World &w) {
    one_cut_stalls_shortly(w, 2);
}
void one_way_cut_stalls_shortly(World &w) {
    one_cut_stalls_shortly(w, static_cast<int>(w.rng().below(2)));
}

// The transport says that the line is down: no time is lost.
void down_notice(World &w) {
    Pair p(w, {good_wire(w.rng()), good_wire(w.rng())});
    p.connect();
    Flow &pings = open_flow(w, *p.a, p.at_a, ping_plan(100, millis(20)));
    open_flow(w, *p.a, p.at_a, stream_plan(1'000'000));
    w.run_for(w.rng().between(millis(300), millis(600)));
    const size_t which = w.rng().below(2);
    p.wires[which]->set_cut(true);
    for (SimNode *n : {p.a, p.z}) {
        n->engine().endpoint_down(n->endpoints()[which]->index, nullptr, n->local_time());
        n->poke();
    }
    w.run_for(seconds(1));
    if (p.link_info(*p.a, which).state != link::State::kDead)
        w.fail("a link that is down is %s", to_string(p.link_info(*p.a, which).state));
    p.wires[which]->set_cut(false);
    for (SimNode *n : {p.a, p.z}) {
        n->engine().endpoint_up(n->endpoints()[which]->index, nullptr, n->local_time());
        n->poke();
    }
    w.must([&] { return p.a->app().good_links(p.at_a) == 2 && p.z->app().good_links(p.at_z) == 2; },
           seconds(5), "the link is back");
    w.must([&] { return pings.over(); }, seconds(10), "pings are over");
    if (slowest_message(pings) > 400'000)
        w.fail("a ping took %" PRIu64 " us", slowest_message(pings));
    p.finish_flows(seconds(30));
}

// -- all die

void both_cut_one_back(World &w) {
    Pair p(w, some_ways(w.rng(), 2), some_setup(w.rng()), some_setup(w.rng()));
    p.connect();
    open_mixed_load(p, kLoad);
    w.run_for(w.rng().between(millis(1), millis(500)));
    p.wires[0]->set_cut(true);
    w.run_for(w.rng().between(Duration{0}, seconds(2)));
    p.wires[1]->set_cut(true);
    w.run_for(w.rng().between(millis(100), seconds(20)));
    p.wires[w.rng().below(2)]->set_cut(false);
    p.finish_flows(seconds(60));
}

void flapping(World &w) {
    const size_t n = w.rng().range(2, 4);
    Pair p(w, some_ways(w.rng(), n), some_setup(w.rng()), some_setup(w.rng()));
    p.connect();
    open_mixed_load(p, kLoad);
    for (int i = 0; i < 30 && !all_flows_over(w); i++) {
        Wire &wire = *p.wires[w.rng().below(n)];
        const bool cut = w.rng().chance(0.5);
        if (w.rng().chance(0.3))
            wire.pipe(static_cast<int>(w.rng().below(2))).model.cut = cut;
        else
            wire.set_cut(cut);
        w.run_for(w.rng().between(millis(1), millis(800)));
    }
    p.heal();
    p.finish_flows(seconds(60));
}

void dormant_and_back(World &w) {
    NodeSetup a, z;
    a.config.dormancy_timeout = z.config.dormancy_timeout = seconds(40);
    Pair p(w, some_ways(w.rng(), w.rng().range(1, 3)), std::move(a), std::move(z));
    p.connect();
    open_mixed_load(p, kLoad);
    w.run_for(w.rng().between(millis(1), millis(300)));
    for (Wire *wire : p.wires)
        wire->set_cut(true);
    w.run_for(seconds(30));
    if (p.a->app().peering(p.at_a)->dormant != 1)
        w.fail("DORMANT %u times", p.a->app().peering(p.at_a)->dormant);
    p.heal();
    p.finish_flows(seconds(60));
}

void dormancy_ends(World &w) {
    NodeSetup a, z;
    a.config.dormancy_timeout = seconds(static_cast<int64_t>(w.rng().range(5, 20)));
    z.config.dormancy_timeout = seconds(static_cast<int64_t>(w.rng().range(5, 20)));
    const Duration smaller = std::min(a.config.dormancy_timeout, z.config.dormancy_timeout);
    Pair p(w, some_ways(w.rng(), w.rng().range(1, 3)), std::move(a), std::move(z));
    p.connect();
    FlowPlan endless = message_plan(10'000, 10'000, 8, 100);
    endless.there.interval = endless.back.interval = millis(50);
    open_flow(w, *p.a, p.at_a, endless);
    w.run_for(seconds(1));
    for (Wire *wire : p.wires)
        wire->set_cut(true);
    const Nanos begun = w.now();
    for (SimNode *n : {p.a, p.z}) {
        const uint64_t at = n == p.a ? p.at_a : p.at_z;
        w.must([&] { return n->app().peering(at)->closed; }, smaller + seconds(2), "closed");
        const Peering &peering = *n->app().peering(at);
        if (peering.status != PLAIT_E_TIMEOUT || peering.dormant != 1)
            w.fail("%s: %s, DORMANT %u times", n->name().c_str(), base::status_name(peering.status),
                   peering.dormant);
        if (peering.closed_at - begun < nanos(smaller - seconds(1)))
            w.fail("%s: closed early", n->name().c_str());
    }
    w.run_for(seconds(10));
    must_be_empty(w, *p.a);
    must_be_empty(w, *p.z);
}

// Small steady sends put a probe timeout off with each of them; a dead link is noticed all the
// same.
void steady_sends(World &w) {
    Pair p(w, {good_wire(w.rng())});
    p.connect();
    FlowPlan steady = message_plan(400, 400, 8, 100);
    steady.there.interval = steady.back.interval =
        millis(static_cast<int64_t>(w.rng().range(5, 60)));
    open_flow(w, *p.a, p.at_a, steady);
    w.run_for(w.rng().between(millis(300), millis(600)));
    p.wires[0]->set_cut(true);
    w.must(
        [&] {
            return p.a->app().peering(p.at_a)->dormant == 1 &&
                   p.z->app().peering(p.at_z)->dormant == 1;
        },
        seconds(6), "dormant");
    p.heal();
    p.finish_flows(seconds(60));
}

// -- unequal ones

// 100 Mbit/s and 115,200 baud: the slow one must not hold the fast one back.
void very_unequal(World &w) {
    const uint64_t rate = 12'500'000;
    Pair p(w, {wire_of(rate, millis(5), 150'000), serial_way()});
    p.connect();
    FlowPlan plan = stream_plan(10'000'000);
    plan.config.window = 1u << 20;
    Flow &bulk = open_flow(w, *p.a, p.at_a, plan);
    Flow &pings = open_flow(w, *p.a, p.at_a, ping_plan(40, millis(20)));
    const Nanos begun = w.now();
    w.must([&] { return bulk.over() && pings.over(); }, seconds(20), "flows are over");
    const double took = static_cast<double>(w.now() - begun) / 1e9,
                 alone = 10e6 / static_cast<double>(rate);
    if (took > alone * 2)
        w.fail("took %.2f s, the fast link alone needs %.2f s", took, alone);
    if (percentile(pings.accepter().latencies, 0.5) > 60'000)
        w.fail("half of the pings take more than %" PRIu64 " us",
               percentile(pings.accepter().latencies, 0.5));
    p.finish_flows(seconds(1));
}

// The main job: two fast links and a serial line; one is cut, then the other, then both return.
void main_job(World &w) {
    Pair p(w,
           {wire_of(10'000'000, millis(1), 100'000), wire_of(10'000'000, millis(2), 100'000),
            serial_way(300'000)},
           some_setup(w.rng()), some_setup(w.rng()));
    p.connect();
    FlowPlan plan = stream_plan(4'000'000);
    plan.config.window = 1u << 20;
    Flow &bulk = open_flow(w, *p.a, p.at_a, plan);
    open_flow(w, *p.z, p.at_z, ping_plan(100, millis(20)));
    w.run_for(millis(100));
    p.wires[0]->set_cut(true);
    w.run_for(millis(300));
    p.wires[1]->set_cut(true);
    w.run_for(w.rng().between(millis(100), seconds(5)));
    p.heal();
    w.must([&] { return bulk.over(); }, seconds(20), "the file is over");
    p.finish_flows(seconds(10));
}

void serial_only(World &w) {
    static constexpr uint64_t kRates[] = {960, 5'760, k115200, 92'160, 300'000};
    const uint64_t rate = kRates[w.rng().below(5)];
    Pair::Way way = serial_way(rate);
    const double loss = w.rng().chance(0.5) ? 0.02 : 0;
    if (w.rng().chance(0.3))
        way.forth.batch = way.back.batch = millis(16);
    Pair p(w, {way}, some_setup(w.rng()), some_setup(w.rng()));
    p.connect(seconds(20));
    p.wires[0]->each_pipe([&](Pipe &pipe) { pipe.model.loss = loss; });
    Flow &pings = open_flow(w, *p.a, p.at_a, ping_plan(20, millis(500)));
    open_flow(w, *p.a, p.at_a, stream_plan(rate * 8));
    w.run_until([&] { return all_flows_over(w); }, seconds(30));
    p.heal();
    p.finish_flows(seconds(60));
    // At most two packets of some 20 ms each are ahead of a ping.
    const uint64_t limit = 150'000 + 64'000'000 * 4 / rate + (loss > 0 ? 2'000'000 : 0);
    if (percentile(pings.accepter().latencies, 0.5) > limit)
        w.fail("half of the pings take more than %" PRIu64 " us at %" PRIu64 " bytes/s",
               percentile(pings.accepter().latencies, 0.5), rate);
}

// Two equal links carry nearly twice as much as one.
void aggregate(World &w) {
    const uint64_t rate = w.rng().range(1'000'000, 3'000'000);
    const PipeModel m = wire_of(rate, w.rng().between(millis(3), millis(20)), 120'000);
    PipeModel second = m;
    second.delay = w.rng().between(millis(3), millis(20));
    Pair p(w, {m, second});
    p.connect();
    FlowPlan plan = stream_plan(6 * rate);
    plan.config.window = 1u << 20;
    Flow &bulk = open_flow(w, *p.a, p.at_a, plan);
    const Nanos begun = w.now();
    w.must([&] { return bulk.over(); }, seconds(60), "bulk is over");
    const double share = 6e9 / static_cast<double>(w.now() - begun);
    if (share < 1.3)
        w.fail("two links carry %.2f times what one does", share);
    p.finish_flows(seconds(1));
}

void shared_bottleneck(World &w, bool reverse) {
    const uint64_t rate = w.rng().range(500'000, 2'000'000);
    Pair p(w, {wire_of(0, millis(5), 0), wire_of(0, millis(15), 0)}, some_setup(w.rng()),
           some_setup(w.rng()));
    const auto queue = std::make_shared<Queue>(rate, 60'000);
    for (Wire *wire : p.wires)
        wire->pipe(reverse ? 1 : 0).share(queue);
    p.connect();
    open_flow(w, *p.a, p.at_a, stream_plan(2 * rate));
    open_flow(w, *p.z, p.at_z, stream_plan(rate / 2));
    open_flow(w, *p.z, p.at_z, ping_plan(50, millis(20)));
    p.finish_flows(seconds(60));
}
void shared_forward(World &w) {
    shared_bottleneck(w, false);
}
void shared_reverse(World &w) {
    shared_bottleneck(w, true);
}

// -- joining and leaving

void both_sides_add(World &w) {
    Pair p(w, some_ways(w.rng(), 5), some_setup(w.rng()), some_setup(w.rng()));
    p.dial();
    w.must([&] { return p.both_connected(); }, seconds(5), "connected");
    for (size_t i = 1; i < 5; i++) {
        const bool here = w.rng().chance(0.5);
        (here ? *p.a : *p.z).app().add_link(here ? p.at_a : p.at_z, here ? *p.z : *p.a, i);
        if (w.rng().chance(0.5))
            w.run_for(w.rng().between(millis(1), millis(200)));
    }
    w.must([&] { return p.a->app().good_links(p.at_a) == 5 && p.z->app().good_links(p.at_z) == 5; },
           seconds(10), "five links");
    open_mixed_load(p, kLoad);
    p.finish_flows(seconds(60));
}

void added_early(World &w) {
    PipeModel first = some_wire(w.rng());
    Pair p(w, {first, some_wire(w.rng()), serial_way()}, some_setup(w.rng()), some_setup(w.rng()));
    p.dial();
    p.add_links(); // before it is connected
    w.must([&] { return p.both_connected() && p.a->app().good_links(p.at_a) == 3; }, seconds(10),
           "three links");
    open_mixed_load(p, kLoad);
    p.finish_flows(seconds(60));
}

void joining_lossy(World &w) {
    PipeModel bad = some_wire(w.rng());
    bad.loss = 0.12;
    Pair p(w, {some_wire(w.rng()), bad}, some_setup(w.rng()), some_setup(w.rng()));
    p.connect(seconds(15)); // with nothing else to say on the new link
    open_mixed_load(p, kLoad / 2);
    w.run_for(seconds(3));
    p.heal();
    p.finish_flows(seconds(60));
}

void join_fails(World &w) {
    Pair p(w, some_ways(w.rng(), 2));
    p.wires[1]->set_cut(true);
    p.dial();
    w.must([&] { return p.both_connected(); }, seconds(5), "connected");
    p.add_links();
    open_mixed_load(p, kLoad / 4);
    w.must([&] { return p.a->app().count(PLAIT_EVENT_LINK_CLOSED) == 1; }, seconds(40),
           "LINK_CLOSED");
    p.wires[1]->set_cut(false);
    w.run_for(seconds(3));
    p.add_links(); // and again
    w.must([&] { return p.a->app().good_links(p.at_a) == 2 && p.z->app().good_links(p.at_z) == 2; },
           seconds(10), "the second attempt joins");
    p.finish_flows(seconds(60));
}

// The one who joins is gone when it is challenged in turn: its link does not wait for ever.
void joiner_vanishes(World &w) {
    Pair p(w, some_ways(w.rng(), 2), some_setup(w.rng()), some_setup(w.rng()));
    p.dial();
    w.must([&] { return p.both_connected(); }, seconds(5), "connected");
    const auto joining = [&] {
        std::array<uint64_t, 8> links;
        const auto n = p.z->engine().connection_links(p.at_z, links);
        for (size_t i = 0; n.ok() && i < *n; i++)
            if (p.z->engine().link_info(links[i])->state == link::State::kValidating)
                return true;
        return false;
    };
    p.add_links();
    w.must(joining, seconds(5), "it joins");
    p.wires[1]->set_cut(true);
    w.must([&] { return !joining() && p.a->app().good_links(p.at_a) == 1; }, seconds(20),
           "both have given it up");
    p.wires[1]->set_cut(false);
    p.add_links();
    w.must([&] { return p.a->app().good_links(p.at_a) == 2 && p.z->app().good_links(p.at_z) == 2; },
           seconds(10), "the second attempt joins");
    p.finish_flows(seconds(60));
}

void closed_in_use(World &w) {
    Pair p(w, some_ways(w.rng(), 3), some_setup(w.rng()), some_setup(w.rng()));
    p.connect();
    open_mixed_load(p, kLoad);
    w.run_for(w.rng().between(millis(1), millis(300)));
    SimNode &by = w.rng().chance(0.5) ? *p.a : *p.z;
    std::array<uint64_t, 8> links;
    const size_t n = *by.engine().connection_links(&by == p.a ? p.at_a : p.at_z, links);
    if (n != 3 || by.engine().close_link(links[w.rng().below(n)], 3, by.local_time()) != PLAIT_OK)
        w.fail("close_link failed");
    by.poke();
    w.must(
        [&] {
            return p.a->app().count(PLAIT_EVENT_LINK_CLOSED) == 1 &&
                   p.z->app().count(PLAIT_EVENT_LINK_CLOSED) == 1;
        },
        seconds(5), "LINK_CLOSED on both sides");
    p.finish_flows(seconds(60));
}

void endpoint_gone(World &w) {
    Pair p(w, some_ways(w.rng(), 2), some_setup(w.rng()), some_setup(w.rng()));
    p.connect();
    open_mixed_load(p, kLoad);
    w.run_for(w.rng().between(millis(1), millis(300)));
    const size_t which = w.rng().below(2);
    p.wires[which]->set_cut(true);
    p.a->engine().endpoint_gone(p.a->endpoints()[which]->index, PLAIT_E_TRANSPORT,
                                p.a->local_time());
    p.a->poke();
    w.must([&] { return p.a->app().count(PLAIT_EVENT_ENDPOINT_CLOSED) == 1; }, seconds(1),
           "ENDPOINT_CLOSED");
    w.must([&] { return all_flows_over(w); }, seconds(60), "all flows are over");
    for (auto &f : w.flows())
        f->must_have_kept_its_promise();
}

constexpr Scenario kScenarios[] = {
    {"sim_links_one_cut_everything_arrives", one_cut, 60},
    {"sim_links_one_cut_pings_stall_shortly", cut_stalls_shortly, 15},
    {"sim_links_one_way_cut_pings_stall_shortly", one_way_cut_stalls_shortly, 15},
    {"sim_links_down_notice_loses_no_time", down_notice, 20},
    {"sim_links_both_cut_one_back_everything_arrives", both_cut_one_back, 60},
    {"sim_links_flapping_everything_arrives", flapping, 60},
    {"sim_links_dormant_and_back_everything_arrives", dormant_and_back, 30},
    {"sim_links_dormancy_timeout_closes", dormancy_ends, 20},
    {"sim_links_cut_under_steady_sends_is_noticed", steady_sends, 20},
    {"sim_links_very_unequal_fast_is_used", very_unequal, 6},
    {"sim_links_main_job_everything_arrives", main_job, 10},
    {"sim_links_serial_only_pings_are_quick", serial_only, 25},
    {"sim_links_two_equal_carry_more", aggregate, 8},
    {"sim_links_shared_bottleneck_everything_arrives", shared_forward, 10},
    {"sim_links_shared_return_everything_arrives", shared_reverse, 10},
    {"sim_links_added_by_both_all_are_used", both_sides_add, 30},
    {"sim_links_added_before_connected_join", added_early, 30},
    {"sim_links_joining_loss_joins", joining_lossy, 30},
    {"sim_links_joiner_vanishes_link_closes", joiner_vanishes, 15},
    {"sim_links_joining_no_answer_closes", join_fails, 15},
    {"sim_links_closed_in_use_everything_arrives", closed_in_use, 30},
    {"sim_links_endpoint_gone_everything_arrives", endpoint_gone, 20},
};

} // namespace

std::span<const Scenario> link_scenarios() {
    return kScenarios;
}

} // namespace plait::sim
