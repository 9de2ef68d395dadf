// SPDX-License-Identifier: Apache-2.0
#include "crypto/field25519.h"

namespace plait::crypto {

namespace {

// z^(2^250 - 1), which all powers below begin with; `z11` = z^11 on the way.
Fe power_250(const Fe &z, Fe &z11) {
    const Fe z2 = z.square();
    const Fe z9 = z2.square(2) * z;
    z11 = z9 * z2;
    const Fe z_5 = z11.square() * z9; // z^(2^5 - 1), and so on
    const Fe z_10 = z_5.square(5) * z_5;
    const Fe z_20 = z_10.square(10) * z_10;
    const Fe z_40 = z_20.square(20) * z_20;
    const Fe z_50 = z_40.square(10) * z_10;
    const Fe z_100 = z_50.square(50) * z_50;
    const Fe z_200 = z_100.square(100) * z_100;
    return z_200.square(50) * z_50;
}

// z^((p - 5) / 8) = z^(2^252 - 3).
Fe power_252(const Fe &z) {
    Fe z11;
    return power_250(z, z11).square(2) * z;
}

// 2^((p - 1) / 4): as 2 is not a square, its square is -1.
constexpr Fe kRootOfMinusOne(0x61b274a0ea0b0, 0xd5a5fc8f189d, 0x7ef5e9cbd0c60, 0x78595a6804c9e,
                             0x2b8324804fc1d);

} // namespace

// z^(p - 2) = z^(2^255 - 21).
Fe Fe::inverse() const {
    Fe z11;
    const Fe z_250 = power_250(*this, z11);
    return z_250.square(5) * z11;
}

// As in RFC 8032, section 5.1.3: the candidate r = n d^3 (n d^7)^((p-5)/8) has d r^2 = ±n, or n / d
// is no square.
std::optional<Fe> sqrt_ratio(const Fe &n, const Fe &d) {
    const Fe d3 = d.square() * d;
    const Fe r = n * d3 * power_252(n * d3.square() * d);
    const Fe back = d * r.square();
    if (back == n)
        return r;
    if (back == -n)
        return r * kRootOfMinusOne;
    return std::nullopt;
}

// Euler: a^((p-1)/2), and (p-1)/2 = 2^254 - 10 = 4 (2^252 - 3) + 2.
bool is_square(const Fe &a) {
    return power_252(a).square(2) * a.square() == Fe(1);
}

} // namespace plait::crypto
