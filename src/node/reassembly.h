// SPDX-License-Identifier: Apache-2.0
// Long packets from their FRAGs, docs/protocol.md section 2.10. Only pieces whose tag was right
// come here: their sender receives at its address. What is held is bounded in number, size and
// time, and where all places are taken they are shared out by source, so that whoever has many
// addresses (ports) of one host has no more of them than others have.
#pragma once

#include "base/ids.h"
#include "base/range_set.h"
#include "base/time.h"
#include "plait/transport.h"
#include "wire/handshake_packets.h"

#include <vector>

namespace plait::node {

inline constexpr size_t kMaxReassemblies = 64;
inline constexpr size_t kMaxReassembliesOfOne =
    2; // an endpoint's address; without one, an endpoint
inline constexpr Duration kReassemblyLife = base::seconds(10);
// One that got nothing for so long makes place for another.
inline constexpr Duration kReassemblyStale = base::seconds(1);

// Whom a piece is from.
struct PieceSender {
    EndpointIndex endpoint;
    const plait_addr *remote = nullptr;
    uint64_t source = 0; // Gate::source_of
};

class Reassembly {
  public:
    struct Whole {
        Bytes packet;             // empty: not whole yet. Valid until the next call
        size_t largest_piece = 0; // bytes of a datagram
    };
    // Takes a piece. When all of a packet came it is given, and again for each further first piece:
    // the sender repeats what was not answered.
    Whole add(const PieceSender &from, const wire::FragPacket &piece, size_t datagram_size,
              Time now);
    void expire(Time now);
    size_t size() const { return entries_.size(); }

  private:
    struct Entry {
        EndpointIndex endpoint;
        plait_addr remote{};
        uint64_t source = 0;
        wire::Cid dcid, scid;
        wire::LongType type = wire::LongType::kInit;
        std::vector<uint8_t> bytes;
        base::RangeSet have;
        Time since, newest;
        size_t largest_piece = 0;
    };
    Entry *entry_for(const PieceSender &from, const wire::FragPacket &piece, Time now);
    size_t share_of(uint64_t source) const;
    Entry *place_of_others(uint64_t source, Time now);

    std::vector<Entry> entries_;
};

} // namespace plait::node
