// SPDX-License-Identifier: Apache-2.0
#include "fec/gf256.h"

#include "base/assert.h"

#include <array>
#if defined(__x86_64__) || defined(__i386__)
#include <tmmintrin.h>
#define PLAIT_FEC_SSSE3 1
#endif

namespace plait::fec {

namespace {

constexpr unsigned kModulus = 0x11d;

constexpr uint8_t slow_multiply(unsigned a, unsigned b) {
    unsigned product = 0;
    for (; b; b >>= 1) {
        product ^= b & 1 ? a : 0;
        a = a << 1 ^ (a & 0x80 ? kModulus : 0);
    }
    return static_cast<uint8_t>(product);
}

// For each c its products with the 16 low and the 16 high halves of a byte: what a byte shuffle
// looks up 16 at a time (J. S. Plank, K. M. Greenan, E. L. Miller: Screaming Fast Galois Field
// Arithmetic Using Intel SIMD Instructions, FAST 2013).
struct alignas(16) Halves {
    std::array<uint8_t, 16> low, high;
};
constexpr std::array<Halves, 256> make_halves() {
    std::array<Halves, 256> t{};
    for (unsigned c = 0; c < 256; c++)
        for (unsigned i = 0; i < 16; i++) {
            t[c].low[i] = slow_multiply(c, i);
            t[c].high[i] = slow_multiply(c, i << 4);
        }
    return t;
}
constexpr std::array<Halves, 256> kHalves = make_halves();

#ifdef PLAIT_FEC_SSSE3
__attribute__((target("ssse3"))) size_t add_product_ssse3(uint8_t *to, const uint8_t *from,
                                                          size_t n, const Halves &c) {
    const __m128i low = _mm_load_si128(reinterpret_cast<const __m128i *>(c.low.data()));
    const __m128i high = _mm_load_si128(reinterpret_cast<const __m128i *>(c.high.data()));
    const __m128i mask = _mm_set1_epi8(15);
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        const __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i *>(from + i));
        const __m128i a = _mm_shuffle_epi8(low, _mm_and_si128(v, mask));
        const __m128i b = _mm_shuffle_epi8(high, _mm_and_si128(_mm_srli_epi64(v, 4), mask));
        auto *const at = reinterpret_cast<__m128i *>(to + i);
        _mm_storeu_si128(at, _mm_xor_si128(_mm_loadu_si128(at), _mm_xor_si128(a, b)));
    }
    return i;
}
#endif

} // namespace

uint8_t multiply(uint8_t a, uint8_t b) {
    return kHalves[a].low[b & 15] ^ kHalves[a].high[b >> 4];
}

uint8_t inverse(uint8_t a) {
    PLAIT_ASSERT(a != 0);
    // a^254: the field has 255 units.
    uint8_t result = 1, power = a;
    for (int i = 0; i < 7; i++) {
        power = multiply(power, power);
        result = multiply(result, power);
    }
    return result;
}

void add_product_portable(uint8_t *to, const uint8_t *from, size_t n, uint8_t c) {
    const Halves &h = kHalves[c];
    for (size_t i = 0; i < n; i++)
        to[i] ^= h.low[from[i] & 15] ^ h.high[from[i] >> 4];
}

void add_product(uint8_t *to, const uint8_t *from, size_t n, uint8_t c) {
    if (c == 0)
        return;
    size_t done = 0;
#ifdef PLAIT_FEC_SSSE3
    if (n >= 16 && __builtin_cpu_supports("ssse3"))
        done = add_product_ssse3(to, from, n, kHalves[c]);
#endif
    add_product_portable(to + done, from + done, n - done, c);
}

void scale(uint8_t *v, size_t n, uint8_t c) {
    for (size_t i = 0; i < n; i++)
        v[i] = multiply(c, v[i]);
}

} // namespace plait::fec
