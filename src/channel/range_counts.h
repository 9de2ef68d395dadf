// SPDX-License-Identifier: Apache-2.0
// A small count for each of a set of ranges of offsets; 0 where nothing is kept. And walks over a
// RangeSet's inside and outside, within bounds, that stand it when the visitor changes the set.
#pragma once

#include "base/range_set.h"

#include <algorithm>
#include <vector>

namespace plait::channel {

using base::Range;
using base::RangeSet;

class RangeCounts {
  public:
    struct Piece {
        uint64_t start, end;
        uint32_t count;
    };

    bool empty() const { return pieces_.empty(); }
    uint32_t at(uint64_t value) const;
    // Calls f(start, end, count) for the parts of [start, end), in order, those with 0 too; what f
    // returns is the part's new count. f must not touch this object.
    template <class F> void update(uint64_t start, uint64_t end, F f);
    void increment(uint64_t start, uint64_t end) {
        update(start, end, [](uint64_t, uint64_t, uint32_t n) { return n + 1; });
    }
    void clear(uint64_t start, uint64_t end) {
        if (!pieces_.empty())
            update(start, end, [](uint64_t, uint64_t, uint32_t) { return 0u; });
    }
    void release() { std::vector<Piece>().swap(pieces_); }

  private:
    static void put(std::vector<Piece> &to, Piece p);
    void splice(size_t first, size_t last, const std::vector<Piece> &with);
    std::vector<Piece> pieces_; // sorted, disjoint, counts above 0
};

template <class F> void RangeCounts::update(uint64_t start, uint64_t end, F f) {
    if (start >= end)
        return;
    const auto at = std::lower_bound(pieces_.begin(), pieces_.end(), start,
                                     [](const Piece &p, uint64_t v) { return p.end <= v; });
    const size_t first = static_cast<size_t>(at - pieces_.begin());
    size_t last = first;
    std::vector<Piece> made;
    uint64_t pos = start;
    for (; last < pieces_.size() && pieces_[last].start < end; last++) {
        const Piece p = pieces_[last];
        if (p.start < start)
            put(made, {p.start, start, p.count});
        if (p.start > pos) {
            put(made, {pos, p.start, f(pos, p.start, 0u)});
            pos = p.start;
        }
        const uint64_t to = std::min(p.end, end);
        put(made, {pos, to, f(pos, to, p.count)});
        pos = to;
        if (p.end > end)
            put(made, {end, p.end, p.count});
    }
    if (pos < end) {
        // Before a remainder above `end` nothing is left to visit: pos is `end` then.
        put(made, {pos, end, f(pos, end, 0u)});
    }
    splice(first, last, made);
}

// f(start, end) for each part of [start, end) that is in `set`.
template <class F> void for_each_inside(const RangeSet &set, uint64_t start, uint64_t end, F f) {
    while (start < end) {
        const Range *r = set.first_above(start);
        if (!r || r->start >= end)
            return;
        const uint64_t from = std::max(start, r->start), to = std::min(end, r->end);
        start = to;
        f(from, to);
    }
}
// f(start, end) for each part of [start, end) that is not in `set`.
template <class F> void for_each_outside(const RangeSet &set, uint64_t start, uint64_t end, F f) {
    while (start < end) {
        const Range *r = set.first_above(start);
        const uint64_t to = r ? std::min(end, std::max(start, r->start)) : end;
        const uint64_t next = r ? std::max(to, std::min(end, r->end)) : end;
        const uint64_t from = start;
        start = next;
        if (from < to)
            f(from, to);
    }
}
inline bool touches(const RangeSet &set, uint64_t start, uint64_t end) {
    const Range *r = set.first_above(start);
    return r && r->start < end;
}

} // namespace plait::channel
