// SPDX-License-Identifier: Apache-2.0
// The packets received on one link: replay filter, source of ACK ranges, and the policy that says
// when an ACK is due (docs/protocol.md, Links; RFC 9000 section 13.2).
//
// One set serves all: a packet number below the retained ranges, or inside one, is a duplicate. The
// newest 64 ranges are kept; an ACK is due before a range could fall out having been sent fewer
// than three times. What the peer knows to be acknowledged is no longer reported, but still
// filtered.
//
// ACK timing: the first 100 packets every 2nd; then at least 8 times a round trip, at most every
// 90 packets, and at the latest after clamp(srtt / 8, 1 ms, 5 ms). At once when packets come out of
// order or the sender asks (ack-now), but at most 4 times a round trip.
//
// The sender knows better where its ACKs have to share a narrow way: as it asks by ACK_FREQ, they
// are so far apart, or so many packets. A packet that comes after a pause is still answered soon.
#pragma once

#include "base/ids.h"
#include "base/range_set.h"
#include "base/time.h"

#include <algorithm>
#include <cstdint>
#include <span>

namespace plait::recovery {

using base::Range;

enum class Ecn : uint8_t {
    kNone = 0,
    kEct1 = 1,
    kEct0 = 2,
    kCe = 3
}; // the two bits of the IP header

struct EcnCounts {
    uint64_t ect0 = 0, ect1 = 0, ce = 0;
    bool any() const { return (ect0 | ect1 | ce) != 0; }
    template <class Self, class P> static void fields(Self &s, P &&p) {
        p(s.ect0), p(s.ect1), p(s.ce);
    }
};

// What the sender asks for (docs/protocol.md section 5.6).
struct AckFrequency {
    uint32_t packets = 0; // ack-eliciting ones between ACKs at most; 0: it leaves that to us
    uint32_t reorder = 0; // so many out of their order are no reason to hurry
    Duration delay{};     // between two ACKs
    bool operator==(const AckFrequency &) const = default;
    template <class Self, class P> static void fields(Self &s, P &&p) {
        p(s.packets), p(s.reorder), p(s.delay);
    }
};

struct ReceivedMemory {
    Range newest{}; // of the packets that arrived; empty: there was none
    EcnCounts ecn;
    AckFrequency asked;
    uint64_t next_seq = 0;
    bool early = true; // fewer than kEarlyPackets have come
    bool is_duplicate(PacketNumber pn) const { return pn.v < newest.end; }
    template <class Self, class P> static void fields(Self &s, P &&p) {
        p(s.newest.start), p(s.newest.end), p(s.ecn), p(s.asked), p(s.next_seq), p(s.early);
    }
};

class ReceivedPackets {
  public:
    static constexpr size_t kMaxRanges = 64;
    static constexpr uint32_t kTimesSent = 3;      // an ACK range is repeated as often
    static constexpr uint32_t kEarlyPackets = 100; // acknowledged every 2nd: the peer's slow start
    static constexpr uint32_t kMaxAckEvery = 90;
    static constexpr uint32_t kAcksPerRtt = 8;
    static constexpr uint32_t kAcksPerRttGrowing = 32; // a sender in slow start watches the delay
    static constexpr uint32_t kImmediatePerRtt = 4;
    static constexpr Duration kMinAckDelay = base::millis(1);
    static constexpr Duration kMaxAckDelay = base::millis(5);
    // How long a packet waits for its ACK where nothing else is asked for, by the round trip.
    static constexpr Duration usual_delay(Duration rtt) {
        return std::clamp(rtt / 8, kMinAckDelay, kMaxAckDelay);
    }

    bool is_duplicate(PacketNumber pn) const;
    // An authenticated packet that is_duplicate() has let pass.
    void on_received(PacketNumber pn, Time now, bool ack_eliciting, bool ack_now,
                     Ecn ecn = Ecn::kNone);

    bool empty() const { return !any_; }
    PacketNumber largest() const { return {largest_}; }
    Time largest_received_time() const { return largest_time_; }
    // How long the largest packet has waited for this ACK.
    Duration ack_delay(Time now) const { return any_ ? now - largest_time_ : Duration{}; }
    const EcnCounts &ecn() const { return ecn_; }

    // When an ACK must go at the latest; kNever if there is nothing to acknowledge.
    Time ack_deadline() const;
    bool ack_due(Time now) const { return ack_deadline() <= now; }
    // The ACK that is due was asked for: the sender may go on only with it.
    bool ack_asked() const { return asked_; }
    // Something ack-eliciting has come since the last ACK: one may ride along.
    bool ack_pending() const { return pending_ > 0; }
    // Newest first, at most out.size(); returns how many.
    size_t fill(std::span<base::Range> out) const;
    // An ACK with the newest `ranges` ranges went out.
    void on_ack_sent(size_t ranges, Time now);
    // The packet that carried an ACK whose largest was `largest` has been acknowledged.
    void on_ack_acked(PacketNumber largest);

    // From the peer's ACK_FREQ.
    // Frames may overtake each other: one with a smaller seq than an earlier one's changes nothing.
    void set_frequency(uint64_t seq, const AckFrequency &asked);
    const AckFrequency &frequency() const { return frequency_; }
    void set_srtt(Duration srtt) { srtt_ = srtt; }
    // How long a packet waits for its ACK, unless another went out shortly before.
    Duration delay() const;

    // What a link that sleeps must remember, and how a new object goes on with it: everything up to
    // largest() counts as a duplicate, as what is still missing will not come. The newest range is
    // reported again, should the last ACK have been lost.
    ReceivedMemory remember() const;
    void restore(const ReceivedMemory &memory, Time now);

  private:
    void count_rate(Time now);
    uint32_t every() const;
    bool out_of_order(PacketNumber pn) const;
    bool allow_immediate();
    size_t reportable() const;

    base::RangeSet set_;
    uint64_t floor_ = 0;       // everything below is a duplicate
    uint64_t report_from_ = 0; // the peer knows what of the packets below arrived
    uint64_t largest_ = 0;
    Time largest_time_;
    Time first_pending_; // when the oldest packet not yet acknowledged came
    Time last_ack_;      // sent
    Time window_start_;  // of counting packets and immediate ACKs, one round trip long
    Duration srtt_ = base::millis(100);
    AckFrequency frequency_;
    EcnCounts ecn_;
    uint64_t next_seq_ = 0; // of ACK_FREQ
    uint32_t pending_ = 0;  // ack-eliciting packets since the last ACK
    uint32_t window_packets_ = 0, last_window_ = 0;
    uint32_t every_ = 2;
    uint32_t early_ = 0;      // packets seen, up to kEarlyPackets
    uint16_t new_ranges_ = 0; // begun since the last ACK
    uint16_t last_fill_ = kMaxRanges;
    uint8_t immediate_used_ = 0; // in this window
    bool immediate_ = false, asked_ = false, any_ = false;
};

} // namespace plait::recovery
