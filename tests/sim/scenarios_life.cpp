// SPDX-License-Identifier: Apache-2.0
// A connection outlives its links: moves on purpose, sleep and waking elsewhere, nodes that the
// system freezes. docs/protocol.md sections 7.2 to 7.4.
#include "scenario.h"

#include <cinttypes>
#include <set>

namespace plait::sim {
namespace {

using base::millis;
using base::seconds;

constexpr uint64_t kLoad = 300'000;
constexpr size_t kCidSize = 8; // of all classes here

// The connection ids that travel on each wire, in the clear, as an onlooker sees them.
struct Onlooker {
    std::set<std::vector<uint8_t>> ids;
    size_t handshakes = 0; // long packets

    void watch(Wire &wire) {
        wire.tap = [this](int, Bytes b) {
            if (b[0] & 0x80)
                handshakes++;
            else if (b.size() > kCidSize)
                ids.emplace(b.begin() + 1, b.begin() + 1 + kCidSize);
        };
    }
};

PipeModel quick_wire(Rng &rng) {
    return wire_of(rng.range(1'000'000, 5'000'000), rng.between(millis(2), millis(40)), 100'000);
}

// Dials over the first wire; the others lie there unused.
void connect_over_first(Pair &p) {
    p.dial();
    p.w.must([&] { return p.both_connected(); }, seconds(10), "connected");
}

void must_be_good(Pair &p, size_t links) {
    p.w.must(
        [&] {
            return p.a->app().good_links(p.at_a) == links && p.z->app().good_links(p.at_z) == links;
        },
        seconds(10), "the links are good on both sides");
}

void close_link(SimNode &node, uint64_t link) {
    node.engine().close_link(link, 0, node.local_time());
    node.poke();
}

// -- moves on purpose

// The new way is made before the old one is left: nobody who sends notices, and nobody who looks on
// can tell that both are the same connection's.
void make_before_break(World &w) {
    std::vector<Pair::Way> ways;
    for (int i = 0; i < 4; i++)
        ways.push_back(quick_wire(w.rng()));
    Pair p(w, ways, some_setup(w.rng()), some_setup(w.rng()));
    Onlooker seen[4];
    for (size_t i = 0; i < 4; i++)
        seen[i].watch(*p.wires[i]);
    connect_over_first(p);
    Flow &pings = open_flow(w, *p.a, p.at_a, ping_plan(250, millis(10)));
    open_mixed_load(p, kLoad);
    for (size_t i = 1; i < 4; i++) {
        w.run_for(w.rng().between(millis(100), millis(700)));
        SimNode &mover = w.rng().chance(0.5) ? *p.a : *p.z;
        SimNode &other = &mover == p.a ? *p.z : *p.a;
        mover.app().add_link(&mover == p.a ? p.at_a : p.at_z, other, i);
        must_be_good(p, 2);
        close_link(mover, p.link_handle(mover, i - 1));
        must_be_good(p, 1);
    }
    w.must([&] { return pings.over(); }, seconds(60), "the pings are over");
    const uint64_t slowest = std::max(percentile(pings.opener().latencies, 1),
                                      percentile(pings.accepter().latencies, 1));
    if (slowest > 500'000)
        w.fail("a ping took %" PRIu64 " us", slowest);
    p.finish_flows(seconds(60));
    for (size_t i = 0; i < 4; i++) {
        if (seen[i].ids.empty() || (i > 0 && seen[i].handshakes > 0))
            w.fail("wire %zu was not used, or saw a handshake", i);
        for (size_t k = 0; k < i; k++)
            for (const auto &id : seen[i].ids)
                if (seen[k].ids.count(id))
                    w.fail("wires %zu and %zu saw the same id", k, i);
    }
}

// Both have a new address at once, and neither can be reached at the old one any more.
void both_move(World &w) {
    Pair p(w, {quick_wire(w.rng()), quick_wire(w.rng()), quick_wire(w.rng())}, some_setup(w.rng()),
           some_setup(w.rng()));
    connect_over_first(p);
    open_mixed_load(p, kLoad);
    w.run_for(w.rng().between(millis(100), millis(500)));
    p.a->app().add_link(p.at_a, *p.z, 1);
    p.z->app().add_link(p.at_z, *p.a, 2);
    if (w.rng().chance(0.5))
        must_be_good(p, 3);
    p.wires[0]->set_cut(true);
    if (w.rng().chance(0.5)) {
        close_link(*p.a, p.link_handle(*p.a, 0));
        close_link(*p.z, p.link_handle(*p.z, 0));
    }
    p.finish_flows(seconds(60));
}

// -- sleep

// All ways are gone for a while; the one that wakes it is of another kind of transport.
void wakes_elsewhere(World &w) {
    link::EndpointInfo radio = udp_endpoint();
    radio.transport_class = "app/radio";
    NodeSetup a = some_setup(w.rng()), z = some_setup(w.rng());
    a.config.dormancy_timeout = z.config.dormancy_timeout = seconds(60);
    Pair p(w, {quick_wire(w.rng()), Pair::Way(quick_wire(w.rng()), radio, 0), quick_wire(w.rng())},
           std::move(a), std::move(z));
    Onlooker seen[3];
    connect_over_first(p);
    for (size_t i = 0; i < 3; i++)
        seen[i].watch(*p.wires[i]);
    open_mixed_load(p, kLoad);
    w.run_for(w.rng().between(millis(100), millis(500)));
    p.wires[0]->set_cut(true);
    w.must([&] { return p.a->app().peering(p.at_a)->dormant == 1; }, seconds(20), "a sleeps");
    w.run_for(seconds(static_cast<int64_t>(w.rng().range(0, 30))));
    const size_t which = w.rng().range(1, 2);
    SimNode &waker = w.rng().chance(0.5) ? *p.a : *p.z;
    waker.app().add_link(&waker == p.a ? p.at_a : p.at_z, &waker == p.a ? *p.z : *p.a, which);
    p.finish_flows(seconds(60));
    for (const Onlooker &o : seen)
        if (o.handshakes > 0)
            w.fail("there was a handshake");
}

// -- frozen by the system

Duration round_trip(Pair &p) {
    return p.wires[0]->pipe(0).model.delay + p.wires[0]->pipe(1).model.delay;
}

// What is said after waking is heard at once, and the answer is back after one round trip.
void resumed_answers_in_a_round_trip(World &w) {
    NodeSetup a, z;
    a.config.idle_timeout = z.config.idle_timeout = seconds(0);
    Pair p(w, {quick_wire(w.rng())}, std::move(a), std::move(z));
    connect_over_first(p);
    FlowPlan chat = message_plan(40, 40, 8, 64);
    chat.there.interval = chat.back.interval = millis(100);
    open_flow(w, *p.a, p.at_a, chat);
    if (w.rng().chance(0.5))
        open_flow(w, *p.a, p.at_a, stream_plan(0, 2'000'000));
    w.run_for(w.rng().between(millis(500), seconds(2)));
    p.a->suspend();
    w.run_for(w.rng().between(millis(200), seconds(50)));
    p.a->resume();
    Flow &fresh = open_flow(w, *p.a, p.at_a, message_plan(1, 1, 8, 64));
    w.must([&] { return fresh.opener().received == 1 && fresh.accepter().received == 1; },
           round_trip(p) + millis(5), "an answer");
    p.finish_flows(seconds(60));
}

void frozen_now_and_then(World &w) {
    NodeSetup a = some_setup(w.rng()), z = some_setup(w.rng());
    a.config.idle_timeout = z.config.idle_timeout = seconds(0);
    a.config.keepalive = z.config.keepalive = seconds(2); // a rebound one has to say where it is
    Pair p(w, {some_wire(w.rng()), some_wire(w.rng())}, std::move(a), std::move(z));
    p.connect();
    open_mixed_load(p, kLoad);
    for (int i = 0; i < 4; i++) {
        w.run_for(w.rng().between(millis(1), millis(400)));
        SimNode &node = w.rng().chance(0.5) ? *p.a : *p.z;
        node.suspend();
        w.run_for(w.rng().between(millis(10), seconds(15)));
        if (w.rng().chance(0.3))
            p.wires[w.rng().below(2)]->rebind(w.rng().chance(0.5));
        node.resume();
    }
    w.run_for(seconds(5)); // a CLOSE to an address that has just gone would be lost
    p.finish_flows(seconds(60));
}

// A system that says when networks change saves waiting for the next probe of a dead link.
void network_changed(World &w) {
    Pair p(w, {quick_wire(w.rng())}, some_setup(w.rng()), some_setup(w.rng()));
    connect_over_first(p);
    open_mixed_load(p, kLoad);
    w.run_for(w.rng().between(millis(100), millis(500)));
    p.wires[0]->set_cut(true);
    w.run_for(seconds(static_cast<int64_t>(w.rng().range(8, 40))));
    p.wires[0]->set_cut(false);
    p.a->engine().network_changed(p.a->local_time());
    p.a->poke();
    w.must([&] { return p.a->app().good_links(p.at_a) == 1; }, round_trip(p) + millis(10),
           "the link is back");
    p.finish_flows(seconds(60));
}

// -- idle

NodeSetup without_timeouts(Rng &rng) {
    NodeSetup setup = some_setup(rng);
    setup.config.idle_timeout = setup.config.keepalive = seconds(0);
    return setup;
}

// Everybody has said all and heard all: memory is given back, and no timer runs.
void must_be_asleep(Pair &p) {
    for (SimNode *node : {p.a, p.z})
        if (node->engine().deadline() != base::kNever)
            p.w.fail("%s has a timer although nothing happens", node->name().c_str());
}

void make_faulty(Wire &wire, Rng &rng) {
    wire.each_pipe([&](Pipe &pipe) {
        pipe.model.loss = rng.chance(0.5) ? 0.05 : 0.01;
        pipe.model.duplicate = pipe.model.reorder = 0.02;
        if (rng.chance(0.3))
            pipe.model.bursts.begin = 0.005;
    });
}

// Load and silence by turns, long enough for both sides to go to sleep, or to have just not.
void idle_under_loss(World &w) {
    std::vector<Pair::Way> ways;
    for (uint64_t n = w.rng().range(1, 3); n > 0; n--)
        ways.push_back(quick_wire(w.rng()));
    NodeSetup a = without_timeouts(w.rng()), z = without_timeouts(w.rng());
    if (w.rng().chance(0.3))
        a.config.keepalive = w.rng().between(seconds(5), seconds(25));
    Pair p(w, ways, std::move(a), std::move(z));
    p.connect();
    for (Wire *wire : p.wires)
        make_faulty(*wire, w.rng());
    for (int i = 0; i < 4; i++) {
        open_mixed_load(p, kLoad / 4);
        w.run_for(w.rng().between(seconds(8), seconds(50)));
    }
    p.heal();
    p.finish_flows(seconds(60));
}

// What was learned of the ways outlives the sleep, and nobody takes waking for loss or congestion.
void idle_keeps_what_it_knows(World &w) {
    std::vector<Pair::Way> ways;
    for (uint64_t n = w.rng().range(1, 2); n > 0; n--) {
        ways.push_back(quick_wire(w.rng()));
        ways.back().forth.mtu = ways.back().back.mtu = 1400; // Ethernet's is found not to pass
    }
    Pair p(w, ways, without_timeouts(w.rng()), without_timeouts(w.rng()));
    p.connect();
    open_mixed_load(p, kLoad);
    w.run_for(seconds(20)); // it has come, and the search is over
    for (int i = 0; i < 3; i++) {
        w.run_for(w.rng().between(seconds(22), seconds(45)));
        must_be_asleep(p);
        std::vector<node::LinkInfo> before, after;
        for (size_t k = 0; k < ways.size(); k++)
            before.push_back(p.link_info(*p.a, k));
        // Less than the first window carries: no queue is long enough to lose any of it.
        open_flow(w, *p.a, p.at_a, message_plan(4, 4, 8, 1000));
        w.run_for(seconds(5));
        for (size_t k = 0; k < ways.size(); k++) {
            const node::LinkInfo was = before[k], is = p.link_info(*p.a, k);
            if (is.packets_lost != was.packets_lost || is.packets_spurious != was.packets_spurious)
                w.fail("waking was taken for loss");
            if (is.mtu != was.mtu || is.packets_acked < was.packets_acked || was.srtt.us == 0)
                w.fail("link %zu has forgotten what it knew", k);
            if (is.cwnd > std::max<uint64_t>(was.cwnd, 16'000))
                w.fail("the window grew in its sleep, to %" PRIu64, is.cwnd);
        }
    }
    p.finish_flows(seconds(60));
}

constexpr Scenario kScenarios[] = {
    {"sim_life_make_before_break_nobody_notices", make_before_break, 40},
    {"sim_life_both_move_everything_arrives", both_move, 40},
    {"sim_life_wakes_elsewhere_everything_arrives", wakes_elsewhere, 40},
    {"sim_life_resumed_answers_in_a_round_trip", resumed_answers_in_a_round_trip, 40},
    {"sim_life_frozen_now_and_then_everything_arrives", frozen_now_and_then, 40},
    {"sim_life_network_changed_link_is_back_at_once", network_changed, 30},
    {"sim_life_idle_under_loss_everything_arrives", idle_under_loss, 40},
    {"sim_life_idle_keeps_what_it_knows", idle_keeps_what_it_knows, 40},
};

} // namespace

std::span<const Scenario> life_scenarios() {
    return kScenarios;
}

} // namespace plait::sim
