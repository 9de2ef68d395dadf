// SPDX-License-Identifier: Apache-2.0
#include "fec/decoder.h"

#include "base/assert.h"
#include "fec/coefficients.h"
#include "fec/gf256.h"

#include <algorithm>

namespace plait::fec {

using base::Range;

namespace {

constexpr uint64_t kFirstSymbols = 32;
constexpr size_t kEquationsMin = 4;
constexpr int kMessageSteps = 256; // from a known start to the message that is looked for

// Calls fn(a, b) for each part of [start, end) that is not in the set; fn may add it.
template <class Fn>
void for_each_gap(const base::RangeSet &set, uint64_t start, uint64_t end, Fn &&fn) {
    while (start < end) {
        const Range *r = set.first_above(start);
        const Range next = r ? *r : Range{end, end};
        if (next.start > start)
            fn(start, std::min(next.start, end));
        start = next.end;
    }
}

} // namespace

// Twice the window: a repair may overtake packets, and older ones still wait for theirs. The first
// repairs have short windows; what later ones cover must not be forgotten before they come.
size_t Decoder::capacity_for(const Repair &r) {
    const uint64_t soon = std::min(kFirstSymbols * r.symbol_size, kMaxWindowBytes);
    return std::bit_ceil(static_cast<size_t>(std::max(2 * r.length, soon)));
}

size_t Decoder::most_equations(size_t capacity, size_t sum_size) {
    return std::clamp(capacity / std::max<size_t>(sum_size, 1), kEquationsMin, kMaxEquations);
}

uint64_t Decoder::cost(const Repair &r) const {
    const size_t capacity = std::max(capacity_for(r), history_.capacity());
    const size_t sum = std::max(r.size(), largest_sum_);
    return capacity +
           std::max(kMaxEquations * std::min(sum, capacity / kMaxEquations), kEquationsMin * sum);
}

// -- What is known -----------------------------------------------------------------------

void Decoder::forget() {
    known_.clear();
    fresh_.clear();
    starts_.clear();
    count_ = 0;
}

void Decoder::advance(uint64_t end) {
    if (end <= end_)
        return;
    end_ = end;
    known_.remove_below(floor());
    fresh_.remove_below(floor());
    starts_.erase(starts_.begin(), std::lower_bound(starts_.begin(), starts_.end(), floor()));
    for (size_t i = count_; i-- > 0;)
        if (equations_[i].repair.first < floor())
            drop(i);
}

void Decoder::add_start(uint64_t offset) {
    const auto at = std::lower_bound(starts_.begin(), starts_.end(), offset);
    if (at != starts_.end() && *at == offset)
        return;
    starts_.insert(at, offset);
    if (starts_.size() > kMaxStarts)
        starts_.erase(starts_.begin());
}

void Decoder::on_data(uint64_t offset, Bytes bytes, bool start) {
    if (history_.empty() || bytes.empty())
        return;
    advance(offset + bytes.size());
    if (start && content_ != Content::kBytes && offset >= floor())
        add_start(offset);
    const uint64_t from = std::max(offset, floor()), to = offset + bytes.size();
    if (from >= to)
        return;
    fresh_.remove(from, to);
    const bool wanted = count_ > 0 && from < equations_[count_ - 1].repair.end();
    for_each_gap(known_, from, to, [&](uint64_t a, uint64_t b) {
        learn(a, bytes.subspan(static_cast<size_t>(a - offset), static_cast<size_t>(b - a)));
    });
    if (known_.count() > kMaxKnownRanges)
        return forget();
    if (!wanted || late_attempts_ == 0)
        return drop_done();
    late_attempts_--;
    solve();
}

void Decoder::learn(uint64_t offset, Bytes bytes) {
    history_.put(offset, bytes);
    known_.add(offset, offset + bytes.size());
    for (size_t i = 0; i < count_; i++)
        take_out(equations_[i], offset, bytes);
}

void Decoder::take_out(Equation &e, uint64_t offset, Bytes bytes) {
    const Repair &r = e.repair;
    uint64_t at = std::max(offset, r.first);
    const uint64_t end = std::min(offset + bytes.size(), r.end());
    while (at < end) {
        const uint64_t row = (at - r.first) / r.symbol_size,
                       column = (at - r.first) % r.symbol_size;
        const auto n = static_cast<size_t>(std::min(end - at, r.symbol_size - column));
        add_product(e.sum.data() + column, bytes.data() + (at - offset), n,
                    e.coefficients[static_cast<size_t>(row)]);
        e.missing -= n;
        at += n;
    }
}

// -- Repair symbols ----------------------------------------------------------------------

void Decoder::drop(size_t i) {
    const auto at = equations_.begin() + static_cast<std::ptrdiff_t>(i);
    std::rotate(at, at + 1, equations_.begin() + static_cast<std::ptrdiff_t>(count_));
    count_--;
}

void Decoder::drop_done() {
    for (size_t i = count_; i-- > 0;)
        if (equations_[i].missing == 0)
            drop(i);
}

// Symbols of another size, or cut elsewhere, do not go together: the newer ones count.
bool Decoder::fits_others(const Repair &r) {
    if (count_ == 0)
        return true;
    uint64_t newest = 0;
    for (size_t i = 0; i < count_; i++) {
        if (equations_[i].repair == r)
            return false;
        newest = std::max(newest, equations_[i].repair.end());
    }
    const Repair &o = equations_[0].repair;
    if (o.symbol_size == r.symbol_size && o.first % o.symbol_size == r.first % r.symbol_size)
        return true;
    if (r.end() >= newest)
        count_ = 0;
    return count_ == 0;
}

void Decoder::on_repair(const Repair &r, Bytes symbol) {
    if (!valid(r.first, r.length, r.symbol_size, symbol.size()))
        return;
    if (history_.empty())
        end_ = r.end();
    history_.grow(capacity_for(r), floor(), end_);
    largest_sum_ = std::max(largest_sum_, r.size());
    advance(r.end());
    if (r.first < floor() || !fits_others(r))
        return;
    while (count_ >= most_equations(history_.capacity(), largest_sum_))
        drop(0);
    add_equation(r, symbol);
    late_attempts_ = kLateAttempts;
    solve();
}

void Decoder::add_equation(const Repair &r, Bytes symbol) {
    if (equations_.size() == count_)
        equations_.emplace_back();
    Equation &e = equations_[count_++];
    e.repair = r;
    e.missing = r.length;
    coefficients(r.key, std::span(e.coefficients).first(r.symbols()));
    symbol = symbol.first(std::min(symbol.size(), r.size()));
    e.sum.assign(symbol.begin(), symbol.end());
    e.sum.resize(r.size());
    for (uint64_t at = r.first; at < r.end();) {
        const Range *k = known_.first_above(at);
        if (!k || k->start >= r.end())
            break;
        at = std::max(at, k->start);
        const Bytes b = history_.piece(at, std::min(k->end, r.end()) - at);
        take_out(e, at, b);
        at += b.size();
    }
}

// -- Solving -----------------------------------------------------------------------------

void Decoder::solve() {
    drop_done();
    while (count_ > 0 && !find_missing())
        drop(0);
    if (count_ == 0)
        return;
    cut_columns();
    for (size_t i = 0; i + 1 < cuts_.size(); i++) {
        find_unknowns(cuts_[i], cuts_[i + 1]);
        if (unknown_count_ > 0)
            solve_stretch(cuts_[i], cuts_[i + 1]);
    }
    drop_done();
}

// The ranges that are missing in the windows. False: too many for the solver.
bool Decoder::find_missing() {
    base_ = equations_[0].repair.first;
    uint64_t end = 0;
    for (size_t i = 0; i < count_; i++) {
        base_ = std::min(base_, equations_[i].repair.first);
        end = std::max(end, equations_[i].repair.end());
    }
    const uint64_t size = equations_[0].repair.symbol_size;
    uint64_t in_a_column = 0; // at most
    missing_.clear();
    for_each_gap(known_, base_, end, [&](uint64_t a, uint64_t b) {
        in_a_column += (b - a + size - 1) / size;
        if (in_a_column <= kMaxUnknowns)
            missing_.push_back({a, b});
    });
    return in_a_column <= kMaxUnknowns;
}

// Into stretches in which each symbol is missing as a whole or not at all.
void Decoder::cut_columns() {
    const size_t size = equations_[0].repair.symbol_size;
    cuts_.assign({0, size});
    const auto cut = [&](uint64_t offset) {
        cuts_.push_back(static_cast<size_t>((offset - base_) % size));
    };
    for (const Range &m : missing_) {
        cut(m.start);
        cut(m.end);
    }
    for (size_t i = 0; i < count_; i++)
        cut(equations_[i].repair.end());
    std::sort(cuts_.begin(), cuts_.end());
    cuts_.erase(std::unique(cuts_.begin(), cuts_.end()), cuts_.end());
}

void Decoder::find_unknowns(size_t from, size_t to) {
    const uint64_t size = equations_[0].repair.symbol_size;
    unknown_count_ = 0;
    for (const Range &m : missing_) {
        const uint64_t first = base_ + from;
        uint64_t at = m.start <= first ? first : first + (m.start - first + size - 1) / size * size;
        for (; at + (to - from) <= m.end; at += size) {
            PLAIT_ASSERT(unknown_count_ < kMaxUnknowns);
            unknowns_[unknown_count_++] = at;
        }
    }
}

void Decoder::solve_stretch(size_t from, size_t to) {
    const size_t length = to - from;
    solver_.reset(count_, unknown_count_);
    for (size_t i = 0; i < count_; i++) {
        const Repair &r = equations_[i].repair;
        for (size_t u = 0; u < unknown_count_; u++)
            if (unknowns_[u] >= r.first && unknowns_[u] + length <= r.end())
                solver_.set(i, u,
                            equations_[i].coefficients[static_cast<size_t>(
                                (unknowns_[u] - r.first) / r.symbol_size)]);
    }
    solver_.eliminate();
    // To take one unknown out of the sums changes no other's combination of them: there its
    // coefficients add up to 0.
    for (size_t u = 0; u < unknown_count_; u++) {
        const uint8_t *const factors = solver_.solution(u);
        if (!factors)
            continue;
        scratch_.assign(length, 0);
        for (size_t i = 0; i < count_; i++)
            if (const auto &sum = equations_[i].sum; from < sum.size())
                add_product(scratch_.data(), sum.data() + from, std::min(length, sum.size() - from),
                            factors[i]);
        learn(unknowns_[u], scratch_);
        fresh_.add(unknowns_[u], unknowns_[u] + length);
    }
}

// -- What was brought back ---------------------------------------------------------------

// The end of the message that begins at `offset`, if its length is known.
bool Decoder::length_at(uint64_t offset, uint64_t &end) const {
    if (offset >= end_ || offset < floor() || !known_.contains(offset))
        return false;
    std::array<uint8_t, 8> head{history_.at(offset)};
    const size_t size = size_t{1} << (head[0] >> 6);
    if (!known_.covers(offset, offset + size))
        return false;
    for (size_t i = 1; i < size; i++)
        head[i] = history_.at(offset + i);
    end = offset + size + base::Reader(Bytes(head).first(size)).varint();
    return true;
}

// The message that the byte at `offset` belongs to, by walking from the last start that is known.
bool Decoder::message_of(uint64_t offset, uint64_t &start, uint64_t &end) {
    const auto above = std::upper_bound(starts_.begin(), starts_.end(), offset);
    if (above != starts_.begin())
        start = *(above - 1);
    else if (floor() == 0)
        start = 0; // a channel begins with a message
    else
        return false;
    for (int i = 0; i < kMessageSteps && length_at(start, end); i++) {
        if (end > offset)
            return true;
        start = end;
        add_start(start);
    }
    return false;
}

bool Decoder::next(Recovered &out) {
    for (size_t i = 0; i < fresh_.count(); i++) {
        const Range r = fresh_[i];
        uint64_t start = 0, end = r.end;
        const bool placed = content_ != Content::kBytes && message_of(r.start, start, end);
        if (!placed && content_ == Content::kStarts)
            continue; // when what is before it is known
        end = placed ? std::min(end, r.end) : r.end;
        out.offset = r.start;
        out.bytes = history_.piece(r.start, end - r.start);
        out.start = placed && start == r.start;
        out.new_message = placed && start != last_message_;
        if (placed)
            last_message_ = start;
        fresh_.remove(r.start, r.start + out.bytes.size());
        return true;
    }
    return false;
}

void Decoder::check_invariants() const {
    PLAIT_ASSERT(known_.empty() || (known_.front().start >= floor() && known_.back().end <= end_));
    for (size_t i = 0; i < count_; i++) {
        const Equation &e = equations_[i];
        uint64_t missing = 0;
        for_each_gap(known_, e.repair.first, e.repair.end(),
                     [&](uint64_t a, uint64_t b) { missing += b - a; });
        PLAIT_ASSERT(missing == e.missing && missing > 0);
        PLAIT_ASSERT(e.sum.size() == e.repair.size());
    }
}

} // namespace plait::fec
