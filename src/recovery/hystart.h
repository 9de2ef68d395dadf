// SPDX-License-Identifier: Apache-2.0
// HyStart++ (RFC 9406): finds the end of slow start from growing delay, before the queue overflows,
// and checks the finding in Conservative Slow Start.
//
// The signal is the forward one-way delay where the peer reports receive times, so that a busy
// return path cannot end slow start; else the round trip. Deviations from RFC 9406, each for a
// reason that test_flow.cpp measures:
// - The minimum is taken over each 8 samples of a round in turn, not over the first 8 and all that
//   follow: a paced sender's queue grows within the round, and the round's first packet hides it.
//   For the same reason slow start is resumed when the rise is gone, not at the first lower sample.
// - With few ACKs a round (they are thinned here) the finding is made at its end from what there
// is.
// - CSS ends early when the delay grows by the threshold once more: a queue does that, jitter does
// not.
//   The window has then doubled since the packets that told were sent: overshot().
#pragma once

#include "base/time.h"

#include <cstdint>
#include <limits>

namespace plait::recovery {

class HyStart {
  public:
    enum class Phase : uint8_t { kSlowStart, kConservative, kDone };
    static constexpr uint32_t kSamples = 8;       // N_RTT_SAMPLE
    static constexpr uint32_t kSamplesAtEnd = 3;  // enough at the end of a round
    static constexpr uint32_t kGrowthDivisor = 4; // CSS_GROWTH_DIVISOR
    static constexpr uint32_t kRounds = 5;        // CSS_ROUNDS
    static constexpr Duration kMinThreshold = base::millis(4);
    static constexpr Duration kMaxThreshold = base::millis(16);

    Phase phase() const { return phase_; }
    // Slow start is done, and was found to be so from a queue that goes on growing.
    bool overshot() const { return phase_ == Phase::kDone && css_rounds_ < kRounds; }
    // The finding was wrong: go on.
    void resume() {
        phase_ = Phase::kSlowStart;
        last_min_ = round_min_ = block_min_ = kNone;
        samples_ = 0;
    }
    void reset() { *this = HyStart{}; }
    // One delay sample; `min_rtt` sets the scale, `sent` tells the rounds apart.
    void on_sample(Time now, Time sent, Duration delay, bool is_forward, Duration min_rtt);

  private:
    static constexpr int32_t kNone = std::numeric_limits<int32_t>::max();
    void judge(uint32_t needed, Duration min_rtt);
    void next_round(Time now);

    Time round_start_;
    int64_t origin_ = 0; // delays are kept relative to the first one
    int32_t last_min_ = kNone, round_min_ = kNone, block_min_ = kNone, baseline_ = kNone,
            calm_ = kNone;
    uint32_t samples_ = 0;
    uint8_t css_rounds_ = 0;
    Phase phase_ = Phase::kSlowStart;
    bool forward_ = false, started_ = false;
};

} // namespace plait::recovery
