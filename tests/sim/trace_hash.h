// SPDX-License-Identifier: Apache-2.0
// A hash over everything that happens in a run. Two runs of one seed must end with the same; the
// first difference of two hashes is found with --verbose, which prints what goes in.
#pragma once

#include "base/bytes.h"

#include <bit>

namespace plait::sim {

class TraceHash {
  public:
    void add(uint64_t x) { h_ = std::rotl((h_ ^ x) * 0x9e3779b97f4a7c15, 29); }
    void add(Bytes bytes) {
        size_t i = 0;
        for (; i + 8 <= bytes.size(); i += 8) {
            uint64_t x;
            std::memcpy(&x, bytes.data() + i, 8);
            add(x);
        }
        uint64_t tail = bytes.size();
        for (; i < bytes.size(); i++)
            tail = tail << 8 | bytes[i];
        add(tail);
    }
    uint64_t value() const { return h_ ^ h_ >> 31; }

  private:
    uint64_t h_ = 0x243f6a8885a308d3;
};

} // namespace plait::sim
