// SPDX-License-Identifier: Apache-2.0
// One direction of a simulated wire: what a line, a radio or the Internet does to datagrams.
//
//     datagram -> cut? MTU? loss? policer? -> queue (tail drop, ECN) -> rate -> delay, jitter,
//     sleep, batches -> arrival (none, one or two of them, perhaps damaged, perhaps late)
//
// A queue may be shared by several pipes: a common bottleneck. Times here are nanoseconds, because
// a packet on a fast line takes less than the engine's microsecond.
#pragma once

#include "random.h"

#include <array>
#include <memory>

namespace plait::sim {

using Nanos = uint64_t; // of the world's clock

constexpr Nanos nanos(Duration d) {
    return static_cast<Nanos>(d.us) * 1000;
}

// A transmitter: takes so many bytes a second, and lets so many wait.
class Queue {
  public:
    explicit Queue(uint64_t rate, uint64_t limit = 0, uint64_t ecn_above = 0)
        : rate_(rate), limit_(limit), ecn_above_(ecn_above) {}
    // False: full, the datagram is lost. Otherwise when its last byte is out, and whether it found
    // the queue so long that it is marked.
    bool admit(Nanos now, size_t size, Nanos &departs, bool &marked);
    uint64_t backlog(Nanos now) const;
    // When the backlog will be no more than so many bytes.
    Nanos time_of_backlog(uint64_t bytes, Nanos now) const;
    void set_rate(uint64_t rate, Nanos now);
    void set_limit(uint64_t bytes) { limit_ = bytes; }
    uint64_t rate() const { return rate_; }

  private:
    uint64_t rate_;      // bytes a second, 0: at once
    uint64_t limit_;     // bytes, 0: none
    uint64_t ecn_above_; // bytes, 0: never marks
    Nanos busy_until_ = 0;
};

// Gilbert-Elliott: a good and a bad state, changed with these chances at each datagram.
struct Bursts {
    double begin = 0;
    double end = 0.3;
    double loss = 1; // in the bad state
};

struct PipeModel {
    uint64_t rate = 0;  // bytes a second, 0: at once
    uint64_t queue = 0; // bytes that may wait, 0: any number
    uint64_t ecn_above = 0;
    bool clears_ecn = false; // whatever the sender has marked
    Duration delay = base::millis(5);
    Duration jitter{0};      // up to so much more, uniformly
    bool keeps_order = true; // however different the delays
    double loss = 0;
    Bursts bursts;
    double reorder = 0; // share of datagrams that are held back
    Duration reorder_by = base::millis(3);
    double duplicate = 0;
    double corrupt = 0;
    uint32_t mtu = 65535;     // larger ones vanish,
    bool tells_mtu = false;   // and the sender's endpoint is told
    uint64_t police_rate = 0; // token bucket: bytes a second, 0: none
    uint64_t police_burst = 0;
    bool cut = false;
    Duration batch{0}; // arrivals come at multiples of this only (an USB adapter's latency timer)
    Duration sleep_period{0}, sleep{0}; // a radio that is deaf for `sleep` in each period, then
                                        // gets what has waited for it

    void heal() {
        loss = reorder = duplicate = corrupt = 0;
        bursts = {};
        cut = false;
        sleep = Duration{0};
        police_rate = 0;
    }
};

struct PipeCounters {
    uint64_t datagrams = 0, bytes = 0, lost = 0, dropped_by_queue = 0, too_big = 0, cut = 0;
    uint64_t corrupted = 0, duplicated = 0, arrivals = 0;
};

class Pipe {
  public:
    struct Arrival {
        Nanos at = 0;
        bool marked = false, corrupt = false;
    };
    enum class Outcome : uint8_t { kPassed, kLost, kTooBig };

    Pipe(const PipeModel &m, Rng rng)
        : model(m), queue_(std::make_shared<Queue>(m.rate, m.queue, m.ecn_above)), rng_(rng) {}
    // What becomes of a datagram sent at `now`; `out[0..count)` are its arrivals.
    Outcome pass(Nanos now, size_t size, std::array<Arrival, 2> &out, size_t &count);
    void set_rate(uint64_t rate, Nanos now) { queue_->set_rate(rate, now); }
    void share(std::shared_ptr<Queue> queue) { queue_ = std::move(queue); }
    const Queue &queue() const { return *queue_; }
    Rng &rng() { return rng_; }
    const PipeCounters &counters() const { return counters_; }

    PipeModel model; // may be changed at any time, except what the queue took from it

  private:
    bool is_lost();
    bool is_policed(Nanos now, size_t size);
    Nanos arrival_after(Nanos departed);
    std::shared_ptr<Queue> queue_;
    Rng rng_;
    bool bad_ = false;
    double tokens_ = 0;
    Nanos tokens_at_ = 0;
    Nanos last_arrival_ = 0;
    PipeCounters counters_;
};

} // namespace plait::sim
