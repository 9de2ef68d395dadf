// SPDX-License-Identifier: Apache-2.0
#include "plait/endpoint.h"

#include "capi/capi.h"

using namespace plait;
using namespace plait::capi;

plait_status plait_endpoint_config_init(plait_endpoint_config *config, size_t size) {
    return init_struct(__func__, config, size, plait_endpoint_config PLAIT_ENDPOINT_CONFIG_INIT);
}

namespace {

Status close_all(const plait_node &node, plait_endpoint endpoint) {
    Status first = PLAIT_OK;
    for (size_t i = 0; i < node.workers.size(); i++) {
        Call call(*node.workers[i]);
        const Status status = call.endpoints().close(endpoint, call.now());
        if (i == 0)
            first = status; // others may not have it
    }
    return first;
}

// The other workers' sockets, where the transport can have several with one address.
Status open_others(const plait_node &node, plait_endpoint endpoint, runtime::OpenOptions options) {
    std::string uri;
    {
        Call call(node.first());
        const auto text = call.endpoints().uri_for_others(endpoint);
        if (!text || text->empty())
            return text.status();
        uri = *text;
    }
    options.shared = endpoint;
    for (size_t i = 1; i < node.workers.size(); i++) {
        Call call(*node.workers[i]);
        if (const auto opened = call.endpoints().open(uri, options, call.now()); !opened)
            return opened.status();
    }
    return PLAIT_OK;
}

Status open(plait_node &node, const char *uri, const runtime::OpenOptions &options,
            plait_endpoint *out) {
    const std::lock_guard lock(node.opening);
    plait_endpoint endpoint = PLAIT_NONE;
    {
        Call call(node.first());
        const Status status = store(call.endpoints().open(uri, options, call.now()), &endpoint);
        if (status != PLAIT_OK)
            return status;
    }
    if (const Status status = open_others(node, endpoint, options); status != PLAIT_OK) {
        close_all(node, endpoint);
        return status;
    }
    *out = endpoint;
    return PLAIT_OK;
}

} // namespace

plait_status plait_endpoint_open(plait_node *node, const char *uri,
                                 const plait_endpoint_config *config, plait_endpoint *out) {
    const char *const function = __func__;
    return guard(function, [&]() -> plait_status {
        if (node == nullptr)
            return fail(PLAIT_E_NULL, "%s: the node is NULL", function);
        if (uri == nullptr || out == nullptr)
            return null_argument(function, uri == nullptr ? "uri" : "out");
        plait_endpoint_config wanted = PLAIT_ENDPOINT_CONFIG_INIT;
        if (const Status status = read_struct(function, config, wanted); status != PLAIT_OK)
            return status;
        if (wanted.reserved != 0)
            return reserved_field(function, "reserved");
        const runtime::OpenOptions options{wanted.recv_buffer, wanted.send_buffer, wanted.token};
        return open(*node, uri, options, out);
    });
}

plait_status plait_endpoint_close(plait_node *node, plait_endpoint endpoint) {
    const char *const function = __func__;
    return guard(function, [&]() -> plait_status {
        if (node == nullptr)
            return fail(PLAIT_E_NULL, "%s: the node is NULL", function);
        const std::lock_guard lock(node->opening);
        return close_all(*node, endpoint);
    });
}

plait_status plait_endpoint_uri(plait_node *node, plait_endpoint endpoint, char *buf, size_t cap,
                                size_t *len) {
    const char *const function = __func__;
    return with_owner(function, node, endpoint, [&](Call &call) -> plait_status {
        const auto uri = call.endpoints().uri(endpoint);
        return uri ? put_text(function, *uri, buf, cap, len) : uri.status();
    });
}

namespace {

// What one worker knows of it; counters are added up.
Status add_info(Call &call, plait_endpoint endpoint, plait_endpoint_info &info) {
    const auto h = call.endpoints().look(endpoint);
    if (!h)
        return h.status();
    const auto stats = call.node().endpoint_stats((*h)->handle);
    if (!stats)
        return stats.status();
    if (info.state == 0) {
        info.state = (*h)->failed ? PLAIT_ENDPOINT_FAILED
                     : stats->up  ? PLAIT_ENDPOINT_UP
                                  : PLAIT_ENDPOINT_DOWN;
        info.mtu = stats->info.mtu;
        info.cost = stats->info.cost;
        info.rate = stats->info.rate;
    }
    info.queued_bytes += call.endpoints().transport_info(**h, nullptr).queued_bytes;
    info.datagrams_sent += stats->datagrams_sent;
    info.bytes_sent += stats->bytes_sent;
    info.datagrams_received += stats->datagrams_received;
    info.bytes_received += stats->bytes_received;
    info.send_errors += (*h)->send_errors;
    return PLAIT_OK;
}

} // namespace

plait_status plait_endpoint_get_info(plait_node *node, plait_endpoint endpoint,
                                     plait_endpoint_info *out) {
    const char *const function = __func__;
    return guard(function, [&]() -> plait_status {
        if (node == nullptr)
            return fail(PLAIT_E_NULL, "%s: the node is NULL", function);
        return fill_struct(function, out, [&](plait_endpoint_info &info) -> Status {
            for (const auto &worker : node->workers) {
                Call call(*worker);
                if (worker != node->workers.front() && !call.endpoints().has(endpoint))
                    continue;
                if (const Status status = add_info(call, endpoint, info); status != PLAIT_OK)
                    return status;
            }
            return PLAIT_OK;
        });
    });
}

plait_status plait_app_endpoint_config_init(plait_app_endpoint_config *config, size_t size) {
    return init_struct(__func__, config, size,
                       plait_app_endpoint_config PLAIT_APP_ENDPOINT_CONFIG_INIT);
}

plait_status plait_endpoint_open_app(plait_node *node, const char *uri,
                                     const plait_app_endpoint_config *config, plait_endpoint *out) {
    const char *const function = __func__;
    return with_owner(function, node, PLAIT_NONE, [&](Call &call) -> plait_status {
        if (uri == nullptr || out == nullptr)
            return null_argument(function, uri == nullptr ? "uri" : "out");
        plait_app_endpoint_config wanted = PLAIT_APP_ENDPOINT_CONFIG_INIT;
        if (const Status status = read_struct(function, config, wanted); status != PLAIT_OK)
            return status;
        if (wanted.reserved != 0)
            return reserved_field(function, "reserved");
        if (wanted.cost > 2 || wanted.point_to_point > 1)
            return fail(PLAIT_E_INVALID, "%s: cost or point_to_point is out of range", function);
        runtime::AppOptions options;
        if (wanted.mtu != 0)
            options.mtu = wanted.mtu;
        if (wanted.queue_bytes != 0)
            options.queue_bytes = wanted.queue_bytes;
        options.cost = wanted.cost;
        options.point_to_point = wanted.point_to_point != 0;
        options.rate = wanted.rate;
        options.token = wanted.token;
        return store(call.endpoints().open_app(uri, options, call.now()), out);
    });
}

namespace {

// A handle of an endpoint that is there; what else is wrong the caller finds out.
Status check_endpoint(Call &call, plait_endpoint endpoint) {
    return call.endpoints().look(endpoint).status();
}

} // namespace

plait_status plait_endpoint_push(plait_node *node, plait_endpoint endpoint, const plait_addr *from,
                                 const void *data, size_t len) {
    const char *const function = __func__;
    return with_owner(function, node, endpoint, [&](Call &call) -> plait_status {
        if (data == nullptr)
            return null_argument(function, "data");
        if (from != nullptr && from->len > PLAIT_ADDR_MAX)
            return fail(PLAIT_E_ADDRESS, "%s: an address has at most 63 bytes", function);
        if (const Status status = check_endpoint(call, endpoint); status != PLAIT_OK)
            return status;
        return call.endpoints().push(endpoint, from, {static_cast<const uint8_t *>(data), len},
                                     call.now());
    });
}

plait_status plait_endpoint_take(plait_node *node, plait_endpoint endpoint, plait_addr *to,
                                 void *buf, size_t cap, size_t *len) {
    const char *const function = __func__;
    return with_owner(function, node, endpoint, [&](Call &call) -> plait_status {
        if (buf == nullptr || len == nullptr)
            return null_argument(function, buf == nullptr ? "buf" : "len");
        if (const Status status = check_endpoint(call, endpoint); status != PLAIT_OK)
            return status;
        plait_addr peer{};
        const Status status = call.endpoints().take(
            endpoint, peer, {static_cast<uint8_t *>(buf), cap}, *len, call.now());
        if (status == PLAIT_OK && to != nullptr)
            *to = peer;
        return status;
    });
}

plait_status plait_endpoint_set_state(plait_node *node, plait_endpoint endpoint, uint32_t state) {
    const char *const function = __func__;
    return with_owner(function, node, endpoint, [&](Call &call) -> plait_status {
        if (state != PLAIT_ENDPOINT_UP && state != PLAIT_ENDPOINT_DOWN)
            return fail(PLAIT_E_INVALID, "%s: %u is not a state to set", function, state);
        if (const Status status = check_endpoint(call, endpoint); status != PLAIT_OK)
            return status;
        return call.endpoints().set_app_state(endpoint, state == PLAIT_ENDPOINT_UP, call.now());
    });
}
