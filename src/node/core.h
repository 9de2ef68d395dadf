// SPDX-License-Identifier: Apache-2.0
// The inside of a node: what its verbs, in files of their own, work on.
//
//   node.cpp    making, endpoints          demux.cpp      datagrams to connections, their peers
//   drain.cpp   out, timers, collection    strangers.cpp  long packets: who may begin a handshake
//   calls.cpp   connections and links      events.cpp     events for the application
//   channel_calls.cpp
#pragma once

#include "base/timer_heap.h"
#include "connection/connection.h"
#include "node/gate.h"
#include "node/neighbours.h"
#include "node/node.h"
#include "node/reassembly.h"

namespace plait::node {

using connection::ChannelEntry;
using connection::Connection;
using connection::ConnectionEntry;
using connection::EndpointEntry;
using connection::EventState;
using connection::LinkEntry;
using connection::Services;
using connection::Source;

// A handshake that was answered and not yet confirmed.
struct Pending {
    uint32_t slot;
    Time since;
    uint64_t source; // Gate::source_of
    bool xx;
    uint64_t begun_at; // by the initiator's clock, 0: unknown
};

// A datagram that belongs to no connection: RETRY, VERSIONS, a stateless reset.
struct Reply {
    EndpointIndex endpoint;
    plait_addr remote{}, local{};
    bool has_local = false;
    uint8_t size = 0;
    std::array<uint8_t, 96> bytes{};
};
inline constexpr size_t kMaxReplies = 256;                  // between two drains
inline constexpr size_t kMinReset = 22, kMaxReset = 38;     // bytes
inline constexpr size_t kMaxUnfinishedXx = 4;               // of one source
inline constexpr Duration kPendingGrace = base::seconds(1); // nobody takes its place before

class Core final : public connection::NodeHooks,
                   public connection::DatagramSink,
                   public connection::Driver {
  public:
    Core(Config c, crypto::Identity identity, Entropy &entropy, Time now);
    ~Core() override;

    // NodeHooks
    bool on_confirmed(Connection &c, Time now) override;
    bool yields(const Connection &c, Time now) override;
    void touch(uint32_t slot) override;
    void trace(const connection::TraceRecord &record) override;
    // DatagramSink, Driver
    uint32_t send(EndpointIndex endpoint, std::span<const plait_datagram> v) override;
    uint64_t queued_bytes(EndpointIndex endpoint) override;
    link::Reach reach(EndpointIndex endpoint, const plait_addr &addr) override;

    // demux.cpp
    void on_datagram(EndpointIndex index, MutBytes bytes, const connection::Arrival &from,
                     Time now);
    bool end_by_reset(Bytes bytes, Time now);
    void say_unknown(uint8_t cid_class, Bytes bytes, const connection::Arrival &from, Time now);
    void on_short(EndpointIndex index, MutBytes bytes, const connection::Arrival &from, Time now);
    void on_long(EndpointIndex index, Bytes bytes, const connection::Arrival &from, Time now);

    // strangers.cpp
    uint64_t source_of(const connection::Arrival &from);
    // `handed`: another worker has admitted it, but it is this one's (Neighbours).
    void on_init(Bytes bytes, const connection::Arrival &from, connection::Proof proof, Time now,
                 bool handed = false);
    bool may_begin(const wire::InitPacket &init, const connection::Arrival &from,
                   const connection::Proof &proof, uint64_t source, Time now);
    void answer(const wire::InitPacket &init, std::unique_ptr<connection::Handshake> handshake,
                uint64_t source, const connection::Arrival &from, const connection::Proof &proof,
                Time now);
    bool may_answer(const connection::Handshake &handshake, const connection::Arrival &from,
                    Time now);
    bool make_room(Time now);
    void drop_pending(uint32_t slot);
    void on_probe(Bytes bytes, const connection::Arrival &from, Time now);
    void on_frag(EndpointIndex index, Bytes bytes, const connection::Arrival &from, Time now);
    void on_other_version(Bytes bytes, const connection::Arrival &from);
    void retry(const wire::Cid &to, Bytes mac1, const connection::Arrival &from, Time now);
    void reply(Bytes bytes, const connection::Arrival &from);
    Connection *owner_of(EndpointIndex index, const wire::Cid &dcid);
    void send_replies();
    bool is_allowed(const crypto::NodeId &peer) const;
    bool is_banned(const crypto::NodeId &peer, Time now);
    uint32_t add_connection(const connection::Config &config, Time now);
    void erase_connection(uint32_t slot);
    // The connections to one peer are chained by their slots.
    void index_peer(uint32_t slot);
    void unindex_peer(uint32_t slot);
    template <class F> void for_each_to(const crypto::NodeId &peer, F &&f) {
        const uint32_t *head = peers.find(peer_key(peer));
        for (uint32_t i = head ? *head : base::kNoSlot, next; i != base::kNoSlot; i = next) {
            next = s.connections[i].next_to_peer;
            if (Connection &c = *s.connections[i].connection; c.peer() == peer)
                f(i, c);
        }
    }
    void take_over(Connection &confirmed, Connection &dialing);
    void replace_others(const crypto::NodeId &peer, const Connection *but, Time now);
    bool claim(const crypto::NodeId &peer);
    void drop_claim(const crypto::NodeId &peer);
    void offer_reset(Bytes bytes, Time now);

    // drain.cpp
    void drain(Time now, Output &out);
    void drain_touched(Time now);
    void collect(uint32_t slot);
    void release_endpoint(uint32_t slot);

    // events.cpp
    size_t take_events(std::span<plait_event> out, Time now);
    bool fill_event(connection::EventQueue::Entry at, EventState &state, uint32_t type,
                    plait_event &out, Time now);
    EventState *state_of(connection::EventQueue::Entry at);
    void after_read(connection::EventQueue::Entry at, uint32_t type);

    Result<uint64_t> dial(const crypto::NodeId *peer, uint64_t endpoint, const plait_addr &addr,
                          const ConnectConfig &wanted, Time now); // calls.cpp

    // Handles.
    uint64_t handle(HandleType type, uint32_t slot);
    Result<ConnectionEntry *> connection(uint64_t handle);
    Result<LinkEntry *> link(uint64_t handle);
    Result<ChannelEntry *> channel(uint64_t handle);
    Result<EndpointEntry *> endpoint(uint64_t handle);
    // As above, for calls that change something: PLAIT_E_CLOSED if it has ended.
    Result<ConnectionEntry *> open_connection(uint64_t handle);
    Result<ChannelEntry *> open_channel(uint64_t handle);
    Connection &connection_of(const ChannelEntry &e) {
        return *s.connections[e.connection].connection;
    }
    Connection &connection_of(const LinkEntry &l) {
        return *s.connections[l.connection].connection;
    }

    Config config;
    crypto::Identity identity;
    Entropy &entropy;
    crypto::IdentityCache identities;
    connection::Mac1Book mac1_book;
    AcceptConfig accept;
    Services s;
    base::FlatMap<uint32_t> attempts; // a handshake's ephemeral -> connection slot
    base::FlatMap<uint32_t> peers;    // first bytes of an id -> first connection of the chain
    base::TimerHeap timers;
    std::vector<uint32_t> touched, drained;
    Gate gate;
    Reassembly reassembly;
    std::vector<Pending> pending; // the oldest first
    std::vector<Reply> replies;
    Time latest;              // that the node was told; for the trace
    bool keep_claims = false; // a chain that is empty will not stay so
    Output *out = nullptr;
};

uint64_t random_u64(Entropy &entropy);
ConnectionState public_state(connection::State s);
uint32_t public_state(link::State s); // PLAIT_LINK_*
connection::Config connection_config(const Config &c);

} // namespace plait::node
