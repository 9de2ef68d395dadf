// SPDX-License-Identifier: Apache-2.0
#include "crypto/protection.h"

namespace plait::crypto {

KeyCache::KeyCache(size_t capacity) : capacity_(capacity), chains_(capacity) {
    PLAIT_ASSERT(capacity > 0 && capacity < kNoSlot);
}

// Well mixed, not keyed: whoever makes names fall together gains a walk over at most `capacity`
// names, less than the derivation that a new name costs anyway.
uint64_t KeyCache::hash(const Name &name) {
    constexpr uint64_t kOdd = 0x9e3779b97f4a7c15;
    const auto mix = [](uint64_t v) {
        v = (v ^ v >> 32) * kOdd;
        return v ^ v >> 29;
    };
    uint64_t v = mix(name.connection + kOdd);
    v = mix(v ^ (uint64_t{name.spec.channel.v} << 32 | name.spec.epoch));
    return mix(v ^ (uint64_t{name.generation} << 16 | uint64_t(name.spec.direction) << 8 |
                    uint64_t(name.spec.cipher)));
}

const PacketKey &KeyCache::get(uint64_t connection, const Root &root, uint32_t generation,
                               const PacketKeySpec &spec) {
    const Name name{connection, generation, spec};
    uint32_t &last = last_[static_cast<size_t>(spec.direction)];
    if (last != kNoSlot && entries_[last]->used && entries_[last]->name == name) {
        order_.touch(last);
        return entries_[last]->key;
    }
    const uint64_t where = hash(name);
    uint32_t slot = chains_.find(where, [&](uint32_t i) { return entries_[i]->name == name; });
    if (slot == kNoSlot) {
        slot = take_slot();
        Entry &entry = *entries_[slot];
        entry.key.reset(root, spec);
        entry.name = name;
        entry.used = true;
        chains_.insert(where, slot);
        derivations_++;
    }
    order_.touch(slot);
    last = slot;
    return entries_[slot]->key;
}

uint32_t KeyCache::take_slot() {
    if (unused_ == 0 && entries_.size() < capacity_) {
        const uint32_t slot = static_cast<uint32_t>(entries_.size());
        entries_.push_back(std::make_unique<Entry>());
        order_.add_newest(slot);
        return slot;
    }
    const uint32_t slot = order_.oldest(); // the unused ones come last
    if (entries_[slot]->used)
        chains_.remove(hash(entries_[slot]->name), slot); // the next key overwrites this one
    else
        unused_--;
    return slot;
}

void KeyCache::release(uint32_t slot) {
    Entry &entry = *entries_[slot];
    chains_.remove(hash(entry.name), slot);
    entry.key.wipe();
    entry.used = false;
    order_.make_oldest(slot);
    unused_++;
}

void KeyCache::forget(uint64_t connection) {
    for (uint32_t slot = 0; slot < entries_.size(); slot++)
        if (entries_[slot]->used && entries_[slot]->name.connection == connection)
            release(slot);
}

void KeyCache::forget(uint64_t connection, uint32_t generation) {
    for (uint32_t slot = 0; slot < entries_.size(); slot++)
        if (const Entry &entry = *entries_[slot]; entry.used &&
                                                  entry.name.connection == connection &&
                                                  entry.name.generation == generation)
            release(slot);
}

} // namespace plait::crypto
