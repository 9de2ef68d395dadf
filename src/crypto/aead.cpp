// SPDX-License-Identifier: Apache-2.0
#include "crypto/aead.h"

namespace plait::crypto {

namespace {
constexpr const AeadProvider *kProviders[] = {
#ifdef PLAIT_OPENSSL
    &kOpensslAead,
#endif
    &kSodiumAead,
};
} // namespace

std::span<const AeadProvider *const> aead_providers() {
    return kProviders;
}

const AeadProvider *aead_provider(Cipher cipher) {
    for (const AeadProvider *p : kProviders)
        if (p->available(cipher))
            return p;
    return nullptr;
}

const AeadProvider *aead_provider_of_small(Cipher cipher) {
    return kSodiumAead.available(cipher) ? &kSodiumAead : aead_provider(cipher);
}

} // namespace plait::crypto
