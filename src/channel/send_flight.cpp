// SPDX-License-Identifier: Apache-2.0
// The part of the sending direction that deals with packets: segments out, acknowledgements and
// losses in, and what is given up. docs/protocol.md section 6.4.
#include "channel/send_half.h"

#include <algorithm>

namespace plait::channel {

using wire::OnLoss;
using wire::Resend;

// -- Segments ----------------------------------------------------------------------------

// The record that holds `offset`; the first one above if none does.
size_t SendHalf::find_record(uint64_t offset) const {
    const auto &r = flight_->records;
    size_t lo = 0, hi = r.size();
    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;
        if (r[mid].end <= offset)
            lo = mid + 1;
        else
            hi = mid;
    }
    PLAIT_ASSERT(lo < r.size());
    return lo;
}

// Where a segment from `offset` must end. Reliable and ordered: anywhere. Reliable, unordered: from
// the start of a message the receiver finds the next starts itself, from its middle it cannot.
uint64_t SendHalf::boundary(const Core &c, uint64_t offset) const {
    if (!has_records(c) || (c.config->reliable() && c.config->ordered()))
        return written_;
    const Record &r = flight_->records[find_record(offset)];
    return c.config->reliable() && r.start == offset ? written_ : r.end;
}

bool SendHalf::has_data(const Core &c, Time now) const {
    if (!sending(c) || (flight_ && flight_->doom_at <= now))
        return false;
    return (flight_ && !flight_->resend.empty()) || sent_ < std::min(written_, limit_) ||
           fin_ready();
}

// Describes [start, start + length), shorter if it lies in more than two extents.
void SendHalf::fill(Core &c, uint64_t start, uint64_t length, Segment &out) {
    const Flight &f = *flight_;
    out.offset = start;
    out.length =
        f.buffer.parts(start, static_cast<size_t>(length), out.part, out.writable_headroom);
    if (c.config->messages)
        out.start = f.records[find_record(start)].start == start;
    for (size_t i = 0; i < f.marks.size() && f.marks[i] <= start + out.length; i++)
        out.ack_now |= f.marks[i] > start;
    const bool last = state_ == SendState::kFinishing && start + out.length == written_;
    if (last && fin_ != Fin::kAcked) {
        out.fin = true;
        fin_ = Fin::kInFlight;
    }
}

bool SendHalf::resend_segment(Core &c, size_t max, Segment &out) {
    Flight &f = *flight_;
    const Range r = f.resend.front();
    const uint64_t end = std::min({r.end, r.start + max, boundary(c, r.start)});
    fill(c, r.start, end - r.start, out);
    const uint64_t to = r.start + out.length;
    out.retransmission = true;
    if (!f.alive.empty()) {
        for_each_inside(f.alive, r.start, to,
                        [&](uint64_t a, uint64_t b) { f.copies.increment(a, b); });
        f.alive.remove(r.start, to);
    }
    f.resend.remove(r.start, to);
    if (c.config->resend == Resend::kAtMost)
        f.attempts.increment(r.start, to);
    c.stats().bytes_resent += out.length;
    return true;
}

bool SendHalf::next_segment(Core &c, size_t max, Time now, Segment &out) {
    out = {};
    if (!sending(c))
        return false;
    if (flight_) {
        expire(c, now);
        if (flight_ && flight_->doom_at <= now)
            return false;
        if (flight_ && max > 0 && !flight_->resend.empty()) {
            flight_->active = std::max(flight_->active, now);
            return resend_segment(c, max, out);
        }
    }
    const uint64_t stop = std::min(written_, limit_);
    if (max > 0 && sent_ < stop) {
        flight_->active = std::max(flight_->active, now);
        fill(c, sent_, std::min({stop, sent_ + max, boundary(c, sent_)}) - sent_, out);
        sent_ += out.length;
        note_blocked(c);
        note_low(c);
        return true;
    }
    if (!fin_ready())
        return false;
    out.offset = written_;
    out.fin = true;
    fin_ = Fin::kInFlight;
    return true;
}

bool SendHalf::copy_segment(Core &c, uint64_t offset, uint64_t max, bool fin, Segment &out) {
    out = {};
    out.retransmission = true;
    if (max == 0) { // a FIN alone
        out.offset = offset;
        out.fin = fin;
        return fin && sending(c);
    }
    if (!sending(c) || !flight_ || offset < settled_ || offset >= sent_)
        return false;
    fill(c, offset, std::min({sent_ - offset, max, boundary(c, offset) - offset}), out);
    on_copy(offset, out.length);
    return true;
}

// -- Acknowledged ------------------------------------------------------------------------

void SendHalf::on_acked(Core &c, uint64_t offset, uint64_t length, bool fin) {
    if (state_ != SendState::kOpen && state_ != SendState::kFinishing)
        return;
    if (fin)
        fin_ = Fin::kAcked;
    const uint64_t before = settled_, start = std::max(offset, settled_), end = offset + length;
    if (start < end) {
        PLAIT_ASSERT(end <= written_ && flight_);
        begin_burst();
        uint64_t fresh = end - start;
        for_each_inside(flight_->settled, start, end,
                        [&](uint64_t a, uint64_t b) { fresh -= b - a; });
        if (!c.config->messages)
            c.stats().bytes_acked += fresh;
        settle(c, start, end);
    }
    if (before != settled_)
        note_room(c);
    note_finished(c);
}

void SendHalf::settle(Core &c, uint64_t start, uint64_t end) {
    Flight &f = *flight_;
    f.resend.remove(start, end);
    f.alive.remove(start, end);
    f.copies.clear(start, end);
    f.attempts.clear(start, end);
    if (!f.doomed.empty() && f.doomed.remove(start, end) && f.doomed.empty())
        f.doom_at = kNever; // the late ACK that cancels
    if (start > settled_) {
        f.settled.add(start, end);
        return;
    }
    const bool was_bulk = is_bulk();
    settled_ = std::max(settled_, end);
    while (!f.settled.empty() && f.settled.front().start <= settled_) {
        settled_ = std::max(settled_, f.settled.front().end);
        f.settled.pop_front();
    }
    c.budget->set_bulk(was_bulk, is_bulk());
    for (; !f.records.empty() && f.records.front().end <= settled_; f.records.pop_front()) {
        if (!c.config->messages || f.records.front().given_up)
            continue;
        c.stats().bytes_acked += f.records.front().size;
        c.stats().messages_acked++;
    }
    while (!f.marks.empty() && f.marks.front() <= settled_)
        f.marks.pop_front();
    f.buffer.free_below(settled_, f.reserved, c.pools());
}

void SendHalf::note_finished(Core &c) {
    if (state_ != SendState::kFinishing || fin_ != Fin::kAcked || settled_ != written_ ||
        (flight_ && !flight_->skips.empty()))
        return;
    set_state(SendState::kFinished);
    c.forget(control::kBlocked | control::kCreditReturn);
    drop_flight(c);
    c.tell(event::kFinished);
}

// -- Lost --------------------------------------------------------------------------------

void SendHalf::on_lost(Core &c, uint64_t offset, uint64_t length, bool fin, Time now) {
    if (state_ != SendState::kOpen && state_ != SendState::kFinishing)
        return;
    if (fin && fin_ == Fin::kInFlight)
        fin_ = Fin::kPending;
    if (!flight_)
        return;
    // What is settled needs no care; giving up settles more, so the walk looks anew at each step.
    for_each_outside(flight_->settled, std::max(offset, settled_), offset + length,
                     [&](uint64_t a, uint64_t b) {
                         if (a = std::max(a, settled_); a < b)
                             lose(c, a, b, now);
                     });
    note_room(c);
    note_finished(c);
}

// One copy of [start, end) is gone; only the last one counts.
void SendHalf::lose(Core &c, uint64_t start, uint64_t end, Time now) {
    Flight &f = *flight_;
    if (f.copies.empty()) {
        lose_last_copy(c, start, end, now);
        return;
    }
    std::vector<Range> last;
    f.copies.update(start, end, [&](uint64_t a, uint64_t b, uint32_t n) {
        if (n == 0)
            last.push_back({a, b});
        return n ? n - 1 : 0;
    });
    for (const Range &r : last)
        lose_last_copy(c, r.start, r.end, now);
}

void SendHalf::lose_last_copy(Core &c, uint64_t start, uint64_t end, Time now) {
    Flight &f = *flight_;
    f.alive.remove(start, end);
    // What is queued already stays queued; the doomed waits for its end.
    std::vector<Range> fresh;
    for_each_outside(f.resend, start, end, [&](uint64_t a, uint64_t b) {
        for_each_outside(f.doomed, a, b, [&](uint64_t x, uint64_t y) { fresh.push_back({x, y}); });
    });
    for (const Range &r : fresh)
        for_each_outside(f.settled, r.start, r.end, [&](uint64_t a, uint64_t b) {
            if (a = std::max(a, settled_); a < b)
                queue_or_give_up(c, a, b, now);
        });
}

void SendHalf::queue_or_give_up(Core &c, uint64_t start, uint64_t end, Time now) {
    Flight &f = *flight_;
    switch (c.config->resend) {
    case Resend::kAlways: f.resend.add(start, end); return;
    case Resend::kNever: give_up(c, start, end, now); return;
    case Resend::kAtMost: {
        std::vector<Range> spent;
        f.attempts.update(start, end, [&](uint64_t a, uint64_t b, uint32_t n) {
            if (n < c.config->resend_parameter)
                f.resend.add(a, b);
            else
                spent.push_back({a, b});
            return n;
        });
        for (const Range &r : spent)
            give_up(c, r.start, r.end, now);
        return;
    }
    case Resend::kUntilDeadline:
        f.resend.add(start, end);
        expire_queued(c, now);
        return;
    }
}

// -- Given up ----------------------------------------------------------------------------

void SendHalf::give_up(Core &c, uint64_t start, uint64_t end, Time now) {
    Flight &f = *flight_;
    if (c.config->on_loss == OnLoss::kClose) {
        f.doomed.add(start, end);
        f.resend.remove(start, end);
        if (f.doom_at == kNever)
            f.doom_at = now + c.budget->srtt() / 4;
        return;
    }
    if (!c.config->messages) {
        c.stats().bytes_given_up += end - start;
        c.report({Report::Kind::kGivenUp, start, end - start, 0, 0});
        settle(c, start, end);
        add_skip(c, {start, end, 0, 0, false, true});
        return;
    }
    // A message that lost a part is skipped whole. Records go as the front settles: look up anew.
    while (start < end) {
        if (start = std::max(start, settled_); start >= end)
            return;
        const size_t i = find_record(start);
        const uint64_t from = f.records[i].start, to = f.records[i].end;
        if (!f.settled.covers(std::max(start, from), std::min(end, to)))
            give_up_record(c, i);
        start = to;
    }
}

void SendHalf::give_up_record(Core &c, size_t i) {
    Flight &f = *flight_;
    f.records[i].given_up = true;
    const Record r = f.records[i];
    const bool sent = sent_ > r.start;
    if (sent_ >= r.start) {
        sent_ = std::max(sent_, r.end);
        note_low(c);
    }
    Stats &s = c.stats();
    s.bytes_given_up += r.size;
    s.messages_lost++;
    c.report(
        {Report::Kind::kGivenUp, r.start, r.size, 1, s.messages_sent - (f.records.size() - i)});
    // A part of it may be settled: the front never stands behind the message's start.
    settle(c, std::max(r.start, settled_), r.end);
    add_skip(c, {r.start, r.end, 1, 0, false, !sent});
}

void SendHalf::add_skip(Core &c, Skip s) {
    auto &skips = flight_->skips;
    c.tell(event::kGivenUp);
    if (!skips.empty()) {
        Skip &last = skips.back();
        if (!last.written && last.may_merge && s.may_merge && last.end == s.start) {
            last.end = s.end;
            last.messages += s.messages;
            note_skips(c);
            return;
        }
    }
    skips.push_back(s);
    note_skips(c);
}

// SKIP waits where something of one lies below the limit. Otherwise the limit is waited for.
void SendHalf::note_skips(Core &c) {
    if (!flight_ || flight_->skips.empty())
        return;
    bool ready = false;
    for (const Skip &s : flight_->skips)
        ready |= !s.written && s.start < limit_;
    if (ready)
        c.want(control::kSkip);
    else
        c.forget(control::kSkip);
    note_blocked(c);
}

// How long before its deadline nothing is sent any more. The estimate may be wrong, and the
// channel's time shorter than any way: half of it is for sending in any case.
Duration SendHalf::on_the_way(const Core &c) {
    return std::min(c.budget->shortest_way(),
                    base::micros(static_cast<int64_t>(c.config->resend_parameter)) / 2);
}

// No transmission starts that can't be there by its deadline. docs/protocol.md section 6.4.
void SendHalf::expire_queued(Core &c, Time now) {
    Flight &f = *flight_;
    uint64_t pos = 0;
    while (const Range *q = f.resend.first_above(pos)) {
        const uint64_t at = std::max(pos, q->start);
        const Record r = f.records[find_record(at)];
        if (!too_late(c, r, now))
            return; // and so are all later ones
        const uint64_t end = std::min(q->end, r.end);
        // A copy that may still arrive is waited for.
        std::vector<Range> dead;
        for_each_outside(f.alive, at, end, [&](uint64_t a, uint64_t b) { dead.push_back({a, b}); });
        f.resend.remove(at, end);
        f.alive.remove(at, end);
        for (const Range &d : dead)
            if (const uint64_t a = std::max(d.start, settled_);
                a < d.end && !f.settled.covers(a, d.end))
                give_up(c, a, d.end, now);
        pos = end;
    }
}

void SendHalf::expire(Core &c, Time now) {
    if (!c.config->deadlines() || flight_->records.empty())
        return;
    Flight &f = *flight_;
    expire_queued(c, now);
    while (sent_ < written_ && !f.records.empty()) {
        const size_t i = find_record(sent_);
        const Record r = f.records[i];
        if (!too_late(c, r, now))
            break;
        if (c.config->on_loss == OnLoss::kClose) {
            // It was never sent: no ACK can come that is worth waiting for.
            f.doomed.add(sent_, r.end);
            f.doom_at = now;
            return;
        }
        if (c.config->messages) {
            give_up_record(c, i);
            continue;
        }
        const uint64_t from = sent_;
        sent_ = r.end;
        note_low(c);
        give_up(c, from, r.end, now);
    }
    note_room(c);
    note_finished(c);
}

// -- Suspicion and redundancy ------------------------------------------------------------

// The link that carries these bytes is under suspicion: send them again elsewhere, if the axes let.
void SendHalf::on_reinject(Core &c, uint64_t offset, uint64_t length, bool fin, Time now) {
    if (state_ != SendState::kOpen && state_ != SendState::kFinishing)
        return;
    if (fin && fin_ == Fin::kInFlight)
        fin_ = Fin::kPending;
    if (!flight_ || c.config->resend == Resend::kNever)
        return;
    Flight &f = *flight_;
    std::vector<Range> parts;
    for_each_outside(f.settled, std::max(offset, settled_), offset + length,
                     [&](uint64_t a, uint64_t b) {
                         for_each_outside(f.resend, a, b, [&](uint64_t x, uint64_t y) {
                             for_each_outside(f.doomed, x, y, [&](uint64_t u, uint64_t v) {
                                 parts.push_back({u, v});
                             });
                         });
                     });
    for (const Range &p : parts) {
        if (c.config->deadlines() && too_late(c, f.records[find_record(p.start)], now))
            continue;
        f.attempts.update(p.start, p.end, [&](uint64_t a, uint64_t b, uint32_t n) {
            if (c.config->resend != Resend::kAtMost || n < c.config->resend_parameter) {
                f.resend.add(a, b);
                f.alive.add(a, b);
            }
            return n;
        });
    }
}

// A segment was sent on one more link at the same time: its loss counts with the last copy.
void SendHalf::on_copy(uint64_t offset, uint64_t length) {
    if (!flight_)
        return;
    for_each_outside(flight_->settled, std::max(offset, settled_), offset + length,
                     [&](uint64_t a, uint64_t b) { flight_->copies.increment(a, b); });
}

// -- SKIP --------------------------------------------------------------------------------

bool SendHalf::choose_serial(uint8_t &serial) {
    Flight &f = *flight_;
    for (unsigned i = 0; i < control::kSkipSerials; i++) {
        serial = static_cast<uint8_t>(f.next_serial++ % control::kSkipSerials);
        const bool used = std::any_of(f.skips.begin(), f.skips.end(), [&](const Skip &s) {
            return s.written && s.serial == serial;
        });
        if (!used)
            return true;
    }
    return false; // so many packets with SKIPs are under way: wait for an answer
}

void SendHalf::write_skips(Core &c, base::Writer &w, ControlSet &written) {
    if (!flight_)
        return;
    auto &skips = flight_->skips;
    uint8_t serial = static_cast<uint8_t>(written >> control::kSkipSerialShift);
    if (!(written & control::kSkip) && !choose_serial(serial)) {
        c.forget(control::kSkip);
        return;
    }
    for (size_t i = 0; i < skips.size(); i++) {
        if (skips[i].written || skips[i].start >= limit_)
            continue;
        Skip now = skips[i];
        now.end = std::min(now.end, limit_); // the rest when there is credit for it
        uint8_t bytes[wire::kMaxControlFrame];
        base::Writer one(bytes);
        wire::write(one, wire::SkipFrame{c.number, now.start, now.end - now.start, now.messages});
        if (w.left() < one.size())
            return; // kSkip stays wanted
        w.bytes(one.written());
        written |= static_cast<ControlSet>(control::kSkip | serial << control::kSkipSerialShift);
        now.written = true;
        // It may arrive and be called lost: said again with others its messages would count twice.
        now.may_merge = now.may_merge && !c.config->messages;
        now.serial = serial;
        if (now.end < skips[i].end) {
            skips[i].start = now.end;
            skips[i].messages = 0;
            skips.insert(skips.begin() + static_cast<std::ptrdiff_t>(i), now);
        } else {
            skips[i] = now;
        }
    }
    c.forget(control::kSkip);
}

void SendHalf::on_skips_acked(Core &c, ControlSet set) {
    if (!flight_)
        return;
    const auto serial = static_cast<uint8_t>(set >> control::kSkipSerialShift);
    std::erase_if(flight_->skips, [&](const Skip &s) { return s.written && s.serial == serial; });
    note_skips(c);
    note_room(c);
    note_finished(c);
}

void SendHalf::on_skips_lost(Core &c, ControlSet set) {
    if (!flight_)
        return;
    const auto serial = static_cast<uint8_t>(set >> control::kSkipSerialShift);
    for (Skip &s : flight_->skips)
        if (s.written && s.serial == serial)
            s.written = false;
    note_skips(c);
}

void SendHalf::check_invariants(const Core &c) const {
    PLAIT_ASSERT(settled_ <= sent_ || !sending(c));
    PLAIT_ASSERT(sent_ <= written_);
    if (!flight_ || !sending(c))
        return;
    const Flight &f = *flight_;
    PLAIT_ASSERT(f.buffer.end() == written_);
    PLAIT_ASSERT(f.settled.empty() || f.settled.front().start > settled_);
    PLAIT_ASSERT(f.resend.empty() ||
                 (f.resend.front().start >= settled_ && f.resend.back().end <= sent_));
    for (const Range &r : f.alive)
        PLAIT_ASSERT(f.resend.covers(r.start, r.end));
    PLAIT_ASSERT(f.skips.empty() || !c.config->reliable());
}

} // namespace plait::channel
