// SPDX-License-Identifier: Apache-2.0
// Values that many objects have alike are kept once. Shared<T> and SharedText point to one of them,
// one pointer wide; Sharing hands them out. It remembers the few that were asked for last, so that
// whoever brings many different ones costs no search, only memory of his own.
//
// Not for several threads: the users are counted without locks.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <string_view>
#include <utility>

namespace plait::base {

template <class T> class Shared {
  public:
    Shared() = default;
    explicit Shared(const T &value) : block_(new Block{value}) {}
    Shared(const Shared &other) : block_(other.block_) {
        if (block_)
            block_->users++;
    }
    Shared(Shared &&other) noexcept : block_(std::exchange(other.block_, nullptr)) {}
    Shared &operator=(Shared other) noexcept {
        std::swap(block_, other.block_);
        return *this;
    }
    ~Shared() {
        if (block_ && --block_->users == 0)
            delete block_;
    }
    explicit operator bool() const { return block_; }
    const T &operator*() const { return block_->value; }
    const T *operator->() const { return &block_->value; }
    bool is(const T &value) const { return block_ && block_->value == value; }

  private:
    struct Block {
        T value;
        uint32_t users = 1;
    };
    Block *block_ = nullptr;
};

// Empty text takes no memory.
class SharedText {
  public:
    SharedText() = default;
    explicit SharedText(std::string_view text) {
        if (text.empty())
            return;
        block_ = new (::operator new(sizeof(Block) + text.size()))
            Block{1, static_cast<uint32_t>(text.size())};
        std::memcpy(block_ + 1, text.data(), text.size());
    }
    SharedText(const SharedText &other) : block_(other.block_) {
        if (block_)
            block_->users++;
    }
    SharedText(SharedText &&other) noexcept : block_(std::exchange(other.block_, nullptr)) {}
    SharedText &operator=(SharedText other) noexcept {
        std::swap(block_, other.block_);
        return *this;
    }
    ~SharedText() {
        if (block_ && --block_->users == 0)
            ::operator delete(block_);
    }
    std::string_view view() const {
        if (!block_)
            return {};
        return {reinterpret_cast<const char *>(block_ + 1), block_->size};
    }
    bool is(std::string_view text) const { return view() == text; }

  private:
    struct Block { // the text follows it
        uint32_t users, size;
    };
    Block *block_ = nullptr;
};

// `To`: Shared<T> or SharedText.
template <class To> class Sharing {
  public:
    static constexpr size_t kRecent = 4;

    template <class V> To get(const V &value) {
        for (const To &p : recent_)
            if (p.is(value))
                return p;
        return recent_[next_++ % kRecent] = To(value);
    }

  private:
    std::array<To, kRecent> recent_;
    size_t next_ = 0;
};

} // namespace plait::base
