// SPDX-License-Identifier: Apache-2.0
// From a datagram to the connection it belongs to, and connections by peer.
#include "node/core.h"

#include <algorithm>

namespace plait::node {

using connection::Arrival;
using connection::State;

namespace {

Arrival arrival(EndpointIndex index, const plait_datagram &d, Time now) {
    static constexpr plait_addr kNoAddress{};
    return {index, d.peer ? d.peer : &kNoAddress, d.local, d.ecn, now};
}

// A long packet without a receiver's id: it belongs to no attempt, or begins one.
bool is_from_stranger(Bytes b) {
    constexpr size_t kDcidLength = 1 + 4;
    return (b[0] & wire::kLongBit) && b.size() > kDcidLength && b[kDcidLength] == 0;
}

bool is_dialing(const Connection &c) {
    return c.state() == State::kDialing && !c.established() && !c.ended();
}

template <class F> void for_each_datagram(std::span<plait_datagram> v, F &&f) {
    for (plait_datagram &d : v) {
        if (d.flags & PLAIT_DATAGRAM_TRUNCATED)
            continue;
        const size_t step = d.segment > 0 ? d.segment : std::max<uint32_t>(d.len, 1);
        for (size_t at = 0; at < d.len; at += step)
            f(MutBytes(d.data + at, std::min<size_t>(step, d.len - at)), d);
    }
}

} // namespace

void Node::receive(EndpointIndex index, std::span<plait_datagram> v, Time now) {
    Core &c = *core_;
    c.latest = now;
    EndpointEntry &e = c.s.endpoints[index.v];
    bool strangers = false;
    for_each_datagram(v, [&](MutBytes bytes, const plait_datagram &d) {
        e.counters.datagrams_received++;
        c.s.counters.datagrams_received++;
        if (is_from_stranger(bytes))
            strangers = true;
        else
            c.on_datagram(index, bytes, arrival(index, d, now), now);
    });
    for (const plait_datagram &d : v) {
        e.counters.bytes_received += d.len;
        c.s.counters.bytes_received += d.len;
    }
    // Whoever is connected goes first.
    if (strangers)
        for_each_datagram(v, [&](MutBytes bytes, const plait_datagram &d) {
            if (is_from_stranger(bytes))
                c.on_datagram(index, bytes, arrival(index, d, now), now);
        });
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
        if (end_by_reset(bytes, now))
            return;
        say_unknown(e.cid_class, bytes, from, now);
        offer_reset(bytes, now);
        return;
    }
    const connection::CidOwner copy = *owner; // the table may change meanwhile
    if (!s.connections[copy.connection].connection->receive(copy, bytes, from, now))
        end_by_reset(bytes, now);
}

// A stateless reset, docs/protocol.md section 8.5.
bool Core::end_by_reset(Bytes bytes, Time now) {
    if (bytes.size() < kMinReset)
        return false;
    const Bytes token = bytes.last(crypto::kResetTokenLen);
    const uint32_t *slot = s.reset_tokens.find(base::load_be(token.data(), 8));
    if (!slot || !crypto::equal_constant_time(s.links[*slot].reset_token, token))
        return false;
    Connection &c = connection_of(s.links[*slot]);
    c.on_reset(now);
    return true;
}

// A reset names no id of ours, so it may have come to any worker. Rarely more than one arrives.
void Core::offer_reset(Bytes bytes, Time now) {
    if (config.neighbours && bytes.size() >= kMinReset && bytes.size() <= kMaxReset &&
        gate.may_offer(now))
        config.neighbours->hand_reset(bytes);
}

void Node::receive_reset(Bytes bytes, Time now) {
    core_->end_by_reset(bytes, now);
}

// Tells who speaks to an earlier run of this node that it is no more.
void Core::say_unknown(uint8_t cid_class, Bytes bytes, const Arrival &from, Time now) {
    const auto &cls = s.cids.cid_class(cid_class);
    if (cls.cid_size != crypto::kResetCidLen || bytes.size() < wire::min_short_packet(cls.cid_size))
        return;
    const wire::Cid cid = wire::Cid::from(bytes.subspan(1, cls.cid_size));
    if (!s.cids.is_of_earlier_run(cid) || !gate.may_reset(now))
        return;
    // Shorter than what caused it, so that two nodes never go on answering each other.
    std::array<uint8_t, kMaxReset> out;
    const size_t size = std::min(bytes.size() - 1, out.size());
    entropy.fill(MutBytes(out).first(size));
    out[0] &= static_cast<uint8_t>(~wire::kLongBit);
    const auto token = crypto::reset_token(s.reset_key, cls.name(), cid.bytes());
    std::copy(token.begin(), token.end(),
              out.begin() + static_cast<std::ptrdiff_t>(size) -
                  static_cast<std::ptrdiff_t>(token.size()));
    s.counters.resets_sent++;
    reply(Bytes(out).first(size), from);
}

bool Core::is_banned(const crypto::NodeId &peer, Time now) {
    if (!gate.any_bans())
        return false;
    const auto key = crypto::x25519_of(peer, identities);
    return key.ok() && gate.is_banned(gate.name_of(*key), now);
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
    drop_pending(slot);
    if (const uint32_t *at = attempts.find(e.connection->ephemeral_tag()); at && *at == slot)
        attempts.erase(e.connection->ephemeral_tag());
    timers.set(slot, kNever);
    s.assembler.flush(); // packets in the arena point to its links' addresses
    e.connection.reset();
    s.connections.erase(slot);
}

// -- connections by peer

void Core::index_peer(uint32_t slot) {
    ConnectionEntry &e = s.connections[slot];
    if (e.indexed || !e.connection->peer_known())
        return;
    const uint64_t key = peer_key(e.connection->peer());
    const uint32_t *head = peers.find(key);
    if (!head && config.neighbours)
        config.neighbours->claim(key);
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
        if (e.next_to_peer != base::kNoSlot) {
            *at = e.next_to_peer;
            return;
        }
        peers.erase(key);
        drop_claim(e.connection->peer());
        return;
    }
    for (uint32_t i = *at; i != base::kNoSlot; i = s.connections[i].next_to_peer)
        if (s.connections[i].next_to_peer == slot) {
            s.connections[i].next_to_peer = e.next_to_peer;
            return;
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
    drop_pending(c.slot());
    index_peer(c.slot());
    Connection *dialing = nullptr;
    for_each_to(c.peer(), [&](uint32_t, Connection &other) {
        if (&other != &c && is_dialing(other))
            dialing = &other;
    });
    // One that this side dialed is wanted whatever the list says, but not who is banned: in XX the
    // id is known only now.
    if ((c.role() == Role::kResponder && !dialing && !is_allowed(c.peer())) ||
        is_banned(c.peer(), now)) {
        c.close(PLAIT_E_REFUSED, static_cast<uint64_t>(wire::CloseCode::kRefused), false,
                "not allowed", now);
        return false;
    }
    replace_others(c.peer(), &c, now);
    if (config.neighbours)
        config.neighbours->take(c.peer());
    if (dialing && c.role() == Role::kResponder)
        take_over(c, *dialing);
    return true;
}

// A connection with this peer is confirmed: what was there before it goes.
void Core::replace_others(const crypto::NodeId &peer, const Connection *but, Time now) {
    std::vector<Connection *> replaced;
    for_each_to(peer, [&](uint32_t, Connection &other) {
        if (&other != but && !other.ended() && !is_dialing(other))
            replaced.push_back(&other);
    });
    for (Connection *other : replaced)
        other->close(PLAIT_E_DUPLICATE, static_cast<uint64_t>(wire::CloseCode::kDuplicate), false,
                     "replaced", now);
}

void Node::replaced_elsewhere(const crypto::NodeId &peer, Time now) {
    Core &c = *core_;
    if (c.config.neighbours && c.config.neighbours->is_elsewhere(peer_key(peer)))
        c.replace_others(peer, nullptr, now);
}

// Whether it is this worker that sees to what goes to and comes from this peer. It is from now on,
// if nobody did.
bool Core::claim(const crypto::NodeId &peer) {
    return !config.neighbours || config.neighbours->claim(peer_key(peer));
}

// Unless there is a connection now.
void Core::drop_claim(const crypto::NodeId &peer) {
    if (config.neighbours && !keep_claims && !peers.find(peer_key(peer)))
        config.neighbours->release(peer_key(peer));
}

// The peer's connection was confirmed while ours was still dialing the same peer: it takes the
// place, and so the handle, of ours.
void Core::take_over(Connection &confirmed, Connection &dialing) {
    const uint32_t wanted = dialing.slot(), left = confirmed.slot();
    keep_claims = true;
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
    keep_claims = false;
    erase_connection(left);
    touch(wanted);
}

} // namespace plait::node
