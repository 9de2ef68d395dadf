// SPDX-License-Identifier: Apache-2.0
// Flows that somebody ends before their time: what is done, and what must be true afterwards
// whoever was first. docs/protocol.md sections 6.1, 6.2 and 6.5.
#include "flow.h"

#include "sim_node.h"

#include <algorithm>
#include <cinttypes>

namespace plait::sim {

using What = Act::What;

// -- what is done

void FlowEnd::plan_acts() {
    for (const Act &a : flow->plan().acts)
        if (a.by_opener == opener)
            flow->world().after(a.after, [this, a] {
                if (abandoned || closed || left)
                    return;
                act(a);
                node->poke();
            });
}

void FlowEnd::act(const Act &a) {
    node::Node &engine = node->engine();
    const Time now = node->local_time();
    Status s = PLAIT_OK;
    switch (a.what) {
    case What::kReset:
        s = engine.reset_channel(channel, a.code, now);
        reset_called |= s == PLAIT_OK;
        break;
    case What::kStop:
        s = engine.stop_channel(channel, a.code, now);
        stop_called |= s == PLAIT_OK;
        break;
    case What::kClose: s = engine.close_channel(channel, now); break;
    case What::kLinger:
        s = engine.close_channel(channel, now, a.linger, a.code);
        must_be_closed_at = flow->world().now() + nanos(a.linger);
        break;
    }
    if (a.what == What::kClose || a.what == What::kLinger)
        left = finish_called = true;
    // There may be nothing to end any more, or nothing yet.
    if (s != PLAIT_OK && s != PLAIT_E_CLOSED && (left || s != PLAIT_E_STATE))
        flow->world().fail("%s: act %d: %s", flow->label().c_str(), static_cast<int>(a.what),
                           base::status_name(s));
}

// -- what must be true

bool Flow::acts(bool by_opener, What what) const {
    return std::any_of(plan_.acts.begin(), plan_.acts.end(),
                       [&](const Act &a) { return a.by_opener == by_opener && a.what == what; });
}

bool Flow::is_code(uint64_t code) const {
    if (plan_.acts.empty() || plan_.refused)
        if (code == plan_.end_code)
            return true;
    return std::any_of(plan_.acts.begin(), plan_.acts.end(), [&](const Act &a) {
        // Who lets go of a channel stops it, or refuses it, with code 0.
        return a.code == code || (code == 0 && (a.what == What::kClose || a.what == What::kLinger));
    });
}

// Who lets go of a channel before the answer has refused it.
bool Flow::may_be_refused() const {
    return plan_.refused || acts(false, What::kClose) || acts(false, What::kLinger);
}

std::string Flow::wrong_act_end(const FlowEnd &e) const {
    const Status s = e.closed_status;
    const bool right =
        s == PLAIT_OK || (s == PLAIT_E_REFUSED && may_be_refused()) ||
        (s == PLAIT_E_RESET && (acts(!e.opener, What::kReset) || acts(!e.opener, What::kLinger))) ||
        (s == PLAIT_E_TIMEOUT && acts(e.opener, What::kLinger) && e.closed_undelivered > 0) ||
        (s == PLAIT_E_LOSS && e.may_close_on_loss() && e.closed_code == wire::kResetLoss);
    const bool code_is_right = e.closed_code == 0 || is_code(e.closed_code) ||
                               (e.may_close_on_loss() && e.closed_code == wire::kResetLoss);
    if (!right || !code_is_right)
        return std::string("closed with ") + base::status_name(s) + " " +
               std::to_string(e.closed_code);
    if (e.closed_at > e.must_be_closed_at &&
        e.closed_at - e.must_be_closed_at > nanos(base::millis(20)))
        return "lingers after its time";
    return e.lent.empty() ? "" : "lent memory did not come back";
}

// What `from` has sent: all of it there, if nobody has cut it short; never more than was sent; and
// what was acknowledged has been received.
std::string Flow::wrong_act_direction(const FlowEnd &from, const FlowEnd &to) const {
    if (to.received > from.sent)
        return "more was read than sent";
    if (from.closed_status == PLAIT_E_REFUSED || to.closed_status == PLAIT_E_REFUSED)
        return to.received ? "a refused channel was read" : "";
    const bool unwanted = acts(to.opener, What::kStop) || acts(to.opener, What::kClose) ||
                          acts(to.opener, What::kLinger);
    if (unwanted)
        return {};
    const bool lost = from.closed_status == PLAIT_E_LOSS || to.closed_status == PLAIT_E_LOSS;
    if (lost)
        return {}; // closed both ways: what comes afterwards is nobody's
    const channel::Stats &s = from.stats, &r = to.stats;
    // What comes after it is no longer waited for is not counted.
    if (!plan_.config.waits() && s.bytes_acked > r.bytes_received + r.bytes_discarded)
        return std::to_string(s.bytes_acked) + " bytes are acknowledged, received " +
               std::to_string(r.bytes_received);
    const bool lingered = acts(from.opener, What::kLinger) &&
                          (from.must_be_closed_at == UINT64_MAX ||
                           from.closed_at + nanos(base::millis(2)) > from.must_be_closed_at);
    if (acts(from.opener, What::kReset) || lingered)
        return {};
    const bool less = plan_.config.reliable() && to.received != from.sent;
    return to.end && !less ? "" : "not all was delivered first";
}

std::string Flow::what_is_wrong_with_acts() const {
    const FlowEnd &a = ends_[0], &z = ends_[1];
    std::string wrong = wrong_act_end(a);
    if (wrong.empty() && z.node)
        wrong = wrong_act_end(z);
    if (wrong.empty())
        wrong = wrong_act_direction(a, z);
    if (wrong.empty() && !plan_.config.one_way)
        wrong = wrong_act_direction(z, a);
    if (wrong.empty())
        return {};
    const channel::Config &c = plan_.config;
    wrong += std::string(c.messages ? " (messages" : " (bytes") +
             (c.unordered ? ", unordered" : "") + (c.one_way ? ", one-way" : "") + ", resend " +
             std::to_string(static_cast<int>(c.resend)) + ", on loss " +
             std::to_string(static_cast<int>(c.on_loss)) + ")";
    for (const FlowEnd *e : {&a, &z})
        wrong += std::string(e->opener ? "\nopener: " : "; accepter: ") +
                 base::status_name(e->closed_status) + " code " + std::to_string(e->closed_code) +
                 ", not delivered " + std::to_string(e->closed_undelivered) + ", " +
                 std::to_string(e->sent) + " sent, " + std::to_string(e->received) + " received";
    static constexpr const char *kWhat[] = {"reset", "stop", "close", "linger"};
    for (const Act &act : plan_.acts)
        wrong += std::string("\n") + (act.by_opener ? "opener: " : "accepter: ") +
                 kWhat[static_cast<size_t>(act.what)] + " " + std::to_string(act.code) + " after " +
                 std::to_string(act.after.us) + " us, linger " + std::to_string(act.linger.us);
    return wrong;
}

void all_flows_must_be_over(World &world) {
    for (const auto &f : world.flows())
        if (!f->over() || !f->opener().lent.empty() || !f->accepter().lent.empty())
            world.fail("%s: not over, or lent memory did not come back", f->label().c_str());
}

} // namespace plait::sim
