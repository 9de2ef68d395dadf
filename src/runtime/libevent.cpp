// SPDX-License-Identifier: Apache-2.0
#include "runtime/poller.h"

#include "plait/transport.h"

#include <cerrno>
#include <event2/event.h>
#include <memory>
#include <poll.h>
#include <unordered_map>
#include <utility>
#include <vector>

namespace plait::runtime {
namespace {

struct EventFree {
    void operator()(event *e) const { event_free(e); }
};
using EventPtr = std::unique_ptr<event, EventFree>;
struct BaseFree {
    void operator()(event_base *b) const { event_base_free(b); }
};

struct Interest {
    uint32_t events = 0;
    uint64_t tag = 0;
};

// What libevent holds for one descriptor: `read` persists, `write` goes off once.
struct Held {
    EventPtr read, write;
};

// A base of our own has no locks (libevent has them for the whole process or not at all), so it is
// only touched by the sleeper: what other threads ask for while it sleeps is noted in interests_
// and stale_, and the sleeper is woken to carry it out.
class Libevent final : public Poller {
  public:
    Libevent(Waker &waker, event_base *base, Sink *sink) : waker_(waker), sink_(sink) {
        if (base == nullptr)
            owned_.reset(base = event_base_new());
        base_ = base;
    }

    bool begin() {
        if (base_ == nullptr)
            return false;
        waker_event_.reset(event_new(base_, waker_.fd(), EV_READ | EV_PERSIST, on_waker, this));
        timer_.reset(event_new(base_, -1, 0, on_timer, this));
        return waker_event_ && timer_ && event_add(waker_event_.get(), nullptr) == 0;
    }

    Status watch(int fd, uint32_t events, uint64_t tag) override {
        interests_[fd] = {events & (PLAIT_POLL_READ | PLAIT_POLL_WRITE), tag};
        return change(fd);
    }

    void unwatch(int fd) override {
        if (interests_.erase(fd) == 0)
            return;
        if (sleeping_)
            stale_.push_back(-fd - 1); // to be forgotten, also if it is watched anew meanwhile
        else
            held_.erase(fd);
    }

    Status sleep(std::unique_lock<std::mutex> &lock, Duration timeout) override {
        found_.clear();
        taken_ = 0;
        for (const int fd : std::exchange(stale_, {}))
            if (const Status status = fd < 0 ? forget(-fd - 1) : apply(fd); status != PLAIT_OK)
                return status;
        sleeping_ = true;
        lock.unlock();
        // Always with ONCE: NONBLOCK alone would go round for as long as anything is readable.
        const int at_once = timeout.us <= 0 ? EVLOOP_NONBLOCK : 0;
        int result = -1;
        if (at_once || timeout == kNoTimeout || set_timer(timeout) == PLAIT_OK)
            result = event_base_loop(base_, EVLOOP_ONCE | at_once);
        event_del(timer_.get());
        lock.lock();
        sleeping_ = false;
        return result < 0 ? PLAIT_E_SYSTEM : PLAIT_OK;
    }

    bool found() const override { return taken_ < found_.size(); }

    size_t take(std::span<Ready> out) override {
        size_t filled = 0;
        while (taken_ < found_.size() && filled < out.size())
            if (translate(found_[taken_++], out[filled]))
                filled++;
        if (taken_ == found_.size()) {
            found_.clear();
            taken_ = 0;
        }
        return filled;
    }

    Status set_alarm(Time when) override {
        if (owned_ != nullptr)
            return PLAIT_E_UNSUPPORTED; // nobody would run the loop
        if (when == alarm_)
            return PLAIT_OK;
        alarm_ = when;
        if (when == kNever)
            return event_del(timer_.get()) == 0 ? PLAIT_OK : PLAIT_E_SYSTEM;
        const Time now = monotonic_now();
        return set_timer(when <= now ? Duration{0} : when - now);
    }

    Result<int> fd() override { return Error{PLAIT_E_UNSUPPORTED}; }

  private:
    struct Found {
        int fd;
        uint32_t events;
    };
    static constexpr int kWakerFound = -1, kTimerFound = -2;

    Status forget(int fd) {
        held_.erase(fd);
        return PLAIT_OK;
    }

    Status change(int fd) {
        if (!sleeping_)
            return apply(fd);
        stale_.push_back(fd);
        waker_.wake();
        return PLAIT_OK;
    }

    // Makes libevent hold what interests_ says.
    Status apply(int fd) {
        const auto it = interests_.find(fd);
        if (it == interests_.end())
            return PLAIT_OK; // unwatched since
        Held &held = held_[fd];
        if (!held.read) {
            held.read.reset(event_new(base_, fd, EV_READ | EV_PERSIST, on_fd, this));
            held.write.reset(event_new(base_, fd, EV_WRITE, on_fd, this));
            if (!held.read || !held.write)
                return PLAIT_E_SYSTEM;
        }
        return set(held.read.get(), it->second.events & PLAIT_POLL_READ) &&
                       set(held.write.get(), it->second.events & PLAIT_POLL_WRITE)
                   ? PLAIT_OK
                   : PLAIT_E_SYSTEM;
    }

    static bool set(event *e, bool wanted) {
        return (wanted ? event_add(e, nullptr) : event_del(e)) == 0;
    }

    Status set_timer(Duration timeout) {
        const int64_t us = timeout.us < 0 ? 0 : timeout.us;
        const timeval tv{static_cast<time_t>(us / 1'000'000),
                         static_cast<suseconds_t>(us % 1'000'000)};
        return event_add(timer_.get(), &tv) == 0 ? PLAIT_OK : PLAIT_E_SYSTEM;
    }

    // Callbacks of libevent: on the loop's thread, without the worker's lock.
    static void on_fd(evutil_socket_t fd, short what, void *self) {
        uint32_t events = 0;
        if (what & EV_READ)
            events |= PLAIT_POLL_READ;
        if (what & EV_WRITE)
            events |= PLAIT_POLL_WRITE;
        static_cast<Libevent *>(self)->note(fd, events);
    }
    static void on_waker(evutil_socket_t, short, void *self) {
        static_cast<Libevent *>(self)->note(kWakerFound, PLAIT_POLL_READ);
    }
    static void on_timer(evutil_socket_t, short, void *self) {
        auto *poller = static_cast<Libevent *>(self);
        if (poller->sink_ != nullptr)
            poller->note(kTimerFound, PLAIT_POLL_READ);
    }
    void note(int fd, uint32_t events) {
        found_.push_back({fd, events});
        if (sink_ != nullptr)
            sink_->on_ready();
    }

    bool translate(const Found &found, Ready &out) {
        if (found.fd == kWakerFound) {
            waker_.reset();
            out = {kWakerTag, PLAIT_POLL_READ};
            return true;
        }
        if (found.fd == kTimerFound) {
            alarm_ = kNever;
            out = {kAlarmTag, PLAIT_POLL_READ};
            return true;
        }
        const auto it = interests_.find(found.fd);
        if (it == interests_.end())
            return false;
        out = {it->second.tag, found.events & it->second.events};
        it->second.events &= ~(found.events & uint32_t{PLAIT_POLL_WRITE});
        if (out.events != 0 && is_broken(found.fd))
            out.events |= PLAIT_POLL_READ | PLAIT_POLL_ERROR;
        return out.events != 0;
    }

    // libevent tells errors as readable and writable; the difference costs one question.
    static bool is_broken(int fd) {
        pollfd p{fd, 0, 0};
        return ::poll(&p, 1, 0) > 0 && (p.revents & (POLLERR | POLLHUP)) != 0;
    }

    Waker &waker_;
    Sink *sink_;
    std::unique_ptr<event_base, BaseFree> owned_;
    event_base *base_ = nullptr;
    EventPtr waker_event_, timer_;
    Time alarm_ = kNever;
    bool sleeping_ = false;
    std::unordered_map<int, Interest> interests_; // what is wanted
    std::unordered_map<int, Held> held_;          // what libevent knows
    std::vector<int> stale_; // where the two differ: fd to be applied, -fd - 1 to be forgotten
    std::vector<Found> found_;
    size_t taken_ = 0;
};

} // namespace

std::unique_ptr<Poller> make_libevent(Waker &waker, event_base *base, Sink *sink) {
    auto poller = std::make_unique<Libevent>(waker, base, sink);
    if (!poller->begin()) {
        errno = errno != 0 ? errno : ENOMEM;
        return nullptr;
    }
    return poller;
}

} // namespace plait::runtime
