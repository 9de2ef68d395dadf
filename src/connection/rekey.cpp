// SPDX-License-Identifier: Apache-2.0
// Generations: a new root for the whole connection, without a pause in it (docs/protocol.md section
// 3.5).
#include "connection/rekey.h"

#include "connection/connection.h"
#include "connection/records.h"

#include <algorithm>

namespace plait::connection {

namespace {

Status read_key(base::Reader &r, crypto::X25519Public &out) {
    if (r.u16() != kRekeyKeyLen || r.left() != kRekeyKeyLen)
        return PLAIT_E_MALFORMED;
    const Bytes key = r.bytes(kRekeyKeyLen);
    std::copy(key.begin(), key.end(), out.begin());
    return PLAIT_OK;
}

template <class R, size_t N> std::array<uint8_t, N> body_of(const R &record) {
    std::array<uint8_t, N> body;
    base::Writer w(body);
    write(w, record);
    PLAIT_ASSERT(w.ok() && w.size() == N);
    return body;
}

} // namespace

Status read(Bytes body, RekeyInit &out) {
    base::Reader r(body);
    out.generation = r.u32();
    out.suite = r.u16();
    // The key's length is the suite's to say.
    if (r.ok() && out.suite != wire::kSuite1)
        return PLAIT_E_PROTOCOL;
    return read_key(r, out.key);
}

Status read(Bytes body, RekeyResp &out) {
    base::Reader r(body);
    out.generation = r.u32();
    return read_key(r, out.key);
}

Duration Connection::old_keys_kept() const {
    Duration slowest = base::millis(100);
    for (size_t i = 0; i < links_.size(); i++)
        if (const LinkEntry &l = link_at(i); l.live() && l.recovery)
            slowest = std::max(slowest, l.recovery->pto());
    return std::min(slowest * 3, kOldKeysAtMost);
}

// Application data is about to be sent under a generation that is too old. It does not wait.
void Connection::on_generation_old(Time now) {
    rekey_due_ = kNever;
    want_generation();
    progress_rekey(now);
}

// Takes the next step if there is one: called in each drain as long as anything is open.
void Connection::progress_rekey(Time now) {
    if (state_ != State::kConnected)
        return;
    if (rekey_ && rekey_->state == Rekey::State::kHolding)
        return offer_generation(now);
    if (rekey_ || wanted_generation_ <= generation_)
        return;
    if (role_ == Role::kInitiator)
        return begin_rekey(now);
    std::array<uint8_t, 4> body;
    base::store_be(body.data(), generation_ + 1, body.size());
    if (send_record(kRekeyRequestRecord, body, now))
        rekey_ = std::make_unique<Rekey>(Rekey{Rekey::State::kWishing});
}

void Connection::begin_rekey(Time now) {
    if (!settled_before(generation_since_))
        return; // a packet of the generation before is still on its way
    auto rekey = std::make_unique<Rekey>(Rekey{Rekey::State::kAsking});
    services_.local.entropy.fill(rekey->ephemeral.mut_bytes());
    rekey->init_body = body_of<RekeyInit, kRekeyInitLen>(
        {generation_ + 1, wire::kSuite1, crypto::x25519_public(rekey->ephemeral)});
    if (send_record(kRekeyInitRecord, rekey->init_body, now))
        rekey_ = std::move(rekey);
}

Status Connection::on_rekey_request(Bytes body) {
    base::Reader r(body);
    const uint32_t generation = r.u32();
    if (!r.ok() || !r.done())
        return PLAIT_E_MALFORMED;
    if (role_ != Role::kInitiator || generation > generation_ + 1)
        return PLAIT_E_PROTOCOL;
    wanted_generation_ = std::max(wanted_generation_, generation);
    return PLAIT_OK;
}

Status Connection::on_rekey_init(Bytes body, Time now) {
    RekeyInit init;
    if (const Status s = read(body, init); s != PLAIT_OK)
        return s;
    const bool under_way = rekey_ && (rekey_->state == Rekey::State::kHolding ||
                                      rekey_->state == Rekey::State::kOffering);
    if (role_ != Role::kResponder || under_way || init.generation != generation_ + 1)
        return PLAIT_E_PROTOCOL;
    drop_old_keys(); // the peer sends nothing under them any more
    rekey_ = std::make_unique<Rekey>(Rekey{Rekey::State::kHolding});
    std::copy(body.begin(), body.end(), rekey_->init_body.begin());
    // What this DH gives is found out before anything hangs on it: the answer may have to wait.
    crypto::Secret<32> shared;
    if (crypto::x25519(services_.local.identity.x25519_secret(), init.key, shared) != PLAIT_OK)
        return PLAIT_E_PROTOCOL;
    progress_rekey(now);
    return PLAIT_OK;
}

// The root of the next generation, from our ephemeral and the peer's. PLAIT_E_PROTOCOL if that is
// of low order.
Status Connection::root_with(const crypto::Secret<32> &ephemeral,
                             const crypto::X25519Public &remote, Bytes init_body, Bytes resp_body,
                             crypto::Root &out) {
    const auto remote_static = crypto::x25519_of(peer_, services_.local.cache);
    PLAIT_ASSERT(remote_static.ok()); // it has proven that it has the key
    crypto::RekeySecrets secrets;
    const crypto::RekeyKeys keys{role_, ephemeral, services_.local.identity.x25519_secret(), remote,
                                 *remote_static};
    if (crypto::rekey_secrets(keys, secrets) != PLAIT_OK)
        return PLAIT_E_PROTOCOL;
    out = crypto::next_root(root_, generation_ + 1, secrets, {}, init_body, resp_body);
    return PLAIT_OK;
}

void Connection::offer_generation(Time now) {
    if (!settled_before(generation_since_))
        return;
    RekeyInit init;
    PLAIT_ASSERT(read(rekey_->init_body, init) == PLAIT_OK);
    crypto::Secret<32> ephemeral;
    services_.local.entropy.fill(ephemeral.mut_bytes());
    const auto body =
        body_of<RekeyResp, kRekeyRespLen>({generation_ + 1, crypto::x25519_public(ephemeral)});
    crypto::Root next;
    const Status s = root_with(ephemeral, init.key, rekey_->init_body, body, next);
    PLAIT_ASSERT(s == PLAIT_OK); // the key was looked at when it came
    if (!send_record(kRekeyRespRecord, body, now))
        return;
    rekey_->other = std::move(next);
    rekey_->other_generation = generation_ + 1;
    rekey_->state = Rekey::State::kOffering;
}

Status Connection::on_rekey_resp(Bytes body, Time now) {
    RekeyResp resp;
    if (const Status s = read(body, resp); s != PLAIT_OK)
        return s;
    if (!rekey_ || rekey_->state != Rekey::State::kAsking || resp.generation != generation_ + 1)
        return PLAIT_E_PROTOCOL;
    crypto::Root next;
    if (const Status s = root_with(rekey_->ephemeral, resp.key, rekey_->init_body, body, next);
        s != PLAIT_OK)
        return s;
    rekey_->ephemeral.wipe();
    rekey_->other = std::move(next);
    switch_generation(Rekey::State::kSwitched, now);
    rekey_->drop_at = now + kOldKeysAtMost;
    // Until it is answered the peer may not know: it has to be heard under the new keys.
    if (LinkEntry *link = fastest_link())
        link->probes_owed = std::max<uint8_t>(link->probes_owed, 1);
    return PLAIT_OK;
}

// What was `other` is what is sent under from now on.
void Connection::switch_generation(Rekey::State state, Time now) {
    std::swap(root_, rekey_->other);
    rekey_->other_generation = generation_++;
    rekey_->state = state;
    generation_since_ = now;
    rekey_due_ = now + config_->keys.generation_age;
    channels_.for_each([&](uint64_t, uint32_t slot) {
        ChannelEntry &e = services_.channels[slot];
        const bool stalled = e.send_epoch.stalled;
        e.send_epoch.packets = 0; // of another key
        e.send_epoch.look_in = 0;
        e.send_epoch.small = true;
        e.send_epoch.stalled = false;
        if (stalled && (e.pending_control() || e.has_data(now)))
            order_.ready(e, haste_of(e));
    });
    if (services_.tracer.on(PLAIT_TRACE_CONNECTIONS))
        services_.hooks->trace(
            {PLAIT_TRACE_GENERATION, slot_, base::kNoSlot, generation_, 0, 0, 0});
}

// A packet has authenticated while a rekeying is under way.
void Connection::on_generation_heard(bool under_other, Time now) {
    if (rekey_->state == Rekey::State::kOffering && under_other) {
        switch_generation(Rekey::State::kEnding, now);
        rekey_->drop_at = now + old_keys_kept();
    } else if (rekey_->state == Rekey::State::kSwitched && !under_other) {
        rekey_->state = Rekey::State::kEnding;
        rekey_->drop_at = std::min(rekey_->drop_at, now + old_keys_kept());
    }
}

void Connection::drop_old_keys() {
    if (rekey_ && rekey_->has_other())
        services_.keys.forget(id_, rekey_->other_generation);
    rekey_.reset();
}

} // namespace plait::connection
