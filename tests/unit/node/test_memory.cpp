// SPDX-License-Identifier: Apache-2.0
// What idle connections, links and channels hold once they sleep, all of it counted: the
// allocator's own share, the node's tables. One node, whose calls alone are metered, and many
// peers.
#include "../cmocka.hpp"
#include "pair.h"

#include <malloc.h>
#include <memory>

using namespace plait;
using namespace plait::test;

namespace {

constexpr size_t kFirst = 128; // fill the node's caches, which are its own
constexpr size_t kPeers = 384; // are counted
constexpr size_t kChannelsMore = 8;
// What they may hold at most, bytes at one side.
constexpr double kConnection = 2560; // with one link and one channel
constexpr double kLink = 520;        // each further one
constexpr double kChannel = 300;

size_t in_use() {
    const auto m = mallinfo2();
    return m.uordblks + m.hblkhd;
}

node::Config with_room() {
    node::Config c;
    c.max_connections = kFirst + kPeers;
    c.receive_memory = uint64_t{1} << 40;
    c.idle_timeout = Duration{};
    return c;
}

class Crowd;

// Keeps what a node sends in memory that no meter sees.
struct Member final : node::Output {
    Member(Crowd &c, uint32_t i)
        : crowd(c), index(i), entropy(i + 1),
          node(with_room(), identity_of(entropy), entropy, Time{1'000'000}) {}
    uint32_t send(EndpointIndex endpoint, std::span<const plait_datagram> v) override;
    uint64_t queued_bytes(EndpointIndex) override { return 0; }
    uint64_t open() {
        link::EndpointInfo info;
        info.transport_class = "udp";
        info.mtu = 1400;
        return *node.add_endpoint(info);
    }

    Crowd &crowd;
    uint32_t index;
    CountingEntropy entropy;
    node::Node node;
    uint64_t connection = 0, endpoints[2] = {};
};

// Member 0 is the node in question; the others are its peers.
class Crowd {
  public:
    Crowd() {
        for (uint32_t i = 0; i <= kFirst + kPeers; i++) {
            members_.push_back(std::make_unique<Member>(*this, i));
            for (uint64_t &e : members_[i]->endpoints)
                e = members_[i]->open();
        }
        node::AcceptConfig accept;
        accept.listening = true;
        members_[0]->node.listen(accept);
        connection::ChannelAnswer answer;
        answer.kind = connection::ChannelAnswer::Kind::kAccept;
        members_[0]->node.answer_channels(nullptr, answer);
    }
    // The first few alone bring the node's caches to their size.
    void connect(uint32_t first, size_t n) {
        const crypto::NodeId id = members_[0]->node.id();
        for (uint32_t i = first; i < first + n; i++) {
            Member &m = *members_[i];
            m.connection = *m.node.connect(&id, m.endpoints[0], address_of(0, 0), {}, now_);
            run();
        }
        rest();
    }
    template <class F> void with_each_peer(F &&f) {
        for (size_t i = kFirst + 1; i <= kFirst + kPeers; i++) {
            f(*members_[i]);
            run();
        }
        rest();
    }
    void open_channels(size_t n) {
        with_each_peer([&](Member &m) {
            for (size_t k = 0; k < n; k++)
                assert_true(
                    m.node.open_channel(m.connection, "hold", channel::messages(), now_).ok());
        });
    }
    void add_links() {
        with_each_peer([&](Member &m) {
            assert_true(
                m.node.add_link(m.connection, m.endpoints[1], address_of(0, 1), {}, now_).ok());
        });
    }
    // Until nobody has a timer. Keys for large texts take more than those for small ones, so the
    // first peers fill the node's cache of keys with theirs, for a small packet each.
    void rest() {
        sleep();
        for (uint32_t i = 1; i <= kFirst; i++) {
            members_[i]->node.network_changed(now_);
            run();
        }
        sleep();
    }
    void sleep() {
        for (Time next; (next = next_deadline()) != base::kNever;)
            run(next);
    }
    // Of the node, for each peer, since it was last asked.
    double more_bytes() { return static_cast<double>(std::exchange(bytes_, 0)) / kPeers; }
    node::NodeStats stats() const { return members_[0]->node.stats(); }

    void carry(uint32_t from, EndpointIndex endpoint, const plait_datagram &d) {
        uint32_t to;
        std::memcpy(&to, d.peer->b + 3, sizeof to);
        const size_t step = d.segment ? d.segment : d.len;
        for (size_t i = 0; i < d.len; i += step) {
            Flight &f = flights_.at(count_++);
            f.from = from;
            f.to = to;
            f.sent_at = static_cast<uint8_t>(endpoint.v);
            f.at = d.peer->b[0];
            f.size = static_cast<uint32_t>(std::min<size_t>(step, d.len - i));
            std::memcpy(f.bytes.data(), d.data + i, f.size);
        }
    }

  private:
    struct Flight {
        uint32_t from, to, size;
        uint8_t sent_at, at; // the endpoints
        std::array<uint8_t, 1500> bytes;
    };
    // As long as an IPv4 address and port.
    static plait_addr address_of(uint32_t index, uint8_t endpoint) {
        plait_addr a{};
        a.len = 7;
        a.b[0] = endpoint;
        std::memcpy(a.b + 3, &index, sizeof index);
        return a;
    }
    template <class F> void metered(const Member &m, F &&f) {
        if (m.index != 0)
            return f();
        const size_t before = in_use();
        f();
        bytes_ += static_cast<int64_t>(in_use()) - static_cast<int64_t>(before);
    }
    void turn(Member &m) {
        metered(m, [&] {
            plait_event events[16];
            m.node.drain(now_, m);
            while (m.node.take_events(events, now_) > 0)
                m.node.drain(now_, m);
        });
    }
    Time next_deadline() const {
        Time next = base::kNever;
        for (const auto &m : members_)
            next = std::min(next, m->node.deadline());
        return next;
    }
    // Whoever has something to do does it, and what is sent arrives, until all is still.
    void run(Time from = {}) {
        now_ = std::max(now_, from);
        for (bool still = false; !still;) {
            still = true;
            for (const auto &m : members_) {
                if (m->node.deadline() > now_)
                    continue;
                metered(*m, [&] { m->node.on_timer(now_); });
                turn(*m);
                still = false;
            }
            now_ = now_ + base::millis(1);
            for (size_t i = 0; i < count_; i++)
                deliver(flights_[i]);
            count_ = 0;
        }
    }
    void deliver(Flight &f) {
        const plait_addr from = address_of(f.from, f.sent_at), local = address_of(f.to, f.at);
        plait_datagram d{};
        d.data = f.bytes.data();
        d.len = f.size;
        d.peer = &from;
        d.local = &local;
        Member &m = *members_[f.to];
        metered(m, [&] { m.node.receive({f.at}, {&d, 1}, now_); });
    }

    Time now_{1'000'000};
    std::vector<Flight> flights_ = std::vector<Flight>(8 * kPeers);
    size_t count_ = 0;
    int64_t bytes_ = 0;
    std::vector<std::unique_ptr<Member>> members_;
};

uint32_t Member::send(EndpointIndex endpoint, std::span<const plait_datagram> v) {
    for (const plait_datagram &d : v)
        crowd.carry(index, endpoint, d);
    return static_cast<uint32_t>(v.size());
}

void test_sleeping_crowd_keeps_to_the_budgets(void **) {
    if (in_use() == 0)
        skip(); // a sanitizer's allocator, which mallinfo2() does not see
    Crowd crowd;
    crowd.connect(1, kFirst);
    crowd.more_bytes();
    crowd.connect(1 + kFirst, kPeers);
    const double bare = crowd.more_bytes();
    crowd.open_channels(1);
    const double connection = bare + crowd.more_bytes();
    crowd.add_links();
    const double link = crowd.more_bytes();
    crowd.open_channels(kChannelsMore);
    const double channel = crowd.more_bytes() / kChannelsMore;
    assert_int_equal(crowd.stats().connections, kFirst + kPeers);
    print_message("connection with a link %.0f, and a channel %.0f; a further link %.0f, "
                  "a further channel %.0f bytes\n",
                  bare, connection, link, channel);
    assert_true(connection <= kConnection);
    assert_true(link <= kLink);
    assert_true(channel <= kChannel);
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(test_sleeping_crowd_keeps_to_the_budgets),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
