// SPDX-License-Identifier: Apache-2.0
// What a repair symbol is made of, docs/protocol.md section 6.7. The encoding window is a range of
// a channel's offsets, cut into source symbols of one size from its start on (the last one filled
// up with zeros); a repair symbol is their sum, each times its coefficient:
//
//     first              first + S          first + 2 S         first + length
//     | source symbol 0  | source symbol 1  | source symbol 2 0 0 0 |
//
// The words are those of RFC 8681, whose code it is; there a source symbol is a packet. Here
// packets of any size lie across symbols: one of up to S bytes has at most one byte in each of the
// S columns, so that each repair symbol can bring back one lost packet, wherever it lies.
#pragma once

#include "base/bytes.h"
#include "base/time.h"
#include "wire/frames.h"

namespace plait::fec {

inline constexpr size_t kMaxSymbols = wire::kMaxSymbols; // in a window
inline constexpr uint64_t kMaxWindowBytes = 256u << 10;  // that this side keeps for its peer
inline constexpr size_t kMaxSymbolSize = wire::kMaxSymbolSize;

struct Repair {
    uint64_t first = 0, length = 0; // the encoding window
    size_t symbol_size = 0;
    uint16_t key = 0; // from which the coefficients are made
    uint64_t end() const { return first + length; }
    size_t symbols() const { return static_cast<size_t>((length + symbol_size - 1) / symbol_size); }
    // What follows the last byte that can differ from 0.
    size_t size() const { return length < symbol_size ? static_cast<size_t>(length) : symbol_size; }
    bool operator==(const Repair &) const = default;
};

// False: nobody may send such a one.
constexpr bool valid(uint64_t first, uint64_t length, uint64_t symbol_size, size_t bytes) {
    return symbol_size >= 1 && symbol_size <= kMaxSymbolSize && length >= 1 &&
           length <= kMaxWindowBytes && first <= base::kVarintMax - length &&
           (length + symbol_size - 1) / symbol_size <= kMaxSymbols && bytes >= 1 &&
           bytes <= symbol_size;
}

} // namespace plait::fec
