// SPDX-License-Identifier: Apache-2.0
// The sending side of the code: keeps what a channel sent last, and says when a repair is due, by
// an account: each source byte pays its share in, each repair symbol takes its size out. A repair
// goes out when the account can pay for it, or, on credit, when the channel has nothing more to
// send for a while: what ends a burst is protected too, and in the long run no more than the share
// is spent.
#pragma once

#include "fec/history.h"
#include "fec/plan.h"
#include "fec/repair.h"

namespace plait::fec {

struct Options {
    size_t symbols = 0;                    // of the window; 0: by the plan
    uint32_t share = 0;                    // of kShareOne; 0: by the plan
    uint64_t window_max = kMaxWindowBytes; // what the peer keeps
};
// What a channel knows of its way.
struct Path {
    double loss = 0;
    Duration slack = base::millis(50); // how much later than a packet its repair may arrive
};

class Encoder {
  public:
    explicit Encoder(const Options &options);

    // [offset, offset + a + b) goes out for the first time.
    void on_source(uint64_t offset, Bytes a, Bytes b, const Path &path, Time now);
    bool due() const { return due_; }
    Time deadline() const { return quiet_at_; }
    void on_timer(Time now);
    // The repair that is due, of a symbol of at most `room` bytes; counts as sent. Only if due().
    Repair next(size_t room);
    void encode(const Repair &r, MutBytes symbol) const; // of r.size() bytes
    // None for what was sent until now.
    void leave_out();
    // Gives the memory back; what was sent before is not protected any more.
    void release();

    Plan present() const { return plan_; }
    size_t memory() const { return history_.capacity(); }

  private:
    void fit_symbol(size_t length);
    void note_gap(Time now, const Path &path);
    void slide();
    uint64_t room_for() const;
    void settle_account();

    Options options_;
    History history_;
    Plan plan_;
    uint64_t start_ = 0, end_ = 0; // of the window
    uint64_t fresh_from_ = 0;      // no repair covers what lies at or above
    int64_t account_ = 0;          // bytes times kShareOne
    size_t symbol_size_ = 0, largest_ = 0;
    uint32_t count_ = 0; // source packets
    Duration gap_ = base::millis(5);
    Duration quiet_ = base::millis(10);
    Time last_{}, quiet_at_ = kNever;
    uint16_t key_ = 0;
    bool due_ = false, begun_ = false;
};

} // namespace plait::fec
