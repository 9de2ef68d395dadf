// SPDX-License-Identifier: Apache-2.0
#include "channel/channel.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace plait::channel {

namespace {
SendState first_send_state(const Setup &s) {
    return s.config.one_way && !s.opened_here ? SendState::kNone : SendState::kOpen;
}
ReceiveState first_receive_state(const Setup &s) {
    return s.config.one_way && s.opened_here ? ReceiveState::kNone : ReceiveState::kOpen;
}
uint64_t first_credit(const Setup &s, ConnectionBudget &budget) {
    if (first_receive_state(s) == ReceiveState::kNone)
        return 0;
    if (s.is_control || !s.opened_here)
        return budget.take_promised(std::min(s.own_window, kWindowMax));
    return budget.take(s.config.window);
}
uint64_t largest_message(const Setup &s) {
    return std::max<uint64_t>(s.own_max_message, s.opened_here ? s.config.max_message : 0);
}
} // namespace

Channel::Channel(const Setup &s, Pools &pools, ConnectionBudget &budget)
    : c_{pools.configs.get(s.config), &budget, nullptr, {}, s.number},
      send_(first_send_state(s), s.peer_window, s.peer_max_message),
      receive_(first_receive_state(s), first_credit(s, budget), largest_message(s)) {
    budget.set_pools(pools);
    PLAIT_ASSERT(check(s.config) == PLAIT_OK);
    c_.opened_here = s.opened_here;
    c_.is_control = s.is_control;
    if (!s.label.empty())
        c_.set_label(s.label);
    if (s.is_control)
        return;
    c_.phase = s.opened_here ? Phase::kOpening : Phase::kOffered;
    if (!s.opened_here)
        return;
    c_.want(control::kOpen);
    if (send_.state() == SendState::kOpen)
        c_.tell(event::kWritable);
}

Channel::~Channel() {
    PLAIT_ASSERT(!order.prev);
    drop_decoder();
    send_.destroy(c_);
    receive_.drop(c_, receive_.ended()                              ? receive_.state()
                      : receive_.state() == ReceiveState::kStopping ? ReceiveState::kStopped
                                                                    : ReceiveState::kReset);
}

void Channel::set_phase(Phase next) {
    PLAIT_ASSERT(may_follow(c_.phase, next));
    c_.phase = next;
}

void Channel::fix(ChannelNumber number, uint64_t peer_window, uint64_t peer_max_message) {
    PLAIT_ASSERT(c_.opened_here && c_.phase == Phase::kOpening);
    c_.number = number;
    send_.on_accepted(c_, peer_window, peer_max_message);
}

void Channel::set_priority(uint8_t priority_class, uint8_t weight_log2) {
    PLAIT_ASSERT(!order.prev && priority_class < 16 && weight_log2 < 16);
    Config c = *c_.config;
    c.priority_class = priority_class;
    c.weight_log2 = weight_log2;
    c_.config = c_.pools().configs.get(c);
}

// -- The agreement -----------------------------------------------------------------------

Status Channel::accept(const Config &local, Time) {
    if (c_.phase != Phase::kOffered)
        return PLAIT_E_STATE;
    Config c = *c_.config;
    c.window = local.window;
    c.send_buffer = local.send_buffer;
    // What could never be held must not be announced.
    const uint64_t most = std::max(c_.budget->share() / 2, receive_.first_window());
    c.max_message = static_cast<uint32_t>(std::min<uint64_t>(local.max_message, most));
    c.drop_oldest = local.drop_oldest;
    c.fec = local.fec;
    c.fec_symbols = local.fec_symbols;
    c.fec_share = local.fec_share;
    c.reports = local.reports;
    c.window_events = local.window_events;
    c.priority_class = local.priority_class;
    c.weight_log2 = local.weight_log2;
    c.link_policy = local.link_policy;
    c.policy_argument = local.policy_argument;
    if (const Status s = check(c); s != PLAIT_OK)
        return s;
    c_.config = c_.pools().configs.get(c);
    set_phase(Phase::kOpen);
    receive_.accept(c_, c.window, c.max_message);
    c_.want(control::kAccept);
    if (send_.state() == SendState::kOpen)
        c_.tell(event::kWritable);
    if (receive_.readable(c_))
        c_.tell(event::kReadable);
    settle();
    return PLAIT_OK;
}

Status Channel::refuse(uint64_t code) {
    if (c_.phase != Phase::kOffered)
        return PLAIT_E_STATE;
    c_.events = 0;
    refused(code);
    c_.want(control::kRefuse);
    settle();
    return PLAIT_OK;
}

void Channel::refused(uint64_t code) {
    set_phase(Phase::kRefused);
    c_.more().send_code = c_.more().receive_code = code;
    send_.drop(c_);
    send_.take_back_acked(c_);
    if (!receive_.ended())
        receive_.drop(c_, receive_.state() == ReceiveState::kStopping ? ReceiveState::kStopped
                                                                      : ReceiveState::kReset);
    c_.pending = c_.unacked = 0;
}

Status Channel::on(const wire::AcceptFrame &f, Time) {
    if (!c_.opened_here || c_.is_control)
        return PLAIT_E_PROTOCOL;
    if (c_.phase != Phase::kOpening)
        return PLAIT_OK;
    set_phase(Phase::kOpen);
    c_.forget(control::kOpen); // it has arrived
    send_.on_accepted(c_, f.window, f.max_message);
    c_.tell(event::kAccepted);
    settle();
    return PLAIT_OK;
}

Status Channel::on(const wire::RefuseFrame &f, Time) {
    if (!c_.opened_here || c_.is_control)
        return PLAIT_E_PROTOCOL;
    if (c_.phase != Phase::kOpening)
        return c_.phase == Phase::kRefused ? PLAIT_OK : PLAIT_E_PROTOCOL;
    refused(f.code);
    c_.tell(event::kRefused);
    settle();
    return PLAIT_OK;
}

Status Channel::on(const wire::OpenFrame &f, Time) {
    if (c_.opened_here || c_.is_control)
        return PLAIT_E_PROTOCOL;
    return same_axes(from_open(f, *c_.config), *c_.config) ? PLAIT_OK : PLAIT_E_PROTOCOL;
}

// -- The application ---------------------------------------------------------------------

Result<size_t> Channel::send(std::span<const Bytes> parts, Time now) {
    return send_.send(c_, parts, now);
}
Result<MutBytes> Channel::reserve(size_t min) {
    return send_.reserve(c_, min);
}
Status Channel::commit(size_t n, Time now) {
    const Status s = send_.commit(c_, n, now);
    settle(); // done() may have waited for it
    return s;
}
Status Channel::send_owned(Bytes bytes, ReleaseFn fn, void *user, Time now) {
    return send_.send_owned(c_, bytes, fn, user, now);
}
Status Channel::finish(Time) {
    return send_.finish(c_);
}
Status Channel::reset(uint64_t code) {
    const Status s = send_.reset(c_, code);
    settle();
    return s;
}
void Channel::linger(Time until, uint64_t code) {
    c_.more().linger_until = until;
    c_.more().linger_code = code;
}

void Channel::cut_off() {
    if (c_.extra)
        c_.extra->linger_until = kNever;
    send_.drop(c_);
}

size_t Channel::take_reports(std::span<Report> out) {
    if (!c_.extra)
        return 0;
    auto &r = c_.extra->reports;
    const size_t n = std::min(out.size(), r.size());
    std::copy_n(r.begin(), n, out.begin());
    r.erase(r.begin(), r.begin() + static_cast<std::ptrdiff_t>(n));
    return n;
}

Result<size_t> Channel::read(MutBytes to, ReadInfo *info) {
    const Result<size_t> r = receive_.read(c_, to, info);
    settle();
    return r;
}
Result<size_t> Channel::peek(std::span<Bytes> slices, ReadInfo *info) {
    return receive_.peek(c_, slices, info);
}
Status Channel::consume(size_t n) {
    const Status s = receive_.consume(c_, n);
    settle();
    return s;
}
Status Channel::stop(uint64_t code) {
    if (code >= wire::kLibraryResetBit)
        return PLAIT_E_INVALID;
    const Status s = receive_.stop(c_, code);
    settle();
    return s;
}

// -- Data frames and what became of them -------------------------------------------------

bool Channel::next_segment(size_t max_length, Time now, Segment &out) {
    if (!c_.config->fec)
        return send_.next_segment(c_, max_length, now, out);
    const bool some = send_.next_segment(c_, room_beside_repair(max_length), now, out);
    if (some)
        protect(out, now);
    return some;
}
void Channel::on_acked(uint64_t offset, uint64_t length, bool fin) {
    send_.on_acked(c_, offset, length, fin);
    settle();
}
void Channel::on_lost(uint64_t offset, uint64_t length, bool fin, Time now) {
    send_.on_lost(c_, offset, length, fin, now);
    settle();
}
void Channel::on_reinject(uint64_t offset, uint64_t length, bool fin, Time now) {
    send_.on_reinject(c_, offset, length, fin, now);
}

Status Channel::on(const wire::DataFrame &f, Time now) {
    if (c_.phase == Phase::kRefused)
        return PLAIT_OK;
    Status s = receive_.on_data(c_, f, now);
    if (s == PLAIT_OK && keeps_for_repairs())
        s = keep_for_repairs(f, now);
    if (receive_.state() == ReceiveState::kStopped)
        c_.forget(control::kStop); // the end came by itself
    settle();
    return s;
}
Status Channel::on(const wire::SkipFrame &f, Time now) {
    if (c_.phase == Phase::kRefused)
        return PLAIT_OK;
    const Status s = receive_.on_skip(c_, f, now);
    settle();
    return s;
}
Status Channel::on(const wire::ResetFrame &f, Time) {
    if (c_.is_control)
        return PLAIT_E_PROTOCOL;
    if (c_.phase == Phase::kRefused)
        return PLAIT_OK;
    const Status s = receive_.on_reset(c_, f);
    if (receive_.state() == ReceiveState::kStopped)
        c_.forget(control::kStop);
    settle();
    return s;
}
Status Channel::on(const wire::StopFrame &f, Time) {
    if (c_.is_control || send_.state() == SendState::kNone)
        return PLAIT_E_PROTOCOL;
    if (c_.phase != Phase::kRefused)
        send_.on_stop(c_, f.code);
    settle();
    return PLAIT_OK;
}
Status Channel::on(const wire::MaxChannelDataFrame &f, Time now) {
    if (send_.state() == SendState::kNone)
        return PLAIT_E_PROTOCOL;
    return send_.on_max_data(c_, f, now);
}
Status Channel::on(const wire::BlockedFrame &, Time) {
    if (c_.phase == Phase::kRefused)
        return PLAIT_OK;
    return receive_.on_blocked(c_);
}
Status Channel::on(const wire::CreditReturnFrame &f, Time) {
    if (c_.is_control)
        return PLAIT_E_PROTOCOL;
    if (c_.phase == Phase::kRefused)
        return PLAIT_OK;
    return receive_.on_credit_return(c_, f);
}

// -- Time --------------------------------------------------------------------------------

Status Channel::on_timer(Time now) {
    if (c_.extra && c_.extra->linger_until <= now) {
        c_.extra->linger_until = kNever;
        if (send_.state() == SendState::kOpen || send_.state() == SendState::kFinishing)
            send_.abort(c_, c_.extra->linger_code);
        c_.tell(event::kLingered);
    }
    if (send_.on_timer(c_, now)) {
        // On loss: close. Both directions end, with the library's code.
        c_.tell(event::kGivenUp);
        send_.abort(c_, wire::kResetLoss);
        if (receive_.state() != ReceiveState::kNone)
            receive_.stop(c_, wire::kResetLoss);
    }
    const Status s = receive_.on_timer(c_, now);
    if (c_.config->fec)
        if (fec::Encoder *const e = encoder())
            e->on_timer(now);
    trim_repairs();
    settle();
    return s;
}

void Channel::trim() {
    send_.trim(c_);
    receive_.trim();
    trim_repairs();
}

bool Channel::done() const {
    return c_.phase != Phase::kOffered && c_.phase != Phase::kOpening && send_.ended() &&
           receive_.ended() && c_.unacked == 0 && !send_.reserved();
}

void Channel::settle() {
    if (keeps_for_repairs() && receive_.ended())
        drop_decoder();
    if (c_.closed_told || !done())
        return;
    c_.closed_told = true;
    c_.tell(event::kClosed);
}

} // namespace plait::channel
