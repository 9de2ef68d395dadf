// SPDX-License-Identifier: Apache-2.0
#include "line.h"

#include <algorithm>

namespace plait::e2e {

// xorshift64*
double Line::draw() {
    random_ ^= random_ >> 12;
    random_ ^= random_ << 25;
    random_ ^= random_ >> 27;
    return static_cast<double>((random_ * 0x2545f4914f6cdd1d) >> 11) / 9007199254740992.0;
}

void Line::push(Packet packet, uint64_t now) {
    if (model.cut)
        return;
    const uint64_t begin = std::max(now, transmitter_free_);
    uint64_t sent = begin;
    if (model.rate > 0) {
        // What waits is what the transmitter has still to do. An idle one takes any packet.
        const uint64_t waiting = (begin - now) * model.rate / 1'000'000'000;
        if (waiting > 0 && waiting + packet.size() > model.queue)
            return;
        sent += packet.size() * 1'000'000'000 / model.rate;
    }
    transmitter_free_ = sent;
    if (model.loss > 0 && draw() < model.loss)
        return; // after the transmitter: it has cost its time
    // A delay that was made shorter does not let packets overtake.
    last_arrival_ = std::max(last_arrival_, sent + model.delay_us * 1000);
    under_way_.push({last_arrival_, std::move(packet)});
}

Line::Packet Line::pop() {
    Packet packet = std::move(under_way_.front().packet);
    under_way_.pop();
    if (model.cut)
        packet.clear();
    return packet;
}

} // namespace plait::e2e
