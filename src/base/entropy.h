// SPDX-License-Identifier: Apache-2.0
// Where the engine's random bytes come from: injected, so that a simulation can repeat itself.
#pragma once

#include "base/bytes.h"

namespace plait::base {

class Entropy {
  public:
    virtual ~Entropy() = default;
    // Fills `out` with cryptographically secure random bytes.
    virtual void fill(MutBytes out) = 0;
};

} // namespace plait::base

namespace plait {
using base::Entropy;
} // namespace plait
