// SPDX-License-Identifier: Apache-2.0
// Receive memory as credit. A channel holds, for each byte that the peer may send and the reader
// has not taken, one byte of its connection's budget, which holds it of the node's: so the sum over
// all channels of (limit - read) never exceeds either, whatever the peers do.
// docs/protocol.md section 6.6.
#pragma once

#include "base/assert.h"
#include "base/time.h"

#include <algorithm>
#include <cstdint>
#include <utility>

namespace plait::channel {

inline constexpr uint64_t kPartForFirst = 8; // an eighth of the memory is for first windows only

class Pools;

class NodeBudget {
  public:
    explicit NodeBudget(uint64_t total) : total_(total) {}
    uint64_t total() const { return total_; }
    uint64_t used() const { return used_; }
    uint64_t left() const { return total_ - used_; }
    // What pledges have not been made on.
    uint64_t unpledged() const { return left() - std::min(left(), pledged_); }
    void pledge(uint64_t n) { pledged_ += n; }
    void unpledge(uint64_t n) {
        PLAIT_ASSERT(n <= pledged_);
        pledged_ -= n;
    }
    void take(uint64_t n) {
        PLAIT_ASSERT(n <= left());
        used_ += n;
    }
    void give(uint64_t n) {
        PLAIT_ASSERT(n <= used_);
        used_ -= n;
    }
    // Where the memory comes from: the same for all channels of the node.
    void set_pools(Pools &pools) { pools_ = &pools; }
    Pools &pools() const { return *pools_; }

  private:
    uint64_t total_, used_ = 0, pledged_ = 0;
    Pools *pools_ = nullptr;
};

// What the channels of a connection take in one go, without an acknowledgement in between, where
// their send buffers' size is left to us: the time until the application looks after its node again
// counts into the round trips, and these into the buffers' size.
inline constexpr uint64_t kSendBurst = 1u << 20, kSendBurstLeast = 64u << 10;
// If that takes longer, what each channel may keep in any case is enough.
inline constexpr Duration kSendBurstTime = base::millis(2);

class ConnectionBudget {
  public:
    ConnectionBudget(NodeBudget &node, uint64_t share) : node_(node), share_(share) {}
    ConnectionBudget(const ConnectionBudget &) = delete;
    ConnectionBudget &operator=(const ConnectionBudget &) = delete;
    ~ConnectionBudget() {
        node_.unpledge(pledged_);
        node_.give(used_);
    }

    void set_pools(Pools &pools) { node_.set_pools(pools); }
    Pools &pools() const { return node_.pools(); }

    uint64_t share() const { return share_; }
    uint64_t used() const { return used_; } // what is promised included
    uint64_t promised() const { return promised_; }
    uint64_t left() const { return std::min(share_ - used_, node_.left()); }
    // What windows may grow into. The rest is for the first window of channels to come: those that
    // are not read and hold what they have must not keep them from opening.
    uint64_t spare() const {
        const uint64_t own = share_ - used_, all = node_.left();
        return std::min(own - std::min(own, share_ / kPartForFirst),
                        all - std::min(all, node_.total() / kPartForFirst));
    }

    // Sets bytes aside for channels that the peer may open: to be done before MAX_CHANNELS tells
    // it, INITIAL_WINDOW bytes each. False if there are not so many.
    bool promise(uint64_t bytes) {
        if (bytes > left())
            return false;
        node_.take(bytes);
        used_ += bytes;
        promised_ += bytes;
        return true;
    }
    // A promise to one who has not proven to be there: windows in use may still grow into it, only
    // what is promised after it is less. redeem() makes it a promise; false if it was used up.
    void pledge(uint64_t bytes) {
        node_.pledge(bytes);
        pledged_ += bytes;
    }
    bool redeem() {
        node_.unpledge(pledged_);
        return promise(std::exchange(pledged_, 0));
    }
    void withdraw_promise(uint64_t bytes) {
        PLAIT_ASSERT(bytes <= promised_);
        promised_ -= bytes;
        give(bytes);
    }
    // The first bytes of a channel that the peer opened: what was promised, and beyond it what
    // there is. Returns how many.
    uint64_t take_promised(uint64_t bytes) {
        const uint64_t n = std::min(bytes, promised_);
        promised_ -= n;
        return n + take(bytes - n);
    }
    // As many of `bytes` as there are.
    uint64_t take(uint64_t bytes) {
        const uint64_t n = std::min(bytes, left());
        node_.take(n);
        used_ += n;
        return n;
    }
    void give(uint64_t bytes) {
        PLAIT_ASSERT(bytes <= used_ - promised_);
        used_ -= bytes;
        node_.give(bytes);
    }

    uint64_t take_spare(uint64_t bytes) { return take(std::min(bytes, spare())); }

    // 2 x sum of the links' rates x the longest RTT: what windows and send buffers grow to.
    void set_bdp(uint64_t bytes) { bdp_ = bytes; }
    uint64_t bdp() const { return bdp_; }
    // The smoothed RTT by which windows are tuned and losses forgiven (on loss: close).
    void set_srtt(Duration srtt) { srtt_ = srtt; }
    Duration srtt() const { return srtt_; }

    // How long the shortest way to the peer takes at least, as far as is known; 0: nothing is.
    void set_shortest_way(Duration d) { shortest_way_ = d; }
    Duration shortest_way() const { return shortest_way_; }

    // Channels that have more to send than each may keep in any case: they share what the line's
    // speed asks for.
    void set_bulk(bool was, bool is) {
        PLAIT_ASSERT(bulk_ > 0 || !was);
        bulk_ += static_cast<uint32_t>(is) - static_cast<uint32_t>(was);
    }
    // Of one that is, or would be, among them.
    uint64_t send_share(bool is) const { return 2 * bdp_ / (bulk_ + (is ? 0 : 1)); }
    // Of one of them, in one go.
    uint64_t send_burst() const {
        return std::max(kSendBurst / std::max(bulk_, 1u), kSendBurstLeast);
    }

    // The longest encoding window that the peer takes; 0: it knows no REPAIR.
    void set_repair_window(uint64_t bytes) {
        repair_window_ = static_cast<uint32_t>(std::min<uint64_t>(bytes, UINT32_MAX));
    }
    uint64_t repair_window() const { return repair_window_; }
    // What the connection has sent and lost up to now.
    void set_packets(uint64_t sent, uint64_t lost) {
        const auto s = static_cast<uint32_t>(sent), l = static_cast<uint32_t>(lost);
        recent_sent_ += s - std::exchange(packets_sent_, s);
        const auto more = static_cast<int32_t>(l - std::exchange(packets_lost_, l));
        recent_lost_ += static_cast<uint32_t>(std::max(more, 0)); // less: some were not lost
        while (recent_sent_ > kRecentPackets) {
            recent_sent_ /= 2;
            recent_lost_ /= 2;
        }
    }
    // The share of packets that are lost, of the last few hundred. Until it is known: 1 %.
    double loss() const {
        return (static_cast<double>(recent_lost_) + 0.5) / (static_cast<double>(recent_sent_) + 50);
    }

  private:
    static constexpr uint64_t kRecentPackets = 256;
    NodeBudget &node_;
    uint32_t repair_window_ = 0;
    uint32_t packets_sent_ = 0, packets_lost_ = 0; // what was told last, modulo 2^32
    uint32_t recent_sent_ = 0, recent_lost_ = 0;
    uint32_t bulk_ = 0;
    uint64_t share_, used_ = 0, promised_ = 0, pledged_ = 0, bdp_ = 0;
    Duration srtt_ = base::millis(100);
    Duration shortest_way_{};
};

} // namespace plait::channel
