// SPDX-License-Identifier: Apache-2.0
// What the sending direction puts into segments: bytes, borders, limits, headroom.
#include "support.h"

using namespace test;

namespace {

void test_send_more_than_the_buffer_takes_a_part_then_tells_writable(void **) {
    Config c = stream();
    c.send_buffer = 4096;
    Pair p(c);
    const std::string text = bytes_of(10000);
    const auto taken = send(*p.a, text);
    assert_true(taken.ok() && *taken > 3000 && *taken < 4096);
    assert_true(status_of(send(*p.a, text)) == PLAIT_E_AGAIN);
    assert_false(p.a->take_events() & event::kWritable);
    p.carry_data(p.a, p.z, kStart);
    assert_true(p.a->take_events() & event::kWritable);
    assert_true(same(read(*p.z), text.substr(0, *taken)));
}

void test_send_beyond_the_limit_stops_and_says_blocked(void **) {
    Config c = stream();
    c.window = 4096;
    Pair p(c, 4096);
    assert_true(send(*p.a, bytes_of(6000)).ok());
    Segment s;
    uint64_t sent = 0;
    while (p.a->next_segment(1000, kStart, s)) {
        sent += s.length;
        assert_true(Pair::deliver(s, *p.z, kStart) == PLAIT_OK);
    }
    assert_true(sent == 4096 && p.a->send_limit() == 4096);
    assert_true(p.a->pending_control() == control::kBlocked);
    assert_false(p.a->has_data(kStart));
    // Nothing is raised while nothing is read; then all goes on.
    p.carry_control(p.a, p.z, kStart);
    assert_true(p.z->pending_control() == 0);
    assert_true(read(*p.z).size() == 4096);
    assert_true(p.carry_control(p.z, p.a, kStart) == control::kMaxData);
    assert_true(next(*p.a).offset == 4096);
}

void test_segment_across_extents_has_two_parts_and_headroom(void **) {
    Pair p(stream());
    // The borrowed piece ends the first block and begins a second.
    assert_true(send(*p.a, "begin").ok());
    assert_true(p.a->send_owned(
                    base::bytes_of("middle"), [](void *, const void *, size_t) {}, nullptr,
                    kStart) == PLAIT_OK);
    assert_true(send(*p.a, "end").ok());
    Segment s = next(*p.a);
    assert_true(same(text(s), "beginmiddle"));
    assert_true(s.writable_headroom == kHeadroom);
    assert_true(s.part[1].size() == 6);
    s = next(*p.a);
    assert_true(same(text(s), "end") && s.offset == 11 && s.writable_headroom == kHeadroom);
}

void test_segment_lost_is_sent_again_unless_an_ack_comes_late(void **) {
    Pair p(stream());
    assert_true(send(*p.a, bytes_of(3000)).ok());
    const Segment one = next(*p.a, kStart, 1000), two = next(*p.a, kStart, 1000);
    p.a->on_lost(one.offset, one.length, false, kStart);
    p.a->on_lost(two.offset, two.length, false, kStart);
    p.a->on_acked(one.offset, one.length, false);
    const Segment again = next(*p.a, kStart, 1000);
    assert_true(again.retransmission && again.offset == 1000 && again.length == 1000);
    p.a->on_lost(again.offset, 300, false, kStart);
    const Segment part = next(*p.a, kStart, 1000);
    assert_true(part.retransmission && part.offset == 1000 && part.length == 300);
    assert_true(next(*p.a, kStart, 1000).offset == 2000);
    assert_false(p.a->has_data(kStart));
}

void test_segment_copy_lost_once_is_not_lost(void **) {
    Pair p(datagram());
    assert_true(send(*p.a, "twice").ok());
    const Segment s = next(*p.a);
    p.a->on_copy(s.offset, s.length);
    p.a->on_lost(s.offset, s.length, false, kStart);
    assert_false(p.a->pending_control() & control::kSkip);
    p.a->on_lost(s.offset, s.length, false, kStart);
    assert_true(p.a->pending_control() & control::kSkip);
    assert_true(p.a->take_events() & event::kGivenUp);
}

void test_reinject_of_a_stream_sends_again_and_either_ack_does(void **) {
    Pair p(stream());
    assert_true(send(*p.a, "suspect").ok());
    const Segment s = next(*p.a);
    p.a->on_reinject(s.offset, s.length, false, kStart);
    const Segment again = next(*p.a);
    assert_true(again.retransmission && again.offset == 0);
    p.a->on_lost(s.offset, s.length, false, kStart); // the first copy; the second is under way
    assert_false(p.a->has_data(kStart));
    p.a->on_acked(again.offset, again.length, false);
    assert_true(p.a->unacked() == 0);
}

void test_reinject_of_datagrams_does_nothing(void **) {
    Pair p(datagram());
    assert_true(send(*p.a, "once").ok());
    const Segment s = next(*p.a);
    p.a->on_reinject(s.offset, s.length, false, kStart);
    assert_false(p.a->has_data(kStart));
}

void test_reserve_commit_of_a_stream_sends_what_was_written(void **) {
    Pair p(stream());
    const auto room = p.a->reserve(100);
    assert_true(room.ok() && room->size() >= 100);
    assert_true(p.a->reserve(1).status() == PLAIT_E_RESERVED);
    assert_true(status_of(send(*p.a, "x")) == PLAIT_E_RESERVED);
    assert_true(p.a->finish(kStart) == PLAIT_E_RESERVED);
    std::memcpy(room->data(), "reserved", 8);
    assert_true(p.a->commit(room->size() + 1, kStart) == PLAIT_E_INVALID);
    assert_true(p.a->commit(8, kStart) == PLAIT_OK);
    assert_true(p.a->commit(0, kStart) == PLAIT_E_STATE);
    p.carry_all(kStart);
    assert_true(same(read(*p.z), "reserved"));
}

void test_reserve_commit_of_messages_keeps_borders(void **) {
    Pair p(messages());
    for (const size_t n : {size_t{1}, size_t{100}, size_t{20000}, size_t{40000}}) {
        const auto room = p.a->reserve(n);
        assert_true(room.ok() && room->size() >= n);
        const std::string text = bytes_of(n / 2 + 1);
        std::memcpy(room->data(), text.data(), text.size());
        assert_true(p.a->commit(text.size(), kStart) == PLAIT_OK);
        p.carry_all(kStart);
        assert_true(same(read(*p.z), text));
    }
    assert_true(p.a->reserve(10).ok());
    assert_true(p.a->commit(0, kStart) == PLAIT_OK); // nothing, not an empty message
    p.carry_all(kStart);
    assert_true(same(read(*p.z), "<PLAIT_E_AGAIN>"));
}

void test_reserve_channel_reset_meanwhile_memory_stays_until_commit(void **) {
    Pair p(stream());
    assert_true(send(*p.a, "before").ok());
    const auto room = p.a->reserve(1000);
    assert_true(room.ok());
    assert_true(p.a->reset(7) == PLAIT_OK);
    assert_true(p.a.memory.pools.in_use() >= room->size());
    std::memset(room->data(), 'x', room->size());
    p.carry_all(kStart);
    assert_true(p.z->stop(1) == PLAIT_E_STATE);
    assert_true(p.z->finish(kStart) == PLAIT_OK);
    p.carry_all(kStart);
    assert_true(p.z->done());
    assert_false(p.a->done());
    assert_true(p.a->commit(5, kStart) == PLAIT_E_RESET);
    assert_true(p.a->done());
    assert_true(p.a->take_events() & event::kClosed);
}

void test_reserve_open_at_destruction_leaks_nothing(void **) {
    Pair p(messages());
    assert_true(p.a->reserve(5000).ok());
}

struct Counted {
    int released = 0;
    static void release(void *user, const void *, size_t) {
        static_cast<Counted *>(user)->released++;
    }
};

void test_owned_every_ending_releases_exactly_once(void **) {
    const std::string text = bytes_of(5000);
    for (int ending = 0; ending < 7; ending++) {
        Counted counted;
        {
            Pair p(ending == 5 ? datagram() : ending == 6 ? messages() : stream());
            Channel &a = *p.a;
            assert_true(a.send_owned(base::bytes_of(text), Counted::release, &counted, kStart) ==
                        PLAIT_OK);
            Segment s;
            switch (ending) {
            case 0: p.carry_all(kStart); break;                   // acknowledged
            case 1: assert_true(a.reset(1) == PLAIT_OK); break;   // reset
            case 2: a.on(wire::StopFrame{{2}, 1}, kStart); break; // stopped by the peer
            case 3: break;                                        // destroyed
            case 4:
                s = next(a);
                a.on_lost(0, s.length, false, kStart);
                break;
            case 5: // given up
                s = next(a);
                a.on_lost(0, s.length, false, kStart);
                p.a.memory.run_releases();
                assert_true(counted.released == 1);
                break;
            default: p.carry_all(kStart); assert_true(same(read(*p.z), text));
            }
            p.a.memory.run_releases();
            const bool held = ending == 3 || ending == 4;
            assert_true(counted.released == (held ? 0 : 1));
        }
        assert_true(counted.released == 1);
    }
}

void test_owned_refused_call_keeps_the_memory_with_the_caller(void **) {
    Config c = stream();
    c.send_buffer = 2000;
    Counted counted;
    const std::string text = bytes_of(1500);
    Pair p(c);
    assert_true(send(*p.a, bytes_of(1500)).ok());
    assert_true(p.a->send_owned(base::bytes_of(text), Counted::release, &counted, kStart) ==
                PLAIT_E_AGAIN);
    assert_true(p.a->send_owned({}, Counted::release, &counted, kStart) == PLAIT_E_INVALID);
    p.carry_all(kStart);
    assert_true(counted.released == 0);
    // Half the buffer and more goes through when there is room for nothing beside it.
    assert_true(p.a->send_owned(base::bytes_of(text), Counted::release, &counted, kStart) ==
                PLAIT_OK);
}

void test_gather_joins_the_parts_of_one_message(void **) {
    Pair p(messages());
    const Bytes parts[] = {
        base::bytes_of("one "), {}, base::bytes_of("two "), base::bytes_of("three")};
    const auto r = p.a->send(parts, kStart);
    assert_true(r.ok() && *r == 13);
    p.carry_all(kStart);
    assert_true(same(read(*p.z), "one two three"));
}

void test_fin_lost_is_sent_again_and_finished_is_told_once(void **) {
    Pair p(stream());
    assert_true(send(*p.a, "all").ok());
    assert_true(p.a->finish(kStart) == PLAIT_OK);
    assert_true(p.a->finish(kStart) == PLAIT_E_STATE);
    assert_true(status_of(send(*p.a, "more")) == PLAIT_E_STATE);
    Segment s = next(*p.a);
    assert_true(s.fin && s.length == 3);
    p.a->on_acked(0, 3, false); // a copy without it
    p.a->on_lost(0, 3, true, kStart);
    s = next(*p.a);
    assert_true(s.fin && s.length == 0 && s.offset == 3);
    assert_false(p.a->take_events() & event::kFinished);
    p.a->on_acked(s.offset, 0, true);
    assert_true(p.a->take_events() & event::kFinished);
    assert_true(p.a->send_state() == SendState::kFinished);
    assert_true(p.a->reset(1) == PLAIT_E_STATE);
}

// What the line's speed asks for is for all channels with much to send together.
void test_send_buffers_left_to_us_are_shared(void **) {
    constexpr uint64_t kBdp = 4u << 20;
    Memory memory;
    memory.budget.set_bdp(kBdp);
    Setup s;
    s.config = stream();
    s.peer_window = s.own_window = 65536;
    s.number = {2};
    Channel one(s, memory.pools, memory.budget);
    s.number = {4};
    auto two = std::make_unique<Channel>(s, memory.pools, memory.budget);
    const std::vector<uint8_t> much(4 * kBdp);
    const Bytes parts[] = {much};
    const auto fill = [&](Channel &c) {
        size_t sum = 0;
        while (c.room() > kExtentCost) {
            const auto taken = c.send(parts, kStart);
            sum += taken.ok() ? *taken : 0;
        }
        return sum;
    };
    const size_t first = fill(one), second = fill(*two);
    assert_true(first > 2 * kBdp * 9 / 10 && first <= 2 * kBdp);
    assert_true(second > kBdp * 9 / 10 && second <= kBdp);
    assert_true(one.room() == 0);
    assert_true(two->reset(1) == PLAIT_OK);
    memory.budget.set_bdp(2 * kBdp);
    assert_true(one.room() > kBdp);
    two.reset();
}

// A stream that neither the line's speed nor the peer holds back.
Setup fast_stream(Memory &memory) {
    memory.budget.set_bdp(8u << 20);
    Setup s;
    s.config = stream();
    s.peer_window = s.own_window = 8u << 20;
    s.number = {2};
    return s;
}

// In pieces that no burst is a multiple of, until it is refused.
size_t send_in_a_row(Channel &c) {
    const std::vector<uint8_t> piece(60000);
    const Bytes parts[] = {piece};
    size_t sum = 0;
    for (auto taken = c.send(parts, kStart); taken.ok(); taken = c.send(parts, kStart))
        sum += *taken;
    return sum;
}

void test_send_a_burst_pauses_until_the_next_turn_or_ack(void **) {
    Memory memory;
    Setup s = fast_stream(memory);
    Channel c(s, memory.pools, memory.budget);
    c.take_events(); // a new channel's
    assert_int_equal(send_in_a_row(c), kSendBurst);
    assert_int_equal(send_in_a_row(c), 0); // however often it is asked
    assert_true(c.take_events() & event::kWritable);
    c.on_writable_read();
    assert_int_equal(send_in_a_row(c), kSendBurst);
    const Segment first = next(c);
    c.take_events();
    c.on_acked(0, first.length, false);
    assert_int_equal(send_in_a_row(c), kSendBurst);
    assert_true(c.take_events() & event::kWritable);
    s.config.send_buffer = 4 * kSendBurst;
    s.number = {4};
    Channel sized(s, memory.pools, memory.budget);
    sized.take_events();
    assert_true(send_in_a_row(sized) > 2 * kSendBurst);
    assert_false(sized.take_events() & event::kWritable);
}

// A sender that needs 300 us for each 64 KiB looks after its node again when two milliseconds are
// over, and at once after that.
void test_send_a_slow_burst_pauses_earlier(void **) {
    Memory memory;
    Setup s = fast_stream(memory);
    Channel c(s, memory.pools, memory.budget);
    c.take_events();
    const std::vector<uint8_t> piece(65536);
    const Bytes parts[] = {piece};
    Time now = kStart;
    for (int round = 0; round < 3; round++) {
        const Time begin = now;
        size_t sum = 0;
        for (auto taken = c.send(parts, now); taken.ok(); taken = c.send(parts, now)) {
            sum += *taken;
            now = now + base::micros(300);
        }
        assert_in_range(sum, kSendBufferAuto, kSendBurst / 2);
        assert_in_range((now - begin).us, kSendBurstTime.us, 2 * kSendBurstTime.us);
        assert_true(c.take_events() & event::kWritable);
        c.on_writable_read();
    }
}

// Nobody reads what channel 0 tells.
void test_send_of_channel_0_has_no_bursts(void **) {
    Memory memory;
    Setup s = fast_stream(memory);
    s.is_control = true;
    s.number = {0};
    Channel c(s, memory.pools, memory.budget);
    assert_true(send_in_a_row(c) > 2 * kSendBurst);
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(test_send_buffers_left_to_us_are_shared),
        cmocka_unit_test(test_send_a_burst_pauses_until_the_next_turn_or_ack),
        cmocka_unit_test(test_send_a_slow_burst_pauses_earlier),
        cmocka_unit_test(test_send_of_channel_0_has_no_bursts),
        cmocka_unit_test(test_send_more_than_the_buffer_takes_a_part_then_tells_writable),
        cmocka_unit_test(test_send_beyond_the_limit_stops_and_says_blocked),
        cmocka_unit_test(test_segment_across_extents_has_two_parts_and_headroom),
        cmocka_unit_test(test_segment_lost_is_sent_again_unless_an_ack_comes_late),
        cmocka_unit_test(test_segment_copy_lost_once_is_not_lost),
        cmocka_unit_test(test_reinject_of_a_stream_sends_again_and_either_ack_does),
        cmocka_unit_test(test_reinject_of_datagrams_does_nothing),
        cmocka_unit_test(test_reserve_commit_of_a_stream_sends_what_was_written),
        cmocka_unit_test(test_reserve_commit_of_messages_keeps_borders),
        cmocka_unit_test(test_reserve_channel_reset_meanwhile_memory_stays_until_commit),
        cmocka_unit_test(test_reserve_open_at_destruction_leaks_nothing),
        cmocka_unit_test(test_owned_every_ending_releases_exactly_once),
        cmocka_unit_test(test_owned_refused_call_keeps_the_memory_with_the_caller),
        cmocka_unit_test(test_gather_joins_the_parts_of_one_message),
        cmocka_unit_test(test_fin_lost_is_sent_again_and_finished_is_told_once),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
