// SPDX-License-Identifier: Apache-2.0
// The newest bytes of an offset space, each at its offset modulo the size: what a sliding window
// covers. Which of them are there the owner knows.
#pragma once

#include "base/bytes.h"

#include <vector>

namespace plait::fec {

class History {
  public:
    size_t capacity() const { return ring_.size(); }
    bool empty() const { return ring_.empty(); }
    // Room for at least `bytes`; what lies in [start, end), no more than the old room, stays.
    void grow(size_t bytes, uint64_t start, uint64_t end);
    void release() { std::vector<uint8_t>().swap(ring_); }

    // No more than capacity() bytes.
    void put(uint64_t offset, Bytes bytes);
    // The bytes from `offset` on, as far as they lie in one piece, at most `n`.
    Bytes piece(uint64_t offset, uint64_t n) const;
    uint8_t at(uint64_t offset) const { return ring_[offset & (ring_.size() - 1)]; }

  private:
    std::vector<uint8_t> ring_; // a power of two, or empty
};

} // namespace plait::fec
