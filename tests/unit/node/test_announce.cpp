// SPDX-License-Identifier: Apache-2.0
// What a peer's announcements can make a node do: a bounded number of datagrams to each address and
// in all, whatever it says and how often (docs/protocol.md section 7.8).
#include "../cmocka.hpp"
#include "raw_peer.h"

#include "connection/records.h"

using namespace plait;
using namespace plait::test;

namespace {

node::Config following() {
    node::Config c;
    c.follows = true;
    c.idle_timeout = base::seconds(100'000);
    return c;
}

// A peer that announces what it likes and gives the node all ids that joins need.
struct Announcer : RawPeer {
    explicit Announcer(node::Config config = following()) : RawPeer(std::move(config)) {}

    bool begin() {
        if (!connect())
            return false;
        say(0, wire::PingFrame{});
        settle();
        return true;
    }
    // Acknowledges all, and issues ids for the node's next links.
    void settle() {
        for (int i = 0; i < 4; i++) {
            links_closed += look().link_closes;
            wire::AckFrame ack;
            ack.range_count = 1;
            ack.ranges[0] = {0, highest[0] + 1};
            say(0, ack);
        }
    }
    void give_ids(uint32_t up_to) {
        for (; next_number <= up_to; next_number += 2) {
            wire::NewCidFrame f{{next_number}, 0, ++seq, cid, {}};
            f.cid.b[0] = static_cast<uint8_t>(0x80 | seq);
            f.cid.b[1] = static_cast<uint8_t>(seq >> 7);
            f.token[0] = static_cast<uint8_t>(seq);
            f.token[1] = static_cast<uint8_t>(seq >> 8);
            say(0, f);
        }
    }
    void announce_body(Bytes body) {
        std::array<uint8_t, connection::kMaxRecord> buffer;
        base::Writer w(buffer);
        w.varint(connection::kEndpointsRecord);
        w.varint(body.size());
        w.bytes(body);
        std::array<uint8_t, 1200> plain;
        base::Writer p(plain);
        wire::DataFrame f;
        f.offset = offset;
        f.bytes = w.written();
        write(p, f, true);
        offset += w.size();
        deliver(seal_bytes(0, p.written()), from);
    }
    void announce(const std::vector<std::string> &names) {
        std::vector<node::Place> places;
        for (const std::string &name : names)
            places.push_back({"udp", address(name.c_str())});
        std::array<uint8_t, connection::kMaxRecord> buffer;
        announce_body(Bytes(buffer).first(connection::write_places(places, buffer)));
    }
    link::Reach reach(EndpointIndex, const plait_addr &to) override {
        asked++;
        return to.b[0] == 'm'   ? link::Reach::kNone // multicast, say
               : to.b[0] == 'l' ? link::Reach::kLoopback
                                : link::Reach::kPossible;
    }
    // Time passes in steps, so that what is sent meanwhile is acknowledged.
    void live(Duration t) {
        const Time end = now + t;
        while (now < end) {
            pass(base::millis(250));
            settle();
            give_ids(3 + 2 * links_closed);
        }
    }
    uint64_t bytes_elsewhere() const {
        uint64_t n = 0;
        for (const auto &[to, bytes] : bytes_to)
            n += to == from ? 0 : bytes;
        return n;
    }

    uint32_t next_number = 1, links_closed = 0;
    uint64_t seq = 0, offset = 0;
    uint64_t asked = 0;
};

constexpr uint64_t kChallenge = 1200;

void test_announced_address_gets_three_challenges_and_no_more(void **) {
    Announcer p;
    assert_true(p.begin());
    p.give_ids(3);
    p.announce({"elsewhere"});
    p.live(base::seconds(30));
    assert_int_equal(p.count(PLAIT_EVENT_PEER_ENDPOINTS), 1);
    assert_int_equal(p.bytes_to["elsewhere"], 3 * kChallenge);
    for (int i = 0; i < 20; i++) { // withdrawn and announced again
        p.announce({});
        p.announce({"elsewhere"});
        p.live(base::seconds(2));
    }
    assert_int_equal(p.bytes_to["elsewhere"], 3 * kChallenge);
    p.live(base::seconds(600));
    p.announce({});
    p.announce({"elsewhere"});
    p.live(base::seconds(10));
    assert_int_equal(p.bytes_to["elsewhere"], 6 * kChallenge);
    assert_true(!p.ended());
    p.node.check_invariants();
}

void test_unsuitable_addresses_are_never_sent_to(void **) {
    Announcer p;
    assert_true(p.begin());
    p.give_ids(3);
    p.announce({"multicast", "loopback", "raw"}); // the last is where the peer is
    p.live(base::seconds(10));
    assert_int_equal(p.bytes_elsewhere(), 0);
    std::array<uint8_t, 64> body{};
    base::Writer w(body);
    w.u8(1);
    w.u8(5);
    w.bytes(base::bytes_of("radio")); // a class that the node has no endpoint of
    w.u8(1);
    w.u8('x');
    p.announce_body(w.written());
    p.live(base::seconds(10));
    assert_int_equal(p.bytes_elsewhere(), 0);
    assert_true(!p.ended());
}

void test_malformed_announcement_closes_the_connection(void **) {
    Announcer p;
    assert_true(p.begin());
    const std::array<uint8_t, 3> body = {200, 1, 1};
    p.announce_body(body);
    assert_true(p.ended());
}

void test_flood_of_announcements_is_bounded_work(void **) {
    Announcer p;
    assert_true(p.begin());
    p.give_ids(3);
    uint32_t n = 0;
    const Time begun = p.now;
    for (int i = 0; i < 2000; i++) {
        std::vector<std::string> names;
        for (int k = 0; k < 16; k++)
            names.push_back("victim" + std::to_string(n++));
        p.announce(names);
        if (i % 4 == 3)
            p.live(base::millis(250));
    }
    const uint64_t seconds = static_cast<uint64_t>((p.now - begun).us) / 1'000'000;
    assert_true(!p.ended());
    // Not more than 64 addresses were tried, 3 challenges each; the transport was asked for few.
    assert_true(p.bytes_elsewhere() <= connection::kMaxTried * 3 * kChallenge);
    assert_true(p.bytes_elsewhere() >= 10 * kChallenge);
    assert_true(p.asked <= (seconds + 2) * 2 * connection::kMaxPlaces);
    assert_true(p.node.stats().links <= 1 + connection::kMaxFollowing);
    p.node.check_invariants();
}

// What no look can settle is not looked at for each list, but once a second.
void test_flood_of_unsuitable_addresses_is_looked_at_once_a_second(void **) {
    Announcer p;
    assert_true(p.begin());
    const Time begun = p.now;
    for (uint32_t i = 0; i < 1000; i++) {
        p.announce({"multicast" + std::to_string(i)});
        if (i % 4 == 3)
            p.live(base::millis(250));
    }
    const uint64_t seconds = static_cast<uint64_t>((p.now - begun).us) / 1'000'000;
    assert_true(p.asked >= 10 && p.asked <= seconds + 2);
    assert_int_equal(p.bytes_elsewhere(), 0);
}

void test_announcements_are_not_followed_unless_wanted(void **) {
    Announcer p{{}};
    assert_true(p.begin());
    p.give_ids(3);
    p.announce({"elsewhere"});
    p.live(base::seconds(5));
    assert_int_equal(p.count(PLAIT_EVENT_PEER_ENDPOINTS), 1);
    assert_int_equal(p.bytes_elsewhere(), 0);
    assert_int_equal(p.asked, 0);
}

// MAX_LINKS (section 5.5): a join waits until its number, the responder's first, is below it.
void test_join_waits_for_max_links(void **) {
    Announcer p;
    assert_true(p.begin());
    p.give_ids(3);
    p.say(0, wire::MaxLinksFrame{1});
    p.announce({"elsewhere"});
    p.live(base::seconds(5));
    assert_int_equal(p.bytes_elsewhere(), 0);
    p.say(0, wire::MaxLinksFrame{0}); // smaller than before: nothing
    p.say(0, wire::MaxLinksFrame{2});
    p.live(base::seconds(1));
    assert_true(p.bytes_elsewhere() > 0);
    assert_true(!p.ended());
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(test_announced_address_gets_three_challenges_and_no_more),
        cmocka_unit_test(test_unsuitable_addresses_are_never_sent_to),
        cmocka_unit_test(test_malformed_announcement_closes_the_connection),
        cmocka_unit_test(test_flood_of_announcements_is_bounded_work),
        cmocka_unit_test(test_flood_of_unsuitable_addresses_is_looked_at_once_a_second),
        cmocka_unit_test(test_announcements_are_not_followed_unless_wanted),
        cmocka_unit_test(test_join_waits_for_max_links),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
