// SPDX-License-Identifier: Apache-2.0
// How handshake messages go out: whole, or, over links that do not carry them, in pieces once the
// address is proven (docs/protocol.md sections 2.4, 2.7, 2.10).
#include "connection/connection.h"
#include "wire/handshake_packets.h"

#include <algorithm>

namespace plait::connection {

namespace {
// A cookie may have become void, or lead to another: it is asked for again with each third resend.
constexpr uint8_t kPiecesPerCookie = 3;
} // namespace

struct Connection::Way {
    LinkEntry &link; // for its counters
    EndpointIndex endpoint;
    const plait_addr &remote;
    const plait_addr *local;
};

void Connection::send_handshake(Time now) {
    LinkEntry *link = handshake_ ? find_link({0}) : nullptr;
    if (!link)
        return;
    if (redial_) {
        send_message({*link, redial_->endpoint, redial_->remote, nullptr});
        services_.assembler.flush(); // the address goes now
        redial_.reset();
    }
    if (resend_at_ > now)
        return;
    // Only the initiator has a timer.
    resend_at_ = kNever;
    if (role_ == Role::kInitiator && handshake_->complete() && !xx_fin_pending())
        return;
    const size_t sent =
        send_message({*link, link->endpoint, link->way->remote, link->way->local_if_any()});
    if (role_ == Role::kResponder)
        return;
    resend_at_ = now + resend_interval_;
    // On a slow line question and answer, of about the same length, need their time.
    if (const uint64_t rate = endpoint_of(*link).info.rate; rate > 0)
        resend_at_ = resend_at_ + base::micros(static_cast<int64_t>(2'000'000 * sent / rate));
    resend_interval_ = std::min(resend_interval_ * 2, kLongestResend);
}

// The message, or what has to come before it. Returns the bytes sent.
size_t Connection::send_message(const Way &way) {
    const EndpointEntry &endpoint = services_.endpoints[way.endpoint.v];
    if (!endpoint.up)
        return 0;
    const bool asks = role_ == Role::kInitiator;
    size_t limit = endpoint.info.mtu;
    if (!asks)
        limit = std::min(limit, handshake_->proof().piece);
    else if (handshake_->message().size() > limit)
        handshake_->drop_padding();
    const Bytes message = handshake_->message();
    const auto &cookie = handshake_->proof().cookie;
    // A short INIT would be dropped: what it might be answered with is longer.
    const bool init = asks && !handshake_->complete();
    const bool whole =
        message.size() <= limit && (!init || cookie || message.size() >= wire::kMinInitSize);
    if (whole) {
        send_long(message, way);
        return message.size();
    }
    if (cookie && (!asks || ++sent_in_pieces_ % kPiecesPerCookie != 0))
        return send_pieces(message, limit, *cookie, way);
    if (!asks)
        return 0; // an INIT in one piece that proves nothing came meanwhile: it gets no more
    const Bytes probe = handshake_->probe(services_.local.entropy);
    send_long(probe, way);
    return probe.size();
}

size_t Connection::send_pieces(Bytes packet, size_t limit, const crypto::Mac &cookie,
                               const Way &way) {
    base::Reader r(packet);
    const auto header = wire::read_long_header(r);
    PLAIT_ASSERT(header.ok() && packet.size() <= wire::kMaxFragmented);
    services_.counters.handshakes_in_pieces++;
    std::array<uint8_t, wire::kLongHeaderMax + wire::kFragmentHead> head;
    std::vector<uint8_t> piece;
    size_t sent = 0;
    for (size_t at = 0; at < packet.size();) {
        base::Writer w(head);
        wire::write_long_header(
            w, {wire::LongType::kFrag, wire::kVersion1, header->dcid, header->scid, 0});
        w.u8(static_cast<uint8_t>(header->type));
        w.u16(static_cast<uint16_t>(packet.size()));
        w.u16(static_cast<uint16_t>(at));
        const size_t room = limit - std::min(limit, w.size() + wire::kFragmentTagSize);
        if (room == 0)
            return sent;
        const Bytes data = packet.subspan(at, std::min(room, packet.size() - at));
        const auto tag = crypto::fragment_tag(cookie, w.written(), data);
        piece.assign(w.written().begin(), w.written().end());
        piece.insert(piece.end(), tag.begin(), tag.end());
        piece.insert(piece.end(), data.begin(), data.end());
        send_long(piece, way);
        at += data.size();
        sent += piece.size();
    }
    return sent;
}

bool Connection::xx_fin_pending() const {
    return handshake_ && handshake_->complete() && handshake_->xx() && role_ == Role::kInitiator &&
           stats_.packets_received == 0;
}

void Connection::send_long(Bytes packet, const Way &way) {
    const Assembler::Target target{way.endpoint, &services_.endpoints[way.endpoint.v], &way.remote,
                                   way.local};
    const size_t size = packet.size();
    std::memcpy(services_.assembler.room(target, size), packet.data(), size);
    services_.assembler.commit(target, size);
    way.link.packets_sent++;
    way.link.bytes_sent += size;
    stats_.packets_sent++;
    stats_.bytes_sent += size;
}

} // namespace plait::connection
