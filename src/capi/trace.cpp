// SPDX-License-Identifier: Apache-2.0
#include "plait/trace.h"

#include "capi/capi.h"

using namespace plait;
using namespace plait::capi;

plait_status plait_node_set_trace(plait_node *node, uint64_t mask, plait_trace_fn *sink,
                                  void *user) {
    const char *const function = __func__;
    return with_all(function, node, [&](Call &call) -> plait_status {
        if (sink == nullptr && mask != 0)
            return null_argument(function, "sink");
        call.node().set_trace(mask, sink, user);
        return PLAIT_OK;
    });
}
