// SPDX-License-Identifier: Apache-2.0
// The calls that wait. Each asks, under the lock, whether what it waits for has come; between two
// questions the worker's loop runs (Worker::block).
#include "plait/blocking.h"

#include "capi/capi.h"
#include "capi/channel.h"

using namespace plait;
using namespace plait::capi;

namespace {

// With several workers the calling thread cannot be the loop of all.
Status refuse_loop(const char *function, const plait_node &node, runtime::Worker &worker) {
    if (!node.crew)
        return PLAIT_OK;
    if (node.is_in_callback())
        return fail(PLAIT_E_IN_CALLBACK, "%s: not inside a callback", function);
    if (!worker.is_started())
        return fail(PLAIT_E_UNSUPPORTED, "%s: a node with several workers runs by plait_node_start",
                    function);
    return PLAIT_OK;
}

// f(Worker &): PLAIT_E_AGAIN as long as it has to wait.
template <class F>
Status wait_for(const char *function, plait_node *node, uint64_t handle, int timeout_ms,
                F &&f) noexcept {
    return guard(function, [&]() -> plait_status {
        if (node == nullptr)
            return fail(PLAIT_E_NULL, "%s: the node is NULL", function);
        runtime::Worker &worker = node->of(handle);
        if (const Status status = refuse_loop(function, *node, worker); status != PLAIT_OK)
            return status;
        return worker.block([&]() -> Status { return f(worker); }, timeout_ms);
    });
}

Status is_connected(runtime::Worker &worker, plait_connection connection) {
    const auto info = worker.node().connection_info(connection);
    if (!info)
        return info.status();
    switch (info->state) {
    case node::ConnectionState::kConnecting: return PLAIT_E_AGAIN;
    case node::ConnectionState::kRequested: // only if its id was not asked for
        return worker.node().accept(connection, runtime::monotonic_now()) == PLAIT_OK
                   ? PLAIT_E_AGAIN
                   : PLAIT_E_STATE;
    case node::ConnectionState::kConnected:
    case node::ConnectionState::kDormant: return PLAIT_OK;
    case node::ConnectionState::kClosing:
    case node::ConnectionState::kClosed:
        return info->status != PLAIT_OK ? info->status : PLAIT_E_CLOSED;
    }
    return PLAIT_E_CLOSED;
}

// Events go to the callback there, so nobody can look for one.
Status refuse_callbacks(const char *function, runtime::Worker &worker) {
    if (!worker.delivers_by_callback())
        return PLAIT_OK;
    return fail(PLAIT_E_STATE, "%s: events go to the callback that plait_node_start was given",
                function);
}

// Nothing is left behind, and the text stays that of the failure.
void close_quietly(plait_node &node, plait_connection connection) noexcept {
    try {
        Call call(node.of(connection));
        call.node().close(connection, 0, "", call.now());
    } catch (...) { // no memory: its handshake times out
    }
}

} // namespace

plait_status plait_connect_wait(plait_node *node, const char *id, const char *address,
                                const plait_connect_config *config, int timeout_ms,
                                plait_connection *out) {
    const char *const function = __func__;
    plait_connection connection = PLAIT_NONE;
    plait_status status = guard(function, [&]() -> plait_status {
        if (node == nullptr)
            return fail(PLAIT_E_NULL, "%s: the node is NULL", function);
        if (out == nullptr)
            return null_argument(function, "out");
        if (node->is_in_callback())
            return fail(PLAIT_E_IN_CALLBACK, "%s: not inside a callback", function);
        if (id == nullptr && (config == nullptr || config->accept_any_id == 0))
            return fail(PLAIT_E_INVALID, "%s: without an id config->accept_any_id has to be 1",
                        function);
        return connect(*node, function, id, address, config, &connection);
    });
    if (status != PLAIT_OK)
        return status;
    status = wait_for(function, node, connection, timeout_ms, [&](runtime::Worker &worker) {
        const Status now = is_connected(worker, connection);
        if (now == PLAIT_OK)
            worker.forget_event(PLAIT_EVENT_CONNECTED, connection);
        else if (now != PLAIT_E_AGAIN)
            fail(now, "%s: %s", address != nullptr ? address : "connecting",
                 base::status_text(now));
        return now;
    });
    if (status == PLAIT_OK) {
        *out = connection;
        return status;
    }
    if (status == PLAIT_E_TIMEOUT)
        fail(status, "%s: no answer in %d ms", address != nullptr ? address : "connecting",
             timeout_ms);
    close_quietly(*node, connection);
    return status;
}

plait_status plait_accept_wait(plait_node *node, int timeout_ms, plait_connection *out) {
    const char *const function = __func__;
    if (out == nullptr)
        return guard(function, [&]() -> plait_status { return null_argument(function, "out"); });
    return wait_for(function, node, PLAIT_NONE, timeout_ms, [&](runtime::Worker &worker) -> Status {
        if (const Status status = refuse_callbacks(function, worker); status != PLAIT_OK)
            return status;
        if (node->crew)
            return fail(PLAIT_E_UNSUPPORTED,
                        "%s: with several workers plait_node_wait tells who "
                        "has come",
                        function);
        const Time now = runtime::monotonic_now();
        plait_event event;
        while (worker.take_event(
            [](const plait_event &e) { return e.type == PLAIT_EVENT_CONNECTION_REQUEST; }, event))
            worker.node().accept(event.connection, now);
        const auto came_to_us = [&worker](const plait_event &e) {
            if (e.type != PLAIT_EVENT_CONNECTED)
                return false;
            const auto info = worker.node().connection_info(e.connection);
            return info.ok() && !info->initiator;
        };
        if (!worker.take_event(came_to_us, event))
            return PLAIT_E_AGAIN;
        *out = event.connection;
        return PLAIT_OK;
    });
}

plait_status plait_channel_accept_wait(plait_node *node, plait_connection connection,
                                       const plait_channel_config *config, int timeout_ms,
                                       plait_channel *out) {
    const char *const function = __func__;
    if (out == nullptr)
        return guard(function, [&]() -> plait_status { return null_argument(function, "out"); });
    plait_channel channel = PLAIT_NONE;
    const Status status =
        wait_for(function, node, connection, timeout_ms, [&](runtime::Worker &worker) -> Status {
            if (const Status refused = refuse_callbacks(function, worker); refused != PLAIT_OK)
                return refused;
            plait_event event;
            const auto wanted = [connection](const plait_event &e) {
                return e.type == PLAIT_EVENT_CHANNEL_REQUEST && e.connection == connection;
            };
            if (worker.take_event(wanted, event)) {
                channel = event.channel;
                return PLAIT_OK;
            }
            const auto info = worker.node().connection_info(connection);
            if (!info)
                return info.status();
            return info->state >= node::ConnectionState::kClosing ? PLAIT_E_CLOSED : PLAIT_E_AGAIN;
        });
    if (status != PLAIT_OK)
        return status;
    *out = channel;
    return with_owner(function, node, connection, [&](Call &call) -> plait_status {
        return accept_channel(call, function, channel, config);
    });
}

plait_status plait_channel_write_all(plait_node *node, plait_channel channel, const void *data,
                                     size_t len, int timeout_ms) {
    const char *const function = __func__;
    if (data == nullptr && len != 0)
        return guard(function, [&]() -> plait_status { return null_argument(function, "data"); });
    Bytes left{static_cast<const uint8_t *>(data), len};
    return wait_for(function, node, channel, timeout_ms, [&](runtime::Worker &worker) -> Status {
        for (;;) {
            const auto taken = worker.node().send(channel, {&left, 1}, runtime::monotonic_now());
            if (!taken)
                return taken.status();
            left = left.subspan(std::min(*taken, left.size()));
            if (left.empty())
                return PLAIT_OK;
        }
    });
}

plait_status plait_channel_read_wait(plait_node *node, plait_channel channel, void *buf, size_t cap,
                                     size_t *got, int timeout_ms) {
    const char *const function = __func__;
    if (buf == nullptr || got == nullptr)
        return guard(function, [&]() -> plait_status {
            return null_argument(function, buf == nullptr ? "buf" : "got");
        });
    return wait_for(function, node, channel, timeout_ms, [&](runtime::Worker &worker) -> Status {
        if (cap == 0)
            return fail(PLAIT_E_INVALID, "%s: there is no room to read into", function);
        channel::ReadInfo info;
        const auto n = worker.node().read(channel, {static_cast<uint8_t *>(buf), cap}, &info,
                                          runtime::monotonic_now());
        if (n)
            *got = *n;
        else if (n.status() == PLAIT_E_BUFFER)
            *got = info.size;
        return n.status();
    });
}

plait_status plait_channel_finish_wait(plait_node *node, plait_channel channel, int timeout_ms) {
    const char *const function = __func__;
    bool finished = false;
    return wait_for(function, node, channel, timeout_ms, [&](runtime::Worker &worker) -> Status {
        if (!finished) {
            const Status status = worker.node().finish(channel, runtime::monotonic_now());
            if (status != PLAIT_OK && status != PLAIT_E_STATE)
                return status;
            finished = true;
        }
        const auto info = worker.node().channel_info(channel);
        if (!info)
            return info.status();
        plait_event ignored;
        const auto wanted = [channel](const plait_event &e) {
            return e.type == PLAIT_EVENT_FINISHED && e.channel == channel;
        };
        if (worker.delivers_by_callback() ? info->send_queue == 0
                                          : worker.take_event(wanted, ignored))
            return PLAIT_OK;
        if (info->closed)
            return info->status != PLAIT_OK ? info->status : PLAIT_OK;
        return PLAIT_E_AGAIN;
    });
}

plait_status plait_channel_close_wait(plait_node *node, plait_channel channel, int timeout_ms,
                                      uint64_t *undelivered) {
    const char *const function = __func__;
    const Duration linger =
        timeout_ms < 0 ? channel::kWaitMax : std::min(base::millis(timeout_ms), channel::kWaitMax);
    bool begun = false;
    // The linger is what ends the waiting: CHANNEL_CLOSED comes then at the latest.
    return wait_for(function, node, channel, -1, [&](runtime::Worker &worker) -> Status {
        if (const Status refused = refuse_callbacks(function, worker); refused != PLAIT_OK)
            return refused;
        node::Node &engine = worker.node();
        const auto info = engine.channel_info(channel);
        const bool was_begun = std::exchange(begun, true);
        if (!was_begun)
            if (const Status status =
                    engine.close_channel(channel, runtime::monotonic_now(), linger);
                status != PLAIT_OK)
                return status;
        plait_event closed{};
        const auto wanted = [channel](const plait_event &e) {
            return e.type == PLAIT_EVENT_CHANNEL_CLOSED && e.channel == channel;
        };
        if (worker.take_event(wanted, closed)) {
            if (undelivered != nullptr)
                *undelivered = closed.b;
            return closed.status;
        }
        if (was_begun || !info->closed)
            return info.ok() ? PLAIT_E_AGAIN : info.status();
        // Its event was read before.
        if (undelivered != nullptr)
            *undelivered = info->stats.bytes_sent - info->stats.bytes_acked;
        return info->status;
    });
}
