// SPDX-License-Identifier: Apache-2.0
// A node of the engine: identity, endpoints, connections, events. Sans-IO: datagrams, time and
// calls go in; datagrams, events and the next deadline come out. One contract: mutate (any call
// below), then drain() until only the deadline is left.
//
// Not thread-safe: its worker holds one lock around everything. Nothing here blocks, reads a clock
// or makes a system call. Handles are those of the C ABI (handle.h); every call that takes one
// answers PLAIT_E_HANDLE (not of this kind or never issued), PLAIT_E_STALE (gone) or
// PLAIT_E_CLOSED (ended, but not yet released) instead of touching a wrong object.
#pragma once

#include "base/entropy.h"
#include "node/handle.h"
#include "node/info.h"
#include "plait/trace.h"
#include "plait/types.h"

#include <memory>
#include <optional>
#include <span>
#include <string_view>

namespace plait::connection {
struct Proof;
}

namespace plait::node {

// Where datagrams go: the runtime's worker, or a simulator.
class Output {
  public:
    virtual ~Output() = default;
    // Sends on an endpoint, in order; how many of `v` were taken. Fewer: the endpoint is full; the
    // node keeps the rest, sealed, and sends on it nothing else before endpoint_writable().
    virtual uint32_t send(EndpointIndex endpoint, std::span<const plait_datagram> v) = 0;
    // Bytes accepted by the endpoint and not yet on the line; asked on lines of known rate only.
    virtual uint64_t queued_bytes(EndpointIndex endpoint) = 0;
    // What it could do with an address that a peer has announced; asked when one is to be tried.
    virtual link::Reach reach(EndpointIndex, const plait_addr &) { return link::Reach::kNone; }
};

class Core;

class Node {
  public:
    Node(Config config, crypto::Identity identity, Entropy &entropy, Time now);
    ~Node();
    Node(const Node &) = delete;
    Node &operator=(const Node &) = delete;

    const crypto::NodeId &id() const;
    NodeStats stats() const;
    void listen(AcceptConfig config);
    void set_trace(uint64_t mask, plait_trace_fn *sink, void *user);

    // -- Endpoints ---------------------------------------------------------------------------
    Result<uint64_t> add_endpoint(const EndpointInfo &info);
    // The index that receive() and Output use; it stays the same for the endpoint's life.
    Result<EndpointIndex> endpoint_index(uint64_t endpoint) const;
    uint64_t endpoint_handle(EndpointIndex index) const;
    Result<EndpointStats> endpoint_stats(uint64_t endpoint) const;
    // MTU, rate, cost have changed.
    void endpoint_changed(EndpointIndex index, const EndpointInfo &info, Time now);
    // `addr` nullptr: the whole endpoint; else the links to that address.
    void endpoint_down(EndpointIndex index, const plait_addr *addr, Time now);
    void endpoint_up(EndpointIndex index, const plait_addr *addr, Time now);
    void endpoint_writable(EndpointIndex index, Time now);
    void endpoint_mtu(EndpointIndex index, const plait_addr *addr, uint32_t mtu, Time now);
    // It is gone for good: its links close. With PLAIT_OK the application closed it (and the
    // handle is released at once); otherwise a CLOSED event for the endpoint follows.
    void endpoint_gone(EndpointIndex index, Status why, Time now);
    Status release_endpoint(uint64_t endpoint);
    // It was opened without the application's doing: event ENDPOINT_OPENED.
    void endpoint_opened(EndpointIndex index);
    // An application endpoint has datagrams to take: event ENDPOINT_OUTPUT.
    void endpoint_output(EndpointIndex index);

    // -- In and out --------------------------------------------------------------------------
    // Datagrams that arrived (runs are taken apart here); their bytes are written into.
    void receive(EndpointIndex index, std::span<plait_datagram> v, Time now);
    // What other workers of the node have handed over (neighbours.h).
    void receive_init(EndpointIndex index, Bytes bytes, const plait_datagram &d,
                      const connection::Proof &proof, Time now);
    void receive_reset(Bytes bytes, Time now);
    void replaced_elsewhere(const crypto::NodeId &peer, Time now);
    Time deadline() const;
    // What is due, or some of it: then the deadline has still passed after the drain.
    void on_timer(Time now);
    // Sends what there is to send; afterwards deadline() is up to date.
    void drain(Time now, Output &out);
    // Wall time for the handshake, milliseconds since 1970, 0: unknown.
    void set_wall_time(uint64_t ms);
    // The host slept until `now`: forgives the gap and probes all links at once.
    void resume(Time now);
    // Addresses may have changed: probes all links at once.
    void network_changed(Time now);

    // -- Events ------------------------------------------------------------------------------
    bool has_events() const;
    size_t take_events(std::span<plait_event> out, Time now);

    // -- Connections -------------------------------------------------------------------------
    // `peer` nullptr: unknown, the handshake tells it (XX). The address belongs to the endpoint.
    // PLAIT_E_AGAIN: another worker of the node has just begun with this peer, it is to dial.
    Result<uint64_t> connect(const crypto::NodeId *peer, uint64_t endpoint, const plait_addr &addr,
                             const ConnectConfig &config, Time now);
    Status accept(uint64_t connection, Time now);
    Status refuse(uint64_t connection, uint64_t code, Time now);
    // Ends it (or, ended already, releases the handle once CLOSED was read).
    Status close(uint64_t connection, uint64_t code, std::string_view reason, Time now);
    Result<ConnectionInfo> connection_info(uint64_t connection) const;
    // The links' or channels' handles into `out`; how many there are.
    Result<size_t> connection_links(uint64_t connection, std::span<uint64_t> out) const;
    Result<size_t> connection_channels(uint64_t connection, std::span<uint64_t> out) const;
    // Keeps an identity out until then, and ends its connections; `until` in the past lifts it.
    Status ban(const crypto::NodeId &peer, Time until, Time now);
    // Hears no handshakes from this address any more, whatever the port. Connections stay.
    Status ban_address(EndpointIndex endpoint, const plait_addr &addr, Time until, Time now);
    Status set_connection_token(uint64_t connection, uint64_t token);
    // Key material for the application, the same on both sides, at most 64 bytes.
    Status export_key(uint64_t connection, uint32_t channel_number, std::string_view label,
                      MutBytes out);

    // -- Links -------------------------------------------------------------------------------
    Result<uint64_t> add_link(uint64_t connection, uint64_t endpoint, const plait_addr &addr,
                              const LinkConfig &config, Time now);
    // More places where this node can be reached, for the peer to know; at most
    // connection::kMaxPlaces. They replace those of the call before.
    Status announce(uint64_t connection, std::vector<Place> places, Time now);
    Result<std::vector<Place>> peer_places(uint64_t connection) const;
    // None: the connection's. Lines of known rate keep to it.
    Status set_link_controller(uint64_t link, std::optional<recovery::ControllerKind> kind,
                               Time now);
    Status close_link(uint64_t link, uint64_t code, Time now); // or release
    Result<LinkInfo> link_info(uint64_t link) const;
    // The oldest change of state or role that was not taken yet; PLAIT_E_AGAIN. `missed`: how many
    // before it were thrown away.
    Result<link::Change> take_link_change(uint64_t link, uint32_t &missed);
    // PLAIT_E_INVALID: of another connection; PLAIT_E_NO_LINK: no endpoint of that class.
    Status set_policy(uint64_t connection, const PolicyConfig &policy, Time now);
    // kDefault: as the connection.
    Status set_channel_policy(uint64_t channel, const PolicyConfig &policy);

    // -- Channels ----------------------------------------------------------------------------
    Result<uint64_t> open_channel(uint64_t connection, std::string_view label,
                                  const channel::Config &config, Time now);
    // What becomes of channels that peers open from now on; `label` nullptr: of all whose label has
    // no answer of its own. PLAIT_E_LIMIT: too many labels.
    Status answer_channels(const std::string_view *label, const connection::ChannelAnswer &answer);
    // `config` nullptr: as the peer proposed; only window, priority and policy may differ.
    Status accept_channel(uint64_t channel, const channel::Config *config, Time now);
    Status refuse_channel(uint64_t channel, uint64_t code, Time now);
    Result<ChannelInfo> channel_info(uint64_t channel) const;
    Result<bool> has_messages(uint64_t channel) const; // of that only whether it carries messages
    Status set_channel_token(uint64_t channel, uint64_t token);
    Result<size_t> send(uint64_t channel, std::span<const Bytes> parts, Time now);
    Result<MutBytes> reserve(uint64_t channel, size_t min, Time now);
    Status commit(uint64_t channel, size_t n, Time now);
    Status send_owned(uint64_t channel, Bytes data, channel::ReleaseFn release, void *user,
                      Time now);
    Status finish(uint64_t channel, Time now);
    Status reset_channel(uint64_t channel, uint64_t code, Time now);
    Status stop_channel(uint64_t channel, uint64_t code, Time now);
    // Ends both directions once everything sent is delivered (or, ended already, releases it).
    // after `linger` at the latest, with what is left thrown away and a RESET of `code`; negative:
    // however long it takes.
    Status close_channel(uint64_t channel, Time now, Duration linger = Duration{-1},
                         uint64_t code = 0);
    Status ack_now(uint64_t channel);
    Status set_low_water(uint64_t channel, uint32_t bytes);
    Result<size_t> take_reports(uint64_t channel, std::span<channel::Report> out);
    Result<size_t> read(uint64_t channel, MutBytes to, channel::ReadInfo *info, Time now);
    Result<size_t> peek(uint64_t channel, std::span<Bytes> slices, channel::ReadInfo *info);
    Status consume(uint64_t channel, size_t n, Time now);

    // The release callbacks of send_owned that are due; called by the owner without its lock.
    std::vector<channel::Release> take_releases();

    // Whether all invariants hold; for tests and simulations.
    void check_invariants() const;

  private:
    std::unique_ptr<Core> core_;
};

} // namespace plait::node
