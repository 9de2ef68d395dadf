// SPDX-License-Identifier: Apache-2.0
#include "recovery/rtt.h"

#include <algorithm>

namespace plait::recovery {

void RttEstimator::set_initial(Duration srtt, Duration rttvar) {
    srtt_ = latest_ = min_rtt_ = std::max(srtt, kGranularity);
    rttvar_ = std::max(rttvar, Duration{});
    restored_ = true;
}

void RttEstimator::on_sample(Duration latest, Duration ack_delay, Time now) {
    latest_ = std::max(latest, base::micros(1));
    last_ = now;
    if (!has_sample_) {
        has_sample_ = true;
        first_ = now;
        min_rtt_ = srtt_ = latest_;
        rttvar_ = latest_ / 2;
        return;
    }
    min_rtt_ = min_stale_ ? latest_ : std::min(min_rtt_, latest_);
    min_stale_ = false;
    // The peer's wait is taken off only where the result is not below the least round trip.
    const Duration adjusted = latest_ >= min_rtt_ + ack_delay ? latest_ - ack_delay : latest_;
    const Duration deviation = srtt_ > adjusted ? srtt_ - adjusted : adjusted - srtt_;
    // A round trip that becomes much shorter is no reason to wait longer for the next: then the
    // variation grows with an eighth of the gain (as in Linux's tcp_rtt_estimator(), after Eifel).
    const int64_t gain = adjusted < srtt_ && deviation > rttvar_ ? 32 : 4;
    rttvar_ = {((gain - 1) * rttvar_.us + deviation.us) / gain};
    srtt_ = {(7 * srtt_.us + adjusted.us) / 8};
}

Duration RttEstimator::pto(Duration max_ack_delay) const {
    return srtt_ + std::max(rttvar_ * 4, kGranularity) + max_ack_delay;
}

void OneWayDelay::Direction::add(uint32_t modular, Time now) {
    const auto step = static_cast<int32_t>(modular - static_cast<uint32_t>(latest));
    if (!known) {
        latest = smoothed = static_cast<int32_t>(modular);
        known = true;
    } else {
        latest += step;
        smoothed += (latest - smoothed) / 8;
    }
    min.add(latest, now, kMinWindow);
}

void OneWayDelay::on_forward(Time sent, uint32_t rx_time_us, Time now) {
    fwd_.add(rx_time_us - static_cast<uint32_t>(sent.us), now);
}

void OneWayDelay::on_return(Time arrival, uint32_t rx_time_us, Duration ack_delay) {
    ret_.add(static_cast<uint32_t>(arrival.us) - rx_time_us - static_cast<uint32_t>(ack_delay.us),
             arrival);
}

Duration OneWayDelay::queue_delay() const {
    return fwd_.known ? std::max(Duration{fwd_.smoothed - fwd_.min.best()}, Duration{})
                      : Duration{};
}

Duration OneWayDelay::queue_delay_now() const {
    return fwd_.known ? Duration{fwd_.latest - fwd_.min.best()} : Duration{};
}

namespace {
// Each side is known modulo 2^32 us only; true differences are far below half of that.
Duration modular_difference(int64_t a, int64_t b) {
    return {static_cast<int32_t>(static_cast<uint32_t>(a) - static_cast<uint32_t>(b))};
}
} // namespace

Duration OneWayDelay::difference(const OneWayDelay &a, const OneWayDelay &b) {
    return modular_difference(a.fwd_.smoothed, b.fwd_.smoothed);
}

Duration OneWayDelay::return_difference(const OneWayDelay &a, const OneWayDelay &b) {
    return modular_difference(a.ret_.smoothed, b.ret_.smoothed);
}

} // namespace plait::recovery
