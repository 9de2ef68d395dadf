// SPDX-License-Identifier: Apache-2.0
// A host as small as one can be: poll(2), timers, wake by eventfd, one thread for each Host. It
// does what plait/transport.h promises to plugins, nothing more, and notes where a plugin breaks
// the rules.
//
//   Host host;
//   host.open(transport, uri)  ->  plait_host_endpoint (or NULL, with host.last_status / last_text)
//   host.run(predicate, milliseconds): turns until the predicate holds
//   endpoint->inbox: what arrived, runs taken apart
#pragma once

#include "plait/transport.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace plait::conformance {

class Host;

struct Received {
    std::vector<uint8_t> data;
    plait_addr peer{};
    plait_addr local{};
    uint8_t ecn = 0;
    uint32_t ifindex = 0;
};

struct Watch {
    int fd;
    uint32_t events;
};

} // namespace plait::conformance

// The host's side of an endpoint, as the plugin sees it: opaque.
struct plait_host_endpoint {
    plait::conformance::Host *host = nullptr;
    const plait_transport *transport = nullptr;
    void *self = nullptr;
    std::string uri;

    std::vector<plait::conformance::Watch> watches;
    uint64_t timer_us = UINT64_MAX;
    std::atomic<bool> woken{false};
    bool receiving = true;      // false: back-pressure, recv is not called
    bool recv_due = false;      // left over from a time without receiving
    uint32_t recv_batch = 16;
    uint32_t calls = 0;         // depth: inside an operation
    std::vector<plait::conformance::Received> inbox;

    bool up = true;
    uint32_t ups = 0, downs = 0, writables = 0;
    uint64_t mtu_said = 0;
    bool has_bound = false;
    plait_addr bound{};         // its own address, as it said in open()
    plait_status failed = PLAIT_OK;
    std::string text;
    std::vector<std::string> log;

    plait_status send(const plait_datagram *v, uint32_t n, uint32_t *sent);
    plait_status recv(plait_datagram *v, uint32_t n, uint32_t *got);
    void recv_done(const plait_datagram *v, uint32_t n);
    plait_transport_info info(const plait_addr *addr = nullptr);
    plait_status parse(const char *address, plait_addr *out);
    plait_status format(const plait_addr *addr, char *buf, size_t cap);
    bool point_to_point() { return (info().flags & PLAIT_INFO_POINT_TO_POINT) != 0; }
};

namespace plait::conformance {

class Host {
  public:
    Host();
    ~Host();
    Host(const Host &) = delete;
    Host &operator=(const Host &) = delete;

    // NULL: see last_status and last_text.
    plait_host_endpoint *open(const plait_transport *transport, const char *uri,
                              uint32_t worker = 0, uint32_t workers = 1);
    void close(plait_host_endpoint *endpoint);

    // One turn: waits at most `wait_ms` for something, then serves what is due.
    void turn(int wait_ms);

    // Turns until done(); false if that takes longer.
    template <class Done>
    bool run(Done done, int limit_ms) {
        uint64_t end = now_us() + static_cast<uint64_t>(limit_ms) * 1000;
        while (!done()) {
            uint64_t now = now_us();
            if (now >= end) {
                return false;
            }
            turn(static_cast<int>((end - now) / 1000) + 1);
        }
        return true;
    }
    void run_for(int ms) {
        run([] { return false; }, ms);
    }

    static uint64_t now_us();
    static const plait_host *table();

    plait_status last_status = PLAIT_OK;
    std::string last_text;
    std::vector<std::string> violations; // of the contract, by plugins

    void violation(const char *what) { violations.emplace_back(what); }
    void wake();

  private:
    void serve(plait_host_endpoint &e, int fd, uint32_t events);
    void receive(plait_host_endpoint &e);
    int wait_ms(int limit) const;

    int wake_fd_;
    std::vector<std::unique_ptr<plait_host_endpoint>> endpoints_;
};

// A transport by the path of its module, or "static:NAME" for one that is linked in. NULL and a
// text on stderr if there is none, or if it is of another ABI.
const plait_transport *load_transport(const char *path);

} // namespace plait::conformance
