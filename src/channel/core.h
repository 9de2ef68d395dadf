// SPDX-License-Identifier: Apache-2.0
// What the two directions of a channel share: its configuration, the connection's budget and pools,
// events and control frames that wait. The halves get it as an argument, so that neither keeps a
// pointer to it.
#pragma once

#include "base/sharing.h"
#include "base/slim_vector.h"
#include "channel/budget.h"
#include "channel/config.h"
#include "channel/pools.h"
#include "channel/repairs.h"
#include "channel/types.h"

#include <memory>
#include <vector>

namespace plait::channel {

inline constexpr uint32_t kNoLowWater = UINT32_MAX;

// What few channels have, or none needs to be quick: apart, to keep an idle channel small.
struct Extra {
    std::unique_ptr<Stats> stats; // once there is something to count
    uint64_t send_code = 0;       // of our RESET, or of the peer's STOP or REFUSE
    uint64_t receive_code = 0;    // of the peer's RESET or REFUSE, or of our STOP
    base::SlimVector<Report> reports;
    // Closing may wait so long for delivery, and then resets with this code.
    Time linger_until = kNever;
    uint64_t linger_code = 0;
    std::unique_ptr<Repairs> repairs;
    uint32_t low_water = kNoLowWater; // bytes that wait to be sent
};

struct Core {
    base::Shared<Config> config;
    ConnectionBudget *budget;
    std::unique_ptr<Extra> extra;
    base::SharedText label;
    ChannelNumber number;
    EventSet events = 0;
    ControlSet pending = 0; // to be written
    ControlSet unacked = 0; // of those that are said once: not acknowledged yet
    Phase phase = Phase::kOpen;
    bool opened_here = false, is_control = false;
    bool closed_told = false;

    Pools &pools() const { return budget->pools(); }
    Extra &more() {
        if (!extra)
            extra = std::make_unique<Extra>();
        return *extra;
    }
    void set_label(std::string_view text) {
        static_assert(wire::kMaxLabel <= UINT8_MAX);
        PLAIT_ASSERT(text.size() <= wire::kMaxLabel);
        label = pools().labels.get(text);
    }
    Stats &stats() {
        if (!more().stats)
            extra->stats = std::make_unique<Stats>();
        return *extra->stats;
    }
    Repairs &repairs() {
        if (!more().repairs)
            extra->repairs = std::make_unique<Repairs>();
        return *extra->repairs;
    }
    uint32_t low_water() const { return extra ? extra->low_water : kNoLowWater; }
    void tell(EventSet e) { events |= e; }
    void report(const Report &r) {
        if (!config->reports)
            return;
        Extra &x = more();
        if (x.reports.size() == kReportsMax) {
            x.reports.erase(x.reports.begin());
            stats().reports_missed++;
        }
        x.reports.push_back(r);
    }
    void window_changed() {
        if (config->window_events)
            tell(event::kWindow);
    }
    void want(ControlSet kinds) {
        pending |= kinds;
        unacked |= kinds & control::kOnce;
    }
    void forget(ControlSet kinds) {
        pending &= static_cast<ControlSet>(~kinds);
        unacked &= static_cast<ControlSet>(~kinds);
    }
};

} // namespace plait::channel
