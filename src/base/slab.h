// SPDX-License-Identifier: Apache-2.0
// Slab<T>: objects at stable addresses, named by a slot (u32) and a generation (22 bits), so that a
// stale name is found out instead of followed. Slots are reused first-in first-out, which makes
// the time until a generation repeats as long as it can be; a slot whose generation is used up
// is retired.
#pragma once

#include "base/assert.h"
#include "base/ids.h"

#include <cstdint>
#include <memory>
#include <new>
#include <utility>
#include <vector>

namespace plait::base {

inline constexpr uint32_t kGenerationMax = (1u << 22) - 1;

template <class T> class Slab {
  public:
    explicit Slab(uint32_t limit) : limit_(limit) {}
    Slab(const Slab &) = delete;
    Slab &operator=(const Slab &) = delete;
    ~Slab() {
        for (uint32_t i = 0; i < used_; i++)
            if (cell(i).live)
                object(cell(i))->~T();
    }

    // The new object's slot, or kNoSlot when the limit is reached.
    template <class... Args> uint32_t emplace(Args &&...args) {
        if (live_ == limit_)
            return kNoSlot;
        const uint32_t slot = take_slot();
        if (slot == kNoSlot)
            return kNoSlot;
        Cell &c = cell(slot);
        new (c.bytes) T(std::forward<Args>(args)...);
        c.live = true;
        live_++;
        return slot;
    }

    void erase(uint32_t slot) {
        Cell &c = cell(slot);
        PLAIT_ASSERT(c.live);
        object(c)->~T();
        c.live = false;
        live_--;
        if (c.generation == kGenerationMax)
            return; // retired
        c.generation++;
        c.next_free = kNoSlot;
        if (free_tail_ == kNoSlot)
            free_head_ = slot;
        else
            cell(free_tail_).next_free = slot;
        free_tail_ = slot;
    }

    // The object in `slot`, which must be live.
    T &operator[](uint32_t slot) {
        Cell &c = cell(slot);
        PLAIT_ASSERT(c.live);
        return *object(c);
    }
    // The object, or nullptr if slot and generation do not name a live one.
    T *find(uint32_t slot, uint32_t generation) {
        if (slot >= used_)
            return nullptr;
        Cell &c = cell(slot);
        return c.live && c.generation == generation ? object(c) : nullptr;
    }
    bool live(uint32_t slot) const {
        return slot < used_ && const_cast<Slab *>(this)->cell(slot).live;
    }
    // True if this slot and generation named an object once.
    bool was_issued(uint32_t slot, uint32_t generation) const {
        if (slot >= used_)
            return false;
        const Cell &c = const_cast<Slab *>(this)->cell(slot);
        return generation >= 1 && (generation < c.generation || (generation == c.generation));
    }
    uint32_t generation(uint32_t slot) { return cell(slot).generation; }
    uint32_t size() const { return live_; }
    uint32_t limit() const { return limit_; }
    // Slots ever used: iterate [0, capacity()) with live().
    uint32_t capacity() const { return used_; }

  private:
    static constexpr uint32_t kChunk = 64;
    struct Cell {
        alignas(T) unsigned char bytes[sizeof(T)];
        uint32_t generation = 1;
        uint32_t next_free = kNoSlot;
        bool live = false;
    };
    static T *object(Cell &c) { return std::launder(reinterpret_cast<T *>(c.bytes)); }
    Cell &cell(uint32_t slot) { return chunks_[slot / kChunk][slot % kChunk]; }
    uint32_t take_slot() {
        if (free_head_ != kNoSlot) {
            const uint32_t slot = free_head_;
            free_head_ = cell(slot).next_free;
            if (free_head_ == kNoSlot)
                free_tail_ = kNoSlot;
            return slot;
        }
        if (used_ == kNoSlot)
            return kNoSlot;
        if (used_ % kChunk == 0)
            chunks_.push_back(std::make_unique<Cell[]>(kChunk));
        return used_++;
    }
    std::vector<std::unique_ptr<Cell[]>> chunks_;
    uint32_t limit_, used_ = 0, live_ = 0;
    uint32_t free_head_ = kNoSlot, free_tail_ = kNoSlot;
};

} // namespace plait::base
