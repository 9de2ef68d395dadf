// SPDX-License-Identifier: Apache-2.0
#include "recovery/link_recovery.h"

#include "base/assert.h"

#include <algorithm>
#include <limits>

namespace plait::recovery {

LinkRecovery::LinkRecovery(const LinkRecoveryConfig &config, PacketNumber first)
    : config_(config), ledger_(config.max_outstanding, first), mtu_(config.mtu), pacer_(mtu_.mtu()),
      max_ack_delay_(config.max_ack_delay), ecn_(config.ecn) {
    controller_ = make_controller(config.controller, packet_size(), config.line_rate);
    pacer_ = new_pacer();
    after_change();
}

size_t LinkRecovery::packet_size() const {
    const size_t mtu = mtu_.mtu();
    if (config_.line_rate == 0)
        return std::min(mtu, slow_line_.packet_size());
    const uint64_t slice =
        config_.line_rate * static_cast<uint64_t>(SlowLine::kSlice.us) / 1'000'000;
    return static_cast<size_t>(std::min<uint64_t>(mtu, std::max<uint64_t>(slice, kMinPacket)));
}

// How long a line of known rate takes for `bytes`.
Duration LinkRecovery::line_time(uint64_t bytes) const {
    if (config_.line_rate == 0)
        return {};
    return {static_cast<int64_t>(bytes * 1'000'000 / config_.line_rate)};
}

// Known lines take no burst: it would only wait in the driver.
Pacer LinkRecovery::new_pacer() const {
    return config_.controller == ControllerKind::kFixedRate ? Pacer(packet_size(), 0)
                                                            : Pacer(packet_size());
}

// After every change of window, rate or packet size.
void LinkRecovery::after_change() {
    controller_->set_mtu(packet_size());
    pacer_.update(controller_->pacing_rate(), controller_->cwnd(), packet_size());
}

// --- sending ---

void LinkRecovery::check_idle(Time now) {
    if (ledger_.bytes_in_flight() || last_sent_.us == 0 || now - last_sent_ <= kIdle)
        return;
    last_sent_ = now;
    controller_->on_idle(now);
    after_change();
    pacer_.on_idle();
}

void LinkRecovery::on_sent(const SentPacket &packet, Time now) {
    SentPacket p = packet;
    p.sent_us = now.us;
    stats_.packets_sent++;
    stats_.bytes_sent += p.size;
    if (p.has(SentPacket::kInFlight)) {
        check_idle(now);
        rate_.on_sent(ledger_.next(), now, ledger_.bytes_in_flight() == 0);
        last_sent_ = now;
    }
    ledger_.on_sent(ledger_.next(), p);
    if (p.has(SentPacket::kEct))
        ecn_.on_marked_sent();
    if (!p.has(SentPacket::kInFlight))
        return;
    pacer_.on_sent(p.size, now);
    controller_->on_sent(now, p.size, ledger_.bytes_in_flight());
    if (window_left() < packet_size())
        window_full_ = now;
}

Time LinkRecovery::send_time(Time now) {
    check_idle(now);
    return pacer_.next(now);
}

size_t LinkRecovery::window_left() const {
    const uint64_t cwnd = controller_->cwnd(), used = ledger_.bytes_in_flight();
    return cwnd > used && !ledger_.full() ? static_cast<size_t>(cwnd - used) : 0;
}

size_t LinkRecovery::send_budget(Time now) {
    check_idle(now);
    return std::min(window_left(), pacer_.budget(now));
}

// --- round trips ---

// The round trips of the slower return direction in use rule the timers.
bool LinkRecovery::use_other() const {
    if (!other_.has_sample())
        return false;
    if (!rtt_.has_sample())
        return true;
    const Duration recent = OneWayDelay::kMinWindow;
    if (rtt_.last_sample_time() - other_.last_sample_time() > recent)
        return false;
    if (other_.last_sample_time() - rtt_.last_sample_time() > recent)
        return true;
    return other_.pto({}) > rtt_.pto({});
}

// Of the feedback that there is: where all ACKs come back over another link, theirs.
const RttEstimator &LinkRecovery::rtt() const {
    if (!other_.has_sample())
        return rtt_;
    const bool own =
        rtt_.has_sample() && rtt_.last_sample_time() + rtt_.srtt() * 4 >= other_.last_sample_time();
    return own ? rtt_ : other_;
}

Duration LinkRecovery::shortest_round_trip() const {
    if (rtt_.has_sample() && other_.has_sample())
        return std::min(rtt_.min_rtt(), other_.min_rtt());
    const RttEstimator &known = rtt_.has_sample() ? rtt_ : other_;
    return known.has_sample() ? known.min_rtt() : Duration{};
}

Duration LinkRecovery::pto() const {
    return awaited().pto(max_ack_delay());
}

Duration LinkRecovery::loss_delay() const {
    const RttEstimator &r = awaited();
    return ledger_.reordering().delay(std::max(r.srtt(), r.latest()));
}

void LinkRecovery::take_samples(const AckInfo &ack, Time now, Outcome &out) {
    if (!out.largest_is_new || out.largest_acked_sent < path_since_)
        return;
    const Duration delay = std::clamp(ack.delay, Duration{}, max_ack_delay());
    if (out.eliciting_acked) {
        out.has_rtt = true;
        out.rtt = now - out.largest_acked_sent;
        (ack.own_return ? rtt_ : other_).on_sample(out.rtt, delay, now);
    }
    one_way_.on_forward(out.largest_acked_sent, ack.rx_time_us, now);
    if (!ack.own_return)
        return;
    one_way_.on_return(now, ack.rx_time_us, ack.delay);
    measure_return(now);
}

void LinkRecovery::on_foreign_ack(Time arrival, uint32_t rx_time_us, Duration delay) {
    one_way_.on_return(arrival, rx_time_us, delay);
    measure_return(arrival);
}

// --- the way back ---

void LinkRecovery::measure_return(Time now) {
    return_path_.on_ack(now, one_way_.ret_relative() - one_way_.ret_min());
}

bool LinkRecovery::fit_acks(uint64_t rate, size_t links) {
    const Duration wanted = ack_spacing(rate, rtt().min_rtt(), links), now = acks_.spacing;
    if (wanted == now || (wanted.us > 0 && wanted * 4 > now * 3 && wanted * 4 < now * 5))
        return false;
    acks_.seq++;
    acks_.spacing = wanted;
    acks_.longest = std::max(acks_.longest, wanted);
    return true;
}

// Time alone rules: how many packets come meanwhile says nothing of the way back. And what is not
// taken for loss here yet, need not be told at once.
AckFrequency LinkRecovery::ack_frequency() const {
    constexpr uint32_t kAnyNumber = 1 << 20;
    if (acks_.spacing.us == 0)
        return {};
    return {kAnyNumber, ledger_.reordering().packets(), acks_.spacing};
}

void LinkRecovery::on_request_acked(uint64_t seq) {
    if (seq == acks_.seq)
        acks_.longest = acks_.spacing;
}

// --- acknowledgements ---

void LinkRecovery::tell_acked(const AckInfo &ack, uint64_t in_flight_before, Time now,
                              Outcome &out) {
    const RttEstimator &path = rtt();
    const RateSample sample = rate_.on_acked(
        out.acked_bytes + out.late_bytes, out.largest_newly_acked, out.largest_acked_sent,
        ledger_.next(), ledger_.bytes_in_flight(), now, path.srtt(), path.min_rtt());
    if (sample.bytes_per_s)
        stats_.delivery_rate = sample.bytes_per_s;
    if (out.largest_acked_sent < path_since_)
        return;
    AckEvent e;
    e.now = now;
    e.bytes = out.acked_bytes;
    e.largest_sent_time = out.largest_acked_sent;
    e.in_flight_before = in_flight_before;
    e.rtt = out.has_rtt ? out.rtt : Duration{};
    e.srtt = path.srtt();
    e.min_rtt = path.min_rtt();
    e.has_fwd = out.largest_is_new;
    e.fwd = one_way_.fwd_relative();
    e.queue_delay = one_way_.queue_delay();
    if (acks_.spacing.us > 0) // smoothed over few ACKs it is long out of date
        e.queue_delay = std::min(e.queue_delay, one_way_.queue_delay_now());
    // Limited by the window: it was full at some time since the newest of these packets was sent.
    const bool filled = window_full_ >= out.largest_acked_sent;
    const bool half = controller_->in_slow_start() && in_flight_before >= controller_->cwnd() / 2;
    e.app_limited = !filled && !half;
    e.delivery_rate = sample.bytes_per_s;
    e.rate_app_limited = sample.app_limited;
    if (config_.line_rate == 0 && sample.bytes_per_s && !e.app_limited && !sample.app_limited)
        slow_line_.on_sample(now, sample.bytes_per_s, e.queue_delay);
    e.sample_delivered = sample.delivered;
    e.sample_in_flight = sample.in_flight;
    e.ack_spacing = acks_.spacing;
    e.in_flight = ledger_.bytes_in_flight();
    e.own_return = ack.own_return || !rtt_.has_sample();
    controller_->on_acked(e);
}

void LinkRecovery::tell_late(Time now, Outcome &out) {
    uint64_t bytes = 0;
    Time oldest = kNever;
    for (const SentPacket &p : out.late_acked) {
        if (p.state != SentState::kLost || p.has(SentPacket::kMtuProbe) || p.sent() < path_since_)
            continue;
        bytes += p.size;
        oldest = std::min(oldest, p.sent());
    }
    stats_.packets_spurious += out.late_acked.size();
    if (bytes == 0)
        return;
    ledger_.reordering().on_late_age(out.latest_late, loss_delay());
    controller_->on_spurious(now, bytes, oldest);
    out.spurious = true;
}

void LinkRecovery::tell_ecn(const AckInfo &ack, Time now, const Outcome &out) {
    // An ACK that was overtaken has old counts.
    if (!out.largest_is_new)
        return;
    uint64_t marked = 0;
    for (const SentPacket &p : out.acked)
        marked += p.has(SentPacket::kEct) && p.sent() >= path_since_;
    EcnEvent e;
    e.now = now;
    e.sent_time = out.largest_acked_sent;
    e.marked = ecn_.on_ack(marked, ack.ecn ? &*ack.ecn : nullptr);
    e.acked = marked;
    e.scalable = ecn_.scalable();
    if (e.marked > 0 || (e.scalable && marked > 0))
        controller_->on_ecn(e);
}

Status LinkRecovery::on_ack(const AckInfo &ack, Time now, Outcome &out) {
    const uint64_t in_flight_before = ledger_.bytes_in_flight();
    if (const Status status = ledger_.on_ack(ack.ranges, now, out); status != PLAIT_OK)
        return status;
    if (!out.anything_acked())
        return PLAIT_OK;
    last_acked_ = now;
    take_samples(ack, now, out);
    for (const SentPacket &p : out.acked) {
        if (p.has(SentPacket::kMtuProbe))
            mtu_.on_probe_acked(p.size, now);
        mtu_.on_acked(p.size, p.sent());
    }
    for (const SentPacket &p : out.late_acked)
        if (p.has(SentPacket::kMtuProbe) && p.sent() >= path_since_)
            mtu_.on_probe_acked(p.size, now);
    stats_.packets_acked += out.acked.size() + out.late_acked.size();
    stats_.bytes_acked += out.acked_bytes + out.late_bytes;
    if (!out.late_acked.empty())
        tell_late(now, out);
    find_lost(now, out);
    tell_ecn(ack, now, out);
    tell_acked(ack, in_flight_before, now, out);
    pto_count_ = 0;
    pacer_.set_fine(now < fine_until_);
    ledger_.forget_old(now, pto());
    after_change();
    return PLAIT_OK;
}

void LinkRecovery::find_lost(Time now, Outcome &out) {
    ledger_.detect_lost(now, loss_delay(), out);
    if (!out.lost.empty())
        tell_lost(now, out);
}

void LinkRecovery::tell_lost(Time now, Outcome &out) {
    for (const SentPacket &p : out.lost) {
        stats_.bytes_lost += p.size;
        if (p.has(SentPacket::kMtuProbe))
            mtu_.on_probe_lost(p.size, now);
        else
            mtu_.on_lost(p.size, p.sent());
    }
    stats_.packets_lost += out.lost.size();
    if (out.lost_bytes == 0 || out.largest_lost_sent < path_since_)
        return;
    const RttEstimator &path = rtt();
    LossEvent e;
    e.now = now;
    e.bytes = out.lost_bytes;
    e.largest_lost_sent_time = out.largest_lost_sent;
    e.recent_lost = ledger_.recent_lost();
    e.recent_total = ledger_.recent_total();
    e.min_rtt = path.min_rtt();
    e.ack_spacing = acks_.spacing;
    e.queue_delay =
        one_way_.has_forward() ? one_way_.queue_delay() : path.latest() - path.min_rtt();
    if (one_way_.has_forward() && e.queue_delay < kShallowQueue)
        fine_until_ = now + kFinePacing;
    pacer_.set_fine(now < fine_until_);
    // RFC 9002 section 7.6: only after a first round trip was measured, and never while suspect.
    const bool sampled =
        path.has_sample() && out.largest_lost_sent - out.lost_span >= path.first_sample_time();
    out.persistent = e.persistent = sampled && !suspect_ && out.lost_span > pto() * 3;
    if (out.persistent) {
        stats_.persistent_congestions++;
        rtt_.forget_min();
        other_.forget_min();
    }
    controller_->on_lost(e);
}

// --- timers ---

// As the RFC has it each send puts the probe timeout off, under steady small sends for ever; so it
// also comes when the oldest unanswered packet has waited twice as long.
Time LinkRecovery::timer() {
    if (const Time loss = ledger_.loss_time(loss_delay()); loss != kNever)
        return loss;
    if (ledger_.eliciting_outstanding() == 0)
        return kNever;
    const Duration backed_off = pto() * (int64_t{1} << std::min(pto_count_, kMaxBackoff));
    const Duration wait = std::min(backed_off, kMaxPto) + line_time(ledger_.bytes_in_flight());
    // A probe that could not be sent must not make the timer fire again at once.
    const Time newest = std::max(ledger_.last_eliciting_sent(), last_pto_) + wait;
    const Time oldest = ledger_.first_unanswered();
    return oldest == kNever ? newest : std::min(newest, std::max(oldest, last_pto_) + wait * 2);
}

TimerVerdict LinkRecovery::on_timer(Time now, Outcome &out) {
    if (timer() > now)
        return TimerVerdict::kNone;
    ledger_.forget_old(now, pto());
    if (ledger_.loss_time(loss_delay()) != kNever) {
        find_lost(now, out);
        after_change();
        return TimerVerdict::kLoss;
    }
    pto_count_++;
    stats_.timeouts++;
    last_pto_ = now;
    ecn_.on_timeout(pto_count_);
    if (mtu_.on_timeout(pto_count_))
        after_change();
    return TimerVerdict::kPto;
}

Time LinkRecovery::overdue() {
    const Time sent = ledger_.first_unanswered();
    if (sent == kNever)
        return kNever;
    const RttEstimator &r = awaited();
    return std::max(sent, excused_) + r.srtt() + max_ack_delay() +
           line_time(ledger_.bytes_in_flight());
}

Time LinkRecovery::suspicion_timer() {
    const Time late = overdue();
    const RttEstimator &r = awaited();
    return late == kNever ? kNever : late + std::max({r.rttvar() * 4, r.srtt() / 8, kGranularity});
}

void LinkRecovery::end_excuse(Time now) {
    excused_ = std::min(excused_, now - (awaited().srtt() + max_ack_delay()));
}

void LinkRecovery::mark_all_lost(Outcome &out, Time now) {
    ledger_.abandon_all(out);
    stats_.packets_lost += out.lost.size();
    mtu_.on_probe_given_up(now);
}

// --- the path ---

void LinkRecovery::reset_path(Time now) {
    path_since_ = now;
    ledger_.clear_in_flight();
    rtt_.reset();
    other_.reset();
    one_way_.reset();
    return_path_.reset();
    slow_line_.reset();
    mtu_.reset();
    controller_ = make_controller(config_.controller, packet_size(), config_.line_rate);
    pacer_ = new_pacer();
    pto_count_ = 0;
    ecn_.restart();
    rate_.reset();
    last_sent_ = last_pto_ = window_full_ = fine_until_ = excused_ = {};
    suspect_ = false;
    after_change();
}

void LinkRecovery::set_controller(ControllerKind kind, Time now) {
    if (kind == config_.controller)
        return;
    config_.controller = kind;
    const uint64_t cwnd = controller_->cwnd();
    controller_ = make_controller(kind, packet_size(), config_.line_rate);
    controller_->remember(cwnd);
    pacer_ = new_pacer();
    fine_until_ = now;
    after_change();
}

void LinkRecovery::set_line_rate(uint64_t bytes_per_s) {
    config_.line_rate = bytes_per_s;
    controller_->set_line_rate(bytes_per_s);
    after_change();
}

void LinkRecovery::set_mtu_limit(size_t limit) {
    mtu_.set_limit(limit);
    after_change();
}

// --- idling ---

PathMemory LinkRecovery::remember_path() const {
    const auto fit = [](auto n) {
        constexpr auto kMost = static_cast<decltype(n)>(std::numeric_limits<uint32_t>::max());
        return static_cast<uint32_t>(std::clamp(n, decltype(n){0}, kMost));
    };
    PathMemory m;
    m.cwnd = fit(controller_->cwnd());
    m.threshold = fit(controller_->threshold());
    const RttEstimator &r = rtt();
    if (r.known()) {
        m.srtt_us = fit(r.srtt().us);
        m.rttvar_us = fit(r.rttvar().us);
        m.min_rtt_us = fit(r.min_rtt().us);
    }
    return m;
}

LinkMemory LinkRecovery::remember() const {
    LinkMemory m;
    m.path = remember_path();
    m.reordering = ledger_.reordering();
    m.next = ledger_.next();
    m.any_acked = ledger_.has_largest_acked();
    m.largest_acked = ledger_.largest_acked();
    m.mtu = mtu_.remember();
    m.ecn = ecn_;
    m.acks = acks_;
    m.controller = config_.controller;
    m.packets_acked = stats_.packets_acked;
    m.packets_lost = stats_.packets_lost;
    m.packets_spurious = stats_.packets_spurious;
    return m;
}

LinkStats LinkMemory::stats() const {
    LinkStats s;
    s.packets_acked = packets_acked;
    s.packets_lost = packets_lost;
    s.packets_spurious = packets_spurious;
    s.cwnd = path.cwnd;
    s.measured = path.srtt_us > 0;
    s.srtt = s.latest_rtt = {path.srtt_us};
    s.rttvar = {path.rttvar_us};
    s.min_rtt = {path.min_rtt_us};
    s.mtu = mtu.mtu;
    s.controller = controller;
    s.ecn = ecn.state();
    s.packets_marked = ecn.ce_seen();
    return s;
}

void LinkRecovery::restore(const LinkMemory &m) {
    PLAIT_ASSERT(m.next == ledger_.next());
    if (m.any_acked)
        ledger_.restore(m.largest_acked, m.reordering);
    if (m.path.srtt_us)
        rtt_.set_initial({m.path.srtt_us}, {m.path.rttvar_us});
    mtu_.restore(m.mtu);
    ecn_ = m.ecn;
    acks_ = m.acks;
    stats_.packets_acked = m.packets_acked;
    stats_.packets_lost = m.packets_lost;
    stats_.packets_spurious = m.packets_spurious;
    controller_->set_mtu(packet_size());
    controller_->resume(m.path.cwnd, m.path.threshold);
    pacer_ = new_pacer();
    after_change();
}

LinkStats LinkRecovery::stats() const {
    LinkStats s = stats_;
    s.cwnd = controller_->cwnd();
    s.pacing_rate = controller_->pacing_rate();
    s.bytes_in_flight = ledger_.bytes_in_flight();
    const RttEstimator &r = rtt();
    s.srtt = r.srtt();
    s.rttvar = r.rttvar();
    s.min_rtt = r.min_rtt();
    s.latest_rtt = r.latest();
    s.queue_delay = one_way_.queue_delay();
    s.mtu = mtu_.mtu();
    s.pto_count = pto_count_;
    s.measured = r.known();
    s.controller = config_.controller;
    s.ecn = ecn_.state();
    s.packets_marked = ecn_.ce_seen();
    return s;
}

} // namespace plait::recovery
