// SPDX-License-Identifier: Apache-2.0
// What the workers of one node share, a node with one worker does without: who of them has which
// peer, and the queue of each for what others hand over. The locks in here are held for a few
// lines, and nothing else is called or locked meanwhile; so any worker may call under its own.
//
//   kernel --steering program--> the right worker's socket        (nearly all)
//   worker --Crew::post--> queue of the right worker --wake--> its next turn
#pragma once

#include "base/flat_map.h"
#include "node/neighbours.h"
#include "plait/transport.h"
#include "runtime/system.h"

#include <condition_variable>
#include <mutex>
#include <optional>
#include <vector>

namespace plait::runtime {

inline constexpr uint32_t kMaxWorkers = 64;      // a handle has six bits for it
inline constexpr size_t kHandedMax = 4096;       // datagrams in one worker's queue,
inline constexpr size_t kHandedBytes = 4u << 20; // and their bytes
inline constexpr size_t kNotesMax = 1u << 16;    // with what is no datagram

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
    // Where to dial next.
    uint32_t next_worker();

    // -- handing over
    enum class Kind : uint8_t { kDatagram, kInit, kReset, kReplaced };
    struct Item {
        Kind kind = Kind::kDatagram;
        uint8_t ecn = 0;
        bool has_local = false;
        uint64_t endpoint = 0; // as the application knows it
        plait_addr remote{}, local{};
        connection::Proof proof{};
        size_t at = 0, size = 0; // in the batch's bytes
    };
    struct Batch {
        std::vector<Item> items;
        std::vector<uint8_t> bytes;
    };
    // Copies. What is too much is dropped, and counted.
    void post(uint32_t to, Item item, Bytes bytes);
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
    uint32_t next_ = 0;
    mutable std::mutex news_mutex_;
    std::condition_variable news_told_;
    uint64_t news_ = 0;
    bool woken_ = false;
};

} // namespace plait::runtime
