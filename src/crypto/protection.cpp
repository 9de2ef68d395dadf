// SPDX-License-Identifier: Apache-2.0
#include "crypto/protection.h"

#include <sodium.h>

namespace plait::crypto {

PacketKey::PacketKey(const Root &root, const PacketKeySpec &spec) {
    reset(root, spec);
}

PacketKey::PacketKey(Cipher cipher, const Secret<kPacketKeyLen> &key,
                     const Secret<kPacketIvLen> &iv, const AeadProvider *provider)
    : key_(key.clone()), iv_(iv.clone()) {
    if (provider)
        set(cipher, provider, provider);
    else
        set(cipher, aead_provider(cipher), aead_provider_of_small(cipher));
}

void PacketKey::reset(const Root &root, const PacketKeySpec &spec) {
    derive_packet_key(root, spec, key_, iv_);
    set(spec.cipher, aead_provider(spec.cipher), aead_provider_of_small(spec.cipher));
}

void PacketKey::Ready::set(const AeadProvider *by, Cipher cipher,
                           const Secret<kPacketKeyLen> &key) {
    PLAIT_ASSERT(by && by->available(cipher));
    if (provider && provider != by)
        provider->wipe(context);
    provider = by;
    provider->set(context, cipher, key);
}

void PacketKey::Ready::wipe() {
    if (provider)
        provider->wipe(context);
    provider = nullptr;
}

void PacketKey::set(Cipher cipher, const AeadProvider *large, const AeadProvider *small) {
    large_.wipe();
    if (small != large)
        small_.set(small, cipher, key_);
    else
        small_.wipe();
    large_by_ = large;
    cipher_ = cipher;
}

const PacketKey::Ready &PacketKey::ready_for(size_t text) const {
    if (text <= kSmallText && small_.provider)
        return small_;
    if (!large_.provider)
        large_.set(large_by_, cipher_, key_);
    return large_;
}

void PacketKey::wipe() {
    large_.wipe();
    small_.wipe();
    large_by_ = nullptr;
    key_.wipe();
    iv_.wipe();
}

AeadNonce PacketKey::nonce(LinkNumber link, PacketNumber pn) const {
    PLAIT_ASSERT(large_by_);
    AeadNonce out;
    base::store_be(out.b, base::load_be(iv_.data(), 4) ^ link.v, 4);
    base::store_be(out.b + 4, base::load_be(iv_.data() + 4, 8) ^ pn.v, 8);
    return out;
}

void seal(const PacketKey &key, LinkNumber link, PacketNumber pn, Bytes aad, Bytes plaintext,
          uint8_t *out) {
    const AeadNonce nonce = key.nonce(link, pn);
    const PacketKey::Ready &ready = key.ready_for(plaintext.size());
    ready.provider->seal(ready.context, key.cipher_, nonce, aad, plaintext, out);
}

Status open(const PacketKey &key, LinkNumber link, PacketNumber pn, Bytes aad,
            MutBytes in_place_ciphertext_and_tag) {
    if (in_place_ciphertext_and_tag.size() < kTagLen)
        return PLAIT_E_AUTH;
    const AeadNonce nonce = key.nonce(link, pn);
    const PacketKey::Ready &ready = key.ready_for(in_place_ciphertext_and_tag.size() - kTagLen);
    return ready.provider->open(ready.context, key.cipher_, nonce, aad,
                                in_place_ciphertext_and_tag);
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
