// SPDX-License-Identifier: Apache-2.0
#include "scenario.h"

#include <cinttypes>

namespace plait::sim {

using base::micros;
using base::millis;
using base::seconds;

Pair::Pair(World &world, const std::vector<Way> &ways, NodeSetup setup_a, NodeSetup setup_z)
    : w(world) {
    a = &w.add_node("a", std::move(setup_a));
    z = &w.add_node("z", std::move(setup_z));
    for (const Way &way : ways) {
        SimEndpoint &first = a->add_endpoint(way.info), &second = z->add_endpoint(way.info);
        if (way.driver != 0) {
            a->set_driver(first, way.info.rate, way.driver);
            z->set_driver(second, way.info.rate, way.driver);
        }
        wires.push_back(&w.add_wire(first, second, way.forth, way.back));
    }
}

void Pair::dial(size_t wire) {
    at_a = a->app().connect(*z, wire);
}

bool Pair::both_connected() {
    const Peering *pa = a->app().to(*z), *pz = z->app().to(*a);
    if (!pa || !pz)
        return false;
    at_a = pa->handle;
    at_z = pz->handle;
    return true;
}

void Pair::add_links() {
    for (size_t i = 1; i < wires.size(); i++)
        a->app().add_link(at_a, *z, i);
}

void Pair::connect(Duration limit) {
    dial();
    w.must([&] { return both_connected(); }, limit, "connected");
    add_links();
    w.must(
        [&] {
            return a->app().good_links(at_a) == wires.size() &&
                   z->app().good_links(at_z) == wires.size();
        },
        limit, "all links good on both sides");
    // Who is not proven to be there may open a few channels; the rest is granted a round trip
    // later.
    w.run_for(millis(500));
}

void Pair::finish_flows(Duration limit) {
    w.must([&] { return all_flows_over(w); }, limit, "all flows are over");
    for (auto &f : w.flows())
        f->must_have_kept_its_promise();
    close_and_be_gone();
}

void Pair::close_and_be_gone() {
    Peering *p = a->app().to(*z);
    if (!p)
        w.fail("the connection is gone");
    a->app().close(p->handle, 5, "done");
    w.must([&] { return !a->app().connected_to(*z) && !z->app().connected_to(*a); }, seconds(30),
           "closed on both sides");
    w.must(
        [&] {
            return a->engine().stats().connections == 0 && z->engine().stats().connections == 0;
        },
        seconds(30), "connections are forgotten");
    must_be_empty(w, *a);
    must_be_empty(w, *z);
}

void must_be_empty(World &w, SimNode &node) {
    const node::NodeStats s = node.engine().stats();
    if (s.connections || s.channels || s.links || s.pending_handshakes || s.receive_memory ||
        s.send_memory)
        w.fail("%s: something is left", node.name().c_str());
    for (auto &e : node.endpoints())
        if (node.engine().endpoint_stats(e->handle)->links != 0)
            w.fail("%s: an endpoint counts links", node.name().c_str());
}

uint64_t Pair::link_handle(SimNode &node, size_t wire) {
    std::array<uint64_t, 64> links;
    const auto n = node.engine().connection_links(&node == a ? at_a : at_z, links);
    for (size_t i = 0; n.ok() && i < *n; i++) {
        const auto info = node.engine().link_info(links[i]);
        if (info.ok() && info->endpoint == node.endpoints()[wire]->handle)
            return links[i];
    }
    w.fail("%s has no link on wire %zu", node.name().c_str(), wire);
}

node::LinkInfo Pair::link_info(SimNode &node, size_t wire) {
    return *node.engine().link_info(link_handle(node, wire));
}

node::ConnectionInfo Pair::info(SimNode &node) {
    const auto info = node.engine().connection_info(&node == a ? at_a : at_z);
    if (!info.ok())
        w.fail("%s: no connection", node.name().c_str());
    return *info;
}

PipeModel wire_of(uint64_t rate, Duration delay, uint64_t queue) {
    PipeModel m;
    m.rate = rate;
    m.delay = delay;
    m.queue = queue;
    return m;
}

PipeModel some_wire(Rng &rng) {
    static constexpr uint64_t kRates[] = {250'000, 1'250'000, 5'000'000, 12'500'000, 40'000'000};
    PipeModel m;
    m.rate = kRates[rng.below(5)];
    m.delay = rng.between(micros(200), millis(60));
    const uint64_t bdp = m.rate * static_cast<uint64_t>(2 * m.delay.us) / 1'000'000;
    m.queue = std::max<uint64_t>(30'000, bdp * rng.range(5, 20) / 10);
    m.jitter = rng.chance(0.5) ? m.delay / 10 : Duration{0};
    return m;
}

NodeSetup some_setup(Rng &rng) {
    NodeSetup s;
    if (rng.chance(0.3))
        s.timer_grain = millis(1);
    s.gro = rng.chance(0.5);
    s.packet_cost = rng.chance(0.5) ? rng.range(500, 20'000) : 0;
    return s;
}

FlowPlan stream_plan(uint64_t there, uint64_t back) {
    FlowPlan p;
    p.there.bytes = there;
    p.back.bytes = back;
    return p;
}

FlowPlan message_plan(uint32_t there, uint32_t back, size_t least, size_t most) {
    FlowPlan p;
    p.config = channel::messages();
    p.there.messages = there;
    p.back.messages = back;
    p.there.least = p.back.least = least;
    p.there.most = p.back.most = most;
    return p;
}

FlowPlan datagram_plan(uint32_t there, uint32_t back, Duration interval) {
    FlowPlan p = message_plan(there, back, 8, 1000);
    p.config = channel::datagram();
    p.there.interval = p.back.interval = interval;
    return p;
}

FlowPlan ping_plan(uint32_t count, Duration interval) {
    FlowPlan p = message_plan(count, count, 16, 64);
    p.config.priority_class = 0;
    p.there.interval = p.back.interval = interval;
    return p;
}

void open_mixed_load(Pair &p, uint64_t bytes) {
    Rng &rng = p.w.rng();
    open_flow(p.w, *p.a, p.at_a, stream_plan(bytes / 2 + rng.below(1000), rng.below(bytes / 4)));
    const auto messages = static_cast<uint32_t>(1 + bytes / 4 / 5000);
    SimNode &from = rng.chance(0.5) ? *p.a : *p.z;
    open_flow(p.w, from, &from == p.a ? p.at_a : p.at_z,
              message_plan(messages, messages / 2, 0, 10'000));
    open_flow(p.w, *p.z, p.at_z, datagram_plan(50, 50, millis(20)));
    open_flow(p.w, *p.a, p.at_a, ping_plan(20, millis(20)));
}

} // namespace plait::sim
