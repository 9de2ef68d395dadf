// SPDX-License-Identifier: Apache-2.0
#include "plait/connection.h"

#include "capi/capi.h"
#include "connection/config.h"

using namespace plait;
using namespace plait::capi;

namespace {

uint32_t public_state(node::ConnectionState state) {
    switch (state) {
    case node::ConnectionState::kConnecting: return PLAIT_CONNECTION_CONNECTING;
    case node::ConnectionState::kRequested: return PLAIT_CONNECTION_REQUESTED;
    case node::ConnectionState::kConnected: return PLAIT_CONNECTION_OPEN;
    case node::ConnectionState::kDormant: return PLAIT_CONNECTION_DORMANT;
    case node::ConnectionState::kClosing: return PLAIT_CONNECTION_CLOSING;
    case node::ConnectionState::kClosed: return PLAIT_CONNECTION_CLOSED;
    }
    return 0;
}

// 0: the node's own; UINT64_MAX: none.
Status read_duration(const char *name, uint64_t us, Duration &to) {
    constexpr uint64_t kLongestUs = uint64_t{10} * 365 * 86400 * 1'000'000;
    if (us == 0)
        return PLAIT_OK;
    if (us > kLongestUs && us != UINT64_MAX)
        return fail(PLAIT_E_INVALID, "%s is longer than ten years", name);
    to = Duration{us == UINT64_MAX ? 0 : static_cast<int64_t>(us)};
    return PLAIT_OK;
}

Status read_connect_config(const plait_connect_config &from, node::ConnectConfig &to) {
    if (from.accept_any_id > 1)
        return fail(PLAIT_E_INVALID, "accept_any_id is 0 or 1");
    to.accept_any_id = from.accept_any_id != 0;
    if (const Status status = read_announce(from.announce, to.announces, to.follows);
        status != PLAIT_OK)
        return status;
    if (const Status status = read_congestion(from.congestion, to.controller); status != PLAIT_OK)
        return status;
    to.token = from.token;
    Status status = read_duration("idle_timeout_us", from.idle_timeout_us, to.idle_timeout);
    if (status == PLAIT_OK)
        status = read_duration("keepalive_us", from.keepalive_us, to.keepalive);
    if (status == PLAIT_OK && from.dormancy_timeout_us == UINT64_MAX)
        return fail(PLAIT_E_INVALID, "a connection cannot be dormant for ever");
    if (status == PLAIT_OK)
        status =
            read_duration("dormancy_timeout_us", from.dormancy_timeout_us, to.dormancy_timeout);
    return status;
}

// nullptr text: no id.
Status read_id(const plait_node &node, const char *text, crypto::NodeId &out) {
    const auto id = crypto::node_id_from_text(text);
    if (!id)
        return fail(id.status(), "\"%.60s\" is not a node id (43 characters of base64url)", text);
    if (*id == node.first().node().id())
        return fail(PLAIT_E_NODE_ID, "%s is this node's own id", text);
    out = *id;
    return PLAIT_OK;
}

// Where to connect: the address's place, or the other end of the line that was named.
Result<runtime::Target> read_target(Call &call, const char *address, plait_endpoint endpoint) {
    if (address == nullptr && endpoint == PLAIT_NONE)
        return Error{fail(PLAIT_E_NULL, "neither an address nor an endpoint is given")};
    auto target = call.endpoints().resolve(address != nullptr ? address : "", endpoint);
    if (!target || target->addr.len != 0 || address != nullptr)
        return target;
    const auto h = call.endpoints().look(endpoint);
    if (h && !call.node().endpoint_stats(endpoint)->info.point_to_point)
        return Error{fail(PLAIT_E_ADDRESS, "%s has many other ends: an address is needed",
                          (*h)->uri.c_str())};
    return target;
}

// The same, as the first worker finds it: it has all endpoints.
Status find_target(const plait_node &node, const char *address, plait_endpoint endpoint,
                   runtime::Target &out) {
    Call call(node.first(), CallKind::kReads);
    return store(read_target(call, address, endpoint), &out);
}

// Which worker dials: the one that has to do with this peer already, else one after the other.
runtime::Worker &dialer(const plait_node &node, const crypto::NodeId *peer) {
    if (!node.crew)
        return node.first();
    const auto owner = peer ? node.crew->owner(node::peer_key(*peer)) : std::nullopt;
    return *node.workers[owner ? *owner : node.crew->next_to_dial()];
}

} // namespace

plait_status plait_connect_config_init(plait_connect_config *config, size_t size) {
    return init_struct(__func__, config, size, plait_connect_config PLAIT_CONNECT_CONFIG_INIT);
}

namespace plait::capi {

Status connect(plait_node &node, const char *function, const char *id, const char *address,
               const plait_connect_config *config, plait_connection *out) {
    plait_connect_config wanted = PLAIT_CONNECT_CONFIG_INIT;
    node::ConnectConfig connect_config;
    if (const Status status = read_struct(function, config, wanted); status != PLAIT_OK)
        return status;
    if (const Status status = read_connect_config(wanted, connect_config); status != PLAIT_OK)
        return status;
    crypto::NodeId peer;
    if (id != nullptr)
        if (const Status status = read_id(node, id, peer); status != PLAIT_OK)
            return status;
    const crypto::NodeId *const known = id != nullptr ? &peer : nullptr;
    runtime::Target target;
    if (const Status status = find_target(node, address, wanted.endpoint, target);
        status != PLAIT_OK)
        return status;
    for (;;) { // as often as another worker was quicker
        Call call(dialer(node, known));
        const auto endpoint = call.endpoints().handle_here(target.endpoint, call.now());
        if (!endpoint)
            return endpoint.status();
        const auto connection =
            call.node().connect(known, *endpoint, target.addr, connect_config, call.now());
        if (connection) {
            call.worker().note_connection(*connection);
            *out = *connection;
        }
        if (connection.status() != PLAIT_E_AGAIN)
            return connection.status();
    }
}

} // namespace plait::capi

plait_status plait_connect(plait_node *node, const char *id, const char *address,
                           const plait_connect_config *config, plait_connection *out) {
    const char *const function = __func__;
    return guard(function, [&]() -> plait_status {
        if (node == nullptr)
            return fail(PLAIT_E_NULL, "%s: the node is NULL", function);
        if (out == nullptr)
            return null_argument(function, "out");
        return connect(*node, function, id, address, config, out);
    });
}

plait_status plait_connection_add_link(plait_node *node, plait_connection connection,
                                       plait_endpoint endpoint, const char *address,
                                       plait_link *out) {
    const char *const function = __func__;
    plait_status status = with_owner(function, node, connection, [&](Call &call) {
        return call.node().connection_info(connection).status();
    });
    runtime::Target target;
    if (status == PLAIT_OK)
        status = guard(function, [&] { return find_target(*node, address, endpoint, target); });
    if (status != PLAIT_OK)
        return status;
    return with_owner(function, node, connection, [&](Call &call) {
        const auto here = call.endpoints().handle_here(target.endpoint, call.now());
        if (!here)
            return here.status();
        const auto link = call.node().add_link(connection, *here, target.addr, {}, call.now());
        if (link && out != nullptr)
            *out = *link;
        return link.status();
    });
}

plait_status plait_connection_announce(plait_node *node, plait_connection connection,
                                       const char *const *addresses, size_t count) {
    const char *const function = __func__;
    std::vector<node::Place> places;
    const plait_status status = guard(function, [&]() -> plait_status {
        if (node == nullptr)
            return fail(PLAIT_E_NULL, "%s: the node is NULL", function);
        if (addresses == nullptr && count != 0)
            return null_argument(function, "addresses");
        if (count > connection::kMaxPlaces)
            return fail(PLAIT_E_LIMIT, "%s: %zu addresses, at most %zu are possible", function,
                        count, connection::kMaxPlaces);
        Call call(node->first(), CallKind::kReads);
        for (size_t i = 0; i < count; i++) {
            if (addresses[i] == nullptr)
                return null_argument(function, "addresses[i]");
            const auto place = call.endpoints().place(addresses[i]);
            if (!place)
                return place.status();
            places.push_back(*place);
        }
        return PLAIT_OK;
    });
    if (status != PLAIT_OK)
        return status;
    return with_owner(function, node, connection, [&](Call &call) -> plait_status {
        return call.node().announce(connection, std::move(places), call.now());
    });
}

plait_status plait_connection_peer_endpoint(plait_node *node, plait_connection connection,
                                            size_t index, char *buf, size_t cap, size_t *len) {
    const char *const function = __func__;
    return with_owner(function, node, connection, [&](Call &call) -> plait_status {
        const auto places = call.node().peer_places(connection);
        if (!places)
            return places.status();
        if (index >= places->size())
            return fail(PLAIT_E_INVALID, "%s: the peer has announced %zu addresses", function,
                        places->size());
        return put_text(function, call.endpoints().place_text((*places)[index]), buf, cap, len);
    });
}

plait_status plait_connection_accept(plait_node *node, plait_connection connection) {
    return with_owner(__func__, node, connection, [&](Call &call) -> plait_status {
        return call.node().accept(connection, call.now());
    });
}

plait_status plait_connection_refuse(plait_node *node, plait_connection connection, uint64_t code) {
    const char *const function = __func__;
    return with_owner(function, node, connection, [&](Call &call) -> plait_status {
        if (code > kCodeMax)
            return too_large_code(function, code, kCodeMax);
        const Status status = call.node().refuse(connection, code, call.now());
        if (status == PLAIT_OK)
            call.node().close(connection, code, "", call.now()); // the handle goes with it
        return status;
    });
}

plait_status plait_connection_close(plait_node *node, plait_connection connection, uint64_t code,
                                    const char *reason) {
    const char *const function = __func__;
    return with_owner(function, node, connection, [&](Call &call) -> plait_status {
        if (code > kCodeMax)
            return too_large_code(function, code, kCodeMax);
        return call.node().close(connection, code, reason != nullptr ? reason : "", call.now());
    });
}

plait_status plait_connection_peer(plait_node *node, plait_connection connection, plait_id *out) {
    const char *const function = __func__;
    return with_owner(function, node, connection, [&](Call &call) -> plait_status {
        if (out == nullptr)
            return null_argument(function, "out");
        const auto info = call.node().connection_info(connection);
        if (!info)
            return info.status();
        if (!info->peer_known)
            return fail(PLAIT_E_STATE, "%s: the peer has not told its id yet", function);
        std::copy(info->peer.b.begin(), info->peer.b.end(), out->b);
        return PLAIT_OK;
    });
}

plait_status plait_connection_reason(plait_node *node, plait_connection connection, char *buf,
                                     size_t cap, size_t *len) {
    const char *const function = __func__;
    return with_owner(function, node, connection, [&](Call &call) -> plait_status {
        const auto info = call.node().connection_info(connection);
        return info ? put_text(function, info->close_reason, buf, cap, len) : info.status();
    });
}

plait_status plait_connection_set_token(plait_node *node, plait_connection connection,
                                        uint64_t token) {
    return with_owner(__func__, node, connection, [&](Call &call) -> plait_status {
        return call.node().set_connection_token(connection, token);
    });
}

plait_status plait_connection_links(plait_node *node, plait_connection connection,
                                    plait_link *links, size_t cap, size_t *count) {
    const char *const function = __func__;
    return with_owner(function, node, connection, [&](Call &call) -> plait_status {
        if (count == nullptr || (links == nullptr && cap != 0))
            return null_argument(function, count == nullptr ? "count" : "links");
        return store(call.node().connection_links(connection, {links, cap}), count);
    });
}

plait_status plait_connection_export_key(plait_node *node, plait_connection connection,
                                         uint32_t channel_number, const char *label, uint8_t *out,
                                         size_t len) {
    const char *const function = __func__;
    return with_owner(function, node, connection, [&](Call &call) -> plait_status {
        if (label == nullptr || out == nullptr)
            return null_argument(function, label == nullptr ? "label" : "out");
        if (len == 0 || len > crypto::kExpandMax)
            return fail(PLAIT_E_INVALID, "%s: 1 to %zu bytes can be had, not %zu", function,
                        crypto::kExpandMax, len);
        return call.node().export_key(connection, channel_number, label, {out, len});
    });
}

plait_status plait_connection_get_stats(plait_node *node, plait_connection connection,
                                        plait_connection_stats *out) {
    return get_struct(__func__, node, connection, out,
                      [&](Call &call, plait_connection_stats &stats) -> Status {
                          const auto info = call.node().connection_info(connection);
                          if (!info)
                              return info.status();
                          stats.state = public_state(info->state);
                          stats.initiator = info->initiator;
                          stats.links = info->links;
                          stats.links_live = info->live_links;
                          stats.channels = info->channels;
                          stats.handshake_us = static_cast<uint64_t>(info->handshake_time.us);
                          stats.packets_sent = info->packets_sent;
                          stats.bytes_sent = info->bytes_sent;
                          stats.packets_received = info->packets_received;
                          stats.bytes_received = info->bytes_received;
                          stats.packets_lost = info->packets_lost;
                          stats.packets_spurious = info->packets_spurious;
                          stats.packets_forged = info->auth_failures;
                          stats.bytes_reinjected = info->bytes_reinjected;
                          stats.receive_memory = info->receive_memory;
                          stats.send_memory = info->send_memory;
                          stats.generation = info->generation;
                          return PLAIT_OK;
                      });
}
