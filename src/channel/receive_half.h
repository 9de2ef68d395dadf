// SPDX-License-Identifier: Apache-2.0
// The receiving direction of a channel: what arrived, what of it may be delivered under the axes,
// and how much more the peer may send; docs/protocol.md sections 6.3 to 6.6.
//
//   offsets:  0 ... read ... order ... highest ... limit
//
// Below `read` everything was read, skipped or dropped. In an ordered channel everything between
// `read` and `order` is whole and may be read, or is known to be missing; what lies above waits. In
// an unordered channel messages are ready as they complete and bytes as they come. The numbers live
// here always; buffers and sets are in a Held, made when something arrives and given back when
// nothing was kept for a second.
#pragma once

#include "base/ring.h"
#include "channel/core.h"
#include "channel/range_counts.h"
#include "channel/receive_buffer.h"

#include <memory>
#include <span>

namespace plait::channel {

// Ranges and message starts that are remembered: at least, and one for so many bytes of window.
inline constexpr size_t kRangesMin = 1024;
inline constexpr uint64_t kBytesPerRange = 16;
inline constexpr size_t kPassedMax = 64;
inline constexpr Duration kHeldIdle = base::seconds(1);    // until memory is given back
inline constexpr Duration kCreditRetry = base::millis(10); // while a large message waits for memory

class ReceiveHalf {
  public:
    // `granted`: bytes of the budget that the channel has to begin with, also its first limit.
    ReceiveHalf(ReceiveState state, uint64_t granted, uint64_t max_message)
        : limit_(granted), credit_(granted), window_(granted),
          first_window_(static_cast<uint32_t>(granted)),
          max_message_(static_cast<uint32_t>(std::min(max_message, kMaxMessageMax))),
          state_(state) {}

    ReceiveState state() const { return state_; }
    bool ended() const {
        return state_ == ReceiveState::kNone || state_ == ReceiveState::kEnded ||
               state_ == ReceiveState::kStopped || state_ == ReceiveState::kReset;
    }
    uint64_t read_offset() const { return read_; }
    uint64_t highest() const { return highest_; }
    uint64_t limit() const { return limit_; }
    uint64_t window() const { return window_; }
    uint64_t first_window() const { return first_window_; }
    uint64_t max_message() const { return max_message_; }
    uint64_t credit() const { return credit_; }
    uint64_t unread() const { return held_ ? held_->data.total() : 0; }
    uint64_t memory() const { return held_ ? held_->buffer.held() : 0; }
    bool idle() const { return !held_; }
    // Something of it has come: memory is not given back for a while.
    void touch(Time now) { held(now); }
    bool readable(const Core &c) const;

    // -- The application -----------------------------------------------------------------
    Result<size_t> read(Core &c, MutBytes to, ReadInfo *info);
    Result<size_t> peek(Core &c, std::span<Bytes> slices, ReadInfo *info);
    Status consume(Core &c, size_t n);
    Status stop(Core &c, uint64_t code);
    // The application takes the channel, with a window of its own.
    void accept(Core &c, uint64_t window, uint64_t max_message);

    // -- Frames --------------------------------------------------------------------------
    Status on_data(Core &c, const wire::DataFrame &f, Time now);
    Status on_skip(Core &c, const wire::SkipFrame &f, Time now);
    Status on_reset(Core &c, const wire::ResetFrame &f);
    Status on_blocked(Core &c);
    Status on_credit_return(Core &c, const wire::CreditReturnFrame &f);
    wire::MaxChannelDataFrame max_data_frame(const Core &c) const {
        return {c.number, limit_, return_seq_};
    }
    void on_max_data_lost(Core &c) {
        if (state_ == ReceiveState::kOpen)
            c.want(control::kMaxData);
    }
    // Ends at once: the channel was refused, or is destroyed, or closes on loss.
    void drop(Core &c, ReceiveState as);

    // -- Time ----------------------------------------------------------------------------
    Time deadline() const;
    Status on_timer(Core &c, Time now);
    void trim();
    void check_invariants(const Core &c) const;

  private:
    static constexpr uint64_t kUnknown = ~uint64_t{0};
    // A message whose start is known and which is not ready; of ordered bytes that are never
    // resent, what a frame brought above a hole.
    struct Unit {
        uint64_t start, end; // kUnknown until its length is here
        Time complete_at;    // kNever: it is not
    };
    struct Gap {
        uint64_t start, end, bytes, messages;
    };
    struct Item { // what can be read next
        uint64_t start, body, end;
        uint64_t size() const { return end - body; }
    };
    struct Held {
        ReceiveBuffer buffer;
        RangeSet data;           // arrived and not read
        RangeSet gone;           // above read_: skipped, passed, or read out of order
        std::vector<Unit> units; // by start
        base::Ring<Range> ready; // unordered messages, in the order of their completion
        RangeSet claimed;        // their bytes
        std::vector<Gap> gaps;   // ordered: not yet come to by the reader
        RangeSet passed;         // what was no longer waited for: a SKIP may tell its messages
        uint64_t order = 0;
        uint64_t need = 0; // the end of a message that does not fit below the limit
        uint64_t gap_bytes = 0, gap_messages = 0, dropped_bytes = 0, dropped_messages = 0;
        uint64_t tune_read = 0; // read_ at tune_start
        Time tune_start{}, wait_at = kNever, active{}, retry_at = kNever;
        bool nothing_kept() const {
            return data.empty() && gone.empty() && units.empty() && ready.empty() && gaps.empty() &&
                   gap_bytes == 0 && dropped_bytes == 0 && need == 0;
        }
    };

    void set_state(ReceiveState next);
    Held &held(Time now);
    bool has_units(const Core &c) const {
        return (c.config->messages && c.config->unordered) || c.config->waits();
    }
    uint64_t final_offset() const { return final_known_ ? highest_ : kUnknown; }
    bool full(const Core &c, uint64_t start, uint64_t end) const;
    Status may_read(const Core &c, ReadInfo *info) const;
    bool item(const Core &c, Item &it) const;
    bool header(uint64_t at, uint64_t end, uint64_t &size, uint64_t &length) const;
    void report(ReadInfo *info, bool clear);

    // -- Arrival (receive_frames.cpp) ----------------------------------------------------
    Status on_final(Core &c, uint64_t offset);
    uint64_t store(Core &c, const wire::DataFrame &f, Time now);
    Status note_starts(const wire::DataFrame &f);
    Status add_unit(uint64_t start);
    Status complete_units(Core &c, uint64_t start, uint64_t end, Time now);
    Status parse_unit(const Core &c, size_t i);
    Status advance_order(Core &c, Time now);
    Status walk_messages(Core &c, Range whole);
    bool jump(Core &c, Time now);
    void lose(Core &c, uint64_t start, uint64_t end, uint64_t messages, bool whole);
    void add_gap(Gap gap);
    void note_gap(Core &c, const Gap &gap);
    bool missing(const Core &c, uint64_t start, uint64_t end, uint64_t messages) const;
    void count_passed(Core &c, const wire::SkipFrame &f);
    bool all_here() const;
    void after_arrival(Core &c);
    void drop_oldest(Core &c);
    void note_dropped(Core &c, uint64_t start, uint64_t bytes);
    void tune(Core &c, Time now);

    // -- Reading and credit (receive_half.cpp) -------------------------------------------
    void take(Core &c, uint64_t start, uint64_t end);
    void advance_read(Core &c);
    void note_end(Core &c);
    void raise_limit(Core &c, bool force);
    void raise_for_message(Core &c);
    uint64_t above_gap() const;
    void widen(Core &c, uint64_t held);
    void give_credit(Core &c, uint64_t keep);

    uint64_t read_ = 0, highest_ = 0, limit_;
    uint64_t credit_; // bytes of the budget held; limit_ - read_ <= credit_
    uint64_t window_; // what limit_ - read_ is raised to
    std::unique_ptr<Held> held_;
    uint32_t first_window_;
    uint32_t max_message_;
    uint32_t return_seq_ = 0;
    ReceiveState state_;
    bool final_known_ = false; // then highest_ is the final offset
    bool end_told_ = false;
};

} // namespace plait::channel
