// SPDX-License-Identifier: Apache-2.0
#include "recovery/ecn.h"

namespace plait::recovery {

Ecn EcnValidation::mark() const {
    if (state_ != State::kTesting && state_ != State::kCapable)
        return Ecn::kNone;
    return scalable() ? Ecn::kEct1 : Ecn::kEct0;
}

void EcnValidation::on_marked_sent() {
    sent_++;
    if (state_ == State::kTesting && ++tested_ >= kTestPackets)
        state_ = State::kWaiting;
}

uint64_t EcnValidation::on_ack(uint64_t marked_acked, const EcnCounts *counts) {
    if (state_ == State::kOff || state_ == State::kFailed)
        return 0;
    if (!counts) {
        // The peer, or the path before it, does not show them.
        if (marked_acked > 0)
            fail();
        return 0;
    }
    if (counts->ect0 < seen_.ect0 || counts->ect1 < seen_.ect1 || counts->ce < seen_.ce) {
        fail();
        return 0;
    }
    const uint64_t ect0 = counts->ect0 - seen_.ect0, ect1 = counts->ect1 - seen_.ect1,
                   ce = counts->ce - seen_.ce;
    const uint64_t ours = scalable() ? ect1 : ect0, others = scalable() ? ect0 : ect1;
    const uint64_t total = counts->ect0 + counts->ect1 + counts->ce;
    seen_ = *counts;
    if (ours + ce < marked_acked || others > 0 || total > sent_) {
        fail();
        return 0;
    }
    if (marked_acked > 0)
        state_ = State::kCapable;
    return ce;
}

// All that went out marked was lost, several times over: perhaps for that.
void EcnValidation::on_timeout(uint32_t in_a_row) {
    const bool unproven = state_ == State::kTesting || state_ == State::kWaiting;
    if (unproven && tested_ > 0 && in_a_row >= kTestTimeouts)
        fail();
}

void EcnValidation::restart() {
    if (state_ != State::kOff)
        state_ = State::kTesting;
    tested_ = 0;
}

} // namespace plait::recovery
