// SPDX-License-Identifier: Apache-2.0
// One bottleneck for several: the part of links_table about who gets what of it.
#include "links_rows.h"

#include <memory>

namespace plait::sim {
namespace {

// Connections from a node each, whose links all go through one queue.
struct Crowd {
    World world;
    std::vector<std::unique_ptr<Pair>> pairs;
    std::vector<Flow *> flows;

    // A connection for each entry, with a link for each round trip in ms.
    Crowd(uint64_t seed, double mbit, double queue, const std::vector<std::vector<int64_t>> &rtts)
        : world(mix(seed), Options{.check_invariants = false, .verbose = false}) {
        const LinkPlan whole{mbit, 20};
        const PipeModel line = way_of(whole, queue).forth;
        const auto common = std::make_shared<Queue>(line.rate, line.queue);
        for (const auto &links : rtts) {
            std::vector<Pair::Way> ways;
            for (const int64_t rtt : links)
                ways.push_back(way_of({mbit, rtt}, queue));
            pairs.push_back(std::make_unique<Pair>(world, ways, setup(), setup()));
            for (Wire *wire : pairs.back()->wires)
                wire->pipe(0).share(common);
            pairs.back()->connect();
        }
        for (auto &p : pairs)
            flows.push_back(&open_flow(world, *p->a, p->at_a, endless()));
    }
    ~Crowd() {
        for (size_t i = 0; tell_links && i < pairs.size(); i++)
            for (size_t k = 0; k < pairs[i]->wires.size(); k++) {
                const node::LinkInfo l = pairs[i]->link_info(*pairs[i]->a, k);
                std::printf("    %zu, link %zu: sent %" PRIu64 ", lost %" PRIu64 ", cwnd %" PRIu64
                            ", rtt %" PRId64 " us%s\n",
                            i, k, l.packets_sent, l.packets_lost, l.cwnd, l.srtt.us,
                            l.shares_bottleneck ? ", coupled" : "");
            }
    }
    // What each got in that time.
    std::vector<double> run(Duration from, Duration until) {
        world.run_for(from);
        std::vector<double> got;
        for (Flow *f : flows)
            got.push_back(-static_cast<double>(f->accepter().received));
        world.run_for(until - from);
        for (size_t i = 0; i < flows.size(); i++)
            got[i] += static_cast<double>(flows[i]->accepter().received);
        return got;
    }
};

double first_of_all(const std::vector<double> &got) {
    double sum = 0;
    for (const double g : got)
        sum += g;
    return 100 * got[0] / sum;
}

double jain(const std::vector<double> &got) {
    double sum = 0, squares = 0;
    for (const double g : got) {
        sum += g;
        squares += g * g;
    }
    return sum * sum / (static_cast<double>(got.size()) * squares);
}

} // namespace

void sharing(Table &t) {
    for (const int queue : {1, 2}) {
        const std::string of = ", queue " + std::to_string(queue) + " BDP, 20 to 60 s";
        for (const int mbit : {10, 20, 50})
            t.run({"two links 20 + one foreign 20 in " + std::to_string(mbit) + of, Sense::kAtMost,
                   55, "%", [&](uint64_t seed) {
                       Crowd c(seed, mbit, queue, {{20, 20}, {20}});
                       return first_of_all(c.run(seconds(20), seconds(60)));
                   }});
        t.run({"two links 20, 30 + one foreign 20 in 50" + of, Sense::kAtMost, 55, "%",
               [&](uint64_t seed) {
                   Crowd c(seed, 50, queue, {{20, 30}, {20}});
                   return first_of_all(c.run(seconds(20), seconds(60)));
               }});
        t.run({"four equal ones in 50, Jain" + of, Sense::kAtLeast, 0.95, "", [&](uint64_t seed) {
                   Crowd c(seed, 50, queue, {{20}, {20}, {20}, {20}});
                   return jain(c.run(seconds(20), seconds(60)));
               }});
        t.run({"two equal pairs in 50, Jain" + of, Sense::kAtLeast, 0.95, "", [&](uint64_t seed) {
                   Crowd c(seed, 50, queue, {{20, 20}, {20, 20}});
                   return jain(c.run(seconds(20), seconds(60)));
               }});
        t.run({"two links 20, 30 alone in 50" + of, Sense::kAtLeast, 97, "%", [&](uint64_t seed) {
                   Crowd c(seed, 50, queue, {{20, 30}});
                   return 100 * c.run(seconds(20), seconds(60))[0] / (40 * capacity({{50, 20}}));
               }});
    }
}

} // namespace plait::sim
