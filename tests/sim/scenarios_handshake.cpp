// SPDX-License-Identifier: Apache-2.0
#include "scenario.h"

namespace plait::sim {

std::span<const Scenario> handshake_scenarios() {
    return {};
}

} // namespace plait::sim
