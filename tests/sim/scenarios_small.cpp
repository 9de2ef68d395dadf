// SPDX-License-Identifier: Apache-2.0
// Links that carry very little: the handshake goes over them in pieces, and connections live on
// them like on others. docs/protocol.md section 2.10.
#include "scenario.h"

namespace plait::sim {
namespace {

using base::millis;
using base::seconds;

// A line between two devices, 64 bytes at a time, or a radio with addresses.
Pair::Way small_way(uint32_t mtu, Rng &rng, double loss) {
    const bool line = mtu < 100 || rng.chance(0.5);
    PipeModel m;
    m.mtu = mtu;
    m.delay = rng.between(millis(1), millis(20));
    m.rate = rng.range(2'000, 50'000);
    m.loss = loss;
    if (loss > 0) {
        m.reorder = m.duplicate = 0.1;
        m.keeps_order = false;
    }
    link::EndpointInfo info = line ? serial_endpoint(0, mtu) : udp_endpoint();
    info.mtu = mtu;
    info.fixed_mtu = true;
    info.back_pressure = false;
    info.rate = line && rng.chance(0.5) ? m.rate : 0;
    Pair::Way way(m, info, 0);
    if (info.rate > 0) {
        way.forth.rate = way.back.rate = 0; // the driver has it
        way.driver = 4 * mtu;
        way.info.back_pressure = true;
    }
    return way;
}

NodeSetup patient(Rng &rng) {
    NodeSetup s = some_setup(rng);
    s.config.handshake_timeout = seconds(60);
    return s;
}

// What is sent is never longer than the line carries: World::transmit sees to that.
void exchange(World &w, uint32_t mtu, double loss) {
    Pair p(w, {small_way(mtu, w.rng(), loss)}, patient(w.rng()), patient(w.rng()));
    p.dial();
    w.must([&] { return p.both_connected(); }, loss > 0.1 ? seconds(60) : seconds(10),
           "connected in pieces");
    if ((mtu <= 200 && p.a->engine().stats().handshakes_in_pieces == 0) ||
        (mtu <= 100 && p.z->engine().stats().handshakes_in_pieces == 0))
        w.fail("it was not in pieces");
    if (p.z->engine().stats().retries_sent == 0)
        w.fail("a's address was not proven");
    open_flow(w, *p.a, p.at_a, stream_plan(3'000, 3'000));
    open_flow(w, *p.z, p.at_z, message_plan(5, 5, 0, 300));
    w.run_for(seconds(2));
    p.heal();
    p.finish_flows(seconds(120));
    if (p.a->engine().stats().malformed + p.z->engine().stats().malformed != 0)
        w.fail("something malformed was sent");
}
void mtu_64(World &w) {
    exchange(w, 64, 0);
}
void mtu_64_loss(World &w) {
    exchange(w, 64, w.rng().chance(0.5) ? 0.05 : 0.2);
}
void mtu_72(World &w) {
    exchange(w, 72, 0.05);
}
void mtu_100(World &w) {
    exchange(w, 100, w.rng().chance(0.5) ? 0 : 0.2);
}
void mtu_200(World &w) {
    exchange(w, 200, w.rng().chance(0.5) ? 0.05 : 0.2);
}
void mtu_300(World &w) {
    exchange(w, 300, w.rng().chance(0.5) ? 0 : 0.2);
}

// Who does not know the id dials over such a line: INIT, RESP and FIN in pieces.
void unknown_id(World &w) {
    NodeSetup z = patient(w.rng());
    z.accept.allow_xx = true;
    Pair p(w, {small_way(64, w.rng(), w.rng().chance(0.5) ? 0 : 0.1)}, patient(w.rng()),
           std::move(z));
    node::ConnectConfig config;
    config.accept_any_id = true;
    p.at_a = p.a->app().connect(*p.z, 0, config, false);
    w.must([&] { return p.both_connected(); }, seconds(40), "connected without knowing the id");
    p.heal();
    open_flow(w, *p.a, p.at_a, stream_plan(1'000, 1'000));
    p.finish_flows(seconds(60));
}

// The wire is wide at one end only: the answer comes in pieces of the size of the question's.
void narrow_at_one_end(World &w) {
    Pair::Way way = small_way(100, w.rng(), 0);
    way.forth.mtu = way.back.mtu = 100;
    way.driver = 0;
    way.forth.rate = way.back.rate = 20'000;
    way.info.rate = 0;
    NodeSetup s = patient(w.rng());
    Pair p(w, {way}, std::move(s), patient(w.rng()));
    link::EndpointInfo wide = way.info;
    wide.mtu = 1400;
    p.z->endpoints()[0]->info = wide;
    p.z->engine().endpoint_changed(p.z->endpoints()[0]->index, wide, p.z->local_time());
    p.dial();
    w.must([&] { return p.a->app().connected_to(*p.z); }, seconds(20), "a has its answer");
}

// A fast wide link and a narrow line in one connection; either may be the first.
void mixed(World &w) {
    const bool narrow_first = w.rng().chance(0.5);
    Pair::Way narrow = small_way(64, w.rng(), 0), wide(some_wire(w.rng()));
    wide.info.mtu = 1400;
    std::vector<Pair::Way> ways;
    ways.push_back(narrow_first ? narrow : wide);
    ways.push_back(narrow_first ? wide : narrow);
    Pair p(w, ways, patient(w.rng()), patient(w.rng()));
    p.connect(seconds(20));
    open_mixed_load(p, 100'000);
    w.run_for(w.rng().between(millis(50), seconds(1)));
    p.wires[narrow_first ? 1 : 0]->set_cut(true); // the narrow one alone for a while
    w.run_for(seconds(4));
    p.wires[narrow_first ? 1 : 0]->set_cut(false);
    p.finish_flows(seconds(60));
}

// Both ends of a line dial each other at once.
void both_dial(World &w) {
    Pair p(w, {small_way(64, w.rng(), w.rng().chance(0.5) ? 0 : 0.1)}, patient(w.rng()),
           patient(w.rng()));
    p.at_a = p.a->app().connect(*p.z);
    w.run_for(w.rng().between(Duration{0}, millis(300)));
    if (p.z->app().peerings().empty())
        p.at_z = p.z->app().connect(*p.a);
    w.must([&] { return p.both_connected(); }, seconds(60), "connected");
    p.heal();
    w.run_for(seconds(20));
    if (!p.both_connected() || p.a->engine().stats().connections != 1 ||
        p.z->engine().stats().connections != 1)
        w.fail("not one connection");
    open_flow(w, *p.a, p.at_a, stream_plan(1'000, 1'000));
    p.finish_flows(seconds(60));
}

constexpr Scenario kScenarios[] = {
    {"sim_small_mtu_64_everything_arrives", mtu_64, 30},
    {"sim_small_mtu_64_loss_everything_arrives", mtu_64_loss, 40},
    {"sim_small_mtu_72_loss_everything_arrives", mtu_72, 20},
    {"sim_small_mtu_100_loss_everything_arrives", mtu_100, 30},
    {"sim_small_mtu_200_loss_everything_arrives", mtu_200, 30},
    {"sim_small_mtu_300_loss_everything_arrives", mtu_300, 30},
    {"sim_small_unknown_id_connects", unknown_id, 30},
    {"sim_small_narrow_at_one_end_is_answered", narrow_at_one_end, 10},
    {"sim_small_mixed_pair_everything_arrives", mixed, 30},
    {"sim_small_both_dial_is_one_connection", both_dial, 40},
};

} // namespace

std::span<const Scenario> small_scenarios() {
    return kScenarios;
}

} // namespace plait::sim
