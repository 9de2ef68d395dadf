// SPDX-License-Identifier: Apache-2.0
#include "crypto/protection.h"

#include <sodium.h>

namespace plait::crypto {

namespace {

const crypto_aead_aes256gcm_state *aes_state(const uint8_t *context) {
    return reinterpret_cast<const crypto_aead_aes256gcm_state *>(context);
}

} // namespace

PacketKey::PacketKey(const Root &root, const PacketKeySpec &spec) { reset(root, spec); }

PacketKey::PacketKey(Cipher cipher, const Secret<kPacketKeyLen> &key,
                     const Secret<kPacketIvLen> &iv)
    : iv_(iv.clone()) {
    set(cipher, key);
}

void PacketKey::reset(const Root &root, const PacketKeySpec &spec) {
    Secret<kPacketKeyLen> key;
    derive_packet_key(root, spec, key, iv_);
    set(spec.cipher, key);
}

void PacketKey::set(Cipher cipher, const Secret<kPacketKeyLen> &key) {
    static_assert(sizeof(crypto_aead_aes256gcm_state) <= kContextLen);
    PLAIT_ASSERT(cipher_available(cipher));
    if (cipher == Cipher::kAes256Gcm) {
        auto *state = reinterpret_cast<crypto_aead_aes256gcm_state *>(context_);
        crypto_aead_aes256gcm_beforenm(state, key.data());
    } else {
        crypto::wipe(context_);
        std::memcpy(context_, key.data(), key.size());
    }
    cipher_ = cipher;
    set_ = true;
}

void PacketKey::wipe() {
    crypto::wipe(context_);
    iv_.wipe();
    set_ = false;
}

PacketKey::Nonce PacketKey::nonce(LinkNumber link, PacketNumber pn) const {
    PLAIT_ASSERT(set_);
    uint8_t position[kPacketIvLen];
    base::store_be(position, link.v, 4);
    base::store_be(position + 4, pn.v, 8);
    Nonce out;
    for (size_t i = 0; i < kPacketIvLen; i++)
        out.b[i] = static_cast<uint8_t>(iv_.data()[i] ^ position[i]);
    return out;
}

void seal(const PacketKey &key, LinkNumber link, PacketNumber pn, Bytes aad, Bytes plaintext,
          uint8_t *out) {
    const auto nonce = key.nonce(link, pn);
    uint8_t *tag = out + plaintext.size();
    if (key.cipher_ == Cipher::kAes256Gcm)
        crypto_aead_aes256gcm_encrypt_detached_afternm(
            out, tag, nullptr, plaintext.data(), plaintext.size(), aad.data(), aad.size(), nullptr,
            nonce.b, aes_state(key.context_));
    else
        crypto_aead_chacha20poly1305_ietf_encrypt_detached(
            out, tag, nullptr, plaintext.data(), plaintext.size(), aad.data(), aad.size(), nullptr,
            nonce.b, key.context_);
}

Status open(const PacketKey &key, LinkNumber link, PacketNumber pn, Bytes aad,
            MutBytes in_place_ciphertext_and_tag) {
    if (in_place_ciphertext_and_tag.size() < kTagLen)
        return PLAIT_E_AUTH;
    const auto nonce = key.nonce(link, pn);
    uint8_t *text = in_place_ciphertext_and_tag.data();
    const size_t len = in_place_ciphertext_and_tag.size() - kTagLen;
    const int failed =
        key.cipher_ == Cipher::kAes256Gcm
            ? crypto_aead_aes256gcm_decrypt_detached_afternm(text, nullptr, text, len, text + len,
                                                             aad.data(), aad.size(), nonce.b,
                                                             aes_state(key.context_))
            : crypto_aead_chacha20poly1305_ietf_decrypt_detached(text, nullptr, text, len,
                                                                 text + len, aad.data(), aad.size(),
                                                                 nonce.b, key.context_);
    return failed == 0 ? PLAIT_OK : PLAIT_E_AUTH;
}

void seal_batch(std::span<const SealJob> jobs) {
    for (const SealJob &job : jobs)
        seal(*job.key, job.link, job.pn, job.aad, job.plaintext, job.out);
}

HeaderMask header_mask(const HeaderKey &key, const uint8_t *sample16) {
    static_assert(crypto_shorthash_siphashx24_BYTES == sizeof(HeaderMask::b));
    HeaderMask mask;
    crypto_shorthash_siphashx24(mask.b.data(), sample16, kHeaderSampleLen, key.key.data());
    return mask;
}

} // namespace plait::crypto
