// SPDX-License-Identifier: Apache-2.0
// A 1-RTT packet that came before its keys (docs/protocol.md section 2.8).
#pragma once

#include "connection/cids.h"
#include "plait/transport.h"

namespace plait::connection {

inline constexpr size_t kMaxEarlyPackets = 8; // an attempt
inline constexpr size_t kMaxEarlySize = 1500; // bytes; larger ones are lost

struct EarlyPacket {
    CidOwner owner;
    EndpointIndex endpoint;
    plait_addr remote{}, local{};
    bool has_local = false;
    uint8_t ecn = 0;
    std::vector<uint8_t> bytes;
};

} // namespace plait::connection
