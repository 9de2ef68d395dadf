// SPDX-License-Identifier: Apache-2.0
// The small values that go in and out of a channel: what happened (EventSet), which control frames
// go into a packet (ControlSet), a piece of data to send (Segment), what a read gave (ReadInfo).
#pragma once

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"
#include "base/time.h"

#include <string>

namespace plait::channel {

// What the application is to be told. Each bit is pending at most once; take_events() takes all.
using EventSet = uint32_t;
namespace event {
inline constexpr EventSet kReadable = 1u << 0;  // something more can be read
inline constexpr EventSet kWritable = 1u << 1;  // room again after PLAIT_E_AGAIN, and once at first
inline constexpr EventSet kAccepted = 1u << 2;  // the peer took the channel
inline constexpr EventSet kRefused = 1u << 3;   // the peer did not
inline constexpr EventSet kPeerReset = 1u << 4; // the peer's direction ended at once
inline constexpr EventSet kPeerStopped = 1u << 5; // the peer wants no more of ours
inline constexpr EventSet kEnd = 1u << 6;         // all up to the peer's FIN is here or skipped
inline constexpr EventSet kFinished = 1u << 7;  // all of ours and our FIN acknowledged or given up
inline constexpr EventSet kGivenUp = 1u << 8;   // something sent was given up: see Stats
inline constexpr EventSet kGap = 1u << 9;       // something will not come (on loss: tell), or was
                                                // dropped: see ReadInfo and Stats
inline constexpr EventSet kClosed = 1u << 10;   // both directions ended; nothing follows
inline constexpr EventSet kQueueLow = 1u << 11; // what waits to be sent has fallen to low_water
inline constexpr EventSet kWindow = 1u << 12;   // a window has changed (Config::window_events)
inline constexpr EventSet kLingered = 1u << 13; // the time to deliver after closing is over
} // namespace event

// Control frames of a channel, in the low 9 bits. What write_control() gives out also carries, in
// the bits above, which SKIPs were written: hand it back as it is, to on_control_acked() or to
// on_control_lost(), once for each packet.
using ControlSet = uint16_t;
namespace control {
inline constexpr ControlSet kOpen = 1u << 0;
inline constexpr ControlSet kAccept = 1u << 1;
inline constexpr ControlSet kRefuse = 1u << 2;
inline constexpr ControlSet kReset = 1u << 3;
inline constexpr ControlSet kStop = 1u << 4;
inline constexpr ControlSet kSkip = 1u << 5;
inline constexpr ControlSet kMaxData = 1u << 6;
inline constexpr ControlSet kBlocked = 1u << 7;
inline constexpr ControlSet kCreditReturn = 1u << 8;
inline constexpr ControlSet kKinds = (1u << 9) - 1;
// Said once and then until acknowledged; the others follow the current state.
inline constexpr ControlSet kOnce = kOpen | kAccept | kRefuse | kReset | kStop;
inline constexpr unsigned kSkipSerialShift = 9;
inline constexpr unsigned kSkipSerials = 1u << 7;
} // namespace control

// A piece of the channel's bytes that goes into one DATA frame.
struct Segment {
    uint64_t offset = 0;
    size_t length = 0;
    bool fin = false;
    bool start = false;          // a message begins at `offset`
    bool retransmission = false; // of bytes that were sent before
    bool ack_now = false;        // the last byte of something marked so is in it
    // The bytes; part[1] is empty but where a chunk ends inside the segment.
    Bytes part[2];
    // So many bytes before part[0] may be overwritten while sealing, and must be put back.
    size_t writable_headroom = 0;
};

// What a read or peek found.
struct ReadInfo {
    uint64_t offset = 0; // of the first byte in the peer's direction (of a message: its frame)
    size_t size = 0;     // of the message, also with PLAIT_E_BUFFER; bytes: what was given
    size_t slices = 0;   // peek: how many there are, also above the caller's room
    // What is missing before this, since the last read: skipped or no longer waited for. Messages
    // are 0 where only the bytes are known.
    uint64_t gap_bytes = 0, gap_messages = 0;
    // What drop-oldest threw away before this, since the last read.
    uint64_t dropped_bytes = 0, dropped_messages = 0;
    uint64_t code = 0; // with PLAIT_E_RESET and PLAIT_E_LOSS
};

// Something that did not arrive, one by one; for who asks for it (Config::reports).
struct Report {
    enum class Kind : uint8_t {
        kGivenUp = 1, // of ours: a message, or bytes. It may have arrived
        kGap = 2,     // of the peer's: will not come
        kDropped = 3, // of the peer's: came, and was thrown away for newer ones
    };
    Kind kind{};
    uint64_t offset = 0;   // where it began in its direction
    uint64_t bytes = 0;    // given up, dropped: the application's; a gap: with what frames messages
    uint64_t messages = 0; // 0 where only the bytes are known
    uint64_t message = 0;  // given up: the how-manieth message that was sent, from 0
    bool operator==(const Report &) const = default;
};
inline constexpr size_t kReportsMax = 64; // kept until they are asked for; then the oldest go

// Of what was sent, all bytes and messages are those of the application, and when the direction has
// ended   sent = acked + given_up (lost) + undelivered.
struct Stats {
    uint64_t bytes_sent = 0;   // taken from the application
    uint64_t bytes_acked = 0;  // of these, in the peer's engine; of messages, once all before are
                               // settled
    uint64_t bytes_resent = 0; // sent again
    uint64_t bytes_given_up = 0;
    uint64_t bytes_undelivered = 0; // thrown away at the end: reset, stopped, cut off
    uint64_t bytes_received = 0;    // each counted once
    uint64_t bytes_read = 0;        // taken by the application
    uint64_t bytes_duplicate = 0;   // received again, or too late
    uint64_t bytes_dropped = 0;     // by drop-oldest
    uint64_t bytes_missing = 0;     // in the gaps
    uint64_t bytes_discarded = 0;   // received, and thrown away by RESET, STOP or SKIP
    uint64_t messages_sent = 0, messages_received = 0, messages_read = 0;
    uint64_t messages_acked = 0;
    uint64_t messages_lost = 0; // sent, and given up
    uint64_t messages_undelivered = 0;
    uint64_t messages_missing = 0; // in the gaps
    uint64_t messages_dropped = 0;
    uint64_t gaps = 0;
    uint64_t reports_missed = 0; // fell out of the queue before they were asked for
    uint64_t repairs_sent = 0, repair_bytes_sent = 0; // symbols
    uint64_t repairs_received = 0;
    uint64_t bytes_recovered = 0;    // brought back by them; of bytes_received
    uint64_t messages_recovered = 0; // of which a part at least was
};

// A life in three parts: whether the channel is agreed, and how each direction stands.
enum class Phase : uint8_t {
    kOpening, // opened here; the peer has not answered
    kOffered, // opened by the peer; the application here has not answered
    kOpen,
    kRefused, // by either side: nothing moves any more
};
enum class SendState : uint8_t {
    kNone, // one-way, the other way
    kOpen,
    kFinishing, // finish() was called; not everything is acknowledged
    kFinished,
    kResetting, // RESET is not acknowledged
    kReset,
};
enum class ReceiveState : uint8_t {
    kNone,
    kOpen,
    kSizeKnown, // FIN is here
    kEnded,     // everything up to it was read, skipped or dropped
    kStopping,  // STOP was sent; what comes is thrown away until the peer ends its direction
    kStopped,
    kReset, // by the peer
};
const char *to_string(Phase);
const char *to_string(SendState);
const char *to_string(ReceiveState);
// Whether a state machine may take this step.
bool may_follow(Phase from, Phase to);
bool may_follow(SendState from, SendState to);
bool may_follow(ReceiveState from, ReceiveState to);

} // namespace plait::channel
