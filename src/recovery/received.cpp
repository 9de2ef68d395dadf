// SPDX-License-Identifier: Apache-2.0
#include "recovery/received.h"

#include "base/assert.h"

#include <algorithm>

namespace plait::recovery {

bool ReceivedPackets::is_duplicate(PacketNumber pn) const {
    if (any_ && pn.v > largest_)
        return false; // the common case, without a search
    return pn.v < floor_ || set_.contains(pn.v);
}

void ReceivedPackets::on_received(PacketNumber pn, Time now, bool ack_eliciting, bool ack_now,
                                  Ecn ecn) {
    PLAIT_ASSERT(!is_duplicate(pn));
    const bool in_order = any_ ? pn.v == largest_ + 1 : true;
    const size_t before = set_.count();
    set_.add(pn.v, pn.v + 1);
    if (set_.count() > before && !in_order)
        new_ranges_++;
    if (set_.count() > kMaxRanges) {
        set_.pop_front();
        floor_ = set_.front().start;
    }
    if (!any_ || pn.v > largest_) {
        largest_ = pn.v;
        largest_time_ = now;
    }
    any_ = true;
    ecn_.ect1 += ecn == Ecn::kEct1;
    ecn_.ect0 += ecn == Ecn::kEct0;
    ecn_.ce += ecn == Ecn::kCe;
    early_ += early_ < kEarlyPackets;
    count_rate(now);
    if (!ack_eliciting)
        return;
    if (pending_++ == 0)
        first_pending_ = now;
    if ((!in_order || ack_now || ecn == Ecn::kCe) && !immediate_)
        immediate_ = allow_immediate();
    asked_ |= ack_now && immediate_;
}

// The sender's window is not known here, but what arrives in a round trip is: an eighth of that.
void ReceivedPackets::count_rate(Time now) {
    window_packets_++;
    if (now - window_start_ < srtt_)
        return;
    const bool growing = window_packets_ > last_window_ + last_window_ / 2;
    const uint32_t per_rtt = growing ? kAcksPerRttGrowing : kAcksPerRtt;
    every_ = std::clamp(window_packets_ / per_rtt, 2u, std::max(every_limit_, 2u));
    last_window_ = window_packets_;
    window_start_ = now;
    window_packets_ = 0;
    immediate_used_ = 0;
}

bool ReceivedPackets::allow_immediate() {
    if (immediate_used_ >= kImmediatePerRtt)
        return false;
    immediate_used_++;
    return true;
}

Duration ReceivedPackets::delay() const {
    return std::min(std::clamp(srtt_ / 8, kMinAckDelay, kMaxAckDelay), max_delay_);
}

Time ReceivedPackets::ack_deadline() const {
    if (pending_ == 0)
        return kNever;
    const uint32_t every = std::min(early_ < kEarlyPackets ? 2u : every_, every_limit_);
    // Soon enough that each range is in kTimesSent ACKs before newer ones push it out.
    const uint32_t ranges = std::max<uint32_t>(last_fill_ / (kTimesSent + 1), 1);
    if (immediate_ || pending_ >= every || new_ranges_ >= ranges)
        return first_pending_;
    return first_pending_ + delay();
}

size_t ReceivedPackets::reportable() const {
    size_t n = 0;
    while (n < set_.count() && set_[set_.count() - 1 - n].end > report_from_)
        n++;
    return n;
}

size_t ReceivedPackets::fill(std::span<base::Range> out) const {
    const size_t n = std::min(reportable(), out.size());
    for (size_t i = 0; i < n; i++)
        out[i] = set_[set_.count() - 1 - i];
    return n;
}

void ReceivedPackets::on_ack_sent(size_t ranges) {
    pending_ = 0;
    new_ranges_ = 0;
    immediate_ = asked_ = false;
    if (ranges < reportable()) // cut short by the room in its packet
        last_fill_ = static_cast<uint16_t>(std::clamp<size_t>(ranges, 1, kMaxRanges));
    else
        last_fill_ = kMaxRanges;
}

void ReceivedPackets::on_ack_acked(PacketNumber largest) {
    if (any_ && largest.v <= largest_)
        report_from_ = std::max(report_from_, largest.v + 1);
}

void ReceivedPackets::set_ack_every(uint32_t packets) {
    every_limit_ = std::clamp(packets, 1u, kMaxAckEvery);
    every_ = std::min(every_, every_limit_);
}

void ReceivedPackets::set_frequency(uint64_t seq, uint32_t packets, Duration max_delay) {
    if (seq < next_seq_)
        return;
    next_seq_ = seq + 1;
    set_ack_every(packets);
    max_delay_ = std::max(max_delay, kMinAckDelay);
}

ReceivedMemory ReceivedPackets::remember() const {
    ReceivedMemory m;
    if (any_)
        m.newest = {std::max(set_.back().start, report_from_), largest_ + 1};
    m.ecn = ecn_;
    m.max_delay = max_delay_;
    m.every_limit = every_limit_;
    m.early = early_ < kEarlyPackets;
    return m;
}

void ReceivedPackets::restore(const ReceivedMemory &m, Time now) {
    PLAIT_ASSERT(!any_);
    if (m.newest.end > 0) {
        any_ = true;
        largest_ = m.newest.end - 1;
        largest_time_ = now;
        floor_ = report_from_ = std::min(m.newest.start, largest_);
        set_.add(floor_, m.newest.end);
    }
    ecn_ = m.ecn;
    max_delay_ = m.max_delay;
    set_ack_every(m.every_limit);
    early_ = m.early ? 0 : kEarlyPackets;
}

} // namespace plait::recovery
