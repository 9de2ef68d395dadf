// SPDX-License-Identifier: Apache-2.0
// A host that does not receive, a line that is full, batches in the host's hands, closing in the
// middle.
#include "suite.h"

#include <algorithm>

namespace plait::conformance {
namespace {

constexpr int kPatienceMs = 3000;
constexpr uint32_t kFlood = 20000;

// Sends until the line is full (PLAIT_E_AGAIN), everything is taken (PLAIT_OK), or it fails.
plait_status flood(Pair &p, uint32_t count, uint32_t size) {
    Bytes data = pattern(0, size);
    for (uint32_t i = 0; i < count; i++) {
        plait_datagram d = datagram_to(p.addr_z, data);
        uint32_t sent = 0;
        plait_status status = p.a->send(&d, 1, &sent);
        if (status != PLAIT_OK || sent == 0) {
            return status == PLAIT_OK ? PLAIT_E_AGAIN : status;
        }
    }
    return PLAIT_OK;
}

void test_flood_without_receiver_is_bounded_and_passes(void **state) {
    Pair &p = pair_of(state);
    p.z->receiving = false;
    uint32_t size = std::min<uint32_t>(p.mtu, 1000);
    uint32_t said = p.a->writables;
    plait_status full = flood(p, kFlood, size);
    assert_true(full == PLAIT_OK || full == PLAIT_E_AGAIN);
    p.host.run_for(20);
    p.z->receiving = true;
    if (full == PLAIT_E_AGAIN) {
        assert_true(p.host.run([&] { return p.a->writables > said; }, kPatienceMs));
    }
    // What was held on the way comes out whole, and then the line is as good as new.
    p.host.run_for(p.rate > 0 ? 400 : 50);
    for (const Received &r : p.z->inbox) {
        assert_true(is_pattern(r.data));
    }
    assert_false(p.z->inbox.empty());
    assert_true(p.reaches(p.a, p.z, pattern(1, 100)));
}

void test_writable_follows_every_again(void **state) {
    Pair &p = pair_of(state);
    for (int round = 0; round < 5; round++) {
        uint32_t said = p.a->writables;
        if (flood(p, 200, std::min<uint32_t>(p.mtu, 1000)) != PLAIT_E_AGAIN) {
            return; // a transport that drops instead
        }
        assert_true(p.host.run([&] { return p.a->writables > said; }, kPatienceMs));
    }
    p.host.run_for(100);
    assert_true((p.a->info().flags & PLAIT_INFO_BACK_PRESSURE) == 0 || p.a->writables >= 5);
}

void test_queued_bytes_rise_and_fall(void **state) {
    Pair &p = pair_of(state);
    if (p.rate == 0) {
        return; // only a line of known rate has to tell
    }
    assert_int_equal(p.a->info().queued_bytes, 0);
    flood(p, kFlood, std::min<uint32_t>(p.mtu, 1000));
    uint32_t queued = p.a->info().queued_bytes;
    assert_true(queued > 0);
    assert_true(p.host.run([&] { return p.a->info().queued_bytes == 0; }, kPatienceMs));
    assert_true(queued < p.rate / 4 || queued < 4 * p.mtu); // not a quarter of a second hidden
}

void test_recv_in_ones_gets_everything(void **state) {
    Pair &p = pair_of(state);
    p.z->recv_batch = 1;
    p.batch.clear();
    for (uint32_t i = 0; i < 8; i++) {
        p.batch.push_back(pattern(i, 30 + i));
    }
    assert_true(p.send_batch(p.a, p.addr_z));
    assert_true(p.host.run([&] { return p.z->inbox.size() >= 8; }, kPatienceMs));
}

// A transport without a descriptor of its own must ask for the next turn itself.
void test_recv_of_one_a_turn_gets_everything(void **state) {
    Pair &p = pair_of(state);
    p.z->receiving = false;
    p.batch.clear();
    for (uint32_t i = 0; i < 8; i++) {
        p.batch.push_back(pattern(i, 30 + i));
    }
    assert_true(p.send_batch(p.a, p.addr_z));
    p.host.run_for(50);
    p.z->woken = false;
    plait_datagram first{};
    uint32_t got = 0;
    assert_int_equal(p.z->recv(&first, 1, &got), PLAIT_OK);
    assert_int_equal(got, 1);
    p.z->recv_done(&first, 1);
    p.z->recv_due = false;
    p.z->receiving = true;
    assert_true(p.host.run([&] { return p.z->inbox.size() >= 7; }, kPatienceMs));
}

void test_batch_in_hand_is_not_touched(void **state) {
    Pair &p = pair_of(state);
    p.z->receiving = false;
    p.batch = {pattern(1, 120), pattern(2, 130)};
    assert_true(p.send_batch(p.a, p.addr_z));
    plait_datagram v[8] = {};
    uint32_t got = 0;
    assert_true(p.host.run(
        [&] {
            std::memset(v, 0, sizeof v);
            return p.z->recv(v, 8, &got) != PLAIT_OK || got > 0;
        },
        kPatienceMs));
    assert_true(got >= 1 && got <= 2);
    Bytes first(v[0].data, v[0].data + v[0].len);
    plait_addr from = v[0].peer != nullptr ? *v[0].peer : plait_addr{};
    p.batch.clear();
    for (uint32_t i = 0; i < 8; i++) {
        p.batch.push_back(pattern(10 + i, 140));
    }
    assert_true(p.send_batch(p.a, p.addr_z)); // more arrives meanwhile, then as much as fits
    flood(p, kFlood, 60);
    p.host.run_for(20);
    assert_memory_equal(v[0].data, first.data(), first.size());
    if (v[0].peer != nullptr) {
        assert_memory_equal(v[0].peer, &from, sizeof from);
    }
    p.z->recv_done(v, got);
    p.z->receiving = true;
    p.z->recv_due = true;
    assert_true(p.host.run([&] { return p.z->inbox.size() >= 8; }, kPatienceMs));
}

void test_close_with_data_on_the_way_is_clean(void **state) {
    Pair &p = pair_of(state);
    for (int round = 0; round < 3; round++) {
        p.z->receiving = false;
        flood(p, 300, std::min<uint32_t>(p.mtu, 1000));
        p.host.run_for(2);
        p.host.close(p.z); // with datagrams that nobody took
        flood(p, 300, 100);
        p.host.close(p.a); // with datagrams that nobody will take
        p.a = p.z = nullptr;
        assert_true(p.open_a() && p.open_z());
    }
    p.host.run_for(50);
    assert_true(p.reaches(p.a, p.z, pattern(1, 100)));
}

} // namespace

std::vector<CMUnitTest> pressure_tests() {
    return {PAIR_TEST(test_flood_without_receiver_is_bounded_and_passes),
            PAIR_TEST(test_writable_follows_every_again),
            PAIR_TEST(test_queued_bytes_rise_and_fall),
            PAIR_TEST(test_recv_in_ones_gets_everything),
            PAIR_TEST(test_recv_of_one_a_turn_gets_everything),
            PAIR_TEST(test_batch_in_hand_is_not_touched),
            PAIR_TEST(test_close_with_data_on_the_way_is_clean)};
}

} // namespace plait::conformance
