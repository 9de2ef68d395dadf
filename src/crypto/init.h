// SPDX-License-Identifier: Apache-2.0
// The one-time preparation of libsodium, which picks the implementations that suit this processor,
// and of libcrypto where it is used.
// Whoever creates a node calls it first; calling again, from any thread, is harmless.
#pragma once

#include "base/result.h"

namespace plait::crypto {

// PLAIT_OK, or PLAIT_E_SYSTEM when libsodium cannot start (it found no source of randomness).
Status init();

} // namespace plait::crypto
