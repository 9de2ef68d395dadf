// SPDX-License-Identifier: Apache-2.0
#include "node/reassembly.h"

#include "link/endpoint.h"

#include <algorithm>

namespace plait::node {

void Reassembly::expire(Time now) {
    std::erase_if(entries_, [&](const Entry &e) { return now >= e.since + kReassemblyLife; });
}

size_t Reassembly::share_of(uint64_t source) const {
    return static_cast<size_t>(std::count_if(entries_.begin(), entries_.end(),
                                             [&](const Entry &e) { return e.source == source; }));
}

// All places are taken: the one that makes place for a new one of `source`. That is one of a source
// which has more and would still not have less afterwards, else one that nothing comes for, but
// never of a source that has less.
Reassembly::Entry *Reassembly::place_of_others(uint64_t source, Time now) {
    const size_t own = share_of(source);
    Entry *place = nullptr;
    size_t most = 0;
    for (Entry &e : entries_) {
        const size_t share = e.source == source ? own : share_of(e.source);
        const bool more = share > own + 1;
        const bool stale = now >= e.newest + kReassemblyStale;
        const bool may_go = more || (stale && (share > own || e.source == source));
        // Of those of the largest share the one that got nothing for the longest time.
        if (may_go && (share > most || (share == most && e.newest < place->newest))) {
            place = &e;
            most = share;
        }
    }
    return place;
}

Reassembly::Entry *Reassembly::entry_for(const PieceSender &from, const wire::FragPacket &piece,
                                         Time now) {
    size_t of_one = 0;
    Entry *oldest_of_one = nullptr;
    for (Entry &e : entries_) {
        if (e.endpoint != from.endpoint || !link::same_address(e.remote, *from.remote))
            continue;
        if (e.type == piece.type && e.dcid == piece.header.dcid && e.scid == piece.header.scid)
            return &e;
        of_one++;
        if (!oldest_of_one || e.newest < oldest_of_one->newest)
            oldest_of_one = &e;
    }
    Entry *place = nullptr;
    if (of_one >= kMaxReassembliesOfOne) {
        place = oldest_of_one;
        if (now < place->newest + kReassemblyStale)
            return nullptr;
    } else if (entries_.size() >= kMaxReassemblies) {
        place = place_of_others(from.source, now);
        if (!place)
            return nullptr;
    }
    Entry fresh;
    fresh.endpoint = from.endpoint;
    fresh.remote = *from.remote;
    fresh.source = from.source;
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

Reassembly::Whole Reassembly::add(const PieceSender &from, const wire::FragPacket &piece,
                                  size_t datagram_size, Time now) {
    expire(now);
    Entry *e = entry_for(from, piece, now);
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
