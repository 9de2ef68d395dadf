// SPDX-License-Identifier: Apache-2.0
// What a worker sleeps with: waits for descriptors and for a time. One interface, two
// implementations that pass the same tests:
//
//   epoll     Linux; precise to the microsecond; is itself a descriptor that covers its timers, so
//             that an application can put it into its own loop (the fd mode)
//   libevent  everywhere; on an event_base of its own, or on the application's (attach)
//
// Each also watches the worker's Waker, which is how other threads end a sleep. All calls are made
// under the worker's lock; sleep() gives it up while it sleeps.
#pragma once

#include "base/result.h"
#include "base/time.h"
#include "runtime/system.h"

#include <memory>
#include <mutex>
#include <span>

struct event_base;

namespace plait::runtime {

// A descriptor is ready: `tag` is the watcher's own, `events` is PLAIT_POLL_READ, WRITE, ERROR.
struct Ready {
    uint64_t tag = 0;
    uint32_t events = 0;
};

inline constexpr uint64_t kWakerTag = ~uint64_t{0};     // the Waker was woken; it is reset already
inline constexpr uint64_t kAlarmTag = ~uint64_t{0} - 1; // the time given to set_alarm() has come
inline constexpr size_t kReadyMax = 64;                 // found by one sleep at most
inline constexpr Duration kNoTimeout{INT64_MAX};

class Poller {
  public:
    virtual ~Poller() = default;

    // Watches `fd` for PLAIT_POLL_READ (level-triggered) and PLAIT_POLL_WRITE (reported once, then
    // off until asked for again); replaces what was said about it before. 0: known but silent.
    // PLAIT_E_SYSTEM, and errno tells why.
    virtual Status watch(int fd, uint32_t events, uint64_t tag) = 0;
    virtual void unwatch(int fd) = 0;

    // Sleeps until something is ready, `timeout` is over or the Waker was woken; take() then tells
    // what. `lock` is the worker's and held; it is given up meanwhile. One sleeper at a time.
    // PLAIT_E_SYSTEM, and errno tells why.
    virtual Status sleep(std::unique_lock<std::mutex> &lock, Duration timeout) = 0;
    virtual bool found() const = 0; // whether take() has something
    // What the last sleep has found, piece by piece until 0.
    virtual size_t take(std::span<Ready> out) = 0;

    // For loops that do not sleep(): makes the descriptor readable, or calls the sink, at that
    // time. Replaces the time before; kNever: none.
    virtual Status set_alarm(Time when) = 0;

    // A descriptor that is readable when sleep() with a timeout of 0 would find something.
    // PLAIT_E_UNSUPPORTED: there is none.
    virtual Result<int> fd() = 0;
};

// Told by a poller that lives in somebody else's loop that take() has something.
class Sink {
  public:
    virtual ~Sink() = default;
    virtual void on_ready() = 0;
};

// nullptr if the system refuses (errno tells why), or if it is not built in (errno is ENOSYS).
std::unique_ptr<Poller> make_epoll(Waker &waker);
// base nullptr: an own one. Otherwise the poller lives in that loop: `sink` is called from it
// without the worker's lock, there is no sleep(), and watch() from other threads than the loop's
// needs a base with locks.
std::unique_ptr<Poller> make_libevent(Waker &waker, event_base *base = nullptr,
                                      Sink *sink = nullptr);

} // namespace plait::runtime
