// SPDX-License-Identifier: Apache-2.0
// Which links a connection, or a channel of it, may use, the roles that links have because of that,
// and the copies of redundant channels (docs/protocol.md section 7).
#include "connection/connection.h"
#include "connection/packet.h"

#include <algorithm>

namespace plait::connection {

namespace {
constexpr size_t kSmallCopy = 512; // bytes: a copy as small goes out although the window is full
} // namespace

uint8_t Connection::cost_of(const LinkEntry &link) const {
    const uint32_t cost = link.cost + services_.endpoints[link.endpoint.v].info.cost;
    return static_cast<uint8_t>(std::min<uint32_t>(cost, link::kCostClasses - 1u));
}

link::Policy Connection::policy_of(const ChannelEntry &entry) const {
    if (entry.slot == control_) // has to arrive, whatever data is pinned to
        return {link::PolicyKind::kAggregate, policy_.max_cost};
    if (entry.policy.kind != link::PolicyKind::kDefault)
        return entry.policy;
    if (const uint8_t kind = entry.config().link_policy; kind != 0) {
        link::Policy p = policy_;
        p.kind = static_cast<link::PolicyKind>(kind);
        return p;
    }
    return policy_;
}

// Bit i: link_at(i).
uint32_t Connection::allowed(const link::Policy &policy) const {
    std::array<link::Member, kMaxLinks> members;
    for (size_t i = 0; i < links_.size(); i++) {
        const LinkEntry &l = link_at(i);
        const EndpointEntry &e = services_.endpoints[l.endpoint.v];
        members[i] = {l.usable() && e.up, cost_of(l), e.cid_class, l.slot};
    }
    return link::allowed_links({members.data(), links_.size()}, policy);
}

void Connection::set_policy(const link::Policy &policy, Time now) {
    policy_ = policy;
    update_roles(nullptr, link::Reason::kPolicy, now);
    touch();
}

void Connection::set_channel_policy(ChannelEntry &entry, const link::Policy &policy) {
    entry.policy = policy;
    policies_differ_ = true;
    touch();
}

// A pinned link has gone: nothing takes its place.
void Connection::forget_pins(const LinkEntry &link) {
    const auto drop = [&](link::Policy &p) {
        if (p.kind == link::PolicyKind::kPinned && p.pinned_link == link.slot)
            p.pinned_link = link::kGone;
    };
    drop(policy_);
    for_each_channel([&](uint32_t slot) { drop(services_.channels[slot].policy); });
}

// -- roles

// `changed`: a link whose state is a new one; `why`: of the roles that follow from it.
void Connection::update_roles(LinkEntry *changed, link::Reason why, Time now) {
    const uint32_t mask = allowed(policy_);
    for (size_t i = 0; i < links_.size(); i++) {
        LinkEntry &l = link_at(i);
        const link::Role role = !l.usable()      ? link::Role::kNone
                                : mask >> i & 1u ? link::Role::kActive
                                                 : link::Role::kStandby;
        const bool other = role != l.role;
        l.role = role;
        if (&l == changed) {
            note_change(l, now);
        } else if (other) {
            l.why = why;
            l.moved_bytes = 0;
            note_change(l, now);
            raise_link(l, PLAIT_EVENT_LINK_STATE);
        }
    }
}

void Connection::note_change(LinkEntry &link, Time now) {
    const Time since = link.recovery ? link.recovery->ledger().first_unanswered() : kNever;
    const Duration waited = since < now ? now - since : Duration{0};
    link.changes.add({now, link.state, link.role, link.why, waited, link.moved_bytes});
    if (services_.tracer.on(PLAIT_TRACE_LINKS))
        services_.hooks->trace({PLAIT_TRACE_LINK_ROLE, slot_, link.slot,
                                static_cast<uint64_t>(link.role), static_cast<uint64_t>(link.why),
                                static_cast<uint64_t>(link.state), link.moved_bytes});
}

// -- copies

// The same bytes again, on the other links that the policy allows, soonest first as they stand.
void Connection::send_copies(ChannelEntry &entry, const LinkEntry &first,
                             const channel::Range &what, bool fin, Time now) {
    const link::Policy policy = policy_of(entry);
    const uint32_t mask = allowed(policy);
    size_t left = policy.copies == link::kAllLinks ? kMaxLinks : policy.copies - 1u;
    for (size_t i = 0; i < links_.size() && left > 0; i++) {
        LinkEntry &l = link_at(i);
        if (!(mask >> i & 1u) || &l == &first)
            continue;
        if (!can_send(l, now) && (what.end - what.start > kSmallCopy || room_on(l) == 0))
            continue;
        left--;
        uint64_t at = what.start;
        do {
            PacketBuilder packet(*this, l, entry, l.packet_size(endpoint_of(l)));
            const size_t size = packet.add_copy(at, what.end - at, fin);
            if (!packet.eliciting() || !packet.finish(now))
                break;
            at += size;
            order_.charge(entry, size);
        } while (at < what.end && room_on(l) > 0);
    }
}

} // namespace plait::connection
