// SPDX-License-Identifier: Apache-2.0
#include "crypto/identity.h"

#include "crypto/base64.h"
#ifdef PLAIT_FIELD25519
#include "crypto/montgomery.h"
#endif

namespace plait::crypto {

namespace {

// libsodium keeps seed and public key together and calls that the secret key.
Secret<64> signing_key(const Secret<32> &seed, const NodeId &id) {
    Secret<64> key;
    std::memcpy(key.data(), seed.data(), 32);
    std::memcpy(key.data() + 32, id.b.data(), 32);
    return key;
}

} // namespace

std::array<char, kNodeIdTextLen + 1> to_text(const NodeId &id) {
    std::array<char, kNodeIdTextLen + 1> out;
    to_base64(id.b, out);
    return out;
}

Result<NodeId> node_id_from_text(std::string_view text) {
    NodeId id;
    if (!from_base64(text, std::span(id.b)))
        return Error{PLAIT_E_NODE_ID};
    return id;
}

Result<X25519Public> x25519_of(const NodeId &id) {
#ifdef PLAIT_FIELD25519
    return checked_montgomery_u(id.b);
#else
    // The conversion itself refuses what is not on the curve, of low order or outside the main
    // subgroup, and none of the 19 encodings that are not canonical is in it. So asking
    // crypto_core_ed25519_is_valid_point as well would say nothing new for another 40 µs.
    X25519Public out;
    if (crypto_sign_ed25519_pk_to_curve25519(out.data(), id.b.data()) != 0)
        return Error{PLAIT_E_NODE_ID};
    return out;
#endif
}

bool verify(const NodeId &signer, Bytes message, const Signature &signature) {
    return crypto_sign_verify_detached(signature.data(), message.data(), message.size(),
                                       signer.b.data()) == 0;
}

Result<Identity> Identity::generate(Entropy &entropy) {
    Secret<32> seed;
    entropy.fill(seed.mut_bytes());
    return from_seed(std::span<const uint8_t, 32>(seed.data(), 32));
}

Result<Identity> Identity::from_seed(std::span<const uint8_t, 32> seed) {
    Identity out;
    Secret<64> key;
    if (crypto_sign_seed_keypair(out.id_.b.data(), key.data(), seed.data()) != 0 ||
        crypto_sign_ed25519_sk_to_curve25519(out.x25519_secret_.data(), key.data()) != 0)
        return Error{PLAIT_E_KEY};
    out.seed_ = Secret<32>(seed);
    // By the same conversion as the peer's, so that both sides see one key.
    const auto converted = x25519_of(out.id_);
    if (!converted || *converted != crypto::x25519_public(out.x25519_secret_))
        return Error{PLAIT_E_KEY};
    out.x25519_public_ = *converted;
    return out;
}

Identity Identity::clone() const {
    Identity out;
    out.seed_ = seed_.clone();
    out.x25519_secret_ = x25519_secret_.clone();
    out.id_ = id_;
    out.x25519_public_ = x25519_public_;
    return out;
}

Signature Identity::sign(Bytes message) const {
    Signature out;
    const Secret<64> key = signing_key(seed_, id_);
    crypto_sign_detached(out.data(), nullptr, message.data(), message.size(), key.data());
    return out;
}

} // namespace plait::crypto
