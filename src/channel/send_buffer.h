// SPDX-License-Identifier: Apache-2.0
// The bytes of a channel that are on their way out, by offset: a queue of extents, each a pool's
// block with headroom before it (the frame header is written there while sealing) or memory
// borrowed from the application. Bytes never move; an extent goes when everything in it is settled.
#pragma once

#include "base/ring.h"
#include "channel/pools.h"

namespace plait::channel {

inline constexpr size_t kHeadroom = 64;
// What an extent costs beside its bytes, in the accounts of the send buffer.
inline constexpr size_t kExtentCost = 64;

class SendBuffer {
  public:
    explicit SendBuffer(uint64_t start) : end_(start) {}
    SendBuffer(const SendBuffer &) = delete;
    SendBuffer &operator=(const SendBuffer &) = delete;
    ~SendBuffer() { PLAIT_ASSERT(extents_.empty()); }

    uint64_t end() const { return end_; }
    size_t extents() const { return extents_.size(); }
    bool empty() const { return extents_.empty(); }

    // Copies; `more` bytes will follow soon and are thought of when a block is chosen.
    void append(Bytes bytes, size_t more, Pools &pools);
    // Contiguous room of at least `min` bytes at the end, and marking the first n of it as sent in.
    // The room stays where it is until free_below() or clear() after the next append.
    MutBytes room(size_t min, size_t more, Pools &pools);
    void extend(size_t n);
    void append_owned(Bytes bytes, ReleaseFn fn, void *user);

    // Gives back what lies below `offset`, except the last extent if `keep_last`.
    void free_below(uint64_t offset, bool keep_last, Pools &pools);
    void clear(bool keep_last, Pools &pools);

    // [offset, offset + length) as up to two parts; returns the length that they have together.
    // headroom: bytes before part[0] in the same block, which may be overwritten and put back.
    size_t parts(uint64_t offset, size_t length, Bytes part[2], size_t &headroom) const;

  private:
    struct Extent {
        uint64_t start;
        uint8_t *data; // the byte at `start`
        size_t length, capacity;
        ReleaseFn release; // nullptr: a block of the pool
        void *user;
        uint64_t end() const { return start + length; }
    };
    void drop_front(Pools &pools);
    size_t find(uint64_t offset) const;
    bool holds(size_t i, uint64_t offset) const {
        return i < extents_.size() && extents_[i].start <= offset && offset < extents_[i].end();
    }
    base::Ring<Extent> extents_;
    uint64_t end_;
    mutable size_t last_found_ = 0; // bytes are asked for in order, mostly
};

} // namespace plait::channel
