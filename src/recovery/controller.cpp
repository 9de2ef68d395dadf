// SPDX-License-Identifier: Apache-2.0
#include "recovery/controller.h"

#include "recovery/bbr.h"
#include "recovery/cubic.h"
#include "recovery/fixed_rate.h"

namespace plait::recovery {

uint64_t FixedRate::cwnd() const {
    const auto held = static_cast<uint64_t>((min_rtt_ + kAllowance).us);
    return rate_ * held / 1'000'000 + kDriverPackets * mtu_;
}

std::unique_ptr<Controller> make_controller(ControllerKind kind, size_t mtu, uint64_t rate) {
    if (kind == ControllerKind::kFixedRate)
        return std::make_unique<FixedRate>(mtu, rate);
    if (kind == ControllerKind::kBbr)
        return std::make_unique<Bbr>(mtu);
    return std::make_unique<Cubic>(mtu);
}

} // namespace plait::recovery
