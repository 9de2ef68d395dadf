// SPDX-License-Identifier: Apache-2.0
// A connection that carries nothing gives back what only packets need (link::Hot, the logs of what
// they carried), and takes it again with the next packet. What congestion control, round trips, MTU
// and ECN have learned is kept (link::Asleep). Nothing of that is seen by the peer.
#include "connection/connection.h"

#include <algorithm>

namespace plait::connection {

// What an idle connection, link and channel cost, so that it grows by intention only; beside them
// lists of connection ids, entries of tables, a label.
static_assert(sizeof(Connection) <= 744);
static_assert(sizeof(LinkEntry) <= 272);
static_assert(sizeof(ChannelEntry) <= 272);

// So long without a packet in either direction. All that was sent is settled by then, and late ACKs
// have come.
Duration Connection::quiet_time() const {
    return std::max(kSleepAfter, longest_pto() * 4);
}

bool Connection::may_sleep() const {
    if (state_ != State::kConnected || handshake_ || redial_ || rekeying() || blocked_on_window_ ||
        !pending_.empty() || !order_.empty())
        return false;
    for (size_t i = 0; i < links_.size(); i++)
        if (!link_at(i).may_sleep())
            return false;
    return true;
}

// At the one moment that is looked at for this; the next one follows the last packet.
void Connection::sleep_if_idle(Time now) {
    const Time idle_at = std::max(last_sent_, last_authentic_) + quiet_time();
    if (idle_at > now || !may_sleep()) {
        look_idle_at_ = idle_at > now ? idle_at : now + kSleepAfter;
        return;
    }
    look_idle_at_ = kNever;
    asleep_ = true;
    for (size_t i = 0; i < links_.size(); i++)
        if (LinkEntry &l = link_at(i); l.recovery)
            l.sleep();
    pending_.release();
    log_.release();
    order_.release();
    cids_.rest();
    if (bottlenecks_ && bottlenecks_->rest())
        bottlenecks_.reset();
}

void Connection::wake(Time now) {
    if (!asleep_)
        return;
    asleep_ = false;
    look_idle_at_ = now + quiet_time();
    cids_.wake();
    for (size_t i = 0; i < links_.size(); i++)
        if (LinkEntry &l = link_at(i); !l.asleep.empty())
            l.wake(recovery_config(l), now);
    touch();
}

// Whether drain() has anything to do for a connection that sleeps.
bool Connection::wants_to_send() const {
    if (!pending_.empty() || !order_.empty() || rekeying())
        return true;
    for (size_t i = 0; i < links_.size(); i++)
        if (link_at(i).probes_owed > 0)
            return true;
    return false;
}

} // namespace plait::connection
