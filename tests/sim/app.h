// SPDX-License-Identifier: Apache-2.0
// The application of a simulated node: takes its events, lets flows do their sending and reading,
// and holds the node to what plait/types.h promises of events: nothing after the closing event,
// exactly one of these for each handle, a connection's after those of its channels and links.
#pragma once

#include "random.h"

#include "node/node.h"

#include <functional>
#include <map>
#include <string>

namespace plait::sim {

class SimNode;
struct FlowEnd;

// A connection as the application knows it.
struct Peering {
    uint64_t handle = 0;
    bool dialed = false, requested = false, connected = false, closed = false, closing = false;
    uint32_t dormant = 0;
    Status status = PLAIT_OK;
    uint64_t code = 0;
    bool by_application = false;
    std::string reason;
    crypto::NodeId peer;
    uint64_t connected_at = 0, closed_at = 0; // ns of the world
    std::map<uint64_t, uint64_t> links;       // handle -> state as last told, 0: not told yet
    uint32_t links_closed = 0, channels_closed = 0;
};

class App {
  public:
    App(SimNode &node, Rng rng) : node_(node), rng_(rng) {}

    // -- what it does on its own
    enum class Answer : uint8_t { kAccept, kRefuse, kWait };
    Answer on_request = Answer::kAccept;
    uint64_t refuse_code = 77;
    bool closes_handles = true;    // lets go of connections that have ended
    bool refuses_channels = false; // those that no flow is waiting for are refused in any case
    std::function<void(const plait_event &)> watch; // sees each event after it was handled

    // -- calls
    // Dials; by default the first endpoint that has a wire to the peer, and the address of that.
    uint64_t connect(SimNode &peer, size_t wire_index = 0, node::ConnectConfig config = {},
                     bool by_id = true);
    // To the place of `peer`, but asking for `id` there.
    uint64_t connect_as(const crypto::NodeId *id, SimNode &peer, size_t wire_index = 0,
                        node::ConnectConfig config = {});
    void close(uint64_t connection, uint64_t code = 0, std::string_view reason = {});
    uint64_t add_link(uint64_t connection, SimNode &peer, size_t wire_index);
    void forget_all(); // the node has crashed

    // -- what has happened
    // Handles every event that waits; false: there was none.
    bool take_events(Time now);
    // A packet carries a channel's data.
    void on_data_sent(const plait_trace_record &r);
    Peering *peering(uint64_t connection);
    // The live, connected one to that node, or nullptr.
    Peering *to(const SimNode &peer);
    bool connected_to(const SimNode &peer) { return to(peer) != nullptr; }
    const std::map<uint64_t, Peering> &peerings() const { return peerings_; }
    uint64_t count(uint32_t event_type) const { return event_type < 64 ? counts_[event_type] : 0; }
    size_t good_links(uint64_t connection) const;
    void attach(uint64_t channel, FlowEnd *end) { channels_[channel] = end; }
    std::string dump() const;
    Rng &rng() { return rng_; }

  private:
    void handle(const plait_event &e, Time now);
    void check(const plait_event &e);
    void on_connection(const plait_event &e, Peering &p, Time now);
    void on_channel(const plait_event &e, Time now);
    void on_channel_request(const plait_event &e, Time now);
    void on_link(const plait_event &e, Peering &p);
    FlowEnd *sender(uint64_t connection, uint32_t number);

    SimNode &node_;
    Rng rng_;
    std::map<uint64_t, Peering> peerings_;
    std::map<uint64_t, FlowEnd *> channels_;                     // open ones; nullptr: nobody's
    std::map<std::pair<uint64_t, uint32_t>, FlowEnd *> senders_; // by connection and number
    std::map<uint64_t, uint64_t> gone_; // channels and links that had their closing event
    uint64_t counts_[64] = {};
};

} // namespace plait::sim
