// SPDX-License-Identifier: Apache-2.0
#include "plait/link.h"

#include "capi/capi.h"

using namespace plait;
using namespace plait::capi;

namespace {

uint32_t public_state(link::State state) {
    switch (state) {
    case link::State::kWaiting:
    case link::State::kValidating: return PLAIT_LINK_JOINING;
    case link::State::kGood: return PLAIT_LINK_GOOD;
    case link::State::kSuspect: return PLAIT_LINK_SUSPECT;
    case link::State::kDead: return PLAIT_LINK_DEAD;
    case link::State::kClosed: return PLAIT_LINK_CLOSED;
    }
    return 0;
}

uint32_t public_congestion(recovery::ControllerKind kind) {
    switch (kind) {
    case recovery::ControllerKind::kCubic: return PLAIT_CONGESTION_CUBIC;
    case recovery::ControllerKind::kBbr: return PLAIT_CONGESTION_BBR;
    case recovery::ControllerKind::kFixedRate: break;
    }
    return 0;
}

Status read_policy(const char *function, const plait_link_policy *from, node::PolicyConfig &to) {
    plait_link_policy p = PLAIT_LINK_POLICY_INIT;
    if (const Status status = read_struct(function, from, p); status != PLAIT_OK)
        return status;
    if (p.reserved != 0)
        return reserved_field(function, "reserved");
    const auto invalid = [&](const char *field) {
        return fail(PLAIT_E_INVALID, "%s: the field %s does not fit", function, field);
    };
    if (p.kind >= link::kPolicyKinds)
        return invalid("kind");
    if (p.max_cost >= link::kCostClasses)
        return invalid("max_cost");
    if (p.copies != 0 && (p.kind != PLAIT_POLICY_REDUNDANT || p.copies < 2 || p.copies > 16))
        return invalid("copies");
    if (std::memchr(p.transport, 0, sizeof p.transport) == nullptr)
        return invalid("transport");
    const bool named = p.transport[0] != 0, pinned = p.kind == PLAIT_POLICY_PINNED;
    if (pinned ? named == (p.link != PLAIT_NONE) : named || p.link != PLAIT_NONE)
        return invalid("link or transport (one of them, with PLAIT_POLICY_PINNED)");
    to.kind = static_cast<link::PolicyKind>(p.kind);
    to.max_cost = p.max_cost;
    to.copies = p.copies;
    to.pinned_link = p.link;
    to.pinned_transport = p.transport;
    return PLAIT_OK;
}

} // namespace

plait_status plait_link_policy_init(plait_link_policy *policy, size_t size) {
    const plait_link_policy defaults = PLAIT_LINK_POLICY_INIT;
    return init_struct(__func__, policy, size, defaults);
}

plait_status plait_connection_set_policy(plait_node *node, plait_connection connection,
                                         const plait_link_policy *policy) {
    const char *const function = __func__;
    return with_owner(function, node, connection, [&](Call &call) -> plait_status {
        node::PolicyConfig wanted;
        if (const Status status = read_policy(function, policy, wanted); status != PLAIT_OK)
            return status;
        return call.node().set_policy(connection, wanted, call.now());
    });
}

plait_status plait_channel_set_policy(plait_node *node, plait_channel channel,
                                      const plait_link_policy *policy) {
    const char *const function = __func__;
    return with_owner(function, node, channel, [&](Call &call) -> plait_status {
        node::PolicyConfig wanted;
        if (const Status status = read_policy(function, policy, wanted); status != PLAIT_OK)
            return status;
        return call.node().set_channel_policy(channel, wanted);
    });
}

plait_status plait_link_take_change(plait_node *node, plait_link link, plait_link_change *out) {
    const char *const function = __func__;
    return with_owner(function, node, link, [&](Call &call) -> plait_status {
        if (out == nullptr)
            return null_argument(function, "out");
        if (const Status status = check_out_size(function, out->struct_size); status != PLAIT_OK)
            return status;
        plait_link_change change{};
        const auto taken = call.node().take_link_change(link, change.missed);
        if (!taken)
            return taken.status();
        change.state = public_state(taken->state);
        change.role = static_cast<uint32_t>(taken->role);
        change.reason = static_cast<uint32_t>(taken->reason);
        change.time_us = taken->at.us;
        change.waited_us = static_cast<uint64_t>(taken->waited.us);
        change.moved_bytes = taken->moved;
        write_struct(change, out);
        return PLAIT_OK;
    });
}

plait_status plait_link_close(plait_node *node, plait_link link, uint64_t code) {
    const char *const function = __func__;
    return with_owner(function, node, link, [&](Call &call) -> plait_status {
        if (code > kCodeMax)
            return too_large_code(function, code, kCodeMax);
        return call.node().close_link(link, code, call.now());
    });
}

plait_status plait_link_set_congestion(plait_node *node, plait_link link, uint32_t congestion) {
    const char *const function = __func__;
    return with_owner(function, node, link, [&](Call &call) -> plait_status {
        std::optional<recovery::ControllerKind> kind;
        if (const Status status = read_congestion(congestion, kind); status != PLAIT_OK)
            return status;
        return call.node().set_link_controller(link, kind, call.now());
    });
}

plait_status plait_link_address(plait_node *node, plait_link link, char *buf, size_t cap,
                                size_t *len) {
    const char *const function = __func__;
    runtime::Target target;
    const plait_status status = with_owner(function, node, link, [&](Call &call) -> plait_status {
        const auto info = call.node().link_info(link);
        if (info)
            target = {call.endpoints().public_handle(info->endpoint), info->remote};
        return info.status();
    });
    if (status != PLAIT_OK)
        return status;
    // The transport is asked where every endpoint is open.
    return with_owner(function, node, PLAIT_NONE, [&](Call &call) -> plait_status {
        return put_text(function, call.endpoints().address_text(target.endpoint, target.addr), buf,
                        cap, len);
    });
}

plait_status plait_link_reason(plait_node *node, plait_link link, char *buf, size_t cap,
                               size_t *len) {
    const char *const function = __func__;
    return with_owner(function, node, link, [&](Call &call) -> plait_status {
        const auto info = call.node().link_info(link);
        return info ? put_text(function, info->reason, buf, cap, len) : info.status();
    });
}

plait_status plait_link_get_stats(plait_node *node, plait_link link, plait_link_stats *out) {
    const auto fill = [&](Call &call, plait_link_stats &stats) -> Status {
        const auto info = call.node().link_info(link);
        if (!info)
            return info.status();
        const auto us = [](Duration d) { return static_cast<uint64_t>(d.us); };
        stats.state = public_state(info->state);
        stats.number = info->number;
        stats.mtu = info->mtu;
        stats.cost = info->cost;
        stats.role = static_cast<uint32_t>(info->role);
        stats.reason = static_cast<uint32_t>(info->why);
        stats.shares_bottleneck = info->shares_bottleneck;
        stats.endpoint = call.endpoints().public_handle(info->endpoint);
        stats.connection = info->connection;
        stats.rtt_us = us(info->srtt);
        stats.rtt_min_us = us(info->min_rtt);
        stats.rtt_var_us = us(info->rttvar);
        stats.rtt_latest_us = us(info->latest_rtt);
        stats.cwnd = info->cwnd;
        stats.in_flight = info->in_flight;
        stats.rate = info->pacing_rate;
        stats.packets_sent = info->packets_sent;
        stats.bytes_sent = info->bytes_sent;
        stats.packets_received = info->packets_received;
        stats.bytes_received = info->bytes_received;
        stats.packets_lost = info->packets_lost;
        stats.packets_spurious = info->packets_spurious;
        stats.packets_acked = info->packets_acked;
        stats.data_sent = info->payload_sent;
        stats.data_received = info->payload_received;
        stats.ecn = info->ecn == recovery::EcnValidation::State::kCapable;
        stats.packets_marked = info->packets_marked;
        stats.congestion = public_congestion(info->controller);
        return PLAIT_OK;
    };
    return get_struct(__func__, node, link, out, fill);
}
