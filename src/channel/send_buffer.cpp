// SPDX-License-Identifier: Apache-2.0
#include "channel/send_buffer.h"

#include <algorithm>

namespace plait::channel {

MutBytes SendBuffer::room(size_t min, size_t more, Pools &pools) {
    if (!extents_.empty()) {
        Extent &e = extents_.back();
        if (!e.release && e.capacity - e.length >= std::max<size_t>(min, 1))
            return {e.data + e.length, e.capacity - e.length};
    }
    // A block for what comes now and what is queued already: a busy channel gets large ones.
    const size_t queued = extents_.empty() ? 0 : static_cast<size_t>(end_ - extents_.front().start);
    const size_t largest = Pools::kSizes.back() - kHeadroom;
    const size_t want = std::max(min, std::min(largest, std::max(min + more, queued)));
    const size_t size = Pools::rounded(want + kHeadroom);
    Extent e{end_, pools.take(size) + kHeadroom, 0, size - kHeadroom, nullptr, nullptr};
    extents_.push_back(e);
    return {e.data, e.capacity};
}

void SendBuffer::extend(size_t n) {
    Extent &e = extents_.back();
    PLAIT_ASSERT(!e.release && n <= e.capacity - e.length);
    e.length += n;
    end_ += n;
}

void SendBuffer::append(Bytes bytes, size_t more, Pools &pools) {
    while (!bytes.empty()) {
        const MutBytes to = room(1, bytes.size() - 1 + more, pools);
        const size_t n = std::min(to.size(), bytes.size());
        base::copy_bytes(to.data(), bytes.first(n));
        extend(n);
        bytes = bytes.subspan(n);
    }
}

void SendBuffer::append_owned(Bytes bytes, ReleaseFn fn, void *user) {
    // Only ever read: headroom inside borrowed memory is 0.
    auto *data = const_cast<uint8_t *>(bytes.data());
    extents_.push_back({end_, data, bytes.size(), bytes.size(), fn, user});
    end_ += bytes.size();
}

void SendBuffer::drop_front(Pools &pools) {
    const Extent &e = extents_.front();
    if (e.release)
        pools.releases.push_back({e.release, e.user, e.data, e.length});
    else
        pools.give(e.data - kHeadroom, e.capacity + kHeadroom);
    extents_.pop_front();
    last_found_ -= last_found_ > 0 ? 1 : 0;
}

void SendBuffer::free_below(uint64_t offset, bool keep_last, Pools &pools) {
    while (extents_.size() > (keep_last ? 1u : 0u) && extents_.front().end() <= offset)
        drop_front(pools);
}

void SendBuffer::clear(bool keep_last, Pools &pools) {
    while (extents_.size() > (keep_last ? 1u : 0u))
        drop_front(pools);
}

size_t SendBuffer::find(uint64_t offset) const {
    for (size_t i : {last_found_, last_found_ + 1})
        if (holds(i, offset))
            return last_found_ = i;
    size_t lo = 0, hi = extents_.size();
    while (hi - lo > 1) {
        const size_t mid = lo + (hi - lo) / 2;
        (extents_[mid].start <= offset ? lo : hi) = mid;
    }
    return last_found_ = lo;
}

size_t SendBuffer::parts(uint64_t offset, size_t length, Bytes part[2], size_t &headroom) const {
    part[0] = part[1] = {};
    headroom = 0;
    if (length == 0)
        return 0;
    PLAIT_ASSERT(!extents_.empty() && offset >= extents_[0].start && offset + length <= end_);
    size_t i = find(offset), got = 0;
    for (int p = 0; p < 2 && got < length; i++) {
        const Extent &e = extents_[i];
        if (e.length == 0)
            continue;
        const size_t at = static_cast<size_t>(offset + got - e.start);
        const size_t n = std::min(length - got, e.length - at);
        part[p] = {e.data + at, n};
        if (p == 0 && !e.release)
            headroom = kHeadroom + at;
        got += n;
        p++;
    }
    return got;
}

} // namespace plait::channel
