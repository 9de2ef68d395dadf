// SPDX-License-Identifier: Apache-2.0
// Who sends next: strict classes (0 first), and inside a class shares by weight. Start-time fair
// queueing: each channel has a virtual time that advances by bytes / weight as it sends, the lowest
// goes next, and one that was idle joins at the present, not in the past. So a channel with
// a small message waits for at most one packet of the bulk beside it, in whatever crowd. The queue
// is an intrusive pairing heap: no memory, O(log n) a step, O(1) with a single channel.
#pragma once

#include "channel/channel.h"

#include <array>

namespace plait::channel {

class SendOrder {
  public:
    SendOrder() = default;
    SendOrder(const SendOrder &) = delete;
    SendOrder &operator=(const SendOrder &) = delete;

    // It has something to send; no harm if it was said already.
    void ready(Channel &c);
    // It has not, or is to be destroyed; its class must not have changed since ready().
    void remove(Channel &c);
    // Who sends next, or nullptr. It stays queued.
    Channel *next();
    // The next after `c` among the queued of c's class, in no promised order; for the rare walk.
    bool empty() const { return classes_ == 0; }
    static bool queued(const Channel &c) { return c.order.prev != nullptr; }
    // It sent so many bytes.
    void charge(Channel &c, size_t bytes);
    // The class of next(); 16 if there is none.
    unsigned first_class() const;

  private:
    struct Class {
        Channel *root = nullptr;
        uint64_t now = 0; // virtual time
    };
    static bool before(const Channel &a, const Channel &b);
    static Channel *meld(Channel *a, Channel *b);
    static Channel *merge_pairs(Channel *first);
    static void cut(Channel &c);
    void insert(Class &k, Channel &c);
    void take_out(Class &k, Channel &c);
    std::array<Class, 16> class_{};
    uint16_t classes_ = 0; // a bit for each class with somebody in it
};

} // namespace plait::channel
