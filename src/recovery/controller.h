// SPDX-License-Identifier: Apache-2.0
// The interface of congestion controllers: how many bytes may be in flight on one link, and how
// fast they go out. A controller sees events of whole ACKs, never packets; it keeps no time but
// what the events carry, and is given back with the rest of a link's hot state.
#pragma once

#include "base/time.h"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>

namespace plait::recovery {

struct AckEvent {
    Time now;
    uint64_t bytes = 0; // newly acknowledged, in flight
    Time largest_sent_time;
    uint64_t in_flight_before = 0;
    Duration rtt;  // this ACK's sample; 0 if it brought none
    Duration srtt; // of the path: own forward and own return direction
    Duration min_rtt;
    bool has_fwd = false;
    Duration fwd;               // one-way delay plus a constant; only differences mean something
    Duration queue_delay;       // what of the forward delay is queue
    bool app_limited = false;   // the window was not the limit during the last round trip
    bool own_return = true;     // `rtt` is of this link in both directions
    uint64_t in_flight = 0;     // now
    uint64_t delivery_rate = 0; // bytes/s, 0 = no sample
    bool rate_app_limited = false;
    uint64_t sample_delivered = 0; // bytes that arrived while the rate sample was taken
    uint64_t sample_in_flight = 0; // what was in flight when its packet was sent
    Duration ack_spacing;          // asked of the peer; 0: it does as usual
};

struct LossEvent {
    Time now;
    uint64_t bytes = 0;
    Time largest_lost_sent_time;
    bool persistent = false;  // RFC 9002 section 7.6
    uint32_t recent_lost = 0; // of the newest recent_total (<= 100) settled packets
    uint32_t recent_total = 0;
    Duration min_rtt;
    Duration queue_delay;
    Duration ack_spacing;
};

struct EcnEvent {
    Time now;
    Time sent_time;        // of the newest packet that the ACK tells of
    uint64_t marked = 0;   // packets with CE, of
    uint64_t acked = 0;    // newly acknowledged ones; 0 marked of some is told, too, if scalable
    bool scalable = false; // RFC 9331: give way by the share of marks
};

enum class ControllerKind : uint8_t {
    kCubic = 0,     // unknown, shared bottleneck; fills the queue
    kFixedRate = 1, // a line of known rate that belongs to us
    kBbr = 2,       // unknown, shared bottleneck; keeps the queue short
};

// How a controller looks for more than it was known to get, and stops.
enum class Probe : uint8_t { kNone, kBegan, kEnded };

class Controller {
  public:
    static constexpr uint64_t kUnlimited = std::numeric_limits<uint64_t>::max();

    virtual ~Controller() = default;
    virtual void on_sent(Time now, uint64_t bytes, uint64_t in_flight) = 0;
    virtual void on_acked(const AckEvent &ack) = 0;
    virtual void on_lost(const LossEvent &loss) = 0;
    // `bytes` reported lost before were acknowledged after all; the oldest was sent at `sent_time`.
    virtual void on_spurious(Time now, uint64_t bytes, Time sent_time) = 0;
    // Packets met a queue that marks.
    virtual void on_ecn(const EcnEvent &ecn) = 0;
    // Nothing was in flight for long: what was known of the path is old.
    virtual void on_idle(Time now) = 0;
    // Packets are now this large.
    virtual void set_mtu(size_t mtu) = 0;
    // A window known from before is where slow start ends.
    virtual void remember(uint64_t cwnd) = 0;
    // A new one goes on where another, of the same link, stood before a long sleep: from no more
    // than its window (RFC 5681 section 4.1), with slow start up to `threshold`, 0: as far as it
    // goes.
    virtual void resume(uint64_t cwnd, uint64_t threshold) = 0;
    // Links that share a bottleneck grow by their share of the sum (1 = alone).
    virtual void set_growth_share(double) {}
    // What the latest ACK has led to.
    virtual Probe probe() const { return Probe::kNone; }
    // So does this one, as a link that shares its bottleneck: all together probe as one would.
    virtual void follow(Probe, Time) {}
    virtual void set_line_rate(uint64_t) {}

    virtual uint64_t cwnd() const = 0; // bytes
    // Up to where slow start would go if it began anew now; 0: nothing is known.
    virtual uint64_t threshold() const { return 0; }
    virtual uint64_t pacing_rate() const = 0; // bytes/s; kUnlimited: no pacing
    // What the link delivers, where that was measured; 0: a window in a round trip is all that is
    // known.
    virtual uint64_t measured_rate() const { return 0; } // bytes/s
    virtual bool in_slow_start() const = 0;
    virtual const char *name() const = 0;
};

// RFC 9002 section 7.2.
uint64_t initial_window(size_t mtu);
inline constexpr uint64_t kMinWindowPackets = 2;

// `rate` (bytes/s) is for kFixedRate.
std::unique_ptr<Controller> make_controller(ControllerKind kind, size_t mtu, uint64_t rate);

} // namespace plait::recovery
