// SPDX-License-Identifier: Apache-2.0
// In place of libevent.cpp where the build is without it.
#include "runtime/poller.h"

#include <cerrno>

namespace plait::runtime {

std::unique_ptr<Poller> make_libevent(Waker &, event_base *, Sink *) {
    errno = ENOSYS;
    return nullptr;
}

} // namespace plait::runtime
