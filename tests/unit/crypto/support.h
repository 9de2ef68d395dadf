// SPDX-License-Identifier: Apache-2.0
// What the tests of this room share: hex, and repeatable "entropy" from a seed.
#pragma once

#include "../cmocka.hpp"
#include "base/entropy.h"
#include "crypto/e.h"
#include "crypto/init.h"

#include <string>
#include <vector>

namespace plait::test {

inline std::vector<uint8_t> unhex(std::string_view hex) {
    const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
    std::vector<uint8_t> out;
    for (size_t i = 0; i + 1 < hex.size(); i += 2)
        out.push_back(static_cast<uint8_t>(digit(hex[i]) << 4 | digit(hex[i + 1])));
    return out;
}

inline std::string hex(Bytes bytes) {
    std::string out;
    for (const uint8_t b : bytes) {
        out += "0123456789abcdef"[b >> 4];
        out += "0123456789abcdef"[b & 15];
    }
    return out;
}

template <size_t N>
std::array<uint8_t, N> array_of(std::string_view hex_text) {
    std::array<uint8_t, N> out{};
    const auto bytes = unhex(hex_text);
    std::memcpy(out.data(), bytes.data(), bytes.size() < N ? bytes.size() : N);
    return out;
}

template <size_t N>
crypto::Secret<N> secret_of(std::string_view hex_text) {
    return crypto::Secret<N>(array_of<N>(hex_text));
}

// N bytes, each `value`.
template <size_t N>
crypto::Secret<N> secret_filled(uint8_t value) {
    crypto::Secret<N> out;
    std::memset(out.data(), value, N);
    return out;
}

// 0, 1, 2, ...
inline std::vector<uint8_t> counting(size_t n, uint8_t from = 0) {
    std::vector<uint8_t> out(n);
    for (size_t i = 0; i < n; i++)
        out[i] = static_cast<uint8_t>(from + i);
    return out;
}

class SeededEntropy : public Entropy {
  public:
    explicit SeededEntropy(uint64_t seed) : state_(seed) {}
    uint64_t next() { // splitmix64
        uint64_t z = state_ += 0x9e3779b97f4a7c15;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
        z = (z ^ z >> 27) * 0x94d049bb133111eb;
        return z ^ z >> 31;
    }
    void fill(MutBytes out) override {
        for (uint8_t &b : out)
            b = static_cast<uint8_t>(next());
    }

  private:
    uint64_t state_;
};

inline int start_crypto(void **) { return crypto::init() == PLAIT_OK ? 0 : 1; }

} // namespace plait::test

#define assert_hex_equal(bytes, expected)                                                          \
    assert_string_equal(::plait::test::hex(bytes).c_str(), expected)
