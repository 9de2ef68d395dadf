// SPDX-License-Identifier: Apache-2.0
// Links that come and go without end: what a peer must still be told of them stays bounded.
#include "../cmocka.hpp"
#include "connection/cids.h"
#include "raw_peer.h"

using namespace plait;
using namespace plait::test;

namespace {

// Joins and leaves, and acknowledges what it likes.
struct Joiner : RawPeer {
    // Acknowledges each packet that has come, unless it says that a link has ended.
    Seen take(bool all = true) {
        Seen sum;
        wire::AckFrame ack;
        ack.range_count = 1;
        const auto came = std::exchange(out, {});
        std::vector<uint64_t> numbers;
        for (const auto &d : came) {
            out.assign(1, d);
            highest[0] = 0;
            const Seen one = look();
            for (const wire::NewCidFrame &f : one.new_cids)
                spare[f.link.v] = f.cid;
            sum.link_closes += one.link_closes;
            sum.retires += one.retires;
            if (highest[0] > 0 && (all || one.link_closes == 0))
                numbers.push_back(highest[0]);
        }
        for (const uint64_t n : numbers) { // what is answered to it is for the next time
            ack.ranges[0] = {n, n + 1};
            say(0, ack);
        }
        return sum;
    }
    // Whether the node takes the next number.
    bool join() {
        const uint32_t number = next;
        if (spare[number].len == 0)
            return false;
        const uint32_t seq = number; // as good as any other, and no other number has it
        if (std::exchange(given, number) != number)
            say(0, wire::NewCidFrame{{number}, 0, seq, wire::Cid::from(Bytes(id_of(number))), {}});
        link = number, to_cid = spare[number];
        const size_t before = node.stats().links;
        say(0, wire::ChallengeFrame{{1}});
        link = 0, to_cid = {};
        if (node.stats().links == before)
            return false;
        next += 2;
        return true;
    }
    static std::array<uint8_t, 8> id_of(uint32_t number) {
        return {7, 7, 7, 7, 7, 7, static_cast<uint8_t>(number >> 8), static_cast<uint8_t>(number)};
    }
    // The node's application wants none of the links but the first, or none at all.
    void node_closes(size_t first = 1) {
        uint64_t handles[16];
        const size_t n = *node.connection_links(connection(), handles);
        for (size_t i = first; i < n; i++)
            (void)node.close_link(handles[i], 0, now);
        turn();
    }
    // Joins, and acknowledges no end of a link, until no join is taken any more.
    size_t join_until_refused() {
        size_t joined = 0, refused = 0;
        while (refused < 5 && joined < 400) {
            pass(base::millis(20));
            take(false);
            if (join())
                joined++;
            else
                refused++;
            node_closes();
        }
        return joined;
    }
    uint64_t connection() const {
        for (const plait_event &e : events)
            if (e.type == PLAIT_EVENT_CONNECTED)
                return e.connection;
        return 0;
    }
    std::map<uint32_t, wire::Cid> spare; // the node's ids, by link number
    uint32_t next = 2, given = 0;
};

// Whoever acknowledges everything but the news that its links have ended gets no more of them.
void test_link_ends_never_acknowledged_joins_are_refused_until_they_are(void **) {
    Joiner p;
    assert_true(p.connect());
    p.say(0, wire::PingFrame{});
    const size_t joined = p.join_until_refused();
    assert_true(joined >= 16);
    assert_true(joined <= connection::kMaxUntoldLinks);
    assert_false(p.ended());
    for (int i = 0; i < 100; i++) {
        p.pass(base::millis(20));
        p.take();
    }
    assert_true(p.join());
    p.node.check_invariants();
}

// Who has lost all links cannot acknowledge anything.
void test_link_ends_never_acknowledged_without_a_link_a_join_is_taken(void **) {
    Joiner p;
    assert_true(p.connect());
    p.say(0, wire::PingFrame{});
    p.join_until_refused();
    assert_false(p.join());
    p.node_closes(0);
    assert_true(p.join());
    assert_false(p.ended());
    p.node.check_invariants();
}

// The peer's own LINK_CLOSE leaves nothing to be said to it.
void test_join_closed_by_its_peer_is_not_told_of(void **) {
    Joiner p;
    assert_true(p.connect());
    p.say(0, wire::PingFrame{});
    Seen seen;
    for (int i = 0; i < 20; i++) {
        p.pass(base::millis(20));
        const Seen now = p.take();
        seen.retires += now.retires, seen.link_closes += now.link_closes;
        const uint32_t number = p.next;
        assert_true(i == 0 || p.join());
        if (i > 0)
            p.say(0, wire::LinkCloseFrame{{number}, 0});
        p.node_closes(); // lets go of the handle
    }
    p.pass(base::millis(200));
    seen.retires += p.take().retires;
    assert_int_equal(seen.retires, 0);
    assert_int_equal(seen.link_closes, 0);
    assert_int_equal(p.node.stats().links, 1);
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(test_link_ends_never_acknowledged_joins_are_refused_until_they_are),
        cmocka_unit_test(test_link_ends_never_acknowledged_without_a_link_a_join_is_taken),
        cmocka_unit_test(test_join_closed_by_its_peer_is_not_told_of),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
