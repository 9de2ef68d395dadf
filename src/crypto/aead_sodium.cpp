// SPDX-License-Identifier: Apache-2.0
#include "crypto/aead.h"

#include <sodium.h>

namespace plait::crypto {

namespace {

const crypto_aead_aes256gcm_state *aes_state(const AeadContext &context) {
    return reinterpret_cast<const crypto_aead_aes256gcm_state *>(context.b);
}

bool available(Cipher cipher) {
    switch (cipher) {
    case Cipher::kChaCha20Poly1305: return true;
    case Cipher::kAes256Gcm: return crypto_aead_aes256gcm_is_available() != 0;
    }
    return false; // a number from the wire that is no cipher
}

void set(AeadContext &context, Cipher cipher, const Secret<kPacketKeyLen> &key) {
    static_assert(sizeof(crypto_aead_aes256gcm_state) <= AeadContext::kLen);
    if (cipher == Cipher::kAes256Gcm) {
        auto *state = reinterpret_cast<crypto_aead_aes256gcm_state *>(context.b);
        crypto_aead_aes256gcm_beforenm(state, key.data());
    } else {
        crypto::wipe(context.b);
        std::memcpy(context.b, key.data(), key.size());
    }
}

void wipe_context(AeadContext &context) {
    crypto::wipe(context.b);
}

void seal_with(const AeadContext &context, Cipher cipher, const AeadNonce &nonce, Bytes aad,
               Bytes plaintext, uint8_t *out) {
    uint8_t *tag = out + plaintext.size();
    if (cipher == Cipher::kAes256Gcm)
        crypto_aead_aes256gcm_encrypt_detached_afternm(out, tag, nullptr, plaintext.data(),
                                                       plaintext.size(), aad.data(), aad.size(),
                                                       nullptr, nonce.b, aes_state(context));
    else
        crypto_aead_chacha20poly1305_ietf_encrypt_detached(out, tag, nullptr, plaintext.data(),
                                                           plaintext.size(), aad.data(), aad.size(),
                                                           nullptr, nonce.b, context.b);
}

Status open_with(const AeadContext &context, Cipher cipher, const AeadNonce &nonce, Bytes aad,
                 MutBytes in_place) {
    uint8_t *text = in_place.data();
    const size_t len = in_place.size() - kTagLen;
    const int failed =
        cipher == Cipher::kAes256Gcm
            ? crypto_aead_aes256gcm_decrypt_detached_afternm(text, nullptr, text, len, text + len,
                                                             aad.data(), aad.size(), nonce.b,
                                                             aes_state(context))
            : crypto_aead_chacha20poly1305_ietf_decrypt_detached(
                  text, nullptr, text, len, text + len, aad.data(), aad.size(), nonce.b, context.b);
    return failed == 0 ? PLAIT_OK : PLAIT_E_AUTH;
}

} // namespace

const AeadProvider kSodiumAead = {"libsodium", available, set, wipe_context, seal_with, open_with};

} // namespace plait::crypto
