// SPDX-License-Identifier: Apache-2.0
// Scenarios: functions that build a world, run it through its faults and judge it. Each runs over
// many seeds; what a seed does not fix is fixed here. Names: sim_<topology>_<fault>_<property>.
#pragma once

#include "flow.h"
#include "sim_node.h"

#include <span>

namespace plait::sim {

struct Scenario {
    const char *name;
    void (*run)(World &);
    uint32_t seeds = 20; // by default
};

// A group is a program run of its own in the test suite.
struct Group {
    const char *name;
    std::span<const Scenario> scenarios;
};
std::span<const Scenario> fault_scenarios();
std::span<const Scenario> handshake_scenarios();
std::span<const Scenario> small_scenarios();
std::span<const Scenario> flood_scenarios();
std::span<const Scenario> link_scenarios();
std::span<const Scenario> path_scenarios();
std::span<const Scenario> life_scenarios();
std::span<const Scenario> key_scenarios();
std::span<const Scenario> channel_scenarios();
std::span<const Scenario> matrix_scenarios();
std::span<const Scenario> flow_scenarios();
std::span<const Scenario> node_scenarios();
std::span<const Scenario> congestion_scenarios();
std::span<const Scenario> self_scenarios();
std::span<const Scenario> policy_scenarios();
std::span<const Scenario> failover_scenarios();
std::span<const Scenario> wide_scenarios();
std::span<const Scenario> fec_scenarios();
std::span<const Scenario> channel_life_scenarios();
std::span<const Scenario> announce_scenarios();

// Two nodes, a and z, with one wire for each model. Endpoint i of either belongs to wire i.
struct Pair {
    World &w;
    SimNode *a = nullptr, *z = nullptr;
    std::vector<Wire *> wires;
    uint64_t at_a = 0, at_z = 0; // the connection's handles, once connected

    // One way: a model of each direction, and what the endpoints say of themselves.
    struct Way {
        PipeModel forth, back;
        link::EndpointInfo info = udp_endpoint();
        uint64_t driver = 0; // bytes in the queue of a line of info.rate; 0: none
        Way(const PipeModel &both) : forth(both), back(both) {}
        Way(const PipeModel &f, const PipeModel &b) : forth(f), back(b) {}
        Way(const PipeModel &both, link::EndpointInfo i, uint64_t d)
            : forth(both), back(both), info(std::move(i)), driver(d) {}
    };
    Pair(World &world, const std::vector<Way> &ways, NodeSetup setup_a = {},
         NodeSetup setup_z = {});

    void dial(size_t wire = 0);
    // a dials over wire 0, both are connected, then every other wire joins and is good on both
    // sides.
    void connect(Duration limit = base::seconds(10));
    void add_links();
    // All flows end as they should within `limit`, then the connection is closed and nothing of it
    // is left at either node.
    void finish_flows(Duration limit);
    void close_and_be_gone();
    bool both_connected();
    void heal() {
        for (Wire *wire : wires)
            wire->heal();
    }
    node::LinkInfo link_info(SimNode &node, size_t wire);
    uint64_t link_handle(SimNode &node, size_t wire);
    node::ConnectionInfo info(SimNode &node);
};

// Nothing is left of any connection: no channel, no link, no memory.
void must_be_empty(World &w, SimNode &node);

// A wire that is drawn: between a slow radio and a fast line, without faults.
PipeModel some_wire(Rng &rng);
PipeModel wire_of(uint64_t rate, Duration delay, uint64_t queue);
// Setups with the little unevennesses of reality: coarse timers, runs, processor time.
NodeSetup some_setup(Rng &rng);
// Flows of several kinds at once; `bytes`: about so many in all.
void open_mixed_load(Pair &p, uint64_t bytes);
FlowPlan stream_plan(uint64_t there, uint64_t back = 0);
FlowPlan message_plan(uint32_t there, uint32_t back, size_t least, size_t most);
FlowPlan datagram_plan(uint32_t there, uint32_t back, Duration interval);
FlowPlan ping_plan(uint32_t count, Duration interval);

} // namespace plait::sim
