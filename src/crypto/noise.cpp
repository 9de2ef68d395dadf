// SPDX-License-Identifier: Apache-2.0
#include "crypto/noise.h"

#include "crypto/blake2b.h"
#include "crypto/identity_cache.h"

namespace plait::crypto {

namespace {

enum Token : uint8_t { kEnd, kE, kS, kEe, kEs, kSe, kSs, kPsk };

constexpr size_t kKeyLen = 32;
constexpr size_t kMessagesMax = 3;
constexpr size_t kTokensMax = 5;
constexpr size_t kHashLen = 64;
constexpr size_t kHashBlock = 128;

// HMAC (RFC 2104) with BLAKE2b-512, which Noise prescribes instead of BLAKE2b's own key.
void hmac(Bytes key, std::initializer_list<Bytes> parts, Secret<kHashLen> &out) {
    Secret<kHashBlock> pad;
    const auto fill_pad = [&](uint8_t with) {
        std::memset(pad.data(), with, kHashBlock);
        for (size_t i = 0; i < key.size(); i++)
            pad.data()[i] ^= key[i];
    };
    Secret<kHashLen> inner;
    fill_pad(0x36);
    Blake2b first({}, kHashLen);
    first.add(pad);
    for (Bytes part : parts)
        first.add(part);
    first.finish(inner.mut_bytes());
    fill_pad(0x5c);
    blake2b({}, {pad, inner}, out.mut_bytes());
}

// HKDF of Noise section 4.3, with 2 or 3 outputs; the first replaces the chaining key.
void hkdf(std::array<uint8_t, kHashLen> &ck, Bytes input, Secret<kHashLen> &second,
          Secret<kHashLen> *third) {
    const uint8_t count[3] = {1, 2, 3};
    Secret<kHashLen> temp, first;
    hmac(ck, {input}, temp);
    hmac(temp, {Bytes{count, 1}}, first);
    hmac(temp, {first, Bytes{count + 1, 1}}, second);
    if (third != nullptr)
        hmac(temp, {second, Bytes{count + 2, 1}}, *third);
    std::memcpy(ck.data(), first.data(), kHashLen);
}

void store_nonce(uint8_t *to, uint64_t n) {
    std::memset(to, 0, 4);
    for (size_t i = 0; i < 8; i++)
        to[4 + i] = static_cast<uint8_t>(n >> (8 * i));
}

} // namespace

struct NoiseSpec {
    Pattern pattern;
    std::string_view name;
    bool has_s;                            // both have a static key
    bool pre_initiator_s, pre_responder_s; // the other side knows it beforehand
    Token messages[kMessagesMax][kTokensMax];

    bool pre_s(Role role) const {
        return role == Role::kInitiator ? pre_initiator_s : pre_responder_s;
    }
    size_t message_count() const { return messages[kMessagesMax - 1][0] == kEnd ? 2 : 3; }
};

namespace {

// Noise sections 7.5 (interactive patterns) and 9.4 (psk modifiers).
constexpr NoiseSpec kSpecs[] = {
    {Pattern::kIK, "Noise_IK_25519_ChaChaPoly_BLAKE2b", true, false, true,
     {{kE, kEs, kS, kSs}, {kE, kEe, kSe}}},
    {Pattern::kXX, "Noise_XX_25519_ChaChaPoly_BLAKE2b", true, false, false,
     {{kE}, {kE, kEe, kS, kEs}, {kS, kSe}}},
    {Pattern::kIKpsk2, "Noise_IKpsk2_25519_ChaChaPoly_BLAKE2b", true, false, true,
     {{kE, kEs, kS, kSs}, {kE, kEe, kSe, kPsk}}},
    {Pattern::kXXpsk3, "Noise_XXpsk3_25519_ChaChaPoly_BLAKE2b", true, false, false,
     {{kE}, {kE, kEe, kS, kEs}, {kS, kSe, kPsk}}},
    {Pattern::kNN, "Noise_NN_25519_ChaChaPoly_BLAKE2b", false, false, false, {{kE}, {kE, kEe}}},
    {Pattern::kKK, "Noise_KK_25519_ChaChaPoly_BLAKE2b", true, true, true,
     {{kE, kEs, kSs}, {kE, kEe, kSe}}},
};

const NoiseSpec &spec_of(Pattern pattern) {
    for (const NoiseSpec &spec : kSpecs)
        if (spec.pattern == pattern)
            return spec;
    PLAIT_ASSERT(!"a pattern of the table");
    return kSpecs[0];
}

} // namespace

Result<Pattern> pattern_from_wire(uint8_t number) {
    if (number < static_cast<uint8_t>(Pattern::kIK) ||
        number > static_cast<uint8_t>(Pattern::kXXpsk3))
        return Error{PLAIT_E_MALFORMED};
    return static_cast<Pattern>(number);
}

size_t noise_message_count(Pattern pattern) { return spec_of(pattern).message_count(); }

size_t noise_overhead(Pattern pattern, size_t index) {
    const NoiseSpec &spec = spec_of(pattern);
    PLAIT_ASSERT(index < spec.message_count());
    bool has_key = false;
    size_t size = 0;
    for (size_t i = 0; i <= index; i++) {
        size = 0;
        for (const Token token : spec.messages[i]) {
            if (token == kE)
                size += kKeyLen;
            else if (token == kS)
                size += kKeyLen + (has_key ? kNoiseTagLen : 0);
            // Every Diffie-Hellman gives a key, and with a psk `e` does so too.
            has_key |= token == kE ? needs_psk(pattern) : token != kEnd && token != kS;
        }
        size += has_key ? kNoiseTagLen : 0;
    }
    return size;
}

// ---- the symmetric state (Noise section 5.2) ----

void NoiseHandshake::State::wipe() {
    crypto::wipe(ck);
    crypto::wipe(k);
    crypto::wipe(ss);
}

NoiseHandshake::State &NoiseHandshake::State::operator=(State &&other) noexcept {
    if (this != &other) {
        *this = static_cast<const State &>(other);
        other.wipe();
    }
    return *this;
}

void NoiseHandshake::State::mix_hash(Bytes data) { blake2b({}, {h, data}, h); }

void NoiseHandshake::State::mix_key(const Secret<32> &input) {
    Secret<kHashLen> key;
    hkdf(ck, input, key, nullptr);
    std::memcpy(k.data(), key.data(), k.size());
    n = 0;
    has_k = true;
}

void NoiseHandshake::State::mix_key_and_hash(const Secret<32> &psk) {
    Secret<kHashLen> for_hash, key;
    hkdf(ck, psk, for_hash, &key);
    mix_hash(for_hash);
    std::memcpy(k.data(), key.data(), k.size());
    n = 0;
    has_k = true;
}

void NoiseHandshake::State::encrypt_and_hash(Bytes plain, uint8_t *out) {
    if (!has_k) {
        if (!plain.empty())
            std::memmove(out, plain.data(), plain.size());
        return mix_hash({out, plain.size()});
    }
    uint8_t nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES];
    store_nonce(nonce, n++);
    crypto_aead_chacha20poly1305_ietf_encrypt(out, nullptr, plain.data(), plain.size(), h.data(),
                                              h.size(), nullptr, nonce, k.data());
    mix_hash({out, plain.size() + kNoiseTagLen});
}

bool NoiseHandshake::State::decrypt_and_hash(Bytes cipher, uint8_t *out) {
    if (!has_k) {
        if (!cipher.empty())
            std::memcpy(out, cipher.data(), cipher.size());
    } else {
        uint8_t nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES];
        store_nonce(nonce, n++);
        if (crypto_aead_chacha20poly1305_ietf_decrypt(out, nullptr, nullptr, cipher.data(),
                                                      cipher.size(), h.data(), h.size(), nonce,
                                                      k.data()) != 0)
            return false;
    }
    mix_hash(cipher);
    return true;
}

// ---- the handshake state (Noise section 5.3) ----

NoiseHandshake::NoiseHandshake(const NoiseConfig &config)
    : spec_(&spec_of(config.pattern)), pattern_(config.pattern), role_(config.role),
      identities_(config.identities) {
    PLAIT_ASSERT(config.ephemeral_secret != nullptr);
    e_ = config.ephemeral_secret->clone();
    PLAIT_ASSERT((config.psk != nullptr) == needs_psk(pattern_));
    if (config.psk != nullptr)
        psk_ = config.psk->clone();
    if (spec_->has_s) {
        PLAIT_ASSERT(config.local_secret != nullptr);
        s_ = config.local_secret->clone();
        s_public_ = config.local_public != nullptr ? *config.local_public : x25519_public(s_);
    }
    if (spec_->pre_s(other(role_))) {
        PLAIT_ASSERT(config.remote_static != nullptr);
        state_.rs = *config.remote_static;
        state_.has_rs = true;
    }
    if (config.static_shared != nullptr) {
        std::memcpy(state_.ss.data(), config.static_shared->data(), state_.ss.size());
        state_.has_ss = true;
    }
    // Names of up to 64 bytes are padded with zeros instead of hashed.
    std::memcpy(state_.h.data(), spec_->name.data(), spec_->name.size());
    state_.ck = state_.h;
    state_.mix_hash(config.prologue);
    for (const Role owner : {Role::kInitiator, Role::kResponder})
        if (spec_->pre_s(owner))
            state_.mix_hash(owner == role_ ? s_public_ : state_.rs);
}

bool NoiseHandshake::finished() const { return state_.message == spec_->message_count(); }

bool NoiseHandshake::our_turn() const {
    return !finished() && (state_.message % 2 == 0) == (role_ == Role::kInitiator);
}

const X25519Public &NoiseHandshake::remote_static() const {
    PLAIT_ASSERT(state_.has_rs);
    return state_.rs;
}

const X25519Public &NoiseHandshake::remote_ephemeral() const {
    PLAIT_ASSERT(state_.has_re);
    return state_.re;
}

Status NoiseHandshake::mix_ss(State &state) const {
    Secret<32> shared;
    const bool look_up = !state.has_ss && identities_ != nullptr;
    const auto *known = look_up ? identities_->find(state.rs) : nullptr;
    if (state.has_ss)
        std::memcpy(shared.data(), state.ss.data(), shared.size());
    else if (known != nullptr && known->has_ss)
        shared = known->ss.clone();
    else if (const Status status = x25519(s_, state.rs, shared); status != PLAIT_OK)
        return status;
    std::memcpy(state.ss.data(), shared.data(), shared.size());
    state.has_ss = true;
    state.mix_key(shared);
    return PLAIT_OK;
}

// The first letter of the token is the initiator's key, the second the responder's.
Status NoiseHandshake::mix_dh(State &state, uint8_t token) const {
    if (token == kSs)
        return mix_ss(state);
    const bool initiator = role_ == Role::kInitiator;
    const bool mine_is_s = token == (initiator ? kSe : kEs);
    const bool theirs_is_s = token == (initiator ? kEs : kSe);
    PLAIT_ASSERT(theirs_is_s ? state.has_rs : state.has_re);
    Secret<32> shared;
    const Status status =
        x25519(mine_is_s ? s_ : e_, theirs_is_s ? state.rs : state.re, shared);
    if (status == PLAIT_OK)
        state.mix_key(shared);
    return status;
}

Status NoiseHandshake::write_token(State &state, uint8_t token, uint8_t *&to) const {
    switch (token) {
    case kE: {
        const X25519Public e = x25519_public(e_);
        std::memcpy(to, e.data(), kKeyLen);
        to += kKeyLen;
        state.mix_hash(e);
        if (needs_psk(pattern_)) // section 9.2: else the ephemeral would not randomise the key
            state.mix_key(Secret<32>(e));
        return PLAIT_OK;
    }
    case kS:
        state.encrypt_and_hash(s_public_, to);
        to += kKeyLen + (state.has_k ? kNoiseTagLen : 0);
        return PLAIT_OK;
    case kPsk:
        state.mix_key_and_hash(psk_);
        return PLAIT_OK;
    default:
        return mix_dh(state, token);
    }
}

Status NoiseHandshake::read_token(State &state, uint8_t token, const uint8_t *&from) const {
    switch (token) {
    case kE:
        std::memcpy(state.re.data(), from, kKeyLen);
        from += kKeyLen;
        state.has_re = true;
        state.mix_hash(state.re);
        if (needs_psk(pattern_))
            state.mix_key(Secret<32>(state.re));
        return PLAIT_OK;
    case kS: {
        const size_t len = kKeyLen + (state.has_k ? kNoiseTagLen : 0);
        if (!state.decrypt_and_hash({from, len}, state.rs.data()))
            return PLAIT_E_AUTH;
        from += len;
        state.has_rs = true;
        return PLAIT_OK;
    }
    case kPsk:
        state.mix_key_and_hash(psk_);
        return PLAIT_OK;
    default:
        return mix_dh(state, token);
    }
}

Result<size_t> NoiseHandshake::write(Bytes payload, MutBytes out) {
    if (!our_turn())
        return Error{PLAIT_E_STATE};
    const size_t overhead = noise_overhead(pattern_, state_.message);
    if (payload.size() > kNoiseMessageMax - overhead)
        return Error{PLAIT_E_TOO_BIG};
    if (out.size() < payload.size() + overhead)
        return Error{PLAIT_E_BUFFER};
    State next = state_;
    uint8_t *to = out.data();
    for (const Token token : spec_->messages[next.message]) {
        if (token == kEnd)
            break;
        if (const Status status = write_token(next, token, to); status != PLAIT_OK)
            return Error{status};
    }
    next.encrypt_and_hash(payload, to);
    to += payload.size() + (next.has_k ? kNoiseTagLen : 0);
    const size_t written = static_cast<size_t>(to - out.data());
    PLAIT_ASSERT(written == payload.size() + overhead);
    next.message++;
    state_ = next;
    return written;
}

Result<size_t> NoiseHandshake::read(Bytes message, MutBytes payload_out) {
    if (finished() || our_turn())
        return Error{PLAIT_E_STATE};
    const size_t overhead = noise_overhead(pattern_, state_.message);
    if (message.size() < overhead || message.size() > kNoiseMessageMax)
        return Error{PLAIT_E_MALFORMED};
    const size_t payload_len = message.size() - overhead;
    if (payload_out.size() < payload_len)
        return Error{PLAIT_E_BUFFER};
    State next = state_;
    const uint8_t *from = message.data();
    for (const Token token : spec_->messages[next.message]) {
        if (token == kEnd)
            break;
        if (const Status status = read_token(next, token, from); status != PLAIT_OK)
            return Error{status};
    }
    const Bytes cipher{from, static_cast<size_t>(message.data() + message.size() - from)};
    PLAIT_ASSERT(cipher.size() == payload_len + (next.has_k ? kNoiseTagLen : 0));
    if (!next.decrypt_and_hash(cipher, payload_out.data()))
        return Error{PLAIT_E_AUTH};
    next.message++;
    state_ = next;
    return payload_len;
}

bool NoiseHandshake::static_shared(Secret<32> &out) const {
    if (state_.has_ss)
        std::memcpy(out.data(), state_.ss.data(), out.size());
    return state_.has_ss;
}

void NoiseHandshake::split(Secret<32> &k1, Secret<32> &k2) {
    PLAIT_ASSERT(finished() && !split_);
    split_ = true;
    Secret<kHashLen> second;
    hkdf(state_.ck, {}, second, nullptr);
    std::memcpy(k1.data(), state_.ck.data(), k1.size());
    std::memcpy(k2.data(), second.data(), k2.size());
    wipe(state_.ck);
    wipe(state_.k);
    s_.wipe();
    e_.wipe();
    psk_.wipe();
}

} // namespace plait::crypto
