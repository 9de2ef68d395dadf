// SPDX-License-Identifier: Apache-2.0
// The loop modes of plait/node.h.
#include "capi/capi.h"
#include "plait/node.h"

using namespace plait;
using namespace plait::capi;

namespace {

// As guard(), for functions that take the lock themselves.
template <class F> plait_status on_worker(const char *function, plait_node *node, F &&f) noexcept {
    return guard(function, [&]() -> plait_status {
        if (node == nullptr)
            return fail(PLAIT_E_NULL, "%s: the node is NULL", function);
        return f(*node->worker);
    });
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
    return on_worker(function, node, [&](runtime::Worker &worker) -> plait_status {
        if (const Status status = check_room(function, events, cap, got); status != PLAIT_OK)
            return status;
        return worker.wait({events, cap}, *got, timeout_ms);
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
    return on_worker(__func__, node,
                     [&](runtime::Worker &worker) { return worker.start(on_event, user); });
}

plait_status plait_node_stop(plait_node *node) {
    return on_worker(__func__, node, [](runtime::Worker &worker) { return worker.stop(); });
}

plait_status plait_node_attach(plait_node *node, struct event_base *base) {
    return on_worker(__func__, node, [&](runtime::Worker &worker) -> plait_status {
        if (base == nullptr)
            return null_argument("plait_node_attach", "base");
        return worker.attach(base);
    });
}

plait_status plait_node_wake(plait_node *node) {
    return on_worker(__func__, node, [](runtime::Worker &worker) -> plait_status {
        worker.wake();
        return PLAIT_OK;
    });
}

plait_status plait_node_suspend(plait_node *node) {
    return on_worker(__func__, node, [](runtime::Worker &worker) { return worker.suspend(); });
}

plait_status plait_node_resume(plait_node *node) {
    return on_worker(__func__, node, [](runtime::Worker &worker) { return worker.resume(); });
}
