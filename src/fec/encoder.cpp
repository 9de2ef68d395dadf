// SPDX-License-Identifier: Apache-2.0
#include "fec/encoder.h"

#include "base/assert.h"
#include "fec/coefficients.h"
#include "fec/gf256.h"

#include <algorithm>

namespace plait::fec {

namespace {
constexpr size_t kRounding = 16;      // of a symbol's size, so that it seldom changes
constexpr uint32_t kPlanEvery = 16;   // packets
constexpr uint32_t kShrinkEvery = 64; // packets
constexpr int64_t kAccountMax = 4;    // repairs that may be owed
constexpr Duration kQuietMin = base::millis(1), kQuietMax = base::millis(10);
} // namespace

Encoder::Encoder(const Options &options) : options_(options) {
    options_.symbols = std::min(options_.symbols, kMaxSymbols);
    options_.share = std::min(options_.share, kShareMax);
    options_.window_max = std::min(options_.window_max, kMaxWindowBytes);
    PLAIT_ASSERT(options_.window_max > 0);
}

// One size for all of the channel's packets: the largest of late.
void Encoder::fit_symbol(size_t length) {
    const auto rounded = [&](size_t n) {
        return std::min<size_t>((n + kRounding - 1) / kRounding * kRounding, options_.window_max);
    };
    largest_ = std::max(largest_, length);
    if (length > symbol_size_)
        symbol_size_ = rounded(length);
    if (count_ % kShrinkEvery != kShrinkEvery - 1)
        return;
    if (rounded(largest_) < symbol_size_ * 3 / 4)
        symbol_size_ = rounded(largest_);
    largest_ = 0;
}

void Encoder::note_gap(Time now, const Path &path) {
    if (begun_)
        gap_ = (gap_ * 15 + std::min(now - last_, path.slack)) / 16;
    last_ = now;
    if (count_ % kPlanEvery == 0) {
        plan_ = plan(path.loss, path.slack, gap_);
        if (options_.symbols)
            plan_.symbols = options_.symbols;
        if (options_.share)
            plan_.share = options_.share;
    }
    quiet_ = std::clamp(path.slack / 4, kQuietMin, kQuietMax);
}

// Bytes of the window at most: whole symbols.
uint64_t Encoder::room_for() const {
    return std::min<uint64_t>(plan_.symbols, options_.window_max / symbol_size_) * symbol_size_;
}

void Encoder::slide() {
    const uint64_t room = room_for();
    if (end_ - start_ > room)
        start_ += (end_ - start_ - room + symbol_size_ - 1) / symbol_size_ * symbol_size_;
}

void Encoder::on_source(uint64_t offset, Bytes a, Bytes b, const Path &path, Time now) {
    const size_t length = a.size() + b.size();
    if (length == 0)
        return;
    if (length > std::min<uint64_t>(options_.window_max, kMaxSymbolSize))
        return leave_out();
    note_gap(now, path);
    fit_symbol(length);
    if (offset != end_ || history_.empty())
        start_ = end_ = fresh_from_ = offset; // something was left out, or this is the beginning
    if (!begun_) {
        // The first packet is repaired at once: so the peer learns that it is to keep what comes.
        account_ = static_cast<int64_t>(symbol_size_) * kShareOne;
        begun_ = true;
    }
    history_.grow(static_cast<size_t>(end_ + length - start_), start_, end_);
    history_.put(offset, a);
    history_.put(offset + a.size(), b);
    end_ += length;
    slide();
    count_++;
    account_ += static_cast<int64_t>(length) * plan_.share;
    settle_account();
    // Nothing is waited for where it is known that nothing follows so soon.
    const bool sparse = gap_ >= quiet_;
    due_ |= sparse && account_ > 0;
    quiet_at_ = !due_ && account_ > 0 ? now + quiet_ : kNever;
}

void Encoder::settle_account() {
    const auto price = static_cast<int64_t>(std::min<uint64_t>(symbol_size_, end_ - start_));
    account_ = std::min(account_, kAccountMax * price * kShareOne);
    due_ = end_ > start_ && account_ >= price * kShareOne;
}

void Encoder::on_timer(Time now) {
    if (quiet_at_ > now)
        return;
    quiet_at_ = kNever;
    due_ = fresh_from_ < end_;
}

Repair Encoder::next(size_t room) {
    PLAIT_ASSERT(due_ && room > 0);
    symbol_size_ = std::min(symbol_size_, room);
    slide();
    const Repair r{start_, end_ - start_, symbol_size_, key_++};
    account_ -= static_cast<int64_t>(r.size()) * kShareOne;
    fresh_from_ = end_;
    quiet_at_ = kNever;
    settle_account();
    return r;
}

void Encoder::encode(const Repair &r, MutBytes symbol) const {
    PLAIT_ASSERT(symbol.size() == r.size() && r.symbols() <= kMaxSymbols);
    std::array<uint8_t, kMaxSymbols> c;
    coefficients(r.key, std::span(c).first(r.symbols()));
    std::fill(symbol.begin(), symbol.end(), uint8_t{0});
    for (uint64_t at = r.first; at < r.end();) {
        const uint64_t column = (at - r.first) % r.symbol_size;
        const uint64_t row_end = std::min(at - column + r.symbol_size, r.end());
        const Bytes b = history_.piece(at, row_end - at);
        add_product(symbol.data() + column, b.data(), b.size(),
                    c[static_cast<size_t>((at - r.first) / r.symbol_size)]);
        at += b.size();
    }
}

void Encoder::leave_out() {
    due_ = false;
    quiet_at_ = kNever;
    account_ = std::min<int64_t>(account_, 0);
    fresh_from_ = end_;
}

void Encoder::release() {
    leave_out();
    history_.release();
}

} // namespace plait::fec
