// SPDX-License-Identifier: Apache-2.0
// BLAKE2b (RFC 7693) over several parts. For the .cpp files of this room only: it shows libsodium.
#pragma once

#include "base/assert.h"
#include "base/bytes.h"

#include <sodium.h>

#include <initializer_list>

namespace plait::crypto {

class Blake2b {
  public:
    // `key` may be empty: the plain hash.
    Blake2b(Bytes key, size_t out_len) {
        PLAIT_ASSERT(key.size() <= crypto_generichash_blake2b_KEYBYTES_MAX);
        PLAIT_ASSERT(out_len >= 1 && out_len <= crypto_generichash_blake2b_BYTES_MAX);
        crypto_generichash_blake2b_init(&state_, key.data(), key.size(), out_len);
    }
    Blake2b(const Blake2b &) = delete;
    Blake2b &operator=(const Blake2b &) = delete;
    ~Blake2b() { sodium_memzero(&state_, sizeof state_); }

    Blake2b &add(Bytes part) {
        if (!part.empty())
            crypto_generichash_blake2b_update(&state_, part.data(), part.size());
        return *this;
    }
    // `out` has the length given at construction.
    void finish(MutBytes out) {
        crypto_generichash_blake2b_final(&state_, out.data(), out.size());
    }

  private:
    crypto_generichash_blake2b_state state_;
};

inline void blake2b(Bytes key, std::initializer_list<Bytes> parts, MutBytes out) {
    Blake2b hash(key, out.size());
    for (Bytes part : parts)
        hash.add(part);
    hash.finish(out);
}

} // namespace plait::crypto
