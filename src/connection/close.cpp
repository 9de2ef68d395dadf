// SPDX-License-Identifier: Apache-2.0
// The end of a connection, docs/protocol.md section 8.
#include "connection/packet.h"

#include <algorithm>

namespace plait::connection {

Duration Connection::drain_time() const {
    Duration longest = base::millis(100);
    for (size_t i = 0; i < links_.size(); i++)
        if (const LinkEntry &l = link_at(i); l.recovery)
            longest = std::max(longest, l.recovery->pto() * 3);
    return std::min(longest, base::seconds(5));
}

void Connection::close(Status status, uint64_t code, bool by_application, std::string_view reason,
                       Time now) {
    if (ended())
        return;
    wake(now);
    Ending &how = end_as();
    how.status = status;
    how.code = code;
    how.by_application = by_application;
    how.reason = std::string(reason.substr(0, wire::kMaxReason));
    if (!has_keys_ || !confirmed_)
        return finish_close(now);
    set_state(State::kClosing);
    close_owed_ = true;
    close_repeats_ = kCloseRepeats;
    close_deadline_ = now + drain_time();
    end_children(status);
    raise_closed();
    touch();
}

// Channels and links end with their connection, and say so before it does.
void Connection::end_children(Status why) {
    const Status told = why == PLAIT_OK ? PLAIT_E_CLOSED : why;
    for_each_channel([&](uint32_t slot) {
        ChannelEntry &e = services_.channels[slot];
        order_.remove(e);
        e.cut_off();
        end_channel(e, told, ending().code);
    });
    for (size_t i = 0; i < links_.size(); i++) {
        LinkEntry &l = link_at(i);
        if (l.events.closed_raised)
            continue;
        l.status = told;
        raise_link(l, PLAIT_EVENT_LINK_CLOSED);
    }
    tell_held_events();
}

void Connection::raise_closed() {
    ConnectionEntry &e = entry();
    if (e.events.closed_raised)
        return;
    e.events.closed_raised = true;
    if (e.known_to_application)
        raise(PLAIT_EVENT_CLOSED);
}

void Connection::send_close(Time now) {
    if (!close_owed_ || !has_keys_ || !confirmed_ || state_ == State::kClosed)
        return;
    send_acks(now, true); // what has come is told before: the peer's channels may be finished by it
    wire::CloseFrame f;
    f.code = ending().by_peer ? static_cast<uint64_t>(wire::CloseCode::kNone) : ending().code;
    f.by_application = !ending().by_peer && ending().by_application;
    f.refused = f.by_application && ending().status == PLAIT_E_REFUSED;
    if (!ending().by_peer)
        f.reason = base::bytes_of(ending().reason);
    bool sent = false, full = false;
    for (size_t i = 0; i < links_.size(); i++) {
        LinkEntry &l = link_at(i);
        const size_t size = room_on(l);
        full |= l.exists() && endpoint_of(l).blocked;
        if (size == 0)
            continue;
        PacketBuilder packet(*this, l, services_.channels[control_], size);
        packet.add(f);
        sent |= packet.finish(now);
    }
    close_owed_ = !sent && full; // then it goes out when an endpoint is writable again
}

void Connection::on_reset(Time now) {
    if (!ended()) {
        Ending &how = end_as();
        how.status = PLAIT_E_PEER_LOST;
        how.by_peer = true;
        how.reason = "the peer was started anew";
    }
    finish_close(now);
}

// Over: nothing is sent any more. The entry stays until the application has let go of it.
void Connection::finish_close(Time now) {
    if (state_ == State::kClosed)
        return;
    set_state(State::kClosed);
    end_children(ending().status);
    for (size_t i = 0; i < links_.size(); i++) {
        LinkEntry &l = link_at(i);
        if (l.state != link::State::kClosed)
            l.state = link::State::kClosed;
        l.keep_addresses(); // its getters go on answering
        l.recovery.reset();
        l.asleep.release();
        l.candidate.reset();
        unwatch_reset(l);
    }
    cids_.for_each_issued([&](const IssuedCid &c) { services_.cids.withdraw(c.cid_class, c.cid); });
    cids_ = {};
    handshake_.reset();
    services_.keys.forget(id_);
    root_.wipe();
    exporter_.wipe();
    rekey_.reset();
    closed_keys_.clear();
    early_packets_.clear();
    has_keys_ = false;
    resend_at_ = handshake_deadline_ = close_deadline_ = channel_deadline_ = look_idle_at_ = kNever;
    (void)now;
    raise_closed();
    touch();
}

void Connection::release_link(LinkEntry &link) {
    if (!link.events.closed_read || !link.events.released || link.state != link::State::kClosed)
        return;
    for (size_t i = 0; i < links_.size(); i++) {
        if (links_[i] != link.slot)
            continue;
        links_.erase(links_.begin() + i); // the oldest are the first
        break;
    }
    endpoint_of(link).links--;
    services_.links.erase(link.slot);
}

} // namespace plait::connection
