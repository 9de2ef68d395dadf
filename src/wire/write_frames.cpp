// SPDX-License-Identifier: Apache-2.0
#include "wire/frames.h"

namespace plait::wire {

namespace {
void type(base::Writer &w, FrameType t) {
    w.u8(static_cast<uint8_t>(t));
}
// The frames that are nothing but varints.
template <class... V>
void plain(base::Writer &w, FrameType t, V... values) {
    type(w, t);
    (w.varint(values), ...);
}
void short_text(base::Writer &w, Bytes text, size_t limit) {
    PLAIT_ASSERT(text.size() <= limit);
    w.u8(static_cast<uint8_t>(text.size()));
    w.bytes(text);
}
} // namespace

void write(base::Writer &w, const PingFrame &) {
    type(w, FrameType::kPing);
}

void write(base::Writer &w, const AckFrame &f) {
    PLAIT_ASSERT(f.range_count >= 1 && f.range_count <= kMaxAckRanges);
    plain(w, f.has_ecn ? FrameType::kAckEcn : FrameType::kAck, uint64_t{f.link.v}, f.largest(),
          f.delay_us);
    w.u32(f.rx_time_us);
    if (f.has_ecn) {
        w.varint(f.ect0);
        w.varint(f.ect1);
        w.varint(f.ce);
    }
    w.varint(f.range_count);
    w.varint(f.ranges[0].size() - 1);
    for (size_t i = 1; i < f.range_count; i++) {
        w.varint(f.ranges[i - 1].start - f.ranges[i].end - 1);
        w.varint(f.ranges[i].size() - 1);
    }
}

void write(base::Writer &w, const DataFrame &f, bool with_length) {
    const int flags = (with_length ? kDataLen : 0) | (f.fin ? kDataFin : 0) |
                      (f.start ? kDataStart : 0);
    w.u8(static_cast<uint8_t>(static_cast<int>(FrameType::kData) | flags));
    w.varint(f.offset);
    if (with_length)
        w.varint(f.bytes.size());
    w.bytes(f.bytes);
}

void write(base::Writer &w, const SkipFrame &f) {
    plain(w, FrameType::kSkip, uint64_t{f.channel.v}, f.start, f.length, f.messages);
}

void write(base::Writer &w, const OpenFrame &f) {
    plain(w, FrameType::kOpen, uint64_t{f.channel.v});
    const int reliability = static_cast<int>(f.resend) << 6 | static_cast<int>(f.on_loss) << 4;
    const int form = f.unordered << 3 | f.messages << 2 | f.one_way << 1 | f.label_follows << 0;
    w.u8(static_cast<uint8_t>(reliability | form));
    if (f.resend == Resend::kAtMost || f.resend == Resend::kUntilDeadline)
        w.varint(f.resend_parameter);
    w.varint(f.reorder_wait_us);
    w.u8(static_cast<uint8_t>((f.priority_class & 15) << 4 | (f.weight_log2 & 15)));
    w.varint(f.window);
    w.u8(f.cipher);
    w.u8(f.rekey_log2);
    short_text(w, f.label, kMaxInlineLabel);
}

void write(base::Writer &w, const AcceptFrame &f) {
    plain(w, FrameType::kAccept, uint64_t{f.channel.v}, f.window, f.max_message);
}
void write(base::Writer &w, const RefuseFrame &f) {
    plain(w, FrameType::kRefuse, uint64_t{f.channel.v}, f.code);
}
void write(base::Writer &w, const ResetFrame &f) {
    plain(w, FrameType::kReset, uint64_t{f.channel.v}, f.code, f.final_offset);
}
void write(base::Writer &w, const StopFrame &f) {
    plain(w, FrameType::kStop, uint64_t{f.channel.v}, f.code);
}
void write(base::Writer &w, const MaxChannelDataFrame &f) {
    plain(w, FrameType::kMaxChannelData, uint64_t{f.channel.v}, f.limit, f.return_seq);
}
void write(base::Writer &w, const BlockedFrame &f) {
    plain(w, FrameType::kBlocked, uint64_t{f.channel.v}, f.limit);
}
void write(base::Writer &w, const CreditReturnFrame &f) {
    plain(w, FrameType::kCreditReturn, uint64_t{f.channel.v}, f.seq, f.offset);
}
void write(base::Writer &w, const MaxChannelsFrame &f) {
    plain(w, FrameType::kMaxChannels, f.limit);
}
void write(base::Writer &w, const MaxLinksFrame &f) {
    plain(w, FrameType::kMaxLinks, f.limit);
}
void write(base::Writer &w, const AckFreqFrame &f) {
    plain(w, FrameType::kAckFreq, uint64_t{f.link.v}, f.seq, f.packets, f.max_delay_us, f.reorder);
}
void write(base::Writer &w, const ChallengeFrame &f) {
    type(w, FrameType::kChallenge);
    w.bytes(f.data);
}
void write(base::Writer &w, const ResponseFrame &f) {
    type(w, FrameType::kResponse);
    w.bytes(f.data);
}

void write(base::Writer &w, const NewCidFrame &f) {
    plain(w, FrameType::kNewCid, uint64_t{f.link.v}, f.cid_class, f.seq);
    short_text(w, f.cid.bytes(), kMaxCidSize);
    if (f.cid.len == kMaxCidSize)
        w.bytes(f.token);
}

void write(base::Writer &w, const RetireCidFrame &f) {
    plain(w, FrameType::kRetireCid, f.seq);
}
void write(base::Writer &w, const CidRequestFrame &f) {
    plain(w, FrameType::kCidRequest, f.cid_class, uint64_t{f.link.v});
}
void write(base::Writer &w, const LinkStateFrame &f) {
    plain(w, FrameType::kLinkState, uint64_t{f.link.v});
    w.u8(static_cast<uint8_t>(f.state));
}
void write(base::Writer &w, const LinkCloseFrame &f) {
    plain(w, FrameType::kLinkClose, uint64_t{f.link.v}, f.code);
}
void write(base::Writer &w, const CloseFrame &f) {
    plain(w, FrameType::kClose, f.code);
    w.u8(f.by_application ? (f.refused ? 2 : 1) : 0);
    short_text(w, f.reason, kMaxReason);
}

MutBytes write_open(base::Writer &w, const RepairFrame &f, size_t size) {
    plain(w, FrameType::kRepair, f.symbol_size, f.first, f.length);
    w.u16(f.key);
    w.varint(size);
    uint8_t *const at = w.at();
    w.fill(0, size);
    return w.ok() ? MutBytes(at, size) : MutBytes();
}
void write(base::Writer &w, const RepairFrame &f) {
    const MutBytes symbol = write_open(w, f, f.bytes.size());
    std::copy(f.bytes.begin(), f.bytes.begin() + static_cast<std::ptrdiff_t>(symbol.size()),
              symbol.begin());
}

} // namespace plait::wire
