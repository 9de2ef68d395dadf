// SPDX-License-Identifier: Apache-2.0
// TimerHeap: the deadlines of many objects, one each, in a 4-ary heap that knows where each object
// stands: setting and taking are O(log n), looking at the next one is O(1).
#pragma once

#include "base/assert.h"
#include "base/ids.h"
#include "base/segments.h"
#include "base/time.h"

#include <cstddef>

namespace plait::base {

class TimerHeap {
  public:
    Time next() const { return heap_.empty() ? kNever : heap_[0].when; }
    uint32_t next_slot() const { return heap_.empty() ? kNoSlot : heap_[0].slot; }

    // Sets the deadline of `slot`; kNever takes it out.
    void set(uint32_t slot, Time when) {
        while (slot >= place_.size())
            place_.push_back(kNoSlot);
        uint32_t at = place_[slot];
        if (when == kNever) {
            if (at != kNoSlot)
                remove(at);
            return;
        }
        if (at == kNoSlot) {
            at = static_cast<uint32_t>(heap_.size());
            heap_.push_back({when, slot});
            place_[slot] = at;
            up(at);
        } else if (heap_[at].when != when) {
            const bool earlier = when < heap_[at].when;
            heap_[at].when = when;
            earlier ? up(at) : down(at);
        }
    }
    size_t size() const { return heap_.size(); }

  private:
    struct Entry {
        Time when{};
        uint32_t slot = kNoSlot;
    };
    void put(uint32_t at, Entry e) {
        heap_[at] = e;
        place_[e.slot] = at;
    }
    void up(uint32_t at) {
        const Entry e = heap_[at];
        while (at > 0 && e.when < heap_[(at - 1) / 4].when) {
            put(at, heap_[(at - 1) / 4]);
            at = (at - 1) / 4;
        }
        put(at, e);
    }
    void down(uint32_t at) {
        const Entry e = heap_[at];
        const uint32_t n = static_cast<uint32_t>(heap_.size());
        for (;;) {
            uint32_t best = at;
            Time least = e.when;
            for (uint32_t c = 4 * at + 1; c < n && c <= 4 * at + 4; c++)
                if (heap_[c].when < least) {
                    least = heap_[c].when;
                    best = c;
                }
            if (best == at)
                break;
            put(at, heap_[best]);
            at = best;
        }
        put(at, e);
    }
    void remove(uint32_t at) {
        place_[heap_[at].slot] = kNoSlot;
        const Entry last = heap_.back();
        heap_.pop_back();
        if (at == heap_.size())
            return;
        put(at, last);
        up(at);
        down(place_[last.slot]);
    }
    Segments<Entry> heap_;
    Segments<uint32_t> place_; // by slot: index into heap_, or kNoSlot
};

} // namespace plait::base
