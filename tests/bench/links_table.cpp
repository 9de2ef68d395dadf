// SPDX-License-Identifier: Apache-2.0
// What several links carry together, and how long their loss is felt: a table of targets and
// results, from the simulator's world, so that it is the same on every machine.
//
//     links_table [--seeds N] [--only TEXT] [--list] [--links] [--bbr]
//
// --bbr: BBRv3 in place of CUBIC; the targets that are printed stay those of CUBIC.
// A link is written Mbit/s / RTT ms, its queue in multiples of rate x RTT. Shares are of the sum of
// the rates, less what a full packet spends on headers: unique bytes that the application got over
// (sum of rates x 1419 / 1452). The links are validated and cold when a transfer begins. Of several
// seeds the worst is shown. docs/protocol.md section 7 has the mechanisms.
#include "links_rows.h"

#include "crypto/init.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace plait::sim {
namespace {

// -- aggregation

// Unique bytes over what the links carry, in percent, between two moments of a transfer.
double share_between(uint64_t seed, const std::vector<LinkPlan> &links, double queue, double loss,
                     Duration from, Duration until) {
    Bench b(seed, ways_of(links, queue, loss));
    Flow &bulk = b.open(endless());
    b.world.run_for(from);
    const uint64_t before = bulk.accepter().received;
    b.world.run_for(until - from);
    const double got = static_cast<double>(bulk.accepter().received - before);
    return 100 * got / (capacity(links) * static_cast<double>((until - from).us) / 1e6);
}

struct Aggregate {
    const char *name;
    std::vector<LinkPlan> links;
    double steady, whole;
};

void aggregation(Table &t) {
    const Aggregate rows[] = {
        {"20/20 alone", {{20, 20}}, 97.5, 96.5},
        {"50/10 alone", {{50, 10}}, 97.5, 96.5},
        {"20/20 + 20/20", {{20, 20}, {20, 20}}, 97.5, 96.5},
        {"50/10 + 10/60", {{50, 10}, {10, 60}}, 97, 95.5},
        {"20/10 + 5/50", {{20, 10}, {5, 50}}, 97.5, 97},
        {"100/10 + 10/100", {{100, 10}, {10, 100}}, 97, 93},
        {"50/20 + 50/200", {{50, 20}, {50, 200}}, 97, 88},
        {"50/30 + 40/60", {{50, 30}, {40, 60}}, 97, 92},
        {"20/20 + 10/40 + 5/80 + 2/30", {{20, 20}, {10, 40}, {5, 80}, {2, 30}}, 97, 94},
    };
    for (const Aggregate &r : rows)
        for (const int queue : {1, 2}) {
            const std::string name =
                std::string(r.name) + ", queue " + std::to_string(queue) + " BDP";
            t.run({name + ", first 10 s", Sense::kAtLeast, r.whole, "%", [&](uint64_t seed) {
                       return share_between(seed, r.links, queue, 0, {}, seconds(10));
                   }});
            t.run({name + ", 10 to 40 s", Sense::kAtLeast, r.steady, "%", [&](uint64_t seed) {
                       return share_between(seed, r.links, queue, 0, seconds(10), seconds(40));
                   }});
        }
    const std::vector<LinkPlan> equal{{20, 20}, {20, 20}}, unequal{{50, 10}, {10, 60}};
    t.run({"20/20 alone, 1 % loss, 10 to 40 s", Sense::kAtLeast, 94, "%", [&](uint64_t seed) {
               return share_between(seed, {{20, 20}}, 1, 0.01, seconds(10), seconds(40));
           }});
    t.run({"50/10 alone, queue 0.1 BDP, 10 to 40 s", Sense::kAtLeast, 85, "%", [&](uint64_t seed) {
               return share_between(seed, {{50, 10}}, 0.1, 0, seconds(10), seconds(40));
           }});
    t.run({"20/20 + 20/20, 1 % loss, 10 to 40 s", Sense::kAtLeast, 94, "%", [&](uint64_t seed) {
               return share_between(seed, equal, 1, 0.01, seconds(10), seconds(40));
           }});
    t.run({"50/10 + 10/60, 1 % loss, 10 to 40 s", Sense::kAtLeast, 90, "%", [&](uint64_t seed) {
               return share_between(seed, unequal, 1, 0.01, seconds(10), seconds(40));
           }});
    t.run(
        {"50/10 + 10/60, queue 0.1 BDP, 10 to 40 s", Sense::kAtLeast, 85, "%", [&](uint64_t seed) {
             return share_between(seed, unequal, 0.1, 0, seconds(10), seconds(40));
         }});
}

// -- waiting

// How long what is sent waits in the queue of the worst link at p95 of the time, as a multiple of
// that link's round trip.
double waiting(uint64_t seed, const std::vector<LinkPlan> &links, double queue) {
    Bench b(seed, ways_of(links, queue));
    b.open(endless());
    b.world.run_for(seconds(10));
    std::vector<std::vector<double>> waits(links.size());
    for (int ms = 0; ms < 30'000; ms++) {
        b.world.run_for(millis(1));
        for (size_t i = 0; i < links.size(); i++)
            waits[i].push_back(
                static_cast<double>(b.pair.wires[i]->pipe(0).queue().backlog(b.world.now())) /
                static_cast<double>(rate_of(links[i])));
    }
    double worst = 0;
    for (size_t i = 0; i < links.size(); i++) {
        std::sort(waits[i].begin(), waits[i].end());
        const double p95 = waits[i][waits[i].size() * 95 / 100];
        if (tell_links)
            std::printf("    link %zu waits %.2f ms\n", i, p95 * 1000);
        worst = std::max(worst, p95 * 1000 / static_cast<double>(links[i].rtt_ms));
    }
    return worst;
}

// What BBRv3 is for; CUBIC fills every queue.
void queueing(Table &t) {
    const std::pair<const char *, std::vector<LinkPlan>> rows[] = {
        {"20/20 alone", {{20, 20}}},
        {"50/10 alone", {{50, 10}}},
        {"20/20 + 20/20", {{20, 20}, {20, 20}}},
        {"50/10 + 10/60", {{50, 10}, {10, 60}}},
        {"50/30 + 40/60", {{50, 30}, {40, 60}}},
    };
    if (controller == recovery::ControllerKind::kBbr)
        for (const auto &[name, links] : rows)
            t.run({std::string(name) + ", queue 2 BDP, wait at p95", Sense::kAtMost, 0.25, "RTT",
                   [&links = links](uint64_t seed) { return waiting(seed, links, 2); }});
}

// -- transfers that end

double seconds_for(uint64_t seed, const std::vector<Pair::Way> &ways, uint64_t bytes) {
    Bench b(seed, ways);
    Flow &flow = b.open(stream_plan(bytes));
    const Nanos begun = b.world.now();
    b.world.must([&] { return flow.accepter().received >= bytes; }, seconds(600), "it is there");
    return static_cast<double>(b.world.now() - begun) / 1e9;
}

// A return path of 115200 baud: the engine knows nothing of it.
Pair::Way narrow_return(const LinkPlan &l) {
    Pair::Way way = way_of(l, 1);
    way.back.rate = k115200;
    way.back.queue = 16 << 10;
    return way;
}

void transfers(Table &t) {
    const LinkPlan fast{50, 10}, slow{10, 60};
    const std::pair<uint64_t, double> sizes[] = {
        {100'000, 1.02}, {1'000'000, 1.02}, {5'000'000, 0.88}};
    for (const auto &[bytes, target] : sizes)
        for (const int queue : {1, 2}) {
            char name[80];
            std::snprintf(name, sizeof name, "50/10 + 10/60, queue %d BDP, %.1f MB to fast alone",
                          queue, static_cast<double>(bytes) / 1e6);
            t.run({name, Sense::kAtMost, target, "x", [&, bytes = bytes](uint64_t seed) {
                       return seconds_for(seed, ways_of({fast, slow}, queue), bytes) /
                              seconds_for(seed, ways_of({fast}, queue), bytes);
                   }});
        }
    const LinkPlan serial{0, 1, true};
    const std::vector<LinkPlan> both{{10, 20}, serial}, best{{10, 20}};
    t.run({"10/20 + 115200 baud, 10 MB, rate to 10/20 alone", Sense::kAtLeast, 1, "x",
           [&](uint64_t seed) {
               return seconds_for(seed, ways_of(best, 1), 10'000'000) /
                      seconds_for(seed, ways_of(both, 1), 10'000'000);
           }});
    t.run({"10/20 + 115200 baud, 0.1 MB, rate to 10/20 alone", Sense::kAtLeast, 1, "x",
           [&](uint64_t seed) {
               return seconds_for(seed, ways_of(best, 1), 100'000) /
                      seconds_for(seed, ways_of(both, 1), 100'000);
           }});
    t.run({"100/20, return 115200 baud, 30 MB, rate to free return", Sense::kAtLeast, 0.95, "x",
           [&](uint64_t seed) {
               return seconds_for(seed, ways_of({{100, 20}}, 1), 30'000'000) /
                      seconds_for(seed, {narrow_return({100, 20})}, 30'000'000);
           }});
}

// -- a rate step

// Seconds until a second's worth of goodput is at 90 % of what the links then carry.
double step_recovery(uint64_t seed, double queue) {
    const std::vector<LinkPlan> links{{50, 20}, {50, 20}};
    Bench b(seed, ways_of(links, queue));
    Flow &bulk = b.open(endless());
    b.world.run_for(seconds(10));
    b.pair.wires[1]->each_pipe([&](Pipe &p) { p.set_rate(625'000, b.world.now()); });
    const double enough = 0.9 * 55 * 125'000 * kPayloadShare;
    std::vector<uint64_t> marks{bulk.accepter().received};
    constexpr int kPerSecond = 10, kWindow = 5;
    for (int i = 0; i < 20 * kPerSecond; i++) {
        b.world.run_for(micros(1'000'000 / kPerSecond));
        marks.push_back(bulk.accepter().received);
        if (i < kWindow)
            continue;
        const uint64_t fresh = marks.back() - marks[marks.size() - 1 - kWindow];
        if (static_cast<double>(fresh) * kPerSecond / kWindow >= enough)
            return static_cast<double>(i + 1 - kWindow) / kPerSecond;
    }
    return 20;
}

void rate_step(Table &t) {
    for (const int queue : {1, 2})
        t.run({"50/20 + 50/20, one becomes 5, queue " + std::to_string(queue) + " BDP, to 90 %",
               Sense::kAtMost, 2, "s", [&](uint64_t seed) { return step_recovery(seed, queue); }});
}

// -- failover

FlowPlan pings(uint32_t count) {
    FlowPlan p = message_plan(count, 0, 64, 64);
    p.config.priority_class = 0;
    p.there.interval = millis(20);
    return p;
}

// The longest time between two pings that were delivered, in ms. An ordered channel hands them
// over in their order, so the n-th latency is the n-th ping's.
double longest_gap(const Flow &flow) {
    const FlowEnd &to = const_cast<Flow &>(flow).accepter(),
                  &from = const_cast<Flow &>(flow).opener();
    uint64_t gap = 0;
    for (size_t i = 1; i < to.latencies.size(); i++) {
        const uint64_t before = from.sent_at[i - 1] / 1000 + to.latencies[i - 1],
                       now = from.sent_at[i] / 1000 + to.latencies[i];
        gap = std::max(gap, now - std::min(now, before));
    }
    return static_cast<double>(gap) / 1000;
}

enum class Cut : uint8_t { kBoth, kForward, kReturn, kNotice };

void cut(Bench &b, size_t which, Cut how) {
    Wire &wire = *b.pair.wires[which];
    if (how != Cut::kReturn)
        wire.pipe(0).model.cut = true;
    if (how != Cut::kForward)
        wire.pipe(1).model.cut = true;
    if (how != Cut::kNotice)
        return;
    for (SimNode *n : {b.pair.a, b.pair.z}) {
        n->engine().endpoint_down(n->endpoints()[which]->index, nullptr, n->local_time());
        n->poke();
    }
}

double ping_gap(uint64_t seed, const std::vector<LinkPlan> &links, double queue, bool loaded,
                Cut how) {
    Bench b(seed, ways_of(links, queue));
    if (loaded)
        b.open(endless());
    Flow &flow = b.open(pings(400));
    b.world.run_for(seconds(4) + micros(static_cast<int64_t>(mix(seed) % 40'000)));
    cut(b, 0, how);
    b.world.must([&] { return flow.accepter().received >= 400; }, seconds(30), "pings are there");
    return longest_gap(flow);
}

// The longest time in which the reader of bulk gets nothing, in ms, in the second after the cut.
// Later ones are not the cut's: whenever the survivor's queue has dropped a packet, an ordered
// stream waits for a whole round trip with that queue, 180 ms on 10/60 with 2 BDP.
double bulk_stall(uint64_t seed, const std::vector<LinkPlan> &links, double queue, Cut how) {
    Bench b(seed, ways_of(links, queue));
    Flow &bulk = b.open(endless());
    b.world.run_for(seconds(6) + micros(static_cast<int64_t>(mix(seed) % 40'000)));
    cut(b, 0, how);
    uint64_t seen = bulk.accepter().received;
    int64_t since = 0, longest = 0;
    constexpr int64_t kLooked = 1000;
    for (int64_t ms = 0; ms < kLooked; ms++) {
        b.world.run_for(millis(1));
        if (bulk.accepter().received == seen)
            continue;
        longest = std::max(longest, ms - since);
        since = ms;
        seen = bulk.accepter().received;
    }
    return static_cast<double>(std::max(longest, kLooked - since));
}

// A link that goes and comes every 300 ms, beside a good one: the rate to the good one alone.
double flapping(uint64_t seed, const std::vector<LinkPlan> &links) {
    Bench b(seed, ways_of(links, 1));
    Flow &bulk = b.open(endless());
    b.world.run_for(seconds(4));
    const uint64_t before = bulk.accepter().received;
    for (int i = 0; i < 50; i++) {
        b.pair.wires[0]->set_cut(i % 2 == 0);
        b.world.run_for(millis(300));
    }
    const double got = static_cast<double>(bulk.accepter().received - before) / 15;
    return got / capacity({links.begin() + 1, links.end()});
}

// A radio that sleeps now and then: the share of the two links while it does.
double sleeping(uint64_t seed, int64_t sleep_ms) {
    const std::vector<LinkPlan> links{{20, 20}, {20, 20}};
    std::vector<Pair::Way> ways = ways_of(links, 2);
    for (PipeModel *m : {&ways[0].forth, &ways[0].back}) {
        m->sleep = millis(sleep_ms);
        m->sleep_period = seconds(2);
        m->queue *= 10; // it holds what comes meanwhile
    }
    Bench b(seed, ways);
    Flow &bulk = b.open(endless());
    b.world.run_for(seconds(5));
    const uint64_t before = bulk.accepter().received;
    b.world.run_for(seconds(20));
    return 100 * static_cast<double>(bulk.accepter().received - before) / (20 * capacity(links));
}

struct Failover {
    const char *name;
    std::vector<LinkPlan> links;
    double idle;  // ms, the longest gap
    double queue; // ms that the survivor's queue holds at 2 BDP
};

void failover(Table &t) {
    const Failover rows[] = {
        {"20/20 -> 20/20", {{20, 20}, {20, 20}}, 55, 40},
        {"50/10 -> 10/60", {{50, 10}, {10, 60}}, 85, 120},
        {"10/20 -> 2/200", {{10, 20}, {2, 200}}, 235, 400},
    };
    for (const Failover &r : rows) {
        const std::string name = std::string("pings, ") + r.name;
        t.run({name + " cut", Sense::kAtMost, r.idle, "ms",
               [&](uint64_t seed) { return ping_gap(seed, r.links, 1, false, Cut::kBoth); }});
        t.run({name + " cut, return only", Sense::kAtMost, r.idle, "ms",
               [&](uint64_t seed) { return ping_gap(seed, r.links, 1, false, Cut::kReturn); }});
        t.run({name + " cut, there only", Sense::kAtMost, r.idle, "ms",
               [&](uint64_t seed) { return ping_gap(seed, r.links, 1, false, Cut::kForward); }});
        t.run({name + " cut under bulk, queue 2 BDP", Sense::kAtMost, r.idle + r.queue, "ms",
               [&](uint64_t seed) { return ping_gap(seed, r.links, 2, true, Cut::kBoth); }});
    }
    const std::vector<LinkPlan> equal{{20, 20}, {20, 20}}, unequal{{50, 10}, {10, 60}},
        serial{{20, 20}, {0, 1, true}};
    t.run({"pings, 20/20 -> 20/20, down notice", Sense::kAtMost, 31, "ms",
           [&](uint64_t seed) { return ping_gap(seed, equal, 1, false, Cut::kNotice); }});
    t.run({"pings, 20/20 -> 115200 baud cut", Sense::kAtMost, 85, "ms",
           [&](uint64_t seed) { return ping_gap(seed, serial, 1, false, Cut::kBoth); }});
    t.run({"bulk stall, 20/20 -> 20/20, queue 1 BDP", Sense::kAtMost, 70, "ms",
           [&](uint64_t seed) { return bulk_stall(seed, equal, 1, Cut::kBoth); }});
    t.run({"bulk stall, 50/10 -> 10/60, queue 1 BDP", Sense::kAtMost, 110, "ms",
           [&](uint64_t seed) { return bulk_stall(seed, unequal, 1, Cut::kBoth); }});
    t.run({"bulk stall, 50/10 -> 10/60, queue 2 BDP", Sense::kAtMost, 170, "ms",
           [&](uint64_t seed) { return bulk_stall(seed, unequal, 2, Cut::kBoth); }});
    t.run({"bulk stall, 20/20 -> 20/20, return cut", Sense::kAtMost, 70, "ms",
           [&](uint64_t seed) { return bulk_stall(seed, equal, 1, Cut::kReturn); }});
    t.run({"20/20 flaps every 300 ms, rate to 20/20 alone", Sense::kAtLeast, 0.975, "x",
           [&](uint64_t seed) { return flapping(seed, equal); }});
    t.run({"50/10 flaps every 300 ms, rate to 10/60 alone", Sense::kAtLeast, 0.975, "x",
           [&](uint64_t seed) { return flapping(seed, unequal); }});
    for (const int64_t ms : {100, 200})
        t.run({"20/20 sleeps " + std::to_string(ms) + " ms in 2 s, + 20/20", Sense::kAtLeast, 90,
               "%", [&](uint64_t seed) { return sleeping(seed, ms); }});
}

int run(int argc, char **argv) {
    uint64_t seeds = 1;
    std::string only;
    bool list = false;
    for (int i = 1; i < argc; i++) {
        const bool more = i + 1 < argc;
        if (std::strcmp(argv[i], "--seeds") == 0 && more)
            seeds = std::max<uint64_t>(1, std::strtoull(argv[++i], nullptr, 10));
        else if (std::strcmp(argv[i], "--only") == 0 && more)
            only = argv[++i];
        else if (std::strcmp(argv[i], "--list") == 0)
            list = true;
        else if (std::strcmp(argv[i], "--links") == 0)
            tell_links = true;
        else if (std::strcmp(argv[i], "--bbr") == 0)
            controller = recovery::ControllerKind::kBbr;
    }
    Table t(seeds, only, list);
    aggregation(t);
    queueing(t);
    transfers(t);
    rate_step(t);
    failover(t);
    sharing(t);
    return list ? 0 : t.end();
}

} // namespace
} // namespace plait::sim

int main(int argc, char **argv) {
    return plait::crypto::init() == PLAIT_OK ? plait::sim::run(argc, argv) : 1;
}
