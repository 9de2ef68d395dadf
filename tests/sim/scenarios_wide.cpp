// SPDX-License-Identifier: Apache-2.0
// A line so long and so fast that more is on it than anywhere else: what numbers, records, windows
// and acknowledgements have to hold. PLAIT_SIM_WIDE=24 has sixteen million packets in flight, for
// ten minutes and 10 GB (`sim --scenario sim_wide_ledger_is_filled_without_loss --once --patience
// 3000`); the usual run has fewer and tests the same limit, lowered.
#include "recovery/sent.h"
#include "scenario.h"

#include <cinttypes>
#include <cstdlib>

namespace plait::sim {
namespace {

using base::millis;
using base::seconds;

constexpr unsigned kUsualLog2 = 16, kMostLog2 = 24;
constexpr uint32_t kSmallPacket = 72; // bytes; of larger ones a simulation could not hold so many
constexpr uint64_t kMostInPacket = kSmallPacket - wire::kTagSize - 11; // bytes of a channel

uint64_t packets_asked_for() {
    const char *text = std::getenv("PLAIT_SIM_WIDE");
    const unsigned long log2 = text ? std::strtoul(text, nullptr, 10) : kUsualLog2;
    return uint64_t{1} << std::clamp<unsigned long>(log2, 10, kMostLog2);
}

// The ledger fills up, and nothing is called lost or sent twice for it. From then on packets get
// lost at the rate given, and all arrives nevertheless.
void fills_the_ledger(World &w, double loss) {
    const uint64_t packets = packets_asked_for();
    w.allow_steps(12 * packets);
    PipeModel line = wire_of(0, millis(300), 0);
    line.mtu = kSmallPacket;
    NodeSetup a, z;
    a.config.max_packets_in_flight = static_cast<uint32_t>(packets);
    z.config.receive_memory = z.config.connection_receive_memory = 18 * packets * kMostInPacket;
    link::EndpointInfo narrow = udp_endpoint();
    narrow.mtu = kSmallPacket;
    Pair p(w, {{line, narrow, 0}}, std::move(a), std::move(z));
    p.connect(seconds(30));
    FlowPlan plan = stream_plan(6 * packets * kMostInPacket); // most of it while windows grow
    plan.config.send_buffer = 3 * packets * kMostInPacket;
    Flow &f = open_flow(w, *p.a, p.at_a, plan);
    // The rest is for probes and ACKs.
    const uint64_t rest = std::min<uint64_t>(packets / 8, recovery::SentLedger::kMostReserved);
    const auto in_flight = [&] {
        const node::LinkInfo i = p.link_info(*p.a, 0);
        if (i.packets_lost > 0)
            w.fail("%" PRIu64 " packets were called lost and none was", i.packets_lost);
        return i.packets_sent - i.packets_acked;
    };
    w.must([&] { return in_flight() >= packets - rest || f.accepter().end; }, seconds(120),
           "the ledger is full");
    const uint64_t most = in_flight();
    if (most > packets || most < packets - rest)
        w.fail("%" PRIu64 " packets were in flight, %" PRIu64 " may be", most, packets);
    p.wires[0]->pipe(0).model.loss = loss;
    w.must([&] { return f.accepter().end; }, seconds(120), "all has arrived");
    if (const auto lost = p.link_info(*p.a, 0).packets_lost; (lost > 0) != (loss > 0))
        w.fail("%" PRIu64 " packets were called lost", lost);
    p.finish_flows(seconds(10));
}

void without_loss(World &w) {
    fills_the_ledger(w, 0);
}
void with_loss(World &w) {
    fills_the_ledger(w, 0.005);
}

constexpr Scenario kScenarios[] = {
    {"sim_wide_ledger_is_filled_without_loss", without_loss, 1},
    {"sim_wide_ledger_is_filled_and_repeats_what_is_lost", with_loss, 1},
};

} // namespace

std::span<const Scenario> wide_scenarios() {
    return kScenarios;
}

} // namespace plait::sim
