// SPDX-License-Identifier: Apache-2.0
// Packet protection (protocol.md sections 3 and 4). A packet's nonce is iv XOR (link u32 ‖ packet
// number u64), its associated data the unmasked header, its tag 16 bytes. Header protection masks
// what must not be seen of the header, from a sample of the packet's last 16 bytes.
//
// A PacketKey is ready to use and large (AES keeps its round keys and GHASH table): it is made when
// needed and kept in the worker's KeyCache; only a small epoch counter is stored per channel.
#pragma once

#include "crypto/aead.h"
#include "crypto/lru.h"

#include <memory>

namespace plait::crypto {

class PacketKey {
  public:
    PacketKey() = default; // no key; using it is a broken invariant
    // The cipher must be available.
    PacketKey(const Root &root, const PacketKeySpec &spec);
    // With a key and iv of one's own, and perhaps one library for all: for known answers in tests.
    PacketKey(Cipher cipher, const Secret<kPacketKeyLen> &key, const Secret<kPacketIvLen> &iv,
              const AeadProvider *provider = nullptr);
    PacketKey(const PacketKey &) = delete;
    PacketKey &operator=(const PacketKey &) = delete;
    ~PacketKey() { wipe(); }

    // Takes another key in the same place; the old one is overwritten.
    void reset(const Root &root, const PacketKeySpec &spec);
    void wipe();
    Cipher cipher() const { return cipher_; }

  private:
    friend void seal(const PacketKey &, LinkNumber, PacketNumber, Bytes, Bytes, uint8_t *);
    friend Status open(const PacketKey &, LinkNumber, PacketNumber, Bytes, MutBytes);
    // The key made ready for one library.
    struct Ready {
        AeadContext context;
        const AeadProvider *provider = nullptr; // nullptr: no key
        void set(const AeadProvider *by, Cipher cipher, const Secret<kPacketKeyLen> &key);
        void wipe();
    };
    void set(Cipher cipher, const AeadProvider *large, const AeadProvider *small);
    const Ready &ready_for(size_t text) const;
    AeadNonce nonce(LinkNumber link, PacketNumber pn) const;

    // Who has many connections, each with little to say, makes keys all the time: the one for large
    // texts only when there is such a text. small_ is empty where that is as good for small ones.
    mutable Ready large_;
    Ready small_;
    const AeadProvider *large_by_ = nullptr; // nullptr: no key
    Secret<kPacketKeyLen> key_;
    Secret<kPacketIvLen> iv_;
    Cipher cipher_ = Cipher::kChaCha20Poly1305;
};

// Writes ciphertext ‖ tag, plaintext.size() + kTagLen bytes, to `out`, which is either the
// plaintext's own place or does not overlap it. No (key, link, pn) is ever sealed twice.
void seal(const PacketKey &key, LinkNumber link, PacketNumber pn, Bytes aad, Bytes plaintext,
          uint8_t *out);

// Turns ciphertext ‖ tag into the plaintext (the tag's bytes stay) and returns PLAIT_OK; or
// PLAIT_E_AUTH, and then everything before the tag is zeros, not to be tried with another key.
// PLAIT_E_AUTH too if there is not even a tag.
Status open(const PacketKey &key, LinkNumber link, PacketNumber pn, Bytes aad,
            MutBytes in_place_ciphertext_and_tag);

// One packet to seal; members as the arguments of seal().
struct SealJob {
    const PacketKey *key = nullptr;
    LinkNumber link{};
    PacketNumber pn{};
    Bytes aad{};
    Bytes plaintext{};
    uint8_t *out = nullptr;
};
void seal_batch(std::span<const SealJob> jobs);

inline constexpr size_t kHeaderSampleLen = 16;
struct HeaderMask {
    std::array<uint8_t, 16> b;
};
// `sample`: the datagram's last 16 bytes.
HeaderMask header_mask(const HeaderKey &key, const uint8_t *sample16);

inline constexpr size_t kKeyCacheCapacity = 256;

// A worker's ready keys. A connection's number is never used for another connection before
// forget(): what is cached is found by number, the root is looked at only when it is not.
class KeyCache {
  public:
    explicit KeyCache(size_t capacity = kKeyCacheCapacity);
    KeyCache(const KeyCache &) = delete;
    KeyCache &operator=(const KeyCache &) = delete;

    // The key of `spec` under `root`, which is that of `generation`. The reference stays valid
    // until `capacity` other keys have been asked for, or forget().
    const PacketKey &get(uint64_t connection, const Root &root, uint32_t generation,
                         const PacketKeySpec &spec);

    // Wipes all keys of a connection, or of one generation of it.
    void forget(uint64_t connection);
    void forget(uint64_t connection, uint32_t generation);

    size_t size() const { return entries_.size() - unused_; }
    size_t capacity() const { return capacity_; }
    uint64_t derivations() const { return derivations_; } // misses so far

  private:
    struct Name {
        uint64_t connection = 0;
        uint32_t generation = 0;
        PacketKeySpec spec;
        bool operator==(const Name &) const = default;
    };
    struct Entry {
        PacketKey key;
        Name name;
        bool used = false;
    };
    static uint64_t hash(const Name &name);
    uint32_t take_slot();
    void release(uint32_t slot);

    size_t capacity_, unused_ = 0;
    uint64_t derivations_ = 0;
    std::vector<std::unique_ptr<Entry>> entries_; // made when first needed, then reused
    LruOrder order_;
    HashChains chains_;
    uint32_t last_[2] = {kNoSlot, kNoSlot}; // the last hit in each direction
};

} // namespace plait::crypto
