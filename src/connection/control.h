// SPDX-License-Identifier: Apache-2.0
// Control frames of class R (docs/protocol.md section 5): what waits to be sent, and what each
// packet on its way carried. Lost items are queued again; a frame's bytes are always made from the
// present state, never kept.
#pragma once

#include "base/ids.h"
#include "base/ring.h"
#include "base/slim_vector.h"

#include <cstdint>

namespace plait::connection {

enum class Control : uint8_t {
    kNewCid,     // target: sequence number of the issued id
    kRetireCid,  // target: sequence number of the held id
    kCidRequest, // target: link number, value: class in the peer's table
    kLinkState,  // target: link number
    kLinkClose,  // target: link number, value: code
    kMaxChannels,
    kRefuse,   // target: number of a channel that has no entry, value: code
    kAckFreq,  // target: link number, value: seq
    kChannel,  // target: channel number, value: channel::ControlSet
    kAck,      // target: link number, value: largest acknowledged. Never queued again
    kResponse, // target: link number, value: its bytes. Owed again if lost, never queued
};

struct ControlItem {
    Control kind;
    uint32_t target = 0;
    uint64_t value = 0;
    bool operator==(const ControlItem &) const = default;
};

// The items that wait for a packet under channel 0. No item waits twice.
class ControlQueue {
  public:
    bool empty() const { return queue_.empty(); }
    size_t size() const { return queue_.size(); }
    void add(const ControlItem &item);
    ControlItem &front() { return queue_.front(); }
    void pop() { queue_.pop_front(); }
    void release() { queue_.release(); }
    // What is not to be said any more.
    void drop(const ControlItem &item);

  private:
    base::Ring<ControlItem> queue_;
};

// What each unsettled packet carried, by the cookie in its SentPacket. A bundle is a chain of
// cells.
class ControlLog {
  public:
    static constexpr uint32_t kNone = 0;
    // Adds an item to the bundle `cookie` (kNone: a new one) and returns the bundle's cookie.
    uint32_t add(uint32_t cookie, const ControlItem &item);
    // Calls f(item) for each item and frees the bundle.
    template <class F> void take(uint32_t cookie, F &&f) {
        while (cookie != kNone) {
            Cell &c = cells_[cookie - 1];
            const ControlItem item = c.item;
            const uint32_t next = c.next;
            c.next = free_;
            free_ = cookie;
            cookie = next;
            f(item);
        }
    }
    // No packet is unsettled: gives the memory back.
    void release() {
        cells_.release();
        free_ = kNone;
    }

  private:
    struct Cell {
        ControlItem item{};
        uint32_t next = kNone;
    };
    base::SlimVector<Cell> cells_;
    uint32_t free_ = kNone;
};

} // namespace plait::connection
