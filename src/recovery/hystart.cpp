// SPDX-License-Identifier: Apache-2.0
#include "recovery/hystart.h"

#include <algorithm>

namespace plait::recovery {

void HyStart::next_round(Time now) {
    if (phase_ == Phase::kConservative && ++css_rounds_ >= kRounds)
        phase_ = Phase::kDone;
    round_start_ = now;
    last_min_ = round_min_;
    round_min_ = block_min_ = kNone;
    samples_ = 0;
}

void HyStart::judge(uint32_t needed, Duration min_rtt) {
    if (samples_ < needed || last_min_ == kNone)
        return;
    const int64_t threshold =
        std::clamp(min_rtt / 8, kMinThreshold, kMaxThreshold).us;
    if (phase_ == Phase::kSlowStart) {
        if (block_min_ < last_min_ + threshold)
            return;
        baseline_ = block_min_;
        css_rounds_ = 0;
        phase_ = Phase::kConservative;
    } else if (phase_ == Phase::kConservative) {
        if (block_min_ < baseline_)
            phase_ = Phase::kSlowStart;
        else if (block_min_ >= baseline_ + threshold)
            phase_ = Phase::kDone;
    }
}

void HyStart::on_sample(Time now, Time sent, Duration delay, bool is_forward, Duration min_rtt) {
    if (phase_ == Phase::kDone)
        return;
    if (!started_ || forward_ != is_forward) {
        started_ = true;
        forward_ = is_forward;
        last_min_ = round_min_ = kNone;
        if (phase_ == Phase::kConservative)
            phase_ = Phase::kSlowStart;
        next_round(now);
    } else if (sent >= round_start_) {
        judge(kSamplesAtEnd, min_rtt);
        next_round(now);
    }
    round_min_ = std::min(round_min_, delay.us);
    block_min_ = std::min(block_min_, delay.us);
    if (++samples_ < kSamples)
        return;
    judge(kSamples, min_rtt);
    block_min_ = kNone;
    samples_ = 0;
}

} // namespace plait::recovery
