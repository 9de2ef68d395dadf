// SPDX-License-Identifier: Apache-2.0
#include "runtime/poller.h"

#include "plait/transport.h"

#include <cerrno>
#ifdef __linux__
#include <algorithm>
#include <array>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include <unordered_map>

namespace plait::runtime {
namespace {

struct Interest {
    uint32_t events = 0;
    uint64_t tag = 0;
};

uint32_t to_epoll(uint32_t events) {
    return (events & PLAIT_POLL_READ ? EPOLLIN | EPOLLRDHUP : 0u) |
           (events & PLAIT_POLL_WRITE ? EPOLLOUT : 0u);
}

uint32_t from_epoll(uint32_t got, uint32_t wanted) {
    uint32_t events = 0;
    if (got & (EPOLLERR | EPOLLHUP))
        events |= PLAIT_POLL_READ | PLAIT_POLL_ERROR;
    if (got & (EPOLLIN | EPOLLRDHUP))
        events |= PLAIT_POLL_READ;
    if (got & (EPOLLOUT | EPOLLERR | EPOLLHUP))
        events |= PLAIT_POLL_WRITE & wanted;
    return events;
}

// The kernel's user data is the descriptor: the tag is found by it, so that an event for a
// descriptor that was closed and opened anew is told with the new tag or not at all. Descriptors
// that are watched for nothing leave the set, because epoll would go on telling their hang-ups.
class Epoll final : public Poller {
  public:
    Epoll(Waker &waker, int epoll_fd, int timer_fd)
        : waker_(waker), epoll_fd_(epoll_fd), timer_fd_(timer_fd) {}
    ~Epoll() override {
        ::close(timer_fd_);
        ::close(epoll_fd_);
    }

    Status watch(int fd, uint32_t events, uint64_t tag) override {
        events &= PLAIT_POLL_READ | PLAIT_POLL_WRITE;
        const auto [it, is_new] = interests_.try_emplace(fd);
        const uint32_t before = it->second.events;
        if (before != events && !control(fd, before, events)) {
            if (is_new)
                interests_.erase(it);
            return PLAIT_E_SYSTEM;
        }
        it->second = {events, tag};
        return PLAIT_OK;
    }

    void unwatch(int fd) override {
        const auto it = interests_.find(fd);
        if (it == interests_.end())
            return;
        control(fd, it->second.events, 0);
        interests_.erase(it);
    }

    Status sleep(std::unique_lock<std::mutex> &lock, Duration timeout) override {
        lock.unlock();
        const int n = block(timeout);
        const int error = errno;
        lock.lock();
        errno = error;
        found_ = n > 0 ? static_cast<size_t>(n) : 0;
        taken_ = 0;
        return n >= 0 || error == EINTR ? PLAIT_OK : PLAIT_E_SYSTEM;
    }

    bool found() const override { return taken_ < found_; }

    size_t take(std::span<Ready> out) override {
        size_t filled = 0;
        while (taken_ < found_ && filled < out.size())
            if (translate(raw_[taken_++], out[filled]))
                filled++;
        return filled;
    }

    Status set_alarm(Time when) override {
        if (when == alarm_)
            return PLAIT_OK;
        itimerspec spec{};
        if (when != kNever) {
            const uint64_t us = when.us == 0 ? 1 : when.us; // 0 would disarm it
            spec.it_value.tv_sec = static_cast<time_t>(us / 1'000'000);
            spec.it_value.tv_nsec = static_cast<long>(us % 1'000'000 * 1000);
        }
        if (timerfd_settime(timer_fd_, TFD_TIMER_ABSTIME, &spec, nullptr) != 0)
            return PLAIT_E_SYSTEM;
        alarm_ = when;
        return PLAIT_OK;
    }

    Result<int> fd() override { return epoll_fd_; }

    bool begin() {
        return control(waker_.fd(), 0, PLAIT_POLL_READ) && control(timer_fd_, 0, PLAIT_POLL_READ);
    }

  private:
    bool control(int fd, uint32_t before, uint32_t after) {
        epoll_event event{};
        event.events = to_epoll(after);
        event.data.fd = fd;
        const int op = after == 0 ? EPOLL_CTL_DEL : before == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
        if (before == 0 && after == 0)
            return true;
        return epoll_ctl(epoll_fd_, op, fd, &event) == 0;
    }

    // Only the sleeper uses raw_ and precise_.
    int block(Duration timeout) {
        const int cap = static_cast<int>(raw_.size());
        if (timeout.us < 0)
            timeout.us = 0;
        timespec spec{static_cast<time_t>(timeout.us / 1'000'000),
                      static_cast<long>(timeout.us % 1'000'000 * 1000)};
        if (precise_) {
            const int n = epoll_pwait2(epoll_fd_, raw_.data(), cap,
                                       timeout == kNoTimeout ? nullptr : &spec, nullptr);
            if (n >= 0 || errno != ENOSYS)
                return n;
            precise_ = false; // Linux before 5.11
        }
        const int64_t ms = timeout.us / 1000 + (timeout.us % 1000 != 0);
        return epoll_wait(
            epoll_fd_, raw_.data(), cap,
            timeout == kNoTimeout ? -1 : static_cast<int>(std::min<int64_t>(ms, 1'000'000)));
    }

    bool translate(const epoll_event &event, Ready &out) {
        const int fd = event.data.fd;
        if (fd == waker_.fd()) {
            waker_.reset();
            out = {kWakerTag, PLAIT_POLL_READ};
            return true;
        }
        if (fd == timer_fd_) {
            uint64_t ignored;
            [[maybe_unused]] const ssize_t n = ::read(timer_fd_, &ignored, sizeof ignored);
            alarm_ = kNever;
            out = {kAlarmTag, PLAIT_POLL_READ};
            return true;
        }
        const auto it = interests_.find(fd);
        if (it == interests_.end())
            return false;
        Interest &interest = it->second;
        out = {interest.tag, from_epoll(event.events, interest.events)};
        if (out.events & PLAIT_POLL_WRITE) {
            control(fd, interest.events, interest.events & ~uint32_t{PLAIT_POLL_WRITE});
            interest.events &= ~uint32_t{PLAIT_POLL_WRITE};
        }
        return out.events != 0;
    }

    Waker &waker_;
    int epoll_fd_, timer_fd_;
    bool precise_ = true;
    Time alarm_ = kNever;
    std::unordered_map<int, Interest> interests_;
    std::array<epoll_event, kReadyMax> raw_{};
    size_t found_ = 0, taken_ = 0;
};

} // namespace

std::unique_ptr<Poller> make_epoll(Waker &waker) {
    const int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0)
        return nullptr;
    const int timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
    if (timer_fd < 0) {
        const int error = errno;
        ::close(epoll_fd);
        errno = error;
        return nullptr;
    }
    auto poller = std::make_unique<Epoll>(waker, epoll_fd, timer_fd);
    return poller->begin() ? std::move(poller) : nullptr;
}

} // namespace plait::runtime
#else
namespace plait::runtime {
std::unique_ptr<Poller> make_epoll(Waker &) {
    errno = ENOSYS;
    return nullptr;
}
} // namespace plait::runtime
#endif
