// SPDX-License-Identifier: Apache-2.0
// How links fare: suspicion, death and return, and a peer that turns up at another address
// (docs/protocol.md section 7).
#include "connection/connection.h"
#include "connection/packet.h"

#include <algorithm>

namespace plait::connection {

namespace {
constexpr size_t kFirstReinjection = 64;  // packets at the first timeout; all of them at the second
constexpr uint64_t kValidationFailed = 2; // code of LINK_CLOSE
} // namespace

bool Connection::other_good(const LinkEntry &link) const {
    for (size_t i = 0; i < links_.size(); i++)
        if (const LinkEntry &l = link_at(i); &l != &link && l.state == link::State::kGood)
            return true;
    return false;
}

static link::Reason reason_of(link::State next, bool was_bad, Status why, bool peer_says) {
    if (next == link::State::kGood)
        return was_bad ? link::Reason::kAnswers : link::Reason::kValidated;
    if (peer_says)
        return link::Reason::kPeerReport;
    if (why == PLAIT_E_TIMEOUT)
        return next == link::State::kDead ? link::Reason::kTimeouts : link::Reason::kNoAnswer;
    return next == link::State::kValidating ? link::Reason::kNone : link::Reason::kDownNotice;
}

void Connection::set_link_state(LinkEntry &link, link::State next, Status why, Time now) {
    if (link.state == next)
        return;
    PLAIT_ASSERT(link::may_change(link.state, next));
    const bool was_suspect =
        link.state == link::State::kSuspect || link.state == link::State::kDead;
    link.state = next;
    link.status = why;
    const bool bad = next == link::State::kSuspect || next == link::State::kDead;
    if (next == link::State::kGood) {
        link.suspect_timeouts = 0;
        link.next_probe = kNever;
        link.moved_bytes = 0;
        link.set_reason(was_suspect ? "it answers again" : "validated");
    }
    if (link.recovery)
        link.recovery->set_suspect(bad);
    for (size_t i = 0; bad && i < links_.size(); i++)
        if (LinkEntry &l = link_at(i);
            l.recovery && &l != &link && l.recovery->acks_from == link.number)
            l.recovery->excuse(now);
    if (next == link::State::kSuspect)
        link.suspect_since = now;
    // What the peer has told us is not told back: each would go on taking the other's word for
    // news.
    if ((bad || was_suspect) && confirmed_ && !link.peer_says_down) {
        pending_.add({Control::kLinkState, link.number.v, 0});
        // The survivor's window may be full for the very reason that its ACKs went over this link:
        // the news does not wait for it.
        if (LinkEntry *survivor = bad ? fastest_link() : nullptr)
            survivor->probes_owed = std::max<uint8_t>(survivor->probes_owed, 1);
    }
    link.why = reason_of(next, was_suspect, why, link.peer_says_down);
    link.peer_says_down &= bad;
    const bool good = next == link::State::kGood;
    update_roles(&link, good ? link::Reason::kPreferredBack : link::Reason::kOthersFailed, now);
    if (next != link::State::kValidating)
        raise_link(link, PLAIT_EVENT_LINK_STATE);
    if (services_.tracer.on(PLAIT_TRACE_LINKS)) {
        const Time since = link.recovery ? link.recovery->ledger().first_unanswered() : kNever;
        const uint64_t waited = since < now ? static_cast<uint64_t>((now - since).us) : 0;
        services_.hooks->trace({PLAIT_TRACE_LINK_STATE, slot_, link.slot,
                                static_cast<uint64_t>(next), static_cast<uint64_t>(-why), waited,
                                link.moved_bytes});
    }
    check_dormancy();
}

// The packets in flight there that their reader misses soonest, at most kFirstReinjection: those
// with control frames, then those nearest to what a channel's peer has without a gap. By packet
// number the oldest bytes would come last, if they are there for the second time.
std::vector<recovery::SentPacket *> Connection::most_wanted(LinkEntry &link) {
    using Ranked = std::pair<uint64_t, recovery::SentPacket *>;
    std::vector<Ranked> all;
    link.recovery->ledger().for_each_outstanding([&](recovery::SentPacket &p) {
        if (p.has(recovery::SentPacket::kReinjected))
            return;
        const ChannelEntry *e = p.cookie == ControlLog::kNone && p.kind & kKindData
                                    ? find_channel({p.channel_slot})
                                    : nullptr;
        all.push_back({e ? p.offset + e->unacked() - e->written() : 0, &p});
    });
    const size_t count = std::min(all.size(), kFirstReinjection);
    const auto sooner = [](const Ranked &a, const Ranked &b) { return a.first < b.first; };
    std::stable_sort(all.begin(), all.end(), sooner);
    std::vector<recovery::SentPacket *> wanted(count);
    std::transform(all.begin(), all.begin() + static_cast<ptrdiff_t>(count), wanted.begin(),
                   [](const Ranked &r) { return r.second; });
    return wanted;
}

// No answer for longer than there should be, while another link is good: what it carries goes out
// again elsewhere, a part at once and the rest at the second timeout.
void Connection::suspect(LinkEntry &link, Status why, Time now) {
    if (link.state != link::State::kGood)
        return;
    const Time unanswered = link.recovery->ledger().first_unanswered();
    const int64_t waited_ms =
        unanswered != kNever && unanswered < now ? (now - unanswered).us / 1000 : 0;
    link.moved_bytes = 0;
    for (recovery::SentPacket *p : most_wanted(link)) {
        p->flags |= recovery::SentPacket::kReinjected;
        link.moved_bytes += p->length;
        settle_lost(*p, true, now);
        p->cookie = ControlLog::kNone;
    }
    stats_.bytes_reinjected += link.moved_bytes;
    set_link_state(link, link::State::kSuspect, why, now);
    if (why == PLAIT_E_TIMEOUT)
        link.set_reason("no answer for", "ms", static_cast<uint32_t>(waited_ms));
    else
        link.set_reason(base::status_text(why));
    link.probes_owed = 1;
    touch();
}

// Which link it is that answers do not come through: where those of `silent` came over another one
// that owes answers of its own as well, and has brought none since they are missed, that one.
LinkEntry &Connection::culprit(LinkEntry &silent, Time now) {
    LinkEntry *other = find_link(silent.recovery->acks_from);
    const bool owes = other && other->state == link::State::kGood &&
                      other->recovery->overdue() <= now &&
                      other->recovery->brought_at < silent.recovery->overdue();
    return owes ? *other : silent;
}

void Connection::declare_dead(LinkEntry &link, Status why, Time now) {
    if (link.state == link::State::kDead || !link.exists())
        return;
    reinject_all(link, now);
    set_link_state(link, link::State::kDead, why, now);
    if (why == PLAIT_E_TIMEOUT)
        link.set_reason("no answer for", "timeouts", link.suspect_timeouts);
    else
        link.set_reason(base::status_text(why));
    link.next_probe =
        now + link::kProbeIntervals[std::min<uint32_t>(endpoint_of(link).info.cost, 2)];
    touch();
}

void Connection::recover(LinkEntry &link, Time now) {
    if (!endpoint_of(link).up)
        return; // an ACK that was on its way elsewhere
    if (link.state == link::State::kSuspect ||
        (link.state == link::State::kDead && link.validated)) {
        set_link_state(link, link::State::kGood, PLAIT_OK, now);
        for (size_t i = 0; i < links_.size(); i++)
            if (LinkEntry &l = link_at(i);
                l.recovery && &l != &link && l.recovery->acks_from == link.number)
                l.recovery->end_excuse(now);
        touch();
    }
}

void Connection::reinject_all(LinkEntry &link, Time now) {
    recovery::Outcome &out = services_.outcome;
    out.clear();
    link.recovery->mark_all_lost(out, now);
    link.moved_bytes = 0;
    for (const recovery::SentPacket &p : out.lost) {
        link.moved_bytes += p.length;
        // The ledger tells of them no more: what is not sent again must be given up here.
        settle_lost(p, false, now);
    }
    stats_.bytes_reinjected += link.moved_bytes;
}

void Connection::check_dormancy() {
    // Before the peer was heard under the new keys there is nothing to sleep on: the handshake
    // times out.
    if (state_ == State::kConnected && live_links() == 0 && stats_.packets_received > 0) {
        set_state(State::kDormant);
        raise(PLAIT_EVENT_DORMANT);
    } else if (state_ == State::kDormant && live_links() > 0) {
        set_state(State::kConnected);
        want_generation();
        touch();
    }
}

void Connection::link_down(LinkEntry &link, Status why, Time now) {
    wake(now);
    if (link.live() || link.state == link::State::kValidating)
        declare_dead(link, why, now);
}

void Connection::link_up(LinkEntry &link, Time now) {
    if (link.state == link::State::kDead || link.state == link::State::kSuspect) {
        link.next_probe = now;
        touch();
    }
}

void Connection::link_mtu(LinkEntry &link, uint32_t mtu, Time now) {
    wake(now);
    if (link.recovery)
        link.recovery->set_mtu_limit(mtu);
}

void Connection::probe_all(bool forgive, Time now) {
    if (forgive)
        last_authentic_ = now;
    for (size_t i = 0; i < links_.size(); i++) {
        LinkEntry &l = link_at(i);
        if (forgive && l.recovery)
            l.recovery->forgive_gap(now);
        if (l.state == link::State::kDead)
            l.next_probe = now;
        else if (l.live())
            l.probes_owed = std::max<uint8_t>(l.probes_owed, 1);
    }
    touch();
}

// Known id, new address. Whoever copies our packets and sends them on faster can do this too, so
// nothing moves unless the new address answers a challenge and the old one does not.
void Connection::on_other_address(LinkEntry &link, const Arrival &from, size_t size, Time now) {
    if (!link.candidate || !link::same_address(link.candidate->remote, *from.remote) ||
        link.candidate->endpoint != from.endpoint) {
        if (link.candidate && !link.candidate->proven && now < link.candidate->decide_at)
            return; // one at a time
        if (now < link.way->retest_at)
            return;
        // Whoever brings our packets faster brings their ACKs faster too: the round trips that are
        // measured meanwhile are not those of the present address.
        if (now >= link.way->retest_at + link::kSettledAfter || link.way->settled_pto.us == 0)
            link.way->settled_pto = link.recovery->pto();
        link.candidate = std::make_unique<link::Candidate>();
        link::Candidate &c = *link.candidate;
        c.remote = *from.remote;
        c.endpoint = from.endpoint;
        c.has_local = from.local != nullptr;
        if (from.local)
            c.local = *from.local;
        start_validation(c.fresh, now);
        start_validation(c.old, now);
        const Duration wait = std::max(link.way->settled_pto, link.recovery->pto()) * 3;
        c.decide_at = now + (link.validated ? wait : link::kFirstDecision);
    }
    link.candidate->fresh.received += size;
    touch();
}

void Connection::on_response(LinkEntry &link, const wire::ChallengeBytes &data, Time now) {
    link::Validation &v = link.way->validation;
    if (v.armed && v.challenge == data) {
        if (link.validated)
            return;
        on_validated(link, now);
        // Whom it joined may have spent its allowance on challenges that were lost, and hears no
        // more from a link without data: until it has our answer, it is challenged on.
        v.armed = link.begun_here && !v.answered;
        v.sent = 1;
        v.next_send = now + longest_pto() * 2;
        return;
    }
    if (!link.candidate)
        return;
    // Each challenge went to one address only, so its answer tells of that one, by whatever way it
    // comes back: somebody who copies packets brings the answers of both.
    link::Candidate &c = *link.candidate;
    if (c.fresh.armed && c.fresh.challenge == data) {
        c.fresh.armed = false;
        c.proven = true;
    } else if (c.old.armed && c.old.challenge == data) {
        link.candidate.reset(); // the old address lives: it stays
        link.way->retest_at = now + link::kRetestAfter;
    }
}

// The old address has had its time to answer.
void Connection::decide_candidate(LinkEntry &link, Time now) {
    link::Candidate &c = *link.candidate;
    if (!c.proven) {
        link.candidate.reset();
        return;
    }
    endpoint_of(link).links--;
    link.endpoint = c.endpoint;
    static_cast<link::Addresses &>(*link.way) = {c.remote, c.local, c.has_local};
    endpoint_of(link).links++;
    link.candidate.reset();
    if (!link.validated)
        on_validated(link, now);
    reinject_all(link, now);
    link.recovery->reset_path(now);
    link.probes_owed = 1;
    link.set_reason("the peer moved to another address");
    link.why = link::Reason::kMoved;
    note_change(link, now);
    raise_link(link, PLAIT_EVENT_LINK_STATE);
    recover(link, now);
}

void Connection::link_timers(LinkEntry &link, Time now) {
    if (link.candidate && now >= link.candidate->decide_at)
        decide_candidate(link, now);
    if (link.state == link::State::kWaiting && link.way->wait_until <= now) {
        // No answer: the peer has no id to spare. While nothing reaches it, it could not give one.
        if (live_links() > 0)
            return close_link(link, PLAIT_E_LIMIT, 0, false, now);
        link.way->wait_until = now + longest_pto() * 3;
    }
    if (!link.recovery || !link.exists())
        return;
    if (link.state == link::State::kGood && other_good(link) &&
        link.recovery->suspicion_timer() <= now)
        suspect(culprit(link, now), PLAIT_E_TIMEOUT, now);
    if (link.recovery->timer() <= now) {
        recovery::Outcome &out = services_.outcome;
        out.clear();
        const auto verdict = link.recovery->on_timer(now, out);
        settle(link, now);
        if (verdict == recovery::TimerVerdict::kPto) {
            link.probes_owed = 2;
            link.suspect_timeouts++;
            if (link.suspect_timeouts == 1 && link.state == link::State::kGood)
                link.suspect_since = now;
            if (link.state == link::State::kSuspect)
                reinject_all(link, now);
            if (link.live() && link.suspect_timeouts >= link::kDeadTimeouts &&
                now >= link.suspect_since + link::kDeadAfter)
                declare_dead(link, PLAIT_E_TIMEOUT, now);
        }
    }
    link::Validation &v = link.way->validation;
    if (v.armed && v.sent >= link.most_challenges() && v.next_send <= now) {
        if (!link.validated)
            return close_link(link, PLAIT_E_TIMEOUT, kValidationFailed, true, now);
        v.armed = false;
    }
    if (link.state == link::State::kDead && link.next_probe <= now) {
        if (!link.recovery->can_send())
            reinject_all(link, now); // unanswered probes fill a small ledger
        link.probes_owed = 1;
        link.next_probe =
            now + link::kProbeIntervals[std::min<uint32_t>(endpoint_of(link).info.cost, 2)];
    }
}

Time Connection::link_deadline(LinkEntry &link, Time now) {
    Time t = link.state == link::State::kWaiting ? link.way->wait_until : kNever;
    if (!link.recovery || !link.exists())
        return t;
    const bool can = endpoint_of(link).can_send();
    t = std::min(t, link.recovery->timer());
    if (link.state == link::State::kGood && other_good(link))
        t = std::min(t, link.recovery->suspicion_timer());
    if (ack_way(link))
        t = std::min(t, link.recovery->received.ack_deadline());
    if (link.state == link::State::kDead)
        t = std::min(t, link.next_probe);
    const bool room = room_on(link) > 0;
    const link::Validation &v = link.way->validation;
    if (v.armed && (room || waits_for_allowance(link) || v.sent >= link.most_challenges()))
        t = std::min(t, v.next_send);
    if (link.candidate)
        t = std::min(t, link.candidate->decide_at);
    if (link.candidate && room) {
        if (link.candidate->fresh.armed)
            t = std::min(t, link.candidate->fresh.next_send);
        if (link.candidate->old.armed)
            t = std::min(t, link.candidate->old.next_send);
    }
    // With data waiting, the pacer says when; a full window waits for an ACK instead.
    if (link.usable() && can && blocked_on_window_ && link.recovery->window_left() > 0)
        t = std::min(t, std::max(link.recovery->send_time(now), now + recovery::Pacer::kMinSleep));
    return t;
}

} // namespace plait::connection
