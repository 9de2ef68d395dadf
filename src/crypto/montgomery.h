// SPDX-License-Identifier: Apache-2.0
// From Ed25519's form of a public key to that of X25519, docs/protocol.md section 1. What libsodium
// has for this multiplies by the group's order to see that a key is in the main subgroup; this
// takes five or six powers in the field, less than half of the time. Built where there are 128-bit
// integers.
#pragma once

#include "base/result.h"
#include "crypto/x25519.h"

#include <span>

namespace plait::crypto {

using CompressedPoint = std::span<const uint8_t, 32>; // y, and the sign of x in bit 255

// u = (1 + y) / (1 - y), nothing checked.
X25519Public montgomery_u(CompressedPoint point);

// The same of what somebody sends. PLAIT_E_NODE_ID unless it is the canonical encoding of a point
// of the main subgroup, and not of the neutral element.
Result<X25519Public> checked_montgomery_u(CompressedPoint point);

} // namespace plait::crypto
