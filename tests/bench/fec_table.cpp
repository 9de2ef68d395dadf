// SPDX-License-Identifier: Apache-2.0
// How many messages come in time over a lossy line, and what it costs: with nothing against losses,
// with repetition, with forward error correction, with both. Of the simulator's world, so that it
// is the same on every machine.
//
//     fec_table [--seconds N] [--seed N]
//
// In time: a message that the application reads within the deadline after it was given to send.
// Overhead: bytes sent again and bytes of repair symbols, in per cent of the application's.
#include "scenario.h"

#include "crypto/init.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace plait::sim {
namespace {

using base::micros;
using base::millis;
using base::seconds;

constexpr Duration kDeadline = millis(150);
constexpr uint64_t kRate = 2'500'000, kDriver = 20'000; // bytes a second, bytes in its queue

struct Kind {
    const char *name;
    size_t size;
    Duration interval;
};
constexpr Kind kKinds[] = {
    {"video, 1,000 bytes every 4 ms", 1000, millis(4)},
    {"speech, 160 bytes every 20 ms", 160, millis(20)},
};

struct Loss {
    const char *name;
    double loss;
    Bursts bursts;
};
const Loss kLosses[] = {
    {"none", 0, {}},   {"1 %", 0.01, {}}, {"2 %", 0.02, {}},
    {"5 %", 0.05, {}}, {"10 %", 0.1, {}}, {"5 % in runs of 3", 0, {0.0175, 0.333, 1}},
};

struct Result {
    double in_time = 0, overhead = 0;
};

Result measure(const Kind &kind, const Loss &loss, Duration rtt, bool resend, bool fec,
               uint32_t count, uint64_t seed) {
    World w(mix(seed), Options{.check_invariants = false, .verbose = false});
    // A radio of known rate: the controller does not take its losses for a full queue, so that the
    // code alone is compared.
    PipeModel m;
    m.delay = rtt / 2;
    Pair p(w, {{m, serial_endpoint(kRate, 1452), kDriver}});
    p.connect();
    p.wires[0]->each_pipe([&](Pipe &pipe) {
        pipe.model.loss = loss.loss;
        pipe.model.bursts = loss.bursts;
    });
    FlowPlan plan = message_plan(count, 0, kind.size, kind.size);
    plan.config = channel::datagram();
    plan.config.fec = fec;
    if (resend) {
        plan.config.resend = wire::Resend::kUntilDeadline;
        plan.config.resend_parameter = static_cast<uint64_t>(kDeadline.us);
    }
    plan.there.interval = kind.interval;
    Flow &flow = open_flow(w, *p.a, p.at_a, plan);
    w.must([&] { return flow.over(); }, kind.interval * count + seconds(300), "over");
    size_t in_time = 0;
    for (const uint64_t us : flow.accepter().latencies)
        in_time += us <= static_cast<uint64_t>(kDeadline.us);
    const channel::Stats &s = flow.opener().stats;
    return {100.0 * static_cast<double>(in_time) / count,
            100.0 * static_cast<double>(s.bytes_resent + s.repair_bytes_sent) /
                static_cast<double>(s.bytes_sent)};
}

void print_table(int64_t length, uint64_t seed) {
    for (const Kind &kind : kKinds) {
        const auto count = static_cast<uint32_t>(seconds(length).us / kind.interval.us);
        std::printf("%s, deadline %d ms, %u messages\n", kind.name,
                    static_cast<int>(kDeadline.us / 1000), count);
        std::printf("%-18s %7s | %8s | %8s %8s | %8s %8s | %8s %8s\n", "", "", "nothing", "resend",
                    "", "FEC", "", "both", "");
        std::printf("%-18s %7s | %8s | %8s %8s | %8s %8s | %8s %8s\n", "loss", "RTT", "in time",
                    "in time", "overhead", "in time", "overhead", "in time", "overhead");
        for (const int64_t rtt : {50, 200})
            for (const Loss &loss : kLosses) {
                const auto run = [&](bool resend, bool fec) {
                    return measure(kind, loss, millis(rtt), resend, fec, count, seed);
                };
                const Result none = run(false, false), again = run(true, false),
                             fec = run(false, true), both = run(true, true);
                std::printf("%-18s %4d ms | %6.2f %% | %6.2f %% %6.1f %% | %6.2f %% %6.1f %% | "
                            "%6.2f %% %6.1f %%\n",
                            loss.name, static_cast<int>(rtt), none.in_time, again.in_time,
                            again.overhead, fec.in_time, fec.overhead, both.in_time, both.overhead);
                std::fflush(stdout);
            }
        std::printf("\n");
    }
}

} // namespace
} // namespace plait::sim

int main(int argc, char **argv) {
    int64_t length = 40;
    uint64_t seed = 1;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (std::strcmp(argv[i], "--seconds") == 0)
            length = std::atoll(argv[i + 1]);
        else if (std::strcmp(argv[i], "--seed") == 0)
            seed = std::strtoull(argv[i + 1], nullptr, 10);
    }
    if (plait::crypto::init() != PLAIT_OK)
        return 1;
    plait::sim::print_table(length, seed);
    return 0;
}
