// SPDX-License-Identifier: Apache-2.0
// Spans of bytes, and a bounded reader and writer of big-endian integers and QUIC varints
// (RFC 9000 section 16). Neither ever touches memory outside its span: the first violation
// sets a flag that is asked for once, at the end.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace plait::base {

using Bytes = std::span<const uint8_t>;
using MutBytes = std::span<uint8_t>;

inline constexpr uint64_t kVarintMax = (uint64_t{1} << 62) - 1;

inline Bytes bytes_of(std::string_view text) {
    return {reinterpret_cast<const uint8_t *>(text.data()), text.size()};
}
inline std::string_view text_of(Bytes bytes) {
    return {reinterpret_cast<const char *>(bytes.data()), bytes.size()};
}

// Overwrites with zeros, in a way that the compiler does not remove though nobody reads them.
inline void wipe(MutBytes bytes) {
    if (!bytes.empty())
        std::memset(bytes.data(), 0, bytes.size());
    asm volatile("" : : "r"(bytes.data()) : "memory");
}

constexpr size_t varint_size(uint64_t v) {
    return v < 0x40 ? 1 : v < 0x4000 ? 2 : v < 0x40000000 ? 4 : 8;
}

// Copies between places that do not overlap at the same speed, however they are aligned. From a few
// thousand bytes on memcpy takes the processor's string instructions, which are up to eight times
// slower where the places differ in their last bits (6 instead of 48 GB/s on Zen 4; glibc bug
// 30994). memmove because the compiler, knowing the bound, would put such an instruction itself.
inline void copy_bytes(uint8_t *to, Bytes from) {
    constexpr size_t kPiece = 2048;
    for (; from.size() > kPiece; from = from.subspan(kPiece), to += kPiece)
        std::memmove(to, from.data(), kPiece);
    if (!from.empty())
        std::memmove(to, from.data(), from.size());
}

// Whole words where the size is that of one: every packet passes here several times.
template <class Word> Word swap_be(Word v) {
    if constexpr (std::endian::native == std::endian::big || sizeof v == 1)
        return v;
    else if constexpr (sizeof v == 2)
        return __builtin_bswap16(v);
    else if constexpr (sizeof v == 4)
        return __builtin_bswap32(v);
    else
        return __builtin_bswap64(v);
}
template <class Word> void store_word(uint8_t *to, uint64_t v) {
    const Word w = swap_be(static_cast<Word>(v));
    std::memcpy(to, &w, sizeof w);
}
template <class Word> uint64_t load_word(const uint8_t *from) {
    Word w;
    std::memcpy(&w, from, sizeof w);
    return swap_be(w);
}
inline void store_be(uint8_t *to, uint64_t v, size_t n) {
    switch (n) {
    case 8: return store_word<uint64_t>(to, v);
    case 4: return store_word<uint32_t>(to, v);
    case 2: return store_word<uint16_t>(to, v);
    case 1: return store_word<uint8_t>(to, v);
    }
    for (size_t i = n; i-- > 0; v >>= 8)
        to[i] = static_cast<uint8_t>(v);
}
inline uint64_t load_be(const uint8_t *from, size_t n) {
    switch (n) {
    case 8: return load_word<uint64_t>(from);
    case 4: return load_word<uint32_t>(from);
    case 2: return load_word<uint16_t>(from);
    case 1: return load_word<uint8_t>(from);
    }
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++)
        v = v << 8 | from[i];
    return v;
}
// Writes `v` (at most kVarintMax) and returns the bytes used, 1, 2, 4 or 8.
inline size_t store_varint(uint8_t *to, uint64_t v) {
    const size_t n = varint_size(v);
    store_be(to, v, n);
    to[0] |= static_cast<uint8_t>(n == 1 ? 0 : n == 2 ? 0x40 : n == 4 ? 0x80 : 0xc0);
    return n;
}

class Reader {
  public:
    explicit Reader(Bytes in) : p_(in.data()), end_(in.data() + in.size()) {}

    bool ok() const { return ok_; }
    bool done() const { return p_ == end_; }
    size_t left() const { return static_cast<size_t>(end_ - p_); }
    const uint8_t *at() const { return p_; }
    void fail() {
        ok_ = false;
        p_ = end_;
    }

    uint8_t u8() { return static_cast<uint8_t>(be(1)); }
    uint16_t u16() { return static_cast<uint16_t>(be(2)); }
    uint32_t u32() { return static_cast<uint32_t>(be(4)); }
    uint64_t u64() { return be(8); }
    uint64_t varint() {
        if (p_ == end_)
            return be(1);
        const size_t n = size_t{1} << (*p_ >> 6);
        return be(n) & (~uint64_t{0} >> (66 - 8 * n));
    }
    // The next `n` bytes, in place; empty (and failed) if there are fewer.
    Bytes bytes(size_t n) {
        if (left() < n) {
            fail();
            return {};
        }
        Bytes out{p_, n};
        p_ += n;
        return out;
    }
    Bytes rest() { return bytes(left()); }

  private:
    uint64_t be(size_t n) {
        if (left() < n) {
            fail();
            return 0;
        }
        const uint64_t v = load_be(p_, n);
        p_ += n;
        return v;
    }
    const uint8_t *p_;
    const uint8_t *end_;
    bool ok_ = true;
};

class Writer {
  public:
    explicit Writer(MutBytes out) : start_(out.data()), p_(out.data()), end_(p_ + out.size()) {}

    bool ok() const { return ok_; }
    size_t size() const { return static_cast<size_t>(p_ - start_); }
    size_t left() const { return static_cast<size_t>(end_ - p_); }
    uint8_t *at() { return p_; }
    Bytes written() const { return {start_, size()}; }

    void u8(uint8_t v) { be(v, 1); }
    void u16(uint16_t v) { be(v, 2); }
    void u32(uint32_t v) { be(v, 4); }
    void u64(uint64_t v) { be(v, 8); }
    void varint(uint64_t v) {
        if (v > kVarintMax || left() < varint_size(v))
            ok_ = false;
        else
            p_ += store_varint(p_, v);
    }
    void bytes(Bytes v) {
        if (left() < v.size()) {
            ok_ = false;
            return;
        }
        copy_bytes(p_, v);
        p_ += v.size();
    }
    void fill(uint8_t value, size_t n) {
        if (left() < n) {
            ok_ = false;
            return;
        }
        std::memset(p_, value, n);
        p_ += n;
    }

  private:
    void be(uint64_t v, size_t n) {
        if (left() < n) {
            ok_ = false;
            return;
        }
        store_be(p_, v, n);
        p_ += n;
    }
    uint8_t *start_;
    uint8_t *p_;
    uint8_t *end_;
    bool ok_ = true;
};

} // namespace plait::base

namespace plait {
using base::Bytes;
using base::MutBytes;
} // namespace plait
