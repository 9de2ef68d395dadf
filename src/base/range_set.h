// SPDX-License-Identifier: Apache-2.0
// A set of uint64 kept as sorted, disjoint, non-adjacent half-open ranges [start, end).
// Appending at the end, the common case, is O(1); elsewhere O(log n) to find and O(n) to move.
#pragma once

#include "base/slim_vector.h"

#include <cstddef>
#include <cstdint>

namespace plait::base {

// Without initial values: an ACK's array of them is not to be cleared for each packet.
struct Range {
    uint64_t start, end;
    uint64_t size() const { return end - start; }
    bool operator==(const Range &) const = default;
};

class RangeSet {
  public:
    // Adds [start, end); returns how many values were not in the set before.
    uint64_t add(uint64_t start, uint64_t end);
    // Takes [start, end) out; returns how many values were in it.
    uint64_t remove(uint64_t start, uint64_t end);
    // Drops everything below `limit`.
    void remove_below(uint64_t limit) { remove(0, limit); }
    bool contains(uint64_t value) const;
    bool covers(uint64_t start, uint64_t end) const;
    // The first range whose end is above `value`, or nullptr.
    const Range *first_above(uint64_t value) const;
    // The sizes summed up.
    uint64_t total() const;

    bool empty() const { return ranges_.empty(); }
    size_t count() const { return ranges_.size(); }
    const Range &operator[](size_t i) const { return ranges_[i]; }
    const Range &front() const { return ranges_.front(); }
    const Range &back() const { return ranges_.back(); }
    void pop_front() { ranges_.erase(ranges_.begin()); }
    void clear() { ranges_.clear(); }
    // Gives memory back too.
    void release() { ranges_.release(); }
    auto begin() const { return ranges_.begin(); }
    auto end() const { return ranges_.end(); }

  private:
    size_t lower(uint64_t value) const; // index of the first range with end >= value
    SlimVector<Range> ranges_;
};

} // namespace plait::base
