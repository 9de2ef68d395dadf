// SPDX-License-Identifier: Apache-2.0
// Configurations on the wire, their bounds, and the small containers of the room.
#include "support.h"

using namespace test;

namespace {

void test_config_every_preset_survives_the_open_frame(void **) {
    for (const Config &c : {stream(), messages(), datagram(), sequenced(), media(base::millis(200)),
                            telemetry(3), unordered_messages()}) {
        assert_true(check(c) == PLAIT_OK);
        uint8_t bytes[64];
        base::Writer w(bytes);
        wire::write(w, to_open({7}, c, 4096, "label"));
        assert_true(w.ok() && w.size() <= wire::kMaxControlFrame);
        base::Reader r(w.written());
        r.u8();
        wire::OpenFrame f;
        assert_true(wire::read(r, f));
        assert_true(from_open(f, Config{}) == c);
        assert_true(base::text_of(f.label) == "label" && f.window == 4096);
    }
}

void test_config_long_label_follows_in_a_record(void **) {
    const wire::OpenFrame f = to_open({7}, stream(), 4096, "a label of more than sixteen bytes");
    assert_true(f.label_follows && f.label.empty());
}

void test_config_out_of_bounds_is_refused(void **) {
    Config c = stream();
    c.priority_class = 16;
    assert_true(check(c) == PLAIT_E_INVALID);
    c = stream();
    c.window = kWindowFloor - 1;
    assert_true(check(c) == PLAIT_E_INVALID);
    c = stream();
    c.reorder_wait = base::micros(-1);
    assert_true(check(c) == PLAIT_E_INVALID);
    c = telemetry(1);
    c.resend_parameter = ~uint64_t{0};
    assert_true(check(c) == PLAIT_E_UNSUPPORTED);
    c = media(base::seconds(3601));
    assert_true(check(c) == PLAIT_E_UNSUPPORTED);
    wire::OpenFrame f = to_open({7}, stream(), 4096, "");
    f.reorder_wait_us = ~uint64_t{0};
    assert_true(check(from_open(f, Config{})) == PLAIT_E_INVALID);
}

void test_range_counts_random_agree_with_an_array(void **) {
    print_message("seed 11\n");
    Random random(11);
    RangeCounts counts;
    uint32_t plain[200] = {};
    for (int n = 0; n < 20000; n++) {
        const uint64_t start = random.below(200), end = start + random.below(200 - start + 1);
        switch (random.below(3)) {
        case 0:
            counts.increment(start, end);
            for (uint64_t i = start; i < end; i++)
                plain[i]++;
            break;
        case 1:
            counts.clear(start, end);
            for (uint64_t i = start; i < end; i++)
                plain[i] = 0;
            break;
        default: {
            uint64_t at = start;
            bool right = true;
            counts.update(start, end, [&](uint64_t a, uint64_t b, uint32_t v) {
                right &= a == at && b > a;
                for (at = a; at < b; at++)
                    right &= plain[at] == v;
                return v ? v - 1 : 0;
            });
            assert_true(right && (at == end || start == end));
            for (uint64_t i = start; i < end; i++)
                plain[i] -= plain[i] ? 1 : 0;
        }
        }
        for (uint64_t i = 0; i < 200; i++)
            assert_true(counts.at(i) == plain[i]);
    }
}

void test_pools_reuse_blocks_and_count_them(void **) {
    Pools pools;
    uint8_t *a = pools.take(1000), *big = pools.take(100000);
    assert_true(pools.in_use() == 1024 + 100000);
    pools.give(a, 1000);
    assert_ptr_equal(pools.take(1024), a);
    pools.give(a, 1024);
    pools.give(big, 100000);
    assert_true(pools.in_use() == 0);
}

void test_budget_promise_and_share_are_kept(void **) {
    NodeBudget node(100);
    ConnectionBudget one(node, 80);
    {
        ConnectionBudget two(node, 80);
        assert_true(two.promise(60));
        assert_true(one.take(50) == 40);
        assert_true(two.take(10) == 0);
        assert_true(two.take_promised(50) == 50 && two.take_promised(50) == 10);
        two.give(60);
        assert_true(one.take(100) == 40 && one.used() == 80);
        assert_true(two.promise(20) && !two.promise(1));
        two.withdraw_promise(20);
        assert_true(two.promise(20));
    }
    one.give(80);
    assert_true(node.used() == 0);
}

void test_state_tables_no_way_back(void **) {
    assert_true(may_follow(Phase::kOpening, Phase::kOpen) &&
                !may_follow(Phase::kOpen, Phase::kOffered));
    assert_true(may_follow(SendState::kOpen, SendState::kFinishing));
    assert_false(may_follow(SendState::kFinished, SendState::kResetting));
    assert_false(may_follow(ReceiveState::kEnded, ReceiveState::kReset));
    assert_string_equal(to_string(SendState::kResetting), "resetting");
    assert_string_equal(to_string(ReceiveState::kSizeKnown), "size known");
    assert_string_equal(to_string(Phase::kOffered), "offered");
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(test_config_every_preset_survives_the_open_frame),
        cmocka_unit_test(test_config_long_label_follows_in_a_record),
        cmocka_unit_test(test_config_out_of_bounds_is_refused),
        cmocka_unit_test(test_range_counts_random_agree_with_an_array),
        cmocka_unit_test(test_pools_reuse_blocks_and_count_them),
        cmocka_unit_test(test_budget_promise_and_share_are_kept),
        cmocka_unit_test(test_state_tables_no_way_back),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
