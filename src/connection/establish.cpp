// SPDX-License-Identifier: Apache-2.0
// From INIT to a confirmed connection, docs/protocol.md section 2.
#include "connection/connection.h"

#include <algorithm>

namespace plait::connection {

// Memory of the node that is not for this connection: the least that each one to come needs, at
// most half of all.
uint64_t Connection::kept_for_others() const {
    const uint64_t to_come = services_.connections.limit() - services_.connections.size();
    return std::min(to_come * (kControlWindow + channel::kWindowFloor),
                    services_.budget.total() / 2);
}

// Memory that channels of one peer may be promised: a part of what is left, so that many
// connections find some.
uint64_t Connection::share_of_memory() const {
    const uint64_t kept = kept_for_others(), left = services_.budget.unpledged();
    const uint64_t spare = left > kept ? std::min(left - kept, budget_->left()) : 0;
    return std::max(spare / kPartOfMemory, channel::kWindowFloor);
}

// Sets memory aside for the channels that the peer may open, never windows under the floor. What a
// peer gets who is not `proven` to be there is pledged only.
void Connection::promise_channels(bool proven) {
    const uint64_t share = share_of_memory();
    own_window_ = config_->initial_window;
    uint64_t n = std::max<uint32_t>(config_->max_channels_per_peer, 1);
    if (n * own_window_ > share)
        own_window_ = std::clamp(share / n, channel::kWindowFloor, own_window_);
    n = std::min(n, std::max<uint64_t>(share / own_window_, 1));
    channels_allowed_ = n;
    // Channel 0's window comes on top: what it takes must not be missing under a channel of the
    // peer.
    peer_limit_ = budget_->promise(kControlWindow + (proven ? n * own_window_ : 0)) ? n : 0;
    if (!proven && peer_limit_ > 0)
        budget_->pledge(n * own_window_);
}

// The peer is there: it gets what was pledged, and its part of what is left by now. False if others
// took that meanwhile.
bool Connection::keep_promise() {
    if (!budget_->redeem())
        return false;
    const uint64_t most = std::max<uint32_t>(config_->max_channels_per_peer, 1);
    channels_allowed_ = std::clamp(share_of_memory() / own_window_,
                                   std::min(std::max<uint64_t>(peer_limit_, 1), most), most);
    const uint64_t more = std::min(channels_allowed_ - peer_limit_, budget_->left() / own_window_);
    if (more > 0 && budget_->promise(more * own_window_)) {
        peer_limit_ += more;
        pending_.add({Control::kMaxChannels, 0, 0});
    }
    return true;
}

wire::Parameters Connection::my_parameters(uint8_t handshake_class) {
    wire::Parameters p;
    p.class_count = std::min(services_.cids.class_count(), wire::kMaxClasses);
    for (size_t i = 0; i < p.class_count; i++)
        p.classes[i] = services_.cids.cid_class(static_cast<uint8_t>(i));
    p.handshake_class = handshake_class;
    p.max_channels = peer_limit_;
    p.initial_window = own_window_;
    p.max_message = config_->max_message;
    p.max_links = config_->max_links;
    p.repair_window = fec::kMaxWindowBytes;
    p.max_ack_delay_us = static_cast<uint64_t>(kMaxAckDelay.us);
    p.idle_timeout_ms = static_cast<uint64_t>(config_->idle_timeout.us / 1000);
    p.dormancy_timeout_ms = static_cast<uint64_t>(config_->dormancy_timeout.us / 1000);
    if (const IssuedCid *c = cids_.issued(uint64_t{0}); c->cid.len == crypto::kResetCidLen) {
        p.has_reset_token = true;
        p.reset_token = reset_token(*c);
    }
    p.time_ms = services_.wall_ms;
    uint8_t dice;
    services_.local.entropy.fill({&dice, 1});
    p.grease = dice < 64 ? 31u * (1u + dice) + 27u : 0; // one in four
    return p;
}

Status Connection::dial(const crypto::NodeId *peer, EndpointIndex endpoint,
                        const plait_addr &remote, Time now) {
    LinkEntry *link = new_link({0}, endpoint, remote);
    if (!link)
        return PLAIT_E_LIMIT;
    link->begun_here = true;
    link->has_number = true;
    const uint8_t cls = services_.endpoints[endpoint.v].cid_class;
    const auto cid = services_.cids.issue(cls, {slot_, {0}});
    if (!cid.ok())
        return cid.status();
    my_class_count_ = told_class_count_ = static_cast<uint8_t>(services_.cids.class_count());
    cids_.add_issued({cids_.take_seq(), {0}, cls, true, *cid});
    promise_channels(true);
    auto handshake = Handshake::dial(services_.local, peer, *cid, my_parameters(cls));
    if (!handshake.ok())
        return handshake.status();
    handshake_ = std::move(*handshake);
    initiated_ = true;
    if (peer) {
        peer_ = *peer;
        peer_known_ = true;
    }
    ephemeral_tag_ = handshake_->ephemeral_tag();
    resend_at_ = now;
    handshake_deadline_ = now + config_->handshake_timeout;
    return PLAIT_OK;
}

Status Connection::answer(Handshake::Pointer handshake, const Arrival &from, const Proof &proof,
                          Time now) {
    role_ = Role::kResponder;
    state_ = State::kAnswering; // from the first
    LinkEntry *link = new_link({0}, from.endpoint, *from.remote);
    if (!link)
        return PLAIT_E_LIMIT;
    link->has_number = true;
    place_link(*link, from);
    const uint8_t cls = endpoint_of(*link).cid_class;
    const auto cid = services_.cids.issue(cls, {slot_, {0}});
    if (!cid.ok())
        return cid.status();
    my_class_count_ = told_class_count_ = static_cast<uint8_t>(services_.cids.class_count());
    cids_.add_issued({cids_.take_seq(), {0}, cls, true, *cid});
    handshake_ = std::move(handshake);
    ephemeral_tag_ = handshake_->ephemeral_tag();
    promise_channels(false);
    if (const Status s = handshake_->respond(*cid, my_parameters(cls)); s != PLAIT_OK)
        return s;
    if (!ids_fit(*link, handshake_->initiator_cid()))
        return PLAIT_E_UNSUPPORTED;
    handshake_->set_proof(proof);
    const size_t way = std::min<size_t>(proof.piece, endpoint_of(*link).info.mtu);
    if (!proof.cookie && handshake_->message().size() > way)
        return PLAIT_E_TOO_BIG;
    if (handshake_->peer_known()) {
        peer_ = handshake_->peer();
        peer_known_ = true;
    }
    if (handshake_->complete() && !establish(*handshake_, *link, now))
        return PLAIT_E_LIMIT;
    resend_at_ = now;
    handshake_deadline_ = now + config_->handshake_timeout;
    return PLAIT_OK;
}

void Connection::repeat_answer(const Arrival &from, const Proof &proof, Time now) {
    if (state_ != State::kAnswering || links_.empty() || !handshake_)
        return;
    // The initiator may have moved, or dial several of our addresses: the newest source is
    // answered. It uses the same INIT for one class only, as our id in RESP is of that.
    LinkEntry &link = link_at(0);
    if (services_.endpoints[from.endpoint.v].cid_class != endpoint_of(link).cid_class)
        return;
    answered_elsewhere_ |=
        link.endpoint != from.endpoint || !link::same_address(link.way->remote, *from.remote);
    place_link(link, from);
    handshake_->set_proof(proof);
    resend_at_ = now;
    touch();
}

void Connection::redial_to(const Arrival &from, Time now) {
    if (state_ != State::kDialing || !handshake_ || handshake_->complete() || links_.empty())
        return;
    LinkEntry &link = link_at(0);
    // The same INIT may only go to addresses of the class that its connection id belongs to. It
    // goes there besides: the INIT that came may be a copy, sent to lead ours astray.
    if (services_.endpoints[from.endpoint.v].cid_class != endpoint_of(link).cid_class)
        return;
    redial_ = std::make_unique<Redial>(Redial{from.endpoint, *from.remote});
    (void)now;
    touch();
}

void Connection::on_long_packet(const wire::LongHeader &header, Bytes packet, const Arrival &from,
                                Time now) {
    if (!handshake_)
        return;
    if (header.type == wire::LongType::kRetry) {
        if (handshake_->on_retry(packet) != PLAIT_OK)
            return;
        resend_at_ = now; // the address is proven: at once
        return touch();
    }
    if (handshake_->complete())
        return;
    Status s = PLAIT_E_STATE;
    if (header.type == wire::LongType::kVersions)
        s = handshake_->on_versions(packet);
    else if (header.type == wire::LongType::kResp && handshake_->role() == Role::kInitiator) {
        if (services_.hooks->yields(*this, now))
            return;
        s = handshake_->on_resp(packet);
    } else if (header.type == wire::LongType::kFin && handshake_->role() == Role::kResponder)
        s = handshake_->on_fin(packet);
    if (s == PLAIT_E_VERSION)
        return fail_handshake(s, now);
    if (s != PLAIT_OK)
        return; // forged, or not for now: as if it had not come
    LinkEntry &link = link_at(0);
    const bool moved =
        link.endpoint != from.endpoint || !link::same_address(link.way->remote, *from.remote);
    if (!moved)
        place_link(link, from); // and from which address of ours
    peer_ = handshake_->peer();
    peer_known_ = true;
    resend_at_ = kNever;
    if (handshake_->awaits_approval()) {
        set_state(State::kRequested);
        if (config_->accept_at_once)
            approve(now);
        else
            raise(PLAIT_EVENT_CONNECTION_REQUEST);
        return;
    }
    if (!establish(*handshake_, link, now))
        return fail_handshake(PLAIT_E_LIMIT, now);
    if (!ids_fit(link, link.peer_cid))
        return fail_handshake(PLAIT_E_UNSUPPORTED, now);
    confirm(now);
    // A RESP from elsewhere may be a copy that was faster: the link stays where it was dialed,
    // unless that address is silent and the other one is not.
    if (moved && role_ == Role::kInitiator && confirmed_ && !ended())
        on_other_address(link_at(0), from, packet.size(), now);
    open_early(now);
}

namespace {
// FNV-1a; two names that collide only hurt who chose them.
uint32_t name_hash(std::string_view name) {
    uint32_t h = 0x811c9dc5;
    for (const char c : name)
        h = (h ^ static_cast<uint8_t>(c)) * 0x01000193;
    return h;
}

void learn_class(PeerFacts &facts, const wire::CidClass &said) {
    const size_t i = facts.class_count++;
    facts.cid_sizes[i] = said.cid_size;
    facts.names[i] = name_hash(said.name());
}
} // namespace

// Which of the peer's classes each of ours is.
void Connection::match_classes(PeerFacts &facts) const {
    facts.class_of_mine.fill(-1);
    for (uint8_t k = 0; k < my_class_count_; k++) {
        const uint32_t mine = name_hash(services_.cids.cid_class(k).name());
        for (size_t i = facts.class_count; i-- > 0;)
            if (facts.names[i] == mine)
                facts.class_of_mine[k] = static_cast<int8_t>(i);
    }
}

// Transport classes of the peer's that are new, or of ours: then `said` is empty.
void Connection::learn_classes(std::span<const wire::CidClass> said) {
    PeerFacts facts = *peer_facts_;
    for (const wire::CidClass &c : said)
        learn_class(facts, c);
    match_classes(facts);
    peer_facts_ = services_.facts.get(facts);
}

// What the peer said of itself, as far as it matters later on.
void Connection::learn_parameters(const wire::Parameters &said) {
    PeerFacts facts;
    facts.initial_window = said.initial_window;
    facts.max_message = said.max_message;
    facts.max_ack_delay_us =
        static_cast<uint32_t>(std::min<uint64_t>(said.max_ack_delay_us, 1'000'000));
    for (size_t i = 0; i < said.class_count; i++)
        learn_class(facts, said.classes[i]);
    match_classes(facts);
    peer_facts_ = services_.facts.get(facts);
    budget_->set_repair_window(said.repair_window);
    open_limit_ = said.max_channels;
    Config agreed = *config_;
    agreed.max_links = static_cast<uint32_t>(
        std::clamp<uint64_t>(std::min<uint64_t>(agreed.max_links, said.max_links), 1, kMaxLinks));
    const auto smaller = [](Duration mine, uint64_t peers_ms) {
        const Duration theirs =
            base::millis(static_cast<int64_t>(std::min<uint64_t>(peers_ms, 1u << 30)));
        return mine.us == 0 ? theirs : theirs.us == 0 ? mine : std::min(mine, theirs);
    };
    agreed.idle_timeout = smaller(agreed.idle_timeout, said.idle_timeout_ms);
    agreed.dormancy_timeout = smaller(agreed.dormancy_timeout, said.dormancy_timeout_ms);
    config_ = services_.configs.get(agreed);
}

// The keys are there: derives what hangs on them and opens channel 0 and link 0. False: the node
// has as many channels as it may.
bool Connection::establish(Handshake &handshake, LinkEntry &link, Time now) {
    Established e = handshake.take();
    role_ = e.role;
    root_ = std::move(e.root);
    cipher_ = e.cipher;
    peer_ = e.peer;
    peer_known_ = true;
    learn_parameters(e.peer_parameters);
    send_mask_ = crypto::derive_header_key(root_, role_);
    receive_mask_ = crypto::derive_header_key(root_, base::other(role_));
    exporter_ = crypto::make_exporter(root_);
    generation_since_ = now;
    rekey_due_ = now + config_->keys.generation_age;
    has_keys_ = true;
    next_own_link_ = role_ == Role::kInitiator ? 2 : 1;
    next_peer_link_ = role_ == Role::kInitiator ? 1 : 2;
    link.peer_cid = e.peer_cid;
    link.issued_seq = 0;
    link.peer_class =
        static_cast<uint8_t>(std::min<uint64_t>(e.peer_parameters.handshake_class, 255));
    cids_.hold({0, {0}, link.peer_class, e.peer_cid, e.peer_parameters.reset_token});
    if (role_ == Role::kResponder)
        cids_.use_up({0});
    watch_reset(link);
    start_recovery(link, now);
    channel::Config control = channel::stream();
    control.window = kControlWindow;
    control_ = new_channel({0}, control, role_ == Role::kInitiator);
    stats_.handshake_time = now - began_;
    return control_ != base::kNoSlot;
}

void Connection::confirm(Time now) {
    if (confirmed_)
        return;
    confirmed_ = true;
    last_authentic_ = now;
    LinkEntry &link = link_at(0);
    // Whoever has the keys has read RESP: if that went to one address only, the peer is there. If
    // not, the last one has to answer a challenge.
    link.validated = !answered_elsewhere_;
    if (!link.validated) {
        start_validation(link.way->validation, now);
        link.way->validation.received = wire::kMinInitSize;
        link.way->sent_unvalidated = handshake_->message().size();
    }
    // It carries ACKs and, should we refuse, CLOSE from now on.
    if (role_ == Role::kResponder)
        set_link_state(link, link.validated ? link::State::kGood : link::State::kValidating,
                       PLAIT_OK, now);
    if (!services_.hooks->on_confirmed(*this, now))
        return;
    services_.counters.handshakes_done++;
    // The initiator keeps its deadline until it hears the peer under the new keys.
    if (role_ == Role::kResponder) {
        resend_at_ = handshake_deadline_ = kNever;
        if (!keep_promise())
            return close(PLAIT_E_LIMIT, static_cast<uint64_t>(wire::CloseCode::kRefused), false,
                         "no memory left", now);
    }
    fix_numbers(now);
    if (role_ == Role::kInitiator || initiated_)
        return become_connected(now);
    set_state(State::kRequested);
    entry().known_to_application = true;
    if (config_->accept_at_once) // the listen configuration does not ask
        approve(now);
    else
        raise(PLAIT_EVENT_CONNECTION_REQUEST);
}

// Numbers of channels and links depend on the role; what was opened before gets its own now, as far
// as the peer allows so many. The rest waits for MAX_CHANNELS.
void Connection::fix_numbers(Time now) {
    const base::SlimVector<uint32_t> early = std::exchange(early_channels_, {});
    for (const uint32_t slot : early) {
        ChannelEntry &e = services_.channels[slot];
        const uint32_t index = index_of(e.number());
        if (index >= open_limit_) {
            early_channels_.push_back(slot);
            continue;
        }
        e.fix(own_channel_number(index), peer_facts_->initial_window, peer_facts_->max_message);
        if (e.config().cipher == 0)
            e.cipher = cipher_; // which was not agreed on yet when it was opened
        e.numbered = true;
        channels_.put(e.number().v, slot);
    }
    for (const uint32_t slot : early) {
        if (!services_.channels[slot].numbered)
            continue;
        send_label(services_.channels[slot], now);
        after_channel_call(services_.channels[slot], now);
    }
}

Status Connection::approve(Time now) {
    if (state_ != State::kRequested)
        return PLAIT_E_STATE;
    if (handshake_ && handshake_->awaits_approval()) {
        if (const Status s = handshake_->make_fin(); s != PLAIT_OK) {
            fail_handshake(s, now);
            return s;
        }
        set_state(State::kDialing);
        if (!establish(*handshake_, link_at(0), now)) {
            fail_handshake(PLAIT_E_LIMIT, now);
            return PLAIT_E_LIMIT;
        }
        // FIN goes out again until the peer is heard under the new keys.
        resend_at_ = now;
        resend_interval_ = kFirstResend;
        confirm(now);
        return PLAIT_OK;
    }
    become_connected(now);
    return PLAIT_OK;
}

void Connection::refuse(uint64_t code, Time now) {
    close(PLAIT_E_REFUSED, code, true, "", now);
}

void Connection::become_connected(Time now) {
    set_state(State::kConnected);
    look_idle_at_ = now + kSleepAfter;
    raise(PLAIT_EVENT_CONNECTED);
    LinkEntry *link = find_link({0}); // it may have ended before the application accepted
    if (link && link->state == link::State::kWaiting)
        set_link_state(*link, link::State::kGood, PLAIT_OK, now);
    tell_held_events();
    answer_held_requests(now);
    if (role_ == Role::kInitiator && link)
        link->probes_owed = 1; // a 1-RTT packet at once: it confirms the responder's side
    announce_classes(now);     // that came during the handshake
    begin_announcing(now);
    issue_spares();
    progress_waiting(now);
    check_dormancy();
    touch();
}

void Connection::inherit(Connection &dialing) {
    initiated_ = true;
    Config config = *config_;
    config.keepalive = dialing.config_->keepalive;
    config.announces = dialing.config_->announces;
    config.follows = dialing.config_->follows;
    announcements_ = std::move(dialing.announcements_);
    config_ = services_.configs.get(config);
    std::swap(early_channels_, dialing.early_channels_);
    // Those channels draw on it; what it promised for channels of the peer is promised here anew.
    dialing.budget_->withdraw_promise(dialing.budget_->promised());
    inherited_budgets_.push_back(std::move(dialing.budget_));
    dialing.budget_ = std::make_unique<channel::ConnectionBudget>(services_.budget, 0);
    opened_ = dialing.opened_;
    for (const uint32_t slot : early_channels_)
        services_.channels[slot].connection = slot_;
    // The links that the application added beside the dialed one wait for their numbers here.
    size_t kept = 0;
    for (size_t i = 0; i < dialing.links_.size(); i++) {
        LinkEntry &l = dialing.link_at(i);
        if (l.has_number || links_.size() == kMaxLinks) {
            dialing.links_[kept++] = dialing.links_[i];
            continue;
        }
        l.connection = slot_;
        links_.push_back(dialing.links_[i]);
    }
    dialing.links_.erase(dialing.links_.begin() + kept, dialing.links_.end());
}

void Connection::fail_handshake(Status why, Time now) {
    end_as().status = why;
    finish_close(now);
}

} // namespace plait::connection
