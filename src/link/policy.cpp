// SPDX-License-Identifier: Apache-2.0
#include "link/policy.h"

#include <algorithm>

namespace plait::link {

static bool fits_pin(const Member &m, const Policy &policy) {
    if (policy.pinned_link != base::kNoSlot)
        return m.slot == policy.pinned_link;
    return policy.pinned_class >= 0 && m.cls == static_cast<uint8_t>(policy.pinned_class);
}

uint32_t allowed_links(std::span<const Member> links, const Policy &policy) {
    const bool pinned = policy.kind == PolicyKind::kPinned;
    uint8_t cheapest = UINT8_MAX;
    for (const Member &m : links)
        if (m.usable)
            cheapest = std::min(cheapest, m.cost);
    const bool first_only = policy.kind == PolicyKind::kFailover;
    const uint8_t most = first_only ? cheapest : std::max(policy.max_cost, cheapest);
    uint32_t mask = 0;
    for (size_t i = 0; i < links.size(); i++) {
        const bool fits = pinned ? fits_pin(links[i], policy) : links[i].cost <= most;
        if (!links[i].usable || !fits)
            continue;
        mask |= uint32_t{1} << i;
        if (first_only)
            break;
    }
    return mask;
}

} // namespace plait::link
