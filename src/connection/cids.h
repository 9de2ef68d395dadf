// SPDX-License-Identifier: Apache-2.0
// Connection ids, docs/protocol.md section 4: the node's table of those it has issued (what
// arriving packets are told apart by), and one connection's book of those issued and those held.
#pragma once

#include "base/entropy.h"
#include "base/flat_map.h"
#include "base/pack.h"
#include "base/slim_vector.h"
#include "crypto/key_schedule.h"
#include "wire/frames.h"
#include "wire/parameters.h"

#include <optional>
#include <span>
#include <vector>

namespace plait::connection {

// Ids of so few bytes are issued only on request, from a small pool.
inline constexpr uint8_t kScarceCidSize = 2;
inline constexpr size_t kMaxScarceCids = 4; // a connection
inline constexpr uint32_t kSpareLinks = 2;  // link numbers of each parity with ids in advance
inline constexpr size_t kMaxHeldCids = 256; // of the peer's, a connection

// For tables whose keys strangers may choose.
uint64_t random_seed(Entropy &entropy);

// Whom an id belongs to.
struct CidOwner {
    uint32_t connection = 0;
    LinkNumber link;
};

// All ids that this node has issued, by transport class.
class CidTable {
  public:
    // `key`: the same for every start of this node.
    CidTable(Entropy &entropy, const crypto::Secret<32> &key);
    // Before anything is issued: whose ids these are (wire/steer.h).
    void set_worker(uint32_t worker, uint32_t workers) {
        worker_ = worker;
        workers_ = workers;
    }
    // The index of a class, entered with its id length if new; PLAIT_E_LIMIT beyond kMaxClasses.
    Result<uint8_t> add_class(std::string_view name, uint8_t cid_size);
    size_t class_count() const { return classes_.size(); }
    const wire::CidClass &cid_class(uint8_t index) const { return classes_[index].name; }

    // A fresh random id; PLAIT_E_LIMIT when too many of so few possible ones are taken.
    Result<wire::Cid> issue(uint8_t cid_class, CidOwner owner);
    // Whether an 8-byte id is one that an earlier run of this node has issued: only then its user
    // is told that it is void. Who asks for one of this run may be anybody; strangers hear nothing.
    bool is_of_earlier_run(const wire::Cid &cid) const;
    const CidOwner *find(uint8_t cid_class, uint64_t value) const {
        return classes_[cid_class].owners.find(value);
    }
    // The connection has moved to another slot.
    void move(uint8_t cid_class, const wire::Cid &cid, uint32_t connection) {
        if (CidOwner *owner = classes_[cid_class].owners.find(cid.value()))
            owner->connection = connection;
    }
    void withdraw(uint8_t cid_class, const wire::Cid &cid) {
        classes_[cid_class].owners.erase(cid.value());
    }

  private:
    struct Class {
        wire::CidClass name;
        base::FlatMap<CidOwner> owners;
    };
    struct BootTag;
    BootTag tag_of(Bytes random, Bytes boot) const;
    uint8_t with_worker(uint8_t random) const;
    Entropy &entropy_;
    crypto::Secret<32> key_;
    std::array<uint8_t, 2> boot_{}; // of this start
    uint32_t worker_ = 0, workers_ = 1;
    std::vector<Class> classes_;
};

// Packs an id with its class and a flag, which take one byte with its length.
template <class Self, class Flag, class P> void pack_id(Self &s, Flag &flag, P &&p) {
    uint32_t head = s.cid_class * 32u + flag * 16u + s.cid.len;
    p(head);
    if constexpr (!std::is_const_v<Self>) {
        s.cid_class = static_cast<uint8_t>(head / 32);
        flag = head & 16;
        s.cid.len = head & 15;
    }
    p.bytes({s.cid.b.data(), s.cid.len});
}
static_assert(wire::kMaxCidSize < 16);

struct IssuedCid {
    uint32_t seq = 0;
    LinkNumber link;
    uint8_t cid_class = 0; // of our table
    bool acked = false;    // the peer has it
    wire::Cid cid;
    template <class Self, class P> static void fields(Self &s, P &&p) {
        p(s.seq), p(s.link);
        pack_id(s, s.acked, p);
    }
};

struct HeldCid {
    uint32_t seq = 0;
    LinkNumber link;
    uint8_t cid_class = 0; // of the peer's table
    wire::Cid cid;
    crypto::ResetToken token{}; // only where the id has 8 bytes; zeros: none
    template <class Self, class P> static void fields(Self &s, P &&p) {
        bool has_token = s.token != crypto::ResetToken{};
        p(s.seq), p(s.link);
        pack_id(s, has_token, p);
        if (has_token)
            p.bytes(s.token);
    }
};

// A set of small numbers that are added about in order, in bounded memory: what lies far behind the
// largest counts as added.
class UsedNumbers {
  public:
    void add(uint32_t n) {
        if (n < floor_)
            return;
        uint64_t b = bits();
        if (n - floor_ >= kWindow) {
            const uint32_t shift = n - floor_ - kWindow + 1;
            b = shift < kWindow ? b >> shift : 0;
            floor_ += shift;
        }
        b |= uint64_t{1} << (n - floor_);
        high_ = static_cast<uint32_t>(b >> 32);
        low_ = static_cast<uint32_t>(b);
    }
    bool has(uint32_t n) const {
        return n < floor_ || (n - floor_ < kWindow && (bits() >> (n - floor_) & 1));
    }

  private:
    static constexpr uint32_t kWindow = 64;
    uint64_t bits() const { return uint64_t{high_} << 32 | low_; }
    uint32_t high_ = 0, low_ = 0, floor_ = 0;
};

// One connection's ids. Sequence number 0 is the handshake's on both sides. From rest() on they are
// packed, until one of those calls that are not const.
class CidBook {
  public:
    void add_issued(const IssuedCid &c);
    IssuedCid *issued(uint64_t seq);
    IssuedCid *issued(LinkNumber link, uint8_t cid_class);
    std::span<const IssuedCid> issued();
    std::optional<IssuedCid> find(LinkNumber link, uint8_t cid_class) const;
    template <class F> void for_each_issued(F &&f) const {
        for (const IssuedCid &c : issued_)
            f(c);
        if (packed_.empty())
            return;
        base::Unpacker p({packed_.data(), packed_.size()});
        for (uint32_t left = size_of(p); left > 0; left--)
            f(unpack_one<IssuedCid>(p));
    }
    uint32_t take_seq() { return next_seq_++; }
    void drop_issued(uint64_t seq);

    // PLAIT_OK; PLAIT_E_PROTOCOL when it contradicts an earlier one; PLAIT_E_LIMIT.
    Status hold(const HeldCid &c);
    const HeldCid *held(LinkNumber link, uint8_t cid_class);
    void drop_held(LinkNumber link);
    template <class F> void for_each_held(LinkNumber link, F &&f) {
        wake();
        for (const HeldCid &c : held_)
            if (c.link == link)
                f(c);
    }
    size_t scarce_count(const CidTable &table);
    void rest();
    void wake();

    // The peer's link numbers that were in use once: a number's packet numbers, and with them its
    // nonces, begin once only.
    void use_up(LinkNumber number) { used_.add(number.v / 2); }
    bool is_used_up(LinkNumber number) const { return used_.has(number.v / 2); }

  private:
    static uint32_t size_of(base::Unpacker &p) {
        uint32_t n;
        p(n);
        return n;
    }
    template <class C> static C unpack_one(base::Unpacker &p) {
        C c;
        p(c);
        return c;
    }

    base::SlimVector<IssuedCid> issued_;
    base::SlimVector<HeldCid> held_;
    base::SlimVector<uint8_t> packed_; // of both, if not empty: | n | issued ... | n | held ... |
    uint32_t next_seq_ = 0;
    UsedNumbers used_;
};

} // namespace plait::connection
