// SPDX-License-Identifier: Apache-2.0
// A node in the simulated world: the engine's Node, what a runtime would be around it (a clock that
// is not quite right, timers, a socket buffer or driver queue, processor time), and its
// application.
#pragma once

#include "app.h"
#include "world.h"

#include <array>

namespace plait::sim {

using AddressKey = std::array<uint8_t, 8>;
inline AddressKey address_key(const plait_addr &a) {
    AddressKey k{};
    k[0] = a.len;
    std::copy_n(a.b, std::min<size_t>(a.len, 7), k.begin() + 1);
    return k;
}

struct RouteEnd {
    Wire *wire = nullptr;
    int side = 0;
};

struct SimEndpoint {
    SimNode *node = nullptr;
    uint64_t handle = 0;
    EndpointIndex index;
    link::EndpointInfo info;
    std::map<AddressKey, RouteEnd> routes; // where an address leads
    std::unique_ptr<Queue> driver; // in front of a line; the pipe behind it then has no rate
    uint64_t driver_limit = 0;     // bytes that it takes
    bool waits_for_room = false;
    uint64_t sent = 0; // datagrams
    // Gets what was sent to an address that leads nowhere.
    std::function<void(const plait_addr &to, Bytes datagram)> on_unrouted;
    std::string name() const;
};

struct NodeSetup {
    node::Config config;
    node::AcceptConfig accept{.listening = true, .ask = false, .allow_xx = false, .allowed = {}};
    bool odd_clock = true;   // offset and drift of up to 100 ppm, drawn from the seed
    Duration timer_grain{0}; // timers go off at multiples of this only; 0: exact
    Nanos packet_cost = 0;   // processor time a datagram, in or out
    bool gro = false;        // equal datagrams that wait together come as a run
    std::array<uint8_t, 32> identity_seed{}; // zeros: drawn
};

// What an endpoint is like unless told otherwise: a UDP socket.
link::EndpointInfo udp_endpoint();
// A serial line: point to point, of known rate, with back-pressure.
link::EndpointInfo serial_endpoint(uint64_t rate, uint32_t mtu = 1500);

class SimNode final : public node::Output {
  public:
    SimNode(World &world, uint32_t index, std::string name, NodeSetup setup);
    ~SimNode() override;

    SimEndpoint &add_endpoint(link::EndpointInfo info = udp_endpoint());
    // Puts a queue of `limit` bytes in front of the endpoint's line: send() takes only so much.
    void set_driver(SimEndpoint &e, uint64_t rate, uint64_t limit);
    // What its transport knows of where others reach the endpoint.
    void set_address(SimEndpoint &e, const plait_addr &at);

    World &world() { return world_; }
    uint32_t index() const { return index_; }
    const std::string &name() const { return name_; }
    const crypto::NodeId &id() const { return id_; }
    // The engine. Whoever changes something in it from outside of a turn pokes.
    node::Node &engine() { return *node_; }
    App &app() { return app_; }
    std::vector<std::unique_ptr<SimEndpoint>> &endpoints() { return endpoints_; }
    Time local_time() const { return local_time(world_.now()); }
    // What the node's clock shows at a moment of the world's.
    Time local_time(Nanos at) const;
    bool running() const { return node_ != nullptr; }
    // It crashes: nothing is said to anybody, nothing is remembered but the identity.
    void stop();
    void start();
    // The system freezes it: it does nothing and its clock goes on; a little of what arrives waits
    // in the socket's buffer. And back.
    void suspend();
    void resume();
    // A turn, soon: the application has called it.
    void poke();

    // For the world.
    void take_in(SimEndpoint &to, const plait_addr &from, std::vector<uint8_t> bytes, uint8_t ecn);
    void turn_if_due(Nanos at);
    std::string dump() const;

    // node::Output
    uint32_t send(EndpointIndex endpoint, std::span<const plait_datagram> v) override;
    uint64_t queued_bytes(EndpointIndex endpoint) override;
    link::Reach reach(EndpointIndex endpoint, const plait_addr &addr) override;

  private:
    struct Waiting {
        SimEndpoint *to;
        plait_addr from;
        std::vector<uint8_t> bytes;
        uint8_t ecn;
        Nanos arrived;
    };
    void turn();
    void receive_waiting(Time now);
    size_t fill_batch(size_t from, std::vector<plait_datagram> &batch,
                      std::vector<std::vector<uint8_t>> &runs);
    void settle(Time now);
    void set_trace();
    void on_trace(const plait_trace_record &r);
    void schedule();
    void wake_at(Nanos when);
    void put_on_line(SimEndpoint &e, const plait_datagram &d, Bytes bytes);
    void wait_for_room(SimEndpoint &e, uint64_t size);
    Nanos world_time(Time local) const;

    World &world_;
    uint32_t index_;
    std::string name_;
    NodeSetup setup_;
    Rng rng_;
    SeededEntropy entropy_;
    std::array<uint8_t, 32> seed_{};
    crypto::NodeId id_;
    int64_t clock_offset_us_ = 0, drift_ppb_ = 0;
    std::unique_ptr<node::Node> node_;
    App app_;
    std::vector<std::unique_ptr<SimEndpoint>> endpoints_; // by index
    std::vector<Waiting> inbox_;
    std::vector<plait_trace_record> sent_data_; // of this drain
    bool suspended_ = false;
    Nanos busy_until_ = 0;
    Nanos turn_at_ = UINT64_MAX;
    Nanos last_turn_ = 0;
    uint32_t turns_at_once_ = 0;
    uint32_t unchecked_ = 0; // turns since the invariants were
};

} // namespace plait::sim
