// SPDX-License-Identifier: Apache-2.0
#include "crypto/identity_cache.h"

#include <sodium.h>

namespace plait::crypto {

IdentityCache::IdentityCache(Entropy &entropy, size_t capacity)
    : capacity_(capacity), by_id_(capacity), by_x25519_(capacity) {
    PLAIT_ASSERT(capacity > 0 && capacity < kNoSlot);
    entropy.fill(hash_key_.mut_bytes());
}

uint64_t IdentityCache::hash(Bytes key) const {
    uint8_t out[crypto_shorthash_BYTES];
    crypto_shorthash(out, key.data(), key.size(), hash_key_.data());
    return base::load_be(out, sizeof out);
}

const IdentityCache::Entry *IdentityCache::touch(uint32_t slot) {
    if (slot == kNoSlot)
        return nullptr;
    order_.touch(slot);
    return &entries_[slot];
}

uint32_t IdentityCache::slot_of(const NodeId &id) const {
    return by_id_.find(hash(id.b), [&](uint32_t slot) { return entries_[slot].id == id; });
}

const IdentityCache::Entry *IdentityCache::find(const NodeId &id) { return touch(slot_of(id)); }

const IdentityCache::Entry *IdentityCache::find(const X25519Public &x25519) {
    // Two ids, apart in bit 255, may share one key; their `ss` is the same too, if it is there.
    const auto has_key = [&](uint32_t slot) { return entries_[slot].x25519 == x25519; };
    const uint64_t where = hash(x25519);
    const uint32_t with_ss = by_x25519_.find(
        where, [&](uint32_t slot) { return has_key(slot) && entries_[slot].has_ss; });
    return touch(with_ss != kNoSlot ? with_ss : by_x25519_.find(where, has_key));
}

uint32_t IdentityCache::take_slot() {
    if (entries_.size() < capacity_) {
        const uint32_t slot = static_cast<uint32_t>(entries_.size());
        entries_.emplace_back();
        order_.add_newest(slot);
        return slot;
    }
    const uint32_t slot = order_.oldest();
    Entry &entry = entries_[slot];
    by_id_.remove(hash(entry.id.b), slot);
    by_x25519_.remove(hash(entry.x25519), slot);
    entry.ss.wipe();
    entry.has_ss = false;
    order_.touch(slot);
    return slot;
}

void IdentityCache::put(const NodeId &id, const X25519Public &x25519, const Secret<32> *ss) {
    uint32_t slot = slot_of(id);
    if (slot == kNoSlot) {
        slot = take_slot();
        entries_[slot].id = id;
        entries_[slot].x25519 = x25519;
        by_id_.insert(hash(id.b), slot);
        by_x25519_.insert(hash(x25519), slot);
    }
    Entry &entry = entries_[slot];
    // The conversion is a function of the id.
    PLAIT_ASSERT(entry.x25519 == x25519);
    order_.touch(slot);
    if (ss != nullptr) {
        entry.ss = ss->clone();
        entry.has_ss = true;
    }
}

void IdentityCache::clear() {
    std::vector<Entry>().swap(entries_);
    order_ = LruOrder();
    by_id_ = HashChains(capacity_);
    by_x25519_ = HashChains(capacity_);
}

Result<X25519Public> x25519_of(const NodeId &id, IdentityCache &cache) {
    if (const auto *entry = cache.find(id))
        return entry->x25519;
    return x25519_of(id);
}

} // namespace plait::crypto
