// SPDX-License-Identifier: Apache-2.0
#include "connection/assembler.h"
#include "support.h"

using namespace plait;
using connection::Assembler;

namespace {

struct Line final : connection::DatagramSink {
    uint32_t send(EndpointIndex, std::span<const plait_datagram> v) override {
        calls++;
        const auto n = static_cast<uint32_t>(std::min<size_t>(v.size(), takes));
        for (uint32_t i = 0; i < n; i++) {
            runs.push_back({v[i].len, v[i].segment, v[i].peer->b[0]});
            bytes.insert(bytes.end(), v[i].data, v[i].data + v[i].len);
        }
        takes -= n;
        return n;
    }
    struct Run {
        uint32_t len;
        uint16_t segment;
        uint8_t peer;
        bool operator==(const Run &) const = default;
    };
    size_t takes = SIZE_MAX;
    int calls = 0;
    std::vector<Run> runs;
    std::vector<uint8_t> bytes;
};

struct World {
    World() : endpoint(info()) {
        one.len = two.len = 1;
        one.b[0] = 1;
        two.b[0] = 2;
        assembler.set_sink(&line);
    }
    static link::EndpointInfo info() {
        link::EndpointInfo i;
        i.transport_class = "udp";
        i.gso = true;
        i.run_segments = 4;
        i.run_bytes = 60'000;
        return i;
    }
    void put(const plait_addr &to, size_t size, uint8_t fill, uint16_t flags = 0) {
        const Assembler::Target t{{0}, &endpoint, &to, nullptr, flags};
        std::memset(assembler.room(t, 1500), fill, size);
        assembler.commit(t, size);
    }
    link::Endpoint endpoint;
    Assembler assembler;
    Line line;
    plait_addr one{}, two{};
};

void test_equal_segments_make_runs_last_may_be_short(void **) {
    World w;
    for (uint8_t i = 0; i < 5; i++)
        w.put(w.one, 1000, i);
    w.put(w.one, 300, 5);  // ends the second run
    w.put(w.one, 1000, 6); // and this begins a third
    w.assembler.flush();
    const std::vector<Line::Run> want{{4000, 1000, 1}, {1300, 1000, 1}, {1000, 0, 1}};
    assert_true(w.line.runs == want);
    for (size_t i = 0; i < 4000; i += 500)
        assert_int_equal(w.line.bytes[i], i / 1000);
}

void test_other_address_longer_segment_or_flag_begins_a_run(void **) {
    World w;
    w.put(w.one, 1000, 0);
    w.put(w.two, 1000, 0);
    w.put(w.two, 1100, 0);
    w.put(w.two, 1100, 0, PLAIT_DATAGRAM_MTU_PROBE);
    w.put(w.two, 1100, 0);
    w.assembler.flush();
    assert_int_equal(w.line.runs.size(), 5);
}

void test_without_offload_every_datagram_is_a_run(void **) {
    World w;
    w.endpoint.info.gso = false;
    w.put(w.one, 1000, 0);
    w.put(w.one, 1000, 0);
    w.assembler.flush();
    assert_int_equal(w.line.runs.size(), 2);
    assert_int_equal(w.line.calls, 1);
}

void test_full_arena_and_full_batch_flush_by_themselves(void **) {
    World w;
    for (int i = 0; i < 400; i++)
        w.put(i % 2 ? w.one : w.two, 1000, static_cast<uint8_t>(i));
    w.assembler.flush();
    assert_int_equal(w.line.bytes.size(), 400'000);
    for (size_t i = 0; i < 400; i++)
        assert_int_equal(w.line.bytes[i * 1000], static_cast<uint8_t>(i));
}

// What is not taken waits, whole and in order, and nothing overtakes it.
void test_parked_goes_out_in_order_before_anything_new(void **) {
    World w;
    w.endpoint.info.gso = false;
    w.line.takes = 1;
    for (uint8_t i = 0; i < 4; i++)
        w.put(w.one, 100, i);
    w.assembler.flush();
    assert_true(w.endpoint.blocked);
    assert_int_equal(w.endpoint.parked.size(), 3);
    w.endpoint.blocked = false;
    w.line.takes = 2;
    assert_false(w.assembler.unpark({0}, w.endpoint));
    assert_true(w.endpoint.blocked);
    w.put(w.one, 100, 4); // behind what is parked
    w.assembler.flush();
    w.endpoint.blocked = false;
    w.line.takes = SIZE_MAX;
    assert_true(w.assembler.unpark({0}, w.endpoint));
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(w.line.bytes[i * 100], i);
}

void test_idle_arena_is_given_back_and_comes_again(void **) {
    World w;
    const Time then{1'000'000};
    assert_false(w.assembler.has_arena());
    for (int i = 0; i < 3; i++) {
        w.put(w.one, 100, 7);
        w.assembler.flush();
        w.assembler.rest(then);
        w.assembler.rest(then + Assembler::kIdle - base::micros(1));
        assert_true(w.assembler.has_arena());
        w.assembler.rest(then + Assembler::kIdle);
        assert_false(w.assembler.has_arena());
    }
    assert_int_equal(w.line.bytes.size(), 300);
}

void test_parked_is_bounded(void **) {
    World w;
    w.endpoint.info.gso = false;
    w.line.takes = 0;
    for (int i = 0; i < 1000; i++) {
        w.put(w.one, 100, 0);
        w.assembler.flush();
    }
    assert_int_equal(w.endpoint.parked.size(), Assembler::kMaxParked);
}

void test_down_endpoint_parks_nothing(void **) {
    World w;
    w.endpoint.up = false;
    w.put(w.one, 100, 0);
    w.assembler.flush();
    assert_int_equal(w.endpoint.parked.size(), 0);
    assert_int_equal(w.line.calls, 0);
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(test_equal_segments_make_runs_last_may_be_short),
        cmocka_unit_test(test_other_address_longer_segment_or_flag_begins_a_run),
        cmocka_unit_test(test_without_offload_every_datagram_is_a_run),
        cmocka_unit_test(test_full_arena_and_full_batch_flush_by_themselves),
        cmocka_unit_test(test_parked_goes_out_in_order_before_anything_new),
        cmocka_unit_test(test_idle_arena_is_given_back_and_comes_again),
        cmocka_unit_test(test_parked_is_bounded),
        cmocka_unit_test(test_down_endpoint_parks_nothing),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
