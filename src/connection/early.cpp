// SPDX-License-Identifier: Apache-2.0
// 1-RTT packets that overtake the message that makes their keys (docs/protocol.md section 2.8): a
// few are kept until it comes. Nobody knows yet who sent them.
#include "connection/connection.h"

namespace plait::connection {

void Connection::keep_early(const CidOwner &owner, Bytes packet, const Arrival &from) {
    if (!handshake_ || handshake_->complete() || early_packets_.size() == kMaxEarlyPackets ||
        packet.size() > kMaxEarlySize)
        return;
    early_packets_.push_back({owner,
                              from.endpoint,
                              *from.remote,
                              from.local ? *from.local : plait_addr{},
                              from.local != nullptr,
                              from.ecn,
                              {packet.begin(), packet.end()}});
}

void Connection::open_early(Time now) {
    base::SlimVector<EarlyPacket> kept = std::exchange(early_packets_, {});
    for (EarlyPacket &p : kept) {
        if (!services_.endpoints.live(p.endpoint.v))
            continue;
        const Arrival from{p.endpoint, &p.remote, p.has_local ? &p.local : nullptr, p.ecn, now};
        receive(p.owner, p.bytes, from, now);
    }
}

} // namespace plait::connection
