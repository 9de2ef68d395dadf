// SPDX-License-Identifier: Apache-2.0
// BBR's model of the link: rate, least round trip, loss, and the window that follows from them.
#include "recovery/bbr.h"

#include <algorithm>
#include <cmath>

namespace plait::recovery {

namespace {
constexpr double kMargin = 0.99;   // paced a little slower than the link, so that queues drain
constexpr double kHeadroom = 0.15; // of the long-term bound, left to others while cruising
constexpr double kProbeGain = 0.25;
// Links of a group do not begin and end their probes in the same moment, and each keeps the best
// that it has found meanwhile.
constexpr double kGroupProbe = 0.4;
constexpr double kLeastPart = 0.125;
constexpr uint8_t kSlowerRounds = 3;
constexpr uint64_t kMostWindow = uint64_t{1} << 40;

uint64_t scaled(uint64_t value, double by) {
    return static_cast<uint64_t>(static_cast<double>(value) * by);
}
} // namespace

Bbr::Bbr(size_t mtu) : mtu_(static_cast<uint32_t>(mtu)), cwnd_(initial_window(mtu)) {}

bool Bbr::in_probe_bw() const {
    return state_ == State::kDown || state_ == State::kCruise || state_ == State::kRefill ||
           state_ == State::kUp;
}

// More is sent than the link was known to carry.
bool Bbr::probing() const {
    return state_ == State::kStartup || state_ == State::kRefill || state_ == State::kUp;
}

double Bbr::probe_gain() const {
    return growth_share_ < 1 ? kProbeGain * kGroupProbe : kProbeGain;
}

double Bbr::pacing_gain() const {
    switch (state_) {
    case State::kStartup: return 2.77;
    case State::kDrain: return 0.35;
    case State::kDown: return 0.5;
    case State::kUp: return 1 + probe_gain();
    default: return 1;
    }
}

double Bbr::cwnd_gain() const {
    switch (state_) {
    case State::kUp: return 2 + probe_gain();
    case State::kProbeRtt: return 0.5;
    default: return 2;
    }
}

// What goes out in one run, and is on its way before any of it can be acknowledged.
uint64_t Bbr::quantum() const {
    return std::max<uint64_t>(2 * mtu_, bandwidth() / 1000);
}

uint64_t Bbr::bdp(uint64_t bw, double gain) const {
    if (min_rtt_.us == 0 || bw == 0)
        return scaled(initial_window(mtu_), std::max(gain, 1.0));
    return std::min(kMostWindow, scaled(bw, gain * static_cast<double>(min_rtt_.us) * 1e-6));
}

uint64_t Bbr::window_for(double gain) const {
    return std::max(bdp(bandwidth(), gain), min_window());
}

uint64_t Bbr::target() const {
    return std::min(std::max(bdp(bandwidth(), 1), min_window()), cwnd_);
}

uint64_t Bbr::with_headroom() const {
    if (long_in_flight_ == kNone)
        return kNone;
    const uint64_t room = std::max<uint64_t>(mtu_, scaled(long_in_flight_, kHeadroom));
    return std::max(long_in_flight_ - std::min(long_in_flight_, room), min_window());
}

uint64_t Bbr::pacing_rate() const {
    if (max_bw() == 0) {
        if (srtt_.us == 0)
            return kUnlimited; // no round trip known: the initial window is the limit
        return std::max<uint64_t>(
            1, scaled(cwnd_, pacing_gain() * 1e6 / static_cast<double>(srtt_.us)));
    }
    const double margin = state_ == State::kStartup ? 1 : kMargin;
    return std::max<uint64_t>(1, scaled(bandwidth(), pacing_gain() * margin));
}

// --- events

void Bbr::on_sent(Time, uint64_t, uint64_t) {}

void Bbr::on_acked(const AckEvent &ack) {
    srtt_ = ack.srtt;
    probe_ = Probe::kNone;
    update_round(ack);
    count(ack.bytes, 0);
    update_bandwidth(ack);
    update_aggregation(ack);
    check_doubt(ack);
    check_full_bw(ack);
    check_startup(ack);
    update_phase(ack);
    update_min_rtt(ack);
    check_probe_rtt(ack);
    if (round_start_) {
        latest_bw_ = ack.delivery_rate;
        latest_delivered_ = ack.sample_delivered;
    }
    update_window(ack);
}

void Bbr::on_lost(const LossEvent &loss) {
    count(0, loss.bytes);
    unproven_ += loss.bytes;
    if (!congested_ && too_much_lost()) {
        keep_for_undo();
        congested_ = true;
    }
    if (loss.persistent) {
        prior_cwnd_ = std::max(prior_cwnd_, cwnd_);
        cwnd_ = min_window();
        max_bw_[0] = 0; // the path is not what it was
        forget_loss();
    }
}

void Bbr::keep_for_undo() {
    if (undoable_)
        return;
    undoable_ = true;
    before_ = {short_bw_, short_in_flight_, long_in_flight_};
}

void Bbr::on_spurious(Time, uint64_t bytes, Time) {
    for (Stretch &s : loss_) {
        const uint64_t here = std::min(s.lost, bytes);
        s.lost -= here;
        bytes -= here;
        unproven_ -= std::min(unproven_, here);
    }
    if (!undoable_ || too_much_lost())
        return;
    undoable_ = congested_ = false;
    short_bw_ = std::max(short_bw_, before_.short_bw);
    short_in_flight_ = std::max(short_in_flight_, before_.short_in_flight);
    long_in_flight_ = std::max(long_in_flight_, before_.long_in_flight);
    reset_full_bw();
}

// A classic mark means as much as a loss; of scalable ones it takes many.
void Bbr::on_ecn(const EcnEvent &ecn) {
    marks_ += ecn.marked;
    marks_of_ += ecn.acked;
    marked_ |= ecn.scalable
                   ? static_cast<double>(marks_) >
                         kMarkThreshold *
                             static_cast<double>(std::max<uint64_t>(marks_of_, kLossMinSeen / 5))
                   : ecn.marked > 0;
}

// The rate is what it was, as far as is known; packets go out at it, so that none are in a burst.
void Bbr::on_idle(Time now) {
    aggregation_start_ = now;
    aggregation_ = 0;
    if (state_ == State::kProbeRtt && probe_rtt_end_.us)
        end_probe_rtt(now);
}

void Bbr::set_mtu(size_t mtu) {
    const bool fresh = cwnd_ == initial_window(mtu_);
    mtu_ = static_cast<uint32_t>(mtu);
    if (fresh)
        cwnd_ = initial_window(mtu_);
    cwnd_ = std::max(cwnd_, min_window());
}

// --- the model

void Bbr::update_round(const AckEvent &ack) {
    round_start_ = ack.largest_sent_time >= round_end_;
    if (!round_start_)
        return;
    round_end_ = ack.now;
    rounds_since_probe_++;
    if (loss_[1].seen >= kLossMinSeen * mtu_ / 2) {
        loss_[0] = loss_[1];
        loss_[1] = {};
    }
}

void Bbr::count(uint64_t seen, uint64_t lost) {
    loss_[1].seen += seen + lost;
    loss_[1].lost += lost;
}

void Bbr::forget_loss() {
    loss_[0] = loss_[1] = {};
}

// How much of its group's window this link has; one that has little still counts for something.
double Bbr::group_part() const {
    return std::max(static_cast<double>(growth_share_), kLeastPart);
}

// Links that share a bottleneck meet the same loss: each needs its part of the evidence only.
bool Bbr::too_much_lost() const {
    const double mtu = mtu_;
    const double seen = static_cast<double>(loss_[0].seen + loss_[1].seen) / mtu,
                 lost = static_cast<double>(loss_[0].lost + loss_[1].lost) / mtu;
    if (seen < kLossMinSeen * group_part() || lost < kLossMinLost * group_part())
        return false;
    const double expected = kLossThreshold * seen;
    return lost > expected + 2 * std::sqrt(expected);
}

void Bbr::update_bandwidth(const AckEvent &ack) {
    latest_bw_ = std::max(latest_bw_, ack.delivery_rate);
    latest_delivered_ = std::max(latest_delivered_, ack.sample_delivered);
    if (ack.delivery_rate >= max_bw() || !ack.rate_app_limited)
        max_bw_[1] = std::max(max_bw_[1], ack.delivery_rate);
    if (!round_start_)
        return;
    if (settling_ > 0) {
        settling_--;
    } else {
        if ((congested_ || marked_) && !probing())
            lower_short_bounds();
        yield_to_queue(ack);
    }
    if (state_ != State::kStartup)
        marked_ = false;
    congested_ = false;
    marks_ = marks_of_ = 0;
}

void Bbr::lower_short_bounds() {
    if (short_bw_ == kNone)
        short_bw_ = max_bw();
    if (short_in_flight_ == kNone)
        short_in_flight_ = cwnd_;
    short_bw_ = std::max(latest_bw_, scaled(short_bw_, kBeta));
    short_in_flight_ = std::max(latest_delivered_, scaled(short_in_flight_, kBeta));
}

// Several flows' rates add up to more than the link's: whoever cruises sends no faster than what
// arrives. A link that delivers much less for some rounds, behind a queue, has become slower; to
// wait for the samples of two probes to expire would keep the queue full for seconds. Queues longer
// than BBR flows make them are somebody else's, to whom nothing is left.
void Bbr::yield_to_queue(const AckEvent &ack) {
    const bool queue = ack.queue_delay > std::max(min_rtt_ / 4, base::millis(2));
    const bool slower = queue && latest_bw_ > 0 && latest_bw_ < max_bw() / 2;
    slower_rounds_ = slower && !probing() ? static_cast<uint8_t>(slower_rounds_ + 1) : 0;
    if (slower_rounds_ >= kSlowerRounds) {
        slower_rounds_ = 0;
        max_bw_[0] = 0;
        max_bw_[1] = latest_bw_;
        long_in_flight_ = std::min(long_in_flight_, bdp(latest_bw_, 2));
    } else if (queue && ack.queue_delay < min_rtt_ * 3 / 2 && state_ == State::kCruise) {
        short_bw_ = std::min(short_bw_, std::max(latest_bw_, scaled(max_bw(), kBeta)));
    }
}

void Bbr::reset_short_bounds() {
    short_bw_ = short_in_flight_ = kNone;
    latest_bw_ = latest_delivered_ = 0;
    congested_ = marked_ = undoable_ = false;
    unproven_ = 0;
}

// How much more is acknowledged at once than the rate explains: ACKs that come in bunches.
void Bbr::update_aggregation(const AckEvent &ack) {
    const Duration since = ack.now - aggregation_start_;
    uint64_t expected = scaled(bandwidth(), static_cast<double>(since.us) * 1e-6);
    if (aggregation_ <= expected || since.us < 0) {
        aggregation_start_ = ack.now;
        aggregation_ = expected = 0;
    }
    aggregation_ += ack.bytes;
    const uint64_t extra = std::min(aggregation_ - std::min(aggregation_, expected), cwnd_);
    extra_acked_.add(extra, ack.now, std::max(ack.srtt * 10, base::millis(100)));
}

void Bbr::update_min_rtt(const AckEvent &ack) {
    expired_ = probe_min_at_.us != 0 && ack.now > probe_min_at_ + kProbeRttInterval;
    if (ack.rtt.us > 0 && ack.own_return) {
        const bool near = ack.rtt <= probe_min_rtt_ + probe_min_rtt_ / 16;
        if (probe_min_at_.us == 0 || expired_ || near) {
            const bool keep = near && !expired_ && probe_min_at_.us != 0;
            probe_min_rtt_ = keep ? std::min(ack.rtt, probe_min_rtt_) : ack.rtt;
            probe_min_at_ = ack.now;
        }
    }
    const bool old = ack.now > min_rtt_at_ + kMinRttWindow;
    if (probe_min_at_.us == 0)
        return;
    if (min_rtt_.us == 0 || probe_min_rtt_ <= min_rtt_ || old) {
        min_rtt_ = probe_min_rtt_;
        min_rtt_at_ = probe_min_at_;
    }
}

void Bbr::update_window(const AckEvent &ack) {
    uint64_t most = bdp(bandwidth(), cwnd_gain());
    if (full_bw_reached_ && !extra_acked_.empty())
        most += extra_acked_.best();
    most = std::max({most, 3 * quantum(), min_window()}) +
           (state_ == State::kUp ? growth_share_of(2 * mtu_) : 0);
    if (state_ == State::kProbeRtt) {
        cwnd_ = std::min(cwnd_, window_for(cwnd_gain()));
        return;
    }
    if (full_bw_reached_)
        cwnd_ = std::min(cwnd_ + ack.bytes, most);
    else if (cwnd_ < most || max_bw() == 0)
        cwnd_ += ack.bytes;
    cwnd_ = std::min(std::max(cwnd_, min_window()), kMostWindow);
    cwnd_ = bounded(cwnd_);
}

uint64_t Bbr::bounded(uint64_t window) const {
    uint64_t cap = kNone;
    if (state_ == State::kCruise || state_ == State::kProbeRtt)
        cap = with_headroom();
    else if (in_probe_bw())
        cap = long_in_flight_;
    cap = std::max(std::min(cap, short_in_flight_), min_window());
    return std::min(window, cap);
}

} // namespace plait::recovery
