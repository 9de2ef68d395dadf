// SPDX-License-Identifier: Apache-2.0
// SlimVector<T>: a vector that is one pointer wide, and takes no memory while it is empty from the
// start or after release(). For lists that most objects never fill, and for those that are short.
#pragma once

#include "base/assert.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <new>
#include <span>
#include <utility>

namespace plait::base {

template <class T> class SlimVector {
  public:
    using value_type = T;
    using iterator = T *;
    using const_iterator = const T *;

    SlimVector() = default;
    template <class I> SlimVector(I first, I last) {
        const auto n = static_cast<size_t>(std::distance(first, last));
        if (n == 0)
            return;
        reallocate(n);
        std::uninitialized_copy(first, last, begin());
        head_->size = static_cast<uint32_t>(n);
    }
    SlimVector(SlimVector &&other) noexcept : head_(std::exchange(other.head_, nullptr)) {}
    SlimVector &operator=(SlimVector &&other) noexcept {
        std::swap(head_, other.head_);
        return *this;
    }
    SlimVector(const SlimVector &other) : SlimVector(other.begin(), other.end()) {}
    SlimVector &operator=(const SlimVector &other) { return *this = SlimVector(other); }
    ~SlimVector() { release(); }

    size_t size() const { return head_ ? head_->size : 0; }
    size_t capacity() const { return head_ ? head_->capacity : 0; }
    bool empty() const { return size() == 0; }
    T *data() { return head_ ? items(head_) : nullptr; }
    const T *data() const { return head_ ? items(head_) : nullptr; }
    T *begin() { return data(); }
    T *end() { return data() + size(); }
    const T *begin() const { return data(); }
    const T *end() const { return data() + size(); }
    T &operator[](size_t i) { return data()[i]; }
    const T &operator[](size_t i) const { return data()[i]; }
    T &front() { return *begin(); }
    const T &front() const { return *begin(); }
    T &back() { return end()[-1]; }
    const T &back() const { return end()[-1]; }

    // By value: the argument may be an element.
    void push_back(T v) {
        if (size() == capacity())
            reallocate(std::max<size_t>(2 * capacity(), 1));
        new (end()) T(std::move(v));
        head_->size++;
    }
    // Not of its own elements. It takes the room that is needed and no more.
    void append(std::span<const T> v) {
        if (size() + v.size() > capacity())
            reallocate(size() + v.size());
        if (!v.empty()) {
            std::uninitialized_copy(v.begin(), v.end(), end());
            head_->size += static_cast<uint32_t>(v.size());
        }
    }
    void pop_back() {
        PLAIT_ASSERT(!empty());
        end()[-1].~T();
        head_->size--;
    }
    T *insert(const T *at, T v) {
        const size_t i = static_cast<size_t>(at - begin());
        push_back(std::move(v));
        std::rotate(begin() + i, end() - 1, end());
        return begin() + i;
    }
    T *erase(const T *at) { return erase(at, at + 1); }
    T *erase(const T *first, const T *last) {
        T *to = const_cast<T *>(first);
        const size_t n = static_cast<size_t>(last - first);
        if (n > 0) {
            T *rest = std::move(const_cast<T *>(last), end(), to);
            std::destroy(rest, end());
            head_->size -= static_cast<uint32_t>(n);
        }
        return to;
    }
    template <class F> void erase_if(F &&f) { erase(std::remove_if(begin(), end(), f), end()); }
    void clear() { erase(begin(), end()); }
    void shrink_to_fit() {
        if (empty())
            release();
        else if (size() < capacity())
            reallocate(size());
    }
    // Gives all memory back.
    void release() {
        if (!head_)
            return;
        std::destroy(begin(), end());
        ::operator delete(std::exchange(head_, nullptr));
    }

  private:
    struct Head {
        uint32_t size, capacity;
    };
    static_assert(alignof(T) <= alignof(std::max_align_t));
    static constexpr size_t kItems = std::max(sizeof(Head), alignof(T));
    static T *items(Head *h) {
        return std::launder(reinterpret_cast<T *>(reinterpret_cast<unsigned char *>(h) + kItems));
    }
    void reallocate(size_t capacity) {
        Head *next = static_cast<Head *>(::operator new(kItems + capacity * sizeof(T)));
        *next = {static_cast<uint32_t>(size()), static_cast<uint32_t>(capacity)};
        std::uninitialized_move(begin(), end(), items(next));
        release();
        head_ = next;
    }
    Head *head_ = nullptr;
};

} // namespace plait::base
