// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace plait::base {

// Sets a flag for the life of a scope, however that is left.
class Flag {
  public:
    explicit Flag(bool &flag) : flag_(flag) { flag_ = true; }
    ~Flag() { flag_ = false; }
    Flag(const Flag &) = delete;
    Flag &operator=(const Flag &) = delete;

  private:
    bool &flag_;
};

} // namespace plait::base
