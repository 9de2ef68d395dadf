// SPDX-License-Identifier: Apache-2.0
// The Noise handshake (noiseprotocol.org, revision 34), 25519_ChaChaPoly_BLAKE2b, for the patterns
// that plait uses (IK, XX, IKpsk2, XXpsk3) and two more (NN, KK). One table of tokens drives
// writing and reading alike.
//
//     NoiseHandshake hs({.pattern = Pattern::kIK, .role = Role::kInitiator, ...});
//     hs.write(payload, out)  ->  ...  ->  hs.read(message, payload_out)   until hs.finished()
//     hs.split(k1, k2)        k1 protects what the initiator sends, k2 the responder's
//
// A write or read that fails leaves the state as it was: whoever forges a message cannot kill a
// handshake. The same read may be tried again with another message.
//
// Entropy comes with the configuration: the ephemeral's secret key, fresh for each handshake and
// never used for another.
#pragma once

#include "base/ids.h"
#include "base/result.h"
#include "crypto/x25519.h"

namespace plait::crypto {

class IdentityCache;
struct NoiseSpec;

// The first four have the numbers that INIT carries (protocol.md section 2).
enum class Pattern : uint8_t { kIK = 1, kXX = 2, kIKpsk2 = 3, kXXpsk3 = 4, kNN = 64, kKK = 65 };

// True if the pattern mixes in a pre-shared key, here a network key.
constexpr bool needs_psk(Pattern p) { return p == Pattern::kIKpsk2 || p == Pattern::kXXpsk3; }

inline constexpr size_t kNoiseMessageMax = 65535;
inline constexpr size_t kNoiseTagLen = 16;

// The pattern that INIT names by this number; PLAIT_E_MALFORMED for any other.
Result<Pattern> pattern_from_wire(uint8_t number);

// How many messages the pattern's handshake has, and by how much message `index` (from 0) is longer
// than its payload.
size_t noise_message_count(Pattern pattern);
size_t noise_overhead(Pattern pattern, size_t index);

// Everything is copied at construction; the pointers need not live longer.
struct NoiseConfig {
    Pattern pattern = Pattern::kIK;
    Role role = Role::kInitiator;
    Bytes prologue{};
    const Secret<32> *local_secret = nullptr;     // where the pattern has a local static
    const X25519Public *local_public = nullptr;   // may be null: computed then
    const X25519Public *remote_static = nullptr;  // IK initiator, KK
    const Secret<32> *psk = nullptr;              // exactly for the psk patterns
    const Secret<32> *ephemeral_secret = nullptr; // always
    // Both optional, to save a Diffie-Hellman: `ss` itself, or where it may be looked up when the
    // peer's static key is known. The cache must outlive the handshake.
    const Secret<32> *static_shared = nullptr;
    IdentityCache *identities = nullptr;
};

class NoiseHandshake {
  public:
    // A configuration without a key that the pattern needs is a broken invariant.
    explicit NoiseHandshake(const NoiseConfig &config);
    NoiseHandshake(NoiseHandshake &&) noexcept = default;
    NoiseHandshake &operator=(NoiseHandshake &&) noexcept = default;
    ~NoiseHandshake() = default;

    // Writes the next message, payload.size() + noise_overhead() bytes, and returns its length.
    // PLAIT_E_STATE: not our turn. PLAIT_E_BUFFER: `out` is too small. PLAIT_E_TOO_BIG: above
    // kNoiseMessageMax. PLAIT_E_AUTH: the peer's key is one of low order.
    // After success no second message is ever written at this place (a nonce is used once).
    Result<size_t> write(Bytes payload, MutBytes out);

    // Reads the peer's next message and returns the length of its payload.
    // PLAIT_E_STATE: not the peer's turn. PLAIT_E_MALFORMED: too short or too long. PLAIT_E_BUFFER:
    // `payload_out` is too small. PLAIT_E_AUTH: forged, damaged, for other keys, or a key of low
    // order. `payload_out` must not overlap `message` and is worthless after a failure.
    Result<size_t> read(Bytes message, MutBytes payload_out);

    Pattern pattern() const { return pattern_; }
    Role role() const { return role_; }
    // Messages written and read so far.
    size_t messages_done() const { return state_.message; }
    bool our_turn() const;
    bool finished() const;

    // The peer's keys, once a message (or the configuration) has told them. A static key read from
    // a message is authenticated by that same message's success in the responder's XX message
    // and in the initiator's IK or XX message; the caller still checks the id against it.
    bool has_remote_static() const { return state_.has_rs; }
    bool has_remote_ephemeral() const { return state_.has_re; }
    const X25519Public &remote_static() const;
    const X25519Public &remote_ephemeral() const;
    // Copies `ss`, if there is one yet, and says whether: for IdentityCache::put.
    bool static_shared(Secret<32> &out) const;

    // The handshake hash `h`. It is final, and the same on both sides, when finished().
    std::array<uint8_t, 64> hash() const { return state_.h; }

    // The transport keys, once: k1 from the initiator, k2 from the responder. Wipes the chaining
    // key and this handshake's copies of secret keys; hash(), remote_*(), static_shared() remain.
    void split(Secret<32> &k1, Secret<32> &k2);

  private:
    // All that a message changes; copied before each message and kept only if it succeeds.
    struct State {
        State() = default;
        State(const State &) = default;
        State &operator=(const State &) = default;
        State(State &&other) noexcept : State(static_cast<const State &>(other)) { other.wipe(); }
        State &operator=(State &&other) noexcept;
        ~State() { wipe(); }
        void wipe();
        void mix_hash(Bytes data);
        void mix_key(const Secret<32> &input);
        void mix_key_and_hash(const Secret<32> &psk);
        void encrypt_and_hash(Bytes plain, uint8_t *out);
        bool decrypt_and_hash(Bytes cipher, uint8_t *out);

        std::array<uint8_t, 64> h{}, ck{};
        std::array<uint8_t, 32> k{}, ss{};
        X25519Public rs{}, re{};
        uint64_t n = 0;
        uint8_t message = 0;
        bool has_k = false, has_ss = false, has_rs = false, has_re = false;
    };

    Status mix_dh(State &state, uint8_t token) const;
    Status mix_ss(State &state) const;
    Status write_token(State &state, uint8_t token, uint8_t *&to) const;
    Status read_token(State &state, uint8_t token, const uint8_t *&from) const;

    const NoiseSpec *spec_;
    Pattern pattern_;
    Role role_;
    bool split_ = false;
    IdentityCache *identities_;
    Secret<32> s_, e_, psk_;
    X25519Public s_public_{};
    State state_;
};

} // namespace plait::crypto
