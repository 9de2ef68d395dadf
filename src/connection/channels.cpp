// SPDX-License-Identifier: Apache-2.0
// Channels of a connection: numbers, opening, accepting, events, the end (docs/protocol.md section
// 6).
#include "connection/connection.h"
#include "connection/records.h"

#include <algorithm>

namespace plait::connection {

ChannelEntry *Connection::find_channel(ChannelNumber n) {
    const uint32_t *slot = channels_.find(n.v);
    return slot ? &services_.channels[*slot] : nullptr;
}

ChannelNumber Connection::own_channel_number(uint32_t index) const {
    return {role_ == Role::kInitiator ? 2 * (index + 1) : 2 * index + 1};
}

uint32_t Connection::new_channel(ChannelNumber n, const channel::Config &config, bool opened_here,
                                 uint64_t offered_window) {
    channel::Setup setup;
    setup.number = n;
    setup.config = config;
    setup.opened_here = opened_here;
    setup.is_control = has_keys_ && n.v == 0;
    setup.peer_window = setup.is_control ? kControlWindow
                        : has_keys_      ? peer_facts_->initial_window
                                         : 0;
    setup.peer_max_message = has_keys_ ? peer_facts_->max_message : channel::kDefaultMaxMessage;
    setup.own_window = setup.is_control ? kControlWindow : own_window_;
    setup.own_max_message = config_->max_message;
    if (!opened_here && !setup.is_control)
        setup.peer_window = offered_window;
    const uint32_t slot = services_.channels.emplace(slot_, setup, services_.pools, *budget_);
    if (slot == base::kNoSlot)
        return slot;
    ChannelEntry &e = services_.channels[slot];
    e.slot = slot;
    policies_differ_ |= config.link_policy != 0;
    e.cipher = config.cipher ? static_cast<crypto::Cipher>(config.cipher) : cipher_;
    if (has_keys_) {
        e.numbered = true;
        channels_.put(n.v, slot);
    }
    if (!setup.is_control)
        entry().open_children++;
    return slot;
}

Result<uint32_t> Connection::open_channel(std::string_view label, const channel::Config &config,
                                          Time now) {
    if (ended())
        return Error{PLAIT_E_CLOSED};
    if (const Status s = channel::check(config); s != PLAIT_OK)
        return Error{s};
    if (label.size() > wire::kMaxLabel)
        return Error{PLAIT_E_TOO_BIG};
    if (has_keys_ ? opened_ >= open_limit_ : opened_ >= kMaxEarlyChannels)
        return Error{PLAIT_E_LIMIT};
    if (config.cipher && !crypto::cipher_available(static_cast<crypto::Cipher>(config.cipher)))
        return Error{PLAIT_E_UNSUPPORTED};
    if (!config.one_way && budget_->left() < channel::kWindowFloor)
        return Error{PLAIT_E_LIMIT}; // the peer could never send on it
    const uint32_t slot = new_channel(own_channel_number(opened_), config, true);
    if (slot == base::kNoSlot)
        return Error{PLAIT_E_LIMIT};
    opened_++;
    ChannelEntry &e = services_.channels[slot];
    e.set_label(label);
    if (!has_keys_)
        early_channels_.push_back(slot);
    else
        send_label(e, now);
    after_channel_call(e, now);
    return slot;
}

// A label that is too long for OPEN goes ahead of it as a record.
void Connection::send_label(ChannelEntry &e, Time now) {
    const std::string_view label = e.label();
    if (label.size() <= wire::kMaxInlineLabel)
        return;
    std::array<uint8_t, kMaxRecord> body;
    base::Writer w(body);
    w.varint(e.number().v);
    w.bytes(base::bytes_of(label));
    send_record(kLabelRecord, w.written(), now);
}

// False: channel 0's buffer is full, the record was not sent. There is room for thousands.
bool Connection::send_record(uint64_t type, Bytes body, Time now) {
    std::array<uint8_t, kMaxRecord> head;
    base::Writer w(head);
    w.varint(type);
    w.varint(body.size());
    w.bytes(body);
    PLAIT_ASSERT(w.ok());
    const Bytes record = w.written();
    ChannelEntry &control = services_.channels[control_];
    if (control.room() < record.size())
        return false;
    const bool sent = control.send({&record, 1}, now).ok();
    after_channel_call(control, now);
    return sent;
}

Status Connection::channel_for(ChannelNumber n, ChannelEntry *&out) {
    out = find_channel(n);
    if (out)
        return PLAIT_OK;
    if (n.v == 0)
        return PLAIT_E_PROTOCOL;
    const uint32_t index = index_of(n);
    if (!opened_by_peer(n))
        return index < opened_ ? PLAIT_OK : PLAIT_E_PROTOCOL;
    if (index >= peer_limit_)
        return PLAIT_E_CHANNEL_LIMIT;
    return peer_opened_.contains(index) ? PLAIT_OK : PLAIT_E_AGAIN;
}

Status Connection::peer_opens(const wire::OpenFrame &f, Time now) {
    ChannelEntry *known = nullptr;
    if (!opened_by_peer(f.channel) || f.channel.v == 0)
        return PLAIT_E_PROTOCOL;
    const Status s = channel_for(f.channel, known);
    if (s != PLAIT_E_AGAIN)
        return s; // open already, closed already, or one too many
    channel::Config local;
    local.window = config_->initial_window;
    local.max_message =
        static_cast<uint32_t>(std::min<uint64_t>(config_->max_message, channel::kMaxMessageMax));
    const channel::Config config = channel::from_open(f, local);
    const Status sane =
        config.cipher && !crypto::cipher_available(static_cast<crypto::Cipher>(config.cipher))
            ? PLAIT_E_UNSUPPORTED
            : channel::check(config);
    const uint32_t slot =
        new_channel(f.channel, sane == PLAIT_OK ? config : channel::Config{}, false, f.window);
    peer_opened_.add(index_of(f.channel), index_of(f.channel) + 1u);
    if (slot == base::kNoSlot) {
        refuse_unheld(f.channel);
        return PLAIT_OK;
    }
    ChannelEntry &e = services_.channels[slot];
    if (sane != PLAIT_OK) {
        e.refuse(wire::kRefuseUnsupported);
        e.status = sane;
        harvest(e, now);
        return PLAIT_OK;
    }
    e.requested = true;
    e.label_follows = f.label_follows;
    e.set_label(base::text_of(f.label));
    const auto early = std::find_if(early_labels_.begin(), early_labels_.end(),
                                    [&](const auto &l) { return l.first == f.channel.v; });
    if (early != early_labels_.end()) {
        e.set_label(early->second);
        e.label_follows = false;
        early_labels_.erase(early);
    }
    if (!e.label_follows)
        answer_request(e, now);
    return PLAIT_OK;
}

// The node's table of channels is full. What comes on this one is ignored from now on, and until
// the peer has heard of it the channel counts as open: it can't make us say more than that.
void Connection::refuse_unheld(ChannelNumber n) {
    budget_->withdraw_promise(std::min(own_window_, budget_->promised()));
    pending_.add({Control::kRefuse, n.v, wire::kRefuseLimit});
    touch();
}

void Connection::on_peer_channel_over() {
    peer_closed_++;
    grant_channels();
}

// By the node's standing answer, or by the application. Of a connection that the application has
// not accepted nothing is answered yet.
void Connection::answer_request(ChannelEntry &e, Time now) {
    using Kind = ChannelAnswer::Kind;
    if (!e.requested || e.announced)
        return;
    const ChannelAnswer &answer = services_.answers.to(e.label());
    if (answer.kind != Kind::kAsk && state_ == State::kRequested)
        return;
    if (answer.kind == Kind::kRefuse) {
        (void)refuse_channel(e, answer.code, now);
        return;
    }
    e.announced = true;
    if (answer.kind == Kind::kAccept) {
        e.token = answer.token;
        const channel::Config *config = answer.config ? &*answer.config : nullptr;
        const Status s = accept_channel(e, config, now);
        PLAIT_ASSERT(s == PLAIT_OK); // the settings were looked at when they came
        return raise_channel(e, PLAIT_EVENT_CHANNEL_ACCEPTED);
    }
    raise_channel(e, PLAIT_EVENT_CHANNEL_REQUEST);
}

void Connection::answer_held_requests(Time now) {
    std::vector<uint32_t> held; // an answer may end the channel
    for_each_channel([&](uint32_t slot) {
        const ChannelEntry &e = services_.channels[slot];
        if (e.requested && !e.announced && !e.label_follows)
            held.push_back(slot);
    });
    for (const uint32_t slot : held)
        if (services_.channels.live(slot))
            answer_request(services_.channels[slot], now);
}

Status Connection::accept_channel(ChannelEntry &e, const channel::Config *config, Time now) {
    if (!e.requested)
        return PLAIT_E_STATE;
    order_.remove(e); // its class may change
    const Status s = e.accept(config ? *config : e.config(), now);
    if (s == PLAIT_OK)
        e.requested = false;
    after_channel_call(e, now);
    return s;
}

Status Connection::refuse_channel(ChannelEntry &e, uint64_t code, Time now) {
    if (!e.requested)
        return PLAIT_E_STATE;
    e.requested = false;
    e.refuse(code);
    e.code = code;
    after_channel_call(e, now);
    return PLAIT_OK;
}

channel::SendOrder::Haste Connection::haste_of(const ChannelEntry &e) {
    if (e.pending_control())
        return channel::SendOrder::Haste::kControl;
    return e.small() ? channel::SendOrder::Haste::kSmall : channel::SendOrder::Haste::kBulk;
}

// Passes on what has happened in a channel, and puts it where it belongs: in the order of those
// that have something to send, among those with a deadline, or away.
void Connection::harvest(ChannelEntry &e, Time now) {
    namespace ev = channel::event;
    const channel::EventSet events = e.take_events();
    if (e.slot != control_ && events) {
        if (events & ev::kAccepted)
            raise_channel(e, PLAIT_EVENT_CHANNEL_ACCEPTED);
        if (events & ev::kWritable)
            raise_channel(e, PLAIT_EVENT_WRITABLE);
        if (events & (ev::kReadable | ev::kEnd | ev::kPeerReset))
            raise_channel(e, PLAIT_EVENT_READABLE);
        if (events & ev::kGap)
            raise_channel(e, PLAIT_EVENT_GAP);
        if (events & ev::kGivenUp)
            raise_channel(e, PLAIT_EVENT_GIVEN_UP);
        if (events & ev::kQueueLow)
            raise_channel(e, PLAIT_EVENT_QUEUE_LOW);
        if (events & ev::kWindow)
            raise_channel(e, PLAIT_EVENT_WINDOW_CHANGED);
        if (events & ev::kFinished)
            raise_channel(e, PLAIT_EVENT_FINISHED);
        if (events & ev::kPeerStopped)
            raise_channel(e, PLAIT_EVENT_STOPPED);
        if (events & ev::kLingered)
            end_channel(e, e.lingered_status(), e.send_code());
        if (events & ev::kClosed)
            end_channel(e, e.end_status(), e.end_code());
    }
    if (!e.attached)
        return;
    if (e.done())
        return detach(e, now);
    if (e.numbered) {
        if (e.pending_control() || e.has_data(now))
            order_.ready(e, haste_of(e));
        else
            order_.remove(e);
    }
    channel_deadline_ = std::min(channel_deadline_, e.deadline());
}

void Connection::after_channel_call(ChannelEntry &e, Time now) {
    harvest(e, now);
    touch();
}

void Connection::end_channel(ChannelEntry &e, Status why, uint64_t code) {
    if (e.events.closed_raised)
        return;
    if (e.status == PLAIT_OK)
        e.status = why;
    if (e.code == 0)
        e.code = code;
    raise_channel(e, PLAIT_EVENT_CHANNEL_CLOSED);
}

// The application lets go of it: what was taken is delivered until `linger_until` at most.
void Connection::close_channel(ChannelEntry &e, Time linger_until, uint64_t code, Time now) {
    if (linger_until != kNever)
        e.linger(linger_until, code);
    // A reservation is open: its commit finishes (after_commit).
    e.finish(now);
    e.stop(0);
    after_channel_call(e, now);
}

// Nothing of it is on its way any more: the number is history, the peer may open another.
void Connection::detach(ChannelEntry &e, Time now) {
    if (!e.attached)
        return;
    e.attached = false;
    order_.remove(e);
    channels_.erase(e.number().v);
    keep_closed_keys(e, now);
    detached_.push_back(e.slot);
    if (opened_by_peer(e.number()))
        on_peer_channel_over();
    release_channel(e);
}

void Connection::grant_channels() {
    const uint64_t most =
        std::min(peer_closed_ + config_->max_channels_per_peer, wire::kMaxChannelsASide);
    if (peer_limit_ >= most)
        return;
    // How many windows may be taken before no more than `kept` is left.
    const uint64_t window = std::max<uint64_t>(own_window_, 1);
    const auto above = [&](uint64_t left, uint64_t kept) {
        return left > kept ? (left - kept - 1) / window + 1 : 0;
    };
    // More than at first only while others, and windows in use, do not need it.
    const uint64_t first = peer_closed_ + channels_allowed_;
    const uint64_t spare = std::min(above(services_.budget.left(), services_.budget.total() / 2),
                                    above(budget_->left(), budget_->share() / 4));
    const uint64_t wanted = std::max(first - std::min<uint64_t>(first, peer_limit_), spare);
    const uint64_t n = std::min({wanted, most - peer_limit_, budget_->left() / window});
    if (n == 0 || !budget_->promise(n * own_window_))
        return;
    peer_limit_ += n;
    pending_.add({Control::kMaxChannels, 0, 0});
}

void Connection::release_channel(ChannelEntry &e) {
    if (e.attached || !e.events.closed_read || !e.events.released)
        return;
    detached_.erase_if([&](uint32_t slot) { return slot == e.slot; });
    services_.channels.erase(e.slot);
}

void Connection::tune_windows(Time now) {
    // What arrived since the last look, taken for the rate; a window that limits the sender shows
    // as a rate of window / RTT, and so doubles it.
    Duration longest = base::millis(1), shortest = base::seconds(3600);
    uint64_t received = 0, rate = 0;
    bool narrow_return = false; // the peer has asked for fewer ACKs
    for (size_t i = 0; i < links_.size(); i++) {
        const LinkEntry &l = link_at(i);
        received += l.payload_received;
        if (!l.recovery)
            continue;
        longest = std::max(longest, l.recovery->rtt().srtt());
        narrow_return |= l.recovery->received.frequency().packets > 0;
        if (!l.usable())
            continue;
        rate += l.rate(services_.endpoints[l.endpoint.v]);
        shortest = std::min(shortest, l.recovery->shortest_round_trip());
    }
    const uint64_t send_bdp = rate * static_cast<uint64_t>(longest.us) / 1'000'000;
    const Duration elapsed = now - tuned_at_;
    if (elapsed < longest)
        return;
    const uint64_t fresh = received - std::min(received, tuned_received_);
    uint64_t receive_bdp =
        fresh * static_cast<uint64_t>(longest.us) / static_cast<uint64_t>(elapsed.us);
    // While it grows, a round trip later it will be twice as much; over a narrow way back limits
    // come late enough for slow start to meet them.
    if (narrow_return && 2 * receive_bdp > budget_->bdp() + budget_->bdp() / 4)
        receive_bdp *= 2;
    budget_->set_bdp(2 * std::max({receive_bdp, send_bdp, budget_->bdp() / 4}));
    budget_->set_srtt(longest);
    budget_->set_shortest_way(rate > 0 ? shortest / 2 : Duration{});
    const uint64_t lost =
        stats_.packets_lost - std::min(stats_.packets_lost, stats_.packets_spurious);
    budget_->set_packets(stats_.packets_sent, lost);
    for (const auto &b : inherited_budgets_) {
        b->set_repair_window(budget_->repair_window());
        b->set_packets(stats_.packets_sent, lost);
        b->set_bdp(budget_->bdp());
        b->set_srtt(longest);
        b->set_shortest_way(budget_->shortest_way());
    }
    tuned_at_ = now;
    tuned_received_ = received;
}

} // namespace plait::connection
