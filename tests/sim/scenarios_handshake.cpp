// SPDX-License-Identifier: Apache-2.0
// From the first INIT to two nodes that know each other, or to silence. docs/protocol.md section 2.
#include "scenario.h"

#include <set>

namespace plait::sim {
namespace {

using base::millis;
using base::seconds;

constexpr bool is_handshake(Bytes b) {
    return !b.empty() && (b[0] & 0x80);
}

// Loses the first `count` datagrams that an end sends.
void lose_first(Wire &wire, int side, uint32_t count) {
    auto left = std::make_shared<uint32_t>(count);
    wire.tap = [&wire, side, left](int from, Bytes) {
        if (from != side)
            return;
        wire.pipe(side).model.cut = *left > 0;
        *left -= *left > 0;
    };
}

void small_exchange(Pair &p) {
    open_flow(p.w, *p.a, p.at_a, stream_plan(20'000, 20'000));
    open_flow(p.w, *p.z, p.at_z, message_plan(10, 10, 0, 3000));
    p.finish_flows(seconds(20));
}

// -- loss of handshake packets

void first_lost(World &w) {
    Pair p(w, {some_wire(w.rng())}, some_setup(w.rng()), some_setup(w.rng()));
    lose_first(*p.wires[0], 0, 1);
    p.connect(seconds(2));
    small_exchange(p);
}
void second_lost(World &w) {
    Pair p(w, {some_wire(w.rng())}, some_setup(w.rng()), some_setup(w.rng()));
    lose_first(*p.wires[0], 1, 1);
    p.connect(seconds(2));
    small_exchange(p);
}
// RESP has arrived, but nothing of the initiator under the new keys for a while.
void third_lost(World &w) {
    Pair p(w, {some_wire(w.rng())}, some_setup(w.rng()), some_setup(w.rng()));
    auto left = std::make_shared<uint32_t>(static_cast<uint32_t>(w.rng().range(1, 4)));
    Wire &wire = *p.wires[0];
    wire.tap = [&wire, left](int from, Bytes b) {
        if (from != 0)
            return;
        wire.pipe(0).model.cut = !is_handshake(b) && *left > 0;
        if (wire.pipe(0).model.cut)
            --*left;
    };
    p.connect(seconds(8));
    small_exchange(p);
}
void lossy(World &w) {
    PipeModel m = some_wire(w.rng());
    m.loss = 0.3;
    m.duplicate = 0.2;
    m.reorder = 0.2;
    m.corrupt = 0.05;
    NodeSetup patient;
    patient.config.handshake_timeout = seconds(60);
    NodeSetup other;
    other.config.handshake_timeout = seconds(60);
    Pair p(w, {m}, std::move(patient), std::move(other));
    p.dial();
    w.must([&] { return p.both_connected(); }, seconds(60), "connected");
    p.heal();
    small_exchange(p);
}
// Channels opened, and written to, before there is a connection.
void early_channels(World &w) {
    Pair p(w, {some_wire(w.rng())}, some_setup(w.rng()), some_setup(w.rng()));
    p.dial();
    for (int i = 0; i < 5; i++)
        open_flow(w, *p.a, p.at_a, i % 2 ? stream_plan(30'000, 1000) : message_plan(5, 5, 0, 2000));
    w.must([&] { return p.both_connected(); }, seconds(5), "connected");
    p.finish_flows(seconds(20));
}

// -- nobody, or nobody who wants

void timeout(World &w) {
    NodeSetup a;
    a.config.handshake_timeout = w.rng().between(seconds(1), seconds(12));
    const Duration limit = a.config.handshake_timeout;
    Pair p(w, {some_wire(w.rng())}, std::move(a));
    p.wires[0]->set_cut(true);
    p.dial();
    const Nanos begun = w.now();
    w.must([&] { return p.a->app().peering(p.at_a)->closed; }, limit * 2, "given up");
    const Duration took{static_cast<int64_t>((w.now() - begun) / 1000)};
    if (took < limit - millis(50) || took > limit + seconds(1))
        w.fail("given up after %lld us, not %lld", static_cast<long long>(took.us),
               static_cast<long long>(limit.us));
    if (p.a->app().peering(p.at_a)->status != PLAIT_E_TIMEOUT)
        w.fail("not TIMEOUT");
    w.run_for(seconds(1));
    must_be_empty(w, *p.a);
}

void refused(World &w) {
    NodeSetup z;
    z.accept.ask = true;
    Pair p(w, {some_wire(w.rng())}, some_setup(w.rng()), std::move(z));
    p.z->app().on_request = App::Answer::kRefuse;
    p.dial();
    open_flow(w, *p.a, p.at_a, stream_plan(10'000)); // must end, too
    w.must([&] { return p.a->app().peering(p.at_a)->closed; }, seconds(5), "refused");
    const Peering &at_a = *p.a->app().peering(p.at_a);
    if (at_a.status != PLAIT_E_REFUSED || at_a.code != p.z->app().refuse_code ||
        !at_a.by_application)
        w.fail("not REFUSED with its code, but %s, %llu", base::status_name(at_a.status),
               static_cast<unsigned long long>(at_a.code));
    w.run_for(seconds(10));
    if (p.z->app().count(PLAIT_EVENT_CONNECTED) != 0)
        w.fail("refused and connected");
    must_be_empty(w, *p.a);
    must_be_empty(w, *p.z);
}

void accepted_late(World &w) {
    NodeSetup z;
    z.accept.ask = true;
    Pair p(w, {some_wire(w.rng())}, some_setup(w.rng()), std::move(z));
    p.z->app().on_request = App::Answer::kWait;
    p.dial();
    w.must([&] { return p.a->app().connected_to(*p.z); }, seconds(5), "a is connected");
    open_flow(w, *p.a, p.at_a, stream_plan(100'000, 1000));
    open_flow(w, *p.a, p.at_a, message_plan(20, 20, 0, 3000));
    w.must([&] { return p.z->app().count(PLAIT_EVENT_CONNECTION_REQUEST) > 0; }, seconds(5),
           "z is asked");
    w.run_for(w.rng().between(Duration{0}, seconds(5)));
    if (p.z->app().peerings().size() != 1)
        w.fail("z has several requests");
    const uint64_t request = p.z->app().peerings().begin()->first;
    if (p.z->app().count(PLAIT_EVENT_CHANNEL_REQUEST) != 0)
        w.fail("channels before the connection was accepted");
    if (p.z->engine().accept(request, p.z->local_time()) != PLAIT_OK)
        w.fail("accept failed");
    p.z->poke();
    w.must([&] { return p.both_connected(); }, seconds(1), "both connected");
    p.finish_flows(seconds(20));
}

// Nothing at all may come back to `a`; it gives up.
void must_be_silence(World &w, Pair &p, bool by_id = true) {
    p.at_a = p.a->app().connect(*p.z, 0, {}, by_id);
    w.must([&] { return p.a->app().peering(p.at_a)->closed; }, seconds(30), "given up");
    if (p.a->app().peering(p.at_a)->status != PLAIT_E_TIMEOUT)
        w.fail("not TIMEOUT");
    if (p.wires[0]->pipe(1).counters().datagrams != 0)
        w.fail("z has answered");
    w.run_for(seconds(20));
    must_be_empty(w, *p.a);
    must_be_empty(w, *p.z);
}
void not_listening(World &w) {
    NodeSetup z;
    z.accept.listening = false;
    Pair p(w, {some_wire(w.rng())}, some_setup(w.rng()), std::move(z));
    must_be_silence(w, p);
}
void not_allowed(World &w) {
    NodeSetup z;
    z.accept.allowed.resize(1);
    SeededEntropy(w.rng().fork()).fill(z.accept.allowed[0].b);
    Pair p(w, {some_wire(w.rng())}, some_setup(w.rng()), std::move(z));
    p.dial();
    w.must([&] { return p.a->app().peering(p.at_a)->closed; }, seconds(30), "ended");
    w.run_for(seconds(20));
    if (p.z->app().count(PLAIT_EVENT_CONNECTED) + p.a->app().count(PLAIT_EVENT_CONNECTED) != 0)
        w.fail("connected although not in the list");
    must_be_empty(w, *p.a);
    must_be_empty(w, *p.z);
}

// Somebody dials an id that z does not have: mac1 is wrong.
void wrong_id(World &w) {
    Pair p(w, {some_wire(w.rng())}, some_setup(w.rng()), some_setup(w.rng()));
    SimNode &other = w.add_node("other");
    p.a->app().connect_as(&other.id(), *p.z);
    w.run_for(seconds(30));
    if (p.wires[0]->pipe(1).counters().datagrams != 0)
        w.fail("z has answered to another's id");
    if (p.z->engine().stats().bad_mac1 == 0)
        w.fail("z has not noticed");
}

void garbage(World &w) {
    Pair p(w, {some_wire(w.rng())}, some_setup(w.rng()), some_setup(w.rng()));
    Rng rng = w.rng().fork();
    SeededEntropy entropy(rng.fork());
    for (int i = 0; i < 500; i++) {
        std::vector<uint8_t> b(rng.range(1, 1300));
        entropy.fill(b);
        if (rng.chance(0.5) && b.size() > 20) { // looks like a handshake packet
            b[0] = static_cast<uint8_t>(0x80 | rng.below(8) << 4);
            base::store_be(b.data() + 1, 0x706c7431, 4);
            b[5] = 0;
            b[6] = static_cast<uint8_t>(rng.below(9));
        }
        w.inject(*p.z->endpoints()[0], p.wires[0]->address(0), b, millis(static_cast<int64_t>(i)));
    }
    w.run_for(seconds(2));
    if (p.wires[0]->pipe(1).counters().datagrams != 0)
        w.fail("z has answered to garbage");
    must_be_empty(w, *p.z);
    p.connect();
    small_exchange(p);
}

// INITs that were heard are sent again, later and from elsewhere: nothing reaches the application.
void replayed_init(World &w) {
    Pair p(w, {some_wire(w.rng())}, some_setup(w.rng()), some_setup(w.rng()));
    std::vector<std::vector<uint8_t>> heard;
    p.wires[0]->tap = [&](int from, Bytes b) {
        if (from == 0 && is_handshake(b))
            heard.push_back({b.begin(), b.end()});
    };
    p.connect();
    const plait_addr elsewhere = w.new_address();
    size_t answered = 0;
    p.z->endpoints()[0]->on_unrouted = [&](const plait_addr &, Bytes b) { answered += b.size(); };
    size_t sent = 0;
    for (int i = 0; i < 20; i++)
        for (const auto &b : heard) {
            sent += b.size();
            w.inject(*p.z->endpoints()[0], elsewhere, b, millis(100 * i));
        }
    w.run_for(seconds(3));
    if (p.z->app().count(PLAIT_EVENT_CONNECTED) != 1 ||
        p.z->app().count(PLAIT_EVENT_CONNECTION_REQUEST) != 0)
        w.fail("a replayed INIT has reached the application");
    if (answered > sent)
        w.fail("%zu bytes answered to %zu", answered, sent);
    if (!p.both_connected())
        w.fail("a replayed INIT has ended the connection");
    small_exchange(p);
}

// -- XX and networks

void unknown_id(World &w) {
    NodeSetup z;
    z.accept.allow_xx = true;
    z.accept.ask = w.rng().chance(0.5);
    PipeModel m = some_wire(w.rng());
    m.loss = w.rng().chance(0.5) ? 0.2 : 0;
    Pair p(w, {m}, some_setup(w.rng()), std::move(z));
    node::ConnectConfig config;
    config.accept_any_id = w.rng().chance(0.5);
    p.at_a = p.a->app().connect(*p.z, 0, config, false);
    w.must([&] { return p.both_connected(); }, seconds(10), "connected without knowing the id");
    if (p.a->app().count(PLAIT_EVENT_CONNECTION_REQUEST) != (config.accept_any_id ? 0 : 1))
        w.fail("a was not asked, or asked twice");
    if (p.info(*p.a).peer != p.z->id() || p.info(*p.z).peer != p.a->id())
        w.fail("the wrong id was learnt");
    p.heal();
    small_exchange(p);
}
void unknown_id_refused(World &w) {
    NodeSetup z;
    z.accept.allow_xx = true;
    Pair p(w, {some_wire(w.rng())}, some_setup(w.rng()), std::move(z));
    p.a->app().on_request = App::Answer::kRefuse;
    p.at_a = p.a->app().connect(*p.z, 0, {}, false);
    w.must([&] { return p.a->app().peering(p.at_a)->closed; }, seconds(5), "refused");
    w.run_for(seconds(15));
    if (p.z->app().count(PLAIT_EVENT_CONNECTED) != 0)
        w.fail("z is connected with somebody who refused");
    must_be_empty(w, *p.a);
    must_be_empty(w, *p.z);
}
void unknown_id_off(World &w) {
    Pair p(w, {some_wire(w.rng())}, some_setup(w.rng()), some_setup(w.rng()));
    must_be_silence(w, p, false);
}

crypto::Secret<32> network_key(uint8_t n) {
    std::array<uint8_t, 32> b;
    b.fill(n);
    return crypto::Secret<32>(b);
}
NodeSetup in_networks(std::initializer_list<uint8_t> keys) {
    NodeSetup s;
    for (const uint8_t k : keys)
        s.config.network_keys.push_back(network_key(k));
    return s;
}
void same_network(World &w) {
    const bool known = w.rng().chance(0.5);
    NodeSetup z = w.rng().chance(0.5) ? in_networks({1}) : in_networks({2, 3, 1});
    z.accept.allow_xx = true;
    Pair p(w, {some_wire(w.rng())}, in_networks({1, 5}), std::move(z));
    node::ConnectConfig config;
    config.accept_any_id = true;
    p.at_a = p.a->app().connect(*p.z, 0, config, known);
    w.must([&] { return p.both_connected(); }, seconds(5), "connected");
    small_exchange(p);
}
void other_network(World &w) {
    const uint64_t which = w.rng().below(3);
    NodeSetup a = which == 0   ? in_networks({1})
                  : which == 1 ? in_networks({})
                               : in_networks({7, 2});
    NodeSetup z = which == 1   ? in_networks({2})
                  : which == 0 ? in_networks({2, 3})
                               : in_networks({});
    z.accept.allow_xx = which != 2;
    Pair p(w, {some_wire(w.rng())}, std::move(a), std::move(z));
    must_be_silence(w, p, w.rng().chance(0.5));
}

// -- both dial at once

// Both dial, `apart` at most; there is one connection, under the handles that both got.
void both_dial(World &w, Duration apart, double loss, bool with_channels) {
    PipeModel m = some_wire(w.rng());
    m.loss = loss;
    NodeSetup setup_a = some_setup(w.rng()), setup_z = some_setup(w.rng());
    // Loss may take every packet of the first tries, so their number must not be what decides.
    const Duration timeout = loss > 0 ? seconds(40) : seconds(6);
    setup_a.config.handshake_timeout = setup_z.config.handshake_timeout = timeout;
    Pair p(w, {m}, std::move(setup_a), std::move(setup_z));
    p.at_a = p.a->app().connect(*p.z);
    if (with_channels)
        open_flow(w, *p.a, p.at_a, stream_plan(20'000, 5'000));
    if (apart.us > 0)
        w.run_for(w.rng().between(Duration{0}, apart));
    // Too late, and z has been called already: then this is an ordinary second connection.
    if (p.z->app().peerings().empty()) {
        p.at_z = p.z->app().connect(*p.a);
        if (with_channels)
            open_flow(w, *p.z, p.at_z, message_plan(10, 10, 0, 2000));
    }
    const uint64_t a_dialed = p.at_a, z_dialed = p.at_z;
    w.must([&] { return p.both_connected(); }, timeout + seconds(4), "connected");
    p.heal();
    w.run_for(seconds(8));
    if (!p.both_connected() || p.at_a != a_dialed || (z_dialed && p.at_z != z_dialed))
        w.fail("not one connection under the handles of both");
    for (SimNode *n : {p.a, p.z}) {
        if (n->engine().stats().connections != 1)
            w.fail("%s has %u connections", n->name().c_str(), n->engine().stats().connections);
        if (n->app().count(PLAIT_EVENT_CONNECTED) != 1 ||
            n->app().count(PLAIT_EVENT_CONNECTION_REQUEST) != 0)
            w.fail("%s: not CONNECTED once", n->name().c_str());
    }
    small_exchange(p);
}
void at_once(World &w) {
    both_dial(w, Duration{0}, 0, false);
}
void at_once_channels(World &w) {
    both_dial(w, Duration{0}, 0, true);
}
void nearly_at_once(World &w) {
    both_dial(w, millis(80), 0, w.rng().chance(0.5));
}
void at_once_lossy(World &w) {
    both_dial(w, millis(80), 0.25, w.rng().chance(0.5));
}

// a crashes and dials again: the new connection takes the old one's place at z.
void redial(World &w) {
    Pair p(w, {some_wire(w.rng())}, some_setup(w.rng()), some_setup(w.rng()));
    p.connect();
    open_flow(w, *p.a, p.at_a, stream_plan(50'000, 50'000));
    w.run_for(w.rng().between(millis(1), millis(500)));
    const uint64_t old = p.at_z;
    p.a->stop();
    w.run_for(w.rng().between(millis(1), seconds(2)));
    p.a->start();
    p.dial();
    w.must([&] { return p.both_connected() && p.at_z != old; }, seconds(5), "connected again");
    w.must([&] { return p.z->app().peering(old)->closed; }, seconds(1), "the old one is closed");
    // What z still sent may have met the new a, whose reset can come before the new connection.
    const Status end = p.z->app().peering(old)->status;
    if (end != PLAIT_E_DUPLICATE && end != PLAIT_E_PEER_LOST)
        w.fail("the old connection ended with %s", base::status_name(end));
    small_exchange(p);
}

constexpr Scenario kScenarios[] = {
    {"sim_handshake_first_packet_lost_connects", first_lost, 30},
    {"sim_handshake_second_packet_lost_connects", second_lost, 30},
    {"sim_handshake_confirmation_lost_connects", third_lost, 30},
    {"sim_handshake_all_faults_connects", lossy, 60},
    {"sim_handshake_early_channels_are_delivered", early_channels, 30},
    {"sim_handshake_no_answer_times_out", timeout, 30},
    {"sim_handshake_refused_tells_the_code", refused, 30},
    {"sim_handshake_accepted_late_holds_channels", accepted_late, 30},
    {"sim_handshake_not_listening_is_silent", not_listening, 10},
    {"sim_handshake_not_allowed_never_connects", not_allowed, 10},
    {"sim_handshake_wrong_mac1_is_silent", wrong_id, 10},
    {"sim_handshake_garbage_is_silent", garbage, 20},
    {"sim_handshake_replayed_init_reaches_nobody", replayed_init, 20},
    {"sim_handshake_unknown_id_connects", unknown_id, 60},
    {"sim_handshake_unknown_id_refused_ends", unknown_id_refused, 20},
    {"sim_handshake_unknown_id_off_is_silent", unknown_id_off, 10},
    {"sim_handshake_same_network_connects", same_network, 30},
    {"sim_handshake_other_network_is_silent", other_network, 20},
    {"sim_handshake_both_dial_is_one_connection", at_once, 40},
    {"sim_handshake_both_dial_channels_are_delivered", at_once_channels, 40},
    {"sim_handshake_both_dial_apart_is_one_connection", nearly_at_once, 60},
    {"sim_handshake_both_dial_loss_is_one_connection", at_once_lossy, 120},
    {"sim_handshake_redial_after_crash_replaces", redial, 30},
};

} // namespace

std::span<const Scenario> handshake_scenarios() {
    return kScenarios;
}

} // namespace plait::sim
