// SPDX-License-Identifier: Apache-2.0
// Who a node is (protocol.md section 1): an Ed25519 key pair (RFC 8032). The node id is the public
// key; the X25519 key for the handshake is the same key converted to the Montgomery form.
//
// Two ids that differ only in bit 255 convert to one X25519 key. Hence an id is never concluded
// from an X25519 key; the id a peer names is checked with x25519_of() against the key that the
// handshake has authenticated, and IK binds the responder's id in its prologue.
//
// A key file is a few lines of text. Its bytes are made and read here, files are somebody else's:
//
//     plait-key-1
//     id <43 characters>
//     seed <43>                              without a passphrase, or with one:
//     kdf argon2id13 <ops> <memory in bytes> <salt, 22>
//     box <nonce, 32> <seed and tag, 64>     XChaCha20-Poly1305; AAD = all lines before
//     check <22>                             BLAKE2b-128 of all before: tells damage from mistyping
//
// Binary values are base64url without padding. Lines end with \n.
#pragma once

#include "base/entropy.h"
#include "base/result.h"
#include "crypto/e.h"
#include "crypto/x25519.h"

#include <algorithm>
#include <compare>
#include <string_view>
#include <vector>

namespace plait::crypto {

struct NodeId {
    std::array<uint8_t, 32> b{};
    auto operator<=>(const NodeId &) const = default;
};

inline constexpr size_t kNodeIdTextLen = 43;
using Signature = std::array<uint8_t, 64>;

// Whether both ids have the same X25519 key, which does not depend on the sign bit of a point.
inline bool have_one_key(const NodeId &a, const NodeId &b) {
    return std::equal(a.b.begin(), a.b.end() - 1, b.b.begin()) &&
           ((a.b.back() ^ b.b.back()) & 0x7f) == 0;
}

// 43 characters of base64url without padding, and a NUL.
std::array<char, kNodeIdTextLen + 1> to_text(const NodeId &id);

// PLAIT_E_NODE_ID unless `text` is exactly what to_text() gives for some id (trailing bits zero).
// Whether the id is a usable key is x25519_of()'s to say.
Result<NodeId> node_id_from_text(std::string_view text);

// The X25519 key of an id. PLAIT_E_NODE_ID if the id is not a canonical point of the main subgroup.
// Takes about 40 µs: see IdentityCache.
Result<X25519Public> x25519_of(const NodeId &id);

// True if `signature` is `signer`'s over `message`.
bool verify(const NodeId &signer, Bytes message, const Signature &signature);

class Identity {
  public:
    Identity() = default; // no identity: all zeros; for Result and for members filled later

    static Result<Identity> generate(Entropy &entropy);
    // The public key is recomputed. PLAIT_E_KEY if no usable key comes out (never seen).
    static Result<Identity> from_seed(std::span<const uint8_t, 32> seed);

    Identity clone() const;

    const NodeId &id() const { return id_; }
    const X25519Public &x25519_public() const { return x25519_public_; }
    const Secret<32> &x25519_secret() const { return x25519_secret_; }
    const Secret<32> &seed() const { return seed_; }

    Signature sign(Bytes message) const;

  private:
    Secret<32> seed_;
    Secret<32> x25519_secret_;
    NodeId id_;
    X25519Public x25519_public_{};
};

// What a key file may ask of the reader: no file makes us take a minute or all the memory.
inline constexpr uint64_t kKeyFileOpsMax = 16;
inline constexpr uint64_t kKeyFileMemoryMax = uint64_t{256} << 20;
inline constexpr size_t kKeyFileBytesMax = 1024;

// `out` = the file's bytes. An empty passphrase means none: the seed is then readable in the file.
// The caller wipes `out`. PLAIT_E_NO_MEMORY when Argon2id (RFC 9106) does not get its 64 MiB.
Status encode_key_file(const Identity &identity, std::string_view passphrase, Entropy &entropy,
                       std::vector<uint8_t> &out);

// PLAIT_E_KEY_FILE: not a key file, of another version, damaged, or asking for more than the bounds
// above. PLAIT_E_PASSPHRASE: the file has one, and `passphrase` is empty or wrong.
// PLAIT_E_NO_MEMORY as above. A passphrase for a file without one is ignored.
Result<Identity> decode_key_file(Bytes file, std::string_view passphrase);

} // namespace plait::crypto
