// SPDX-License-Identifier: Apache-2.0
// Secret<N>, bytes that wipe themselves, and E(), the one derivation function of the protocol
// (protocol.md, notation): E(k, label, ctx, n) is BLAKE2b (RFC 7693) keyed with k, with n bytes
// out, over `u8 len(label) ‖ label ‖ ctx`.
#pragma once

#include "base/bytes.h"

#include <array>
#include <initializer_list>
#include <string_view>

namespace plait::crypto {

inline constexpr size_t kExpandMax = 64; // BLAKE2b gives no more than this at once
inline constexpr size_t kExpandLabelMax = 255;

using base::wipe;

// True if both have the same bytes; takes the same time wherever they differ.
bool equal_constant_time(Bytes a, Bytes b);

// out = E(key, label, ctx, out.size()). `key` has 1 to 64 bytes, `out` as well.
void expand(Bytes key, std::string_view label, Bytes ctx, MutBytes out);
// The same, with a context in several parts.
void expand(Bytes key, std::string_view label, std::initializer_list<Bytes> ctx, MutBytes out);

// N secret bytes. They are wiped on destruction, moving wipes the source, and only clone() makes
// a second copy, so that each copy is visible where it is made.
template <size_t N>
class Secret {
  public:
    Secret() = default; // zeros
    explicit Secret(std::span<const uint8_t, N> from) {
        std::memcpy(bytes_.data(), from.data(), N);
    }
    Secret(const Secret &) = delete;
    Secret &operator=(const Secret &) = delete;
    Secret(Secret &&other) noexcept : bytes_(other.bytes_) { other.wipe(); }
    Secret &operator=(Secret &&other) noexcept {
        if (this != &other) {
            bytes_ = other.bytes_;
            other.wipe();
        }
        return *this;
    }
    ~Secret() { wipe(); }

    Secret clone() const { return Secret(std::span<const uint8_t, N>(bytes_)); }
    void wipe() { crypto::wipe(bytes_); }

    static constexpr size_t size() { return N; }
    const uint8_t *data() const { return bytes_.data(); }
    uint8_t *data() { return bytes_.data(); }
    // With these a Secret passes where Bytes or MutBytes are asked for.
    const uint8_t *begin() const { return data(); }
    const uint8_t *end() const { return data() + N; }
    uint8_t *begin() { return data(); }
    uint8_t *end() { return data() + N; }
    Bytes bytes() const { return bytes_; }
    MutBytes mut_bytes() { return bytes_; }

    // In constant time.
    bool operator==(const Secret &other) const { return equal_constant_time(bytes_, other.bytes_); }

  private:
    std::array<uint8_t, N> bytes_{};
};

} // namespace plait::crypto
