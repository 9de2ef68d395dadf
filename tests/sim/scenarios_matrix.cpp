// SPDX-License-Identifier: Apache-2.0
// Every combination of a channel's axes under every fault; what each may deliver is
// channel_model.h's to know. A seed runs the next few combinations beside each other on one
// connection, so that so many seeds as there are by default see all of them.
#include "scenario.h"

namespace plait::sim {
namespace {

using base::millis;
using base::seconds;
using wire::OnLoss;
using wire::Resend;

constexpr uint64_t kCombinations = 2 * 2 * 4 * 3 * 2 * 2;
constexpr uint64_t kAtOnce = 12;
constexpr uint32_t kSeeds = kCombinations / kAtOnce;

struct Combination {
    channel::Config config;
    std::string name;
};

Combination combination(uint64_t index, Rng &rng) {
    const auto choose = [&](uint64_t of) {
        const uint64_t n = index % of;
        index /= of;
        return n;
    };
    Combination x;
    channel::Config &c = x.config;
    c.unordered = choose(2);
    c.messages = choose(2);
    c.resend = static_cast<Resend>(choose(4));
    c.on_loss = static_cast<OnLoss>(choose(3));
    c.one_way = choose(2);
    c.drop_oldest = choose(2);
    if (c.resend == Resend::kAtMost)
        c.resend_parameter = rng.below(4);
    if (c.deadlines())
        c.resend_parameter = rng.range(10'000, 400'000);
    if (c.resend == Resend::kNever && rng.chance(0.5))
        c.reorder_wait = rng.between(millis(1), millis(60));
    c.weight_log2 = static_cast<uint8_t>(rng.below(4));
    c.priority_class = static_cast<uint8_t>(rng.range(6, 9));
    if ((c.fec = rng.chance(0.4)) && rng.chance(0.5)) {
        c.fec_share = static_cast<uint8_t>(rng.range(5, 100));
        c.fec_symbols = static_cast<uint8_t>(rng.range(1, 60));
    }
    static constexpr const char *kResend[] = {"always", "never", "at-most", "until"};
    static constexpr const char *kLoss[] = {"skip", "tell", "close"};
    x.name = std::string(c.unordered ? "unordered " : "ordered ") +
             (c.messages ? "messages " : "bytes ") + kResend[static_cast<size_t>(c.resend)] + " " +
             std::to_string(c.resend_parameter) + " " + kLoss[static_cast<size_t>(c.on_loss)] +
             (c.one_way ? " one-way" : "") + (c.drop_oldest ? " drop-oldest" : "") +
             (c.fec ? " fec " + std::to_string(c.fec_share) : "") + " wait " +
             std::to_string(c.reorder_wait.us);
    return x;
}

Volume some_volume(const channel::Config &c, Rng &rng) {
    Volume v;
    v.messages = static_cast<uint32_t>(rng.range(10, 40));
    v.most = rng.chance(0.2) ? 12'000 : rng.range(10, 2500);
    v.least = rng.below(10);
    if (!c.messages)
        v.bytes = rng.range(0, 30'000);
    if (rng.chance(0.7))
        v.interval = rng.between(millis(1), millis(15));
    return v;
}

void open_combination(Pair &p, uint64_t index, bool clean) {
    Rng &rng = p.w.rng();
    const Combination x = combination(index % kCombinations, rng);
    FlowPlan plan;
    plan.config = x.config;
    plan.over_clean = clean;
    plan.there = some_volume(x.config, rng);
    if (!x.config.one_way)
        plan.back = some_volume(x.config, rng);
    if (x.config.drop_oldest || rng.chance(0.1)) {
        plan.stall = rng.between(millis(50), millis(800));
        plan.stall_at = x.config.messages ? rng.below(10) : rng.below(5000);
    }
    const bool here = rng.chance(0.5);
    Flow &f = p.w.add_flow(
        std::make_unique<Flow>(p.w, std::to_string(index % kCombinations) + " " + x.name, plan));
    f.open(here ? *p.a : *p.z, here ? p.at_a : p.at_z);
}

void open_batch(Pair &p, bool clean = false) {
    for (uint64_t i = 0; i < kAtOnce; i++)
        open_combination(p, (p.w.options().seed - 1) * kAtOnce + i, clean);
}

template <class F> void matrix_under(World &w, F &&fault, bool clean = false) {
    PipeModel m = some_wire(w.rng());
    if (clean)
        m.queue = 0;
    Pair p(w, {m}, some_setup(w.rng()), some_setup(w.rng()));
    p.connect();
    p.wires[0]->each_pipe([&](Pipe &pipe) { fault(pipe); });
    open_batch(p, clean);
    w.run_until([&] { return all_flows_over(w); }, seconds(4));
    p.heal();
    p.finish_flows(seconds(60));
}

void clean(World &w) {
    matrix_under(
        w, [](Pipe &) {}, true);
}
void loss(World &w) {
    matrix_under(w, [](Pipe &p) { p.model.loss = 0.1; });
}
void bursts(World &w) {
    matrix_under(w, [](Pipe &p) { p.model.bursts = {0.03, 0.2, 0.95}; });
}
void reordering(World &w) {
    matrix_under(w, [](Pipe &p) {
        p.model.reorder = 0.25;
        p.model.reorder_by = p.rng().between(millis(1), millis(40));
    });
}
void duplication(World &w) {
    matrix_under(w, [](Pipe &p) { p.model.duplicate = 0.4; });
}
void corruption(World &w) {
    matrix_under(w, [](Pipe &p) { p.model.corrupt = 0.08; });
}
void everything(World &w) {
    matrix_under(w, [](Pipe &p) {
        p.model.loss = 0.05;
        p.model.bursts = {0.005, 0.3, 1};
        p.model.reorder = 0.1;
        p.model.duplicate = 0.1;
        p.model.corrupt = 0.03;
        p.model.jitter = millis(10);
        p.model.keeps_order = false;
    });
}

// -- two links, of which now one, now the other is cut

template <class F> void over_two_links(World &w, F &&at_cut, F &&at_heal) {
    Pair p(w, {some_wire(w.rng()), some_wire(w.rng())}, some_setup(w.rng()), some_setup(w.rng()));
    p.connect();
    open_batch(p);
    for (int i = 0; i < 3; i++) {
        const size_t which = w.rng().below(2);
        w.run_for(w.rng().between(millis(5), millis(150)));
        p.wires[which]->set_cut(true);
        at_cut(p, which);
        w.run_for(w.rng().between(millis(50), millis(1500)));
        p.wires[which]->set_cut(false);
        at_heal(p, which);
    }
    p.finish_flows(seconds(60));
}

using Step = void (*)(Pair &, size_t);
void cut(World &w) {
    const Step nothing = [](Pair &, size_t) {};
    over_two_links(w, nothing, nothing);
}
// The applications let go of the dead link, and join it anew.
void cut_and_rejoined(World &w) {
    const Step close = [](Pair &p, size_t which) {
        p.a->engine().close_link(p.link_handle(*p.a, which), 0, p.a->local_time());
        p.a->poke();
    };
    const Step join = [](Pair &p, size_t which) { p.a->app().add_link(p.at_a, *p.z, which); };
    over_two_links(w, close, join);
}
void both_lossy(World &w) {
    Pair p(w, {some_wire(w.rng()), some_wire(w.rng())}, some_setup(w.rng()), some_setup(w.rng()));
    p.connect();
    for (Wire *wire : p.wires)
        wire->each_pipe([](Pipe &pipe) {
            pipe.model.loss = 0.08;
            pipe.model.reorder = 0.1;
        });
    open_batch(p);
    w.run_until([&] { return all_flows_over(w); }, seconds(4));
    p.heal();
    p.finish_flows(seconds(60));
}

constexpr Scenario kScenarios[] = {
    {"sim_matrix_clean_nothing_is_lost", clean, kSeeds},
    {"sim_matrix_loss_each_axis_keeps_its_promise", loss, 2 * kSeeds},
    {"sim_matrix_burst_loss_each_axis_keeps_its_promise", bursts, 2 * kSeeds},
    {"sim_matrix_reordering_each_axis_keeps_its_promise", reordering, kSeeds},
    {"sim_matrix_duplication_each_axis_keeps_its_promise", duplication, kSeeds},
    {"sim_matrix_corruption_each_axis_keeps_its_promise", corruption, kSeeds},
    {"sim_matrix_all_faults_each_axis_keeps_its_promise", everything, 2 * kSeeds},
    {"sim_matrix_two_links_cut_each_axis_keeps_its_promise", cut, 2 * kSeeds},
    {"sim_matrix_two_links_rejoin_each_axis_keeps_its_promise", cut_and_rejoined, 2 * kSeeds},
    {"sim_matrix_two_lossy_links_each_axis_keeps_its_promise", both_lossy, 2 * kSeeds},
};

} // namespace

std::span<const Scenario> matrix_scenarios() {
    return kScenarios;
}

} // namespace plait::sim
