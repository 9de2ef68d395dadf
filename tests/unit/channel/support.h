// SPDX-License-Identifier: Apache-2.0
// What the channel tests share: a side with its pools and budgets, frames carried by hand, and a
// seeded generator.
#pragma once

#include "channel/channel.h"
#include "channel/send_order.h"
#include "wire/read_frames.h"

#include "../cmocka.hpp"

#include <memory>
#include <string>
#include <vector>

namespace test {

using namespace plait;
using namespace plait::channel;

struct Random {
    uint64_t state;
    explicit Random(uint64_t seed) : state(seed * 0x9e3779b97f4a7c15u + 1) {}
    uint64_t next() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        return state * 0x2545f4914f6cdd1du;
    }
    uint64_t below(uint64_t n) { return (next() >> 11) % n; }
    bool chance(double p) { return static_cast<double>(next() >> 11) < p * 9007199254740992.0; }
};

inline constexpr Time kStart{1'000'000};
inline Time at_ms(uint64_t ms) {
    return kStart + base::millis(static_cast<int64_t>(ms));
}

struct Memory {
    Pools pools;
    NodeBudget node;
    ConnectionBudget budget;
    explicit Memory(uint64_t total = 64u << 20) : node(total), budget(node, total) {}
    ~Memory() {
        run_releases();
        assert_true(budget.used() == 0);
        assert_true(pools.in_use() == 0);
    }
    void run_releases() {
        auto due = std::move(pools.releases);
        pools.releases.clear();
        for (const Release &r : due)
            r();
    }
};

// A channel with its memory; a opens, z is opened.
struct Side {
    Memory memory;
    std::unique_ptr<Channel> channel;
    Channel *operator->() { return channel.get(); }
    Channel &operator*() { return *channel; }
};

struct Pair {
    Side a, z;
    explicit Pair(Config config, uint64_t window = 65536, uint64_t max_message = 16u << 20,
                  bool accept = true) {
        Setup s;
        s.number = {2};
        s.config = config;
        s.peer_window = window;
        s.peer_max_message = max_message;
        s.own_window = window;
        s.own_max_message = max_message;
        s.label = "test";
        a.channel = std::make_unique<Channel>(s, a.memory.pools, a.memory.budget);
        uint8_t bytes[128];
        base::Writer w(bytes);
        ControlSet set = 0;
        a->write_control(w, set);
        assert_true(set == control::kOpen);
        base::Reader r(w.written());
        assert_true(r.u8() == 0x11);
        wire::OpenFrame open;
        assert_true(wire::read(r, open));
        s.opened_here = false;
        s.config = from_open(open, Config{});
        s.peer_window = open.window;
        z.channel = std::make_unique<Channel>(s, z.memory.pools, z.memory.budget);
        if (!accept)
            return;
        assert_true(z->accept(config, kStart) == PLAIT_OK);
        a->on_control_acked(set);
        carry_control(z, a, kStart);
        a->take_events();
        z->take_events();
    }
    // All pending control frames of `from`, once and acknowledged at once. Returns which.
    static ControlSet carry_control(Side &from, Side &to, Time now) {
        ControlSet all = 0;
        while (from->pending_control()) {
            uint8_t bytes[256];
            base::Writer w(bytes);
            ControlSet set = 0;
            from->write_control(w, set);
            if (!set)
                break;
            assert_true(deliver(w.written(), *to, now) == PLAIT_OK);
            from->on_control_acked(set);
            all |= set & control::kKinds;
        }
        return all;
    }
    struct Handler {
        Channel &to;
        Time now;
        template <class F> Status on(const F &f) {
            if constexpr (requires { to.on(f, now); })
                return to.on(f, now);
            else
                return PLAIT_E_MALFORMED;
        }
    };
    static Status deliver(Bytes frames, Channel &to, Time now) {
        Handler h{to, now};
        return wire::read_frames(frames, h);
    }
    static Status deliver(const Segment &s, Channel &to, Time now) {
        std::vector<uint8_t> bytes(s.part[0].begin(), s.part[0].end());
        bytes.insert(bytes.end(), s.part[1].begin(), s.part[1].end());
        return to.on(wire::DataFrame{s.offset, bytes, s.fin, s.start}, now);
    }
    // All data that may go from one to the other, acknowledged at once.
    static void carry_data(Side &from, Side &to, Time now, size_t mtu = 1200) {
        Segment s;
        while (from->next_segment(mtu, now, s)) {
            assert_true(deliver(s, *to, now) == PLAIT_OK);
            from->on_acked(s.offset, s.length, s.fin);
        }
    }
    void carry_all(Time now) {
        for (int i = 0; i < 100; i++) {
            carry_control(a, z, now);
            carry_control(z, a, now);
            carry_data(a, z, now);
            carry_data(z, a, now);
            if (!a->wants_to_send(now) && !z->wants_to_send(now))
                return;
        }
    }
};

inline Result<size_t> send(Channel &c, std::string_view text, Time now = kStart) {
    const Bytes part = base::bytes_of(text);
    return c.send({&part, 1}, now);
}
inline Status status_of(const Result<size_t> &r) {
    return r.status();
}
inline std::string read(Channel &c, ReadInfo *info = nullptr, size_t room = 1u << 20) {
    std::string out(room, '\0');
    const auto r = c.read({reinterpret_cast<uint8_t *>(out.data()), out.size()}, info);
    if (!r)
        return std::string("<") + base::status_name(r.status()) + ">";
    out.resize(*r);
    return out;
}
inline std::string bytes_of(size_t n, char seed = 'a') {
    std::string s(n, '\0');
    for (size_t i = 0; i < n; i++)
        s[i] = static_cast<char>(seed + static_cast<char>(i * 7 % 26));
    return s;
}
inline std::string text(const Segment &s) {
    std::string out(base::text_of(s.part[0]));
    out += base::text_of(s.part[1]);
    return out;
}
inline Segment next(Channel &c, Time now = kStart, size_t max = 1200) {
    Segment s;
    assert_true(c.next_segment(max, now, s));
    return s;
}
inline bool same(std::string_view a, std::string_view b) {
    if (a == b)
        return true;
    print_error("\"%.*s\" is not \"%.*s\"\n", static_cast<int>(a.size() > 60 ? 60 : a.size()),
                a.data(), static_cast<int>(b.size() > 60 ? 60 : b.size()), b.data());
    return false;
}

} // namespace test
