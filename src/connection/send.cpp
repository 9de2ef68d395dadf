// SPDX-License-Identifier: Apache-2.0
// What goes next, and on which link (docs/protocol.md sections 6 and 7).
#include "connection/packet.h"

#include <algorithm>
#include <bit>

namespace plait::connection {

namespace {
constexpr size_t kChallengePad = 1200;
constexpr Duration kFirstChallengeGap = base::millis(100);
constexpr Duration kMaxChallengeGap = base::seconds(1);
// Bytes of channels that a link has carried before a larger MTU is looked for: it would not pay for
// connections that do little more than exist.
constexpr uint64_t kWorthSearching = 16 << 10;
constexpr size_t kAskBudgetEvery = 16; // packets of a burst
constexpr size_t kMinSpare = 1200;     // bytes of window that a sender with data would have used
constexpr size_t kBurst = 64; // packets of one channel on one link before others get a turn
// Bytes of one connection before what has come meanwhile is looked at. A sender that is faster than
// its receiver would else fill the whole window in one go: the round trips, in which the ACKs wait
// for it to end, would grow with the window, and the window with them.
constexpr uint64_t kTurn = 256 << 10;
} // namespace

void Connection::drain(Time now) {
    turn_over_ = false;
    if (state_ == State::kClosed)
        return;
    if (ended())
        return send_close(now);
    send_handshake(now);
    if (!has_keys_ || !confirmed_)
        return;
    if (keys_spent_) {
        close(PLAIT_E_KEY_LIMIT, static_cast<uint64_t>(wire::CloseCode::kKeyLimit), false,
              "key limit", now);
        return send_close(now);
    }
    grant_channels();
    if (announcements_ && announcements_->tell_at <= now)
        tell_places(now);
    if (announcements_ && announcements_->look_at <= now)
        follow_places(now);
    if (asleep_ && !wants_to_send())
        return;
    wake(now);
    if (rekeying())
        progress_rekey(now);
    for (size_t i = 0; i < links_.size(); i++)
        send_link_frames(link_at(i), now);
    if (state_ != State::kRequested)
        send_data(now);
    for (size_t i = 0; i < links_.size(); i++)
        send_probes(link_at(i), now);
    send_acks(now);
}

// -- links' own business

// The size of a packet that may go there now, whatever the window says: 0 if none may. To an
// unproven address it is cut to what is left of the allowance.
size_t Connection::room_on(LinkEntry &link) {
    if (!link.exists() || !link.recovery || !endpoint_of(link).can_send() ||
        !link.recovery->can_send())
        return 0;
    const size_t size = std::min(link.packet_size(endpoint_of(link)), link.allowance_left());
    return size < link::kMinPacket ? 0 : size;
}

void Connection::send_link_frames(LinkEntry &link, Time now) {
    ChannelEntry &control = services_.channels[control_];
    while (!link.way->responses.empty()) {
        const size_t size = room_on(link);
        if (size == 0)
            return;
        PacketBuilder packet(*this, link, control, size);
        while (!link.way->responses.empty() &&
               packet.add(wire::ResponseFrame{link.way->responses.back()})) {
            packet.remember({Control::kResponse, link.number.v,
                             std::bit_cast<uint64_t>(link.way->responses.back())});
            link.way->responses.pop_back();
        }
        add_acks(packet, link, now);
        packet.finish(now);
    }
    send_validation(link, now);
}

// One challenge to an address that is to be proven, again and again until it answers.
static Duration challenge_gap(uint8_t sent) {
    const Duration gap = kFirstChallengeGap * (int64_t{1} << std::min<uint8_t>(sent, 4));
    return std::min(gap, kMaxChallengeGap);
}

static void count_challenge(link::Validation &v, Time now) {
    v.next_send = now + challenge_gap(v.sent);
    v.sent = static_cast<uint8_t>(std::min(v.sent + 1, 255));
}

// The handshake has a timeout of its own.
bool Connection::waits_for_allowance(const LinkEntry &link) const {
    return confirmed_ && link.allowance_left() < link::kMinPacket;
}

void Connection::send_validation(LinkEntry &link, Time now) {
    ChannelEntry &control = services_.channels[control_];
    const auto challenge = [&](link::Validation &v, Toward toward, size_t size) {
        PacketBuilder packet(*this, link, control, size, toward);
        packet.add(wire::ChallengeFrame{v.challenge});
        if (toward == Toward::kBoth)
            add_acks(packet, link, now);
        packet.pad_to(std::min(size, kChallengePad));
        packet.finish(now);
        count_challenge(v, now);
    };
    // Where there is no room: when the endpoint is writable. One whose allowance is spent has its
    // turn all the same: if nothing more comes from there, the join has failed.
    link::Validation &v = link.way->validation;
    if (v.armed && v.next_send <= now && v.sent < link.most_challenges()) {
        if (const size_t size = room_on(link); size > 0)
            challenge(v, Toward::kBoth, size);
        else if (waits_for_allowance(link))
            count_challenge(v, now);
    }
    if (!link.candidate || !link.recovery || !link.recovery->can_send())
        return;
    link::Candidate &c = *link.candidate;
    if (c.fresh.armed && c.fresh.next_send <= now) {
        const size_t size =
            std::min<uint64_t>(link.packet_size(endpoint_of(link)), c.fresh.allowance() - c.sent);
        if (services_.endpoints[c.endpoint.v].can_send() && size >= link::kMinPacket)
            challenge(c.fresh, Toward::kCandidate, size);
        else
            c.fresh.next_send = now + kFirstChallengeGap;
    }
    if (c.old.armed && c.old.next_send <= now)
        if (const size_t size = room_on(link); size > 0)
            challenge(c.old, Toward::kPresent, size);
}

// Packets that have to go whatever the window says, and searches for a larger MTU.
void Connection::send_probes(LinkEntry &link, Time now) {
    const size_t size = room_on(link);
    if (size == 0)
        return;
    ChannelEntry &control = services_.channels[control_];
    while (link.probes_owed > 0 && link.validated && link.recovery->can_send()) {
        PacketBuilder packet(*this, link, control, size);
        packet.add(wire::PingFrame{});
        add_acks(packet, link, now);
        packet.ask_ack_now();
        packet.finish(now);
        link.probes_owed--;
    }
    if (!link.usable() || state_ != State::kConnected || link.payload_sent < kWorthSearching)
        return;
    const auto probe = link.recovery->mtu().probe(now);
    if (!probe)
        return;
    if (*probe > Assembler::kMaxDatagram || link.recovery->window_left() == 0 ||
        size_under_key(control, *probe) < *probe)
        return link.recovery->mtu().on_probe_cancelled();
    PacketBuilder packet(*this, link, control, *probe);
    packet.add(wire::PingFrame{});
    packet.pad_to(*probe);
    packet.mark_mtu_probe();
    packet.finish(now);
}

// -- acknowledgements

void Connection::add_acks(PacketBuilder &packet, LinkEntry &carrier, Time now) {
    LinkEntry *fastest = nullptr;
    bool looked = false;
    for (size_t i = 0; i < links_.size(); i++) {
        LinkEntry &of = link_at(i);
        if (!of.exists() || !of.recovery || !of.recovery->received.ack_pending())
            continue;
        if (!looked)
            fastest = fastest_link();
        looked = true;
        if (&of == &carrier || &carrier == fastest || !fastest) {
            packet.add_ack(of, now);
            if (&of == &carrier)
                of.recovery->own_ack_at = now;
        }
    }
}

// The link that an ACK of `of` goes on: the fastest, or, if that takes nothing now, its own.
LinkEntry *Connection::ack_way(LinkEntry &of) {
    LinkEntry *fastest = fastest_link();
    if (fastest && room_on(*fastest) > 0)
        return fastest;
    return room_on(of) > 0 ? &of : nullptr;
}

// ACKs that nothing else has carried. They go on the fastest link, and now and then on their own,
// so that its way back is measured too; both if the peer has asked: it has nothing more to send
// until it gets one, so that the loss of a single one, or of the fastest link, would stop it.
void Connection::send_acks(Time now, bool all) {
    ChannelEntry &control = services_.channels[control_];
    for (size_t i = 0; i < links_.size(); i++) {
        LinkEntry &of = link_at(i);
        if (!of.exists() || !of.recovery ||
            !(all ? of.recovery->received.ack_pending() : of.recovery->received.ack_due(now)))
            continue;
        LinkEntry *const way = ack_way(of);
        const bool own_turn = of.recovery->received.ack_asked() ||
                              of.recovery->own_ack_at + of.recovery->rtt().srtt() <= now;
        LinkEntry *const ways[2] = {way, own_turn && way != &of ? &of : nullptr};
        for (LinkEntry *carrier : ways) {
            const size_t size = carrier ? room_on(*carrier) : 0;
            if (size == 0)
                continue;
            PacketBuilder packet(*this, *carrier, control, size);
            packet.add_ack(of, now);
            if (epoch_proof_due(control))
                packet.add(wire::PingFrame{});
            if (carrier == &of)
                of.recovery->own_ack_at = now;
            packet.finish(now);
        }
    }
}

// -- choosing a link

// Where ACKs go. A standby, or one that could not carry a round trip's ACKs in a twentieth of what
// it takes, is chosen only if there is no other.
LinkEntry *Connection::fastest_link() {
    constexpr uint64_t kAcks = recovery::ReceivedPackets::kAcksPerRtt * link::kMinPacket * 20;
    LinkEntry *best = nullptr;
    int best_rank = -1;
    for (size_t i = 0; i < links_.size(); i++) {
        LinkEntry &l = link_at(i);
        const EndpointEntry &e = endpoint_of(l);
        if (!l.usable() || !e.up)
            continue;
        const bool wide = e.info.rate == 0 || l.recovery->cwnd() >= kAcks;
        const int rank = 2 * (l.role == link::Role::kActive) + wide;
        if (rank < best_rank ||
            (rank == best_rank && l.recovery->rtt().srtt() >= best->recovery->rtt().srtt()))
            continue;
        best = &l;
        best_rank = rank;
    }
    return best;
}

bool Connection::can_send(LinkEntry &link, Time now) {
    if (!link.usable() || !endpoint_of(link).can_send() || !link.recovery->can_send())
        return false;
    if (link.probes_owed > 0)
        return true;
    if (link.recovery->send_time(now) > now || link.recovery->send_budget(now) == 0)
        return false;
    // A line whose driver hides what waits in it gets at most two packets ahead.
    const EndpointEntry &e = endpoint_of(link);
    if (e.info.rate > 0 && e.info.back_pressure && services_.driver)
        return services_.driver->queued_bytes(link.endpoint) < 2 * link.packet_size(e);
    return true;
}

// -- data

void Connection::send_data(Time now) {
    blocked_on_window_ = false;
    const uint64_t end = stats_.bytes_sent + kTurn;
    while (send_control(now)) {
    }
    for (channel::Channel *next = order_.next(); next; next = order_.next()) {
        if (stats_.bytes_sent >= end) {
            turn_over_ = true;
            break;
        }
        auto &entry = static_cast<ChannelEntry &>(*next);
        const bool urgent = entry.small();
        uint64_t bytes = 0;
        LinkEntry *link = choose_link(entry, urgent, now, bytes);
        if (!link) {
            blocked_on_window_ = true;
            if (!policies_differ_)
                break;
            services_.held_back.push_back(entry.slot); // another channel may want other links
            order_.remove(entry);
            continue;
        }
        const uint32_t slot = entry.slot;
        bytes = std::min(bytes, end - stats_.bytes_sent);
        if (!send_some(entry, *link, bytes, now) && services_.channels.live(slot))
            order_.remove(entry); // nothing came out: what it waits for will bring it back
    }
    for (const uint32_t slot : services_.held_back)
        if (services_.channels.live(slot) && services_.channels[slot].attached)
            order_.ready(services_.channels[slot], haste_of(services_.channels[slot]));
    services_.held_back.clear();
    for (size_t i = 0; i < links_.size(); i++) {
        LinkEntry &l = link_at(i);
        // Idle although it could send: for want of data, or because another link is better.
        if (l.usable() && !turn_over_ &&
            (can_send(l, now) || (!blocked_on_window_ && l.recovery->window_left() >= kMinSpare)))
            l.recovery->on_app_limited();
        if (endpoint_of(l).blocked && l.live())
            services_.wait_for(l.endpoint, slot_);
    }
}

// One packet under channel 0's key: control that waits and channel 0's own stream.
bool Connection::send_control(Time now) {
    ChannelEntry &control = services_.channels[control_];
    if (pending_.empty() && !control.pending_control() && !control.has_data(now))
        return false;
    uint64_t bytes = 0;
    LinkEntry *link = choose_link(control, true, now, bytes);
    if (!link) {
        blocked_on_window_ = true;
        return false;
    }
    PacketBuilder packet(*this, *link, control, link->packet_size(endpoint_of(*link)));
    add_acks(packet, *link, now);
    add_pending_control(packet);
    packet.add_channel_control(control);
    packet.add_data(now);
    if (packet.eliciting() && link->probes_owed > 0) {
        packet.ask_ack_now();
        link->probes_owed--;
    }
    // Where ACKs have left no room for anything else they go alone, and the rest in the next one.
    const bool sent = packet.finish(now);
    harvest(control, now);
    return sent;
}

void Connection::add_pending_control(PacketBuilder &packet) {
    for (size_t n = pending_.size(); n > 0; n--) {
        const ControlItem item = pending_.front();
        if (!write_item(packet, item))
            return; // no room; the next packet has some
        pending_.pop();
    }
}

// Writes the frame from the present state; true too when there is nothing left to say.
bool Connection::write_item(PacketBuilder &packet, const ControlItem &item) {
    bool fits = true;
    const LinkNumber number{item.target};
    switch (item.kind) {
    case Control::kNewCid: {
        const IssuedCid *c = cids_.issued(uint64_t{item.target});
        if (!c)
            return true;
        wire::NewCidFrame f{c->link, c->cid_class, c->seq, c->cid, {}};
        if (c->cid.len == crypto::kResetCidLen)
            f.token = reset_token(*c);
        fits = packet.add(f);
        break;
    }
    case Control::kRetireCid: fits = packet.add(wire::RetireCidFrame{item.target}); break;
    case Control::kCidRequest: fits = packet.add(wire::CidRequestFrame{item.value, number}); break;
    case Control::kLinkState: {
        const LinkEntry *l = find_link(number);
        if (!l)
            return true;
        const auto state = l->state == link::State::kSuspect ? wire::WireLinkState::kSuspect
                           : l->state == link::State::kDead  ? wire::WireLinkState::kDead
                                                             : wire::WireLinkState::kGood;
        fits = packet.add(wire::LinkStateFrame{number, state});
        break;
    }
    case Control::kAckFreq: {
        const LinkEntry *l = find_link(number);
        if (!l || !l->recovery || l->recovery->ack_request().seq != item.value)
            return true; // overtaken by a later one
        const recovery::AckFrequency f = l->recovery->ack_frequency();
        fits = packet.add(wire::AckFreqFrame{number, item.value, f.packets,
                                             static_cast<uint64_t>(f.delay.us), f.reorder});
        break;
    }
    case Control::kLinkClose: fits = packet.add(wire::LinkCloseFrame{number, item.value}); break;
    case Control::kMaxChannels: fits = packet.add(wire::MaxChannelsFrame{peer_limit_}); break;
    case Control::kRefuse: fits = packet.add(wire::RefuseFrame{{item.target}, item.value}); break;
    case Control::kChannel:
    case Control::kResponse:
    case Control::kAck: return true;
    }
    if (fits)
        packet.remember(item);
    return fits;
}

// Some packets of one channel on one link, about `bytes` of them. False if nothing was sent.
bool Connection::send_some(ChannelEntry &entry, LinkEntry &link, uint64_t bytes, Time now) {
    const EndpointEntry &endpoint = endpoint_of(link);
    bool any = false;
    uint64_t allowed = 0, window = 0; // as last asked for; what was sent since is taken off
    if (now >= rekey_due_ && entry.slot != control_ && entry.has_data(now))
        on_generation_old(now);
    // What goes before its turn goes alone, and control does not take data of a later class along.
    const bool early = entry.order.lane == 0 || entry.order.small;
    const bool data_too =
        entry.order.lane > 0 || entry.config().priority_class <= order_.first_class();
    const size_t burst = early ? 1 : kBurst;
    for (size_t n = 0; n < burst && entry.attached && !entry.send_epoch.stalled; n++) {
        if (!entry.pending_control() && !entry.has_data(now))
            break;
        if (n > 0 && bytes == 0)
            break;
        if (n > 0 && (!endpoint.can_send() || !link.recovery->can_send() ||
                      (allowed == 0 && !can_send(link, now))))
            break;
        const size_t size = link.packet_size(endpoint);
        if (allowed == 0) {
            window = link.recovery->window_left();
            allowed = endpoint.info.rate > 0 ? 0 // a line's queue is looked at each time
                                             : std::min<uint64_t>(link.recovery->send_budget(now),
                                                                  kAskBudgetEvery * size);
        }
        PacketBuilder packet(*this, link, entry, size);
        const bool repair = data_too && packet.add_repair();
        add_acks(packet, link, now);
        packet.add_channel_control(entry);
        const bool data = repair || (data_too && packet.add_data(now));
        if (!packet.eliciting()) {
            // ACKs may have taken all the room: then they go alone.
            if (!packet.finish(now))
                break;
            any = true;
            continue;
        }
        // The last packet for now: a quick answer lets the sender go on, or know that all arrived.
        const bool more = entry.has_data(now) || entry.pending_control();
        if (data && (!more || window < 2 * size))
            packet.ask_ack_now();
        const uint64_t before = stats_.bytes_sent;
        packet.finish(now);
        const uint64_t sent = stats_.bytes_sent - before;
        if (packet.has_data() && policy_of(entry).kind == link::PolicyKind::kRedundant)
            send_copies(entry, link, packet.data(), packet.has_fin(), now);
        allowed -= std::min(allowed, sent);
        window -= std::min(window, sent);
        bytes -= std::min(bytes, sent);
        any = true;
        if (link.probes_owed > 0)
            link.probes_owed--;
        order_.charge(entry, sent);
    }
    harvest(entry, now);
    return any;
}

} // namespace plait::connection
