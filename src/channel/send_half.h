// SPDX-License-Identifier: Apache-2.0
// The sending direction of a channel: what the application gave, what of it is on its way, what
// must be sent again or given up; docs/protocol.md sections 6.3 to 6.6.
//
//   offsets:  0 ... settled ... sent ... written      settled <= sent <= written, and sent <= limit
//
// Below `settled` everything is acknowledged or given up. The numbers live here always; buffers and
// sets are in a Flight, made at the first use and given back when the direction was idle for a
// second. For each byte in flight the Flight knows whether it is settled, queued to be sent again,
// how many further copies are under way (redundant links, suspicion) and how often it was resent.
#pragma once

#include "base/ring.h"
#include "channel/core.h"
#include "channel/range_counts.h"
#include "channel/send_buffer.h"

#include <memory>
#include <span>

namespace plait::channel {

inline constexpr Duration kIdle = base::seconds(1); // until credit and memory are given back
inline constexpr uint64_t kSendBufferMin = 1024;
inline constexpr uint64_t kSendBufferAuto = 256u << 10;   // at least, when the size is left to us
inline constexpr uint64_t kSendBufferAutoMax = 64u << 20; // at most, or half of memory_budget
inline constexpr size_t kReserveMax = 65536;
inline constexpr size_t kRecordCost = 32; // of a message or a SKIP, in the send buffer's accounts
inline constexpr size_t kMarksMax = 64;   // "acknowledge now" at one time; then they run together

class SendHalf {
  public:
    SendHalf(SendState state, uint64_t limit, uint64_t max_message)
        : limit_(limit), first_limit_(static_cast<uint32_t>(std::min(limit, kWindowMax))),
          max_message_(static_cast<uint32_t>(std::min(max_message, kMaxMessageMax))),
          state_(state) {}

    SendState state() const { return state_; }
    bool ended() const {
        return state_ == SendState::kNone || state_ == SendState::kFinished ||
               state_ == SendState::kReset;
    }
    uint64_t sent() const { return sent_; }
    uint64_t written() const { return written_; }
    uint64_t settled() const { return settled_; }
    uint64_t limit() const { return limit_; }
    uint64_t max_message() const { return max_message_; }
    uint64_t backlog() const {
        const uint64_t end = writable_owed_ ? limit_ : std::min(written_, limit_);
        return end > sent_ ? end - sent_ : 0;
    }
    bool has_repeats() const { return flight_ && !flight_->resend.empty(); }
    bool reserved() const { return flight_ && flight_->reserved; }
    // Taken, and neither sent nor thrown away.
    uint64_t queued() const {
        return state_ == SendState::kOpen || state_ == SendState::kFinishing ? written_ - sent_ : 0;
    }
    bool idle() const { return !flight_; }
    // Bytes that the send buffer would take now.
    uint64_t room(const Core &c) const {
        const uint64_t limit = buffer_limit(c), used = cost();
        return state_ == SendState::kOpen && limit > used ? limit - used : 0;
    }
    bool credit_returned() const { return return_seq_ > 0; }

    // -- The application -----------------------------------------------------------------
    // It has its next turn: see burst_left().
    void begin_burst();
    Result<size_t> send(Core &c, std::span<const Bytes> parts, Time now);
    Result<MutBytes> reserve(Core &c, size_t min);
    Status commit(Core &c, size_t n, Time now);
    Status send_owned(Core &c, Bytes bytes, ReleaseFn fn, void *user, Time now);
    Status finish(Core &c);
    Status reset(Core &c, uint64_t code);
    // What is taken next is to be acknowledged at once.
    Status mark_ack_now(const Core &c);
    // kQueueLow when what waits falls to so many bytes; kNoLowWater: never.
    void set_low_water(Core &c, uint32_t bytes) {
        c.more().low_water = bytes;
        low_armed_ = queued() > bytes;
    }

    // -- Packets -------------------------------------------------------------------------
    bool has_data(const Core &c, Time now) const;
    bool next_segment(Core &c, size_t max, Time now, Segment &out);
    void on_acked(Core &c, uint64_t offset, uint64_t length, bool fin);
    void on_lost(Core &c, uint64_t offset, uint64_t length, bool fin, Time now);
    void on_reinject(Core &c, uint64_t offset, uint64_t length, bool fin, Time now);
    void on_copy(uint64_t offset, uint64_t length);
    bool copy_segment(Core &c, uint64_t offset, uint64_t max, bool fin, Segment &out);

    // -- Control frames ------------------------------------------------------------------
    wire::ResetFrame reset_frame(const Core &c) const;
    wire::BlockedFrame blocked_frame(const Core &c) const { return {c.number, limit_}; }
    wire::CreditReturnFrame credit_return_frame(const Core &c) const {
        return {c.number, return_seq_, limit_};
    }
    // As many as fit; their serial, in place, goes into `written`.
    void write_skips(Core &c, base::Writer &w, ControlSet &written);
    void on_skips_acked(Core &c, ControlSet set);
    void on_skips_lost(Core &c, ControlSet set);
    void on_blocked_lost(Core &c);
    void on_credit_return_lost(Core &c);
    void on_reset_acked(Core &c);
    Status on_max_data(Core &c, const wire::MaxChannelDataFrame &f, Time now);
    void on_stop(Core &c, uint64_t code);
    void on_accepted(Core &c, uint64_t limit, uint64_t max_message);
    // Ends at once: the channel was refused. A reservation stays until its commit.
    void drop(Core &c);
    // What was acknowledged before the refusal was not delivered either.
    static void take_back_acked(Core &c);
    // Nothing stays, not even a reservation.
    void destroy(Core &c);

    // -- Time ----------------------------------------------------------------------------
    Time deadline(const Core &c) const;
    // True if a loss closes the channel now.
    bool on_timer(Core &c, Time now);
    void trim(Core &c);
    // No more of it; RESET goes out.
    void abort(Core &c, uint64_t code);
    void check_invariants(const Core &c) const;

  private:
    enum class Fin : uint8_t { kNone, kPending, kInFlight, kAcked };
    // A message; of a channel of bytes with deadlines, what one call to send took.
    struct Record {
        uint64_t start, end;
        Time deadline;
        uint32_t size; // of the message, without what frames it
        bool given_up;
    };
    struct Skip {
        uint64_t start, end, messages;
        uint8_t serial; // of the packet that carries it
        bool written;   // and that packet is neither acknowledged nor lost
        bool may_merge; // with a neighbour: nothing of it was ever sent, or it is bytes
    };
    struct Flight {
        explicit Flight(uint64_t start) : buffer(start), burst_start(start) {}
        SendBuffer buffer;
        RangeSet settled;     // above settled_
        RangeSet resend;      // to be sent again
        RangeSet alive;       // of these: the copy sent before may still arrive
        RangeCounts copies;   // in flight, beyond the first
        RangeCounts attempts; // resends (at most n)
        RangeSet doomed;      // lost for good, waits for a late ACK before the channel closes
        Time doom_at = kNever;
        base::Ring<Record> records;
        std::vector<Skip> skips;
        base::Ring<uint64_t> marks; // to be acknowledged at once: the end of each
        Time active{};
        uint64_t burst_start; // what was taken before the last acknowledgement or turn
        Time burst_since{};   // when the first byte after it was taken
        bool burst_over = false;
        MutBytes reservation;
        uint8_t reserved_header = 0, next_serial = 0;
        bool reserved = false;
    };

    void set_state(SendState next);
    Flight &flight(Time now);
    Status may_send(const Core &c) const;
    bool sending(const Core &c) const;
    bool has_records(const Core &c) const { return c.config->messages || c.config->deadlines(); }
    // Of the buffer.
    uint64_t cost() const;
    uint64_t buffer_limit(const Core &c) const;
    // Whether it has more to send than each channel may keep in any case.
    bool is_bulk() const { return written_ - settled_ > kSendBufferAuto; }
    bool fits(const Core &c, uint64_t n) const;
    void add_record(Core &c, uint64_t start, uint64_t size, Time now);
    void taken(Core &c, uint64_t bytes, Time now);
    // What a stream takes before the application's next turn. Of messages any number: a program
    // may drop those that are refused.
    uint64_t burst_left(const Core &c) const {
        if (c.config->send_buffer || c.config->messages || c.is_control || !flight_)
            return UINT64_MAX;
        const uint64_t most = c.budget->send_burst(), taken = written_ - flight_->burst_start;
        return most > taken && !flight_->burst_over ? most - taken : 0;
    }
    void note_burst(uint64_t start, Time now);
    Status refuse_for_now(Core &c);
    void note_room(Core &c);
    void note_low(Core &c);
    void write_off(Core &c);
    bool blocked(const Core &c) const;
    void note_blocked(Core &c);
    void note_finished(Core &c);
    void drop_flight(Core &c);
    bool returnable(const Core &c) const;
    bool fin_ready() const {
        return fin_ == Fin::kPending && sent_ == written_ && written_ <= limit_;
    }

    // -- In flight (send_flight.cpp) -----------------------------------------------------
    size_t find_record(uint64_t offset) const;
    uint64_t boundary(const Core &c, uint64_t offset) const;
    void fill(Core &c, uint64_t start, uint64_t length, Segment &out);
    bool resend_segment(Core &c, size_t max, Segment &out);
    void settle(Core &c, uint64_t start, uint64_t end);
    void lose(Core &c, uint64_t start, uint64_t end, Time now);
    void lose_last_copy(Core &c, uint64_t start, uint64_t end, Time now);
    void queue_or_give_up(Core &c, uint64_t start, uint64_t end, Time now);
    void give_up(Core &c, uint64_t start, uint64_t end, Time now);
    void give_up_record(Core &c, size_t i);
    void add_skip(Core &c, Skip s);
    void note_skips(Core &c);
    static Duration on_the_way(const Core &c);
    // Sent now it would not be there in time.
    static bool too_late(const Core &c, const Record &r, Time now) {
        return r.deadline <= now + on_the_way(c);
    }
    void expire(Core &c, Time now);
    void expire_queued(Core &c, Time now);
    bool choose_serial(uint8_t &serial);

    uint64_t written_ = 0, sent_ = 0, settled_ = 0, limit_;
    std::unique_ptr<Flight> flight_;
    uint32_t first_limit_; // so much credit beyond `sent` is not given back
    uint32_t max_message_;
    uint32_t return_seq_ = 0;
    SendState state_;
    Fin fin_ : 3 = Fin::kNone;
    bool writable_owed_ : 1 = false;
    bool blocked_told_ : 1 = false; // for this limit
    bool return_open_ : 1 = false;  // the peer has not shown that it knows of the last return
    bool mark_next_ = false;        // what is taken next is to be acknowledged at once
    bool low_armed_ : 1 = false;    // more than Extra::low_water has waited since it was told
};

} // namespace plait::channel
