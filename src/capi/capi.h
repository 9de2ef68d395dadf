// SPDX-License-Identifier: Apache-2.0
// What the files of this room share: the two opaque types, the guard that lets no exception out and
// sees to it that each failure has a text, and the rules for structures and texts of callers.
#pragma once

#include "plait/identity.h"
#include "plait/types.h"
#include "runtime/detail.h"
#include "runtime/worker.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <optional>
#include <string_view>

struct plait_identity {
    plait::crypto::Identity identity;
};

struct plait_node {
    // nullptr: there is one worker, which knows of no others.
    std::unique_ptr<plait::runtime::Crew> crew;
    std::vector<std::unique_ptr<plait::runtime::Worker>> workers;
    std::mutex opening; // endpoints of several workers are opened by one thread at a time

    ~plait_node();
    plait::runtime::Worker &first() const { return *workers.front(); }
    // Whose this handle is. The first worker's are those of endpoints; it also says what is wrong
    // with a handle that is nobody's.
    plait::runtime::Worker &of(uint64_t handle) const {
        const size_t worker = plait::node::Handle::from(handle).worker;
        return *workers[worker < workers.size() ? worker : 0];
    }
    bool is_in_callback() const;
};

namespace plait::capi {

using runtime::fail;
using Call = runtime::Worker::Call;
using CallKind = runtime::Worker::Kind;

// Codes that applications give: of connections and links a varint, of channels less.
inline constexpr uint64_t kCodeMax = base::kVarintMax;
inline constexpr uint64_t kChannelCodeMax = 0xffffffff;

// Runs a call of the API. A failure that has no text of its own gets its function's name and the
// status' text.
template <class F> plait_status guard(const char *function, F &&f) noexcept {
    runtime::begin_call();
    plait_status status = PLAIT_E_SYSTEM;
    try {
        status = f();
    } catch (const std::bad_alloc &) {
        status = PLAIT_E_NO_MEMORY;
    } catch (...) {
        fail(status, "%s: a failure inside the library", function);
    }
    if (status != PLAIT_OK && status != PLAIT_E_AGAIN && !runtime::was_noted())
        fail(status, "%s: %s", function, base::status_text(status));
    return status;
}

// The same with the lock of the worker whose `handle` is: f(Call &).
template <class F>
plait_status with_owner(const char *function, plait_node *node, uint64_t handle, F &&f,
                        CallKind kind = CallKind::kMutates) noexcept {
    return guard(function, [&]() -> plait_status {
        if (node == nullptr)
            return fail(PLAIT_E_NULL, "%s: the node is NULL", function);
        Call call(node->of(handle), kind);
        return f(call);
    });
}

// For calls that only read: what they owe the peer may go with what the application sends next.
template <class F>
plait_status reading_owner(const char *function, plait_node *node, uint64_t handle,
                           F &&f) noexcept {
    return with_owner(function, node, handle, std::forward<F>(f), CallKind::kReads);
}

// For what concerns the node as a whole: f(Call &) with one worker after the other, until one
// fails.
template <class F> plait_status with_all(const char *function, plait_node *node, F &&f) noexcept {
    return guard(function, [&]() -> plait_status {
        if (node == nullptr)
            return fail(PLAIT_E_NULL, "%s: the node is NULL", function);
        for (const auto &worker : node->workers) {
            Call call(*worker);
            if (const Status status = f(call); status != PLAIT_OK)
                return status;
        }
        return PLAIT_OK;
    });
}

Status null_argument(const char *function, const char *name) noexcept;
Status too_large_code(const char *function, uint64_t code, uint64_t max) noexcept;

// The value of a Result, or its status.
template <class T> Status store(const Result<T> &result, T *out) {
    if (result)
        *out = *result;
    return result.status();
}

// -- structures of callers
//
// A structure has at least the size of its first version; what a newer caller has beyond what this
// library knows must be zero. Nobody's structure grows by more than this:
inline constexpr size_t kUnknownTailMax = 1024;

Status check_size(const char *function, const void *from, size_t size, size_t known) noexcept;

// Takes a configuration; `from` NULL: `to` stays as it is.
template <class T> Status read_struct(const char *function, const T *from, T &to) {
    if (from == nullptr)
        return PLAIT_OK;
    uint32_t size;
    std::memcpy(&size, from, sizeof size);
    if (const Status status = check_size(function, from, size, sizeof(T)); status != PLAIT_OK)
        return status;
    std::memcpy(&to, from, sizeof(T));
    to.struct_size = sizeof(T);
    return PLAIT_OK;
}

Status check_out_size(const char *function, size_t size) noexcept;

// Gives an out-structure as much as the caller has room for; the rest of the caller's is zero.
template <class T> void write_struct(const T &from, T *to) {
    const uint32_t size = to->struct_size;
    const size_t n = std::min<size_t>(size, sizeof(T));
    auto *bytes = reinterpret_cast<uint8_t *>(to);
    std::memcpy(bytes, &from, n);
    std::memset(bytes + n, 0, size - n);
    std::memcpy(bytes, &size, sizeof size);
}

// A getter: fill(T &) makes the values that `out` is given as much of as it has room for.
template <class T, class F> Status fill_struct(const char *function, T *out, F &&fill) {
    if (out == nullptr)
        return null_argument(function, "out");
    if (const Status status = check_out_size(function, out->struct_size); status != PLAIT_OK)
        return status;
    T values{};
    const Status status = fill(values);
    if (status == PLAIT_OK)
        write_struct(values, out);
    return status;
}

// The same of the worker whose `handle` is: fill(Call &, T &).
template <class T, class F>
plait_status get_struct(const char *function, plait_node *node, uint64_t handle, T *out,
                        F &&fill) noexcept {
    return with_owner(function, node, handle, [&](Call &call) -> plait_status {
        return fill_struct(function, out, [&](T &values) { return fill(call, values); });
    });
}

// An init function: `defaults` into a structure that the caller knows with `size` bytes.
template <class T>
plait_status init_struct(const char *function, T *config, size_t size, const T &defaults) noexcept {
    return guard(function, [&]() -> plait_status {
        if (config == nullptr)
            return null_argument(function, "config");
        if (size < sizeof(T) || size > sizeof(T) + kUnknownTailMax)
            return fail(PLAIT_E_STRUCT_SIZE, "%s: a size of %zu, this library knows %zu", function,
                        size, sizeof(T));
        auto *bytes = reinterpret_cast<uint8_t *>(config);
        std::memset(bytes, 0, size);
        std::memcpy(bytes, &defaults, sizeof(T));
        const uint32_t caller_size = static_cast<uint32_t>(size);
        std::memcpy(bytes, &caller_size, sizeof caller_size);
        return PLAIT_OK;
    });
}

// PLAIT_CONGESTION_*; `to` keeps its value at PLAIT_CONGESTION_DEFAULT.
Status read_congestion(uint32_t value, std::optional<recovery::ControllerKind> &to);
// PLAIT_ANNOUNCE_*; neither is set where it is the default.
Status read_announce(uint32_t value, std::optional<bool> &own, std::optional<bool> &follow);
Status reserved_field(const char *function, const char *name) noexcept;

// -- texts to callers: all of it and a zero byte, or PLAIT_E_BUFFER; the length in either case
Status put_text(const char *function, std::string_view text, char *buf, size_t cap, size_t *len);

// The transports that are linked into the library.
std::vector<const plait_transport *> builtin_transports();

} // namespace plait::capi
