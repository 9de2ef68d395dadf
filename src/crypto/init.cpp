// SPDX-License-Identifier: Apache-2.0
#include "crypto/init.h"

#include "crypto/aead.h"

#include <sodium.h>

namespace plait::crypto {

Status init() {
    if (sodium_init() < 0)
        return PLAIT_E_SYSTEM;
    // Asking makes a library ready that is made so by its first use.
    return aead_provider(Cipher::kChaCha20Poly1305) ? PLAIT_OK : PLAIT_E_SYSTEM;
}

} // namespace plait::crypto
