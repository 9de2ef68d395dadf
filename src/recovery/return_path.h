// SPDX-License-Identifier: Apache-2.0
// The way back of a link, where it is so narrow that ACKs alone fill it: a satellite's or a phone
// line's uplink below a broad downlink. Nothing holds ACKs back at their sender, so they would
// queue there, each later than the one before.
//
// How long an ACK was under way compared to the fastest one (OneWayDelay) tells that it waited. The
// rate is known while there is a queue all the time: what comes out of it is then all that fits.
// That needs more than a few late ACKs in a row, as a radio that sleeps or an adapter that delivers
// in batches makes them, too: behind a queue each of them waits longer than the gap between them.
#pragma once

#include "base/time.h"

#include <array>
#include <cstddef>
#include <cstdint>

namespace plait::recovery {

class ReturnPath {
  public:
    static constexpr size_t kRun = 4; // ACKs in a row, each late
    static constexpr Duration kLeastQueue = base::millis(2);
    // So long without a queue: perhaps it carries twice as much by now.
    static constexpr Duration kHold = base::seconds(2);
    static constexpr uint64_t kWide = 10'000'000; // bytes/s that ACKs can't fill

    // Any packet that came over the link, before the ACK in it is told.
    void on_received(size_t bytes) { bytes_ += bytes; }
    // An ACK came that waited for so long in queues.
    void on_ack(Time now, Duration queued);
    void reset() { *this = ReturnPath{}; }

    // Bytes a second; 0: it was not found to be narrow.
    uint64_t rate() const { return rate_; }

  private:
    struct Late {
        Time at;
        Duration queued;
        uint64_t bytes = 0; // that had come until then
    };
    void look(Time now);

    std::array<Late, kRun> run_; // the latest ones, oldest first
    size_t count_ = 0;
    uint64_t bytes_ = 0, rate_ = 0;
    Time known_at_;
};

// How far apart ACKs should be on a way back of `rate` bytes/s, shared by the ACKs of so many
// links: a tenth of it, but an ACK a round trip may take up to a third. 0: no farther than they are
// without being asked.
Duration ack_spacing(uint64_t rate, Duration min_rtt, size_t links);

} // namespace plait::recovery
