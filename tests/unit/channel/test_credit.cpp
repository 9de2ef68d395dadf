// SPDX-License-Identifier: Apache-2.0
// Flow control: limits follow the reader, windows the line's speed, and the budget holds them all.
#include "support.h"

using namespace test;

namespace {

void test_window_used_up_within_two_round_trips_grows_to_the_bdp(void **) {
    Pair p(stream());
    p.z->set_bdp(1u << 20);
    p.z->set_srtt(base::millis(50));
    for (int i = 0; i < 200; i++) {
        (void)send(*p.a, bytes_of(50000), at_ms(static_cast<uint64_t>(i)));
        p.carry_all(at_ms(static_cast<uint64_t>(i)));
        read(*p.z);
        p.z->check_invariants();
    }
    assert_true(p.z->credit() == 1u << 20);
    assert_true(p.z.memory.budget.used() == 1u << 20);
    assert_true(p.a->send_limit() - p.a->written() > 700000);
}

// The window would be larger than what the budget has: limits come in portions all the same.
void test_limit_bound_by_the_budget_comes_in_portions(void **) {
    Pair p(stream());
    p.z->set_bdp(1u << 30);
    p.z->set_srtt(base::seconds(1));
    ConnectionBudget &budget = p.z.memory.budget;
    const uint64_t others = budget.take(budget.spare() - 300'000);
    uint64_t now = 0, told = 0, read_bytes = 0;
    const auto exchange = [&] {
        (void)send(*p.a, bytes_of(200'000), at_ms(now));
        Pair::carry_control(p.a, p.z, at_ms(now));
        Segment s;
        while (p.a->next_segment(1000, at_ms(now), s)) {
            assert_true(Pair::deliver(s, *p.z, at_ms(now)) == PLAIT_OK);
            p.a->on_acked(s.offset, s.length, s.fin);
            read_bytes += read(*p.z).size();
            told += p.z->pending_control() & control::kMaxData ? 1 : 0;
            Pair::carry_control(p.z, p.a, at_ms(now));
        }
        now++;
    };
    while (budget.spare() > 0 && now < 1000)
        exchange();
    assert_true(budget.spare() == 0 && budget.left() > 0);
    const uint64_t window = p.z->credit();
    told = read_bytes = 0;
    for (int i = 0; i < 1000 && read_bytes < 4 * window; i++)
        exchange();
    assert_true(read_bytes >= 4 * window);
    assert_true(told <= 4 * (read_bytes / window + 1));
    budget.give(others);
}

void test_window_of_a_stalled_reader_does_not_grow(void **) {
    Pair p(stream());
    p.z->set_bdp(1u << 20);
    for (int i = 0; i < 20; i++) {
        (void)send(*p.a, bytes_of(50000), at_ms(static_cast<uint64_t>(i) * 300));
        p.carry_all(at_ms(static_cast<uint64_t>(i) * 300));
    }
    assert_true(p.z->unread() == 65536 && p.z->credit() == 65536);
    assert_true(p.a->send_limit() == 65536);
}

void test_credit_unused_for_a_second_is_given_back(void **) {
    Pair p(stream());
    p.z->set_bdp(1u << 20);
    for (int i = 0; i < 200; i++) {
        (void)send(*p.a, bytes_of(50000), at_ms(static_cast<uint64_t>(i)));
        p.carry_all(at_ms(static_cast<uint64_t>(i)));
        read(*p.z);
    }
    p.carry_all(at_ms(200));
    const uint64_t before = p.a->send_limit();
    const Time due = p.a->deadline();
    assert_true(due > at_ms(1100) && due < at_ms(1300));
    assert_true(p.a->on_timer(due) == PLAIT_OK);
    assert_true(p.a->pending_control() == control::kCreditReturn);
    assert_true(p.a->send_limit() == p.a->written() + 65536 && p.a->send_limit() < before);
    // A limit said before the return came is ignored, also when it comes late.
    assert_true(p.a->on(wire::MaxChannelDataFrame{{2}, before + 1000, 0}, due) == PLAIT_OK);
    assert_true(p.a->send_limit() == p.a->written() + 65536);
    p.carry_all(due);
    assert_true(p.z.memory.budget.used() == 65536);
    assert_true(p.a->deadline() == kNever && p.a->idle());
    // Twice is once.
    assert_true(p.z->on(wire::CreditReturnFrame{{2}, 1, p.a->written() + 100}, due) == PLAIT_OK);
    assert_true(p.z->receive_limit() == p.a->send_limit());
    // And it goes on.
    const Time later = due + base::seconds(5);
    for (int i = 0; i < 10; i++) {
        (void)send(*p.a, bytes_of(50000), later);
        p.carry_all(later);
        assert_true(read(*p.z).size() > 0);
    }
}

void test_credit_return_lost_is_repeated_until_the_peer_shows_it(void **) {
    Pair p(stream());
    assert_true(p.a->on(wire::MaxChannelDataFrame{{2}, 1u << 20, 0}, at_ms(0)) == PLAIT_OK);
    assert_true(p.a->on_timer(at_ms(1000)) == PLAIT_OK);
    uint8_t bytes[64];
    base::Writer w(bytes);
    ControlSet set = 0;
    p.a->write_control(w, set);
    assert_true(set == control::kCreditReturn);
    p.a->on_control_lost(set);
    assert_true(p.a->pending_control() == control::kCreditReturn);
    assert_true(p.a->on(wire::MaxChannelDataFrame{{2}, 100, 1}, at_ms(1001)) == PLAIT_OK);
    assert_true(p.a->pending_control() == 0);
    p.a->on_control_lost(set);
    assert_true(p.a->pending_control() == 0);
}

void test_budget_many_channels_never_exceed_it_and_all_go_on(void **) {
    Memory memory(300000);
    memory.budget.set_bdp(100000);
    assert_true(memory.budget.promise(50 * 4096));
    assert_false(memory.budget.promise(100000));
    Side sender;
    std::vector<std::unique_ptr<Channel>> a, z;
    Setup s;
    s.config = stream();
    s.config.one_way = true;
    s.peer_window = s.own_window = 4096;
    for (uint32_t i = 0; i < 50; i++) {
        s.number = {2 + 2 * i};
        s.opened_here = true;
        a.push_back(std::make_unique<Channel>(s, sender.memory.pools, sender.memory.budget));
        s.opened_here = false;
        z.push_back(std::make_unique<Channel>(s, memory.pools, memory.budget));
        assert_true(z.back()->accept(stream(), kStart) == PLAIT_OK);
    }
    assert_true(memory.budget.promised() == 0);
    uint64_t read_bytes = 0;
    for (uint64_t ms = 0; ms < 200; ms++) {
        for (size_t i = 0; i < a.size(); i++) {
            (void)send(*a[i], bytes_of(20000), at_ms(ms));
            Segment seg;
            while (a[i]->next_segment(1200, at_ms(ms), seg)) {
                assert_true(Pair::deliver(seg, *z[i], at_ms(ms)) == PLAIT_OK);
                a[i]->on_acked(seg.offset, seg.length, seg.fin);
            }
            uint64_t credit = 0;
            for (const auto &c : z) {
                assert_true(c->receive_limit() - c->read_offset() <= c->credit());
                credit += c->credit();
            }
            assert_true(credit == memory.budget.used() && credit <= 300000);
            if (i % 7 != 0) // some stall; the others go on
                read_bytes += read(*z[i]).size();
            uint8_t bytes[200];
            base::Writer w(bytes), back(bytes);
            ControlSet set = 0;
            a[i]->write_control(w, set);
            z[i]->write_control(w, set);
            a[i]->on(wire::MaxChannelDataFrame{a[i]->number(), z[i]->receive_limit(), 0},
                     at_ms(ms));
        }
        assert_true(memory.pools.in_use() <= 300000 + 50 * 2 * 4096);
    }
    assert_true(read_bytes > 42u * 200 * 4000);
}

void test_large_messages_at_once_take_turns_for_the_memory(void **) {
    Memory memory(100000);
    assert_true(memory.budget.promise(3 * 4096));
    std::vector<std::unique_ptr<Channel>> z;
    Setup s;
    s.config = messages();
    s.config.one_way = true;
    s.opened_here = false;
    s.own_window = 4096;
    s.own_max_message = 60000;
    for (uint32_t i = 0; i < 3; i++) {
        s.number = {2 + 2 * i};
        z.push_back(std::make_unique<Channel>(s, memory.pools, memory.budget));
        Config local = messages();
        local.window = 4096;
        assert_true(z.back()->accept(local, kStart) == PLAIT_OK);
    }
    std::string message("\x80\x00\xea\x60", 4); // 60,000
    message += bytes_of(60000);
    for (auto &c : z)
        assert_true(c->on(wire::DataFrame{0, base::bytes_of(message).first(4096), false, true},
                          kStart) == PLAIT_OK);
    // One has credit for all of it, the others none beyond their window, and ask again.
    int whole = 0;
    for (auto &c : z) {
        whole += c->receive_limit() == 60004;
        assert_true(c->receive_limit() == 60004 || c->receive_limit() == 4096);
        assert_true(c->receive_limit() == 60004 || c->deadline() != kNever);
    }
    assert_true(whole == 1);
    Time now = kStart;
    for (int done = 0; done < 3; done++) {
        for (auto &c : z) {
            if (c->receive_limit() != 60004 || c->receive_state() == ReceiveState::kEnded)
                continue;
            assert_true(
                c->on(wire::DataFrame{4096, base::bytes_of(message).subspan(4096), true, false},
                      now) == PLAIT_OK);
            assert_true(read(*c).size() == 60000);
        }
        now = now + kCreditRetry;
        for (auto &c : z)
            assert_true(c->on_timer(now) == PLAIT_OK);
    }
    for (auto &c : z)
        assert_true(c->receive_state() == ReceiveState::kEnded);
}

void test_drop_oldest_the_sender_never_stops_the_reader_hears_once(void **) {
    for (const bool messages : {false, true}) {
        Config c = stream();
        c.messages = messages;
        c.drop_oldest = true;
        c.window = 16384;
        Pair p(c, 16384);
        uint64_t sent = 0;
        for (int i = 0; i < 200; i++) {
            const auto r = send(*p.a, bytes_of(1000));
            assert_true(r.ok() && *r == 1000);
            sent += 1000;
            p.carry_all(kStart);
            p.z->check_invariants();
        }
        assert_true(p.a->unacked() == 0);
        assert_true(p.z->take_events() & event::kGap);
        ReadInfo info;
        uint64_t got = read(*p.z, &info).size(), dropped = info.dropped_bytes;
        assert_true(dropped > 0 && (info.dropped_messages > 0) == messages);
        for (std::string s = read(*p.z, &info); s[0] != '<'; s = read(*p.z, &info)) {
            assert_true(info.dropped_bytes == 0);
            got += s.size();
        }
        assert_true(got + dropped == sent && got > 8000);
        assert_true(p.z->stats().bytes_dropped == dropped);
    }
}

void test_max_data_lost_is_said_again_with_the_present_limit(void **) {
    Pair p(stream());
    assert_true(send(*p.a, bytes_of(60000)).ok());
    p.carry_data(p.a, p.z, kStart);
    uint8_t bytes[64];
    base::Writer w(bytes);
    ControlSet set = 0;
    assert_true(read(*p.z, nullptr, 30000).size() == 30000);
    p.z->write_control(w, set);
    assert_true(set == control::kMaxData);
    assert_true(read(*p.z).size() == 30000);
    p.z->on_control_lost(set);
    assert_true(p.carry_control(p.z, p.a, kStart) == control::kMaxData);
    assert_true(p.a->send_limit() == p.z->receive_limit() && p.a->send_limit() > 110000);
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(test_window_used_up_within_two_round_trips_grows_to_the_bdp),
        cmocka_unit_test(test_limit_bound_by_the_budget_comes_in_portions),
        cmocka_unit_test(test_window_of_a_stalled_reader_does_not_grow),
        cmocka_unit_test(test_credit_unused_for_a_second_is_given_back),
        cmocka_unit_test(test_credit_return_lost_is_repeated_until_the_peer_shows_it),
        cmocka_unit_test(test_budget_many_channels_never_exceed_it_and_all_go_on),
        cmocka_unit_test(test_large_messages_at_once_take_turns_for_the_memory),
        cmocka_unit_test(test_drop_oldest_the_sender_never_stops_the_reader_hears_once),
        cmocka_unit_test(test_max_data_lost_is_said_again_with_the_present_limit),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
