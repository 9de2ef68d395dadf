// SPDX-License-Identifier: Apache-2.0
// Gathers sealed packets of one endpoint in an arena of equal segments and hands them out in runs
// that segmentation offload can carry. What an endpoint does not take is parked on it, sealed as
// it is: a packet number is never sealed twice.
#pragma once

#include "link/endpoint.h"

#include <memory>
#include <span>

namespace plait::connection {

// Where finished datagrams go; the node's Output stands behind it.
class DatagramSink {
  public:
    virtual ~DatagramSink() = default;
    // How many of `v` were taken, in order.
    virtual uint32_t send(EndpointIndex endpoint, std::span<const plait_datagram> v) = 0;
};

class Assembler {
  public:
    static constexpr size_t kArena = 128 * 1024;
    static constexpr size_t kMaxDatagram = 65'527;
    static constexpr size_t kMaxBatch = 64;             // runs
    static constexpr size_t kMaxParked = 2 * kMaxBatch; // runs, on one endpoint
    static constexpr Duration kIdle = base::seconds(5); // then the arena's memory goes back

    struct Target {
        EndpointIndex index;
        link::Endpoint *endpoint;
        const plait_addr *remote; // stable until flush()
        const plait_addr *local;  // or nullptr
        uint16_t flags = 0;       // PLAIT_DATAGRAM_*
        uint8_t ecn = 0;          // as in plait_datagram
    };

    // The sink for the drain that follows; flush() before it goes.
    void set_sink(DatagramSink *sink) { sink_ = sink; }
    // Room for one datagram of at most `size` bytes, which commit() then counts. Flushes first if
    // the arena is full or other packets are for another endpoint.
    uint8_t *room(const Target &target, size_t size);
    void commit(const Target &target, size_t size);
    void flush();
    // Sends what is parked on the endpoint; true if nothing is left.
    bool unpark(EndpointIndex index, link::Endpoint &endpoint);
    // After each drain. Nothing is in the arena.
    void rest(Time now);
    bool has_arena() const { return arena_ != nullptr; }

  private:
    static size_t full_run(const Target &target, size_t size);
    bool extends_run(const Target &target, size_t size) const;
    void park_from(size_t first);

    DatagramSink *sink_ = nullptr;
    std::unique_ptr<uint8_t[]> arena_; // from the first packet on, until it idles
    Time used_at_{0};                  // the arena, last
    bool used_lately_ = false;         // since the last rest()
    size_t used_ = 0;
    std::array<plait_datagram, kMaxBatch> v_;
    size_t count_ = 0;
    uint32_t run_length_ = 0; // segments of the last run
    bool run_open_ = false;   // it may grow: its last segment is full
    EndpointIndex index_;
    link::Endpoint *endpoint_ = nullptr;
};

} // namespace plait::connection
