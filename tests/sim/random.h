// SPDX-License-Identifier: Apache-2.0
// The one generator of a simulated run (xoshiro256**, seeded by splitmix64), and the entropy of a
// simulated node, which is drawn from it: so one seed is a whole run.
#pragma once

#include "base/entropy.h"
#include "base/time.h"

#include <algorithm>
#include <array>
#include <bit>

namespace plait::sim {

// A good mixing of 64 bits (the finaliser of splitmix64).
constexpr uint64_t mix(uint64_t x) {
    x += 0x9e3779b97f4a7c15;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
    x = (x ^ x >> 27) * 0x94d049bb133111eb;
    return x ^ x >> 31;
}

class Rng {
  public:
    explicit Rng(uint64_t seed) {
        for (uint64_t &s : s_)
            s = mix(seed += 0x9e3779b97f4a7c15);
    }
    uint64_t next() {
        const uint64_t result = std::rotl(s_[1] * 5, 7) * 9;
        const uint64_t t = s_[1] << 17;
        s_[2] ^= s_[0];
        s_[3] ^= s_[1];
        s_[1] ^= s_[2];
        s_[0] ^= s_[3];
        s_[2] ^= t;
        s_[3] = std::rotl(s_[3], 45);
        return result;
    }
    // 0 <= result < n; n > 0. The bias is below 2^-32 for every n that is used here.
    uint64_t below(uint64_t n) { return n <= 1 ? 0 : next() % n; }
    // lo <= result <= hi
    uint64_t range(uint64_t lo, uint64_t hi) { return lo + below(hi - lo + 1); }
    Duration between(Duration lo, Duration hi) {
        return {static_cast<int64_t>(range(0, static_cast<uint64_t>(hi.us - lo.us))) + lo.us};
    }
    bool chance(double p) { return p > 0 && static_cast<double>(next() >> 11) * 0x1p-53 < p; }
    // A generator of its own, so that what one part of a run draws does not shift another's.
    Rng fork() { return Rng(next()); }

  private:
    std::array<uint64_t, 4> s_{};
};

class SeededEntropy final : public Entropy {
  public:
    explicit SeededEntropy(Rng rng) : rng_(rng) {}
    void fill(MutBytes out) override {
        for (size_t i = 0; i < out.size(); i += 8) {
            const uint64_t x = rng_.next();
            std::memcpy(out.data() + i, &x, std::min<size_t>(8, out.size() - i));
        }
    }

  private:
    Rng rng_;
};

} // namespace plait::sim
