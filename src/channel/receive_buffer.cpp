// SPDX-License-Identifier: Apache-2.0
#include "channel/receive_buffer.h"

#include <algorithm>

namespace plait::channel {

ReceiveBuffer::Block &ReceiveBuffer::block(uint64_t index, uint64_t lowest) {
    if (held_ == 0) {
        blocks_.clear();
        first_ = lowest / kBlock;
    }
    PLAIT_ASSERT(index >= first_);
    while (blocks_.size() <= index - first_)
        blocks_.push_back({nullptr, 0, 0});
    return blocks_[static_cast<size_t>(index - first_)];
}

void ReceiveBuffer::put(Block &b, uint64_t at, Bytes bytes, Pools &pools) {
    const uint64_t end = at + bytes.size();
    if (!b.data) {
        const bool small = bytes.size() <= kSmall / 2;
        b.size = static_cast<uint16_t>(small ? kSmall : kBlock);
        b.base = static_cast<uint16_t>(small ? std::min(at, kBlock - kSmall) : 0);
        b.data = pools.take(b.size);
        held_ += b.size;
    } else if (at < b.base || end > uint64_t{b.base} + b.size) {
        uint8_t *full = pools.take(kBlock);
        std::memcpy(full + b.base, b.data, b.size);
        pools.give(b.data, b.size);
        held_ += kBlock - b.size;
        b = {full, 0, static_cast<uint16_t>(kBlock)};
    }
    base::copy_bytes(b.data + (at - b.base), bytes);
}

void ReceiveBuffer::write(uint64_t offset, Bytes bytes, uint64_t lowest, Pools &pools) {
    while (!bytes.empty()) {
        const uint64_t at = offset % kBlock;
        const size_t n = static_cast<size_t>(std::min<uint64_t>(bytes.size(), kBlock - at));
        put(block(offset / kBlock, lowest), at, bytes.first(n), pools);
        bytes = bytes.subspan(n);
        offset += n;
    }
}

Bytes ReceiveBuffer::slice(uint64_t offset, uint64_t end) const {
    const uint64_t index = offset / kBlock, at = offset % kBlock;
    PLAIT_ASSERT(index >= first_ && index - first_ < blocks_.size());
    const Block &b = blocks_[static_cast<size_t>(index - first_)];
    const uint64_t to = std::min(kBlock, at + (end - offset));
    PLAIT_ASSERT(b.data && at >= b.base && to <= uint64_t{b.base} + b.size);
    return {b.data + (at - b.base), static_cast<size_t>(to - at)};
}

void ReceiveBuffer::read(uint64_t offset, MutBytes to) const {
    while (!to.empty()) {
        const Bytes from = slice(offset, offset + to.size());
        base::copy_bytes(to.data(), from);
        to = to.subspan(from.size());
        offset += from.size();
    }
}

void ReceiveBuffer::drop(Block &b, Pools &pools) {
    if (!b.data)
        return;
    pools.give(b.data, b.size);
    held_ -= b.size;
    b = {nullptr, 0, 0};
}

void ReceiveBuffer::free(uint64_t start, uint64_t end, const base::RangeSet &kept, uint64_t lowest,
                         Pools &pools) {
    if (held_ == 0 || start >= end)
        return;
    // A SKIP may reach far beyond what is held.
    const uint64_t last = std::min((end - 1) / kBlock, first_ + blocks_.size() - 1);
    for (uint64_t i = std::max(start / kBlock, first_); i <= last; i++) {
        const base::Range *r = kept.first_above(i * kBlock);
        if (!r || r->start >= (i + 1) * kBlock)
            drop(blocks_[static_cast<size_t>(i - first_)], pools);
    }
    if (held_ == 0)
        blocks_.clear();
    while (!blocks_.empty() && !blocks_.front().data && first_ < lowest / kBlock) {
        blocks_.pop_front();
        first_++;
    }
}

void ReceiveBuffer::clear(Pools &pools) {
    while (!blocks_.empty()) {
        drop(blocks_.front(), pools);
        blocks_.pop_front();
    }
    blocks_.release();
}

} // namespace plait::channel
