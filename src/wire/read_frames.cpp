// SPDX-License-Identifier: Apache-2.0
#include "wire/read_frames.h"

namespace plait::wire {

namespace {

inline constexpr uint64_t kMaxNumber = (uint64_t{1} << 30) - 1; // of channels and links

ChannelNumber channel(base::Reader &r) {
    const uint64_t v = r.varint();
    if (v > kMaxNumber)
        r.fail();
    return {static_cast<uint32_t>(v)};
}
LinkNumber link(base::Reader &r) {
    const uint64_t v = r.varint();
    if (v > kMaxNumber)
        r.fail();
    return {static_cast<uint32_t>(v)};
}
Bytes short_text(base::Reader &r, size_t limit) {
    const size_t n = r.u8();
    if (n > limit)
        r.fail();
    return r.bytes(n);
}
// A range of a channel's bytes must end below 2^62.
bool in_offset_space(uint64_t start, uint64_t length) {
    return length <= base::kVarintMax - start;
}

} // namespace

bool read(base::Reader &r, bool with_ecn, AckFrame &f) {
    f.link = link(r);
    uint64_t top = r.varint(); // the range's largest packet number
    f.delay_us = r.varint();
    f.rx_time_us = r.u32();
    f.has_ecn = with_ecn;
    if (with_ecn) {
        f.ect0 = r.varint();
        f.ect1 = r.varint();
        f.ce = r.varint();
    }
    const uint64_t count = r.varint();
    if (!r.ok() || count == 0 || count > kMaxAckRanges)
        return false;
    f.range_count = static_cast<size_t>(count);
    for (size_t i = 0; i < f.range_count; i++) {
        if (i > 0) {
            // From the last packet of one range to the top of the next.
            const uint64_t gap = r.varint() + 2;
            if (f.ranges[i - 1].start < gap)
                return false;
            top = f.ranges[i - 1].start - gap;
        }
        const uint64_t below = r.varint();
        if (!r.ok() || below > top)
            return false;
        f.ranges[i] = {top - below, top + 1};
    }
    return true;
}

bool read(base::Reader &r, uint8_t type, DataFrame &f) {
    f.fin = type & kDataFin;
    f.start = type & kDataStart;
    f.offset = r.varint();
    f.bytes = type & kDataLen ? r.bytes(r.varint()) : r.rest();
    return r.ok() && in_offset_space(f.offset, f.bytes.size());
}

bool read(base::Reader &r, SkipFrame &f) {
    f.channel = channel(r);
    f.start = r.varint();
    f.length = r.varint();
    f.messages = r.varint();
    return r.ok() && f.length > 0 && in_offset_space(f.start, f.length);
}

bool read(base::Reader &r, OpenFrame &f) {
    f.channel = channel(r);
    const uint8_t axes = r.u8();
    const uint8_t on_loss = axes >> 4 & 3;
    f.resend = static_cast<Resend>(axes >> 6);
    f.on_loss = static_cast<OnLoss>(on_loss);
    f.unordered = axes & 8;
    f.messages = axes & 4;
    f.one_way = axes & 2;
    f.label_follows = axes & 1;
    if (f.resend == Resend::kAtMost || f.resend == Resend::kUntilDeadline)
        f.resend_parameter = r.varint();
    f.reorder_wait_us = r.varint();
    const uint8_t priority = r.u8();
    f.priority_class = priority >> 4;
    f.weight_log2 = priority & 15;
    f.window = r.varint();
    f.cipher = r.u8();
    f.rekey_log2 = r.u8();
    f.label = short_text(r, kMaxInlineLabel);
    return r.ok() && on_loss <= static_cast<uint8_t>(OnLoss::kClose);
}

bool read(base::Reader &r, AcceptFrame &f) {
    f.channel = channel(r);
    f.window = r.varint();
    f.max_message = r.varint();
    return r.ok();
}
bool read(base::Reader &r, RefuseFrame &f) {
    f.channel = channel(r);
    f.code = r.varint();
    return r.ok();
}
bool read(base::Reader &r, ResetFrame &f) {
    f.channel = channel(r);
    f.code = r.varint();
    f.final_offset = r.varint();
    return r.ok();
}
bool read(base::Reader &r, StopFrame &f) {
    f.channel = channel(r);
    f.code = r.varint();
    return r.ok();
}
bool read(base::Reader &r, MaxChannelDataFrame &f) {
    f.channel = channel(r);
    f.limit = r.varint();
    f.return_seq = r.varint();
    return r.ok();
}
bool read(base::Reader &r, BlockedFrame &f) {
    f.channel = channel(r);
    f.limit = r.varint();
    return r.ok();
}
bool read(base::Reader &r, CreditReturnFrame &f) {
    f.channel = channel(r);
    f.seq = r.varint();
    f.offset = r.varint();
    return r.ok();
}
bool read(base::Reader &r, MaxChannelsFrame &f) {
    f.limit = r.varint();
    return r.ok() && f.limit <= kMaxChannelsASide;
}
bool read(base::Reader &r, MaxLinksFrame &f) {
    f.limit = r.varint();
    return r.ok() && f.limit <= kMaxLinkNumbers;
}
bool read(base::Reader &r, AckFreqFrame &f) {
    f.link = link(r);
    f.seq = r.varint();
    f.packets = r.varint();
    f.max_delay_us = r.varint();
    f.reorder = r.varint();
    return r.ok();
}

namespace {
bool read_eight(base::Reader &r, ChallengeBytes &to) {
    const Bytes from = r.bytes(to.size());
    std::copy(from.begin(), from.end(), to.begin());
    return r.ok();
}
} // namespace

bool read(base::Reader &r, ChallengeFrame &f) {
    return read_eight(r, f.data);
}
bool read(base::Reader &r, ResponseFrame &f) {
    return read_eight(r, f.data);
}

bool read(base::Reader &r, NewCidFrame &f) {
    f.link = link(r);
    f.cid_class = r.varint();
    f.seq = r.varint();
    const Bytes cid = short_text(r, kMaxCidSize);
    if (!r.ok() || cid.empty())
        return false;
    f.cid = Cid::from(cid);
    if (f.cid.len == kMaxCidSize) {
        const Bytes token = r.bytes(f.token.size());
        std::copy(token.begin(), token.end(), f.token.begin());
    }
    return r.ok();
}

bool read(base::Reader &r, RetireCidFrame &f) {
    f.seq = r.varint();
    return r.ok();
}
bool read(base::Reader &r, CidRequestFrame &f) {
    f.cid_class = r.varint();
    f.link = link(r);
    return r.ok();
}
bool read(base::Reader &r, LinkStateFrame &f) {
    f.link = link(r);
    const uint8_t state = r.u8();
    f.state = static_cast<WireLinkState>(state);
    return r.ok() && state <= static_cast<uint8_t>(WireLinkState::kStandby);
}
bool read(base::Reader &r, LinkCloseFrame &f) {
    f.link = link(r);
    f.code = r.varint();
    return r.ok();
}
bool read(base::Reader &r, CloseFrame &f) {
    f.code = r.varint();
    const uint8_t origin = r.u8();
    f.by_application = origin > 0;
    f.refused = origin == 2;
    f.reason = short_text(r, kMaxReason);
    return r.ok() && origin <= 2;
}

bool read(base::Reader &r, RepairFrame &f) {
    f.symbol_size = r.varint();
    f.first = r.varint();
    f.length = r.varint();
    f.key = r.u16();
    f.bytes = r.bytes(r.varint());
    return r.ok() && f.symbol_size >= 1 && f.symbol_size <= kMaxSymbolSize && f.length >= 1 &&
           f.length <= kMaxSymbols * f.symbol_size && in_offset_space(f.first, f.length) &&
           !f.bytes.empty() && f.bytes.size() <= f.symbol_size;
}

} // namespace plait::wire
