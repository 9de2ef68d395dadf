// SPDX-License-Identifier: Apache-2.0
// More than two nodes, and one with thousands of connections.
#include "scenario.h"

namespace plait::sim {
namespace {

using base::millis;
using base::seconds;

// `count` clients dial one server, each over a wire of its own, exchange something and are gone.
void crowd(World &w, size_t count, Duration within, double loss) {
    NodeSetup server;
    server.config.max_connections = static_cast<uint32_t>(count + 10);
    server.config.max_pending_handshakes = static_cast<uint32_t>(count + 10);
    server.config.receive_memory = count * 60'000;
    SimNode &z = w.add_node("z", std::move(server));
    SimEndpoint &at_z = z.add_endpoint();
    std::vector<SimNode *> clients;
    std::vector<Wire *> wires;
    for (size_t i = 0; i < count; i++) {
        NodeSetup setup;
        setup.config.max_connections = 4;
        setup.config.receive_memory = setup.config.connection_receive_memory = 4u << 20;
        SimNode &a = w.add_node("a" + std::to_string(i), std::move(setup));
        PipeModel m;
        m.delay = w.rng().between(millis(1), millis(30));
        m.loss = loss;
        wires.push_back(&w.add_wire(a.add_endpoint(), at_z, m));
        clients.push_back(&a);
        w.after(w.rng().between(Duration{0}, within), [&w, &a, &z] {
            const uint64_t connection = a.app().connect(z);
            open_flow(w, a, connection, stream_plan(w.rng().below(3000), w.rng().below(3000)));
        });
    }
    const auto all_connected = [&] {
        size_t n = 0;
        for (SimNode *a : clients)
            n += a->app().count(PLAIT_EVENT_CONNECTED);
        return n == count;
    };
    // Asked now and then only: the conditions look at every node.
    for (int i = 0; i < 100 && !(all_connected() && all_flows_over(w)); i++)
        w.run_for(millis(250));
    if (!all_connected() || z.app().count(PLAIT_EVENT_CONNECTED) != count)
        w.fail("not all connected: %zu of %zu at z",
               static_cast<size_t>(z.app().count(PLAIT_EVENT_CONNECTED)), count);
    for (auto &f : w.flows())
        f->must_have_kept_its_promise();
    if (z.engine().stats().connections != count || z.engine().stats().pending_handshakes != 0)
        w.fail("z has %u connections", z.engine().stats().connections);
    for (size_t i = 0; i < count; i++) {
        wires[i]->heal();
        const bool here = w.rng().chance(0.5);
        SimNode &by = here ? *clients[i] : z;
        by.app().close(by.app().to(here ? z : *clients[i])->handle, 9);
    }
    w.run_for(seconds(10));
    must_be_empty(w, z);
    for (SimNode *a : clients)
        must_be_empty(w, *a);
}

void thousands(World &w) {
    crowd(w, 2000, seconds(1), 0);
}
void hundreds(World &w) {
    crowd(w, 150, millis(200), 0.05);
}

// A chain and a ring of connections between five nodes, every pair in both directions at once.
void everyone_with_everyone(World &w) {
    constexpr size_t kNodes = 5;
    std::vector<SimNode *> nodes;
    for (size_t i = 0; i < kNodes; i++)
        nodes.push_back(
            &w.add_node(std::string(1, static_cast<char>('a' + i)), some_setup(w.rng())));
    for (size_t i = 0; i < kNodes; i++)
        nodes[i]->add_endpoint();
    for (size_t i = 0; i < kNodes; i++)
        for (size_t k = i + 1; k < kNodes; k++)
            w.add_wire(*nodes[i]->endpoints()[0], *nodes[k]->endpoints()[0], some_wire(w.rng()));
    for (size_t i = 0; i < kNodes; i++)
        for (size_t k = i + 1; k < kNodes; k++) {
            nodes[i]->app().connect(*nodes[k]);
            if (w.rng().chance(0.5))
                nodes[k]->app().connect(*nodes[i]);
        }
    w.must(
        [&] {
            for (SimNode *n : nodes)
                for (SimNode *m : nodes)
                    if (n != m && !n->app().connected_to(*m))
                        return false;
            return true;
        },
        seconds(5), "everyone with everyone");
    for (SimNode *n : nodes)
        for (SimNode *m : nodes)
            if (n != m)
                open_flow(w, *n, n->app().to(*m)->handle, stream_plan(20'000, 5'000));
    w.must([&] { return all_flows_over(w); }, seconds(30), "all flows are over");
    for (auto &f : w.flows())
        f->must_have_kept_its_promise();
    w.run_for(seconds(11)); // what was begun twice is forgotten
    for (SimNode *n : nodes)
        if (n->engine().stats().connections != kNodes - 1)
            w.fail("%s has %u connections", n->name().c_str(), n->engine().stats().connections);
}

// More attempts than a node lets wait: the others are dropped, nothing breaks, and later they get
// in.
void too_many_attempts(World &w) {
    NodeSetup setup;
    setup.config.max_pending_handshakes = 8;
    setup.config.handshake_timeout = seconds(30);
    SimNode &z = w.add_node("z", std::move(setup));
    SimEndpoint &at_z = z.add_endpoint();
    std::vector<SimNode *> clients;
    for (size_t i = 0; i < 60; i++) {
        NodeSetup patient;
        patient.config.handshake_timeout = seconds(60);
        SimNode &a = w.add_node("a" + std::to_string(i), std::move(patient));
        PipeModel m;
        m.delay = w.rng().between(millis(5), millis(50));
        w.add_wire(a.add_endpoint(), at_z, m);
        a.app().connect(z);
        clients.push_back(&a);
    }
    w.must([&] { return z.app().count(PLAIT_EVENT_CONNECTED) == clients.size(); }, seconds(60),
           "all get in");
    if (z.engine().stats().handshakes_refused == 0)
        w.fail("the limit was never reached");
}

void too_many_connections(World &w) {
    NodeSetup setup;
    setup.config.max_connections = 5;
    SimNode &z = w.add_node("z", std::move(setup));
    SimEndpoint &at_z = z.add_endpoint();
    std::vector<SimNode *> clients;
    for (size_t i = 0; i < 10; i++) {
        SimNode &a = w.add_node("a" + std::to_string(i));
        w.add_wire(a.add_endpoint(), at_z, PipeModel{});
        a.app().connect(z);
        clients.push_back(&a);
    }
    w.run_for(seconds(15));
    if (z.app().count(PLAIT_EVENT_CONNECTED) != 5)
        w.fail("%zu connections, the limit is 5",
               static_cast<size_t>(z.app().count(PLAIT_EVENT_CONNECTED)));
    size_t in = 0, out = 0;
    for (SimNode *a : clients) {
        in += a->app().connected_to(z);
        out += a->app().peerings().begin()->second.closed;
    }
    if (in != 5 || out != 5)
        w.fail("%zu are in and %zu out", in, out);
}

// z crashes and comes back without memory; a finds out and can dial again.
void server_restarts(World &w) {
    NodeSetup a, z;
    a.config.idle_timeout = a.config.dormancy_timeout = seconds(5);
    Pair p(w, {some_wire(w.rng())}, std::move(a), std::move(z));
    p.connect();
    open_flow(w, *p.a, p.at_a, stream_plan(500'000));
    w.run_for(w.rng().between(millis(1), millis(200)));
    p.z->stop();
    w.run_for(w.rng().between(millis(1), seconds(2)));
    p.z->start();
    w.must([&] { return p.a->app().peering(p.at_a)->closed; }, seconds(20), "a notices");
    p.dial();
    w.must([&] { return p.both_connected(); }, seconds(5), "connected again");
    open_flow(w, *p.a, p.at_a, stream_plan(50'000, 50'000));
    w.must([&] { return all_flows_over(w); }, seconds(20), "all flows are over");
    w.flows().back()->must_have_kept_its_promise();
    p.close_and_be_gone();
}

// The same, and z says so: a knows with the next packet that it sends.
void reset_after_restart(World &w) {
    Pair p(w, {some_wire(w.rng()), some_wire(w.rng())}, some_setup(w.rng()), some_setup(w.rng()));
    p.connect();
    p.z->stop();
    w.run_for(w.rng().between(millis(1), millis(100)));
    p.z->start();
    open_flow(w, *p.a, p.at_a, ping_plan(5, millis(20)));
    w.must([&] { return p.a->app().peering(p.at_a)->closed; }, millis(400), "a knows at once");
    if (p.a->app().peering(p.at_a)->status != PLAIT_E_PEER_LOST)
        w.fail("not PEER_LOST");
    w.run_for(seconds(1));
    must_be_empty(w, *p.a);
    p.dial();
    w.must([&] { return p.both_connected(); }, seconds(5), "connected again");
    // What is void since this start is not reset: who asks may be anybody.
    std::vector<std::vector<uint8_t>> heard;
    p.wires[0]->tap = [&](int from, Bytes b) {
        if (from == 0)
            heard.push_back({b.begin(), b.end()});
    };
    w.run_for(seconds(1));
    p.close_and_be_gone();
    const uint64_t before = p.z->engine().stats().resets_sent;
    for (const auto &b : heard)
        w.inject(*p.z->endpoints()[0], p.wires[0]->address(0), b, millis(5));
    w.run_for(seconds(1));
    if (heard.empty() || before == 0 || p.z->engine().stats().resets_sent != before)
        w.fail("%llu resets, then %llu", static_cast<unsigned long long>(before),
               static_cast<unsigned long long>(p.z->engine().stats().resets_sent));
}

constexpr Scenario kScenarios[] = {
    {"sim_nodes_two_thousand_come_and_go_nothing_left", thousands, 1},
    {"sim_nodes_hundreds_loss_nothing_left", hundreds, 4},
    {"sim_nodes_everyone_with_everyone_one_connection_each", everyone_with_everyone, 20},
    {"sim_nodes_too_many_attempts_get_in_later", too_many_attempts, 5},
    {"sim_nodes_too_many_connections_limit_holds", too_many_connections, 5},
    {"sim_nodes_server_restarts_client_dials_again", server_restarts, 20},
    {"sim_nodes_server_restarts_client_knows_at_once", reset_after_restart, 30},
};

} // namespace

std::span<const Scenario> node_scenarios() {
    return kScenarios;
}

} // namespace plait::sim
