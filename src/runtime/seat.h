// SPDX-License-Identifier: Apache-2.0
// A worker's place in the crew: what its engine asks of the other workers (node::Neighbours).
#pragma once

#include "runtime/crew.h"

namespace plait::runtime {

class Endpoints;

class Seat final : public node::Neighbours {
  public:
    Seat(Crew &crew, uint32_t worker, const Endpoints &endpoints)
        : crew_(crew), worker_(worker), endpoints_(endpoints) {}

    bool claim(uint64_t peer) override { return crew_.claim(peer, worker_); }
    void release(uint64_t peer) override { crew_.release(peer, worker_); }
    bool is_elsewhere(uint64_t peer) const override {
        return crew_.owner(peer).value_or(worker_) != worker_;
    }
    void take(const crypto::NodeId &peer) override;
    void hand_init(uint64_t peer, Bytes packet, const connection::Arrival &from,
                   const connection::Proof &proof) override;
    void hand_reset(Bytes packet) override;

  private:
    Crew &crew_;
    uint32_t worker_;
    const Endpoints &endpoints_;
};

} // namespace plait::runtime
