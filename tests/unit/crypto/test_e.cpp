// SPDX-License-Identifier: Apache-2.0
#include "support.h"

#include <new>

using namespace plait::crypto;
using namespace plait::test;

namespace {

// Python: hashlib.blake2b(bytes([len(label)]) + label + ctx, key=key, digest_size=n)
void test_expand_known_input_gives_blake2b_answer(void **) {
    std::array<uint8_t, 32> out;
    expand(counting(32), "label", plait::base::bytes_of("context"), out);
    assert_hex_equal(out, "33243bac5a0edd4db90a789a154b2ba6d1d9c36df417b2c001a25d7512fad98c");
    std::array<uint8_t, 64> longest;
    expand(counting(64), "", plait::Bytes(), longest);
    assert_hex_equal(longest, "961f6dd1e4dd30f63901690c512e78e4b45e4742ed197c3c5e45c549fd25f2e4"
                              "187b0bc9fe30492b16b0d0bc4ef9b0f34c7003fac09a5ef1532e69430234cebd");
    std::array<uint8_t, 1> shortest;
    expand(counting(32), "x", plait::Bytes(), shortest);
    assert_hex_equal(shortest, "88");
}

void test_expand_context_in_parts_equals_whole(void **) {
    std::array<uint8_t, 32> whole, parts;
    expand(counting(32), "label", plait::base::bytes_of("context"), whole);
    expand(counting(32), "label",
           {plait::base::bytes_of("con"), plait::Bytes(), plait::base::bytes_of("text")}, parts);
    assert_memory_equal(whole.data(), parts.data(), whole.size());
}

void test_expand_label_and_context_shifted_differ(void **) {
    std::array<uint8_t, 32> a, b;
    expand(counting(32), "ab", plait::base::bytes_of("c"), a);
    expand(counting(32), "a", plait::base::bytes_of("bc"), b);
    assert_memory_not_equal(a.data(), b.data(), a.size());
}

void test_secret_moved_from_is_wiped(void **) {
    auto a = secret_filled<32>(0x5a);
    const Secret<32> b = std::move(a);
    assert_true(b == secret_filled<32>(0x5a));
    // NOLINTNEXTLINE: looking at the moved-from object is the point.
    assert_true(a == Secret<32>());
    Secret<32> c = secret_filled<32>(1);
    Secret<32> d = b.clone();
    c = std::move(d);
    assert_true(c == b);
    assert_true(d == Secret<32>());
    Secret<32> &self = c;
    c = std::move(self);
    assert_true(c == b);
}

void test_secret_destroyed_leaves_zeros(void **) {
    alignas(Secret<32>) unsigned char memory[sizeof(Secret<32>)];
    auto *secret = new (memory) Secret<32>(array_of<32>("0102030405060708090a0b0c0d0e0f"));
    secret->~Secret();
    // Read through volatile: the bytes belong to no object now.
    const volatile unsigned char *left = memory;
    for (size_t i = 0; i < sizeof memory; i++)
        assert_int_equal(left[i], 0);
}

void test_equal_constant_time_differences_found(void **) {
    const auto a = counting(40);
    for (size_t i = 0; i < a.size(); i++) {
        auto b = a;
        b[i] ^= 0x80;
        assert_false(equal_constant_time(a, b));
    }
    assert_true(equal_constant_time(a, counting(40)));
    assert_false(equal_constant_time(a, counting(39)));
    assert_true(equal_constant_time({}, {}));
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(test_expand_known_input_gives_blake2b_answer),
        cmocka_unit_test(test_expand_context_in_parts_equals_whole),
        cmocka_unit_test(test_expand_label_and_context_shifted_differ),
        cmocka_unit_test(test_secret_moved_from_is_wiped),
        cmocka_unit_test(test_secret_destroyed_leaves_zeros),
        cmocka_unit_test(test_equal_constant_time_differences_found),
    };
    return cmocka_run_group_tests(tests, start_crypto, nullptr);
}
