// SPDX-License-Identifier: Apache-2.0
// What a connection is told by its node.
#pragma once

#include "base/time.h"
#include "crypto/key_schedule.h"
#include "recovery/controller.h"
#include "recovery/ecn.h"

#include <cstdint>

namespace plait::connection {

// Bounds of one connection that no configuration raises.
inline constexpr size_t kMaxLinks = 16;
inline constexpr uint32_t kMaxPacketsInFlight = 1u << 24; // on a link
inline constexpr uint32_t kMaxEarlyChannels = 64;         // opened before the handshake is over
inline constexpr size_t kMaxEarlyLabels = 64;
inline constexpr Duration kFirstResend = base::millis(250); // of a handshake message
inline constexpr Duration kLongestResend = base::seconds(2);
// Links that have ended without the peer's having acknowledged it; then none joins the others.
inline constexpr uint8_t kMaxUntoldLinks = 64;
inline constexpr uint8_t kCloseRepeats = 2; // while no CLOSE comes
inline constexpr Duration kMaxAckDelay = base::millis(5);
inline constexpr Duration kSleepAfter = base::seconds(10); // without a packet; see sleep.cpp
inline constexpr uint64_t kControlWindow = 16 << 10;       // of channel 0, bytes
// Of the memory that is left a connection may promise one part in so many to channels of its peer.
inline constexpr uint64_t kPartOfMemory = 32;
// Links of a smaller MTU need ids of at most kScarceCidSize bytes: only then each frame fits.
inline constexpr uint32_t kSmallMtu = 72;

inline constexpr size_t kMaxClosedKeys = 256; // closed channels whose epochs are remembered

// When keys are renewed; other values than these are for simulations.
struct KeyLimits {
    // Under one key, at least 64; the cipher's own limits hold too. The second for a key with a
    // packet above crypto::kSmallPacketMax.
    uint64_t packets = UINT64_MAX, long_packets = UINT64_MAX;
    Duration generation_age = base::seconds(120);
    uint64_t forgeries_rekey = crypto::kForgeriesRekey;
    uint64_t forgeries_close = crypto::kForgeriesClose;
    bool operator==(const KeyLimits &) const = default;
};

struct Config {
    uint32_t max_links = 8;
    uint32_t max_channels_per_peer = 64;
    uint32_t max_packets_in_flight = 1u << 18;
    uint64_t receive_memory = 32u << 20; // share of the node's
    uint64_t initial_window = 16u << 10;
    uint64_t max_message = 16u << 20;
    Duration handshake_timeout = base::seconds(10);
    Duration idle_timeout = base::seconds(60);
    Duration keepalive{0};
    Duration dormancy_timeout = base::seconds(60);
    // Where the line's rate is not known.
    recovery::ControllerKind controller = recovery::ControllerKind::kCubic;
    recovery::EcnMode ecn = recovery::EcnMode::kClassic;
    KeyLimits keys;
    bool announces = false; // its endpoints' addresses to the peer
    bool follows = false;   // what the peer announces
    bool accept_at_once = false;
    bool operator==(const Config &) const = default;
};

} // namespace plait::connection
