// SPDX-License-Identifier: Apache-2.0
// Long packets: those of attempts that are known, and what strangers may begin (docs/protocol.md
// sections 2.4, 2.7, 2.9 and 2.10). Cheap checks come before Diffie-Hellman, and nothing is kept
// for a sender whose address is not proven while there is much to do.
#include "node/core.h"

#include <algorithm>

namespace plait::node {

using connection::Arrival;
using connection::Proof;
using connection::State;

namespace {

bool is_xx(wire::PatternId p) {
    return p == wire::PatternId::kXX || p == wire::PatternId::kXXpsk3;
}

} // namespace

Connection *Core::owner_of(EndpointIndex index, const wire::Cid &dcid) {
    const uint8_t cls = s.endpoints[index.v].cid_class;
    const connection::CidOwner *owner = nullptr;
    if (dcid.len == s.cids.cid_class(cls).cid_size)
        owner = s.cids.find(cls, dcid.value());
    if (!owner)
        s.endpoints[index.v].counters.datagrams_unknown++;
    return owner ? s.connections[owner->connection].connection.get() : nullptr;
}

uint64_t Core::source_of(const Arrival &from) {
    return gate.source_of(from.endpoint, s.endpoints[from.endpoint.v].info.transport_class,
                          *from.remote);
}

void Core::on_long(EndpointIndex index, Bytes bytes, const Arrival &from, Time now) {
    base::Reader r(bytes);
    const auto header = wire::read_long_header(r);
    if (!header.ok()) {
        s.counters.malformed++;
        return;
    }
    const bool versions = header->type == wire::LongType::kVersions && header->version == 0;
    if (header->version != wire::kVersion1 && !versions)
        return on_other_version(bytes, from);
    const bool stranger = header->dcid.len == 0;
    if (stranger && gate.any_bans() && gate.is_banned(source_of(from), now)) {
        s.counters.handshakes_refused++;
        return;
    }
    if (header->type == wire::LongType::kInit)
        return on_init(bytes, from, {}, now);
    if (header->type == wire::LongType::kProbe)
        return on_probe(bytes, from, now);
    if (header->type == wire::LongType::kFrag)
        return on_frag(index, bytes, from, now);
    if (Connection *c = owner_of(index, header->dcid))
        c->on_long_packet(*header, bytes, from, now);
}

// -- INIT

void Core::on_init(Bytes bytes, const Arrival &from, Proof proof, Time now, bool handed) {
    const auto init = wire::read_init(bytes);
    if (!init.ok() || init->header.dcid.len != 0 || init->header.scid.len == 0) {
        s.counters.malformed++;
        return;
    }
    // Silence towards everybody who does not know our id (or the network's key).
    const auto match = mac1_book.match(*init);
    if (!match.ok) {
        s.counters.bad_mac1++;
        return;
    }
    const Stranger who{from.endpoint, from.remote, init->header.scid};
    if (!proof.cookie &&
        std::any_of(init->mac2.begin(), init->mac2.end(), [](uint8_t b) { return b; }))
        proof.cookie = gate.find_cookie(who, now, [&](const crypto::Mac &c) {
            return crypto::verify_mac2(c, init->before_mac2, init->mac2);
        });
    if (proof.piece == 0)
        proof.piece = bytes.size();
    if (!proof.cookie && bytes.size() < wire::kMinInitSize) {
        s.counters.malformed++;
        return;
    }
    if (init->noise.size() >= 8)
        if (const uint32_t *slot = attempts.find(base::load_be(init->noise.data(), 8)))
            return s.connections[*slot].connection->repeat_answer(from, proof, now);
    const uint64_t source = source_of(from);
    if (handed ? !make_room(now) : !may_begin(*init, from, proof, source, now))
        return;
    auto handshake = connection::Handshake::answer(s.local, *init, match.network_key);
    if (!handshake.ok()) {
        s.counters.auth_failures++;
        return;
    }
    const bool known = (*handshake)->peer_known();
    const crypto::NodeId peer = (*handshake)->peer();
    if (known && !handed && !claim(peer))
        return config.neighbours->hand_init(peer_key(peer), bytes, from, proof);
    if (may_answer(**handshake, from, now))
        answer(*init, std::move(*handshake), source, from, proof, now);
    if (known)
        drop_claim(peer);
}

void Core::answer(const wire::InitPacket &init, std::unique_ptr<connection::Handshake> handshake,
                  uint64_t source, const Arrival &from, const Proof &proof, Time now) {
    const uint64_t begun_at = handshake->begun_at();
    connection::Config k = connection_config(config);
    k.accept_at_once = !accept.ask;
    const uint32_t slot = add_connection(k, now);
    if (slot == base::kNoSlot) {
        s.counters.handshakes_refused++;
        return;
    }
    Connection &c = *s.connections[slot].connection;
    pending.push_back({slot, now, source, is_xx(init.pattern), begun_at});
    s.counters.handshakes_begun++;
    if (const Status said = c.answer(std::move(handshake), from, proof, now); said != PLAIT_OK) {
        erase_connection(slot);
        // An answer that is longer than its question goes only where it was asked for.
        if (said == PLAIT_E_TOO_BIG)
            retry(init.header.scid, init.mac1, from, now);
        return;
    }
    attempts.put(c.ephemeral_tag(), slot);
    index_peer(slot);
    touch(slot);
}

void Node::receive_init(EndpointIndex index, Bytes bytes, const plait_datagram &d,
                        const connection::Proof &proof, Time now) {
    core_->latest = now;
    core_->on_init(bytes, {index, d.peer, d.local, d.ecn, now}, proof, now, true);
}

// Before anything costly is done for this INIT.
bool Core::may_begin(const wire::InitPacket &init, const Arrival &from, const Proof &proof,
                     uint64_t source, Time now) {
    const bool xx = is_xx(init.pattern);
    const bool busy = pending.size() >= std::max<size_t>(config.max_pending_handshakes / 2, 1);
    const bool allowed = !xx || (accept.listening && accept.allow_xx);
    const auto verdict =
        !allowed ? Gate::Verdict::kRefuse
                 : gate.judge(from.endpoint, source, proof.cookie.has_value(), busy, now);
    if (verdict == Gate::Verdict::kProve) {
        retry(init.header.scid, init.mac1, from, now);
        return false;
    }
    const auto unfinished = std::count_if(pending.begin(), pending.end(), [&](const Pending &p) {
        return p.xx && p.source == source;
    });
    if (verdict == Gate::Verdict::kRefuse ||
        (xx && static_cast<size_t>(unfinished) >= kMaxUnfinishedXx) || !make_room(now)) {
        s.counters.handshakes_refused++;
        return false;
    }
    return true;
}

// Where all places are taken the one goes that has waited longest: who is there confirms within a
// round trip.
bool Core::make_room(Time now) {
    if (pending.size() < config.max_pending_handshakes)
        return true;
    if (pending.empty() || now < pending.front().since + kPendingGrace)
        return false;
    erase_connection(pending.front().slot);
    return true;
}

void Core::drop_pending(uint32_t slot) {
    const auto it = std::find_if(pending.begin(), pending.end(),
                                 [&](const Pending &p) { return p.slot == slot; });
    if (it != pending.end())
        pending.erase(it);
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
    if (is_banned(peer, now) || (!dialing && (!accept.listening || !is_allowed(peer)))) {
        s.counters.handshakes_refused++;
        return false;
    }
    if (older == base::kNoSlot)
        return true;
    // One pending handshake an initiator: the one that it began last, as far as it has a clock to
    // tell. A copy of an earlier INIT does not take the place of the attempt that is going on.
    const auto theirs = std::find_if(pending.begin(), pending.end(),
                                     [&](const Pending &p) { return p.slot == older; });
    if (theirs != pending.end() && handshake.begun_at() != 0 &&
        theirs->begun_at > handshake.begun_at()) {
        s.counters.handshakes_refused++;
        return false;
    }
    erase_connection(older);
    return true;
}

// -- what nothing is kept for

void Core::on_probe(Bytes bytes, const Arrival &from, Time now) {
    const auto p = wire::read_probe(bytes);
    if (!p.ok()) {
        s.counters.malformed++;
        return;
    }
    if (!mac1_book.fits_any(p->before_mac1, p->mac1, accept.listening && accept.allow_xx)) {
        s.counters.bad_mac1++;
        return;
    }
    retry(p->header.scid, p->mac1, from, now);
}

void Core::on_frag(EndpointIndex index, Bytes bytes, const Arrival &from, Time now) {
    const auto p = wire::read_frag(bytes);
    if (!p.ok()) {
        s.counters.malformed++;
        return;
    }
    // The cookie is the initiator's: what it sends we have made it for, what it gets it holds.
    const auto fits = [&](const crypto::Mac &cookie) {
        return crypto::verify_fragment_tag(cookie, p->before_tag, p->data, p->tag);
    };
    const bool init = p->type == wire::LongType::kInit;
    Connection *const c = init ? nullptr : owner_of(index, p->header.dcid);
    if (!init && !c)
        return;
    std::optional<crypto::Mac> cookie;
    if (p->type != wire::LongType::kResp)
        cookie = gate.find_cookie({from.endpoint, from.remote, p->header.scid}, now, fits);
    else if (const crypto::Mac *held = c->cookie(); held && fits(*held))
        cookie = *held;
    if (!cookie) {
        s.counters.datagrams_dropped++;
        return;
    }
    const auto whole =
        reassembly.add({from.endpoint, from.remote, source_of(from)}, *p, bytes.size(), now);
    if (whole.packet.empty())
        return;
    base::Reader r(whole.packet);
    const auto header = wire::read_long_header(r);
    if (!header.ok() || header->version != wire::kVersion1 || header->type != p->type ||
        header->dcid != p->header.dcid || header->scid != p->header.scid) {
        s.counters.malformed++;
        return;
    }
    if (init)
        on_init(whole.packet, from, {cookie, whole.largest_piece}, now);
    else
        c->on_long_packet(*header, whole.packet, from, now);
}

// An INIT of a version that is not known here. A node of a closed network stays silent.
void Core::on_other_version(Bytes bytes, const Arrival &from) {
    base::Reader r(bytes);
    const auto header = wire::read_long_header(r);
    const bool init = header.ok() && header->type == wire::LongType::kInit && header->version != 0;
    if (!init || !config.network_keys.empty() || header->scid.len == 0 ||
        bytes.size() < wire::kMinInitSize) {
        s.counters.malformed++;
        return;
    }
    // The place of mac1 is the same in all versions.
    const Bytes before = bytes.first(bytes.size() - 2 * wire::kMacSize);
    const Bytes mac1 = bytes.subspan(before.size(), wire::kMacSize);
    if (!mac1_book.fits_any(before, mac1, accept.listening && accept.allow_xx)) {
        s.counters.bad_mac1++;
        return;
    }
    std::array<uint8_t, 96> out;
    base::Writer w(out);
    wire::write_versions(w, header->scid, mac1, connection::known_versions());
    reply(w.written(), from);
}

void Core::retry(const wire::Cid &to, Bytes mac1, const Arrival &from, Time now) {
    std::array<uint8_t, 96> out;
    base::Writer w(out);
    wire::write_retry(w, to, mac1, gate.cookie({from.endpoint, from.remote, to}, now));
    s.counters.retries_sent++;
    reply(w.written(), from);
}

void Core::reply(Bytes bytes, const Arrival &from) {
    if (replies.size() >= kMaxReplies || !s.endpoints[from.endpoint.v].can_send())
        return;
    Reply r;
    r.endpoint = from.endpoint;
    r.remote = *from.remote;
    r.has_local = from.local != nullptr;
    if (from.local)
        r.local = *from.local;
    PLAIT_ASSERT(bytes.size() <= r.bytes.size());
    r.size = static_cast<uint8_t>(bytes.size());
    std::copy(bytes.begin(), bytes.end(), r.bytes.begin());
    replies.push_back(r);
}

void Core::send_replies() {
    for (const Reply &r : replies) {
        if (!s.endpoints.live(r.endpoint.v) || !s.endpoints[r.endpoint.v].can_send())
            continue;
        const connection::Assembler::Target target{r.endpoint, &s.endpoints[r.endpoint.v],
                                                   &r.remote, r.has_local ? &r.local : nullptr};
        std::memcpy(s.assembler.room(target, r.size), r.bytes.data(), r.size);
        s.assembler.commit(target, r.size);
    }
    s.assembler.flush(); // the addresses go now
    replies.clear();
}

} // namespace plait::node
