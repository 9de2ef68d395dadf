// SPDX-License-Identifier: Apache-2.0
#include "fec/solver.h"

#include "base/assert.h"
#include "fec/gf256.h"

#include <algorithm>

namespace plait::fec {

void Solver::reset(size_t equations, size_t unknowns) {
    PLAIT_ASSERT(equations <= kMaxEquations && unknowns <= kMaxUnknowns);
    equations_ = equations;
    unknowns_ = unknowns;
    for (size_t i = 0; i < equations; i++) {
        std::fill_n(rows_[i].begin(), unknowns + equations, uint8_t{0});
        rows_[i][unknowns + i] = 1;
    }
    row_of_.fill(kNone);
}

void Solver::eliminate() {
    const size_t width = unknowns_ + equations_;
    size_t rank = 0;
    for (size_t u = 0; u < unknowns_ && rank < equations_; u++) {
        size_t pivot = rank;
        while (pivot < equations_ && rows_[pivot][u] == 0)
            pivot++;
        if (pivot == equations_)
            continue;
        std::swap(rows_[pivot], rows_[rank]);
        uint8_t *const row = rows_[rank].data();
        scale(row, width, inverse(row[u]));
        for (size_t i = 0; i < equations_; i++)
            if (i != rank)
                add_product(rows_[i].data(), row, width, rows_[i][u]);
        rank++;
    }
    note_solutions(rank);
}

// A row in which one unknown is left.
void Solver::note_solutions(size_t rank) {
    for (size_t i = 0; i < rank; i++) {
        const auto begin = rows_[i].begin(), end = begin + static_cast<std::ptrdiff_t>(unknowns_);
        const auto first = std::find_if(begin, end, [](uint8_t c) { return c != 0; });
        if (std::all_of(first + 1, end, [](uint8_t c) { return c == 0; }))
            row_of_[static_cast<size_t>(first - begin)] = static_cast<uint8_t>(i);
    }
}

} // namespace plait::fec
