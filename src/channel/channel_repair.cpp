// SPDX-License-Identifier: Apache-2.0
// Forward error correction of a channel: repair symbols of what is sent for the first time, and
// data brought back by those of the peer. docs/protocol.md section 6.7.
#include "channel/channel.h"

#include <algorithm>

namespace plait::channel {

namespace {
// What a REPAIR frame has beside its symbol more than a DATA frame beside its bytes. A packet's
// data is shorter by so much: a repair symbol is as long as the longest, and must fit too.
constexpr size_t kRepairExtra = 14;
constexpr size_t kSmallPacket = 128; // below it that would be too dear
constexpr size_t kSymbolMin = 16;
constexpr Duration kSlackMin = base::millis(1);
constexpr Duration kSlackUntold =
    base::millis(100); // of data that is of use for who knows how long

fec::Content content_of(const Config &c) {
    if (!c.messages)
        return fec::Content::kBytes;
    return c.unordered || c.waits() ? fec::Content::kStarts : fec::Content::kMessages;
}

fec::Path path_of(const Config &c, const ConnectionBudget &budget) {
    const Duration srtt = budget.srtt();
    Duration slack = c.reliable() ? srtt : std::max(srtt, kSlackUntold); // before the repetition
    if (c.deadlines())
        slack = base::micros(static_cast<int64_t>(c.resend_parameter)) - srtt / 2;
    else if (c.waits() && c.reorder_wait > Duration{0})
        slack = c.reorder_wait;
    return {budget.loss(), std::max({slack, srtt / 8, kSlackMin})};
}
} // namespace

// -- Sending -----------------------------------------------------------------------------

fec::Encoder *Channel::encoder() const {
    const bool sends = send_.state() == SendState::kOpen || send_.state() == SendState::kFinishing;
    return sends && c_.extra && c_.extra->repairs ? c_.extra->repairs->encoder.get() : nullptr;
}

size_t Channel::room_beside_repair(size_t max_length) const {
    const bool cut = c_.budget->repair_window() > 0 && max_length > kSmallPacket;
    return cut ? max_length - kRepairExtra : max_length;
}

void Channel::protect(const Segment &s, Time now) {
    if (c_.budget->repair_window() == 0 || s.length == 0 || s.retransmission)
        return;
    Repairs &r = c_.repairs();
    if (!r.encoder) {
        fec::Options options;
        options.symbols = c_.config->fec_symbols;
        options.share = c_.config->fec_share * fec::kShareOne / 100;
        options.window_max = c_.budget->repair_window();
        r.encoder = std::make_unique<fec::Encoder>(options);
    }
    r.encoder->on_source(s.offset, s.part[0], s.part[1], path_of(*c_.config, *c_.budget), now);
}

bool Channel::repair_due() const {
    const fec::Encoder *const e = encoder();
    return e && e->due();
}

Time Channel::repair_deadline() const {
    const fec::Encoder *const e = encoder();
    return e ? e->deadline() : kNever;
}

bool Channel::write_repair(base::Writer &w) {
    if (!c_.config->fec || !repair_due())
        return false;
    fec::Encoder &e = *encoder();
    const size_t head = wire::repair_header_size(send_.sent(), fec::kMaxWindowBytes,
                                                 std::min(w.left(), fec::kMaxSymbolSize));
    if (w.left() < head + kSymbolMin) {
        e.leave_out();
        return false;
    }
    const fec::Repair r = e.next(std::min(w.left() - head, fec::kMaxSymbolSize));
    e.encode(r, wire::write_open(w, wire::RepairFrame{r.symbol_size, r.first, r.length, r.key, {}},
                                 r.size()));
    PLAIT_ASSERT(w.ok());
    Stats &s = c_.stats();
    s.repairs_sent++;
    s.repair_bytes_sent += r.size();
    return true;
}

// -- Receiving ---------------------------------------------------------------------------

// The decoder, if there is memory for such a repair.
fec::Decoder *Channel::decoder_for(const fec::Repair &r) {
    Repairs &own = c_.repairs();
    if (!own.decoder)
        own.decoder = std::make_unique<fec::Decoder>(content_of(*c_.config));
    const uint64_t cost = own.decoder->cost(r);
    if (cost > own.charged) {
        if (c_.budget->left() < cost - own.charged)
            return nullptr;
        own.charged += c_.budget->take(cost - own.charged);
    }
    return own.decoder.get();
}

void Channel::drop_decoder() {
    if (!c_.extra || !c_.extra->repairs)
        return;
    Repairs &r = *c_.extra->repairs;
    r.decoder.reset();
    c_.budget->give(std::exchange(r.charged, 0));
}

void Channel::trim_repairs() {
    if (!c_.extra || !c_.extra->repairs)
        return;
    if (c_.extra->repairs->encoder && send_.idle())
        c_.extra->repairs->encoder->release();
    if (receive_.idle())
        drop_decoder();
}

Status Channel::on(const wire::RepairFrame &f, Time now) {
    if (c_.is_control || receive_.state() == ReceiveState::kNone || f.length > fec::kMaxWindowBytes)
        return PLAIT_E_PROTOCOL;
    if (c_.phase == Phase::kRefused || receive_.ended() ||
        receive_.state() == ReceiveState::kStopping)
        return PLAIT_OK;
    if (f.first + f.length > receive_.limit())
        return PLAIT_E_FLOW_CONTROL;
    c_.stats().repairs_received++;
    const fec::Repair r{f.first, f.length, static_cast<size_t>(f.symbol_size), f.key};
    fec::Decoder *const decoder = decoder_for(r);
    if (!decoder)
        return PLAIT_OK;
    receive_.touch(now);
    decoder->on_repair(r, f.bytes);
    const Status s = take_recovered(*decoder, now);
    settle();
    return s;
}

// What came is kept for repairs to come, and may be what earlier ones have waited for.
Status Channel::keep_for_repairs(const wire::DataFrame &f, Time now) {
    fec::Decoder &d = *c_.extra->repairs->decoder;
    d.on_data(f.offset, f.bytes, f.start);
    return take_recovered(d, now);
}

Status Channel::take_recovered(fec::Decoder &decoder, Time now) {
    for (fec::Recovered r; !receive_.ended() && decoder.next(r);) {
        Stats &stats = c_.stats();
        const uint64_t before = stats.bytes_received;
        wire::DataFrame f;
        f.offset = r.offset;
        f.bytes = r.bytes;
        f.start = r.start;
        // PLAIT_E_AGAIN: no room for one more range. It is as if it had not come back.
        const Status s = receive_.on_data(c_, f, now);
        if (s != PLAIT_OK && s != PLAIT_E_AGAIN)
            return s;
        const uint64_t fresh = stats.bytes_received - before;
        stats.bytes_recovered += fresh;
        stats.messages_recovered += fresh > 0 && r.new_message ? 1 : 0;
    }
    return PLAIT_OK;
}

} // namespace plait::channel
