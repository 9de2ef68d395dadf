// SPDX-License-Identifier: Apache-2.0
// From the handshake's end to every later key (protocol.md section 3):
//
//     root_0     = BLAKE2b-512(key = k1 ‖ k2 of Split; "plait1 root" ‖ h)
//     root_{g+1} = BLAKE2b-512(root_g; "plait1 rekey" ‖ u32(g+1) ‖ ee ‖ es ‖ se ‖ kem ‖ bodies)
//     packets    = E(root_g, "chan", channel u32 ‖ direction u8 ‖ cipher u8 ‖ epoch u32, key + iv)
//     header     = E(root_0, "hp", direction u8, 16)
//     exporter   = E(E(root_0, "exporter", "", 32), "export", channel u32 ‖ label, n)
//     reset      = E(E(seed, "reset", "", 32), "tok", class ‖ connection id, 16)
//
// Direction 0 is from the handshake's initiator. Forward secrecy comes from generations (roots),
// not from epochs.
#pragma once

#include "base/ids.h"
#include "crypto/identity.h"

namespace plait::crypto {

using Root = Secret<64>;

enum class Cipher : uint8_t { kChaCha20Poly1305 = 1, kAes256Gcm = 2 };

// ChaCha20-Poly1305 always; AES-256-GCM where the processor has instructions for it, after init().
bool cipher_available(Cipher cipher);

// How many packets one key may protect (RFC 9001 section 6.6 and its appendix B): the second for a
// key of which no packet exceeded kSmallPacketMax bytes.
inline constexpr uint64_t kAesPacketsMax = uint64_t{1} << 22;
inline constexpr uint64_t kAesSmallPacketsMax = uint64_t{1} << 27;
inline constexpr uint64_t kChaChaPacketsMax = uint64_t{1} << 48;
inline constexpr size_t kSmallPacketMax = 2048;
// Failed authentications per connection: rekey at the first, close at the second.
inline constexpr uint64_t kForgeriesRekey = uint64_t{1} << 35;
inline constexpr uint64_t kForgeriesClose = uint64_t{1} << 36;

constexpr uint64_t packets_max(Cipher cipher, bool all_small) {
    return cipher == Cipher::kChaCha20Poly1305 ? kChaChaPacketsMax
           : all_small                         ? kAesSmallPacketsMax
                                               : kAesPacketsMax;
}

inline constexpr size_t kPacketKeyLen = 32; // of both ciphers
inline constexpr size_t kPacketIvLen = 12;

// Names one key under a root.
struct PacketKeySpec {
    ChannelNumber channel{};
    Role direction = Role::kInitiator; // whoever sends
    Cipher cipher = Cipher::kChaCha20Poly1305;
    uint32_t epoch = 0;
    bool operator==(const PacketKeySpec &) const = default;
};

// `h` is the handshake hash. The caller wipes k1 and k2.
Root make_root(const Secret<32> &k1, const Secret<32> &k2, Bytes h);

// What a rekey mixes in. `es` is the initiator's new ephemeral with the responder's static key,
// `se` the initiator's static key with the responder's new ephemeral, as in Noise.
struct RekeySecrets {
    Secret<32> ee, es, se;
};

// The four keys of a rekey, seen from one side. PLAIT_E_AUTH if one of the peer's is of low order.
struct RekeyKeys {
    Role role = Role::kInitiator;
    const Secret<32> &local_ephemeral;
    const Secret<32> &local_static;
    const X25519Public &remote_ephemeral;
    const X25519Public &remote_static;
};
Status rekey_secrets(const RekeyKeys &keys, RekeySecrets &out);

// The root of `next_generation` (at least 1). `kem` is empty in suite 1; the bodies are those of
// REKEY_INIT and REKEY_RESP.
Root next_root(const Root &root, uint32_t next_generation, const RekeySecrets &secrets, Bytes kem,
               Bytes init_body, Bytes resp_body);

// key and iv of one channel, direction, cipher and epoch; what PacketKey is made from.
void derive_packet_key(const Root &root, const PacketKeySpec &spec, Secret<kPacketKeyLen> &key,
                       Secret<kPacketIvLen> &iv);

struct HeaderKey {
    Secret<16> key;
};
// `root` is root_0: header keys last for the connection's life.
HeaderKey derive_header_key(const Root &root, Role direction);

// What key material for the application is made from. `root` is root_0, which need not be kept for
// it: whoever has it could read generation 0.
Secret<32> make_exporter(const Root &root);
// Key material bound to this connection, a channel and a label. PLAIT_E_INVALID unless 1 to 64
// bytes are asked for.
Status export_key(const Secret<32> &exporter, ChannelNumber channel, std::string_view label,
                  MutBytes out);

inline constexpr size_t kResetTokenLen = 16;
inline constexpr size_t kResetCidLen = 8; // stateless reset exists only for ids of this length
using ResetToken = std::array<uint8_t, kResetTokenLen>;

// What a node's reset tokens are derived from; the same after a restart.
Secret<32> reset_key(const Identity &identity);
// `transport_class` is the class's name ("udp"). The id has kResetCidLen bytes.
ResetToken reset_token(const Secret<32> &key, std::string_view transport_class, Bytes cid);

} // namespace plait::crypto
