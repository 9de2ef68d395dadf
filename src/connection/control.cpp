// SPDX-License-Identifier: Apache-2.0
#include "connection/control.h"

namespace plait::connection {

void ControlQueue::add(const ControlItem &item) {
    for (size_t i = 0; i < queue_.size(); i++)
        if (queue_[i] == item)
            return;
    queue_.push_back(item);
}

void ControlQueue::drop(const ControlItem &item) {
    for (size_t n = queue_.size(); n > 0; n--) {
        const ControlItem first = queue_.front();
        queue_.pop_front();
        if (!(first == item))
            queue_.push_back(first);
    }
}

uint32_t ControlLog::add(uint32_t cookie, const ControlItem &item) {
    uint32_t cell = free_;
    if (cell != kNone) {
        free_ = cells_[cell - 1].next;
    } else {
        cells_.push_back({});
        cell = static_cast<uint32_t>(cells_.size());
    }
    cells_[cell - 1] = {item, cookie};
    return cell;
}

} // namespace plait::connection
