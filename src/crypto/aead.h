// SPDX-License-Identifier: Apache-2.0
// Who computes packet protection. libsodium always can; OpenSSL's libcrypto, where the build has
// it, is faster at both ciphers (its code takes 16 blocks at a time and uses wider registers) and
// is preferred then. Whatever one of them seals the other opens: the tests hold them together.
#pragma once

#include "crypto/key_schedule.h"

namespace plait::crypto {

inline constexpr size_t kTagLen = 16;

// A key made ready, as large as the largest: libsodium's AES state. It is zeros before set().
struct AeadContext {
    static constexpr size_t kLen = 512;
    alignas(16) uint8_t b[kLen]{};
};

struct AeadNonce {
    uint8_t b[kPacketIvLen];
};

// One library. Lengths, places and answers as of seal() and open() in protection.h.
struct AeadProvider {
    const char *name;
    bool (*available)(Cipher cipher);
    // Takes another key in the same place; the old one is overwritten.
    void (*set)(AeadContext &context, Cipher cipher, const Secret<kPacketKeyLen> &key);
    // No key is left, nor memory of the library; set() may follow.
    void (*wipe)(AeadContext &context);
    void (*seal)(const AeadContext &context, Cipher cipher, const AeadNonce &nonce, Bytes aad,
                 Bytes plaintext, uint8_t *out);
    Status (*open)(const AeadContext &context, Cipher cipher, const AeadNonce &nonce, Bytes aad,
                   MutBytes in_place_ciphertext_and_tag);
};

// Those of this build, the preferred first.
std::span<const AeadProvider *const> aead_providers();
// The preferred one that has the cipher, or nullptr.
const AeadProvider *aead_provider(Cipher cipher);
// The same for texts of up to kSmallText bytes: libcrypto computes faster, but takes longer to
// begin and to end, about as long as libsodium takes for all of a small packet.
const AeadProvider *aead_provider_of_small(Cipher cipher);
inline constexpr size_t kSmallText = 256;

extern const AeadProvider kSodiumAead;
extern const AeadProvider kOpensslAead; // only in a build with libcrypto

} // namespace plait::crypto
