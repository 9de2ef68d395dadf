// SPDX-License-Identifier: Apache-2.0
#include "channel/range_counts.h"

namespace plait::channel {

uint32_t RangeCounts::at(uint64_t value) const {
    const auto it = std::lower_bound(pieces_.begin(), pieces_.end(), value,
                                     [](const Piece &p, uint64_t v) { return p.end <= v; });
    return it != pieces_.end() && it->start <= value ? it->count : 0;
}

void RangeCounts::put(std::vector<Piece> &to, Piece p) {
    if (p.count == 0 || p.start >= p.end)
        return;
    if (!to.empty() && to.back().end == p.start && to.back().count == p.count)
        to.back().end = p.end;
    else
        to.push_back(p);
}

void RangeCounts::splice(size_t first, size_t last, const std::vector<Piece> &with) {
    const auto from = pieces_.begin() + static_cast<std::ptrdiff_t>(first);
    const size_t had = last - first;
    const size_t same = std::min(had, with.size());
    std::copy(with.begin(), with.begin() + static_cast<std::ptrdiff_t>(same), from);
    if (with.size() > had)
        pieces_.insert(from + static_cast<std::ptrdiff_t>(same),
                       with.begin() + static_cast<std::ptrdiff_t>(same), with.end());
    else
        pieces_.erase(from + static_cast<std::ptrdiff_t>(same),
                      from + static_cast<std::ptrdiff_t>(had));
}

} // namespace plait::channel
