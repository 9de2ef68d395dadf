// SPDX-License-Identifier: Apache-2.0
#include "../cmocka.hpp"

#include "fec/coefficients.h"
#include "fec/gf256.h"
#include "fec/plan.h"
#include "fec/solver.h"

#include <algorithm>
#include <array>

using namespace plait;
using namespace plait::fec;

static void test_field_products_and_inverses_agree(void **) {
    assert_int_equal(multiply(2, 0x80), 0x1d); // x * x^7 = x^4 + x^3 + x^2 + 1
    for (unsigned a = 1; a < 256; a++) {
        assert_int_equal(multiply(static_cast<uint8_t>(a), inverse(static_cast<uint8_t>(a))), 1);
        for (unsigned b = 0; b < 256; b++) {
            const auto x = static_cast<uint8_t>(a), y = static_cast<uint8_t>(b);
            assert_int_equal(multiply(x, y), multiply(y, x));
            assert_int_equal(multiply(x, y ^ 0x53), multiply(x, y) ^ multiply(x, 0x53));
        }
    }
}

// The last ones of a length that is no multiple of a vector are done too, and none behind them.
static void test_field_vector_product_is_the_portable_one(void **) {
    std::array<uint8_t, 100> from, fast, plain;
    for (unsigned c = 0; c < 256; c += 5)
        for (size_t n = 0; n < 70; n++) {
            for (size_t i = 0; i < from.size(); i++) {
                from[i] = static_cast<uint8_t>(i * 37 + c);
                fast[i] = plain[i] = static_cast<uint8_t>(i * 11);
            }
            add_product(fast.data() + 3, from.data() + 1, n, static_cast<uint8_t>(c));
            add_product_portable(plain.data() + 3, from.data() + 1, n, static_cast<uint8_t>(c));
            assert_memory_equal(fast.data(), plain.data(), fast.size());
        }
}

// RFC 8682 section 2.2: the first outputs for the seed 1.
static void test_generator_matches_the_rfc(void **) {
    TinyMt32 g(1);
    for (const uint32_t expected : {2545341989u, 981918433u, 3715302833u, 2387538352u, 3591001365u,
                                    3820442102u, 2114400566u, 2196103051u, 2783359912u, 764534509u})
        assert_int_equal(g.next(), expected);
}

static void test_coefficients_are_never_zero(void **) {
    std::array<uint8_t, 128> c;
    for (unsigned key = 0; key < 65536; key += 17) {
        coefficients(static_cast<uint16_t>(key), c);
        assert_int_equal(std::count(c.begin(), c.end(), 0), 0);
    }
}

static void test_solver_finds_what_follows_and_no_more(void **) {
    Solver s;
    // x0 + 2 x1 = e0;  x0 + 3 x1 = e1;  x2 + x3 = e2
    s.reset(3, 4);
    s.set(0, 0, 1);
    s.set(0, 1, 2);
    s.set(1, 0, 1);
    s.set(1, 1, 3);
    s.set(2, 2, 1);
    s.set(2, 3, 1);
    s.eliminate();
    assert_null(s.solution(2));
    assert_null(s.solution(3));
    const uint8_t x0 = 77, x1 = 201;
    const uint8_t e[3] = {static_cast<uint8_t>(x0 ^ multiply(2, x1)),
                          static_cast<uint8_t>(x0 ^ multiply(3, x1)), 9};
    uint8_t found[2] = {0, 0};
    for (size_t u = 0; u < 2; u++)
        for (size_t i = 0; i < 3; i++)
            found[u] ^= multiply(s.solution(u)[i], e[i]);
    assert_int_equal(found[0], x0);
    assert_int_equal(found[1], x1);
}

static void test_plan_grows_with_loss_and_shrinks_with_time(void **) {
    const auto ms = [](int64_t n) { return base::millis(n); };
    const Plan fast = plan(0.05, ms(50), ms(2)), slow = plan(0.05, ms(50), ms(20));
    assert_true(fast.share < slow.share);
    assert_in_range(fast.share, kShareOne / 10, kShareOne / 5);
    assert_true(plan(0.10, ms(50), ms(2)).share > fast.share);
    assert_true(plan(0, ms(50), ms(2)).share <= 2);
    const Plan worst = plan(1, Duration{0}, Duration{0});
    assert_in_range(worst.share, 1, kShareMax);
    assert_in_range(worst.symbols, kAutoSymbolsMin, kAutoSymbolsMax);
}

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(test_field_products_and_inverses_agree),
        cmocka_unit_test(test_field_vector_product_is_the_portable_one),
        cmocka_unit_test(test_generator_matches_the_rfc),
        cmocka_unit_test(test_coefficients_are_never_zero),
        cmocka_unit_test(test_solver_finds_what_follows_and_no_more),
        cmocka_unit_test(test_plan_grows_with_loss_and_shrinks_with_time),
    };
    return cmocka_run_group_tests_name("fec field", tests, nullptr, nullptr);
}
