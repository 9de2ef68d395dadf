// SPDX-License-Identifier: Apache-2.0
// Where received bytes wait for the reader: blocks of 4 KiB, addressed by offset and there only
// where bytes are, so that a byte is copied once to where it stays. A block that holds but a little
// is 512 bytes long: a small message must not pin a large block. What is where, the owner's
// RangeSet knows.
#pragma once

#include "base/range_set.h"
#include "base/ring.h"
#include "channel/pools.h"

namespace plait::channel {

class ReceiveBuffer {
  public:
    static constexpr uint64_t kBlock = 4096;
    static constexpr uint64_t kSmall = 512;

    ReceiveBuffer() = default;
    ReceiveBuffer(const ReceiveBuffer &) = delete;
    ReceiveBuffer &operator=(const ReceiveBuffer &) = delete;
    ~ReceiveBuffer() { PLAIT_ASSERT(held_ == 0); }

    // `lowest`: no bytes below it are or will be kept.
    void write(uint64_t offset, Bytes bytes, uint64_t lowest, Pools &pools);
    void read(uint64_t offset, MutBytes to) const;
    // The bytes from `offset` up to `end`, as far as they lie in one block.
    Bytes slice(uint64_t offset, uint64_t end) const;
    // Gives back the blocks inside and at the borders of [start, end) that hold none of `kept`.
    void free(uint64_t start, uint64_t end, const base::RangeSet &kept, uint64_t lowest,
              Pools &pools);
    void clear(Pools &pools);
    uint64_t held() const { return held_; } // bytes of blocks

  private:
    struct Block {
        uint8_t *data;
        uint16_t base, size; // what part of the 4 KiB it holds
    };
    Block &block(uint64_t index, uint64_t lowest);
    void put(Block &b, uint64_t at, Bytes bytes, Pools &pools);
    void drop(Block &b, Pools &pools);
    base::Ring<Block> blocks_;
    uint64_t first_ = 0; // index of blocks_[0]
    uint64_t held_ = 0;
};

} // namespace plait::channel
