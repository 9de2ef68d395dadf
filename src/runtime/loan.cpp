// SPDX-License-Identifier: Apache-2.0
#include "runtime/loan.h"

namespace plait::runtime {

void Loan::wait(const Crew::Item &item, Bytes bytes) {
    waiting_.items.push_back(item);
    waiting_.items.back().at = waiting_.bytes.size();
    waiting_.bytes.insert(waiting_.bytes.end(), bytes.begin(), bytes.end());
}

void Loan::drop_first() {
    first_++;
    if (first_ <= waiting_.items.size() / 2)
        return;
    // The greater part is gone: the rest moves down.
    const size_t gone = anything_waits() ? first().at : waiting_.bytes.size();
    waiting_.items.erase(waiting_.items.begin(),
                         waiting_.items.begin() + static_cast<std::ptrdiff_t>(first_));
    waiting_.bytes.erase(waiting_.bytes.begin(),
                         waiting_.bytes.begin() + static_cast<std::ptrdiff_t>(gone));
    for (Crew::Item &item : waiting_.items)
        item.at -= gone;
    first_ = 0;
}

} // namespace plait::runtime
