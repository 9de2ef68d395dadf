// SPDX-License-Identifier: Apache-2.0
// One handshake attempt, either side: Noise messages in long packets, docs/protocol.md section 2.
// It knows neither time nor addresses; its owner sends message() again as often as needed.
//
//   initiator: dial() -> message() = INIT -> on_resp() -> complete            (IK)
//                                         -> on_resp() -> make_fin() -> complete, message() = FIN
//                                         (XX)
//              a RETRY in between: on_retry() -> message() has mac2, or goes out in FRAGs
//   responder: answer(INIT) -> respond() -> message() = RESP, complete        (IK)
//                                        -> message() = RESP -> on_fin() -> complete (XX)
#pragma once

#include "base/entropy.h"
#include "crypto/identity_cache.h"
#include "crypto/key_schedule.h"
#include "crypto/mac.h"
#include "crypto/noise.h"
#include "wire/parameters.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace plait::connection {

// What a node brings into each of its handshakes.
struct LocalNode {
    const crypto::Identity &identity;
    crypto::IdentityCache &cache;
    const std::vector<crypto::Secret<32>> &network_keys;
    Entropy &entropy;
};

// How far the initiator's address is proven to the responder.
struct Proof {
    std::optional<crypto::Mac> cookie; // came back from there
    size_t piece = 0;                  // bytes of the largest datagram of its INIT
};

// What a finished handshake gives to its connection.
struct Established {
    Role role = Role::kInitiator;
    crypto::Root root;
    crypto::NodeId peer;
    crypto::X25519Public peer_x25519{};
    crypto::Cipher cipher = crypto::Cipher::kChaCha20Poly1305;
    wire::Parameters peer_parameters;
    wire::Cid peer_cid; // of link 0
};

class Handshake {
  public:
    using Pointer = std::unique_ptr<Handshake>;

    // Begins as the initiator. `peer` nullptr: XX. The parameters' negotiation part is filled in
    // here.
    static Result<Pointer> dial(const LocalNode &local, const crypto::NodeId *peer,
                                const wire::Cid &scid, const wire::Parameters &mine);
    // Reads an INIT whose mac1 was right for `network_key` (nullptr: none). PLAIT_E_VERSION for an
    // unknown suite or pattern, PLAIT_E_AUTH or PLAIT_E_MALFORMED for anything else that is wrong.
    static Result<Pointer> answer(const LocalNode &local, const wire::InitPacket &init,
                                  const crypto::Secret<32> *network_key);
    // The responder's answer: makes the RESP.
    Status respond(const wire::Cid &scid, const wire::Parameters &mine);
    // Takes the RESP. A forged one changes nothing (PLAIT_E_AUTH).
    Status on_resp(Bytes packet);
    Status make_fin();
    Status on_fin(Bytes packet);
    // Takes a RETRY to the last INIT or PROBE: the cookie proves our address from now on.
    Status on_retry(Bytes packet);
    // PLAIT_E_VERSION: the responder has none of our versions. Anything else: to be ignored.
    Status on_versions(Bytes packet) const;
    // INIT without its padding, for a link that does not carry it and an address that is proven by
    // other means. It is the same message through `noise`.
    void drop_padding();
    // The packet that asks for a cookie, where INIT is too long for that.
    Bytes probe(Entropy &entropy);

    bool xx() const;
    Role role() const { return result_.role; }
    bool complete() const { return complete_; }
    // XX initiator: RESP was read, the peer's id is known, FIN is not yet made.
    bool awaits_approval() const {
        return peer_known_ && xx() && role() == Role::kInitiator && !complete_;
    }
    bool peer_known() const { return peer_known_; }
    const crypto::NodeId &peer() const { return result_.peer; }
    const wire::Cid &scid() const { return scid_; }
    // The responder's view; the initiator has the cookie only.
    const Proof &proof() const { return proof_; }
    void set_proof(const Proof &p) { proof_ = p; }
    const wire::Cid &initiator_cid() const { return result_.peer_cid; } // at the responder
    // When the initiator began, by its own clock, ms since 1970; 0: unknown.
    uint64_t begun_at() const { return result_.peer_parameters.time_ms; }
    // The first bytes of the initiator's ephemeral key: names the attempt.
    uint64_t ephemeral_tag() const { return ephemeral_tag_; }
    // The packet to send now, and again until an answer comes.
    Bytes message() const { return message_; }
    // The keys and what the peer said; once, after complete().
    Established take();

  private:
    Handshake(const LocalNode &local, Role role);
    void start_noise(crypto::Pattern pattern, Bytes through_pattern,
                     const crypto::X25519Public *remote, const crypto::NodeId *responder,
                     const crypto::Secret<32> *psk);
    Status write_packet(wire::LongType type, const wire::Parameters &payload);
    void write_init(Bytes through_pattern, Bytes noise);
    void write_macs();
    Bytes init_mac1() const;
    Status read_payload(Bytes noise, wire::Parameters &out);
    Status learn_peer(const wire::Parameters &said, const crypto::X25519Public &key);
    void finish();

    const crypto::Identity &identity_;
    crypto::IdentityCache &cache_;
    std::optional<crypto::NoiseHandshake> noise_;
    crypto::Secret<32> ephemeral_;
    Established result_;
    wire::Parameters mine_;
    wire::Cid scid_;
    std::vector<uint8_t> message_, probe_;
    size_t init_body_ = 0; // bytes of INIT through `noise`
    crypto::Mac1Key mac1_key_;
    Proof proof_;
    uint64_t ephemeral_tag_ = 0;
    bool peer_known_ = false;
    bool complete_ = false;
};

// True if `listed`, which the responder authenticates, has one that is preferred to `used`: then
// the offer was edited on its way. `known` is ours, best first.
template <class T> bool is_downgrade(std::span<const T> listed, std::span<const T> known, T used) {
    for (const T better : known) {
        if (better == used)
            return false;
        if (std::find(listed.begin(), listed.end(), better) != listed.end())
            return true;
    }
    return false;
}

// The versions that this node knows, best first.
std::span<const uint32_t> known_versions();

// The mac1 keys that a node with these network keys answers to; which of them made `init`'s mac1.
class Mac1Book {
  public:
    Mac1Book(const crypto::Identity &identity, const std::vector<crypto::Secret<32>> &network_keys);
    struct Match {
        bool ok = false;
        const crypto::Secret<32> *network_key = nullptr;
    };
    Match match(const wire::InitPacket &init) const;
    // For what does not say its pattern; `xx`: those who do not know our id count, too.
    bool fits_any(Bytes before_mac1, Bytes mac1, bool xx) const;

  private:
    const std::vector<crypto::Secret<32>> &network_keys_;
    std::vector<crypto::Mac1Key> known_, unknown_; // for IK, for XX; by network key
};

} // namespace plait::connection
