// SPDX-License-Identifier: Apache-2.0
// How a channel behaves. The axes (messages, order, resend, loss) are the opener's choice and hold
// for both directions, docs/protocol.md section 6.4; the rest is each side's own.
#pragma once

#include "base/result.h"
#include "base/time.h"
#include "wire/frames.h"

#include <string_view>

namespace plait::channel {

inline constexpr uint64_t kWindowFloor = 4096; // each admitted channel has at least this
inline constexpr uint64_t kDefaultWindow = 64u << 10;
inline constexpr uint64_t kWindowMax =
    (1u << 30) - 1; // of a first window (4 bytes in OPEN); tuning may go above
inline constexpr uint64_t kDefaultMaxMessage = 16u << 20;
inline constexpr uint64_t kMaxMessageMax = 0xffffffff;
inline constexpr uint8_t kDefaultPriority = 8;
inline constexpr uint64_t kAttemptsMax = 1u << 20; // of "at most n times"
inline constexpr uint8_t kRekeyLog2Max = 62;
inline constexpr uint8_t kFecSymbolsMax = 128;
inline constexpr uint8_t kFecShareMax = 100;
inline constexpr Duration kWaitMax = base::seconds(1000); // of a deadline or reorder wait

struct Config {
    // How often (at most n), or microseconds from the call to send (until deadline).
    uint64_t resend_parameter = 0;
    // Ordered without resend: how long the receiver waits for a gap to close once a later message
    // is complete. 0: not at all, an older message is never seen after a newer one.
    Duration reorder_wait{};
    uint64_t window = kDefaultWindow; // receive window offered at first
    uint64_t send_buffer = 0;         // bytes; 0: as much as the connection's speed asks for
    uint32_t max_message = kDefaultMaxMessage; // the largest that this side takes
    uint32_t policy_argument = 0;              // of link_policy
    wire::Resend resend = wire::Resend::kAlways;
    wire::OnLoss on_loss = wire::OnLoss::kSkip;
    bool messages = false, unordered = false, one_way = false;
    bool drop_oldest = false; // a reader that lags loses the oldest, instead of stopping the sender
    bool reports = false;     // of each loss and gap, not only sums: Channel::take_reports
    bool window_events = false;                // tell when a window has changed
    uint8_t priority_class = kDefaultPriority; // 0 goes first, to 15
    uint8_t weight_log2 = 0;                   // share inside the class, 0..15
    uint8_t cipher = 0;                        // 0: the connection's
    uint8_t rekey_log2 = 0;                    // packets a key; 0: only at the limits
    uint8_t link_policy = 0;                   // means nothing in this room
    bool fec = false;                          // repair symbols go out, if the peer knows them
    uint8_t fec_symbols = 0;                   // of the encoding window; 0: by rate and time
    uint8_t fec_share = 0; // repair bytes in per cent of the data; 0: by the measured loss

    bool reliable() const { return resend == wire::Resend::kAlways; }
    bool ordered() const { return !unordered; }
    // The receiver stops waiting by itself. Not where a loss closes the channel: nothing may be
    // left out before, and only the sender knows.
    bool waits() const {
        return !unordered && resend == wire::Resend::kNever && on_loss != wire::OnLoss::kClose;
    }
    bool deadlines() const { return resend == wire::Resend::kUntilDeadline; }
    bool operator==(const Config &) const = default;
};

// PLAIT_OK, PLAIT_E_INVALID (a field out of range) or PLAIT_E_UNSUPPORTED.
Status check(const Config &config);

Config stream();                    // bytes, in order, all of them: TCP
Config messages();                  // the same with borders: SCTP's default
Config datagram();                  // messages, each sent once, as it comes: UDP
Config sequenced();                 // messages, each sent once, never an older after a newer
Config media(Duration deadline);    // messages in order, repeated until they are too late
Config telemetry(uint32_t resends); // messages as they come, repeated a few times
Config unordered_messages();        // all of them, as they come

// The OPEN frame that tells a configuration; `label` is pointed to if it is short enough to go
// inside, otherwise `label_follows` is set. `window`: what the opener takes at first.
wire::OpenFrame to_open(ChannelNumber number, const Config &config, uint64_t window,
                        std::string_view label);
// What a peer's OPEN asks for, the rest from `local`. Values beyond this version's bounds are an
// answer for check(): PLAIT_E_UNSUPPORTED or PLAIT_E_INVALID, reason to refuse.
Config from_open(const wire::OpenFrame &frame, const Config &local);
// True if both would behave alike on the wire: the test for a repeated OPEN.
bool same_axes(const Config &a, const Config &b);

} // namespace plait::channel
