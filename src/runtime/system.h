// SPDX-License-Identifier: Apache-2.0
// What the engine is given by the operating system: time, randomness, and a way to be woken.
#pragma once

#include "base/entropy.h"
#include "base/result.h"
#include "base/time.h"

#include <array>
#include <atomic>

namespace plait::runtime {

// Monotonic, and going on while the device sleeps (CLOCK_BOOTTIME where there is one).
Time monotonic_now();

// Milliseconds since 1970; 0 if the system has no idea.
uint64_t wall_time_ms();

// getrandom(2). Aborts if the system has no randomness to give, which it says at start or never.
class SystemEntropy final : public Entropy {
  public:
    void fill(MutBytes out) override;
};

// The same, asked for some at once: a connection that is accepted takes seven small pieces. What is
// handed out is wiped here, and a child process finds nothing left (MADV_WIPEONFORK), so that no
// byte is given twice; where the system cannot do that, every piece is asked for. One thread at a
// time.
class PooledEntropy final : public Entropy {
  public:
    PooledEntropy() = default;
    ~PooledEntropy() override;
    PooledEntropy(const PooledEntropy &) = delete;
    PooledEntropy &operator=(const PooledEntropy &) = delete;
    void fill(MutBytes out) override;

  private:
    static constexpr size_t kPoolBytes = 256, kPieceMax = 64;
    struct Pool {
        size_t left; // at the end of `bytes`
        std::array<uint8_t, kPoolBytes> bytes;
    };
    Pool *make_pool();

    SystemEntropy system_;
    Pool *pool_ = nullptr;
    bool tried_ = false; // to make one
};

// A descriptor that becomes readable when wake() is called, from any thread, without a lock.
// Several calls before reset() are one.
class Waker {
  public:
    Waker();
    ~Waker();
    Waker(const Waker &) = delete;
    Waker &operator=(const Waker &) = delete;

    bool ok() const { return read_fd_ >= 0; }
    int fd() const { return read_fd_; }
    void wake() noexcept;
    // To be called when the descriptor is readable, and before looking at what the wake was for.
    void reset() noexcept;

  private:
    int read_fd_ = -1, write_fd_ = -1; // the same for an eventfd
    std::atomic<bool> woken_{false};
};

} // namespace plait::runtime
