// SPDX-License-Identifier: Apache-2.0
// Gauss-Jordan elimination over GF(2^8) of a small system: which unknown symbols follow from the
// repair symbols, and from which combination of these.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace plait::fec {

inline constexpr size_t kMaxEquations = 24; // repair symbols that wait for more
inline constexpr size_t kMaxUnknowns = 32;  // source symbols that are missing at one time

class Solver {
  public:
    // Begins anew, with coefficients 0.
    void reset(size_t equations, size_t unknowns);
    void set(size_t equation, size_t unknown, uint8_t coefficient) {
        rows_[equation][unknown] = coefficient;
    }
    void eliminate();
    // Of the unknown the factors of each equation's value, or nullptr: it does not follow.
    const uint8_t *solution(size_t unknown) const {
        const uint8_t row = row_of_[unknown];
        return row == kNone ? nullptr : rows_[row].data() + unknowns_;
    }

  private:
    static constexpr uint8_t kNone = 255;
    void note_solutions(size_t rank);
    // | the unknowns' coefficients | the identity, which becomes the combination |
    std::array<std::array<uint8_t, kMaxUnknowns + kMaxEquations>, kMaxEquations> rows_;
    std::array<uint8_t, kMaxUnknowns> row_of_;
    size_t equations_ = 0, unknowns_ = 0;
};

} // namespace plait::fec
