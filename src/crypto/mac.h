// SPDX-License-Identifier: Apache-2.0
// What a node checks before any Diffie-Hellman (protocol.md section 2): mac1 shows that the sender
// knows whom it speaks to, and the network key if there is one; the cookie shows that it receives
// at its address, and nothing is stored for it. All are BLAKE2b-128, keyed.
#pragma once

#include "crypto/x25519.h"

namespace plait::crypto {

inline constexpr size_t kMacLen = 16;
inline constexpr size_t kFragmentTagLen = 8;
using Mac = std::array<uint8_t, kMacLen>;

struct Mac1Key {
    Secret<32> key;
};

// BLAKE2b-256(key = network key or none; "plait1 mac1" ‖ responder's X25519 key). `network_key` is
// null where the network has none; `responder` is null in XX, which stands for 32 zero bytes.
Mac1Key mac1_key(const Secret<32> *network_key, const X25519Public *responder);

// Over all bytes of the message that precede mac1.
Mac mac1(const Mac1Key &key, Bytes before);
// In constant time. False too if `mac` has another length.
bool verify_mac1(const Mac1Key &key, Bytes before, Bytes mac);

// A cookie for an address: `context` = endpoint ‖ address ‖ port ‖ scid, each part of a length that
// leaves no two ways to read it.
Mac cookie(const Secret<32> &secret, Bytes context);

// Over the message and its mac1, with the cookie as key.
Mac mac2(const Mac &cookie, Bytes message_and_mac1);
bool verify_mac2(const Mac &cookie, Bytes message_and_mac1, Bytes mac);

// FRAG's tag: the first 8 bytes of BLAKE2b-128(cookie; all bytes but the tag).
std::array<uint8_t, kFragmentTagLen> fragment_tag(const Mac &cookie, Bytes before, Bytes after);
bool verify_fragment_tag(const Mac &cookie, Bytes before, Bytes after, Bytes tag);

} // namespace plait::crypto
