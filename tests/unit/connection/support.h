// SPDX-License-Identifier: Apache-2.0
// What the tests of this room share: entropy by counting, and a party that can shake hands.
#pragma once

#include "../cmocka.hpp"
#include "connection/handshake.h"
#include "crypto/init.h"

namespace plait::test {

struct CountingEntropy final : base::Entropy {
    explicit CountingEntropy(uint64_t seed) : state(seed) {}
    void fill(MutBytes out) override {
        for (uint8_t &b : out) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            b = static_cast<uint8_t>(state >> 56);
        }
    }
    uint64_t state;
};

inline crypto::Identity identity_of(base::Entropy &e) {
    (void)crypto::init();
    auto identity = crypto::Identity::generate(e);
    return std::move(identity).value();
}

inline wire::Cid cid_of(uint8_t first, uint8_t len = 8) {
    wire::Cid c;
    c.len = len;
    for (uint8_t i = 0; i < len; i++)
        c.b[i] = static_cast<uint8_t>(first + i);
    return c;
}

inline wire::Parameters parameters_of(uint64_t max_channels) {
    wire::Parameters p;
    p.class_count = 1;
    p.classes[0] = wire::CidClass::make("udp", 8);
    p.max_channels = max_channels;
    p.initial_window = 16384;
    p.max_message = 1 << 20;
    return p;
}

struct Party {
    explicit Party(uint64_t seed) : entropy(seed), identity(identity_of(entropy)), cache(entropy) {}
    connection::LocalNode local() { return {identity, cache, keys, entropy}; }
    void add_key(uint8_t value) {
        std::array<uint8_t, 32> b;
        b.fill(value);
        keys.emplace_back(std::span<const uint8_t, 32>(b));
    }
    CountingEntropy entropy;
    crypto::Identity identity;
    crypto::IdentityCache cache;
    std::vector<crypto::Secret<32>> keys;
};

} // namespace plait::test
