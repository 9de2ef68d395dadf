// SPDX-License-Identifier: Apache-2.0
// A simulated world: nodes, wires between their endpoints, one virtual clock, one seed. Nothing in
// it asks the real clock or the system for randomness, so a run can be repeated exactly:
//
//     World w(seed, {});
//     SimNode &a = w.add_node("a"), &z = w.add_node("z");
//     w.add_wire(a.add_endpoint({}), z.add_endpoint({}), model);
//     ... a.connect(...), w.must([&] { return ...; }, base::seconds(5), "connected");
//
// Whatever goes wrong ends the run with a Failure, whose text begins with what was expected; the
// runner adds the seed and how to run it again.
#pragma once

#include "pipe.h"
#include "trace_hash.h"

#include "node/node.h"

#include <functional>
#include <map>
#include <queue>
#include <stdexcept>
#include <string>
#include <vector>

namespace plait::sim {

class SimNode;
class World;
class Flow;
struct NodeSetup;
struct SimEndpoint;

struct Failure : std::runtime_error {
    using std::runtime_error::runtime_error;
};

struct Options {
    bool check_invariants = true; // of every node, after each of its turns
    bool verbose = false;         // prints datagrams and events
    uint64_t seed = 1;            // as the runner counts them; the world's own is another
};

// So many steps without the clock moving mean that a run would never end; so many in all that it
// would take too long.
inline constexpr uint64_t kMaxStepsAtOnce = 100'000;
inline constexpr uint64_t kMaxSteps = 40'000'000; // unless World::allow_steps

// A way between two endpoints, with a pipe for each direction. Ends are numbered 0 and 1;
// pipe(0) is what end 0 sends.
class Wire {
  public:
    Wire(World &world, SimEndpoint *first, SimEndpoint *second, const PipeModel &forth,
         const PipeModel &back);
    Pipe &pipe(int from) { return pipes_[from]; }
    SimEndpoint &end(int side) { return *ends_[side]; }
    // As the other side sees it. Changed by rebind().
    const plait_addr &address(int side) const { return addresses_[side]; }

    void set_cut(bool cut) { pipes_[0].model.cut = pipes_[1].model.cut = cut; }
    void heal() {
        pipes_[0].model.heal();
        pipes_[1].model.heal();
    }
    template <class F> void each_pipe(F &&f) {
        f(pipes_[0]);
        f(pipes_[1]);
    }
    // A NAT gives `side` another address; the old one leads nowhere from now on, unless kept.
    void rebind(int side, bool keep_old = false);

    // Sees each datagram that an end sends, before its fate is known.
    std::function<void(int from, Bytes datagram)> tap;

  private:
    World &world_;
    SimEndpoint *ends_[2];
    Pipe pipes_[2];
    plait_addr addresses_[2]{};
};

class World {
  public:
    World(uint64_t seed, Options options);
    ~World();
    World(const World &) = delete;
    World &operator=(const World &) = delete;

    // -- making
    SimNode &add_node(std::string name, NodeSetup setup);
    SimNode &add_node(std::string name);
    Wire &add_wire(SimEndpoint &first, SimEndpoint &second, const PipeModel &forth,
                   const PipeModel &back);
    Wire &add_wire(SimEndpoint &first, SimEndpoint &second, const PipeModel &both) {
        return add_wire(first, second, both, both);
    }
    Flow &add_flow(std::unique_ptr<Flow> flow);
    plait_addr new_address();
    void remove_node(SimNode &node);

    // -- running
    Nanos now() const { return now_; }
    Time time() const { return {now_ / 1000}; }
    void at(Nanos when, std::function<void()> what);
    void after(Duration in, std::function<void()> what) { at(now_ + nanos(in), std::move(what)); }
    void run_for(Duration d);
    // Until `done`, asked whenever something has happened; false: not within `limit`.
    bool run_until(const std::function<bool()> &done, Duration limit);
    // The same, and it is a failure if it does not come true.
    void must(const std::function<bool()> &done, Duration limit, const char *what);
    // Something happened that a condition may have waited for.
    void progress() { progressed_ = true; }
    void wake_node(uint32_t index, Nanos when);

    // -- datagrams
    // `departs`: when it has left the sender's driver.
    void transmit(SimEndpoint &from, const plait_addr *to, Bytes bytes, uint8_t ecn, bool probe,
                  Nanos departs);
    // Puts a datagram in front of an endpoint, wherever it comes from.
    void inject(SimEndpoint &to, const plait_addr &from, Bytes bytes, Duration in);

    // -- judging
    [[noreturn]] void fail(const char *format, ...) __attribute__((format(printf, 2, 3)));
    // How everything stands, for a failure's text.
    std::string dump() const;
    TraceHash &hash() { return hash_; }
    Rng &rng() { return rng_; }
    const Options &options() const { return options_; }
    std::vector<std::unique_ptr<SimNode>> &nodes() { return nodes_; }
    std::vector<std::unique_ptr<Flow>> &flows() { return flows_; }
    Flow *flow_of(std::string_view label);
    uint64_t steps() const { return steps_; }
    void allow_steps(uint64_t most) { most_steps_ = std::max(kMaxSteps, most); }
    void log(const char *format, ...) __attribute__((format(printf, 2, 3)));

  private:
    enum class Kind : uint8_t { kAction, kArrival, kTurn };
    struct Event {
        Nanos at;
        uint64_t order;
        Kind kind;
        uint32_t index;
        bool operator>(const Event &o) const { return at != o.at ? at > o.at : order > o.order; }
    };
    struct InFlight {
        std::vector<uint8_t> bytes;
        plait_addr from{};
        SimEndpoint *to = nullptr;
        uint8_t ecn = 0;
    };
    void push(Nanos when, Kind kind, uint32_t index);
    uint32_t new_flight(SimEndpoint &to, const plait_addr &from, Bytes bytes);
    void step();
    void arrive(uint32_t index);
    void too_big(SimEndpoint &from, const plait_addr &to, uint32_t mtu, Duration in);

    Options options_;
    Rng rng_;
    TraceHash hash_;
    Nanos now_ = 0;
    uint64_t order_ = 0, steps_ = 0, steps_at_once_ = 0, most_steps_ = kMaxSteps;
    bool progressed_ = false;
    uint16_t next_address_ = 1;
    std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
    std::vector<std::function<void()>> actions_;
    std::vector<uint32_t> free_actions_;
    std::vector<InFlight> flights_;
    std::vector<uint32_t> free_flights_;
    std::vector<std::unique_ptr<Wire>> wires_;
    std::vector<std::unique_ptr<Flow>> flows_;
    std::map<std::string, Flow *, std::less<>> flows_by_label_;
    std::vector<std::unique_ptr<SimNode>> nodes_; // a removed one leaves an empty place
};

std::string address_text(const plait_addr &a);

} // namespace plait::sim
