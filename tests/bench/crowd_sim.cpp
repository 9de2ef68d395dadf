// SPDX-License-Identifier: Apache-2.0
// Many connections in one process, both ends, with nothing between the engines but a queue of
// datagrams: what an idle one holds, whether it costs time, and whether accepting one more and a
// packet on one of them cost the same, however many there are.
//
//     crowd_sim [--clients N] [--servers N]      each client connects to each server, one channel
//     crowd_sim --clients N --servers 1          also what one node with N connections spends on an
//                                                echo, over one of them and over each in turn
//
// There is one connection between two nodes, so that a million of them are 1,000 x 1,000 nodes.
#include "crypto/init.h"
#include "node/node.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <malloc.h>
#include <memory>
#include <time.h>
#include <utility>
#include <vector>

namespace plait {
namespace {

using base::millis;
using base::seconds;

constexpr int kEchoes = 20000;
constexpr uint32_t kAtOnce = 32; // datagrams of as many connections, as a busy node gets them
constexpr Duration kSilence = seconds(45); // until each has gone to sleep

// Seconds of this process's processor time: other work on the machine disturbs them less.
double cpu_time() {
    timespec t{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

struct CountingEntropy final : base::Entropy {
    explicit CountingEntropy(uint64_t seed) : state(seed * 0x9e3779b97f4a7c15) {}
    void fill(MutBytes out) override {
        for (uint8_t &b : out) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            b = static_cast<uint8_t>(state >> 56);
        }
    }
    uint64_t state;
};

crypto::Identity new_identity(base::Entropy &e) {
    auto identity = crypto::Identity::generate(e);
    return std::move(identity).value();
}

plait_addr address_of(uint32_t index) {
    plait_addr a{};
    a.len = 4;
    std::memcpy(a.b, &index, 4);
    return a;
}

node::Config large_config(uint32_t connections) {
    node::Config c;
    c.max_connections = connections + 1;
    c.receive_memory = uint64_t{1} << 40;
    c.idle_timeout = seconds(0);
    return c;
}

class Crowd;

struct Member final : node::Output {
    Member(Crowd &c, uint32_t i, uint32_t connections)
        : crowd(c), index(i), entropy(i + 1u),
          node(large_config(connections), new_identity(entropy), entropy, Time{1'000'000}) {
        link::EndpointInfo info;
        info.transport_class = "udp";
        info.mtu = 1400;
        endpoint = *node.add_endpoint(info);
        node::AcceptConfig accept;
        accept.listening = true;
        node.listen(accept);
    }
    uint32_t send(EndpointIndex, std::span<const plait_datagram> v) override;
    uint64_t queued_bytes(EndpointIndex) override { return 0; }

    Crowd &crowd;
    uint32_t index;
    CountingEntropy entropy;
    node::Node node;
    uint64_t endpoint = 0;
    std::vector<uint64_t> channels;
    uint64_t connected = 0, read = 0;
};

class Crowd {
  public:
    Crowd(uint32_t clients, uint32_t servers) : clients_(clients), servers_(servers) {
        for (uint32_t i = 0; i < clients + servers; i++)
            members_.push_back(std::make_unique<Member>(*this, i, std::max(clients, servers)));
    }
    void carry(uint32_t from, const plait_datagram &d) {
        uint32_t to;
        std::memcpy(&to, d.peer->b, 4);
        const size_t step = d.segment ? d.segment : d.len;
        for (size_t i = 0; i < d.len; i += step)
            flights_.push_back(
                {from, to, {d.data + i, d.data + std::min<size_t>(i + step, d.len)}});
    }

    void connect(uint32_t client, uint32_t server) {
        Member &a = *members_[client], &z = *members_[clients_ + server];
        const crypto::NodeId id = z.node.id();
        const auto c = a.node.connect(&id, a.endpoint, address_of(z.index), {}, now_);
        const size_t had = a.channels.size();
        a.channels.push_back(*a.node.open_channel(*c, "hold", channel::messages(), now_));
        run({&a, &z});
        if (a.connected != a.channels.size() || z.channels.size() != z.connected ||
            a.channels.size() != had + 1) {
            std::fprintf(stderr, "crowd_sim: not connected\n");
            std::exit(1);
        }
    }

    // Time passes, and whatever wants to be called then is.
    uint64_t pass(Duration silence) {
        uint64_t turns = 0;
        const Time end = now_ + silence;
        for (const auto &m : members_) {
            for (Time t; (t = m->node.deadline()) <= end; turns++) {
                now_ = std::max(t, now_);
                m->node.on_timer(now_);
                run({m.get()});
            }
        }
        now_ = std::max(now_, end);
        return turns;
    }
    bool any_timer() const {
        for (const auto &m : members_)
            if (m->node.deadline() != base::kNever)
                return true;
        return false;
    }

    // The time of a message of 64 bytes to the server and back.
    double echo(size_t channels) {
        Member &a = *members_[0];
        const std::vector<uint8_t> text(64, 'x');
        const Bytes bytes(text);
        const auto start = cpu_time();
        for (int i = 0; i < kEchoes; i++) {
            const size_t k = static_cast<size_t>(i) % channels;
            if (!a.node.send(a.channels[k], {&bytes, 1}, now_).ok())
                std::exit(1);
            Member &z = *members_[clients_ + k];
            run({&a, &z});
            now_ = now_ + millis(1);
        }
        return (cpu_time() - start) / kEchoes;
    }
    // The first server's own time for an echo, if these clients ask in turn, so many of them at
    // once: the time of all that comes between a batch of datagrams and the batch of answers.
    double serve(uint32_t clients, uint32_t at_once, uint32_t echoes) {
        const std::vector<uint8_t> text(64, 'x');
        const Bytes bytes(text);
        double took = 0;
        for (uint32_t i = 0; i < echoes; i += at_once) {
            std::vector<Member *> busy;
            for (uint32_t k = 0; k < at_once; k++) {
                Member &a = *members_[(i + k) % clients];
                if (!a.node.send(a.channels[0], {&bytes, 1}, now_).ok())
                    std::exit(1);
                a.node.drain(now_, a);
                busy.push_back(&a);
            }
            took += serve_once(*members_[clients_]);
            run(std::move(busy));
            now_ = now_ + millis(1);
        }
        return took / echoes;
    }
    uint64_t total() const { return uint64_t{clients_} * servers_; }
    uint32_t clients() const { return clients_; }
    uint32_t servers() const { return servers_; }

  private:
    struct Flight {
        uint32_t from, to;
        std::vector<uint8_t> bytes;
    };
    // As a loop does: a batch in, what the application does about it, a batch out.
    [[gnu::noinline]] double serve_once(Member &z) {
        const std::deque<Flight> arrived = std::exchange(flights_, {});
        std::vector<std::vector<uint8_t>> bytes;
        std::vector<plait_addr> from;
        for (const Flight &f : arrived) {
            bytes.push_back(f.bytes);
            from.push_back(address_of(f.from));
        }
        std::vector<plait_datagram> batch(arrived.size());
        for (size_t i = 0; i < batch.size(); i++) {
            batch[i].data = bytes[i].data();
            batch[i].len = static_cast<uint32_t>(bytes[i].size());
            batch[i].peer = &from[i];
        }
        const auto start = std::chrono::steady_clock::now();
        turn(z, batch);
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    }
    [[gnu::noinline]] void turn(Member &z, std::span<plait_datagram> batch) {
        z.node.receive({0}, batch, now_);
        take_events(z);
        z.node.drain(now_, z);
    }
    void run(std::vector<Member *> busy) {
        for (int quiet = 0; quiet < 2;) {
            for (Member *m : busy) {
                m->node.drain(now_, *m);
                take_events(*m);
                m->node.drain(now_, *m);
            }
            quiet = flights_.empty() ? quiet + 1 : 0;
            now_ = now_ + base::micros(100);
            while (!flights_.empty()) {
                Flight f = std::move(flights_.front());
                flights_.pop_front();
                const plait_addr from = address_of(f.from);
                plait_datagram d{};
                d.data = f.bytes.data();
                d.len = static_cast<uint32_t>(f.bytes.size());
                d.peer = &from;
                Member &m = *members_[f.to];
                m.node.receive({0}, {&d, 1}, now_);
                if (std::find(busy.begin(), busy.end(), &m) == busy.end())
                    busy.push_back(&m);
            }
        }
    }
    void take_events(Member &m) {
        plait_event ev[16];
        while (const size_t n = m.node.take_events(ev, now_))
            for (size_t i = 0; i < n; i++)
                on_event(m, ev[i]);
    }
    void on_event(Member &m, const plait_event &e) {
        uint8_t text[64];
        if (e.type == PLAIT_EVENT_CONNECTED)
            m.connected++;
        else if (e.type == PLAIT_EVENT_CHANNEL_REQUEST &&
                 m.node.accept_channel(e.channel, nullptr, now_) == PLAIT_OK)
            m.channels.push_back(e.channel);
        else if (e.type == PLAIT_EVENT_READABLE)
            while (m.node.read(e.channel, text, nullptr, now_).ok())
                if (m.index >= clients_) {
                    const Bytes bytes(text);
                    (void)m.node.send(e.channel, {&bytes, 1}, now_).ok();
                }
    }

    uint32_t clients_, servers_;
    Time now_{1'000'000};
    std::vector<std::unique_ptr<Member>> members_;
    std::deque<Flight> flights_;
};

uint32_t Member::send(EndpointIndex, std::span<const plait_datagram> v) {
    for (const plait_datagram &d : v)
        crowd.carry(index, d);
    return static_cast<uint32_t>(v.size());
}

size_t in_use() {
    const auto m = mallinfo2();
    return m.uordblks + m.hblkhd;
}

void measure_server(Crowd &crowd) {
    const uint32_t n = crowd.clients();
    const uint32_t echoes = std::max<uint32_t>(kEchoes, n) / kAtOnce * kAtOnce;
    crowd.serve(n, 1, 3 * n); // all awake, with fresh keys
    const double one = crowd.serve(1, 1, echoes);
    const double each = crowd.serve(n, 1, echoes);
    const double batches = crowd.serve(n, std::min(n, kAtOnce), echoes);
    std::printf("{\"bench\": \"crowd\", \"connections\": %u, \"server_us_one\": %.2f, "
                "\"server_us_each\": %.2f, \"server_us_each_of_%u\": %.2f}\n",
                n, 1e6 * one, 1e6 * each, kAtOnce, 1e6 * batches);
}

void measure(uint32_t clients, uint32_t servers) {
    Crowd alone(1, 1);
    alone.connect(0, 0);
    Crowd crowd(clients, servers);
    const size_t before = in_use();
    std::array<double, 10> tenths{};
    double longest = 0;
    uint64_t done = 0;
    const uint64_t tenth = std::max<uint64_t>(crowd.total() / 10, 1);
    for (uint32_t c = 0; c < clients; c++) {
        for (uint32_t s = 0; s < servers; s++, done++) {
            const auto start = cpu_time();
            crowd.connect(c, s);
            const double took = cpu_time() - start;
            longest = std::max(longest, took);
            tenths[std::min<size_t>(done / tenth, tenths.size() - 1)] += took;
        }
        if (c % 16 == 0)
            crowd.pass(millis(500)); // who has been silent for long enough goes to sleep meanwhile
    }
    const auto start = cpu_time();
    const uint64_t turns = crowd.pass(kSilence);
    const double passing = cpu_time() - start;
    const double bytes =
        static_cast<double>(in_use() - before) / static_cast<double>(2 * crowd.total());
    const bool timers = crowd.any_timer();
    std::printf("{\"bench\": \"crowd\", \"connect_us_by_tenths\": [");
    for (size_t i = 0; i < tenths.size(); i++)
        std::printf("%s%.0f", i > 0 ? ", " : "", 1e6 * tenths[i] / static_cast<double>(tenth));
    std::printf("]}\n");
    std::printf("{\"bench\": \"crowd\", \"connections\": %llu, \"clients\": %u, \"servers\": %u, "
                "\"bytes_an_end\": %.0f, \"connect_us_longest\": %.0f, "
                "\"going_to_sleep_us\": %.2f, \"timers_idle\": %s, "
                "\"echo_us_alone\": %.2f, \"echo_us_of_one\": %.2f, \"echo_us_of_100\": %.2f}\n",
                static_cast<unsigned long long>(crowd.total()), clients, servers, bytes,
                1e6 * longest, 1e6 * passing / static_cast<double>(std::max<uint64_t>(turns, 1)),
                timers ? "true" : "false", 1e6 * alone.echo(1), 1e6 * crowd.echo(1),
                1e6 * crowd.echo(std::min<size_t>(servers, 100)));
    if (servers == 1)
        measure_server(crowd);
}

} // namespace
} // namespace plait

int main(int argc, char **argv) {
    uint32_t clients = 100, servers = 100;
    for (int i = 1; i + 1 < argc; i += 2) {
        const auto value = static_cast<uint32_t>(std::strtoul(argv[i + 1], nullptr, 10));
        if (std::strcmp(argv[i], "--clients") == 0)
            clients = value;
        else if (std::strcmp(argv[i], "--servers") == 0)
            servers = value;
    }
    if (argc % 2 == 0 || clients == 0 || servers == 0) {
        std::fputs("usage: crowd_sim [--clients N] [--servers N]\n", stderr);
        return 2;
    }
    if (plait::crypto::init() != PLAIT_OK)
        return 1;
    plait::measure(clients, servers);
    return 0;
}
