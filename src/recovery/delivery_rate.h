// SPDX-License-Identifier: Apache-2.0
// How fast a link delivers: the rate samples of draft-cheng-iccrg-delivery-rate-estimation (what
// BBR measures with), taken once an ACK.
//
// The draft stores three values in each packet's record. Here the states that a packet would copy
// are kept apart, as a short ring of checkpoints, at most eight a round trip; a packet finds its
// own by its number. The interval grows by an eighth of a round trip at most, the record stays 32
// bytes.
#pragma once

#include "base/ids.h"
#include "base/time.h"

#include <array>
#include <cstdint>

namespace plait::recovery {

struct RateSample {
    uint64_t bytes_per_s = 0; // 0: no sample
    bool app_limited = false; // the sender had nothing to send: the link may be faster
    uint64_t delivered = 0;   // bytes, while it was taken
    uint64_t in_flight = 0;   // bytes, when it began
};

class DeliveryRate {
  public:
    static constexpr uint32_t kCheckpoints = 16;

    // Before packet `pn` is recorded. `idle`: nothing was in flight.
    void on_sent(PacketNumber pn, Time now, bool idle);
    // The sender ran dry with window to spare: packets below `next` tell nothing of the link's
    // limit.
    void on_app_limited(PacketNumber next) { limited_below_ = next.v; }
    // An ACK delivered `bytes` more, the newest of them packet `largest`, sent at `sent`; `next` is
    // the number of the next packet to be sent, `in_flight` what is still under way.
    RateSample on_acked(uint64_t bytes, PacketNumber largest, Time sent, PacketNumber next,
                        uint64_t in_flight, Time now, Duration srtt, Duration min_rtt);
    uint64_t delivered() const { return delivered_; }
    void reset() { *this = DeliveryRate{}; }

  private:
    struct Checkpoint {
        uint64_t first_pn;  // the first packet sent in this state
        uint64_t delivered; // bytes delivered until then
        uint32_t time_us;   // when the last of them was acknowledged (modulo 2^32)
        uint32_t sent_us;   // when that packet was sent (modulo 2^32)
        uint64_t in_flight; // bytes
    };
    void push(const Checkpoint &c);
    const Checkpoint *find(uint64_t pn) const;

    std::array<Checkpoint, kCheckpoints> ring_{};
    uint32_t count_ = 0; // pushed so far
    uint64_t delivered_ = 0;
    uint64_t limited_below_ = 0;
};

} // namespace plait::recovery
