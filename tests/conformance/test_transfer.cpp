// SPDX-License-Identifier: Apache-2.0
// Datagrams arrive whole, with their borders, from whom they came. Order is not asked for, nor that
// all arrive: nine of ten must, when few are under way.
#include "suite.h"

#include <algorithm>

namespace plait::conformance {
namespace {

constexpr int kPatienceMs = 3000;

bool arrives(Pair &p, plait_host_endpoint *at, size_t count) {
    return p.host.run([&] { return at->inbox.size() >= count; }, kPatienceMs);
}

// Each one of the batch came, once, in any order.
bool same_as_batch(Pair &p, plait_host_endpoint *at) {
    std::vector<Bytes> came;
    for (const Received &r : at->inbox) {
        came.push_back(r.data);
    }
    std::vector<Bytes> sent = p.batch;
    std::sort(came.begin(), came.end());
    std::sort(sent.begin(), sent.end());
    return came == sent;
}

void test_datagram_arrives_and_is_answered(void **state) {
    Pair &p = pair_of(state);
    assert_true(p.carries(p.a, p.z, pattern(1, 100)));
    plait_addr from = p.z->inbox[0].peer;
    if (!p.point_to_point) {
        assert_memory_equal(&from, &p.addr_a, sizeof from);
    }
    p.batch.assign(1, pattern(2, 200));
    assert_true(p.send_batch(p.z, from)); // to where it came from
    assert_true(arrives(p, p.a, 1));
    assert_true(p.a->inbox[0].data == p.batch[0]);
}

void test_datagram_of_every_size_arrives(void **state) {
    Pair &p = pair_of(state);
    for (uint32_t size : sizes_up_to(std::min<uint32_t>(p.mtu, 65000))) {
        bool arrived = p.carries(p.a, p.z, pattern(size, size));
        if (!arrived) {
            print_error("%u bytes did not arrive\n", size);
        }
        assert_true(arrived);
    }
    assert_true(p.carries(p.a, p.z, pattern(7, p.mtu)));
}

void test_datagram_of_awkward_bytes_arrives(void **state) {
    Pair &p = pair_of(state);
    for (uint8_t byte : {0x00, 0x01, 0x0a, 0x11, 0x13, 0x7e, 0xc0, 0xfe, 0xff}) {
        for (uint32_t size : {1u, 4u, 253u, 254u, 255u, 509u, 1000u}) {
            bool arrived = size > p.mtu || p.carries(p.a, p.z, Bytes(size, byte));
            if (!arrived) {
                print_error("%u bytes of 0x%02x did not arrive\n", size, byte);
            }
            assert_true(arrived);
        }
    }
}

void test_batch_arrives(void **state) {
    Pair &p = pair_of(state);
    p.batch.clear();
    for (uint32_t i = 0; i < 8; i++) {
        p.batch.push_back(pattern(i, 40 + 11 * i));
    }
    assert_true(p.send_batch(p.a, p.addr_z));
    assert_true(arrives(p, p.z, 8));
    assert_true(same_as_batch(p, p.z));
}

void test_many_arrive_whole(void **state) {
    Pair &p = pair_of(state);
    uint32_t largest = std::min<uint32_t>(p.mtu, 1400);
    auto count = static_cast<int>(p.affordable(4000, largest));
    int came = p.carry_many(p.a, p.z, static_cast<uint32_t>(count), largest);
    assert_true(came >= count - count / 10);
}

void test_both_directions_at_once_arrive(void **state) {
    Pair &p = pair_of(state);
    for (uint32_t round = 0; round < 20; round++) {
        p.a->inbox.clear();
        p.z->inbox.clear();
        p.batch = {pattern(round, 300), pattern(round + 1, 64)};
        assert_true(p.send_batch(p.a, p.addr_z));
        assert_true(p.send_batch(p.z, p.addr_a));
        assert_true(arrives(p, p.z, 2) && arrives(p, p.a, 2));
        assert_true(same_as_batch(p, p.z) && same_as_batch(p, p.a));
    }
}

// Sends data as one run, retrying it whole until it is taken.
bool send_run(Pair &p, Bytes &data, uint16_t segment) {
    plait_datagram d = datagram_to(p.addr_z, data);
    d.segment = segment;
    uint32_t sent = 0;
    uint32_t said = p.a->writables;
    plait_status status = p.a->send(&d, 1, &sent);
    while (sent == 0 && (status == PLAIT_OK || status == PLAIT_E_AGAIN)) {
        if (!p.host.run([&] { return p.a->writables != said; }, kPatienceMs)) {
            return false;
        }
        said = p.a->writables;
        status = p.a->send(&d, 1, &sent);
    }
    return status == PLAIT_OK && sent == 1;
}

// What arrived is the run, cut into its datagrams. At least `least` of them.
bool is_run(Pair &p, const Bytes &data, uint32_t segment, size_t least) {
    std::vector<Bytes> pieces;
    for (size_t at = 0; at < data.size(); at += segment) {
        size_t end = std::min<size_t>(at + segment, data.size());
        pieces.emplace_back(data.data() + at, data.data() + end);
    }
    size_t found = 0;
    for (const Received &r : p.z->inbox) {
        auto piece = std::find(pieces.begin(), pieces.end(), r.data);
        if (piece == pieces.end()) {
            return false;
        }
        pieces.erase(piece);
        found++;
    }
    return found >= least;
}

void test_run_is_cut_into_its_datagrams(void **state) {
    Pair &p = pair_of(state);
    if ((g_suite.transport->capabilities & PLAIT_CAP_GSO) == 0) {
        return;
    }
    struct Case {
        uint32_t len;
        uint16_t segment;
        uint32_t datagrams;
    };
    for (Case c : {Case{2100, 200, 11}, Case{2000, 200, 10}, Case{150, 200, 1}, Case{200, 200, 1},
                   Case{201, 200, 2}, Case{100, 0, 1}}) {
        p.batch.assign(1, pattern(c.len, c.len));
        p.z->inbox.clear();
        assert_true(send_run(p, p.batch[0], c.segment));
        arrives(p, p.z, c.datagrams);
        assert_int_equal(p.z->inbox.size(), c.datagrams);
        assert_true(is_run(p, p.batch[0], c.segment > 0 ? c.segment : c.len, c.datagrams));
    }
}

void test_long_run_is_split(void **state) {
    Pair &p = pair_of(state);
    if ((g_suite.transport->capabilities & PLAIT_CAP_GSO) == 0) {
        return;
    }
    uint32_t before = p.a->info().capabilities;
    // More segments, and then more bytes, than one call of the system takes.
    for (uint16_t segment : {100, 1200}) {
        uint32_t count = segment == 100 ? 150 : 70;
        p.batch.assign(1, pattern(3, count * segment - 10));
        p.z->inbox.clear();
        assert_true(send_run(p, p.batch[0], segment));
        arrives(p, p.z, count);
        assert_true(is_run(p, p.batch[0], segment, count - count / 10));
    }
    assert_int_equal(p.a->info().capabilities, before); // nothing had to be given up for it
}

void test_too_big_is_refused_alone(void **state) {
    Pair &p = pair_of(state);
    uint32_t sent = 0;
    p.batch = {pattern(1, 30), pattern(2, p.mtu + 1), pattern(3, 40)};
    plait_datagram v[3];
    for (int i = 0; i < 3; i++) {
        v[i] = datagram_to(p.addr_z, p.batch[static_cast<size_t>(i)]);
    }
    assert_int_equal(p.a->send(v, 3, &sent), PLAIT_E_TOO_BIG);
    assert_int_equal(sent, 1);
    assert_true(p.a->mtu_said == 0 || p.a->mtu_said == p.mtu);
    assert_int_equal(p.a->send(v + 2, 1, &sent), PLAIT_OK);
    assert_int_equal(sent, 1);
    assert_true(arrives(p, p.z, 2));
    p.batch.erase(p.batch.begin() + 1);
    assert_true(same_as_batch(p, p.z));
    assert_int_equal(p.a->failed, PLAIT_OK);
}

void test_too_big_probe_changes_nothing(void **state) {
    Pair &p = pair_of(state);
    uint32_t sent = 0;
    p.batch = {pattern(2, p.mtu + 1)};
    plait_datagram d = datagram_to(p.addr_z, p.batch[0]);
    d.flags = PLAIT_DATAGRAM_MTU_PROBE;
    assert_int_equal(p.a->send(&d, 1, &sent), PLAIT_E_TOO_BIG);
    assert_int_equal(p.a->mtu_said, 0);
    assert_true(p.carries(p.a, p.z, pattern(3, 40)));
}

void test_datagram_to_a_closed_endpoint_vanishes(void **state) {
    Pair &p = pair_of(state);
    plait_addr gone = p.addr_z;
    p.host.close(p.z);
    p.z = nullptr;
    for (uint32_t i = 0; i < 20; i++) {
        Bytes data = pattern(i, 70);
        plait_datagram d = datagram_to(gone, data);
        uint32_t sent = 0;
        plait_status status = p.a->send(&d, 1, &sent);
        assert_true(status == PLAIT_OK || status == PLAIT_E_AGAIN || status == PLAIT_E_LINK_DOWN);
        p.host.run_for(1);
    }
    assert_int_equal(p.a->failed, PLAIT_OK);
    assert_true(p.open_z());
    assert_true(p.reaches(p.a, p.z, pattern(9, 90)));
}

void test_ecn_is_carried(void **state) {
    Pair &p = pair_of(state);
    if ((p.a->info().capabilities & PLAIT_CAP_ECN) == 0) {
        return;
    }
    for (uint8_t ecn : {0, 1, 2, 3}) {
        Bytes data = pattern(ecn, 50);
        plait_datagram d = datagram_to(p.addr_z, data);
        uint32_t sent = 0;
        d.ecn = ecn;
        p.z->inbox.clear();
        assert_int_equal(p.a->send(&d, 1, &sent), PLAIT_OK);
        assert_true(arrives(p, p.z, 1));
        assert_int_equal(p.z->inbox[0].ecn, ecn);
    }
}

void test_sent_bytes_are_left_alone(void **state) {
    Pair &p = pair_of(state);
    plait_transport_info i = p.a->info();
    Bytes room = pattern(5, 400);
    Bytes before = room;
    plait_datagram d = datagram_to(p.addr_z, room);
    d.data = room.data() + 100;
    d.len = 200;
    uint32_t sent = 0;
    assert_int_equal(p.a->send(&d, 1, &sent), PLAIT_OK);
    assert_true(arrives(p, p.z, 1));
    if (i.header_room == 0 && i.tail_room == 0) {
        assert_true(room == before);
    }
}

} // namespace

std::vector<CMUnitTest> transfer_tests() {
    return {PAIR_TEST(test_datagram_arrives_and_is_answered),
            PAIR_TEST(test_datagram_of_every_size_arrives),
            PAIR_TEST(test_datagram_of_awkward_bytes_arrives),
            PAIR_TEST(test_batch_arrives),
            PAIR_TEST(test_many_arrive_whole),
            PAIR_TEST(test_both_directions_at_once_arrive),
            PAIR_TEST(test_run_is_cut_into_its_datagrams),
            PAIR_TEST(test_long_run_is_split),
            PAIR_TEST(test_too_big_is_refused_alone),
            PAIR_TEST(test_too_big_probe_changes_nothing),
            PAIR_TEST(test_datagram_to_a_closed_endpoint_vanishes),
            PAIR_TEST(test_ecn_is_carried),
            PAIR_TEST(test_sent_bytes_are_left_alone)};
}

} // namespace plait::conformance
