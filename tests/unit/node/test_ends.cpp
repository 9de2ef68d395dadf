// SPDX-License-Identifier: Apache-2.0
// Handles and events at the edges of a connection's life: refusals, ends in every state, what the
// application did before there was a connection.
#include "../cmocka.hpp"
#include "raw_peer.h"

using namespace plait;
using namespace plait::test;

namespace {

struct World : Pair {
    explicit World(node::Config of_a = {}, node::Config of_z = {}, const char *cls = "udp",
                   uint32_t mtu = 1400)
        : Pair(std::move(of_a), std::move(of_z)) {
        ea = a.open(cls, mtu);
        ez = z.open(cls, mtu);
    }
    void listen(bool ask, bool xx = false, std::vector<crypto::NodeId> allowed = {}) {
        node::AcceptConfig accept;
        accept.listening = true;
        accept.ask = ask;
        accept.allow_xx = xx;
        accept.allowed = std::move(allowed);
        z.node.listen(accept);
    }
    void dial() {
        const crypto::NodeId id = z.node.id();
        ca = *a.node.connect(&id, ea, address("z"), {}, now);
    }
    bool connect() {
        dial();
        return run([&] { return has(a, PLAIT_EVENT_CONNECTED) && has(z, PLAIT_EVENT_CONNECTED); });
    }
    bool wait(Side &s, uint32_t type) {
        return run([&] { return has(s, type); });
    }
    void idle(Duration t) {
        run([] { return false; }, t);
    }
    uint64_t ea, ez, ca = 0;
};

size_t count(const Side &s, uint32_t type) {
    size_t n = 0;
    for (const plait_event &e : s.events)
        n += e.type == type;
    return n;
}

// The closing event of each handle once, the connection's behind those of its parts.
void assert_closed_once(const Side &s) {
    assert_int_equal(count(s, PLAIT_EVENT_CLOSED), 1);
    bool over = false;
    for (size_t i = 0; i < s.events.size(); i++) {
        const plait_event &e = s.events[i];
        if (e.type != PLAIT_EVENT_CHANNEL_CLOSED && e.type != PLAIT_EVENT_LINK_CLOSED) {
            over |= e.type == PLAIT_EVENT_CLOSED;
            continue;
        }
        assert_false(over);
        for (size_t k = 0; k < i; k++)
            assert_false(s.events[k].type == e.type && s.events[k].channel == e.channel &&
                         s.events[k].link == e.link);
    }
}

void test_request_refused_both_sides_end(void **) {
    World w;
    w.listen(true);
    w.dial();
    assert_true(w.wait(w.z, PLAIT_EVENT_CONNECTION_REQUEST));
    const uint64_t cz = event_of(w.z, PLAIT_EVENT_CONNECTION_REQUEST).connection;
    assert_int_equal(w.z.node.refuse(cz, 9, w.now), PLAIT_OK);
    assert_true(w.run([&] { return has(w.a, PLAIT_EVENT_CLOSED) && has(w.z, PLAIT_EVENT_CLOSED); },
                      base::seconds(3)));
    assert_closed_once(w.a);
    assert_closed_once(w.z);
}

void test_channel_reset_before_acceptance_end_is_told(void **) {
    World w;
    w.listen(true);
    w.dial();
    const uint64_t ch = *w.a.node.open_channel(w.ca, "early", channel::stream(), w.now);
    assert_true(w.wait(w.z, PLAIT_EVENT_CONNECTION_REQUEST));
    w.idle(base::millis(300));
    w.a.node.reset_channel(ch, 4, w.now);
    w.idle(base::millis(300));
    assert_int_equal(count(w.z, PLAIT_EVENT_CHANNEL_REQUEST), 0);
    const uint64_t cz = event_of(w.z, PLAIT_EVENT_CONNECTION_REQUEST).connection;
    w.z.node.refuse(cz, 9, w.now);
    assert_true(w.run([&] { return has(w.a, PLAIT_EVENT_CLOSED) && has(w.z, PLAIT_EVENT_CLOSED); },
                      base::seconds(8)));
    assert_closed_once(w.z);
}

void test_request_left_alone_initiator_stays_connected(void **) {
    World w;
    w.listen(true);
    w.dial();
    assert_true(w.wait(w.z, PLAIT_EVENT_CONNECTION_REQUEST));
    (void)w.a.node.open_channel(w.ca, "data", channel::stream(), w.now);
    w.idle(base::seconds(20));
    assert_false(has(w.a, PLAIT_EVENT_DORMANT));
    assert_int_equal(
        w.z.node.accept(event_of(w.z, PLAIT_EVENT_CONNECTION_REQUEST).connection, w.now), PLAIT_OK);
    assert_true(w.wait(w.z, PLAIT_EVENT_CHANNEL_REQUEST));
}

void test_xx_not_on_the_list_is_told(void **) {
    World w;
    w.listen(false, true, {w.z.node.id()});
    node::ConnectConfig any;
    any.accept_any_id = true;
    w.ca = *w.a.node.connect(nullptr, w.ea, address("z"), any, w.now);
    assert_true(w.run([&] { return has(w.a, PLAIT_EVENT_CLOSED); }, base::seconds(3)));
    assert_int_equal(event_of(w.a, PLAIT_EVENT_CLOSED).status, PLAIT_E_REFUSED);
    w.idle(base::seconds(10));
    assert_int_equal(w.z.events.size(), 0);
    assert_int_equal(w.z.node.stats().connections, 0);
    assert_int_equal(w.z.node.stats().links, 0);
}

void test_xx_both_ask_connects(void **) {
    World w;
    w.listen(true, true);
    w.ca = *w.a.node.connect(nullptr, w.ea, address("z"), {}, w.now);
    assert_true(w.wait(w.a, PLAIT_EVENT_CONNECTION_REQUEST));
    assert_int_equal(w.a.node.accept(w.ca, w.now), PLAIT_OK);
    assert_true(w.wait(w.z, PLAIT_EVENT_CONNECTION_REQUEST));
    w.z.node.accept(event_of(w.z, PLAIT_EVENT_CONNECTION_REQUEST).connection, w.now);
    assert_true(
        w.run([&] { return has(w.a, PLAIT_EVENT_CONNECTED) && has(w.z, PLAIT_EVENT_CONNECTED); }));
    w.a.node.check_invariants();
    w.z.node.check_invariants();
}

// Who does not care about links need not close the handles of those that came and went.
void test_links_come_and_go_handles_left_alone_there_is_room_for_more(void **) {
    World w;
    const uint64_t e2 = w.a.open("udp");
    w.z.open("udp");
    assert_true(w.connect());
    for (size_t i = 0; i < 3 * connection::kMaxLinks; i++) {
        const auto link = w.a.node.add_link(w.ca, e2, address("z"), {}, w.now);
        assert_true(link.ok());
        assert_true(w.run([&] { return w.a.node.link_info(*link)->state == link::State::kGood; },
                          base::seconds(3)));
        w.a.node.close_link(*link, 0, w.now);
        w.idle(base::millis(200));
        w.a.node.check_invariants();
        w.z.node.check_invariants();
    }
    assert_true(w.z.node.stats().links <= connection::kMaxLinks);
    // Of the latest the getters still answer.
    const plait_event last = w.z.events.back();
    assert_int_equal(last.type, PLAIT_EVENT_LINK_CLOSED);
    assert_true(w.z.node.link_info(last.link).ok());
    assert_int_equal(w.z.node.close_link(last.link, 0, w.now), PLAIT_OK);
    assert_int_equal(w.z.node.link_info(last.link).status(), PLAIT_E_STALE);
}

void test_link_closed_while_closing_is_told_once(void **) {
    World w;
    assert_true(w.connect());
    std::array<uint64_t, 4> links;
    assert_int_equal(*w.a.node.connection_links(w.ca, links), 1);
    w.cut(0);
    w.a.node.close(w.ca, 1, "", w.now);
    w.run([&] { return has(w.a, PLAIT_EVENT_LINK_CLOSED); });
    w.a.node.close_link(links[0], 0, w.now);
    w.idle(base::seconds(8));
    assert_closed_once(w.a);
    assert_int_equal(w.a.node.stats().connections, 0);
}

void test_close_and_link_closed_at_once_close_is_sent(void **) {
    World w;
    assert_true(w.connect());
    std::array<uint64_t, 4> links;
    (void)w.a.node.connection_links(w.ca, links);
    w.a.node.close(w.ca, 33, "", w.now);
    w.a.node.close_link(links[0], 0, w.now);
    assert_true(w.run([&] { return has(w.z, PLAIT_EVENT_CLOSED); }, base::seconds(2)));
    assert_int_equal(event_of(w.z, PLAIT_EVENT_CLOSED).a, 33);
}

void test_endpoint_closed_while_dialing_ends_the_dial(void **) {
    World w;
    w.cut(0);
    w.dial();
    w.idle(base::millis(100));
    w.a.node.endpoint_gone(*w.a.node.endpoint_index(w.ea), PLAIT_OK, w.now);
    w.idle(base::millis(100));
    assert_closed_once(w.a);
    std::array<uint64_t, 4> links;
    const size_t n = *w.a.node.connection_links(w.ca, links);
    for (size_t i = 0; i < n; i++)
        w.a.node.close_link(links[i], 0, w.now);
    w.a.node.close(w.ca, 0, "", w.now);
    w.idle(base::seconds(12));
    assert_int_equal(w.a.node.stats().connections, 0);
    assert_int_equal(w.a.node.stats().endpoints, 0);
}

void test_link_gone_before_accept_still_accepts(void **) {
    World w;
    w.listen(true);
    w.dial();
    assert_true(w.wait(w.z, PLAIT_EVENT_CONNECTION_REQUEST));
    const uint64_t cz = event_of(w.z, PLAIT_EVENT_CONNECTION_REQUEST).connection;
    std::array<uint64_t, 4> links;
    (void)w.z.node.connection_links(cz, links);
    w.z.node.close_link(links[0], 0, w.now);
    w.idle(base::millis(100));
    assert_int_equal(w.z.node.accept(cz, w.now), PLAIT_OK);
    w.idle(base::millis(100));
    w.z.node.check_invariants();
    w.z.node.close(cz, 0, "", w.now);
    w.idle(base::seconds(8));
    assert_closed_once(w.z);
}

// More channels than the peer allows, opened before that is known: they wait.
void test_early_channels_above_limit_wait(void **) {
    node::Config tight;
    tight.max_channels_per_peer = 2;
    World w({}, std::move(tight));
    w.dial();
    std::vector<uint64_t> ch;
    const std::string label(40, 'x'); // goes as a record
    for (int i = 0; i < 6; i++)
        ch.push_back(*w.a.node.open_channel(w.ca, label, channel::stream(), w.now));
    for (size_t done = 0; done < 6; done++) {
        assert_true(w.run([&] { return count(w.z, PLAIT_EVENT_CHANNEL_REQUEST) > done; },
                          base::seconds(5)));
        size_t seen = 0;
        for (const plait_event &e : w.z.events)
            if (e.type == PLAIT_EVENT_CHANNEL_REQUEST && seen++ == done) {
                assert_string_equal(w.z.node.channel_info(e.channel)->label.c_str(), label.c_str());
                assert_int_equal(w.z.node.refuse_channel(e.channel, 1, w.now), PLAIT_OK);
            }
    }
    assert_false(has(w.a, PLAIT_EVENT_CLOSED));
    w.idle(base::seconds(1));
    assert_int_equal(count(w.a, PLAIT_EVENT_CHANNEL_CLOSED), 6);
}

void test_reservation_open_closed_waits_for_commit(void **) {
    World w;
    assert_true(w.connect());
    const uint64_t ch = *w.a.node.open_channel(w.ca, "", channel::stream(), w.now);
    const auto space = w.a.node.reserve(ch, 100, w.now);
    assert_true(space.ok());
    w.a.node.close(w.ca, 0, "", w.now);
    w.idle(base::seconds(8));
    assert_false(has(w.a, PLAIT_EVENT_CLOSED));
    std::memset(space->data(), 1, 100); // still ours
    assert_int_equal(w.a.node.commit(ch, 100, w.now), PLAIT_E_CLOSED);
    w.idle(base::seconds(1));
    assert_closed_once(w.a);
    assert_int_equal(w.a.node.stats().connections, 0);
}

void test_unanswered_channel_released_after_the_end(void **) {
    World w;
    assert_true(w.connect());
    (void)w.a.node.open_channel(w.ca, "", channel::stream(), w.now);
    assert_true(w.wait(w.z, PLAIT_EVENT_CHANNEL_REQUEST));
    w.a.node.close(w.ca, 0, "", w.now);
    assert_true(w.wait(w.z, PLAIT_EVENT_CLOSED));
    assert_int_equal(
        w.z.node.close_channel(event_of(w.z, PLAIT_EVENT_CHANNEL_REQUEST).channel, w.now),
        PLAIT_OK);
    w.idle(base::seconds(8));
    assert_closed_once(w.z);
}

// Both dial; what the application had closed of its own links before is not waited for again.
void test_both_dial_link_closed_before_end_is_told(void **) {
    for (const int first : {0, 1}) {
        World w;
        w.a.node.listen({true, false, false, {}});
        Side &loser = w.a.node.id() < w.z.node.id() ? w.a : w.z;
        Side &winner = &loser == &w.a ? w.z : w.a;
        const uint64_t el = &loser == &w.a ? w.ea : w.ez, ew = &loser == &w.a ? w.ez : w.ea;
        const char *to_winner = &winner == &w.z ? "z" : "a",
                   *to_loser = &winner == &w.z ? "a" : "z";
        const crypto::NodeId wid = winner.node.id(), lid = loser.node.id();
        const uint64_t cl = *loser.node.connect(&wid, el, address(to_winner), {}, w.now);
        const uint64_t extra = *loser.node.add_link(cl, el, address("elsewhere"), {}, w.now);
        loser.node.close_link(extra, 0, w.now);
        if (first)
            w.idle(base::millis(2)); // the closing event is read
        const uint64_t cw = *winner.node.connect(&lid, ew, address(to_loser), {}, w.now);
        assert_true(w.run(
            [&] { return has(w.a, PLAIT_EVENT_CONNECTED) && has(w.z, PLAIT_EVENT_CONNECTED); }));
        assert_int_equal(event_of(loser, PLAIT_EVENT_CONNECTED).connection, cl);
        assert_int_equal(event_of(winner, PLAIT_EVENT_CONNECTED).connection, cw);
        assert_int_equal(w.a.node.stats().connections, 1);
        loser.node.close(cl, 0, "", w.now);
        w.idle(base::seconds(8));
        assert_closed_once(loser);
        assert_closed_once(winner);
    }
}

void test_dial_fails_events_once_memory_back(void **) {
    World w;
    w.cut(0);
    w.dial();
    (void)w.a.node.open_channel(w.ca, "", channel::stream(), w.now);
    w.idle(base::seconds(15));
    assert_closed_once(w.a);
    assert_int_equal(event_of(w.a, PLAIT_EVENT_CLOSED).status, PLAIT_E_TIMEOUT);
    w.a.node.close(w.ca, 0, "", w.now);
    w.idle(base::millis(10));
    assert_int_equal(w.a.node.stats().connections, 0);
    assert_int_equal(w.a.node.stats().channels, 0);
    assert_int_equal(w.a.node.stats().links, 0);
}

// The reader closes at once: that everything came is told before the end, so that the sender may
// count on it.
void test_closed_after_reading_sender_has_finished(void **) {
    World w;
    assert_true(w.connect());
    const uint64_t ch = *w.a.node.open_channel(w.ca, "", channel::stream(), w.now);
    const std::vector<uint8_t> block(600, 1);
    const Bytes part(block);
    uint64_t zh = 0;
    for (int i = 0; i < 20; i++) { // more than are acknowledged at once in a round trip
        assert_true(w.a.node.send(ch, {&part, 1}, w.now).ok());
        w.idle(base::micros(100));
    }
    assert_int_equal(w.a.node.finish(ch, w.now), PLAIT_OK);
    assert_true(w.wait(w.z, PLAIT_EVENT_CHANNEL_REQUEST));
    zh = event_of(w.z, PLAIT_EVENT_CHANNEL_REQUEST).channel;
    assert_int_equal(w.z.node.accept_channel(zh, nullptr, w.now), PLAIT_OK);
    std::vector<uint8_t> in(32768);
    Status s = PLAIT_OK;
    assert_true(w.run([&] {
        const auto r = w.z.node.read(zh, in, nullptr, w.now);
        s = r.ok() ? PLAIT_OK : r.status();
        return s == PLAIT_E_END;
    }));
    const uint64_t cz = event_of(w.z, PLAIT_EVENT_CONNECTED).connection;
    assert_int_equal(w.z.node.close(cz, 0, {}, w.now), PLAIT_OK);
    assert_true(w.wait(w.a, PLAIT_EVENT_CLOSED));
    assert_int_equal(count(w.a, PLAIT_EVENT_FINISHED), 1);
}

void test_request_refused_peek_of_its_channel_is_closed(void **) {
    World w;
    w.listen(true);
    w.dial();
    const uint64_t ch = *w.a.node.open_channel(w.ca, "", channel::stream(), w.now);
    const std::vector<uint8_t> block(600, 1);
    const Bytes part(block);
    assert_true(w.a.node.send(ch, {&part, 1}, w.now).ok());
    assert_true(w.wait(w.z, PLAIT_EVENT_CONNECTION_REQUEST));
    w.idle(base::millis(50));
    const uint64_t cz = event_of(w.z, PLAIT_EVENT_CONNECTION_REQUEST).connection;
    assert_int_equal(w.z.node.refuse(cz, 7, w.now), PLAIT_OK);
    w.idle(base::millis(50));
    const plait_event request = event_of(w.z, PLAIT_EVENT_CHANNEL_REQUEST);
    std::array<Bytes, 4> slices;
    assert_int_equal(w.z.node.peek(request.channel, slices, nullptr).status(), PLAIT_E_CLOSED);
    assert_int_equal(w.z.node.read(request.channel, {}, nullptr, w.now).status(), PLAIT_E_CLOSED);
}

void test_send_memory_is_what_was_not_acknowledged(void **) {
    World w;
    w.listen(false);
    assert_true(w.connect());
    const uint64_t ch = *w.a.node.open_channel(w.ca, "x", channel::stream(), w.now);
    w.idle(base::seconds(1));
    assert_int_equal(w.a.node.stats().send_memory, 0);
    w.cut(0);
    const std::vector<uint8_t> data(3000);
    const Bytes part = data;
    assert_true(w.a.node.send(ch, {&part, 1}, w.now).ok());
    w.idle(base::millis(300));
    assert_int_equal(w.a.node.stats().send_memory, 3000);
    assert_int_equal(w.a.node.connection_info(w.ca)->send_memory, 3000);
    w.cut(0, false);
    w.idle(base::seconds(5));
    assert_int_equal(w.a.node.stats().send_memory, 0);
    assert_int_equal(w.a.node.connection_info(w.ca)->send_memory, 0);
}

void test_node_without_channels_left_refuses_to_connect(void **) {
    node::Config none;
    none.max_channels = 1;
    World w({}, std::move(none));
    assert_true(w.connect()); // takes the only one, for control
    w.idle(base::millis(100));
    const crypto::NodeId id = w.z.node.id();
    (void)w.a.node.connect(&id, w.ea, address("z"), {},
                           w.now); // of a's two one is replaced in the end
    w.idle(base::seconds(12));
    w.z.node.check_invariants();
}

// The peer says that it was started anew: what the application asks of the links is still answered.
void test_asleep_connection_is_reset_links_still_tell(void **) {
    RawPeer p;
    wire::Parameters mine = RawPeer::parameters();
    mine.has_reset_token = true;
    mine.reset_token.fill(77);
    assert_true(p.connect(mine));
    for (int i = 0; i < 4; i++) { // nothing is owed
        p.say(0, wire::PingFrame{});
        (void)p.look();
        wire::AckFrame ack;
        ack.range_count = 1;
        ack.ranges[0] = {0, p.highest[0] + 1};
        p.say(0, ack);
        p.pass(base::millis(100));
    }
    p.pass(base::seconds(30));
    std::vector<uint8_t> reset(22, 0x40);
    std::fill(reset.end() - 16, reset.end(), uint8_t{77});
    p.deliver(reset);
    assert_true(p.ended());
    uint64_t link = 0;
    for (const plait_event &e : p.events)
        link = e.type == PLAIT_EVENT_LINK_CLOSED ? e.link : link;
    const auto info = p.node.link_info(link);
    assert_true(info.ok());
    assert_true(link::same_address(info->remote, address("raw")));
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(test_request_refused_both_sides_end),
        cmocka_unit_test(test_channel_reset_before_acceptance_end_is_told),
        cmocka_unit_test(test_request_left_alone_initiator_stays_connected),
        cmocka_unit_test(test_xx_not_on_the_list_is_told),
        cmocka_unit_test(test_xx_both_ask_connects),
        cmocka_unit_test(test_links_come_and_go_handles_left_alone_there_is_room_for_more),
        cmocka_unit_test(test_link_closed_while_closing_is_told_once),
        cmocka_unit_test(test_close_and_link_closed_at_once_close_is_sent),
        cmocka_unit_test(test_endpoint_closed_while_dialing_ends_the_dial),
        cmocka_unit_test(test_link_gone_before_accept_still_accepts),
        cmocka_unit_test(test_early_channels_above_limit_wait),
        cmocka_unit_test(test_reservation_open_closed_waits_for_commit),
        cmocka_unit_test(test_unanswered_channel_released_after_the_end),
        cmocka_unit_test(test_both_dial_link_closed_before_end_is_told),
        cmocka_unit_test(test_dial_fails_events_once_memory_back),
        cmocka_unit_test(test_closed_after_reading_sender_has_finished),
        cmocka_unit_test(test_request_refused_peek_of_its_channel_is_closed),
        cmocka_unit_test(test_send_memory_is_what_was_not_acknowledged),
        cmocka_unit_test(test_node_without_channels_left_refuses_to_connect),
        cmocka_unit_test(test_asleep_connection_is_reset_links_still_tell),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
