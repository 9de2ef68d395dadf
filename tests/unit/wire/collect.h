// SPDX-License-Identifier: Apache-2.0
// Handlers for read_frames() that keep what they are given, and frames that are written back.
#pragma once

#include "wire/read_frames.h"

#include <vector>

namespace plait::test {

// Writes each frame that it is given again: what comes out equals what went in, padding and
// extensions aside, iff reading has lost nothing.
struct Rewriter {
    std::array<uint8_t, 4096> buffer{};
    base::Writer out{buffer};
    size_t frames = 0;
    bool data_with_length = true;

    template <class Frame>
    Status on(const Frame &f) {
        frames++;
        wire::write(out, f);
        return PLAIT_OK;
    }
    Status on(const wire::DataFrame &f) {
        frames++;
        wire::write(out, f, data_with_length);
        return PLAIT_OK;
    }
};

// Keeps the last frame of one kind, and says so if another kind comes.
template <class Wanted>
struct Only {
    Wanted got{};
    size_t count = 0;
    Status on(const Wanted &f) {
        got = f;
        count++;
        return PLAIT_OK;
    }
    template <class Other>
    Status on(const Other &) {
        return PLAIT_E_PROTOCOL;
    }
};

// Counts, and looks at nothing.
struct Counter {
    size_t frames = 0;
    template <class Frame>
    Status on(const Frame &) {
        frames++;
        return PLAIT_OK;
    }
};

// Reads from an allocation of exactly this size, so that a sanitizer sees any step outside.
template <class Handler>
Status read_exact(Bytes plaintext, Handler &handler) {
    const std::vector<uint8_t> copy(plaintext.begin(), plaintext.end());
    return wire::read_frames(copy, handler);
}
inline Status read_exact(Bytes plaintext) {
    Counter counter;
    return read_exact(plaintext, counter);
}
inline Status read_bytes(std::initializer_list<uint8_t> bytes) {
    return read_exact(Bytes(bytes.begin(), bytes.size()));
}

} // namespace plait::test
