// SPDX-License-Identifier: Apache-2.0
#include "channel/send_half.h"

#include "channel/idle.h"

#include <algorithm>
#include <utility>

namespace plait::channel {

void SendHalf::set_state(SendState next) {
    PLAIT_ASSERT(may_follow(state_, next));
    state_ = next;
}

SendHalf::Flight &SendHalf::flight(Time now) {
    if (!flight_)
        flight_ = std::make_unique<Flight>(written_);
    flight_->active = std::max(flight_->active, now);
    return *flight_;
}

// The statuses are those that plait_channel_send documents.
Status SendHalf::may_send(const Core &c) const {
    if (c.phase == Phase::kRefused)
        return PLAIT_E_REFUSED;
    if (c.phase == Phase::kOffered)
        return PLAIT_E_STATE;
    switch (state_) {
    case SendState::kOpen: return reserved() ? PLAIT_E_RESERVED : PLAIT_OK;
    case SendState::kResetting:
    case SendState::kReset:
        return c.extra && c.extra->send_code == wire::kResetLoss ? PLAIT_E_LOSS : PLAIT_E_RESET;
    default: return PLAIT_E_STATE;
    }
}

bool SendHalf::sending(const Core &c) const {
    return (state_ == SendState::kOpen || state_ == SendState::kFinishing) &&
           (c.phase == Phase::kOpen || c.phase == Phase::kOpening);
}

uint64_t SendHalf::cost() const {
    if (!flight_)
        return 0;
    const Flight &f = *flight_;
    return written_ - settled_ + kRecordCost * (f.records.size() + f.skips.size()) +
           kExtentCost * f.buffer.extents();
}

uint64_t SendHalf::buffer_limit(const Core &c) const {
    if (c.config->send_buffer)
        return std::max(c.config->send_buffer, kSendBufferMin);
    // Behind a lost packet everything waits for its repetition, and the application is asked for
    // more only when half is free.
    const uint64_t most = std::max(kSendBufferAutoMax, c.budget->share());
    return std::clamp(c.budget->send_share(is_bulk()), kSendBufferAuto, most);
}

// Whether `n` bytes that must be taken whole fit. What is larger than half the buffer may exceed it
// once, or it could never be sent.
bool SendHalf::fits(const Core &c, uint64_t n) const {
    const uint64_t limit = buffer_limit(c), used = cost();
    if (burst_left(c) == 0)
        return false;
    return used + n <= limit || (n > limit / 2 && used <= limit / 2);
}

// kWritable follows: at once for a pause, which lasts until it is read, else when there is room.
Status SendHalf::refuse_for_now(Core &c) {
    writable_owed_ = burst_left(c) != 0;
    if (!writable_owed_)
        c.tell(event::kWritable);
    return PLAIT_E_AGAIN;
}

void SendHalf::begin_burst() {
    if (!flight_)
        return;
    flight_->burst_start = written_;
    flight_->burst_over = false;
}

// At half a buffer whatever was refused fits.
void SendHalf::note_room(Core &c) {
    if (writable_owed_ && state_ == SendState::kOpen && cost() <= buffer_limit(c) / 2) {
        writable_owed_ = false;
        c.tell(event::kWritable);
    }
}

void SendHalf::note_low(Core &c) {
    if (low_armed_ && queued() <= c.low_water()) {
        low_armed_ = false;
        c.tell(event::kQueueLow);
    }
}

Status SendHalf::mark_ack_now(const Core &c) {
    const Status s = may_send(c);
    mark_next_ |= s == PLAIT_OK;
    return s;
}

// There is something that the limit holds back: bytes, or a SKIP of bytes above it.
bool SendHalf::blocked(const Core &c) const {
    if (!sending(c) || sent_ < limit_)
        return false;
    return sent_ < written_ ||
           (flight_ && std::any_of(flight_->skips.begin(), flight_->skips.end(),
                                   [&](const Skip &s) { return !s.written && s.end > limit_; }));
}

void SendHalf::note_blocked(Core &c) {
    if (blocked_told_ || !blocked(c))
        return;
    blocked_told_ = true;
    c.want(control::kBlocked);
}

void SendHalf::add_record(Core &c, uint64_t start, uint64_t size, Time now) {
    if (!has_records(c))
        return;
    Time deadline = kNever;
    if (c.config->deadlines())
        deadline = now + base::micros(static_cast<int64_t>(c.config->resend_parameter));
    auto &records = flight_->records;
    if (!records.empty()) {
        // A clock that steps back must not make a later message die before an earlier one.
        deadline = std::max(deadline, records.back().deadline);
        if (!c.config->messages && records.back().deadline == deadline &&
            records.back().end == start) {
            records.back().end = flight_->buffer.end();
            return;
        }
    }
    records.push_back({start, flight_->buffer.end(), deadline, static_cast<uint32_t>(size), false});
}

// Where the system does much of the network's work inside of what sends, little takes long, too.
void SendHalf::note_burst(uint64_t start, Time now) {
    Flight &f = *flight_;
    if (start == f.burst_start)
        f.burst_since = now;
    f.burst_over |=
        now >= f.burst_since + kSendBurstTime && written_ - f.burst_start >= kSendBufferAuto;
}

void SendHalf::taken(Core &c, uint64_t bytes, Time now) {
    const uint64_t start = written_;
    const bool was_bulk = is_bulk();
    written_ = flight_->buffer.end();
    note_burst(start, now);
    c.budget->set_bulk(was_bulk, is_bulk());
    PLAIT_ASSERT(written_ <= base::kVarintMax);
    add_record(c, start, bytes, now);
    if (std::exchange(mark_next_, false)) {
        base::Ring<uint64_t> &marks = flight_->marks;
        if (marks.size() == kMarksMax)
            marks.back() = written_;
        else
            marks.push_back(written_);
    }
    low_armed_ |= queued() > c.low_water();
    Stats &s = c.stats();
    s.bytes_sent += bytes;
    s.messages_sent += c.config->messages ? 1 : 0;
    note_blocked(c);
}

Result<size_t> SendHalf::send(Core &c, std::span<const Bytes> parts, Time now) {
    if (const Status s = may_send(c); s != PLAIT_OK)
        return Error{s};
    size_t total = 0;
    for (const Bytes &p : parts)
        total += p.size();
    size_t n = total;
    if (c.config->messages) {
        if (total > max_message_)
            return Error{PLAIT_E_TOO_BIG};
        if (!fits(c, total + base::varint_size(total)))
            return Error{refuse_for_now(c)};
    } else {
        const uint64_t used = cost() + kExtentCost, limit = buffer_limit(c);
        const uint64_t room = limit > used ? limit - used : 0;
        n = static_cast<size_t>(std::min<uint64_t>({total, room, burst_left(c)}));
        if (total == 0)
            return size_t{0};
        if (n == 0)
            return Error{refuse_for_now(c)};
    }
    Flight &f = flight(now);
    if (c.config->messages) {
        uint8_t header[8];
        f.buffer.append({header, base::store_varint(header, total)}, total, c.pools());
    }
    size_t left = n;
    for (const Bytes &p : parts) {
        const size_t take = std::min(left, p.size());
        f.buffer.append(p.first(take), left - take, c.pools());
        left -= take;
    }
    taken(c, n, now);
    if (n < total)
        refuse_for_now(c);
    return n;
}

Result<MutBytes> SendHalf::reserve(Core &c, size_t min) {
    if (const Status s = may_send(c); s != PLAIT_OK)
        return Error{s};
    min = std::max<size_t>(min, 1);
    if (min > kReserveMax || (c.config->messages && min > max_message_))
        return Error{PLAIT_E_TOO_BIG};
    if (!fits(c, min + 4))
        return Error{refuse_for_now(c)};
    Flight &f = flight(flight_ ? flight_->active : Time{});
    // The length is not known yet, its place is: a varint may be longer than it needs to be.
    const uint8_t header = !c.config->messages ? 0 : min < 0x4000 ? 2 : 4;
    MutBytes room = f.buffer.room(min + header, 0, c.pools()).subspan(header);
    uint64_t most = kReserveMax;
    if (header == 2)
        most = 0x3fff;
    if (c.config->messages)
        most = std::min<uint64_t>(most, max_message_);
    const uint64_t used = cost(), limit = buffer_limit(c);
    most = std::min(most, std::max<uint64_t>(min, limit > used + 4 ? limit - used - 4 : 0));
    f.reservation = room.first(static_cast<size_t>(std::min<uint64_t>(room.size(), most)));
    f.reserved_header = header;
    f.reserved = true;
    return f.reservation;
}

Status SendHalf::commit(Core &c, size_t n, Time now) {
    if (!reserved())
        return PLAIT_E_STATE;
    Flight &f = *flight_;
    if (n > f.reservation.size())
        return PLAIT_E_INVALID;
    f.reserved = false;
    if (state_ != SendState::kOpen) {
        const Status why = may_send(c);
        drop_flight(c);
        return why == PLAIT_E_RESET ? why : PLAIT_E_CLOSED;
    }
    f.active = std::max(f.active, now);
    if (n == 0) {
        if (settled_ == written_)
            f.buffer.free_below(settled_, false, c.pools());
        return PLAIT_OK;
    }
    if (f.reserved_header) {
        uint8_t *at = f.reservation.data() - f.reserved_header;
        base::store_be(at, n, f.reserved_header);
        at[0] |= static_cast<uint8_t>(f.reserved_header == 2 ? 0x40 : 0x80);
    }
    f.buffer.extend(n + f.reserved_header);
    taken(c, n, now);
    return PLAIT_OK;
}

Status SendHalf::send_owned(Core &c, Bytes bytes, ReleaseFn fn, void *user, Time now) {
    if (const Status s = may_send(c); s != PLAIT_OK)
        return s;
    if (bytes.empty() || !fn)
        return PLAIT_E_INVALID;
    if (c.config->messages && bytes.size() > max_message_)
        return PLAIT_E_TOO_BIG;
    if (!fits(c, bytes.size() + 8 + 2 * kExtentCost))
        return refuse_for_now(c);
    Flight &f = flight(now);
    if (c.config->messages) {
        uint8_t header[8];
        f.buffer.append({header, base::store_varint(header, bytes.size())}, 0, c.pools());
    }
    f.buffer.append_owned(bytes, fn, user);
    taken(c, bytes.size(), now);
    return PLAIT_OK;
}

Status SendHalf::finish(Core &c) {
    if (const Status s = may_send(c); s != PLAIT_OK)
        return s;
    set_state(SendState::kFinishing);
    fin_ = Fin::kPending;
    writable_owed_ = false;
    return PLAIT_OK;
}

Status SendHalf::reset(Core &c, uint64_t code) {
    if (code >= wire::kLibraryResetBit)
        return PLAIT_E_INVALID;
    if (c.phase == Phase::kOffered || ended())
        return PLAIT_E_STATE;
    if (state_ != SendState::kResetting)
        abort(c, code);
    return PLAIT_OK;
}

// The direction ends before its time: what is neither acknowledged nor given up counts as not
// delivered. Called once, before the state changes.
void SendHalf::write_off(Core &c) {
    if (settled_ == written_)
        return;
    const Flight &f = *flight_;
    Stats &s = c.stats();
    if (!c.config->messages)
        s.bytes_undelivered += written_ - settled_ - f.settled.total();
    for (size_t i = 0; c.config->messages && i < f.records.size(); i++) {
        const Record &r = f.records[i];
        if (r.given_up)
            continue;
        const bool acked = f.settled.covers(std::max(r.start, settled_), r.end);
        (acked ? s.bytes_acked : s.bytes_undelivered) += r.size;
        (acked ? s.messages_acked : s.messages_undelivered)++;
    }
    c.budget->set_bulk(is_bulk(), false);
    settled_ = written_;
}

void SendHalf::abort(Core &c, uint64_t code) {
    write_off(c);
    set_state(SendState::kResetting);
    c.more().send_code = code;
    // Nothing at or above was ever sent: the offsets jumped over were not.
    sent_ = std::min(sent_, limit_);
    drop_flight(c);
    c.forget(control::kSkip | control::kBlocked | control::kCreditReturn);
    c.want(control::kReset);
}

wire::ResetFrame SendHalf::reset_frame(const Core &c) const {
    return {c.number, c.extra ? c.extra->send_code : 0, sent_};
}

void SendHalf::on_reset_acked(Core &c) {
    if (state_ != SendState::kResetting)
        return;
    set_state(SendState::kReset);
    drop_flight(c);
}

void SendHalf::on_stop(Core &c, uint64_t code) {
    if (state_ != SendState::kOpen && state_ != SendState::kFinishing)
        return;
    abort(c, code);
    c.tell(event::kPeerStopped);
}

void SendHalf::on_accepted(Core &c, uint64_t limit, uint64_t max_message) {
    first_limit_ = std::max(first_limit_, static_cast<uint32_t>(std::min(limit, kWindowMax)));
    max_message_ = static_cast<uint32_t>(std::min(max_message, kMaxMessageMax));
    if (limit > limit_) {
        limit_ = limit;
        c.window_changed();
        blocked_told_ = false;
        c.forget(control::kBlocked);
        note_skips(c);
        note_blocked(c);
    }
    note_room(c);
}

// Everything of it is given back; a reservation keeps its memory until commit().
void SendHalf::drop_flight(Core &c) {
    if (!flight_)
        return;
    Flight &f = *flight_;
    writable_owed_ = false;
    if (!f.reserved) {
        f.buffer.clear(false, c.pools());
        flight_.reset();
        return;
    }
    f.buffer.clear(true, c.pools());
    f.settled.release();
    f.resend.release();
    f.alive.release();
    f.copies.release();
    f.attempts.release();
    f.doomed.release();
    f.marks.release();
    f.doom_at = kNever;
    f.records.release();
    f.skips.clear();
}

void SendHalf::drop(Core &c) {
    if (state_ == SendState::kOpen || state_ == SendState::kFinishing)
        write_off(c);
    if (!ended())
        set_state(SendState::kReset);
    c.forget(control::kReset | control::kSkip | control::kBlocked | control::kCreditReturn);
    drop_flight(c);
}

void SendHalf::take_back_acked(Core &c) {
    if (!c.extra || !c.extra->stats)
        return;
    Stats &s = *c.extra->stats;
    s.bytes_undelivered += std::exchange(s.bytes_acked, 0);
    s.messages_undelivered += std::exchange(s.messages_acked, 0);
}

void SendHalf::destroy(Core &c) {
    c.budget->set_bulk(is_bulk(), false);
    if (flight_)
        flight_->reserved = false;
    drop_flight(c);
}

// -- Credit ------------------------------------------------------------------------------

Status SendHalf::on_max_data(Core &c, const wire::MaxChannelDataFrame &f, Time now) {
    if (f.return_seq > return_seq_)
        return PLAIT_E_PROTOCOL;
    if (f.return_seq < return_seq_)
        return PLAIT_OK;
    return_open_ = false;
    c.forget(control::kCreditReturn);
    if (f.limit <= limit_)
        return PLAIT_OK;
    limit_ = f.limit;
    c.window_changed();
    blocked_told_ = false;
    c.forget(control::kBlocked);
    if (!sending(c))
        return PLAIT_OK;
    note_skips(c);
    note_blocked(c);
    if (returnable(c))
        flight(now); // so that the idle second is counted
    return PLAIT_OK;
}

bool SendHalf::returnable(const Core &c) const {
    return !c.is_control && c.phase == Phase::kOpen && state_ == SendState::kOpen &&
           sent_ == written_ && sent_ < limit_ && limit_ - sent_ > first_limit_;
}

void SendHalf::on_blocked_lost(Core &c) {
    if (blocked_told_ && blocked(c))
        c.want(control::kBlocked);
}

void SendHalf::on_credit_return_lost(Core &c) {
    if (return_open_ && sending(c))
        c.want(control::kCreditReturn);
}

// -- Time --------------------------------------------------------------------------------

Time SendHalf::deadline(const Core &c) const {
    if (!flight_)
        return kNever;
    const Flight &f = *flight_;
    Time at = f.doom_at;
    if (sending(c) && c.config->deadlines() && !f.records.empty()) {
        const Duration way = on_the_way(c);
        if (!f.resend.empty())
            at = std::min(at, f.records[find_record(f.resend.front().start)].deadline - way);
        if (sent_ < written_)
            at = std::min(at, f.records[find_record(sent_)].deadline - way);
    }
    const bool quiet = settled_ == written_ && f.skips.empty() && !f.reserved;
    if (quiet || returnable(c))
        at = std::min(at, idle_step(f.active + kIdle));
    return at;
}

bool SendHalf::on_timer(Core &c, Time now) {
    if (!flight_)
        return false;
    if (sending(c))
        expire(c, now);
    if (!flight_)
        return false;
    if (flight_->doom_at <= now)
        return true;
    if (flight_->active + kIdle > now)
        return false;
    if (returnable(c)) {
        return_seq_++;
        return_open_ = true;
        limit_ = sent_ + first_limit_;
        c.want(control::kCreditReturn);
    }
    trim(c);
    return false;
}

void SendHalf::trim(Core &c) {
    if (!flight_)
        return;
    const Flight &f = *flight_;
    if (settled_ == written_ && f.skips.empty() && !f.reserved)
        drop_flight(c);
}

} // namespace plait::channel
