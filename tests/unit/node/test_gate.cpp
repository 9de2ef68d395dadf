// SPDX-License-Identifier: Apache-2.0
// Cookies, rates and reassembly: what stands before a handshake.
#include "../cmocka.hpp"
#include "pair.h"

#include "node/gate.h"
#include "node/reassembly.h"

using namespace plait;
using namespace plait::node;
using namespace plait::test;

namespace {

constexpr Time kStart{1'000'000};

wire::Cid cid(uint8_t b) {
    return {1, {b}};
}
bool knows(Gate &g, const Stranger &s, const crypto::Mac &cookie, Time now) {
    return g.find_cookie(s, now, [&](const crypto::Mac &c) { return c == cookie; }).has_value();
}

void test_cookie_of_the_secret_before_is_accepted_an_older_one_not(void **) {
    CountingEntropy e(1);
    Gate g(e, kStart);
    const plait_addr at = address("here");
    const Stranger s{{0}, &at, cid(1)};
    const crypto::Mac cookie = g.cookie(s, kStart + base::seconds(119));
    assert_true(knows(g, s, cookie, kStart + base::seconds(119)));
    assert_true(knows(g, s, cookie, kStart + base::seconds(200)));
    assert_true(g.cookie(s, kStart + base::seconds(200)) != cookie);
    assert_false(knows(g, s, cookie, kStart + base::seconds(241)));
}

void test_cookie_is_for_one_address_endpoint_and_id(void **) {
    CountingEntropy e(1);
    Gate g(e, kStart);
    const plait_addr here = address("here"), there = address("there");
    const crypto::Mac cookie = g.cookie({{0}, &here, cid(1)}, kStart);
    assert_true(knows(g, {{0}, &here, cid(1)}, cookie, kStart));
    assert_false(knows(g, {{0}, &there, cid(1)}, cookie, kStart));
    assert_false(knows(g, {{1}, &here, cid(1)}, cookie, kStart));
    assert_false(knows(g, {{0}, &here, cid(2)}, cookie, kStart));
}

void test_unproven_senders_beyond_the_rate_have_to_prove(void **) {
    CountingEntropy e(1);
    Gate g(e, kStart);
    uint32_t admitted = 0;
    for (int i = 0; i < 3000; i++)
        admitted += g.judge({0}, 5, false, false, kStart) == Gate::Verdict::kAdmit;
    assert_int_equal(admitted, kUnprovenBurst);
    assert_int_equal(g.judge({0}, 5, false, false, kStart), Gate::Verdict::kProve);
    assert_int_equal(g.judge({0}, 5, true, false, kStart), Gate::Verdict::kAdmit);
    assert_int_equal(g.judge({1}, 5, false, false, kStart), Gate::Verdict::kAdmit);
    assert_int_equal(g.judge({1}, 5, false, true, kStart), Gate::Verdict::kProve);
    assert_int_equal(g.judge({0}, 5, false, false, kStart + base::millis(2)),
                     Gate::Verdict::kAdmit);
}

void test_one_proven_source_does_not_use_up_anothers_rate(void **) {
    CountingEntropy e(1);
    Gate g(e, kStart);
    const uint8_t v4[3][7] = {
        {4, 0, 80, 10, 0, 0, 1}, {4, 9, 99, 10, 0, 0, 1}, {4, 0, 80, 10, 0, 0, 2}};
    uint64_t source[3];
    for (int i = 0; i < 3; i++) {
        plait_addr a{};
        a.len = 7;
        std::memcpy(a.b, v4[i], 7);
        source[i] = g.source_of({0}, "udp", a);
    }
    assert_true(source[0] == source[1]); // another port
    assert_true(source[0] != source[2]);
    for (uint32_t i = 0; i < kProvenBurst; i++)
        assert_int_equal(g.judge({0}, source[0], true, true, kStart), Gate::Verdict::kAdmit);
    assert_int_equal(g.judge({0}, source[1], true, true, kStart), Gate::Verdict::kRefuse);
    assert_int_equal(g.judge({0}, source[2], true, true, kStart), Gate::Verdict::kAdmit);
}

// -- reassembly

struct Pieces {
    explicit Pieces(size_t size) : packet(size) {
        for (size_t i = 0; i < size; i++)
            packet[i] = static_cast<uint8_t>(i * 7);
    }
    wire::FragPacket piece(uint8_t scid, size_t offset, size_t n) const {
        wire::FragPacket p;
        p.header.scid = cid(scid);
        p.total = static_cast<uint16_t>(packet.size());
        p.offset = static_cast<uint16_t>(offset);
        p.data = Bytes(packet).subspan(offset, n);
        return p;
    }
    std::vector<uint8_t> packet;
};

void test_pieces_in_any_order_are_put_together(void **) {
    Reassembly r;
    const Pieces p(100);
    const plait_addr at = address("here");
    assert_true(r.add({{0}, &at, 1}, p.piece(1, 60, 40), 64, kStart).packet.empty());
    assert_true(r.add({{0}, &at, 1}, p.piece(1, 0, 30), 64, kStart).packet.empty());
    assert_true(r.add({{0}, &at, 1}, p.piece(1, 0, 30), 64, kStart).packet.empty());  // again
    assert_true(r.add({{0}, &at, 1}, p.piece(1, 20, 20), 64, kStart).packet.empty()); // overlaps
    const auto whole = r.add({{0}, &at, 1}, p.piece(1, 30, 30), 63, kStart);
    assert_int_equal(whole.packet.size(), 100);
    assert_memory_equal(whole.packet.data(), p.packet.data(), 100);
    assert_int_equal(whole.largest_piece, 64);
    assert_int_equal(r.add({{0}, &at, 1}, p.piece(1, 0, 30), 64, kStart).packet.size(), 100);
}

void test_pieces_that_contradict_are_dropped(void **) {
    Reassembly r;
    const Pieces p(100);
    Pieces other(100);
    other.packet[3] ^= 1;
    const plait_addr at = address("here");
    (void)r.add({{0}, &at, 1}, p.piece(1, 0, 50), 64, kStart);
    (void)r.add({{0}, &at, 1}, other.piece(1, 0, 50), 64, kStart);
    const auto whole = r.add({{0}, &at, 1}, p.piece(1, 50, 50), 64, kStart);
    assert_memory_equal(whole.packet.data(), p.packet.data(), 100);
    assert_true(r.add({{0}, &at, 1}, Pieces(90).piece(1, 0, 90), 64, kStart).packet.empty());
}

void test_reassemblies_are_bounded_and_end(void **) {
    Reassembly r;
    const Pieces p(100);
    const plait_addr at = address("here");
    for (uint8_t i = 1; i < 10; i++)
        (void)r.add({{0}, &at, 1}, p.piece(i, 0, 50), 64, kStart);
    assert_int_equal(r.size(), kMaxReassembliesOfOne);
    // One that got nothing for a second makes place.
    (void)r.add({{0}, &at, 1}, p.piece(50, 0, 50), 64, kStart + base::millis(1500));
    assert_int_equal(r.size(), kMaxReassembliesOfOne);
    assert_int_equal(
        r.add({{0}, &at, 1}, p.piece(50, 50, 50), 64, kStart + base::millis(1600)).packet.size(),
        100);
    for (uint32_t i = 0; i < 200; i++)
        (void)r.add({{1 + i}, &at, i}, p.piece(1, 0, 50), 64, kStart + base::seconds(2));
    assert_int_equal(r.size(), kMaxReassemblies);
    r.expire(kStart + base::seconds(12));
    assert_int_equal(r.size(), 0);
}

// Ports of one host, all of which are kept fresh.
struct ManyPorts {
    void fill(uint32_t round) {
        for (uint8_t port = 0; port < 100; port++)
            add(1, port, round);
    }
    bool add(uint64_t source, uint8_t port, uint32_t round, size_t n = 1) {
        plait_addr at = address("host ?");
        at.b[5] = port;
        at.b[0] = static_cast<uint8_t>(source);
        return !r.add({{0}, &at, source}, p.piece(1, round, n), 64, now).packet.empty();
    }
    // Whether this newcomer can send all of its packet in two pieces.
    bool comes_through(uint64_t source) {
        add(source, 200, 0, 50);
        fill(++rounds);
        return add(source, 200, 50, 50);
    }
    Reassembly r;
    Pieces p{100};
    Time now = kStart;
    uint32_t rounds = 1;
};

void test_one_host_with_many_ports_others_get_their_places(void **) {
    ManyPorts m;
    m.fill(0);
    assert_int_equal(m.r.size(), kMaxReassemblies);
    m.now = m.now + base::millis(900);
    m.fill(1);
    for (uint64_t source = 2; source < 30; source++)
        assert_true(m.comes_through(source));
    assert_int_equal(m.r.size(), kMaxReassemblies);
}

// What others hold is not taken by who has more already, even where nothing comes for it.
void test_one_host_with_many_ports_slow_newcomer_keeps_its_place(void **) {
    ManyPorts m;
    m.fill(0);
    m.add(2, 200, 0, 50);
    for (uint32_t i = 1; i < 8; i++) {
        m.now = m.now + base::millis(1100);
        m.fill(i);
    }
    assert_true(m.add(2, 200, 50, 50));
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(test_cookie_of_the_secret_before_is_accepted_an_older_one_not),
        cmocka_unit_test(test_cookie_is_for_one_address_endpoint_and_id),
        cmocka_unit_test(test_unproven_senders_beyond_the_rate_have_to_prove),
        cmocka_unit_test(test_one_proven_source_does_not_use_up_anothers_rate),
        cmocka_unit_test(test_pieces_in_any_order_are_put_together),
        cmocka_unit_test(test_pieces_that_contradict_are_dropped),
        cmocka_unit_test(test_reassemblies_are_bounded_and_end),
        cmocka_unit_test(test_one_host_with_many_ports_others_get_their_places),
        cmocka_unit_test(test_one_host_with_many_ports_slow_newcomer_keeps_its_place),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
