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
    const auto threshold =
        static_cast<int32_t>(std::clamp(min_rtt / 8, kMinThreshold, kMaxThreshold).us);
    if (phase_ == Phase::kSlowStart) {
        if (block_min_ < last_min_ + threshold)
            return;
        calm_ = last_min_;
        baseline_ = block_min_;
        css_rounds_ = 0;
        phase_ = Phase::kConservative;
    } else if (phase_ == Phase::kConservative) {
        if (block_min_ < calm_ + threshold / 2)
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
        origin_ = delay.us;
        forward_ = is_forward;
        last_min_ = round_min_ = kNone;
        if (phase_ == Phase::kConservative)
            phase_ = Phase::kSlowStart;
        next_round(now);
    } else if (sent >= round_start_) {
        judge(kSamplesAtEnd, min_rtt);
        next_round(now);
    }
    const auto d = static_cast<int32_t>(std::clamp<int64_t>(delay.us - origin_, -kNone, kNone - 1));
    round_min_ = std::min(round_min_, d);
    block_min_ = std::min(block_min_, d);
    if (++samples_ < kSamples)
        return;
    judge(kSamples, min_rtt);
    block_min_ = kNone;
    samples_ = 0;
}

} // namespace plait::recovery
