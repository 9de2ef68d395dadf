// SPDX-License-Identifier: Apache-2.0
#include "connection/packet.h"

namespace plait::connection {

namespace {
// Frames before a payload that is sealed where it lies, in bytes; more of them are rare.
constexpr size_t kMaxFramesInChunk = 128;

Assembler::Target target_of(Services &services, const LinkEntry &link, Toward toward) {
    if (toward == Toward::kCandidate) {
        const link::Candidate &c = *link.candidate;
        return {c.endpoint, &services.endpoints[c.endpoint.v], &c.remote,
                c.has_local ? &c.local : nullptr};
    }
    Assembler::Target t{link.endpoint, &services.endpoints[link.endpoint.v], &link.way->remote,
                        link.way->local_if_any()};
    if (t.endpoint->info.ecn)
        t.ecn = static_cast<uint8_t>(link.recovery->ecn_mark());
    return t;
}
} // namespace

PacketBuilder::PacketBuilder(Connection &c, LinkEntry &link, ChannelEntry &entry, size_t max_size,
                             Toward toward)
    : c_(c), link_(link), entry_(entry), target_(target_of(c.services_, link, toward)),
      pn_(link.recovery->next_packet_number()), max_size_(c.size_under_key(entry, max_size)),
      header_size_(1u + link.peer_cid.len + wire::channel_size(entry.number()) +
                   wire::packet_number_size(pn_, link.recovery->ledger().has_largest_acked(),
                                            link.recovery->ledger().largest_acked())),
      start_(c.services_.assembler.room(target_, max_size_)),
      writer_(MutBytes(start_ + header_size_, max_size_ - header_size_ - wire::kTagSize)),
      toward_(toward) {
    PLAIT_ASSERT(max_size_ > header_size_ + wire::kTagSize);
    if (target_.ecn != 0)
        flags_ |= recovery::SentPacket::kEct;
    record_.channel_slot = entry.number().v;
}

bool PacketBuilder::take(const base::Writer &trial) {
    PLAIT_ASSERT(payload_.empty());
    if (!trial.ok())
        return false;
    writer_ = trial;
    flags_ |= recovery::SentPacket::kAckEliciting | recovery::SentPacket::kInFlight;
    return true;
}

void PacketBuilder::remember(const ControlItem &item) {
    cookie_ = c_.log_.add(cookie_, item);
}

bool PacketBuilder::add_ack(LinkEntry &of, Time now) {
    if (acks_ == std::size(ack_) || of.recovery->received.empty())
        return false;
    wire::AckFrame f;
    f.link = of.number;
    f.delay_us =
        static_cast<uint64_t>(std::max<int64_t>(of.recovery->received.ack_delay(now).us, 0));
    f.rx_time_us = static_cast<uint32_t>(of.recovery->received.largest_received_time().us);
    const recovery::EcnCounts &ecn = of.recovery->received.ecn();
    f.has_ecn = ecn.any();
    f.ect0 = ecn.ect0;
    f.ect1 = ecn.ect1;
    f.ce = ecn.ce;
    f.range_count = of.recovery->received.fill(f.ranges);
    // As many ranges as there is room for, the newest first.
    for (; f.range_count > 0; f.range_count /= 2) {
        base::Writer trial = writer_;
        write(trial, f);
        if (!trial.ok())
            continue;
        writer_ = trial;
        of.recovery->received.on_ack_sent(f.range_count, now);
        ack_[acks_++] = {Control::kAck, of.number.v, f.largest()};
        return true;
    }
    return false;
}

void PacketBuilder::add_channel_control(ChannelEntry &of) {
    if (!of.pending_control() && !of.open_rides())
        return;
    base::Writer trial = writer_;
    channel::ControlSet written = 0;
    of.write_control(trial, written);
    if (written && take(trial))
        remember({Control::kChannel, of.number().v, written});
}

bool PacketBuilder::add_data(Time now) {
    if (record_.kind & kKindData || !entry_.has_data(now))
        return false;
    // The frame fills the packet, so it needs no length.
    const size_t head = wire::data_header_size(entry_.written(), 0, false);
    if (writer_.left() <= head)
        return false;
    channel::Segment s;
    if (!entry_.next_segment(writer_.left() - head, now, s))
        return false;
    add_segment(s);
    return true;
}

bool PacketBuilder::add_repair() {
    PLAIT_ASSERT(empty());
    base::Writer trial = writer_;
    return entry_.write_repair(trial) && take(trial);
}

size_t PacketBuilder::add_copy(uint64_t offset, uint64_t length, bool fin) {
    const size_t head = wire::data_header_size(entry_.written(), 0, false);
    channel::Segment s;
    if (writer_.left() <= head ||
        !entry_.copy_segment(offset, std::min<uint64_t>(length, writer_.left() - head), fin, s))
        return 0;
    add_segment(s);
    return s.length;
}

void PacketBuilder::add_segment(const channel::Segment &s) {
    wire::DataFrame f;
    f.offset = s.offset;
    f.fin = s.fin;
    f.start = s.start;
    write(writer_, f, false);
    add_payload(s);
    flags_ |= recovery::SentPacket::kAckEliciting | recovery::SentPacket::kInFlight;
    record_.kind |= static_cast<uint8_t>(kKindData | (s.fin ? kKindFin : 0));
    record_.offset = s.offset;
    record_.length = static_cast<uint16_t>(s.length);
    link_.payload_sent += s.length;
    if (c_.services_.tracer.on(PLAIT_TRACE_DATA))
        trace_data(s);
    if (s.ack_now)
        ask_ack_now();
}

void PacketBuilder::trace_data(const channel::Segment &s) {
    const unsigned bits = (s.fin ? PLAIT_TRACE_DATA_FIN : 0) |
                          (s.start ? PLAIT_TRACE_DATA_START : 0) |
                          (s.retransmission ? PLAIT_TRACE_DATA_AGAIN : 0);
    c_.services_.hooks->trace(
        {PLAIT_TRACE_DATA_SENT, c_.slot_, link_.slot, entry_.number().v, s.offset, s.length, bits});
}

// Sealing is the second move of the bytes, after the application's copy into the chunk: where what
// stands before them in the packet can be put before them in the chunk, they stay there till then.
void PacketBuilder::add_payload(const channel::Segment &s) {
    if (s.part[1].empty() && !s.part[0].empty() &&
        writer_.size() <= std::min(s.writable_headroom, kMaxFramesInChunk)) {
        payload_ = {const_cast<uint8_t *>(s.part[0].data()), s.part[0].size()};
        PLAIT_ASSERT(payload_.size() <= writer_.left());
        return;
    }
    writer_.bytes(s.part[0]);
    writer_.bytes(s.part[1]);
    PLAIT_ASSERT(writer_.ok());
}

void PacketBuilder::pad_to(size_t size) {
    PLAIT_ASSERT(payload_.empty());
    const size_t now = header_size_ + writer_.size() + wire::kTagSize;
    if (now < size && size <= max_size_)
        writer_.fill(static_cast<uint8_t>(wire::FrameType::kPadding), size - now);
}

void PacketBuilder::seal(size_t plain) {
    wire::ShortHeader h;
    h.epoch = entry_.send_epoch.number & 3;
    h.generation = c_.generation_ & 1;
    h.ack_now = ack_now_;
    h.channel = entry_.number();
    h.pn_size = static_cast<uint8_t>(header_size_ - 1 - link_.peer_cid.len -
                                     wire::channel_size(entry_.number()));
    const size_t written = wire::write_short_header(start_, h, link_.peer_cid, pn_);
    PLAIT_ASSERT(written == header_size_);
    crypto::PacketKeySpec spec{entry_.number(), c_.role_, c_.cipher_, entry_.send_epoch.number};
    if (entry_.send_epoch.number > 0)
        spec.cipher = entry_.cipher;
    const crypto::PacketKey &key = c_.services_.keys.get(c_.id_, c_.root_, c_.generation_, spec);
    uint8_t *const text = start_ + header_size_;
    if (payload_.empty()) {
        crypto::seal(key, link_.number, pn_, {start_, header_size_}, {text, plain}, text);
    } else {
        const size_t frames = writer_.size();
        uint8_t *const chunk = payload_.data() - frames;
        std::array<uint8_t, kMaxFramesInChunk> kept;
        std::memcpy(kept.data(), chunk, frames);
        std::memcpy(chunk, text, frames);
        crypto::seal(key, link_.number, pn_, {start_, header_size_}, {chunk, plain}, text);
        std::memcpy(chunk, kept.data(), frames);
    }
    const crypto::HeaderMask mask = crypto::header_mask(c_.send_mask_, text + plain);
    wire::mask_short_header(start_, link_.peer_cid.len, header_size_, mask.b);
}

bool PacketBuilder::finish(Time now) {
    if (empty())
        return false;
    const size_t plain = writer_.size() + payload_.size();
    const size_t size = header_size_ + plain + wire::kTagSize;
    c_.count_packet(entry_, size, now);
    record_.kind |= static_cast<uint8_t>((entry_.send_epoch.number & 3) << kKindEpochShift);
    seal(plain);
    if (eliciting())
        for (size_t i = 0; i < acks_; i++)
            remember(ack_[i]);
    record_.flags = flags_ & 0x1f;
    record_.size = static_cast<uint32_t>(size);
    record_.cookie = cookie_;
    c_.services_.assembler.commit(target_, size);
    if (toward_ == Toward::kCandidate) {
        link_.candidate->sent += size;
        c_.services_.assembler
            .flush(); // the candidate's address may be gone by the end of the drain
    }
    link_.recovery->on_sent(record_, now);
    if (c_.services_.tracer.on(PLAIT_TRACE_PACKETS))
        c_.services_.hooks->trace({PLAIT_TRACE_PACKET_SENT, c_.slot_, link_.slot, pn_.v, size,
                                   record_.channel_slot, eliciting()});
    link_.packets_sent++;
    link_.bytes_sent += size;
    if (!link_.validated && toward_ != Toward::kCandidate)
        link_.way->sent_unvalidated += size;
    c_.stats_.packets_sent++;
    c_.stats_.bytes_sent += size;
    c_.last_sent_ = now;
    if (link_.candidate && toward_ == Toward::kBoth)
        copy_to_candidate(start_, size);
    return true;
}

// While a peer may have moved, what goes to the old address goes to the new one too.
void PacketBuilder::copy_to_candidate(const uint8_t *packet, size_t size) {
    link::Candidate &cand = *link_.candidate;
    if (!c_.services_.endpoints[cand.endpoint.v].can_send())
        return;
    if (!cand.proven && cand.sent + size > cand.fresh.allowance())
        return;
    cand.sent += size;
    Assembler &assembler = c_.services_.assembler;
    const Assembler::Target to = target_of(c_.services_, link_, Toward::kCandidate);
    std::memmove(assembler.room(to, size), packet, size);
    assembler.commit(to, size);
    assembler.flush();
}

} // namespace plait::connection
