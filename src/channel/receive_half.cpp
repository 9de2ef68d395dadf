// SPDX-License-Identifier: Apache-2.0
#include "channel/receive_half.h"

#include "channel/idle.h"

#include <algorithm>

namespace plait::channel {

void ReceiveHalf::set_state(ReceiveState next) {
    PLAIT_ASSERT(may_follow(state_, next));
    state_ = next;
}

ReceiveHalf::Held &ReceiveHalf::held(Time now) {
    if (!held_) {
        held_ = std::make_unique<Held>();
        held_->order = read_;
        held_->tune_start = now;
        held_->tune_read = read_;
    }
    held_->active = std::max(held_->active, now);
    return *held_;
}

// -- Reading -----------------------------------------------------------------------------

Status ReceiveHalf::may_read(const Core &c, ReadInfo *info) const {
    if (c.phase == Phase::kOffered || state_ == ReceiveState::kNone)
        return PLAIT_E_STATE;
    if (state_ == ReceiveState::kOpen || state_ == ReceiveState::kSizeKnown)
        return PLAIT_OK;
    if (state_ == ReceiveState::kEnded)
        return PLAIT_E_END;
    const uint64_t code = c.extra ? c.extra->receive_code : 0;
    if (info)
        info->code = code;
    if (c.phase == Phase::kRefused)
        return PLAIT_E_REFUSED;
    return code == wire::kResetLoss ? PLAIT_E_LOSS : PLAIT_E_RESET;
}

// The varint at `at`, if it lies whole below `end`.
bool ReceiveHalf::header(uint64_t at, uint64_t end, uint64_t &size, uint64_t &length) const {
    if (at >= end)
        return false;
    uint8_t bytes[8];
    held_->buffer.read(at, {bytes, 1});
    size = uint64_t{1} << (bytes[0] >> 6);
    if (at + size > end)
        return false;
    held_->buffer.read(at, {bytes, static_cast<size_t>(size)});
    length = base::Reader({bytes, static_cast<size_t>(size)}).varint();
    return true;
}

// What comes next for the reader. False if nothing does now.
bool ReceiveHalf::item(const Core &c, Item &it) const {
    if (!held_ || held_->data.empty())
        return false;
    const Held &h = *held_;
    if (!c.config->messages) {
        const Range &front = h.data.front();
        if (c.config->ordered() && (front.start != read_ || read_ >= h.order))
            return false;
        it = {front.start, front.start, front.end};
        return true;
    }
    Range whole{read_, h.order};
    if (c.config->unordered) {
        if (h.ready.empty())
            return false;
        whole = h.ready[0];
    } else if (read_ >= h.order) {
        return false;
    }
    uint64_t size = 0, length = 0;
    const bool parsed = header(whole.start, whole.end, size, length);
    PLAIT_ASSERT(parsed && whole.start + size + length <= whole.end);
    it = {whole.start, whole.start + size, whole.start + size + length};
    return true;
}

bool ReceiveHalf::readable(const Core &c) const {
    Item it;
    return c.phase != Phase::kOffered && !ended() && item(c, it);
}

void ReceiveHalf::report(ReadInfo *info, bool clear) {
    if (!held_)
        return;
    Held &h = *held_;
    if (info) {
        info->gap_bytes = h.gap_bytes;
        info->gap_messages = h.gap_messages;
        info->dropped_bytes = h.dropped_bytes;
        info->dropped_messages = h.dropped_messages;
    }
    if (clear)
        h.gap_bytes = h.gap_messages = h.dropped_bytes = h.dropped_messages = 0;
}

Result<size_t> ReceiveHalf::read(Core &c, MutBytes to, ReadInfo *info) {
    if (info)
        *info = {};
    if (const Status s = may_read(c, info); s != PLAIT_OK) {
        if (s == PLAIT_E_END)
            report(info, true);
        return Error{s};
    }
    Item it;
    if (!item(c, it))
        return Error{PLAIT_E_AGAIN};
    size_t n = static_cast<size_t>(it.size());
    if (info) {
        info->offset = it.start;
        info->size = n;
    }
    if (c.config->messages && to.size() < n)
        return Error{PLAIT_E_BUFFER};
    n = std::min(n, to.size());
    if (info)
        info->size = n;
    held_->buffer.read(it.body, to.first(n));
    report(info, true);
    Stats &s = c.stats();
    s.bytes_read += n;
    s.messages_read += c.config->messages ? 1 : 0;
    take(c, it.start, it.body + n);
    return n;
}

Result<size_t> ReceiveHalf::peek(Core &c, std::span<Bytes> slices, ReadInfo *info) {
    if (info)
        *info = {};
    if (const Status s = may_read(c, info); s != PLAIT_OK) {
        if (s == PLAIT_E_END)
            report(info, false);
        return Error{s};
    }
    Item it;
    if (!item(c, it))
        return Error{PLAIT_E_AGAIN};
    size_t count = 0, shown = 0;
    uint64_t at = it.body;
    do { // an empty message is one empty slice
        const Bytes s = at < it.end ? held_->buffer.slice(at, it.end) : Bytes{};
        if (count < slices.size()) {
            slices[count] = s;
            shown += s.size();
        }
        count++;
        at += s.size();
    } while (at < it.end);
    if (info) {
        info->offset = it.start;
        info->slices = count;
        info->size = c.config->messages ? static_cast<size_t>(it.size()) : shown;
        report(info, false);
    }
    if (c.config->messages && count > slices.size())
        return Error{PLAIT_E_BUFFER};
    return std::min(count, slices.size());
}

Status ReceiveHalf::consume(Core &c, size_t n) {
    if (const Status s = may_read(c, nullptr); s != PLAIT_OK)
        return s;
    Item it;
    if (!item(c, it))
        return n == 0 && !c.config->messages ? PLAIT_OK : PLAIT_E_INVALID;
    if (n > it.size() || (c.config->messages && n != it.size()))
        return PLAIT_E_INVALID;
    report(nullptr, true);
    Stats &s = c.stats();
    s.bytes_read += n;
    s.messages_read += c.config->messages ? 1 : 0;
    take(c, it.start, it.body + n);
    return PLAIT_OK;
}

// [start, end), which item() gave, has been read or dropped.
void ReceiveHalf::take(Core &c, uint64_t start, uint64_t end) {
    Held &h = *held_;
    h.data.remove(start, end);
    if (c.config->ordered()) {
        PLAIT_ASSERT(start == read_);
        read_ = end;
    } else {
        if (c.config->messages) {
            h.ready.pop_front();
            h.claimed.remove(start, end);
        }
        h.gone.add(start, end);
    }
    advance_read(c);
    h.buffer.free(start, end, h.data, read_, c.pools());
}

// Moves `read` over what will not come or was read before, and lets the peer send more.
void ReceiveHalf::advance_read(Core &c) {
    Held &h = *held_;
    while (!h.gone.empty() && h.gone.front().start <= read_) {
        read_ = std::max(read_, h.gone.front().end);
        h.gone.pop_front();
    }
    size_t met = 0;
    for (; met < h.gaps.size() && h.gaps[met].start < read_; met++)
        note_gap(c, h.gaps[met]);
    if (met)
        h.gaps.erase(h.gaps.begin(), h.gaps.begin() + static_cast<std::ptrdiff_t>(met));
    h.order = std::max(h.order, read_);
    raise_limit(c, false);
    note_end(c);
}

bool ReceiveHalf::all_here() const {
    if (!final_known_)
        return false;
    uint64_t at = read_;
    while (at < highest_ && held_) {
        const Range *d = held_->data.first_above(at), *g = held_->gone.first_above(at);
        if (d && d->start <= at)
            at = d->end;
        else if (g && g->start <= at)
            at = g->end;
        else
            break;
    }
    return at >= highest_;
}

void ReceiveHalf::note_end(Core &c) {
    if (state_ != ReceiveState::kSizeKnown)
        return;
    if (!end_told_ && all_here()) {
        end_told_ = true;
        c.tell(event::kEnd);
    }
    if (read_ != highest_)
        return;
    set_state(ReceiveState::kEnded);
    c.forget(control::kMaxData);
    give_credit(c, 0);
}

// -- Credit ------------------------------------------------------------------------------

void ReceiveHalf::give_credit(Core &c, uint64_t keep) {
    if (credit_ <= keep)
        return;
    c.budget->give(credit_ - keep);
    credit_ = keep;
}

// Raises the limit to read + window, within the budget; not for each byte, nor where the budget is
// what bounds it: the sender would send as little in each packet (RFC 1122 section 4.2.3.3, silly
// windows). What a channel has held it can always have again: credit is given back only above the
// window.
void ReceiveHalf::raise_limit(Core &c, bool force) {
    if (state_ != ReceiveState::kOpen || c.phase == Phase::kOffered || c.phase == Phase::kRefused)
        return;
    const uint64_t target = std::min(read_ + window_, base::kVarintMax);
    const uint64_t limit = std::min(target, read_ + credit_ + c.budget->spare());
    if (limit > limit_ && (force || limit - limit_ >= (limit - read_) / 4)) {
        if (limit - read_ > credit_)
            credit_ += c.budget->take_spare(limit - read_ - credit_);
        limit_ = limit;
        c.want(control::kMaxData);
    }
    raise_for_message(c);
    give_credit(c, std::max(window_, limit_ - read_));
}

// A message longer than the window gets credit for all of it or none: several that are in part here
// must not hold the memory that each needs to become whole.
void ReceiveHalf::raise_for_message(Core &c) {
    if (!held_ || held_->need <= limit_) {
        if (held_) {
            held_->need = 0;
            held_->retry_at = kNever;
        }
        return;
    }
    const uint64_t whole = held_->need - read_;
    if (whole > credit_) {
        if (c.budget->left() < whole - credit_) {
            if (held_->retry_at == kNever)
                held_->retry_at = held_->active + kCreditRetry;
            return;
        }
        credit_ += c.budget->take(whole - credit_);
    }
    limit_ = held_->need;
    held_->need = 0;
    held_->retry_at = kNever;
    c.want(control::kMaxData);
}

// How far above the first byte that is missing something has arrived.
uint64_t ReceiveHalf::above_gap() const {
    if (!held_)
        return 0;
    const RangeSet &data = held_->data;
    const bool some = !data.empty() && data.front().start <= read_;
    const uint64_t missing = some ? std::max(read_, data.front().end) : read_;
    return highest_ - std::min(highest_, missing);
}

void ReceiveHalf::widen(Core &c, uint64_t held) {
    const uint64_t most = std::max({c.budget->bdp(), c.config->window, 2 * held});
    const uint64_t before = window_;
    window_ = std::max(window_, std::min(std::max(window_ * 2, kWindowFloor), most));
    if (window_ != before)
        c.window_changed();
}

// A window of which the reader takes half within two round trips is too small. (RFC 9000 leaves
// this open; the rule is that of the QUIC stacks.) One who does not read gets no more.
void ReceiveHalf::tune(Core &c, Time now) {
    Held &h = *held_;
    const bool taken = read_ - h.tune_read >= window_ / 2;
    if (!taken && now - h.tune_start <= c.budget->srtt() * 2)
        return;
    if (taken && now - h.tune_start <= c.budget->srtt() * 2)
        widen(c, 0);
    h.tune_start = now;
    h.tune_read = read_;
}

Status ReceiveHalf::on_blocked(Core &c) {
    if (state_ == ReceiveState::kNone)
        return PLAIT_E_PROTOCOL;
    if (state_ != ReceiveState::kOpen)
        return PLAIT_OK;
    // A reader that keeps up deserves a wider window. What waits for a gap to close, because links
    // differ or a packet was lost, is not the reader's fault: the window must hold that and more.
    if (!readable(c))
        widen(c, above_gap());
    raise_limit(c, true);
    return PLAIT_OK;
}

Status ReceiveHalf::on_credit_return(Core &c, const wire::CreditReturnFrame &f) {
    if (state_ == ReceiveState::kNone || f.seq > UINT32_MAX)
        return PLAIT_E_PROTOCOL;
    if (f.seq <= return_seq_ || state_ != ReceiveState::kOpen)
        return PLAIT_OK;
    if (f.offset < highest_)
        return PLAIT_E_PROTOCOL;
    return_seq_ = static_cast<uint32_t>(f.seq);
    limit_ = std::min(limit_, f.offset);
    if (window_ != first_window_)
        c.window_changed();
    window_ = first_window_;
    c.want(control::kMaxData); // tells that it was seen
    give_credit(c, std::max(window_, limit_ - read_));
    return PLAIT_OK;
}

void ReceiveHalf::accept(Core &c, uint64_t window, uint64_t max_message) {
    max_message_ =
        std::max(max_message_, static_cast<uint32_t>(std::min(max_message, kMaxMessageMax)));
    if (state_ != ReceiveState::kOpen)
        return;
    if (window > credit_)
        credit_ += c.budget->take_spare(window - credit_);
    first_window_ = static_cast<uint32_t>(
        std::max<uint64_t>(first_window_, std::min({window, credit_, kWindowMax})));
    window_ = first_window_;
    limit_ = std::max(limit_, window_);
    raise_limit(c, read_ > 0);
}

// -- End ---------------------------------------------------------------------------------

Status ReceiveHalf::stop(Core &c, uint64_t code) {
    if (c.phase == Phase::kOffered)
        return PLAIT_E_STATE;
    if (state_ == ReceiveState::kStopping || state_ == ReceiveState::kStopped)
        return PLAIT_OK;
    if (ended())
        return PLAIT_E_STATE;
    const bool over = all_here();
    const bool known = state_ == ReceiveState::kSizeKnown;
    c.more().receive_code = code;
    drop(c, ReceiveState::kStopping);
    if (!over)
        c.want(control::kStop);
    if (known) {
        set_state(ReceiveState::kStopped);
        give_credit(c, 0);
    }
    return PLAIT_OK;
}

void ReceiveHalf::drop(Core &c, ReceiveState as) {
    if (!ended() && state_ != as)
        set_state(as);
    c.forget(control::kMaxData);
    if (held_) {
        const uint64_t thrown = held_->data.total();
        if (thrown)
            c.stats().bytes_discarded += thrown;
        held_->buffer.clear(c.pools());
        held_.reset();
    }
    if (ended())
        give_credit(c, 0);
    else
        give_credit(c, limit_ - read_); // what the peer may still send before it hears
}

Status ReceiveHalf::on_reset(Core &c, const wire::ResetFrame &f) {
    if (state_ == ReceiveState::kNone)
        return PLAIT_E_PROTOCOL;
    if (f.final_offset < highest_ || (final_known_ && highest_ != f.final_offset))
        return PLAIT_E_PROTOCOL;
    if (ended())
        return PLAIT_OK;
    if (f.final_offset > limit_)
        return PLAIT_E_FLOW_CONTROL;
    if (state_ == ReceiveState::kStopping) {
        drop(c, ReceiveState::kStopped);
        return PLAIT_OK;
    }
    if (all_here()) // the data outran it; nothing is missing
        return PLAIT_OK;
    c.more().receive_code = f.code;
    drop(c, ReceiveState::kReset);
    c.tell(event::kPeerReset);
    return PLAIT_OK;
}

// -- Time --------------------------------------------------------------------------------

Time ReceiveHalf::deadline() const {
    if (!held_)
        return kNever;
    Time at = std::min(held_->wait_at, held_->retry_at);
    if (held_->nothing_kept())
        at = std::min(at, idle_step(held_->active + kHeldIdle));
    return at;
}

Status ReceiveHalf::on_timer(Core &c, Time now) {
    if (!held_)
        return PLAIT_OK;
    if (held_->retry_at <= now) {
        held_->retry_at = now + kCreditRetry;
        raise_limit(c, true);
    }
    if (held_ && held_->wait_at <= now) {
        const Status s = advance_order(c, now);
        after_arrival(c);
        if (s != PLAIT_OK)
            return s;
    }
    if (held_ && held_->active + kHeldIdle <= now)
        trim();
    return PLAIT_OK;
}

void ReceiveHalf::trim() {
    if (held_ && held_->nothing_kept()) {
        PLAIT_ASSERT(held_->buffer.held() == 0);
        held_.reset();
    }
}

void ReceiveHalf::check_invariants(const Core &c) const {
    PLAIT_ASSERT(ended() || read_ <= limit_);
    PLAIT_ASSERT(ended() || limit_ - read_ <= credit_);
    PLAIT_ASSERT(!ended() || credit_ == 0);
    if (!held_)
        return;
    const Held &h = *held_;
    PLAIT_ASSERT(h.order >= read_);
    PLAIT_ASSERT(h.data.empty() || (h.data.front().start >= read_ && h.data.back().end <= limit_));
    PLAIT_ASSERT(h.gone.empty() || h.gone.front().start > read_);
    for (const Range &g : h.gone)
        PLAIT_ASSERT(!touches(h.data, g.start, g.end));
    // One block more than the window spans, and one for where it begins.
    PLAIT_ASSERT(h.buffer.held() <= credit_ + 2 * ReceiveBuffer::kBlock);
    (void)c;
}

} // namespace plait::channel
