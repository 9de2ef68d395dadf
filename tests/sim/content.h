// SPDX-License-Identifier: Apache-2.0
// What test flows carry: bytes that depend on the flow, the direction and the position, so that
// whatever is lost, doubled, moved or forged shows at the first wrong byte.
#pragma once

#include "random.h"

#include <vector>

namespace plait::sim {

inline uint8_t content_at(uint64_t key, uint64_t offset) {
    return static_cast<uint8_t>(mix(key ^ (offset >> 3)) >> (8 * (offset & 7)));
}

inline void fill_content(uint64_t key, uint64_t offset, MutBytes out) {
    uint64_t word = mix(key ^ (offset >> 3));
    for (size_t i = 0; i < out.size(); i++, offset++) {
        if ((offset & 7) == 0)
            word = mix(key ^ (offset >> 3));
        out[i] = static_cast<uint8_t>(word >> (8 * (offset & 7)));
    }
}

// The index of the first wrong byte, or -1.
inline int64_t first_wrong(uint64_t key, uint64_t offset, Bytes in) {
    uint64_t word = mix(key ^ (offset >> 3));
    for (size_t i = 0; i < in.size(); i++, offset++) {
        if ((offset & 7) == 0)
            word = mix(key ^ (offset >> 3));
        if (in[i] != static_cast<uint8_t>(word >> (8 * (offset & 7))))
            return static_cast<int64_t>(i);
    }
    return -1;
}

// Message number `seq` of a flow: its size and bytes follow from (key, seq); from 8 bytes on it
// begins with the number.
inline size_t message_size(uint64_t key, uint64_t seq, size_t least, size_t most) {
    return least + mix(key ^ mix(seq)) % (most - least + 1);
}

inline std::vector<uint8_t> message(uint64_t key, uint64_t seq, size_t least, size_t most) {
    std::vector<uint8_t> m(message_size(key, seq, least, most));
    fill_content(mix(key + seq), 0, m);
    if (m.size() >= 8)
        base::store_be(m.data(), seq, 8);
    return m;
}

} // namespace plait::sim
