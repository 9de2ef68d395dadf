// SPDX-License-Identifier: Apache-2.0
#include "runtime/system.h"

#include "base/assert.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <new>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/eventfd.h>
#endif

namespace plait::runtime {

#ifdef CLOCK_BOOTTIME
static constexpr clockid_t kClock = CLOCK_BOOTTIME;
#else
static constexpr clockid_t kClock = CLOCK_MONOTONIC;
#endif

Time monotonic_now() {
    timespec t{};
    clock_gettime(kClock, &t);
    return {static_cast<uint64_t>(t.tv_sec) * 1'000'000 + static_cast<uint64_t>(t.tv_nsec) / 1000};
}

uint64_t wall_time_ms() {
    timespec t{};
    if (clock_gettime(CLOCK_REALTIME, &t) != 0 || t.tv_sec <= 0)
        return 0;
    return static_cast<uint64_t>(t.tv_sec) * 1000 + static_cast<uint64_t>(t.tv_nsec) / 1'000'000;
}

void SystemEntropy::fill(MutBytes out) {
    constexpr size_t kPiece = 256; // what getentropy and getrandom give without being interrupted
    while (!out.empty()) {
        const size_t n = out.size() < kPiece ? out.size() : kPiece;
        const bool filled = getentropy(out.data(), n) == 0;
        PLAIT_ASSERT(filled);
        out = out.subspan(n);
    }
}

PooledEntropy::Pool *PooledEntropy::make_pool() {
    tried_ = true;
#ifdef MADV_WIPEONFORK
    void *const page =
        mmap(nullptr, sizeof(Pool), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        return nullptr;
    if (madvise(page, sizeof(Pool), MADV_WIPEONFORK) == 0) // Linux before 4.14 has none
        return new (page) Pool{};
    munmap(page, sizeof(Pool));
#endif
    return nullptr;
}

PooledEntropy::~PooledEntropy() {
    if (pool_ == nullptr)
        return;
    base::wipe(pool_->bytes);
    munmap(pool_, sizeof(Pool));
}

void PooledEntropy::fill(MutBytes out) {
    if (pool_ == nullptr && !tried_)
        pool_ = make_pool();
    if (pool_ == nullptr || out.size() > kPieceMax)
        return system_.fill(out);
    if (pool_->left < out.size()) {
        system_.fill(pool_->bytes);
        pool_->left = kPoolBytes;
    }
    const auto piece = MutBytes(pool_->bytes).subspan(kPoolBytes - pool_->left, out.size());
    std::copy(piece.begin(), piece.end(), out.begin());
    base::wipe(piece);
    pool_->left -= out.size();
}

Waker::Waker() {
#ifdef __linux__
    read_fd_ = write_fd_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
#else
    int fds[2];
    if (pipe(fds) != 0)
        return;
    for (int fd : fds) {
        fcntl(fd, F_SETFL, O_NONBLOCK);
        fcntl(fd, F_SETFD, FD_CLOEXEC);
    }
    read_fd_ = fds[0];
    write_fd_ = fds[1];
#endif
}

Waker::~Waker() {
    if (write_fd_ >= 0 && write_fd_ != read_fd_)
        ::close(write_fd_);
    if (read_fd_ >= 0)
        ::close(read_fd_);
}

void Waker::wake() noexcept {
    if (woken_.exchange(true, std::memory_order_acq_rel))
        return;
    const uint64_t one = 1;
    while (::write(write_fd_, &one, sizeof one) < 0 && errno == EINTR)
        continue;
}

void Waker::reset() noexcept {
    uint64_t ignored[8];
    while (::read(read_fd_, ignored, sizeof ignored) < 0 && errno == EINTR)
        continue;
    // Last: a wake() between the two lines writes nothing, but the caller looks at what it was for
    // only after this, and the exchange makes visible what was set before it.
    woken_.exchange(false, std::memory_order_acq_rel);
}

} // namespace plait::runtime
