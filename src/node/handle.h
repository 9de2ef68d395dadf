// SPDX-License-Identifier: Apache-2.0
// Generation handles: what the C ABI calls plait_connection, plait_channel, plait_link and
// plait_endpoint. Nothing but a number, so that a stale or mixed-up one is found out.
//
//   | type 3 bits | worker 6 | generation 22 | slot 32 |      0 = none
#pragma once

#include <cstdint>

namespace plait::node {

enum class HandleType : uint8_t {
    kNone = 0,
    kConnection = 1,
    kChannel = 2,
    kLink = 3,
    kEndpoint = 4
};

struct Handle {
    HandleType type = HandleType::kNone;
    uint8_t worker = 0;
    uint32_t generation = 0;
    uint32_t slot = 0;

    constexpr uint64_t value() const {
        return uint64_t{static_cast<uint8_t>(type)} << 60 | uint64_t{worker} << 54 |
               uint64_t{generation} << 32 | slot;
    }
    static constexpr Handle from(uint64_t v) {
        return {static_cast<HandleType>(v >> 60 & 7), static_cast<uint8_t>(v >> 54 & 63),
                static_cast<uint32_t>(v >> 32 & 0x3fffff), static_cast<uint32_t>(v)};
    }
};

} // namespace plait::node
