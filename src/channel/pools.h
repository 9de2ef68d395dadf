// SPDX-License-Identifier: Apache-2.0
// Memory for the bytes of channels: blocks in a few sizes, kept for reuse up to a bound, and the
// list of borrowed buffers that may go back to the application; beside it what channels have alike.
// One a worker; it outlives the channels. What is larger than the largest class comes from the
// allocator as it is.
#pragma once

#include "base/bytes.h"
#include "base/sharing.h"
#include "channel/config.h"

#include <array>
#include <vector>

namespace plait::channel {

// Tells the application that memory is its own again; as plait_release_fn.
using ReleaseFn = void (*)(void *user, const void *data, size_t len);
struct Release {
    ReleaseFn fn;
    void *user;
    const void *data;
    size_t len;
    void operator()() const { fn(user, data, len); }
};

class Pools {
  public:
    static constexpr std::array<size_t, 6> kSizes{256, 512, 1024, 4096, 8192, 65536};
    // Kept of each size at most; of the largest as much as is under way on a fast line.
    static constexpr size_t kCachedBytes = 2u << 20, kCachedLarge = 8u << 20;

    Pools() = default;
    Pools(const Pools &) = delete;
    Pools &operator=(const Pools &) = delete;
    ~Pools();

    // The size of the block that take(n) gives.
    static size_t rounded(size_t n);
    uint8_t *take(size_t n);
    // `n` as it was asked for, or rounded.
    void give(uint8_t *block, size_t n);
    // Bytes in blocks that are out.
    uint64_t in_use() const { return in_use_; }

    // Channels have few different ones.
    base::Sharing<base::Shared<Config>> configs;
    base::Sharing<base::SharedText> labels;

    // Buffers whose release is due. The owner calls each once, outside its lock, and clears.
    std::vector<Release> releases;

  private:
    struct Free {
        Free *next;
    };
    std::array<Free *, kSizes.size()> free_{};
    std::array<size_t, kSizes.size()> cached_{};
    uint64_t in_use_ = 0;
};

} // namespace plait::channel
