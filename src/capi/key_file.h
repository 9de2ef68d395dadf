// SPDX-License-Identifier: Apache-2.0
// Reading and writing small secret files: the owner's only (0600), whole or not at all.
#pragma once

#include "base/bytes.h"
#include "base/result.h"

#include <string>
#include <vector>

namespace plait::capi {

// The file's bytes; the caller wipes them. PLAIT_E_FILE with the system's reason as text;
// PLAIT_E_NOT_FOUND if it is not there; PLAIT_E_KEY_FILE if it has more than `max` bytes.
Status read_secret_file(const std::string &path, size_t max, std::vector<uint8_t> &out);

enum class Replace : bool { kNo, kYes };

// Written beside and then renamed. PLAIT_E_FILE with the system's reason; PLAIT_E_EXISTS with
// Replace::kNo.
Status write_secret_file(const std::string &path, Bytes bytes, Replace replace);

} // namespace plait::capi
