// SPDX-License-Identifier: Apache-2.0
// Events that wait for the application: a bit a type in the object that they are about, and a queue
// of the objects that have any. Nothing is allocated per event, and nothing overflows.
#pragma once

#include "base/ids.h"
#include "base/ring.h"
#include "plait/types.h"

#include <cstdint>

namespace plait::connection {

enum class Source : uint8_t { kConnection, kChannel, kLink, kEndpoint };

// Part of each object that has events.
struct EventState {
    uint64_t pending : 60 = 0;      // a bit an event type
    uint64_t queued : 1 = 0;        // stands in the queue
    uint64_t closed_raised : 1 = 0; // the closing event was raised,
    uint64_t closed_read : 1 = 0;   // read,
    uint64_t released : 1 = 0;      // and the application is done with the handle
    bool has(uint32_t type) const { return pending >> type & 1; }
};

class EventQueue {
  public:
    struct Entry {
        Source source;
        uint32_t slot;
    };
    void raise(EventState &state, Source source, uint32_t slot, uint32_t type) {
        state.pending |= uint64_t{1} << type;
        enqueue(state, source, slot);
    }
    void enqueue(EventState &state, Source source, uint32_t slot) {
        if (!state.queued && state.pending) {
            state.queued = true;
            queue_.push_back({source, slot});
        }
    }
    bool empty() const { return queue_.empty(); }
    size_t size() const { return queue_.size(); }
    Entry front() { return queue_.front(); }
    void pop() { queue_.pop_front(); }

  private:
    base::Ring<Entry> queue_;
};

} // namespace plait::connection
