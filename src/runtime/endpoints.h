// SPDX-License-Identifier: Apache-2.0
// The open endpoints of a worker: opens transports, gives what they receive to the node, and is the
// node's way out (node::Output). Runs under the worker's lock, and no plugin is called from inside
// another plugin's call: what a plugin tells is noted (host.h) and carried out by apply_notices().
//
//   poller --ready--> on_ready --> plugin poll, recv --> Node::receive
//   Node::drain --> send --> plugin send              apply_notices --> Node::endpoint_...
#pragma once

#include "node/node.h"
#include "runtime/crew.h"
#include "runtime/host.h"
#include "runtime/loader.h"
#include "runtime/patience.h"

#include <span>
#include <string>
#include <utility>
#include <vector>

namespace plait::runtime {

inline constexpr uint32_t kRecvBatch = 32; // what our own transports give at once, at most
inline constexpr int kNoticeRounds = 8;    // of plugins' news, each caused by the one before
inline constexpr int kRecvRounds = 4; // full batches of one endpoint before the others get a turn
inline constexpr uint32_t kAppMtuDefault = 1200, kAppMtuMax = 65535;
inline constexpr uint32_t kAppQueueDefault = 64u << 10;
inline constexpr size_t kAppNameMax = 24;
inline constexpr size_t kMemberUriMax = 512;

struct OpenOptions {
    uint32_t recv_buffer = 0, send_buffer = 0;
    uint64_t token = 0;
    uint64_t shared = 0; // worker 0's handle of it, which is the application's
    bool alone = false;  // not for each worker
};

struct AppOptions {
    uint32_t mtu = kAppMtuDefault, queue_bytes = kAppQueueDefault, cost = 0;
    bool point_to_point = false;
    uint64_t rate = 0, token = 0;
};

// One end of a link: where to send from, and to.
struct Target {
    uint64_t endpoint = 0;
    plait_addr addr{};
};

class Endpoints final : public node::Output {
  public:
    Endpoints(Loader &loader, Waker &waker, Log &log);
    ~Endpoints() override;

    // Once, before anything else; the node outlives what is open (see close_all).
    void set_node(node::Node &node) { node_ = &node; }
    // Of a node with several workers, once too: which this one is. Worker 0 has all endpoints; the
    // others open those of transports that can be opened by each (PLAIT_CAP_PER_WORKER), and borrow
    // the rest (loan.h).
    void set_crew(Crew &crew, uint32_t worker);
    // Moves all watches to another poller.
    void set_poller(Poller &poller);
    // Stops watching, or goes on.
    void pause(bool paused);

    // -- for the API; failures note a text
    Result<uint64_t> open(const std::string &uri, const OpenOptions &options, Time now);
    Result<uint64_t> open_app(const std::string &uri, const AppOptions &options, Time now);
    Status close(uint64_t endpoint, Time now);
    void close_all();
    Status push(uint64_t endpoint, const plait_addr *from, Bytes data, Time now);
    // PLAIT_E_BUFFER and PLAIT_OK set `size`.
    Status take(uint64_t endpoint, plait_addr &to, MutBytes out, size_t &size, Time now);
    Status set_app_state(uint64_t endpoint, bool up, Time now);
    Result<std::string> uri(uint64_t endpoint) const;
    // PLAIT_E_CLOSED if it is closed, or a handle's own failures.
    Result<const plait_host_endpoint *> look(uint64_t endpoint) const;
    plait_transport_info transport_info(const plait_host_endpoint &h, const plait_addr *addr) const;

    // Handles of endpoints are worker 0's everywhere above; all functions here take those and the
    // worker's own.
    bool has(uint64_t endpoint) const { return of(endpoint) != nullptr; }
    uint64_t public_handle(uint64_t handle) const;
    uint64_t shared_handle(EndpointIndex index) const;
    // This worker's own handle of it; it is borrowed now if it was not yet.
    Result<uint64_t> handle_here(uint64_t endpoint, Time now);
    // What the other workers open, once it is open here; "" if it is lent to them.
    Result<std::string> uri_for_others(uint64_t endpoint) const;

    // Where an address leads, with this endpoint or (0) any that suits. The address is a URI, or ""
    // for the other end of `endpoint`.
    Result<Target> resolve(const std::string &address, uint64_t endpoint) const;
    // "udp://192.0.2.7:4242"
    std::string address_text(uint64_t endpoint, const plait_addr &addr) const;

    // The same as peers tell it each other.
    Result<node::Place> place(const std::string &address) const;
    std::string place_text(const node::Place &place) const;

    // Adds what only this room knows to events about endpoints.
    void complete(plait_event &event);

    // -- for the loop
    void on_ready(std::span<const Ready> ready, Time now);
    void on_woken(Time now);
    bool look(Time now);
    // Since the last call.
    Traffic take_traffic() { return std::exchange(traffic_, {}); }
    void on_timers(Time now);
    Time deadline() const;
    // Carries out what plugins have told; true if there was anything.
    bool apply_notices(Time now);
    // What other workers have handed over.
    void on_handed(Time now);

    // -- node::Output
    uint32_t send(EndpointIndex index, std::span<const plait_datagram> v) override;
    uint64_t queued_bytes(EndpointIndex index) override;
    link::Reach reach(EndpointIndex index, const plait_addr &addr) override;

  private:
    using Endpoint = plait_host_endpoint;
    Endpoint &make(const std::string &uri);
    Status open_plugin(Endpoint &h);
    void drop(Endpoint &h);
    Result<uint64_t> join_node(Endpoint &h, const node::EndpointInfo &info, Time now);
    node::EndpointInfo describe(const Endpoint &h) const;
    Endpoint *of(uint64_t endpoint) const;
    Endpoint *app(uint64_t endpoint) const;
    Endpoint *at(EndpointIndex index) const;
    void run(Endpoint &h, int fd, uint32_t events, Time now);
    bool receive(Endpoint &h, Time now);
    void deliver(Endpoint &h, std::span<plait_datagram> v, Time now);
    void arrived(Endpoint &h, std::span<plait_datagram> v, Time now);
    void sort(Endpoint &h, std::span<plait_datagram> v, Time now);
    void take_apart(Endpoint &h, const plait_datagram &run, Time now);
    static Crew::Item item_of(Crew::Kind kind, uint64_t endpoint, const plait_datagram &d);
    static plait_datagram datagram_of(const Crew::Item &item, MutBytes bytes);
    static uint64_t public_handle(const Endpoint &h) { return h.shared != 0 ? h.shared : h.handle; }
    void writable(Endpoint &h, Time now);
    void lend(Endpoint &h);
    Endpoint *borrow(uint64_t endpoint, Time now);
    void return_loan(Endpoint &h, Status why, Time now);
    void end_loan(const Endpoint &h, Status why);
    void tell_borrowers(const Endpoint &h, const Notice &notice);
    void on_item(const Crew::Item &item, MutBytes bytes, Time now);
    uint32_t send_borrowed(Endpoint &h, std::span<const plait_datagram> v);
    void send_for(Endpoint &h, const Crew::Item &item, Bytes bytes);
    bool pass_on(Endpoint &h, const Crew::Item &item, Bytes bytes);
    void flush_loan(Endpoint &h, Time now);
    void after_sending(Endpoint &h, Time now);
    void tell_blocked(Loan &loan);
    uint32_t send_own(Endpoint &h, std::span<const plait_datagram> v);
    uint32_t send_now(Endpoint &h, std::span<const plait_datagram> v);
    void apply_all(Endpoint &h, Time now);
    void apply(Endpoint &h, const Notice &notice, Time now);
    void apply_member(Endpoint &group, const Notice &notice, Time now);
    void open_member(Endpoint &group, const plait_addr &addr, Time now);
    void end_member(Endpoint &member, Status why, Time now);
    void end_members(uint64_t group, Status why, Time now);
    Endpoint *member_at(const Endpoint &group, const plait_addr &addr) const;
    bool suits(const Endpoint &h, const std::string &address, uint64_t group) const;
    void end(Endpoint &h, Status why, Time now);
    void close_plugin(Endpoint &h);
    uint32_t send_app(Endpoint &h, std::span<const plait_datagram> v);
    bool parse_address(const Endpoint &h, const std::string &address, plait_addr &out) const;

    Loader &loader_;
    HostServices services_;
    node::Node *node_ = nullptr;
    std::vector<std::unique_ptr<Endpoint>> slots_;
    std::vector<uint16_t> generations_; // of the slots
    struct Departed {
        uint64_t handle, token, parent;
    };
    std::vector<Departed> departed_; // until CLOSED is told
    std::vector<uint8_t> scratch_;   // a datagram that was pushed, or is another worker's
    std::array<plait_datagram, kRecvBatch> batch_{}; // zeros between calls of recv
    Traffic traffic_;
    bool applying_ = false; // notices, just now
    Crew *crew_ = nullptr;  // of a node with several workers
    uint32_t worker_ = 0;
    Crew::Batch handed_;
};

} // namespace plait::runtime
