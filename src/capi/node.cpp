// SPDX-License-Identifier: Apache-2.0
#include "plait/node.h"

#include "capi/capi.h"
#include "connection/config.h"

#include <memory>

using namespace plait;
using namespace plait::capi;

namespace {

constexpr uint64_t kNeverUs = UINT64_MAX;
constexpr uint64_t kLongestUs = uint64_t{10} * 365 * 86400 * 1'000'000; // ten years

// 0: leaves the default; PLAIT's "never" is the engine's 0, or the longest where it knows no never.
Status read_duration(const char *name, uint64_t us, bool may_be_never, Duration &to) {
    if (us == 0)
        return PLAIT_OK;
    if (us == kNeverUs)
        to = may_be_never ? Duration{0} : Duration{static_cast<int64_t>(kLongestUs)};
    else if (us <= kLongestUs)
        to = Duration{static_cast<int64_t>(us)};
    else
        return fail(PLAIT_E_INVALID, "%s is longer than ten years", name);
    return PLAIT_OK;
}

template <class To> Status read_count(const char *name, uint64_t value, uint64_t max, To &to) {
    if (value > max)
        return fail(PLAIT_E_INVALID, "%s is %llu, at most %llu is possible", name,
                    static_cast<unsigned long long>(value), static_cast<unsigned long long>(max));
    if (value != 0)
        to = static_cast<To>(value);
    return PLAIT_OK;
}

Status read_network_keys(const plait_node_config &from, node::Config &to) {
    constexpr uint32_t kKeysMax = 4;
    if (from.network_key_count > kKeysMax)
        return fail(PLAIT_E_INVALID, "%u network keys, at most %u are possible",
                    from.network_key_count, kKeysMax);
    if (from.network_key_count != 0 && from.network_keys == nullptr)
        return null_argument("plait_node_new", "config->network_keys");
    for (uint32_t i = 0; i < from.network_key_count; i++)
        to.network_keys.emplace_back(std::span<const uint8_t, 32>(from.network_keys + 32 * i, 32));
    return PLAIT_OK;
}

Status read_node_config(const plait_node_config &from, node::Config &to,
                        runtime::WorkerConfig &worker) {
    if (from.poller > PLAIT_POLLER_LIBEVENT)
        return fail(PLAIT_E_INVALID, "%u is not a poller", from.poller);
    std::optional<bool> announces, follows;
    if (const Status status = read_announce(from.announce, announces, follows); status != PLAIT_OK)
        return status;
    to.announces = announces.value_or(false);
    to.follows = follows.value_or(false);
    if (from.ecn > PLAIT_ECN_L4S)
        return fail(PLAIT_E_INVALID, "%u is not a way to use ECN", from.ecn);
    if (from.ecn != PLAIT_ECN_DEFAULT)
        to.ecn = from.ecn == PLAIT_ECN_OFF       ? recovery::EcnMode::kOff
                 : from.ecn == PLAIT_ECN_CLASSIC ? recovery::EcnMode::kClassic
                                                 : recovery::EcnMode::kScalable;
    std::optional<recovery::ControllerKind> controller;
    if (const Status status = read_congestion(from.congestion, controller); status != PLAIT_OK)
        return status;
    to.controller = controller.value_or(to.controller);
    worker.poller = from.poller;
    if (from.busy_poll_us != 0)
        worker.busy_poll =
            base::micros(from.busy_poll_us == PLAIT_BUSY_POLL_NEVER ? 0 : from.busy_poll_us);
    worker.search_path =
        from.transport_path != nullptr ? from.transport_path : PLAIT_TRANSPORT_PATH;
    if (from.workers > runtime::kMaxWorkers)
        return fail(PLAIT_E_INVALID, "%u workers, at most %u are possible", from.workers,
                    runtime::kMaxWorkers);
    const Status statuses[] = {
        read_count("max_connections", from.max_connections, 1u << 20, to.max_connections),
        read_count("max_channels", from.max_channels, 1u << 20, to.max_channels_per_peer),
        read_count("max_links", from.max_links, connection::kMaxLinks, to.max_links_per_connection),
        read_count("max_packets", from.max_packets, connection::kMaxPacketsInFlight,
                   to.max_packets_in_flight),
        read_count("memory_budget", from.memory_budget, uint64_t{1} << 40, to.receive_memory),
        read_duration("handshake_timeout_us", from.handshake_timeout_us, false,
                      to.handshake_timeout),
        read_duration("idle_timeout_us", from.idle_timeout_us, true, to.idle_timeout),
        read_duration("keepalive_us", from.keepalive_us, true, to.keepalive),
        read_duration("dormancy_timeout_us", from.dormancy_timeout_us, false, to.dormancy_timeout),
        read_network_keys(from, to),
    };
    for (const Status status : statuses)
        if (status != PLAIT_OK)
            return status;
    to.connection_receive_memory = to.receive_memory / 2; // one must not starve all others
    return PLAIT_OK;
}

Status read_listen_config(const plait_listen_config &from, node::AcceptConfig &to) {
    constexpr uint32_t kIdsMax = 65536;
    if (from.accept > PLAIT_ACCEPT_NOBODY)
        return fail(PLAIT_E_INVALID, "%u is not a way to accept", from.accept);
    const bool has_list = from.accept == PLAIT_ACCEPT_LIST;
    if (!has_list && (from.ids != nullptr || from.id_count != 0))
        return fail(PLAIT_E_INVALID, "a list of ids belongs to PLAIT_ACCEPT_LIST");
    if (from.id_count > kIdsMax)
        return fail(PLAIT_E_INVALID, "%u ids, at most %u are possible", from.id_count, kIdsMax);
    if (from.id_count != 0 && from.ids == nullptr)
        return null_argument("plait_node_listen", "config->ids");
    to.allowed.resize(from.id_count);
    for (uint32_t i = 0; i < from.id_count; i++)
        std::copy_n(from.ids[i].b, PLAIT_ID_SIZE, to.allowed[i].b.begin());
    // An empty list is nobody, not everybody.
    to.listening = from.accept != PLAIT_ACCEPT_NOBODY && !(has_list && from.id_count == 0);
    to.ask = from.accept == PLAIT_ACCEPT_ASK;
    to.allow_xx = from.allow_unknown != 0;
    return PLAIT_OK;
}

// One of several workers gets its share of the node's limits.
void take_share(node::Config &config, uint32_t workers) {
    config.max_connections = (config.max_connections + workers - 1) / workers;
    config.receive_memory /= workers;
    config.connection_receive_memory =
        std::min(config.connection_receive_memory, config.receive_memory);
}

Status make_workers(plait_node &node, const plait_node_config &wanted,
                    const crypto::Identity &identity) {
    const uint32_t workers = std::max(wanted.workers, 1u);
    for (uint32_t i = 0; i < workers; i++) {
        node::Config node_config;
        runtime::WorkerConfig config;
        if (const Status status = read_node_config(wanted, node_config, config); status != PLAIT_OK)
            return status;
        take_share(node_config, workers);
        config.builtin = builtin_transports();
        if (workers > 1 && !node.crew)
            node.crew = std::make_unique<runtime::Crew>(workers);
        config.crew = node.crew.get();
        config.index = i;
        const auto worker = runtime::Worker::make(config, std::move(node_config), identity.clone());
        if (!worker)
            return worker.status();
        node.workers.emplace_back(*worker)->set_owner(&node);
    }
    return PLAIT_OK;
}

} // namespace

plait_status plait_node_config_init(plait_node_config *config, size_t size) {
    return init_struct(__func__, config, size, plait_node_config PLAIT_NODE_CONFIG_INIT);
}

plait_status plait_node_new(const plait_identity *identity, const plait_node_config *config,
                            plait_node **out) {
    const char *const function = __func__;
    return guard(function, [&]() -> plait_status {
        if (identity == nullptr || out == nullptr)
            return null_argument(function, identity == nullptr ? "identity" : "out");
        plait_node_config wanted = PLAIT_NODE_CONFIG_INIT;
        if (const Status status = read_struct(function, config, wanted); status != PLAIT_OK)
            return status;
        auto node = std::make_unique<plait_node>();
        const Status status = make_workers(*node, wanted, identity->identity);
        if (status == PLAIT_OK)
            *out = node.release();
        return status;
    });
}

void plait_node_free(plait_node *node) {
    if (node != nullptr && !node->is_in_callback())
        delete node;
}

// No worker hands anything to one that is gone, and the first carries the others' last words.
plait_node::~plait_node() {
    for (const auto &worker : workers)
        worker->halt();
    std::for_each(workers.rbegin(), workers.rend(),
                  [](const auto &worker) { worker->say_goodbye(); });
}

bool plait_node::is_in_callback() const {
    return std::any_of(workers.begin(), workers.end(),
                       [](const auto &worker) { return worker->is_in_callback(); });
}

plait_status plait_node_id(const plait_node *node, plait_id *out) {
    return guard(__func__, [&]() -> plait_status {
        if (node == nullptr || out == nullptr)
            return null_argument("plait_node_id", node == nullptr ? "the node" : "out");
        const auto &id = node->first().node().id(); // it never changes
        std::copy(id.b.begin(), id.b.end(), out->b);
        return PLAIT_OK;
    });
}

uint64_t plait_node_now_us(const plait_node *node) {
    return node != nullptr ? runtime::monotonic_now().us : 0;
}

plait_status plait_listen_config_init(plait_listen_config *config, size_t size) {
    return init_struct(__func__, config, size, plait_listen_config PLAIT_LISTEN_CONFIG_INIT);
}

plait_status plait_node_listen(plait_node *node, const plait_listen_config *config) {
    const char *const function = __func__;
    return with_all(function, node, [&](Call &call) -> plait_status {
        plait_listen_config wanted = PLAIT_LISTEN_CONFIG_INIT;
        if (const Status status = read_struct(function, config, wanted); status != PLAIT_OK)
            return status;
        node::AcceptConfig accept;
        if (const Status status = read_listen_config(wanted, accept); status != PLAIT_OK)
            return status;
        call.node().listen(std::move(accept));
        return PLAIT_OK;
    });
}

namespace {
// The end of a ban; 0: it ends now.
Time ban_until(uint64_t duration_us, Time now) {
    return duration_us < UINT64_MAX - now.us ? Time{now.us + duration_us} : kNever;
}
} // namespace

plait_status plait_node_ban(plait_node *node, const plait_id *id, uint64_t duration_us) {
    const char *const function = __func__;
    return with_all(function, node, [&](Call &call) -> plait_status {
        if (id == nullptr)
            return null_argument(function, "id");
        crypto::NodeId peer;
        std::copy_n(id->b, PLAIT_ID_SIZE, peer.b.begin());
        return call.node().ban(peer, ban_until(duration_us, call.now()), call.now());
    });
}

plait_status plait_node_ban_address(plait_node *node, const char *address, uint64_t duration_us) {
    const char *const function = __func__;
    runtime::Target target; // as the first worker finds it
    return with_all(function, node, [&](Call &call) -> plait_status {
        if (address == nullptr)
            return null_argument(function, "address");
        if (&call.worker() == &node->first())
            if (const Status status = store(call.endpoints().resolve(address, PLAIT_NONE), &target);
                status != PLAIT_OK)
                return status;
        const auto endpoint = call.endpoints().handle_here(target.endpoint, call.now());
        if (!endpoint)
            return endpoint.status();
        return call.node().ban_address(*call.node().endpoint_index(*endpoint), target.addr,
                                       ban_until(duration_us, call.now()), call.now());
    });
}

plait_status plait_node_set_log(plait_node *node, uint32_t max_level, plait_log_fn *log,
                                void *user) {
    return with_all(__func__, node, [&](Call &call) -> plait_status {
        call.log().set(max_level, log, user);
        return PLAIT_OK;
    });
}

plait_status plait_node_load_transport(plait_node *node, const char *path) {
    return with_all(__func__, node, [&](Call &call) -> plait_status {
        if (path == nullptr)
            return null_argument("plait_node_load_transport", "path");
        return call.loader().load(path);
    });
}

plait_status plait_node_register_transport(plait_node *node, const plait_transport *transport) {
    return with_all(__func__, node, [&](Call &call) -> plait_status {
        if (transport == nullptr)
            return null_argument("plait_node_register_transport", "transport");
        return call.loader().add(transport);
    });
}

namespace {
void add_stats(Call &call, plait_node_stats &stats) {
    const node::NodeStats from = call.node().stats();
    stats.connections += from.connections;
    stats.handshakes += from.pending_handshakes;
    stats.connections_total += from.handshakes_done;
    stats.datagrams_sent += from.datagrams_sent;
    stats.bytes_sent += from.bytes_sent;
    stats.datagrams_received += from.datagrams_received;
    stats.bytes_received += from.bytes_received;
    stats.datagrams_dropped += from.datagrams_dropped;
    stats.packets_forged += from.auth_failures;
    stats.handshakes_refused += from.handshakes_refused;
    stats.receive_memory += from.receive_memory;
    stats.send_memory += from.send_memory;
    stats.retries_sent += from.retries_sent;
    stats.resets_sent += from.resets_sent;
    stats.handshakes_in_pieces += from.handshakes_in_pieces;
    stats.endpoints = std::max(stats.endpoints, from.endpoints); // the first worker has all
}
} // namespace

plait_status plait_node_get_stats(plait_node *node, plait_node_stats *out) {
    const char *const function = __func__;
    return guard(function, [&]() -> plait_status {
        if (node == nullptr)
            return fail(PLAIT_E_NULL, "%s: the node is NULL", function);
        return fill_struct(function, out, [&](plait_node_stats &stats) -> Status {
            for (const auto &worker : node->workers) {
                Call call(*worker);
                add_stats(call, stats);
            }
            stats.datagrams_dropped += node->crew ? node->crew->dropped() : 0;
            return PLAIT_OK;
        });
    });
}

plait_status plait_node_network_changed(plait_node *node) {
    return with_all(__func__, node, [&](Call &call) -> plait_status {
        call.node().network_changed(call.now());
        return PLAIT_OK;
    });
}
