// SPDX-License-Identifier: Apache-2.0
// A node with several workers is several engines with one identity. This is what one of them asks
// of the others. Connections with one peer belong together (one pending handshake, who of two that
// dial at once is the initiator, the new one replaces the old), so the worker that has a
// connection with a peer gets the peer's next attempts as well. Where a peer's id shows only at
// the end (XX), what is confirmed last replaces the others, as it does within one worker.
//
// Called under the worker's lock; an implementation takes no other worker's.
#pragma once

#include "connection/connection.h"
#include "crypto/identity.h"
#include "wire/steer.h"

namespace plait::node {

class Neighbours {
  public:
    virtual ~Neighbours() = default;
    // Peers go by the first bytes of their id (peer_key).
    //
    // This worker has a connection with the peer, or is about to. False: another one has.
    virtual bool claim(uint64_t peer) = 0;
    // Its last one is gone.
    virtual void release(uint64_t peer) = 0;
    // Whether another worker has one.
    virtual bool is_elsewhere(uint64_t peer) const = 0;
    // A connection was confirmed here: the peer is this worker's now, and another one that had it
    // is told (Node::replaced_elsewhere).
    virtual void take(const crypto::NodeId &peer) = 0;
    // An INIT, checked and decrypted, of a peer that is another worker's: Node::receive_init there.
    virtual void hand_init(uint64_t peer, Bytes packet, const connection::Arrival &from,
                           const connection::Proof &proof) = 0;
    // What may be a reset of a connection of any other worker: Node::receive_reset there.
    virtual void hand_reset(Bytes packet) = 0;
};

inline uint64_t peer_key(const crypto::NodeId &id) {
    return base::load_be(id.b.data(), 8);
}

} // namespace plait::node
