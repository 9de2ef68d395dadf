// SPDX-License-Identifier: Apache-2.0
// What a peer may do wrong, and what of it costs memory: every answer is a status.
#include "support.h"

#include <cstdlib>

using namespace test;

namespace {

Status data(Channel &c, uint64_t offset, std::string_view bytes, bool fin = false,
            bool start = false) {
    return c.on(wire::DataFrame{offset, base::bytes_of(bytes), fin, start}, kStart);
}

void test_data_above_the_limit_is_a_flow_control_violation(void **) {
    Pair p(stream());
    assert_true(data(*p.z, 65535, "x") == PLAIT_OK);
    assert_true(data(*p.z, 65536, "x") == PLAIT_E_FLOW_CONTROL);
    assert_true(data(*p.z, 65535, "xx") == PLAIT_E_FLOW_CONTROL);
    assert_true(data(*p.z, (uint64_t{1} << 62) - 1, "x") == PLAIT_E_MALFORMED);
    assert_true(data(*p.z, ~uint64_t{0}, "x") == PLAIT_E_MALFORMED);
    assert_true(data(*p.z, 5, "") == PLAIT_E_MALFORMED);
}

void test_data_before_accept_is_kept_up_to_the_first_window(void **) {
    Config c = stream();
    c.window = 65536;
    Pair p(c, 4096, 1 << 20, false);
    assert_true(data(*p.z, 0, bytes_of(4096)) == PLAIT_OK);
    assert_true(data(*p.z, 4096, "x") == PLAIT_E_FLOW_CONTROL);
    assert_true(p.z->take_events() == 0);
    assert_true(same(read(*p.z), "<PLAIT_E_STATE>"));
    assert_true(status_of(send(*p.z, "no")) == PLAIT_E_STATE);
    assert_true(p.z->accept(c, kStart) == PLAIT_OK);
    assert_true(p.z->take_events() & event::kReadable);
    assert_true(p.z->receive_limit() == 65536);
    assert_true(same(read(*p.z), bytes_of(4096)));
}

void test_final_offset_that_changes_is_a_violation(void **) {
    for (int what = 0; what < 6; what++) {
        Pair p(stream());
        Channel &z = *p.z;
        assert_true(data(z, 0, "hello") == PLAIT_OK);
        if (what == 0) {
            assert_true(data(z, 3, "", true) == PLAIT_E_PROTOCOL); // below what came
            continue;
        }
        if (what == 1) {
            assert_true(z.on(wire::ResetFrame{{2}, 1, 4}, kStart) == PLAIT_E_PROTOCOL);
            continue;
        }
        assert_true(data(z, 8, "", true) == PLAIT_OK);
        if (what == 2)
            assert_true(data(z, 7, "xx") == PLAIT_E_PROTOCOL);
        if (what == 3)
            assert_true(data(z, 9, "", true) == PLAIT_E_PROTOCOL);
        if (what == 4)
            assert_true(z.on(wire::ResetFrame{{2}, 1, 9}, kStart) == PLAIT_E_PROTOCOL);
        if (what == 5) {
            assert_true(z.on(wire::ResetFrame{{2}, 1, 8}, kStart) == PLAIT_OK);
            assert_true(z.take_events() & event::kPeerReset);
            assert_true(data(z, 9, "", true) == PLAIT_E_PROTOCOL); // also after the end
        }
    }
}

void test_reset_above_the_limit_is_a_flow_control_violation(void **) {
    Pair p(stream());
    assert_true(p.z->on(wire::ResetFrame{{2}, 1, 65537}, kStart) == PLAIT_E_FLOW_CONTROL);
}

void test_skip_where_it_must_not_be_is_a_violation(void **) {
    Pair reliable(messages()), p(datagram());
    assert_true(reliable.z->on(wire::SkipFrame{{2}, 0, 1, 1}, kStart) == PLAIT_E_PROTOCOL);
    assert_true(p.z->on(wire::SkipFrame{{2}, 0, 0, 0}, kStart) == PLAIT_E_MALFORMED);
    assert_true(p.z->on(wire::SkipFrame{{2}, 65536, 1, 1}, kStart) == PLAIT_E_FLOW_CONTROL);
    assert_true(p.z->on(wire::SkipFrame{{2}, 1, (uint64_t{1} << 62) - 1, 1}, kStart) ==
                PLAIT_E_MALFORMED);
    assert_true(p.z->on(wire::SkipFrame{{2}, 0, ~uint64_t{0}, 1}, kStart) == PLAIT_E_MALFORMED);
    assert_true(data(*p.z, 100, "", true) == PLAIT_OK);
    assert_true(p.z->on(wire::SkipFrame{{2}, 99, 2, 1}, kStart) == PLAIT_E_PROTOCOL);
    assert_true(p.z->on(wire::SkipFrame{{2}, 0, 100, 7}, kStart) == PLAIT_OK);
    assert_true(p.z->receive_state() == ReceiveState::kEnded);
}

void test_one_way_data_from_the_wrong_side_is_a_violation(void **) {
    Config c = stream();
    c.one_way = true;
    Pair p(c);
    assert_true(data(*p.a, 0, "x") == PLAIT_E_PROTOCOL);
    assert_true(p.a->on(wire::SkipFrame{{2}, 0, 1, 0}, kStart) == PLAIT_E_PROTOCOL);
    assert_true(p.a->on(wire::ResetFrame{{2}, 1, 0}, kStart) == PLAIT_E_PROTOCOL);
    assert_true(p.a->on(wire::BlockedFrame{{2}, 0}, kStart) == PLAIT_E_PROTOCOL);
    assert_true(p.a->on(wire::CreditReturnFrame{{2}, 1, 0}, kStart) == PLAIT_E_PROTOCOL);
    assert_true(p.z->on(wire::StopFrame{{2}, 1}, kStart) == PLAIT_E_PROTOCOL);
    assert_true(p.z->on(wire::MaxChannelDataFrame{{2}, 1, 0}, kStart) == PLAIT_E_PROTOCOL);
    assert_true(status_of(send(*p.z, "x")) == PLAIT_E_STATE);
    assert_true(same(read(*p.a), "<PLAIT_E_STATE>"));
    assert_true(p.a->stop(1) == PLAIT_E_STATE && p.z->reset(1) == PLAIT_E_STATE);
    // And the end of the one direction is the end.
    assert_true(send(*p.a, "all").ok() && p.a->finish(kStart) == PLAIT_OK);
    p.carry_all(kStart);
    assert_true(same(read(*p.z), "all"));
    assert_true(p.a->done() && p.z->done());
}

void test_answers_from_the_wrong_side_are_violations(void **) {
    Pair p(stream());
    assert_true(p.z->on(wire::AcceptFrame{{2}, 1, 1}, kStart) == PLAIT_E_PROTOCOL);
    assert_true(p.z->on(wire::RefuseFrame{{2}, 1}, kStart) == PLAIT_E_PROTOCOL);
    assert_true(p.a->on(wire::AcceptFrame{{2}, 1, 1}, kStart) == PLAIT_OK); // a repeat
    assert_true(p.a->on(wire::RefuseFrame{{2}, 1}, kStart) == PLAIT_E_PROTOCOL);
    assert_true(p.a->on(to_open({2}, stream(), 65536, ""), kStart) == PLAIT_E_PROTOCOL);
    assert_true(p.z->on(to_open({2}, stream(), 65536, ""), kStart) == PLAIT_OK);
    assert_true(p.z->on(to_open({2}, messages(), 65536, ""), kStart) == PLAIT_E_PROTOCOL);
}

void test_credit_frames_that_lie_are_violations(void **) {
    Pair p(stream());
    assert_true(p.a->on(wire::MaxChannelDataFrame{{2}, 1 << 20, 1}, kStart) == PLAIT_E_PROTOCOL);
    assert_true(data(*p.z, 0, "hello") == PLAIT_OK);
    assert_true(p.z->on(wire::CreditReturnFrame{{2}, 1, 4}, kStart) == PLAIT_E_PROTOCOL);
    assert_true(p.z->on(wire::CreditReturnFrame{{2}, uint64_t{1} << 40, 9}, kStart) ==
                PLAIT_E_PROTOCOL);
}

void test_scattered_bytes_cost_no_more_than_the_window(void **) {
    for (const bool messages : {false, true}) {
        Config c = datagram();
        c.messages = messages;
        Pair p(c);
        Status s = PLAIT_OK;
        uint64_t taken = 0;
        for (uint64_t at = 1; at < 65536 && (s == PLAIT_OK || s == PLAIT_E_AGAIN); at += 2) {
            s = data(*p.z, at, "x"); // fragments without a beginning
            taken += s == PLAIT_OK;
            p.z->check_invariants();
        }
        assert_true(s ==
                    PLAIT_E_AGAIN); // the bound on ranges; not acknowledged, so not lost for good
        assert_true(taken <= 4096);
        assert_true(p.z->memory() <= 65536 + 2 * 4096);
        // What fills a hole is taken still.
        assert_true(data(*p.z, 0, "\x01", false, messages) == PLAIT_OK);
    }
}

void test_small_message_does_not_pin_a_large_block(void **) {
    Pair p(messages());
    assert_true(send(*p.a, bytes_of(64)).ok());
    p.carry_all(kStart);
    assert_true(p.z->memory() == 512);
    assert_true(same(read(*p.z), bytes_of(64)));
    assert_true(p.z->memory() == 0);
}

void test_garbage_frames_random_never_break_an_invariant(void **) {
    const char *given = std::getenv("PLAIT_TEST_SEED");
    const uint64_t seed = given ? std::strtoull(given, nullptr, 10) : 20240917;
    print_message("seed %llu\n", static_cast<unsigned long long>(seed));
    Random random(seed);
    const Config configs[] = {stream(),    messages(),   datagram(),
                              sequenced(), telemetry(1), unordered_messages()};
    for (int round = 0; round < 300; round++) {
        Config c = configs[round % 6];
        c.window = 8192;
        c.drop_oldest = round % 4 == 3;
        Pair p(c, 8192);
        // Also after a violation: the connection closes, but not inside the call.
        for (int n = 0; n < 200; n++) {
            const Time now = at_ms(static_cast<uint64_t>(n) * 20);
            const uint64_t offset = p.z->read_offset() + random.below(9000);
            const uint64_t end = offset + 1 + random.below(300);
            uint8_t bytes[300];
            for (uint8_t &b : bytes)
                b = static_cast<uint8_t>(random.chance(0.7) ? random.below(40) : random.next());
            const Bytes body(bytes, static_cast<size_t>(end - offset));
            const uint64_t what = random.below(100);
            Channel &z = *p.z;
            if (what < 8)
                z.on(wire::SkipFrame{{2}, offset, end - offset, random.below(3)}, now);
            else if (what < 14)
                z.on(wire::BlockedFrame{{2}, offset}, now);
            else if (what < 15)
                z.on(wire::CreditReturnFrame{{2}, random.below(3), end + 8000}, now);
            else if (what < 16 && random.chance(0.3))
                z.on(wire::ResetFrame{{2}, 1, end}, now);
            else if (what < 22)
                z.on_timer(now);
            else if (what < 40)
                read(z);
            else
                z.on(wire::DataFrame{offset, body, random.chance(0.005),
                                     c.messages && random.chance(0.5)},
                     now);
            p.z->check_invariants();
        }
    }
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(test_data_above_the_limit_is_a_flow_control_violation),
        cmocka_unit_test(test_data_before_accept_is_kept_up_to_the_first_window),
        cmocka_unit_test(test_final_offset_that_changes_is_a_violation),
        cmocka_unit_test(test_reset_above_the_limit_is_a_flow_control_violation),
        cmocka_unit_test(test_skip_where_it_must_not_be_is_a_violation),
        cmocka_unit_test(test_one_way_data_from_the_wrong_side_is_a_violation),
        cmocka_unit_test(test_answers_from_the_wrong_side_are_violations),
        cmocka_unit_test(test_credit_frames_that_lie_are_violations),
        cmocka_unit_test(test_scattered_bytes_cost_no_more_than_the_window),
        cmocka_unit_test(test_small_message_does_not_pin_a_large_block),
        cmocka_unit_test(test_garbage_frames_random_never_break_an_invariant),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
