// SPDX-License-Identifier: Apache-2.0
#include "recovery/mtu.h"

#include <algorithm>
#include <array>

namespace plait::recovery {

namespace {
// UDP payloads over IPv6 and IPv4: the least IPv6 link, tunnels, Ethernet, jumbo frames, loopback.
constexpr std::array<uint32_t, 11> kSizes = {1232, 1280, 1350, 1400,  1452, 1472,
                                             4048, 8952, 8972, 16384, 65507};
constexpr uint32_t kEthernet = 1472;
} // namespace

MtuSearch::MtuSearch(const MtuConfig &config)
    : base_(static_cast<uint32_t>(std::min(config.base, config.limit))),
      limit_(static_cast<uint32_t>(config.limit)), mtu_(config.fixed ? limit_ : base_),
      wanted_base_(base_), fixed_(config.fixed) {}

// The next size worth a probe; 0 if there is none between what passes and what does not.
size_t MtuSearch::next_size() const {
    uint32_t candidates[kSizes.size() + 1];
    size_t n = 0;
    const uint32_t top = failed_ ? std::min(failed_ - 1, limit_) : limit_;
    for (const uint32_t size : kSizes)
        if (size > mtu_ && size < top)
            candidates[n++] = size;
    if (top > mtu_ && top == limit_)
        candidates[n++] = limit_;
    if (n == 0)
        return 0;
    if (failed_)
        return candidates[n / 2];
    for (size_t i = n; i-- > 0;)
        if (candidates[i] <= kEthernet)
            return candidates[i];
    return candidates[0];
}

void MtuSearch::finish(Time now) {
    complete_ = true;
    raise_at_ = now + kRaiseInterval;
}

std::optional<size_t> MtuSearch::probe(Time now) {
    if (fixed_ || in_flight_)
        return std::nullopt;
    if (complete_) {
        if (now < raise_at_ || mtu_ >= limit_)
            return std::nullopt;
        complete_ = false;
        failed_ = 0;
        tries_ = 0;
    }
    const size_t size = next_size();
    if (size == 0) {
        finish(now);
        return std::nullopt;
    }
    in_flight_ = static_cast<uint32_t>(size);
    return size;
}

void MtuSearch::on_probe_acked(size_t size, Time now) {
    if (size == in_flight_)
        in_flight_ = 0;
    if (size > limit_ || size <= mtu_)
        return;
    mtu_ = static_cast<uint32_t>(size);
    base_ = std::max(base_, std::min(wanted_base_, mtu_));
    tries_ = 0;
    if (failed_ && failed_ <= size)
        failed_ = 0;
    if (next_size() == 0)
        finish(now);
}

void MtuSearch::on_probe_lost(size_t size, Time now) {
    if (size != in_flight_)
        return;
    in_flight_ = 0;
    if (++tries_ < kMaxProbes)
        return;
    tries_ = 0;
    failed_ = static_cast<uint32_t>(size);
    if (next_size() == 0)
        finish(now);
}

// Of what size packets are that the next step down would do without.
uint32_t MtuSearch::step_down() const {
    return mtu_ > base_ ? base_ : std::max(mtu_ / 2, kLeast);
}

void MtuSearch::on_acked(size_t size, Time sent) {
    if (size <= step_down()) {
        small_acked_ = std::max(small_acked_, sent);
        return;
    }
    large_acked_ = std::max(large_acked_, sent);
    large_lost_ = 0;
}

bool MtuSearch::fall_back(uint32_t failed) {
    large_lost_ = 0;
    if (fixed_ || mtu_ <= base_)
        return false;
    failed_ = failed;
    mtu_ = base_;
    in_flight_ = 0;
    tries_ = 0;
    complete_ = false;
    return true;
}

// RFC 8899 section 4.3. Loss in a burst is congestion; what tells a black hole is that nothing
// large that was sent later came through. The base is given up only if something small did: without
// that it is an outage, and timeouts are told apart by on_timeout().
bool MtuSearch::on_lost(size_t size, Time sent) {
    if (size <= step_down() || sent <= large_acked_ || (mtu_ <= base_ && sent > small_acked_))
        return false;
    if (++large_lost_ < kBlackHoleLosses)
        return false;
    // What passed a while ago does not any more: search below it, and not above for a while.
    return mtu_ > base_ ? fall_back(mtu_) : lower_base();
}

bool MtuSearch::on_timeout(uint32_t pto_count) {
    // Nothing at all comes through: small packets have the better chance, but no size is proven
    // bad.
    return pto_count >= kBlackHoleTimeouts && (fall_back(0) || lower_base());
}

// The base does not pass either (RFC 8899 section 5.2, the error state): less, until something
// does. Large probes bring it back.
bool MtuSearch::lower_base() {
    if (fixed_ || mtu_ <= kLeast)
        return false;
    mtu_ = base_ = std::max(mtu_ / 2, kLeast);
    large_lost_ = 0;
    in_flight_ = 0;
    tries_ = 0;
    complete_ = false;
    return true;
}

void MtuSearch::set_limit(size_t limit) {
    const auto new_limit = static_cast<uint32_t>(limit);
    if (new_limit > limit_)
        complete_ = false;
    limit_ = new_limit;
    if (fixed_)
        mtu_ = limit_;
    mtu_ = std::min(mtu_, limit_);
    base_ = std::min(base_, limit_);
    if (in_flight_ > limit_)
        in_flight_ = 0;
}

void MtuSearch::restore(const MtuMemory &memory) {
    if (fixed_ || memory.mtu == 0)
        return;
    mtu_ = memory.mtu;
    base_ = memory.base;
    failed_ = memory.failed;
    raise_at_ = memory.raise_at;
    complete_ = memory.complete;
    const uint32_t takes = limit_;
    limit_ = memory.limit;
    set_limit(takes);
}

void MtuSearch::reset() {
    base_ = std::min(wanted_base_, limit_);
    mtu_ = fixed_ ? limit_ : base_;
    failed_ = in_flight_ = 0;
    tries_ = large_lost_ = 0;
    complete_ = false;
    large_acked_ = small_acked_ = {};
}

} // namespace plait::recovery
