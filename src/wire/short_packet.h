// SPDX-License-Identifier: Apache-2.0
// The short (1-RTT) packet header, docs/protocol.md section 4:
//
//    0 1 2 3 4 5 6 7
//   +-+-+-+-+-+-+-+-+----------+---------+---------------+------------+-----+
//   |0|R|EPO|G|A|PNL| conn. id | channel | packet number | ciphertext | tag |
//   +-+-+-+-+-+-+-+-+----------+---------+---------------+------------+-----+
//                     1..8       1, 2, 4   1..4                         16
//
// Everything but the connection id is masked by header protection; the sample is the tag.
#pragma once

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"

#include <algorithm>

namespace plait::wire {

inline constexpr size_t kTagSize = 16;
inline constexpr size_t kMaxCidSize = 8;
inline constexpr size_t kMaxShortHeader = 1 + kMaxCidSize + 4 + 4;
// The shortest datagram that can be a short packet with an id of `cid_size` bytes.
constexpr size_t min_short_packet(size_t cid_size) {
    return 1 + cid_size + 1 + 1 + kTagSize;
}

inline constexpr uint8_t kLongBit = 0x80;
inline constexpr uint8_t kReservedBit = 0x40;
inline constexpr uint8_t kGenerationBit = 0x08;
inline constexpr uint8_t kAckNowBit = 0x04;

// A connection id as it stands in packets: 1 to 8 bytes.
struct Cid {
    uint8_t len = 0;
    std::array<uint8_t, kMaxCidSize> b{};
    bool operator==(const Cid &) const = default;
    Bytes bytes() const { return {b.data(), len}; }
    static Cid from(Bytes from) {
        PLAIT_ASSERT(from.size() <= kMaxCidSize);
        Cid id;
        id.len = static_cast<uint8_t>(from.size());
        std::copy(from.begin(), from.end(), id.b.begin());
        return id;
    }
    uint64_t value() const { return base::load_be(b.data(), len); }
};

struct ShortHeader {
    uint8_t epoch = 0; // 0..3
    bool generation = false;
    bool ack_now = false;
    bool reserved = false; // checked after the AEAD
    ChannelNumber channel;
    uint64_t truncated_pn = 0;
    uint8_t pn_size = 1; // bytes
    uint8_t size = 0;    // of the whole header, bytes
};

using HeaderMask = std::array<uint8_t, 16>; // 9 bytes are used

constexpr size_t channel_size(ChannelNumber c) {
    return base::varint_size(c.v);
}

// How many bytes a packet number needs so that a peer that has acknowledged `largest_acked`
// (or nothing: has_acked false) can tell it (RFC 9000 appendix A.2).
inline uint8_t packet_number_size(PacketNumber pn, bool has_acked, PacketNumber largest_acked) {
    const uint64_t unacked = has_acked ? pn.v - largest_acked.v : pn.v + 1;
    return unacked < (1u << 7) ? 1 : unacked < (1u << 15) ? 2 : unacked < (1u << 23) ? 3 : 4;
}

// The full packet number (RFC 9000 appendix A.3); `expected` is one above the largest received.
inline PacketNumber decode_packet_number(uint64_t expected, uint64_t truncated, uint8_t size) {
    const uint64_t window = uint64_t{1} << (8 * size), half = window / 2;
    const uint64_t candidate = (expected & ~(window - 1)) | truncated;
    if (candidate + half <= expected && candidate < (uint64_t{1} << 62) - window)
        return {candidate + window};
    if (candidate > expected + half && candidate >= window)
        return {candidate - window};
    return {candidate};
}

// Writes the unmasked header at `out` (room for kMaxShortHeader) and returns its size.
inline size_t write_short_header(uint8_t *out, const ShortHeader &h, const Cid &cid,
                                 PacketNumber pn) {
    out[0] = static_cast<uint8_t>((h.epoch & 3) << 4 | (h.generation ? kGenerationBit : 0) |
                                  (h.ack_now ? kAckNowBit : 0) | (h.pn_size - 1));
    size_t at = 1;
    std::memcpy(out + at, cid.b.data(), cid.len);
    at += cid.len;
    at += base::store_varint(out + at, h.channel.v);
    base::store_be(out + at, pn.v, h.pn_size);
    return at + h.pn_size;
}

// What of the eight bytes after the connection id is header, `n` bytes (2 to 8) of it.
constexpr uint64_t header_bits(size_t n) {
    return n < 8 ? ~(~uint64_t{0} >> 8 * n) : ~uint64_t{0};
}

// Masks the header of a sealed packet in place. The tag stands behind it, so that eight bytes after
// the connection id are the packet's in any case.
inline void mask_short_header(uint8_t *packet, size_t cid_size, size_t header_size,
                              const HeaderMask &m) {
    uint8_t *const rest = packet + 1 + cid_size;
    packet[0] ^= m[0] & 0x7f;
    const uint64_t mask = base::load_be(&m[1], 8) & header_bits(header_size - 1 - cid_size);
    base::store_be(rest, base::load_be(rest, 8) ^ mask, 8);
}

// Unmasks the header in place and reads it. Fails with PLAIT_E_MALFORMED on a packet that is too
// short or whose channel has an impossible length (then part of the header stays masked).
inline Result<ShortHeader> unmask_short_header(MutBytes packet, size_t cid_size,
                                               const HeaderMask &m) {
    if (packet.size() < min_short_packet(cid_size))
        return Error{PLAIT_E_MALFORMED};
    uint8_t *const p = packet.data();
    const uint8_t first = p[0] ^= m[0] & 0x7f;
    uint8_t *const rest = p + 1 + cid_size;
    const uint64_t masked = base::load_be(rest, 8), mask = base::load_be(&m[1], 8);
    const uint64_t word = masked ^ mask; // channel ‖ packet number ‖ other things
    const size_t channel_bytes = size_t{1} << (word >> 62);
    const size_t pn_size = (first & 3u) + 1u, size = 1 + cid_size + channel_bytes + pn_size;
    if (channel_bytes > 4 || packet.size() < size + kTagSize)
        return Error{PLAIT_E_MALFORMED};
    base::store_be(rest, masked ^ (mask & header_bits(channel_bytes + pn_size)), 8);
    ShortHeader h;
    h.reserved = first & kReservedBit;
    h.epoch = first >> 4 & 3;
    h.generation = first & kGenerationBit;
    h.ack_now = first & kAckNowBit;
    h.channel = ChannelNumber{static_cast<uint32_t>(word << 2 >> (66 - 8 * channel_bytes))};
    h.truncated_pn = word << 8 * channel_bytes >> (64 - 8 * pn_size);
    h.pn_size = static_cast<uint8_t>(pn_size);
    h.size = static_cast<uint8_t>(size);
    return h;
}

} // namespace plait::wire
