// SPDX-License-Identifier: Apache-2.0
// One short packet in the making: header, frames, seal, mask, record. It is built in the
// assembler's arena, so that nothing is moved afterwards.
#pragma once

#include "connection/connection.h"

namespace plait::connection {

// SentPacket::kind
inline constexpr uint8_t kKindData = 1;
inline constexpr uint8_t kKindFin = 2;
inline constexpr uint8_t kKindEpoch = 0x0c;
inline constexpr unsigned kKindEpochShift = 2;

// To which of a link's addresses a packet goes, while the peer may have moved.
enum class Toward : uint8_t { kBoth, kPresent, kCandidate };

class PacketBuilder {
  public:
    // At most `max_size` bytes in all. `entry` is the channel's, whose key seals it.
    PacketBuilder(Connection &c, LinkEntry &link, ChannelEntry &entry, size_t max_size,
                  Toward toward = Toward::kBoth);
    PacketBuilder(const PacketBuilder &) = delete;
    PacketBuilder &operator=(const PacketBuilder &) = delete;

    size_t left() const { return writer_.left() - payload_.size(); }
    bool empty() const { return writer_.size() + payload_.size() == 0; }
    template <class Frame> bool add(const Frame &frame) {
        base::Writer trial = writer_;
        write(trial, frame);
        return take(trial);
    }
    // Class R: remembered until the packet is settled.
    void remember(const ControlItem &item);
    // The ACK of what came on `of`; false if it does not fit.
    bool add_ack(LinkEntry &of, Time now);
    // The channel's own control frames, as many as fit.
    void add_channel_control(ChannelEntry &of);
    // A DATA frame of the packet's own channel. False if there is none or no room for it.
    bool add_data(Time now);
    // A repair symbol of the packet's channel, before anything else is added. False: none is due.
    bool add_repair();
    // Bytes that went out before, as a further copy; how many fit. `fin`: as they went.
    size_t add_copy(uint64_t offset, uint64_t length, bool fin);
    void pad_to(size_t size);
    // Loss of it is an answer about the MTU, not about congestion.
    void mark_mtu_probe() {
        flags_ |= recovery::SentPacket::kMtuProbe;
        target_.flags |= PLAIT_DATAGRAM_MTU_PROBE;
    }
    // Asks the peer for an ACK at once.
    void ask_ack_now() { ack_now_ = true; }
    // What of the channel is in it.
    channel::Range data() const { return {record_.offset, record_.offset + record_.length}; }
    bool has_data() const { return record_.kind & kKindData; }
    bool has_fin() const { return record_.kind & kKindFin; }
    bool eliciting() const { return flags_ & recovery::SentPacket::kAckEliciting; }
    // Seals and sends it; false (and nothing happened) if it is empty.
    bool finish(Time now);

  private:
    bool take(const base::Writer &trial);
    void trace_data(const channel::Segment &s);
    void add_segment(const channel::Segment &s);
    void add_payload(const channel::Segment &s);
    void seal(size_t size);
    void copy_to_candidate(const uint8_t *packet, size_t size);

    Connection &c_;
    LinkEntry &link_;
    ChannelEntry &entry_;
    Assembler::Target target_;
    PacketNumber pn_;
    size_t max_size_, header_size_;
    uint8_t *start_;
    base::Writer writer_;
    MutBytes payload_; // what comes last, still in its send chunk
    recovery::SentPacket record_;
    uint32_t cookie_ = ControlLog::kNone;
    ControlItem ack_[4];
    size_t acks_ = 0;
    uint8_t flags_ = 0;
    Toward toward_;
    bool ack_now_ = false;
};

} // namespace plait::connection
