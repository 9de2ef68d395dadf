// SPDX-License-Identifier: Apache-2.0
// From a datagram to the connection it belongs to; handshakes of strangers.
#include "node/core.h"

#include <algorithm>

namespace plait::node {

using connection::Arrival;
using connection::State;

void Node::receive(EndpointIndex index, std::span<plait_datagram> v, Time now) {
    Core &c = *core_;
    c.latest = now;
    EndpointEntry &e = c.s.endpoints[index.v];
    static constexpr plait_addr kNoAddress{};
    for (plait_datagram &d : v) {
        e.counters.bytes_received += d.len;
        c.s.counters.bytes_received += d.len;
        if (d.flags & PLAIT_DATAGRAM_TRUNCATED)
            continue;
        const Arrival from{index, d.peer ? d.peer : &kNoAddress, d.local, d.ecn, now};
        const size_t step = d.segment > 0 ? d.segment : std::max<uint32_t>(d.len, 1);
        for (size_t at = 0; at < d.len; at += step) {
            e.counters.datagrams_received++;
            c.s.counters.datagrams_received++;
            c.on_datagram(index, {d.data + at, std::min<size_t>(step, d.len - at)}, from, now);
        }
    }
}

void Core::on_datagram(EndpointIndex index, MutBytes bytes, const Arrival &from, Time now) {
    if (bytes[0] & wire::kLongBit)
        on_long(index, bytes, from, now);
    else
        on_short(index, bytes, from, now);
}

void Core::on_short(EndpointIndex index, MutBytes bytes, const Arrival &from, Time now) {
    EndpointEntry &e = s.endpoints[index.v];
    const size_t cid_size = s.cids.cid_class(e.cid_class).cid_size;
    const connection::CidOwner *owner = nullptr;
    if (bytes.size() >= wire::min_short_packet(cid_size))
        owner = s.cids.find(e.cid_class, base::load_be(bytes.data() + 1, cid_size));
    if (!owner) {
        e.counters.datagrams_unknown++;
        s.counters.datagrams_dropped++;
        return;
    }
    const connection::CidOwner copy = *owner; // the table may change meanwhile
    s.connections[copy.connection].connection->receive(copy, bytes, from, now);
}

void Core::on_long(EndpointIndex index, Bytes bytes, const Arrival &from, Time now) {
    base::Reader r(bytes);
    const auto header = wire::read_long_header(r);
    if (!header.ok() || header->version != wire::kVersion1) {
        s.counters.malformed++;
        return;
    }
    if (header->type == wire::LongType::kInit)
        return on_init(bytes, from, now);
    const uint8_t cls = s.endpoints[index.v].cid_class;
    const connection::CidOwner *owner = nullptr;
    if (header->dcid.len == s.cids.cid_class(cls).cid_size)
        owner = s.cids.find(cls, header->dcid.value());
    if (!owner) {
        s.endpoints[index.v].counters.datagrams_unknown++;
        return;
    }
    s.connections[owner->connection].connection->on_long_packet(*header, bytes, from, now);
}

void Core::on_init(Bytes bytes, const Arrival &from, Time now) {
    const auto init = wire::read_init(bytes);
    if (!init.ok() || bytes.size() < wire::kMinInitSize || init->header.dcid.len != 0) {
        s.counters.malformed++;
        return;
    }
    // Silence towards everybody who does not know our id (or the network's key).
    const auto match = mac1_book.match(*init);
    if (!match.ok) {
        s.counters.bad_mac1++;
        return;
    }
    if (init->noise.size() >= 8)
        if (const uint32_t *slot = attempts.find(base::load_be(init->noise.data(), 8)))
            return s.connections[*slot].connection->repeat_answer(from, now);
    const bool xx =
        init->pattern == wire::PatternId::kXX || init->pattern == wire::PatternId::kXXpsk3;
    if (answering >= config.max_pending_handshakes ||
        (xx && !(accept.listening && accept.allow_xx))) {
        s.counters.handshakes_refused++;
        return;
    }
    auto handshake = connection::Handshake::answer(s.local, *init, match.network_key);
    if (!handshake.ok()) {
        s.counters.auth_failures++;
        return;
    }
    if (!may_answer(**handshake, from, now))
        return;
    connection::Config k = connection_config(config);
    k.accept_at_once = !accept.ask;
    const uint32_t slot = add_connection(k, now);
    if (slot == base::kNoSlot) {
        s.counters.handshakes_refused++;
        return;
    }
    Connection &c = *s.connections[slot].connection;
    answering++;
    s.connections[slot].answering = true;
    s.counters.handshakes_begun++;
    if (c.answer(std::move(*handshake), from, bytes.size(), now) != PLAIT_OK)
        return erase_connection(slot);
    attempts.put(c.ephemeral_tag(), slot);
    index_peer(slot);
    touch(slot);
}

// An authenticated INIT (of a stranger, if XX): is it to be answered?
bool Core::may_answer(const connection::Handshake &handshake, const Arrival &from, Time now) {
    if (!handshake.peer_known())
        return accept.listening;
    const crypto::NodeId &peer = handshake.peer();
    bool dialing = false, ours_stands = false;
    uint32_t older = base::kNoSlot;
    for_each_to(peer, [&](uint32_t slot, Connection &c) {
        if (c.state() == State::kDialing && !c.established()) {
            dialing = true;
            // Both dial at once: the larger id is the initiator; its own INIT answers the other's.
            if (identity.id() > peer) {
                ours_stands = true;
                c.redial_to(from, now);
            }
        } else if (c.state() == State::kAnswering) {
            older = slot;
        } else if (c.initiated() && c.role() == Role::kInitiator && !c.ended() &&
                   c.stats().packets_received == 0) {
            // Our INIT was answered, but we have not been heard under the new keys. The peer holds
            // that attempt and adopts it: it needs a packet of ours, not a second connection.
            ours_stands = true;
            c.probe_all(false, now);
        }
    });
    if (ours_stands)
        return false;
    if (!dialing && (!accept.listening || !is_allowed(peer))) {
        s.counters.handshakes_refused++;
        return false;
    }
    if (older != base::kNoSlot)
        erase_connection(older); // one pending handshake an initiator
    return true;
}

bool Core::is_allowed(const crypto::NodeId &peer) const {
    return accept.allowed.empty() ||
           std::find(accept.allowed.begin(), accept.allowed.end(), peer) != accept.allowed.end();
}

uint32_t Core::add_connection(const connection::Config &k, Time now) {
    const uint32_t slot = s.connections.emplace(std::make_unique<Connection>(s, k, now));
    if (slot != base::kNoSlot)
        s.connections[slot].connection->set_slot(slot);
    return slot;
}

void Core::erase_connection(uint32_t slot) {
    ConnectionEntry &e = s.connections[slot];
    unindex_peer(slot);
    if (e.answering)
        answering--;
    if (const uint32_t *at = attempts.find(e.connection->ephemeral_tag()); at && *at == slot)
        attempts.erase(e.connection->ephemeral_tag());
    timers.set(slot, kNever);
    s.assembler.flush(); // packets in the arena point to its links' addresses
    e.connection.reset();
    s.connections.erase(slot);
}

// -- connections by peer

namespace {
uint64_t peer_key(const crypto::NodeId &id) {
    return base::load_be(id.b.data(), 8);
}
} // namespace

void Core::index_peer(uint32_t slot) {
    ConnectionEntry &e = s.connections[slot];
    if (e.indexed || !e.connection->peer_known())
        return;
    const uint64_t key = peer_key(e.connection->peer());
    const uint32_t *head = peers.find(key);
    e.next_to_peer = head ? *head : base::kNoSlot;
    e.indexed = true;
    peers.put(key, slot);
}

void Core::unindex_peer(uint32_t slot) {
    ConnectionEntry &e = s.connections[slot];
    if (!e.indexed)
        return;
    e.indexed = false;
    const uint64_t key = peer_key(e.connection->peer());
    uint32_t *at = peers.find(key);
    PLAIT_ASSERT(at);
    if (*at == slot) {
        if (e.next_to_peer == base::kNoSlot)
            peers.erase(key);
        else
            *at = e.next_to_peer;
        return;
    }
    for (uint32_t i = *at; i != base::kNoSlot; i = s.connections[i].next_to_peer)
        if (s.connections[i].next_to_peer == slot) {
            s.connections[i].next_to_peer = e.next_to_peer;
            return;
        }
}

template <class F> void Core::for_each_to(const crypto::NodeId &peer, F &&f) {
    const uint32_t *head = peers.find(peer_key(peer));
    for (uint32_t i = head ? *head : base::kNoSlot, next; i != base::kNoSlot; i = next) {
        next = s.connections[i].next_to_peer;
        if (Connection &c = *s.connections[i].connection; c.peer() == peer)
            f(i, c);
    }
}

// Each may have answered the other: the one with the larger id before it dialed, this one before
// the answer to its own INIT came. Were both to go on with their own, neither would have a peer.
bool Core::yields(const Connection &c, Time now) {
    bool answered = false;
    if (c.peer_known() && identity.id() < c.peer())
        for_each_to(c.peer(), [&](uint32_t, const Connection &other) {
            answered = answered || other.answered_lately(now);
        });
    return answered;
}

bool Core::on_confirmed(Connection &c, Time now) {
    if (s.connections[c.slot()].answering) {
        s.connections[c.slot()].answering = false;
        answering--;
    }
    index_peer(c.slot());
    Connection *dialing = nullptr;
    std::vector<Connection *> replaced;
    for_each_to(c.peer(), [&](uint32_t, Connection &other) {
        if (&other == &c || other.ended())
            return;
        if (other.state() == State::kDialing && !other.established())
            dialing = &other;
        else
            replaced.push_back(&other);
    });
    // One that this side dialed is wanted whatever the list says.
    if (c.role() == Role::kResponder && !dialing && !is_allowed(c.peer())) {
        c.close(PLAIT_E_REFUSED, static_cast<uint64_t>(wire::CloseCode::kRefused), false,
                "not allowed", now);
        return false;
    }
    for (Connection *other : replaced)
        other->close(PLAIT_E_DUPLICATE, static_cast<uint64_t>(wire::CloseCode::kDuplicate), false,
                     "replaced", now);
    if (dialing && c.role() == Role::kResponder)
        take_over(c, *dialing);
    return true;
}

// The peer's connection was confirmed while ours was still dialing the same peer: it takes the
// place, and so the handle, of ours.
void Core::take_over(Connection &confirmed, Connection &dialing) {
    const uint32_t wanted = dialing.slot(), left = confirmed.slot();
    unindex_peer(wanted);
    unindex_peer(left);
    confirmed.inherit(dialing);
    attempts.erase(dialing.ephemeral_tag());
    attempts.put(confirmed.ephemeral_tag(), wanted);
    std::swap(s.connections[wanted].connection, s.connections[left].connection);
    confirmed.set_slot(wanted);
    dialing.set_slot(left);
    ConnectionEntry &e = s.connections[wanted];
    e.open_children = 0;
    for (const uint32_t link : confirmed.links())
        e.open_children += !s.links[link].events.closed_read;
    confirmed.for_each_channel(
        [&](uint32_t channel) { e.open_children += !s.channels[channel].events.closed_read; });
    index_peer(wanted);
    erase_connection(left);
    touch(wanted);
}

} // namespace plait::node
