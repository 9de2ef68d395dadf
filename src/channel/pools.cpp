// SPDX-License-Identifier: Apache-2.0
#include "channel/pools.h"

#include "base/assert.h"

#include <new>

namespace plait::channel {

namespace {
size_t class_of(size_t n) {
    size_t i = 0;
    while (i < Pools::kSizes.size() && Pools::kSizes[i] < n)
        i++;
    return i;
}
} // namespace

Pools::~Pools() {
    PLAIT_ASSERT(in_use_ == 0);
    for (Free *f : free_) {
        while (f) {
            Free *next = f->next;
            ::operator delete(f);
            f = next;
        }
    }
}

size_t Pools::rounded(size_t n) {
    const size_t c = class_of(n);
    return c < kSizes.size() ? kSizes[c] : n;
}

uint8_t *Pools::take(size_t n) {
    const size_t c = class_of(n);
    in_use_ += rounded(n);
    if (c == kSizes.size() || !free_[c])
        return static_cast<uint8_t *>(::operator new(rounded(n)));
    Free *f = free_[c];
    free_[c] = f->next;
    cached_[c] -= kSizes[c];
    return reinterpret_cast<uint8_t *>(f);
}

void Pools::give(uint8_t *block, size_t n) {
    const size_t c = class_of(n);
    PLAIT_ASSERT(in_use_ >= rounded(n));
    in_use_ -= rounded(n);
    const size_t most = c + 1 == kSizes.size() ? kCachedLarge : kCachedBytes;
    if (c == kSizes.size() || cached_[c] + kSizes[c] > most) {
        ::operator delete(block);
        return;
    }
    free_[c] = new (block) Free{free_[c]};
    cached_[c] += kSizes[c];
}

} // namespace plait::channel
