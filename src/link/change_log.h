// SPDX-License-Identifier: Apache-2.0
// Changes of a link that the application has not read yet, the oldest first: few links have any
// that somebody will read, and all have some, so they are packed.
#pragma once

#include "base/slim_vector.h"
#include "link/policy.h"

namespace plait::link {

class ChangeLog {
  public:
    bool empty() const { return packed_.empty(); }
    // One more than kMaxChanges: the oldest goes, and is counted.
    void add(const Change &change);
    // The oldest; there must be one. `missed`: how many went before it, since the last one taken.
    Change take(uint32_t &missed);
    void trim() { packed_.shrink_to_fit(); }

  private:
    Change take_first();

    base::SlimVector<uint8_t> packed_;
    uint32_t count_ = 0, missed_ = 0;
};

} // namespace plait::link
