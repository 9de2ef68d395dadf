// SPDX-License-Identifier: Apache-2.0
#include "recovery/cubic.h"

#include "recovery/received.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace plait::recovery {

namespace {
constexpr double kInfinite = std::numeric_limits<double>::max();
constexpr double kMaxWindow = 1e12; // 1 TB: keeps the conversion to integers defined
// RFC 9438 section 4.3: the additive increase that matches Reno at this beta.
constexpr double kAlpha = 3 * (1 - Cubic::kBeta) / (1 + Cubic::kBeta);
double to_seconds(Duration d) {
    return static_cast<double>(d.us) * 1e-6;
}
} // namespace

uint64_t initial_window(size_t mtu) {
    return std::min<uint64_t>(10 * mtu, std::max<uint64_t>(14720, 2 * mtu));
}

Cubic::Cubic(size_t mtu)
    : cwnd_(static_cast<double>(initial_window(mtu))), ssthresh_(kInfinite),
      mtu_(static_cast<uint32_t>(mtu)) {}

void Cubic::on_sent(Time, uint64_t, uint64_t) {}

void Cubic::on_acked(const AckEvent &ack) {
    srtt_us_ = static_cast<uint32_t>(std::clamp<int64_t>(ack.srtt.us, 1, 0xffffffff));
    const Duration window = std::max(ack.srtt * kRateRounds, base::millis(100));
    if (ack.delivery_rate &&
        (!ack.rate_app_limited || rate_.empty() || ack.delivery_rate >= rate_.best()))
        rate_.add(ack.delivery_rate, ack.now, window);
    if (in_slow_start() && (ack.has_fwd || ack.rtt.us > 0))
        hystart_.on_sample(ack.now, ack.largest_sent_time, ack.has_fwd ? ack.fwd : ack.rtt,
                           ack.has_fwd, ack.min_rtt);
    const Time previous = last_ack_;
    last_ack_ = ack.now;
    if (ack.bytes == 0 || in_recovery(ack.largest_sent_time))
        return;
    if (ack.app_limited) {
        // RFC 9438 section 5.8: the time in which the window was not used does not count.
        if (epoch_.us)
            epoch_ = epoch_ + (ack.now - std::max(previous, epoch_));
        return;
    }
    if (in_slow_start())
        grow_slow_start(ack);
    else
        grow_cubic(ack);
    cwnd_ = std::min(cwnd_, kMaxWindow);
}

void Cubic::grow_slow_start(const AckEvent &ack) {
    watch_train(ack);
    if (hystart_.phase() == HyStart::Phase::kDone) {
        leave_slow_start(ack);
        return;
    }
    const bool conservative = hystart_.phase() == HyStart::Phase::kConservative;
    const double divisor = conservative ? HyStart::kGrowthDivisor : 1;
    cwnd_ = std::min(cwnd_ + static_cast<double>(ack.bytes) * growth_share_ / divisor, ssthresh_);
    if (!in_slow_start())
        begin_epoch(ack.now);
}

// While the forward delay rises, packets leave the bottleneck back to back: how fast they arrive is
// its rate.
void Cubic::watch_train(const AckEvent &ack) {
    if (hystart_.phase() == HyStart::Phase::kSlowStart || train_start_.us == 0) {
        train_start_ = ack.now;
        train_bytes_ = 0;
    } else {
        constexpr uint64_t kMost = std::numeric_limits<uint32_t>::max();
        train_bytes_ = static_cast<uint32_t>(std::min(train_bytes_ + ack.bytes, kMost));
    }
}

void Cubic::leave_slow_start(const AckEvent &ack) {
    const Duration train = ack.now - train_start_;
    if (hystart_.overshot() && train.us > 0) {
        const double enough =
            bridged(train_bytes_ / to_seconds(train), ack.min_rtt, ack.ack_spacing);
        if (enough > cwnd_) {
            // The window is below what the link holds: the queue came from sending in bursts.
            hystart_.resume();
            return;
        }
        // The window of a round trip ago filled the link and a queue, and has doubled since.
        cwnd_ = std::max(enough, cwnd_ / 2);
    }
    // RFC 9438 section 4.10: no loss came, so the curve starts flat from here.
    ssthresh_ = w_max_ = cwnd_;
    begin_epoch(ack.now);
}

void Cubic::begin_epoch(Time now) {
    epoch_ = now;
    w_est_ = cwnd_;
    if (cwnd_ < w_max_) {
        k_ = std::cbrt((w_max_ - cwnd_) / mtu_ / scaled_c());
    } else {
        k_ = 0;
        w_max_ = cwnd_;
    }
}

// At one loss rate p CUBIC's window is in proportion to (C / p^3)^(1/4), Reno's to (a / p)^(1/2)
// (RFC 9438 section 5.1, a: its increase): so the windows of links that share a bottleneck are
// together one link's if C is scaled by the fourth power of their share, and a by the second, as
// RFC 6356 does.
double Cubic::scaled_c() const {
    const double square = static_cast<double>(growth_share_) * growth_share_;
    return kC * square * square;
}

double Cubic::curve(double t) const {
    const double x = t - k_;
    return scaled_c() * x * x * x * mtu_ + w_max_;
}

void Cubic::grow_cubic(const AckEvent &ack) {
    if (epoch_.us == 0)
        begin_epoch(ack.now);
    const double t = to_seconds(ack.now - epoch_);
    const auto acked = static_cast<double>(ack.bytes);
    // RFC 9438 section 4.3: not slower than Reno would be.
    const double alpha = w_est_ >= before_.cwnd ? 1 : kAlpha;
    w_est_ += alpha * growth_share_ * growth_share_ * mtu_ * acked / cwnd_;
    if (curve(t) < w_est_) {
        cwnd_ = std::max(cwnd_, w_est_);
        return;
    }
    const double target = std::clamp(curve(t + to_seconds(ack.srtt)), cwnd_, 1.5 * cwnd_);
    cwnd_ += (target - cwnd_) * std::min(acked / cwnd_, 1.0);
}

// At most 5 of 100; of fewer packets in proportion, but a single one never counts as much.
bool Cubic::low_loss(const LossEvent &loss) {
    return loss.recent_lost <= std::max<uint32_t>(loss.recent_total * kLowLoss / 100, 1);
}

// Of links that share a bottleneck only by their share: there the loss comes from a full queue, and
// what one of them does not give back the others can't take.
double Cubic::low_loss_floor(const LossEvent &loss) const {
    if (!low_loss(loss) || rate_.empty())
        return 0;
    return growth_share_ *
           bridged(static_cast<double>(rate_.best()), loss.min_rtt, loss.ack_spacing);
}

// What the link delivers in an unqueued round trip, the wait for the ACK included
// (docs/protocol.md: clamp(srtt / 8, 1 ms, 5 ms), or what it was asked for). Without that wait the
// floor would sink at each loss.
double Cubic::bridged(double rate, Duration min_rtt, Duration ack_spacing) {
    const Duration wait = std::max(ReceivedPackets::usual_delay(min_rtt), ack_spacing);
    return rate * to_seconds(min_rtt + wait);
}

void Cubic::on_lost(const LossEvent &loss) {
    if (loss.persistent) {
        unproven_ += loss.bytes;
        collapse(loss.now);
        return;
    }
    if (in_recovery(loss.largest_lost_sent_time)) {
        unproven_ += loss.bytes;
        if (held_by_floor_ && !low_loss(loss)) {
            held_by_floor_ = false;
            cwnd_ = std::min(cwnd_, std::max(before_.cwnd * kBeta, min_window()));
            ssthresh_ = cwnd_;
            begin_epoch(loss.now);
        }
        return;
    }
    if (in_slow_start() && low_loss(loss) && loss.queue_delay * 4 < loss.min_rtt)
        return;
    const double floor = low_loss_floor(loss);
    if (floor >= cwnd_)
        return; // the link has no queue of ours: nothing to give back
    cut(loss.now, floor, kBeta);
    unproven_ = loss.bytes;
    undoable_ = true;
}

void Cubic::cut(Time now, double floor, double beta) {
    before_ = {cwnd_, ssthresh_, w_max_, k_, epoch_};
    // RFC 9438 section 4.7, fast convergence: below the last maximum, leave room to newcomers.
    w_max_ = cwnd_ < w_max_ ? cwnd_ * (1 + kBeta) / 2 : cwnd_;
    const double target = cwnd_ * beta;
    held_by_floor_ = floor > target;
    cwnd_ = std::max({target, floor, min_window()});
    ssthresh_ = cwnd_;
    recovering_ = true;
    recovery_start_ = now;
    begin_epoch(now);
}

// RFC 9002 section 7.6: the path is not what it was; slow start again from the least window.
void Cubic::collapse(Time now) {
    if (!undoable_)
        before_ = {cwnd_, ssthresh_, w_max_, k_, epoch_};
    undoable_ = true;
    ssthresh_ = std::max(cwnd_ * kBeta, min_window());
    w_max_ = std::max(cwnd_, ssthresh_);
    cwnd_ = min_window();
    if (ssthresh_ <= cwnd_)
        ssthresh_ = cwnd_ + mtu_;
    recovering_ = held_by_floor_ = false;
    recovery_start_ = now; // for undoing: what was sent until now
    epoch_ = {};
    rate_.clear();
    hystart_.reset();
}

void Cubic::on_spurious(Time, uint64_t bytes, Time sent_time) {
    if (!undoable_ || sent_time > recovery_start_)
        return;
    unproven_ -= std::min(unproven_, bytes);
    if (unproven_)
        return;
    // RFC 9438 section 4.9: as if the reduction had not been.
    undoable_ = recovering_ = held_by_floor_ = false;
    if (cwnd_ >= before_.cwnd)
        return;
    cwnd_ = before_.cwnd;
    ssthresh_ = before_.ssthresh;
    w_max_ = before_.w_max;
    k_ = before_.k;
    epoch_ = before_.epoch;
    w_est_ = std::max(w_est_, cwnd_ * kBeta);
}

void Cubic::on_ecn(const EcnEvent &ecn) {
    if (ecn.scalable)
        return follow_marks(ecn);
    if (ecn.marked == 0 || in_recovery(ecn.sent_time))
        return;
    cut(ecn.now, 0, kBetaEcn);
    undoable_ = false;
}

// The response that RFC 9331 section 4.3 asks for, as DCTCP (RFC 8257) gives it: once a round trip
// the window shrinks by half of the smoothed share of marked packets.
void Cubic::follow_marks(const EcnEvent &ecn) {
    constexpr float kGain = 1.0f / 16;
    marks_ += static_cast<uint32_t>(ecn.marked);
    marks_of_ += static_cast<uint32_t>(ecn.acked);
    if (ecn.sent_time < marks_round_ || marks_of_ == 0)
        return;
    const float share = std::min(static_cast<float>(marks_) / static_cast<float>(marks_of_), 1.0f);
    marks_share_ += (share - marks_share_) * kGain;
    const bool marked = marks_ > 0;
    marks_ = marks_of_ = 0;
    marks_round_ = ecn.now;
    if (!marked)
        return;
    cut(ecn.now, 0, 1 - static_cast<double>(marks_share_) / 2);
    undoable_ = recovering_ = false; // it goes on growing
}

void Cubic::on_idle(Time) {
    const double fresh = static_cast<double>(initial_window(mtu_));
    if (cwnd_ <= fresh)
        return;
    ssthresh_ = in_slow_start() ? std::min(ssthresh_, cwnd_) : cwnd_;
    w_max_ = std::max(w_max_, cwnd_);
    cwnd_ = fresh;
    epoch_ = {};
    recovering_ = undoable_ = false;
    hystart_.reset();
}

void Cubic::set_mtu(size_t mtu) {
    // A window that nothing has shaped yet is counted in packets.
    const bool fresh = cwnd_ == static_cast<double>(initial_window(mtu_));
    mtu_ = static_cast<uint32_t>(mtu);
    if (fresh && mtu_ > 0)
        cwnd_ = static_cast<double>(initial_window(mtu_));
    cwnd_ = std::max(cwnd_, min_window());
}

void Cubic::remember(uint64_t cwnd) {
    if (static_cast<double>(cwnd) <= cwnd_)
        return;
    ssthresh_ = w_max_ = static_cast<double>(cwnd);
}

// As on_idle() leaves it.
uint64_t Cubic::threshold() const {
    if (!in_slow_start())
        return static_cast<uint64_t>(cwnd_);
    if (cwnd_ <= static_cast<double>(initial_window(mtu_)))
        return ssthresh_ == kInfinite ? 0 : static_cast<uint64_t>(ssthresh_);
    return static_cast<uint64_t>(std::min(ssthresh_, cwnd_));
}

void Cubic::resume(uint64_t cwnd, uint64_t threshold) {
    cwnd_ = std::max(std::min(cwnd_, static_cast<double>(cwnd)), min_window());
    if (threshold)
        ssthresh_ = w_max_ = std::max(static_cast<double>(threshold), cwnd_);
}

uint64_t Cubic::pacing_rate() const {
    if (srtt_us_ == 0)
        return kUnlimited; // no round trip known: the initial window is the limit
    const double gain = in_slow_start() ? 2.0 : 1.25;
    return static_cast<uint64_t>(std::max(gain * cwnd_ * 1e6 / srtt_us_, 1.0));
}

} // namespace plait::recovery
