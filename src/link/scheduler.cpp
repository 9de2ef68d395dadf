// SPDX-License-Identifier: Apache-2.0
#include "link/scheduler.h"

#include <algorithm>
#include <cmath>

namespace plait::link {

Duration Way::arrival(uint64_t bytes) const {
    const double line = static_cast<double>(ahead + bytes) * 1e6 / static_cast<double>(rate);
    return wait + forward + Duration{static_cast<int64_t>(std::min(line, 1e12))};
}

double Way::delivered_by(Duration t) const {
    const double us = static_cast<double>((t - wait - forward).us);
    if (us <= 0)
        return 0;
    const double steady = us * static_cast<double>(rate) / 1e6;
    if (!slow_start || rtt.us <= 0)
        return steady;
    const double rounds = std::min(us / static_cast<double>(rtt.us), 30.0);
    return std::max(steady, static_cast<double>(window) * (std::exp2(rounds) - 1));
}

namespace {

// The earliest arrival of a full packet, of all and of those that take one now.
struct Earliest {
    size_t best = Choice::kNone, ready = Choice::kNone;
    Duration best_in{}, ready_in{};
};

Earliest earliest(std::span<const Way> ways) {
    Earliest e;
    for (size_t i = 0; i < ways.size(); i++) {
        const Duration in = ways[i].arrival(ways[i].packet);
        if (e.best == Choice::kNone || in < e.best_in) {
            e.best = i;
            e.best_in = in;
        }
        if (ways[i].ready && (e.ready == Choice::kNone || in < e.ready_in)) {
            e.ready = i;
            e.ready_in = in;
        }
    }
    return e;
}

class Aggregate final : public Scheduler {
  public:
    Choice choose(std::span<const Way> ways, const Demand &demand) const override {
        const Earliest e = earliest(ways);
        if (e.ready == Choice::kNone)
            return {};
        if (e.ready == e.best)
            return {e.ready, UINT64_MAX};
        if (demand.urgent)
            return {}; // the best one is busy, and still sooner
        double elsewhere = 0;
        for (size_t i = 0; i < ways.size(); i++)
            if (i != e.ready)
                elsewhere += ways[i].delivered_by(e.ready_in);
        const double spare = static_cast<double>(demand.backlog) - elsewhere;
        if (spare <= 0)
            return {};
        return {e.ready, static_cast<uint64_t>(spare) + 1};
    }
};

class LowestLatency final : public Scheduler {
  public:
    Choice choose(std::span<const Way> ways, const Demand &) const override {
        const Earliest e = earliest(ways);
        if (e.ready == Choice::kNone || e.ready != e.best)
            return {};
        return {e.ready, ways[e.ready].packet};
    }
};

} // namespace

const Scheduler &scheduler_for(PolicyKind kind) {
    static const Aggregate aggregate;
    static const LowestLatency lowest;
    switch (kind) {
    case PolicyKind::kLowestLatency:
    case PolicyKind::kRedundant: return lowest; // the copies go elsewhere afterwards
    case PolicyKind::kDefault:
    case PolicyKind::kAggregate:
    case PolicyKind::kFailover: // its policy leaves one link
    case PolicyKind::kPinned: break;
    }
    return aggregate;
}

} // namespace plait::link
