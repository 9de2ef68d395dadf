// SPDX-License-Identifier: Apache-2.0
// What becomes of channels that peers open, where the application does not want to be asked.
#pragma once

#include "base/result.h"
#include "channel/config.h"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

namespace plait::connection {

struct ChannelAnswer {
    enum class Kind : uint8_t { kAsk, kAccept, kRefuse };
    Kind kind = Kind::kAsk;
    std::optional<channel::Config> config; // kAccept: this side's settings; none: the opener's
    uint64_t token = 0;                    // kAccept
    uint64_t code = 0;                     // kRefuse
};

class ChannelAnswers {
  public:
    static constexpr size_t kMax = 64; // labels

    // For all labels that have no answer of their own.
    void set(const ChannelAnswer &answer) { other_ = answer; }
    // PLAIT_E_LIMIT: too many labels.
    Status set(std::string_view label, const ChannelAnswer &answer) {
        const auto at = std::find_if(labels_.begin(), labels_.end(),
                                     [&](const auto &l) { return l.first == label; });
        if (at != labels_.end())
            at->second = answer;
        else if (labels_.size() == kMax)
            return PLAIT_E_LIMIT;
        else
            labels_.emplace_back(label, answer);
        return PLAIT_OK;
    }
    const ChannelAnswer &to(std::string_view label) const {
        for (const auto &l : labels_)
            if (l.first == label)
                return l.second;
        return other_;
    }

  private:
    ChannelAnswer other_;
    std::vector<std::pair<std::string, ChannelAnswer>> labels_;
};

} // namespace plait::connection
