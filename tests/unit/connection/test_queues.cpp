// SPDX-License-Identifier: Apache-2.0
// Control frames that wait and that are on their way; events that wait.
#include "connection/control.h"
#include "connection/events.h"
#include "support.h"

using namespace plait;
using connection::Control;
using connection::ControlItem;
using connection::ControlLog;
using connection::ControlQueue;
using connection::EventQueue;
using connection::EventState;
using connection::Source;

namespace {

void test_queue_same_item_waits_once(void **) {
    ControlQueue q;
    q.add({Control::kNewCid, 1, 0});
    q.add({Control::kLinkState, 1, 0});
    q.add({Control::kNewCid, 1, 0});
    q.add({Control::kNewCid, 2, 0});
    assert_int_equal(q.size(), 3);
    assert_true((q.front() == ControlItem{Control::kNewCid, 1, 0}));
    q.pop();
    q.add({Control::kNewCid, 1, 0});
    assert_int_equal(q.size(), 3);
    assert_int_equal(q.front().kind, Control::kLinkState);
}

void test_log_bundles_are_apart_and_given_once(void **) {
    ControlLog log;
    uint32_t a = log.add(ControlLog::kNone, {Control::kNewCid, 1, 0});
    uint32_t b = log.add(ControlLog::kNone, {Control::kNewCid, 10, 0});
    a = log.add(a, {Control::kNewCid, 2, 0});
    b = log.add(b, {Control::kNewCid, 20, 0});
    a = log.add(a, {Control::kNewCid, 3, 0});
    assert_int_not_equal(a, ControlLog::kNone);
    uint32_t sum = 0, n = 0;
    log.take(a, [&](const ControlItem &i) { sum += i.target, n++; });
    assert_int_equal(sum, 6);
    assert_int_equal(n, 3);
    sum = 0;
    log.take(b, [&](const ControlItem &i) { sum += i.target; });
    assert_int_equal(sum, 30);
    log.take(ControlLog::kNone, [&](const ControlItem &) { n++; });
    assert_int_equal(n, 3);
}

// What is lost is queued, and so written, again: while the bundle is being taken apart.
void test_log_grows_while_it_is_taken(void **) {
    ControlLog log;
    uint32_t a = ControlLog::kNone, b = ControlLog::kNone;
    for (uint32_t i = 0; i < 100; i++)
        a = log.add(a, {Control::kRetireCid, i, 0});
    uint32_t n = 0;
    log.take(a, [&](const ControlItem &i) {
        b = log.add(b, i);
        b = log.add(b, {Control::kLinkState, i.target, 0});
        n++;
    });
    assert_int_equal(n, 100);
    n = 0;
    log.take(b, [&](const ControlItem &) { n++; });
    assert_int_equal(n, 200);
}

void test_events_object_stands_once_bits_add_up(void **) {
    EventQueue q;
    EventState s;
    q.raise(s, Source::kChannel, 4, 3);
    q.raise(s, Source::kChannel, 4, 5);
    q.raise(s, Source::kChannel, 4, 3);
    assert_int_equal(q.size(), 1);
    assert_true(s.has(3) && s.has(5) && !s.has(4));
    assert_int_equal(q.front().slot, 4);
    q.pop();
    assert_true(q.empty());
    s.queued = false;
    q.enqueue(s, Source::kChannel, 4);
    assert_int_equal(q.size(), 1);
}

void test_events_held_object_without_events_is_not_queued(void **) {
    EventQueue q;
    EventState s;
    q.enqueue(s, Source::kLink, 1);
    assert_true(q.empty());
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(test_queue_same_item_waits_once),
        cmocka_unit_test(test_log_bundles_are_apart_and_given_once),
        cmocka_unit_test(test_log_grows_while_it_is_taken),
        cmocka_unit_test(test_events_object_stands_once_bits_add_up),
        cmocka_unit_test(test_events_held_object_without_events_is_not_queued),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
