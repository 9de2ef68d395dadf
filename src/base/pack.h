// SPDX-License-Identifier: Apache-2.0
// Packer and Unpacker: state that rests, in as few bytes as its values need. A struct names its
// fields once, in
//     template <class Self, class P> static void fields(Self &s, P &&p)
// and both go over them in the same order; s is const for a Packer. Numbers are LEB128, so a zero
// takes one byte. What is packed never leaves the process.
#pragma once

#include "base/assert.h"
#include "base/bytes.h"
#include "base/ids.h"
#include "base/time.h"

#include <span>
#include <type_traits>

namespace plait::base {

class Packer {
  public:
    explicit Packer(MutBytes out) : out_(out) {}

    template <class T> void operator()(const T &v) {
        if constexpr (std::is_integral_v<T> || std::is_enum_v<T>)
            number(static_cast<uint64_t>(v));
        else
            T::fields(v, *this);
    }
    void operator()(Time v) { number(v.us); }
    void operator()(Duration v) { number(static_cast<uint64_t>(v.us)); }
    template <class Tag, class Rep> void operator()(Id<Tag, Rep> v) { number(v.v); }
    void bytes(Bytes b) {
        for (const uint8_t v : b)
            put(v);
    }
    Bytes written() const { return out_.first(size_); }

  private:
    void put(uint8_t v) {
        PLAIT_ASSERT(size_ < out_.size());
        out_[size_++] = v;
    }
    void number(uint64_t v) {
        for (; v >= 0x80; v >>= 7)
            put(static_cast<uint8_t>(v | 0x80));
        put(static_cast<uint8_t>(v));
    }
    MutBytes out_;
    size_t size_ = 0;
};

class Unpacker {
  public:
    explicit Unpacker(Bytes in) : in_(in) {}

    template <class T> void operator()(T &v) {
        if constexpr (std::is_integral_v<T> || std::is_enum_v<T>)
            v = static_cast<T>(number());
        else
            T::fields(v, *this);
    }
    void operator()(Time &v) { v.us = number(); }
    void operator()(Duration &v) { v.us = static_cast<int64_t>(number()); }
    template <class Tag, class Rep> void operator()(Id<Tag, Rep> &v) {
        v.v = static_cast<Rep>(number());
    }
    void bytes(MutBytes b) {
        for (uint8_t &v : b)
            v = take();
    }
    size_t left() const { return in_.size(); }

  private:
    uint8_t take() {
        PLAIT_ASSERT(!in_.empty());
        const uint8_t v = in_[0];
        in_ = in_.subspan(1);
        return v;
    }
    uint64_t number() {
        uint64_t v = 0;
        for (unsigned shift = 0;; shift += 7) {
            const uint8_t b = take();
            v |= uint64_t{b & 0x7fu} << shift;
            if (b < 0x80)
                return v;
        }
    }
    Bytes in_;
};

} // namespace plait::base
