// SPDX-License-Identifier: Apache-2.0
// The field of 2^255 - 19 elements, for what is computed of public keys (montgomery.h). Secrets are
// libsodium's to compute with.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace plait::crypto {

// An element in five limbs of 51 bits, as D. J. Bernstein and others use it ("High-speed
// high-security signatures", 2011). Every operation leaves limbs below 2^52, and takes such.
class Fe {
  public:
    Fe() = default;
    // From its limbs, lowest first, each below 2^52.
    explicit constexpr Fe(uint64_t a, uint64_t b = 0, uint64_t c = 0, uint64_t d = 0,
                          uint64_t e = 0)
        : v_{a, b, c, d, e} {}
    // Little endian; bit 255 is ignored. Values above 2^255 - 20 mean what they are modulo it.
    static Fe from_bytes(std::span<const uint8_t, 32> bytes) {
        const auto bits = [&](size_t first) {
            uint64_t v = 0;
            for (size_t i = 0; i < 8 && first / 8 + i < 32; i++)
                v |= uint64_t{bytes[first / 8 + i]} << (8 * i);
            return v >> (first % 8) & kMask;
        };
        Fe out;
        for (size_t i = 0; i < 5; i++)
            out.v_[i] = bits(51 * i);
        return out;
    }
    // The one encoding of it that is below 2^255 - 19.
    std::array<uint8_t, 32> to_bytes() const {
        // p is subtracted by adding 19 and dropping bit 255, once if the value has reached p.
        uint64_t t[5] = {v_[0], v_[1], v_[2], v_[3], v_[4]};
        carry_round(t);
        uint64_t over = (t[0] + 19) >> 51;
        for (size_t i = 1; i < 5; i++)
            over = (t[i] + over) >> 51;
        t[0] += 19 * over;
        for (size_t i = 0; i < 4; i++) {
            t[i + 1] += t[i] >> 51;
            t[i] &= kMask;
        }
        t[4] &= kMask;
        const uint64_t words[4] = {t[0] | t[1] << 51, t[1] >> 13 | t[2] << 38,
                                   t[2] >> 26 | t[3] << 25, t[3] >> 39 | t[4] << 12};
        std::array<uint8_t, 32> out;
        for (size_t i = 0; i < 32; i++)
            out[i] = static_cast<uint8_t>(words[i / 8] >> (8 * (i % 8)));
        return out;
    }

    friend Fe operator+(const Fe &a, const Fe &b) {
        Fe out;
        for (size_t i = 0; i < 5; i++)
            out.v_[i] = a.v_[i] + b.v_[i];
        carry_round(out.v_);
        return out;
    }
    friend Fe operator-(const Fe &a, const Fe &b) {
        // 4 p in the same limbs, so that none goes below zero.
        Fe out;
        for (size_t i = 0; i < 5; i++)
            out.v_[i] = a.v_[i] + (i == 0 ? 4 * (kMask - 18) : 4 * kMask) - b.v_[i];
        carry_round(out.v_);
        return out;
    }
    friend Fe operator-(const Fe &a) { return Fe(0) - a; }
    friend Fe operator*(const Fe &x, const Fe &y) {
        const uint64_t *a = x.v_, *b = y.v_;
        // 2^255 = 19: what goes over the top comes back below 19 times.
        const uint64_t b1 = b[1] * 19, b2 = b[2] * 19, b3 = b[3] * 19, b4 = b[4] * 19;
        return reduce(
            wide(a[0], b[0]) + wide(a[1], b4) + wide(a[2], b3) + wide(a[3], b2) + wide(a[4], b1),
            wide(a[0], b[1]) + wide(a[1], b[0]) + wide(a[2], b4) + wide(a[3], b3) + wide(a[4], b2),
            wide(a[0], b[2]) + wide(a[1], b[1]) + wide(a[2], b[0]) + wide(a[3], b4) +
                wide(a[4], b3),
            wide(a[0], b[3]) + wide(a[1], b[2]) + wide(a[2], b[1]) + wide(a[3], b[0]) +
                wide(a[4], b4),
            wide(a[0], b[4]) + wide(a[1], b[3]) + wide(a[2], b[2]) + wide(a[3], b[1]) +
                wide(a[4], b[0]));
    }
    friend bool operator==(const Fe &a, const Fe &b) { return a.to_bytes() == b.to_bytes(); }

    Fe square() const {
        const uint64_t *a = v_;
        const uint64_t d0 = a[0] * 2, d1 = a[1] * 2, d2 = a[2] * 2;
        const uint64_t a3 = a[3] * 19, a4 = a[4] * 19, d4 = a4 * 2;
        return reduce(wide(a[0], a[0]) + wide(d1, a4) + wide(d2, a3),
                      wide(d0, a[1]) + wide(a[2], d4) + wide(a[3], a3),
                      wide(d0, a[2]) + wide(a[1], a[1]) + wide(a[3], d4),
                      wide(d0, a[3]) + wide(d1, a[2]) + wide(a[4], a4),
                      wide(d0, a[4]) + wide(d1, a[3]) + wide(a[2], a[2]));
    }
    // x^(2^n).
    Fe square(int n) const {
        Fe out = *this;
        for (; n > 0; n--)
            out = out.square();
        return out;
    }
    Fe inverse() const; // of zero: zero

  private:
    __extension__ using Wide = unsigned __int128;
    static constexpr uint64_t kMask = (uint64_t{1} << 51) - 1;

    static Wide wide(uint64_t a, uint64_t b) { return Wide{a} * b; }
    static void carry_round(uint64_t (&t)[5]) {
        for (size_t i = 0; i < 4; i++) {
            t[i + 1] += t[i] >> 51;
            t[i] &= kMask;
        }
        t[0] += 19 * (t[4] >> 51);
        t[4] &= kMask;
    }
    static Fe reduce(Wide a, Wide b, Wide c, Wide d, Wide e) {
        const auto low = [](Wide v) { return static_cast<uint64_t>(v) & kMask; };
        const auto high = [](Wide v) { return static_cast<uint64_t>(v >> 51); };
        Fe out;
        b += high(a);
        c += high(b);
        d += high(c);
        e += high(d);
        out.v_[0] = low(a) + 19 * high(e);
        out.v_[1] = low(b) + (out.v_[0] >> 51);
        out.v_[0] &= kMask;
        out.v_[2] = low(c);
        out.v_[3] = low(d);
        out.v_[4] = low(e);
        return out;
    }

    uint64_t v_[5];
};

// The square root of n / d. Nothing if there is none; d is not zero.
std::optional<Fe> sqrt_ratio(const Fe &n, const Fe &d);
inline std::optional<Fe> sqrt(const Fe &a) {
    return sqrt_ratio(a, Fe(1));
}
// Is it the square of something that is not zero?
bool is_square(const Fe &a);

} // namespace plait::crypto
