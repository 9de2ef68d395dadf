// SPDX-License-Identifier: Apache-2.0
// The host's side of the transport ABI: what a plugin's calls to watch, timer, state, fail, log and
// wake do. They only note things down; what follows is done by Endpoints after the plugin's
// operation has returned, because an operation may itself be running inside the engine (send,
// during a drain).
#pragma once

#include "base/ids.h"
#include "base/time.h"
#include "plait/transport.h"
#include "runtime/app_queue.h"
#include "runtime/log.h"
#include "runtime/poller.h"

#include <array>
#include <atomic>
#include <memory>
#include <string>
#include <vector>

namespace plait::runtime {

class Loan;

// A descriptor that a plugin watches.
struct Watch {
    int fd = -1;
    uint32_t events = 0;
};

// What a plugin has told through state().
struct Notice {
    uint32_t what = 0;
    bool has_addr = false;
    plait_addr addr{};
    uint64_t value = 0;
};
inline constexpr size_t kNoticesMax = 128; // waiting at one endpoint

// What the host functions need of the worker.
struct HostServices {
    Poller *poller = nullptr;
    Waker *waker = nullptr;
    Log *log = nullptr;
    std::atomic<bool> wake_asked{false}; // by any endpoint
    bool noticed = false;                // some endpoint has notices or has failed
    bool paused = false;                 // nothing is watched at present
};

extern const plait_host kHost;

} // namespace plait::runtime

// An endpoint as the host sees it; opaque to plugins.
struct plait_host_endpoint {
    plait::runtime::HostServices *services = nullptr;
    const plait_transport *transport = nullptr; // nullptr: an application endpoint
    void *self = nullptr;                       // set while it is open
    std::string uri;
    uint64_t tag = 0;       // slot and generation, for Poller
    uint64_t handle = 0;    // in the node
    uint64_t shared = 0;    // worker 0's handle of it, which is the application's
    bool is_shared = false; // each worker has opened it
    // Worker 0 has opened it alone and lends it; with a transport or `output`: this is worker 0.
    std::shared_ptr<plait::runtime::Loan> loan;
    uint64_t token = 0;
    plait::EndpointIndex index{};
    plait::Time alarm = plait::kNever;
    plait_addr local{};
    bool has_local = false;
    bool opening = false;
    bool failed = false;
    plait_status fail_status = PLAIT_OK;
    std::string fail_text;
    uint64_t send_errors = 0;
    std::atomic<bool> wake_asked{false};
    std::array<plait::runtime::Watch, PLAIT_TRANSPORT_FDS_MAX> watches{};
    std::vector<plait::runtime::Notice> notices;
    uint32_t recv_buffer = 0, send_buffer = 0;        // as wished for
    const plait_transport_members *members = nullptr; // it stands for several
    uint64_t parent = 0;                              // the one that this is a member of,
    plait_addr member_addr{};                         // under this address
    std::unique_ptr<plait::runtime::AppQueue> output; // of an application endpoint
    uint32_t app_mtu = 0;
    bool app_point_to_point = false;
    bool app_blocked = false; // the node waits for room in `output`

    bool is_borrowed() const { return loan && transport == nullptr && !output; }

    // Tells the poller about one descriptor, or all of them.
    plait_status arm(const plait::runtime::Watch &watch);
    void arm_all();
    void disarm_all();
    plait::runtime::Watch *find_watch(int fd);
    bool watches_input() const;
};
