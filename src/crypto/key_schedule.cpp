// SPDX-License-Identifier: Apache-2.0
#include "crypto/key_schedule.h"

#include "crypto/aead.h"
#include "crypto/blake2b.h"

namespace plait::crypto {

namespace {

std::array<uint8_t, 4> u32_be(uint32_t v) {
    std::array<uint8_t, 4> out;
    base::store_be(out.data(), v, out.size());
    return out;
}

} // namespace

bool cipher_available(Cipher cipher) { return aead_provider(cipher) != nullptr; }

Root make_root(const Secret<32> &k1, const Secret<32> &k2, Bytes h) {
    Secret<64> key;
    std::memcpy(key.data(), k1.data(), 32);
    std::memcpy(key.data() + 32, k2.data(), 32);
    Root root;
    blake2b(key, {base::bytes_of("plait1 root"), h}, root.mut_bytes());
    return root;
}

Status rekey_secrets(const RekeyKeys &keys, RekeySecrets &out) {
    const bool initiator = keys.role == Role::kInitiator;
    Secret<32> &ephemeral_static = initiator ? out.es : out.se;
    Secret<32> &static_ephemeral = initiator ? out.se : out.es;
    if (x25519(keys.local_ephemeral, keys.remote_ephemeral, out.ee) != PLAIT_OK ||
        x25519(keys.local_ephemeral, keys.remote_static, ephemeral_static) != PLAIT_OK ||
        x25519(keys.local_static, keys.remote_ephemeral, static_ephemeral) != PLAIT_OK)
        return PLAIT_E_AUTH;
    return PLAIT_OK;
}

Root next_root(const Root &root, uint32_t next_generation, const RekeySecrets &secrets, Bytes kem,
               Bytes init_body, Bytes resp_body) {
    PLAIT_ASSERT(next_generation >= 1);
    Root next;
    blake2b(root,
            {base::bytes_of("plait1 rekey"), u32_be(next_generation), secrets.ee, secrets.es,
             secrets.se, kem, init_body, resp_body},
            next.mut_bytes());
    return next;
}

void derive_packet_key(const Root &root, const PacketKeySpec &spec, Secret<kPacketKeyLen> &key,
                       Secret<kPacketIvLen> &iv) {
    uint8_t context[10];
    base::store_be(context, spec.channel.v, 4);
    context[4] = static_cast<uint8_t>(spec.direction);
    context[5] = static_cast<uint8_t>(spec.cipher);
    base::store_be(context + 6, spec.epoch, 4);
    Secret<kPacketKeyLen + kPacketIvLen> both;
    expand(root, "chan", Bytes(context), both.mut_bytes());
    std::memcpy(key.data(), both.data(), kPacketKeyLen);
    std::memcpy(iv.data(), both.data() + kPacketKeyLen, kPacketIvLen);
}

HeaderKey derive_header_key(const Root &root, Role direction) {
    const uint8_t context = static_cast<uint8_t>(direction);
    HeaderKey out;
    expand(root, "hp", Bytes(&context, 1), out.key.mut_bytes());
    return out;
}

Secret<32> make_exporter(const Root &root) {
    Secret<32> out;
    expand(root, "exporter", Bytes(), out.mut_bytes());
    return out;
}

Status export_key(const Secret<32> &exporter, ChannelNumber channel, std::string_view label,
                  MutBytes out) {
    if (out.empty() || out.size() > kExpandMax)
        return PLAIT_E_INVALID;
    expand(exporter, "export", {u32_be(channel.v), base::bytes_of(label)}, out);
    return PLAIT_OK;
}

Secret<32> reset_key(const Identity &identity) {
    Secret<32> out;
    expand(identity.seed(), "reset", Bytes(), out.mut_bytes());
    return out;
}

ResetToken reset_token(const Secret<32> &key, std::string_view transport_class, Bytes cid) {
    PLAIT_ASSERT(cid.size() == kResetCidLen);
    ResetToken out;
    expand(key, "tok", {base::bytes_of(transport_class), cid}, out);
    return out;
}

} // namespace plait::crypto
