// SPDX-License-Identifier: Apache-2.0
// The loop modes of plait/node.h.
#include "capi/capi.h"
#include "plait/node.h"

using namespace plait;
using namespace plait::capi;

namespace {

enum class Order : uint8_t { kFirstFirst, kFirstLast };

// As guard(), for functions that take the lock themselves. f(Worker &) with one after the other,
// until one fails.
template <class F>
plait_status on_all(const char *function, plait_node *node, F &&f,
                    Order order = Order::kFirstFirst) noexcept {
    return guard(function, [&]() -> plait_status {
        if (node == nullptr)
            return fail(PLAIT_E_NULL, "%s: the node is NULL", function);
        for (size_t i = 0, n = node->workers.size(); i < n; i++)
            if (const Status status =
                    f(*node->workers[order == Order::kFirstFirst ? i : n - 1 - i]);
                status != PLAIT_OK)
                return status;
        return PLAIT_OK;
    });
}

// The same for the loop modes that a single thread runs: of nodes with one worker.
template <class F> plait_status on_worker(const char *function, plait_node *node, F &&f) noexcept {
    return on_all(function, node, [&](runtime::Worker &worker) -> plait_status {
        if (node->crew)
            return fail(PLAIT_E_UNSUPPORTED,
                        "%s: a node with several workers runs by plait_node_start", function);
        return f(worker);
    });
}

// Mode 4 with several workers: whoever has events first.
Status wait_for_any(plait_node &node, std::span<plait_event> events, size_t &got, int timeout_ms) {
    const Time end = timeout_ms < 0 ? kNever : runtime::monotonic_now() + base::millis(timeout_ms);
    got = 0;
    for (;;) {
        const uint64_t seen = node.crew->news();
        const size_t n = node.workers.size(), from = node.crew->next_to_ask();
        for (size_t i = 0; i < n && got == 0; i++) {
            runtime::Worker &worker = *node.workers[(from + i) % n];
            if (!worker.is_started())
                return fail(PLAIT_E_UNSUPPORTED,
                            "a node with several workers runs by plait_node_start");
            if (const Status status = worker.wait(events, got, 0); status != PLAIT_OK)
                return status;
        }
        if (got != 0 || !node.crew->wait_news(seen, end))
            return PLAIT_OK;
    }
}

Status check_room(const char *function, const plait_event *events, size_t cap, const size_t *got) {
    if (events == nullptr || got == nullptr)
        return null_argument(function, events == nullptr ? "events" : "got");
    if (cap == 0)
        return fail(PLAIT_E_INVALID, "%s: there is room for no event", function);
    return PLAIT_OK;
}

} // namespace

plait_status plait_node_wait(plait_node *node, plait_event *events, size_t cap, size_t *got,
                             int timeout_ms) {
    const char *const function = __func__;
    return guard(function, [&]() -> plait_status {
        if (node == nullptr)
            return fail(PLAIT_E_NULL, "%s: the node is NULL", function);
        if (const Status status = check_room(function, events, cap, got); status != PLAIT_OK)
            return status;
        return node->crew ? wait_for_any(*node, {events, cap}, *got, timeout_ms)
                          : node->first().wait({events, cap}, *got, timeout_ms);
    });
}

int plait_node_fd(plait_node *node) {
    int fd = -1;
    const plait_status status =
        on_worker(__func__, node,
                  [&](runtime::Worker &worker) -> plait_status { return store(worker.fd(), &fd); });
    return status == PLAIT_OK ? fd : status;
}

plait_status plait_node_dispatch(plait_node *node, plait_event *events, size_t cap, size_t *got) {
    const char *const function = __func__;
    return on_worker(function, node, [&](runtime::Worker &worker) -> plait_status {
        if (const Status status = check_room(function, events, cap, got); status != PLAIT_OK)
            return status;
        return worker.dispatch({events, cap}, *got);
    });
}

plait_status plait_node_start(plait_node *node, plait_event_fn *on_event, void *user) {
    size_t started = 0;
    const plait_status status = on_all(__func__, node, [&](runtime::Worker &worker) {
        const Status now = worker.start(on_event, user);
        started += now == PLAIT_OK;
        return now;
    });
    for (size_t i = 0; status != PLAIT_OK && i < started; i++)
        node->workers[i]->stop();
    return status;
}

plait_status plait_node_stop(plait_node *node) {
    const char *const function = __func__;
    return on_all(function, node, [&](runtime::Worker &worker) -> plait_status {
        if (node->crew && node->is_in_callback())
            return fail(PLAIT_E_IN_CALLBACK, "%s: a callback cannot wait for its own end",
                        function);
        return worker.stop();
    });
}

plait_status plait_node_attach(plait_node *node, struct event_base *base) {
    return on_worker(__func__, node, [&](runtime::Worker &worker) -> plait_status {
        if (base == nullptr)
            return null_argument("plait_node_attach", "base");
        return worker.attach(base);
    });
}

plait_status plait_node_wake(plait_node *node) {
    return on_all(__func__, node, [&](runtime::Worker &worker) -> plait_status {
        if (node->crew && &worker == &node->first())
            node->crew->wake();
        worker.wake();
        return PLAIT_OK;
    });
}

plait_status plait_node_suspend(plait_node *node) {
    // The first carries what the others still send.
    return on_all(
        __func__, node,
        [](runtime::Worker &worker) -> plait_status {
            worker.suspend();
            return PLAIT_OK;
        },
        Order::kFirstLast);
}

plait_status plait_node_resume(plait_node *node) {
    return on_all(__func__, node, [](runtime::Worker &worker) { return worker.resume(); });
}
