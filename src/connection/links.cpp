// SPDX-License-Identifier: Apache-2.0
// Links come and go: connection ids in advance, joining, validation (docs/protocol.md sections 4,
// 7).
#include "connection/connection.h"

#include <algorithm>

namespace plait::connection {

// Who does not care about links leaves the handles of those that have ended: the oldest of them
// makes place for a new one.
void Connection::make_place_for_link() {
    for (size_t i = 0; i < links_.size(); i++) {
        LinkEntry &l = link_at(i);
        if (l.state != link::State::kClosed || !l.events.closed_read)
            continue;
        l.events.released = true;
        services_.assembler.flush(); // packets in the arena point to its addresses
        return release_link(l);
    }
}

LinkEntry *Connection::new_link(LinkNumber number, EndpointIndex endpoint,
                                const plait_addr &remote) {
    if (links_.size() == kMaxLinks)
        make_place_for_link();
    if (links_.size() == kMaxLinks)
        return nullptr;
    const uint32_t slot = services_.links.emplace(slot_, number);
    if (slot == base::kNoSlot)
        return nullptr;
    LinkEntry &link = services_.links[slot];
    link.slot = slot;
    link.endpoint = endpoint;
    link.way->remote = remote;
    links_.push_back(slot);
    endpoint_of(link).links++;
    entry().open_children++;
    return &link;
}

// The link goes on to the address where this came from.
void Connection::place_link(LinkEntry &link, const Arrival &from) {
    endpoint_of(link).links--;
    link.endpoint = from.endpoint;
    endpoint_of(link).links++;
    link.way->remote = *from.remote;
    link.way->has_local = from.local != nullptr;
    if (from.local)
        link.way->local = *from.local;
}

recovery::ControllerKind Connection::controller_of(const LinkEntry &link) {
    if (services_.endpoints[link.endpoint.v].info.rate > 0)
        return recovery::ControllerKind::kFixedRate;
    return link.controller.value_or(config_->controller);
}

void Connection::set_controller(LinkEntry &link, std::optional<recovery::ControllerKind> kind,
                                Time now) {
    link.controller = kind;
    if (link.recovery)
        link.recovery->set_controller(controller_of(link), now);
    touch();
}

// A stateless reset ends in the token of the id that this link's packets carry.
void Connection::watch_reset(LinkEntry &link) {
    const HeldCid *held = cids_.held(link.number, link.peer_class);
    if (!held || held->token == crypto::ResetToken{})
        return;
    link.reset_token = held->token;
    const uint64_t key = base::load_be(link.reset_token.data(), 8);
    if (!services_.reset_tokens.find(key))
        services_.reset_tokens.put(key, link.slot);
}

void Connection::unwatch_reset(LinkEntry &link) {
    const uint64_t key = base::load_be(link.reset_token.data(), 8);
    if (const uint32_t *slot = services_.reset_tokens.find(key); slot && *slot == link.slot)
        services_.reset_tokens.erase(key);
    link.reset_token = {};
}

// Whether all that has to be sent fits into this link's packets.
bool Connection::ids_fit(const LinkEntry &link, const wire::Cid &peer_cid) {
    return endpoint_of(link).info.mtu >= kSmallMtu || peer_cid.len <= kScarceCidSize;
}

crypto::ResetToken Connection::reset_token(const IssuedCid &c) const {
    return crypto::reset_token(services_.reset_key, services_.cids.cid_class(c.cid_class).name(),
                               c.cid.bytes());
}

recovery::LinkRecoveryConfig Connection::recovery_config(const LinkEntry &link) {
    const link::EndpointInfo &info = endpoint_of(link).info;
    recovery::LinkRecoveryConfig c;
    c.controller = controller_of(link);
    c.ecn = info.ecn ? config_->ecn : recovery::EcnMode::kOff;
    c.mtu.base = info.fixed_mtu ? info.mtu : std::min<size_t>(info.mtu, c.mtu.base);
    c.mtu.limit = info.mtu;
    c.mtu.fixed = info.fixed_mtu;
    c.line_rate = info.rate;
    static_assert(kMaxPacketsInFlight == recovery::SentLedger::kHardMax);
    c.max_outstanding = config_->max_packets_in_flight;
    c.max_ack_delay = base::micros(peer_facts_->max_ack_delay_us);
    return c;
}

void Connection::start_recovery(LinkEntry &link, Time now) {
    link.recovery = std::make_unique<link::Hot>(recovery_config(link));
    link.recovery->own_ack_at = now;
}

// The index of one of our classes in the peer's table, or -1.
int Connection::peer_class_of(uint8_t my_class) const {
    return my_class < wire::kMaxClasses ? peer_facts_->class_of_mine[my_class] : -1;
}

Status Connection::issue_cid(LinkNumber number, uint8_t cid_class) {
    if (cids_.issued(number, cid_class))
        return PLAIT_OK;
    if (cids_.issued().size() >= kMaxHeldCids)
        return PLAIT_E_LIMIT; // the peer keeps no more
    const bool scarce = services_.cids.cid_class(cid_class).cid_size <= kScarceCidSize;
    if (scarce && cids_.scarce_count(services_.cids) >= kMaxScarceCids)
        return PLAIT_E_LIMIT;
    const auto cid = services_.cids.issue(cid_class, {slot_, number});
    if (!cid.ok())
        return cid.status();
    const uint32_t seq = cids_.take_seq();
    cids_.add_issued({seq, number, cid_class, false, *cid});
    if (cid_class < told_class_count_)
        pending_.add({Control::kNewCid, seq, 0});
    return PLAIT_OK;
}

// Ids for the next link numbers of both parities, so that a join needs no round trip.
void Connection::issue_spares() {
    if (!confirmed_ || ended())
        return;
    for (uint8_t cls = 0; cls < my_class_count_; cls++) {
        if (services_.cids.cid_class(cls).cid_size <= kScarceCidSize || peer_class_of(cls) < 0)
            continue;
        for (uint32_t k = 0; k < kSpareLinks; k++) {
            issue_cid({next_own_link_ + 2 * k}, cls);
            issue_cid({next_peer_link_ + 2 * k}, cls);
        }
    }
}

Result<uint32_t> Connection::add_link(EndpointIndex endpoint, const plait_addr &remote,
                                      uint32_t cost, Time now) {
    wake(now);
    size_t open = 0;
    for (size_t i = 0; i < links_.size(); i++)
        open += link_at(i).state != link::State::kClosed;
    if (open >= config_->max_links)
        return Error{PLAIT_E_LIMIT};
    const uint8_t cls = services_.endpoints[endpoint.v].cid_class;
    if (has_keys_ && (cls >= my_class_count_ || peer_class_of(cls) < 0))
        return Error{PLAIT_E_UNSUPPORTED}; // the peer has no endpoint of this class
    LinkEntry *link = new_link({0}, endpoint, remote);
    if (!link)
        return Error{PLAIT_E_LIMIT};
    link->begun_here = true;
    link->cost = cost;
    progress_waiting(now);
    touch();
    return link->slot;
}

Duration Connection::longest_pto() const {
    Duration longest = base::millis(100);
    for (size_t i = 0; i < links_.size(); i++)
        if (const LinkEntry &l = link_at(i); l.recovery)
            longest = std::max(longest, l.recovery->pto());
    return longest;
}

// Gives a waiting link its number, and tells whether ids of both sides are in place for it.
bool Connection::bind_number(LinkEntry &link, Time now) {
    const uint8_t cls = endpoint_of(link).cid_class;
    const int peer_class = cls < my_class_count_ ? peer_class_of(cls) : -1;
    if (peer_class < 0) {
        link.status = PLAIT_E_UNSUPPORTED;
        return false;
    }
    link.peer_class = static_cast<uint8_t>(peer_class);
    if (!link.has_number) {
        if (untold_links_ >= kMaxUntoldLinks)
            return false; // until the peer has heard of those before it
        link.number = {next_own_link_};
        link.has_number = true;
        next_own_link_ += 2;
        issue_spares();
        if (const Status s = issue_cid(link.number, cls); s != PLAIT_OK) {
            link.status = s;
            return false;
        }
        const uint8_t peer_cid_size = peer_facts_->cid_sizes[link.peer_class];
        if (peer_cid_size <= kScarceCidSize && !cids_.held(link.number, link.peer_class)) {
            pending_.add({Control::kCidRequest, link.number.v, link.peer_class});
            link.way->wait_until = now + longest_pto() * 3;
        }
    }
    const IssuedCid *mine = cids_.issued(link.number, cls);
    const HeldCid *theirs = cids_.held(link.number, link.peer_class);
    if (!mine || !mine->acked || !theirs || (link_limit_ > 0 && link.number.v >= link_limit_))
        return false;
    if (!ids_fit(link, theirs->cid)) {
        link.status = PLAIT_E_UNSUPPORTED;
        return false;
    }
    link.issued_seq = mine->seq;
    link.peer_cid = theirs->cid;
    watch_reset(link);
    return true;
}

void Connection::progress_waiting(Time now) {
    if (!confirmed_ || (state_ != State::kConnected && state_ != State::kDormant))
        return;
    for (size_t i = 0; i < links_.size(); i++) {
        LinkEntry &link = link_at(i);
        if (link.state != link::State::kWaiting)
            continue;
        if (bind_number(link, now)) {
            start_recovery(link, now);
            start_validation(link.way->validation, now);
            set_link_state(link, link::State::kValidating, PLAIT_OK, now);
            touch();
        } else if (link.status != PLAIT_OK) {
            close_link(link, link.status, 0, false, now);
        }
    }
}

// The first authenticated packet on a spare id: the peer joins with a new link.
LinkEntry *Connection::join_by_peer(const CidOwner &owner, const Arrival &from, Time now) {
    const uint8_t cls = services_.endpoints[from.endpoint.v].cid_class;
    const int peer_class = peer_class_of(cls);
    const IssuedCid *mine = cids_.issued(owner.link, cls);
    if (is_own_number(owner.link) || cids_.is_used_up(owner.link) || peer_class < 0 || !mine)
        return nullptr;
    if (untold_links_ >= kMaxUntoldLinks && live_links() > 0)
        return nullptr; // without a link nobody can be told: this one may be that
    const HeldCid *theirs = cids_.held(owner.link, static_cast<uint8_t>(peer_class));
    size_t open = 0;
    for (size_t i = 0; i < links_.size(); i++)
        open += link_at(i).state != link::State::kClosed;
    if (!theirs || open >= config_->max_links)
        return nullptr;
    LinkEntry *link = new_link(owner.link, from.endpoint, *from.remote);
    if (!link)
        return nullptr;
    link->has_number = true;
    use_up(owner.link);
    place_link(*link, from);
    link->issued_seq = mine->seq;
    link->peer_cid = theirs->cid;
    link->peer_class = static_cast<uint8_t>(peer_class);
    watch_reset(*link);
    start_recovery(*link, now);
    start_validation(link->way->validation, now);
    set_link_state(*link, link::State::kValidating, PLAIT_OK, now);
    fix_link_class(*link);
    issue_spares();
    return link;
}

// A number of the peer's belongs to one link, once.
void Connection::use_up(LinkNumber number) {
    cids_.use_up(number);
    next_peer_link_ = std::max(next_peer_link_, number.v + 2);
}

// A link number belongs to one class from its first authenticated packet on: the ids of other
// classes for this number are of no use any more.
void Connection::fix_link_class(LinkEntry &link) {
    const uint8_t cls = endpoint_of(link).cid_class;
    drop_cids(link.number, [&](const IssuedCid &c) { return c.cid_class != cls && c.seq != 0; });
}

template <class F> void Connection::drop_cids(LinkNumber number, F &&useless) {
    std::vector<IssuedCid> out;
    for (const IssuedCid &c : cids_.issued())
        if (c.link == number && useless(c))
            out.push_back(c);
    for (const IssuedCid &c : out) {
        services_.cids.withdraw(c.cid_class, c.cid);
        cids_.drop_issued(c.seq);
    }
}

void Connection::start_validation(link::Validation &v, Time now) {
    services_.local.entropy.fill(v.challenge);
    v.armed = true;
    v.sent = 0;
    v.next_send = now;
}

void Connection::on_validated(LinkEntry &link, Time now) {
    link.validated = true;
    link.way->validation.armed = false;
    if (link.state == link::State::kValidating || link.state == link::State::kDead)
        set_link_state(link, link::State::kGood, PLAIT_OK, now);
    fix_link_class(link);
    touch();
}

void Connection::close_link(LinkEntry &link, Status why, uint64_t code, bool tell_peer, Time now) {
    if (link.state == link::State::kClosed || link.events.closed_raised)
        return;
    wake(now);
    if (!confirmed_ && link.has_number) // the handshake goes over this one only
        return fail_handshake(why == PLAIT_OK ? PLAIT_E_CLOSED : why, now);
    if (tell_peer && link.has_number && confirmed_) {
        pending_.add({Control::kLinkClose, link.number.v, code});
        untold_links_++;
    }
    if (link.recovery)
        reinject_all(link, now);
    link.status = why;
    link.close_code = code;
    link.state = link::State::kClosed;
    link.why = why == PLAIT_E_PEER_CLOSED ? link::Reason::kClosedByPeer
               : !link.validated          ? link::Reason::kValidationFailed
                                          : link::Reason::kClosedHere;
    link.set_reason(base::status_text(why));
    forget_pins(link);
    update_roles(&link, link::Reason::kOthersFailed, now);
    forget_link(link);
    if (bottlenecks_)
        note_bottlenecks(now);
    if (announcements_)
        after_link_closed(link, now);
    raise_link(link, PLAIT_EVENT_LINK_CLOSED);
    check_dormancy();
    touch();
}

// What a closed link needs no more; the entry stays until the application has let go of it.
void Connection::forget_link(LinkEntry &link) {
    if (link.has_number) {
        // The number is used up: the ids of both sides for it are, in all classes. Those of a join
        // of ours that it may never have heard of the peer keeps until it is told.
        drop_cids(link.number, [](const IssuedCid &) { return true; });
        const bool peer_knows =
            link.validated || !link.begun_here || link.why == link::Reason::kClosedByPeer;
        if (!peer_knows && confirmed_)
            cids_.for_each_held(link.number, [&](const HeldCid &c) {
                pending_.add({Control::kRetireCid, c.seq, 0});
            });
        cids_.drop_held(link.number);
    }
    unwatch_reset(link);
    link.candidate.reset();
    if (bottlenecks_)
        bottlenecks_->remove(link.number);
    link.shares_bottleneck = false;
    link.recovery.reset();
    link.next_probe = kNever;
}

void Connection::endpoint_gone(EndpointIndex endpoint, Status why, Time now) {
    if (redial_ && redial_->endpoint == endpoint)
        redial_.reset();
    for (size_t i = 0; i < links_.size(); i++)
        if (LinkEntry &l = link_at(i); l.candidate && l.candidate->endpoint == endpoint)
            l.candidate.reset();
    for (size_t i = 0; i < links_.size(); i++)
        if (LinkEntry &l = link_at(i); l.endpoint == endpoint && l.state != link::State::kClosed)
            close_link(l, why, 0, true, now);
}

} // namespace plait::connection
