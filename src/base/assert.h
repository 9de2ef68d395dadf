// SPDX-License-Identifier: Apache-2.0
// Assertions for broken invariants of our own; never for what a peer, a plugin or a caller sent.
#pragma once

namespace plait::base {
// Prints the failed condition and aborts.
[[noreturn]] void assertion_failed(const char *condition, const char *file, int line) noexcept;
} // namespace plait::base

#define PLAIT_ASSERT(condition)                                                                    \
    (static_cast<bool>(condition)                                                                  \
         ? void(0)                                                                                 \
         : ::plait::base::assertion_failed(#condition, __FILE__, __LINE__))
