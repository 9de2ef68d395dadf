// SPDX-License-Identifier: Apache-2.0
// How links are used: each policy, of a connection and of a channel, and the report of roles.
// docs/protocol.md section 7.
#include "scenario.h"

#include <cinttypes>

namespace plait::sim {
namespace {

using base::micros;
using base::millis;
using base::seconds;
using link::PolicyKind;
using link::Role;

// Mbit/s and round trip; the queue holds one product of them.
PipeModel line(uint64_t mbit, int64_t rtt_ms) {
    const uint64_t rate = mbit * 125'000;
    return wire_of(rate, micros(rtt_ms * 500), rate * static_cast<uint64_t>(rtt_ms) / 1000);
}

node::PolicyConfig policy(PolicyKind kind) {
    node::PolicyConfig p;
    p.kind = kind;
    return p;
}

void set_policy(Pair &p, const node::PolicyConfig &policy) {
    if (const Status s = p.a->engine().set_policy(p.at_a, policy, p.a->local_time()); s != PLAIT_OK)
        p.w.fail("set_policy: %s", base::status_name(s));
    p.a->poke();
}

uint64_t link_on(Pair &p, size_t wire) {
    std::array<uint64_t, 16> links;
    const size_t n = *p.a->engine().connection_links(p.at_a, links);
    for (size_t i = 0; i < n; i++)
        if (p.a->engine().link_info(links[i])->endpoint == p.a->endpoints()[wire]->handle)
            return links[i];
    p.w.fail("no link on wire %zu", wire);
}

uint64_t data_on(Pair &p, size_t wire) {
    return p.link_info(*p.a, wire).payload_sent;
}

FlowPlan small_messages(uint32_t count, Duration interval) {
    FlowPlan plan = message_plan(count, 0, 64, 64);
    plan.there.interval = interval;
    return plan;
}

// Everything on one link; on the other when it is cut, and back when it returns.
void failover(World &w) {
    Pair p(w, {line(20, 20), line(20, 40)}, some_setup(w.rng()), some_setup(w.rng()));
    p.connect();
    set_policy(p, policy(PolicyKind::kFailover));
    if (p.link_info(*p.a, 0).role != Role::kActive || p.link_info(*p.a, 1).role != Role::kStandby)
        w.fail("roles");
    open_flow(w, *p.a, p.at_a, stream_plan(3'000'000));
    const uint64_t before = data_on(p, 1);
    w.run_for(millis(300));
    if (data_on(p, 1) != before)
        w.fail("a standby carried data");
    p.wires[0]->set_cut(true);
    w.must([&] { return data_on(p, 1) > before + 100'000; }, seconds(3), "the standby carries it");
    p.wires[0]->set_cut(false);
    w.must([&] { return p.link_info(*p.a, 0).role == Role::kActive; }, seconds(10), "it is back");
    p.finish_flows(seconds(60));
}

// A dear link carries nothing while a free one is good.
void by_cost(World &w) {
    link::EndpointInfo dear = udp_endpoint();
    dear.cost = 1;
    Pair::Way second(line(20, 10), dear, 0);
    Pair p(w, {line(10, 40), second}, some_setup(w.rng()), some_setup(w.rng()));
    p.connect();
    const uint64_t before = data_on(p, 1);
    open_flow(w, *p.a, p.at_a, stream_plan(500'000));
    w.must([&] { return all_flows_over(w); }, seconds(20), "the first is over");
    if (data_on(p, 1) != before)
        w.fail("a metered link carried data");
    node::PolicyConfig all = policy(PolicyKind::kAggregate);
    all.max_cost = 1;
    set_policy(p, all);
    open_flow(w, *p.a, p.at_a, stream_plan(1'000'000));
    w.must([&] { return all_flows_over(w); }, seconds(20), "the second is over");
    if (data_on(p, 1) < before + 100'000)
        w.fail("a metered link that is allowed carried nothing");
    p.finish_flows(seconds(10));
}

// Of two copies the sooner one counts: a cut of either link is not noticed, nor is loss.
void redundant(World &w) {
    PipeModel first = line(20, 20), second = line(20, 30);
    first.loss = second.loss = w.rng().chance(0.5) ? 0.01 : 0;
    Pair p(w, {first, second});
    p.connect();
    constexpr uint32_t kCount = 300;
    FlowPlan plan = small_messages(kCount, millis(20));
    plan.config.link_policy = static_cast<uint8_t>(PolicyKind::kRedundant);
    Flow &pings = open_flow(w, *p.a, p.at_a, plan);
    w.run_for(w.rng().between(seconds(1), seconds(3)));
    p.wires[w.rng().below(2)]->set_cut(true);
    w.must([&] { return pings.accepter().received >= kCount; }, seconds(20), "pings are there");
    size_t late = 0;
    for (const uint64_t us : pings.accepter().latencies)
        late += us > 17'000;
    if (first.loss > 0 ? late > kCount / 20 : late > 0)
        w.fail("%zu of %u pings took more than 17 ms, the slowest %" PRIu64 " us", late, kCount,
               percentile(pings.accepter().latencies, 1));
    p.heal();
    p.finish_flows(seconds(20));
}

// Redundant bulk arrives once, whatever the links do to its copies.
void redundant_bulk(World &w) {
    Pair p(w, {some_wire(w.rng()), some_wire(w.rng()), some_wire(w.rng())}, some_setup(w.rng()),
           some_setup(w.rng()));
    p.connect();
    node::PolicyConfig two = policy(PolicyKind::kRedundant);
    two.copies = static_cast<uint8_t>(w.rng().chance(0.5) ? 2 : 0);
    set_policy(p, two);
    p.wires[0]->each_pipe([&](Pipe &pipe) { pipe.model.loss = 0.05; });
    open_mixed_load(p, 300'000);
    w.run_for(w.rng().between(millis(10), millis(800)));
    p.wires[w.rng().below(3)]->set_cut(true);
    p.finish_flows(seconds(60));
}

// It waits for the quicker link, although the slower one is idle.
void lowest_latency(World &w) {
    Pair p(w, {line(20, 100), line(5, 20)}, some_setup(w.rng()), some_setup(w.rng()));
    p.connect();
    FlowPlan plan = small_messages(100, millis(10));
    plan.config.link_policy = static_cast<uint8_t>(PolicyKind::kLowestLatency);
    Flow &pings = open_flow(w, *p.a, p.at_a, plan);
    w.must([&] { return pings.over(); }, seconds(20), "pings are over");
    if (percentile(pings.accepter().latencies, 0.95) > 25'000)
        w.fail("p95 %" PRIu64 " us", percentile(pings.accepter().latencies, 0.95));
    p.finish_flows(seconds(10));
}

// A channel that is pinned waits for its link; the others do not wait with it.
void pinned(World &w) {
    Pair p(w, {line(20, 20), line(20, 20)}, some_setup(w.rng()), some_setup(w.rng()));
    p.connect();
    Flow &mine = open_flow(w, *p.a, p.at_a, small_messages(200, millis(10)));
    Flow &bulk = open_flow(w, *p.a, p.at_a, stream_plan(1'000'000));
    node::PolicyConfig pin = policy(PolicyKind::kPinned);
    pin.pinned_link = link_on(p, 1);
    if (p.a->engine().set_channel_policy(mine.opener().channel, pin) != PLAIT_OK)
        w.fail("set_channel_policy");
    w.run_for(millis(500));
    p.wires[1]->set_cut(true);
    w.must([&] { return p.link_info(*p.a, 1).state != link::State::kGood; }, seconds(5), "noticed");
    w.run_for(millis(200));
    const uint64_t before = mine.accepter().received;
    w.must([&] { return bulk.over(); }, seconds(20), "the bulk is over");
    w.run_for(seconds(1));
    if (mine.accepter().received > before + 5)
        w.fail("a pinned channel went elsewhere");
    p.wires[1]->set_cut(false);
    p.finish_flows(seconds(30));
}

// To the links of one transport.
void pinned_to_class(World &w) {
    PipeModel m;
    m.delay = micros(500);
    Pair p(w, {line(20, 20), {m, serial_endpoint(11'520), 4096}});
    p.connect();
    node::PolicyConfig pin = policy(PolicyKind::kPinned);
    pin.pinned_transport = "serial";
    Flow &mine = open_flow(w, *p.a, p.at_a, small_messages(20, millis(50)));
    if (p.a->engine().set_channel_policy(mine.opener().channel, pin) != PLAIT_OK)
        w.fail("set_channel_policy");
    w.must([&] { return mine.accepter().received == 20; }, seconds(20), "it is there");
    if (data_on(p, 1) < 20 * 64)
        w.fail("%" PRIu64 " bytes on the line", data_on(p, 1));
    pin.pinned_transport = "bluetooth";
    if (p.a->engine().set_channel_policy(mine.opener().channel, pin) != PLAIT_E_NO_LINK)
        w.fail("a transport that is not there");
    p.finish_flows(seconds(10));
}

// Each change is reported once, in order, with its reason.
void why_log(World &w) {
    Pair p(w, {line(20, 20), line(20, 40)});
    p.connect();
    const uint64_t first = link_on(p, 0), second = link_on(p, 1);
    set_policy(p, policy(PolicyKind::kFailover));
    Flow &pings = open_flow(w, *p.a, p.at_a, small_messages(150, millis(20)));
    w.run_for(seconds(1));
    p.wires[0]->set_cut(true);
    w.run_for(seconds(1));
    p.wires[0]->set_cut(false);
    w.must([&] { return pings.over(); }, seconds(20), "pings are over");
    w.must([&] { return p.link_info(*p.a, 0).state == link::State::kGood; }, seconds(5), "good");
    const auto reasons = [&](uint64_t link) {
        std::string text;
        uint32_t missed = 0;
        Time last;
        for (auto c = p.a->engine().take_link_change(link, missed); c.ok();
             c = p.a->engine().take_link_change(link, missed)) {
            if (c->at < last)
                w.fail("not in order");
            last = c->at;
            text += " " + std::to_string(static_cast<int>(c->reason));
        }
        return text + " ";
    };
    const std::string one = reasons(first), two = reasons(second);
    const auto has = [](const std::string &text, link::Reason r) {
        return text.find(" " + std::to_string(static_cast<int>(r)) + " ") != std::string::npos;
    };
    if (!has(one, link::Reason::kNoAnswer) || !has(one, link::Reason::kAnswers))
        w.fail("the first link:%s", one.c_str());
    if (!has(two, link::Reason::kPolicy) || !has(two, link::Reason::kOthersFailed) ||
        !has(two, link::Reason::kPreferredBack))
        w.fail("the second link:%s", two.c_str());
    p.finish_flows(seconds(10));
}

constexpr Scenario kScenarios[] = {
    {"sim_policy_failover_standby_only_when_cut", failover, 20},
    {"sim_policy_metered_link_only_when_allowed", by_cost, 15},
    {"sim_policy_redundant_cut_is_not_noticed", redundant, 30},
    {"sim_policy_redundant_bulk_arrives_once", redundant_bulk, 30},
    {"sim_policy_lowest_latency_stays_on_the_quick_link", lowest_latency, 15},
    {"sim_policy_pinned_channel_waits_alone", pinned, 20},
    {"sim_policy_pinned_to_a_transport_uses_it", pinned_to_class, 10},
    {"sim_policy_changes_are_reported_with_reasons", why_log, 15},
};

} // namespace

std::span<const Scenario> policy_scenarios() {
    return kScenarios;
}

} // namespace plait::sim
