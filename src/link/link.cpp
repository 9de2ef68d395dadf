// SPDX-License-Identifier: Apache-2.0
#include "link/link.h"

#include "base/pack.h"

#include <algorithm>
#include <array>

namespace plait::link {

size_t Link::packet_size(const Endpoint &e) const {
    return std::min<size_t>(recovery->packet_size(), e.info.mtu);
}

uint64_t Link::rate(const Endpoint &e) const {
    if (e.info.rate > 0)
        return e.info.rate;
    if (const uint64_t measured = recovery->controller().measured_rate())
        return measured;
    const uint64_t srtt = static_cast<uint64_t>(std::max<int64_t>(recovery->rtt().srtt().us, 100));
    return std::max<uint64_t>(recovery->cwnd() * 1'000'000 / srtt, 1);
}

bool Link::may_sleep() const {
    if (state == State::kClosed || !recovery)
        return true;
    return state == State::kGood && validated && !way->validation.armed && !candidate &&
           way->responses.empty() && probes_owed == 0 && recovery->may_sleep() &&
           !recovery->received.ack_pending();
}

void Link::sleep() {
    std::array<uint8_t, 1024> room;
    base::Packer p(room);
    p(Asleep{recovery->remember(), recovery->received.remember(), *way});
    asleep.append(p.written());
    recovery.reset();
    way.reset();
    changes.trim();
}

Asleep Link::memory() const {
    Asleep m;
    base::Unpacker p({asleep.data(), asleep.size()});
    p(m);
    return m;
}

void Link::wake(const recovery::LinkRecoveryConfig &config, Time now) {
    const Asleep m = memory();
    recovery = std::make_unique<Hot>(config, m.sent.next);
    recovery->restore(m.sent);
    recovery->received.restore(m.received, now);
    recovery->received.set_srtt(recovery->rtt().srtt());
    recovery->own_ack_at = now;
    way = std::make_unique<Awake>(m.way);
    asleep.release();
}

uint64_t Link::expected() const {
    if (!recovery)
        return memory().received.newest.end;
    return recovery->received.empty() ? 0 : recovery->received.largest().v + 1;
}

recovery::LinkStats Link::stats() const {
    return recovery ? recovery->stats() : memory().sent.stats();
}

} // namespace plait::link
