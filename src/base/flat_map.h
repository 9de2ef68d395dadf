// SPDX-License-Identifier: Apache-2.0
// FlatMap: uint64 or uint32 keys to small trivially copyable values, open addressing with linear
// probing and backward-shift deletion (no tombstones), at most 3/4 full. Keys are mixed with a
// seed; where a stranger chooses keys the seed must be random, so that he cannot make them collide.
//
// A large table grows without a pause: the new one begins empty (fresh pages of zeros), and each
// change moves a few cells over until the old one is. An empty cell has key 0; whoever has that
// key is kept apart.
#pragma once

#include "base/assert.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

namespace plait::base {

template <class V, class Key = uint64_t> class FlatMap {
    static_assert(std::is_trivially_copyable_v<V>);
    static_assert(std::is_unsigned_v<Key>);

  public:
    static constexpr uint32_t kFirst = 4;     // cells
    static constexpr uint32_t kAtOnce = 1024; // cells: up to here they are moved at once,
    static constexpr uint32_t kMoves = 8;     // else so many are looked at with each change

    explicit FlatMap(uint64_t seed = 0x9e3779b97f4a7c15) : seed_(seed | 1) {}

    size_t size() const { return size_; }
    V *find(uint64_t key) {
        if (key == 0)
            return has_zero_ ? &zero_ : nullptr;
        if (Cell *c = find_in(now_, key))
            return &c->value;
        Cell *c = old_ ? find_in(old_->table, key) : nullptr;
        return c ? &c->value : nullptr;
    }
    const V *find(uint64_t key) const { return const_cast<FlatMap *>(this)->find(key); }
    // Adds or replaces.
    void put(uint64_t key, const V &value) {
        if (V *old = find(key)) {
            *old = value;
            return;
        }
        size_++;
        if (key == 0) {
            zero_ = value;
            has_zero_ = true;
            return;
        }
        if (size_ * 4 > now_.cap * 3)
            grow();
        Cell cell;
        cell.set_key(static_cast<Key>(key));
        cell.value = value;
        place(cell);
        move_some(kMoves);
    }
    bool erase(uint64_t key) {
        if (key == 0) {
            const bool found = has_zero_;
            size_ -= found;
            has_zero_ = false;
            return found;
        }
        const bool found = erase_in(now_, key) || (old_ && erase_in(old_->table, key));
        size_ -= found;
        move_some(kMoves);
        return found;
    }
    template <class F> void for_each(F &&f) const {
        if (has_zero_)
            f(uint64_t{0}, zero_);
        if (old_)
            for_each_in(old_->table, f);
        for_each_in(now_, f);
    }

  private:
    // In halves, so that the cell of a small value is no larger than the two together.
    struct Cell {
        static constexpr size_t kParts = sizeof(Key) / sizeof(uint32_t);
        uint32_t parts[kParts];
        V value;
        Key key() const {
            Key k;
            std::memcpy(&k, parts, sizeof k);
            return k;
        }
        void set_key(Key k) { std::memcpy(parts, &k, sizeof k); }
    };
    struct Free {
        void operator()(Cell *c) const { std::free(c); }
    };
    struct Table {
        std::unique_ptr<Cell[], Free> cells;
        size_t cap = 0;
    };
    struct Old {
        Table table;
        size_t scanned = 0; // cells below are empty
    };

    size_t home(uint64_t key) const {
        uint64_t h = (key ^ seed_) * 0xbf58476d1ce4e5b9;
        h = (h ^ h >> 29) * (seed_ ^ 0x94d049bb133111eb);
        return static_cast<size_t>(h ^ h >> 32);
    }
    Cell *find_in(Table &t, uint64_t key) const {
        if (!t.cap)
            return nullptr;
        for (size_t i = home(key) & (t.cap - 1);; i = (i + 1) & (t.cap - 1)) {
            if (t.cells[i].key() == key)
                return &t.cells[i];
            if (t.cells[i].key() == 0)
                return nullptr;
        }
    }
    void place(const Cell &cell) {
        size_t i = home(cell.key()) & (now_.cap - 1);
        while (now_.cells[i].key() != 0)
            i = (i + 1) & (now_.cap - 1);
        now_.cells[i] = cell;
    }
    bool erase_in(Table &t, uint64_t key) const {
        Cell *c = find_in(t, key);
        if (c)
            empty(t, static_cast<size_t>(c - t.cells.get()));
        return c != nullptr;
    }
    // Moves back whatever would be out of reach behind the hole.
    void empty(Table &t, size_t i) const {
        const size_t mask = t.cap - 1;
        for (size_t j = (i + 1) & mask; t.cells[j].key() != 0; j = (j + 1) & mask) {
            const size_t h = home(t.cells[j].key());
            if (((j - h) & mask) >= ((j - i) & mask)) {
                t.cells[i] = t.cells[j];
                i = j;
            }
        }
        t.cells[i].set_key(0);
    }
    void grow() {
        if (old_)
            move_some(old_->table.cap);
        Table before = std::move(now_);
        now_.cap = before.cap ? before.cap * 2 : kFirst;
        now_.cells.reset(static_cast<Cell *>(std::calloc(now_.cap, sizeof(Cell))));
        if (!now_.cells)
            throw std::bad_alloc();
        if (!before.cap)
            return;
        old_ = std::make_unique<Old>(Old{std::move(before), 0});
        if (old_->table.cap <= kAtOnce)
            move_some(old_->table.cap);
    }
    // Taking a cell out may bring another into its place; none comes into those passed before.
    void move_some(size_t cells) {
        if (!old_)
            return;
        Table &t = old_->table;
        for (size_t &i = old_->scanned; cells > 0 && i < t.cap; cells--, i++) {
            while (t.cells[i].key() != 0) {
                place(t.cells[i]);
                empty(t, i);
            }
        }
        if (old_->scanned == t.cap)
            old_.reset();
    }
    template <class F> static void for_each_in(const Table &t, F &f) {
        for (size_t i = 0; i < t.cap; i++)
            if (t.cells[i].key() != 0)
                f(uint64_t{t.cells[i].key()}, t.cells[i].value);
    }

    uint64_t seed_;
    Table now_;
    std::unique_ptr<Old> old_;
    V zero_{};
    uint32_t size_ : 31 = 0;
    uint32_t has_zero_ : 1 = 0;
};

} // namespace plait::base
