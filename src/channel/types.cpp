// SPDX-License-Identifier: Apache-2.0
#include "channel/types.h"

namespace plait::channel {

namespace {
template <class... S> constexpr uint8_t set_of(S... states) {
    return static_cast<uint8_t>(((1u << static_cast<unsigned>(states)) | ... | 0u));
}
template <class S, size_t n> bool allowed(const uint8_t (&table)[n], S from, S to) {
    return table[static_cast<size_t>(from)] >> static_cast<unsigned>(to) & 1;
}

// Row: from; bits: to.
constexpr uint8_t kPhases[] = {
    set_of(Phase::kOpen, Phase::kRefused), // opening
    set_of(Phase::kOpen, Phase::kRefused), // offered
    0,                                     // open
    0,                                     // refused
};
constexpr uint8_t kSendStates[] = {
    0,                                                                       // none
    set_of(SendState::kFinishing, SendState::kResetting, SendState::kReset), // open
    set_of(SendState::kFinished, SendState::kResetting, SendState::kReset),  // finishing
    0,                                                                       // finished
    set_of(SendState::kReset),                                               // resetting
    0,                                                                       // reset
};
constexpr uint8_t kReceiveStates[] = {
    0, // none
    set_of(ReceiveState::kSizeKnown, ReceiveState::kStopping, ReceiveState::kReset),
    set_of(ReceiveState::kEnded, ReceiveState::kStopping, ReceiveState::kReset), // size known
    0,                                                                           // ended
    set_of(ReceiveState::kStopped),                                              // stopping
    0,                                                                           // stopped
    0,                                                                           // reset
};
} // namespace

bool may_follow(Phase from, Phase to) {
    return allowed(kPhases, from, to);
}
bool may_follow(SendState from, SendState to) {
    return allowed(kSendStates, from, to);
}
bool may_follow(ReceiveState from, ReceiveState to) {
    return allowed(kReceiveStates, from, to);
}

const char *to_string(Phase p) {
    constexpr const char *kNames[] = {"opening", "offered", "open", "refused"};
    return kNames[static_cast<size_t>(p)];
}
const char *to_string(SendState s) {
    constexpr const char *kNames[] = {"none",     "open",      "finishing",
                                      "finished", "resetting", "reset"};
    return kNames[static_cast<size_t>(s)];
}
const char *to_string(ReceiveState s) {
    constexpr const char *kNames[] = {"none",     "open",    "size known", "ended",
                                      "stopping", "stopped", "reset"};
    return kNames[static_cast<size_t>(s)];
}

} // namespace plait::channel
