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
    uint32_t look_in = 0;      // so many packets: time to think of the next one
    uint64_t packets : 61 = 0; // sent under its key in the present generation
    uint64_t acked : 1 = 0;    // one of its packets was acknowledged
    uint64_t stalled : 1 = 0;  // no more data under it, until one is
    uint64_t small : 1 = 1;    // none of them exceeded crypto::kSmallPacketMax
    Time began;
};

inline constexpr size_t kSmallMessage = 2048; // bytes

// Each side's channels count from 0 in its own parity: 2, 4, 6... or 1, 3, 5...
constexpr uint32_t index_of(ChannelNumber n) {
    return n.v % 2 == 0 ? n.v / 2 - 1 : n.v / 2;
}

struct ChannelEntry : channel::Channel {
    template <class... Args>
    explicit ChannelEntry(uint32_t connection_slot, Args &&...args)
        : channel::Channel(std::forward<Args>(args)...), connection(connection_slot) {}

    uint32_t connection;
    uint32_t slot = base::kNoSlot;
    uint32_t receive_epoch = 0;
    link::Policy policy; // kDefault: as its configuration or its connection says
    Status status : 16 = PLAIT_OK;
    crypto::Cipher cipher = crypto::Cipher::kChaCha20Poly1305; // from epoch 1 on
    bool attached : 1 = true;       // the connection still knows its number
    bool numbered : 1 = false;      // false: opened early, or above what the peer allows: kept back
    bool requested : 1 = false;     // the peer's, and the application has not answered
    bool announced : 1 = false;     // the application knows the handle
    bool label_follows : 1 = false; // and has not come yet
    Epoch send_epoch;
    EventState events;
    uint64_t token = 0;
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
