// SPDX-License-Identifier: Apache-2.0
// Arithmetic in GF(2^8) modulo x^8 + x^4 + x^3 + x^2 + 1, the field of RFC 8681 (section 3.7.1).
// Own code and no library (ISA-L, gf-complete): what a sliding window needs of them is this one
// loop, and no phone should carry a dependency for an optional feature.
#pragma once

#include <cstddef>
#include <cstdint>

namespace plait::fec {

uint8_t multiply(uint8_t a, uint8_t b);
uint8_t inverse(uint8_t a); // of what is not 0

// to[i] ^= c * from[i], for n bytes that do not overlap.
void add_product(uint8_t *to, const uint8_t *from, size_t n, uint8_t c);
// The same without vector instructions.
void add_product_portable(uint8_t *to, const uint8_t *from, size_t n, uint8_t c);
// v[i] = c * v[i]
void scale(uint8_t *v, size_t n, uint8_t c);

} // namespace plait::fec
