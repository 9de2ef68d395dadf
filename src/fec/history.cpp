// SPDX-License-Identifier: Apache-2.0
#include "fec/history.h"

#include "base/assert.h"

#include <algorithm>

namespace plait::fec {

void History::grow(size_t bytes, uint64_t start, uint64_t end) {
    if (bytes <= ring_.size())
        return;
    History larger;
    larger.ring_.resize(std::bit_ceil(bytes));
    while (start < end) {
        const Bytes b = piece(start, end - start);
        larger.put(start, b);
        start += b.size();
    }
    ring_.swap(larger.ring_);
}

void History::put(uint64_t offset, Bytes bytes) {
    PLAIT_ASSERT(bytes.size() <= ring_.size());
    if (bytes.empty())
        return;
    const size_t at = offset & (ring_.size() - 1);
    const size_t first = std::min(bytes.size(), ring_.size() - at);
    std::memcpy(ring_.data() + at, bytes.data(), first);
    if (first < bytes.size())
        std::memcpy(ring_.data(), bytes.data() + first, bytes.size() - first);
}

Bytes History::piece(uint64_t offset, uint64_t n) const {
    const size_t at = offset & (ring_.size() - 1);
    return {ring_.data() + at, static_cast<size_t>(std::min<uint64_t>(n, ring_.size() - at))};
}

} // namespace plait::fec
