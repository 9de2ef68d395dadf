// SPDX-License-Identifier: Apache-2.0
// Test bodies that return false instead of leaving by longjmp, so that objects with destructors may
// live in them; and the small generator that random tests use.
#pragma once

#include "../cmocka.hpp"

#include <cstdint>
#include <cstdio>
#include <initializer_list>

#define CHECKED_TEST(name)                                                                         \
    static bool name##_body();                                                                     \
    static void name(void **) {                                                                    \
        assert_true(name##_body());                                                                \
    }                                                                                              \
    static bool name##_body()

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            std::fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition);         \
            return false;                                                                          \
        }                                                                                          \
    } while (0)

// SplitMix64 (Steele, Lea, Flood 2014).
struct Dice {
    uint64_t state;
    uint64_t next() {
        uint64_t z = state += 0x9e3779b97f4a7c15;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
        z = (z ^ z >> 27) * 0x94d049bb133111eb;
        return z ^ z >> 31;
    }
    uint64_t below(uint64_t n) { return next() % n; }
    bool chance(double p) { return static_cast<double>(next() >> 11) * 0x1.0p-53 < p; }
};
