// SPDX-License-Identifier: Apache-2.0
// The transports that are part of the library. Without the option builtin_transports they are found
// as plugins, where they are installed in either case.
#include "capi/capi.h"

#ifdef PLAIT_BUILTIN_TRANSPORTS
#include "builtin.h"
#endif

namespace plait::capi {

std::vector<const plait_transport *> builtin_transports() {
#ifdef PLAIT_BUILTIN_TRANSPORTS
    return {&plait_transport_udp, &plait_transport_serial, &plait_transport_memory};
#else
    return {};
#endif
}

} // namespace plait::capi
