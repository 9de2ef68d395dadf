// SPDX-License-Identifier: Apache-2.0
#include "crypto/x25519.h"

#include "base/assert.h"
#ifdef PLAIT_FIELD25519
#include "crypto/montgomery.h"
#endif

#include <sodium.h>

namespace plait::crypto {

// For Ed25519's form of the curve libsodium has a table of the base point's multiples. Both forms
// name the same points, and what is computed of the point is as public as the point.
X25519Public x25519_public(const Secret<32> &secret) {
    X25519Public out;
#ifdef PLAIT_FIELD25519
    Secret<32> clamped = secret.clone(); // by RFC 7748, so it is no multiple of the group's order
    clamped.data()[0] &= 0xf8;
    clamped.data()[31] = static_cast<uint8_t>((clamped.data()[31] & 0x7f) | 0x40);
    const int failed = crypto_scalarmult_ed25519_base_noclamp(out.data(), clamped.data());
    PLAIT_ASSERT(failed == 0);
    return montgomery_u(out);
#else
    crypto_scalarmult_base(out.data(), secret.data());
    return out;
#endif
}

Status x25519(const Secret<32> &secret, const X25519Public &remote, Secret<32> &shared) {
    if (crypto_scalarmult(shared.data(), secret.data(), remote.data()) == 0)
        return PLAIT_OK;
    shared.wipe();
    return PLAIT_E_AUTH;
}

} // namespace plait::crypto
