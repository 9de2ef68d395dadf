// SPDX-License-Identifier: Apache-2.0
// The frames, docs/protocol.md section 5: plain values, no state. One struct a frame; write() puts
// it on the wire, read_frames() (read_frames.h) hands each to an overload of a handler.
// Core types are below 64 and one byte long; types from 64 on are followed by a varint length and
// skipped if unknown. All integers named v are varints.
#pragma once

#include "base/bytes.h"
#include "base/ids.h"
#include "base/range_set.h"
#include "wire/short_packet.h"

namespace plait::wire {

enum class FrameType : uint8_t {
    kPadding = 0x00,
    kPing = 0x01,
    kAck = 0x02,
    kAckEcn = 0x03,
    kData = 0x08, // 0x08..0x0f: | kDataLen | kDataFin | kDataStart
    kSkip = 0x10,
    kOpen = 0x11,
    kAccept = 0x12,
    kRefuse = 0x13,
    kReset = 0x14,
    kStop = 0x15,
    kMaxChannelData = 0x16,
    kBlocked = 0x17,
    kCreditReturn = 0x18,
    kMaxChannels = 0x19,
    kMaxLinks = 0x1a,
    kAckFreq = 0x1b,
    kChallenge = 0x1c,
    kResponse = 0x1d,
    kNewCid = 0x1e,
    kRetireCid = 0x1f,
    kCidRequest = 0x20,
    kLinkState = 0x21,
    kLinkClose = 0x22,
    kClose = 0x23,
    kRepair = 0x24,
};
inline constexpr uint64_t kFirstExtensionFrame = 64;

inline constexpr uint8_t kDataLen = 1, kDataFin = 2, kDataStart = 4;
inline constexpr size_t kMaxAckRanges = 64;
inline constexpr uint64_t kMaxChannelsASide = uint64_t{1} << 29; // in a connection's life
inline constexpr uint64_t kMaxLinkNumbers = uint64_t{1} << 30;
inline constexpr uint64_t kMaxCidSeq = UINT32_MAX;               // more ids than any life needs
inline constexpr size_t kMaxInlineLabel = 16;
inline constexpr size_t kMaxLabel = 255;
inline constexpr size_t kMaxReason = 24;
inline constexpr size_t kMaxControlFrame = 40; // every frame but DATA, ACK, PADDING, REPAIR
inline constexpr size_t kChallengeSize = 8;
inline constexpr size_t kResetTokenSize = 16;

struct PingFrame {};

// | 02/03 | link v | largest v | delay v (us) | receive time u32 (us, of largest, sender's clock)
// | [ect0 v | ect1 v | ce v] | ranges v | first length v | (gap v | length v)... |
// Ranges go downwards from `largest`; length = packets in the range - 1; gap = missing packets - 1.
struct AckFrame {
    LinkNumber link;
    uint64_t delay_us = 0;
    uint32_t rx_time_us = 0;
    bool has_ecn = false;
    uint64_t ect0 = 0, ect1 = 0, ce = 0;
    size_t range_count = 0;                        // 1..64
    std::array<base::Range, kMaxAckRanges> ranges; // [start, end) of packet numbers, newest first
    uint64_t largest() const { return ranges[0].end - 1; }
};

// | 08..0f | offset v | [length v] | bytes |; without LEN it fills the packet.
struct DataFrame {
    uint64_t offset = 0;
    Bytes bytes;
    bool fin = false;   // the offset after the bytes is the channel's final one
    bool start = false; // a message begins at `offset`
};

// | 10 | channel v | start v | length v | messages v |: these bytes will never come.
struct SkipFrame {
    ChannelNumber channel;
    uint64_t start = 0, length = 0, messages = 0;
};

enum class Resend : uint8_t { kAlways = 0, kNever = 1, kAtMost = 2, kUntilDeadline = 3 };
enum class OnLoss : uint8_t { kSkip = 0, kTell = 1, kClose = 2 };

// | 11 | channel v | axes u8 | [resend parameter v] | reorder wait v (us) | priority u8 | window v
// | cipher u8 | rekey u8 | label length u8 | label |
// axes: resend 2 | on-loss 2 | unordered 1 | messages 1 | one-way 1 | label follows 1 (high to low)
// priority: class 4 (0 first) | log2 of the weight 4. rekey: log2 of the packets a key, 0: default.
struct OpenFrame {
    ChannelNumber channel;
    Resend resend = Resend::kAlways;
    OnLoss on_loss = OnLoss::kSkip;
    bool unordered = false, messages = false, one_way = false;
    bool label_follows = false;    // a LABEL record on channel 0 carries it
    uint64_t resend_parameter = 0; // resends (at most) or microseconds (until deadline)
    uint64_t reorder_wait_us = 0;
    uint8_t priority_class = 0, weight_log2 = 0; // 0..15 each
    uint64_t window = 0;                         // bytes that the opener takes from the peer
    uint8_t cipher = 0;                          // 0: the connection's
    uint8_t rekey_log2 = 0;
    Bytes label; // at most 16 bytes here
};

// | 12 | channel v | window v | max message v |
struct AcceptFrame {
    ChannelNumber channel;
    uint64_t window = 0, max_message = 0;
};
// | 13 | channel v | code v |
struct RefuseFrame {
    ChannelNumber channel;
    uint64_t code = 0;
};
// | 14 | channel v | code v | final offset v |: no more bytes will come, the sender gave up.
struct ResetFrame {
    ChannelNumber channel;
    uint64_t code = 0, final_offset = 0;
};
// | 15 | channel v | code v |: the receiver does not want any more.
struct StopFrame {
    ChannelNumber channel;
    uint64_t code = 0;
};
// | 16 | channel v | limit v | return seq v |
struct MaxChannelDataFrame {
    ChannelNumber channel;
    uint64_t limit = 0, return_seq = 0;
};
// | 17 | channel v | limit v |: the sender has more to send than this limit allows.
struct BlockedFrame {
    ChannelNumber channel;
    uint64_t limit = 0;
};
// | 18 | channel v | seq v | offset v |: the sender gives back the credit above `offset`.
struct CreditReturnFrame {
    ChannelNumber channel;
    uint64_t seq = 0, offset = 0;
};
// | 19 | limit v |: so many channels may the peer have opened in the connection's life.
struct MaxChannelsFrame {
    uint64_t limit = 0;
};
// | 1a | limit v |: link numbers below this may be used.
struct MaxLinksFrame {
    uint64_t limit = 0;
};
// | 1b | link v | seq v | packets v | max delay v (us) | reorder v |
struct AckFreqFrame {
    LinkNumber link;
    uint64_t seq = 0, packets = 0, max_delay_us = 0, reorder = 0;
};
using ChallengeBytes = std::array<uint8_t, kChallengeSize>;
struct ChallengeFrame { // | 1c | 8 bytes |
    ChallengeBytes data{};
};
struct ResponseFrame { // | 1d | 8 bytes |
    ChallengeBytes data{};
};
// | 1e | link v | class v | seq v | length u8 | cid | [token 16, with an 8-byte cid] |
struct NewCidFrame {
    LinkNumber link;
    uint64_t cid_class = 0; // index into the issuer's class table
    uint64_t seq = 0;       // per issuer and connection
    Cid cid;
    std::array<uint8_t, kResetTokenSize> token{};
};
// | 1f | seq v |: the peer's id with this number will not be used any more.
struct RetireCidFrame {
    uint64_t seq = 0;
};
// | 20 | class v | link v |: asks for an id of the receiver's class for this link.
struct CidRequestFrame {
    uint64_t cid_class = 0;
    LinkNumber link;
};
enum class WireLinkState : uint8_t { kGood = 0, kSuspect = 1, kDead = 2, kStandby = 3 };
// | 21 | link v | state u8 |: how the sender sees what arrives from its peer on this link.
struct LinkStateFrame {
    LinkNumber link;
    WireLinkState state = WireLinkState::kGood;
};
// | 22 | link v | code v |
struct LinkCloseFrame {
    LinkNumber link;
    uint64_t code = 0;
};
// | 23 | code v | origin u8 | length u8 | reason |; origin 0: the library, 1: the application,
// 2: the application, refusing the connection.
struct CloseFrame {
    uint64_t code = 0;
    bool by_application = false;
    bool refused = false; // only with by_application
    Bytes reason;         // UTF-8, at most 24 bytes
};

// | 24 | symbol size v | first offset v | length v | key u16 | size v | bytes |: a repair symbol
// over the bytes [first, first + length) of the packet's channel; trailing zeros are left out.
struct RepairFrame {
    uint64_t symbol_size = 0, first = 0, length = 0;
    uint16_t key = 0;
    Bytes bytes;
};
inline constexpr uint64_t kMaxSymbolSize = 65'535;
inline constexpr uint64_t kMaxSymbols = 128; // in a window

// Codes of a CLOSE whose origin is the library.
enum class CloseCode : uint64_t {
    kNone = 0,
    kProtocol = 1,
    kMalformed = 2,
    kFlowControl = 3,
    kChannelLimit = 4,
    kRefused = 5,
    kDuplicate = 6,
    kIdle = 7,
    kKeyLimit = 8,
    kInternal = 9,
};

// The last code of a RESET that the library itself sends; applications use codes from 16 on or any
// of their own in RESET and STOP: the two are told apart by this bit.
inline constexpr uint64_t kLibraryResetBit = uint64_t{1} << 32;
inline constexpr uint64_t kResetLoss = kLibraryResetBit | 1;
// A configuration that it does not know.
inline constexpr uint64_t kRefuseUnsupported = kLibraryResetBit | 2;
// It has no room for one more channel.
inline constexpr uint64_t kRefuseLimit = kLibraryResetBit | 3;

void write(base::Writer &w, const PingFrame &);
void write(base::Writer &w, const AckFrame &f);
void write(base::Writer &w, const DataFrame &f, bool with_length);
void write(base::Writer &w, const SkipFrame &f);
void write(base::Writer &w, const OpenFrame &f);
void write(base::Writer &w, const AcceptFrame &f);
void write(base::Writer &w, const RefuseFrame &f);
void write(base::Writer &w, const ResetFrame &f);
void write(base::Writer &w, const StopFrame &f);
void write(base::Writer &w, const MaxChannelDataFrame &f);
void write(base::Writer &w, const BlockedFrame &f);
void write(base::Writer &w, const CreditReturnFrame &f);
void write(base::Writer &w, const MaxChannelsFrame &f);
void write(base::Writer &w, const MaxLinksFrame &f);
void write(base::Writer &w, const AckFreqFrame &f);
void write(base::Writer &w, const ChallengeFrame &f);
void write(base::Writer &w, const ResponseFrame &f);
void write(base::Writer &w, const NewCidFrame &f);
void write(base::Writer &w, const RetireCidFrame &f);
void write(base::Writer &w, const CidRequestFrame &f);
void write(base::Writer &w, const LinkStateFrame &f);
void write(base::Writer &w, const LinkCloseFrame &f);
void write(base::Writer &w, const CloseFrame &f);
void write(base::Writer &w, const RepairFrame &f);
// All of it but the symbol's `size` bytes, and where these go.
MutBytes write_open(base::Writer &w, const RepairFrame &f, size_t size);

// Bytes that a REPAIR frame spends beside its symbol.
constexpr size_t repair_header_size(uint64_t first, uint64_t length, uint64_t symbol_size) {
    return 3 + 2 * base::varint_size(symbol_size) + base::varint_size(first) +
           base::varint_size(length);
}
// Bytes that a DATA frame spends beside its payload.
constexpr size_t data_header_size(uint64_t offset, size_t length, bool with_length) {
    return 1 + base::varint_size(offset) + (with_length ? base::varint_size(length) : 0);
}

} // namespace plait::wire
