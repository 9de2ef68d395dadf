// SPDX-License-Identifier: Apache-2.0
#include "recovery/pacer.h"

#include <algorithm>
#include <limits>

namespace plait::recovery {

void Pacer::update(uint64_t rate, uint64_t cwnd, size_t mtu) {
    rate_ = std::max<uint64_t>(rate, 1);
    mtu_ = mtu;
    const uint64_t run = unlimited() ? cwnd : rate_ / (fine_ ? 4000 : 1000);
    ns_per_byte_ = 1e9 / static_cast<double>(rate_);
    quantum_ = std::max<uint64_t>(std::min(std::max<uint64_t>(2 * mtu, run), cwnd / 2), mtu);
    const uint64_t most = static_cast<uint64_t>(kMaxCredit.us) * 1000;
    credit_ns_ = fine_ ? 0 : std::min(nanos(quantum_), most);
}

// A fast link waits for a whole quantum, to send it in one run. Where two packets are the quantum,
// each goes when its time has come: so a slow line's driver never runs empty.
uint64_t Pacer::ready_ns() const {
    const uint64_t want = quantum_ > 2 * mtu_ ? quantum_ : std::min(mtu_, quantum_);
    const uint64_t ahead = nanos(quantum_ - want);
    return free_ns_ > ahead ? free_ns_ - ahead : 0;
}

Time Pacer::next(Time now) const {
    if (unlimited() || burst_ >= mtu_)
        return now;
    const Time ready{(ready_ns() + 999) / 1000};
    return ready <= now + kMinSleep ? now : ready;
}

size_t Pacer::budget(Time now) const {
    if (unlimited())
        return std::numeric_limits<size_t>::max();
    if (burst_ >= mtu_)
        return burst_;
    if (next(now) > now)
        return 0;
    const uint64_t at = now.us * 1000;
    if (free_ns_ >= at) {
        const uint64_t early = (free_ns_ - at) * rate_ / 1'000'000'000;
        return std::max<uint64_t>(quantum_ - std::min(quantum_, early), mtu_);
    }
    const uint64_t late = std::min(at - free_ns_, credit_ns_);
    return quantum_ + late * rate_ / 1'000'000'000;
}

void Pacer::on_sent(size_t bytes, Time now) {
    const uint64_t charged = bytes - std::min<uint64_t>(burst_, bytes);
    burst_ -= std::min<uint64_t>(burst_, bytes);
    if (unlimited() || charged == 0)
        return;
    const uint64_t at = now.us * 1000, credit = credit_ns_;
    free_ns_ = std::max(free_ns_, at - std::min(at, credit)) + nanos(charged);
}

} // namespace plait::recovery
