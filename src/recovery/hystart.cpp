// SPDX-License-Identifier: Apache-2.0
#include "recovery/hystart.h"

#include <algorithm>

namespace plait::recovery {

void HyStart::next_round(Time now) {
    if (phase_ == Phase::kConservative && ++css_rounds_ >= kRounds)
        phase_ = Phase::kDone;
    round_start_ = now;
    last_min_ = current_min_;
    current_min_ = kNone;
    samples_ = 0;
}

void HyStart::judge(uint32_t needed, Duration min_rtt) {
    if (samples_ < needed || last_min_ == kNone)
        return;
    const int64_t threshold =
        std::clamp(min_rtt / 8, kMinThreshold, kMaxThreshold).us;
    if (phase_ == Phase::kSlowStart) {
        if (current_min_ < last_min_ + threshold)
            return;
        baseline_ = current_min_;
        css_rounds_ = 0;
        phase_ = Phase::kConservative;
    } else if (phase_ == Phase::kConservative) {
        if (current_min_ < baseline_)
            phase_ = Phase::kSlowStart;
        else if (current_min_ >= baseline_ + threshold)
            phase_ = Phase::kDone;
    }
}

void HyStart::on_sample(Time now, Time sent, Duration delay, bool is_forward, Duration min_rtt) {
    if (phase_ == Phase::kDone)
        return;
    if (!started_ || forward_ != is_forward) {
        started_ = true;
        forward_ = is_forward;
        last_min_ = current_min_ = kNone;
        if (phase_ == Phase::kConservative)
            phase_ = Phase::kSlowStart;
        next_round(now);
    } else if (sent >= round_start_) {
        if (samples_ < kSamples)
            judge(kSamplesAtEnd, min_rtt);
        next_round(now);
    }
    current_min_ = std::min(current_min_, delay.us);
    if (++samples_ >= kSamples)
        judge(kSamples, min_rtt);
}

} // namespace plait::recovery
