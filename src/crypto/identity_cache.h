// SPDX-License-Identifier: Apache-2.0
// What is costly to compute about a peer, remembered (protocol.md section 1): its X25519 key and
// `ss`, the Diffie-Hellman of both static keys. Belongs to one local identity, because `ss` does.
//
// Fill it only after the peer was authenticated: then strangers can neither fill nor probe it. The
// least recently used entry is wiped when the place is needed. Lookup is keyed with random bytes,
// so that nobody can choose ids that fall together.
#pragma once

#include "base/entropy.h"
#include "crypto/identity.h"
#include "crypto/lru.h"

namespace plait::crypto {

inline constexpr size_t kIdentityCacheCapacity = 4096;

class IdentityCache {
  public:
    struct Entry {
        NodeId id;
        X25519Public x25519{};
        Secret<32> ss;
        bool has_ss = false;
    };

    explicit IdentityCache(Entropy &entropy, size_t capacity = kIdentityCacheCapacity);

    // The entry, now the most recently used, or nullptr. Valid until the next put or clear.
    const Entry *find(const NodeId &id);
    // By X25519 key: what a responder knows of an IK initiator when it needs `ss`.
    const Entry *find(const X25519Public &x25519);

    // Enters or replaces. `ss` may be null where the handshake made none (XX); an `ss` that is
    // there already stays then.
    void put(const NodeId &id, const X25519Public &x25519, const Secret<32> *ss);

    // Forgets and wipes everything.
    void clear();

    size_t size() const { return entries_.size(); }
    size_t capacity() const { return capacity_; }

  private:
    uint64_t hash(Bytes key) const;
    const Entry *touch(uint32_t slot);
    uint32_t slot_of(const NodeId &id) const;
    uint32_t take_slot();

    size_t capacity_;
    Secret<16> hash_key_;
    std::vector<Entry> entries_;
    LruOrder order_;
    HashChains by_id_, by_x25519_;
};

// x25519_of(), answered by the cache where it can be.
Result<X25519Public> x25519_of(const NodeId &id, IdentityCache &cache);

} // namespace plait::crypto
