// SPDX-License-Identifier: Apache-2.0
// Segments<T>: what a vector is used for at its end, in pieces that stay where they are, so that
// growing never moves what is there: of a million entries that would take milliseconds.
#pragma once

#include "base/assert.h"

#include <array>
#include <cstddef>
#include <memory>
#include <vector>

namespace plait::base {

template <class T> class Segments {
  public:
    size_t size() const { return size_; }
    bool empty() const { return size_ == 0; }
    T &operator[](size_t i) { return (*pieces_[i / kPiece])[i % kPiece]; }
    const T &operator[](size_t i) const { return (*pieces_[i / kPiece])[i % kPiece]; }
    T &back() { return (*this)[size_ - 1]; }
    void push_back(const T &v) {
        if (size_ == pieces_.size() * kPiece)
            pieces_.push_back(std::make_unique<Piece>());
        (*this)[size_++] = v;
    }
    // The memory stays for those to come.
    void pop_back() {
        PLAIT_ASSERT(size_ > 0);
        size_--;
    }

  private:
    static constexpr size_t kPiece = 32; // few, as most nodes have one connection
    using Piece = std::array<T, kPiece>;
    std::vector<std::unique_ptr<Piece>> pieces_;
    size_t size_ = 0;
};

} // namespace plait::base
