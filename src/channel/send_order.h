// SPDX-License-Identifier: Apache-2.0
// Who sends next: control frames before anything else, then strict classes (0 first), and inside
// a class small messages before bulk, and shares by weight. Start-time fair queueing: each channel
// has a virtual time that advances by bytes / weight as it sends, the lowest goes next, and one
// that was idle joins at the present, not in the past. A lane is an intrusive pairing heap: no
// memory, O(log n) a step, O(1) with a single channel.
#pragma once

#include "channel/channel.h"

#include <array>
#include <memory>

namespace plait::channel {

class SendOrder {
  public:
    SendOrder() = default;
    SendOrder(const SendOrder &) = delete;
    SendOrder &operator=(const SendOrder &) = delete;

    // How much it hurries: control frames wait for nobody's data, small messages for no bulk of
    // their class.
    enum class Haste : uint8_t { kBulk, kSmall, kControl };
    // It has something to send; no harm if it was said already.
    void ready(Channel &c, Haste haste = Haste::kBulk);
    // It has not, or is to be destroyed.
    void remove(Channel &c);
    // Who sends next, or nullptr. It stays queued.
    Channel *next();
    // The next after `c` among the queued of c's class, in no promised order; for the rare walk.
    bool empty() const { return lanes_ == 0; }
    static bool queued(const Channel &c) { return c.order.prev != nullptr; }
    // It sent so many bytes.
    void charge(Channel &c, size_t bytes);
    // The most urgent class of those that wait with data alone; 16 if there is none.
    unsigned first_class() const;
    // Nobody is queued: gives the memory back. Virtual time begins anew; ready() bounds what a
    // channel owes or is owed by it.
    void release() {
        PLAIT_ASSERT(empty());
        lane_.reset();
    }

  private:
    static constexpr unsigned kLanes = 17; // control, then the classes
    // What goes before its turn is owed, up to this: nobody waits longer for it than that.
    static constexpr uint64_t kDebtMax = 16384; // bytes
    struct Lane {
        Channel *root = nullptr;
        uint64_t now = 0; // virtual time
    };
    static bool before(const Channel &a, const Channel &b);
    static Channel *meld(Channel *a, Channel *b);
    static Channel *merge_pairs(Channel *first);
    static void cut(Channel &c);
    void insert(Channel &c);
    void take_out(Channel &c);
    std::unique_ptr<std::array<Lane, kLanes>> lane_; // from the first one queued on
    uint32_t lanes_ = 0;                             // a bit for each with somebody in it
};

} // namespace plait::channel
