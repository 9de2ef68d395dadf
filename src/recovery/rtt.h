// SPDX-License-Identifier: Apache-2.0
// How long a link takes: the round trip (RFC 9002 section 5) and the two one-way delays
// (docs/protocol.md, Links).
//
// Every ACK carries the moment at which the peer received the largest packet, on the peer's clock.
// The offset between the clocks is unknown, so a one-way delay alone means nothing; but the offset
// is the same for every link of a connection and for every moment (but for a drift of some 100
// ppm), so that differences mean exactly what they say.
#pragma once

#include "base/time.h"
#include "recovery/windowed.h"

#include <cstdint>

namespace plait::recovery {

inline constexpr Duration kGranularity = base::millis(1);  // RFC 9002 section 6.1.2
inline constexpr Duration kInitialRtt = base::millis(333); // RFC 9002 section 6.2.2

class RttEstimator {
  public:
    // One round trip, taken from a newly acknowledged largest packet. `ack_delay` is what the peer
    // reports to have waited, already limited to its promised maximum.
    void on_sample(Duration latest, Duration ack_delay, Time now);
    // What was known of this path before. Counts as no sample: the first one replaces it.
    void set_initial(Duration srtt, Duration rttvar);
    void set_initial(Duration srtt) { set_initial(srtt, srtt / 2); }
    // RFC 9002 section 5.2: after persistent congestion the next sample starts a new minimum.
    void forget_min() { min_stale_ = true; }
    void reset() { *this = RttEstimator{}; }

    bool has_sample() const { return has_sample_; }
    bool known() const { return has_sample_ || restored_; }
    Duration srtt() const { return srtt_; }
    Duration rttvar() const { return rttvar_; }
    Duration min_rtt() const { return min_rtt_; }
    Duration latest() const { return latest_; }
    Time first_sample_time() const { return first_; }
    Time last_sample_time() const { return last_; }
    // Probe timeout without backoff: RFC 9002 section 6.2.1.
    Duration pto(Duration max_ack_delay) const;

  private:
    Duration srtt_ = kInitialRtt;
    Duration rttvar_ = kInitialRtt / 2;
    Duration min_rtt_ = kInitialRtt;
    Duration latest_ = kInitialRtt;
    Time first_, last_;
    bool has_sample_ = false;
    bool restored_ = false; // set_initial()
    bool min_stale_ = false;
};

class OneWayDelay {
  public:
    static constexpr Duration kMinWindow = base::seconds(10);

    // An ACK of a packet sent on this link at `sent`: the peer received it at `rx_time_us`.
    void on_forward(Time sent, uint32_t rx_time_us, Time now);
    // An ACK that arrived over this link at `arrival`, `ack_delay` after what it acknowledges was
    // received at `rx_time_us`; it may be the acknowledgement of another link's packet.
    void on_return(Time arrival, uint32_t rx_time_us, Duration ack_delay);
    void reset() { *this = OneWayDelay{}; }

    bool has_forward() const { return fwd_.known; }
    bool has_return() const { return ret_.known; }
    // Latest, least (10 s) and smoothed forward delay plus an unknown constant of this link: use
    // them only in differences with one another. Between links use difference().
    Duration fwd_relative() const { return {fwd_.latest}; }
    Duration fwd_min() const { return {fwd_.known ? fwd_.min.best() : 0}; }
    Duration fwd_smoothed() const { return {fwd_.smoothed}; }
    Duration ret_relative() const { return {ret_.latest}; }
    Duration ret_min() const { return {ret_.known ? ret_.min.best() : 0}; }
    // How long packets wait in queues on the way there: smoothed forward delay above its least.
    Duration queue_delay() const;
    // Latest forward delay above its least: the same, without smoothing.
    Duration queue_delay_now() const;

    // By how much a packet takes longer on `a` than on `b`, links of one connection. Needs forward
    // samples on both.
    static Duration difference(const OneWayDelay &a, const OneWayDelay &b);
    // The same for the way back.
    static Duration return_difference(const OneWayDelay &a, const OneWayDelay &b);

  private:
    // A 32-bit difference of two clocks, unwrapped against the one before.
    struct Direction {
        WindowedMin<int64_t> min;
        int64_t latest = 0, smoothed = 0;
        bool known = false;
        void add(uint32_t modular, Time now);
    };
    Direction fwd_, ret_;
};

} // namespace plait::recovery
