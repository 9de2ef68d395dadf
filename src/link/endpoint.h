// SPDX-License-Identifier: Apache-2.0
// A local endpoint as the engine sees it: what its transport says of it, whether it takes datagrams
// now, and the sealed batch that waits while it does not.
#pragma once

#include "base/bytes.h"
#include "base/ids.h"
#include "base/time.h"
#include "plait/transport.h"

#include <string>
#include <vector>

namespace plait::link {

struct EndpointInfo {
    std::string transport_class; // "udp", "serial", "app/ble"
    uint32_t mtu = 1200;         // bytes
    bool fixed_mtu = false;
    bool point_to_point = false;
    bool loopback = false;
    bool gso = false;
    bool ecn = false; // the two bits of IP are read and set
    bool back_pressure = false;
    uint32_t run_segments = 0; // datagrams a GSO run holds
    uint32_t run_bytes = 0;
    uint32_t cost = 0; // 0 free, 1 metered, 2 dear
    uint64_t rate = 0; // bytes a second, 0 unknown
    uint16_t header_room = 0, tail_room = 0;
    plait_addr at{}; // where others reach it; len 0: not known, or it means nothing to them
};

// What an endpoint could do with an address that somebody else has named.
enum class Reach : uint8_t {
    kNone, // not send there: no address of one peer, or not known whether it is
    kLoopback,
    kPossible,
    kRouted, // the system itself would send there from this endpoint
};

struct EndpointCounters {
    uint64_t bytes_sent = 0, bytes_received = 0, datagrams_sent = 0, datagrams_received = 0;
    uint64_t datagrams_unknown = 0; // for no connection of ours, or forged
};

// A sealed datagram that its endpoint did not take. A packet number is never sealed twice, so it
// waits here until it goes out as it is.
struct ParkedDatagram {
    std::vector<uint8_t> bytes;
    plait_addr peer{}, local{};
    uint16_t segment = 0, flags = 0;
    uint8_t ecn = 0;
    bool has_local = false;
};

struct Endpoint {
    EndpointInfo info;
    EndpointCounters counters;
    uint8_t cid_class = 0; // index into the node's class table
    bool up = true;
    bool blocked = false; // waits for the transport to be writable
    Time blocked_since = kNever;
    bool closed_by_application = false;
    std::vector<ParkedDatagram> parked;
    std::vector<uint32_t> waiters; // connections that want to send; see Services::wait_for()
    uint32_t links = 0;

    explicit Endpoint(EndpointInfo i) : info(std::move(i)) {}
    bool can_send() const { return up && !blocked; }
};

inline bool same_address(const plait_addr &a, const plait_addr &b) {
    return a.len == b.len && std::memcmp(a.b, b.b, a.len) == 0;
}

} // namespace plait::link
