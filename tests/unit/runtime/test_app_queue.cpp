// SPDX-License-Identifier: Apache-2.0
// The queue of an application endpoint: order, addresses, bound, and what a long life does to it.
#include "../cmocka.hpp"

#include "runtime/app_queue.h"

#include <vector>

using namespace plait;
using plait::runtime::AppQueue;

namespace {

plait_addr address(uint8_t len, uint8_t value) {
    plait_addr a{};
    a.len = len;
    std::memset(a.b, value, len);
    return a;
}

void test_datagrams_come_out_in_order_with_their_addresses(void **) {
    AppQueue queue(1000);
    const plait_addr to = address(63, 7);
    const uint8_t bytes[] = {1, 2, 3};
    queue.push(&to, bytes);
    queue.push(nullptr, std::span(bytes).first(1));
    queue.push(&to, {});
    assert_int_equal(queue.size(), 4);
    plait_addr got;
    Bytes d = queue.front(got);
    assert_int_equal(got.len, 63);
    assert_int_equal(got.b[62], 7);
    assert_int_equal(d.size(), 3);
    assert_memory_equal(d.data(), bytes, 3);
    queue.pop();
    d = queue.front(got);
    assert_int_equal(got.len, 0);
    assert_int_equal(d.size(), 1);
    queue.pop();
    assert_int_equal(queue.front(got).size(), 0);
    assert_int_equal(got.len, 63);
    queue.pop();
    assert_true(queue.empty());
    assert_int_equal(queue.size(), 0);
}

void test_bound_counts_bytes_and_lets_one_always_pass(void **) {
    AppQueue queue(100);
    const std::vector<uint8_t> large(500), small(60);
    assert_true(queue.has_room(large.size()));
    queue.push(nullptr, large);
    assert_false(queue.has_room(1));
    queue.pop();
    queue.push(nullptr, small);
    assert_true(queue.has_room(40));
    assert_false(queue.has_room(41));
}

void test_queue_that_is_never_empty_stays_small(void **) {
    AppQueue queue(1 << 20);
    plait_addr got;
    uint32_t in = 0, out = 0;
    for (int i = 0; i < 10; i++, in++)
        queue.push(nullptr, {reinterpret_cast<const uint8_t *>(&in), sizeof in});
    for (; out < 100000; out++) {
        queue.push(nullptr, {reinterpret_cast<const uint8_t *>(&in), sizeof in});
        in++;
        uint32_t value;
        std::memcpy(&value, queue.front(got).data(), sizeof value);
        assert_int_equal(value, out);
        queue.pop();
    }
    assert_int_equal(queue.size(), 10 * sizeof in);
    assert_true(queue.held() < 1000);
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(test_datagrams_come_out_in_order_with_their_addresses),
        cmocka_unit_test(test_bound_counts_bytes_and_lets_one_always_pass),
        cmocka_unit_test(test_queue_that_is_never_empty_stays_small),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
