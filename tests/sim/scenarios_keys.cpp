// SPDX-License-Identifier: Apache-2.0
// Keys that change while everything goes on: epochs of channels, generations of the connection
// (docs/protocol.md section 3). Limits and ages are tiny here, so that it happens all the time.
#include "scenario.h"

#include <cinttypes>

namespace plait::sim {
namespace {

using base::millis;
using base::seconds;

constexpr uint64_t kLoad = 400'000;

NodeSetup hasty_setup(Rng &rng) {
    NodeSetup s = some_setup(rng);
    s.config.keys.packets = rng.range(128, 500);
    s.config.keys.generation_age = rng.between(millis(20), millis(400));
    return s;
}

// A stream and messages that want new keys every few packets, with any cipher that there is.
void open_restless_load(Pair &p, uint64_t bytes) {
    Rng &rng = p.w.rng();
    for (const bool messages : {false, true}) {
        FlowPlan plan = messages ? message_plan(static_cast<uint32_t>(bytes / 4000), 20, 0, 8000)
                                 : stream_plan(bytes, bytes / 3);
        plan.config.rekey_log2 = static_cast<uint8_t>(rng.range(1, 6));
        plan.config.cipher = static_cast<uint8_t>(rng.range(0, 1)); // of this machine or any
        SimNode &from = rng.chance(0.5) ? *p.a : *p.z;
        open_flow(p.w, from, &from == p.a ? p.at_a : p.at_z, plan);
    }
}

void must_be_of_one_generation(Pair &p, uint32_t at_least) {
    p.w.must([&] { return p.info(*p.a).generation == p.info(*p.z).generation; }, seconds(10),
             "both are in one generation");
    if (p.info(*p.a).generation < at_least)
        p.w.fail("only %u generations", p.info(*p.a).generation);
}

using Exports = std::array<std::array<uint8_t, 32>, 4>;

// Of the connection and of some channels, the same on both sides.
Exports exports_of(Pair &p) {
    Exports of[2];
    for (uint32_t i = 0; i < of[0].size(); i++)
        for (const bool at_a : {true, false}) {
            const Status s = (at_a ? p.a : p.z)
                                 ->engine()
                                 .export_key(at_a ? p.at_a : p.at_z, i, "sim", of[at_a][i]);
            if (s != PLAIT_OK)
                p.w.fail("export_key: %s", base::status_name(s));
        }
    if (of[0] != of[1])
        p.w.fail("both sides export different keys");
    for (size_t i = 1; i < of[0].size(); i++)
        if (of[0][i] == of[0][i - 1])
            p.w.fail("two channels export one key");
    return of[0];
}

// Load and hurry on `ways`, `fault` on all pipes until it heals.
template <class F>
void restless_under(World &w, const std::vector<Pair::Way> &ways, F &&fault,
                    Duration lasts = seconds(4), uint32_t generations = 1) {
    Pair p(w, ways, hasty_setup(w.rng()), hasty_setup(w.rng()));
    p.connect();
    const Exports exports = exports_of(p);
    for (Wire *wire : p.wires)
        wire->each_pipe([&](Pipe &pipe) { fault(pipe); });
    open_mixed_load(p, kLoad);
    open_restless_load(p, kLoad);
    w.run_until([&] { return all_flows_over(w); }, lasts);
    p.heal();
    w.must([&] { return all_flows_over(w); }, seconds(90), "all flows are over");
    must_be_of_one_generation(p, generations);
    if (exports_of(p) != exports)
        w.fail("exported keys change with generations");
    p.finish_flows(seconds(1));
}

void clean(World &w) {
    restless_under(w, {some_wire(w.rng())}, [](Pipe &) {});
}
void loss_1(World &w) {
    restless_under(w, {some_wire(w.rng())}, [](Pipe &p) { p.model.loss = 0.01; });
}
void loss_5(World &w) {
    restless_under(w, {some_wire(w.rng())}, [](Pipe &p) { p.model.loss = 0.05; });
}
void loss_30(World &w) {
    restless_under(
        w, {some_wire(w.rng())}, [](Pipe &p) { p.model.loss = 0.3; }, seconds(8));
}
void reordering(World &w) {
    restless_under(w, {some_wire(w.rng())}, [](Pipe &p) {
        p.model.reorder = 0.2;
        p.model.reorder_by = p.rng().between(millis(1), millis(40));
    });
}
void duplication(World &w) {
    restless_under(w, {some_wire(w.rng())}, [](Pipe &p) { p.model.duplicate = 0.3; });
}
void everything(World &w) {
    restless_under(w, {some_wire(w.rng()), some_wire(w.rng())}, [](Pipe &p) {
        p.model.loss = 0.03;
        p.model.bursts = {0.005, 0.3, 1};
        p.model.reorder = 0.1;
        p.model.duplicate = 0.05;
        p.model.corrupt = 0.02;
        p.model.jitter = millis(10);
        p.model.keeps_order = false;
    });
}

// A link goes and comes back, again and again, and sometimes all of them.
void cut_and_rejoin(World &w) {
    Pair p(w, {some_wire(w.rng()), some_wire(w.rng())}, hasty_setup(w.rng()), hasty_setup(w.rng()));
    p.connect();
    open_mixed_load(p, kLoad);
    open_restless_load(p, kLoad);
    for (int i = 0; i < 4; i++) {
        for (Wire *wire : p.wires)
            if (w.rng().chance(0.6))
                wire->set_cut(true);
        w.run_for(w.rng().between(millis(50), millis(3000)));
        p.heal();
        w.run_for(w.rng().between(millis(50), millis(1000)));
    }
    w.must([&] { return all_flows_over(w); }, seconds(90), "all flows are over");
    must_be_of_one_generation(p, 1);
    p.finish_flows(seconds(1));
}

// A fast link beside one that takes a hundred times as long: an epoch or generation is over on the
// one when its packets are still on their way on the other. No packet that was not given up may
// come too late for its key, also when its channel has been closed meanwhile.
void unequal_delays(World &w) {
    NodeSetup a = some_setup(w.rng()), z = some_setup(w.rng());
    a.config.keys.generation_age = z.config.keys.generation_age =
        w.rng().between(millis(50), millis(400));
    Pair p(w,
           {wire_of(1'250'000, millis(3), 100'000),
            wire_of(1'250'000, w.rng().between(millis(100), millis(400)), 2'000'000)},
           std::move(a), std::move(z));
    p.connect();
    open_restless_load(p, 4 * kLoad);
    for (int i = 0; i < 50; i++) { // longer than a few of the slow round trips and all that waits
        FlowPlan plan = stream_plan(w.rng().range(1, 60'000), w.rng().below(5000));
        plan.config.rekey_log2 = 1;
        open_flow(w, *p.a, p.at_a, plan);
        w.run_for(millis(120));
    }
    w.must([&] { return all_flows_over(w); }, seconds(60), "all flows are over");
    must_be_of_one_generation(p, 2);
    // What was given up on a link that was taken for dead may come after all, and then too late.
    for (SimNode *n : {p.a, p.z}) {
        const uint64_t late = p.info(*n).auth_failures,
                       lost = p.info(n == p.a ? *p.z : *p.a).packets_lost;
        if (late > lost)
            w.fail("%" PRIu64 " packets came too late for their keys at %s, %" PRIu64 " were lost",
                   late, n->name().c_str(), lost);
    }
    p.finish_flows(seconds(1));
}

// So few packets a key that a window holds more: the sender has to wait for its next key.
void limit_below_window(World &w) {
    NodeSetup a = some_setup(w.rng()), z = some_setup(w.rng());
    a.config.keys.packets = z.config.keys.packets = w.rng().range(500, 900);
    const bool lossy = w.rng().chance(0.5);
    PipeModel m = wire_of(40'000'000, w.rng().between(millis(20), millis(50)), 4'000'000);
    m.loss = lossy ? 0.02 : 0;
    Pair p(w, {m}, std::move(a), std::move(z));
    p.connect();
    open_flow(w, *p.a, p.at_a, stream_plan(6'000'000, 300'000));
    open_flow(w, *p.z, p.at_z, message_plan(100, 10, 0, 8000));
    p.finish_flows(seconds(90));
}

// A key of small packets lasts for more of them than one of long ones: when a link comes that
// carries long packets, a channel that has sent more than those may be goes to its next key first.
void longer_packets(World &w) {
    NodeSetup a = some_setup(w.rng()), z = some_setup(w.rng());
    a.config.keys.long_packets = z.config.keys.long_packets = w.rng().range(64, 600);
    PipeModel narrow = wire_of(10'000'000, w.rng().between(millis(1), millis(50)), 1'000'000);
    PipeModel wide = wire_of(40'000'000, w.rng().between(millis(1), millis(50)), 4'000'000);
    narrow.mtu = 1400;
    wide.mtu = 9000;
    narrow.loss = wide.loss = w.rng().chance(0.5) ? 0.01 : 0;
    link::EndpointInfo jumbo = udp_endpoint();
    jumbo.mtu = wide.mtu;
    Pair p(w, {{narrow, udp_endpoint(), 0}, {wide, jumbo, 0}}, std::move(a), std::move(z));
    p.connect();
    p.wires[1]->set_cut(true);
    Flow &f = open_flow(w, *p.a, p.at_a, stream_plan(50'000'000, 1'000'000));
    const auto epoch = [&] {
        const auto info = p.a->engine().channel_info(f.opener().channel);
        return info.ok() ? info->send_epoch : 0;
    };
    w.must([&] { return f.accepter().received > 3'000'000; }, seconds(60), "small packets arrive");
    if (epoch() > 0)
        w.fail("epoch %u", epoch());
    p.heal();
    w.must([&] { return f.accepter().end || epoch() > 1; }, seconds(60), "keys change");
    if (f.accepter().end)
        w.fail("epoch %u at the end, MTU %u", epoch(), p.link_info(*p.a, 1).mtu);
    p.finish_flows(seconds(90));
}

// Nothing to say, however old the keys: nothing is said. Keepalives do not count.
void idle(World &w) {
    NodeSetup a = some_setup(w.rng()), z = some_setup(w.rng());
    const bool kept = w.rng().chance(0.5);
    a.config.idle_timeout = z.config.idle_timeout = seconds(kept ? 60 : 0);
    if (kept)
        a.config.keepalive = seconds(10);
    Pair p(w, {some_wire(w.rng()), some_wire(w.rng())}, std::move(a), std::move(z));
    p.connect();
    open_mixed_load(p, kLoad / 4);
    w.must([&] { return all_flows_over(w); }, seconds(30), "all flows are over");
    w.run_for(seconds(50));
    const auto datagrams = [&] {
        uint64_t n = 0;
        for (Wire *wire : p.wires)
            wire->each_pipe([&](Pipe &pipe) { n += pipe.counters().datagrams; });
        return n;
    };
    const uint64_t before = datagrams();
    w.run_for(seconds(300));
    if (!kept && datagrams() != before)
        w.fail("%" PRIu64 " datagrams in silence", datagrams() - before);
    if (p.info(*p.a).generation + p.info(*p.z).generation > 0)
        w.fail("silence was rekeyed");
    // Then somebody has something to say.
    SimNode &from = w.rng().chance(0.5) ? *p.a : *p.z;
    open_flow(w, from, &from == p.a ? p.at_a : p.at_z, stream_plan(100'000));
    w.must([&] { return all_flows_over(w); }, seconds(10), "all flows are over");
    must_be_of_one_generation(p, 1);
    if (p.info(*p.a).generation != 1)
        w.fail("%u generations", p.info(*p.a).generation);
    p.finish_flows(seconds(5));
}

// After dormancy it begins at once, with nothing else to do.
void dormancy(World &w) {
    Pair p(w, {some_wire(w.rng())}, some_setup(w.rng()), some_setup(w.rng()));
    p.connect();
    const bool busy = w.rng().chance(0.5);
    if (busy)
        open_mixed_load(p, kLoad);
    else // somebody has to find out
        open_flow(w, *p.z, p.at_z, ping_plan(200, millis(40)));
    w.run_for(w.rng().between(millis(10), millis(300)));
    p.wires[0]->set_cut(true);
    w.must(
        [&] { return p.a->app().peering(p.at_a)->dormant || p.z->app().peering(p.at_z)->dormant; },
        seconds(30), "one of them is dormant");
    w.run_for(w.rng().between(millis(10), seconds(10)));
    p.heal();
    w.must([&] { return p.info(*p.a).generation >= 1 && p.info(*p.z).generation >= 1; },
           seconds(30), "there is a new generation");
    p.finish_flows(seconds(60));
}

// Epochs of one channel are its own.
void channels_apart(World &w) {
    Pair p(w, {some_wire(w.rng())}, some_setup(w.rng()), some_setup(w.rng()));
    p.connect();
    FlowPlan restless = stream_plan(300'000, 300'000), calm = restless;
    restless.config.rekey_log2 = 3;
    Flow &one = open_flow(w, *p.a, p.at_a, restless), &other = open_flow(w, *p.a, p.at_a, calm);
    uint32_t most = 0;
    const auto look = [&](FlowEnd &end, bool may) {
        if (!end.node || end.closed)
            return;
        const auto info = end.node->engine().channel_info(end.channel);
        if (!info.ok())
            return;
        if (!may && info->send_epoch + info->receive_epoch > 0)
            w.fail("the calm channel is in epoch %u/%u", info->send_epoch, info->receive_epoch);
        if (may)
            most = std::max(most, std::min(info->send_epoch, info->receive_epoch));
    };
    w.must(
        [&] {
            look(one.opener(), true);
            look(one.accepter(), true);
            look(other.opener(), false);
            look(other.accepter(), false);
            return all_flows_over(w);
        },
        seconds(60), "all flows are over");
    if (most < 4)
        w.fail("only %u epochs", most);
    if (p.info(*p.a).generation > 0)
        w.fail("a generation for nothing");
    p.finish_flows(seconds(1));
}

// -- forgeries

// Damages what a sends and injects it beside the original.
void forge(Pair &p) {
    p.wires[0]->tap = [&p](int from, Bytes b) {
        if (from != 0)
            return;
        std::vector<uint8_t> forged(b.begin(), b.end());
        forged.back() ^= 1;
        p.w.inject(p.wires[0]->end(1), p.wires[0]->address(0), forged, Duration{0});
    };
}

void forgeries_rekey(World &w) {
    NodeSetup z = some_setup(w.rng());
    z.config.keys.forgeries_rekey = 20;
    Pair p(w, {some_wire(w.rng())}, some_setup(w.rng()), std::move(z));
    p.connect();
    forge(p);
    open_mixed_load(p, kLoad);
    w.must([&] { return all_flows_over(w); }, seconds(60), "all flows are over");
    must_be_of_one_generation(p, 1);
    if (p.info(*p.z).generation != 1)
        w.fail("%u generations", p.info(*p.z).generation);
    p.wires[0]->tap = nullptr;
    p.finish_flows(seconds(5));
}

void forgeries_close(World &w) {
    NodeSetup z = some_setup(w.rng());
    z.config.keys.forgeries_close = 40;
    Pair p(w, {some_wire(w.rng())}, some_setup(w.rng()), std::move(z));
    p.connect();
    forge(p);
    open_flow(w, *p.a, p.at_a, ping_plan(1000, millis(10)));
    w.must([&] { return p.z->app().peering(p.at_z)->closed; }, seconds(60), "it is closed");
    if (const Status s = p.z->app().peering(p.at_z)->status; s != PLAIT_E_KEY_LIMIT)
        w.fail("closed with %s", base::status_name(s));
}

// -- packets before their keys

// XX: what the initiator says at once overtakes FIN, which makes the keys. It is not lost.
void early_packets(World &w) {
    NodeSetup z = some_setup(w.rng());
    z.accept.allow_xx = true;
    PipeModel m;
    m.delay = millis(50);
    Pair p(w, {m}, {}, std::move(z));
    Nanos fin_at = 0;
    p.wires[0]->tap = [&](int from, Bytes b) {
        const bool fin = from == 0 && b[0] >> 4 == 0x0a;
        p.wires[0]->pipe(0).model.cut = fin;
        if (fin && fin_at == 0) {
            fin_at = w.now() + nanos(millis(80));
            w.inject(p.wires[0]->end(1), p.wires[0]->address(0), {b.begin(), b.end()}, millis(80));
        }
    };
    node::ConnectConfig c;
    c.accept_any_id = true;
    p.at_a = p.a->app().connect(*p.z, 0, c, false);
    Flow &flow = open_flow(w, *p.a, p.at_a, stream_plan(2000));
    w.must([&] { return flow.accepter().received == 2000; }, seconds(5), "it arrived");
    if (fin_at == 0 || w.now() > fin_at + nanos(millis(10)))
        w.fail("it came %" PRIu64 " us after FIN", (w.now() - fin_at) / 1000);
    p.wires[0]->tap = nullptr;
    p.heal();
    w.must([&] { return p.both_connected(); }, seconds(5), "connected");
    p.finish_flows(seconds(5));
}

constexpr Scenario kScenarios[] = {
    {"sim_keys_clean_both_change", clean, 30},
    {"sim_keys_loss_1_everything_arrives", loss_1, 30},
    {"sim_keys_loss_5_everything_arrives", loss_5, 30},
    {"sim_keys_loss_30_everything_arrives", loss_30, 30},
    {"sim_keys_reordering_everything_arrives", reordering, 30},
    {"sim_keys_duplication_everything_arrives", duplication, 20},
    {"sim_keys_all_faults_everything_arrives", everything, 40},
    {"sim_keys_cut_and_rejoin_everything_arrives", cut_and_rejoin, 40},
    {"sim_keys_unequal_delays_only_lost_ones_too_late", unequal_delays, 30},
    {"sim_keys_limit_below_window_goes_on", limit_below_window, 20},
    {"sim_keys_longer_packets_take_the_next_key", longer_packets, 5},
    {"sim_keys_idle_nothing_is_said", idle, 10},
    {"sim_keys_dormancy_new_generation_at_once", dormancy, 30},
    {"sim_keys_epochs_of_channels_are_apart", channels_apart, 15},
    {"sim_keys_forgeries_new_generation", forgeries_rekey, 15},
    {"sim_keys_forgeries_close", forgeries_close, 10},
    {"sim_keys_early_packets_are_kept", early_packets, 15},
};

} // namespace

std::span<const Scenario> key_scenarios() {
    return kScenarios;
}

} // namespace plait::sim
