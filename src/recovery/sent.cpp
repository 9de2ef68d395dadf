// SPDX-License-Identifier: Apache-2.0
#include "recovery/sent.h"

#include "base/assert.h"

namespace plait::recovery {

void Outcome::clear() {
    acked.clear();
    lost.clear();
    late_acked.clear();
    acked_bytes = late_bytes = lost_bytes = 0;
    largest_acked_sent = largest_lost_sent = {};
    largest_newly_acked = {};
    largest_is_new = eliciting_acked = has_rtt = spurious = persistent = false;
    rtt = lost_span = latest_late = {};
}

Duration ReorderTolerance::delay(Duration rtt) const {
    return {std::max<int64_t>(rtt.us * eighths_ / 8, 1000)};
}

void ReorderTolerance::on_late(uint64_t distance) {
    calm_ = 0;
    if (distance >= packets_)
        packets_ = static_cast<uint16_t>(std::min<uint64_t>(distance + 1, kPacketsMax));
}

void ReorderTolerance::on_late_age(Duration age, Duration delay) {
    if (age > delay && eighths_ < kEighthsMax)
        eighths_++;
}

void ReorderTolerance::on_loss_event() {
    if (++calm_ < kCalm)
        return;
    calm_ = 0;
    packets_ = static_cast<uint16_t>(std::max<uint32_t>(packets_ / 2, kPackets));
    if (eighths_ > kEighths)
        eighths_--;
}

SentLedger::SentLedger(uint32_t max_outstanding, PacketNumber first)
    : first_(first.v), cursor_(first.v), next_(first.v), unanswered_(first.v),
      max_(std::clamp(max_outstanding, kFirstCapacity, kHardMax)) {}

// A record that holds the front although nobody needs it: it may go when room is short. Packets
// that elicit no ACK are among them: a side that only receives would pile them up forever.
bool SentLedger::droppable(const SentPacket &p) const {
    return p.state != SentState::kOutstanding || !p.has(SentPacket::kAckEliciting);
}

bool SentLedger::lacks(uint64_t reserve) const {
    return next_ - first_ + reserve >= max_ && !droppable(at(first_));
}

void SentLedger::pop_front() {
    if (cursor_ == first_) {
        SentPacket &p = at(first_);
        leave_flight(p);
        p.state = SentState::kNone;
        cursor_++;
        settle();
    }
    first_++;
    pop_settled();
}

void SentLedger::grow() {
    const uint64_t capacity = capacity_ ? capacity_ * 2 : kFirstCapacity;
    auto ring = std::make_unique<SentPacket[]>(capacity);
    for (uint64_t pn = first_; pn < next_; pn++)
        ring[pn & (capacity - 1)] = at(pn);
    ring_ = std::move(ring);
    capacity_ = capacity;
}

void SentLedger::make_room() {
    if (next_ - first_ >= max_) {
        PLAIT_ASSERT(!exhausted());
        pop_front();
    }
    if (next_ - first_ < capacity_)
        return;
    const bool silent = capacity_ && at(first_).state == SentState::kOutstanding &&
                        !at(first_).has(SentPacket::kAckEliciting);
    if (silent)
        pop_front();
    else
        grow();
}

void SentLedger::on_sent(PacketNumber pn, const SentPacket &packet) {
    PLAIT_ASSERT(pn.v == next_);
    make_room();
    SentPacket &p = at(next_);
    p = packet;
    p.state = SentState::kOutstanding;
    p.sent_us = last_sent_us_ = std::max(p.sent_us, last_sent_us_);
    next_++;
    if (p.has(SentPacket::kInFlight))
        in_flight_ += p.size;
    if (p.has(SentPacket::kAckEliciting)) {
        eliciting_++;
        last_eliciting_us_ = p.sent_us;
    }
}

void SentLedger::leave_flight(SentPacket &p) {
    if (p.has(SentPacket::kInFlight))
        in_flight_ -= p.size;
    if (p.has(SentPacket::kAckEliciting))
        eliciting_--;
}

// The lowest packet number of the acknowledged run around `pn`. A dead record's offset says how far
// down the run went when it was acknowledged; runs that have met since are followed and shortened.
uint64_t SentLedger::run_start(uint64_t pn) {
    for (uint64_t here = pn;;) {
        const uint64_t start = std::max(at(here).offset, first_);
        if (start == first_ || !acked(start - 1)) {
            at(pn).offset = start;
            return start;
        }
        at(here).offset = at(start - 1).offset;
        here = start - 1;
    }
}

void SentLedger::take(uint64_t pn, uint64_t run, Time now, uint64_t largest_before, Outcome &out) {
    SentPacket &p = at(pn);
    if (p.state == SentState::kOutstanding) {
        leave_flight(p);
        if (p.has(SentPacket::kInFlight))
            out.acked_bytes += p.size;
        out.acked.push_back(p);
    } else if (p.state == SentState::kLost || p.state == SentState::kAbandoned) {
        in_run_ = false;
        out.late_bytes += p.size;
        out.latest_late = std::max(out.latest_late, now - p.sent());
        if (p.state == SentState::kLost && has_largest_ && largest_before > pn)
            reordering_.on_late(largest_before - pn);
        out.late_acked.push_back(p);
    }
    if (p.state != SentState::kNone && pn >= out.largest_newly_acked.v) {
        out.largest_newly_acked = {pn};
        out.largest_acked_sent = p.sent();
    }
    out.eliciting_acked |= p.state != SentState::kNone && p.has(SentPacket::kAckEliciting);
    p.state = SentState::kAcked;
    p.offset = run;
}

void SentLedger::take_range(uint64_t start, uint64_t end, Time now, uint64_t largest_before,
                            Outcome &out) {
    start = std::max(start, first_);
    for (uint64_t pn = end; pn > start;) {
        if (acked(pn - 1)) {
            pn = run_start(pn - 1);
            continue;
        }
        uint64_t low = pn - 1;
        while (low > start && !acked(low - 1))
            low--;
        for (uint64_t i = low; i < pn; i++)
            take(i, low, now, largest_before, out);
        pn = low;
    }
}

Status SentLedger::on_ack(std::span<const base::Range> ranges, Time now, Outcome &out) {
    if (ranges.empty())
        return PLAIT_E_MALFORMED;
    if (ranges[0].end > next_)
        return PLAIT_E_PROTOCOL;
    for (size_t i = 0; i < ranges.size(); i++)
        if (ranges[i].start >= ranges[i].end || (i && ranges[i].end > ranges[i - 1].start))
            return PLAIT_E_MALFORMED;
    const uint64_t largest = ranges[0].end - 1, before = largest_acked_;
    for (size_t i = ranges.size(); i-- > 0;)
        take_range(ranges[i].start, ranges[i].end, now, before, out);
    out.largest_is_new = out.anything_acked() && out.largest_newly_acked.v == largest;
    if (!has_largest_ || largest > largest_acked_) {
        largest_acked_ = largest;
        has_largest_ = true;
    }
    settle();
    pop_settled();
    return PLAIT_OK;
}

void SentLedger::count_recent(bool lost) {
    constexpr uint32_t kLast = kRecent - 1 - 64; // bit of the upper word that falls out next
    if (recent_total_ == kRecent)
        recent_lost_ = static_cast<uint8_t>(recent_lost_ - (recent_bits_[1] >> kLast & 1));
    else
        recent_total_++;
    recent_bits_[1] = recent_bits_[1] << 1 | recent_bits_[0] >> 63;
    recent_bits_[0] = recent_bits_[0] << 1 | (lost ? 1 : 0);
    recent_lost_ = static_cast<uint8_t>(recent_lost_ + (lost ? 1 : 0));
}

// The cursor leaves a settled packet behind: the place where order is known.
void SentLedger::pass(const SentPacket &p) {
    if (p.state != SentState::kAcked)
        return;
    in_run_ = false;
    if (p.has(SentPacket::kInFlight) && !p.has(SentPacket::kMtuProbe))
        count_recent(false);
}

void SentLedger::settle() {
    while (cursor_ < next_ && at(cursor_).state != SentState::kOutstanding)
        pass(at(cursor_++));
}

void SentLedger::declare_lost(SentPacket &p, Outcome &out) {
    leave_flight(p);
    if (!p.has(SentPacket::kAckEliciting)) {
        p.state = SentState::kNone;
        return;
    }
    p.state = SentState::kLost;
    out.lost.push_back(p);
    if (p.has(SentPacket::kMtuProbe))
        return;
    if (!in_run_)
        run_start_us_ = p.sent_us;
    in_run_ = true;
    out.lost_span = std::max(out.lost_span, p.sent() - Time{run_start_us_});
    if (!p.has(SentPacket::kInFlight))
        return;
    count_recent(true);
    out.lost_bytes += p.size;
    out.largest_lost_sent = p.sent();
}

void SentLedger::detect_lost(Time now, Duration loss_delay, Outcome &out) {
    if (!has_largest_)
        return;
    for (; cursor_ < next_ && cursor_ < largest_acked_; settle()) {
        SentPacket &p = at(cursor_);
        if (largest_acked_ - cursor_ < reordering_.packets() && p.sent() + loss_delay > now)
            break;
        declare_lost(p, out);
        cursor_++;
    }
    if (out.lost_bytes)
        reordering_.on_loss_event();
    pop_settled();
}

Time SentLedger::loss_time(Duration loss_delay) const {
    if (!has_largest_ || cursor_ >= next_ || cursor_ >= largest_acked_)
        return kNever;
    return at(cursor_).sent() + loss_delay;
}

void SentLedger::abandon_all(Outcome &out) {
    for (; cursor_ < next_; settle()) {
        SentPacket &p = at(cursor_++);
        leave_flight(p);
        p.state = p.has(SentPacket::kAckEliciting) ? SentState::kAbandoned : SentState::kNone;
        if (p.state == SentState::kAbandoned)
            out.lost.push_back(p);
    }
    in_run_ = false;
    pop_settled();
}

void SentLedger::clear_in_flight() {
    for_each_outstanding(
        [](SentPacket &p) { p.flags &= static_cast<uint8_t>(~SentPacket::kInFlight); });
    in_flight_ = 0;
    in_run_ = false;
}

// Losses are declared in the order of packet numbers, so that marks half of the time apart are
// enough to know what has been lost for 3 to 4.5 PTO, without a time in each record.
void SentLedger::forget_old(Time now, Duration pto) {
    if (now < forget_at_)
        return;
    forget_below_ = forget_marks_[1];
    forget_marks_[1] = forget_marks_[0];
    forget_marks_[0] = cursor_;
    forget_at_ = now + pto * 3 / 2;
    pop_settled();
}

void SentLedger::pop_settled() {
    while (first_ < cursor_) {
        const SentState s = at(first_).state;
        const bool kept = s == SentState::kLost || s == SentState::kAbandoned;
        if (kept && first_ >= forget_below_)
            break;
        first_++;
    }
    unanswered_ = std::max(unanswered_, cursor_);
}

void SentLedger::restore(PacketNumber largest_acked, const ReorderTolerance &reordering) {
    PLAIT_ASSERT(first_ == next_ && largest_acked.v < first_);
    largest_acked_ = largest_acked.v;
    has_largest_ = true;
    reordering_ = reordering;
}

Time SentLedger::oldest_eliciting() const {
    for (uint64_t pn = cursor_; eliciting_ > 0 && pn < next_; pn++)
        if (at(pn).state == SentState::kOutstanding && at(pn).has(SentPacket::kAckEliciting))
            return at(pn).sent();
    return kNever;
}

Time SentLedger::first_unanswered() {
    unanswered_ = std::max(unanswered_, has_largest_ ? largest_acked_ + 1 : 0);
    unanswered_ = std::max(unanswered_, cursor_);
    while (unanswered_ < next_) {
        const SentPacket &p = at(unanswered_);
        if (p.state == SentState::kOutstanding && p.has(SentPacket::kAckEliciting))
            return p.sent();
        unanswered_++;
    }
    return kNever;
}

} // namespace plait::recovery
