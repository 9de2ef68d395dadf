// SPDX-License-Identifier: Apache-2.0
#include "connection/handshake.h"

#include "wire/handshake_packets.h"

#include <algorithm>

namespace plait::connection {

namespace {

using crypto::Pattern;

// What this node can, best first.
constexpr uint32_t kVersions[] = {wire::kVersion1};
constexpr uint16_t kSuites[] = {wire::kSuite1};

// The ciphers that this machine can, best first.
void list_ciphers(wire::Parameters &p) {
    p.cipher_count = 0;
    for (const crypto::Cipher c : {crypto::Cipher::kAes256Gcm, crypto::Cipher::kChaCha20Poly1305})
        if (crypto::cipher_available(c))
            p.ciphers[p.cipher_count++] = static_cast<uint8_t>(c);
}

std::optional<crypto::Cipher> choose_cipher(const wire::Parameters &offer) {
    for (size_t i = 0; i < offer.cipher_count; i++) {
        const auto c = static_cast<crypto::Cipher>(offer.ciphers[i]);
        if ((c == crypto::Cipher::kAes256Gcm || c == crypto::Cipher::kChaCha20Poly1305) &&
            crypto::cipher_available(c))
            return c;
    }
    return std::nullopt;
}

// INIT's bytes up to and with the pattern.
std::vector<uint8_t> init_head(const wire::Cid &scid, Pattern pattern) {
    std::vector<uint8_t> out(64);
    base::Writer w(out);
    wire::write_long_header(w, {wire::LongType::kInit, wire::kVersion1, {}, scid, 0});
    w.u16(wire::kSuite1);
    w.u8(static_cast<uint8_t>(pattern));
    out.resize(w.size());
    return out;
}

} // namespace

std::span<const uint32_t> known_versions() {
    return kVersions;
}

Handshake::Handshake(const LocalNode &local, Role role)
    : identity_(local.identity), cache_(local.cache) {
    result_.role = role;
    local.entropy.fill({ephemeral_.data(), ephemeral_.size()});
}

bool Handshake::xx() const {
    return noise_->pattern() == Pattern::kXX || noise_->pattern() == Pattern::kXXpsk3;
}

void Handshake::start_noise(Pattern pattern, Bytes through_pattern,
                            const crypto::X25519Public *remote, const crypto::NodeId *responder,
                            const crypto::Secret<32> *psk) {
    std::vector<uint8_t> prologue;
    const Bytes name = base::bytes_of("plait1");
    prologue.insert(prologue.end(), name.begin(), name.end());
    prologue.insert(prologue.end(), through_pattern.begin(), through_pattern.end());
    if (responder)
        prologue.insert(prologue.end(), responder->b.begin(), responder->b.end());
    crypto::NoiseConfig config;
    config.pattern = pattern;
    config.role = result_.role;
    config.prologue = prologue;
    config.local_secret = &identity_.x25519_secret();
    config.local_public = &identity_.x25519_public();
    config.remote_static = remote;
    config.psk = psk;
    config.ephemeral_secret = &ephemeral_;
    config.identities = &cache_;
    noise_.emplace(config);
}

Result<Handshake::Pointer> Handshake::dial(const LocalNode &local, const crypto::NodeId *peer,
                                           const wire::Cid &scid, const wire::Parameters &mine) {
    Pointer h(new Handshake(local, Role::kInitiator));
    const crypto::Secret<32> *psk = local.network_keys.empty() ? nullptr : &local.network_keys[0];
    crypto::X25519Public remote{};
    if (peer) {
        const auto key = crypto::x25519_of(*peer, local.cache);
        if (!key.ok())
            return Error{key.status()};
        remote = *key;
        h->result_.peer = *peer;
        h->result_.peer_x25519 = remote;
        h->peer_known_ = true;
    }
    const Pattern pattern =
        peer ? (psk ? Pattern::kIKpsk2 : Pattern::kIK) : (psk ? Pattern::kXXpsk3 : Pattern::kXX);
    h->scid_ = scid;
    h->mine_ = mine;
    const std::vector<uint8_t> head = init_head(scid, pattern);
    h->start_noise(pattern, head, peer ? &remote : nullptr, peer, psk);

    // An IK INIT says everything, under the responder's key; an XX INIT is in the clear and says
    // only what the responder needs to choose.
    wire::Parameters payload;
    if (peer) {
        payload = mine;
        payload.has_node_id = true;
        payload.node_id = local.identity.id().b;
    }
    list_ciphers(payload);
    std::array<uint8_t, wire::kMaxParametersSize> params;
    base::Writer w(params);
    write(w, payload);
    PLAIT_ASSERT(w.ok());
    std::array<uint8_t, wire::kMaxParametersSize + 256> noise;
    const auto size = h->noise_->write(w.written(), noise);
    if (!size.ok())
        return Error{size.status()};
    h->ephemeral_tag_ = base::load_be(noise.data(), 8);
    h->mac1_key_ = crypto::mac1_key(psk, peer ? &remote : nullptr);
    h->write_init(head, Bytes(noise).first(*size));
    return h;
}

void Handshake::write_init(Bytes head, Bytes noise) {
    init_body_ = head.size() + 2 + noise.size();
    message_.assign(std::max(init_body_ + 2 * wire::kMacSize, wire::kMinInitSize), 0);
    base::Writer w(message_);
    w.bytes(head);
    w.u16(static_cast<uint16_t>(noise.size()));
    w.bytes(noise);
    write_macs();
}

void Handshake::write_macs() {
    const auto put = [&](size_t at, const crypto::Mac &mac) {
        std::copy(mac.begin(), mac.end(), message_.begin() + static_cast<std::ptrdiff_t>(at));
    };
    const size_t mac2_at = message_.size() - wire::kMacSize, mac1_at = mac2_at - wire::kMacSize;
    put(mac1_at, crypto::mac1(mac1_key_, Bytes(message_).first(mac1_at)));
    put(mac2_at, proof_.cookie ? crypto::mac2(*proof_.cookie, Bytes(message_).first(mac2_at))
                               : crypto::Mac{});
}

void Handshake::drop_padding() {
    if (role() != Role::kInitiator || !noise_ || noise_->our_turn() || complete_ ||
        message_.size() == init_body_ + 2 * wire::kMacSize)
        return;
    message_.resize(init_body_ + 2 * wire::kMacSize);
    write_macs();
}

Bytes Handshake::probe(Entropy &entropy) {
    if (!probe_.empty())
        return probe_;
    probe_.resize(wire::kLongHeaderMax + wire::kProbeNonceSize + wire::kMacSize);
    base::Writer w(probe_);
    std::array<uint8_t, wire::kProbeNonceSize> nonce;
    entropy.fill(nonce);
    wire::write_long_header(w, {wire::LongType::kProbe, wire::kVersion1, {}, scid_, 0});
    w.bytes(nonce);
    w.bytes(crypto::mac1(mac1_key_, w.written()));
    probe_.resize(w.size());
    return probe_;
}

Bytes Handshake::init_mac1() const {
    return Bytes(message_).last(2 * wire::kMacSize).first(wire::kMacSize);
}

Status Handshake::on_retry(Bytes packet) {
    const auto p = wire::read_retry(packet);
    if (!p.ok())
        return p.status();
    if (role() != Role::kInitiator)
        return PLAIT_E_STATE;
    const bool init = !complete_ && !noise_->our_turn();
    const bool fin = complete_ && xx();
    const auto echoes = [&](Bytes mac1) { return crypto::equal_constant_time(mac1, p->echo); };
    const bool of_probe =
        (init || fin) && !probe_.empty() && echoes(Bytes(probe_).last(wire::kMacSize));
    if (!of_probe && !(init && echoes(init_mac1())))
        return PLAIT_E_STATE;
    crypto::Mac cookie;
    std::copy(p->cookie.begin(), p->cookie.end(), cookie.begin());
    if (!of_probe && proof_.cookie == cookie)
        return PLAIT_E_STATE; // said twice
    probe_.clear();
    proof_.cookie = cookie;
    if (init)
        write_macs();
    return PLAIT_OK;
}

Status Handshake::on_versions(Bytes packet) const {
    const auto p = wire::read_versions(packet);
    if (!p.ok() || role() != Role::kInitiator || complete_ || noise_->our_turn())
        return PLAIT_E_MALFORMED;
    const auto end = p->versions.begin() + static_cast<std::ptrdiff_t>(p->count);
    const bool excluded = std::find(p->versions.begin(), end, wire::kVersion1) == end;
    return excluded && crypto::equal_constant_time(init_mac1(), p->echo) ? PLAIT_E_VERSION
                                                                         : PLAIT_E_STATE;
}

Result<Handshake::Pointer> Handshake::answer(const LocalNode &local, const wire::InitPacket &init,
                                             const crypto::Secret<32> *network_key) {
    const auto pattern = crypto::pattern_from_wire(static_cast<uint8_t>(init.pattern));
    if (init.suite != wire::kSuite1 || !pattern.ok() ||
        crypto::needs_psk(*pattern) != (network_key != nullptr))
        return Error{PLAIT_E_VERSION};
    if (init.noise.size() < 32 || init.header.scid.len == 0)
        return Error{PLAIT_E_MALFORMED};
    Pointer h(new Handshake(local, Role::kResponder));
    h->ephemeral_tag_ = base::load_be(init.noise.data(), 8);
    const bool ik = *pattern == Pattern::kIK || *pattern == Pattern::kIKpsk2;
    h->start_noise(*pattern, init.through_pattern, nullptr, ik ? &local.identity.id() : nullptr,
                   network_key);
    h->result_.peer_cid = init.header.scid;
    wire::Parameters said;
    if (const Status s = h->read_payload(init.noise, said); s != PLAIT_OK)
        return Error{s};
    const auto cipher = choose_cipher(said);
    if (!cipher)
        return Error{PLAIT_E_VERSION};
    h->result_.cipher = *cipher;
    if (ik) {
        if (const Status s = h->learn_peer(said, h->noise_->remote_static()); s != PLAIT_OK)
            return Error{s};
        h->result_.peer_parameters = said;
    }
    return h;
}

Status Handshake::respond(const wire::Cid &scid, const wire::Parameters &mine) {
    scid_ = scid;
    mine_ = mine;
    wire::Parameters payload = mine;
    payload.cipher = static_cast<uint8_t>(result_.cipher);
    payload.version_count = std::size(kVersions);
    std::copy(std::begin(kVersions), std::end(kVersions), payload.versions.begin());
    payload.suite_count = std::size(kSuites);
    std::copy(std::begin(kSuites), std::end(kSuites), payload.suites.begin());
    if (xx()) {
        payload.has_node_id = true;
        payload.node_id = identity_.id().b;
    }
    if (const Status s = write_packet(wire::LongType::kResp, payload); s != PLAIT_OK)
        return s;
    if (!xx())
        finish();
    return PLAIT_OK;
}

Status Handshake::on_resp(Bytes packet) {
    const auto p = wire::read_noise_packet(packet);
    if (!p.ok() || p->header.type != wire::LongType::kResp || p->header.version != wire::kVersion1)
        return PLAIT_E_MALFORMED;
    if (noise_->our_turn() || complete_ || role() != Role::kInitiator)
        return PLAIT_E_STATE;
    wire::Parameters said;
    if (const Status s = read_payload(p->noise, said); s != PLAIT_OK)
        return s;
    // The ids in the clear header only bring a packet here; those that count are inside. So
    // somebody on the way who changes the header changes nothing.
    if (!said.has_connection_ids || said.dcid != scid_ || said.scid.len == 0)
        return PLAIT_E_VERSION;
    if (is_downgrade<uint32_t>({said.versions.data(), said.version_count}, kVersions,
                               wire::kVersion1) ||
        is_downgrade<uint16_t>({said.suites.data(), said.suite_count}, kSuites, wire::kSuite1))
        return PLAIT_E_VERSION;
    const auto cipher = static_cast<crypto::Cipher>(said.cipher);
    const auto offered = {crypto::Cipher::kAes256Gcm, crypto::Cipher::kChaCha20Poly1305};
    if (std::find(offered.begin(), offered.end(), cipher) == offered.end() ||
        !crypto::cipher_available(cipher))
        return PLAIT_E_VERSION;
    if (xx()) {
        if (const Status s = learn_peer(said, noise_->remote_static()); s != PLAIT_OK)
            return s;
    }
    result_.cipher = cipher;
    result_.peer_parameters = said;
    result_.peer_cid = said.scid;
    if (!xx())
        finish();
    return PLAIT_OK;
}

Status Handshake::make_fin() {
    PLAIT_ASSERT(awaits_approval());
    wire::Parameters payload = mine_;
    payload.has_node_id = true;
    payload.node_id = identity_.id().b;
    if (const Status s = write_packet(wire::LongType::kFin, payload); s != PLAIT_OK)
        return s;
    finish();
    return PLAIT_OK;
}

Status Handshake::on_fin(Bytes packet) {
    const auto p = wire::read_noise_packet(packet);
    if (!p.ok() || p->header.type != wire::LongType::kFin || p->header.version != wire::kVersion1)
        return PLAIT_E_MALFORMED;
    if (noise_->our_turn() || complete_ || role() != Role::kResponder)
        return PLAIT_E_STATE;
    wire::Parameters said;
    if (const Status s = read_payload(p->noise, said); s != PLAIT_OK)
        return s;
    if (!said.has_connection_ids || said.dcid != scid_ || said.scid != result_.peer_cid)
        return PLAIT_E_VERSION;
    if (const Status s = learn_peer(said, noise_->remote_static()); s != PLAIT_OK)
        return s;
    result_.peer_parameters = said;
    finish();
    return PLAIT_OK;
}

Status Handshake::write_packet(wire::LongType type, const wire::Parameters &said) {
    wire::Parameters payload = said;
    payload.has_connection_ids = true;
    payload.dcid = result_.peer_cid;
    payload.scid = scid_;
    std::array<uint8_t, wire::kMaxParametersSize> params;
    base::Writer w(params);
    write(w, payload);
    PLAIT_ASSERT(w.ok());
    std::array<uint8_t, wire::kMaxParametersSize + 256> noise;
    const auto size = noise_->write(w.written(), noise);
    if (!size.ok())
        return size.status();
    message_.assign(64 + *size, 0);
    base::Writer out(message_);
    wire::write_long_header(out, {type, wire::kVersion1, result_.peer_cid, scid_, 0});
    out.u16(static_cast<uint16_t>(*size));
    out.bytes(Bytes(noise).first(*size));
    message_.resize(out.size());
    return PLAIT_OK;
}

Status Handshake::read_payload(Bytes noise, wire::Parameters &out) {
    std::vector<uint8_t> payload(noise.size());
    const auto size = noise_->read(noise, payload);
    if (!size.ok())
        return size.status();
    return wire::read(Bytes(payload).first(*size), out);
}

// The id must be that of the key which Noise has authenticated, and not only convert to it: an id
// with its sign bit flipped does too.
Status Handshake::learn_peer(const wire::Parameters &said, const crypto::X25519Public &key) {
    if (!said.has_node_id)
        return PLAIT_E_MALFORMED;
    const crypto::NodeId id{said.node_id};
    const auto converted = crypto::x25519_of(id, cache_);
    if (!converted.ok() || *converted != key)
        return PLAIT_E_AUTH;
    if (key == identity_.x25519_public())
        return PLAIT_E_AUTH; // ourselves, under either of the two ids that have this key
    result_.peer = id;
    result_.peer_x25519 = key;
    peer_known_ = true;
    return PLAIT_OK;
}

void Handshake::finish() {
    crypto::Secret<32> k1, k2;
    const auto h = noise_->hash();
    noise_->split(k1, k2);
    result_.root = crypto::make_root(k1, k2, h);
    complete_ = true;
}

Established Handshake::take() {
    PLAIT_ASSERT(complete_);
    crypto::Secret<32> ss;
    const bool has_ss = noise_->static_shared(ss);
    cache_.put(result_.peer, result_.peer_x25519, has_ss ? &ss : nullptr);
    return std::move(result_);
}

Mac1Book::Mac1Book(const crypto::Identity &identity,
                   const std::vector<crypto::Secret<32>> &network_keys)
    : network_keys_(network_keys) {
    if (network_keys.empty()) {
        known_.push_back(crypto::mac1_key(nullptr, &identity.x25519_public()));
        unknown_.push_back(crypto::mac1_key(nullptr, nullptr));
    }
    for (const auto &key : network_keys) {
        known_.push_back(crypto::mac1_key(&key, &identity.x25519_public()));
        unknown_.push_back(crypto::mac1_key(&key, nullptr));
    }
}

Mac1Book::Match Mac1Book::match(const wire::InitPacket &init) const {
    const bool xx =
        init.pattern == wire::PatternId::kXX || init.pattern == wire::PatternId::kXXpsk3;
    const auto &keys = xx ? unknown_ : known_;
    for (size_t i = 0; i < keys.size(); i++)
        if (crypto::verify_mac1(keys[i], init.before_mac1, init.mac1))
            return {true, network_keys_.empty() ? nullptr : &network_keys_[i]};
    return {};
}

bool Mac1Book::fits_any(Bytes before_mac1, Bytes mac1, bool xx) const {
    const auto fits = [&](const std::vector<crypto::Mac1Key> &keys) {
        return std::any_of(keys.begin(), keys.end(), [&](const crypto::Mac1Key &key) {
            return crypto::verify_mac1(key, before_mac1, mac1);
        });
    };
    return fits(known_) || (xx && fits(unknown_));
}

} // namespace plait::connection
