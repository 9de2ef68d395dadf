// SPDX-License-Identifier: Apache-2.0
// A channel with what its connection and the application's handle add to it: key epochs, events,
// and how it ended.
#pragma once

#include "channel/channel.h"
#include "connection/events.h"
#include "crypto/key_schedule.h"
#include "link/policy.h"

namespace plait::connection {

// One direction's key epoch, docs/protocol.md section 3. Epoch 0 uses the handshake's cipher, later
// ones the channel's own.
struct Epoch {
    uint32_t number = 0;
    bool acked = false;   // one of its packets was acknowledged
    bool stalled = false; // no more data under it, until one is
    bool small = true;    // none of them exceeded crypto::kSmallPacketMax
    uint64_t packets = 0; // sent under its key in the present generation
    uint64_t look_at = 0; // so many packets: time to think of the next one
    Time began;
};

inline constexpr size_t kSmallMessage = 2048; // bytes

struct ChannelEntry : channel::Channel {
    template <class... Args>
    explicit ChannelEntry(uint32_t connection_slot, Args &&...args)
        : channel::Channel(std::forward<Args>(args)...), connection(connection_slot) {}

    uint32_t connection;
    uint32_t slot = base::kNoSlot;
    uint32_t index = 0;     // how many channels this side opened before it
    bool attached = true;   // the connection still knows its number
    bool numbered = false;  // false: opened early, or above what the peer allows, and so kept back
    bool requested = false; // the peer's, and the application has not answered
    bool announced = false; // the application knows the handle
    bool label_follows = false;                                // and has not come yet
    crypto::Cipher cipher = crypto::Cipher::kChaCha20Poly1305; // from epoch 1 on
    Epoch send_epoch;
    uint32_t receive_epoch = 0;
    link::Policy policy; // kDefault: as its configuration or its connection says
    EventState events;
    uint64_t token = 0;
    Status status = PLAIT_OK;
    uint64_t code = 0;

    // A message channel with little waiting: it need not wait for bulk.
    bool small() const { return config().messages && queued() <= kSmallMessage; }

    // How it ended, as far as the channel itself knows.
    Status end_status() const {
        if (phase() == channel::Phase::kRefused)
            return PLAIT_E_REFUSED;
        if (receive_state() == channel::ReceiveState::kReset)
            return receive_code() == wire::kResetLoss ? PLAIT_E_LOSS : PLAIT_E_RESET;
        if (send_state() == channel::SendState::kReset && send_code() == wire::kResetLoss)
            return PLAIT_E_LOSS;
        return PLAIT_OK;
    }
    // The same when the time for it to end well is over.
    Status lingered_status() const {
        const Status s = end_status();
        return s == PLAIT_OK && undelivered() ? PLAIT_E_TIMEOUT : s;
    }
    uint64_t end_code() const {
        if (end_status() == PLAIT_E_LOSS)
            return wire::kResetLoss;
        return receive_code() ? receive_code() : send_code();
    }
};

} // namespace plait::connection
