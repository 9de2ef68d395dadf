// SPDX-License-Identifier: Apache-2.0
#include "base/range_set.h"

#include "base/assert.h"

#include <algorithm>

namespace plait::base {

size_t RangeSet::lower(uint64_t value) const {
    auto it = std::lower_bound(ranges_.begin(), ranges_.end(), value,
                               [](const Range &r, uint64_t v) { return r.end < v; });
    return static_cast<size_t>(it - ranges_.begin());
}

uint64_t RangeSet::add(uint64_t start, uint64_t end) {
    PLAIT_ASSERT(start <= end);
    if (start == end)
        return 0;
    if (ranges_.empty() || start > ranges_.back().end) {
        ranges_.push_back({start, end});
        return end - start;
    }
    if (start == ranges_.back().end) { // in order: the last range grows
        ranges_.back().end = end;
        return end - start;
    }
    const size_t first = lower(start);
    Range merged{start, end};
    uint64_t had = 0;
    size_t last = first;
    for (; last < ranges_.size() && ranges_[last].start <= end; last++) {
        const Range &r = ranges_[last];
        const uint64_t lo = std::max(r.start, start), hi = std::min(r.end, end);
        had += hi > lo ? hi - lo : 0;
        merged.start = std::min(merged.start, r.start);
        merged.end = std::max(merged.end, r.end);
    }
    const auto at = ranges_.begin() + static_cast<std::ptrdiff_t>(first);
    if (last == first) {
        ranges_.insert(at, merged);
    } else {
        *at = merged;
        ranges_.erase(at + 1, ranges_.begin() + static_cast<std::ptrdiff_t>(last));
    }
    return end - start - had;
}

uint64_t RangeSet::remove(uint64_t start, uint64_t end) {
    if (start >= end || ranges_.empty())
        return 0;
    uint64_t removed = 0;
    size_t i = lower(start);
    while (i < ranges_.size() && ranges_[i].start < end) {
        Range &r = ranges_[i];
        const uint64_t lo = std::max(r.start, start), hi = std::min(r.end, end);
        if (hi <= lo) {
            i++;
            continue;
        }
        removed += hi - lo;
        const Range left{r.start, lo}, right{hi, r.end};
        const auto at = ranges_.begin() + static_cast<std::ptrdiff_t>(i);
        if (left.size() && right.size()) {
            *at = left;
            ranges_.insert(at + 1, right);
            i += 2;
        } else if (left.size() || right.size()) {
            *at = left.size() ? left : right;
            i++;
        } else {
            ranges_.erase(at);
        }
    }
    return removed;
}

bool RangeSet::contains(uint64_t value) const {
    return covers(value, value + 1);
}

bool RangeSet::covers(uint64_t start, uint64_t end) const {
    const Range *r = first_above(start);
    return r && r->start <= start && r->end >= end;
}

const Range *RangeSet::first_above(uint64_t value) const {
    const size_t i = lower(value + 1);
    return i < ranges_.size() ? &ranges_[i] : nullptr;
}

uint64_t RangeSet::total() const {
    uint64_t sum = 0;
    for (const Range &r : ranges_)
        sum += r.size();
    return sum;
}

} // namespace plait::base
