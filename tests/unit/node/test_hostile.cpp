// SPDX-License-Identifier: Apache-2.0
// What a peer can do by hand that no node of ours would: nothing of it may abort the node, make it
// spin, or cost it more than what is bounded.
#include "../cmocka.hpp"
#include "raw_peer.h"

using namespace plait;
using namespace plait::test;

namespace {

wire::OpenFrame open_frame(uint32_t channel) {
    wire::OpenFrame f;
    f.channel = {channel};
    f.window = 16384;
    f.resend = wire::Resend::kAlways;
    return f;
}

void test_raw_peer_connects(void **) {
    RawPeer p;
    assert_true(p.connect());
    p.say(0, wire::PingFrame{});
    assert_int_equal(p.count(PLAIT_EVENT_CONNECTED), 1);
    p.pass(base::millis(20));
    const Seen seen = p.look();
    assert_true(!seen.acks.empty());
    assert_int_equal(seen.new_cids.size(), 4);
}

// Never an ACK from the peer, but ever new challenges: each answer is an outstanding packet.
void test_challenges_never_acked_node_stays_within_its_ledger(void **) {
    node::Config c;
    c.max_packets_in_flight = 64;
    RawPeer p(std::move(c));
    assert_true(p.connect());
    for (uint8_t i = 0; i < 200; i++) {
        p.say(0, wire::ChallengeFrame{{i, 1, 2, 3, 4, 5, 6, 7}});
        p.now = p.now + base::millis(2);
    }
    p.pass(base::seconds(20));
    p.node.check_invariants();
}

void test_cid_requests_without_end_ids_stay_bounded(void **) {
    RawPeer p;
    assert_true(p.connect());
    p.say(0, wire::PingFrame{});
    size_t issued = 0;
    for (uint32_t i = 0; i < 2000; i++) {
        p.say(0, wire::CidRequestFrame{0, {2 * i + 100}});
        p.now = p.now + base::millis(1);
        const Seen seen = p.look();
        issued += seen.new_cids.size();
        wire::AckFrame ack;
        ack.range_count = 1;
        ack.ranges[0] = {0, p.highest[0] + 1};
        p.say(0, ack);
    }
    assert_true(issued <= 256);
}

// The id of the next link of the peer's, if the node gives one.
wire::Cid cid_for(const Seen &seen, uint32_t link) {
    for (const wire::NewCidFrame &f : seen.new_cids)
        if (f.link.v == link)
            return f.cid;
    return {};
}

// A link number's packet numbers begin once, or its nonces would be used twice.
void test_used_up_link_number_is_not_issued_again(void **) {
    RawPeer p;
    assert_true(p.connect());
    p.say(0, wire::PingFrame{});
    p.pass(base::millis(20));
    p.to_cid = cid_for(p.look(), 2);
    assert_int_equal(p.to_cid.len, 8);
    const wire::Cid first = p.to_cid;
    p.to_cid = {};
    p.say(0, wire::NewCidFrame{{2}, 0, 1, wire::Cid{8, {1, 1, 1, 1, 1, 1, 1, 1}}, {}});
    p.link = 2, p.to_cid = first;
    p.say(0, wire::ChallengeFrame{{1, 2, 3, 4, 5, 6, 7, 8}});
    assert_int_equal(p.node.stats().links, 2);
    p.link = 0, p.to_cid = {};
    p.say(0, wire::LinkCloseFrame{{2}, 0});
    p.look();
    p.say(0, wire::CidRequestFrame{0, {2}});
    p.say(0, wire::CidRequestFrame{0, {0}});
    p.say(0, wire::NewCidFrame{{2}, 0, 2, wire::Cid{8, {1, 1, 1, 1, 1, 1, 1, 2}}, {}});
    p.pass(base::millis(20));
    const Seen seen = p.look();
    assert_int_equal(cid_for(seen, 2).len, 0);
    assert_int_equal(cid_for(seen, 0).len, 0);
    assert_false(p.ended());
}

// Ids asked for and given back at once, while nothing is acknowledged: nothing piles up.
void test_ids_asked_for_and_retired_cost_stays_flat(void **) {
    RawPeer p;
    assert_true(p.connect());
    p.say(0, wire::PingFrame{});
    p.pass(base::millis(20));
    const size_t control = 64; // packets that the window may hold
    size_t issued = 0;
    p.full = true;
    for (uint32_t i = 0; i < 20'000; i++) {
        const uint32_t number = 1000 + 2 * i;
        p.say(0, wire::CidRequestFrame{0, {number}}, wire::RetireCidFrame{5 + i});
        p.now = p.now + base::micros(10);
    }
    p.full = false;
    for (int i = 0; i < 50; i++) {
        p.pass(base::millis(20));
        issued += p.look().new_cids.size();
    }
    assert_true(issued < control);
    assert_false(p.ended());
}

// RESP went to "raw", and what it made possible comes from elsewhere: that address gets little
// until it answers, and the link stays.
void test_confirmed_from_spoofed_address_victim_gets_little(void **) {
    RawPeer p;
    assert_true(p.connect());
    uint64_t spoofed = 0;
    const auto say = [&](const auto &...frames) {
        const auto bytes = p.seal(0, frames...);
        spoofed += bytes.size();
        p.deliver(bytes, "victim");
    };
    say(wire::PingFrame{});
    assert_int_equal(p.count(PLAIT_EVENT_CONNECTED), 1);
    uint64_t connection = 0;
    for (const plait_event &e : p.events)
        if (e.type == PLAIT_EVENT_CONNECTED)
            connection = e.connection;
    const uint64_t ch = *p.node.open_channel(connection, "x", channel::stream(), p.now);
    const std::vector<uint8_t> data(60'000, 'x');
    const Bytes part(data);
    for (int i = 0; i < 100; i++) {
        (void)p.node.send(ch, {&part, 1}, p.now);
        p.turn();
        p.pass(base::millis(20));
        p.look();
        wire::AckFrame a;
        a.range_count = 1;
        a.ranges[0] = {0, p.highest[0] + 1};
        say(a, wire::MaxChannelDataFrame{{1}, 1u << 28, 0});
    }
    assert_true(p.bytes_to["victim"] <= 3 * spoofed);
    assert_true(p.bytes_to["raw"] > p.bytes_to["victim"]);
}

void test_open_above_limit_closes_with_channel_limit(void **) {
    RawPeer p;
    assert_true(p.connect());
    p.say(0, open_frame(2 * 65));
    const Seen seen = p.look();
    assert_int_equal(seen.closes.size(), 1);
    assert_int_equal(seen.closes[0].code, wire::CloseCode::kChannelLimit);
}

void test_ack_of_packet_never_sent_closes(void **) {
    RawPeer p;
    assert_true(p.connect());
    wire::AckFrame ack;
    ack.range_count = 1;
    ack.ranges[0] = {0, 1000};
    p.say(0, ack);
    assert_int_equal(p.look().closes.size(), 1);
}

// Channels that the application is never told of leave nothing behind.
void test_channels_refused_by_engine_leave_nothing(void **) {
    RawPeer p;
    assert_true(p.connect());
    p.say(0, wire::PingFrame{});
    const uint32_t before = p.node.stats().channels;
    for (uint32_t i = 1; i <= 60; i++) {
        wire::OpenFrame f = open_frame(2 * i);
        f.cipher = 77; // there is none
        p.say(0, f);
    }
    p.pass(base::millis(50));
    const Seen seen = p.look();
    assert_int_equal(seen.refuses.size(), 60);
    for (const wire::RefuseFrame &f : seen.refuses)
        assert_int_equal(f.code, wire::kRefuseUnsupported);
    wire::AckFrame ack;
    ack.range_count = 1;
    ack.ranges[0] = {0, p.highest[0] + 1};
    p.say(0, ack);
    assert_int_equal(p.count(PLAIT_EVENT_CHANNEL_REQUEST), 0);
    assert_int_equal(p.count(PLAIT_EVENT_CHANNEL_CLOSED), 0);
    assert_int_equal(p.node.stats().channels, before);
}

void test_label_that_never_comes_connection_still_ends(void **) {
    RawPeer p;
    assert_true(p.connect());
    wire::OpenFrame f = open_frame(2);
    f.label_follows = true;
    p.say(0, f);
    assert_int_equal(p.count(PLAIT_EVENT_CHANNEL_REQUEST), 0);
    wire::CloseFrame bye;
    bye.code = 3;
    bye.by_application = true;
    p.say(0, bye);
    p.pass(base::seconds(6));
    assert_int_equal(p.count(PLAIT_EVENT_CHANNEL_CLOSED), 0);
    assert_true(p.ended());
}

// 3 x what came from there, and no more, whatever the joiner asks for.
void test_join_by_peer_unproven_address_gets_little(void **) {
    RawPeer p;
    assert_true(p.connect());
    p.say(0, wire::NewCidFrame{{2}, 0, 1, p.cid, {}}, wire::PingFrame{});
    p.pass(base::millis(50));
    for (const auto &c : p.look().new_cids)
        if (c.link.v == 2)
            p.to_cid = c.cid;
    assert_int_equal(p.to_cid.len, 8);
    p.link = 2;
    p.from = "far";
    size_t said = 0;
    for (uint8_t i = 0; i < 10; i++) {
        const auto d = p.seal(0, wire::ChallengeFrame{{i}}, wire::PingFrame{});
        said += d.size();
        p.deliver(d, "far");
        p.pass(base::millis(30));
        assert_true(p.bytes_to["far"] <= 3 * said);
    }
    p.pass(base::seconds(10));
    assert_true(p.bytes_to["far"] <= 3 * said);
    assert_true(p.bytes_to["far"] > 0);
}

// The first challenge is answered even if our packets are larger than three of the joiner's.
void test_join_with_small_packet_is_answered_at_once(void **) {
    RawPeer p;
    assert_true(p.connect());
    p.say(0, wire::NewCidFrame{{2}, 0, 1, p.cid, {}}, wire::PingFrame{});
    p.pass(base::millis(50));
    for (const auto &c : p.look().new_cids)
        if (c.link.v == 2)
            p.to_cid = c.cid;
    p.link = 2;
    std::array<uint8_t, 200> plain{};
    base::Writer w(plain);
    write(w, wire::ChallengeFrame{{1, 2, 3}});
    p.deliver(p.seal_bytes(0, plain), "far");
    const Seen seen = p.look(2);
    assert_int_equal(seen.responses.size(), 1);
    assert_int_equal(seen.challenges.size(), 1);
    p.say(0, wire::ResponseFrame{seen.challenges[0]});
    assert_int_equal(p.node.stats().links, 2);
    p.pass(base::seconds(8));
    assert_int_equal(p.count(PLAIT_EVENT_LINK_CLOSED), 0);
}

void test_join_never_proven_ends_after_six_challenges(void **) {
    RawPeer p;
    assert_true(p.connect());
    p.say(0, wire::NewCidFrame{{2}, 0, 1, p.cid, {}}, wire::PingFrame{});
    p.pass(base::millis(50));
    for (const auto &c : p.look().new_cids)
        if (c.link.v == 2)
            p.to_cid = c.cid;
    p.link = 2;
    std::array<uint8_t, 1200> plain{};
    base::Writer w(plain);
    write(w, wire::PingFrame{});
    for (int i = 0; i < 20; i++) {
        p.deliver(p.seal_bytes(0, plain), "far");
        p.pass(base::millis(250));
    }
    assert_int_equal(p.count(PLAIT_EVENT_LINK_CLOSED), 1);
}

// Data for a channel whose OPEN never comes is not acknowledged; what else the packet holds counts.
void test_data_without_open_is_not_acknowledged(void **) {
    RawPeer p;
    assert_true(p.connect());
    p.say(0, wire::PingFrame{});
    p.pass(base::millis(50));
    p.look();
    const uint8_t text[] = {1, 2, 3};
    wire::DataFrame f;
    f.bytes = text;
    std::array<uint8_t, 64> plain;
    base::Writer w(plain);
    write(w, f, true);
    p.deliver(p.seal_bytes(2, w.written()), "raw");
    p.pass(base::millis(50));
    for (const auto &ack : p.look().acks)
        assert_true(ack.largest() < p.pn[0] - 1);
    assert_false(p.ended());
}

void test_full_endpoint_replayed_init_parks_little(void **) {
    RawPeer p;
    const std::vector<uint8_t> init = p.init();
    p.full = true;
    for (int i = 0; i < 5000; i++)
        p.deliver(init);
    p.full = false;
    p.node.endpoint_writable(*p.node.endpoint_index(p.endpoint), p.now);
    p.turn();
    assert_true(p.out.size() <= 256);
}

// The ids of peers with a full endpoint: CLOSE waits for it.
void test_close_on_full_endpoint_goes_out_later(void **) {
    RawPeer p;
    assert_true(p.connect());
    p.say(0, wire::PingFrame{});
    p.pass(base::millis(20));
    p.look();
    p.full = true;
    p.say(0, wire::ChallengeFrame{{1}}); // finds out that it is full
    const uint64_t c = p.events[0].connection;
    assert_int_equal(p.node.close(c, 5, "bye", p.now), PLAIT_OK);
    p.turn();
    p.full = false;
    p.node.endpoint_writable(*p.node.endpoint_index(p.endpoint), p.now);
    p.turn();
    const Seen seen = p.look();
    assert_int_equal(seen.closes.size(), 1);
    assert_int_equal(seen.closes[0].code, 5);
}

void test_full_endpoint_no_timer_spins(void **) {
    node::Config c;
    c.keepalive = base::seconds(1);
    RawPeer p(std::move(c));
    assert_true(p.connect());
    p.say(0, wire::PingFrame{});
    p.pass(base::millis(20));
    p.full = true;
    p.say(0, wire::ChallengeFrame{{1}});
    p.say(0, wire::PingFrame{});
    p.pass(base::seconds(5));
    assert_true(p.turns < 200);
}

// A copy of the peer's INIT, sent from elsewhere, must not lead traffic there.
void test_copied_init_does_not_move_the_link(void **) {
    RawPeer p;
    const std::vector<uint8_t> init = p.init();
    p.deliver(init, "raw");
    p.deliver(init, "victim");
    assert_true(p.take_resp());
    p.silent = "victim";
    p.say(0, wire::PingFrame{});
    // Both addresses are asked; "raw" answers.
    for (int i = 0; i < 40; i++) {
        for (const wire::ChallengeBytes &c : p.look().challenges)
            p.say(0, wire::ResponseFrame{c});
        p.pass(base::millis(50));
    }
    const uint64_t before = p.bytes_to["victim"];
    assert_true(before <= 3 * init.size());
    p.say(0, wire::ChallengeFrame{{1}});
    p.pass(base::millis(200));
    assert_int_equal(p.bytes_to["victim"], before);
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(test_raw_peer_connects),
        cmocka_unit_test(test_challenges_never_acked_node_stays_within_its_ledger),
        cmocka_unit_test(test_cid_requests_without_end_ids_stay_bounded),
        cmocka_unit_test(test_used_up_link_number_is_not_issued_again),
        cmocka_unit_test(test_ids_asked_for_and_retired_cost_stays_flat),
        cmocka_unit_test(test_confirmed_from_spoofed_address_victim_gets_little),
        cmocka_unit_test(test_open_above_limit_closes_with_channel_limit),
        cmocka_unit_test(test_ack_of_packet_never_sent_closes),
        cmocka_unit_test(test_channels_refused_by_engine_leave_nothing),
        cmocka_unit_test(test_label_that_never_comes_connection_still_ends),
        cmocka_unit_test(test_join_by_peer_unproven_address_gets_little),
        cmocka_unit_test(test_join_with_small_packet_is_answered_at_once),
        cmocka_unit_test(test_join_never_proven_ends_after_six_challenges),
        cmocka_unit_test(test_data_without_open_is_not_acknowledged),
        cmocka_unit_test(test_full_endpoint_replayed_init_parks_little),
        cmocka_unit_test(test_close_on_full_endpoint_goes_out_later),
        cmocka_unit_test(test_full_endpoint_no_timer_spins),
        cmocka_unit_test(test_copied_init_does_not_move_the_link),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
