// SPDX-License-Identifier: Apache-2.0
// What the workers of one node share, a node with one worker does without: who of them has which
// peer, which endpoints worker 0 lends, and the queue of each for what others hand over. The locks
// in here are held for a few lines, and nothing else is called or locked meanwhile; so any worker
// may call under its own.
//
//   kernel --steering program--> the right worker's socket        (nearly all)
//   worker --Crew::post--> queue of the right worker --wake--> its next turn
#pragma once

#include "base/flat_map.h"
#include "node/neighbours.h"
#include "plait/transport.h"
#include "runtime/system.h"

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace plait::runtime {

inline constexpr uint32_t kMaxWorkers = 64;      // a handle has six bits for it
inline constexpr size_t kHandedMax = 4096;       // datagrams in one worker's queue,
inline constexpr size_t kHandedBytes = 4u << 20; // and their bytes
inline constexpr size_t kNotesMax = 1u << 16;    // with what is no datagram

class Loan;

class Crew {
  public:
    explicit Crew(uint32_t workers);
    Crew(const Crew &) = delete;
    Crew &operator=(const Crew &) = delete;
    uint32_t size() const { return static_cast<uint32_t>(inboxes_.size()); }

    // -- peers, by the first bytes of their id
    bool claim(uint64_t peer, uint32_t worker);
    void release(uint64_t peer, uint32_t worker);
    std::optional<uint32_t> owner(uint64_t peer) const;
    // Who had it before, if that is another.
    std::optional<uint32_t> take(uint64_t peer, uint32_t worker);
    // Whose turn it is: to dial, and to be asked for events first.
    uint32_t next_to_dial() { return dials_++ % size(); }
    uint32_t next_to_ask() { return asks_++ % size(); }

    // -- endpoints that worker 0 lends, by its handles
    void lend(std::shared_ptr<Loan> loan);
    std::shared_ptr<Loan> loan(uint64_t endpoint) const; // nullptr: none
    void end_loan(uint64_t endpoint);

    // -- handing over
    enum class Kind : uint8_t {
        kDatagram, // that has arrived
        kSend,     // to worker 0: that is to leave
        kInit,
        kReset,
        kReplaced,
        kLend,     // worker 0 has a new endpoint to lend
        kState,    // what its transport told
        kWritable, // there is room again
        kGone,     // it is no more
    };
    struct Item {
        Kind kind = Kind::kDatagram;
        uint8_t ecn = 0;
        bool has_local = false;
        uint64_t endpoint = 0; // as the application knows it
        plait_addr remote{}, local{};
        connection::Proof proof{};
        uint32_t what = 0;       // kState: PLAIT_TRANSPORT_*,
        bool has_addr = false;   // about `remote`,
        uint64_t value = 0;      // with its value; or why it is gone
        size_t at = 0, size = 0; // in the batch's bytes
    };
    struct Batch {
        std::vector<Item> items;
        std::vector<uint8_t> bytes;
    };
    // Copies. What is too much is dropped, and counted: false.
    bool post(uint32_t to, Item item, Bytes bytes);
    // To all but worker 0, which says it.
    void post_to_others(const Item &item);
    // All that waits for a worker; `into` gives its memory in exchange.
    void collect(uint32_t worker, Batch &into);
    uint64_t dropped() const;
    // nullptr: it is not to be woken any more.
    void set_waker(uint32_t worker, Waker *waker);

    // -- for the thread that waits for the events of all (mode 4)
    void tell_news();
    void wake();
    uint64_t news() const;
    // Until there is other news than `seen`; false: `end` came first, or somebody called wake().
    bool wait_news(uint64_t seen, Time end);

  private:
    struct Inbox {
        mutable std::mutex mutex;
        Batch batch;
        uint64_t dropped = 0;
        Waker *waker = nullptr;
    };
    std::vector<Inbox> inboxes_;
    mutable std::mutex peers_mutex_;
    base::FlatMap<uint32_t> peers_;
    mutable std::mutex loans_mutex_;
    std::vector<std::shared_ptr<Loan>> loans_;
    std::atomic<uint32_t> dials_{0}, asks_{0};
    mutable std::mutex news_mutex_;
    std::condition_variable news_told_;
    uint64_t news_ = 0;
    bool woken_ = false;
};

} // namespace plait::runtime
