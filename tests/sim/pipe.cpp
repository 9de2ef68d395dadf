// SPDX-License-Identifier: Apache-2.0
#include "pipe.h"

namespace plait::sim {

namespace {

Nanos time_on_line(uint64_t bytes, uint64_t rate) {
    return rate == 0
               ? 0
               : static_cast<Nanos>(static_cast<double>(bytes) * 1e9 / static_cast<double>(rate));
}

} // namespace

bool Queue::admit(Nanos now, size_t size, Nanos &departs, bool &marked) {
    const uint64_t waiting = backlog(now);
    if (limit_ != 0 && waiting + size > limit_ && waiting > 0)
        return false;
    marked = ecn_above_ != 0 && waiting > ecn_above_;
    busy_until_ = std::max(busy_until_, now) + time_on_line(size, rate_);
    departs = busy_until_;
    return true;
}

uint64_t Queue::backlog(Nanos now) const {
    if (rate_ == 0 || busy_until_ <= now)
        return 0;
    return static_cast<uint64_t>(static_cast<double>(busy_until_ - now) *
                                 static_cast<double>(rate_) / 1e9);
}

Nanos Queue::time_of_backlog(uint64_t bytes, Nanos now) const {
    const uint64_t waiting = backlog(now);
    return waiting <= bytes ? now : now + time_on_line(waiting - bytes, rate_) + 1;
}

void Queue::set_rate(uint64_t rate, Nanos now) {
    const uint64_t waiting = backlog(now);
    rate_ = rate;
    busy_until_ = now + time_on_line(waiting, rate);
}

bool Pipe::is_lost() {
    if (rng_.chance(bad_ ? model.bursts.end : model.bursts.begin))
        bad_ = !bad_;
    if (model.bursts.begin <= 0)
        bad_ = false;
    return (bad_ && rng_.chance(model.bursts.loss)) || rng_.chance(model.loss);
}

bool Pipe::is_policed(Nanos now, size_t size) {
    if (model.police_rate == 0)
        return false;
    tokens_ += static_cast<double>(now - tokens_at_) * static_cast<double>(model.police_rate) / 1e9;
    tokens_ = std::min(tokens_, static_cast<double>(model.police_burst));
    tokens_at_ = now;
    if (tokens_ < static_cast<double>(size))
        return true;
    tokens_ -= static_cast<double>(size);
    return false;
}

Nanos Pipe::arrival_after(Nanos departed) {
    Nanos at = departed + nanos(model.delay);
    if (model.jitter.us > 0)
        at += rng_.below(nanos(model.jitter));
    if (model.sleep.us > 0) {
        const Nanos phase = at % nanos(model.sleep_period);
        if (phase < nanos(model.sleep))
            at += nanos(model.sleep) - phase;
    }
    if (model.batch.us > 0) {
        const Nanos step = nanos(model.batch);
        at = (at + step - 1) / step * step;
    }
    if (rng_.chance(model.reorder))
        return at + rng_.below(nanos(model.reorder_by) + 1);
    if (model.keeps_order)
        at = std::max(at, last_arrival_);
    last_arrival_ = at;
    return at;
}

Pipe::Outcome Pipe::pass(Nanos now, size_t size, std::array<Arrival, 2> &out, size_t &count) {
    count = 0;
    counters_.datagrams++;
    counters_.bytes += size;
    if (model.cut) {
        counters_.cut++;
        return Outcome::kLost;
    }
    if (size > model.mtu) {
        counters_.too_big++;
        return Outcome::kTooBig;
    }
    if (is_lost() || is_policed(now, size)) {
        counters_.lost++;
        return Outcome::kLost;
    }
    Nanos departs = now;
    bool marked = false;
    if (!queue_->admit(now, size, departs, marked)) {
        counters_.dropped_by_queue++;
        return Outcome::kLost;
    }
    const size_t copies = rng_.chance(model.duplicate) ? 2 : 1;
    counters_.duplicated += copies - 1;
    for (; count < copies; count++) {
        out[count] = {arrival_after(departs), marked, rng_.chance(model.corrupt)};
        counters_.corrupted += out[count].corrupt;
        counters_.arrivals++;
    }
    return Outcome::kPassed;
}

} // namespace plait::sim
