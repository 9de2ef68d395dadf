// SPDX-License-Identifier: Apache-2.0
// Slab<T>: objects at stable addresses, named by a slot (u32) and a generation (22 bits), so that a
// stale name is found out instead of followed. Slots are reused first-in first-out, which makes
// the time until a generation repeats as long as it can be; a slot whose generation is used up
// is retired.
#pragma once

#include "base/assert.h"
#include "base/ids.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
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
            if (mark(i).live)
                object(i)->~T();
    }

    // The new object's slot, or kNoSlot when the limit is reached.
    template <class... Args> uint32_t emplace(Args &&...args) {
        if (live_ == limit_)
            return kNoSlot;
        const uint32_t slot = take_slot();
        if (slot == kNoSlot)
            return kNoSlot;
        new (room(slot)) T(std::forward<Args>(args)...);
        mark(slot).live = true;
        live_++;
        return slot;
    }

    void erase(uint32_t slot) {
        Mark &m = mark(slot);
        PLAIT_ASSERT(m.live);
        object(slot)->~T();
        m.live = false;
        live_--;
        if (m.generation == kGenerationMax)
            return; // retired
        m.generation++;
        set_next_free(slot, kNoSlot);
        if (free_tail_ == kNoSlot)
            free_head_ = slot;
        else
            set_next_free(free_tail_, slot);
        free_tail_ = slot;
    }

    // The object in `slot`, which must be live.
    T &operator[](uint32_t slot) {
        PLAIT_ASSERT(mark(slot).live);
        return *object(slot);
    }
    // The object, or nullptr if slot and generation do not name a live one.
    T *find(uint32_t slot, uint32_t generation) {
        if (slot >= used_)
            return nullptr;
        const Mark m = mark(slot);
        return m.live && m.generation == generation ? object(slot) : nullptr;
    }
    bool live(uint32_t slot) const { return slot < used_ && mark(slot).live; }
    // True if this slot and generation named an object once.
    bool was_issued(uint32_t slot, uint32_t generation) const {
        return slot < used_ && generation >= 1 && generation <= mark(slot).generation;
    }
    uint32_t generation(uint32_t slot) { return mark(slot).generation; }
    uint32_t size() const { return live_; }
    uint32_t limit() const { return limit_; }
    // Slots ever used: iterate [0, capacity()) with live().
    uint32_t capacity() const { return used_; }

  private:
    static constexpr uint32_t kChunk = 8; // few, as most nodes have one connection
    struct Mark {
        uint32_t generation : 31 = 1;
        uint32_t live : 1 = 0;
    };
    struct Chunk {
        alignas(T) unsigned char bytes[kChunk][std::max(sizeof(T), sizeof(uint32_t))];
        Mark marks[kChunk];
    };
    unsigned char *room(uint32_t slot) { return chunks_[slot / kChunk]->bytes[slot % kChunk]; }
    T *object(uint32_t slot) { return std::launder(reinterpret_cast<T *>(room(slot))); }
    Mark &mark(uint32_t slot) { return chunks_[slot / kChunk]->marks[slot % kChunk]; }
    const Mark &mark(uint32_t slot) const { return chunks_[slot / kChunk]->marks[slot % kChunk]; }
    // A free slot holds the number of the next one.
    uint32_t next_free(uint32_t slot) {
        uint32_t next;
        std::memcpy(&next, room(slot), sizeof next);
        return next;
    }
    void set_next_free(uint32_t slot, uint32_t next) {
        std::memcpy(room(slot), &next, sizeof next);
    }
    uint32_t take_slot() {
        if (free_head_ != kNoSlot) {
            const uint32_t slot = free_head_;
            free_head_ = next_free(slot);
            if (free_head_ == kNoSlot)
                free_tail_ = kNoSlot;
            return slot;
        }
        if (used_ == kNoSlot)
            return kNoSlot;
        if (used_ % kChunk == 0)
            chunks_.push_back(std::unique_ptr<Chunk>(new Chunk));
        return used_++;
    }
    std::vector<std::unique_ptr<Chunk>> chunks_;
    uint32_t limit_, used_ = 0, live_ = 0;
    uint32_t free_head_ = kNoSlot, free_tail_ = kNoSlot;
};

} // namespace plait::base
