// SPDX-License-Identifier: Apache-2.0
#include "link/change_log.h"

#include "base/pack.h"

#include <array>
#include <utility>

namespace plait::link {

void ChangeLog::add(const Change &change) {
    if (count_ == kMaxChanges) {
        take_first();
        missed_++;
    }
    std::array<uint8_t, 64> room;
    base::Packer p(room);
    p(change);
    packed_.append(p.written());
    count_++;
}

Change ChangeLog::take(uint32_t &missed) {
    missed = std::exchange(missed_, 0);
    return take_first();
}

Change ChangeLog::take_first() {
    PLAIT_ASSERT(count_ > 0);
    count_--;
    Change change;
    base::Unpacker p({packed_.data(), packed_.size()});
    p(change);
    packed_.erase(packed_.begin(), packed_.end() - p.left());
    return change;
}

} // namespace plait::link
