// SPDX-License-Identifier: Apache-2.0
// The application's calls on connections and links.
#include "node/core.h"

#include <cstdio>

namespace plait::node {

using connection::State;

uint64_t Core::handle(HandleType type, uint32_t slot) {
    uint32_t generation = 0;
    switch (type) {
    case HandleType::kConnection: generation = s.connections.generation(slot); break;
    case HandleType::kChannel: generation = s.channels.generation(slot); break;
    case HandleType::kLink: generation = s.links.generation(slot); break;
    case HandleType::kEndpoint: generation = s.endpoints.generation(slot); break;
    case HandleType::kNone: return 0;
    }
    return Handle{type, config.worker, generation, slot}.value();
}

namespace {
template <class T>
Result<T *> look_up(base::Slab<T> &slab, HandleType type, uint8_t worker, uint64_t value) {
    const Handle h = Handle::from(value);
    if (h.type != type || h.worker != worker)
        return Error{PLAIT_E_HANDLE};
    if (T *object = slab.find(h.slot, h.generation))
        return object;
    return Error{slab.was_issued(h.slot, h.generation) ? PLAIT_E_STALE : PLAIT_E_HANDLE};
}
} // namespace

Result<ConnectionEntry *> Core::connection(uint64_t h) {
    return look_up(s.connections, HandleType::kConnection, config.worker, h);
}
Result<LinkEntry *> Core::link(uint64_t h) {
    return look_up(s.links, HandleType::kLink, config.worker, h);
}
Result<ChannelEntry *> Core::channel(uint64_t h) {
    return look_up(s.channels, HandleType::kChannel, config.worker, h);
}
Result<EndpointEntry *> Core::endpoint(uint64_t h) {
    return look_up(s.endpoints, HandleType::kEndpoint, config.worker, h);
}
Result<ConnectionEntry *> Core::open_connection(uint64_t h) {
    const auto e = connection(h);
    return e.ok() && (*e)->connection->ended() ? Result<ConnectionEntry *>(Error{PLAIT_E_CLOSED})
                                               : e;
}
Result<ChannelEntry *> Core::open_channel(uint64_t h) {
    const auto e = channel(h);
    return e.ok() && (*e)->events.closed_raised ? Result<ChannelEntry *>(Error{PLAIT_E_CLOSED}) : e;
}

Result<uint64_t> Node::connect(const crypto::NodeId *peer, uint64_t endpoint,
                               const plait_addr &addr, const ConnectConfig &config, Time now) {
    Core &c = *core_;
    const auto e = c.endpoint(endpoint);
    if (!e.ok())
        return Error{e.status()};
    if ((*e)->events.closed_raised)
        return Error{PLAIT_E_CLOSED};
    if (peer && crypto::have_one_key(*peer, c.identity.id()))
        return Error{PLAIT_E_INVALID};
    if (peer && c.is_banned(*peer, now))
        return Error{PLAIT_E_REFUSED};
    if (peer && !c.claim(*peer))
        return Error{PLAIT_E_AGAIN};
    const auto made = c.dial(peer, endpoint, addr, config, now);
    if (!made.ok() && peer)
        c.drop_claim(*peer);
    return made;
}

Result<uint64_t> Core::dial(const crypto::NodeId *peer, uint64_t endpoint, const plait_addr &addr,
                            const ConnectConfig &wanted, Time now) {
    connection::Config k = connection_config(config);
    k.accept_at_once = wanted.accept_any_id;
    if (wanted.idle_timeout.us >= 0)
        k.idle_timeout = wanted.idle_timeout;
    if (wanted.keepalive.us >= 0)
        k.keepalive = wanted.keepalive;
    if (wanted.dormancy_timeout.us >= 0)
        k.dormancy_timeout = wanted.dormancy_timeout;
    k.controller = wanted.controller.value_or(k.controller);
    k.announces = wanted.announces.value_or(k.announces);
    k.follows = wanted.follows.value_or(k.follows);
    const uint32_t slot = add_connection(k, now);
    if (slot == base::kNoSlot)
        return Error{PLAIT_E_LIMIT};
    ConnectionEntry &entry = s.connections[slot];
    entry.known_to_application = true;
    entry.token = wanted.token;
    if (const Status status =
            entry.connection->dial(peer, {Handle::from(endpoint).slot}, addr, now);
        status != PLAIT_OK) {
        erase_connection(slot);
        return Error{status};
    }
    s.counters.handshakes_begun++;
    attempts.put(entry.connection->ephemeral_tag(), slot);
    index_peer(slot);
    touch(slot);
    return handle(HandleType::kConnection, slot);
}

Status Node::ban(const crypto::NodeId &peer, Time until, Time now) {
    Core &c = *core_;
    const auto key = crypto::x25519_of(peer, c.identities);
    if (!key.ok())
        return key.status();
    const Status banned = c.gate.ban(c.gate.name_of(*key), until, now);
    if (banned != PLAIT_OK || until <= now)
        return banned;
    for (uint32_t i = 0; i < c.s.connections.capacity(); i++)
        if (c.s.connections.live(i) && c.s.connections[i].connection->peer_known() &&
            c.is_banned(c.s.connections[i].connection->peer(), now)) {
            c.s.connections[i].connection->close(PLAIT_E_REFUSED,
                                                 static_cast<uint64_t>(wire::CloseCode::kRefused),
                                                 false, "banned", now);
            c.touch(i);
        }
    return PLAIT_OK;
}

Status Node::ban_address(EndpointIndex endpoint, const plait_addr &addr, Time until, Time now) {
    Core &c = *core_;
    if (addr.len == 0)
        return PLAIT_E_ADDRESS;
    const auto &cls = c.s.endpoints[endpoint.v].info.transport_class;
    return c.gate.ban(c.gate.source_of(endpoint, cls, addr), until, now);
}

Status Node::accept(uint64_t connection, Time now) {
    const auto e = core_->open_connection(connection);
    return e.ok() ? (*e)->connection->approve(now) : e.status();
}

Status Node::refuse(uint64_t connection, uint64_t code, Time now) {
    const auto e = core_->open_connection(connection);
    if (!e.ok())
        return e.status();
    if ((*e)->connection->state() != State::kRequested)
        return PLAIT_E_STATE;
    (*e)->connection->refuse(code, now);
    return PLAIT_OK;
}

Status Node::close(uint64_t connection, uint64_t code, std::string_view reason, Time now) {
    Core &c = *core_;
    const auto e = c.connection(connection);
    if (!e.ok())
        return e.status();
    if ((*e)->events.released)
        return PLAIT_E_CLOSED;
    (*e)->events.released = true;
    (*e)->connection->close(PLAIT_OK, code, true, reason, now);
    c.touch(Handle::from(connection).slot);
    return PLAIT_OK;
}

ConnectionState public_state(State s) {
    switch (s) {
    case State::kDialing:
    case State::kAnswering: return ConnectionState::kConnecting;
    case State::kRequested: return ConnectionState::kRequested;
    case State::kConnected: return ConnectionState::kConnected;
    case State::kDormant: return ConnectionState::kDormant;
    case State::kClosing:
    case State::kDraining: return ConnectionState::kClosing;
    case State::kClosed: return ConnectionState::kClosed;
    }
    return ConnectionState::kClosed;
}

Result<ConnectionInfo> Node::connection_info(uint64_t connection) const {
    const auto e = core_->connection(connection);
    if (!e.ok())
        return Error{e.status()};
    const Connection &c = *(*e)->connection;
    ConnectionInfo i;
    i.state = public_state(c.state());
    i.peer = c.peer();
    i.peer_known = c.peer_known();
    i.initiator = c.initiated();
    i.cipher = c.cipher();
    i.links = static_cast<uint32_t>(c.links().size());
    i.live_links = static_cast<uint32_t>(c.live_links());
    i.channels = static_cast<uint32_t>(c.channel_count());
    i.token = (*e)->token;
    i.status = c.ending().status;
    i.close_code = c.ending().code;
    i.closed_by_peer = c.ending().by_peer;
    i.closed_by_application = c.ending().by_application;
    i.close_reason = c.ending().reason;
    const connection::ConnectionStats &k = c.stats();
    i.bytes_sent = k.bytes_sent;
    i.bytes_received = k.bytes_received;
    i.packets_sent = k.packets_sent;
    i.packets_received = k.packets_received;
    i.packets_lost = k.packets_lost;
    i.packets_spurious = k.packets_spurious;
    i.bytes_reinjected = k.bytes_reinjected;
    i.auth_failures = k.auth_failures;
    i.handshake_time = k.handshake_time;
    i.receive_memory = c.receive_memory();
    c.for_each_channel([&](uint32_t slot) { i.send_memory += core_->s.channels[slot].unacked(); });
    i.generation = c.generation();
    return i;
}

Result<size_t> Node::connection_links(uint64_t connection, std::span<uint64_t> out) const {
    const auto e = core_->connection(connection);
    if (!e.ok())
        return Error{e.status()};
    const auto links = (*e)->connection->links();
    for (size_t i = 0; i < links.size() && i < out.size(); i++)
        out[i] = core_->handle(HandleType::kLink, links[i]);
    return links.size();
}

Result<size_t> Node::connection_channels(uint64_t connection, std::span<uint64_t> out) const {
    const auto e = core_->connection(connection);
    if (!e.ok())
        return Error{e.status()};
    size_t n = 0;
    (*e)->connection->for_each_channel([&](uint32_t slot) {
        if (n < out.size())
            out[n] = core_->handle(HandleType::kChannel, slot);
        n++;
    });
    return n;
}

Status Node::set_connection_token(uint64_t connection, uint64_t token) {
    const auto e = core_->connection(connection);
    if (!e.ok())
        return e.status();
    (*e)->token = token;
    return PLAIT_OK;
}

Status Node::export_key(uint64_t connection, uint32_t channel_number, std::string_view label,
                        MutBytes out) {
    const auto e = core_->open_connection(connection);
    if (!e.ok())
        return e.status();
    if (!(*e)->connection->established())
        return PLAIT_E_STATE;
    return crypto::export_key((*e)->connection->exporter(), {channel_number}, label, out);
}

// -- links

Result<uint64_t> Node::add_link(uint64_t connection, uint64_t endpoint, const plait_addr &addr,
                                const LinkConfig &config, Time now) {
    Core &c = *core_;
    const auto e = c.open_connection(connection);
    if (!e.ok())
        return Error{e.status()};
    const auto ep = c.endpoint(endpoint);
    if (!ep.ok())
        return Error{ep.status()};
    if ((*ep)->events.closed_raised)
        return Error{PLAIT_E_CLOSED};
    const auto slot =
        (*e)->connection->add_link({Handle::from(endpoint).slot}, addr, config.cost, now);
    if (!slot.ok())
        return Error{slot.status()};
    c.s.links[*slot].token = config.token;
    return c.handle(HandleType::kLink, *slot);
}

Status Node::announce(uint64_t connection, std::vector<Place> places, Time now) {
    const auto e = core_->open_connection(connection);
    if (!e.ok())
        return e.status();
    (*e)->connection->announce(std::move(places), now);
    return PLAIT_OK;
}

Result<std::vector<Place>> Node::peer_places(uint64_t connection) const {
    const auto e = core_->connection(connection);
    if (!e.ok())
        return Error{e.status()};
    const auto places = (*e)->connection->peer_places();
    return std::vector<Place>(places.begin(), places.end());
}

Status Node::close_link(uint64_t link, uint64_t code, Time now) {
    Core &c = *core_;
    const auto l = c.link(link);
    if (!l.ok())
        return l.status();
    if ((*l)->events.released)
        return PLAIT_E_CLOSED;
    (*l)->events.released = true;
    Connection &conn = c.connection_of(**l);
    conn.close_link(**l, PLAIT_OK, code, true, now);
    c.s.assembler.flush();
    conn.release_link(**l);
    return PLAIT_OK;
}

Status Node::set_link_controller(uint64_t link, std::optional<recovery::ControllerKind> kind,
                                 Time now) {
    Core &c = *core_;
    const auto l = c.link(link);
    if (!l.ok())
        return l.status();
    if ((*l)->events.released)
        return PLAIT_E_CLOSED;
    c.connection_of(**l).set_controller(**l, kind, now);
    return PLAIT_OK;
}

Result<LinkInfo> Node::link_info(uint64_t link) const {
    Core &c = *core_;
    const auto found = c.link(link);
    if (!found.ok())
        return Error{found.status()};
    const LinkEntry &l = **found;
    LinkInfo i;
    i.connection = c.handle(HandleType::kConnection, l.connection);
    i.endpoint = c.handle(HandleType::kEndpoint, l.endpoint.v);
    i.token = l.token;
    i.number = l.number.v;
    i.state = l.state;
    const link::Addresses at = l.addresses();
    i.remote = at.remote;
    i.local = at.local;
    i.status = l.status;
    i.bytes_sent = l.bytes_sent;
    i.bytes_received = l.bytes_received;
    i.packets_sent = l.packets_sent;
    i.packets_received = l.packets_received;
    i.payload_sent = l.payload_sent;
    i.payload_received = l.payload_received;
    i.role = l.role;
    i.why = l.why;
    i.shares_bottleneck = l.shares_bottleneck;
    i.cost = l.cost + c.s.endpoints[l.endpoint.v].info.cost;
    if (l.reason_unit)
        std::snprintf(i.reason, sizeof i.reason, "%s %u %s", l.reason, l.reason_number,
                      l.reason_unit);
    else
        std::snprintf(i.reason, sizeof i.reason, "%s", l.reason);
    if (!l.started())
        return i;
    const recovery::LinkStats k = l.stats();
    i.packets_lost = k.packets_lost;
    i.packets_spurious = k.packets_spurious;
    i.packets_acked = k.packets_acked;
    if (k.measured) {
        i.srtt = k.srtt;
        i.rttvar = k.rttvar;
        i.min_rtt = k.min_rtt;
        i.latest_rtt = k.latest_rtt;
    }
    i.cwnd = k.cwnd;
    i.in_flight = k.bytes_in_flight;
    i.pacing_rate = k.pacing_rate;
    i.mtu = static_cast<uint32_t>(k.mtu);
    i.controller = k.controller;
    i.ecn = k.ecn;
    i.packets_marked = k.packets_marked;
    return i;
}

} // namespace plait::node
