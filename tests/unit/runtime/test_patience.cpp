// SPDX-License-Identifier: Apache-2.0
// Looking for input before sleeping: begins where it pays, ends where it does not, costs little.
#include "../cmocka.hpp"

#include "runtime/patience.h"

using namespace plait;
using plait::runtime::Patience;
using plait::runtime::Traffic;

namespace {

constexpr Duration kNothing{0};
constexpr Traffic kEcho{1, 1, 228}; // a small packet and its answer

// Turns that waited so long for a small packet; how many of them looked for the next one.
uint32_t turns(Patience &p, uint32_t count, Duration waited, Traffic traffic = kEcho) {
    uint32_t looked = 0;
    for (uint32_t i = 0; i < count; i++)
        looked += p.next(waited, traffic) != kNothing;
    return looked;
}

bool begins(Patience &p) {
    return turns(p, Patience::kTurnsMin, Duration{60}) == 1;
}

void test_patience_quick_answers_looks_after_some(void **) {
    Patience p;
    assert_int_equal(turns(p, Patience::kTurnsMin - 1, Duration{60}), 0);
    assert_true(p.next(Duration{60}, kEcho) == Patience::kLook);
    assert_int_equal(turns(p, 1000, Duration{10}), 1000);
}

void test_patience_slow_answers_never_look(void **) {
    Patience p;
    assert_int_equal(turns(p, 1000, Patience::kQuick + Duration{1}), 0);
    for (int i = 0; i < 1000; i++) { // nor with a slow one among the quick
        assert_int_equal(turns(p, Patience::kTurnsMin - 1, Duration{10}), 0);
        assert_int_equal(turns(p, 1, Duration{1000}), 0);
    }
}

void test_patience_bulk_and_timers_never_look(void **) {
    constexpr Traffic kOthers[] = {
        {1, 1, 60000}, {3, 1, 300}, {1, 2, 2900}, {1, 0, 1400}, {0, 0, 0}, {0, 1, 99},
    };
    for (const Traffic &other : kOthers) {
        Patience p;
        assert_int_equal(turns(p, 1000, Duration{10}, other), 0);
        assert_true(begins(p));
        assert_int_equal(turns(p, 1, Duration{10}, other), 0); // and they end it
    }
}

void test_patience_that_paid_forgives_a_pause(void **) {
    Patience p;
    assert_true(begins(p));
    turns(p, Patience::kCreditMax, Duration{10});
    assert_int_equal(turns(p, 1, Duration{1000000}), 1);
    assert_int_equal(turns(p, 1000, Duration{10}), 1000);
    assert_int_equal(turns(p, 1000, Duration{1000000}),
                     Patience::kCreditMax / Patience::kMissCost - 1);
}

// Both sides on one processor: who looks keeps the other from answering.
void test_patience_in_vain_looks_ever_less(void **) {
    Patience p;
    uint32_t looked = 0;
    constexpr uint32_t kTurns = 100000;
    bool looks = false;
    for (uint32_t i = 0; i < kTurns; i++) {
        looks = p.next(looks ? Patience::kLook + Duration{20} : Duration{20}, kEcho) != kNothing;
        looked += looks;
    }
    assert_in_range(looked, 1, kTurns / Patience::kTurnsMax + 10);
    turns(p, Patience::kTurnsMax, Duration{20}); // once it pays, all is forgiven
    assert_int_equal(turns(p, 100, Duration{20}), 100);
    turns(p, 100, Duration{1000});
    assert_int_equal(turns(p, 2 * Patience::kTurnsMin, Duration{60}), 1);
}

} // namespace

int main() {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_patience_quick_answers_looks_after_some),
        cmocka_unit_test(test_patience_slow_answers_never_look),
        cmocka_unit_test(test_patience_bulk_and_timers_never_look),
        cmocka_unit_test(test_patience_that_paid_forgives_a_pause),
        cmocka_unit_test(test_patience_in_vain_looks_ever_less),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
