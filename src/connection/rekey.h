// SPDX-License-Identifier: Apache-2.0
// A new generation of keys in the making (docs/protocol.md section 3.5). It exists only from the
// first record of a rekeying until the old keys are gone.
//
//   initiator:  kAsking --RESP--> kSwitched --packet of g+1--> kEnding --3 PTO--> (none)
//   responder:  [kWishing] --INIT--> [kHolding] --> kOffering --packet of g+1--> kEnding --> (none)
#pragma once

#include "base/time.h"
#include "crypto/key_schedule.h"
#include "wire/long_packet.h"

namespace plait::connection {

inline constexpr size_t kRekeyKeyLen = 32;
inline constexpr size_t kRekeyInitLen = 4 + 2 + 2 + kRekeyKeyLen; // bodies of the records
inline constexpr size_t kRekeyRespLen = 4 + 2 + kRekeyKeyLen;
inline constexpr Duration kOldKeysAtMost = base::seconds(60);

struct Rekey {
    enum class State : uint8_t {
        kWishing,  // REKEY_REQUEST sent
        kAsking,   // REKEY_INIT sent
        kHolding,  // REKEY_INIT received; the answer waits for packets of the generation before
        kOffering, // REKEY_RESP sent: the peer may switch, and then we do
        kSwitched, // sending under the new generation; the peer has not been heard under it
        kEnding,   // both have switched
    };
    State state;
    crypto::Secret<kRekeyKeyLen> ephemeral{};       // kAsking
    std::array<uint8_t, kRekeyInitLen> init_body{}; // kAsking, kHolding
    // From kOffering on: the root that packets may come under besides the connection's own.
    crypto::Root other{};
    uint32_t other_generation = 0;
    Time drop_at = kNever;

    bool has_other() const { return state >= State::kOffering; }
};

struct RekeyInit {
    uint32_t generation = 0;
    uint16_t suite = wire::kSuite1;
    crypto::X25519Public key{};
};
struct RekeyResp {
    uint32_t generation = 0;
    crypto::X25519Public key{};
};

inline void write(base::Writer &w, const RekeyInit &r) {
    w.u32(r.generation);
    w.u16(r.suite);
    w.u16(kRekeyKeyLen);
    w.bytes(r.key);
}
inline void write(base::Writer &w, const RekeyResp &r) {
    w.u32(r.generation);
    w.u16(kRekeyKeyLen);
    w.bytes(r.key);
}

// PLAIT_E_MALFORMED, or PLAIT_E_PROTOCOL for a suite that is not ours.
Status read(Bytes body, RekeyInit &out);
Status read(Bytes body, RekeyResp &out);

} // namespace plait::connection
