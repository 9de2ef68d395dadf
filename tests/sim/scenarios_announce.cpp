// SPDX-License-Identifier: Apache-2.0
// Peers tell each other where else they can be reached, and links come of it. docs/protocol.md
// section 7.8.
#include "scenario.h"

#include <cinttypes>

namespace plait::sim {
namespace {

using base::millis;
using base::seconds;

constexpr uint64_t kLoad = 300'000;

NodeSetup announcing(Rng &rng, bool own, bool follow) {
    NodeSetup s = some_setup(rng);
    s.config.announces = own;
    s.config.follows = follow;
    return s;
}

// What a transport would have told the node at its opening: where the wires lead.
void know_addresses(Pair &p, bool of_a, bool of_z) {
    for (size_t i = 0; i < p.wires.size(); i++) {
        if (of_a)
            p.a->set_address(*p.a->endpoints()[i], p.wires[i]->address(0));
        if (of_z)
            p.z->set_address(*p.z->endpoints()[i], p.wires[i]->address(1));
    }
}

void dial_only(Pair &p) {
    p.dial();
    p.w.must([&] { return p.both_connected(); }, seconds(20), "connected");
}

bool all_linked(Pair &p) {
    return p.a->app().good_links(p.at_a) >= p.wires.size() &&
           p.z->app().good_links(p.at_z) >= p.wires.size();
}

PipeModel unruly_wire(Rng &rng) {
    PipeModel m = some_wire(rng);
    m.loss = 0.1;
    m.reorder = 0.2;
    m.reorder_by = millis(30);
    m.duplicate = 0.05;
    return m;
}

std::vector<Pair::Way> ways(Rng &rng, bool unruly) {
    std::vector<Pair::Way> out;
    for (size_t n = rng.range(2, 3); n > 0; n--)
        out.push_back(unruly ? unruly_wire(rng) : some_wire(rng));
    return out;
}

// Only the first address is dialed; the others are heard of, and used.
void links_join(World &w, bool unruly) {
    const bool a_follows = w.rng().chance(0.5);
    Pair p(w, ways(w.rng(), unruly), announcing(w.rng(), !a_follows, a_follows),
           announcing(w.rng(), a_follows, !a_follows));
    know_addresses(p, true, true);
    dial_only(p);
    open_mixed_load(p, kLoad);
    if (!unruly)
        w.must([&] { return all_linked(p); }, seconds(10), "links to all that was announced");
    else
        w.run_for(seconds(10)); // each address is tried three times: it may have been for nothing
    p.heal();
    p.finish_flows(seconds(120));
}
void perfect(World &w) {
    links_join(w, false);
}
void lossy(World &w) {
    links_join(w, true);
}

// Both tell and both follow: one link for each wire, not two.
void both_follow(World &w) {
    std::vector<Pair::Way> chosen;
    for (int i = 0; i < 3; i++)
        chosen.push_back(wire_of(1'000'000, w.rng().between(millis(2), millis(100)), 100'000));
    Pair p(w, chosen, announcing(w.rng(), true, true), announcing(w.rng(), true, true));
    know_addresses(p, true, true);
    dial_only(p);
    w.must([&] { return all_linked(p); }, seconds(10), "a link on each wire");
    w.run_for(seconds(10));
    const auto links = p.info(*p.a).links;
    if (links != p.wires.size())
        w.fail("%u links over %zu wires", links, p.wires.size());
    open_mixed_load(p, kLoad);
    p.finish_flows(seconds(60));
}

// An endpoint gets an address only later; another one loses it.
void endpoints_come_later(World &w) {
    Pair p(w, {some_wire(w.rng()), some_wire(w.rng())}, announcing(w.rng(), false, true),
           announcing(w.rng(), true, false));
    dial_only(p);
    w.run_for(seconds(2));
    if (p.a->app().count(PLAIT_EVENT_PEER_ENDPOINTS) != 0)
        w.fail("something was announced that is not there");
    know_addresses(p, false, true);
    w.must([&] { return all_linked(p); }, seconds(10), "a link to the new address");
    p.z->engine().endpoint_down(p.z->endpoints()[1]->index, nullptr, p.z->local_time());
    p.z->poke();
    w.must([&] { return p.a->engine().peer_places(p.at_a)->size() == 1; }, seconds(10),
           "it is told that the endpoint is down");
    p.z->engine().endpoint_up(p.z->endpoints()[1]->index, nullptr, p.z->local_time());
    p.z->poke();
    open_mixed_load(p, kLoad);
    p.finish_flows(seconds(60));
}

void silent_by_default(World &w) {
    Pair p(w, {some_wire(w.rng()), some_wire(w.rng())}, some_setup(w.rng()), some_setup(w.rng()));
    know_addresses(p, true, true);
    dial_only(p);
    w.run_for(seconds(5));
    for (SimNode *n : {p.a, p.z})
        if (n->app().count(PLAIT_EVENT_PEER_ENDPOINTS) != 0 ||
            n->app().good_links(n == p.a ? p.at_a : p.at_z) != 1)
            w.fail("%s: something was announced unasked", n->name().c_str());
    p.close_and_be_gone();
}

plait_addr lie(Rng &rng, uint8_t first) {
    plait_addr a{};
    a.len = 6;
    a.b[0] = first;
    for (int i = 1; i < 6; i++)
        a.b[i] = static_cast<uint8_t>(rng.below(256));
    return a;
}

// The peer announces addresses of others, multicast and loopback, always new ones, as often as it
// can: what goes there is bounded, and the connection does not suffer.
void hostile(World &w) {
    Pair p(w, {wire_of(2'000'000, millis(5), 100'000)}, announcing(w.rng(), false, true),
           announcing(w.rng(), false, false));
    dial_only(p);
    std::map<AddressKey, uint64_t> sent; // bytes
    uint64_t all = 0, wrong = 0;
    p.a->endpoints()[0]->on_unrouted = [&](const plait_addr &to, Bytes datagram) {
        sent[address_key(to)] += datagram.size();
        all += datagram.size();
        wrong += to.b[0] != 11;
    };
    open_mixed_load(p, kLoad);
    for (int i = 0; i < 150; i++) {
        std::vector<node::Place> places;
        for (const uint8_t first : {11, 224, 127, 255, 11, 11, 239, 11})
            places.push_back({"udp", lie(w.rng(), first)});
        if (p.z->engine().announce(p.at_z, places, p.z->local_time()) != PLAIT_OK)
            w.fail("announce");
        p.z->poke();
        w.run_for(w.rng().between(millis(1), millis(1500)));
    }
    constexpr uint64_t kMost = 3 * 1200;
    if (all == 0 || all > connection::kMaxTried * kMost)
        w.fail("%" PRIu64 " bytes to addresses that somebody has named", all);
    if (wrong != 0)
        w.fail("%" PRIu64 " datagrams to multicast or loopback", wrong);
    for (const auto &[to, bytes] : sent)
        if (bytes > kMost)
            w.fail("%" PRIu64 " bytes to one of them", bytes);
    p.finish_flows(seconds(60));
}

constexpr Scenario kScenarios[] = {
    {"sim_announced_endpoints_links_join", perfect},
    {"sim_announced_endpoints_lossy_links_data_arrives", lossy},
    {"sim_announced_endpoints_both_follow_one_link_each", both_follow},
    {"sim_announced_endpoints_come_and_go_are_told", endpoints_come_later},
    {"sim_announced_endpoints_off_nothing_said", silent_by_default},
    {"sim_announced_endpoints_hostile_peer_bounded", hostile, 5},
};

} // namespace

std::span<const Scenario> announce_scenarios() {
    return kScenarios;
}

} // namespace plait::sim
