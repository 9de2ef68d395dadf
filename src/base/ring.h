// SPDX-License-Identifier: Apache-2.0
// Ring<T>: a queue in one power-of-two block; the data path's stand-in for std::deque.
// It doubles when full and gives its memory back on release(). For trivially copyable T.
#pragma once

#include "base/assert.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>

namespace plait::base {

template <class T> class Ring {
    static_assert(std::is_trivially_copyable_v<T>);

  public:
    bool empty() const { return head_ == tail_; }
    size_t size() const { return uint32_t{tail_ - head_}; }
    size_t capacity() const { return cap_; }
    T &operator[](size_t i) { return data_[(head_ + i) & (cap_ - 1)]; }
    const T &operator[](size_t i) const { return data_[(head_ + i) & (cap_ - 1)]; }
    T &front() { return (*this)[0]; }
    T &back() { return (*this)[size() - 1]; }
    void push_back(const T &v) {
        if (size() == cap_)
            grow();
        data_[tail_++ & (cap_ - 1)] = v;
    }
    void pop_front() {
        PLAIT_ASSERT(!empty());
        head_++;
    }
    void pop_front(size_t n) {
        PLAIT_ASSERT(n <= size());
        head_ += static_cast<uint32_t>(n);
    }
    void pop_back() {
        PLAIT_ASSERT(!empty());
        tail_--;
    }
    void clear() { head_ = tail_ = 0; }
    void release() {
        clear();
        data_.reset();
        cap_ = 0;
    }

  private:
    void grow() {
        const uint32_t n = tail_ - head_, cap = cap_ ? cap_ * 2 : 8;
        auto next = std::make_unique<T[]>(cap);
        for (uint32_t i = 0; i < n; i++)
            next[i] = (*this)[i];
        data_ = std::move(next);
        cap_ = cap;
        head_ = 0;
        tail_ = n;
    }
    std::unique_ptr<T[]> data_;
    uint32_t cap_ = 0, head_ = 0, tail_ = 0; // positions run on and wrap
};

} // namespace plait::base
