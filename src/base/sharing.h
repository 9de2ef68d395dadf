// SPDX-License-Identifier: Apache-2.0
// Sharing<T>: values that many objects have alike are kept once. It remembers the few that were
// asked for last, so that whoever brings many different ones costs no search, only memory of his
// own.
#pragma once

#include <array>
#include <cstddef>
#include <memory>

namespace plait::base {

template <class T> class Sharing {
  public:
    static constexpr size_t kRecent = 4;

    std::shared_ptr<const T> get(const T &value) {
        for (const auto &p : recent_)
            if (p && *p == value)
                return p;
        auto &place = recent_[next_++ % kRecent];
        place = std::make_shared<const T>(value);
        return place;
    }

  private:
    std::array<std::shared_ptr<const T>, kRecent> recent_;
    size_t next_ = 0;
};

} // namespace plait::base
