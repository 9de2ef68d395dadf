// SPDX-License-Identifier: Apache-2.0
// Borders of messages: empty ones, large ones, pieces, and what a peer may do wrong with them.
#include "support.h"

using namespace test;

namespace {

Status data(Channel &c, uint64_t offset, std::string_view bytes, bool start = true,
            bool fin = false, Time now = kStart) {
    return c.on(wire::DataFrame{offset, base::bytes_of(bytes), fin, start}, now);
}

void test_message_sizes_around_each_border_arrive_whole(void **) {
    for (const Config &c : {messages(), datagram(), sequenced(), unordered_messages()}) {
        Pair p(c, 1u << 20);
        for (const size_t n :
             {0, 1, 63, 64, 959, 960, 1023, 1024, 4095, 4096, 16383, 16384, 65535, 65536, 300000}) {
            const std::string text = bytes_of(n);
            assert_true(send(*p.a, text).ok());
            p.carry_all(kStart);
            ReadInfo info;
            assert_true(same(read(*p.z, &info), text));
            assert_true(info.size == n);
        }
        assert_true(p.z->stats().messages_received == 15);
    }
}

void test_message_larger_than_the_window_gets_credit_for_all_of_it(void **) {
    Config c = messages();
    c.window = 8192;
    Pair p(c, 8192);
    const std::string text = bytes_of(200000);
    assert_true(send(*p.a, text).ok());
    p.carry_all(kStart);
    assert_true(same(read(*p.z), text));
    p.carry_all(kStart);
    // Afterwards it holds what it held before.
    assert_true(p.z->credit() == 8192);
}

void test_message_above_the_peers_limit_is_too_big_never_again(void **) {
    Config c = messages();
    c.max_message = 1000;
    Pair p(c, 65536, 1000);
    assert_true(status_of(send(*p.a, bytes_of(1001))) == PLAIT_E_TOO_BIG);
    assert_true(p.a->reserve(1001).status() == PLAIT_E_TOO_BIG);
    assert_true(send(*p.a, bytes_of(1000)).ok());
    assert_true(status_of(send(*p.a, bytes_of(1000))) == PLAIT_OK);
}

void test_message_larger_than_the_send_buffer_is_taken_when_it_is_half_empty(void **) {
    Config c = messages();
    c.send_buffer = 4096;
    Pair p(c);
    assert_true(send(*p.a, bytes_of(3000)).ok());
    assert_true(status_of(send(*p.a, bytes_of(20000))) == PLAIT_E_AGAIN);
    p.carry_all(kStart);
    assert_true(p.a->take_events() & event::kWritable);
    assert_true(send(*p.a, bytes_of(20000)).ok());
    p.carry_all(kStart);
    assert_true(read(*p.z).size() == 3000);
    assert_true(read(*p.z).size() == 20000);
}

void test_read_buffer_too_small_tells_the_size_and_keeps_the_message(void **) {
    Pair p(messages());
    assert_true(send(*p.a, bytes_of(100)).ok());
    p.carry_all(kStart);
    ReadInfo info;
    assert_true(same(read(*p.z, &info, 99), "<PLAIT_E_BUFFER>"));
    assert_true(info.size == 100);
    assert_true(same(read(*p.z, &info, 100), bytes_of(100)));
}

void test_peek_gives_slices_and_consume_takes_the_message(void **) {
    Pair p(messages());
    const std::string text = bytes_of(10000);
    assert_true(send(*p.a, text).ok());
    assert_true(send(*p.a, "").ok());
    p.carry_all(kStart);
    Bytes slices[8];
    ReadInfo info;
    assert_true(p.z->peek({slices, 1}, &info).status() == PLAIT_E_BUFFER && info.slices == 3);
    const auto n = p.z->peek(slices, &info);
    assert_true(n.ok() && *n == 3 && info.size == 10000);
    std::string all;
    for (size_t i = 0; i < *n; i++)
        all += base::text_of(slices[i]);
    assert_true(same(all, text));
    assert_true(p.z->consume(9999) == PLAIT_E_INVALID);
    assert_true(p.z->consume(10000) == PLAIT_OK);
    const auto empty = p.z->peek(slices, &info);
    assert_true(empty.ok() && *empty == 1 && slices[0].empty());
    assert_true(p.z->consume(0) == PLAIT_OK);
    assert_true(p.z->peek(slices, &info).status() == PLAIT_E_AGAIN);
}

void test_unordered_message_is_read_before_an_older_incomplete_one(void **) {
    Pair p(unordered_messages());
    assert_true(send(*p.a, bytes_of(2000, 'A')).ok());
    assert_true(send(*p.a, "later").ok());
    const Segment one = next(*p.a), two = next(*p.a), three = next(*p.a);
    assert_true(one.start && !two.start &&
                three.start); // no frame leaves a message from its middle
    assert_true(Pair::deliver(three, *p.z, kStart) == PLAIT_OK);
    assert_true(same(read(*p.z), "later"));
    assert_true(Pair::deliver(two, *p.z, kStart) == PLAIT_OK);
    assert_true(same(read(*p.z), "<PLAIT_E_AGAIN>"));
    assert_true(Pair::deliver(one, *p.z, kStart) == PLAIT_OK);
    assert_true(same(read(*p.z), bytes_of(2000, 'A')));
    assert_true(Pair::deliver(three, *p.z, kStart) == PLAIT_OK); // again
    assert_true(same(read(*p.z), "<PLAIT_E_AGAIN>"));
}

void test_unordered_many_messages_in_one_frame_are_all_found(void **) {
    Pair p(unordered_messages());
    for (const char *m : {"one", "", "three", ""})
        assert_true(send(*p.a, m).ok());
    const Segment s = next(*p.a);
    assert_true(s.length == 12);
    assert_true(Pair::deliver(s, *p.z, kStart) == PLAIT_OK);
    for (const char *m : {"one", "", "three", ""})
        assert_true(same(read(*p.z), m));
}

void test_unreliable_frame_stays_inside_its_message(void **) {
    Pair p(datagram());
    for (const char *m : {"one", "two"})
        assert_true(send(*p.a, m).ok());
    assert_true(next(*p.a).length == 4);
    assert_true(next(*p.a).offset == 4);
}

void test_unreliable_large_message_that_lost_a_part_is_skipped_whole(void **) {
    Config c = datagram();
    c.on_loss = wire::OnLoss::kTell;
    Pair p(c);
    assert_true(send(*p.a, bytes_of(5000)).ok());
    assert_true(send(*p.a, "next").ok());
    const Segment one = next(*p.a), two = next(*p.a);
    assert_true(Pair::deliver(one, *p.z, kStart) == PLAIT_OK);
    assert_true(p.z->unread() == one.length);
    p.a->on_acked(one.offset, one.length, false);
    p.a->on_lost(two.offset, two.length, false, kStart);
    const Segment after = next(*p.a);
    assert_true(after.start && after.offset == 5002); // the rest of the first is never sent
    assert_true(p.carry_control(p.a, p.z, kStart) & control::kSkip);
    assert_true(p.z->unread() == 0 && p.z->memory() == 0);
    assert_true(Pair::deliver(after, *p.z, kStart) == PLAIT_OK);
    assert_true(Pair::deliver(two, *p.z, kStart) == PLAIT_OK); // too late
    ReadInfo info;
    assert_true(same(read(*p.z, &info), "next"));
    assert_true(info.gap_messages == 1 && info.gap_bytes == 5002);
    assert_true(p.a->stats().messages_lost == 1 && p.z->stats().messages_missing == 1);
}

void test_message_varint_longer_than_needed_is_read(void **) {
    Pair p(messages());
    assert_true(data(*p.z, 0, std::string_view("\x40\x02hi", 4)) == PLAIT_OK);
    assert_true(same(read(*p.z), "hi"));
}

void test_message_one_byte_frames_are_put_together(void **) {
    for (const Config &c : {messages(), datagram(), sequenced()}) {
        Pair p(c);
        const std::string framed = std::string("\x40\x03", 2) + "abc";
        for (size_t i = 0; i < framed.size(); i++) {
            assert_true(same(read(*p.z), "<PLAIT_E_AGAIN>"));
            assert_true(data(*p.z, i, framed.substr(i, 1), i == 0) == PLAIT_OK);
        }
        assert_true(p.z->take_events() & event::kReadable);
        assert_true(same(read(*p.z), "abc"));
    }
}

void test_message_longer_than_allowed_is_a_violation(void **) {
    for (const Config &c : {messages(), datagram(), sequenced()}) {
        Pair p(c, 65536, 1000);
        // 2^30 - 1 bytes
        assert_true(data(*p.z, 0, "\xbf\xff\xff\xff") == PLAIT_E_PROTOCOL);
    }
}

void test_message_cut_by_fin_is_a_violation(void **) {
    for (const Config &c : {messages(), datagram()}) {
        Pair p(c), q(c), r(c);
        assert_true(data(*p.z, 0,
                         "\x05"
                         "abc",
                         true, true) == PLAIT_E_PROTOCOL);
        assert_true(data(*q.z, 0,
                         "\x05"
                         "abc",
                         true, false) == PLAIT_OK);
        const Status s = data(*q.z, 4, "", false, true);
        assert_true(s == PLAIT_E_PROTOCOL);
    }
    Pair p(messages());
    assert_true(data(*p.z, 0, "\x40", true, true) == PLAIT_E_PROTOCOL);
}

void test_start_inside_a_message_is_a_violation(void **) {
    Pair p(datagram());
    assert_true(data(*p.z, 0,
                     "\x09"
                     "abc") == PLAIT_OK);
    assert_true(data(*p.z, 6, "\x01x") == PLAIT_E_PROTOCOL);
    Pair q(datagram());
    assert_true(data(*q.z, 6, "\x01x") == PLAIT_OK);
    assert_true(data(*q.z, 0,
                     "\x09"
                     "abc") == PLAIT_E_PROTOCOL);
    Pair s(stream());
    assert_true(data(*s.z, 0, "abc") == PLAIT_E_PROTOCOL);
    // Over bytes that were read as another message: it is never whole.
    Pair r(unordered_messages());
    assert_true(data(*r.z, 6, "\x01x") == PLAIT_OK);
    assert_true(same(read(*r.z), "x"));
    assert_true(data(*r.z, 0,
                     "\x09"
                     "abcdefghi") == PLAIT_OK);
    assert_true(same(read(*r.z), "<PLAIT_E_AGAIN>"));
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(test_message_sizes_around_each_border_arrive_whole),
        cmocka_unit_test(test_message_larger_than_the_window_gets_credit_for_all_of_it),
        cmocka_unit_test(test_message_above_the_peers_limit_is_too_big_never_again),
        cmocka_unit_test(test_message_larger_than_the_send_buffer_is_taken_when_it_is_half_empty),
        cmocka_unit_test(test_read_buffer_too_small_tells_the_size_and_keeps_the_message),
        cmocka_unit_test(test_peek_gives_slices_and_consume_takes_the_message),
        cmocka_unit_test(test_unordered_message_is_read_before_an_older_incomplete_one),
        cmocka_unit_test(test_unordered_many_messages_in_one_frame_are_all_found),
        cmocka_unit_test(test_unreliable_frame_stays_inside_its_message),
        cmocka_unit_test(test_unreliable_large_message_that_lost_a_part_is_skipped_whole),
        cmocka_unit_test(test_message_varint_longer_than_needed_is_read),
        cmocka_unit_test(test_message_one_byte_frames_are_put_together),
        cmocka_unit_test(test_message_longer_than_allowed_is_a_violation),
        cmocka_unit_test(test_message_cut_by_fin_is_a_violation),
        cmocka_unit_test(test_start_inside_a_message_is_a_violation),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
