// SPDX-License-Identifier: Apache-2.0
// The part of the receiving direction that takes DATA and SKIP in. docs/protocol.md
// sections 5.2, 6.4.
#include "channel/receive_half.h"

#include <algorithm>

namespace plait::channel {

// -- DATA --------------------------------------------------------------------------------

// The bound on what is remembered; a packet that would exceed it is better lost. What grows a
// range, or closes one, is always taken, or nothing would ever be read again.
bool ReceiveHalf::full(const Core &c, uint64_t start, uint64_t end) const {
    if (!held_)
        return false;
    const Held &h = *held_;
    const size_t kept = h.data.count() + h.gone.count() + h.units.size() + h.gaps.size();
    if (kept < std::max<uint64_t>(kRangesMin, window_ / kBytesPerRange) || start <= read_)
        return false;
    if (c.config->ordered() && start <= h.order)
        return false;
    return !h.data.contains(start - 1) && !h.data.contains(end) && !h.gone.contains(start - 1) &&
           !h.gone.contains(end);
}

Status ReceiveHalf::on_data(Core &c, const wire::DataFrame &f, Time now) {
    const uint64_t end = f.offset + f.bytes.size();
    if (state_ == ReceiveState::kNone || (f.start && !c.config->messages))
        return PLAIT_E_PROTOCOL;
    if (f.offset > base::kVarintMax || end > base::kVarintMax || (f.bytes.empty() && !f.fin))
        return PLAIT_E_MALFORMED;
    if (final_known_ && (end > highest_ || (f.fin && end != highest_)))
        return PLAIT_E_PROTOCOL;
    if (ended())
        return PLAIT_OK;
    if (!f.bytes.empty() && end > limit_)
        return PLAIT_E_FLOW_CONTROL;
    if (f.fin && end < highest_)
        return PLAIT_E_PROTOCOL;
    if (!f.bytes.empty() && full(c, f.offset, end))
        return PLAIT_E_AGAIN;
    highest_ = std::max(highest_, end);
    if (f.fin)
        if (const Status s = on_final(c, end); s != PLAIT_OK)
            return s;
    if (state_ != ReceiveState::kOpen && state_ != ReceiveState::kSizeKnown) {
        c.stats().bytes_discarded += f.bytes.size();
        return PLAIT_OK;
    }
    if (f.bytes.empty() && !held_) {
        note_end(c);
        return PLAIT_OK;
    }
    held(now);
    if (f.start && has_units(c))
        if (const Status s = note_starts(f); s != PLAIT_OK)
            return s;
    const uint64_t fresh = store(c, f, now);
    Stats &stats = c.stats();
    stats.bytes_received += fresh;
    stats.bytes_duplicate += f.bytes.size() - fresh;
    if (fresh == 0 && !f.fin)
        return PLAIT_OK;
    if (has_units(c) && c.config->messages)
        if (const Status s = complete_units(c, f.offset, end, now); s != PLAIT_OK)
            return s;
    // Also after a violation the reader may come before the connection is closed.
    const Status s = c.config->ordered() ? advance_order(c, now) : PLAIT_OK;
    tune(c, now);
    after_arrival(c);
    return s;
}

// FIN: no byte above it comes, so none needs credit.
Status ReceiveHalf::on_final(Core &c, uint64_t offset) {
    if (final_known_)
        return PLAIT_OK;
    if (held_ &&
        (held_->need > offset || (!held_->units.empty() && held_->units.back().end != kUnknown &&
                                  held_->units.back().end > offset)))
        return PLAIT_E_PROTOCOL;
    final_known_ = true;
    highest_ = offset;
    if (state_ == ReceiveState::kStopping) {
        drop(c, ReceiveState::kStopped);
        return PLAIT_OK;
    }
    set_state(ReceiveState::kSizeKnown);
    c.forget(control::kMaxData);
    limit_ = std::min(limit_, offset);
    give_credit(c, limit_ - read_);
    if (held_) {
        held_->need = 0;
        held_->retry_at = kNever;
    }
    return PLAIT_OK;
}

// Puts the bytes that are new where they belong; returns how many.
uint64_t ReceiveHalf::store(Core &c, const wire::DataFrame &f, Time now) {
    Held &h = *held_;
    const uint64_t end = f.offset + f.bytes.size();
    uint64_t fresh = 0;
    const bool notes_arrival = c.config->waits() && !c.config->messages;
    const auto put = [&](uint64_t a, uint64_t b) {
        h.buffer.write(
            a, f.bytes.subspan(static_cast<size_t>(a - f.offset), static_cast<size_t>(b - a)),
            read_, c.pools());
        h.data.add(a, b);
        fresh += b - a;
        if (notes_arrival && a > h.order) {
            const auto at = std::lower_bound(h.units.begin(), h.units.end(), a,
                                             [](const Unit &u, uint64_t v) { return u.start < v; });
            h.units.insert(at, {a, b, now});
        }
    };
    const uint64_t start = std::max(f.offset, read_);
    if (start >= end)
        return 0;
    if (h.gone.empty() && (h.data.empty() || h.data.back().end <= start)) {
        put(start, end);
        return fresh;
    }
    std::vector<Range> missing;
    for_each_outside(h.gone, start, end, [&](uint64_t a, uint64_t b) {
        for_each_outside(h.data, a, b, [&](uint64_t x, uint64_t y) { missing.push_back({x, y}); });
    });
    for (const Range &m : missing)
        put(m.start, m.end);
    return fresh;
}

// -- Messages out of order ---------------------------------------------------------------

// A frame with START begins a message, and where the axes let it, further ones inside: their starts
// follow from the lengths, all of which are in this frame.
Status ReceiveHalf::note_starts(const wire::DataFrame &f) {
    const Held &h = *held_;
    const uint64_t end = f.offset + f.bytes.size();
    uint64_t at = f.offset;
    while (at < end) {
        if (at >= read_ && !h.gone.contains(at) && !h.data.contains(at))
            if (const Status s = add_unit(at); s != PLAIT_OK)
                return s;
        base::Reader r(f.bytes.subspan(static_cast<size_t>(at - f.offset)));
        const size_t before = r.left();
        const uint64_t length = r.varint();
        if (!r.ok() || length >= end - at)
            break;
        at += before - r.left() + length;
    }
    return PLAIT_OK;
}

Status ReceiveHalf::add_unit(uint64_t start) {
    auto &units = held_->units;
    const auto at = std::lower_bound(units.begin(), units.end(), start,
                                     [](const Unit &u, uint64_t v) { return u.start < v; });
    if (at != units.end() && at->start == start)
        return PLAIT_OK;
    if (at != units.begin() && (at - 1)->end != kUnknown && (at - 1)->end > start)
        return PLAIT_E_PROTOCOL; // a message that begins inside another
    units.insert(at, {start, kUnknown, kNever});
    return PLAIT_OK;
}

// Reads the length of a unit's message if it is here.
Status ReceiveHalf::parse_unit(const Core &, size_t i) {
    Held &h = *held_;
    Unit &u = h.units[i];
    const Range *d = h.data.first_above(u.start);
    uint64_t size = 0, length = 0;
    if (!d || d->start > u.start || !header(u.start, d->end, size, length))
        return PLAIT_OK;
    if (length > max_message_ ||
        u.start + size + length > std::min(final_offset(), base::kVarintMax))
        return PLAIT_E_PROTOCOL;
    u.end = u.start + size + length;
    if (i + 1 < h.units.size() && h.units[i + 1].start < u.end)
        return PLAIT_E_PROTOCOL;
    // Bytes that are gone keep it from ever being whole, and they may: of a SKIP in two parts the
    // second can come first. Bytes of another message may not.
    if (touches(h.claimed, u.start, u.end))
        return PLAIT_E_PROTOCOL;
    if (u.end > limit_)
        h.need = u.end;
    return PLAIT_OK;
}

// Looks at the messages that [start, end) belongs to.
Status ReceiveHalf::complete_units(Core &c, uint64_t start, uint64_t end, Time now) {
    Held &h = *held_;
    const auto at = std::upper_bound(h.units.begin(), h.units.end(), start,
                                     [](uint64_t v, const Unit &u) { return v < u.start; });
    size_t i = static_cast<size_t>(at - h.units.begin());
    i -= i > 0 ? 1 : 0;
    while (i < h.units.size() && h.units[i].start < end) {
        if (h.units[i].end == kUnknown)
            if (const Status s = parse_unit(c, i); s != PLAIT_OK)
                return s;
        Unit &u = h.units[i];
        const bool whole = u.end != kUnknown && h.data.covers(u.start, u.end);
        if (whole && c.config->unordered) {
            h.ready.push_back({u.start, u.end});
            h.claimed.add(u.start, u.end);
            c.stats().messages_received++;
            h.units.erase(h.units.begin() + static_cast<std::ptrdiff_t>(i));
            continue;
        }
        if (whole && u.complete_at == kNever)
            u.complete_at = now;
        i++;
    }
    return PLAIT_OK;
}

// -- Order -------------------------------------------------------------------------------

// Moves `order` over everything that is whole or gone, and over gaps that are not waited for.
Status ReceiveHalf::advance_order(Core &c, Time now) {
    Held &h = *held_;
    h.wait_at = kNever;
    for (;;) {
        const uint64_t before = h.order;
        const Range *g = h.gone.first_above(h.order), *d = h.data.first_above(h.order);
        if (g && g->start <= h.order) {
            h.order = g->end;
        } else if (d && d->start <= h.order) {
            if (!c.config->messages)
                h.order = d->end;
            else if (const Status s = walk_messages(c, *d); s != PLAIT_OK)
                return s;
        }
        if (h.order != before)
            continue;
        if (!c.config->waits() || !jump(c, now))
            return PLAIT_OK;
    }
}

// `whole`: bytes without a hole, `order` in them. Finds the messages that end inside.
Status ReceiveHalf::walk_messages(Core &c, Range whole) {
    Held &h = *held_;
    const uint64_t last = std::min(final_offset(), base::kVarintMax);
    uint64_t size = 0, length = 0;
    while (header(h.order, whole.end, size, length)) {
        const uint64_t end = h.order + size + length;
        if (length > max_message_ || end > last)
            return PLAIT_E_PROTOCOL;
        if (end > whole.end) {
            if (end > limit_)
                h.need = end;
            return PLAIT_OK;
        }
        h.order = end;
        c.stats().messages_received++;
    }
    // FIN cuts a message in its length.
    return h.order < whole.end && whole.end == final_offset() ? PLAIT_E_PROTOCOL : PLAIT_OK;
}

// Never resent: a gap is waited for no longer than `reorder_wait` after something later was whole.
bool ReceiveHalf::jump(Core &c, Time now) {
    Held &h = *held_;
    std::erase_if(h.units, [&](const Unit &u) { return u.start < h.order; });
    const Unit *next = nullptr;
    Time earliest = kNever;
    for (const Unit &u : h.units) {
        if (u.complete_at == kNever)
            continue;
        next = next ? next : &u;
        earliest = std::min(earliest, u.complete_at);
    }
    if (!next)
        return false;
    if (earliest + c.config->reorder_wait > now) {
        h.wait_at = earliest + c.config->reorder_wait;
        return false;
    }
    const uint64_t from = h.order, to = next->start;
    // What SKIP took out before is no news, and the same SKIP again would not be either.
    for_each_outside(h.gone, from, to, [&](uint64_t a, uint64_t b) { h.passed.add(a, b); });
    lose(c, from, to, 0, true);
    if (h.passed.count() > kPassedMax)
        h.passed.pop_front();
    return true;
}

// -- Gaps --------------------------------------------------------------------------------

// [start, end) will not come. `whole`: what has come of it is thrown away too, as parts of messages
// are; otherwise only the holes are gone.
void ReceiveHalf::lose(Core &c, uint64_t start, uint64_t end, uint64_t messages, bool whole) {
    Held &h = *held_;
    RangeSet kept = h.claimed;
    for (const Unit &u : h.units)
        if (u.complete_at != kNever && c.config->messages)
            kept.add(u.start, u.end);
    uint64_t bytes = 0;
    std::vector<Range> lost;
    for_each_outside(whole ? kept : h.data, start, end, [&](uint64_t a, uint64_t b) {
        if (whole)
            lost.push_back({a, b});
        else
            for_each_outside(h.gone, a, b, [&](uint64_t x, uint64_t y) { lost.push_back({x, y}); });
    });
    for (const Range &r : lost) {
        const uint64_t thrown = h.data.remove(r.start, r.end);
        if (thrown)
            c.stats().bytes_discarded += thrown;
        bytes += h.gone.add(r.start, r.end);
        h.buffer.free(r.start, r.end, h.data, read_, c.pools());
    }
    std::erase_if(h.units, [&](const Unit &u) {
        return u.start >= start && u.start < end && u.complete_at == kNever;
    });
    if (h.need > start && h.need <= end)
        h.need = 0;
    if (bytes == 0)
        return;
    if (c.config->unordered) {
        note_gap(c, {start, end, bytes, messages});
        return;
    }
    // Of bytes each hole is told at its place; what came between is read between.
    if (whole)
        add_gap({start, end, bytes, messages});
    else
        for (const Range &r : lost)
            add_gap({r.start, r.end, r.size(), messages});
}

void ReceiveHalf::add_gap(Gap gap) {
    auto &gaps = held_->gaps;
    const auto at = std::lower_bound(gaps.begin(), gaps.end(), gap.start,
                                     [](const Gap &g, uint64_t v) { return g.start < v; });
    if (at != gaps.begin() && (at - 1)->end == gap.start) {
        (at - 1)->end = gap.end;
        (at - 1)->bytes += gap.bytes;
        (at - 1)->messages += gap.messages;
    } else {
        gaps.insert(at, gap);
    }
}

void ReceiveHalf::note_gap(Core &c, const Gap &gap) {
    Stats &s = c.stats();
    s.gaps++;
    s.bytes_missing += gap.bytes;
    s.messages_missing += gap.messages;
    c.report({Report::Kind::kGap, gap.start, gap.bytes, gap.messages, 0});
    if (c.config->on_loss != wire::OnLoss::kTell && !c.config->reports)
        return;
    held_->gap_bytes += gap.bytes;
    held_->gap_messages += gap.messages;
    c.tell(event::kGap);
}

// A SKIP for what was no longer waited for tells at least how many messages that were.
void ReceiveHalf::count_passed(Core &c, const wire::SkipFrame &f) {
    Held &h = *held_;
    if (f.messages == 0 || !touches(h.passed, f.start, f.start + f.length))
        return;
    h.passed.remove(f.start, f.start + f.length);
    c.stats().messages_missing += f.messages;
}

// Whether a SKIP of [start, end) takes anything away. A whole message in it is not, what there is
// of a cut one is: `messages` is 0 where the SKIP goes on with a message that an earlier one began.
bool ReceiveHalf::missing(const Core &c, uint64_t start, uint64_t end, uint64_t messages) const {
    const Held &h = *held_;
    bool some = false;
    if (!c.config->messages || c.config->unordered || messages == 0) {
        const RangeSet &arrived = c.config->messages ? h.claimed : h.data;
        for_each_outside(h.gone, start, end,
                         [&](uint64_t a, uint64_t b) { some |= !arrived.covers(a, b); });
        return some;
    }
    for_each_outside(h.gone, start, end, [&](uint64_t, uint64_t) { some = true; });
    uint64_t size = 0, length = 0;
    const bool whole = h.data.covers(start, end) && header(start, end, size, length) &&
                       length <= end - start - size;
    return some && !whole;
}

Status ReceiveHalf::on_skip(Core &c, const wire::SkipFrame &f, Time now) {
    if (f.length == 0 || f.length > base::kVarintMax - f.start)
        return PLAIT_E_MALFORMED;
    const uint64_t end = f.start + f.length;
    if (state_ == ReceiveState::kNone || c.config->reliable() || (final_known_ && end > highest_))
        return PLAIT_E_PROTOCOL;
    if (ended())
        return PLAIT_OK;
    if (end > limit_)
        return PLAIT_E_FLOW_CONTROL;
    if (full(c, f.start, end))
        return PLAIT_E_AGAIN;
    highest_ = std::max(highest_, end);
    if (state_ == ReceiveState::kStopping)
        return PLAIT_OK;
    Held &h = held(now);
    count_passed(c, f);
    const uint64_t start = std::max(f.start, c.config->ordered() ? h.order : read_);
    if (!missing(c, start, end, f.messages))
        return PLAIT_OK; // it all came, or this was said before
    lose(c, start, end, f.messages, c.config->messages);
    const Status s = c.config->ordered() ? advance_order(c, now) : PLAIT_OK;
    after_arrival(c);
    return s;
}

// -- After -------------------------------------------------------------------------------

void ReceiveHalf::after_arrival(Core &c) {
    advance_read(c);
    if (ended())
        return;
    if (c.config->drop_oldest)
        drop_oldest(c);
    if (readable(c))
        c.tell(event::kReadable);
}

// The reader lags and the peer is about to be stopped: throw away the oldest until it has room.
void ReceiveHalf::drop_oldest(Core &c) {
    if (state_ != ReceiveState::kOpen || c.phase == Phase::kOffered ||
        limit_ - highest_ >= window_ / 8)
        return;
    Item it;
    while (limit_ - highest_ < window_ / 4 && item(c, it)) {
        // Of a stream a part is enough.
        const uint64_t end = c.config->messages ? it.end : std::min(it.end, it.start + window_ / 8);
        note_dropped(c, it.start, end - it.body);
        take(c, it.start, end);
    }
}

// What is dropped between two reads is one gap to the reader, and one report.
void ReceiveHalf::note_dropped(Core &c, uint64_t start, uint64_t bytes) {
    Held &h = *held_;
    const uint64_t messages = c.config->messages ? 1 : 0;
    const bool goes_on = h.dropped_bytes + h.dropped_messages > 0;
    h.dropped_bytes += bytes;
    h.dropped_messages += messages;
    Stats &s = c.stats();
    s.bytes_dropped += bytes;
    s.messages_dropped += messages;
    c.tell(event::kGap);
    auto *reports = c.extra ? &c.extra->reports : nullptr;
    if (goes_on && reports && !reports->empty() && reports->back().kind == Report::Kind::kDropped) {
        reports->back().bytes += bytes;
        reports->back().messages += messages;
        return;
    }
    c.report({Report::Kind::kDropped, start, bytes, messages, 0});
}

} // namespace plait::channel
