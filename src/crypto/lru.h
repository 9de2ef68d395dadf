// SPDX-License-Identifier: Apache-2.0
// The two halves of a bounded cache, over slots named by index: which slot was used when
// (LruOrder), and which slots a hash value leads to (HashChains). What lies in a slot, and when two
// of them are equal, is the cache's business. Neither depends on pointers or on time, so a run
// repeats itself exactly.
#pragma once

#include "base/assert.h"
#include "base/ids.h"

#include <cstddef>
#include <vector>

namespace plait::crypto {

using base::kNoSlot;

class LruOrder {
  public:
    // Slots are added in the order 0, 1, 2, ...
    void add_newest(uint32_t slot) {
        PLAIT_ASSERT(slot == links_.size());
        links_.push_back({});
        link_first(slot);
    }
    void touch(uint32_t slot) {
        if (slot == first_)
            return;
        unlink(slot);
        link_first(slot);
    }
    // Makes `slot` the next to be reused.
    void make_oldest(uint32_t slot) {
        if (slot == last_)
            return;
        unlink(slot);
        links_[slot] = {last_, kNoSlot};
        links_[last_].next = slot;
        last_ = slot;
    }
    uint32_t newest() const { return first_; }
    uint32_t oldest() const { return last_; }
    size_t size() const { return links_.size(); }

  private:
    struct Link {
        uint32_t previous = kNoSlot, next = kNoSlot;
    };
    void link_first(uint32_t slot) {
        links_[slot] = {kNoSlot, first_};
        (first_ == kNoSlot ? last_ : links_[first_].previous) = slot;
        first_ = slot;
    }
    void unlink(uint32_t slot) {
        const Link link = links_[slot];
        (link.previous == kNoSlot ? first_ : links_[link.previous].next) = link.next;
        (link.next == kNoSlot ? last_ : links_[link.next].previous) = link.previous;
    }
    std::vector<Link> links_;
    uint32_t first_ = kNoSlot, last_ = kNoSlot;
};

class HashChains {
  public:
    // `capacity` slots at most; the heads take memory at the first insert.
    explicit HashChains(size_t capacity) : heads_wanted_(1) {
        while (heads_wanted_ < capacity)
            heads_wanted_ *= 2;
    }
    void insert(uint64_t hash, uint32_t slot) {
        if (heads_.empty())
            heads_.assign(heads_wanted_, kNoSlot);
        if (slot >= next_.size())
            next_.resize(slot + 1, kNoSlot);
        uint32_t &head = heads_[hash & (heads_wanted_ - 1)];
        next_[slot] = head;
        head = slot;
    }
    // `slot` must have been inserted under `hash`.
    void remove(uint64_t hash, uint32_t slot) {
        uint32_t *at = &heads_[hash & (heads_wanted_ - 1)];
        while (*at != slot) {
            PLAIT_ASSERT(*at != kNoSlot);
            at = &next_[*at];
        }
        *at = next_[slot];
    }
    // The first slot under `hash` for which `is_it(slot)`, or kNoSlot.
    template <class IsIt>
    uint32_t find(uint64_t hash, IsIt is_it) const {
        if (heads_.empty())
            return kNoSlot;
        uint32_t slot = heads_[hash & (heads_wanted_ - 1)];
        while (slot != kNoSlot && !is_it(slot))
            slot = next_[slot];
        return slot;
    }

  private:
    size_t heads_wanted_;
    std::vector<uint32_t> heads_, next_;
};

} // namespace plait::crypto
