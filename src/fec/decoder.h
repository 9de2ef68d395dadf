// SPDX-License-Identifier: Apache-2.0
// The receiving side of the code: keeps what arrived last of a channel, and the repair symbols that
// still miss something; brings back what follows from them.
//
// From each repair symbol what is known is taken out as it becomes known, once (incremental
// elimination); what stays is a sum of unknown bytes alone. The unknown ranges cut the columns of
// the symbols into stretches in which the same symbols are unknown: one small system each.
//
// A peer may send what it likes: memory is bounded by the window that it was allowed, the work of a
// repair by the window's size and the bounds of solver.h, and what comes out of wrong repairs is
// wrong data of that peer, which it could have sent as such.
#pragma once

#include "base/range_set.h"
#include "fec/history.h"
#include "fec/repair.h"
#include "fec/solver.h"

namespace plait::fec {

inline constexpr size_t kMaxStarts = 1024; // of messages, that are remembered
inline constexpr size_t kMaxKnownRanges = 512;
inline constexpr size_t kLateAttempts = 8; // for each repair, when late data makes more known

// What the channel's bytes are.
enum class Content : uint8_t {
    kBytes,    // no borders, or none that matter
    kMessages, // length v, body: what comes back is told with its message's start, if it is known
    kStarts,   // the same, and without knowing the start it is of no use
};

struct Recovered {
    uint64_t offset = 0;
    Bytes bytes;
    bool start = false;       // a message begins at `offset`
    bool new_message = false; // nothing of its message was recovered before
};

class Decoder {
  public:
    explicit Decoder(Content content) : content_(content) {}

    // Bytes of memory, at most, once it has taken this repair; they never become fewer.
    uint64_t cost(const Repair &r) const;
    // Arrived: bytes of the channel; a message begins at `offset` if `start`.
    void on_data(uint64_t offset, Bytes bytes, bool start);
    void on_repair(const Repair &r, Bytes symbol);
    // What was brought back, piece by piece; valid until the next call of another kind.
    bool next(Recovered &out);

    size_t waiting() const { return count_; } // repair symbols
    void check_invariants() const;

  private:
    struct Equation {
        Repair repair;
        uint64_t missing = 0; // bytes
        std::array<uint8_t, kMaxSymbols> coefficients;
        std::vector<uint8_t> sum; // of what is missing
    };
    uint64_t floor() const { return end_ - std::min<uint64_t>(end_, history_.capacity()); }
    static size_t capacity_for(const Repair &r);
    static size_t most_equations(size_t capacity, size_t sum_size);
    bool fits_others(const Repair &r);
    void add_equation(const Repair &r, Bytes symbol);
    void advance(uint64_t end);
    void learn(uint64_t offset, Bytes bytes);
    void take_out(Equation &e, uint64_t offset, Bytes bytes);
    void drop(size_t i);
    void drop_done();
    void add_start(uint64_t offset);
    void forget();

    void solve();
    bool find_missing();
    void cut_columns();
    void find_unknowns(size_t from, size_t to);
    void solve_stretch(size_t from, size_t to);
    bool message_of(uint64_t offset, uint64_t &start, uint64_t &end);
    bool length_at(uint64_t offset, uint64_t &end) const;

    Content content_;
    History history_;
    base::RangeSet known_; // of [floor, end_)
    base::RangeSet fresh_; // brought back, not handed out yet
    uint64_t end_ = 0;
    std::vector<uint64_t> starts_; // ascending
    uint64_t last_message_ = ~uint64_t{0};
    std::vector<Equation> equations_; // the first count_ are in use, in the order of their coming
    size_t count_ = 0;
    size_t late_attempts_ = 0, largest_sum_ = 0;
    // While solving.
    Solver solver_;
    std::vector<base::Range> missing_;
    std::vector<size_t> cuts_;
    std::array<uint64_t, kMaxUnknowns> unknowns_; // offsets of a stretch's first byte
    size_t unknown_count_ = 0;
    uint64_t base_ = 0; // the lowest window's start
    std::vector<uint8_t> scratch_;
};

} // namespace plait::fec
