// SPDX-License-Identifier: Apache-2.0
// Time as the engine knows it: microseconds of a monotonic clock that somebody else reads.
#pragma once

#include <compare>
#include <cstdint>
#include <limits>

namespace plait::base {

struct Duration {
    int64_t us = 0;
    constexpr auto operator<=>(const Duration &) const = default;
    constexpr Duration operator+(Duration o) const { return {us + o.us}; }
    constexpr Duration operator-(Duration o) const { return {us - o.us}; }
    constexpr Duration operator*(int64_t n) const { return {us * n}; }
    constexpr Duration operator/(int64_t n) const { return {us / n}; }
    constexpr Duration &operator+=(Duration o) { return us += o.us, *this; }
};

constexpr Duration micros(int64_t n) {
    return {n};
}
constexpr Duration millis(int64_t n) {
    return {n * 1000};
}
constexpr Duration seconds(int64_t n) {
    return {n * 1'000'000};
}

struct Time {
    uint64_t us = 0;
    constexpr auto operator<=>(const Time &) const = default;
    constexpr Time operator+(Duration d) const { return {us + static_cast<uint64_t>(d.us)}; }
    constexpr Time operator-(Duration d) const { return {us - static_cast<uint64_t>(d.us)}; }
    constexpr Duration operator-(Time o) const { return {static_cast<int64_t>(us - o.us)}; }
};

// Later than everything: "no timer".
inline constexpr Time kNever{std::numeric_limits<uint64_t>::max()};

} // namespace plait::base

namespace plait {
using base::Duration;
using base::kNever;
using base::Time;
} // namespace plait
