// SPDX-License-Identifier: Apache-2.0
// X25519 (RFC 7748) on secrets that wipe themselves.
#pragma once

#include "base/result.h"
#include "crypto/e.h"

#include <array>

namespace plait::crypto {

using X25519Public = std::array<uint8_t, 32>;

X25519Public x25519_public(const Secret<32> &secret);

// shared = DH(secret, remote). PLAIT_E_AUTH, and `shared` wiped, for a public key of low order:
// the result would then be known to everybody (protocol.md section 1: abort).
Status x25519(const Secret<32> &secret, const X25519Public &remote, Secret<32> &shared);

} // namespace plait::crypto
