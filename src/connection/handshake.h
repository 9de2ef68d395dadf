// SPDX-License-Identifier: Apache-2.0
// One handshake attempt, either side: Noise messages in long packets, docs/protocol.md section 2.
// It knows neither time nor addresses; its owner sends message() again as often as needed.
//
//   initiator: dial() -> message() = INIT -> on_resp() -> complete            (IK)
//                                         -> on_resp() -> make_fin() -> complete, message() = FIN
//                                         (XX)
//   responder: answer(INIT) -> respond() -> message() = RESP, complete        (IK)
//                                        -> message() = RESP -> on_fin() -> complete (XX)
#pragma once

#include "base/entropy.h"
#include "crypto/identity_cache.h"
#include "crypto/key_schedule.h"
#include "crypto/mac.h"
#include "crypto/noise.h"
#include "wire/parameters.h"

#include <memory>
#include <optional>
#include <vector>

namespace plait::connection {

// What a node brings into each of its handshakes.
struct LocalNode {
    const crypto::Identity &identity;
    crypto::IdentityCache &cache;
    const std::vector<crypto::Secret<32>> &network_keys;
    Entropy &entropy;
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
    void write_init(Bytes through_pattern, Bytes noise, const crypto::Mac1Key &key);
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
    std::vector<uint8_t> message_;
    uint64_t ephemeral_tag_ = 0;
    bool peer_known_ = false;
    bool complete_ = false;
};

// The mac1 keys that a node with these network keys answers to; which of them made `init`'s mac1.
class Mac1Book {
  public:
    Mac1Book(const crypto::Identity &identity, const std::vector<crypto::Secret<32>> &network_keys);
    struct Match {
        bool ok = false;
        const crypto::Secret<32> *network_key = nullptr;
    };
    Match match(const wire::InitPacket &init) const;

  private:
    const std::vector<crypto::Secret<32>> &network_keys_;
    std::vector<crypto::Mac1Key> known_, unknown_; // for IK, for XX; by network key
};

} // namespace plait::connection
