// SPDX-License-Identifier: Apache-2.0
// FlatMap: uint64 keys to small trivially copyable values, open addressing with linear probing and
// backward-shift deletion (no tombstones), at most 3/4 full. Keys are mixed with a seed; where a
// stranger chooses keys the seed must be random, so that he cannot make them collide.
#pragma once

#include "base/assert.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>

namespace plait::base {

template <class V> class FlatMap {
    static_assert(std::is_trivially_copyable_v<V>);

  public:
    explicit FlatMap(uint64_t seed = 0x9e3779b97f4a7c15) : seed_(seed | 1) {}

    size_t size() const { return size_; }
    V *find(uint64_t key) {
        if (!cap_)
            return nullptr;
        for (size_t i = home(key);; i = next(i)) {
            if (!cells_[i].used)
                return nullptr;
            if (cells_[i].key == key)
                return &cells_[i].value;
        }
    }
    const V *find(uint64_t key) const { return const_cast<FlatMap *>(this)->find(key); }
    // Adds or replaces.
    void put(uint64_t key, const V &value) {
        if (V *old = find(key)) {
            *old = value;
            return;
        }
        if ((size_ + 1) * 4 > cap_ * 3)
            grow();
        size_t i = home(key);
        while (cells_[i].used)
            i = next(i);
        cells_[i] = {key, value, true};
        size_++;
    }
    bool erase(uint64_t key) {
        if (!cap_)
            return false;
        size_t i = home(key);
        while (cells_[i].used && cells_[i].key != key)
            i = next(i);
        if (!cells_[i].used)
            return false;
        // Moves back whatever would be out of reach behind the hole.
        for (size_t j = next(i); cells_[j].used; j = next(j)) {
            const size_t h = home(cells_[j].key);
            if (((j - h) & (cap_ - 1)) >= ((j - i) & (cap_ - 1))) {
                cells_[i] = cells_[j];
                i = j;
            }
        }
        cells_[i].used = false;
        size_--;
        return true;
    }
    template <class F> void for_each(F &&f) const {
        for (size_t i = 0; i < cap_; i++)
            if (cells_[i].used)
                f(cells_[i].key, cells_[i].value);
    }

  private:
    struct Cell {
        uint64_t key = 0;
        V value{};
        bool used = false;
    };
    size_t next(size_t i) const { return (i + 1) & (cap_ - 1); }
    size_t home(uint64_t key) const {
        uint64_t h = (key ^ seed_) * 0xbf58476d1ce4e5b9;
        h = (h ^ h >> 29) * (seed_ ^ 0x94d049bb133111eb);
        return static_cast<size_t>(h ^ h >> 32) & (cap_ - 1);
    }
    void grow() {
        const size_t old_cap = cap_;
        auto old = std::move(cells_);
        cap_ = cap_ ? cap_ * 2 : 8;
        cells_ = std::make_unique<Cell[]>(cap_);
        size_ = 0;
        for (size_t i = 0; i < old_cap; i++)
            if (old[i].used)
                put(old[i].key, old[i].value);
    }
    uint64_t seed_;
    size_t cap_ = 0, size_ = 0;
    std::unique_ptr<Cell[]> cells_;
};

} // namespace plait::base
