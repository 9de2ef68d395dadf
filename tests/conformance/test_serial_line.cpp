// SPDX-License-Identifier: Apache-2.0
// What is particular to a serial line: garbage on it, lost bytes, unplugging, its rate and its
// queue.
#include "builtin.h"
#include "ptys.h"
#include "suite.h"

#include <algorithm>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace plait::conformance;

namespace {

constexpr int kPatienceMs = 3000;
constexpr int kReopenMs = 4000; // the longest wait between two attempts is 2 s

struct Line {
    PtyLine line;
    Pair pair;
    std::string query = "?baud=3000000";
    bool open() {
        g_suite.transport = &plait_transport_serial;
        g_suite.uri_a = "serial://" + line.path(PtyLine::kA) + query;
        g_suite.uri_z = "serial://" + line.path(PtyLine::kZ) + query;
        pair.mtu = 1400;
        return line.ok() && pair.open_a() && pair.open_z();
    }
};

int line_setup(void **state) {
    auto *l = new Line;
    *state = l;
    return l->open() ? 0 : -1;
}

int line_teardown(void **state) {
    auto *l = static_cast<Line *>(*state);
    size_t broken = l->pair.host.violations.size();
    delete l;
    return broken == 0 ? 0 : -1;
}

Line &line_of(void **state) {
    return *static_cast<Line *>(*state);
}

void test_garbage_on_the_line_costs_one_datagram_at_most(void **state) {
    Line &l = line_of(state);
    Pair &p = l.pair;
    for (uint32_t round = 0; round < 30; round++) {
        Bytes garbage = pattern(round * 7, 1 + round * 40);
        l.line.inject(PtyLine::kZ, garbage);
        p.host.run_for(3);
        p.z->inbox.clear();
        p.batch = {pattern(1, 80), pattern(2, 90), pattern(3, 100)};
        assert_true(p.send_batch(p.a, p.addr_z));
        assert_true(p.host.run(
            [&] { return !p.z->inbox.empty() && p.z->inbox.back().data == p.batch[2]; },
            kPatienceMs));
        assert_true(p.z->inbox.size() >= 2);
        for (const Received &r : p.z->inbox) {
            assert_true(is_pattern(r.data));
        }
    }
    assert_false(p.z->log.empty()); // it was noticed
}

void test_garbage_without_end_is_skipped(void **state) {
    Line &l = line_of(state);
    Pair &p = l.pair;
    for (int i = 0; i < 20; i++) { // 80 kB without a zero: longer than any buffer here
        l.line.inject(PtyLine::kZ, Bytes(4000, 0x55));
        p.host.run_for(5);
    }
    assert_true(p.host.run(
        [&] {
            p.batch = {pattern(1, 80), pattern(2, 90)};
            p.send_batch(p.a, p.addr_z);
            p.host.run_for(20);
            return !p.z->inbox.empty() && p.z->inbox.back().data == p.batch[1];
        },
        kPatienceMs));
}

void test_lost_bytes_cost_their_datagram_alone(void **state) {
    Line &l = line_of(state);
    l.line.lose_every(1000);
    int came = l.pair.carry_many(l.pair.a, l.pair.z, 160, 200);
    // About every tenth datagram is hit, and every second of those takes its neighbour along.
    assert_in_range(came, 100, 156);
    l.line.lose_every(0);
    assert_int_equal(l.pair.carry_many(l.pair.a, l.pair.z, 100, 200), 100);
}

void test_unplugged_line_goes_down_and_comes_back(void **state) {
    Line &l = line_of(state);
    Pair &p = l.pair;
    for (uint32_t round = 1; round <= 2; round++) {
        l.line.unplug(PtyLine::kA);
        assert_true(p.host.run([&] { return !p.a->up; }, kPatienceMs));
        assert_int_equal(p.a->downs, round);
        assert_true((p.a->info().flags & PLAIT_INFO_DOWN) != 0);
        assert_int_equal(p.a->info().queued_bytes, 0);
        Bytes data = pattern(1, 50);
        plait_datagram d = datagram_to(p.addr_z, data);
        uint32_t sent = 0;
        assert_int_equal(p.a->send(&d, 1, &sent), PLAIT_E_LINK_DOWN);
        p.host.run_for(350); // attempts that fail
        assert_false(p.a->up);
        l.line.plug(PtyLine::kA);
        assert_true(p.host.run([&] { return p.a->up; }, kReopenMs));
        assert_int_equal(p.a->ups, round);
        assert_true(p.carries(p.a, p.z, pattern(2, 60)));
        assert_true(p.carries(p.z, p.a, pattern(3, 70)));
        assert_true(p.z->up);
    }
    assert_int_equal(p.a->failed, PLAIT_OK);
    assert_true(p.a->log.size() <= 4); // not a line for every attempt
}

void test_unplugged_while_full_says_writable_after_return(void **state) {
    Line &l = line_of(state);
    Pair &p = l.pair;
    Bytes data = pattern(1, 1400);
    uint32_t sent = 1;
    for (int i = 0; i < 1000 && sent == 1; i++) {
        plait_datagram d = datagram_to(p.addr_z, data);
        p.a->send(&d, 1, &sent);
    }
    assert_int_equal(sent, 0);
    uint32_t said = p.a->writables;
    l.line.unplug(PtyLine::kA);
    assert_true(p.host.run([&] { return !p.a->up; }, kPatienceMs));
    l.line.plug(PtyLine::kA);
    assert_true(p.host.run([&] { return p.a->up; }, kReopenMs));
    assert_true(p.a->writables > said);
    assert_true(p.reaches(p.a, p.z, pattern(2, 60)));
}

void test_rate_is_told_and_kept(void **state) {
    Line &l = line_of(state);
    Pair &p = l.pair;
    plait_transport_info i = p.a->info();
    assert_int_equal(i.rate, 300000);
    assert_true((i.flags & PLAIT_INFO_POINT_TO_POINT) != 0);
    assert_true((i.flags & PLAIT_INFO_BACK_PRESSURE) != 0);
    // 60 kB take 200 ms. More patience upwards: this machine may be busy with other things.
    p.batch.assign(60, pattern(1, 1000));
    uint64_t start = Host::now_us();
    assert_true(p.send_batch(p.a, p.addr_z));
    assert_true(p.host.run([&] { return p.z->inbox.size() == 60; }, kPatienceMs));
    uint64_t took = Host::now_us() - start;
    assert_in_range(took, 140000, 2000000);
}

void test_queue_of_the_driver_is_short(void **state) {
    Line &l = line_of(state);
    Pair &p = l.pair;
    static Bytes data = pattern(1, 1400); // a failing assertion jumps over destructors
    uint32_t sent = 1;
    uint64_t before = l.line.carried();
    uint64_t start = Host::now_us();
    for (int i = 0; i < 1000 && sent == 1; i++) {
        plait_datagram d = datagram_to(p.addr_z, data);
        p.a->send(&d, 1, &sent);
    }
    uint64_t meanwhile = (Host::now_us() - start) * 300000 / 1000000; // bytes gone while sending
    assert_int_equal(sent, 0);
    // Two datagrams in the driver and one behind them.
    assert_true(p.a->info().queued_bytes <= 4 * 1420);
    usleep(20000); // let the pty line carry what the driver was given
    // One more than it may hold: on a busy machine it is refilled after `meanwhile` was measured.
    assert_true(l.line.carried() - before <= 3 * 1420 + meanwhile);
}

// Opens and tells the status; the text must be there.
plait_status try_open(Pair &p, const std::string &uri) {
    plait_host_endpoint *e = p.host.open(&plait_transport_serial, uri.c_str());
    if (e != nullptr) {
        p.host.close(e);
        return PLAIT_OK;
    }
    return p.host.last_text.empty() ? PLAIT_OK : p.host.last_status;
}

void test_open_tells_what_is_wrong(void **state) {
    Pair &p = line_of(state).pair;
    assert_int_equal(try_open(p, "serial:///dev/plait-no-such-tty"), PLAIT_E_NO_DEVICE);
    assert_string_equal(p.host.last_text.c_str(), "no such device (is the adapter plugged in?)");
    assert_int_equal(try_open(p, "serial:///dev/null"), PLAIT_E_TRANSPORT_OPEN);
    assert_string_equal(p.host.last_text.c_str(), "not a serial line");
    assert_int_equal(try_open(p, "serial:///tmp"), PLAIT_E_TRANSPORT_OPEN);
    assert_int_equal(try_open(p, g_suite.uri_a), PLAIT_E_ADDRESS_IN_USE);
    assert_int_equal(try_open(p, "serial://COM3"), PLAIT_E_URI);
    const char *const bad_queries[] = {
        "?baud=", "?baud=0", "?baud=-1", "?baud=1e6", "?baud=99999999999999999999", "?mtu=63",
        "?mtu=16385", "?flow=xonxoff", "?pace=", "?baud", "?=", "?&"};
    for (const char *bad : bad_queries) {
        assert_int_equal(try_open(p, "serial:///dev/null" + std::string(bad)), PLAIT_E_URI);
    }
    if (geteuid() != 0) {
        assert_int_equal(try_open(p, "serial:///dev/tty0"), PLAIT_E_TRANSPORT_OPEN);
    }
}

void test_open_at_odd_rates_works(void **state) {
    Line &l = line_of(state);
    Pair &p = l.pair;
    for (uint32_t baud : {50u, 1200u, 9600u, 31250u, 74880u, 921600u, 1234567u, 12000000u}) {
        p.host.close(p.a);
        std::string uri = "serial://" + l.line.path(PtyLine::kA) + "?baud=" + std::to_string(baud);
        p.a = p.host.open(&plait_transport_serial, uri.c_str());
        assert_non_null(p.a);
        assert_int_equal(p.a->info().rate, baud / 10);
    }
}

#define LINE_TEST(f) \
    CMUnitTest { #f, f, line_setup, line_teardown, nullptr }

} // namespace

int main() {
    const CMUnitTest tests[] = {
        LINE_TEST(test_garbage_on_the_line_costs_one_datagram_at_most),
        LINE_TEST(test_garbage_without_end_is_skipped),
        LINE_TEST(test_lost_bytes_cost_their_datagram_alone),
        LINE_TEST(test_unplugged_line_goes_down_and_comes_back),
        LINE_TEST(test_unplugged_while_full_says_writable_after_return),
        LINE_TEST(test_rate_is_told_and_kept),
        LINE_TEST(test_queue_of_the_driver_is_short),
        LINE_TEST(test_open_tells_what_is_wrong),
        LINE_TEST(test_open_at_odd_rates_works),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
