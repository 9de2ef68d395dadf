// SPDX-License-Identifier: Apache-2.0
// What one direction of a channel may do, whatever the axes: a model of docs/protocol.md section 6
// that watches both ends and the packets between them. It is told what the sender's engine took,
// which bytes each packet carried (the trace), what the reader got, and at last the counts of both
// sides; the first thing that the axes do not allow ends the run.
//
//   each byte or message at most once, messages whole and as they were sent
//   ordered: never an older one after a newer one; with resend "always" none is left out
//   never, at most n: no byte goes out more often; until deadline: none at or after its deadline
//   gaps: "tell" reports exactly what is missing, "skip" nothing, "close" ends in LOSS
//   at the end: each accepted byte was delivered, reported as dropped, or as missing, and what is
//   missing was given up by the sender
#pragma once

#include "channel/channel.h"
#include "channel/range_counts.h"

#include <string>
#include <vector>

namespace plait::sim {

class World;

class ChannelModel {
  public:
    // How the direction ended.
    struct Ending {
        channel::Stats sender, receiver;
        Status sender_status = PLAIT_OK, receiver_status = PLAIT_OK;
        bool end_read = false;   // the reader got END
        bool cut_short = false;  // by a reset, a stop, a refusal or a crash: all may be missing
        bool over_clean = false; // nothing was ever lost on the way
    };

    ChannelModel(World &world, std::string name, const channel::Config &config)
        : world_(world), name_(std::move(name)), config_(config) {}

    // -- The sender
    // The engine took a message of so many bytes, with its length in `head` bytes before it, or so
    // many bytes of a stream.
    void on_accepted(uint64_t size, uint64_t head, Time at);
    // A packet carries [offset, offset + length); `bits` as in PLAIT_TRACE_DATA_SENT.
    void on_transmitted(uint64_t offset, uint64_t length, uint64_t bits, Time at, uint64_t link);

    // -- The reader
    // It got `size` bytes. Of messages the number of the one that it was; of bytes the offset.
    uint64_t on_read(const channel::ReadInfo &info, uint64_t size);
    void on_end(const channel::ReadInfo &info);

    // -- The verdict; empty: all as it must be.
    std::string what_is_wrong(const Ending &e) const;

    uint64_t accepted() const { return units_.size(); }
    uint64_t delivered() const { return delivered_; } // messages
    uint64_t transmissions() const { return transmissions_; }
    uint64_t repeats() const { return repeats_; }
    // With deadlines: from the call to send to the last transmission of it, at most.
    Duration longest_wait() const { return longest_wait_; }

  private:
    // A message with its length in front, or what one call to send took of a stream.
    struct Unit {
        uint64_t start, body, end;
        Time taken_at;
        bool delivered;
    };
    [[noreturn]] void fail(const char *format, ...) const __attribute__((format(printf, 2, 3)));
    size_t unit_at(uint64_t offset) const;
    void count_transmission(uint64_t start, uint64_t end, Time at, uint64_t link);
    void check_deadline(uint64_t start, uint64_t end, Time at);
    uint64_t take_message(const channel::ReadInfo &info, uint64_t size);
    uint64_t take_bytes(const channel::ReadInfo &info, uint64_t size);
    void check_gap(const channel::ReadInfo &info, uint64_t next_unit, uint64_t at);
    std::string wrong_counts(const Ending &e) const;
    std::string wrong_reports(const Ending &e) const;

    World &world_;
    std::string name_;
    channel::Config config_;
    // The sender.
    std::vector<Unit> units_;
    uint64_t written_ = 0, transmissions_ = 0, repeats_ = 0;
    channel::RangeCounts times_sent_; // of each byte
    struct Copy {
        uint64_t start, end, link;
    };
    std::vector<Copy> at_once_; // sent at the last moment: copies of it on other links count as one
    Time last_sent_at_{};
    Duration longest_wait_{};
    // The reader.
    base::RangeSet read_; // offsets
    uint64_t delivered_ = 0, delivered_bytes_ = 0, next_unit_ = 0, next_offset_ = 0;
    uint64_t told_bytes_ = 0, told_messages_ = 0, told_dropped_bytes_ = 0,
             told_dropped_messages_ = 0;
    bool ended_ = false;
};

} // namespace plait::sim
