// SPDX-License-Identifier: Apache-2.0
// What became of the packets: acknowledged, lost, acknowledged late.
#include "connection/connection.h"
#include "connection/packet.h"

#include <bit>

namespace plait::connection {

namespace {
// Bytes of channels that a link has carried before its ACKs are worth a word.
constexpr uint64_t kWorthAsking = 16 << 10;
} // namespace

Status Connection::on_ack(const wire::AckFrame &f, LinkEntry &arrived_on, Time now) {
    LinkEntry *link = find_link(f.link);
    if (!link || !link->recovery)
        return PLAIT_OK; // of a link that is over
    recovery::AckInfo info;
    info.ranges = {f.ranges.data(), f.range_count};
    info.delay = base::micros(static_cast<int64_t>(std::min<uint64_t>(f.delay_us, 60'000'000)));
    info.rx_time_us = f.rx_time_us;
    info.own_return = link == &arrived_on;
    if (f.has_ecn)
        info.ecn = recovery::EcnCounts{f.ect0, f.ect1, f.ce};
    recovery::Outcome &out = services_.outcome;
    out.clear();
    if (const Status s = link->recovery->on_ack(info, now, out); s != PLAIT_OK)
        return s;
    if (!info.own_return && arrived_on.recovery)
        arrived_on.recovery->on_foreign_ack(now, f.rx_time_us, info.delay);
    const bool answered = out.anything_acked();
    if (answered && arrived_on.recovery)
        arrived_on.recovery->brought_at = now;
    if (out.largest_is_new)
        watch_bottlenecks(*link, f.rx_time_us, now);
    if (answered)
        keep_in_step(*link, now);
    settle(*link, now);
    if (answered) {
        if (link->recovery->acks_from != arrived_on.number)
            link->recovery->acks_since = now;
        link->recovery->acks_from = arrived_on.number;
        link->suspect_timeouts = 0;
        recover(*link, now);
        link->recovery->received.set_srtt(link->recovery->rtt().srtt());
        fit_acks(*link, arrived_on, now);
    }
    tune_windows(now);
    return PLAIT_OK;
}

// The peer's ACKs of this link are to fit the way that they take, where that is narrow. It is not
// asked before this is settled, nor for a handful of packets.
void Connection::fit_acks(LinkEntry &link, LinkEntry &via, Time now) {
    link::Hot &hot = *link.recovery;
    if (!via.recovery || link.payload_sent < kWorthAsking)
        return;
    const uint64_t known = endpoint_of(via).info.rate;
    const uint64_t rate = known > 0 ? known : via.recovery->return_rate();
    if (rate > 0 && links_.size() > 1 && now - hot.acks_since < hot.rtt().srtt() * 2)
        return;
    size_t sharing = 0;
    for (size_t i = 0; i < links_.size(); i++)
        if (const LinkEntry &l = link_at(i); l.recovery && l.live())
            sharing += l.recovery->acks_from == via.number;
    if (hot.fit_acks(rate, std::max<size_t>(sharing, 1)))
        pending_.add({Control::kAckFreq, link.number.v, hot.ack_request().seq});
}

// Passes the outcome on to channels and control. Nothing in here may touch the outcome again.
void Connection::settle(LinkEntry &link, Time now) {
    recovery::Outcome &out = services_.outcome;
    AckedRun run;
    for (const recovery::SentPacket &p : out.acked)
        settle_acked(p, run, now);
    for (const recovery::SentPacket &p : out.late_acked)
        if (p.channel_slot != base::kNoSlot && p.kind & kKindData)
            add_acked(p, run, now);
    end_acked(run, now);
    for (const recovery::SentPacket &p : out.lost)
        settle_lost(p, false, now);
    stats_.packets_lost += out.lost.size();
    stats_.packets_spurious += out.late_acked.size();
    if (services_.tracer.on(PLAIT_TRACE_RECOVERY))
        trace_recovery(link, now);
}

void Connection::trace_recovery(const LinkEntry &link, Time now) {
    for (const recovery::SentPacket &p : services_.outcome.lost)
        services_.hooks->trace({PLAIT_TRACE_PACKET_LOST, slot_, link.slot,
                                static_cast<uint64_t>((now - p.sent()).us), p.size, p.channel_slot,
                                0});
    const recovery::LinkStats k = link.recovery->stats();
    services_.hooks->trace({PLAIT_TRACE_RECOVERY_STATE, slot_, link.slot, k.cwnd, k.bytes_in_flight,
                            static_cast<uint64_t>(k.srtt.us), k.pacing_rate});
}

// DATA of several packets in a row is one piece to its channel, and one look at the channel.
void Connection::add_acked(const recovery::SentPacket &p, AckedRun &run, Time now) {
    if (run.channel != p.channel_slot || run.end != p.offset || run.fin) {
        end_acked(run, now);
        run.channel = p.channel_slot;
        run.start = p.offset;
    }
    run.end = p.offset + p.length;
    run.fin = p.kind & kKindFin;
}

void Connection::end_acked(AckedRun &run, Time now) {
    if (run.channel == base::kNoSlot)
        return;
    if (ChannelEntry *e = find_channel({run.channel})) {
        e->on_acked(run.start, run.end - run.start, run.fin);
        if (run.channel == 0 && told_class_count_ != my_class_count_ && e->unacked() == 0)
            on_classes_told();
        harvest(*e, now);
    }
    run.channel = base::kNoSlot;
}

void Connection::settle_acked(const recovery::SentPacket &p, AckedRun &run, Time now) {
    // Any packet of an epoch will do, with data or without: the peer has its key.
    const uint8_t epoch = p.kind & kKindEpoch;
    if (p.has(recovery::SentPacket::kAckEliciting) &&
        (run.key_of != p.channel_slot || run.epoch != epoch)) {
        if (ChannelEntry *e = find_channel({p.channel_slot}))
            if (!e->send_epoch.acked && (epoch >> kKindEpochShift) == (e->send_epoch.number & 3))
                on_epoch_acked(*e, p, now);
        run.key_of = p.channel_slot;
        run.epoch = epoch;
    }
    if (p.cookie != ControlLog::kNone) {
        end_acked(run, now); // what follows may end the channel
        log_.take(p.cookie, [&](const ControlItem &item) { control_acked(item, now); });
    }
    if (p.kind & kKindData)
        add_acked(p, run, now);
}

void Connection::settle_lost(const recovery::SentPacket &p, bool reinject, Time now) {
    log_.take(p.cookie, [&](const ControlItem &item) { control_lost(item, now); });
    if (!(p.kind & kKindData))
        return;
    if (ChannelEntry *e = find_channel({p.channel_slot})) {
        if (reinject)
            e->on_reinject(p.offset, p.length, p.kind & kKindFin, now);
        else
            e->on_lost(p.offset, p.length, p.kind & kKindFin, now);
        harvest(*e, now);
    }
}

void Connection::control_acked(const ControlItem &item, Time now) {
    switch (item.kind) {
    case Control::kNewCid:
        if (IssuedCid *c = cids_.issued(uint64_t{item.target})) {
            c->acked = true;
            progress_waiting(now);
        }
        return;
    case Control::kChannel:
        if (ChannelEntry *e = find_channel({item.target})) {
            e->on_control_acked(static_cast<channel::ControlSet>(item.value));
            harvest(*e, now);
        }
        return;
    case Control::kAck:
        if (LinkEntry *l = find_link({item.target}); l && l->recovery)
            l->recovery->received.on_ack_acked({item.value});
        return;
    case Control::kAckFreq:
        if (LinkEntry *l = find_link({item.target}); l && l->recovery)
            l->recovery->on_request_acked(item.value);
        return;
    case Control::kResponse:
        if (LinkEntry *l = find_link({item.target}); l && l->way) {
            l->way->validation.answered = true;
            l->way->validation.armed &= !l->validated;
        }
        return;
    case Control::kLinkClose: untold_links_--; return progress_waiting(now);
    case Control::kRefuse: return on_peer_channel_over();
    default: return;
    }
}

// Lost control is said again, if it still holds.
void Connection::control_lost(const ControlItem &item, Time now) {
    switch (item.kind) {
    case Control::kNewCid:
        if (const IssuedCid *c = cids_.issued(uint64_t{item.target}); c && !c->acked)
            pending_.add(item);
        return;
    case Control::kCidRequest:
        if (find_link({item.target}) &&
            !cids_.held({item.target}, static_cast<uint8_t>(item.value)))
            pending_.add(item);
        return;
    case Control::kLinkState:
    case Control::kAckFreq: // an overtaken one is dropped when its turn comes
        if (find_link({item.target}))
            pending_.add(item);
        return;
    case Control::kChannel:
        if (ChannelEntry *e = find_channel({item.target})) {
            e->on_control_lost(static_cast<channel::ControlSet>(item.value));
            harvest(*e, now);
        }
        return;
    case Control::kAck: return;
    // The peer may have no allowance left to challenge again, and would wait for ever.
    case Control::kResponse:
        if (LinkEntry *l = find_link({item.target}); l && l->way)
            l->owe_response(std::bit_cast<wire::ChallengeBytes>(item.value));
        return;
    case Control::kRetireCid:
    case Control::kLinkClose:
    case Control::kRefuse:
    case Control::kMaxChannels: pending_.add(item); return;
    }
}

} // namespace plait::connection
