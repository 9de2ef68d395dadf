// SPDX-License-Identifier: Apache-2.0
// A slow line of which nobody has told: a modem, a radio or a shaper somewhere behind a fast
// socket. A full packet takes long there (1,200 bytes at 115,200 baud 104 ms), and whatever is
// urgent waits behind it; so packets are made smaller, to about 20 ms of what the line delivers.
//
// A low delivery rate alone tells nothing: a small window, losses or a pause have one too. What
// comes out of a queue that does not empty is all that the line carries; so the rate is believed
// after a run of ACKs that each saw a queue. From then on more than that shows by itself.
#pragma once

#include "recovery/windowed.h"

#include <cstddef>
#include <cstdint>

namespace plait::recovery {

class SlowLine {
  public:
    static constexpr Duration kSlice = base::millis(20);   // a packet's time on the line
    static constexpr uint32_t kRun = 8;                    // ACKs in a row, each behind a queue,
    static constexpr Duration kRunTime = base::seconds(1); // over at least so long
    static constexpr Duration kWindow = base::seconds(4);  // the rate is the best in this
    // The network adds headers of its own to each packet.
    static constexpr size_t kLeast = 128;

    // A rate sample (bytes a second) that the sender's data did not limit; `queued`: how long
    // packets have waited on their way.
    void on_sample(Time now, uint64_t rate, Duration queued);
    void reset() { *this = SlowLine{}; }
    // No packet should be larger; SIZE_MAX: no slow line was found.
    size_t packet_size() const { return size_; }

  private:
    void fit();

    WindowedMax<uint64_t> rate_;
    Time run_began_;
    uint32_t run_ = 0;
    size_t size_ = SIZE_MAX;
};

} // namespace plait::recovery
