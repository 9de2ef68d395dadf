// SPDX-License-Identifier: Apache-2.0
// What a node is told at its making, and the values its getters give. Plain structs; the C ABI
// copies them into its own versioned ones.
#pragma once

#include "base/time.h"
#include "channel/channel.h"
#include "channel/config.h"
#include "connection/announce.h"
#include "connection/answers.h"
#include "connection/config.h"
#include "crypto/identity.h"
#include "crypto/key_schedule.h"
#include "link/endpoint.h"
#include "link/policy.h"
#include "link/state.h"
#include "plait/transport.h"
#include "recovery/controller.h"
#include "recovery/ecn.h"

#include <optional>
#include <string>
#include <vector>

namespace plait::node {

class Neighbours;

// Who may connect, and what happens when somebody does.
struct AcceptConfig {
    bool listening = false;
    bool ask = false;      // CONNECTION_REQUEST and accept or refuse; otherwise accepted at once
    bool allow_xx = false; // also answer those who do not know our id (then we are audible)
    std::vector<crypto::NodeId> allowed; // empty: everyone
};

struct Config {
    uint32_t max_connections = 4096;
    uint32_t max_pending_handshakes = 256;
    uint32_t max_endpoints = 64;
    uint32_t max_links_per_connection = 8;
    uint32_t max_channels_per_peer = 64;            // open at one time by the peer, a connection
    uint32_t max_channels = 1u << 20;               // of the whole node
    uint32_t max_packets_in_flight = 1u << 18;      // a link
    uint64_t receive_memory = 64u << 20;            // of the whole node, bytes
    uint64_t connection_receive_memory = 32u << 20; // share of one connection at most, bytes
    uint64_t initial_window = 16u << 10;
    uint64_t max_message = 16u << 20;
    Duration handshake_timeout = base::seconds(10);
    Duration idle_timeout = base::seconds(60); // 0: none
    Duration keepalive = base::seconds(0);     // 0: none
    Duration dormancy_timeout = base::seconds(60);
    recovery::ControllerKind controller = recovery::ControllerKind::kCubic;
    recovery::EcnMode ecn = recovery::EcnMode::kClassic;
    bool announces = false, follows = false; // endpoints' addresses; see connection::Config
    connection::KeyLimits keys;
    std::vector<crypto::Secret<32>> network_keys; // at most 4
    // Of a node with several workers: which one this is, and its way to the others.
    uint8_t worker = 0, workers = 1;
    Neighbours *neighbours = nullptr;
    // The length of connection ids by transport class; others: 8 bytes.
    std::vector<std::pair<std::string, uint8_t>> cid_sizes = {{"serial", 1}};
};

using EndpointInfo = link::EndpointInfo;
using connection::Place;

struct ConnectConfig {
    bool accept_any_id = false; // without a peer id: take whoever answers, else CONNECTION_REQUEST
    Duration idle_timeout{-1}, keepalive{-1}, dormancy_timeout{-1}; // negative: the node's
    std::optional<recovery::ControllerKind> controller;             // none: the node's
    std::optional<bool> announces, follows;                         // the same
    uint64_t token = 0; // the application's, comes back in each event
};

// How links are to be used, as the application says it; see link/policy.h.
struct PolicyConfig {
    link::PolicyKind kind = link::PolicyKind::kDefault;
    uint8_t max_cost = 0, copies = 0;
    uint64_t pinned_link = 0;     // a handle, or
    std::string pinned_transport; // the links' transport class
};

struct LinkConfig {
    uint64_t token = 0;
    uint32_t cost = 0; // added to the endpoint's
};

enum class ConnectionState : uint8_t {
    kConnecting,
    kRequested,
    kConnected,
    kDormant,
    kClosing,
    kClosed
};

struct ConnectionInfo {
    ConnectionState state = ConnectionState::kConnecting;
    crypto::NodeId peer;
    bool peer_known = false;
    bool initiator = false;
    crypto::Cipher cipher = crypto::Cipher::kChaCha20Poly1305;
    uint32_t links = 0, live_links = 0, channels = 0;
    uint64_t token = 0;
    // How it ended.
    Status status = PLAIT_OK;
    uint64_t close_code = 0;
    bool closed_by_peer = false, closed_by_application = false;
    std::string close_reason;
    // Statistics over all links.
    uint64_t bytes_sent = 0, bytes_received = 0, packets_sent = 0, packets_received = 0;
    uint64_t packets_lost = 0, packets_spurious = 0, bytes_reinjected = 0, auth_failures = 0;
    uint64_t receive_memory = 0, send_memory = 0;
    Duration handshake_time{};
    uint32_t generation = 0;
};

struct LinkInfo {
    uint64_t connection = 0, endpoint = 0, token = 0;
    uint32_t number = 0;
    link::State state = link::State::kValidating;
    plait_addr remote{}, local{};
    Status status = PLAIT_OK;
    uint64_t bytes_sent = 0, bytes_received = 0, packets_sent = 0, packets_received = 0;
    uint64_t packets_lost = 0, packets_spurious = 0, packets_acked = 0;
    uint64_t payload_sent = 0, payload_received = 0; // bytes of channels' data, repeats included
    Duration srtt{}, rttvar{}, min_rtt{}, latest_rtt{};
    uint64_t cwnd = 0, in_flight = 0, pacing_rate = 0; // bytes, bytes, bytes a second
    uint32_t mtu = 0;
    uint32_t cost = 0;
    recovery::EcnValidation::State ecn = recovery::EcnValidation::State::kOff;
    uint64_t packets_marked = 0; // of those sent, with CE
    recovery::ControllerKind controller = recovery::ControllerKind::kCubic;
    link::Role role = link::Role::kNone;
    link::Reason why = link::Reason::kNone; // of state and role
    bool shares_bottleneck = false;         // with another link of the connection
    char reason[64] = {};                   // why it is in this state: "no answer for 41 ms"
};

struct ChannelInfo {
    uint64_t connection = 0, token = 0;
    uint32_t number = 0;
    bool opened_here = false, accepted = false, requested = false, closed = false;
    channel::Config config;
    std::string label;
    channel::Stats stats;
    uint64_t send_queue = 0, receive_queue = 0; // bytes not acknowledged, bytes not read
    uint64_t send_limit = 0, receive_limit = 0; // offsets
    uint64_t send_waiting = 0;                  // bytes not sent for the first time yet
    uint64_t receive_window = 0;                // bytes given ahead of reading
    size_t reports = 0;                         // that wait to be taken
    uint32_t send_epoch = 0, receive_epoch = 0;
    Status status = PLAIT_OK;
    uint64_t code = 0; // of a refusal, reset or stop
};

struct EndpointStats : link::EndpointCounters {
    EndpointInfo info;
    bool up = true;
    uint32_t links = 0;
};

struct NodeStats {
    uint32_t connections = 0, channels = 0, links = 0, endpoints = 0, pending_handshakes = 0;
    uint64_t handshakes_begun = 0, handshakes_done = 0, handshakes_refused = 0;
    uint64_t retries_sent = 0, handshakes_in_pieces = 0, resets_sent = 0;
    uint64_t datagrams_received = 0, datagrams_sent = 0, datagrams_dropped = 0, bytes_received = 0,
             bytes_sent = 0;
    uint64_t auth_failures = 0, malformed = 0, bad_mac1 = 0;
    uint64_t receive_memory = 0, send_memory = 0;
};

} // namespace plait::node
