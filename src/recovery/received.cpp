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
    const bool in_order = !any_ || pn.v == largest_ + 1, hurry = out_of_order(pn);
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
    if ((hurry || ack_now || ecn == Ecn::kCe) && !immediate_)
        immediate_ = allow_immediate();
    asked_ |= ack_now && immediate_;
}

bool ReceivedPackets::out_of_order(PacketNumber pn) const {
    if (!any_)
        return false;
    const uint64_t next = largest_ + 1;
    return (pn.v > next ? pn.v - next : next - pn.v) > frequency_.reorder;
}

// The sender's window is not known here, but what arrives in a round trip is: an eighth of that.
void ReceivedPackets::count_rate(Time now) {
    window_packets_++;
    if (now - window_start_ < std::max(srtt_, frequency_.delay * kAcksPerRtt))
        return;
    const bool growing = window_packets_ > last_window_ + last_window_ / 2;
    const uint32_t per_rtt = growing ? kAcksPerRttGrowing : kAcksPerRtt;
    every_ = std::clamp(window_packets_ / per_rtt, 2u, kMaxAckEvery);
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
    const Duration own = usual_delay(srtt_);
    return frequency_.packets ? std::min(own, frequency_.delay) : own;
}

uint32_t ReceivedPackets::every() const {
    if (frequency_.packets)
        return frequency_.packets;
    return early_ < kEarlyPackets ? 2 : every_;
}

Time ReceivedPackets::ack_deadline() const {
    if (pending_ == 0)
        return kNever;
    // Soon enough that each range is in kTimesSent ACKs before newer ones push it out.
    const uint32_t ranges = std::max<uint32_t>(last_fill_ / (kTimesSent + 1), 1);
    if (immediate_ || pending_ >= every() || new_ranges_ >= ranges)
        return first_pending_;
    const Time own = first_pending_ + delay();
    return frequency_.packets ? std::max(own, last_ack_ + frequency_.delay) : own;
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

void ReceivedPackets::on_ack_sent(size_t ranges, Time now) {
    last_ack_ = now;
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

void ReceivedPackets::set_frequency(uint64_t seq, const AckFrequency &asked) {
    if (seq < next_seq_)
        return;
    next_seq_ = seq + 1;
    frequency_ = asked.packets ? asked : AckFrequency{};
    if (frequency_.packets)
        frequency_.delay = std::max(frequency_.delay, kMinAckDelay);
}

ReceivedMemory ReceivedPackets::remember() const {
    ReceivedMemory m;
    if (any_)
        m.newest = {std::max(set_.back().start, report_from_), largest_ + 1};
    m.ecn = ecn_;
    m.asked = frequency_;
    m.next_seq = next_seq_;
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
    frequency_ = m.asked;
    next_seq_ = m.next_seq;
    early_ = m.early ? 0 : kEarlyPackets;
}

} // namespace plait::recovery
