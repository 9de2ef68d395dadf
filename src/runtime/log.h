// SPDX-License-Identifier: Apache-2.0
// Where log lines go: to the application's function, or nowhere. Under the worker's lock.
#pragma once

#include "plait/node.h"

#include <cstdarg>
#include <cstdint>
#include <cstdio>

namespace plait::runtime {

class Log {
  public:
    void set(uint32_t max_level, plait_log_fn *function, void *user) {
        max_level_ = function != nullptr ? max_level : 0;
        function_ = function;
        user_ = user;
    }
    bool wants(uint32_t level) const { return level <= max_level_; }

    [[gnu::format(printf, 3, 4)]] void line(uint32_t level, const char *format, ...) const {
        if (!wants(level))
            return;
        char text[512];
        va_list args;
        va_start(args, format);
        std::vsnprintf(text, sizeof text, format, args);
        va_end(args);
        function_(user_, level, text);
    }

  private:
    uint32_t max_level_ = 0;
    plait_log_fn *function_ = nullptr;
    void *user_ = nullptr;
};

} // namespace plait::runtime
