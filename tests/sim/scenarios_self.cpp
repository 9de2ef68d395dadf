// SPDX-License-Identifier: Apache-2.0
// The simulator's own tests: a checker that can't fail proves nothing.
#include "scenario.h"

#include <cmath>

namespace plait::sim {
namespace {

using base::millis;
using base::seconds;

template <class F> bool fails(F &&f) {
    try {
        f();
    } catch (const Failure &) {
        return true;
    }
    return false;
}

void wrong_bytes(World &w) {
    std::vector<uint8_t> b(1000);
    const uint64_t key = w.rng().next(), offset = w.rng().below(10'000);
    fill_content(key, offset, b);
    if (first_wrong(key, offset, b) != -1)
        w.fail("right content is found wrong");
    for (const auto &[wrong_key, wrong_offset] :
         {std::pair{key + 1, offset}, {key, offset + 1}, {key, offset + 8}})
        if (first_wrong(wrong_key, wrong_offset, b) == -1)
            w.fail("content of another place passes");
    const size_t at = w.rng().below(b.size());
    b[at] ^= 1;
    if (first_wrong(key, offset, b) != static_cast<int64_t>(at) ||
        content_at(key, offset + at) == b[at])
        w.fail("a wrong byte passes");
}

void pipe_shares(World &w) {
    PipeModel m;
    m.rate = 1'000'000;
    m.loss = 0.1;
    m.duplicate = 0.2;
    m.queue = 10'000;
    Pipe pipe(m, w.rng().fork());
    std::array<Pipe::Arrival, 2> out;
    size_t count = 0, arrived = 0;
    constexpr size_t kSent = 10'000;
    for (size_t i = 0; i < kSent; i++) { // 1 ms apart, 1,000 bytes: the line is just not full
        pipe.pass(i * 1'100'000, 1000, out, count);
        arrived += count;
        if (count > 0 && out[0].at < i * 1'100'000 + 1'000'000 + nanos(m.delay))
            w.fail("faster than the line");
    }
    if (std::abs(static_cast<double>(arrived) / kSent - 0.9 * 1.2) > 0.03)
        w.fail("%zu of %zu arrived", arrived, kSent);
    for (size_t i = 0; i < 100; i++) // all at once: ten fit
        pipe.pass(nanos(seconds(1000)), 1000, out, count);
    if (pipe.counters().dropped_by_queue < 60)
        w.fail("the queue has no end");
}

void conditions_fail(World &w) {
    if (!fails([&] { w.must([] { return false; }, millis(10), "never"); }))
        w.fail("a condition that never holds passes");
    if (!fails([&] {
            std::function<void()> again = [&] { w.after(Duration{0}, again); };
            again();
            w.run_for(millis(1));
        }))
        w.fail("a clock that stands still passes");
}

void clock_drifts(World &w) {
    SimNode &a = w.add_node("a");
    Time last = a.local_time();
    const Time begun = last;
    for (int i = 0; i < 1000; i++) {
        w.run_for(millis(37));
        if (a.local_time() <= last)
            w.fail("a clock goes back");
        last = a.local_time();
    }
    if (std::abs((last - begun).us - 37'000'000) > 3'701)
        w.fail("a clock drifts by %lld us in 37 s",
               static_cast<long long>((last - begun).us - 37'000'000));
}

// The checker of flows notices a peer that was cheated: the flow's key is not what was sent with.
void forged_flow(World &w) {
    Pair p(w, {PipeModel{}});
    p.connect();
    Flow &flow = open_flow(w, *p.a, p.at_a, stream_plan(10'000));
    flow.opener().sent = 5'000; // now more comes than the checker knows of
    if (!fails([&] { p.finish_flows(seconds(5)); }))
        w.fail("a flow with bytes that were never sent passes");
}

constexpr Scenario kScenarios[] = {
    {"sim_self_wrong_bytes_are_noticed", wrong_bytes, 5},
    {"sim_self_pipe_shares_are_kept", pipe_shares, 5},
    {"sim_self_conditions_can_fail", conditions_fail, 2},
    {"sim_self_clocks_drift_forward", clock_drifts, 5},
    {"sim_self_forged_flow_is_noticed", forged_flow, 2},
};

} // namespace

std::span<const Scenario> self_scenarios() {
    return kScenarios;
}

} // namespace plait::sim
