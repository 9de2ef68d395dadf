// SPDX-License-Identifier: Apache-2.0
// The loop modes.
#include "runtime/worker.h"

#include "base/flag.h"
#include "runtime/detail.h"

#include <cerrno>
#include <chrono>
#include <cstring>
#include <system_error>
#include <utility>

namespace plait::runtime {

namespace {

Time end_of(int timeout_ms) {
    return timeout_ms < 0 ? kNever : monotonic_now() + base::millis(timeout_ms);
}

using base::Flag; // its scopes are left under the lock

void wait_until(std::condition_variable &condition, std::unique_lock<std::mutex> &lock, Time end) {
    if (end == kNever) {
        condition.wait(lock);
        return;
    }
    const Time now = monotonic_now();
    if (now < end)
        condition.wait_for(lock, std::chrono::microseconds((end - now).us));
}

} // namespace

Status Worker::refuse_in_callback() {
    return fail(PLAIT_E_IN_CALLBACK, "waiting inside a callback would never end");
}

Status Worker::refuse_wait() const {
    if (in_callback())
        return refuse_in_callback();
    if (callback_ != nullptr)
        return fail(PLAIT_E_STATE, "events go to the callback that plait_node_start was given");
    if (turning_)
        return fail(PLAIT_E_STATE, "another thread is waiting for this node already");
    return PLAIT_OK;
}

Status Worker::wait(std::span<plait_event> out, size_t &got, int timeout_ms) {
    got = 0;
    Lock lock = enter();
    if (const Status status = refuse_wait(); status != PLAIT_OK)
        return status;
    const Time end = end_of(timeout_ms);
    if (mode_ == Mode::kThread)
        return wait_for_thread(lock, out, got, end);
    if (mode_ == Mode::kAttached)
        return fail(PLAIT_E_STATE, "the node lives in an event_base: use plait_node_dispatch");
    const Flag flag(turning_);
    answers_ = std::exchange(answered_, false);
    do {
        if (drain_owed_)
            settle(monotonic_now());
        const bool at_once = has_events() || woken_;
        const Status status = turn(lock, at_once ? Time{} : end, false);
        drain_owed_ = status == PLAIT_OK && answers_ && has_events();
        if (status == PLAIT_OK && !drain_owed_)
            settle(monotonic_now());
        if (watchers_ != 0)
            changed_.notify_all();
        run_releases(lock);
        if (status != PLAIT_OK)
            return status;
        got = take_events(out, monotonic_now());
    } while (got == 0 && !woken_ && mode_ == Mode::kCallers && monotonic_now() < end);
    woken_ = false;
    if (fd_in_use_ && has_events())
        waker_.wake();
    return PLAIT_OK;
}

// Mode 4: the thread does the work, this one waits for what comes of it.
Status Worker::wait_for_thread(Lock &lock, std::span<plait_event> out, size_t &got, Time end) {
    const Flag flag(turning_);
    Status status = PLAIT_OK;
    while (status == PLAIT_OK && !has_events() && !woken_ && mode_ == Mode::kThread &&
           monotonic_now() < end) {
        status = step_beside(lock, end);
        run_releases(lock);
    }
    woken_ = false;
    if (status != PLAIT_OK)
        return status;
    got = take_events(out, monotonic_now());
    alert(monotonic_now());
    return PLAIT_OK;
}

// A round of waiting beside the thread, which is the loop, or has left that to whoever waits.
Status Worker::step_beside(Lock &lock, Time end) {
    if (!lent_ || borrowed_) {
        alert(monotonic_now());
        watchers_++;
        wait_until(changed_, lock, end);
        watchers_--;
        return PLAIT_OK;
    }
    const Flag flag(borrowed_);
    borrowings_++;
    const Status status = turn(lock, end, true);
    if (lent_until_ == kNever)
        returned_.notify_one();
    if (stopping_)
        changed_.notify_all();
    return status;
}

// The thread's turn has woken somebody who waits, and who will wait again for what comes next: he
// is faster as the loop himself, as nobody has to wake him then. So the thread leaves it to him as
// long as he comes back to it; when he does not, it is the loop again after a fraction of any
// acknowledgement's delay.
void Worker::lend(Lock &lock) {
    const Flag flag(lent_);
    Duration length = kLendMin;
    for (bool is_used = true; is_used && !stopping_; length = std::min(length * 2, kLendMax)) {
        const uint32_t before = borrowings_;
        lent_until_ = borrowed_ ? kNever : std::min(monotonic_now() + length, deadline());
        wait_until(returned_, lock, lent_until_);
        is_used = borrowed_ || (borrowings_ != before && deadline() > monotonic_now());
    }
}

Result<int> Worker::fd() {
    Lock lock = enter();
    if (mode_ != Mode::kCallers)
        return Error{fail(PLAIT_E_STATE, "another loop does the node's work")};
    const auto fd = poller_->fd();
    if (!fd)
        return Error{fail(fd.status(), "the libevent poller has no descriptor: use epoll")};
    fd_in_use_ = true;
    alert(monotonic_now());
    return *fd;
}

Status Worker::dispatch(std::span<plait_event> out, size_t &got) {
    got = 0;
    Lock lock = enter();
    if (const Status status = refuse_wait(); status != PLAIT_OK)
        return status;
    const Flag flag(turning_);
    if (mode_ == Mode::kCallers) {
        const Status status = turn(lock, Time{}, true);
        run_releases(lock);
        if (status != PLAIT_OK)
            return status;
    }
    const Time now = monotonic_now();
    got = take_events(out, now);
    woken_ = false;
    alert(now);
    return PLAIT_OK;
}

void Worker::wake() {
    Lock lock = enter();
    woken_ = true;
    waker_.wake();
    changed_.notify_all();
}

Status Worker::start(plait_event_fn *callback, void *user) {
    Lock lock = enter();
    if (in_callback())
        return fail(PLAIT_E_IN_CALLBACK, "not inside a callback");
    if (mode_ == Mode::kThread || callback_ != nullptr)
        return fail(PLAIT_E_STATE, "the node is started already");
    if (turning_)
        return fail(PLAIT_E_STATE, "another thread is waiting for this node");
    callback_ = callback;
    callback_user_ = user;
    if (mode_ == Mode::kAttached) {
        waker_.wake(); // what waits is delivered from the loop
        return PLAIT_OK;
    }
    stopping_ = false;
    try {
        thread_ = std::thread(&Worker::thread_main, this);
    } catch (const std::system_error &error) {
        callback_ = nullptr;
        return fail(PLAIT_E_SYSTEM, "no thread: %s", error.what());
    }
    mode_ = Mode::kThread;
    return PLAIT_OK;
}

void Worker::thread_main() {
    Lock lock = enter();
    while (!stopping_) {
        const bool calls_back = callback_ != nullptr;
        if (turn(lock, loop_has_events() ? Time{} : kNever, !calls_back) != PLAIT_OK) {
            log_.line(PLAIT_LOG_ERROR, "%s", detail());
            wait_until(changed_, lock, monotonic_now() + base::millis(10)); // not a busy loop
        }
        if (calls_back) {
            if (has_events() && !stopping_)
                deliver(lock);
            else
                settle(monotonic_now());
        }
        run_releases(lock);
        if (!calls_back && watchers_ != 0)
            lend(lock);
    }
}

void Worker::leave_thread(Lock &lock) {
    stopping_ = true;
    waker_.wake();
    returned_.notify_one();
    std::thread thread = std::move(thread_);
    lock.unlock();
    thread.join();
    lock.lock();
    while (borrowed_) // woken above; nobody else may be the loop before it is out of the poller
        wait_until(changed_, lock, kNever);
    stopping_ = false;
    mode_ = Mode::kCallers;
    callback_ = nullptr;
    changed_.notify_all();
}

Status Worker::stop() {
    Lock lock = enter();
    if (in_callback())
        return fail(PLAIT_E_IN_CALLBACK, "a callback cannot wait for its own end");
    if (mode_ == Mode::kCallers || (mode_ == Mode::kThread && stopping_))
        return fail(PLAIT_E_STATE, "the node is neither started nor attached");
    if (mode_ == Mode::kThread) {
        leave_thread(lock);
    } else {
        endpoints_.set_poller(*poller_);
        active_ = poller_.get();
        attached_.reset();
        mode_ = Mode::kCallers;
        callback_ = nullptr;
    }
    alert(monotonic_now());
    return PLAIT_OK;
}

Status Worker::attach(event_base *base) {
    Lock lock = enter();
    if (in_callback())
        return fail(PLAIT_E_IN_CALLBACK, "not inside a callback");
    if (mode_ != Mode::kCallers || turning_)
        return fail(PLAIT_E_STATE, "another loop does the node's work");
    errno = 0;
    attached_ = make_libevent(waker_, base, this);
    if (!attached_)
        return fail(errno == ENOSYS ? PLAIT_E_UNSUPPORTED : PLAIT_E_SYSTEM, "libevent: %s",
                    std::strerror(errno));
    endpoints_.set_poller(*attached_);
    active_ = attached_.get();
    attached_thread_ = std::this_thread::get_id();
    mode_ = Mode::kAttached;
    waker_.wake(); // the first turn sets the alarm
    return PLAIT_OK;
}

// From the application's loop: something is ready.
void Worker::on_ready() {
    Lock lock = enter();
    if (mode_ != Mode::kAttached || in_callback())
        return;
    attached_thread_ = std::this_thread::get_id();
    take_input(monotonic_now());
    if (callback_ != nullptr && has_events())
        deliver(lock);
    else
        settle(monotonic_now());
    run_releases(lock);
    if (mode_ != Mode::kAttached)
        return;
    if (watchers_ != 0)
        changed_.notify_all();
    set_alarm(callback_ != nullptr && has_events() ? Time{1} : deadline());
}

void Worker::suspend() {
    Lock lock = enter();
    if (suspended_)
        return;
    const Time now = monotonic_now();
    if (crew_ != nullptr)
        endpoints_.on_handed(now);
    if (!in_callback())
        settle(now);
    suspended_ = true;
    endpoints_.pause(true);
}

Status Worker::resume() {
    Lock lock = enter();
    if (!suspended_)
        return fail(PLAIT_E_STATE, "the node is not suspended");
    suspended_ = false;
    endpoints_.pause(false);
    waker_.wake(); // plugins may have asked for a turn meanwhile
    const Time now = monotonic_now();
    node_->set_wall_time(wall_time_ms());
    node_->resume(now);
    if (!in_callback()) {
        settle(now);
        alert(now);
        run_releases(lock);
    }
    return PLAIT_OK;
}

// One round of a blocking helper: the loop's turn if nobody else runs it, else somebody's.
Status Worker::block_step(Lock &lock, Time end) {
    if (mode_ == Mode::kAttached)
        return fail(PLAIT_E_STATE, "the node lives in an event_base: there is nobody to wait for");
    if (monotonic_now() >= end)
        return fail(PLAIT_E_TIMEOUT, "not in time");
    Status status;
    if (mode_ == Mode::kCallers && !turning_) {
        const Flag flag(turning_);
        status = turn(lock, end, true);
    } else {
        status = step_beside(lock, end);
    }
    return status == PLAIT_OK ? PLAIT_E_AGAIN : status;
}

} // namespace plait::runtime
