// SPDX-License-Identifier: Apache-2.0
// Who waits for whom: flow control within a memory budget, and the order in which channels send.
// docs/protocol.md section 6.6, architecture.md. Bounds are those of the line, not of the engine.
#include "scenario.h"

#include <cinttypes>

namespace plait::sim {
namespace {

using base::micros;
using base::millis;
using base::seconds;

constexpr uint64_t kMega = 1'000'000;

node::Config with_windows(uint64_t initial, uint64_t share, uint32_t channels) {
    node::Config c;
    c.initial_window = initial;
    c.connection_receive_memory = c.receive_memory = share;
    c.max_channels_per_peer = channels;
    return c;
}

NodeSetup setup_of(node::Config c) {
    NodeSetup s;
    s.config = std::move(c);
    return s;
}

// Runs until `done`, and z's memory for what is unread stays within its budget at every moment.
template <class F>
void within_budget(World &w, Pair &p, uint64_t budget, Duration limit, const char *what, F &&done) {
    w.must(
        [&] {
            if (const uint64_t held = p.z->engine().stats().receive_memory; held > budget)
                w.fail("z holds %" PRIu64 " bytes of %" PRIu64, held, budget);
            return done();
        },
        limit, what);
}

double seconds_since(const World &w, Nanos begun) {
    return static_cast<double>(w.now() - begun) / 1e9;
}

// -- stalled readers

void hundreds_stall(World &w) {
    const uint64_t budget = w.rng().range(8, 32) << 20;
    Pair p(w, {wire_of(5 * kMega, w.rng().between(millis(1), millis(20)), 100'000)},
           some_setup(w.rng()), setup_of(with_windows(16384, budget, 512)));
    p.connect();
    w.run_for(seconds(1)); // z allows more channels as long as nobody else needs the memory
    FlowPlan stalls = stream_plan(100'000);
    stalls.stall = seconds(12);
    stalls.stall_at = 0;
    for (int i = 0; i < 300; i++)
        open_flow(w, *p.a, p.at_a, stalls);
    within_budget(w, p, budget, seconds(8), "all that may be sent to stalled readers is there",
                  [&] {
                      uint64_t arrived = 0;
                      for (const auto &f : w.flows()) {
                          if (!f->accepter().node)
                              return false;
                          const auto i = p.z->engine().channel_info(f->accepter().channel);
                          arrived += i.ok() && i->receive_queue >= 4096;
                      }
                      return arrived == 300;
                  });
    const auto read = [&] {
        uint64_t n = 0;
        for (size_t i = 0; i < 300; i++)
            n += w.flows()[i]->accepter().received;
        return n;
    };
    const uint64_t read_before = read();
    // Nobody else notices.
    const Nanos begun = w.now();
    Flow &bulk = open_flow(w, *p.a, p.at_a, stream_plan(4 * kMega));
    Flow &pings = open_flow(w, *p.a, p.at_a, ping_plan(50, millis(10)));
    within_budget(w, p, budget, seconds(20), "the others are over",
                  [&] { return bulk.over() && pings.over(); });
    if (const double s = seconds_since(w, begun); s > 4.0 / 5 / 0.6 + 0.3)
        w.fail("4 MB took %.2f s at 5 MB/s", s);
    if (read() != read_before)
        w.fail("a stalled reader read");
    within_budget(w, p, budget, seconds(60), "all flows are over",
                  [&] { return all_flows_over(w); });
    p.finish_flows(seconds(1));
}

// A reader that does not read, of a channel that throws away its oldest: the sender is done in the
// time of the line, also of a bad one. Each flow's checker sees that what is told as dropped before
// each read is what was dropped, once.
void drop_oldest(World &w) {
    Pair p(w, {some_wire(w.rng())}, some_setup(w.rng()), some_setup(w.rng()));
    p.connect();
    if (w.rng().chance(0.7))
        p.wires[0]->each_pipe([&](Pipe &pipe) {
            pipe.model.loss = 0.02;
            pipe.model.reorder = pipe.model.duplicate = 0.05;
        });
    for (const bool messages : {false, true})
        for (const bool unordered : {false, true}) {
            FlowPlan plan = messages ? message_plan(200, 0, 0, 2000) : stream_plan(200'000);
            plan.config.unordered = unordered;
            plan.config.drop_oldest = plan.config.reports = true;
            plan.stall = seconds(30);
            plan.stall_at = messages ? 3 : 3000;
            open_flow(w, *p.a, p.at_a, plan);
        }
    w.must(
        [&] {
            for (const auto &f : w.flows())
                if (!f->opener().finished)
                    return false;
            return true;
        },
        seconds(15), "the senders are done while nobody reads");
    for (const auto &f : w.flows())
        if (f->accepter().reading && !f->over())
            w.fail("%s: its reader reads", f->label().c_str());
    p.finish_flows(seconds(60));
    for (const auto &f : w.flows())
        if (f->accepter().stats.bytes_dropped == 0)
            w.fail("%s: nothing was dropped", f->label().c_str());
}

// -- windows

// On a long fat line the window grows to what the line holds twice, or to the budget.
void tuned_to_the_line(World &w, uint64_t budget) {
    const uint64_t rate = 12'500'000;
    const Duration delay = w.rng().between(millis(20), millis(60));
    const uint64_t bdp = rate * static_cast<uint64_t>(2 * delay.us) / kMega;
    Pair p(w, {wire_of(rate, delay, bdp)}, some_setup(w.rng()),
           setup_of(with_windows(16384, budget, 16)));
    p.connect();
    Flow &f = open_flow(w, *p.a, p.at_a, stream_plan(200 * kMega));
    uint64_t widest = 0;
    const auto look = [&] {
        const auto i = f.accepter().node ? p.z->engine().channel_info(f.accepter().channel)
                                         : Result<node::ChannelInfo>(Error{PLAIT_E_STATE});
        if (i.ok())
            widest = std::max(widest, i->receive_limit - f.accepter().received);
        return false;
    };
    // Two windows of the line in the first seconds, then the line is full.
    w.run_until(look, seconds(6));
    const uint64_t before = f.accepter().received;
    w.run_until(look, seconds(4));
    const uint64_t got = f.accepter().received - before;
    const uint64_t rtt_us = static_cast<uint64_t>(2 * delay.us);
    const uint64_t reachable = std::min(4 * rate, 4 * kMega * (budget - 17 * 16384) / rtt_us);
    if (got < reachable * 6 / 10)
        w.fail("%" PRIu64 " bytes in 4 s, possible are %" PRIu64, got, reachable);
    const uint64_t wanted = std::min(2 * bdp, budget - 17 * 16384);
    if (widest < wanted * 8 / 10 || widest > budget)
        w.fail("the window is %" PRIu64 " at most, 2 x BDP %" PRIu64 ", budget %" PRIu64, widest,
               2 * bdp, budget);
    p.close_and_be_gone();
}
void tuned_to_bdp(World &w) {
    tuned_to_the_line(w, 64u << 20);
}
void tuned_to_budget(World &w) {
    tuned_to_the_line(w, 1u << 20);
}

// After a burst the memory is free again for others, and the next burst is as quick.
void unused_is_given_back(World &w) {
    Pair p(w, {wire_of(12'500'000, millis(20), 500'000)}, some_setup(w.rng()),
           setup_of(with_windows(16384, 8u << 20, 16)));
    p.connect();
    const uint64_t idle = p.z->engine().stats().receive_memory;
    // Messages as fast as they go, a pause, and the same again on the same channels.
    FlowPlan plan = stream_plan(20 * kMega);
    plan.there.pause_at = 10 * kMega;
    plan.there.pause = seconds(4);
    Flow *flows[] = {&open_flow(w, *p.a, p.at_a, plan), &open_flow(w, *p.a, p.at_a, plan)};
    const auto all_at = [&](uint64_t bytes) {
        return flows[0]->accepter().received >= bytes && flows[1]->accepter().received >= bytes;
    };
    Nanos begun = w.now();
    w.must([&] { return all_at(10 * kMega); }, seconds(20), "the first burst is there");
    const double first = seconds_since(w, begun);
    const uint64_t grown = p.z->engine().stats().receive_memory;
    if (grown < idle + 300'000)
        w.fail("the windows did not grow: %" PRIu64 " of %" PRIu64, grown, idle);
    begun = w.now();
    w.run_for(seconds(3));
    const uint64_t after = p.z->engine().stats().receive_memory;
    if (after > idle + 2 * 65536 || !all_at(10 * kMega) || all_at(10 * kMega + 1))
        w.fail("%" PRIu64 " bytes are still held, at first %" PRIu64, after, idle);
    w.must([&] { return all_at(20 * kMega); }, seconds(20), "the second burst is there");
    const double second = seconds_since(w, begun) - 4;
    if (second > 2 * first + 0.5)
        w.fail("the second burst took %.2f s, the first %.2f s", second, first);
    p.finish_flows(seconds(5));
}

// -- fairness

void large_messages_interleave(World &w) {
    Pair p(w, {wire_of(2'500'000, w.rng().between(millis(2), millis(20)), 60'000)},
           some_setup(w.rng()), setup_of(with_windows(65536, 32u << 20, 16)));
    p.connect();
    Flow *large[3];
    for (Flow *&f : large)
        f = &open_flow(w, *p.a, p.at_a, message_plan(1, 0, kMega, kMega));
    Flow &small = open_flow(w, *p.a, p.at_a, [] {
        FlowPlan s = message_plan(60, 0, 100, 1000);
        s.there.interval = millis(10);
        return s;
    }());
    p.finish_flows(seconds(30));
    // Three at 2.5 MB/s take 1.2 s together. One after the other the first would need a third.
    uint64_t first = UINT64_MAX, last = 0;
    for (const Flow *f : large) {
        const uint64_t took = const_cast<Flow *>(f)->accepter().latencies[0];
        first = std::min(first, took);
        last = std::max(last, took);
    }
    if (first * 100 < last * 70)
        w.fail("large messages took %" PRIu64 " to %" PRIu64 " us", first, last);
    // The line's own queue takes 24 ms, the way up to 20 ms.
    if (const uint64_t p90 = percentile(small.accepter().latencies, 0.9); p90 > 80'000)
        w.fail("small messages took %" PRIu64 " us", p90);
}

// A line whose queue is ours: what is urgent waits for the packets in the driver and no more, even
// beside hundreds of busy channels of its own class. So does the opening of a channel.
void small_before_bulk(World &w) {
    const uint64_t rate = w.rng().range(20'000, 100'000);
    Pair::Way way{wire_of(0, millis(2), 0), serial_endpoint(rate), 3000};
    Pair p(w, {way}, {}, setup_of(with_windows(16384, 32u << 20, 256)));
    p.connect(seconds(30));
    for (int i = 0; i < 100; i++)
        open_flow(w, *p.a, p.at_a, stream_plan(100'000));
    w.run_for(seconds(10)); // all are open and busy
    Flow &pings = open_flow(w, *p.a, p.at_a, [] {
        FlowPlan s = message_plan(60, 0, 8, 60);
        s.there.interval = millis(50);
        return s;
    }());
    w.must([&] { return pings.over(); }, seconds(30), "the small messages are there");
    // Packets take 20 ms of the line. Two are in the driver and one goes in; one that opens or
    // acknowledges, its own, and the way.
    const uint64_t bound = 5 * 20'000 + 2000 + 2000;
    if (const uint64_t worst = percentile(pings.accepter().latencies, 1); worst > bound)
        w.fail("a small message took %" PRIu64 " us, %" PRIu64 " are allowed", worst, bound);
    const Nanos begun = w.now();
    Flow &one = open_flow(w, *p.a, p.at_a, message_plan(1, 1, 8, 8));
    w.must([&] { return one.opener().received == 1; }, seconds(2), "asked and answered");
    if (const uint64_t took = (w.now() - begun) / 1000; took > 2 * bound)
        w.fail("open, ask and answer took %" PRIu64 " us, %" PRIu64 " are allowed", took,
               2 * bound);
    p.close_and_be_gone();
}

// -- priorities

// Bulk on equal terms but for `set`; runs until one is through, and tells how much of each arrived.
template <class F> std::vector<uint64_t> race(World &w, size_t runners, F &&set) {
    Pair p(w, {wire_of(2'500'000, w.rng().between(millis(2), millis(10)), 60'000)},
           some_setup(w.rng()), setup_of(with_windows(1u << 20, 64u << 20, 16)));
    p.connect();
    std::vector<Flow *> flows;
    for (size_t i = 0; i < runners; i++) {
        FlowPlan plan = stream_plan(6 * kMega);
        plan.config.window = 1u << 20;
        set(i, plan.config);
        flows.push_back(&open_flow(w, *p.a, p.at_a, plan));
    }
    const auto through = [&] {
        return std::any_of(flows.begin(), flows.end(),
                           [](Flow *f) { return f->accepter().received == f->plan().there.bytes; });
    };
    w.must(through, seconds(60), "one is through");
    std::vector<uint64_t> got;
    for (Flow *f : flows)
        got.push_back(f->accepter().received);
    p.finish_flows(seconds(60));
    return got;
}

void strict_classes(World &w) {
    const auto got = race(
        w, 3, [](size_t i, channel::Config &c) { c.priority_class = static_cast<uint8_t>(7 + i); });
    if (got[0] != 6 * kMega || got[1] + got[2] > 400'000)
        w.fail("the classes got %" PRIu64 ", %" PRIu64 ", %" PRIu64, got[0], got[1], got[2]);
}

void weights(World &w) {
    const auto got =
        race(w, 4, [](size_t i, channel::Config &c) { c.weight_log2 = static_cast<uint8_t>(i); });
    for (size_t i = 0; i < got.size(); i++) {
        const double share = static_cast<double>(got[i]) / static_cast<double>(got[3]);
        const double due = static_cast<double>(1u << i) / 8;
        if (share < due * 0.8 || share > due * 1.25)
            w.fail("weight %u got %.3f of the heaviest, due is %.3f", 1u << i, share, due);
    }
}

constexpr Scenario kScenarios[] = {
    {"sim_flow_hundreds_of_stalled_readers_hold_nobody_else", hundreds_stall, 4},
    {"sim_flow_drop_oldest_never_stops_the_sender", drop_oldest, 10},
    {"sim_flow_window_grows_to_twice_the_line", tuned_to_bdp, 2},
    {"sim_flow_window_grows_to_the_budget", tuned_to_budget, 2},
    {"sim_flow_unused_credit_is_given_back", unused_is_given_back, 3},
    {"sim_flow_large_messages_share_the_line", large_messages_interleave, 8},
    {"sim_flow_small_messages_do_not_wait_for_bulk", small_before_bulk, 4},
    {"sim_flow_strict_classes_go_first", strict_classes, 4},
    {"sim_flow_weights_are_shares", weights, 4},
};

} // namespace

std::span<const Scenario> flow_scenarios() {
    return kScenarios;
}

} // namespace plait::sim
