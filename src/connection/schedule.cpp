// SPDX-License-Identifier: Apache-2.0
// What the scheduler is told of the links (link/scheduler.h), and what it is asked.
#include "connection/connection.h"

#include <algorithm>

namespace plait::connection {

// The link against which the one-way delays of the others are compared.
const LinkEntry *Connection::delay_reference() const {
    for (size_t i = 0; i < links_.size(); i++)
        if (const LinkEntry &l = link_at(i); l.usable() && l.recovery->one_way().has_forward())
            return &l;
    return nullptr;
}

// How long a packet takes there, by differences of one-way delays; the unknown constant is the same
// for all.
static Duration forward_delay(const LinkEntry &link, const LinkEntry *reference) {
    const Duration half = link.recovery->rtt().srtt() / 2;
    if (!reference || reference == &link || !link.recovery->one_way().has_forward())
        return half;
    const Duration d =
        recovery::OneWayDelay::difference(link.recovery->one_way(), reference->recovery->one_way());
    return std::max(reference->recovery->rtt().srtt() / 2 + d, Duration{0});
}

link::Way Connection::way_of(LinkEntry &link, const LinkEntry *reference, Time now) {
    const EndpointEntry &e = endpoint_of(link);
    link::Way w;
    w.ready = can_send(link, now);
    w.rate = link.rate(e);
    w.rtt = link.recovery->rtt().srtt();
    w.window = link.recovery->cwnd();
    w.slow_start = link.recovery->controller().in_slow_start();
    w.packet = link.packet_size(e);
    w.forward = forward_delay(link, reference);
    if (e.info.rate > 0 && services_.driver)
        w.ahead = services_.driver->queued_bytes(link.endpoint);
    const Time free = link.recovery->send_time(now);
    w.wait = free > now && free != kNever ? free - now : Duration{0};
    if (link.recovery->window_left() == 0)
        w.wait = std::max(w.wait, w.rtt / 4);
    // Who knows how long a full endpoint stays so: as long again as it has been.
    if (e.blocked && e.blocked_since < now)
        w.wait = std::max(w.wait, now - e.blocked_since);
    return w;
}

LinkEntry *Connection::choose_link(const ChannelEntry &entry, bool urgent, Time now,
                                   uint64_t &bytes) {
    const link::Policy policy = policy_of(entry);
    const uint32_t mask = allowed(policy);
    const link::Demand demand{entry.backlog(), urgent || entry.has_repeats()};
    const auto choose = [&](std::span<const link::Way> ways) {
        const link::Choice choice = link::scheduler_for(policy.kind).choose(ways, demand);
        bytes = choice.bytes;
        return choice;
    };
    if (links_.size() == 1 && mask != 0) { // mostly, and then lists of 32 would be much to clear
        const link::Way way = way_of(link_at(0), nullptr, now);
        return choose({&way, 1}) ? &link_at(0) : nullptr;
    }
    std::array<link::Way, kMaxLinks> ways;
    std::array<LinkEntry *, kMaxLinks> links;
    size_t count = 0;
    const LinkEntry *reference = links_.size() > 1 ? delay_reference() : nullptr;
    for (size_t i = 0; i < links_.size(); i++) {
        LinkEntry &l = link_at(i);
        if (!(mask >> i & 1u))
            continue;
        links[count] = &l;
        ways[count++] = way_of(l, reference, now);
    }
    const link::Choice choice = choose({ways.data(), count});
    return choice ? links[choice.way] : nullptr;
}

} // namespace plait::connection
