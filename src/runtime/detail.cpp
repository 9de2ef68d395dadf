// SPDX-License-Identifier: Apache-2.0
#include "runtime/detail.h"

#include <array>
#include <cstdarg>
#include <cstdio>

namespace plait::runtime {

namespace {
thread_local std::array<char, kDetailMax> latest{};
thread_local bool noted = false;
} // namespace

Status fail(Status status, const char *format, ...) noexcept {
    va_list args;
    va_start(args, format);
    // Into a second buffer: an argument may be the text of the failure before.
    std::array<char, kDetailMax> text;
    std::vsnprintf(text.data(), text.size(), format, args);
    va_end(args);
    latest = text;
    noted = true;
    return status;
}

Status fail(Status status) noexcept {
    if (status != PLAIT_OK && status != PLAIT_E_AGAIN)
        return fail(status, "%s", base::status_text(status));
    return status;
}

void begin_call() noexcept { noted = false; }
bool was_noted() noexcept { return noted; }

const char *detail() noexcept { return latest.data(); }

} // namespace plait::runtime
