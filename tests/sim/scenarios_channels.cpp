// SPDX-License-Identifier: Apache-2.0
#include "scenario.h"

namespace plait::sim {

std::span<const Scenario> channel_scenarios() {
    return {};
}

} // namespace plait::sim
