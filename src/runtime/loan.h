// SPDX-License-Identifier: Apache-2.0
// An endpoint that only one worker of a node can have (a serial line, one of the application's, a
// udp://* with its members): worker 0 opens it and lends it to the others. They give what they
// send to worker 0, get what has come for them, and are told what becomes of it.
//
//   borrower --kSend--> worker 0 --> transport, or wait() until that is writable
//   borrower <--kDatagram, kWritable, kState, kGone-- worker 0
#pragma once

#include "runtime/crew.h"

#include <algorithm>
#include <atomic>
#include <utility>

namespace plait::runtime {

class Loan {
  public:
    // Bytes of all borrowers that are on their way to the transport: what a line of known rate
    // takes in 20 ms and at most this, but two datagrams at least. One more always fits.
    static constexpr uint64_t kMost = 64u << 10;

    // `info`: as worker 0 has it.
    Loan(uint64_t handle, const link::EndpointInfo &info)
        : handle_(handle), header_room_(info.header_room), tail_room_(info.tail_room),
          most_(info.rate == 0
                    ? kMost
                    : std::max(std::min(info.rate / 50, kMost), 2 * uint64_t{info.mtu})) {
        set_info(info);
    }

    // Worker 0's, which is the application's.
    uint64_t handle() const { return handle_; }
    // As a borrower has it: no runs of segments, no room for headers.
    link::EndpointInfo info() const {
        const std::lock_guard lock(mutex_);
        return info_;
    }

    // -- borrowers
    // False: `worker` is told (kWritable) when it may.
    bool may_send(uint32_t worker) {
        if (posted_ < most_)
            return true;
        blocked_ |= uint64_t{1} << worker;
        return posted_ < most_; // worker 0 may not have seen the bit
    }
    void on_posted(size_t bytes) { posted_ += bytes; }
    void on_lost(size_t bytes) { posted_ -= bytes; }
    // Bytes that are to leave before a new one. What the transport held when worker 0 last looked
    // drains at the line's rate.
    uint64_t queued(Time now) const {
        const double gone = static_cast<double>(rate_.load()) *
                            static_cast<double>((now - Time{looked_at_}).us) * 1e-6;
        const uint64_t held = held_;
        return posted_ + held - std::min(held, static_cast<uint64_t>(std::max(gone, 0.0)));
    }

    // -- worker 0
    void set_info(link::EndpointInfo info) {
        info.gso = false;
        info.run_segments = info.run_bytes = 0;
        info.header_room = info.tail_room = 0;
        rate_ = info.rate;
        const std::lock_guard lock(mutex_);
        info_ = std::move(info);
    }
    size_t header_room() const { return header_room_; }
    size_t tail_room() const { return tail_room_; }
    // A datagram that was handed over waits for the transport.
    void wait(const Crew::Item &item, Bytes bytes);
    bool anything_waits() const { return first_ < waiting_.items.size(); }
    const Crew::Item &first() const { return waiting_.items[first_]; }
    Bytes first_bytes() const { return Bytes(waiting_.bytes).subspan(first().at, first().size); }
    void drop_first();
    void on_sent(size_t bytes) {
        posted_ -= bytes;
        used_ = true;
    }
    uint64_t posted() const { return posted_; }
    // Whether anything was sent since the last call.
    bool take_used() { return std::exchange(used_, false); }
    // How much the transport holds; of an unknown rate nothing is known a moment later.
    void on_looked(uint64_t held, Time now) {
        held_ = rate_ != 0 ? held : 0;
        looked_at_ = now.us;
    }
    // The borrowers (bits) that wait, if there is room again.
    uint64_t take_blocked() { return posted_ <= most_ / 2 ? blocked_.exchange(0) : 0; }

  private:
    const uint64_t handle_;
    const size_t header_room_, tail_room_;
    const uint64_t most_;
    std::atomic<uint64_t> rate_{0};
    std::atomic<uint64_t> posted_{0}, blocked_{0}, held_{0};
    std::atomic<uint64_t> looked_at_{0};
    mutable std::mutex mutex_;
    link::EndpointInfo info_;
    Crew::Batch waiting_;
    size_t first_ = 0;
    bool used_ = false;
};

} // namespace plait::runtime
