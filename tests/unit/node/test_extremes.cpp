// SPDX-License-Identifier: Apache-2.0
// Configurations and lines at their ends: what is too small or too large is cut, not asserted.
#include "../cmocka.hpp"
#include "pair.h"

using namespace plait;
using namespace plait::test;

namespace {

struct World : Pair {
    explicit World(node::Config of_a = {}, node::Config of_z = {})
        : Pair(std::move(of_a), std::move(of_z)) {
        ea = a.open("udp");
        ez = z.open("udp");
    }
    bool connect() {
        const crypto::NodeId id = z.node.id();
        ca = *a.node.connect(&id, ea, address("z"), {}, now);
        return run([&] { return has(a, PLAIT_EVENT_CONNECTED) && has(z, PLAIT_EVENT_CONNECTED); });
    }
    // `total` bytes from a to z, on a channel of their own.
    bool transfer(size_t total, Duration limit = base::seconds(60)) {
        const uint64_t ch = *a.node.open_channel(ca, "t", channel::stream(), now);
        std::vector<uint8_t> block(4096, 7), in(8192);
        size_t sent = 0, got = 0;
        uint64_t zh = 0;
        const auto step = [&] {
            while (sent < total) {
                const Bytes part = Bytes(block).first(std::min(block.size(), total - sent));
                const auto r = a.node.send(ch, {&part, 1}, now);
                if (!r.ok())
                    break;
                sent += *r;
            }
            if (!zh && has(z, PLAIT_EVENT_CHANNEL_REQUEST)) {
                zh = event_of(z, PLAIT_EVENT_CHANNEL_REQUEST).channel;
                (void)z.node.accept_channel(zh, nullptr, now);
            }
            while (zh) {
                const auto r = z.node.read(zh, in, nullptr, now);
                if (!r.ok())
                    break;
                got += *r;
            }
            return got == total;
        };
        return run(step, limit);
    }
    uint64_t ea, ez, ca = 0;
};

void test_mtu_of_any_size_is_cut_to_what_is_possible(void **) {
    for (const uint32_t mtu : {0u, 1u, 20u, 64u, 65'535u, 1u << 30}) {
        World w;
        assert_true(w.connect());
        w.a.node.endpoint_mtu(*w.a.node.endpoint_index(w.ea), nullptr, mtu, w.now);
        w.z.node.endpoint_mtu(*w.z.node.endpoint_index(w.ez), nullptr, mtu, w.now);
        assert_true(w.transfer(5000));
        w.a.node.check_invariants();
    }
}

// ACKs fill a packet of 64 bytes by themselves: neither they nor the data may get lost for that.
void test_mtu_64_both_ways_with_gaps_everything_arrives(void **) {
    World w;
    assert_true(w.connect());
    w.a.node.endpoint_mtu(*w.a.node.endpoint_index(w.ea), nullptr, 64, w.now);
    w.z.node.endpoint_mtu(*w.z.node.endpoint_index(w.ez), nullptr, 64, w.now);
    uint32_t n = 0;
    w.watch = [&](Side &, EndpointIndex, std::vector<uint8_t> &) { return ++n % 7 != 0; };
    assert_true(w.transfer(8000, base::seconds(120)));
}

void test_smallest_ledger_blackout_goes_on(void **) {
    node::Config tiny;
    tiny.max_packets_in_flight = 1;
    World w(std::move(tiny));
    assert_true(w.connect());
    const uint64_t ch = *w.a.node.open_channel(w.ca, "", channel::stream(), w.now);
    const std::vector<uint8_t> block(8000, 1);
    const Bytes part(block);
    (void)w.a.node.send(ch, {&part, 1}, w.now);
    w.cut(0);
    w.run([] { return false; }, base::seconds(30));
    w.a.node.check_invariants();
    w.cut(0, false);
    assert_true(w.run([&] { return has(w.z, PLAIT_EVENT_CHANNEL_REQUEST); }, base::seconds(20)));
}

void test_windows_and_limits_of_zero_still_connect(void **) {
    node::Config zero;
    zero.initial_window = 0;
    zero.max_message = 0;
    zero.max_channels_per_peer = 0;
    zero.max_links_per_connection = 0;
    zero.idle_timeout = base::seconds(0);
    node::Config patient;
    patient.idle_timeout = base::seconds(0);
    World w(std::move(patient), std::move(zero));
    assert_true(w.connect());
    w.run([] { return false; }, base::seconds(200));
    assert_false(has(w.a, PLAIT_EVENT_CLOSED));
    const auto link = w.a.node.add_link(w.ca, w.ea, address("z"), {}, w.now);
    assert_int_equal(link.status(), PLAIT_E_LIMIT); // one is all there may be
}

// Two classes whose ids have different lengths: a number has one of each until it is used.
void test_join_where_classes_have_ids_of_other_lengths(void **) {
    node::Config a, z;
    a.cid_sizes = z.cid_sizes = {{"app", 4}};
    World w(std::move(a), std::move(z));
    const uint64_t ea2 = w.a.open("app");
    w.z.open("app");
    const uint64_t ea3 = w.a.open("udp");
    w.z.open("udp");
    assert_true(w.connect());
    w.run([] { return false; }, base::millis(200));
    const uint64_t one = *w.a.node.add_link(w.ca, ea3, address("z"), {}, w.now);
    const uint64_t two = *w.a.node.add_link(w.ca, ea2, address("z"), {}, w.now);
    assert_true(w.run(
        [&] {
            return w.a.node.link_info(one)->state == link::State::kGood &&
                   w.a.node.link_info(two)->state == link::State::kGood;
        },
        base::seconds(3)));
    assert_int_equal(w.z.node.stats().links, 3);
}

// Ids of a scarce class come back when a join with them failed.
void test_scarce_ids_of_failed_joins_come_back(void **) {
    World w;
    const uint64_t tty = w.a.open("serial", 250);
    w.z.open("serial", 250);
    assert_true(w.connect());
    w.cut(1);
    for (int i = 0; i < 8; i++) {
        const auto link = w.a.node.add_link(w.ca, tty, address("z"), {}, w.now);
        assert_true(link.ok());
        assert_true(w.run([&] { return w.a.node.link_info(*link)->state == link::State::kClosed; },
                          base::seconds(10)));
        w.a.node.close_link(*link, 0, w.now);
        w.run([] { return false; }, base::millis(200));
    }
    w.cut(1, false);
    const auto link = w.a.node.add_link(w.ca, tty, address("z"), {}, w.now);
    assert_true(w.run([&] { return w.a.node.link_info(*link)->state == link::State::kGood; },
                      base::seconds(5)));
}

void test_endpoint_down_while_joining_no_timer_spins(void **) {
    World w;
    const uint64_t e2 = w.a.open("udp");
    w.z.open("udp");
    assert_true(w.connect());
    w.cut(1);
    (void)*w.a.node.add_link(w.ca, e2, address("z"), {}, w.now);
    w.run([] { return false; }, base::millis(300));
    w.a.node.endpoint_down(*w.a.node.endpoint_index(e2), nullptr, w.now);
    w.a.turns = 0;
    w.run([] { return false; }, base::seconds(5));
    assert_true(w.a.turns < 100);
}

// The endpoint of an address under test goes away with it.
void test_endpoint_of_candidate_gone_is_forgotten(void **) {
    World w;
    const uint64_t ez2 = w.z.open("udp");
    assert_true(w.connect());
    const EndpointIndex second = *w.z.node.endpoint_index(ez2);
    std::vector<uint8_t> copy;
    w.watch = [&](Side &from, EndpointIndex, std::vector<uint8_t> &bytes) {
        if (&from == &w.a && copy.empty() && !(bytes[0] & 0x80)) {
            copy = bytes;
            return false; // it comes by another way
        }
        return true;
    };
    (void)*w.a.node.open_channel(w.ca, "", channel::stream(), w.now);
    w.run([&] { return !copy.empty(); }, base::seconds(2));
    w.inject(w.z, second, "elsewhere", copy);
    w.run([] { return false; }, base::millis(1));
    w.z.node.endpoint_gone(second, PLAIT_OK, w.now);
    w.run([] { return false; }, base::seconds(5));
    w.z.node.check_invariants();
    assert_false(has(w.z, PLAIT_EVENT_CLOSED));
}

// What the peer may open takes memory in advance, but never all of it: a channel opened here has a
// window, and windows can grow.
void test_more_channels_allowed_than_memory_leave_room_for_ours(void **) {
    node::Config many;
    many.max_channels_per_peer = 1u << 20;
    World w(std::move(many));
    assert_true(w.connect());
    w.run([] { return false; }, base::seconds(2));
    const uint64_t ch = *w.a.node.open_channel(w.ca, "", channel::stream(), w.now);
    assert_true(w.a.node.channel_info(ch)->receive_limit >= channel::kDefaultWindow);
    assert_true(w.a.node.stats().receive_memory < (32u << 20) * 7 / 8);
}

// Where there is no memory for a window the channel does not open, rather than open deaf.
void test_no_memory_for_a_window_no_channel(void **) {
    node::Config little;
    little.receive_memory = little.connection_receive_memory = 128u << 10;
    World w(std::move(little));
    assert_true(w.connect());
    Result<uint64_t> ch{uint64_t{0}};
    uint64_t opened = 0;
    while ((ch = w.a.node.open_channel(w.ca, "", channel::stream(), w.now)).ok()) {
        assert_true(w.a.node.channel_info(*ch)->receive_limit >= channel::kWindowFloor);
        opened++;
    }
    assert_true(opened > 0 && ch.status() == PLAIT_E_LIMIT);
    assert_true(w.a.node.stats().receive_memory <= 128u << 10);
    channel::Config deaf;
    deaf.one_way = true; // needs none
    assert_true(w.a.node.open_channel(w.ca, "", deaf, w.now).ok());
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(test_mtu_of_any_size_is_cut_to_what_is_possible),
        cmocka_unit_test(test_mtu_64_both_ways_with_gaps_everything_arrives),
        cmocka_unit_test(test_smallest_ledger_blackout_goes_on),
        cmocka_unit_test(test_windows_and_limits_of_zero_still_connect),
        cmocka_unit_test(test_join_where_classes_have_ids_of_other_lengths),
        cmocka_unit_test(test_scarce_ids_of_failed_joins_come_back),
        cmocka_unit_test(test_endpoint_down_while_joining_no_timer_spins),
        cmocka_unit_test(test_endpoint_of_candidate_gone_is_forgotten),
        cmocka_unit_test(test_more_channels_allowed_than_memory_leave_room_for_ours),
        cmocka_unit_test(test_no_memory_for_a_window_no_channel),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
