// SPDX-License-Identifier: Apache-2.0
#include "link/bottleneck.h"

#include <algorithm>
#include <cmath>

namespace plait::link {

namespace {
constexpr size_t kLeastSteps = 24;
constexpr double kLeastChange = 300; // us, root mean square: below, it is noise
// One queue seen twice correlates at 0.92 to 0.99 in the simulator, two queues of one sender at
// -0.3 to 0.4, now and then, by chance, up to 0.9.
constexpr double kAlikeAbove = 0.85, kApartBelow = 0.7;
constexpr double kSameSize = 2; // of the changes' squares
} // namespace

void DelayTrack::add(uint32_t received_us, Duration forward) {
    const auto id = static_cast<uint16_t>(received_us >> kSliceShift);
    if (!any_)
        base_us_ = forward.us;
    if (!any_ || static_cast<int16_t>(id - newest_) > 0)
        newest_ = id;
    any_ = true;
    Slice &s = slices_[id % kSlices];
    if (s.id != id)
        s = {0, id, 0};
    if (s.samples == UINT16_MAX)
        return;
    s.samples++;
    const int64_t us = std::clamp<int64_t>(forward.us - base_us_, INT32_MIN / 2, INT32_MAX / 2);
    s.mean += static_cast<int32_t>((us - s.mean) / s.samples);
}

const DelayTrack::Slice *DelayTrack::find(uint16_t slice) const {
    const Slice &s = slices_[slice % kSlices];
    return s.samples > 0 && s.id == slice ? &s : nullptr;
}

bool DelayTrack::step(uint16_t slice, int64_t &us) const {
    const Slice *now = find(slice), *before = find(static_cast<uint16_t>(slice - 1));
    if (!now || !before)
        return false;
    us = int64_t{now->mean} - before->mean;
    return true;
}

Likeness compare(const DelayTrack &a, const DelayTrack &b) {
    double aa = 0, bb = 0, ab = 0;
    size_t n = 0;
    // The newest slice of either is still growing.
    const uint16_t newest =
        static_cast<int16_t>(a.newest() - b.newest()) < 0 ? a.newest() : b.newest();
    for (uint16_t back = 1; back < DelayTrack::kSlices - 1; back++) {
        const auto slice = static_cast<uint16_t>(newest - back);
        int64_t x = 0, y = 0;
        if (!a.step(slice, x) || !b.step(slice, y))
            continue;
        n++;
        aa += static_cast<double>(x * x);
        bb += static_cast<double>(y * y);
        ab += static_cast<double>(x * y);
    }
    const double least = kLeastChange * kLeastChange * static_cast<double>(n);
    if (n < kLeastSteps || aa < least || bb < least)
        return Likeness::kUnknown;
    const double correlation = ab / std::sqrt(aa * bb);
    if (correlation < kApartBelow || aa > kSameSize * bb || bb > kSameSize * aa)
        return Likeness::kApart;
    return correlation > kAlikeAbove ? Likeness::kAlike : Likeness::kUnknown;
}

void Bottlenecks::add(base::LinkNumber link, uint32_t received_us, Duration forward) {
    auto at = std::find_if(members_.begin(), members_.end(),
                           [&](const Member &m) { return m.link == link; });
    if (at == members_.end()) {
        if (members_.size() == kMaxLinks)
            return;
        at = members_.insert(at, {link, link, nullptr, {}});
    }
    if (!at->delays)
        at->delays = std::make_unique<DelayTrack>();
    at->delays->add(received_us, forward);
}

void Bottlenecks::remove(base::LinkNumber link) {
    const auto at = std::find_if(members_.begin(), members_.end(),
                                 [&](const Member &m) { return m.link == link; });
    if (at == members_.end())
        return;
    const auto index = static_cast<size_t>(at - members_.begin());
    members_.erase(at);
    for (size_t i = index; i < members_.size(); i++) {
        auto &score = members_[i].score;
        std::copy(score.begin() + static_cast<ptrdiff_t>(index) + 1, score.end(),
                  score.begin() + static_cast<ptrdiff_t>(index));
    }
    regroup();
}

bool Bottlenecks::rest() {
    for (Member &m : members_)
        m.delays.reset();
    members_.shrink_to_fit();
    return std::all_of(members_.begin(), members_.end(),
                       [](const Member &m) { return m.group == m.link; });
}

bool Bottlenecks::look(base::Time now) {
    if (now < next_look_)
        return false;
    next_look_ = now + kLookEvery;
    for (size_t i = 0; i < members_.size(); i++)
        for (size_t k = 0; k < i; k++) {
            if (!members_[i].delays || !members_[k].delays)
                continue;
            const Likeness found = compare(*members_[i].delays, *members_[k].delays);
            int8_t &score = members_[i].score[k];
            if (found == Likeness::kAlike)
                score = std::min<int8_t>(static_cast<int8_t>(score + 1), kMost);
            else if (found == Likeness::kApart)
                score = std::max<int8_t>(static_cast<int8_t>(score - 2), 0);
        }
    return regroup();
}

// Those that a chain of likenesses joins are one group. A group holds until there is nothing left
// that speaks for it.
bool Bottlenecks::regroup() {
    bool changed = false;
    std::array<base::LinkNumber, kMaxLinks> before;
    for (size_t i = 0; i < members_.size(); i++) {
        before[i] = members_[i].group;
        members_[i].group = members_[i].link;
    }
    for (size_t pass = 0; pass < members_.size(); pass++)
        for (size_t i = 0; i < members_.size(); i++)
            for (size_t k = 0; k < i; k++) {
                const bool were = before[i] == before[k];
                if (members_[i].score[k] < (were ? 1 : kSure))
                    continue;
                const base::LinkNumber low = std::min(members_[i].group, members_[k].group);
                members_[i].group = members_[k].group = low;
            }
    for (size_t i = 0; i < members_.size(); i++)
        changed |= before[i] != members_[i].group;
    return changed;
}

base::LinkNumber Bottlenecks::group_of(base::LinkNumber link) const {
    for (const Member &m : members_)
        if (m.link == link)
            return m.group;
    return link;
}

} // namespace plait::link
