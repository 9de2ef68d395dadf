// SPDX-License-Identifier: Apache-2.0
// Opening, refusing and every way to end; what is left afterwards: nothing.
#include "support.h"

using namespace test;

namespace {

void test_open_is_repeated_until_acknowledged_and_accepted_once(void **) {
    Pair p(messages(), 65536, 1 << 20, false);
    assert_true(p.a->pending_control() == 0 && p.a->phase() == Phase::kOpening);
    p.a->on_control_lost(control::kOpen);
    assert_true(p.a->pending_control() == control::kOpen);
    assert_true(p.a->take_events() & event::kWritable);
    assert_true(send(*p.a, "early").ok());
    p.carry_data(p.a, p.z, kStart);
    Config local = messages();
    local.max_message = 5000;
    local.priority_class = 3;
    local.weight_log2 = 2;
    assert_true(p.z->accept(local, kStart) == PLAIT_OK);
    assert_true(p.z->config().priority_class == 3 && p.z->config().weight_log2 == 2);
    assert_true(p.z->accept(local, kStart) == PLAIT_E_STATE);
    assert_true(p.carry_control(p.z, p.a, kStart) == control::kAccept);
    assert_true(p.a->take_events() & event::kAccepted);
    assert_true(p.a->pending_control() == 0); // ACCEPT shows that OPEN came
    assert_true(status_of(send(*p.a, bytes_of(5001))) == PLAIT_E_TOO_BIG);
    assert_true(same(read(*p.z), "early"));
    assert_true(p.z->label() == "test");
}

void test_refuse_ends_both_sides_with_the_code(void **) {
    Pair p(stream(), 65536, 1 << 20, false);
    assert_true(send(*p.a, bytes_of(1000)).ok());
    p.carry_data(p.a, p.z, kStart);
    assert_true(p.z->refuse(42) == PLAIT_OK);
    assert_false(p.z->done());
    assert_true(p.carry_control(p.z, p.a, kStart) == control::kRefuse);
    assert_true(p.z->done() && p.a->done());
    assert_true((p.a->take_events() & (event::kRefused | event::kClosed)) ==
                (event::kRefused | event::kClosed));
    assert_true(p.a->send_code() == 42);
    assert_true(status_of(send(*p.a, "x")) == PLAIT_E_REFUSED);
    ReadInfo info;
    assert_true(same(read(*p.a, &info), "<PLAIT_E_REFUSED>") && info.code == 42);
    assert_true(p.z.memory.budget.used() == 0 && p.a.memory.budget.used() == 0);
    assert_true(p.z->on(wire::DataFrame{1000, base::bytes_of("late"), false, false}, kStart) ==
                PLAIT_OK);
}

void test_half_close_the_other_direction_goes_on(void **) {
    Pair p(stream());
    assert_true(send(*p.a, "question").ok() && p.a->finish(kStart) == PLAIT_OK);
    p.carry_all(kStart);
    assert_true(p.z->take_events() & event::kEnd);
    assert_true(same(read(*p.z), "question"));
    assert_true(same(read(*p.z), "<PLAIT_E_END>"));
    assert_true(p.a->take_events() & event::kFinished);
    assert_false(p.a->done());
    assert_true(send(*p.z, "answer").ok() && p.z->finish(kStart) == PLAIT_OK);
    p.carry_all(kStart);
    assert_true(same(read(*p.a), "answer"));
    assert_true(p.a->done() && p.z->done());
    assert_true(p.a->take_events() & event::kClosed);
    assert_true(p.z->take_events() & event::kClosed);
    assert_true(p.a->on_timer(at_ms(5000)) == PLAIT_OK);
    assert_true(p.a->take_events() == 0); // once
}

void test_reset_ends_one_direction_with_its_code(void **) {
    Pair p(stream());
    assert_true(p.a->reset(uint64_t{1} << 32) == PLAIT_E_INVALID);
    assert_true(send(*p.a, bytes_of(5000)).ok());
    const Segment s = next(*p.a);
    assert_true(Pair::deliver(s, *p.z, kStart) == PLAIT_OK);
    assert_true(p.a->reset(9) == PLAIT_OK);
    assert_false(p.a->has_data(kStart));
    p.a->on_acked(s.offset, s.length, false);
    p.a->on_lost(s.offset, s.length, false, kStart);
    assert_true(p.carry_control(p.a, p.z, kStart) == control::kReset);
    assert_true(p.z->take_events() & event::kPeerReset);
    ReadInfo info;
    assert_true(same(read(*p.z, &info), "<PLAIT_E_RESET>") && info.code == 9);
    assert_true(status_of(send(*p.a, "x")) == PLAIT_E_RESET);
    assert_true(p.a->send_state() == SendState::kReset &&
                p.z->receive_state() == ReceiveState::kReset);
    assert_true(send(*p.z, "still").ok());
    p.carry_all(kStart);
    assert_true(same(read(*p.a), "still"));
    assert_true(p.z->memory() == 0 && p.z->credit() == 0);
}

void test_reset_after_all_data_arrived_loses_nothing(void **) {
    Pair p(stream());
    assert_true(send(*p.a, "all of it").ok() && p.a->finish(kStart) == PLAIT_OK);
    assert_true(Pair::deliver(next(*p.a), *p.z, kStart) == PLAIT_OK); // its ACK is lost
    assert_true(p.a->reset(9) == PLAIT_OK);
    p.carry_control(p.a, p.z, kStart);
    assert_true(same(read(*p.z), "all of it"));
    assert_true(same(read(*p.z), "<PLAIT_E_END>"));
}

void test_stop_is_answered_with_reset_and_ends(void **) {
    Pair p(stream());
    assert_true(send(*p.a, bytes_of(5000)).ok());
    const Segment s = next(*p.a), late = next(*p.a);
    assert_true(Pair::deliver(s, *p.z, kStart) == PLAIT_OK);
    assert_true(p.z->stop(5) == PLAIT_OK);
    assert_true(p.z->stop(6) == PLAIT_OK);
    assert_true(p.z->memory() == 0);
    ReadInfo info;
    assert_true(same(read(*p.z, &info), "<PLAIT_E_RESET>") && info.code == 5);
    assert_true(p.carry_control(p.z, p.a, kStart) == control::kStop);
    assert_true(p.a->take_events() & event::kPeerStopped);
    assert_true(status_of(send(*p.a, "x")) == PLAIT_E_RESET && p.a->send_code() == 5);
    assert_true(Pair::deliver(late, *p.z, kStart) == PLAIT_OK);
    assert_true(p.carry_control(p.a, p.z, kStart) == control::kReset);
    assert_true(p.z->receive_state() == ReceiveState::kStopped);
    assert_true(p.z.memory.budget.used() == 0);
}

void test_stop_before_accept_reset_waits_for_it(void **) {
    Pair p(stream(), 65536, 1 << 20, false);
    assert_true(p.a->stop(7) == PLAIT_OK);
    p.carry_control(p.a, p.z, kStart);
    assert_true(!p.z->has_events()); // the application has not taken it yet
    assert_true(p.z->pending_control() == 0 && !p.z->wants_to_send(kStart));
    assert_true(p.z->accept(stream(), kStart) == PLAIT_OK);
    assert_true(p.z->take_events() == event::kPeerStopped);
    assert_true(p.carry_control(p.z, p.a, kStart) == (control::kAccept | control::kReset));
    assert_true(p.a->receive_state() == ReceiveState::kStopped);
}

void test_stop_with_the_end_known_needs_no_answer(void **) {
    Pair p(stream());
    assert_true(send(*p.a, "unread").ok() && p.a->finish(kStart) == PLAIT_OK);
    p.carry_all(kStart);
    assert_true(p.z->stop(5) == PLAIT_OK);
    assert_true(p.z->receive_state() == ReceiveState::kStopped && p.z->pending_control() == 0);
    assert_true(p.z->finish(kStart) == PLAIT_OK);
    p.carry_all(kStart);
    assert_true(p.a->done() && p.z->done());
}

void test_control_channel_is_open_at_once_and_takes_no_channel_frames(void **) {
    Memory memory;
    Setup s;
    s.config = stream();
    s.is_control = true;
    s.peer_window = s.own_window = 4096;
    Channel c(s, memory.pools, memory.budget);
    assert_true(c.accepted() && c.pending_control() == 0);
    assert_true(send(c, "record").ok() && c.has_data(kStart));
    assert_true(c.on(wire::DataFrame{0, base::bytes_of("hello"), false, false}, kStart) ==
                PLAIT_OK);
    assert_true(same(read(c), "hello"));
    assert_true(c.on(wire::ResetFrame{{0}, 1, 5}, kStart) == PLAIT_E_PROTOCOL);
    assert_true(c.on(wire::StopFrame{{0}, 1}, kStart) == PLAIT_E_PROTOCOL);
    assert_true(c.on(wire::SkipFrame{{0}, 5, 1, 0}, kStart) == PLAIT_E_PROTOCOL);
    assert_true(c.on(wire::CreditReturnFrame{{0}, 1, 5}, kStart) == PLAIT_E_PROTOCOL);
    assert_true(c.on(wire::AcceptFrame{{0}, 1, 5}, kStart) == PLAIT_E_PROTOCOL);
}

void test_idle_channel_gives_its_memory_back_after_a_second(void **) {
    Pair p(messages());
    assert_true(send(*p.a, "x", at_ms(0)).ok());
    p.carry_all(at_ms(0));
    assert_true(same(read(*p.z), "x"));
    p.carry_all(at_ms(0));
    assert_false(p.a->idle() || p.z->idle());
    assert_true(p.a->deadline() == at_ms(1000) && p.z->deadline() == at_ms(1000));
    assert_true(p.a->on_timer(at_ms(1000)) == PLAIT_OK && p.z->on_timer(at_ms(1000)) == PLAIT_OK);
    assert_true(p.a->idle() && p.z->idle());
    assert_true(p.a->deadline() == kNever && p.z->deadline() == kNever);
    assert_true(p.a.memory.pools.in_use() == 0 && p.z.memory.pools.in_use() == 0);
    assert_true(send(*p.a, "again", at_ms(5000)).ok());
    p.carry_all(at_ms(5000));
    assert_true(same(read(*p.z), "again"));
}

void test_idle_channels_are_due_together(void **) {
    Pair p(messages()), q(messages());
    const auto use = [](Pair &c, Time now) {
        assert_true(send(*c.a, "x", now).ok());
        c.carry_all(now);
        assert_true(same(read(*c.z), "x"));
        c.carry_all(now);
    };
    use(p, at_ms(10));
    use(q, at_ms(200));
    for (const Time due : {p.a->deadline(), p.z->deadline(), q.a->deadline(), q.z->deadline()})
        assert_true(due == at_ms(1250));
}

void test_mark_is_on_the_segment_with_the_last_byte_and_its_repeats(void **) {
    Pair p(messages());
    assert_true(send(*p.a, "before").ok());
    assert_true(p.a->mark_ack_now() == PLAIT_OK);
    assert_true(send(*p.a, bytes_of(2000)).ok());
    assert_true(send(*p.a, "behind").ok());
    const Segment first = next(*p.a), last = next(*p.a);
    assert_false(first.ack_now);
    assert_true(last.ack_now);
    p.a->on_lost(last.offset, last.length, false, kStart);
    assert_true(next(*p.a).ack_now);
    p.a->on_acked(0, p.a->written(), false);
    assert_true(send(*p.a, "unmarked").ok());
    assert_false(next(*p.a).ack_now);
    assert_true(p.a->finish(kStart) == PLAIT_OK);
    assert_true(p.a->mark_ack_now() == PLAIT_E_STATE);
}

void test_low_queue_is_told_once_each_time_it_falls(void **) {
    Pair p(stream());
    p.a->set_low_water(1000);
    for (int round = 0; round < 2; round++) {
        assert_true(send(*p.a, bytes_of(3000)).ok());
        next(*p.a);
        assert_false(p.a->take_events() & event::kQueueLow);
        next(*p.a);
        assert_true(p.a->take_events() & event::kQueueLow);
        next(*p.a);
        assert_false(p.a->take_events() & event::kQueueLow);
    }
    assert_true(send(*p.a, bytes_of(1000)).ok()); // never above the mark
    next(*p.a);
    assert_false(p.a->take_events() & event::kQueueLow);
}

void test_linger_throws_the_rest_away_and_accounts_for_it(void **) {
    Pair p(messages());
    assert_true(send(*p.a, "one").ok() && send(*p.a, bytes_of(2000)).ok());
    const Segment s = next(*p.a, kStart, 4);
    p.a->on_acked(s.offset, s.length, false);
    p.a->linger(at_ms(50), 7);
    assert_true(p.a->finish(kStart) == PLAIT_OK);
    assert_true(p.a->deadline() <= at_ms(50));
    assert_true(p.a->on_timer(at_ms(50)) == PLAIT_OK);
    assert_true(p.a->take_events() & event::kLingered);
    const Stats k = p.a->stats();
    assert_true(k.bytes_acked == 3 && k.messages_acked == 1);
    assert_true(k.bytes_undelivered == 2000 && k.messages_undelivered == 1);
    assert_true(p.a->undelivered() == 2000 && p.a->send_code() == 7);
    assert_true(p.carry_control(p.a, p.z, at_ms(50)) == control::kReset);
    assert_true(p.a->on_timer(at_ms(100)) == PLAIT_OK);
    assert_false(p.a->take_events() & event::kLingered); // once
}

void test_cut_off_accounts_and_leaves_what_has_arrived(void **) {
    Pair p(stream());
    assert_true(send(*p.z, "arrived").ok());
    p.carry_all(kStart);
    assert_true(send(*p.a, bytes_of(500)).ok());
    p.a->cut_off();
    p.a->cut_off();
    assert_true(p.a->stats().bytes_undelivered == 500);
    assert_true(same(read(*p.a), "arrived"));
}

void test_million_channels_opened_and_closed_leave_nothing(void **) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    constexpr uint32_t kChannels = 50'000; // the sanitizer's allocator is slow
#else
    constexpr uint32_t kChannels = 1'000'000;
#endif
    Memory a, z;
    Config c = messages();
    const Bytes part = base::bytes_of("hello");
    for (uint32_t i = 0; i < kChannels; i++) {
        Setup s;
        s.number = {2};
        s.config = c;
        s.peer_window = s.own_window = 4096;
        s.peer_max_message = s.own_max_message = 4000;
        Channel from(s, a.pools, a.budget);
        s.opened_here = false;
        Channel to(s, z.pools, z.budget);
        ControlSet set = 0;
        uint8_t bytes[256], buffer[16];
        base::Writer w(bytes);
        from.write_control(w, set);
        from.on_control_acked(set);
        to.accept(c, kStart);
        set = 0;
        base::Writer w2(bytes);
        to.write_control(w2, set);
        from.on(wire::AcceptFrame{{2}, to.receive_limit(), 4000}, kStart);
        to.on_control_acked(set);
        Channel *ends[2] = {&from, &to};
        for (int n = 0; n < 2; n++) {
            Channel &x = *ends[n], &y = *ends[1 - n];
            if (!x.send({&part, 1}, kStart).ok() || x.finish(kStart) != PLAIT_OK)
                assert_true(false);
            Segment seg;
            while (x.next_segment(1200, kStart, seg)) {
                y.on(wire::DataFrame{seg.offset, seg.part[0], seg.fin, seg.start}, kStart);
                x.on_acked(seg.offset, seg.length, seg.fin);
            }
            const auto r = y.read(buffer, nullptr);
            if (!r.ok() || *r != 5)
                assert_true(false);
        }
        if (!from.done() || !to.done())
            assert_true(false);
    }
    assert_true(a.budget.used() == 0 && z.budget.used() == 0);
    assert_true(a.pools.in_use() == 0 && z.pools.in_use() == 0);
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(test_open_is_repeated_until_acknowledged_and_accepted_once),
        cmocka_unit_test(test_refuse_ends_both_sides_with_the_code),
        cmocka_unit_test(test_half_close_the_other_direction_goes_on),
        cmocka_unit_test(test_reset_ends_one_direction_with_its_code),
        cmocka_unit_test(test_reset_after_all_data_arrived_loses_nothing),
        cmocka_unit_test(test_stop_is_answered_with_reset_and_ends),
        cmocka_unit_test(test_stop_before_accept_reset_waits_for_it),
        cmocka_unit_test(test_stop_with_the_end_known_needs_no_answer),
        cmocka_unit_test(test_control_channel_is_open_at_once_and_takes_no_channel_frames),
        cmocka_unit_test(test_idle_channel_gives_its_memory_back_after_a_second),
        cmocka_unit_test(test_idle_channels_are_due_together),
        cmocka_unit_test(test_mark_is_on_the_segment_with_the_last_byte_and_its_repeats),
        cmocka_unit_test(test_low_queue_is_told_once_each_time_it_falls),
        cmocka_unit_test(test_linger_throws_the_rest_away_and_accounts_for_it),
        cmocka_unit_test(test_cut_off_accounts_and_leaves_what_has_arrived),
        cmocka_unit_test(test_million_channels_opened_and_closed_leave_nothing),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
