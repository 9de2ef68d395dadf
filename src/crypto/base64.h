// SPDX-License-Identifier: Apache-2.0
// base64url without padding (RFC 4648 section 5), strictly one text per value. For the .cpp files
// of this room only: it shows libsodium.
#pragma once

#include "crypto/e.h"

#include <sodium.h>

#include <string_view>

namespace plait::crypto {

constexpr size_t base64_size(size_t bytes) { return (bytes * 4 + 2) / 3; }

// `out` has room for base64_size() characters and a NUL.
inline void to_base64(Bytes bytes, std::span<char> out) {
    sodium_bin2base64(out.data(), out.size(), bytes.data(), bytes.size(),
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

// True if `text` is exactly what to_base64() writes for some N bytes, which are then in `out`.
// libsodium 1.0.18 takes some characters above 127 for letters, hence the way back and the
// comparison.
template <size_t N>
bool from_base64(std::string_view text, std::span<uint8_t, N> out) {
    size_t len = 0;
    char again[base64_size(N) + 1];
    if (text.size() != base64_size(N) ||
        sodium_base642bin(out.data(), N, text.data(), text.size(), nullptr, &len, nullptr,
                          sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0 ||
        len != N)
        return false;
    to_base64(out, again);
    const bool same = sodium_memcmp(again, text.data(), text.size()) == 0;
    sodium_memzero(again, sizeof again);
    return same;
}

} // namespace plait::crypto
