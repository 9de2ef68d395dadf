// SPDX-License-Identifier: Apache-2.0
#include "base/result.h"

#include <cstdio>
#include <cstdlib>

namespace plait::base {

const char *status_name(Status status) noexcept {
    switch (status) {
#define X(name, text)                                                                              \
    case name:                                                                                     \
        return #name;
#include "status_text.inc"
#undef X
    default: return "PLAIT_E_UNKNOWN";
    }
}

const char *status_text(Status status) noexcept {
    switch (status) {
#define X(name, text)                                                                              \
    case name:                                                                                     \
        return text;
#include "status_text.inc"
#undef X
    default: return "unknown status";
    }
}

void assertion_failed(const char *condition, const char *file, int line) noexcept {
    std::fprintf(stderr, "plait: broken invariant: %s (%s:%d)\n", condition, file, line);
    std::abort();
}

} // namespace plait::base
