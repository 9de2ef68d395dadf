// SPDX-License-Identifier: Apache-2.0
// Links that queue at the same place take from it what one link would (link/bottleneck.h,
// docs/protocol.md section 7.6).
#include "connection/connection.h"

namespace plait::connection {

namespace {
// What a full queue drops hits the smaller window less often than its share, so that windows which
// together grow as one take a little more than one. So much less each makes up for it.
constexpr double kModesty = 0.85;
} // namespace

void Connection::watch_bottlenecks(LinkEntry &link, uint32_t received_us, Time now) {
    if (!bottlenecks_) {
        if (link.state != link::State::kGood || !other_good(link))
            return;
        bottlenecks_ = std::make_unique<link::Bottlenecks>();
    }
    bottlenecks_->add(link.number, received_us, link.recovery->one_way().fwd_relative());
    if (bottlenecks_->look(now))
        note_bottlenecks(now);
}

// Its controller has just been told of an ACK.
void Connection::keep_in_step(LinkEntry &link, Time now) {
    if (!link.shares_bottleneck)
        return;
    share_growth(link);
    if (const auto probe = link.recovery->probe(); probe != recovery::Probe::kNone)
        share_probe(link, probe, now);
}

// Each link's part in the window of its group.
void Connection::share_growth(LinkEntry &link) {
    const LinkNumber group = bottlenecks_->group_of(link.number);
    uint64_t sum = 0;
    for (size_t i = 0; i < links_.size(); i++)
        if (const LinkEntry &l = link_at(i);
            l.usable() && l.recovery && bottlenecks_->group_of(l.number) == group)
            sum += l.recovery->cwnd();
    const uint64_t own = link.recovery->cwnd();
    link.recovery->set_growth_share(
        sum > own ? kModesty * static_cast<double>(own) / static_cast<double>(sum) : 1);
}

void Connection::share_probe(const LinkEntry &link, recovery::Probe probe, Time now) {
    const LinkNumber group = bottlenecks_->group_of(link.number);
    for (size_t i = 0; i < links_.size(); i++)
        if (LinkEntry &l = link_at(i); l.number != link.number && l.usable() && l.recovery &&
                                       bottlenecks_->group_of(l.number) == group)
            l.recovery->follow(probe, now);
}

void Connection::note_bottlenecks(Time now) {
    for (size_t i = 0; i < links_.size(); i++) {
        LinkEntry &l = link_at(i);
        if (!l.recovery)
            continue;
        const LinkNumber group = bottlenecks_->group_of(l.number);
        bool shared = false;
        for (size_t k = 0; k < links_.size(); k++)
            shared |= k != i && bottlenecks_->group_of(link_at(k).number) == group;
        if (shared != l.shares_bottleneck) {
            l.shares_bottleneck = shared;
            l.why = shared ? link::Reason::kSharedBottleneck : link::Reason::kOwnBottleneck;
            l.moved_bytes = 0;
            note_change(l, now);
            raise_link(l, PLAIT_EVENT_LINK_STATE);
        }
        share_growth(l);
    }
}

} // namespace plait::connection
