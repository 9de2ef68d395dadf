// SPDX-License-Identifier: Apache-2.0
#include "fec/plan.h"

#include <algorithm>
#include <cmath>

namespace plait::fec {

// Of k packets inside the slack a binomial number is lost; the mean and two deviations of it are
// repaired, at most one of two packets being a repair.
Plan plan(double loss, Duration slack, Duration gap) {
    const double p = std::clamp(loss, 0.0, 0.5);
    const double k = std::clamp(static_cast<double>(std::max<int64_t>(slack.us, 1)) /
                                    static_cast<double>(std::max<int64_t>(gap.us, 1)),
                                1.0, static_cast<double>(kAutoSymbolsMax));
    const double share = std::clamp(p + 2 * std::sqrt(p * (1 - p) / k), 1.0 / kShareOne, 1.0);
    // Each byte is in two repairs at least, as far as that is possible.
    const double symbols = std::max(k, 2 / share);
    return {std::clamp(static_cast<size_t>(symbols + 0.5), kAutoSymbolsMin, kAutoSymbolsMax),
            static_cast<uint32_t>(share * kShareOne)};
}

} // namespace plait::fec
