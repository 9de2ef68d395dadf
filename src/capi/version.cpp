// SPDX-License-Identifier: Apache-2.0
#include "plait/version.h"

// The build passes its own numbers; the header must say the same.
static_assert(PLAIT_ABI == PLAIT_BUILD_ABI);
static_assert(PLAIT_VERSION_MAJOR == PLAIT_BUILD_MAJOR &&
              PLAIT_VERSION_MINOR == PLAIT_BUILD_MINOR && PLAIT_VERSION_PATCH == PLAIT_BUILD_PATCH);

uint32_t plait_version(void) {
    return PLAIT_VERSION_MAJOR << 16 | PLAIT_VERSION_MINOR << 8 | PLAIT_VERSION_PATCH;
}

const char *plait_version_text(void) { return PLAIT_VERSION_TEXT; }

uint32_t plait_abi(void) { return PLAIT_ABI; }
