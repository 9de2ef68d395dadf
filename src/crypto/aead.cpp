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

} // namespace plait::crypto
