// SPDX-License-Identifier: Apache-2.0
// Datagram Packetization Layer Path MTU Discovery (RFC 8899): how large a datagram this link
// carries. Sizes are whole datagrams as the transport takes them (UDP payload).
//
// The search goes over sizes that exist in the world rather than over all numbers: first the
// largest that Ethernet carries, then upwards as far as the transport says it goes, or downwards by
// halves. Probes are PING + PADDING; their loss is not congestion. There is no timer of its own:
// probe() is asked when there is something to send anyway.
#pragma once

#include "base/time.h"

#include <cstddef>
#include <cstdint>
#include <optional>

namespace plait::recovery {

struct MtuConfig {
    size_t base = 1200;  // known to work, or assumed so (RFC 8899 section 5.1.2, BASE_PLPMTU)
    size_t limit = 1472; // the largest the transport takes
    bool fixed = false;  // the transport's frames have one size: no search
};

// What was found, for a link that sleeps.
struct MtuMemory {
    uint32_t mtu = 0, base = 0, limit = 0, failed = 0; // mtu 0: nothing
    Time raise_at;
    bool complete = false;
    template <class Self, class P> static void fields(Self &s, P &&p) {
        p(s.mtu), p(s.base), p(s.limit), p(s.failed), p(s.raise_at), p(s.complete);
    }
};

class MtuSearch {
  public:
    static constexpr uint32_t kMaxProbes = 3;       // tries a size, RFC 8899 section 5.1.2
    static constexpr uint32_t kBlackHoleLosses = 6; // large packets in a row
    static constexpr uint32_t kBlackHoleTimeouts = 3;
    static constexpr uint32_t kLeast = 256; // no path that is worth using carries less
    static constexpr Duration kRaiseInterval = base::seconds(600); // PMTU_RAISE_TIMER

    explicit MtuSearch(const MtuConfig &config);

    size_t mtu() const { return mtu_; }
    size_t base() const { return base_; }
    bool searching() const { return !fixed_ && !complete_; }

    // The size of the probe to send now, if one is due; it counts as sent.
    std::optional<size_t> probe(Time now);
    void on_probe_acked(size_t size, Time now);
    void on_probe_lost(size_t size, Time now);
    // The probe was never sent.
    void on_probe_cancelled() { in_flight_ = 0; }
    // Nothing will be heard of it: the link is taken for dead, perhaps only because of the probe.
    void on_probe_given_up(Time now) {
        if (in_flight_)
            on_probe_lost(in_flight_, now);
    }

    // Ordinary packets, for finding out that large ones vanish while small ones arrive.
    void on_acked(size_t size, Time sent);
    // True if the loss made it fall back to the base, or below.
    bool on_lost(size_t size, Time sent);
    bool on_timeout(uint32_t pto_count);
    // The transport takes no more than `limit` now (a report, or EMSGSIZE for limit + 1).
    void set_limit(size_t limit);
    // The path changed: begin again.
    void reset();
    MtuMemory remember() const { return {mtu_, base_, limit_, failed_, raise_at_, complete_}; }
    // Goes on with it, within what the transport takes now.
    void restore(const MtuMemory &memory);

  private:
    size_t next_size() const;
    void finish(Time now);
    bool fall_back(uint32_t failed);
    bool lower_base();
    uint32_t step_down() const;

    uint32_t base_, limit_, mtu_;
    uint32_t wanted_base_;   // as configured; base_ is less where not even that passes
    uint32_t failed_ = 0;    // the least size known not to pass; 0 = none
    uint32_t in_flight_ = 0; // size of the probe on its way; 0 = none
    uint8_t tries_ = 0;      // lost probes of the present size
    uint8_t large_lost_ = 0;
    bool fixed_, complete_ = false;
    Time raise_at_;
    // Send times of the newest acknowledged packets: of more than the next step down, and of less.
    Time large_acked_, small_acked_;
};

} // namespace plait::recovery
