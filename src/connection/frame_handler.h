// SPDX-License-Identifier: Apache-2.0
// Where each frame of a packet goes. Frames of a channel go to that channel; what concerns the
// whole connection only counts under channel 0's key.
#pragma once

#include "connection/connection.h"

namespace plait::connection {

struct FrameHandler {
    Connection &c;
    LinkEntry &link;
    ChannelNumber packet_channel;
    Time now;
    bool eliciting = false;
    uint32_t touched = base::kNoSlot; // the channel whose events are to be looked at afterwards

    Status on(const wire::PingFrame &) {
        eliciting = true;
        return PLAIT_OK;
    }
    Status on(const wire::AckFrame &f) { return c.ended() ? PLAIT_OK : c.on_ack(f, link, now); }
    Status on(const wire::DataFrame &f) {
        link.payload_received += f.bytes.size();
        return to_channel(packet_channel, f);
    }
    Status on(const wire::RepairFrame &f) { return to_channel(packet_channel, f); }
    Status on(const wire::SkipFrame &f) { return to_named(f); }
    Status on(const wire::ResetFrame &f) { return to_named(f); }
    Status on(const wire::StopFrame &f) { return to_named(f); }
    Status on(const wire::MaxChannelDataFrame &f) { return to_named(f); }
    Status on(const wire::BlockedFrame &f) { return to_named(f); }
    Status on(const wire::CreditReturnFrame &f) { return to_named(f); }
    Status on(const wire::AcceptFrame &f) { return to_named(f); }
    Status on(const wire::RefuseFrame &f) { return to_named(f); }
    Status on(const wire::OpenFrame &f) {
        eliciting = true;
        if (!names_allowed(f.channel))
            return PLAIT_E_PROTOCOL;
        return c.ended() ? PLAIT_OK : c.peer_opens(f, now);
    }
    Status on(const wire::MaxChannelsFrame &f) {
        return connection_wide() ? c.on_max_channels(f, now) : wrong_key();
    }
    Status on(const wire::MaxLinksFrame &f) {
        return connection_wide() ? c.on_max_links(f, now) : wrong_key();
    }
    Status on(const wire::AckFreqFrame &f) {
        if (!connection_wide())
            return wrong_key();
        if (LinkEntry *l = c.find_link(f.link); l && l->recovery)
            l->recovery->received.set_frequency(f.seq, frequency_of(f));
        return PLAIT_OK;
    }
    Status on(const wire::ChallengeFrame &f) {
        if (!connection_wide())
            return wrong_key();
        link.owe_response(f.data);
        return PLAIT_OK;
    }
    Status on(const wire::ResponseFrame &f) {
        if (!connection_wide())
            return wrong_key();
        c.on_response(link, f.data, now);
        return PLAIT_OK;
    }
    Status on(const wire::NewCidFrame &f) {
        return connection_wide() ? c.on_new_cid(f, now) : wrong_key();
    }
    Status on(const wire::RetireCidFrame &f) {
        return connection_wide() ? c.on_retire_cid(f) : wrong_key();
    }
    Status on(const wire::CidRequestFrame &f) {
        return connection_wide() ? c.on_cid_request(f) : wrong_key();
    }
    Status on(const wire::LinkStateFrame &f) {
        return connection_wide() ? c.on_link_state(f, now) : wrong_key();
    }
    Status on(const wire::LinkCloseFrame &f) {
        return connection_wide() ? c.on_link_close(f, now) : wrong_key();
    }
    Status on(const wire::CloseFrame &f) {
        if (packet_channel.v != 0)
            return PLAIT_E_PROTOCOL;
        c.on_close_frame(f, now);
        return PLAIT_OK;
    }

  private:
    static recovery::AckFrequency frequency_of(const wire::AckFreqFrame &f) {
        constexpr uint64_t kMost = 1u << 24;
        return {static_cast<uint32_t>(std::min(f.packets, kMost)),
                static_cast<uint32_t>(std::min(f.reorder, kMost)),
                base::micros(static_cast<int64_t>(std::min(f.max_delay_us, kMost)))};
    }
    bool connection_wide() {
        eliciting = true;
        return packet_channel.v == 0 && !c.ended();
    }
    // After the end nothing counts any more; before it, the key was the wrong one.
    Status wrong_key() const { return c.ended() ? PLAIT_OK : PLAIT_E_PROTOCOL; }
    bool names_allowed(ChannelNumber n) const {
        return packet_channel.v == 0 || packet_channel == n;
    }

    template <class Frame> Status to_named(const Frame &f) {
        return names_allowed(f.channel) ? to_channel(f.channel, f) : PLAIT_E_PROTOCOL;
    }
    template <class Frame> Status to_channel(ChannelNumber n, const Frame &f) {
        eliciting = true;
        if (c.ended())
            return PLAIT_OK;
        ChannelEntry *entry = nullptr;
        if (const Status s = c.channel_for(n, entry); s != PLAIT_OK || !entry)
            return s;
        // Several channels in one packet under channel 0's key: each is looked at in its turn.
        if (touched != base::kNoSlot && touched != entry->slot &&
            c.services_.channels.live(touched))
            c.harvest(c.services_.channels[touched], now);
        touched = entry->slot;
        return entry->on(f, now);
    }
};

} // namespace plait::connection
