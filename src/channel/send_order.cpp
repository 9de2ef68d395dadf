// SPDX-License-Identifier: Apache-2.0
#include "channel/send_order.h"

#include <bit>

namespace plait::channel {

namespace {
// Virtual time may wrap: what counts is the difference.
bool earlier(uint64_t a, uint64_t b) {
    return static_cast<int64_t>(a - b) < 0;
}
} // namespace

bool SendOrder::before(const Channel &a, const Channel &b) {
    return earlier(a.order.pass, b.order.pass);
}

// Of two roots one; a tie goes to `b`, who comes later to the queue.
Channel *SendOrder::meld(Channel *a, Channel *b) {
    if (!a || !b)
        return a ? a : b;
    if (!before(*a, *b))
        std::swap(a, b);
    b->order.next = a->order.child;
    if (b->order.next)
        b->order.next->order.prev = b;
    b->order.prev = a;
    a->order.child = b;
    return a;
}

// The two-pass rule, without recursion: pairs from the left, then all into one from the right.
Channel *SendOrder::merge_pairs(Channel *first) {
    Channel *pairs = nullptr; // linked through next, the last pair first
    while (first) {
        Channel *a = first, *b = a->order.next;
        first = b ? b->order.next : nullptr;
        a->order.next = nullptr;
        if (b)
            b->order.next = nullptr;
        Channel *m = meld(a, b);
        m->order.next = pairs;
        pairs = m;
    }
    Channel *root = nullptr;
    while (pairs) {
        Channel *rest = pairs->order.next;
        pairs->order.next = nullptr;
        root = meld(pairs, root);
        pairs = rest;
    }
    return root;
}

// Takes `c`, not a root, with what hangs under it out of its parent's list.
void SendOrder::cut(Channel &c) {
    Channel *prev = c.order.prev;
    if (prev->order.child == &c)
        prev->order.child = c.order.next;
    else
        prev->order.next = c.order.next;
    if (c.order.next)
        c.order.next->order.prev = prev;
    c.order.next = nullptr;
}

void SendOrder::insert(Class &k, Channel &c) {
    c.order.child = c.order.next = nullptr;
    k.root = meld(k.root, &c);
    k.root->order.prev = k.root;
}

void SendOrder::take_out(Class &k, Channel &c) {
    Channel *below = merge_pairs(c.order.child);
    if (k.root == &c) {
        k.root = below;
    } else {
        cut(c);
        k.root = meld(k.root, below);
    }
    if (k.root) {
        k.root->order.prev = k.root;
        k.root->order.next = nullptr;
    }
    c.order.child = c.order.next = c.order.prev = nullptr;
}

void SendOrder::ready(Channel &c) {
    if (queued(c))
        return;
    const unsigned n = c.config().priority_class;
    Class &k = class_[n];
    if (earlier(c.order.pass, k.now))
        c.order.pass = k.now;
    insert(k, c);
    classes_ |= static_cast<uint16_t>(1u << n);
}

void SendOrder::remove(Channel &c) {
    if (!queued(c))
        return;
    const unsigned n = c.config().priority_class;
    Class &k = class_[n];
    take_out(k, c);
    if (!k.root)
        classes_ &= static_cast<uint16_t>(~(1u << n));
}

unsigned SendOrder::first_class() const {
    return static_cast<unsigned>(std::countr_zero(classes_));
}

Channel *SendOrder::next() {
    if (!classes_)
        return nullptr;
    Class &k = class_[first_class()];
    if (earlier(k.now, k.root->order.pass))
        k.now = k.root->order.pass;
    return k.root;
}

void SendOrder::charge(Channel &c, size_t bytes) {
    // Whole units for the heaviest weight, 2^15.
    const unsigned shift = 15u - c.config().weight_log2;
    const uint64_t pass = c.order.pass + (static_cast<uint64_t>(bytes) << shift);
    Class &k = class_[c.config().priority_class];
    if (!queued(c) || (k.root == &c && !c.order.child)) {
        c.order.pass = pass;
        return;
    }
    take_out(k, c);
    c.order.pass = pass;
    insert(k, c);
}

} // namespace plait::channel
