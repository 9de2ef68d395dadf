// SPDX-License-Identifier: Apache-2.0
// A line of known rate that belongs to us (serial, a radio with fixed slots): nothing to probe for.
// Packets go out at the line's rate, and the window is what the line holds during a round trip plus
// two packets for the driver, so that a lost ACK stops it before a queue builds up. Loss on such a
// line is noise, never congestion.
#pragma once

#include "recovery/controller.h"

namespace plait::recovery {

class FixedRate final : public Controller {
  public:
    // An ACK may wait behind two packets of 20 ms that go the other way.
    static constexpr Duration kAllowance = base::millis(40);
    static constexpr uint64_t kDriverPackets = 2;

    FixedRate(size_t mtu, uint64_t rate) : rate_(rate), mtu_(mtu) {}

    void on_sent(Time, uint64_t, uint64_t) override {}
    void on_acked(const AckEvent &ack) override { min_rtt_ = ack.min_rtt; }
    void on_lost(const LossEvent &) override {}
    void on_spurious(Time, uint64_t, Time) override {}
    void on_ecn(const EcnEvent &) override {}
    void on_idle(Time) override {}
    void set_mtu(size_t mtu) override { mtu_ = mtu; }
    void remember(uint64_t) override {}
    void resume(uint64_t, uint64_t) override {}
    void set_line_rate(uint64_t rate) override { rate_ = rate; }

    uint64_t cwnd() const override;
    uint64_t pacing_rate() const override { return rate_ ? rate_ : 1; }
    bool in_slow_start() const override { return false; }
    const char *name() const override { return "fixed"; }

  private:
    uint64_t rate_;
    uint64_t mtu_;
    Duration min_rtt_;
};

} // namespace plait::recovery
