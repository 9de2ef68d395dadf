// SPDX-License-Identifier: Apache-2.0
// CUBIC (RFC 9438) with HyStart++ (RFC 9406) and the low-loss rule of docs/protocol.md: while at
// most 5 of the last 100 packets were lost, the window is not cut below delivery rate x least round
// trip (such loss comes from radio, not from a full queue), and in slow start it is ignored as long
// as the forward queue is shorter than a quarter of the round trip. Plain CUBIC keeps a quarter to
// a third of a link at 1 % random loss.
#pragma once

#include "recovery/controller.h"
#include "recovery/hystart.h"
#include "recovery/windowed.h"

namespace plait::recovery {

class Cubic final : public Controller {
  public:
    static constexpr double kC = 0.4; // segments / s^3
    static constexpr double kBeta = 0.7;
    static constexpr double kBetaEcn = 0.85;    // RFC 8511: a mark comes at a short queue
    static constexpr uint32_t kLowLoss = 5;     // of 100
    static constexpr uint32_t kRateRounds = 10; // the delivery rate is the best of as many

    explicit Cubic(size_t mtu);

    void on_sent(Time now, uint64_t bytes, uint64_t in_flight) override;
    void on_acked(const AckEvent &ack) override;
    void on_lost(const LossEvent &loss) override;
    void on_spurious(Time now, uint64_t bytes, Time sent_time) override;
    void on_ecn(const EcnEvent &ecn) override;
    void on_idle(Time now) override;
    void set_mtu(size_t mtu) override;
    void remember(uint64_t cwnd) override;
    void resume(uint64_t cwnd, uint64_t threshold) override;
    uint64_t threshold() const override;
    void set_growth_share(double share) override { growth_share_ = static_cast<float>(share); }

    uint64_t cwnd() const override { return static_cast<uint64_t>(cwnd_); }
    uint64_t pacing_rate() const override;
    bool in_slow_start() const override { return cwnd_ < ssthresh_; }
    const char *name() const override { return "cubic"; }
    double ssthresh() const { return ssthresh_; }

  private:
    // What a window reduction replaced.
    struct Shape {
        double cwnd = 0, ssthresh = 0, w_max = 0, k = 0;
        Time epoch;
    };
    double min_window() const { return static_cast<double>(kMinWindowPackets * mtu_); }
    void grow_slow_start(const AckEvent &ack);
    void leave_slow_start(const AckEvent &ack);
    void watch_train(const AckEvent &ack);
    void grow_cubic(const AckEvent &ack);
    double curve(double t) const;
    double scaled_c() const;
    void begin_epoch(Time now);
    bool in_recovery(Time sent) const { return recovering_ && sent <= recovery_start_; }
    void cut(Time now, double floor, double beta);
    void follow_marks(const EcnEvent &ecn);
    void collapse(Time now);
    static double bridged(double rate, Duration min_rtt, Duration ack_spacing);
    double low_loss_floor(const LossEvent &loss) const;
    static bool low_loss(const LossEvent &loss);

    double cwnd_, ssthresh_;
    double w_max_ = 0, k_ = 0, w_est_ = 0;
    Time epoch_; // 0: the curve begins with the next ACK
    Time recovery_start_, last_ack_;
    Shape before_;          // for undoing
    uint64_t unproven_ = 0; // bytes of the present reduction not yet shown to be spurious
    WindowedMax<uint64_t> rate_;
    Time train_start_;         // since then the link has had a queue to send from
    uint32_t train_bytes_ = 0; // delivered since
    HyStart hystart_;
    Time marks_round_; // scalable ECN: marks are counted a round trip, from here on
    uint32_t marks_ = 0, marks_of_ = 0;
    float marks_share_ = 1; // smoothed
    uint32_t mtu_;
    uint32_t srtt_us_ = 0;
    float growth_share_ = 1;
    bool recovering_ = false;
    bool undoable_ = false;
    bool held_by_floor_ = false; // the reduction stopped at the low-loss floor
};
static_assert(sizeof(Cubic) <= 280);

} // namespace plait::recovery
