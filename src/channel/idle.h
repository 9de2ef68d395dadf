// SPDX-License-Identifier: Apache-2.0
// When an idle channel gives memory and credit back. A connection goes over all its channels when
// one of them is due, so they are due together, at a few moments of each second, and not one by
// one.
#pragma once

#include "base/time.h"

namespace plait::channel {

inline constexpr Duration kIdleStep = base::millis(250);

// The first of these moments that is not before `t`.
constexpr Time idle_step(Time t) {
    const auto step = static_cast<uint64_t>(kIdleStep.us);
    return {(t.us + step - 1) / step * step};
}

} // namespace plait::channel
