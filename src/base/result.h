// SPDX-License-Identifier: Apache-2.0
// Result<T>: a value or the status that tells why there is none. Trivially copyable for trivial T,
// so that it travels in registers.
#pragma once

#include "base/assert.h"
#include "plait/status.h"

#include <type_traits>
#include <utility>

namespace plait::base {

using Status = plait_status;

template <class T> class [[nodiscard]] Result {
  public:
    constexpr Result(T value) : value_(std::move(value)) {}
    // A failure. PLAIT_OK is not one.
    static constexpr Result error(Status status) {
        PLAIT_ASSERT(status != PLAIT_OK);
        Result r;
        r.status_ = status;
        return r;
    }
    constexpr bool ok() const { return status_ == PLAIT_OK; }
    constexpr explicit operator bool() const { return ok(); }
    constexpr Status status() const { return status_; }
    constexpr const T &value() const & {
        PLAIT_ASSERT(ok());
        return value_;
    }
    constexpr T &value() & {
        PLAIT_ASSERT(ok());
        return value_;
    }
    constexpr T &&value() && {
        PLAIT_ASSERT(ok());
        return std::move(value_);
    }
    constexpr const T &operator*() const & { return value(); }
    constexpr T &operator*() & { return value(); }
    constexpr const T *operator->() const { return &value(); }

  private:
    constexpr Result() = default;
    T value_{};
    Status status_ = PLAIT_OK;
};

// Converts to a failed Result of any T: `return Error{PLAIT_E_MALFORMED};`
struct Error {
    Status status;
    template <class T> constexpr operator Result<T>() const { return Result<T>::error(status); }
};

static_assert(std::is_trivially_copyable_v<Result<unsigned long long>>);
static_assert(sizeof(Result<unsigned long long>) <= 16);

// The symbol ("PLAIT_E_AGAIN") and the text of a status; never NULL.
const char *status_name(Status status) noexcept;
const char *status_text(Status status) noexcept;

} // namespace plait::base

namespace plait {
using base::Error;
using base::Result;
using base::Status;
} // namespace plait
