// SPDX-License-Identifier: Apache-2.0
#include "crypto/init.h"

#include <sodium.h>

namespace plait::crypto {

Status init() { return sodium_init() < 0 ? PLAIT_E_SYSTEM : PLAIT_OK; }

} // namespace plait::crypto
