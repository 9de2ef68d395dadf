// SPDX-License-Identifier: Apache-2.0
// The two halves of a bounded cache, over slots named by index: which slot was used when
// (LruOrder), and which slots a hash value leads to (HashChains). What lies in a slot, and when two
// of them are equal, is the cache's business. Neither depends on pointers or on time, so a run
// repeats itself exactly.
#pragma once

#include "base/assert.h"
#include "base/ids.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>
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

// Most nodes know few others: the heads for all take memory only when they are needed.
class HashChains {
  public:
    // `capacity` slots at most.
    explicit HashChains(size_t capacity) : heads_most_(std::bit_ceil(capacity)) {
        PLAIT_ASSERT(capacity < kNone);
    }
    void insert(uint64_t hash, uint32_t slot) {
        if (heads_.empty())
            heads_.assign(std::min(kFew, heads_most_), kNone);
        else if (slot >= heads_.size() && heads_.size() < heads_most_)
            grow();
        if (slot >= cells_.size())
            cells_.resize(slot + 1);
        link(static_cast<uint16_t>(slot), static_cast<uint16_t>(hash));
    }
    // `slot` must have been inserted under `hash`.
    void remove(uint64_t hash, uint32_t slot) {
        uint16_t *at = &heads_[hash & (heads_.size() - 1)];
        while (*at != slot) {
            PLAIT_ASSERT(*at != kNone);
            at = &cells_[*at].next;
        }
        *at = cells_[slot].next;
    }
    // The first slot under `hash` for which `is_it(slot)`, or kNoSlot.
    template <class IsIt> uint32_t find(uint64_t hash, IsIt is_it) const {
        if (heads_.empty())
            return kNoSlot;
        uint16_t slot = heads_[hash & (heads_.size() - 1)];
        // What a slot holds lies elsewhere: it is looked at only if the hash, as far as it is kept
        // here, is the same.
        while (slot != kNone && !(cells_[slot].hash == static_cast<uint16_t>(hash) && is_it(slot)))
            slot = cells_[slot].next;
        return slot == kNone ? kNoSlot : slot;
    }

  private:
    static constexpr size_t kFew = 16; // heads
    static constexpr uint16_t kNone = 0xffff;
    struct Cell {
        uint16_t next = kNone, hash = 0;
    };
    void link(uint16_t slot, uint16_t hash) {
        uint16_t &head = heads_[hash & (heads_.size() - 1)];
        cells_[slot] = {head, hash};
        head = slot;
    }
    void grow() {
        const auto before = std::move(heads_);
        heads_.assign(heads_most_, kNone);
        for (uint16_t at : before)
            while (at != kNone) {
                const Cell cell = cells_[at];
                link(at, cell.hash);
                at = cell.next;
            }
    }
    size_t heads_most_;
    std::vector<uint16_t> heads_; // by the hash's lowest bits
    std::vector<Cell> cells_;     // by slot
};

} // namespace plait::crypto
