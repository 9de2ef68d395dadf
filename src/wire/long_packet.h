// SPDX-License-Identifier: Apache-2.0
// Long packets, docs/protocol.md section 2. The first line is invariant over versions:
//
//   | 1 TTT 0000 | version u32 | dlen u8 | dcid | slen u8 | scid | ...
//
//   INIT  ... | suite u16 | pattern u8 | noise_len u16 | noise | zeros | mac1[16] | mac2[16]
//   RESP  ... | noise_len u16 | noise
//   FIN   ... | noise_len u16 | noise
#pragma once

#include "wire/short_packet.h"

namespace plait::wire {

inline constexpr uint32_t kVersion1 = 0x706c7431; // "plt1"
inline constexpr uint16_t kSuite1 = 1;            // 25519_ChaChaPoly_BLAKE2b
inline constexpr size_t kMacSize = 16;
inline constexpr size_t kMinInitSize = 400;

enum class LongType : uint8_t {
    kInit = 0,
    kResp = 1,
    kFin = 2,
    kRetry = 3,
    kVersions = 4,
    kFrag = 5,
    kProbe = 6,
};

enum class PatternId : uint8_t { kIK = 1, kXX = 2, kIKpsk2 = 3, kXXpsk3 = 4 };

struct LongHeader {
    LongType type = LongType::kInit;
    uint32_t version = kVersion1;
    Cid dcid, scid;
    size_t size = 0; // bytes up to the type's own part
};

// Reads the invariant part. PLAIT_E_MALFORMED if it is not a long packet or an id is over 8 bytes.
inline Result<LongHeader> read_long_header(base::Reader &r) {
    const size_t before = r.left();
    LongHeader h;
    const uint8_t first = r.u8();
    h.type = static_cast<LongType>(first >> 4 & 7);
    h.version = r.u32();
    for (Cid *cid : {&h.dcid, &h.scid}) {
        const uint8_t len = r.u8();
        if (len > kMaxCidSize)
            return Error{PLAIT_E_MALFORMED};
        *cid = Cid::from(r.bytes(len));
    }
    if (!r.ok() || (first & 0x8f) != kLongBit)
        return Error{PLAIT_E_MALFORMED};
    h.size = before - r.left();
    return h;
}

inline void write_long_header(base::Writer &w, const LongHeader &h) {
    w.u8(static_cast<uint8_t>(kLongBit | static_cast<uint8_t>(h.type) << 4));
    w.u32(h.version);
    for (const Cid *cid : {&h.dcid, &h.scid}) {
        w.u8(cid->len);
        w.bytes(cid->bytes());
    }
}

struct InitPacket {
    LongHeader header;
    uint16_t suite = kSuite1;
    PatternId pattern = PatternId::kIK;
    Bytes through_pattern; // the packet's bytes up to and with the pattern: part of the prologue
    Bytes noise;
    Bytes before_mac1, mac1, before_mac2, mac2;
};

// Reads an INIT; its fields point into `packet`. Unknown suites and patterns are for the caller.
inline Result<InitPacket> read_init(Bytes packet) {
    base::Reader r(packet);
    const auto header = read_long_header(r);
    if (!header.ok() || header->type != LongType::kInit)
        return Error{PLAIT_E_MALFORMED};
    InitPacket p;
    p.header = *header;
    p.suite = r.u16();
    p.pattern = static_cast<PatternId>(r.u8());
    p.through_pattern = packet.first(packet.size() - r.left());
    p.noise = r.bytes(r.u16());
    if (!r.ok() || r.left() < 2 * kMacSize)
        return Error{PLAIT_E_MALFORMED};
    p.before_mac1 = packet.first(packet.size() - 2 * kMacSize);
    p.mac1 = packet.subspan(p.before_mac1.size(), kMacSize);
    p.before_mac2 = packet.first(packet.size() - kMacSize);
    p.mac2 = packet.last(kMacSize);
    return p;
}

struct NoisePacket { // RESP and FIN
    LongHeader header;
    Bytes noise;
};

inline Result<NoisePacket> read_noise_packet(Bytes packet) {
    base::Reader r(packet);
    const auto header = read_long_header(r);
    if (!header.ok() || (header->type != LongType::kResp && header->type != LongType::kFin))
        return Error{PLAIT_E_MALFORMED};
    NoisePacket p{*header, {}};
    p.noise = r.bytes(r.u16());
    if (!r.ok())
        return Error{PLAIT_E_MALFORMED};
    return p;
}

} // namespace plait::wire
