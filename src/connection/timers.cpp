// SPDX-License-Identifier: Apache-2.0
// The one deadline of a connection, and what is due when it comes.
#include "connection/connection.h"

#include <algorithm>

namespace plait::connection {

// The idle timeout counts only while a link lives; without any, the dormancy timeout does.
Time Connection::idle_deadline() const {
    if (!confirmed_ || config_->idle_timeout.us == 0 || state_ == State::kDormant)
        return kNever;
    return last_authentic_ + config_->idle_timeout;
}

Time Connection::keepalive_due() const {
    return std::max({last_sent_, last_authentic_, kept_alive_}) + config_->keepalive;
}

// When CLOSE is said again, evenly spread over the time for which it is, or the end of that.
Time Connection::next_close() const {
    const int64_t part = drain_time().us / (kCloseRepeats + 1);
    return close_deadline_ - base::micros(part * close_repeats_);
}

Time Connection::deadline(Time now) {
    if (state_ == State::kClosed)
        return kNever;
    if (ended())
        return next_close();
    Time t = std::min({resend_at_, handshake_deadline_, idle_deadline()});
    if (!has_keys_ || !confirmed_)
        return t;
    if (state_ == State::kDormant)
        t = std::min(t, dormancy_end());
    else if (config_->keepalive.us > 0)
        t = std::min(t, keepalive_due());
    t = std::min({t, channel_deadline_, look_idle_at_});
    if (rekey_)
        t = std::min(t, rekey_->drop_at);
    if (announcements_)
        t = std::min({t, announcements_->tell_at, announcements_->look_at});
    for (size_t i = 0; i < links_.size(); i++)
        t = std::min(t, link_deadline(link_at(i), now));
    return t;
}

void Connection::on_timer(Time now) {
    if (ended()) {
        if (close_deadline_ <= now)
            return finish_close(now);
        if (next_close() <= now) {
            close_repeats_--;
            close_owed_ = true;
            touch();
        }
        return;
    }
    if (handshake_deadline_ <= now)
        return fail_handshake(PLAIT_E_TIMEOUT, now);
    if (idle_deadline() <= now)
        return close(PLAIT_E_TIMEOUT, static_cast<uint64_t>(wire::CloseCode::kIdle), false, "idle",
                     now);
    if (!has_keys_ || !confirmed_)
        return touch();
    if (state_ == State::kDormant && dormancy_end() <= now) {
        Ending &how = end_as();
        how.status = PLAIT_E_TIMEOUT;
        how.reason = "no link for too long";
        return finish_close(now);
    }
    if (config_->keepalive.us > 0 && keepalive_due() <= now) {
        kept_alive_ = now; // even if nothing can be sent just now
        for (size_t i = 0; i < links_.size(); i++)
            if (LinkEntry &l = link_at(i); l.live())
                l.probes_owed = std::max<uint8_t>(l.probes_owed, 1);
    }
    if (rekey_ && rekey_->drop_at <= now)
        drop_old_keys();
    for (size_t i = 0; i < links_.size(); i++)
        link_timers(link_at(i), now);
    if (channel_deadline_ <= now) {
        channel_deadline_ = kNever;
        drop_closed_keys(now);
        // harvest() may take a channel out of the map, so not while walking over it.
        std::vector<uint32_t> due;
        for_each_channel([&](uint32_t slot) { due.push_back(slot); });
        for (const uint32_t slot : due) {
            if (!services_.channels.live(slot))
                continue;
            ChannelEntry &e = services_.channels[slot];
            const Status s = e.deadline() <= now ? e.on_timer(now) : PLAIT_OK;
            harvest(e, now);
            if (s != PLAIT_OK)
                return close_for_error(s, now);
        }
    }
    if (look_idle_at_ <= now)
        sleep_if_idle(now);
    touch();
}

} // namespace plait::connection
