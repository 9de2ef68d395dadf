// SPDX-License-Identifier: Apache-2.0
#include "node/reassembly.h"

#include <algorithm>

namespace plait::node {

void Reassembly::expire(Time now) {
    std::erase_if(entries_, [&](const Entry &e) { return now >= e.since + kReassemblyLife; });
}

Reassembly::Entry *Reassembly::entry_for(EndpointIndex endpoint, const plait_addr &remote,
                                         const wire::FragPacket &piece, Time now) {
    size_t of_one = 0;
    Entry *stale = nullptr, *stale_of_one = nullptr;
    const auto older = [](Entry *a, Entry &b) { return !a || b.newest < a->newest ? &b : a; };
    for (Entry &e : entries_) {
        const bool same_one = e.endpoint == endpoint && e.remote.len == remote.len &&
                              std::equal(remote.b, remote.b + remote.len, e.remote.b);
        if (same_one && e.type == piece.type && e.dcid == piece.header.dcid &&
            e.scid == piece.header.scid)
            return &e;
        stale = older(stale, e);
        if (!same_one)
            continue;
        of_one++;
        stale_of_one = older(stale_of_one, e);
    }
    Entry *place = nullptr;
    if (of_one >= kMaxReassembliesOfOne)
        place = stale_of_one;
    else if (entries_.size() >= kMaxReassemblies)
        place = stale;
    if (place && now < place->newest + kReassemblyStale)
        return nullptr;
    Entry fresh;
    fresh.endpoint = endpoint;
    fresh.remote = remote;
    fresh.dcid = piece.header.dcid;
    fresh.scid = piece.header.scid;
    fresh.type = piece.type;
    fresh.bytes.resize(piece.total);
    fresh.since = now;
    if (!place)
        return &entries_.emplace_back(std::move(fresh));
    *place = std::move(fresh);
    return place;
}

Reassembly::Whole Reassembly::add(EndpointIndex endpoint, const plait_addr &remote,
                                  const wire::FragPacket &piece, size_t datagram_size, Time now) {
    expire(now);
    Entry *e = entry_for(endpoint, remote, piece, now);
    if (!e || e->bytes.size() != piece.total)
        return {};
    const size_t end = piece.offset + piece.data.size();
    const auto at = e->bytes.begin() + piece.offset;
    if (e->have.covers(piece.offset, end)) {
        if (!std::equal(piece.data.begin(), piece.data.end(), at))
            return {}; // it contradicts an earlier one
    } else {
        const base::Range *next = e->have.first_above(piece.offset);
        if (next && next->start < end)
            return {}; // pieces do not overlap
        e->have.add(piece.offset, end);
        std::copy(piece.data.begin(), piece.data.end(), at);
        e->newest = now;
        e->largest_piece = std::max(e->largest_piece, datagram_size);
        if (e->have.covers(0, e->bytes.size()))
            return {e->bytes, e->largest_piece};
        return {};
    }
    if (piece.offset == 0 && e->have.covers(0, e->bytes.size()))
        return {e->bytes, e->largest_piece};
    return {};
}

} // namespace plait::node
