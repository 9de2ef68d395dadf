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

// A pointer to a block with a count of its `users`, which the last of them destroys.
template <class Block> class Counted {
  public:
    Counted() = default;
    // Of a new block, with one user.
    explicit Counted(Block *block) : block_(block) {}
    Counted(const Counted &other) : block_(other.block_) {
        if (block_)
            block_->users++;
    }
    Counted(Counted &&other) noexcept : block_(std::exchange(other.block_, nullptr)) {}
    Counted &operator=(Counted other) noexcept {
        std::swap(block_, other.block_);
        return *this;
    }
    ~Counted() {
        if (block_ && --block_->users == 0)
            Block::destroy(block_);
    }
    const Block *get() const { return block_; }

  private:
    Block *block_ = nullptr;
};

template <class T> class Shared {
  public:
    Shared() = default;
    explicit Shared(const T &value) : block_(new Block{value}) {}
    explicit operator bool() const { return block_.get(); }
    const T &operator*() const { return block_.get()->value; }
    const T *operator->() const { return &block_.get()->value; }
    bool is(const T &value) const { return *this && **this == value; }

  private:
    struct Block {
        T value;
        uint32_t users = 1;
        static void destroy(Block *b) { delete b; }
    };
    Counted<Block> block_;
};

// Empty text takes no memory.
class SharedText {
  public:
    SharedText() = default;
    explicit SharedText(std::string_view text) : block_(text.empty() ? nullptr : make(text)) {}
    std::string_view view() const {
        const Block *b = block_.get();
        return b ? std::string_view(reinterpret_cast<const char *>(b + 1), b->size)
                 : std::string_view();
    }
    bool is(std::string_view text) const { return view() == text; }

  private:
    struct Block { // the text follows it
        uint32_t users, size;
        static void destroy(Block *b) { ::operator delete(b); }
    };
    static Block *make(std::string_view text) {
        Block *b = new (::operator new(sizeof(Block) + text.size()))
            Block{1, static_cast<uint32_t>(text.size())};
        std::memcpy(b + 1, text.data(), text.size());
        return b;
    }
    Counted<Block> block_;
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
