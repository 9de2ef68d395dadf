// SPDX-License-Identifier: Apache-2.0
// How much repair a channel needs: from the losses of its connection, and from how many packets it
// sends while a repair can still be in time.
#pragma once

#include "base/time.h"

#include <cstddef>

namespace plait::fec {

struct Plan {
    size_t symbols = 0; // of the encoding window
    uint32_t share = 0; // repair bytes for 1,024 bytes of the channel
    bool operator==(const Plan &) const = default;
};

inline constexpr uint32_t kShareOne = 1024;
inline constexpr uint32_t kShareMax = kShareOne; // as many repairs as packets
inline constexpr size_t kAutoSymbolsMin = 16, kAutoSymbolsMax = 64;

// `loss`: share of packets that are lost. `slack`: how much later than a packet its repair may be.
// `gap`: mean time from packet to packet.
Plan plan(double loss, Duration slack, Duration gap);

} // namespace plait::fec
