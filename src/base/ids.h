// SPDX-License-Identifier: Apache-2.0
// Strong integer types: a link number is not a channel number is not a slot.
#pragma once

#include <compare>
#include <cstdint>

namespace plait::base {

template <class Tag, class Rep> struct Id {
    Rep v{};
    constexpr auto operator<=>(const Id &) const = default;
};

using LinkNumber = Id<struct LinkNumberTag, uint32_t>;       // < 2^30, per connection
using ChannelNumber = Id<struct ChannelNumberTag, uint32_t>; // < 2^30, per connection; 0 = control
using PacketNumber = Id<struct PacketNumberTag, uint64_t>;   // < 2^62, per link and direction
using EndpointIndex = Id<struct EndpointIndexTag, uint32_t>; // slot of a local endpoint in its node

inline constexpr uint32_t kNoSlot = 0xffffffff;

// Which side of the handshake a node is on; the direction bit of keys is 0 from the initiator.
enum class Role : uint8_t { kInitiator = 0, kResponder = 1 };
constexpr Role other(Role r) {
    return r == Role::kInitiator ? Role::kResponder : Role::kInitiator;
}

} // namespace plait::base

namespace plait {
using base::ChannelNumber;
using base::EndpointIndex;
using base::LinkNumber;
using base::PacketNumber;
using base::Role;
} // namespace plait
