// SPDX-License-Identifier: Apache-2.0
// A worker's making and end, and what a turn of its loop consists of.
#include "runtime/worker.h"

#include "crypto/init.h"
#include "runtime/detail.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <exception>

namespace plait::runtime {

Worker::Worker(const WorkerConfig &config, node::Config node_config, crypto::Identity identity)
    : loader_(config.builtin, config.search_path), endpoints_(loader_, waker_, log_),
      crew_(config.crew), index_(config.index), busy_poll_(config.busy_poll) {
    make_node(std::move(node_config), std::move(identity));
    endpoints_.set_node(*node_);
    node_->set_wall_time(wall_time_ms());
}

void Worker::make_node(node::Config config, crypto::Identity identity) {
    if (crew_ != nullptr) {
        seat_.emplace(*crew_, index_, endpoints_);
        endpoints_.set_crew(*crew_, index_);
        crew_->set_waker(index_, &waker_);
        config.worker = static_cast<uint8_t>(index_);
        config.workers = static_cast<uint8_t>(crew_->size());
        config.neighbours = &*seat_;
    }
    node_ = std::make_unique<node::Node>(std::move(config), std::move(identity), entropy_,
                                         monotonic_now());
}

Result<Worker *> Worker::make(const WorkerConfig &config, node::Config node_config,
                              crypto::Identity identity) {
    if (const Status status = crypto::init(); status != PLAIT_OK)
        return Error{fail(status, "the system gives no randomness")};
    std::unique_ptr<Worker> worker(new Worker(config, std::move(node_config), std::move(identity)));
    if (!worker->waker_.ok())
        return Error{
            fail(PLAIT_E_SYSTEM, "no descriptor to be woken by: %s", std::strerror(errno))};
    if (const Status status = worker->make_poller(config.poller); status != PLAIT_OK)
        return Error{status};
    return worker.release();
}

Status Worker::make_poller(uint32_t kind) {
    errno = 0;
    if (kind == PLAIT_POLLER_DEFAULT || kind == PLAIT_POLLER_EPOLL)
        poller_ = make_epoll(waker_);
    if (!poller_ &&
        (kind == PLAIT_POLLER_LIBEVENT || (kind == PLAIT_POLLER_DEFAULT && errno == ENOSYS)))
        poller_ = make_libevent(waker_);
    if (!poller_)
        return fail(errno == ENOSYS ? PLAIT_E_UNSUPPORTED : PLAIT_E_SYSTEM, "no poller: %s",
                    std::strerror(errno));
    active_ = poller_.get();
    endpoints_.set_poller(*active_);
    return PLAIT_OK;
}

Worker::~Worker() {
    halt();
    say_goodbye();
    Lock lock = enter();
    endpoints_.close_all();
    run_releases(lock);
    if (crew_ != nullptr)
        crew_->set_waker(index_, nullptr);
}

void Worker::say_goodbye() {
    Lock lock = enter();
    if (std::exchange(said_goodbye_, true) || active_ == nullptr)
        return;
    callback_ = nullptr;
    suspended_ = false;
    const Time now = monotonic_now();
    if (crew_ != nullptr)
        endpoints_.on_handed(now);
    end_connections(now);
}

// Who looks busily for input holds the lock most of the time, unless told that it is wanted.
Worker::Lock Worker::enter() {
    Lock lock(mutex_, std::try_to_lock);
    if (!lock.owns_lock()) {
        lock_wanted_.fetch_add(1, std::memory_order_relaxed);
        lock.lock();
        lock_wanted_.fetch_sub(1, std::memory_order_relaxed);
    }
    return lock;
}

Worker::Call::Call(Worker &worker, Kind kind)
    : worker_(worker), lock_(worker.enter()), now_(monotonic_now()),
      exceptions_(std::uncaught_exceptions()), kind_(kind) {}

Worker::Call::~Call() noexcept(false) {
    worker_.stuck_ = false;
    if (worker_.in_callback() || std::uncaught_exceptions() != exceptions_)
        return;
    if (kind_ == Kind::kReads && worker_.drain_owed_)
        return;
    worker_.answered_ |= kind_ == Kind::kMutates;
    worker_.settle(now_);
    worker_.alert(now_);
    worker_.run_releases(lock_);
}

bool Worker::is_in_callback() {
    Lock lock = enter();
    return in_callback();
}

bool Worker::is_started() {
    Lock lock = enter();
    return mode_ == Mode::kThread;
}

void Worker::halt() {
    Lock lock = enter();
    if (mode_ == Mode::kThread)
        leave_thread(lock);
}

Time Worker::deadline() const {
    return suspended_ ? kNever : std::min(node_->deadline(), endpoints_.deadline());
}

size_t Worker::take_events(std::span<plait_event> out, Time now) {
    const size_t n = std::min(out.size(), stash_.size());
    std::copy_n(stash_.begin(), n, out.begin());
    stash_.erase(stash_.begin(), stash_.begin() + static_cast<std::ptrdiff_t>(n));
    const auto rest = out.subspan(n);
    size_t m = 0;
    for (size_t taken = rest.size(); taken != 0 && m == 0;) {
        taken = node_->take_events(rest, now);
        m = note_events(rest.first(taken));
    }
    stuck_ = m == 0 && !rest.empty();
    return n + m;
}

// Every event passes here once, on its way to the application. Of an endpoint that all workers
// have the first one tells; the others' events go no further. How many are left.
size_t Worker::note_events(std::span<plait_event> events) {
    size_t left = 0;
    for (plait_event &event : events) {
        endpoints_.complete(event);
        if (index_ != 0 && event.type >= PLAIT_EVENT_ENDPOINT_STATE &&
            event.type <= PLAIT_EVENT_ENDPOINT_OPENED)
            continue;
        if (event.type == PLAIT_EVENT_CONNECTED || event.type == PLAIT_EVENT_CONNECTION_REQUEST)
            note_connection(event.connection);
        events[left++] = event;
    }
    return left;
}

void Worker::note_connection(uint64_t connection) {
    connections_.insert(connection);
    if (connections_.size() < 2 * connections_pruned_)
        return;
    std::erase_if(connections_, [this](uint64_t c) { return !node_->connection_info(c).ok(); });
    connections_pruned_ = std::max<size_t>(connections_.size(), 64);
}

// Tells every peer, in one packet. Memory lent with send_owned comes back by it.
void Worker::end_connections(Time now) {
    std::array<plait_event, kDeliverBatch> events;
    while (take_events(events, now) != 0) // they may tell of connections
        continue;
    for (const uint64_t connection : connections_)
        node_->close(connection, 0, "", now);
    settle(now);
}

// Takes what waits in the node aside, where a blocking helper can look for what it waits for. As in
// the node, the same event of the same object stands there once.
size_t Worker::stash_events(Time now) {
    if (callback_ != nullptr)
        return 0; // they are the callback's
    size_t n = 0;
    plait_event event;
    for (; node_->take_events({&event, 1}, now) == 1; n++) {
        if (note_events({&event, 1}) == 0)
            continue;
        const auto same = std::find_if(stash_.begin(), stash_.end(), [&event](const auto &old) {
            return old.type == event.type && old.connection == event.connection &&
                   old.channel == event.channel && old.link == event.link &&
                   (event.connection != PLAIT_NONE || old.a == event.a);
        });
        if (same != stash_.end())
            stash_.erase(same);
        if (stash_.size() == kStashMax)
            stash_.erase(stash_.begin());
        stash_.push_back(event);
    }
    stuck_ = true;
    return n;
}

void Worker::forget_event(uint32_t type, uint64_t connection) {
    plait_event ignored;
    take_event([=](const plait_event &e) { return e.type == type && e.connection == connection; },
               ignored);
}

// Looks for input until `quiet`: at the endpoints themselves, which takes half as long as asking
// the poller first, and now and then at all that the poller knows, also while each look finds
// something. Only then others get the lock, so at once if somebody wants it. True: there is
// something to do.
bool Worker::look_busily(Lock &lock, Time &now, Time &until, Time quiet, Status &status) {
    constexpr uint32_t kLooks = 8; // at the endpoints, to each one at the poller
    for (;;) {
        sleep_until_ = now;
        const bool seen = endpoints_.look(now);
        if (++looks_ % kLooks == 0 || lock_wanted_.load(std::memory_order_relaxed) != 0) {
            status = active_->sleep(lock, Duration{0});
            if (status != PLAIT_OK || active_->found() || has_fresh_events() || stopping_)
                return true;
        }
        if (seen)
            return true;
        now = monotonic_now();
        if (now >= std::min(quiet, until)) {
            until = std::min(until, deadline()); // a look, or a call, may have set a timer
            return now >= until;
        }
    }
}

Status Worker::sleep(Lock &lock, Time now, Time until) {
    const auto length = [&] { return until == kNever ? kNoTimeout : until - now; };
    Status status = PLAIT_OK;
    const bool told = watchers_ != 0 && has_events(); // somebody needs the lock to take them
    if (until > now && !told) {
        const Traffic traffic = endpoints_.take_traffic();
        const Duration look = busy_poll_ ? *busy_poll_ : patience_.next(waited_, traffic);
        if (look.us > 0 && look_busily(lock, now, until, now + look, status))
            return status;
    }
    // Who calls from another thread sets timers, too. While that is often, a sleep is too short for
    // most of these to come before its end, and nobody has to be woken because of them.
    if (mode_ == Mode::kThread && waited_ < kNap)
        until = std::min(until, now + kNap);
    sleep_until_ = until;
    return active_->sleep(lock, until <= now ? Duration{0} : length());
}

Status Worker::turn(Lock &lock, Time until, bool drain) {
    const Time now = monotonic_now();
    until = stopping_ ? now : std::min(until, deadline());
    sleeping_ = true;
    const Status status = sleep(lock, now, until);
    sleeping_ = false;
    if (status != PLAIT_OK)
        return fail(status, "waiting for input: %s", std::strerror(errno));
    const Time later = monotonic_now();
    if (until > now)
        waited_ = later - now;
    take_input(later);
    if (drain)
        settle(later);
    notify();
    return PLAIT_OK;
}

void Worker::notify() {
    if (watchers_ != 0)
        changed_.notify_all();
    if (crew_ != nullptr && callback_ == nullptr && has_events())
        crew_->tell_news();
}

void Worker::take_input(Time now) {
    stuck_ = false;
    constexpr size_t kPiece = 8;
    std::array<Ready, kPiece> ready;
    while (const size_t n = active_->take(ready))
        endpoints_.on_ready(std::span(ready).first(n), now);
    if (suspended_)
        return;
    if (crew_ != nullptr)
        endpoints_.on_handed(now);
    endpoints_.on_woken(now);
    endpoints_.on_timers(now);
    endpoints_.apply_notices(now);
    if (node_->deadline() <= now)
        node_->on_timer(now);
}

void Worker::settle(Time now) {
    drain_owed_ = false;
    if (suspended_)
        return;
    for (int round = 0; round < kSettleRounds; round++) {
        node_->drain(now, endpoints_);
        if (!endpoints_.apply_notices(now))
            return;
    }
}

void Worker::alert(Time now) {
    if (has_events())
        notify();
    const bool events = loop_has_events();
    if (sleeping_ || (mode_ == Mode::kAttached && !is_attached_thread())) {
        if (events || deadline() < sleep_until_)
            waker_.wake();
    } else if (lent_) {
        if (deadline() < lent_until_)
            returned_.notify_one();
    } else if (mode_ == Mode::kAttached || (fd_in_use_ && mode_ == Mode::kCallers)) {
        set_alarm(deadline() == kNever ? kNever : std::max(deadline(), now));
        if (events)
            waker_.wake();
    }
}

void Worker::set_alarm(Time when) {
    sleep_until_ = when;
    if (active_->set_alarm(when) != PLAIT_OK)
        log_.line(PLAIT_LOG_ERROR, "no timer: %s", std::strerror(errno));
}

void Worker::deliver(Lock &lock) {
    std::array<plait_event, kDeliverBatch> events;
    const Time now = monotonic_now();
    const size_t n = take_events(events, now);
    plait_event_fn *const callback = callback_;
    void *const user = callback_user_;
    callback_thread_ = std::this_thread::get_id();
    lock.unlock();
    for (size_t i = 0; i < n; i++)
        callback(owner_, &events[i], user);
    lock.lock();
    callback_thread_ = {};
    settle(monotonic_now());
}

void Worker::run_releases(Lock &lock) {
    const auto due = node_->take_releases();
    if (due.empty())
        return;
    lock.unlock();
    for (const auto &release : due)
        release();
    lock.lock();
}

} // namespace plait::runtime
