// SPDX-License-Identifier: Apache-2.0
// What one link has sent and not yet settled: a ring of 32-byte records by packet number, ACK
// processing and loss detection (RFC 9002 section 6.1).
//
//   first_              cursor_                largest_acked_      next_
//     |  acked, lost       |  first outstanding     |                |
//     v  (late ACKs)       v                        v                v
//   ..[ A  L  A  A  L  A ][ O  A  A  O  A  A  O  A  A ][ O  O  O  O ]
//
// Packet numbers are consecutive and send times do not decrease. Both loss criteria (three packets
// later acknowledged, or 9/8 of a round trip ago) are therefore monotonic in the packet number:
// what is lost is always a prefix of what is outstanding, and one cursor that only moves forward
// finds it. Each record is passed once by each cursor, acknowledged runs are skipped by union-find
// links kept inside the dead records, so that an ACK costs O(newly acknowledged + ranges), whatever
// is in flight.
#pragma once

#include "base/ids.h"
#include "base/range_set.h"
#include "base/result.h"
#include "base/time.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <type_traits>
#include <vector>

namespace plait::recovery {

enum class SentState : uint8_t {
    kNone = 0,    // nothing to tell about it any more
    kOutstanding, // on its way
    kAcked,
    kLost,      // declared lost; kept a while, so that a late ACK is noticed
    kAbandoned, // handed back because the link died, not because of congestion; kept likewise
};

struct SentPacket {
    // Flags.
    static constexpr uint8_t kAckEliciting = 1;
    static constexpr uint8_t kInFlight = 2;    // counts against the window
    static constexpr uint8_t kMtuProbe = 4;    // its loss is not congestion
    static constexpr uint8_t kEct = 8;         // marked as capable of ECN
    static constexpr uint8_t kReinjected = 16; // a copy travels on another link

    uint64_t sent_us = 0;
    uint64_t offset = 0;                   // the connection's: where the DATA frame begins
    uint32_t channel_slot = base::kNoSlot; // the connection's: of which channel
    uint32_t size = 0;                     // bytes on the wire
    uint32_t cookie = 0;                   // the connection's: e.g. which ACK or control it carried
    uint16_t length = 0;                   // the connection's: bytes of the DATA frame
    uint8_t kind = 0;                      // the connection's: bits of its own
    uint8_t flags : 5 = 0;
    SentState state : 3 = SentState::kNone;

    bool has(uint8_t flag) const { return (flags & flag) != 0; }
    Time sent() const { return {sent_us}; }
};
static_assert(sizeof(SentPacket) == 32);
static_assert(std::is_trivially_copyable_v<SentPacket>);

// What one ACK or one timer changed. One scratch object a worker: the vectors keep their memory.
struct Outcome {
    std::vector<SentPacket> acked;      // newly acknowledged
    std::vector<SentPacket> lost;       // newly declared lost or handed back, ascending
    std::vector<SentPacket> late_acked; // reported in `lost` before, and acknowledged now

    uint64_t acked_bytes = 0; // in flight, newly acknowledged
    uint64_t late_bytes = 0;  // acknowledged late
    uint64_t lost_bytes = 0;  // in flight, lost (MTU probes excepted)
    Time largest_acked_sent;  // send time of the largest newly acknowledged packet
    Time largest_lost_sent;   // send time of the newest packet counted in lost_bytes
    PacketNumber largest_newly_acked;
    bool largest_is_new = false;  // the ACK's largest packet is newly acknowledged
    bool eliciting_acked = false; // something ack-eliciting is newly acknowledged
    bool has_rtt = false;         // `rtt` is a sample taken from this ACK
    bool spurious = false;        // a loss proved to be none; the controller was told
    bool persistent = false;      // persistent congestion was declared
    Duration rtt;
    Duration lost_span;   // longest unbroken run of loss, by send time (RFC 9002 section 7.6)
    Duration latest_late; // oldest late packet's age

    bool anything_acked() const { return !acked.empty() || !late_acked.empty(); }
    void clear();
};

// How much reordering this link is seen to do. Grows when losses prove spurious, and comes back
// after a while without; bounded, because it delays every real loss.
class ReorderTolerance {
  public:
    static constexpr uint32_t kPackets = 3, kPacketsMax = 256; // RFC 9002 section 6.1.1
    static constexpr uint32_t kEighths = 9, kEighthsMax = 16;  // of a round trip, section 6.1.2
    static constexpr uint32_t kCalm = 16; // loss events without a spurious one until it shrinks

    uint32_t packets() const { return packets_; }
    Duration delay(Duration rtt) const;
    // A packet declared lost was acknowledged `distance` packets behind the largest.
    void on_late(uint64_t distance);
    // ... and `age` after it was sent, where `delay` was waited for.
    void on_late_age(Duration age, Duration delay);
    void on_loss_event();
    template <class Self, class P> static void fields(Self &s, P &&p) {
        p(s.packets_), p(s.eighths_), p(s.calm_);
    }

  private:
    uint16_t packets_ = kPackets;
    uint8_t eighths_ = kEighths;
    uint8_t calm_ = 0;
};

class SentLedger {
  public:
    static constexpr uint32_t kFirstCapacity = 8;
    static constexpr uint32_t kDefaultMax = 1u << 18;
    static constexpr uint32_t kHardMax = 1u << 24;
    static constexpr uint32_t kMostReserved = 1u << 15;
    static constexpr uint32_t kRecent = 100; // packets in the loss statistics

    explicit SentLedger(uint32_t max_outstanding = kDefaultMax, PacketNumber first = {});

    PacketNumber next() const { return {next_}; }
    // Data must wait; probes and ACKs may still be recorded: an eighth is theirs, if that is not
    // too much.
    bool full() const { return lacks(std::min(max_ / 8, kMostReserved)); }
    // Nothing at all may be recorded.
    bool exhausted() const { return lacks(0); }
    // Records the packet with number next(); its state becomes outstanding.
    void on_sent(PacketNumber pn, const SentPacket &packet);

    // `ranges` as in the ACK frame: descending, disjoint, half-open. PLAIT_E_PROTOCOL if a packet
    // was never sent, PLAIT_E_MALFORMED if they are out of order; nothing changes then.
    Status on_ack(std::span<const base::Range> ranges, Time now, Outcome &out);
    // Declares lost what is, by RFC 9002 section 6.1.
    void detect_lost(Time now, Duration loss_delay, Outcome &out);
    // When detect_lost() will find the next loss, if no ACK comes before.
    Time loss_time(Duration loss_delay) const;
    // The link died: hands everything outstanding back, in out.lost, once.
    void abandon_all(Outcome &out);
    // The path changed: what is outstanding no longer counts against the window.
    void clear_in_flight();
    // Lets go of records lost for at least 3 PTO. Cheap; call it as often as you like.
    void forget_old(Time now, Duration pto);
    // What an earlier ledger of the link, which ended before next(), was told.
    void restore(PacketNumber largest_acked, const ReorderTolerance &reordering);

    // Calls f(SentPacket &) for all that is outstanding, oldest first: O(outstanding).
    template <class F> void for_each_outstanding(F &&f) {
        for (uint64_t pn = cursor_; pn < next_; pn++)
            if (at(pn).state == SentState::kOutstanding)
                f(at(pn));
    }

    uint64_t bytes_in_flight() const { return in_flight_; }
    bool idle() const { return cursor_ == next_; }
    uint64_t eliciting_outstanding() const { return eliciting_; }
    Time last_eliciting_sent() const { return {last_eliciting_us_}; }
    bool has_largest_acked() const { return has_largest_; }
    PacketNumber largest_acked() const { return {largest_acked_}; }
    // The lowest packet number whose fate is open; next() if none.
    PacketNumber lowest_outstanding() const { return {cursor_}; }
    // Send time of the first outstanding ack-eliciting packet above the largest acknowledged one;
    // kNever if there is none.
    Time first_unanswered();
    // Send time of the oldest outstanding packet that is ack-eliciting; kNever if there is none.
    Time oldest_eliciting() const;
    // Of the newest kRecent settled packets, how many there are and how many were lost.
    uint32_t recent_total() const { return recent_total_; }
    uint32_t recent_lost() const { return recent_lost_; }
    ReorderTolerance &reordering() { return reordering_; }
    const ReorderTolerance &reordering() const { return reordering_; }
    size_t capacity() const { return capacity_; }

  private:
    SentPacket &at(uint64_t pn) { return ring_[pn & (capacity_ - 1)]; }
    const SentPacket &at(uint64_t pn) const { return ring_[pn & (capacity_ - 1)]; }
    bool acked(uint64_t pn) const { return at(pn).state == SentState::kAcked; }
    void make_room();
    void grow();
    bool lacks(uint64_t reserve) const;
    bool droppable(const SentPacket &p) const;
    void pop_front();
    void pop_settled();
    uint64_t run_start(uint64_t pn);
    void take_range(uint64_t start, uint64_t end, Time now, uint64_t largest_before, Outcome &out);
    void take(uint64_t pn, uint64_t run, Time now, uint64_t largest_before, Outcome &out);
    void leave_flight(SentPacket &p);
    void pass(const SentPacket &p);
    void settle();
    void declare_lost(SentPacket &p, Outcome &out);
    void count_recent(bool lost);

    std::unique_ptr<SentPacket[]> ring_;
    uint64_t capacity_ = 0;
    uint64_t first_, cursor_, next_; // see the drawing
    uint64_t unanswered_;            // cursor of first_unanswered()
    uint64_t largest_acked_ = 0;
    uint64_t in_flight_ = 0, eliciting_ = 0, last_eliciting_us_ = 0;
    uint64_t last_sent_us_ = 0;
    uint64_t run_start_us_ = 0; // send time of the first loss of the present unbroken run
    uint64_t forget_below_ = 0, forget_marks_[2] = {0, 0};
    Time forget_at_;
    uint64_t recent_bits_[2] = {0, 0};
    uint32_t max_;
    uint8_t recent_total_ = 0, recent_lost_ = 0;
    bool has_largest_ = false, in_run_ = false;
    ReorderTolerance reordering_;
};

} // namespace plait::recovery
