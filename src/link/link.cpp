// SPDX-License-Identifier: Apache-2.0
#include "link/link.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>

namespace plait::link {

size_t Link::packet_size(const Endpoint &e) const {
    size_t size = std::min<size_t>(recovery->mtu().mtu(), e.info.mtu);
    if (e.info.rate > 0) {
        const uint64_t in_time = e.info.rate * static_cast<uint64_t>(kMaxPacketTime.us) / 1'000'000;
        size = std::min<size_t>(size, std::max<uint64_t>(in_time, kMinPacket));
    }
    return size;
}

uint64_t Link::rate(const Endpoint &e) const {
    if (e.info.rate > 0)
        return e.info.rate;
    const uint64_t srtt = static_cast<uint64_t>(std::max<int64_t>(recovery->rtt().srtt().us, 100));
    return std::max<uint64_t>(recovery->cwnd() * 1'000'000 / srtt, 1);
}

void Link::note(const Change &change) {
    if (changes.size() == kMaxChanges) {
        changes.erase(changes.begin());
        changes_missed++;
    }
    changes.push_back(change);
}

void Link::set_reason(const char *format, ...) {
    va_list args;
    va_start(args, format);
    std::vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
}

} // namespace plait::link
