// SPDX-License-Identifier: Apache-2.0
// Who is in the main subgroup, by halving (the idea is T. Pornin's, "Point-Halving and Subgroup
// Membership in Twisted Edwards Curves", 2022).
//
// The group of v^2 = u (u^2 + A u + 1) is cyclic of order 8 l, l prime: the main subgroup is what
// can be halved three times. T = (0, 0) is the only point of order 2, and itself a fourfold of
// something, so that it does not matter which of its two halves a point is halved to on the way.
//
// - (u, v) can be halved iff u is a square: that is the index-2 subgroup of 2-descent.
// - If (u, v) = 2 (x, y), then w = x + 1/x has (w - 2u)^2 = 4 (u^2 + A u + 1) and y^2 = x^2 (w +
// A);
//   and w^2 - 4 = 4 u (w + A). Of both w that the first allows, one has a w + A that is a square:
//   the product of both w + A is A^2 - 4, which is none. With g^2 = u^2 + A u + 1, r^2 = u and
//   s^2 = w + A:  w = 2u ± 2g,  x = u ± g + r s,  y = x s.
// - (x + 1)^2 = x (w + 2): x is a square iff w + 2 is one. The product of both w + 2 is
//   4u (2 - A), no square if u is one. So whether (u, v) can be halved twice is told by either w,
//   the right one or not: iff (w + A) (w + 2) is a square.
#include "crypto/montgomery.h"

#include "crypto/field25519.h"

#include <algorithm>

namespace plait::crypto {

namespace {

constexpr Fe kA(486662), kOne(1), kTwo(2);

// Of a point with this u, r^2 = u != 0, that is on the curve or its twist: is it a point of the
// curve that can be halved three times?
bool is_in_main_subgroup(const Fe &u, const Fe &r) {
    const auto root = sqrt(u.square() + kA * u + kOne);
    if (!root)
        return false; // on the twist, as u is a square and v^2 is not
    Fe g = *root;
    auto s = sqrt(u + u + g + g + kA);
    if (!s) {
        g = -g;
        s = sqrt(u + u + g + g + kA);
    }
    if (!s)
        return false; // does not happen
    const Fe x = u + g + r * *s;
    const auto q = sqrt(x);
    if (!q)
        return false;
    // The half's own half: its g is x^2 + A x + 1 = (q s)^2.
    const Fe w = kTwo * (x + *q * *s);
    return is_square((w + kA) * (w + kTwo));
}

} // namespace

X25519Public montgomery_u(CompressedPoint point) {
    const Fe y = Fe::from_bytes(point);
    return ((kOne + y) * (kOne - y).inverse()).to_bytes();
}

Result<X25519Public> checked_montgomery_u(CompressedPoint point) {
    const Fe y = Fe::from_bytes(point);
    auto canonical = y.to_bytes();
    canonical[31] |= point[31] & 0x80;
    // The orders 1 and 2 are y = ±1; their x is 0, so that here they have two encodings each.
    if (!std::equal(point.begin(), point.end(), canonical.begin()) || y == kOne || y == -kOne)
        return Error{PLAIT_E_NODE_ID};
    const auto r = sqrt_ratio(kOne + y, kOne - y);
    if (!r)
        return Error{PLAIT_E_NODE_ID};
    const Fe u = r->square();
    if (!is_in_main_subgroup(u, *r))
        return Error{PLAIT_E_NODE_ID};
    return u.to_bytes();
}

} // namespace plait::crypto
