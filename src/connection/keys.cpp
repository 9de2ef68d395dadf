// SPDX-License-Identifier: Apache-2.0
// Which key a packet is sealed or opened with: epochs of channels, keys of closed channels
// (docs/protocol.md sections 3.4 and 3.6).
#include "connection/connection.h"

#include <algorithm>

namespace plait::connection {

namespace {
// A side that only receives asks for a sign that its key is known, after so many packets and then
// every so many.
constexpr uint64_t kProofAfter = 1 << 16, kProofEvery = 1 << 10;
} // namespace

// How many packets may be sealed under the present key of the channel.
uint64_t Connection::key_limit(const ChannelEntry &entry) const {
    return key_limit(entry, entry.send_epoch.small);
}

uint64_t Connection::key_limit(const ChannelEntry &entry, bool small) const {
    const crypto::Cipher cipher = entry.send_epoch.number == 0 ? cipher_ : entry.cipher;
    const uint64_t most = std::min(crypto::packets_max(cipher, small), config_->keys.packets);
    return small ? most : std::min(most, config_->keys.long_packets);
}

// A key may protect many small packets, or fewer. One that has protected more of them than that
// protects no long packet until the peer knows it, as then the next one takes its place.
size_t Connection::size_under_key(const ChannelEntry &entry, size_t size) const {
    const Epoch &e = entry.send_epoch;
    const bool any = size <= crypto::kSmallPacketMax || !e.small || e.acked ||
                     e.packets < key_limit(entry, false) / 2;
    return any ? size : crypto::kSmallPacketMax;
}

// The next packet will have so many bytes.
void Connection::count_packet(ChannelEntry &entry, size_t size, Time now) {
    Epoch &e = entry.send_epoch;
    const bool small = size <= crypto::kSmallPacketMax;
    if (e.look_in == 0 || (e.small && !small))
        look_at_epoch(entry, small, now);
    e.packets++;
    e.look_in--;
}

// True if everything sent before `then` that asks for an answer is acknowledged or lost.
bool Connection::settled_before(Time then) const {
    for (size_t i = 0; i < links_.size(); i++)
        if (const LinkEntry &l = link_at(i);
            l.recovery && l.recovery->ledger().oldest_eliciting() < then)
            return false;
    return true;
}

// Called before the next packet, small or not, when Epoch::look_in has come to 0, or when it is the
// first that is not small: is it time for another key?
void Connection::look_at_epoch(ChannelEntry &entry, bool small, Time now) {
    Epoch &e = entry.send_epoch;
    e.small &= small;
    const uint64_t limit = key_limit(entry), pressing = limit / 4 * 3;
    const uint8_t log2 = entry.config().rekey_log2;
    uint64_t wanted = limit / 2;
    if (e.number == 0 && entry.cipher != cipher_)
        wanted = 0; // the channel's own cipher begins with epoch 1
    else if (log2 > 0)
        wanted = std::min(wanted, uint64_t{1} << log2);
    if (e.began.us == 0)
        e.began = now;
    // The peer must know this key before the next one, and nothing should be on its way any more
    // under the one before this.
    if (e.packets >= wanted && e.acked &&
        (e.number == 0 || e.packets >= pressing || settled_before(e.began))) {
        e = {.number = e.number + 1, .began = now};
        return look_at_epoch(entry, small, now);
    }
    if (e.packets >= pressing)
        want_generation();
    e.stalled = !e.acked && e.packets >= limit / 8 * 7;
    keys_spent_ |= e.packets + 1 >= limit;
    const uint64_t look_at = std::max<uint64_t>(wanted, e.packets + 1);
    e.look_in = static_cast<uint32_t>(std::min<uint64_t>(look_at - e.packets, UINT32_MAX));
}

// A packet that asked for an answer got one, and its epoch's low bits are those of the present one.
void Connection::on_epoch_acked(ChannelEntry &entry, const recovery::SentPacket &p, Time now) {
    Epoch &e = entry.send_epoch;
    if (p.sent() < e.began)
        return;
    e.acked = true;
    if (e.stalled) {
        e.stalled = false;
        harvest(entry, now);
    }
}

// A side that only receives sends nothing that is acknowledged; its key must go on, too.
bool Connection::epoch_proof_due(const ChannelEntry &control) const {
    const Epoch &e = control.send_epoch;
    if (e.acked)
        return false;
    const uint64_t limit = key_limit(control);
    return e.packets >= std::min(kProofAfter, limit / 4) &&
           e.packets % std::clamp<uint64_t>(limit / 64, 1, kProofEvery) == 0;
}

// -- opening

// The header has two bits of the epoch: of the three that are acceptable at most one fits. One bit
// of the generation is enough, as there are never more than two.
Connection::Verdict Connection::open_with_keys(const wire::ShortHeader &h, Bytes aad,
                                               MutBytes sealed, PacketNumber pn, LinkNumber link,
                                               ChannelEntry *entry, Time now) {
    const crypto::Root *root = &root_;
    uint32_t generation = generation_;
    Verdict opened = Verdict::kOpened;
    if (h.generation != (generation_ & 1)) {
        if (!rekey_ || !rekey_->has_other())
            return Verdict::kNoKey;
        root = &rekey_->other;
        generation = rekey_->other_generation;
        opened = Verdict::kOpenedUnderOther;
    }
    ClosedKeys *const closed = entry ? nullptr : closed_keys(h.channel);
    const uint32_t present = entry ? entry->receive_epoch : closed ? closed->epoch : 0;
    const crypto::Cipher cipher = entry ? entry->cipher : closed ? closed->cipher : cipher_;
    for (const uint32_t epoch : {present, present + 1, present - 1}) {
        if ((epoch & 3) != h.epoch || (present == 0 && epoch > 1))
            continue;
        const crypto::PacketKeySpec spec{h.channel, base::other(role_),
                                         epoch > 0 ? cipher : cipher_, epoch};
        const crypto::PacketKey &key = services_.keys.get(id_, *root, generation, spec);
        if (crypto::open(key, link, pn, aad, sealed) != PLAIT_OK)
            return Verdict::kForged;
        if (entry && epoch == present + 1)
            entry->receive_epoch = epoch;
        if (closed) {
            closed->epoch = std::max(present, epoch);
            closed->until = closed_keys_end(now); // the peer is not through with it
        }
        return opened;
    }
    return Verdict::kForged;
}

// -- channels that are closed

// The peer may not know that we have everything, if what we said got lost: it resends, perhaps
// until a dead link lives again, and goes on from epoch to epoch.
Time Connection::closed_keys_end(Time now) const {
    return now + config_->dormancy_timeout + longest_pto() * 3;
}

Connection::ClosedKeys *Connection::closed_keys(ChannelNumber n) {
    for (ClosedKeys &k : closed_keys_)
        if (k.channel == n)
            return &k;
    return nullptr;
}

// Where epochs 0 and 1 of the connection's cipher are all that comes nothing is remembered.
void Connection::keep_closed_keys(const ChannelEntry &entry, Time now) {
    if (entry.receive_epoch == 0 && entry.cipher == cipher_ && entry.config().rekey_log2 == 0)
        return;
    drop_closed_keys(now);
    if (closed_keys_.size() == kMaxClosedKeys)
        closed_keys_.erase(closed_keys_.begin());
    const Time until = closed_keys_end(now);
    closed_keys_.push_back({entry.number(), entry.receive_epoch, entry.cipher, until});
    channel_deadline_ = std::min(channel_deadline_, until);
}

void Connection::drop_closed_keys(Time now) {
    if (closed_keys_.empty())
        return;
    closed_keys_.erase_if([&](const ClosedKeys &k) { return k.until <= now; });
    if (closed_keys_.empty())
        closed_keys_.shrink_to_fit();
    for (const ClosedKeys &k : closed_keys_)
        channel_deadline_ = std::min(channel_deadline_, k.until);
}

} // namespace plait::connection
