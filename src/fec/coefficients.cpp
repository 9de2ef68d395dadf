// SPDX-License-Identifier: Apache-2.0
#include "fec/coefficients.h"

namespace plait::fec {

namespace {
// The parameter set of RFC 8682 section 2.1.
constexpr uint32_t kMat1 = 0x8f7011ee, kMat2 = 0xfc78ff1f, kTmat = 0x3793fdff;
constexpr uint32_t kInitFactor = 1'812'433'253;
constexpr uint32_t kInitSteps = 8, kSkippedSteps = 8;
} // namespace

TinyMt32::TinyMt32(uint32_t seed) : s_{seed, kMat1, kMat2, kTmat} {
    for (uint32_t i = 1; i < kInitSteps; i++) {
        const uint32_t before = s_[(i - 1) & 3];
        s_[i & 3] ^= i + kInitFactor * (before ^ before >> 30);
    }
    for (uint32_t i = 0; i < kSkippedSteps; i++)
        step();
}

void TinyMt32::step() {
    uint32_t x = (s_[0] & 0x7fffffff) ^ s_[1] ^ s_[2], y = s_[3];
    x ^= x << 1;
    y ^= y >> 1 ^ x;
    s_ = {s_[1], s_[2], x ^ y << 10, y};
    if (y & 1) {
        s_[1] ^= kMat1;
        s_[2] ^= kMat2;
    }
}

uint32_t TinyMt32::next() {
    step();
    const uint32_t t = s_[0] + (s_[2] >> 8);
    return s_[3] ^ t ^ (t & 1 ? kTmat : 0);
}

void coefficients(uint16_t repair_key, std::span<uint8_t> out) {
    TinyMt32 generator(repair_key);
    for (uint8_t &c : out)
        do
            c = static_cast<uint8_t>(generator.next());
        while (c == 0);
}

} // namespace plait::fec
