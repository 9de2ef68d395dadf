// SPDX-License-Identifier: Apache-2.0
// What waits at an application endpoint for plait_endpoint_take: datagrams in one block of bytes,
// first in first out, bounded by their own size.
//
//   | length u32 | address length u8 | address | datagram | ...
#pragma once

#include "base/bytes.h"
#include "plait/transport.h"

#include <vector>

namespace plait::runtime {

class AppQueue {
  public:
    explicit AppQueue(size_t limit) : limit_(limit) {}

    bool empty() const { return head_ == bytes_.size(); }
    // Bytes of the datagrams that wait.
    size_t size() const { return waiting_; }
    // Bytes of memory in use, read ones included.
    size_t held() const { return bytes_.size(); }
    // One datagram always fits, so that any limit works with any MTU.
    bool has_room(size_t n) const { return waiting_ == 0 || waiting_ + n <= limit_; }

    void push(const plait_addr *to, Bytes datagram) {
        const uint8_t address_size = to != nullptr ? to->len : 0;
        uint8_t header[kHeader];
        base::store_be(header, datagram.size(), 4);
        header[4] = address_size;
        bytes_.insert(bytes_.end(), header, header + kHeader);
        if (address_size != 0)
            bytes_.insert(bytes_.end(), to->b, to->b + address_size);
        bytes_.insert(bytes_.end(), datagram.begin(), datagram.end());
        waiting_ += datagram.size();
    }

    // The first one; not when empty().
    Bytes front(plait_addr &to) const {
        const uint8_t *at = bytes_.data() + head_;
        to = {};
        to.len = at[4];
        std::memcpy(to.b, at + kHeader, to.len);
        return {at + kHeader + to.len, static_cast<size_t>(base::load_be(at, 4))};
    }

    void pop() {
        const uint8_t *at = bytes_.data() + head_;
        const size_t size = base::load_be(at, 4);
        head_ += kHeader + at[4] + size;
        waiting_ -= size;
        if (head_ == bytes_.size() || head_ > bytes_.size() / 2) {
            bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(head_));
            head_ = 0;
        }
    }

  private:
    static constexpr size_t kHeader = 5;
    std::vector<uint8_t> bytes_;
    size_t head_ = 0, waiting_ = 0, limit_;
};

} // namespace plait::runtime
