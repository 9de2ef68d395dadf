// SPDX-License-Identifier: Apache-2.0
// What all rows of links_table are made of.
#pragma once

#include "scenario.h"

#include <cinttypes>
#include <cstdio>
#include <optional>

namespace plait::sim {

using base::micros;
using base::millis;
using base::seconds;

constexpr double kPayloadShare = 1419.0 / 1452.0;
constexpr uint64_t k115200 = 11'520; // bytes a second

struct LinkPlan {
    double mbit;
    int64_t rtt_ms;
    bool serial = false;
};

inline uint64_t rate_of(const LinkPlan &l) {
    return l.serial ? k115200 : static_cast<uint64_t>(l.mbit * 125'000);
}

inline Pair::Way way_of(const LinkPlan &l, double queue, double loss = 0) {
    PipeModel m;
    m.delay = micros(l.rtt_ms * 500);
    if (l.serial)
        return {m, serial_endpoint(k115200), 4096};
    m.rate = rate_of(l);
    const double bdp = static_cast<double>(m.rate) * static_cast<double>(l.rtt_ms) / 1000;
    m.queue = std::max<uint64_t>(static_cast<uint64_t>(bdp * queue), 3 * 1452);
    m.loss = loss;
    return m;
}

inline double capacity(const std::vector<LinkPlan> &links) {
    double sum = 0;
    for (const LinkPlan &l : links)
        sum += static_cast<double>(rate_of(l));
    return sum * kPayloadShare;
}

inline FlowPlan endless() {
    return stream_plan(uint64_t{1} << 40);
}

inline bool tell_links = false; // how each fared, after each run
inline auto controller = recovery::ControllerKind::kCubic;

inline NodeSetup setup() {
    NodeSetup s;
    s.config.controller = controller;
    return s;
}

// A world with two nodes and these links, all good; bulk from a to z.
struct Bench {
    World world;
    Pair pair;

    Bench(uint64_t seed, const std::vector<Pair::Way> &ways)
        : world(mix(seed), Options{.check_invariants = false, .verbose = false}),
          pair(world, ways, setup(), setup()) {
        pair.connect();
        world.run_for(seconds(2)); // cold
    }
    ~Bench() {
        if (!tell_links)
            return;
        std::printf("  %.2f s:\n", static_cast<double>(world.now()) / 1e9);
        for (size_t i = 0; i < pair.wires.size(); i++) {
            const node::LinkInfo l = pair.link_info(*pair.a, i);
            std::printf("    link %zu: sent %" PRIu64 ", lost %" PRIu64 ", spurious %" PRIu64
                        ", cwnd %" PRIu64 ", in flight %" PRIu64 ", rtt %" PRId64 " (%" PRId64
                        " +- %" PRId64 ") us, %s: %s\n",
                        i, l.packets_sent, l.packets_lost, l.packets_spurious, l.cwnd, l.in_flight,
                        l.srtt.us, l.min_rtt.us, l.rttvar.us, to_string(l.state), l.reason);
        }
    }
    Flow &open(const FlowPlan &plan) { return open_flow(world, *pair.a, pair.at_a, plan); }
};

inline std::vector<Pair::Way> ways_of(const std::vector<LinkPlan> &links, double queue,
                                      double loss = 0) {
    std::vector<Pair::Way> ways;
    for (const LinkPlan &l : links)
        ways.push_back(way_of(l, queue, loss));
    return ways;
}

// -- one row

enum class Sense : uint8_t { kAtLeast, kAtMost };

struct Row {
    std::string name;
    Sense sense;
    double target;
    const char *unit;
    std::function<double(uint64_t seed)> measure;
};

class Table {
  public:
    Table(uint64_t seeds, std::string only, bool list)
        : seeds_(seeds), only_(std::move(only)), list_(list) {}

    void run(const Row &row) {
        if (row.name.find(only_) == std::string::npos)
            return;
        if (list_)
            return static_cast<void>(std::printf("%s\n", row.name.c_str()));
        std::optional<double> worst;
        for (uint64_t seed = 1; seed <= seeds_; seed++) {
            double value = 0;
            try {
                value = row.measure(seed);
            } catch (const Failure &f) {
                std::printf("%-58s seed %" PRIu64 ": %s\n", row.name.c_str(), seed, f.what());
                failed_++;
                return;
            }
            const bool worse =
                !worst || (row.sense == Sense::kAtLeast ? value < *worst : value > *worst);
            if (worse)
                worst = value;
        }
        const bool met = row.sense == Sense::kAtLeast ? *worst >= row.target : *worst <= row.target;
        missed_ += !met;
        std::printf("%-58s %s %8.2f %8.2f %-3s %s\n", row.name.c_str(),
                    row.sense == Sense::kAtLeast ? ">=" : "<=", row.target, *worst, row.unit,
                    met ? "" : "MISSED");
        std::fflush(stdout);
    }
    int end() const {
        std::printf("missed: %d, failed: %d\n", missed_, failed_);
        return failed_ != 0;
    }

  private:
    uint64_t seeds_;
    std::string only_;
    bool list_;
    int missed_ = 0, failed_ = 0;
};

// Several through one bottleneck (links_sharing.cpp).
void sharing(Table &t);

} // namespace plait::sim
