// SPDX-License-Identifier: Apache-2.0
// The records of channel 0's stream, docs/protocol.md section 5: what is too long for a frame.
//
//   | type v | length v | body |      unknown types are skipped
#pragma once

#include "base/bytes.h"
#include "base/result.h"

namespace plait::connection {

inline constexpr uint64_t kLabelRecord = 1;        // | channel v | label |
inline constexpr uint64_t kRekeyRequestRecord = 2; // | generation u32 |
inline constexpr uint64_t kRekeyInitRecord = 3; // | generation u32 | suite u16 | length u16 | key |
inline constexpr uint64_t kRekeyRespRecord = 4; // | generation u32 | length u16 | key |
inline constexpr uint64_t kEndpointsRecord = 6; // see announce.h
inline constexpr uint64_t kClassesRecord = 7;   // | name length u8 | name | cid size u8 | repeated
inline constexpr size_t kMaxRecord = 1024;      // bytes, its head included

struct Record {
    uint64_t type = 0;
    Bytes body;
    size_t size = 0; // in the stream
};

// PLAIT_E_AGAIN: not whole yet. PLAIT_E_MALFORMED: longer than kMaxRecord.
inline Status read_record(Bytes in, Record &out) {
    base::Reader r(in);
    out.type = r.varint();
    const uint64_t length = r.varint();
    if (r.ok() && length > kMaxRecord - 16)
        return PLAIT_E_MALFORMED;
    if (!r.ok() || r.left() < length)
        return PLAIT_E_AGAIN;
    out.body = r.bytes(static_cast<size_t>(length));
    out.size = in.size() - r.left();
    return PLAIT_OK;
}

} // namespace plait::connection
