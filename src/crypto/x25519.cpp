// SPDX-License-Identifier: Apache-2.0
#include "crypto/x25519.h"

#include <sodium.h>

namespace plait::crypto {

X25519Public x25519_public(const Secret<32> &secret) {
    X25519Public out;
    crypto_scalarmult_base(out.data(), secret.data());
    return out;
}

Status x25519(const Secret<32> &secret, const X25519Public &remote, Secret<32> &shared) {
    if (crypto_scalarmult(shared.data(), secret.data(), remote.data()) == 0)
        return PLAIT_OK;
    shared.wipe();
    return PLAIT_E_AUTH;
}

} // namespace plait::crypto
