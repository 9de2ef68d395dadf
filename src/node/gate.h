// SPDX-License-Identifier: Apache-2.0
// Who may begin a handshake, docs/protocol.md section 2.4: cookies, which prove an address and of
// which nothing is kept, and the rates at which the costly part, Diffie-Hellman, is done for
// strangers. As in WireGuard (J. Donenfeld, NDSS 2017, section 5.3), cookies are asked for only
// under load.
#pragma once

#include "base/entropy.h"
#include "base/flat_map.h"
#include "base/ids.h"
#include "base/result.h"
#include "base/time.h"
#include "crypto/mac.h"
#include "plait/transport.h"
#include "wire/frames.h"

#include <optional>
#include <string_view>
#include <vector>

namespace plait::node {

inline constexpr Duration kCookieLife = base::seconds(120); // then the secret is another
// Handshakes a second, and at once, for strangers of one endpoint who have not proven an address,
inline constexpr uint32_t kUnprovenRate = 1000, kUnprovenBurst = 500;
// and for one address (IPv6: 64 bits of it) that is proven.
inline constexpr uint32_t kProvenRate = 200, kProvenBurst = 256;
inline constexpr size_t kMaxBans = 65'536;
inline constexpr size_t kSources = 1024; // addresses whose rate is remembered

// Somebody who wants something of us.
struct Stranger {
    EndpointIndex endpoint;
    const plait_addr *remote = nullptr;
    wire::Cid scid;
};

// A bucket of `burst` that fills with `rate` a second, as the time at which it will be full.
class Bucket {
  public:
    bool take(uint32_t rate, uint32_t burst, Time now);
    Time full_at() const { return full_at_; }

  private:
    Time full_at_;
};

class Gate {
  public:
    Gate(Entropy &entropy, Time now);

    crypto::Mac cookie(const Stranger &s, Time now);
    // The cookie given to `s` that `fits`, if there is one.
    template <class F>
    std::optional<crypto::Mac> find_cookie(const Stranger &s, Time now, F &&fits) {
        turn_secret(now);
        for (const auto &secret : secrets_)
            if (const crypto::Mac c = make(secret, s); fits(c))
                return c;
        return std::nullopt;
    }

    enum class Verdict : uint8_t { kAdmit, kProve, kRefuse };
    // `busy`: many handshakes are pending. `source` as below.
    Verdict judge(EndpointIndex endpoint, uint64_t source, bool proven, bool busy, Time now);
    // What counts as one source of a transport of this class.
    uint64_t source_of(EndpointIndex endpoint, std::string_view transport_class,
                       const plait_addr &remote) const;
    // Who is kept out, and until when: a source, or an identity. Both ids that one X25519 key has
    // are one identity.
    uint64_t name_of(const crypto::X25519Public &identity) const;
    // PLAIT_E_LIMIT: too many are. `until` in the past lifts it.
    Status ban(uint64_t who, Time until, Time now);
    bool is_banned(uint64_t who, Time now) const {
        const Time *until = bans_.find(who);
        return until && now < *until;
    }
    bool any_bans() const { return bans_.size() > 0; }
    // Stateless resets go out at a bounded rate too.
    bool may_reset(Time now);
    // So does what may be one for another worker.
    bool may_offer(Time now);

  private:
    struct Source {
        uint64_t key = 0;
        Bucket bucket;
    };
    void turn_secret(Time now);
    static crypto::Mac make(const crypto::Secret<32> &secret, const Stranger &s);
    Bucket &bucket_of(uint64_t source);

    Entropy &entropy_;
    crypto::Secret<32> secrets_[2]; // the present one, the one before
    crypto::Secret<32> hash_key_;   // so that nobody can choose sources that fall together
    Time turned_at_;
    std::vector<Bucket> endpoints_;
    std::vector<Source> sources_;
    Bucket resets_, offers_;
    base::FlatMap<Time> bans_;
};

} // namespace plait::node
