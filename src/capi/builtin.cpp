// SPDX-License-Identifier: Apache-2.0
// The transports that are part of the library (the build's option static_transports). The others
// are found as plugins, where all are installed.
#include "builtin.h"
#include "capi/capi.h"

namespace plait::capi {

std::vector<const plait_transport *> builtin_transports() {
    return {
#ifdef PLAIT_STATIC_UDP
        &plait_transport_udp,
#endif
#ifdef PLAIT_STATIC_SERIAL
        &plait_transport_serial,
#endif
#ifdef PLAIT_STATIC_MEMORY
        &plait_transport_memory,
#endif
    };
}

} // namespace plait::capi
