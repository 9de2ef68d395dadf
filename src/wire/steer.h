// SPDX-License-Identifier: Apache-2.0
// Which of a node's workers a datagram is for, docs/protocol.md section 4.4. A worker issues only
// ids whose first byte, modulo the number of workers, is its own number. Who begins an attempt
// names no id of ours: all its packets (INIT, PROBE, FRAG) carry the same id of the initiator's,
// and the last byte of that decides; the first may name a worker of the initiator.
//
//     0 1 2 3 4 5 6 7
//    +-+-+-+-+-+-+-+-+--------+----------------------------------------+
//    |0| ...         |  here  | ...                                    |   short
//    +-+-+-+-+-+-+-+-+--------+----+---------+--------------------+----+
//    |1| ...         | version u32 | dlen    | here, if dlen > 0, ...  |   long
//    +-+-+-+-+-+-+-+-+-------------+---------+-----+---------+----------+
//    |1| ...         | version u32 | dlen 0  | slen | ... here |  ...   |   of a stranger
//    +-+-+-+-+-+-+-+-+-------------+---------+-----+---------+----------+
//
// transports/udp/steer.c is the same as a program for the kernel.
#pragma once

#include "base/bytes.h"
#include "wire/long_packet.h"

namespace plait::wire {

inline uint32_t worker_of(Bytes datagram, uint32_t workers) {
    constexpr size_t kShortId = 1, kDcidLength = 5, kAfterDcidLength = 6;
    size_t at = kShortId;
    if (!datagram.empty() && (datagram[0] & kLongBit)) {
        at = kAfterDcidLength;
        if (datagram.size() > at && datagram[kDcidLength] == 0)
            at += datagram[kAfterDcidLength];
    }
    return at < datagram.size() ? datagram[at] % workers : 0;
}

} // namespace plait::wire
