// SPDX-License-Identifier: Apache-2.0
// The long packets that a node sends or takes without holding anything for it, and FRAG, which
// carries the others in pieces. docs/protocol.md sections 2.4, 2.9, 2.10.
//
//   RETRY     ... | mac1 echo[16] | cookie[16]
//   VERSIONS  ... | mac1 echo[16] | count u8 | version u32 ...          (its own version is 0)
//   PROBE     ... | nonce[16] | mac1[16]
//   FRAG      ... | type u8 | total u16 | offset u16 | tag[8] | data
#pragma once

#include "wire/long_packet.h"

namespace plait::wire {

inline constexpr size_t kCookieSize = 16;
inline constexpr size_t kProbeNonceSize = 16;
inline constexpr size_t kFragmentTagSize = 8;
inline constexpr size_t kMaxFragmented = 4096; // bytes of a long packet that comes in pieces
inline constexpr size_t kMaxVersions = 16;     // of a VERSIONS that are looked at
inline constexpr size_t kLongHeaderMax = 7 + 2 * kMaxCidSize;
inline constexpr size_t kFragmentHead = 1 + 2 + 2 + kFragmentTagSize; // beside the long header

struct RetryPacket {
    LongHeader header;
    Bytes echo, cookie;
};

inline Result<RetryPacket> read_retry(Bytes packet) {
    base::Reader r(packet);
    const auto header = read_long_header(r);
    if (!header.ok() || header->type != LongType::kRetry)
        return Error{PLAIT_E_MALFORMED};
    RetryPacket p{*header, r.bytes(kMacSize), r.bytes(kCookieSize)};
    if (!r.ok() || !r.done())
        return Error{PLAIT_E_MALFORMED};
    return p;
}

// What is sent to the one whose packet had this scid.
inline void write_retry(base::Writer &w, const Cid &to, Bytes echo, Bytes cookie) {
    write_long_header(w, {LongType::kRetry, kVersion1, to, {}, 0});
    w.bytes(echo);
    w.bytes(cookie);
}

struct VersionsPacket {
    LongHeader header;
    Bytes echo;
    std::array<uint32_t, kMaxVersions> versions{};
    size_t count = 0;
};

inline Result<VersionsPacket> read_versions(Bytes packet) {
    base::Reader r(packet);
    const auto header = read_long_header(r);
    if (!header.ok() || header->type != LongType::kVersions || header->version != 0)
        return Error{PLAIT_E_MALFORMED};
    VersionsPacket p;
    p.header = *header;
    p.echo = r.bytes(kMacSize);
    for (size_t n = r.u8(); n > 0; n--)
        if (const uint32_t v = r.u32(); p.count < kMaxVersions)
            p.versions[p.count++] = v;
    if (!r.ok() || !r.done())
        return Error{PLAIT_E_MALFORMED};
    return p;
}

inline void write_versions(base::Writer &w, const Cid &to, Bytes echo,
                           std::span<const uint32_t> versions) {
    write_long_header(w, {LongType::kVersions, 0, to, {}, 0});
    w.bytes(echo);
    w.u8(static_cast<uint8_t>(versions.size()));
    for (const uint32_t v : versions)
        w.u32(v);
}

struct ProbePacket {
    LongHeader header;
    Bytes before_mac1, mac1;
};

inline Result<ProbePacket> read_probe(Bytes packet) {
    base::Reader r(packet);
    const auto header = read_long_header(r);
    if (!header.ok() || header->type != LongType::kProbe || header->dcid.len != 0 ||
        header->scid.len == 0)
        return Error{PLAIT_E_MALFORMED};
    r.bytes(kProbeNonceSize);
    ProbePacket p{*header, packet.first(packet.size() - r.left()), r.bytes(kMacSize)};
    if (!r.ok() || !r.done())
        return Error{PLAIT_E_MALFORMED};
    return p;
}

struct FragPacket {
    LongHeader header;
    LongType type = LongType::kInit; // of the packet inside
    uint16_t total = 0, offset = 0;
    Bytes before_tag, tag, data;
};

inline Result<FragPacket> read_frag(Bytes packet) {
    base::Reader r(packet);
    const auto header = read_long_header(r);
    if (!header.ok() || header->type != LongType::kFrag || header->scid.len == 0)
        return Error{PLAIT_E_MALFORMED};
    FragPacket p;
    p.header = *header;
    const uint8_t type = r.u8();
    p.type = static_cast<LongType>(type);
    p.total = r.u16();
    p.offset = r.u16();
    p.before_tag = packet.first(packet.size() - r.left());
    p.tag = r.bytes(kFragmentTagSize);
    p.data = r.rest();
    // Only INIT has no receiver's id.
    if (!r.ok() || p.data.empty() || type > static_cast<uint8_t>(LongType::kFin) ||
        p.total > kMaxFragmented || size_t{p.offset} + p.data.size() > p.total ||
        (p.type == LongType::kInit) != (header->dcid.len == 0))
        return Error{PLAIT_E_MALFORMED};
    return p;
}

} // namespace plait::wire
