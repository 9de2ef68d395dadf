// SPDX-License-Identifier: Apache-2.0
// What all connections of a node share: tables, pools, caches, the packet arena. One per worker.
#pragma once

#include "base/sharing.h"
#include "base/slab.h"
#include "channel/budget.h"
#include "connection/answers.h"
#include "connection/assembler.h"
#include "connection/channel_entry.h"
#include "connection/cids.h"
#include "connection/config.h"
#include "connection/events.h"
#include "connection/handshake.h"
#include "crypto/protection.h"
#include "link/link.h"
#include "link/scheduler.h"
#include "plait/trace.h"

#include <string>

namespace plait::connection {

class Connection;

// What stays of the peer's handshake parameters.
struct PeerFacts {
    uint64_t initial_window = 0, max_message = 0; // bytes
    uint32_t max_ack_delay_us = 0;
    uint8_t class_count = 0;
    std::array<uint8_t, wire::kMaxClasses> cid_sizes{};    // by class in the peer's table
    std::array<uint32_t, wire::kMaxClasses> names{};       // hashes, by the same
    std::array<int8_t, wire::kMaxClasses> class_of_mine{}; // by our class; -1: it has none such
    bool operator==(const PeerFacts &) const = default;
};

struct LinkEntry : link::Link {
    using link::Link::Link;
    EventState events;
    crypto::ResetToken reset_token{}; // of peer_cid; zeros: none
};

struct EndpointEntry : link::Endpoint {
    using link::Endpoint::Endpoint;
    EventState events;
    Status status = PLAIT_OK;
};

// A connection with what its handle needs; the connection itself may move to another entry, when
// two nodes have dialed each other at once.
struct ConnectionEntry {
    explicit ConnectionEntry(std::unique_ptr<Connection> c);
    ~ConnectionEntry();
    std::unique_ptr<Connection> connection;
    EventState events;
    uint64_t token = 0;
    uint32_t open_children = 0; // channels and links whose closing event was not read yet
    bool touched = false;       // waits in the node's list of those to drain
    // In how many endpoints' lists of waiters it stands, and in one that it was put into last.
    uint32_t waits = 0, waits_at = base::kNoSlot;
    uint32_t next_to_peer = base::kNoSlot; // the next connection to the same peer, while indexed
    bool indexed = false;
    bool known_to_application = false;
};

// What only the transport knows.
class Driver {
  public:
    virtual ~Driver() = default;
    // Where the queue in front of a line stands; asked on lines of known rate only.
    virtual uint64_t queued_bytes(EndpointIndex endpoint) = 0;
    virtual link::Reach reach(EndpointIndex endpoint, const plait_addr &addr) = 0;
};

// Who gets the trace (include/plait/trace.h); off unless the mask says so.
struct Tracer {
    uint64_t mask = 0;
    plait_trace_fn *sink = nullptr;
    void *user = nullptr;
    bool on(uint64_t what) const { return mask & what; }
};

struct TraceRecord {
    uint16_t type = 0; // PLAIT_TRACE_*
    uint32_t connection = base::kNoSlot, link = base::kNoSlot;
    uint64_t a = 0, b = 0, c = 0, d = 0;
};

// What a connection tells its node.
class NodeHooks {
  public:
    virtual ~NodeHooks() = default;
    // The handshake is confirmed: the peer is who it says and is there. False: another connection
    // takes its place, and this one must not go on.
    virtual bool on_confirmed(Connection &connection, Time now) = 0;
    // The peer answered this connection's INIT. True: the answer is dropped, as the attempt of the
    // peer itself, which was answered, comes first (both dial at once).
    virtual bool yields(const Connection &connection, Time now) = 0;
    // It wants to be drained (again).
    virtual void touch(uint32_t connection_slot) = 0;
    // A trace record, when somebody wants it (Tracer::on). States are those of the rooms below.
    virtual void trace(const TraceRecord &record) = 0;
};

struct Counters {
    uint64_t datagrams_received = 0, datagrams_sent = 0, datagrams_dropped = 0;
    uint64_t bytes_received = 0, bytes_sent = 0;
    uint64_t auth_failures = 0, malformed = 0, bad_mac1 = 0;
    uint64_t handshakes_begun = 0, handshakes_done = 0, handshakes_refused = 0;
    uint64_t retries_sent = 0;         // senders who had to prove their address
    uint64_t resets_sent = 0;          // to those who speak to an earlier run of this node
    uint64_t handshakes_in_pieces = 0; // messages that went out as FRAGs
};

struct Services {
    Services(Config c, LocalNode l, crypto::Secret<32> reset, uint32_t max_connections,
             uint32_t max_links, uint32_t max_channels, uint32_t max_endpoints,
             uint64_t receive_memory);

    // A connection wants to send on an endpoint that is full. Once in each list, and without a
    // search for the many that wait for one endpoint alone.
    void wait_for(EndpointIndex endpoint, uint32_t connection);
    std::vector<uint32_t> take_waiters(EndpointIndex endpoint);

    Config config;
    LocalNode local;
    crypto::Secret<32> reset_key;
    base::Sharing<base::Shared<Config>> configs; // of connections: most have the same
    base::Sharing<base::Shared<PeerFacts>> facts;
    crypto::KeyCache keys;
    recovery::Outcome outcome;
    std::vector<uint32_t> held_back; // while sending: channels whose own links are busy
    base::Slab<ConnectionEntry> connections;
    base::Slab<LinkEntry> links;
    base::Slab<ChannelEntry> channels;
    base::Slab<EndpointEntry> endpoints;
    channel::Pools pools;
    channel::NodeBudget budget;
    CidTable cids;
    base::FlatMap<uint32_t> reset_tokens; // first bytes of the token of a link in use -> link slot
    EventQueue events;
    ChannelAnswers answers;
    Assembler assembler;
    Counters counters;
    Driver *driver = nullptr; // while draining
    NodeHooks *hooks = nullptr;
    Tracer tracer;
    uint64_t wall_ms = 0;
    uint64_t next_connection_id = 1; // names key cache entries; never reused
};

} // namespace plait::connection
