// SPDX-License-Identifier: Apache-2.0
// The text for the person that goes with a failed call: one line a thread, the latest failure.
// plait_error_detail() shows it. This is the only thing that the library keeps outside of a node,
// because a failure to make a node has to be told too.
#pragma once

#include "base/result.h"

#include <cstddef>

namespace plait::runtime {

inline constexpr size_t kDetailMax = 512;

// Notes the text and gives the status back: `return fail(PLAIT_E_URI, "%s: no scheme", uri);`
// The text is cut at kDetailMax.
[[gnu::format(printf, 2, 3)]] Status fail(Status status, const char *format, ...) noexcept;

// The status' own text, when there is nothing better to say. PLAIT_OK and PLAIT_E_AGAIN note
// nothing.
Status fail(Status status) noexcept;

// Whether fail() noted a text since begin_call(), both on this thread.
void begin_call() noexcept;
bool was_noted() noexcept;

// This thread's latest text, "" if there was none. Valid until the next fail() on this thread.
const char *detail() noexcept;

} // namespace plait::runtime
