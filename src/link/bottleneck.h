// SPDX-License-Identifier: Apache-2.0
// Do two links of a connection queue at the same place? What is needed for it lies in the ACKs
// anyway: the forward delay of packets, and when the peer received them, on one clock for all
// links. Packets of two links that come out of one queue at the same time have waited in it at the
// same time, so their delays change together, by the same amount; those of links that share nothing
// do not, not even if both belong to one sender that fills and empties their queues alike. Compared
// are therefore the changes from slice to slice, not the delays (Rubenstein, Kurose, Towsley:
// Detecting Shared Congestion of Flows Via End-to-end Measurement, 2002, correlate the same series;
// RFC 8382 compares summary statistics, because its flows have no common clock).
#pragma once

#include "base/ids.h"
#include "base/time.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace plait::link {

using base::Duration;

// The mean forward delay of one link in each of the latest slices of the peer's clock.
class DelayTrack {
  public:
    static constexpr unsigned kSliceShift = 16; // 65.5 ms; the 32-bit clock has 65,536 of them
    static constexpr size_t kSlices = 64;       // 4.2 s

    // `forward` may contain an unknown constant.
    void add(uint32_t received_us, Duration forward);
    uint16_t newest() const { return newest_; }
    // The change of the mean from the slice before `slice` to it; false if one of them is empty.
    bool step(uint16_t slice, int64_t &us) const;

  private:
    struct Slice {
        int32_t mean = 0;
        uint16_t id = 0;
        uint16_t samples = 0;
    };
    const Slice *find(uint16_t slice) const;

    std::array<Slice, kSlices> slices_{};
    int64_t base_us_ = 0; // taken off, so that a slice is small
    uint16_t newest_ = 0;
    bool any_ = false;
};

enum class Likeness : uint8_t {
    kUnknown, // too little has changed, or been measured, to tell
    kApart,
    kAlike,
};
Likeness compare(const DelayTrack &a, const DelayTrack &b);

// Which links of a connection are taken to share a bottleneck. It takes several looks in a row to
// find that they do, as each may be wrong by chance, and several to take it back.
class Bottlenecks {
  public:
    static constexpr size_t kMaxLinks = 16;
    static constexpr Duration kLookEvery = base::seconds(1);
    static constexpr int8_t kSure = 6; // looks that found them alike, less twice those that did not
    static constexpr int8_t kMost = 12;

    void add(base::LinkNumber link, uint32_t received_us, Duration forward);
    void remove(base::LinkNumber link);
    // Nothing will be measured for a while: gives back what goes old. The groups stay. True: there
    // are none, so nothing is lost if this object goes.
    bool rest();
    // Looks again if it is time; true if a group has changed.
    bool look(base::Time now);
    // The lowest number of those that share its bottleneck: its own if it is alone.
    base::LinkNumber group_of(base::LinkNumber link) const;

  private:
    struct Member {
        base::LinkNumber link;
        base::LinkNumber group;
        std::unique_ptr<DelayTrack> delays;    // none: nothing measured lately
        std::array<int8_t, kMaxLinks> score{}; // with those of lower index
    };
    bool regroup();

    std::vector<Member> members_;
    base::Time next_look_;
};

} // namespace plait::link
