// SPDX-License-Identifier: Apache-2.0
// Explicit congestion notification of one link: which packets are marked as capable, and whether
// what the peer counted can be believed (RFC 9000 section 13.4.2, appendix A.4).
//
//     testing --(its packets are out)--> waiting --(counts that add up)--> capable
//        \___________________________________\______________________________\____> failed
//
// A path that clears or invents marks, or loses what is marked, is used without.
#pragma once

#include "base/time.h"
#include "recovery/received.h"

#include <cstdint>

namespace plait::recovery {

enum class EcnMode : uint8_t {
    kOff,
    kClassic,  // ECT(0): a mark means as much as a loss
    kScalable, // ECT(1), RFC 9331: the share of marked packets says how much to give way
};

class EcnValidation {
  public:
    enum class State : uint8_t { kOff, kTesting, kWaiting, kCapable, kFailed };
    static constexpr uint32_t kTestPackets = 10;
    static constexpr uint32_t kTestTimeouts = 3; // in a row before marks are taken for the reason

    explicit EcnValidation(EcnMode mode)
        : mode_(mode), state_(mode == EcnMode::kOff ? State::kOff : State::kTesting) {}

    State state() const { return state_; }
    // What the next packet is to be marked with.
    Ecn mark() const;
    void on_marked_sent();
    // An ACK that raised the largest acknowledged packet number newly acknowledged so many marked
    // packets; `counts` nullptr: it had none. Returns how many CE marks are new and believed.
    uint64_t on_ack(uint64_t marked_acked, const EcnCounts *counts);
    void on_timeout(uint32_t in_a_row);
    // The path changed: what the peer has counted so far stands.
    void restart();
    bool scalable() const { return mode_ == EcnMode::kScalable; }
    uint64_t ce_seen() const { return seen_.ce; }
    template <class Self, class P> static void fields(Self &s, P &&p) {
        p(s.sent_), p(s.seen_), p(s.tested_), p(s.mode_), p(s.state_);
    }

  private:
    void fail() { state_ = State::kFailed; }

    uint64_t sent_ = 0; // marked packets
    EcnCounts seen_;
    uint8_t tested_ = 0; // marked packets of this test
    EcnMode mode_;
    State state_;
};

} // namespace plait::recovery
