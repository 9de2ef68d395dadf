// SPDX-License-Identifier: Apache-2.0
// The worker: one lock, one node of the engine, and the loop that moves it, in whichever way the
// application wants its loop.
//
//   wait      the caller's thread is the loop                        (mode 1)
//   dispatch  the caller's poll loop is, the worker is a descriptor  (mode 2)
//   start     a thread of ours is; events by callback or by wait     (modes 3 and 4)
//   attach    the caller's libevent loop is                          (mode 5)
//
// A turn of the loop: sleep, input (plugins, timers), events, drain. A call from the API (Call)
// locks, mutates, drains on its own thread, and wakes the loop only if that sleeps too long for the
// new deadline or has events to deliver. Callbacks run without the lock; calls made inside one do
// not drain: that follows when the callbacks of the turn have returned, so that an answer and the
// acknowledgement of the question share a packet. So they do with wait, once it is seen that the
// application answers in its turns. A thread of ours whose events others wait for lends them the
// loop: they then do its work while they wait.
#pragma once

#include "node/node.h"
#include "plait/node.h"
#include "runtime/endpoints.h"
#include "runtime/loader.h"
#include "runtime/log.h"
#include "runtime/patience.h"
#include "runtime/poller.h"
#include "runtime/seat.h"
#include "runtime/system.h"

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_set>

namespace plait::runtime {

inline constexpr size_t kDeliverBatch = 64; // events taken out of the node at once
inline constexpr size_t kStashMax = 4096;   // events that blocking helpers put aside
inline constexpr Duration kNap{1000};       // a sleep that calls from other threads seldom shorten
inline constexpr Duration kLendMin{100}, kLendMax{800}; // of the loop, unused
inline constexpr int kSettleRounds = 8;                 // drains in a row that plugins may cause

struct WorkerConfig {
    uint32_t poller = PLAIT_POLLER_DEFAULT;
    std::optional<Duration> busy_poll; // nothing: as long as it pays (patience.h)
    std::string search_path;
    std::vector<const plait_transport *> builtin;
    Crew *crew = nullptr; // of a node with several workers: outlives them
    uint32_t index = 0;   // in it
};

class Worker final : private Sink {
  public:
    // PLAIT_E_UNSUPPORTED, PLAIT_E_SYSTEM; the text is noted.
    static Result<Worker *> make(const WorkerConfig &config, node::Config node_config,
                                 crypto::Identity identity);
    // Stops the loop, tells the peers, closes the endpoints, releases what is owned.
    ~Worker() override;

    // A call of the API: holds the lock, and does on destruction what the mutation asks for. One
    // that only reads leaves that to a drain that is owed anyway.
    enum class Kind : uint8_t { kMutates, kReads };
    class Call {
      public:
        explicit Call(Worker &worker, Kind kind = Kind::kMutates);
        // May throw when memory runs out; the caller's guard takes it.
        ~Call() noexcept(false);
        Call(const Call &) = delete;
        Call &operator=(const Call &) = delete;
        node::Node &node() { return *worker_.node_; }
        Endpoints &endpoints() { return worker_.endpoints_; }
        Loader &loader() { return worker_.loader_; }
        Log &log() { return worker_.log_; }
        Worker &worker() { return worker_; }
        Time now() const { return now_; }

      private:
        Worker &worker_;
        std::unique_lock<std::mutex> lock_;
        Time now_;
        int exceptions_; // on their way when it began
        Kind kind_;
    };

    // After halt(): tells the peers. Of several workers the first is the last to, as others send
    // through it.
    void say_goodbye();
    // Under the lock: a connection that the application was given, to be ended with the node.
    void note_connection(uint64_t connection);
    // The C handle that callbacks are given.
    void set_owner(plait_node *owner) { owner_ = owner; }
    // Under the lock: whether this thread is inside a callback of this node.
    bool in_callback() const { return callback_thread_ == std::this_thread::get_id(); }
    bool is_in_callback();
    // Under the lock: whether peek is allowed here. With a loop of its own a slice could vanish
    // under another thread's eyes.
    bool may_peek() const {
        return mode_ == Mode::kCallers || in_callback() || is_attached_thread();
    }

    // The loop. All note a text when they fail.
    Status wait(std::span<plait_event> out, size_t &got, int timeout_ms);
    Status dispatch(std::span<plait_event> out, size_t &got);
    Result<int> fd();
    Status start(plait_event_fn *callback, void *user);
    Status stop();
    // Ends the thread, if there is one; not inside a callback.
    void halt();
    bool is_started();
    Status attach(event_base *base);
    void wake();
    void suspend();
    Status resume();

    // Runs the loop, or waits for it, until `done()` returns anything but PLAIT_E_AGAIN, or the
    // time is over. `done` is called under the lock.
    template <class Done> Status block(Done &&done, int timeout_ms);

    // For `done`: under the lock.
    node::Node &node() { return *node_; }
    bool delivers_by_callback() const { return callback_ != nullptr; }
    // Looks through the events that wait for one that `wanted` accepts, and takes it out.
    template <class Wanted> bool take_event(Wanted &&wanted, plait_event &out);
    void forget_event(uint32_t type, uint64_t connection);

  private:
    enum class Mode : uint8_t { kCallers, kThread, kAttached };
    using Lock = std::unique_lock<std::mutex>;

    Worker(const WorkerConfig &config, node::Config node_config, crypto::Identity identity);
    Status make_poller(uint32_t kind);
    void on_ready() override;
    bool is_attached_thread() const {
        return mode_ == Mode::kAttached && attached_thread_ == std::this_thread::get_id();
    }

    Time deadline() const;
    // Whether it is the loop that hands the events over; in mode 4 others come for them.
    bool loop_has_events() const {
        return has_events() && (mode_ != Mode::kThread || callback_ != nullptr || borrowed_);
    }
    bool has_fresh_events() const { return !stuck_ && node_->has_events(); }
    bool has_events() const { return !stash_.empty() || has_fresh_events(); }
    size_t take_events(std::span<plait_event> out, Time now);
    size_t stash_events(Time now);
    size_t note_events(std::span<plait_event> events);
    void make_node(node::Config config, crypto::Identity identity);
    void notify();
    void end_connections(Time now);
    Status turn(Lock &lock, Time until, bool drain);
    Status sleep(Lock &lock, Time now, Time until);
    bool look_busily(Lock &lock, Time &now, Time &until, Time quiet, Status &status);
    Lock enter();
    void take_input(Time now);
    void settle(Time now);
    // After a mutation from outside of the loop: whoever sleeps must notice.
    void alert(Time now);
    void set_alarm(Time when);
    void deliver(Lock &lock);
    void run_releases(Lock &lock);
    void thread_main();
    void leave_thread(Lock &lock);
    Status wait_for_thread(Lock &lock, std::span<plait_event> out, size_t &got, Time end);
    Status step_beside(Lock &lock, Time end);
    void lend(Lock &lock);
    Status refuse_wait() const;
    static Status refuse_in_callback();
    Status block_step(Lock &lock, Time end);

    std::mutex mutex_;
    std::atomic<uint32_t> lock_wanted_{0}; // how many wait for it
    Waker waker_;
    PooledEntropy entropy_;
    Log log_;
    Loader loader_;
    Endpoints endpoints_;
    Crew *crew_;
    uint32_t index_;
    std::optional<Seat> seat_;
    std::unique_ptr<node::Node> node_;
    std::unique_ptr<Poller> poller_;   // ours
    std::unique_ptr<Poller> attached_; // in the application's event_base
    Poller *active_ = nullptr;
    std::optional<Duration> busy_poll_;
    Patience patience_;
    Duration waited_{}; // by the last turn that could
    plait_node *owner_ = nullptr;

    Mode mode_ = Mode::kCallers;
    plait_event_fn *callback_ = nullptr;
    void *callback_user_ = nullptr;
    std::thread thread_;
    std::thread::id callback_thread_, attached_thread_;
    std::condition_variable changed_;  // a turn has ended, or events wait
    std::condition_variable returned_; // the thread shall be the loop again
    Time lent_until_{};                // unless somebody borrows the loop meanwhile
    uint32_t borrowings_ = 0;
    std::vector<plait_event> stash_;
    std::unordered_set<uint64_t> connections_; // told to the application, and some that are gone
    size_t connections_pruned_ = 64;
    Time sleep_until_{};     // what a sleeper, or an alarm, is set to
    uint32_t watchers_ = 0;  // threads that wait for changed_
    uint32_t looks_ = 0;     // at the endpoints, without asking the poller
    bool sleeping_ = false;  // somebody is inside the poller
    bool turning_ = false;   // a caller's thread is the loop
    bool lent_ = false;      // the thread leaves the loop to callers that wait
    bool borrowed_ = false;  // one of them is the loop
    bool stopping_ = false;  // the thread shall end
    bool fd_in_use_ = false; // plait_node_fd was called
    bool woken_ = false;     // plait_node_wake was called
    bool suspended_ = false;
    bool said_goodbye_ = false;
    bool stuck_ = false; // what waits in the node cannot be told yet
    // An application that answers in its turn, between two waits, sends its answer and what it
    // owes for the question in one packet: the drain is then its call's, or the next wait's.
    bool drain_owed_ = false;
    bool answered_ = false; // it has called something else than read since the last wait
    bool answers_ = false;  // as it did in the turn before
};

template <class Done> Status Worker::block(Done &&done, int timeout_ms) {
    Lock lock = enter();
    if (in_callback())
        return refuse_in_callback();
    const Time begin = monotonic_now();
    const Time end = timeout_ms < 0 ? kNever : begin + base::millis(timeout_ms);
    for (;;) {
        stash_events(monotonic_now());
        Status status = done();
        settle(monotonic_now());
        const bool more_to_see = stash_events(monotonic_now()) != 0;
        if (status == PLAIT_E_AGAIN && !more_to_see)
            status = block_step(lock, end);
        else if (status != PLAIT_E_AGAIN)
            alert(monotonic_now());
        run_releases(lock);
        if (status != PLAIT_E_AGAIN)
            return status;
    }
}

template <class Wanted> bool Worker::take_event(Wanted &&wanted, plait_event &out) {
    for (size_t i = 0; i < stash_.size(); i++)
        if (wanted(stash_[i])) {
            out = stash_[i];
            stash_.erase(stash_.begin() + static_cast<std::ptrdiff_t>(i));
            return true;
        }
    return false;
}

} // namespace plait::runtime
