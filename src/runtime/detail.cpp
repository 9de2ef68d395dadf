// SPDX-License-Identifier: Apache-2.0
#include "runtime/detail.h"

#include <array>
#include <cstdarg>
#include <cstdio>

namespace plait::runtime {

namespace {
thread_local std::array<char, kDetailMax> latest{};
} // namespace

Status fail(Status status, const char *format, ...) noexcept {
    va_list args;
    va_start(args, format);
    // Into a second buffer: an argument may be the text of the failure before.
    std::array<char, kDetailMax> text;
    std::vsnprintf(text.data(), text.size(), format, args);
    va_end(args);
    latest = text;
    return status;
}

Status fail(Status status) noexcept {
    if (status != PLAIT_OK && status != PLAIT_E_AGAIN)
        std::snprintf(latest.data(), latest.size(), "%s", base::status_text(status));
    return status;
}

const char *detail() noexcept { return latest.data(); }

} // namespace plait::runtime
