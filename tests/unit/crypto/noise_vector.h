// SPDX-License-Identifier: Apache-2.0
// One Noise test vector, as the public collections have them, and its check from both sides.
#pragma once

#include "crypto/noise.h"
#include "support.h"

#include <sodium.h>

#include <algorithm>

namespace plait::test {

struct NoiseVector {
    struct Message {
        std::vector<uint8_t> payload, ciphertext;
    };
    crypto::Pattern pattern = crypto::Pattern::kNN;
    std::vector<uint8_t> prologue[2], s[2], e[2], remote_s[2], psk; // [0]: the initiator's
    std::string hash;
    std::vector<Message> messages; // the handshake's, then transport in turn
};

inline crypto::NoiseHandshake make_side(const NoiseVector &v, size_t side) {
    const auto secret = [](const std::vector<uint8_t> &from) {
        crypto::Secret<32> out;
        std::copy(from.begin(), from.end(), out.begin());
        return out;
    };
    const auto s = secret(v.s[side]), e = secret(v.e[side]), psk = secret(v.psk);
    crypto::X25519Public remote{};
    std::copy(v.remote_s[side].begin(), v.remote_s[side].end(), remote.begin());
    return crypto::NoiseHandshake({.pattern = v.pattern,
                                   .role = Role(side),
                                   .prologue = v.prologue[side],
                                   .local_secret = v.s[side].empty() ? nullptr : &s,
                                   .remote_static = v.remote_s[side].empty() ? nullptr : &remote,
                                   .psk = v.psk.empty() ? nullptr : &psk,
                                   .ephemeral_secret = &e});
}

// Noise's transport message: its nonce is 4 zero bytes and n, little-endian.
inline std::vector<uint8_t> transport_message(const crypto::Secret<32> &key, uint8_t n,
                                              const std::vector<uint8_t> &payload) {
    uint8_t nonce[12] = {};
    nonce[4] = n;
    std::vector<uint8_t> out(payload.size() + 16);
    crypto_aead_chacha20poly1305_ietf_encrypt(out.data(), nullptr, payload.data(), payload.size(),
                                              nullptr, 0, nullptr, nonce, key.data());
    return out;
}

inline void check_vector(const NoiseVector &v) {
    crypto::NoiseHandshake sides[2] = {make_side(v, 0), make_side(v, 1)};
    crypto::Secret<32> keys[2];
    uint8_t sent[2] = {0, 0};
    bool handshake = true;
    for (size_t i = 0; i < v.messages.size(); i++) {
        const auto &message = v.messages[i];
        const size_t from = i % 2;
        if (handshake) {
            std::vector<uint8_t> out(message.ciphertext.size()), payload(message.payload.size());
            assert_int_equal(sides[from].write(message.payload, out).status(), PLAIT_OK);
            assert_hex_equal(out, hex(message.ciphertext).c_str());
            assert_int_equal(sides[1 - from].read(out, payload).status(), PLAIT_OK);
            assert_hex_equal(payload, hex(message.payload).c_str());
        } else {
            assert_hex_equal(transport_message(keys[from], sent[from]++, message.payload),
                             hex(message.ciphertext).c_str());
        }
        if (handshake && sides[0].finished()) {
            handshake = false;
            assert_true(sides[1].finished());
            crypto::Secret<32> same[2];
            sides[0].split(keys[0], keys[1]);
            sides[1].split(same[0], same[1]);
            assert_true(keys[0] == same[0] && keys[1] == same[1]);
            assert_hex_equal(sides[0].hash(), v.hash.c_str());
            assert_hex_equal(sides[1].hash(), v.hash.c_str());
        }
    }
    assert_false(handshake);
}

} // namespace plait::test
