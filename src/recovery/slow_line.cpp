// SPDX-License-Identifier: Apache-2.0
#include "recovery/slow_line.h"

#include <algorithm>
#include <array>

namespace plait::recovery {

namespace {
// Steps of about a quarter: a packet size that followed every sample would never be still, and
// windows are counted in packets.
constexpr std::array<size_t, 11> kSteps = {
    SlowLine::kLeast, 160, 200, 256, 320, 400, 512, 640, 800, 1024, 1200};
// Above what fills the largest step in a slice there is nothing to do.
constexpr uint64_t kFast = kSteps.back() * 1'000'000 / static_cast<uint64_t>(SlowLine::kSlice.us);
} // namespace

void SlowLine::on_sample(Time now, uint64_t rate, Duration queued) {
    rate_.add(rate, now, kWindow);
    if (size_ != SIZE_MAX)
        return fit();
    if (rate >= kFast || queued < kSlice) {
        run_ = 0;
        return;
    }
    if (run_++ == 0)
        run_began_ = now;
    if (run_ >= kRun && now - run_began_ >= kRunTime && rate_.best() < kFast)
        fit();
}

// Larger only for what fills the larger packet in a slice, smaller only for what does not fill the
// present one by a quarter.
void SlowLine::fit() {
    const uint64_t slice = rate_.best() * static_cast<uint64_t>(kSlice.us) / 1'000'000;
    const auto fitting = std::upper_bound(kSteps.begin(), kSteps.end(), slice);
    const size_t step = fitting == kSteps.begin() ? kSteps.front() : *(fitting - 1);
    if (slice > kSteps.back() + kSteps.back() / 4)
        return reset();
    if (size_ == SIZE_MAX || step > size_ || slice < size_ - size_ / 4)
        size_ = step;
}

} // namespace plait::recovery
