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

} // namespace

plait_status plait_link_close(plait_node *node, plait_link link, uint64_t code) {
    const char *const function = __func__;
    return with_node(function, node, [&](Call &call) -> plait_status {
        if (code > kCodeMax)
            return too_large_code(function, code, kCodeMax);
        return call.node().close_link(link, code, call.now());
    });
}

plait_status plait_link_set_congestion(plait_node *node, plait_link link, uint32_t congestion) {
    const char *const function = __func__;
    return with_node(function, node, [&](Call &call) -> plait_status {
        std::optional<recovery::ControllerKind> kind;
        if (const Status status = read_congestion(congestion, kind); status != PLAIT_OK)
            return status;
        return call.node().set_link_controller(link, kind, call.now());
    });
}

plait_status plait_link_address(plait_node *node, plait_link link, char *buf, size_t cap,
                                size_t *len) {
    const char *const function = __func__;
    return with_node(function, node, [&](Call &call) -> plait_status {
        const auto info = call.node().link_info(link);
        if (!info)
            return info.status();
        return put_text(function, call.endpoints().address_text(info->endpoint, info->remote), buf,
                        cap, len);
    });
}

plait_status plait_link_reason(plait_node *node, plait_link link, char *buf, size_t cap,
                               size_t *len) {
    const char *const function = __func__;
    return with_node(function, node, [&](Call &call) -> plait_status {
        const auto info = call.node().link_info(link);
        return info ? put_text(function, info->reason, buf, cap, len) : info.status();
    });
}

plait_status plait_link_get_stats(plait_node *node, plait_link link, plait_link_stats *out) {
    return get_struct(__func__, node, out, [&](Call &call, plait_link_stats &stats) -> Status {
        const auto info = call.node().link_info(link);
        if (!info)
            return info.status();
        const auto us = [](Duration d) { return static_cast<uint64_t>(d.us); };
        stats.state = public_state(info->state);
        stats.number = info->number;
        stats.mtu = info->mtu;
        stats.cost = info->cost;
        stats.endpoint = info->endpoint;
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
    });
}
