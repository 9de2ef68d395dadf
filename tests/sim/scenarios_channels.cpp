// SPDX-License-Identifier: Apache-2.0
// What channels promise, each kind by itself, on wires that are good enough. docs/protocol.md
// section 6.
#include "scenario.h"

#include <cinttypes>

namespace plait::sim {
namespace {

using base::millis;
using base::seconds;

PipeModel lossy_wire(World &w, double loss) {
    PipeModel m = some_wire(w.rng());
    m.loss = loss;
    m.reorder = 0.1;
    m.duplicate = 0.02;
    return m;
}

// Connects over a wire that loses, opens what `open` opens, and it must end well.
template <class F>
void over_lossy_wire(World &w, double loss, F &&open, Duration limit = seconds(60)) {
    Pair p(w, {PipeModel{}}, some_setup(w.rng()), some_setup(w.rng()));
    p.connect();
    const PipeModel m = lossy_wire(w, loss);
    p.wires[0]->each_pipe([&](Pipe &pipe) { pipe.model = m; });
    open(p);
    w.run_until([&] { return all_flows_over(w); }, seconds(10));
    p.heal();
    p.finish_flows(limit);
}

void half_close(World &w) {
    over_lossy_wire(w, 0.05, [&](Pair &p) {
        FlowPlan plan = stream_plan(w.rng().range(0, 60'000), w.rng().range(0, 60'000));
        plan.back_after_end = true;
        open_flow(w, *p.a, p.at_a, plan);
        FlowPlan messages = message_plan(static_cast<uint32_t>(w.rng().range(1, 20)), 10, 0, 5000);
        messages.back_after_end = true;
        open_flow(w, *p.z, p.at_z, messages);
    });
}

void one_way(World &w) {
    over_lossy_wire(w, 0.05, [&](Pair &p) {
        FlowPlan plan = stream_plan(w.rng().range(1, 60'000));
        plan.config.one_way = true;
        open_flow(w, *p.a, p.at_a, plan);
        FlowPlan messages = message_plan(20, 0, 0, 2000);
        messages.config.one_way = true;
        open_flow(w, *p.z, p.at_z, messages);
    });
}

void empty(World &w) {
    over_lossy_wire(w, 0.1, [&](Pair &p) {
        open_flow(w, *p.a, p.at_a, stream_plan(0, 0));
        open_flow(w, *p.z, p.at_z, message_plan(0, 0, 0, 0));
        open_flow(w, *p.z, p.at_z, message_plan(30, 30, 0, 0)); // empty messages
    });
}

void large_messages(World &w) {
    over_lossy_wire(w, 0.02, [&](Pair &p) {
        open_flow(w, *p.a, p.at_a, message_plan(3, 2, 100'000, 400'000));
    });
}

// -- ends before the end

void reset(World &w) {
    over_lossy_wire(w, 0.05, [&](Pair &p) {
        FlowPlan plan = stream_plan(200'000, w.rng().chance(0.5) ? 20'000 : 0);
        (w.rng().chance(0.5) ? plan.there : plan.back).reset_at = w.rng().below(20'000);
        if (plan.back.reset_at < 20'000)
            plan.back.bytes = 200'000;
        plan.end_code = static_cast<uint32_t>(w.rng().below(1000));
        open_flow(w, *p.a, p.at_a, plan);
        open_flow(w, *p.a, p.at_a, stream_plan(50'000)); // not concerned
    });
}

void stop(World &w) {
    over_lossy_wire(w, 0.05, [&](Pair &p) {
        FlowPlan plan = stream_plan(2'000'000, 1000);
        plan.stop_at = w.rng().below(50'000);
        plan.end_code = static_cast<uint32_t>(w.rng().below(1000));
        open_flow(w, *p.a, p.at_a, plan);
        open_flow(w, *p.a, p.at_a, stream_plan(50'000)); // not concerned
    });
}

void refused(World &w) {
    over_lossy_wire(w, 0.1, [&](Pair &p) {
        for (int i = 0; i < 4; i++) {
            FlowPlan plan = i % 2 ? stream_plan(30'000, 100) : message_plan(10, 10, 8, 5000);
            plan.refused = i < 3;
            plan.end_code = static_cast<uint32_t>(w.rng().below(1000));
            open_flow(w, *p.a, p.at_a, plan);
        }
    });
}

// -- flow control

void stalled_reader(World &w) {
    Pair p(w, {some_wire(w.rng())}, some_setup(w.rng()), some_setup(w.rng()));
    p.connect();
    FlowPlan plan = stream_plan(600'000, 0);
    plan.stall = seconds(5);
    plan.stall_at = w.rng().below(100'000);
    Flow &stalled = open_flow(w, *p.a, p.at_a, plan);
    Flow &other = open_flow(w, *p.a, p.at_a, stream_plan(300'000));
    Flow &pings = open_flow(w, *p.z, p.at_z, ping_plan(30, millis(50)));
    w.must([&] { return stalled.accepter().stalled; }, seconds(10), "the reader stalls");
    const uint64_t read = stalled.accepter().received;
    w.must([&] { return other.over() && pings.over(); }, seconds(30), "the others go on");
    if (stalled.accepter().received != read && !stalled.accepter().reading)
        w.fail("read while it does not read");
    if (stalled.opener().sent > read + (8u << 20))
        w.fail("the sender is not held back");
    p.finish_flows(seconds(60));
}

// Many readers that do not read: memory stays within the connection's share.
void memory_is_bounded(World &w) {
    NodeSetup z = some_setup(w.rng());
    z.config.connection_receive_memory = 1u << 20;
    z.config.receive_memory = 2u << 20;
    Pair p(w, {some_wire(w.rng())}, some_setup(w.rng()), std::move(z));
    p.connect();
    for (int i = 0; i < 8; i++) {
        FlowPlan plan = stream_plan(200'000);
        plan.stall = seconds(3);
        plan.stall_at = 0;
        open_flow(w, *p.a, p.at_a, plan);
    }
    bool all_over = false;
    for (int i = 0; i < 200 && !all_over; i++) {
        w.run_for(millis(250));
        all_over = all_flows_over(w);
        if (p.z->engine().stats().receive_memory > 1u << 20)
            w.fail("z holds %" PRIu64 " bytes", p.z->engine().stats().receive_memory);
    }
    p.finish_flows(seconds(60));
}

// A message that the window must grow for.
void message_over_window(World &w) {
    NodeSetup z;
    z.config.initial_window = 8192;
    Pair p(w, {some_wire(w.rng())}, {}, std::move(z));
    p.connect();
    open_flow(w, *p.a, p.at_a, message_plan(3, 0, 60'000, 200'000));
    p.finish_flows(seconds(60));
}

// -- unreliable ones

void datagrams_clean(World &w) {
    Pair p(w, {some_wire(w.rng())}, some_setup(w.rng()), some_setup(w.rng()));
    p.connect();
    Flow &f = open_flow(w, *p.a, p.at_a, datagram_plan(200, 100, millis(5)));
    p.finish_flows(seconds(30));
    if (f.accepter().received != 200 || f.opener().received != 100)
        w.fail("datagrams lost on a clean wire");
}
void datagrams_lossy(World &w) {
    over_lossy_wire(
        w, 0.2, [&](Pair &p) { open_flow(w, *p.a, p.at_a, datagram_plan(300, 100, millis(5))); });
    const Flow &f = *w.flows()[0];
    if (const uint64_t n = const_cast<Flow &>(f).accepter().received; n < 150 || n == 300)
        w.fail("%" PRIu64 " of 300 datagrams came through 20 %% loss", n);
}
void other_axes(World &w) {
    over_lossy_wire(w, 0.15, [&](Pair &p) {
        const channel::Config kinds[] = {channel::sequenced(), channel::media(millis(150)),
                                         channel::telemetry(2), channel::unordered_messages(),
                                         channel::datagram()};
        for (const channel::Config &c : kinds) {
            FlowPlan plan = message_plan(80, 40, 8, 2500);
            plan.config = c;
            plan.there.interval = plan.back.interval = millis(10);
            open_flow(w, *p.a, p.at_a, plan);
        }
    });
}

FlowPlan deadline_plan(Duration deadline) {
    FlowPlan plan = message_plan(300, 0, 8, 300); // the smallest window has room for it
    plan.config = channel::media(deadline);
    plan.config.unordered = true;
    plan.there.interval = millis(20);
    return plan;
}

// Nothing is sent that would come too late, and hardly anything is given up that would not.
void deadline_and_the_way(World &w) {
    const Duration way = w.rng().between(millis(20), millis(80));
    const Duration deadline{way.us * static_cast<int64_t>(w.rng().range(25, 50)) / 10};
    Pair p(w, {wire_of(5'000'000, way, 200'000)});
    p.connect();
    p.wires[0]->pipe(0).model.loss = 0.05;
    Flow &f = open_flow(w, *p.a, p.at_a, deadline_plan(deadline));
    w.run_until([&] { return all_flows_over(w); }, seconds(10));
    p.heal();
    p.finish_flows(seconds(30));
    const Duration slack = millis(2), wait = f.model(true).longest_wait();
    if (wait > deadline - way + slack)
        w.fail("sent %" PRId64 " us after the call, on a way of %" PRId64
               ", to be there in %" PRId64,
               wait.us, way.us, deadline.us);
    if (percentile(f.accepter().latencies, 1) > static_cast<uint64_t>((deadline + slack).us))
        w.fail("something came too late");
    // One repetition comes in time: after a round trip and three more packets.
    if (deadline >= way * 3 + millis(100) && f.accepter().received < 290)
        w.fail("only %" PRIu64 " of 300 came", f.accepter().received);
}

// A channel whose time is shorter than the way is not silent.
void deadline_shorter_than_the_way(World &w) {
    const Duration way = w.rng().between(millis(20), millis(80));
    Pair p(w, {wire_of(5'000'000, way, 200'000)});
    p.connect();
    Flow &f = open_flow(w, *p.a, p.at_a, deadline_plan(way / 4));
    p.finish_flows(seconds(30));
    if (f.accepter().received != 300)
        w.fail("%" PRIu64 " of 300 came", f.accepter().received);
}

// -- many of them

void opened_and_closed(World &w) {
    Pair p(w, {some_wire(w.rng())}, some_setup(w.rng()), some_setup(w.rng()));
    p.connect();
    constexpr int kAll = 300;
    int opened = 0;
    uint64_t open = 0;
    while (opened < kAll) {
        open = 0;
        for (auto &f : w.flows())
            open += !f->over();
        for (; open < 20 && opened < kAll; open++, opened++) {
            const bool here = w.rng().chance(0.5);
            FlowPlan plan = w.rng().chance(0.5)
                                ? stream_plan(w.rng().below(3000), w.rng().below(3000))
                                : message_plan(3, 2, 0, 900);
            plan.refused = w.rng().chance(0.1);
            open_flow(w, here ? *p.a : *p.z, here ? p.at_a : p.at_z, plan);
        }
        w.must(
            [&] {
                uint64_t n = 0;
                for (auto &f : w.flows())
                    n += !f->over();
                return n < 20;
            },
            seconds(20), "some channel ends");
    }
    p.finish_flows(seconds(30));
}

void at_the_limit(World &w) {
    NodeSetup z;
    z.config.max_channels_per_peer = static_cast<uint32_t>(w.rng().range(1, 10));
    const uint32_t limit = z.config.max_channels_per_peer;
    Pair p(w, {some_wire(w.rng())}, some_setup(w.rng()), std::move(z));
    p.connect();
    for (uint32_t i = 0; i < limit; i++)
        open_flow(w, *p.a, p.at_a, stream_plan(1000));
    const auto over =
        p.a->engine().open_channel(p.at_a, "one more", channel::stream(), p.a->local_time());
    if (over.ok() || over.status() != PLAIT_E_LIMIT)
        w.fail("a channel above the limit: %s", base::status_name(over.status()));
    w.must([&] { return all_flows_over(w); }, seconds(10), "all flows are over");
    w.run_for(seconds(1)); // MAX_CHANNELS comes
    for (uint32_t i = 0; i < limit; i++)
        open_flow(w, *p.a, p.at_a, stream_plan(1000));
    p.finish_flows(seconds(10));
}

void long_labels(World &w) {
    Pair p(w, {lossy_wire(w, 0.1)});
    p.connect();
    w.after(seconds(5), [&p] { p.heal(); });
    for (size_t n : {1, 16, 17, 100, 255}) {
        std::string label(n, 'x');
        label[0] = static_cast<char>('a' + w.flows().size());
        Flow &f = w.add_flow(std::make_unique<Flow>(w, label, stream_plan(5000, 5000)));
        f.open(*p.a, p.at_a);
    }
    w.run_for(seconds(5));
    p.finish_flows(seconds(60));
}

// The connection is closed while channels are busy: everything ends, nothing is left.
void closed_meanwhile(World &w) {
    Pair p(w, {some_wire(w.rng())}, some_setup(w.rng()), some_setup(w.rng()));
    p.connect();
    open_mixed_load(p, 1'000'000);
    w.run_for(w.rng().between(millis(1), millis(400)));
    p.close_and_be_gone();
    all_flows_must_be_over(w);
}

constexpr Scenario kScenarios[] = {
    {"sim_channels_half_close_answer_arrives", half_close, 40},
    {"sim_channels_one_way_everything_arrives", one_way, 30},
    {"sim_channels_empty_end_is_seen", empty, 30},
    {"sim_channels_large_messages_are_whole", large_messages, 15},
    {"sim_channels_reset_is_seen_with_its_code", reset, 40},
    {"sim_channels_stop_ends_the_sender", stop, 40},
    {"sim_channels_refused_tells_the_code", refused, 40},
    {"sim_channels_stalled_reader_holds_nobody_else", stalled_reader, 30},
    {"sim_channels_stalled_readers_memory_is_bounded", memory_is_bounded, 15},
    {"sim_channels_message_over_window_arrives", message_over_window, 20},
    {"sim_channels_datagrams_clean_all_arrive", datagrams_clean, 20},
    {"sim_channels_datagrams_loss_at_most_once", datagrams_lossy, 30},
    {"sim_channels_other_axes_keep_their_promise", other_axes, 40},
    {"sim_channels_deadline_nothing_is_sent_too_late", deadline_and_the_way, 30},
    {"sim_channels_deadline_below_the_way_is_sent", deadline_shorter_than_the_way, 10},
    {"sim_channels_opened_and_closed_nothing_left", opened_and_closed, 20},
    {"sim_channels_at_the_limit_refused_locally", at_the_limit, 20},
    {"sim_channels_long_labels_arrive", long_labels, 20},
    {"sim_channels_connection_closed_nothing_left", closed_meanwhile, 40},
};

} // namespace

std::span<const Scenario> channel_scenarios() {
    return kScenarios;
}

} // namespace plait::sim
