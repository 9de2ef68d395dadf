// SPDX-License-Identifier: Apache-2.0
#include "node/gate.h"

#include <algorithm>

namespace plait::node {

namespace {

constexpr size_t kWays = 4; // places that a source may have
constexpr uint32_t kResetRate = 100, kResetBurst = 100;
constexpr uint32_t kOfferRate = 1000, kOfferBurst = 1000; // one costs little

// What belongs to one subscriber: an IPv4 address, or the first 64 bits of an IPv6 one. The layout
// is that of transports/udp: family, port, address.
Bytes subscriber(std::string_view transport_class, const plait_addr &a) {
    const Bytes all(a.b, a.len);
    if (transport_class != "udp")
        return all;
    if (a.len == 7 && a.b[0] == 4)
        return all.subspan(3, 4);
    if (a.len >= 19 && a.b[0] == 6)
        return all.subspan(3, 8);
    return all;
}

} // namespace

bool Bucket::take(uint32_t rate, uint32_t burst, Time now) {
    const Duration each = base::micros(1'000'000 / rate);
    const Time from = std::max(full_at_, now);
    if (from + each > now + each * int64_t{burst})
        return false;
    full_at_ = from + each;
    return true;
}

Gate::Gate(Entropy &entropy, Time now) : entropy_(entropy), turned_at_(now) {
    for (crypto::Secret<32> *s : {&secrets_[0], &secrets_[1], &hash_key_})
        entropy_.fill(s->mut_bytes());
}

void Gate::turn_secret(Time now) {
    const int64_t lives = (now - turned_at_).us / kCookieLife.us;
    if (lives <= 0)
        return;
    // After a long silence the secret before is of no use either.
    if (lives == 1)
        secrets_[1] = std::move(secrets_[0]);
    else
        entropy_.fill(secrets_[1].mut_bytes());
    entropy_.fill(secrets_[0].mut_bytes());
    turned_at_ = turned_at_ + kCookieLife * lives;
}

crypto::Mac Gate::make(const crypto::Secret<32> &secret, const Stranger &s) {
    std::array<uint8_t, 4 + 1 + sizeof(plait_addr::b) + 1 + wire::kMaxCidSize> context;
    base::Writer w(context);
    w.u32(s.endpoint.v);
    w.u8(s.remote->len);
    w.bytes({s.remote->b, s.remote->len});
    w.u8(s.scid.len);
    w.bytes(s.scid.bytes());
    return crypto::cookie(secret, w.written());
}

crypto::Mac Gate::cookie(const Stranger &s, Time now) {
    turn_secret(now);
    return make(secrets_[0], s);
}

uint64_t Gate::source_of(EndpointIndex endpoint, std::string_view transport_class,
                         const plait_addr &remote) const {
    std::array<uint8_t, 4 + sizeof(plait_addr::b)> who;
    base::Writer w(who);
    // An address is the same on every endpoint; without one the endpoint stands for it.
    w.u32(remote.len > 0 ? UINT32_MAX : endpoint.v);
    w.bytes(subscriber(transport_class, remote));
    return base::load_be(crypto::cookie(hash_key_, w.written()).data(), 8);
}

uint64_t Gate::name_of(const crypto::X25519Public &identity) const {
    // Other than any source: those begin with their endpoint's number and are longer or shorter.
    std::array<uint8_t, 3 + 32> who{'x', 'i', 'd'};
    std::copy(identity.begin(), identity.end(), who.begin() + 3);
    return base::load_be(crypto::cookie(hash_key_, who).data(), 8);
}

Status Gate::ban(uint64_t who, Time until, Time now) {
    if (until <= now) {
        bans_.erase(who);
        return PLAIT_OK;
    }
    if (bans_.size() >= kMaxBans && !bans_.find(who)) {
        std::vector<uint64_t> over;
        bans_.for_each([&](uint64_t key, Time t) {
            if (t <= now)
                over.push_back(key);
        });
        for (const uint64_t key : over)
            bans_.erase(key);
        if (bans_.size() >= kMaxBans)
            return PLAIT_E_LIMIT;
    }
    bans_.put(who, until);
    return PLAIT_OK;
}

Bucket &Gate::bucket_of(uint64_t source) {
    if (sources_.empty())
        sources_.resize(kSources); // to who only dials nobody comes
    Source *const set = &sources_[source % (kSources / kWays) * kWays];
    Source *emptiest = set;
    for (Source *s = set; s < set + kWays; s++) {
        if (s->key == source)
            return s->bucket;
        if (s->bucket.full_at() < emptiest->bucket.full_at())
            emptiest = s;
    }
    *emptiest = {source, {}};
    return emptiest->bucket;
}

Gate::Verdict Gate::judge(EndpointIndex endpoint, uint64_t source, bool proven, bool busy,
                          Time now) {
    if (proven)
        return bucket_of(source).take(kProvenRate, kProvenBurst, now) ? Verdict::kAdmit
                                                                      : Verdict::kRefuse;
    if (endpoint.v >= endpoints_.size())
        endpoints_.resize(endpoint.v + 1);
    return !busy && endpoints_[endpoint.v].take(kUnprovenRate, kUnprovenBurst, now)
               ? Verdict::kAdmit
               : Verdict::kProve;
}

bool Gate::may_reset(Time now) {
    return resets_.take(kResetRate, kResetBurst, now);
}

bool Gate::may_offer(Time now) {
    return offers_.take(kOfferRate, kOfferBurst, now);
}

} // namespace plait::node
