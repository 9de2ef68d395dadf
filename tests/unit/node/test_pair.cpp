// SPDX-License-Identifier: Apache-2.0
// The whole path through all rooms of the engine, between two nodes.
#include "../cmocka.hpp"
#include "pair.h"

using namespace plait;
using namespace plait::test;

namespace {

void test_nodes_dial_both_connected(void **) {
    Connected w;
    assert_true(w.connect());
    assert_int_equal(w.a.node.connection_info(w.ca)->state, node::ConnectionState::kConnected);
    w.a.node.check_invariants();
    w.z.node.check_invariants();
}

// Sends `total` patterned bytes from a to z; whether they came as they were.
bool transfer(Connected &w, size_t total) {
    std::vector<uint8_t> out(64 * 1024), in(64 * 1024);
    size_t sent = 0, got = 0;
    bool same = true;
    const auto step = [&] {
        while (sent < total) {
            const size_t n = std::min(out.size(), total - sent);
            for (size_t i = 0; i < n; i++)
                out[i] = static_cast<uint8_t>((sent + i) * 31 >> 3);
            const Bytes part(out.data(), n);
            const auto r = w.a.node.send(w.ch, {&part, 1}, w.now);
            if (!r.ok())
                break;
            sent += *r;
            if (sent == total)
                w.a.node.finish(w.ch, w.now);
        }
        for (;;) {
            const auto r = w.z.node.read(w.zh, in, nullptr, w.now);
            if (!r.ok())
                return r.status() == PLAIT_E_END;
            for (size_t i = 0; i < *r; i++)
                same &= in[i] == static_cast<uint8_t>((got + i) * 31 >> 3);
            got += *r;
        }
    };
    return w.run(step, base::seconds(120)) && same && got == total;
}

void test_stream_large_transfer_arrives_whole(void **) {
    Connected w;
    assert_true(w.connect());
    assert_true(w.open(channel::stream()));
    assert_true(transfer(w, 4 << 20));
}

void test_second_link_cut_of_first_loses_nothing(void **) {
    Connected w;
    const uint64_t ea2 = w.a.open("udp");
    w.z.open("udp");
    assert_true(w.connect());
    assert_true(w.open(channel::stream()));
    const auto link = w.a.node.add_link(w.ca, ea2, address("z"), {}, w.now);
    assert_true(link.ok());
    assert_true(w.run([&] { return w.a.node.link_info(*link)->state == link::State::kGood; }));
    assert_true(transfer(w, 1 << 20));
    w.a.node.check_invariants();
}

// An endpoint of a kind that neither side had when they connected can carry a link all the same.
void test_endpoint_opened_later_link_joins_over_it(void **) {
    Connected w;
    assert_true(w.connect());
    const uint64_t tty = w.a.open("serial");
    assert_true(w.z.open("serial") != 0);
    w.run([] { return false; }, base::millis(50));
    const auto link = w.a.node.add_link(w.ca, tty, plait_addr{}, {}, w.now);
    assert_true(link.ok());
    assert_true(w.run([&] { return w.a.node.link_info(*link)->state == link::State::kGood; }));
}

void test_close_with_code_peer_learns_it(void **) {
    Connected w;
    assert_true(w.connect());
    assert_int_equal(w.a.node.close(w.ca, 77, "done", w.now), PLAIT_OK);
    assert_true(
        w.run([&] { return has(w.z, PLAIT_EVENT_CLOSED) && has(w.a, PLAIT_EVENT_CLOSED); }));
    const plait_event ev = event_of(w.z, PLAIT_EVENT_CLOSED);
    assert_int_equal(ev.status, PLAIT_E_PEER_CLOSED);
    assert_int_equal(ev.a, 77);
    assert_int_equal(ev.b, 1);
    w.z.node.close(ev.connection, 0, "", w.now);
    w.run([] { return false; }, base::seconds(10));
    assert_int_equal(w.a.node.stats().connections, 0);
    assert_int_equal(w.z.node.stats().connections, 0);
    assert_int_equal(w.z.node.stats().links, 0);
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(test_nodes_dial_both_connected),
        cmocka_unit_test(test_stream_large_transfer_arrives_whole),
        cmocka_unit_test(test_second_link_cut_of_first_loses_nothing),
        cmocka_unit_test(test_endpoint_opened_later_link_joins_over_it),
        cmocka_unit_test(test_close_with_code_peer_learns_it),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
