// SPDX-License-Identifier: Apache-2.0
#include "flow.hpp"

#include "recovery/ecn.h"

using namespace flow;
using base::millis;
using base::seconds;
using State = EcnValidation::State;

namespace {

EcnValidation after_sending(EcnMode mode, uint32_t packets) {
    EcnValidation e(mode);
    for (uint32_t i = 0; i < packets && e.mark() != Ecn::kNone; i++)
        e.on_marked_sent();
    return e;
}

} // namespace

CHECKED_TEST(test_ecn_marks_a_few_packets_then_waits_for_counts) {
    EcnValidation e = after_sending(EcnMode::kClassic, 100);
    CHECK(e.state() == State::kWaiting && e.mark() == Ecn::kNone);
    const EcnCounts counts{8, 0, 2};
    CHECK(e.on_ack(10, &counts) == 2);
    CHECK(e.state() == State::kCapable && e.mark() == Ecn::kEct0);
    CHECK(EcnValidation(EcnMode::kScalable).mark() == Ecn::kEct1);
    CHECK(EcnValidation(EcnMode::kOff).mark() == Ecn::kNone);
    return true;
}

CHECKED_TEST(test_ecn_counts_that_do_not_add_up_end_it) {
    const struct {
        EcnCounts counts;
        bool shown;
    } wrong[] = {
        {{}, false},        // not reported at all
        {{7, 0, 2}, true},  // one was cleared
        {{5, 0, 6}, true},  // more than were sent
        {{0, 10, 0}, true}, // another codepoint than ours
        {{9, 1, 1}, true},  // one was changed
        {{1ull << 62, 0, 0}, true},
    };
    for (const auto &w : wrong) {
        EcnValidation e = after_sending(EcnMode::kClassic, 10);
        CHECK(e.on_ack(10, w.shown ? &w.counts : nullptr) == 0);
        CHECK(e.state() == State::kFailed && e.mark() == Ecn::kNone);
    }
    return true;
}

CHECKED_TEST(test_ecn_counts_that_shrink_end_it) {
    EcnValidation e = after_sending(EcnMode::kClassic, 10);
    const EcnCounts first{4, 0, 1}, second{9, 0, 0};
    CHECK(e.on_ack(5, &first) == 1 && e.state() == State::kCapable);
    CHECK(e.on_ack(5, &second) == 0 && e.state() == State::kFailed);
    return true;
}

CHECKED_TEST(test_ecn_acks_of_unmarked_packets_prove_nothing) {
    EcnValidation e = after_sending(EcnMode::kClassic, 10);
    CHECK(e.on_ack(0, nullptr) == 0 && e.state() == State::kWaiting);
    const EcnCounts none{};
    CHECK(e.on_ack(0, &none) == 0 && e.state() == State::kWaiting);
    return true;
}

CHECKED_TEST(test_ecn_ends_where_marked_packets_vanish) {
    EcnValidation e = after_sending(EcnMode::kClassic, 10);
    e.on_timeout(1);
    CHECK(e.state() == State::kWaiting);
    e.on_timeout(EcnValidation::kTestTimeouts);
    CHECK(e.state() == State::kFailed);
    e.restart(); // another path
    CHECK(e.state() == State::kTesting && e.mark() == Ecn::kEct0);
    return true;
}

CHECKED_TEST(test_ecn_after_a_move_counts_go_on) {
    EcnValidation e = after_sending(EcnMode::kClassic, 10);
    const EcnCounts before{10, 0, 0};
    CHECK(e.on_ack(10, &before) == 0);
    e.restart();
    for (int i = 0; i < 10; i++)
        e.on_marked_sent();
    const EcnCounts after{17, 0, 3};
    CHECK(e.on_ack(10, &after) == 3 && e.state() == State::kCapable);
    return true;
}

// A queue that marks, and is long enough never to drop: what each controller makes of it.
CHECKED_TEST(test_ecn_controllers_keep_the_queue_at_its_marks) {
    for (const ControllerKind kind : {ControllerKind::kCubic, ControllerKind::kBbr})
        for (const EcnMode mode : {EcnMode::kClassic, EcnMode::kScalable}) {
            Link l; // 20 Mbit/s, 40 ms
            l.queue = 2'000'000;
            l.ecn_above = mode == EcnMode::kScalable ? 10'000 : 50'000;
            LinkRecoveryConfig c;
            c.controller = kind;
            c.ecn = mode;
            Flow f(l, c, 5);
            f.run(seconds(5));
            CHECK(f.sender.ecn().state() == State::kCapable);
            f.totals.queue_peak = 0;
            const double share = f.share(seconds(20));
            std::printf("  %s, %s: %.1f %%, queue at most %.2f BDP, %llu marks\n",
                        f.sender.controller().name(),
                        mode == EcnMode::kScalable ? "scalable" : "classic", share * 100,
                        static_cast<double>(f.totals.queue_peak) / 100'000,
                        static_cast<unsigned long long>(f.sender.ecn().ce_seen()));
            CHECK(share > (kind == ControllerKind::kBbr ? 0.8 : 0.95) &&
                  f.totals.queue_peak < 120'000 && f.totals.dropped == 0);
        }
    return true;
}

CHECKED_TEST(test_ecn_is_given_up_on_a_path_that_clears_it) {
    Link l;
    l.ecn_cleared = true;
    LinkRecoveryConfig c;
    c.ecn = EcnMode::kClassic;
    Flow f(l, c, 5);
    f.run(seconds(3));
    CHECK(f.sender.ecn().state() == State::kFailed);
    CHECK(f.share(seconds(10)) > 0.95);
    return true;
}

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(test_ecn_marks_a_few_packets_then_waits_for_counts),
        cmocka_unit_test(test_ecn_counts_that_do_not_add_up_end_it),
        cmocka_unit_test(test_ecn_counts_that_shrink_end_it),
        cmocka_unit_test(test_ecn_acks_of_unmarked_packets_prove_nothing),
        cmocka_unit_test(test_ecn_ends_where_marked_packets_vanish),
        cmocka_unit_test(test_ecn_after_a_move_counts_go_on),
        cmocka_unit_test(test_ecn_controllers_keep_the_queue_at_its_marks),
        cmocka_unit_test(test_ecn_is_given_up_on_a_path_that_clears_it),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
