// SPDX-License-Identifier: Apache-2.0
// The coding coefficients of a repair symbol, from its repair key: RFC 8681 section 3.6 with
// GF(2^8) and density threshold 15 (no coefficient is 0), over the generator TinyMT32 of RFC 8682.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace plait::fec {

class TinyMt32 {
  public:
    explicit TinyMt32(uint32_t seed);
    uint32_t next();

  private:
    void step();
    std::array<uint32_t, 4> s_;
};

void coefficients(uint16_t repair_key, std::span<uint8_t> out);

} // namespace plait::fec
