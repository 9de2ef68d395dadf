// SPDX-License-Identifier: Apache-2.0
// One flow over one link in virtual time: LinkRecovery at the sender, ReceivedPackets at the
// receiver, a bottleneck of given rate, delay, queue and random loss between them.
#pragma once

#include "checked.hpp"

#include "recovery/link_recovery.h"

#include <algorithm>
#include <deque>
#include <memory>
#include <vector>

namespace flow {

using namespace plait;
using namespace plait::recovery;

struct Link {
    double rate = 2'500'000;           // bytes/s
    Duration delay = base::millis(20); // each way
    uint64_t queue = 100'000;          // bytes, tail drop
    double loss = 0;                   // of data packets
    double ack_loss = 0;
    uint64_t ecn_above = ~uint64_t{0}; // queue from which packets are marked
    bool ecn_cleared = false;          // the path loses marks of capability
    Duration jitter{};                 // of each packet, without reordering
    Duration ack_wait{};               // extra delay of the return path, changing at random
    uint64_t timer_us = 1;             // granularity of the sender's timers
};

struct Totals {
    uint64_t received = 0; // bytes
    uint64_t dropped = 0;  // packets, by the full queue
    uint64_t lost_at_random = 0;
    uint64_t queue_peak = 0;   // bytes
    double queue_integral = 0; // byte-seconds, sampled at each send
};

class Flow {
  public:
    Link link;
    LinkRecovery sender;
    ReceivedPackets receiver;
    Totals totals;
    Time now{1'000'000};
    bool up = true; // false: the link swallows everything, both ways
    bool has_data = true;
    Duration drip{}; // not 0: all there is to send is a small packet each such time
    Outcome outcome;
    uint64_t late = 0, persistent = 0;
    std::vector<uint32_t> waits; // us in the bottleneck, of each packet

    Flow(const Link &l, const LinkRecoveryConfig &config, uint64_t seed)
        : link(l), sender(config), dice_{seed} {}

    double seconds() const { return static_cast<double>(now.us) * 1e-6; }

    void run(Duration length) {
        const Time end = now + length;
        for (Time next = next_time(); next <= end; next = next_time())
            turn(next);
        now = end;
    }
    // For flows that run side by side (Crowd).
    Time next_time() {
        send_all();
        Time next = std::min({sender.timer(), wake_, receiver.ack_deadline()});
        if (!data_.empty())
            next = std::min(next, data_.front().at);
        if (!acks_.empty())
            next = std::min(next, acks_.front().at);
        return next;
    }
    void turn(Time at) {
        now = std::max(now, at);
        deliver();
        if (receiver.ack_due(now))
            send_ack();
        take_acks();
        if (sender.timer() <= now) {
            outcome.clear();
            if (sender.on_timer(now, outcome) == TimerVerdict::kPto)
                put(packet_size());
        }
    }
    // From now on the other one goes through this bottleneck too.
    void meet(Flow &other) { other.free_us_ = free_us_; }
    // Bytes received during `length`, as a share of what the link could carry.
    double share(Duration length) {
        const uint64_t before = totals.received;
        run(length);
        return static_cast<double>(totals.received - before) /
               (link.rate * static_cast<double>(length.us) * 1e-6);
    }
    uint64_t backlog() const {
        const double left_us = *free_us_ - static_cast<double>(now.us);
        return left_us > 0 ? static_cast<uint64_t>(left_us * 1e-6 * link.rate) : 0;
    }

  private:
    struct Packet {
        Time at;
        PacketNumber pn;
        uint32_t size;
        Ecn ecn;
    };
    struct Ack {
        Time at;
        std::vector<base::Range> ranges;
        Duration delay;
        uint32_t rx;
        EcnCounts ecn;
    };

    uint32_t packet_size() const { return static_cast<uint32_t>(sender.packet_size()); }

    void send_all() {
        wake_ = kNever;
        if (!has_data)
            return;
        if (drip.us)
            return send_drop();
        const Time ready = sender.send_time(now);
        if (ready > now) {
            if (sender.window_left() >= packet_size())
                wake_ = Time{(ready.us + link.timer_us - 1) / link.timer_us * link.timer_us};
            return;
        }
        size_t budget = sender.send_budget(now);
        if (const auto probe = sender.mtu().probe(now); probe && budget >= *probe)
            put(static_cast<uint32_t>(*probe), SentPacket::kMtuProbe);
        else if (probe)
            sender.mtu().on_probe_cancelled();
        for (budget = sender.send_budget(now); budget >= packet_size(); budget -= packet_size())
            put(packet_size());
        if (sender.window_left() >= packet_size())
            wake_ = std::max(sender.send_time(now), now + Duration{1});
    }

    // Little to send, and always room for more.
    void send_drop() {
        constexpr uint32_t kDrop = 100;
        if (now >= drop_at_ && sender.send_time(now) <= now && sender.send_budget(now) >= kDrop) {
            put(kDrop);
            drop_at_ = now + drip;
        }
        sender.on_app_limited();
        wake_ = std::max({drop_at_, sender.send_time(now), now + Duration{1}});
    }

    void put(uint32_t size, uint8_t extra = 0) {
        SentPacket p;
        p.size = size;
        p.flags = (SentPacket::kAckEliciting | SentPacket::kInFlight | extra) & 31;
        const Ecn mark = sender.ecn_mark();
        if (mark != Ecn::kNone)
            p.flags |= SentPacket::kEct;
        const PacketNumber pn = sender.next_packet_number();
        sender.on_sent(p, now);
        const uint64_t waiting = backlog();
        if (!up || size > 1472)
            return;
        if (waiting + size > link.queue) {
            totals.dropped++;
            return;
        }
        totals.queue_peak = std::max(totals.queue_peak, waiting + size);
        *free_us_ = std::max(*free_us_, static_cast<double>(now.us)) + size * 1e6 / link.rate;
        waits.push_back(static_cast<uint32_t>(*free_us_ - static_cast<double>(now.us)));
        if (dice_.chance(link.loss)) {
            totals.lost_at_random++;
            return;
        }
        Time at = Time{static_cast<uint64_t>(*free_us_)} + link.delay;
        if (link.jitter.us)
            at = at +
                 Duration{static_cast<int64_t>(dice_.below(static_cast<uint64_t>(link.jitter.us)))};
        if (!data_.empty())
            at = std::max(at, data_.back().at);
        const bool full = mark != Ecn::kNone && waiting > link.ecn_above;
        data_.push_back({at, pn, size, full ? Ecn::kCe : link.ecn_cleared ? Ecn::kNone : mark});
    }

    void deliver() {
        while (!data_.empty() && data_.front().at <= now) {
            const Packet p = data_.front();
            data_.pop_front();
            if (!up || receiver.is_duplicate(p.pn))
                continue;
            totals.received += p.size;
            receiver.set_srtt(link.delay * 2);
            receiver.on_received(p.pn, now, true, false, p.ecn);
            if (receiver.ack_due(now))
                send_ack();
        }
    }

    void send_ack() {
        Ack a;
        a.ranges.resize(ReceivedPackets::kMaxRanges);
        a.ranges.resize(receiver.fill(a.ranges));
        a.delay = receiver.ack_delay(now);
        a.rx = static_cast<uint32_t>(receiver.largest_received_time().us + 4'000'000'000u);
        a.ecn = receiver.ecn();
        receiver.on_ack_sent(a.ranges.size(), now);
        if (dice_.chance(link.ack_loss))
            return;
        a.at = now + link.delay;
        if (link.ack_wait.us) // a queue on the way back that comes and goes
            a.at =
                a.at + Duration{static_cast<int64_t>(now.us / 200'000 % 2 ? link.ack_wait.us : 0)};
        if (!acks_.empty())
            a.at = std::max(a.at, acks_.back().at);
        acks_.push_back(std::move(a));
    }

    void take_acks() {
        while (!acks_.empty() && acks_.front().at <= now) {
            const Ack a = std::move(acks_.front());
            acks_.pop_front();
            if (!up)
                continue;
            outcome.clear();
            AckInfo info{a.ranges, a.delay, a.rx, true, {}};
            if (a.ecn.any())
                info.ecn = a.ecn;
            if (sender.on_ack(info, now, outcome) != PLAIT_OK)
                std::abort();
            late += outcome.late_acked.size();
            persistent += outcome.persistent;
            if (!a.ranges.empty())
                receiver.on_ack_acked({a.ranges[0].end > 2000 ? a.ranges[0].end - 2000 : 0});
        }
    }

    Dice dice_;
    std::deque<Packet> data_;
    std::deque<Ack> acks_;
    // When the bottleneck has sent all it holds.
    std::shared_ptr<double> free_us_ = std::make_shared<double>(0);
    Time wake_ = kNever, drop_at_{};
};

// Flows that run at the same time.
class Crowd {
  public:
    void add(Flow &f) { flows_.push_back(&f); }
    void run(Duration length) {
        const Time end = flows_[0]->now + length;
        for (;;) {
            Flow *first = nullptr;
            Time at = end;
            for (Flow *f : flows_)
                if (const Time next = f->next_time(); next <= at && (!first || next < at)) {
                    first = f;
                    at = next;
                }
            if (!first)
                break;
            for (Flow *f : flows_)
                f->now = std::max(f->now, at);
            first->turn(at);
        }
        for (Flow *f : flows_)
            f->now = end;
    }

  private:
    std::vector<Flow *> flows_;
};

} // namespace flow
