// SPDX-License-Identifier: Apache-2.0
// The control frames of a channel: each says what holds now, so a lost one is not repeated but said
// anew. docs/protocol.md section 5.4.
#include "channel/channel.h"

namespace plait::channel {

namespace {
constexpr size_t kOpenShare = 4; // of a packet, at most, goes to an OPEN that was said before
}

bool Channel::write_one(base::Writer &w, ControlSet kind) const {
    uint8_t bytes[wire::kMaxControlFrame + wire::kMaxInlineLabel];
    base::Writer one(bytes);
    switch (kind) {
    case control::kOpen:
        wire::write(one, to_open(c_.number, *c_.config, receive_.first_window(), label()));
        break;
    case control::kAccept:
        wire::write(one,
                    wire::AcceptFrame{c_.number, receive_.first_window(), c_.config->max_message});
        break;
    case control::kRefuse: wire::write(one, wire::RefuseFrame{c_.number, send_code()}); break;
    case control::kReset: wire::write(one, send_.reset_frame(c_)); break;
    case control::kStop: wire::write(one, wire::StopFrame{c_.number, receive_code()}); break;
    case control::kMaxData: wire::write(one, receive_.max_data_frame(c_)); break;
    case control::kBlocked: wire::write(one, send_.blocked_frame(c_)); break;
    case control::kCreditReturn: wire::write(one, send_.credit_return_frame(c_)); break;
    default: PLAIT_ASSERT(false);
    }
    PLAIT_ASSERT(one.ok());
    if (w.left() < one.size())
        return false;
    w.bytes(one.written());
    return true;
}

void Channel::write_control(base::Writer &w, ControlSet &written) {
    if (open_rides() && !(pending_control() & control::kOpen)) {
        const size_t before = w.left();
        base::Writer trial = w;
        // Not where it would take the place of the data.
        if (write_one(trial, control::kOpen) && before - trial.left() <= before / kOpenShare) {
            w = trial;
            written |= control::kOpen;
        }
    }
    // In this order: an answer before what needs it.
    for (ControlSet kind = control::kOpen; kind & control::kKinds;
         kind = static_cast<ControlSet>(kind << 1)) {
        if (!(pending_control() & kind))
            continue;
        if (kind == control::kSkip) {
            send_.write_skips(c_, w, written);
        } else if (write_one(w, kind)) {
            c_.pending &= static_cast<ControlSet>(~kind);
            written |= kind;
        }
    }
}

void Channel::on_control_acked(ControlSet set) {
    c_.forget(set & (control::kOpen | control::kAccept | control::kRefuse | control::kStop));
    if (set & control::kReset) {
        c_.forget(control::kReset);
        send_.on_reset_acked(c_);
    }
    if (set & control::kSkip)
        send_.on_skips_acked(c_, set);
    settle();
}

void Channel::on_control_lost(ControlSet set) {
    c_.pending |= set & c_.unacked & control::kOnce;
    if (set & control::kSkip)
        send_.on_skips_lost(c_, set);
    if (set & control::kMaxData)
        receive_.on_max_data_lost(c_);
    if (set & control::kBlocked)
        send_.on_blocked_lost(c_);
    if (set & control::kCreditReturn)
        send_.on_credit_return_lost(c_);
}

} // namespace plait::channel
