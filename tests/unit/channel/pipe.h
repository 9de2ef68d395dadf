// SPDX-License-Identifier: Apache-2.0
// Two channels over a bad line, in virtual time: packets are lost, doubled, delayed and overtaken,
// acknowledgements too, so that losses are also declared of what has arrived. And an application on
// each side whose checker knows what the axes let it see.
#pragma once

#include "support.h"

#include <cstdio>
#include <queue>

namespace test {

struct Line {
    double loss = 0, duplicate = 0, ack_loss = 0, suspect = 0, copy = 0;
    int64_t delay_us = 10'000, jitter_us = 20'000;
    int64_t declared_us = 80'000; // after so long without an ACK it is called lost
    size_t mtu = 500, in_flight = 40;
};

// What an application sends, and what its peer may see of it.
class Stream {
  public:
    Stream(Config config, uint64_t seed) : config_(config), seed_(seed) {}

    struct Item {
        uint64_t offset, size, end;
        Time sent;
        bool delivered = false;
    };
    uint8_t byte(uint64_t offset) const {
        return static_cast<uint8_t>((offset * 0x9e3779b97f4a7c15u + seed_) >> 56);
    }
    std::vector<uint8_t> content(uint64_t offset, size_t n) const {
        std::vector<uint8_t> out(n);
        for (size_t i = 0; i < n; i++)
            out[i] = byte(offset + i);
        return out;
    }
    // The application gave `n` bytes, which the channel put at [offset, end).
    void given(uint64_t offset, uint64_t n, uint64_t end, Time now) {
        items_.push_back({offset, n, end, now});
        end_ = end;
        count_.resize(end_, 0);
        seen_.resize(end_, false);
    }
    // A packet carried [offset, offset + length).
    void transmitted(uint64_t offset, uint64_t length, Time now) {
        for (uint64_t i = offset; i < offset + length; i++)
            if (++count_[i] > most())
                fail("sent more often than the axes let");
        if (!config_.deadlines())
            return;
        for (size_t i = find(offset); i < items_.size() && items_[i].offset < offset + length; i++)
            if (now >=
                items_[i].sent + base::micros(static_cast<int64_t>(config_.resend_parameter)))
                fail("sent after its deadline");
    }
    // The peer's application read this.
    void delivered(const ReadInfo &info, Bytes bytes) {
        if (config_.messages)
            delivered_message(info, bytes);
        else
            delivered_bytes(info, bytes);
        gap_bytes += info.gap_bytes;
        gap_messages += info.gap_messages;
        position_ = info.offset;
    }
    // After the end was read.
    void finished(const Stats &sender, const Stats &receiver) {
        uint64_t missing = 0, missing_bytes = 0;
        for (const Item &i : items_)
            if (config_.messages && !i.delivered) {
                missing++;
                missing_bytes += i.end - i.offset;
            }
        if (!config_.messages)
            for (const bool s : seen_)
                missing_bytes += s ? 0 : 1;
        if (config_.reliable() && missing_bytes)
            fail("something of a reliable channel is missing");
        if (missing_bytes != receiver.bytes_missing)
            fail("the gaps are not what is missing");
        if (config_.messages && !config_.waits() && missing != receiver.messages_missing)
            fail("the messages in the gaps are not those that are missing");
        if (config_.on_loss == wire::OnLoss::kTell && gap_bytes != missing_bytes)
            fail("the reader was not told of each gap");
        if (config_.messages && !config_.waits() && missing > sender.messages_lost)
            fail("a message is missing that was not given up");
        if (config_.resend == wire::Resend::kNever && sender.bytes_resent)
            fail("never is never");
    }
    const std::string &error() const { return error_; }
    void fail(const char *why) {
        if (error_.empty())
            error_ = why;
    }
    uint64_t gap_bytes = 0, gap_messages = 0, received = 0;
    std::vector<Item> &items() { return items_; }

  private:
    uint32_t most() const {
        switch (config_.resend) {
        case wire::Resend::kNever: return 1;
        case wire::Resend::kAtMost: return 1 + static_cast<uint32_t>(config_.resend_parameter);
        default: return 1u << 30;
        }
    }
    size_t find(uint64_t offset) const {
        size_t lo = 0, hi = items_.size();
        while (lo < hi) {
            const size_t mid = (lo + hi) / 2;
            if (items_[mid].end <= offset)
                lo = mid + 1;
            else
                hi = mid;
        }
        return lo;
    }
    void delivered_message(const ReadInfo &info, Bytes bytes) {
        received++;
        const size_t i = find(info.offset);
        if (i == items_.size() || items_[i].offset != info.offset || items_[i].size != bytes.size())
            return fail("a message that was never sent");
        Item &it = items_[i];
        if (it.delivered)
            return fail("a message twice");
        it.delivered = true;
        for (size_t n = 0; n < bytes.size(); n++)
            if (bytes[n] != byte(it.offset + n))
                return fail("a message's bytes are wrong");
        if (config_.ordered() && received > 1 && info.offset <= position_)
            fail("a message out of order");
    }
    void delivered_bytes(const ReadInfo &info, Bytes bytes) {
        received += bytes.size();
        if (info.offset + bytes.size() > end_)
            return fail("bytes that were never sent");
        if (config_.ordered() && info.offset < next_)
            return fail("bytes out of order");
        if (config_.reliable() && config_.ordered() && info.offset != next_)
            return fail("a hole in a reliable stream");
        next_ = info.offset + bytes.size();
        for (size_t n = 0; n < bytes.size(); n++) {
            if (seen_[info.offset + n])
                return fail("a byte twice");
            seen_[info.offset + n] = true;
            if (bytes[n] != byte(info.offset + n))
                return fail("a byte is wrong");
        }
    }
    Config config_;
    uint64_t seed_, end_ = 0, next_ = 0, position_ = 0;
    std::vector<Item> items_;
    std::vector<uint32_t> count_;
    std::vector<bool> seen_;
    std::string error_;
};

class World {
  public:
    World(Config config, Line line, uint64_t seed, uint64_t window = 16384)
        : config_(config), line_(line), random_(seed),
          pair_(windowed(config, window), window), stream_{Stream(config, seed),
                                                           Stream(config, seed + 1)} {
        pair_.a.memory.budget.set_bdp(65536);
        pair_.z.memory.budget.set_bdp(65536);
        for (Side *s : {&pair_.a, &pair_.z})
            s->memory.budget.set_srtt(base::millis(30));
    }
    // Sends `count` items a side and runs until all has ended. The error, or nothing.
    std::string run(uint64_t count) {
        left_[0] = count;
        left_[1] = config_.one_way ? 0 : count;
        const Time heal = kStart + base::seconds(20), stop = kStart + base::seconds(200);
        at(kStart, Kind::kApplication, 0);
        at(kStart, Kind::kApplication, 1);
        while (!events_.empty() && error_.empty()) {
            const Event e = events_.top();
            events_.pop();
            now_ = e.time;
            if (now_ > heal)
                line_.loss = line_.ack_loss = line_.duplicate = 0;
            if (now_ > stop)
                return "it does not end" + where();
            handle(e);
            if (stream_[0].error().size())
                return stream_[0].error();
            if (stream_[1].error().size())
                return stream_[1].error();
            if (pair_.a->done() && pair_.z->done())
                break;
        }
        if (!error_.empty())
            return error_;
        if (!pair_.a->done() || !pair_.z->done())
            return "stuck" + where();
        return closing_checks();
    }
    Pair &pair() { return pair_; }
    Time now() const { return now_; }
    Stream &stream(int side) { return stream_[side]; }
    bool lazy_reader = false;
    bool may_close = false; // on loss: close
    bool closed = false;

  private:
    enum class Kind { kApplication, kArrive, kAck, kLost, kSuspect, kTimer };
    struct Event {
        Time time;
        uint64_t order;
        Kind kind;
        size_t what;
        bool operator<(const Event &o) const {
            return time != o.time ? time > o.time : order > o.order;
        }
    };
    struct Sent {
        uint64_t offset, length;
        bool fin;
    };
    struct Packet {
        int from;
        std::vector<uint8_t> frames;
        ControlSet set = 0;
        std::vector<Sent> data;
        bool acked = false, lost = false;
    };
    static Config windowed(Config c, uint64_t window) {
        c.window = window;
        return c;
    }
    void at(Time t, Kind k, size_t what) { events_.push({t, order_++, k, what}); }
    Side &side(int i) { return i == 0 ? pair_.a : pair_.z; }

    void handle(const Event &e) {
        int touched[2] = {static_cast<int>(e.what), -1};
        switch (e.kind) {
        case Kind::kApplication: application(static_cast<int>(e.what)); break;
        case Kind::kTimer:
            if (side(static_cast<int>(e.what))->deadline() <= now_)
                note(side(static_cast<int>(e.what))->on_timer(now_));
            break;
        case Kind::kArrive:
            touched[0] = 1 - packets_[e.what].from;
            arrive(e.what);
            break;
        case Kind::kAck:
            touched[0] = packets_[e.what].from;
            acked(e.what);
            break;
        case Kind::kLost:
            touched[0] = packets_[e.what].from;
            lost(e.what);
            break;
        case Kind::kSuspect:
            touched[0] = packets_[e.what].from;
            suspect(e.what);
            break;
        }
        pair_.a->check_invariants();
        pair_.z->check_invariants();
        settle(touched[0]);
    }
    void note(Status s) {
        if (s != PLAIT_OK && error_.empty())
            error_ = base::status_name(s);
    }
    // Everything that the mutation made due.
    void settle(int i) {
        Channel &c = *side(i);
        const EventSet events = c.take_events();
        writable_[i] |= (events & event::kWritable) != 0;
        if ((events & event::kPeerReset) && !may_close)
            error_ = "reset";
        if (events & (event::kPeerReset | event::kPeerStopped))
            closed = true;
        if (events & (event::kReadable | event::kEnd | event::kPeerReset))
            read(i);
        if (waiting_[i] && writable_[i])
            application(i);
        pump(i);
        if (c.deadline() != kNever && c.deadline() != timer_[i]) {
            timer_[i] = c.deadline();
            at(std::max(timer_[i], now_ + base::micros(1)), Kind::kTimer, static_cast<size_t>(i));
        }
        if (c.has_events())
            settle(i);
    }
    void application(int i) {
        Channel &c = *side(i);
        waiting_[i] = false;
        if (lazy_reader)
            read(i);
        for (int burst = 0; burst < 4 && left_[i] > 0 && send_one(i); burst++)
            left_[i]--;
        if (left_[i] == 0 && c.send_state() == SendState::kOpen && !finished_[i]) {
            note(c.finish(now_));
            finished_[i] = true;
        }
        pump(i);
        if ((left_[i] > 0 && !waiting_[i]) || lazy_reader)
            at(now_ + base::micros(static_cast<int64_t>(random_.below(30'000))), Kind::kApplication,
               static_cast<size_t>(i));
    }
    bool send_one(int i) {
        Channel &c = *side(i);
        Stream &s = stream_[i];
        static constexpr size_t kSizes[] = {0, 1, 62, 63, 64, 300, 1400, 4000, 9000};
        const size_t n = random_.chance(0.5) ? kSizes[random_.below(9)] : random_.below(700);
        const uint64_t offset = c.written();
        const auto content = s.content(offset, n);
        Status status = PLAIT_OK;
        size_t taken = n;
        const uint64_t way = random_.below(3);
        if (way == 0 && n > 0) {
            const auto room = c.reserve(n);
            status = room.status();
            if (room.ok()) {
                std::memcpy(room->data(), content.data(), n);
                status = c.commit(n, now_);
            }
        } else if (way == 1 && n > 0) {
            auto *copy = new std::vector<uint8_t>(content);
            status = c.send_owned(*copy, release, copy, now_);
            if (status != PLAIT_OK)
                delete copy;
        } else {
            const Bytes parts[2] = {Bytes(content).first(n / 3), Bytes(content).subspan(n / 3)};
            const auto r = c.send(parts, now_);
            status = r.status();
            taken = r.ok() ? *r : 0;
        }
        if (status == PLAIT_E_AGAIN) {
            waiting_[i] = true;
            writable_[i] = false;
            return false;
        }
        if (status != PLAIT_OK) {
            if (!closed && c.send_state() == SendState::kOpen)
                note(status);
            left_[i] = 0;
            return false;
        }
        if (taken > 0 || config_.messages)
            s.given(offset, taken, c.written(), now_);
        return true;
    }
    static void release(void *user, const void *data, size_t len) {
        auto *v = static_cast<std::vector<uint8_t> *>(user);
        assert_true(v->data() == data && v->size() == len);
        delete v;
    }
    void read(int i) {
        Channel &c = *side(i);
        Stream &s = stream_[1 - i];
        uint8_t buffer[16384];
        ReadInfo info;
        for (int n = 0; n < (lazy_reader ? 3 : 1 << 30); n++) {
            if (random_.chance(0.3) && peek(c, s))
                continue;
            const size_t room = config_.messages ? sizeof buffer : 1 + random_.below(sizeof buffer);
            const auto r = c.read({buffer, room}, &info);
            if (r.ok()) {
                s.delivered(info, {buffer, *r});
                continue;
            }
            if (r.status() == PLAIT_E_END) {
                s.gap_bytes += info.gap_bytes;
                s.gap_messages += info.gap_messages;
            }
            return;
        }
    }
    bool peek(Channel &c, Stream &s) {
        Bytes slices[16];
        ReadInfo info;
        const auto r = c.peek(slices, &info);
        if (!r.ok())
            return false;
        std::vector<uint8_t> all;
        for (size_t i = 0; i < *r; i++)
            all.insert(all.end(), slices[i].begin(), slices[i].end());
        if (!config_.messages && all.size() > 1)
            all.resize(1 + random_.below(all.size()));
        s.delivered(info, all);
        note(c.consume(all.size()));
        return true;
    }

    // -- The line ------------------------------------------------------------------------
    void pump(int i) {
        Channel &c = *side(i);
        while (outstanding_[i] < line_.in_flight && c.wants_to_send(now_)) {
            Packet p;
            p.from = i;
            p.frames.resize(line_.mtu);
            base::Writer w(p.frames);
            c.write_control(w, p.set);
            Segment s;
            while (w.left() > 30 &&
                   c.next_segment(std::min<size_t>(w.left() - 20, 1 + random_.below(line_.mtu)),
                                  now_, s)) {
                write_data(w, s);
                stream_[i].transmitted(s.offset, s.length, now_);
                p.data.push_back({s.offset, s.length, s.fin});
            }
            if (w.size() == 0)
                return;
            p.frames.resize(w.size());
            const bool copy = random_.chance(line_.copy) && !p.data.empty();
            transmit(p);
            if (copy) { // on a second link at the same time: the data alone
                for (const Sent &d : p.data)
                    c.on_copy(d.offset, d.length);
                p.set = 0;
                transmit(p);
            }
        }
    }
    void write_data(base::Writer &w, const Segment &s) {
        std::vector<uint8_t> bytes(s.part[0].begin(), s.part[0].end());
        bytes.insert(bytes.end(), s.part[1].begin(), s.part[1].end());
        if (bytes.size() != s.length)
            error_ = "a segment's parts are not its length";
        // The room before it can be used and put back.
        if (s.writable_headroom >= 8) {
            auto *before = const_cast<uint8_t *>(s.part[0].data()) - 8;
            uint8_t saved[8];
            std::memcpy(saved, before, 8);
            std::memset(before, 0xee, 8);
            std::memcpy(before, saved, 8);
        }
        wire::write(w, wire::DataFrame{s.offset, bytes, s.fin, s.start}, true);
    }
    Time later() {
        return now_ +
               base::micros(line_.delay_us + static_cast<int64_t>(random_.below(
                                                 static_cast<uint64_t>(line_.jitter_us) + 1)));
    }
    void transmit(const Packet &p) {
        const size_t id = packets_.size();
        packets_.push_back(p);
        outstanding_[p.from]++;
        if (!random_.chance(line_.loss))
            at(later(), Kind::kArrive, id);
        if (random_.chance(line_.duplicate))
            at(later(), Kind::kArrive, id);
        if (random_.chance(line_.suspect))
            at(now_ + base::micros(line_.declared_us / 2), Kind::kSuspect, id);
        at(now_ + base::micros(line_.declared_us), Kind::kLost, id);
    }
    void arrive(size_t id) {
        const Packet &p = packets_[id];
        const Status s = Pair::deliver(p.frames, *side(1 - p.from), now_);
        if (s == PLAIT_E_AGAIN)
            return;
        note(s);
        if (!random_.chance(line_.ack_loss))
            at(later(), Kind::kAck, id);
    }
    void acked(size_t id) {
        Packet &p = packets_[id];
        if (p.acked)
            return;
        p.acked = true;
        Channel &c = *side(p.from);
        if (!p.lost) {
            outstanding_[p.from]--;
            if (p.set)
                c.on_control_acked(p.set);
        }
        for (const Sent &d : p.data)
            c.on_acked(d.offset, d.length, d.fin);
    }
    void lost(size_t id) {
        Packet &p = packets_[id];
        if (p.acked)
            return;
        p.lost = true;
        outstanding_[p.from]--;
        Channel &c = *side(p.from);
        if (p.set)
            c.on_control_lost(p.set);
        for (const Sent &d : p.data)
            c.on_lost(d.offset, d.length, d.fin, now_);
    }
    void suspect(size_t id) {
        const Packet &p = packets_[id];
        if (p.acked || p.lost)
            return;
        for (const Sent &d : p.data)
            side(p.from)->on_reinject(d.offset, d.length, d.fin, now_);
    }
    std::string where() {
        std::string s;
        for (int i = 0; i < 2; i++) {
            Channel &c = *side(i);
            char line[300];
            std::snprintf(line, sizeof line,
                          "; %c: %s/%s, written %llu queued %llu unacked %llu limit %llu, read "
                          "%llu unread %llu "
                          "limit %llu, pending %x",
                          i ? 'z' : 'a', to_string(c.send_state()), to_string(c.receive_state()),
                          static_cast<unsigned long long>(c.written()),
                          static_cast<unsigned long long>(c.queued()),
                          static_cast<unsigned long long>(c.unacked()),
                          static_cast<unsigned long long>(c.send_limit()),
                          static_cast<unsigned long long>(c.read_offset()),
                          static_cast<unsigned long long>(c.unread()),
                          static_cast<unsigned long long>(c.receive_limit()), c.pending_control());
            s += line;
        }
        return s;
    }
    std::string closing_checks() {
        for (int i = 0; i < 2; i++) {
            if (config_.one_way && i == 1)
                break;
            read(1 - i);
            Channel &to = *side(1 - i);
            if (to.receive_state() == ReceiveState::kEnded)
                stream_[i].finished(side(i)->stats(), to.stats());
            else if (!may_close)
                return "it did not come to an end";
            if (!stream_[i].error().empty())
                return stream_[i].error();
        }
        return error_;
    }

    Config config_;
    Line line_;
    Random random_;
    Pair pair_;
    Stream stream_[2];
    std::priority_queue<Event> events_;
    std::vector<Packet> packets_;
    uint64_t order_ = 0, left_[2] = {0, 0};
    size_t outstanding_[2] = {0, 0};
    bool waiting_[2] = {false, false}, writable_[2] = {false, false}, finished_[2] = {false, false};
    Time now_ = kStart, timer_[2] = {kNever, kNever};
    std::string error_;
};

} // namespace test
