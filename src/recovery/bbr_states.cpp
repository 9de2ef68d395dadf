// SPDX-License-Identifier: Apache-2.0
// BBR's states: when to look for more, and when to give way.
#include "recovery/bbr.h"

#include <algorithm>

namespace plait::recovery {

namespace {
constexpr double kGrowth = 1.25; // less in kFullRounds rounds: the link is full
constexpr uint8_t kFullRounds = 3;
constexpr uint32_t kLeastRenoRounds = 28, kMostRenoRounds = 63;
// Rounds after Drain in which ACKs that are far apart still tell of the time before: little was
// sent then, and no bound may be taken from how little arrived.
constexpr uint8_t kSettleRounds = 2;
constexpr uint8_t kBlock = 2; // samples of the forward delay whose least one counts
constexpr Duration kLeastWait = base::seconds(2);
constexpr uint32_t kWaitSpread = 1'000'000; // us
constexpr uint64_t kProbeStep = 8;          // packets that a bound grows in a probe without loss
constexpr uint32_t kMostUpRounds = 30;
} // namespace

// A xorshift of the state: apart for flows that began apart, the same in each run of a simulation.
uint32_t Bbr::draw(uint32_t below) {
    dice_ ^= dice_ << 13;
    dice_ ^= dice_ >> 17;
    dice_ ^= dice_ << 5;
    return dice_ % below;
}

void Bbr::reset_full_bw() {
    full_bw_ = 0;
    full_bw_rounds_ = 0;
    full_bw_now_ = false;
}

void Bbr::check_full_bw(const AckEvent &ack) {
    // What is behind a queue comes at the link's rate, however little is sent: a link that the
    // scheduler takes only now and then, because of its queue, must not stay in Startup.
    const bool limited = ack.rate_app_limited && ack.queue_delay <= min_rtt_ / 2;
    if (full_bw_now_ || !round_start_ || limited || ack.delivery_rate == 0)
        return;
    if (static_cast<double>(latest_bw_) >= static_cast<double>(full_bw_) * kGrowth) {
        reset_full_bw();
        full_bw_ = latest_bw_;
        return;
    }
    if (++full_bw_rounds_ < kFullRounds)
        return;
    doubtful_ = ack.rate_app_limited;
    full_bw_now_ = full_bw_reached_ = true;
}

// Little that is sent beside somebody else's queue makes the link look slow; when there is more to
// send, probes would take seconds to find its rate. But only what holds less than any connection
// begins with begins anew: of a link that the scheduler takes now and then the rate is known, and
// it would go to and fro between here and Startup, and of one of a group it is the others' queue.
void Bbr::check_doubt(const AckEvent &ack) {
    if (!doubtful_ || growth_share_ < 1 || !in_probe_bw() || ack.rate_app_limited ||
        ack.delivery_rate == 0 || bdp(max_bw(), 1) >= initial_window(mtu_))
        return;
    state_ = State::kStartup;
    ack_phase_ = AckPhase::kInit;
    doubtful_ = full_bw_reached_ = probe_samples_ = false;
    long_in_flight_ = kNone;
    reset_full_bw();
    reset_short_bounds();
    forget_loss();
    start_round(ack.now);
}

void Bbr::check_startup(const AckEvent &ack) {
    if (state_ == State::kStartup) {
        if (round_start_ && (too_much_lost() || marked_) && max_bw() > 0) {
            // Loss tells the same, sooner.
            full_bw_reached_ = true;
            long_in_flight_ = std::max(bdp(max_bw(), 1), latest_delivered_);
        }
        if (full_bw_reached_)
            enter_drain(ack.now);
    }
    if (state_ == State::kDrain && ack.in_flight <= bdp(max_bw(), loop(ack))) {
        dice_ ^= static_cast<uint32_t>(ack.now.us) * 2654435761u;
        dice_ |= 1;
        start_down(ack.now);
        start_cruise();
        settling_ = ack.ack_spacing.us > 0 ? kSettleRounds : 0;
        if (doubtful_)
            probe_wait_ = {};
    }
}

// As a part of min_rtt_, which is of this link both ways: ACKs that come back over a faster one
// come sooner, and less is in flight when the queue is gone.
double Bbr::loop(const AckEvent &ack) const {
    if (ack.min_rtt.us <= 0 || ack.min_rtt >= min_rtt_)
        return 1;
    return static_cast<double>(ack.min_rtt.us) / static_cast<double>(min_rtt_.us);
}

void Bbr::enter_drain(Time) {
    state_ = State::kDrain;
    marked_ = false;
    forget_loss();
}

// --- ProbeBW

void Bbr::update_phase(const AckEvent &ack) {
    if (!full_bw_reached_)
        return;
    watch_queue(ack);
    adapt_long_bounds(ack);
    switch (state_) {
    case State::kDown:
    case State::kCruise:
        if (time_to_probe(ack)) {
            start_refill(ack.now);
            probe_ = Probe::kBegan;
        } else if (state_ == State::kDown && time_to_cruise(ack)) {
            start_cruise();
        }
        return;
    case State::kRefill:
        if (round_start_) {
            probe_samples_ = true;
            start_up(ack);
        }
        return;
    case State::kUp:
        if (time_to_go_down(ack)) {
            start_down(ack.now);
            probe_ = Probe::kEnded;
        }
        return;
    default: return;
    }
}

void Bbr::start_down(Time now) {
    state_ = State::kDown;
    reset_short_bounds();
    up_count_ = kNone;
    rounds_since_probe_ = draw(2);
    probe_wait_ = kLeastWait + Duration{static_cast<int64_t>(draw(kWaitSpread))};
    cycle_start_ = now;
    ack_phase_ = AckPhase::kStopping;
    start_round(now);
}

void Bbr::start_cruise() {
    state_ = State::kCruise;
}

void Bbr::start_refill(Time now) {
    state_ = State::kRefill;
    reset_short_bounds();
    forget_loss();
    up_rounds_ = 0;
    up_acked_ = 0;
    ack_phase_ = AckPhase::kRefilling;
    start_round(now);
}

void Bbr::start_up(const AckEvent &ack) {
    state_ = State::kUp;
    ack_phase_ = AckPhase::kStarting;
    start_round(ack.now);
    cycle_start_ = ack.now;
    reset_full_bw();
    full_bw_ = std::max(ack.delivery_rate, uint64_t{1});
    base_fwd_ = ack.fwd.us;
    samples_ = 0;
    queue_grew_ = false;
    raise_slope();
}

// Each probe takes something from everybody else at the bottleneck, and the less had, the more it
// finds. Links that probed one after the other would together hold as many parts as they are; if
// all do so at the same time, they are to others what one is. One whose round trips are much longer
// would never have done with one probe before the next: it follows when it has seen some of them.
void Bbr::follow(Probe probe, Time now) {
    if (probe == Probe::kBegan && rounds_since_probe_ < kLeastRenoRounds / 4)
        return;
    if (probe == Probe::kBegan && (state_ == State::kDown || state_ == State::kCruise))
        start_refill(now);
    else if (probe == Probe::kEnded && state_ == State::kUp)
        start_down(now);
}

bool Bbr::time_to_probe(const AckEvent &ack) const {
    // A Reno flow would have filled the link once more by now; it shall find room.
    const double windows = static_cast<double>(target()) / mtu_ / group_part();
    const auto rounds =
        static_cast<uint32_t>(std::clamp<double>(windows, kLeastRenoRounds, kMostRenoRounds));
    return ack.now - cycle_start_ > probe_wait_ || rounds_since_probe_ >= rounds;
}

bool Bbr::time_to_cruise(const AckEvent &ack) const {
    return ack.in_flight <= with_headroom() && ack.in_flight <= window_for(loop(ack));
}

bool Bbr::time_to_go_down(const AckEvent &ack) {
    if (!ack.app_limited && cwnd_ >= long_in_flight_) {
        reset_full_bw(); // the bound is what limits the rate, not the link
        full_bw_ = ack.delivery_rate;
        // The same number of packets for each, large or small: so equals come to equal shares.
        if (queue_grew_)
            long_in_flight_ += growth_share_of(kProbeStep * mtu_);
        return queue_grew_;
    }
    return full_bw_now_ || queue_grew_;
}

// The least of a few samples, so that a single late packet is no queue.
void Bbr::watch_queue(const AckEvent &ack) {
    if (!ack.has_fwd || state_ != State::kUp || ack.largest_sent_time < cycle_start_)
        return;
    block_fwd_ = samples_ == 0 ? ack.fwd.us : std::min(block_fwd_, ack.fwd.us);
    if (++samples_ < kBlock)
        return;
    samples_ = 0;
    queue_grew_ |=
        block_fwd_ >= base_fwd_ + std::clamp(min_rtt_ / 8, base::millis(1), base::millis(10)).us;
}

void Bbr::adapt_long_bounds(const AckEvent &ack) {
    if (ack_phase_ == AckPhase::kStarting && round_start_)
        ack_phase_ = AckPhase::kFeedback;
    if (ack_phase_ == AckPhase::kStopping && round_start_) {
        ack_phase_ = AckPhase::kInit;
        if (in_probe_bw() && !ack.rate_app_limited) {
            max_bw_[0] = max_bw_[1];
            max_bw_[1] = 0;
        }
    }
    if (too_much_lost() || marked_) {
        if (!probe_samples_)
            return;
        probe_samples_ = false;
        keep_for_undo();
        if (!ack.rate_app_limited)
            long_in_flight_ = std::max(
                ack.sample_in_flight, static_cast<uint64_t>(static_cast<double>(target()) * kBeta));
        if (state_ == State::kUp) {
            start_down(ack.now);
            probe_ = Probe::kEnded;
        }
        return;
    }
    if (long_in_flight_ == kNone)
        return;
    long_in_flight_ = std::max(long_in_flight_, ack.sample_in_flight);
    if (state_ == State::kUp)
        raise_long_bound(ack);
}

// A link that shares its bottleneck with others of its connection grows by its part of what one
// would.
uint64_t Bbr::growth_share_of(uint64_t bytes) const {
    return static_cast<uint64_t>(static_cast<double>(growth_share_) * static_cast<double>(bytes));
}

void Bbr::raise_slope() {
    // Bytes a window of ACKs.
    const uint64_t growth = std::max<uint64_t>(growth_share_of(uint64_t{mtu_} << up_rounds_), 1);
    up_rounds_ = std::min(up_rounds_ + 1, kMostUpRounds);
    up_count_ = std::max<uint64_t>(cwnd_ * mtu_ / growth, 1);
}

void Bbr::raise_long_bound(const AckEvent &ack) {
    if (ack.app_limited || cwnd_ < long_in_flight_)
        return;
    up_acked_ += ack.bytes;
    if (up_acked_ >= up_count_) {
        const uint64_t steps = up_acked_ / up_count_;
        up_acked_ -= steps * up_count_;
        long_in_flight_ += steps * mtu_;
    }
    if (round_start_)
        raise_slope();
}

// --- ProbeRTT

void Bbr::check_probe_rtt(const AckEvent &ack) {
    if (state_ != State::kProbeRtt && expired_ && min_rtt_.us != 0 && full_bw_reached_) {
        prior_cwnd_ = cwnd_;
        state_ = State::kProbeRtt;
        probe_rtt_end_ = {};
        ack_phase_ = AckPhase::kStopping;
        start_round(ack.now);
        return;
    }
    if (state_ != State::kProbeRtt)
        return;
    if (probe_rtt_end_.us == 0) {
        if (ack.in_flight <= window_for(cwnd_gain())) {
            probe_rtt_end_ = ack.now + kProbeRttLength;
            start_round(ack.now);
        }
        return;
    }
    if (round_start_ && ack.now > probe_rtt_end_)
        end_probe_rtt(ack.now);
}

void Bbr::end_probe_rtt(Time now) {
    probe_min_at_ = now;
    cwnd_ = std::max(cwnd_, prior_cwnd_);
    reset_short_bounds();
    start_down(now);
    start_cruise();
}

} // namespace plait::recovery
