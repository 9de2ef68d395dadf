// SPDX-License-Identifier: Apache-2.0
// Each way to lose something, one at a time: how often it is resent, when it is given up, who
// hears.
#include "support.h"

using namespace test;
using wire::OnLoss;
using wire::Resend;

namespace {

void test_at_most_n_resends_n_times_then_skips(void **) {
    Config c = telemetry(2);
    c.reports = true;
    Pair p(c);
    assert_true(send(*p.a, "value").ok());
    for (int i = 0; i < 3; i++) {
        const Segment s = next(*p.a);
        assert_true(s.retransmission == (i > 0));
        p.a->on_lost(s.offset, s.length, false, kStart);
    }
    assert_false(p.a->has_data(kStart));
    assert_true(p.a->take_events() & event::kGivenUp);
    Report reports[4];
    assert_true(p.a->take_reports(reports) == 1);
    assert_true(reports[0] == (Report{Report::Kind::kGivenUp, 0, 5, 1, 0}));
    assert_true(p.a->take_reports(reports) == 0);
    assert_true(p.a->pending_control() == control::kSkip);
    assert_true(p.carry_control(p.a, p.z, kStart) == control::kSkip);
    assert_true(p.z->take_events() & event::kGap);
    assert_true(p.z->stats().messages_missing == 1);
}

void test_at_most_n_suspicion_spends_one(void **) {
    Pair p(telemetry(1));
    assert_true(send(*p.a, "value").ok());
    const Segment s = next(*p.a);
    p.a->on_reinject(0, s.length, false, kStart);
    assert_true(next(*p.a).retransmission);
    p.a->on_reinject(0, s.length, false, kStart);
    assert_false(p.a->has_data(kStart));
    p.a->on_lost(0, s.length, false, kStart);
    assert_false(p.a->pending_control()); // the other copy may arrive
    p.a->on_lost(0, s.length, false, kStart);
    assert_true(p.a->pending_control() == control::kSkip);
}

void test_skip_lost_is_said_again_acknowledged_is_not(void **) {
    Pair p(datagram());
    for (int i = 0; i < 3; i++)
        assert_true(send(*p.a, "datagram").ok());
    const Segment one = next(*p.a);
    next(*p.a);
    const Segment three = next(*p.a);
    p.a->on_lost(one.offset, one.length, false, kStart);
    uint8_t bytes[100];
    base::Writer w(bytes);
    ControlSet first = 0, second = 0, third = 0;
    p.a->write_control(w, first);
    const size_t one_skip = w.size();
    p.a->on_lost(three.offset, three.length, false, kStart);
    p.a->write_control(w, second);
    assert_true((first & control::kKinds) == control::kSkip && first != second);
    p.a->on_control_acked(second); // does not acknowledge the first
    assert_true(p.a->pending_control() == 0);
    p.a->on_control_lost(first);
    assert_true(p.a->pending_control() == control::kSkip);
    base::Writer again(bytes);
    p.a->write_control(again, third);
    assert_true(again.size() == one_skip);
    p.a->on_control_acked(third);
    assert_true(p.a->pending_control() == 0);
}

void test_deadline_nothing_starts_at_or_after_it(void **) {
    Config c = media(base::millis(100));
    Pair p(c);
    assert_true(send(*p.a, "in time", at_ms(0)).ok());
    assert_true(send(*p.a, "queued too long", at_ms(0)).ok());
    const Segment s = next(*p.a, at_ms(0));
    assert_true(p.a->deadline() == at_ms(100));
    p.a->on_lost(s.offset, s.length, false, at_ms(99));
    assert_true(p.a->has_data(at_ms(99)));
    Segment none;
    assert_false(p.a->next_segment(1200, at_ms(100), none));
    assert_true(p.a->stats().messages_lost == 2);
    assert_true(p.a->pending_control() == control::kSkip);
    p.carry_all(at_ms(100));
    assert_true(p.z->stats().messages_missing == 2);
    assert_true(send(*p.a, "new", at_ms(101)).ok());
    p.carry_all(at_ms(101));
    ReadInfo info;
    assert_true(same(read(*p.z, &info), "new"));
    assert_true(info.gap_messages == 2);
}

void test_deadline_in_flight_is_waited_for(void **) {
    Pair p(media(base::millis(100)));
    assert_true(send(*p.a, "slow", at_ms(0)).ok());
    const Segment s = next(*p.a, at_ms(50));
    p.a->on_timer(at_ms(150));
    assert_true(p.a->pending_control() == 0); // arrival may be later
    p.a->on_lost(s.offset, s.length, false, at_ms(160));
    assert_true(p.a->pending_control() == control::kSkip);
}

// What is sent would be 30 ms on its way.
void test_deadline_what_cannot_arrive_is_not_sent(void **) {
    Pair p(media(base::millis(100)));
    p.a.memory.budget.set_shortest_way(base::millis(30));
    assert_true(send(*p.a, "lost", at_ms(0)).ok() && send(*p.a, "queued", at_ms(0)).ok());
    const Segment s = next(*p.a, at_ms(0));
    assert_true(p.a->deadline() == at_ms(70));
    p.a->on_lost(s.offset, s.length, false, at_ms(69));
    assert_true(p.a->has_data(at_ms(69)) && p.a->stats().messages_lost == 0);
    Segment none;
    assert_false(p.a->next_segment(1200, at_ms(70), none));
    assert_true(p.a->stats().messages_lost == 2);
    assert_true(p.a->take_events() & event::kGivenUp);
}

// A way longer than the channel's time: half of that is for sending all the same.
void test_deadline_shorter_than_the_way_is_sent_at_once(void **) {
    Pair p(media(base::millis(20)));
    p.a.memory.budget.set_shortest_way(base::millis(500));
    assert_true(send(*p.a, "late", at_ms(0)).ok());
    assert_true(p.a->deadline() == at_ms(10));
    assert_true(next(*p.a, at_ms(9)).length > 0);
    p.a->on_timer(at_ms(30));
    assert_true(p.a->stats().messages_lost == 0); // it may arrive
}

void test_deadline_timer_expires_what_waits_for_credit(void **) {
    Config c = media(base::millis(100));
    c.window = 4096;
    Pair p(c, 4096);
    for (int i = 0; i < 100; i++)
        assert_true(send(*p.a, bytes_of(1000), at_ms(0)).ok());
    while (p.a->has_data(at_ms(0)))
        next(*p.a, at_ms(0));
    assert_true(p.a->on_timer(at_ms(100)) == PLAIT_OK);
    assert_true(p.a->queued() == 0);
    // The SKIPs follow the limit, which follows them.
    for (int i = 0; i < 20 && p.a->written() > p.z->read_offset(); i++) {
        p.a->on_lost(0, 65536, false, at_ms(200));
        p.carry_all(at_ms(200));
    }
    assert_true(p.z->read_offset() == p.a->written());
    assert_true(p.z->stats().messages_missing == 100);
}

void test_ordered_gap_is_told_at_its_place(void **) {
    Config c = telemetry(0);
    c.unordered = false;
    Pair p(c);
    for (const char *m : {"one", "two", "three"})
        assert_true(send(*p.a, m).ok());
    const Segment one = next(*p.a), two = next(*p.a), three = next(*p.a);
    assert_true(Pair::deliver(three, *p.z, kStart) == PLAIT_OK);
    assert_true(same(read(*p.z), "<PLAIT_E_AGAIN>")); // waits for the SKIP, not for time
    assert_true(p.z->deadline() == kNever);
    p.a->on_lost(two.offset, two.length, false, kStart);
    p.carry_control(p.a, p.z, kStart);
    assert_true(Pair::deliver(one, *p.z, kStart) == PLAIT_OK);
    ReadInfo info;
    assert_true(same(read(*p.z, &info), "one") && info.gap_messages == 0);
    assert_true(same(read(*p.z, &info), "three") && info.gap_messages == 1 && info.gap_bytes == 4);
}

void test_skip_of_a_message_that_arrived_takes_nothing_away(void **) {
    Pair p(datagram());
    assert_true(send(*p.a, "arrived").ok());
    const Segment s = next(*p.a);
    assert_true(Pair::deliver(s, *p.z, kStart) == PLAIT_OK);
    p.a->on_lost(s.offset, s.length, false, kStart);
    p.carry_control(p.a, p.z, kStart);
    assert_true(same(read(*p.z), "arrived"));
    assert_true(p.z->stats().gaps == 0 && p.a->stats().messages_lost == 1);
}

// One SKIP over two holes with something between them that came: each hole is told at its place.
void test_bytes_holes_of_one_skip_are_told_each_at_its_place(void **) {
    Config c = telemetry(0);
    c.unordered = c.messages = false;
    Pair p(c);
    assert_true(send(*p.a, "abcdef").ok());
    Segment s[3];
    for (Segment &one : s)
        assert_true(p.a->next_segment(2, kStart, one));
    assert_true(Pair::deliver(s[1], *p.z, kStart) == PLAIT_OK);
    for (const Segment &one : s)
        p.a->on_lost(one.offset, one.length, false, kStart);
    assert_true(p.a->finish(kStart) == PLAIT_OK);
    p.carry_all(kStart);
    ReadInfo info;
    assert_true(same(read(*p.z, &info), "cd") && info.gap_bytes == 2);
    assert_true(same(read(*p.z, &info), "<PLAIT_E_END>") && info.gap_bytes == 2);
    assert_true(p.z->stats().bytes_missing == 4);
}

// A SKIP that arrived, but is called lost, is not said again as part of a larger one.
void test_skip_called_lost_counts_its_messages_once(void **) {
    Config c = media(base::millis(10));
    c.unordered = true;
    Pair p(c);
    Segment s;
    assert_true(send(*p.a, "one").ok());
    assert_false(p.a->next_segment(100, at_ms(20), s));
    uint8_t bytes[64];
    base::Writer w(bytes);
    ControlSet set = 0;
    p.a->write_control(w, set);
    assert_true(set & control::kSkip);
    assert_true(Pair::deliver(w.written(), *p.z, at_ms(20)) == PLAIT_OK);
    p.a->on_control_lost(set);
    assert_true(send(*p.a, "two", at_ms(20)).ok());
    assert_false(p.a->next_segment(100, at_ms(40), s));
    p.carry_all(at_ms(40));
    assert_true(p.z->stats().messages_missing == 2);
}

void test_peek_tells_the_gap_before_the_end(void **) {
    Config c = telemetry(0);
    c.unordered = false;
    Pair p(c);
    assert_true(send(*p.a, "one").ok());
    const Segment one = next(*p.a);
    p.a->on_lost(one.offset, one.length, false, kStart);
    assert_true(p.a->finish(kStart) == PLAIT_OK);
    p.carry_all(kStart);
    ReadInfo info;
    assert_true(p.z->peek({}, &info).status() == PLAIT_E_END);
    assert_true(info.gap_messages == 1 && info.gap_bytes == 4);
    assert_true(same(read(*p.z, &info), "<PLAIT_E_END>") && info.gap_bytes == 4);
    assert_true(p.z->peek({}, &info).status() == PLAIT_E_END && info.gap_bytes == 0);
}

// A SKIP that came before the reader went on comes again after it: nothing new.
void test_skip_twice_around_the_end_of_waiting_counts_once(void **) {
    Config c = sequenced();
    c.reorder_wait = base::millis(10);
    Pair p(c);
    for (const char *m : {"one", "two", "three"})
        assert_true(send(*p.a, m).ok());
    const Segment one = next(*p.a), two = next(*p.a), three = next(*p.a);
    (void)one;
    p.a->on_lost(two.offset, two.length, false, kStart);
    const wire::SkipFrame skip{p.z->number(), two.offset, two.length, 1};
    assert_true(p.z->on(skip, kStart) == PLAIT_OK);
    assert_true(Pair::deliver(three, *p.z, kStart) == PLAIT_OK);
    assert_true(p.z->on_timer(at_ms(10)) == PLAIT_OK);
    assert_true(same(read(*p.z), "three"));
    assert_true(p.z->on(skip, at_ms(11)) == PLAIT_OK);
    assert_true(p.z->stats().messages_missing == 1);
}

// Where a loss closes the channel, the reader sees nothing behind a gap before.
void test_close_on_loss_in_order_waits_for_what_is_missing(void **) {
    Config c = sequenced();
    c.on_loss = OnLoss::kClose;
    Pair p(c);
    for (const char *m : {"one", "two"})
        assert_true(send(*p.a, m).ok());
    const Segment one = next(*p.a), two = next(*p.a);
    assert_true(Pair::deliver(two, *p.z, kStart) == PLAIT_OK);
    assert_true(same(read(*p.z), "<PLAIT_E_AGAIN>"));
    assert_true(p.z->deadline() == kNever);
    assert_true(Pair::deliver(one, *p.z, at_ms(30)) == PLAIT_OK);
    assert_true(same(read(*p.z), "one"));
    assert_true(same(read(*p.z), "two"));
}

void test_sequenced_never_shows_an_older_after_a_newer(void **) {
    Pair p(sequenced());
    for (const char *m : {"one", "two", "three"})
        assert_true(send(*p.a, m).ok());
    const Segment one = next(*p.a), two = next(*p.a), three = next(*p.a);
    assert_true(Pair::deliver(two, *p.z, kStart) == PLAIT_OK);
    assert_true(same(read(*p.z), "two"));
    assert_true(Pair::deliver(one, *p.z, kStart) == PLAIT_OK);
    assert_true(same(read(*p.z), "<PLAIT_E_AGAIN>"));
    assert_true(Pair::deliver(three, *p.z, kStart) == PLAIT_OK);
    assert_true(same(read(*p.z), "three"));
    assert_true(p.z->stats().gaps == 1);
}

void test_reorder_wait_holds_a_later_message_so_long(void **) {
    Config c = sequenced();
    c.reorder_wait = base::millis(50);
    c.on_loss = OnLoss::kTell;
    Pair p(c);
    for (const char *m : {"one", "two", "three", "four"})
        assert_true(send(*p.a, m).ok());
    const Segment one = next(*p.a), two = next(*p.a), three = next(*p.a), four = next(*p.a);
    assert_true(Pair::deliver(two, *p.z, at_ms(0)) == PLAIT_OK);
    assert_true(p.z->deadline() == at_ms(50));
    assert_true(Pair::deliver(one, *p.z, at_ms(40)) == PLAIT_OK); // in time
    assert_true(same(read(*p.z), "one"));
    assert_true(same(read(*p.z), "two"));
    assert_true(Pair::deliver(four, *p.z, at_ms(60)) == PLAIT_OK);
    p.z->take_events();
    assert_true(p.z->on_timer(at_ms(109)) == PLAIT_OK);
    assert_true(same(read(*p.z), "<PLAIT_E_AGAIN>"));
    assert_true(p.z->on_timer(at_ms(110)) == PLAIT_OK);
    assert_true(p.z->take_events() & (event::kReadable | event::kGap));
    ReadInfo info;
    assert_true(same(read(*p.z, &info), "four") && info.gap_bytes == 6);
    assert_true(Pair::deliver(three, *p.z, at_ms(111)) == PLAIT_OK);
    assert_true(same(read(*p.z), "<PLAIT_E_AGAIN>"));
}

void test_unordered_bytes_come_with_their_offsets_once(void **) {
    Config c;
    c.unordered = true;
    Pair p(c);
    assert_true(send(*p.a, bytes_of(30)).ok());
    const Segment one = next(*p.a, kStart, 10), two = next(*p.a, kStart, 10);
    assert_true(Pair::deliver(two, *p.z, kStart) == PLAIT_OK);
    ReadInfo info;
    assert_true(same(read(*p.z, &info, 4), bytes_of(30).substr(10, 4)) && info.offset == 10);
    assert_true(Pair::deliver(two, *p.z, kStart) == PLAIT_OK);
    assert_true(same(read(*p.z, &info), bytes_of(30).substr(14, 6)) && info.offset == 14);
    assert_true(Pair::deliver(one, *p.z, kStart) == PLAIT_OK);
    assert_true(same(read(*p.z, &info), bytes_of(30).substr(0, 10)) && info.offset == 0);
    assert_true(same(read(*p.z, &info), "<PLAIT_E_AGAIN>"));
    assert_true(p.z->read_offset() == 20);
}

void test_close_on_loss_waits_for_a_late_ack_then_closes(void **) {
    Config c = datagram();
    c.on_loss = OnLoss::kClose;
    Pair p(c);
    p.a->set_srtt(base::millis(40));
    assert_true(send(*p.a, "one", at_ms(0)).ok());
    const Segment one = next(*p.a, at_ms(0));
    p.a->on_lost(one.offset, one.length, false, at_ms(100));
    assert_true(p.a->deadline() == at_ms(110));
    p.a->on_acked(one.offset, one.length, false); // late, and in time
    p.a->on_timer(at_ms(110));
    assert_true(p.a->send_state() == SendState::kOpen);
    assert_true(send(*p.a, "two", at_ms(200)).ok());
    const Segment two = next(*p.a, at_ms(200));
    p.a->on_lost(two.offset, two.length, false, at_ms(300));
    p.a->on_timer(at_ms(310));
    assert_true(p.a->send_state() == SendState::kResetting);
    assert_true(status_of(send(*p.a, "three")) == PLAIT_E_LOSS);
    assert_true(p.carry_control(p.a, p.z, at_ms(310)) == (control::kReset | control::kStop));
    assert_true(p.z->take_events() & event::kPeerReset);
    ReadInfo info;
    assert_true(same(read(*p.z, &info), "<PLAIT_E_LOSS>") && info.code == wire::kResetLoss);
    p.carry_control(p.z, p.a, at_ms(310));
    assert_true(p.a->done() && p.z->done());
}

void test_close_on_loss_a_message_never_sent_closes_at_its_deadline(void **) {
    Config c = media(base::millis(10));
    c.on_loss = OnLoss::kClose;
    Pair p(c);
    assert_true(send(*p.a, "late", at_ms(0)).ok());
    assert_true(p.a->deadline() == at_ms(10));
    assert_true(p.a->on_timer(at_ms(10)) == PLAIT_OK);
    assert_true(p.a->send_state() == SendState::kResetting);
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(test_at_most_n_resends_n_times_then_skips),
        cmocka_unit_test(test_at_most_n_suspicion_spends_one),
        cmocka_unit_test(test_skip_lost_is_said_again_acknowledged_is_not),
        cmocka_unit_test(test_deadline_nothing_starts_at_or_after_it),
        cmocka_unit_test(test_deadline_in_flight_is_waited_for),
        cmocka_unit_test(test_deadline_what_cannot_arrive_is_not_sent),
        cmocka_unit_test(test_deadline_shorter_than_the_way_is_sent_at_once),
        cmocka_unit_test(test_deadline_timer_expires_what_waits_for_credit),
        cmocka_unit_test(test_ordered_gap_is_told_at_its_place),
        cmocka_unit_test(test_skip_of_a_message_that_arrived_takes_nothing_away),
        cmocka_unit_test(test_bytes_holes_of_one_skip_are_told_each_at_its_place),
        cmocka_unit_test(test_skip_called_lost_counts_its_messages_once),
        cmocka_unit_test(test_peek_tells_the_gap_before_the_end),
        cmocka_unit_test(test_skip_twice_around_the_end_of_waiting_counts_once),
        cmocka_unit_test(test_close_on_loss_in_order_waits_for_what_is_missing),
        cmocka_unit_test(test_sequenced_never_shows_an_older_after_a_newer),
        cmocka_unit_test(test_reorder_wait_holds_a_later_message_so_long),
        cmocka_unit_test(test_unordered_bytes_come_with_their_offsets_once),
        cmocka_unit_test(test_close_on_loss_waits_for_a_late_ack_then_closes),
        cmocka_unit_test(test_close_on_loss_a_message_never_sent_closes_at_its_deadline),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
