// SPDX-License-Identifier: Apache-2.0
#include "../cmocka.hpp"
#include "link/change_log.h"

using namespace plait;
using link::ChangeLog;

namespace {

link::Change change(uint64_t n) {
    return {{n * 1'000'000'007},
            link::State::kDead,
            link::Role::kStandby,
            link::Reason::kMoved,
            base::millis(static_cast<int64_t>(n)),
            n << 30};
}

void assert_is(const link::Change &c, uint64_t n) {
    const link::Change other = change(n);
    assert_true(c.at == other.at && c.waited == other.waited && c.moved == other.moved);
    assert_true(c.state == other.state && c.role == other.role && c.reason == other.reason);
}

void test_changes_come_back_in_order(void **) {
    ChangeLog log;
    uint64_t in = 0, out = 0;
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 1 + round % 3; i++)
            log.add(change(in++));
        if (round % 2)
            log.trim();
        for (uint32_t missed = 1; out + 1 < in; missed = 1) {
            assert_is(log.take(missed), out++);
            assert_int_equal(missed, 0);
        }
        assert_false(log.empty());
    }
    uint32_t missed = 0;
    assert_is(log.take(missed), out);
    assert_true(log.empty());
}

void test_log_that_is_not_read_loses_the_oldest_and_counts(void **) {
    ChangeLog log;
    for (uint64_t i = 0; i < link::kMaxChanges + 5; i++)
        log.add(change(i));
    uint32_t missed = 0;
    assert_is(log.take(missed), 5);
    assert_int_equal(missed, 5);
    for (uint64_t i = 6; i < link::kMaxChanges + 5; i++) {
        assert_is(log.take(missed), i);
        assert_int_equal(missed, 0);
    }
    assert_true(log.empty());
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(test_changes_come_back_in_order),
        cmocka_unit_test(test_log_that_is_not_read_loses_the_oldest_and_counts),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
