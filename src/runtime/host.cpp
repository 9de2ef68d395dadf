// SPDX-License-Identifier: Apache-2.0
#include "runtime/host.h"

#include "runtime/system.h"

#include <cstring>

using plait::runtime::Notice;
using plait::runtime::Watch;

plait_status plait_host_endpoint::arm(const Watch &watch) {
    const uint64_t fd_tag = tag | static_cast<uint32_t>(watch.fd);
    return services->poller->watch(watch.fd, services->paused ? 0 : watch.events, fd_tag);
}

void plait_host_endpoint::arm_all() {
    for (const Watch &watch : watches)
        if (watch.fd >= 0)
            arm(watch);
}

void plait_host_endpoint::disarm_all() {
    for (const Watch &watch : watches)
        if (watch.fd >= 0)
            services->poller->unwatch(watch.fd);
}

Watch *plait_host_endpoint::find_watch(int fd) {
    for (Watch &watch : watches)
        if (watch.fd == fd)
            return &watch;
    return nullptr;
}

bool plait_host_endpoint::watches_input() const {
    for (const Watch &watch : watches)
        if (watch.fd >= 0 && (watch.events & PLAIT_POLL_READ))
            return true;
    return false;
}

namespace plait::runtime {
namespace {

plait_status host_watch(plait_host_endpoint *h, int fd, uint32_t events) {
    if (fd < 0)
        return PLAIT_E_INVALID;
    Watch *watch = h->find_watch(fd);
    if (watch == nullptr)
        watch = h->find_watch(-1);
    if (watch == nullptr)
        return PLAIT_E_LIMIT;
    const Watch before = *watch;
    *watch = {fd, events & (PLAIT_POLL_READ | PLAIT_POLL_WRITE)};
    if (before.fd == fd && before.events == watch->events)
        return PLAIT_OK;
    const plait_status status = h->arm(*watch);
    if (status != PLAIT_OK)
        *watch = before;
    return status;
}

void host_unwatch(plait_host_endpoint *h, int fd) {
    Watch *watch = fd < 0 ? nullptr : h->find_watch(fd);
    if (watch == nullptr)
        return;
    h->services->poller->unwatch(fd);
    *watch = {};
}

void host_timer(plait_host_endpoint *h, uint64_t when_us) {
    h->alarm = Time{when_us};
}

void host_state(plait_host_endpoint *h, uint32_t what, const plait_addr *addr, uint64_t value) {
    if (what == PLAIT_TRANSPORT_ADDRESS && addr != nullptr && value != 0 && !h->has_local) {
        h->local = *addr;
        h->has_local = true;
    }
    Notice notice{what, addr != nullptr, {}, value};
    if (addr != nullptr)
        notice.addr = *addr;
    // The latest word about the same thing counts; a flood of different ones loses the oldest,
    // which a link finds out by itself.
    for (Notice &old : h->notices) {
        const bool up_down = old.what <= PLAIT_TRANSPORT_DOWN && what <= PLAIT_TRANSPORT_DOWN;
        if ((old.what == what || up_down) && old.has_addr == notice.has_addr &&
            std::memcmp(&old.addr, &notice.addr, sizeof old.addr) == 0) {
            old = notice;
            return;
        }
    }
    if (h->notices.size() >= kNoticesMax)
        h->notices.erase(h->notices.begin());
    h->notices.push_back(notice);
    h->services->noticed = true;
}

void host_fail(plait_host_endpoint *h, plait_status status, const char *text) {
    h->fail_text = text != nullptr ? text : "";
    if (h->opening)
        return; // the status that open() returns counts
    h->failed = true;
    h->fail_status = status != PLAIT_OK ? status : PLAIT_E_TRANSPORT;
    h->services->noticed = true;
}

void host_log(plait_host_endpoint *h, uint32_t level, const char *text) {
    h->services->log->line(level, "%s: %s", h->uri.c_str(), text);
}

void host_wake(plait_host_endpoint *h) {
    h->wake_asked.store(true, std::memory_order_release);
    h->services->wake_asked.store(true, std::memory_order_release);
    h->services->waker->wake();
}

uint64_t host_now_us(plait_host_endpoint *) {
    return monotonic_now().us;
}

const void *host_get_extension(plait_host_endpoint *, const char *) {
    return nullptr;
}

} // namespace

const plait_host kHost = {
    PLAIT_TRANSPORT_ABI, sizeof(plait_host), host_watch,         host_unwatch,
    host_timer,          host_state,         host_fail,          host_log,
    host_wake,           host_now_us,        host_get_extension,
};

} // namespace plait::runtime
