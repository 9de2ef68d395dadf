// SPDX-License-Identifier: Apache-2.0
// Addresses that change, addresses that lie, and how connections end by time or by word.
// docs/protocol.md sections 7 and 8.
#include "scenario.h"

#include <cinttypes>

namespace plait::sim {
namespace {

using base::millis;
using base::seconds;

constexpr uint64_t kLoad = 400'000;

// -- NAT

void rebinding(World &w) {
    const size_t n = w.rng().range(1, 2);
    std::vector<Pair::Way> ways;
    for (size_t i = 0; i < n; i++)
        ways.push_back(some_wire(w.rng()));
    // Only the side behind the NAT can tell where it is, so it has to say something now and then.
    NodeSetup a = some_setup(w.rng());
    a.config.keepalive = seconds(2);
    Pair p(w, ways, std::move(a), some_setup(w.rng()));
    p.connect();
    open_mixed_load(p, kLoad);
    for (int i = 0; i < 3; i++) {
        w.run_for(w.rng().between(millis(1), millis(1500)));
        p.wires[w.rng().below(n)]->rebind(0);
    }
    p.finish_flows(seconds(60));
}

// The old mapping goes on working beside the new one for a while.
void rebinding_old_works(World &w) {
    Pair p(w, {some_wire(w.rng())}, some_setup(w.rng()), some_setup(w.rng()));
    p.connect();
    open_mixed_load(p, kLoad);
    w.run_for(w.rng().between(millis(1), millis(500)));
    p.wires[0]->rebind(0, true);
    p.finish_flows(seconds(60));
}

// After a silence, the usual time for a NAT to forget; only the side behind it speaks.
void rebinding_idle(World &w) {
    Pair p(w, {some_wire(w.rng())}, some_setup(w.rng()), some_setup(w.rng()));
    p.connect();
    w.run_for(seconds(30));
    p.wires[0]->rebind(0);
    open_flow(w, *p.a, p.at_a, stream_plan(50'000, 50'000));
    p.finish_flows(seconds(30));
}

void rebinding_both(World &w) {
    NodeSetup a = some_setup(w.rng()), z = some_setup(w.rng());
    a.config.keepalive = z.config.keepalive = seconds(2);
    Pair p(w, {some_wire(w.rng()), some_wire(w.rng())}, std::move(a), std::move(z));
    p.connect();
    open_mixed_load(p, kLoad);
    w.run_for(w.rng().between(millis(1), millis(500)));
    p.wires[0]->rebind(0);
    p.wires[1]->rebind(1);
    p.finish_flows(seconds(60));
}

// -- attackers on the way

// Copies all that `a` sends and sends it on from its own address, faster than the wire. What z
// sends there it passes on too. It must not become the path.
void forwarding_attacker(World &w) {
    Pair p(w, {wire_of(2'500'000, w.rng().between(millis(10), millis(40)), 100'000)},
           some_setup(w.rng()), some_setup(w.rng()));
    p.connect();
    // Long enough that round trips are known before, and that a move would be decided.
    FlowPlan steady = message_plan(700, 700, 8, 900);
    steady.there.interval = steady.back.interval = millis(10);
    open_flow(w, *p.a, p.at_a, steady);
    w.run_for(seconds(1));
    const plait_addr evil = w.new_address();
    SimEndpoint &at_z = *p.z->endpoints()[0], &at_a = *p.a->endpoints()[0];
    p.wires[0]->tap = [&](int from, Bytes b) {
        if (from == 0)
            w.inject(at_z, evil, b, millis(1));
    };
    const bool passes_back = w.rng().chance(0.7);
    at_z.on_unrouted = [&](const plait_addr &to, Bytes b) {
        if (address_key(to) == address_key(evil) && passes_back)
            w.inject(at_a, p.wires[0]->address(1), b, millis(1));
    };
    open_mixed_load(p, kLoad);
    for (int i = 0; i < 55; i++) {
        w.run_for(millis(100));
        if (p.z->app().to(*p.a) && address_key(p.link_info(*p.z, 0).remote) == address_key(evil))
            w.fail("the attacker has become the path");
    }
    p.wires[0]->tap = nullptr;
    p.finish_flows(seconds(60));
}

// The same from the first packet on, both ways: INIT, RESP and what follows come from the
// attacker's address first, and what is sent there is lost. The dial must reach the peer all the
// same.
void forwarding_from_the_start(World &w) {
    Pair p(w, {wire_of(2'500'000, w.rng().between(millis(10), millis(40)), 100'000)},
           some_setup(w.rng()), some_setup(w.rng()));
    const plait_addr evil = w.new_address();
    const uint64_t ways = w.rng().range(1, 3); // a to z, z to a, both
    p.wires[0]->tap = [&](int from, Bytes b) {
        if (ways & (from == 0 ? 1u : 2u))
            w.inject(*(from == 0 ? p.z : p.a)->endpoints()[0], evil, b, millis(1));
    };
    p.connect();
    open_mixed_load(p, kLoad);
    w.run_for(seconds(10));
    for (SimNode *n : {p.a, p.z})
        if (address_key(p.link_info(*n, 0).remote) == address_key(evil))
            w.fail("the attacker has become the path");
    p.wires[0]->tap = nullptr;
    p.finish_flows(seconds(60));
}

// An attacker sends one captured packet from an address that never answers: what goes there stays
// within three times what came from it.
void spoofed_address(World &w) {
    Pair p(w, {wire_of(2'500'000, millis(20), 100'000)}, some_setup(w.rng()), some_setup(w.rng()));
    p.connect();
    const plait_addr victim = w.new_address();
    SimEndpoint &at_z = *p.z->endpoints()[0];
    uint64_t came = 0, went = 0;
    bool diverting = false;
    p.wires[0]->tap = [&](int from, Bytes b) {
        p.wires[0]->pipe(0).model.cut = from == 0 && diverting; // the original is held back
        if (from != 0 || !diverting)
            return;
        came += b.size();
        w.inject(at_z, victim, b, millis(1));
        diverting = false;
    };
    at_z.on_unrouted = [&](const plait_addr &to, Bytes b) {
        if (address_key(to) == address_key(victim))
            went += b.size();
        if (went > 3 * came)
            w.fail("%" PRIu64 " bytes sent to an address that %" PRIu64 " came from", went, came);
    };
    open_mixed_load(p, kLoad);
    for (int i = 0; i < 10; i++) {
        w.run_for(millis(static_cast<int64_t>(w.rng().range(20, 300))));
        diverting = true;
    }
    diverting = false;
    p.finish_flows(seconds(60));
    if (came == 0)
        w.fail("nothing was diverted");
}

// Flips bits, cuts, doubles and mixes up all that is sent, in both directions, from any address.
void forger(World &w) {
    Pair p(w, {wire_of(2'500'000, millis(10), 100'000)}, some_setup(w.rng()), some_setup(w.rng()));
    p.connect();
    std::vector<std::vector<uint8_t>> heard;
    Rng rng = w.rng().fork();
    p.wires[0]->tap = [&](int from, Bytes b) {
        std::vector<uint8_t> copy(b.begin(), b.end());
        if (heard.size() < 100)
            heard.push_back(copy);
        else
            heard[rng.below(100)] = copy;
        std::vector<uint8_t> forged = heard[rng.below(heard.size())];
        if (rng.chance(0.8) && !forged.empty())
            forged[rng.below(forged.size())] ^= static_cast<uint8_t>(rng.range(1, 255));
        const plait_addr source = rng.chance(0.5) ? p.wires[0]->address(from) : w.new_address();
        w.inject(p.wires[0]->end(1 - from), source, forged, rng.between(Duration{0}, millis(30)));
    };
    open_mixed_load(p, kLoad);
    w.run_until([&] { return all_flows_over(w); }, seconds(5));
    p.wires[0]->tap = nullptr;
    p.finish_flows(seconds(60));
}

// -- ends

void close_code(World &w) {
    Pair p(w, {some_wire(w.rng())}, some_setup(w.rng()), some_setup(w.rng()));
    p.connect();
    open_mixed_load(p, kLoad);
    w.run_for(w.rng().between(Duration{0}, millis(300)));
    SimNode &by = w.rng().chance(0.5) ? *p.a : *p.z, &other = &by == p.a ? *p.z : *p.a;
    const uint64_t code = w.rng().below(uint64_t{1} << 62), at_other = &by == p.a ? p.at_z : p.at_a;
    by.app().close(&by == p.a ? p.at_a : p.at_z, code, "enough, thank you");
    w.must([&] { return other.app().peering(at_other)->closed; }, seconds(2), "the peer sees it");
    const Peering &seen = *other.app().peering(at_other);
    if (seen.status != PLAIT_E_PEER_CLOSED || seen.code != code || !seen.by_application ||
        seen.reason != "enough, thank you")
        w.fail("seen as %s, code %" PRIu64 ", \"%s\"", base::status_name(seen.status), seen.code,
               seen.reason.c_str());
    w.run_for(seconds(20));
    must_be_empty(w, *p.a);
    must_be_empty(w, *p.z);
}

void closed_by_both(World &w) {
    Pair p(w, {some_wire(w.rng())}, some_setup(w.rng()), some_setup(w.rng()));
    p.connect();
    open_mixed_load(p, kLoad);
    w.run_for(w.rng().between(Duration{0}, millis(300)));
    p.a->app().close(p.at_a, 1);
    w.run_for(w.rng().between(Duration{0}, millis(20)));
    if (Peering *at_z = p.z->app().peering(p.at_z); !at_z->closed)
        p.z->app().close(p.at_z, 2);
    w.run_for(seconds(20));
    must_be_empty(w, *p.a);
    must_be_empty(w, *p.z);
}

// CLOSE is lost altogether: the peer finds out by itself.
void close_lost(World &w) {
    NodeSetup z;
    z.config.idle_timeout = z.config.dormancy_timeout =
        seconds(static_cast<int64_t>(w.rng().range(5, 30)));
    const Duration idle = z.config.idle_timeout;
    Pair p(w, {some_wire(w.rng())}, some_setup(w.rng()), std::move(z));
    p.connect();
    p.wires[0]->set_cut(true);
    p.a->app().close(p.at_a, 1);
    w.must([&] { return p.z->app().peering(p.at_z)->closed; }, idle + seconds(5), "z closes, too");
    w.run_for(seconds(10));
    must_be_empty(w, *p.a);
    must_be_empty(w, *p.z);
}

void idle(World &w) {
    NodeSetup a, z;
    a.config.idle_timeout = seconds(static_cast<int64_t>(w.rng().range(2, 40)));
    z.config.idle_timeout = seconds(static_cast<int64_t>(w.rng().range(2, 40)));
    const Duration smaller = std::min(a.config.idle_timeout, z.config.idle_timeout);
    Pair p(w, {some_wire(w.rng())}, std::move(a), std::move(z));
    p.connect();
    const Nanos begun = w.now();
    w.must([&] { return p.a->app().peering(p.at_a)->closed && p.z->app().peering(p.at_z)->closed; },
           smaller + seconds(3), "both have closed");
    if (w.now() - begun < nanos(smaller - seconds(1)))
        w.fail("closed before the timeout");
    // Whoever is first tells the other.
    const Status at_a = p.a->app().peering(p.at_a)->status,
                 at_z = p.z->app().peering(p.at_z)->status;
    if (at_a != PLAIT_E_TIMEOUT || at_z != PLAIT_E_TIMEOUT)
        w.fail("closed with %s and %s", base::status_name(at_a), base::status_name(at_z));
    w.run_for(seconds(10));
    must_be_empty(w, *p.a);
    must_be_empty(w, *p.z);
}

void keepalive(World &w) {
    NodeSetup a, z;
    a.config.idle_timeout = z.config.idle_timeout = seconds(10);
    (w.rng().chance(0.5) ? a : z).config.keepalive = seconds(3);
    Pair p(w, {some_wire(w.rng())}, std::move(a), std::move(z));
    p.connect();
    w.run_for(seconds(10));
    const uint64_t before =
        p.wires[0]->pipe(0).counters().datagrams + p.wires[0]->pipe(1).counters().datagrams;
    w.run_for(seconds(60));
    const uint64_t sent = p.wires[0]->pipe(0).counters().datagrams +
                          p.wires[0]->pipe(1).counters().datagrams - before;
    if (!p.both_connected())
        w.fail("closed in spite of keepalive");
    if (sent > 100)
        w.fail("%" PRIu64 " datagrams in a minute of silence", sent);
    open_flow(w, *p.a, p.at_a, stream_plan(10'000));
    p.finish_flows(seconds(5));
}

// Nothing to say means nothing is said.
void silence(World &w) {
    NodeSetup a, z;
    a.config.idle_timeout = z.config.idle_timeout = seconds(0);
    Pair p(w, {some_wire(w.rng()), some_wire(w.rng())}, std::move(a), std::move(z));
    p.connect();
    open_mixed_load(p, kLoad / 4);
    w.must([&] { return all_flows_over(w); }, seconds(30), "all flows are over");
    w.run_for(seconds(60)); // credit comes back, the MTU is found
    uint64_t before = 0, after = 0;
    for (Wire *wire : p.wires)
        wire->each_pipe([&](Pipe &pipe) { before += pipe.counters().datagrams; });
    const uint64_t steps = w.steps();
    w.run_for(seconds(500));
    for (Wire *wire : p.wires)
        wire->each_pipe([&](Pipe &pipe) { after += pipe.counters().datagrams; });
    if (after != before)
        w.fail("%" PRIu64 " datagrams in silence", after - before);
    if (w.steps() - steps > 50)
        w.fail("%" PRIu64 " turns in silence", w.steps() - steps);
    p.finish_flows(seconds(5));
}

// The device sleeps: its clock goes on, it does nothing, and then it goes on as if nothing was.
void suspended(World &w) {
    NodeSetup a, z;
    a.config.idle_timeout = z.config.idle_timeout = seconds(0);
    Pair p(w, {some_wire(w.rng())}, std::move(a), std::move(z));
    p.connect();
    open_mixed_load(p, kLoad);
    w.run_for(w.rng().between(millis(1), millis(300)));
    p.wires[0]->set_cut(true);
    w.run_for(seconds(static_cast<int64_t>(w.rng().range(1, 50))));
    p.wires[0]->set_cut(false);
    p.a->engine().resume(p.a->local_time());
    p.a->poke();
    w.run_for(seconds(1));
    p.finish_flows(seconds(60));
}

constexpr Scenario kScenarios[] = {
    {"sim_paths_rebinding_everything_arrives", rebinding, 60},
    {"sim_paths_rebinding_old_works_everything_arrives", rebinding_old_works, 30},
    {"sim_paths_rebinding_after_silence_everything_arrives", rebinding_idle, 30},
    {"sim_paths_rebinding_of_both_everything_arrives", rebinding_both, 40},
    {"sim_paths_forwarding_attacker_is_not_the_path", forwarding_attacker, 40},
    {"sim_paths_forwarding_from_the_start_is_not_the_path", forwarding_from_the_start, 40},
    {"sim_paths_spoofed_address_is_not_flooded", spoofed_address, 40},
    {"sim_paths_forger_everything_arrives", forger, 40},
    {"sim_paths_close_code_is_seen", close_code, 40},
    {"sim_paths_closed_by_both_nothing_left", closed_by_both, 30},
    {"sim_paths_close_lost_times_out", close_lost, 20},
    {"sim_paths_idle_timeout_closes", idle, 30},
    {"sim_paths_keepalive_keeps", keepalive, 20},
    {"sim_paths_silence_costs_nothing", silence, 10},
    {"sim_paths_suspended_goes_on", suspended, 20},
};

} // namespace

std::span<const Scenario> path_scenarios() {
    return kScenarios;
}

} // namespace plait::sim
