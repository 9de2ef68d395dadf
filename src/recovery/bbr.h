// SPDX-License-Identifier: Apache-2.0
// BBRv3 (draft-ietf-ccwg-bbr): sends at the rate that the link was measured to deliver, and holds
// in flight about what it carries, so that hardly a queue builds up.
//
//     Startup -> Drain -> ProbeBW: Down -> Cruise -> Refill -> Up -> Down ...
//                            ^                                        now and then, from anywhere
//                            +------------------- ProbeRTT <------------------ of these
//
// Names follow the draft where it has some. Deviations, each for a reason that test_bbr.cpp
// measures:
// - Loss counts only where it is more than 2 % of at least 100 packets and at least 6 of them: on a
//   short flight the draft's 2 % is a single packet, and radio loss of 1 % would hold the rate down
//   for ever. The short-term bounds, too, move only then.
// - A round trip within 1/16 of the least one refreshes it: a link without a queue is never drained
//   in ProbeRTT.
// - Up ends when its own extra packets have made the forward queue an eighth of a round trip
//   longer; the draft goes on for three rounds without growth. Down drains at 0.75 as BBRv2 did,
//   not at 0.9. Both keep the queue below a quarter of a round trip in 95 of 100 packets.
// - Links that share a bottleneck probe together, each with 0.4 of the gain, and each needs only
//   its share of the evidence of loss. None of them begins Startup anew.
#pragma once

#include "recovery/controller.h"
#include "recovery/windowed.h"

#include <limits>

namespace plait::recovery {

class Bbr final : public Controller {
  public:
    enum class State : uint8_t { kStartup, kDrain, kDown, kCruise, kRefill, kUp, kProbeRtt };
    static constexpr double kLossThreshold = 0.02;
    static constexpr uint64_t kLossMinSeen = 100; // packets
    static constexpr uint64_t kLossMinLost = 6;
    static constexpr double kMarkThreshold = 0.5; // of a round's packets, where marks are scalable
    static constexpr double kBeta = 0.7;
    static constexpr Duration kMinRttWindow = base::seconds(10);
    static constexpr Duration kProbeRttInterval = base::seconds(5);
    static constexpr Duration kProbeRttLength = base::millis(200);

    explicit Bbr(size_t mtu);

    void on_sent(Time now, uint64_t bytes, uint64_t in_flight) override;
    void on_acked(const AckEvent &ack) override;
    void on_lost(const LossEvent &loss) override;
    void on_spurious(Time now, uint64_t bytes, Time sent_time) override;
    void on_ecn(const EcnEvent &ecn) override;
    void on_idle(Time now) override;
    void set_mtu(size_t mtu) override;
    void remember(uint64_t) override {} // Startup finds it about as fast
    void resume(uint64_t cwnd, uint64_t) override {
        cwnd_ = std::max(std::min(cwnd_, cwnd), min_window());
    }
    void set_growth_share(double share) override { growth_share_ = static_cast<float>(share); }

    Probe probe() const override { return probe_; }
    void follow(Probe probe, Time now) override;

    uint64_t cwnd() const override { return cwnd_; }
    uint64_t pacing_rate() const override;
    // The first samples are of the little that was sent, not of the link.
    uint64_t measured_rate() const override { return full_bw_reached_ ? bandwidth() : 0; }
    bool in_slow_start() const override { return state_ == State::kStartup; }
    const char *name() const override { return "bbr"; }

    State state() const { return state_; }
    uint64_t bandwidth() const { return std::min(max_bw(), short_bw_); } // bytes/s
    Duration min_rtt() const { return min_rtt_; }
    uint64_t long_in_flight() const { return long_in_flight_; }

  private:
    static constexpr uint64_t kNone = std::numeric_limits<uint64_t>::max();
    // Whose packets the ACKs of now belong to.
    enum class AckPhase : uint8_t { kInit, kRefilling, kStarting, kFeedback, kStopping };
    // What was seen of loss lately: of this stretch of rounds and of the one before.
    struct Stretch {
        uint64_t seen = 0, lost = 0; // bytes
    };
    // What congestion has changed, for undoing.
    struct Bounds {
        uint64_t short_bw = kNone, short_in_flight = kNone, long_in_flight = kNone;
    };

    // bbr.cpp: the model
    uint64_t max_bw() const { return std::max(max_bw_[0], max_bw_[1]); }
    uint64_t min_window() const { return 4 * mtu_; }
    uint64_t quantum() const;
    uint64_t bdp(uint64_t bw, double gain) const;
    uint64_t window_for(double gain) const;
    uint64_t target() const;
    uint64_t with_headroom() const;
    bool in_probe_bw() const;
    bool probing() const;
    double probe_gain() const;
    double pacing_gain() const;
    double cwnd_gain() const;
    void update_round(const AckEvent &ack);
    void update_bandwidth(const AckEvent &ack);
    void update_aggregation(const AckEvent &ack);
    void update_min_rtt(const AckEvent &ack);
    void count(uint64_t seen, uint64_t lost);
    void forget_loss();
    double group_part() const;
    bool too_much_lost() const;
    void keep_for_undo();
    void lower_short_bounds();
    void yield_to_queue(const AckEvent &ack);
    void reset_short_bounds();
    void update_window(const AckEvent &ack);
    uint64_t bounded(uint64_t window) const;

    // bbr_states.cpp: what to do next
    void reset_full_bw();
    void check_full_bw(const AckEvent &ack);
    void check_doubt(const AckEvent &ack);
    void check_startup(const AckEvent &ack);
    void update_phase(const AckEvent &ack);
    void adapt_long_bounds(const AckEvent &ack);
    void raise_long_bound(const AckEvent &ack);
    uint64_t growth_share_of(uint64_t bytes) const;
    void raise_slope();
    void watch_queue(const AckEvent &ack);
    double loop(const AckEvent &ack) const;
    bool time_to_probe(const AckEvent &ack) const;
    bool time_to_cruise(const AckEvent &ack) const;
    bool time_to_go_down(const AckEvent &ack);
    void start_down(Time now);
    void start_cruise();
    void start_refill(Time now);
    void start_up(const AckEvent &ack);
    void start_round(Time now) { round_end_ = now; }
    void check_probe_rtt(const AckEvent &ack);
    void end_probe_rtt(Time now);
    void enter_drain(Time now);
    uint32_t draw(uint32_t below);

    State state_ = State::kStartup;
    Probe probe_ = Probe::kNone;
    AckPhase ack_phase_ = AckPhase::kInit;
    bool round_start_ = false, full_bw_now_ = false, full_bw_reached_ = false;
    bool congested_ = false, marked_ = false; // in this round: by loss, by ECN
    bool probe_samples_ = false;              // loss may be the present probe's doing
    bool queue_grew_ = false;                 // since Up began
    bool undoable_ = false;
    bool expired_ = false;  // the least round trip is old
    bool doubtful_ = false; // what ended Startup was of little that was sent: probe soon, or anew
    uint8_t full_bw_rounds_ = 0, slower_rounds_ = 0, settling_ = 0;
    uint8_t samples_ = 0; // of block_fwd_
    uint32_t mtu_;
    uint32_t rounds_since_probe_ = 0, up_rounds_ = 0;
    uint32_t dice_ = 1;
    float growth_share_ = 1;

    uint64_t cwnd_, prior_cwnd_ = 0;
    uint64_t max_bw_[2] = {0, 0}; // the best sample of the last cycle and of this one
    uint64_t full_bw_ = 0;
    uint64_t latest_bw_ = 0, latest_delivered_ = 0; // the best of this round
    uint64_t short_bw_ = kNone, short_in_flight_ = kNone, long_in_flight_ = kNone;
    uint64_t up_count_ = kNone, up_acked_ = 0;
    Bounds before_;
    uint64_t unproven_ = 0; // lost bytes behind `before_` not yet shown to be spurious
    Stretch loss_[2];
    uint64_t marks_ = 0, marks_of_ = 0; // packets of this round, scalable ECN
    Time round_end_;                    // a round ends when a packet sent later is acknowledged
    Time cycle_start_;
    Duration probe_wait_{};
    Duration srtt_{}, min_rtt_{}, probe_min_rtt_{};
    Time min_rtt_at_, probe_min_at_, probe_rtt_end_;
    int64_t base_fwd_ = 0, block_fwd_ = 0;
    WindowedMax<uint64_t> extra_acked_;
    Time aggregation_start_;
    uint64_t aggregation_ = 0;
};
static_assert(sizeof(Bbr) <= 448);

} // namespace plait::recovery
