// SPDX-License-Identifier: Apache-2.0
#include "link/link.h"

#include <algorithm>

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
    return state == State::kGood && validated && !validation.armed && !candidate &&
           responses.empty() && probes_owed == 0 && recovery->may_sleep() &&
           !recovery->received.ack_pending();
}

namespace {
base::SlimVector<uint8_t> pack(const Addresses &a) {
    base::SlimVector<uint8_t> out;
    const auto add = [&](const plait_addr &addr) {
        out.push_back(addr.len);
        for (size_t i = 0; i < addr.len; i++)
            out.push_back(addr.b[i]);
    };
    add(a.remote);
    if (a.has_local)
        add(a.local);
    out.shrink_to_fit();
    return out;
}

Addresses unpack(const base::SlimVector<uint8_t> &in) {
    Addresses a;
    const auto take = [](plait_addr &addr, const uint8_t *from) {
        addr.len = *from;
        std::copy(from + 1, from + 1 + addr.len, addr.b);
    };
    take(a.remote, in.data());
    a.has_local = in.size() > a.remote.len + 1u;
    if (a.has_local)
        take(a.local, in.data() + 1 + a.remote.len);
    return a;
}
} // namespace

Addresses Link::addresses() const {
    return way ? *way : unpack(asleep->addresses);
}

void Link::sleep() {
    asleep = std::make_unique<Asleep>(
        Asleep{recovery->remember(), recovery->received.remember(), pack(*way)});
    recovery.reset();
    way.reset();
    responses.release();
    changes.shrink_to_fit();
}

void Link::wake(const recovery::LinkRecoveryConfig &config, Time now) {
    recovery = std::make_unique<Hot>(config, asleep->sent.next);
    recovery->restore(asleep->sent);
    recovery->received.restore(asleep->received, now);
    recovery->received.set_srtt(recovery->rtt().srtt());
    recovery->own_ack_at = now;
    way = std::make_unique<Addresses>(unpack(asleep->addresses));
    asleep.reset();
}

uint64_t Link::expected() const {
    if (!recovery)
        return asleep->received.newest.end;
    return recovery->received.empty() ? 0 : recovery->received.largest().v + 1;
}

recovery::LinkStats Link::stats() const {
    return recovery ? recovery->stats() : asleep->sent.stats();
}

void Link::note(const Change &change) {
    if (changes.size() == kMaxChanges) {
        changes.erase(changes.begin());
        changes_missed++;
    }
    changes.push_back(change);
}

} // namespace plait::link
