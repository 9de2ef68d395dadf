// SPDX-License-Identifier: Apache-2.0
// Takes a packet's plaintext apart, frame by frame. Each goes to `handler.on(const XxxFrame &)`,
// which returns a Status; the first that is not PLAIT_OK ends the walk and is returned. A frame
// that is malformed or unknown below type 64 gives PLAIT_E_MALFORMED. Bytes point into the
// plaintext.
#pragma once

#include "base/result.h"
#include "wire/frames.h"

namespace plait::wire {

bool read(base::Reader &r, bool with_ecn, AckFrame &f);
bool read(base::Reader &r, uint8_t type, DataFrame &f);
bool read(base::Reader &r, SkipFrame &f);
bool read(base::Reader &r, OpenFrame &f);
bool read(base::Reader &r, AcceptFrame &f);
bool read(base::Reader &r, RefuseFrame &f);
bool read(base::Reader &r, ResetFrame &f);
bool read(base::Reader &r, StopFrame &f);
bool read(base::Reader &r, MaxChannelDataFrame &f);
bool read(base::Reader &r, BlockedFrame &f);
bool read(base::Reader &r, CreditReturnFrame &f);
bool read(base::Reader &r, MaxChannelsFrame &f);
bool read(base::Reader &r, MaxLinksFrame &f);
bool read(base::Reader &r, AckFreqFrame &f);
bool read(base::Reader &r, ChallengeFrame &f);
bool read(base::Reader &r, ResponseFrame &f);
bool read(base::Reader &r, NewCidFrame &f);
bool read(base::Reader &r, RetireCidFrame &f);
bool read(base::Reader &r, CidRequestFrame &f);
bool read(base::Reader &r, LinkStateFrame &f);
bool read(base::Reader &r, LinkCloseFrame &f);
bool read(base::Reader &r, CloseFrame &f);
bool read(base::Reader &r, RepairFrame &f);

template <class Frame, class Handler>
Status read_one(base::Reader &r, Handler &handler) {
    Frame f;
    return read(r, f) ? handler.on(f) : PLAIT_E_MALFORMED;
}

template <class Handler>
Status read_ack(base::Reader &r, bool with_ecn, Handler &handler) {
    AckFrame f;
    return read(r, with_ecn, f) ? handler.on(f) : PLAIT_E_MALFORMED;
}

template <class Handler>
Status read_data(base::Reader &r, uint8_t type, Handler &handler) {
    DataFrame f;
    return read(r, type, f) ? handler.on(f) : PLAIT_E_MALFORMED;
}

// A probe for a larger MTU may be 64 KiB of it.
inline void skip_padding(base::Reader &r) {
    const uint8_t *const from = r.at();
    const size_t left = r.left();
    size_t n = 0;
    for (uint64_t eight = 0; left - n >= sizeof eight; n += sizeof eight)
        if (std::memcpy(&eight, from + n, sizeof eight); eight != 0)
            break;
    while (n < left && from[n] == 0)
        n++;
    r.bytes(n);
}

inline Status skip_extension(base::Reader &r) {
    r.bytes(r.varint());
    return r.ok() ? PLAIT_OK : PLAIT_E_MALFORMED;
}

template <class Handler>
Status read_control_frame(FrameType type, base::Reader &r, Handler &h) {
    switch (type) {
    case FrameType::kSkip: return read_one<SkipFrame>(r, h);
    case FrameType::kOpen: return read_one<OpenFrame>(r, h);
    case FrameType::kAccept: return read_one<AcceptFrame>(r, h);
    case FrameType::kRefuse: return read_one<RefuseFrame>(r, h);
    case FrameType::kReset: return read_one<ResetFrame>(r, h);
    case FrameType::kStop: return read_one<StopFrame>(r, h);
    case FrameType::kMaxChannelData: return read_one<MaxChannelDataFrame>(r, h);
    case FrameType::kBlocked: return read_one<BlockedFrame>(r, h);
    case FrameType::kCreditReturn: return read_one<CreditReturnFrame>(r, h);
    case FrameType::kMaxChannels: return read_one<MaxChannelsFrame>(r, h);
    case FrameType::kMaxLinks: return read_one<MaxLinksFrame>(r, h);
    case FrameType::kAckFreq: return read_one<AckFreqFrame>(r, h);
    case FrameType::kChallenge: return read_one<ChallengeFrame>(r, h);
    case FrameType::kResponse: return read_one<ResponseFrame>(r, h);
    case FrameType::kNewCid: return read_one<NewCidFrame>(r, h);
    case FrameType::kRetireCid: return read_one<RetireCidFrame>(r, h);
    case FrameType::kCidRequest: return read_one<CidRequestFrame>(r, h);
    case FrameType::kLinkState: return read_one<LinkStateFrame>(r, h);
    case FrameType::kLinkClose: return read_one<LinkCloseFrame>(r, h);
    case FrameType::kClose: return read_one<CloseFrame>(r, h);
    case FrameType::kRepair: return read_one<RepairFrame>(r, h);
    default: return PLAIT_E_MALFORMED;
    }
}

template <class Handler>
Status read_frames(Bytes plaintext, Handler &handler) {
    base::Reader r(plaintext);
    while (!r.done()) {
        if ((*r.at() & 0xc0) != 0) {
            // A type of two bytes or more: an extension.
            const uint64_t type = r.varint();
            if (!r.ok() || type < kFirstExtensionFrame)
                return PLAIT_E_MALFORMED;
            if (const Status s = skip_extension(r); s != PLAIT_OK)
                return s;
            continue;
        }
        const uint8_t type = r.u8();
        Status s = PLAIT_OK;
        if ((type & 0xf8) == static_cast<uint8_t>(FrameType::kData))
            s = read_data(r, type, handler);
        else if (type == static_cast<uint8_t>(FrameType::kPadding))
            skip_padding(r);
        else if (type == static_cast<uint8_t>(FrameType::kPing))
            s = handler.on(PingFrame{});
        else if ((type & 0xfe) == static_cast<uint8_t>(FrameType::kAck))
            s = read_ack(r, type & 1, handler);
        else
            s = read_control_frame(static_cast<FrameType>(type), r, handler);
        if (s != PLAIT_OK)
            return s;
    }
    return PLAIT_OK;
}

} // namespace plait::wire
