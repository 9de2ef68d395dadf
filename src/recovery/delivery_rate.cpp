// SPDX-License-Identifier: Apache-2.0
#include "recovery/delivery_rate.h"

#include <algorithm>

namespace plait::recovery {

namespace {
uint32_t low(Time t) {
    return static_cast<uint32_t>(t.us);
}
} // namespace

void DeliveryRate::push(const Checkpoint &c) {
    // A state in which nothing was sent is of no use.
    if (count_ && ring_[(count_ - 1) % kCheckpoints].first_pn == c.first_pn)
        count_--;
    ring_[count_++ % kCheckpoints] = c;
    if (count_ == 2 * kCheckpoints)
        count_ = kCheckpoints; // the same place in the ring; keeps the counter from wrapping
}

const DeliveryRate::Checkpoint *DeliveryRate::find(uint64_t pn) const {
    const uint32_t have = std::min(count_, kCheckpoints);
    for (uint32_t back = 1; back <= have; back++) {
        const Checkpoint &c = ring_[(count_ - back) % kCheckpoints];
        if (c.first_pn <= pn)
            return &c;
    }
    return nullptr;
}

void DeliveryRate::on_sent(PacketNumber pn, Time now, bool idle) {
    if (idle || count_ == 0)
        push({pn.v, delivered_, low(now), low(now), 0});
}

RateSample DeliveryRate::on_acked(uint64_t bytes, PacketNumber largest, Time sent,
                                  PacketNumber next, uint64_t in_flight, Time now, Duration srtt,
                                  Duration min_rtt) {
    delivered_ += bytes;
    RateSample sample;
    if (const Checkpoint *c = find(largest.v)) {
        const uint32_t ack_elapsed = low(now) - c->time_us, send_elapsed = low(sent) - c->sent_us;
        const uint64_t interval = std::max(ack_elapsed, send_elapsed);
        // Shorter than any round trip: the clock or an ACK burst, not the link.
        if (interval > 0 && interval >= static_cast<uint64_t>(min_rtt.us))
            sample.bytes_per_s = (delivered_ - c->delivered) * 1'000'000 / interval;
        sample.delivered = delivered_ - c->delivered;
        sample.in_flight = c->in_flight;
        sample.app_limited = largest.v < limited_below_;
    }
    const uint32_t since = low(now) - (count_ ? ring_[(count_ - 1) % kCheckpoints].time_us : 0);
    if (count_ == 0 || since >= static_cast<uint64_t>(srtt.us / 8))
        push({next.v, delivered_, low(now), low(sent), in_flight});
    return sample;
}

} // namespace plait::recovery
