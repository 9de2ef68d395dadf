// SPDX-License-Identifier: Apache-2.0
// A short packet from the datagram to its frames (docs/protocol.md section 4).
#include "connection/frame_handler.h"

#include <algorithm>

namespace plait::connection {

// A packet that has been unmasked and decrypted.
struct Connection::Opened {
    wire::ShortHeader header;
    PacketNumber pn;
    CidOwner owner;
    LinkEntry *link = nullptr; // nullptr: the peer joins with it
    ChannelEntry *entry = nullptr;
    Bytes plaintext;
    size_t datagram_size = 0;
    bool under_other = false; // of the two generations that there may be, not ours
};

bool Connection::receive(const CidOwner &owner, MutBytes packet, const Arrival &from, Time now) {
    if (!has_keys_ || state_ == State::kClosed) {
        keep_early(owner, packet, from);
        return false;
    }
    Opened opened;
    opened.owner = owner;
    opened.datagram_size = packet.size();
    if (!open_packet(owner, services_.endpoints[from.endpoint.v].cid_class, packet, opened, now)) {
        services_.counters.datagrams_dropped++;
        if (forged_ && !ended())
            close(PLAIT_E_KEY_LIMIT, static_cast<uint64_t>(wire::CloseCode::kKeyLimit), false,
                  "forgeries", now);
        return false;
    }
    on_authentic(opened, from, now);
    return true;
}

bool Connection::open_packet(const CidOwner &owner, uint8_t cid_class, MutBytes packet, Opened &out,
                             Time now) {
    out.link = find_link(owner.link);
    // A link number may have an id of each class before it is used; the endpoint tells which it
    // was.
    const auto cid = cids_.find(owner.link, cid_class);
    if (!cid || (out.link && (!out.link->started() || cid->seq != out.link->issued_seq)))
        return false;
    const size_t cid_size = cid->cid.len;
    if (packet.size() < wire::min_short_packet(cid_size))
        return false;
    const crypto::HeaderMask mask = crypto::header_mask(
        receive_mask_, packet.data() + packet.size() - crypto::kHeaderSampleLen);
    const auto header = wire::unmask_short_header(packet, cid_size, mask.b);
    if (!header.ok()) {
        services_.counters.malformed++;
        return false;
    }
    out.header = *header;
    const uint64_t expected = out.link ? out.link->expected() : 0;
    out.pn = wire::decode_packet_number(expected, header->truncated_pn, header->pn_size);
    if (out.link && out.link->is_duplicate(out.pn))
        return false;
    out.entry = find_channel(header->channel);
    const Bytes aad = packet.first(header->size);
    const MutBytes sealed = packet.subspan(header->size);
    const Verdict verdict =
        open_with_keys(*header, aad, sealed, out.pn, owner.link, out.entry, now);
    if (verdict == Verdict::kForged)
        on_forged();
    if (verdict >= Verdict::kForged)
        return false;
    out.under_other = verdict == Verdict::kOpenedUnderOther;
    out.plaintext = sealed.first(sealed.size() - wire::kTagSize);
    return true;
}

void Connection::on_forged() {
    services_.counters.auth_failures++;
    const uint64_t n = ++stats_.auth_failures;
    if (n == config_->keys.forgeries_rekey && confirmed_) {
        want_generation();
        touch();
    }
    forged_ = n >= config_->keys.forgeries_close;
}

void Connection::on_authentic(Opened &opened, const Arrival &from, Time now) {
    if (opened.header.reserved)
        return close(PLAIT_E_PROTOCOL, static_cast<uint64_t>(wire::CloseCode::kProtocol), false,
                     "reserved bits", now);
    wake(now);
    last_authentic_ = now;
    stats_.packets_received++;
    stats_.bytes_received += opened.datagram_size;
    if (role_ == Role::kResponder && !confirmed_)
        confirm(now);
    if (state_ == State::kClosed)
        return;
    if (rekey_)
        on_generation_heard(opened.under_other, now);
    if (state_ == State::kClosing) {
        close_trigger_++;
        // CLOSE was lost, or crossed this packet: said again at a falling rate.
        if ((close_trigger_ & (close_trigger_ - 1)) == 0)
            close_owed_ = true;
        touch();
    }
    resend_at_ = handshake_deadline_ = kNever;
    if (handshake_ && handshake_->complete())
        handshake_.reset(); // the peer has the keys: nothing of it is sent again
    LinkEntry *link = opened.link;
    if (!link && !ended())
        link = join_by_peer(opened.owner, from, now);
    if (!link)
        return;
    if (services_.tracer.on(PLAIT_TRACE_PACKETS))
        services_.hooks->trace({PLAIT_TRACE_PACKET_RECEIVED, slot_, link->slot, opened.pn.v,
                                opened.datagram_size, opened.header.channel.v, 0});
    link->packets_received++;
    link->bytes_received += opened.datagram_size;
    if (link->recovery)
        link->recovery->on_arrival(opened.datagram_size);
    const bool moved =
        link->endpoint != from.endpoint || !link::same_address(link->way->remote, *from.remote);
    if (!link->validated && !moved)
        link->way->validation.received += opened.datagram_size;
    if (!moved && from.local) {
        link->way->local = *from.local;
        link->way->has_local = true;
    }
    const bool newest = opened.pn.v >= link->expected();
    const bool placed = link->validated || (answered_elsewhere_ && link->number.v == 0);
    if (moved && newest && confirmed_ && placed && !ended())
        on_other_address(*link, from, opened.datagram_size, now);
    bool eliciting = false;
    const Status s = dispatch(opened, *link, now, eliciting);
    if (s == PLAIT_E_AGAIN)
        return touch(); // data that overtook its OPEN: as if the packet had been lost
    // The frames may have closed the link or, by moving connections, everything.
    if (link->state != link::State::kClosed)
        link->recovery->received.on_received(opened.pn, now, eliciting, opened.header.ack_now,
                                             static_cast<recovery::Ecn>(from.ecn & 3));
    if (s != PLAIT_OK && !ended())
        close_for_error(s, now);
    // Something from over there: a dead way may be open again. Asleep, there is no better one to
    // be had, and an answer goes out at once.
    if (link->state == link::State::kDead && link->validated) {
        link->next_probe = std::min(link->next_probe, now);
        if (state_ == State::kDormant && !moved)
            recover(*link, now);
    }
    touch();
}

void Connection::close_for_error(Status s, Time now) {
    using wire::CloseCode;
    const CloseCode code = s == PLAIT_E_MALFORMED       ? CloseCode::kMalformed
                           : s == PLAIT_E_FLOW_CONTROL  ? CloseCode::kFlowControl
                           : s == PLAIT_E_CHANNEL_LIMIT ? CloseCode::kChannelLimit
                           : s == PLAIT_E_PROTOCOL      ? CloseCode::kProtocol
                                                        : CloseCode::kInternal;
    close(s, static_cast<uint64_t>(code), false, base::status_name(s) + sizeof "PLAIT_E", now);
}

Status Connection::dispatch(Opened &opened, LinkEntry &link, Time now, bool &eliciting) {
    // A channel beyond what we allow, under its own right key: the peer's mistake.
    if (!opened.entry && opened.header.channel.v != 0 && !ended()) {
        ChannelEntry *none = nullptr;
        if (const Status s = channel_for(opened.header.channel, none);
            s != PLAIT_OK && s != PLAIT_E_AGAIN)
            return s;
    }
    FrameHandler handler{*this, link, opened.header.channel, now};
    const Status s = wire::read_frames(opened.plaintext, handler);
    eliciting = handler.eliciting;
    if (handler.touched != base::kNoSlot && services_.channels.live(handler.touched))
        harvest(services_.channels[handler.touched], now);
    if (s == PLAIT_OK && opened.header.channel.v == 0 && control_ != base::kNoSlot && !ended())
        return on_control_stream(now);
    return s;
}

} // namespace plait::connection
