// SPDX-License-Identifier: Apache-2.0
// The life of channels on links that lose, double, reorder and go away: whatever ends one, and
// whenever, each byte taken was delivered or is told not to have been, lent memory comes back once,
// and nothing stays at either side. docs/protocol.md sections 6.1, 6.2 and 6.5.
#include "scenario.h"

#include <cinttypes>

namespace plait::sim {
namespace {

using base::millis;
using base::seconds;
using What = Act::What;

constexpr uint64_t kThere = 60'000; // bytes of a flow, at most

void make_rough(Pair &p) {
    Rng &rng = p.w.rng();
    for (Wire *wire : p.wires)
        wire->each_pipe([&](Pipe &pipe) {
            PipeModel &m = pipe.model;
            m.loss = rng.chance(0.5) ? 0.06 : 0.01;
            m.reorder = rng.chance(0.5) ? 0.1 : 0;
            m.duplicate = rng.chance(0.5) ? 0.05 : 0;
            if (rng.chance(0.4)) {
                m.bursts.begin = 0.01;
                m.bursts.end = 0.2;
            }
        });
}

// Two nodes over two wires, connected, with what they hold when there is no channel.
struct Rough {
    Pair p;
    node::NodeStats at_a, at_z;
    Nanos cut_until = 0;

    explicit Rough(World &w, NodeSetup z = {})
        : p(w, {some_wire(w.rng()), some_wire(w.rng())}, some_setup(w.rng()), std::move(z)) {
        p.connect();
        at_a = p.a->engine().stats();
        at_z = p.z->engine().stats();
        make_rough(p);
    }
    // Both are as they were before the first channel.
    bool nothing_left() const { return nothing_left(*p.a, at_a) && nothing_left(*p.z, at_z); }
    static bool nothing_left(SimNode &node, const node::NodeStats &before) {
        const node::NodeStats s = node.engine().stats();
        return s.channels == before.channels && s.receive_memory <= before.receive_memory &&
               s.send_memory == 0;
    }
    // One wire is cut for a while, or both are; then it is there again.
    void cut_and_rejoin(Duration within) {
        World &w = p.w;
        for (uint64_t n = w.rng().range(1, 2); n > 0; n--) {
            const Duration begin = w.rng().between(millis(0), within);
            const Duration end = begin + w.rng().between(millis(50), millis(1500));
            const uint64_t which = w.rng().below(3); // 2: both
            cut_until = std::max(cut_until, w.now() + nanos(end));
            for (size_t i = 0; i < p.wires.size(); i++)
                if (which == i || which == 2) {
                    w.after(begin, [wire = p.wires[i]] { wire->set_cut(true); });
                    w.after(end, [wire = p.wires[i]] { wire->set_cut(false); });
                }
        }
    }
    // After `rough` of faults: all ends, as it should, and the connection is as new.
    void finish(Duration rough) {
        World &w = p.w;
        w.run_until([&] { return w.now() > cut_until && all_flows_over(w); }, rough);
        p.heal();
        w.must([&] { return all_flows_over(w); }, seconds(60), "all flows are over");
        for (auto &f : w.flows())
            f->must_have_kept_its_promise();
        w.must([&] { return nothing_left(); }, seconds(20), "nothing of the channels is left");
        open_flow(w, *p.a, p.at_a, stream_plan(5000, 5000)); // and there is room for more
        p.finish_flows(seconds(30));
    }
};

channel::Config some_kind(Rng &rng) {
    channel::Config c;
    switch (rng.below(8)) {
    case 0: c = channel::messages(); break;
    case 1: c = channel::datagram(); break;
    case 2: c = channel::sequenced(); break;
    case 3: c = channel::media(millis(200)); break;
    case 4: c = channel::telemetry(2); break;
    case 5: c = channel::unordered_messages(); break;
    default: break;
    }
    if (!c.reliable() && rng.chance(0.3))
        c.on_loss = wire::OnLoss::kClose;
    c.one_way = rng.chance(0.2);
    return c;
}

Volume some_volume(const channel::Config &c, Rng &rng) {
    Volume v;
    if (c.messages) {
        v.messages = static_cast<uint32_t>(rng.below(40));
        v.least = 0;
        v.most = rng.chance(0.2) ? 10'000 : 1500;
    } else {
        v.bytes = rng.below(kThere);
    }
    if (rng.chance(0.6))
        v.interval = rng.between(millis(1), millis(20));
    return v;
}

FlowPlan some_plan(Rng &rng) {
    FlowPlan plan;
    plan.config = some_kind(rng);
    plan.there = some_volume(plan.config, rng);
    if (!plan.config.one_way)
        plan.back = some_volume(plan.config, rng);
    return plan;
}

Act some_act(Rng &rng, Duration within, uint32_t code) {
    Act a;
    a.what = static_cast<What>(rng.below(4));
    a.by_opener = rng.chance(0.6);
    a.after = Duration{static_cast<int64_t>(rng.below(static_cast<uint64_t>(within.us)))};
    if (a.what == What::kLinger)
        a.linger = rng.between(millis(0), millis(600));
    if (a.what != What::kClose)
        a.code = code;
    return a;
}

Flow &open_from_either(Pair &p, const FlowPlan &plan) {
    const bool here = p.w.rng().chance(0.5);
    return open_flow(p.w, here ? *p.a : *p.z, here ? p.at_a : p.at_z, plan);
}

// -- opening

// Data follows the OPEN at once, and the answer takes its time.
void late_accept(World &w) {
    Rough r(w, some_setup(w.rng()));
    for (int i = 0; i < 6; i++) {
        FlowPlan plan = some_plan(w.rng());
        plan.answer_after = w.rng().between(millis(1), seconds(2));
        open_from_either(r.p, plan);
    }
    r.cut_and_rejoin(seconds(2));
    r.finish(seconds(8));
}

// The packet with the OPEN is lost: the next one opens the channel as well.
void open_is_lost(World &w) {
    Pair p(w, {wire_of(5'000'000, w.rng().between(millis(5), millis(80)), 100'000)});
    p.connect();
    PipeModel &forth = p.wires[0]->pipe(0).model;
    forth.loss = 1;
    FlowPlan plan = message_plan(30, 10, 8, 200);
    if (w.rng().chance(0.5))
        plan.config = channel::datagram();
    plan.there.interval = plan.back.interval = millis(20);
    Flow &f = open_flow(w, *p.a, p.at_a, plan);
    w.run_for(millis(1)); // the first message is on its way
    forth.loss = 0;
    w.must([&] { return f.accepter().node != nullptr; }, forth.delay + millis(21), "it is opened");
    p.finish_flows(seconds(20));
}

// Somebody ends it before the answer, or just when it comes; some would have been refused anyway.
void ends_while_opening(World &w) {
    Rough r(w, some_setup(w.rng()));
    for (uint32_t i = 0; i < 10; i++) {
        FlowPlan plan = some_plan(w.rng());
        plan.answer_after = w.rng().between(millis(1), millis(800));
        plan.refused = w.rng().chance(0.3);
        plan.end_code = 1000 + i;
        for (uint64_t n = w.rng().range(1, 2); n > 0; n--)
            plan.acts.push_back(some_act(w.rng(), plan.answer_after + millis(50), 10 * i + 1));
        open_from_either(r.p, plan);
    }
    if (w.rng().chance(0.5))
        r.cut_and_rejoin(seconds(1));
    r.finish(seconds(5));
}

// z has no room for as many channels: what it can't hold it refuses, and the rest goes on.
void refused_for_want_of_room(World &w) {
    NodeSetup z = some_setup(w.rng());
    const uint32_t room = static_cast<uint32_t>(w.rng().range(3, 8));
    z.config.max_channels = room;
    Rough r(w, std::move(z));
    std::vector<Flow *> flows;
    for (uint32_t i = 0; i < 2 * room; i++) {
        FlowPlan plan = stream_plan(w.rng().below(20'000), 100);
        plan.answer_after = millis(500);
        flows.push_back(&open_flow(w, *r.p.a, r.p.at_a, plan));
    }
    w.run_until([&] { return all_flows_over(w); }, seconds(5));
    r.p.heal();
    w.must([&] { return all_flows_over(w); }, seconds(30), "all flows are over");
    size_t refused = 0;
    for (Flow *f : flows) {
        const FlowEnd &a = f->opener();
        if (a.closed_status != PLAIT_E_REFUSED) {
            f->must_have_kept_its_promise();
            continue;
        }
        refused++;
        if (a.closed_code != wire::kRefuseLimit || a.closed_undelivered != a.sent ||
            !a.lent.empty() || f->accepter().node)
            w.fail("%s: refused with %" PRIu64, f->label().c_str(), a.closed_code);
    }
    if (refused == 0 || refused > 2 * room - 1)
        w.fail("%zu channels were refused, there was room for %u", refused, room);
    w.must([&] { return r.nothing_left(); }, seconds(20), "nothing of the channels is left");
    open_flow(w, *r.p.a, r.p.at_a, stream_plan(5000, 5000));
    w.must([&] { return w.flows().back()->over(); }, seconds(20), "there is room again");
    w.flows().back()->must_have_kept_its_promise();
    r.p.close_and_be_gone();
}

// -- ends

// Anything at any time, several things at once.
void ends_at_any_time(World &w) {
    Rough r(w, some_setup(w.rng()));
    for (uint32_t i = 0; i < 8; i++) {
        FlowPlan plan = some_plan(w.rng());
        if (w.rng().chance(0.5))
            plan.answer_after = w.rng().between(millis(1), millis(200));
        for (uint64_t n = w.rng().range(1, 3); n > 0; n--)
            plan.acts.push_back(some_act(w.rng(), millis(700), 10 * i + static_cast<uint32_t>(n)));
        open_from_either(r.p, plan);
    }
    if (w.rng().chance(0.7))
        r.cut_and_rejoin(seconds(1));
    r.finish(seconds(5));
}

// Who closes without a limit has all delivered first, however long the links are away.
void close_delivers_first(World &w) {
    Rough r(w, some_setup(w.rng()));
    for (uint32_t i = 0; i < 6; i++) {
        FlowPlan plan = some_plan(w.rng());
        plan.back = {};
        plan.answer_after = w.rng().chance(0.5) ? millis(300) : Duration{0};
        Act close;
        close.what = What::kClose;
        close.after = w.rng().between(millis(0), millis(500));
        plan.acts.push_back(close);
        open_from_either(r.p, plan);
    }
    r.cut_and_rejoin(millis(700));
    r.finish(seconds(5));
}

// The links are away for longer than a channel lingers: it ends in time and tells what was not
// delivered; the others get theirs.
void linger_ends_in_time(World &w) {
    Rough r(w, some_setup(w.rng()));
    for (uint32_t i = 0; i < 6; i++) {
        FlowPlan plan = some_plan(w.rng());
        Act linger;
        linger.what = What::kLinger;
        linger.after = w.rng().between(millis(0), millis(300));
        linger.linger = w.rng().between(millis(0), seconds(1));
        linger.code = i + 1;
        if (i > 0)
            plan.acts.push_back(linger);
        open_from_either(r.p, plan);
    }
    w.run_for(w.rng().between(millis(0), millis(200)));
    for (Wire *wire : r.p.wires)
        wire->set_cut(true);
    w.run_for(w.rng().between(millis(500), seconds(4)));
    for (Wire *wire : r.p.wires)
        wire->set_cut(false);
    r.finish(seconds(5));
}

// The connection is closed while channels are in every state.
void connection_closed(World &w) {
    Rough r(w, some_setup(w.rng()));
    for (uint32_t i = 0; i < 12; i++) {
        FlowPlan plan = some_plan(w.rng());
        if (w.rng().chance(0.5))
            plan.answer_after = w.rng().between(millis(1), seconds(1));
        if (w.rng().chance(0.6))
            plan.acts.push_back(some_act(w.rng(), millis(500), i));
        plan.refused = plan.acts.empty() && w.rng().chance(0.1);
        open_from_either(r.p, plan);
    }
    w.run_for(w.rng().between(millis(1), millis(600)));
    if (w.rng().chance(0.5))
        r.p.heal();
    r.p.close_and_be_gone();
    all_flows_must_be_over(w);
}

constexpr Scenario kScenarios[] = {
    {"sim_channel_life_late_accept_data_before_it_arrives", late_accept, 30},
    {"sim_channel_life_open_is_lost_next_packet_opens", open_is_lost, 20},
    {"sim_channel_life_ended_while_opening_nothing_left", ends_while_opening, 40},
    {"sim_channel_life_refused_for_want_of_room_others_go_on", refused_for_want_of_room, 20},
    {"sim_channel_life_ended_at_any_time_all_accounted_for", ends_at_any_time, 40},
    {"sim_channel_life_closed_all_is_delivered_first", close_delivers_first, 30},
    {"sim_channel_life_cut_linger_ends_in_time", linger_ends_in_time, 30},
    {"sim_channel_life_connection_closed_nothing_left", connection_closed, 40},
};

} // namespace

std::span<const Scenario> channel_life_scenarios() {
    return kScenarios;
}

} // namespace plait::sim
