// SPDX-License-Identifier: Apache-2.0
// Which link takes the next packet (docs/protocol.md section 7, Scheduler). A scheduler sees links
// as numbers only: what each would take, and when a packet given to it now would be there. It keeps
// no state, so that a connection may ask another one for each channel.
//
// Aggregation is by earliest arrival, as ECF (Lim et al., CoNEXT 2017) and BLEST (Ferlin et al.,
// IFIP Networking 2016) have it: a slower link gets a packet only if that one would arrive before
// the rest of what waits has gone out over the others. So it holds neither the last bytes nor the
// peer's receive window.
#pragma once

#include "base/time.h"
#include "link/policy.h"

#include <cstddef>
#include <cstdint>
#include <span>

namespace plait::link {

// A link, as far as choosing goes.
struct Way {
    bool ready = false;      // takes a packet now
    bool slow_start = false; // its rate doubles with each round trip
    Duration wait;           // until it takes one
    Duration forward;        // from there to the peer, plus a constant that is the same for all
    Duration rtt;            // of its feedback
    uint64_t rate = 1;       // bytes a second
    uint64_t window = 0;     // bytes a round trip
    uint64_t ahead = 0;      // bytes in its driver
    uint64_t packet = 64;    // bytes of a full one

    // When `bytes` more given to it now would be there.
    Duration arrival(uint64_t bytes) const;
    // What it delivers of what it is given from now on, until `t`.
    double delivered_by(Duration t) const;
};

// What waits to be sent.
struct Demand {
    uint64_t backlog = 0; // bytes that may be sent, this packet's included
    bool urgent = false;  // small, or lost before: nothing counts but when it arrives
};

struct Choice {
    static constexpr size_t kNone = SIZE_MAX;
    size_t way = kNone;
    uint64_t bytes = 0; // so many for certain; then it is to be asked again
    explicit operator bool() const { return way != kNone; }
};

class Scheduler {
  public:
    virtual ~Scheduler() = default;
    // `ways`: those that the policy allows (allowed_ways()), in the order in which they were added.
    virtual Choice choose(std::span<const Way> ways, const Demand &demand) const = 0;
};

// The one that a policy asks for.
const Scheduler &scheduler_for(PolicyKind kind);

} // namespace plait::link
