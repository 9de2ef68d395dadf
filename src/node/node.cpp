// SPDX-License-Identifier: Apache-2.0
// Making a node, and its endpoints.
#include "node/core.h"

#include <algorithm>

namespace plait::node {

namespace {
// What a transport says of its MTU is taken as far as packets can be built with it.
uint32_t sane_mtu(uint32_t mtu) {
    constexpr auto kMost = static_cast<uint32_t>(connection::Assembler::kMaxDatagram);
    return std::clamp(mtu, static_cast<uint32_t>(link::kMinPacket), kMost);
}
} // namespace

uint64_t random_u64(Entropy &entropy) {
    std::array<uint8_t, 8> b;
    entropy.fill(b);
    return base::load_be(b.data(), b.size());
}

connection::Config connection_config(const Config &c) {
    connection::Config k;
    k.max_links = std::clamp<uint32_t>(c.max_links_per_connection, 1, connection::kMaxLinks);
    k.max_channels_per_peer = std::min<uint32_t>(c.max_channels_per_peer, wire::kMaxChannelsASide);
    k.max_packets_in_flight = c.max_packets_in_flight;
    k.receive_memory = c.connection_receive_memory;
    k.initial_window = std::clamp(c.initial_window, channel::kWindowFloor, channel::kWindowMax);
    k.max_message = std::clamp<uint64_t>(c.max_message, 1, channel::kMaxMessageMax);
    k.handshake_timeout = c.handshake_timeout;
    k.idle_timeout = c.idle_timeout;
    k.keepalive = c.keepalive;
    k.dormancy_timeout = c.dormancy_timeout;
    k.controller = c.controller;
    k.ecn = c.ecn;
    k.keys = c.keys;
    k.announces = c.announces;
    k.follows = c.follows;
    return k;
}

Core::Core(Config c, crypto::Identity id, Entropy &e, Time now)
    : config(std::move(c)), identity(std::move(id)), entropy(e), identities(e),
      mac1_book(identity, config.network_keys),
      s(connection_config(config), {identity, identities, config.network_keys, e},
        crypto::reset_key(identity), config.max_connections,
        config.max_connections * connection::kMaxLinks, config.max_channels, config.max_endpoints,
        config.receive_memory),
      attempts(random_u64(e)), peers(random_u64(e)), gate(e, now) {
    s.hooks = this;
    s.cids.set_worker(config.worker, config.workers);
}

Core::~Core() {
    for (uint32_t i = 0; i < s.connections.capacity(); i++)
        if (s.connections.live(i))
            s.connections[i].connection.reset();
}

Node::Node(Config config, crypto::Identity identity, Entropy &entropy, Time now)
    : core_(std::make_unique<Core>(std::move(config), std::move(identity), entropy, now)) {}
Node::~Node() = default;

const crypto::NodeId &Node::id() const {
    return core_->identity.id();
}

void Node::listen(AcceptConfig config) {
    core_->accept = std::move(config);
}

void Node::set_trace(uint64_t mask, plait_trace_fn *sink, void *user) {
    core_->s.tracer = {sink ? mask : 0, sink, user};
}

void Node::set_wall_time(uint64_t ms) {
    core_->s.wall_ms = ms;
}

NodeStats Node::stats() const {
    Core &c = *core_;
    NodeStats n;
    n.connections = c.s.connections.size();
    n.channels = c.s.channels.size();
    n.links = c.s.links.size();
    n.endpoints = c.s.endpoints.size();
    n.pending_handshakes = static_cast<uint32_t>(c.pending.size());
    const connection::Counters &k = c.s.counters;
    n.handshakes_begun = k.handshakes_begun;
    n.handshakes_done = k.handshakes_done;
    n.handshakes_refused = k.handshakes_refused;
    n.retries_sent = k.retries_sent;
    n.handshakes_in_pieces = k.handshakes_in_pieces;
    n.resets_sent = k.resets_sent;
    n.datagrams_received = k.datagrams_received;
    n.datagrams_sent = k.datagrams_sent;
    n.datagrams_dropped = k.datagrams_dropped;
    n.bytes_received = k.bytes_received;
    n.bytes_sent = k.bytes_sent;
    n.auth_failures = k.auth_failures;
    n.malformed = k.malformed;
    n.bad_mac1 = k.bad_mac1;
    n.receive_memory = c.s.budget.used();
    for (uint32_t i = 0; i < c.s.channels.capacity(); i++)
        if (c.s.channels.live(i))
            n.send_memory += c.s.channels[i].unacked();
    return n;
}

// -- endpoints

namespace {
template <class F> void for_each_connection(Core &c, F &&f) {
    for (uint32_t i = 0; i < c.s.connections.capacity(); i++)
        if (c.s.connections.live(i))
            f(*c.s.connections[i].connection);
}
} // namespace

Result<uint64_t> Node::add_endpoint(const EndpointInfo &info) {
    Core &c = *core_;
    uint8_t cid_size = wire::kMaxCidSize;
    for (const auto &[name, size] : c.config.cid_sizes)
        if (name == info.transport_class)
            cid_size = size;
    const bool small = info.mtu < connection::kSmallMtu;
    if (small)
        cid_size = std::min(cid_size, connection::kScarceCidSize);
    const auto cls = c.s.cids.add_class(info.transport_class, cid_size);
    if (!cls.ok())
        return Error{cls.status()};
    // Ids that the class has already may be too long for it.
    if (small && c.s.cids.cid_class(*cls).cid_size > connection::kScarceCidSize)
        return Error{PLAIT_E_UNSUPPORTED};
    const uint32_t slot = c.s.endpoints.emplace(info);
    if (slot == base::kNoSlot)
        return Error{PLAIT_E_LIMIT};
    c.s.endpoints[slot].cid_class = *cls;
    c.s.endpoints[slot].info.mtu = sane_mtu(info.mtu);
    for_each_connection(c, [&](Connection &conn) {
        conn.announce_classes(c.latest);
        conn.endpoints_changed(c.latest);
    });
    return c.handle(HandleType::kEndpoint, slot);
}

Result<EndpointIndex> Node::endpoint_index(uint64_t endpoint) const {
    const auto e = core_->endpoint(endpoint);
    if (!e.ok())
        return Error{e.status()};
    return EndpointIndex{Handle::from(endpoint).slot};
}

uint64_t Node::endpoint_handle(EndpointIndex index) const {
    return core_->s.endpoints.live(index.v) ? core_->handle(HandleType::kEndpoint, index.v) : 0;
}

Result<EndpointStats> Node::endpoint_stats(uint64_t endpoint) const {
    const auto e = core_->endpoint(endpoint);
    if (!e.ok())
        return Error{e.status()};
    EndpointStats out;
    static_cast<link::EndpointCounters &>(out) = (*e)->counters;
    out.info = (*e)->info;
    out.up = (*e)->up;
    out.links = (*e)->links;
    return out;
}

namespace {
template <class F>
void for_each_link_on(Core &c, EndpointIndex index, const plait_addr *addr, F &&f) {
    for (uint32_t i = 0; i < c.s.links.capacity(); i++) {
        if (!c.s.links.live(i))
            continue;
        LinkEntry &l = c.s.links[i];
        if (l.endpoint == index && l.state != link::State::kClosed &&
            (!addr || link::same_address(l.addresses().remote, *addr)))
            f(c.connection_of(l), l);
    }
}
} // namespace

void Node::endpoint_changed(EndpointIndex index, const EndpointInfo &info, Time now) {
    Core &c = *core_;
    EndpointInfo &mine = c.s.endpoints[index.v].info;
    const std::string cls = mine.transport_class; // stays: connection ids hang on it
    mine = info;
    mine.transport_class = cls;
    mine.mtu = sane_mtu(info.mtu);
    for_each_link_on(c, index, nullptr, [&](Connection &conn, LinkEntry &l) {
        conn.link_mtu(l, sane_mtu(info.mtu), now);
        if (l.recovery)
            l.recovery->set_line_rate(info.rate);
        conn.costs_changed(now);
    });
    for_each_connection(c, [&](Connection &conn) { conn.endpoints_changed(now); });
}

void Node::endpoint_down(EndpointIndex index, const plait_addr *addr, Time now) {
    Core &c = *core_;
    if (!addr) {
        EndpointEntry &e = c.s.endpoints[index.v];
        if (!e.up)
            return;
        e.up = false;
        e.parked.clear();
        c.s.events.raise(e.events, Source::kEndpoint, index.v, PLAIT_EVENT_ENDPOINT_STATE);
    }
    for_each_link_on(c, index, addr, [&](Connection &conn, LinkEntry &l) {
        conn.link_down(l, PLAIT_E_LINK_DOWN, now);
    });
    if (!addr)
        for_each_connection(c, [&](Connection &conn) { conn.endpoints_changed(now); });
}

void Node::endpoint_up(EndpointIndex index, const plait_addr *addr, Time now) {
    Core &c = *core_;
    if (!addr) {
        EndpointEntry &e = c.s.endpoints[index.v];
        if (e.up)
            return;
        e.up = true;
        e.blocked = false;
        c.s.events.raise(e.events, Source::kEndpoint, index.v, PLAIT_EVENT_ENDPOINT_STATE);
    }
    for_each_link_on(c, index, addr, [&](Connection &conn, LinkEntry &l) { conn.link_up(l, now); });
    if (!addr)
        for_each_connection(c, [&](Connection &conn) { conn.endpoints_changed(now); });
}

void Node::endpoint_writable(EndpointIndex index, Time) {
    Core &c = *core_;
    EndpointEntry &e = c.s.endpoints[index.v];
    e.blocked = false;
    for (const uint32_t slot : c.s.take_waiters(index))
        c.touch(slot);
}

void Node::endpoint_mtu(EndpointIndex index, const plait_addr *addr, uint32_t mtu, Time now) {
    Core &c = *core_;
    if (!addr)
        c.s.endpoints[index.v].info.mtu = sane_mtu(mtu);
    for_each_link_on(c, index, addr,
                     [&](Connection &conn, LinkEntry &l) { conn.link_mtu(l, sane_mtu(mtu), now); });
}

void Node::endpoint_gone(EndpointIndex index, Status why, Time now) {
    Core &c = *core_;
    EndpointEntry &e = c.s.endpoints[index.v];
    if (e.events.closed_raised)
        return;
    e.up = false;
    e.parked.clear();
    e.status = why;
    e.events.closed_raised = true;
    e.events.released |= why == PLAIT_OK;
    for_each_connection(c, [&](Connection &conn) {
        conn.endpoint_gone(index, why == PLAIT_OK ? PLAIT_E_CLOSED : why, now);
        conn.endpoints_changed(now);
    });
    c.s.events.raise(e.events, Source::kEndpoint, index.v, PLAIT_EVENT_ENDPOINT_CLOSED);
}

Status Node::release_endpoint(uint64_t endpoint) {
    Core &c = *core_;
    const auto e = c.endpoint(endpoint);
    if (!e.ok())
        return e.status();
    if (!(*e)->events.closed_raised)
        return PLAIT_E_STATE;
    (*e)->events.released = true;
    c.after_read({Source::kEndpoint, Handle::from(endpoint).slot}, 0);
    return PLAIT_OK;
}

void Node::endpoint_opened(EndpointIndex index) {
    Core &c = *core_;
    c.s.events.raise(c.s.endpoints[index.v].events, Source::kEndpoint, index.v,
                     PLAIT_EVENT_ENDPOINT_OPENED);
}

void Node::endpoint_output(EndpointIndex index) {
    Core &c = *core_;
    c.s.events.raise(c.s.endpoints[index.v].events, Source::kEndpoint, index.v,
                     PLAIT_EVENT_ENDPOINT_OUTPUT);
}

void Node::check_invariants() const {
    for_each_connection(*core_, [](Connection &conn) { conn.check_invariants(); });
}

} // namespace plait::node
