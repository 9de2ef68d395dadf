// SPDX-License-Identifier: Apache-2.0
#include "recovery/return_path.h"

#include "recovery/received.h"

#include <algorithm>

namespace plait::recovery {

void ReturnPath::on_ack(Time now, Duration queued) {
    if (queued <= kLeastQueue) {
        count_ = 0;
        if (rate_ > 0 && now - known_at_ > kHold) {
            known_at_ = now;
            rate_ = rate_ < kWide / 2 ? rate_ * 2 : 0;
        }
        return;
    }
    if (count_ == kRun)
        std::move(run_.begin() + 1, run_.end(), run_.begin());
    else
        count_++;
    run_[count_ - 1] = {now, queued, bytes_};
    if (count_ == kRun)
        look(now);
}

void ReturnPath::look(Time now) {
    const Duration taken = now - run_[0].at, gap = taken / static_cast<int64_t>(kRun - 1);
    for (const Late &l : run_)
        if (l.queued * 4 <= gap * 5)
            return;
    const auto us = static_cast<uint64_t>(std::max<int64_t>(taken.us, 1));
    const uint64_t rate = (bytes_ - run_[0].bytes) * 1'000'000 / us;
    rate_ = rate < kWide ? std::max<uint64_t>(rate, 1) : 0;
    known_at_ = now;
}

Duration ack_spacing(uint64_t rate, Duration min_rtt, size_t links) {
    constexpr uint64_t kAckSize = 48; // with what its packet has beside it
    constexpr Duration kLongest = base::millis(250);
    if (rate == 0)
        return {};
    const Duration alone{static_cast<int64_t>(kAckSize * links * 1'000'000 / rate)};
    const Duration wanted = std::max(std::min(alone * 10, min_rtt / 2), alone * 3);
    return wanted > ReceivedPackets::usual_delay(min_rtt) ? std::min(wanted, kLongest) : Duration{};
}

} // namespace plait::recovery
