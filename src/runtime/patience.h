// SPDX-License-Identifier: Apache-2.0
// How long a loop looks for input before it sleeps, when nobody has told it (busy_poll_us).
//
// To fall asleep and to be woken takes a processor longer than many an answer is on its way: where
// it goes idle, some tens of microseconds. So a loop that gets a small packet, answers it, and has
// the next one within that time looks for it instead, which then is both faster and less work. It
// begins only after several such turns in a row and ends when looking does not pay, the longer the
// less it paid before; who is idle, or moves bulk, sleeps at once. (The idea is that of a
// hypervisor's halt polling: grow while it pays, shrink when it does not.)
#pragma once

#include "base/time.h"

#include <algorithm>
#include <cstdint>

namespace plait::runtime {

// What went through the endpoints between two sleeps.
struct Traffic {
    uint32_t datagrams_in = 0, datagrams_out = 0;
    uint64_t bytes = 0; // both ways
};

class Patience {
  public:
    static constexpr Duration kLook{50};   // at most, each time
    static constexpr Duration kQuick{100}; // a sleep that looking would probably have spared
    static constexpr uint32_t kTurnsMin = 8, kTurnsMax = 1024; // quick ones before it looks
    static constexpr uint32_t kCreditMax = 16, kMissCost = 4;  // 1 in 4 may be in vain
    static constexpr uint32_t kLightDatagrams = 2;
    static constexpr uint64_t kLightBytes = 2048;

    // Before a sleep: how long to look. The last wait took `waited`, and brought and caused
    // `traffic`.
    Duration next(Duration waited, const Traffic &traffic) {
        // A stream's packets are large, or not all of them are answered.
        const bool light = traffic.datagrams_in != 0 && traffic.datagrams_in <= kLightDatagrams &&
                           traffic.datagrams_out != 0 && traffic.bytes <= kLightBytes;
        if (credit_ != 0)
            judge(light && waited <= kLook);
        else
            turns_ = light && waited <= kQuick ? turns_ + 1 : 0;
        if (credit_ == 0 && turns_ >= needed_) {
            turns_ = 0;
            credit_ = 1;
        }
        return credit_ != 0 ? kLook : Duration{};
    }

  private:
    void judge(bool paid) {
        if (!paid) {
            credit_ -= std::min(credit_, kMissCost);
            needed_ = credit_ == 0 ? std::min(2 * needed_, kTurnsMax) : needed_;
        } else if (++credit_ > kCreditMax) {
            credit_ = kCreditMax;
            needed_ = kTurnsMin;
        }
    }

    uint32_t turns_ = 0;          // quick ones in a row, without looking
    uint32_t needed_ = kTurnsMin; // of them
    uint32_t credit_ = 0;         // how often it may still be in vain; 0: it does not look
};

} // namespace plait::runtime
