// SPDX-License-Identifier: Apache-2.0
// Spreads what the window allows over the round trip (RFC 9002 section 7.7), in quanta that suit
// segmentation offload and timers: max(2 packets, rate x 1 ms), at most half the window; a quarter
// of that where queues turned out to be too short for it. It never asks for a sleep under 100 us:
// what is so near may go now.
//
// All that was sent "has left" at `free_`, were it sent at the pacing rate. A quantum may be ahead
// of that; being late (a coarse timer) earns credit of one more quantum or 2 ms, not more.
#pragma once

#include "base/time.h"

#include <cstddef>
#include <cstdint>

namespace plait::recovery {

class Pacer {
  public:
    static constexpr Duration kMinSleep = base::micros(100);
    static constexpr Duration kMaxCredit = base::millis(2);
    static constexpr uint32_t kInitialBurst = 10; // packets, RFC 9002 section 7.7

    // `burst`: packets that may go at once, at the start and after idling.
    explicit Pacer(size_t mtu, uint32_t burst = kInitialBurst) : mtu_(mtu), burst_packets_(burst) {
        on_idle();
    }

    // After each change: bytes/s (Controller::kUnlimited: no pacing), window and packet size.
    void update(uint64_t rate, uint64_t cwnd, size_t mtu);
    // In shorter runs, without credit: the bottleneck's queue does not hold a whole one.
    void set_fine(bool fine) { fine_ = fine; }
    // Nothing has been sent for long: the first packets may go at once.
    void on_idle() { burst_ = burst_packets_ * mtu_; }

    // When the next packets may go: `now` if some may.
    Time next(Time now) const;
    // How many bytes may go at `now`; 0 if next() is later.
    size_t budget(Time now) const;
    void on_sent(size_t bytes, Time now);

    size_t quantum() const { return quantum_; }
    uint64_t rate() const { return rate_; }

  private:
    bool unlimited() const { return rate_ >= kTooFastToPace; }
    // How long the rate takes for them. A multiplication: this is done for every packet.
    uint64_t nanos(uint64_t bytes) const {
        return static_cast<uint64_t>(static_cast<double>(bytes) * ns_per_byte_);
    }
    // The moment from which `want` bytes may go.
    uint64_t ready_ns() const;

    static constexpr uint64_t kTooFastToPace = uint64_t{1} << 40; // bytes/s
    uint64_t rate_ = ~uint64_t{0};
    uint64_t quantum_ = 0;
    uint64_t free_ns_ = 0;
    uint64_t credit_ns_ = 0; // what being late is worth at most
    double ns_per_byte_ = 0;
    uint64_t burst_ = 0; // bytes that may go without being charged
    uint64_t mtu_;
    uint32_t burst_packets_;
    bool fine_ = false;
};

} // namespace plait::recovery
