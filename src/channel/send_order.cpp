// SPDX-License-Identifier: Apache-2.0
#include "channel/send_order.h"

#include <bit>

namespace plait::channel {

namespace {
// Virtual time has 56 bits and may wrap: what counts is the difference.
constexpr uint64_t kPassMask = (uint64_t{1} << 56) - 1;
bool earlier(uint64_t a, uint64_t b) {
    return static_cast<int64_t>((a - b) << 8) < 0;
}
// Whole units for the heaviest weight, 2^15.
uint64_t cost(const Channel &c, uint64_t bytes) {
    return bytes << (15u - c.config().weight_log2);
}
} // namespace

bool SendOrder::before(const Channel &a, const Channel &b) {
    if (a.order.small != b.order.small)
        return a.order.small;
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

void SendOrder::insert(Channel &c) {
    Lane &l = (*lane_)[c.order.lane];
    c.order.child = c.order.next = nullptr;
    l.root = meld(l.root, &c);
    l.root->order.prev = l.root;
    lanes_ |= 1u << c.order.lane;
}

void SendOrder::take_out(Channel &c) {
    Lane &l = (*lane_)[c.order.lane];
    Channel *below = merge_pairs(c.order.child);
    if (l.root == &c) {
        l.root = below;
    } else {
        cut(c);
        l.root = meld(l.root, below);
    }
    if (l.root) {
        l.root->order.prev = l.root;
        l.root->order.next = nullptr;
    } else {
        lanes_ &= ~(1u << c.order.lane);
    }
    c.order.child = c.order.next = c.order.prev = nullptr;
}

void SendOrder::ready(Channel &c, Haste haste) {
    OrderHook &o = c.order;
    const bool small = haste == Haste::kSmall;
    const auto lane =
        static_cast<uint8_t>(haste == Haste::kControl ? 0 : 1 + c.config().priority_class);
    if (queued(c)) {
        if (o.lane == lane && o.small == small)
            return;
        take_out(c);
    }
    if (!lane_)
        lane_ = std::make_unique<std::array<Lane, kLanes>>();
    o.lane = lane & 0x7f;
    o.small = small;
    const uint64_t now = (*lane_)[lane].now, most = now + cost(c, kDebtMax);
    if (lane > 0 && earlier(o.pass, now))
        o.pass = now & kPassMask;
    else if (lane > 0 && earlier(most, o.pass))
        o.pass = most & kPassMask;
    insert(c);
}

void SendOrder::remove(Channel &c) {
    if (queued(c))
        take_out(c);
}

unsigned SendOrder::first_class() const {
    const uint32_t classes = lanes_ >> 1;
    return classes ? static_cast<unsigned>(std::countr_zero(classes)) : 16;
}

Channel *SendOrder::next() {
    if (!lanes_)
        return nullptr;
    Lane &l = (*lane_)[static_cast<size_t>(std::countr_zero(lanes_))];
    if (!l.root->order.small && earlier(l.now, l.root->order.pass))
        l.now = l.root->order.pass;
    return l.root;
}

void SendOrder::charge(Channel &c, size_t bytes) {
    const uint64_t pass = c.order.pass + cost(c, bytes);
    if (!queued(c) || ((*lane_)[c.order.lane].root == &c && !c.order.child)) {
        c.order.pass = pass & kPassMask;
        return;
    }
    take_out(c);
    c.order.pass = pass & kPassMask;
    insert(c);
}

} // namespace plait::channel
