// SPDX-License-Identifier: Apache-2.0
// A link's life, docs/protocol.md section 7.
//
//   kWaiting --> kValidating --> kGood <--> kSuspect <--> kDead
//       \             \            \___________\___________\____> kClosed
//        \_____________\_____________________________________________^
#pragma once

#include <cstdint>

namespace plait::link {

enum class State : uint8_t {
    kWaiting,    // for the handshake to end, or for connection ids
    kValidating, // challenged, no answer yet
    kGood,
    kSuspect, // packets went unanswered longer than they should
    kDead,    // given up for now, probed now and then
    kClosed,
};

constexpr const char *to_string(State s) {
    switch (s) {
    case State::kWaiting: return "waiting";
    case State::kValidating: return "validating";
    case State::kGood: return "good";
    case State::kSuspect: return "suspect";
    case State::kDead: return "dead";
    case State::kClosed: return "closed";
    }
    return "?";
}

// Whether a link may go from one state to the other.
constexpr bool may_change(State from, State to) {
    switch (from) {
    case State::kWaiting:
        return to == State::kValidating || to == State::kGood || to == State::kClosed;
    case State::kValidating:
        return to == State::kGood || to == State::kDead || to == State::kClosed;
    case State::kGood: return to == State::kSuspect || to == State::kDead || to == State::kClosed;
    case State::kSuspect: return to == State::kGood || to == State::kDead || to == State::kClosed;
    case State::kDead:
        return to == State::kGood || to == State::kValidating || to == State::kClosed;
    case State::kClosed: return false;
    }
    return false;
}

} // namespace plait::link
