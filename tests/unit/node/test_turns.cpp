// SPDX-License-Identifier: Apache-2.0
// What is done within one turn of the loop, and what is left for the next one.
#include "../cmocka.hpp"
#include "channel/budget.h"
#include "pair.h"

#include <unordered_map>

using namespace plait;
using namespace plait::test;

namespace {

// A stream whose send buffer has grown beyond what is taken in one go, with nothing under way.
struct Fast : Connected {
    explicit Fast(Duration one_way = base::millis(50)) { delay = one_way; }
    bool grow() {
        if (!connect() || !open(channel::stream()))
            return false;
        uint64_t sent = 0, got = 0;
        const auto read = [&] {
            std::vector<uint8_t> in(65536);
            for (auto r = z.node.read(zh, in, nullptr, now); r.ok();
                 r = z.node.read(zh, in, nullptr, now))
                got += *r;
        };
        const auto step = [&] {
            if (sent < kGrown)
                sent += send_in_a_row();
            read();
            return sent >= kGrown && got == sent;
        };
        if (!run(step))
            return false;
        // The last ACKs.
        run([] { return false; }, base::millis(200));
        a.events.clear();
        return a.node.channel_info(ch)->send_queue == 0;
    }
    // 64 KiB at a time, until they are refused.
    uint64_t send_in_a_row() {
        uint64_t sum = 0;
        const Bytes part(piece);
        for (auto r = a.node.send(ch, {&part, 1}, now); r.ok();
             r = a.node.send(ch, {&part, 1}, now))
            sum += *r;
        return sum;
    }
    // Of what the application can be told now, without another datagram or drain.
    bool told_writable() {
        bool told = false;
        plait_event ev[16];
        while (const size_t n = a.node.take_events(ev, now))
            for (size_t i = 0; i < n; i++)
                told |= ev[i].type == PLAIT_EVENT_WRITABLE && ev[i].channel == ch;
        return told;
    }
    static constexpr uint64_t kGrown = 24u << 20;
    std::vector<uint8_t> piece = std::vector<uint8_t>(65536, 7);
};

void test_burst_then_pause_writable_is_told_in_the_same_turn(void **) {
    Fast w;
    assert_true(w.grow());
    assert_int_equal(w.send_in_a_row(), channel::kSendBurst);
    assert_true(w.told_writable());
    assert_int_equal(w.send_in_a_row(), channel::kSendBurst);
    w.a.node.drain(w.now, w.a);
    assert_true(w.told_writable());
}

void test_burst_ended_by_reserve_or_one_large_call_writable_is_told_at_once(void **) {
    Fast w;
    assert_true(w.grow());
    for (uint64_t sum = 0; sum < channel::kSendBurst;) {
        const auto room = w.a.node.reserve(w.ch, 1, w.now);
        assert_true(room.ok());
        assert_int_equal(w.a.node.commit(w.ch, room->size(), w.now), PLAIT_OK);
        sum += room->size();
    }
    assert_false(w.told_writable());
    assert_int_equal(w.a.node.reserve(w.ch, 1, w.now).status(), PLAIT_E_AGAIN);
    assert_true(w.told_writable());
    const std::vector<uint8_t> large(2 * channel::kSendBurst, 1);
    const Bytes part(large);
    const auto taken = w.a.node.send(w.ch, {&part, 1}, w.now);
    assert_true(taken.ok());
    assert_int_equal(*taken, channel::kSendBurst);
    assert_true(w.told_writable());
}

// Between two parts of it the loop reads ACKs, and what is urgent goes first.
void test_bulk_beyond_one_turn_is_left_for_the_next_drain(void **) {
    Fast w(base::micros(100));
    assert_true(w.grow());
    const auto sent = [&w] { return w.a.node.connection_info(w.ca)->bytes_sent; };
    assert_int_equal(w.send_in_a_row(), channel::kSendBurst);
    const uint64_t before = sent();
    w.a.node.drain(w.now, w.a);
    const uint64_t first = sent() - before;
    assert_in_range(first, channel::kSendBurst / 8, channel::kSendBurst / 2);
    assert_true(w.a.node.deadline() <= w.now); // at once
    w.a.node.drain(w.now, w.a);
    assert_in_range(sent() - before, first + first / 2, first * 5 / 2);
    assert_true(w.run([&w] { return w.a.node.channel_info(w.ch)->send_queue == 0; }));
    assert_true(w.a.node.deadline() > w.now);
    // Nothing is left of it for a connection that ends in the middle.
    assert_int_equal(w.send_in_a_row(), channel::kSendBurst);
    w.a.node.drain(w.now, w.a);
    assert_true(w.a.node.deadline() <= w.now);
    assert_int_equal(w.a.node.close(w.ca, 0, "", w.now), PLAIT_OK);
    w.a.node.drain(w.now, w.a);
    assert_true(w.a.node.deadline() > w.now);
}

// A node that dials many, none of whom is there. Its INITs are due again all at the same time.
struct Crowd final : node::Output {
    explicit Crowd(size_t count)
        : entropy(1), node({}, identity_of(entropy), entropy, Time{1'000'000}) {
        link::EndpointInfo info;
        info.transport_class = "udp";
        info.mtu = 1400;
        const uint64_t endpoint = *node.add_endpoint(info);
        for (size_t i = 0; i < count; i++) {
            const crypto::NodeId peer = identity_of(entropy).id();
            const std::string name = "peer " + std::to_string(i);
            connections.push_back(*node.connect(&peer, endpoint, address(name.c_str()), {}, now));
        }
        node.drain(now, *this);
    }
    uint32_t send(EndpointIndex, std::span<const plait_datagram> v) override {
        for (const plait_datagram &d : v)
            heard[{reinterpret_cast<const char *>(d.peer->b), d.peer->len}]++;
        return static_cast<uint32_t>(v.size());
    }
    uint64_t queued_bytes(EndpointIndex) override { return 0; }
    // How many were sent something since the last question.
    size_t reached() {
        const size_t n = heard.size();
        heard.clear();
        return n;
    }

    CountingEntropy entropy;
    node::Node node;
    Time now{1'000'000};
    std::vector<uint64_t> connections;
    std::unordered_map<std::string, int> heard;
};

void test_many_timers_due_a_turn_serves_some_and_the_next_ones_the_rest(void **) {
    constexpr size_t kMany = 300, kAtOnce = 128;
    Crowd w(kMany);
    assert_int_equal(w.reached(), kMany);
    w.now = w.now + base::seconds(3); // each INIT is due again
    for (size_t left = kMany; left > 0;) {
        assert_true(w.node.deadline() <= w.now);
        w.node.on_timer(w.now);
        w.node.drain(w.now, w);
        const size_t served = w.reached();
        assert_true(served > 0 && served <= kAtOnce);
        left -= served;
    }
    assert_true(w.node.deadline() > w.now);
    w.node.check_invariants();
}

void test_many_time_out_at_once_each_is_told(void **) {
    constexpr size_t kMany = 300;
    Crowd w(kMany);
    w.now = w.now + base::seconds(11);
    size_t closed = 0;
    for (size_t turns = 0; turns < 3; turns++) {
        assert_true(w.node.deadline() <= w.now);
        w.node.on_timer(w.now);
        w.node.drain(w.now, w);
        plait_event ev[64];
        while (const size_t n = w.node.take_events(ev, w.now))
            for (size_t i = 0; i < n; i++)
                closed += ev[i].type == PLAIT_EVENT_CLOSED && ev[i].status == PLAIT_E_TIMEOUT;
    }
    assert_int_equal(closed, kMany);
    for (const uint64_t c : w.connections)
        assert_int_equal(w.node.close(c, 0, "", w.now), PLAIT_OK);
    w.node.drain(w.now, w);
    assert_int_equal(w.node.stats().connections, 0);
    assert_true(w.node.deadline() == kNever);
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(test_burst_then_pause_writable_is_told_in_the_same_turn),
        cmocka_unit_test(test_bulk_beyond_one_turn_is_left_for_the_next_drain),
        cmocka_unit_test(test_burst_ended_by_reserve_or_one_large_call_writable_is_told_at_once),
        cmocka_unit_test(test_many_timers_due_a_turn_serves_some_and_the_next_ones_the_rest),
        cmocka_unit_test(test_many_time_out_at_once_each_is_told),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
