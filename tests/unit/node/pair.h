// SPDX-License-Identifier: Apache-2.0
// Two nodes, `a` and `z`, joined by perfect wires with a fixed delay, under a virtual clock: the
// smallest world in which a node does something. The simulator (tests/sim) has the real ones.
#pragma once

#include "crypto/init.h"
#include "node/node.h"

#include <deque>
#include <functional>
#include <vector>

namespace plait::test {

struct CountingEntropy final : base::Entropy {
    explicit CountingEntropy(uint64_t seed) : state(seed) {}
    void fill(MutBytes out) override {
        for (uint8_t &b : out) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            b = static_cast<uint8_t>(state >> 56);
        }
    }
    uint64_t state;
};

inline plait_addr address(const char *name) {
    plait_addr a{};
    a.len = static_cast<uint8_t>(std::strlen(name));
    std::memcpy(a.b, name, a.len);
    return a;
}

class Pair;

struct Side final : node::Output {
    Side(Pair &p, uint64_t seed, node::Config config);
    uint32_t send(EndpointIndex endpoint, std::span<const plait_datagram> v) override;
    uint64_t queued_bytes(EndpointIndex) override { return 0; }
    uint64_t open(const char *cls, uint32_t mtu = 1400);

    Pair &pair;
    CountingEntropy entropy;
    node::Node node;
    std::vector<plait_event> events;
    std::vector<bool> full; // endpoints that take nothing
    uint64_t sent = 0;
    uint32_t opened = 0; // endpoints
    uint32_t turns = 0;  // timers that fired
};

class Pair {
  public:
    explicit Pair(node::Config of_a = {}, node::Config of_z = {})
        : a(*this, 1, std::move(of_a)), z(*this, 2, std::move(of_z)) {
        node::AcceptConfig accept;
        accept.listening = true;
        z.node.listen(accept);
    }
    // Runs until `until` or for `limit`; whether it held.
    template <class F> bool run(F &&until, Duration limit = base::seconds(10)) {
        const Time end = now + limit;
        for (int steps = 0; steps < 2'000'000; steps++) {
            for (Side *s : {&a, &z}) {
                s->node.drain(now, *s);
                plait_event ev[16];
                while (const size_t n = s->node.take_events(ev, now))
                    s->events.insert(s->events.end(), ev, ev + n);
                s->node.drain(now, *s);
            }
            if (until())
                return true;
            a.node.drain(now, a);
            z.node.drain(now, z);
            Time next = std::min(a.node.deadline(), z.node.deadline());
            for (const Flight &f : flights)
                next = std::min(next, f.at);
            if (next > end)
                return false;
            now = std::max(now, next);
            deliver();
            for (Side *s : {&a, &z})
                if (s->node.deadline() <= now) {
                    s->node.on_timer(now);
                    s->turns++;
                }
        }
        return false;
    }
    // Datagrams of endpoint `index` get lost from now on.
    void cut(uint32_t index, bool broken = true) {
        if (cuts.size() <= index)
            cuts.resize(index + 1);
        cuts[index] = broken;
    }
    void carry(Side &from, EndpointIndex endpoint, const plait_datagram &d) {
        if (endpoint.v < cuts.size() && cuts[endpoint.v])
            return;
        const size_t step = d.segment ? d.segment : d.len;
        for (size_t i = 0; i < d.len; i += step) {
            std::vector<uint8_t> bytes(d.data + i, d.data + std::min<size_t>(i + step, d.len));
            if (!watch || watch(from, endpoint, bytes))
                flights.push_back({now + delay, &from == &a ? &z : &a, endpoint,
                                   address(&from == &a ? "a" : "z"), bytes});
        }
    }
    // A datagram out of nowhere.
    void inject(Side &to, EndpointIndex endpoint, const char *from, std::vector<uint8_t> bytes) {
        flights.push_front({now, &to, endpoint, address(from), std::move(bytes)});
    }
    // Sees every datagram on its way; false: it is lost.
    std::function<bool(Side &from, EndpointIndex, std::vector<uint8_t> &)> watch;

    Duration delay = base::millis(5);
    Time now{1'000'000};
    Side a, z;

  private:
    struct Flight {
        Time at;
        Side *to;
        EndpointIndex endpoint;
        plait_addr from;
        std::vector<uint8_t> bytes;
    };
    void deliver() {
        while (!flights.empty() && flights.front().at <= now) {
            Flight f = std::move(flights.front());
            flights.pop_front();
            if (f.endpoint.v >= f.to->opened)
                continue; // there is nobody
            plait_datagram d{};
            d.data = f.bytes.data();
            d.len = static_cast<uint32_t>(f.bytes.size());
            d.peer = &f.from;
            f.to->node.receive(f.endpoint, {&d, 1}, now);
        }
    }
    std::deque<Flight> flights;
    std::vector<bool> cuts;
};

inline crypto::Identity identity_of(base::Entropy &e) {
    (void)crypto::init();
    auto identity = crypto::Identity::generate(e);
    return std::move(identity).value();
}

inline Side::Side(Pair &p, uint64_t seed, node::Config config)
    : pair(p), entropy(seed),
      node(std::move(config), identity_of(entropy), entropy, Time{1'000'000}) {}

inline uint32_t Side::send(EndpointIndex endpoint, std::span<const plait_datagram> v) {
    if (endpoint.v < full.size() && full[endpoint.v])
        return 0;
    for (const plait_datagram &d : v) {
        sent += d.len;
        pair.carry(*this, endpoint, d);
    }
    return static_cast<uint32_t>(v.size());
}

inline uint64_t Side::open(const char *cls, uint32_t mtu) {
    opened++;
    link::EndpointInfo info;
    info.transport_class = cls;
    info.mtu = mtu;
    info.gso = true;
    info.run_bytes = 65000;
    info.run_segments = 64;
    return *node.add_endpoint(info);
}

inline bool has(const Side &s, uint32_t type) {
    for (const plait_event &e : s.events)
        if (e.type == type)
            return true;
    return false;
}
inline plait_event event_of(const Side &s, uint32_t type) {
    for (const plait_event &e : s.events)
        if (e.type == type)
            return e;
    return {};
}

// A connection dialed by `a`.
struct Connected : Pair {
    Connected() {
        ea = a.open("udp");
        ez = z.open("udp");
        const crypto::NodeId id = z.node.id();
        ca = *a.node.connect(&id, ea, address("z"), {}, now);
    }
    bool connect() {
        return run([&] { return has(a, PLAIT_EVENT_CONNECTED) && has(z, PLAIT_EVENT_CONNECTED); });
    }
    // Opens a channel at `a`, accepts it at `z`.
    bool open(const channel::Config &config) {
        ch = *a.node.open_channel(ca, "test", config, now);
        if (!run([&] { return has(z, PLAIT_EVENT_CHANNEL_REQUEST); }))
            return false;
        zh = event_of(z, PLAIT_EVENT_CHANNEL_REQUEST).channel;
        return z.node.accept_channel(zh, nullptr, now) == PLAIT_OK;
    }
    uint64_t ea, ez, ca, ch = 0, zh = 0;
};

} // namespace plait::test
