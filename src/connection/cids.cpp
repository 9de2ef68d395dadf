// SPDX-License-Identifier: Apache-2.0
#include "connection/cids.h"

#include <algorithm>

namespace plait::connection {

uint64_t random_seed(Entropy &entropy) {
    std::array<uint8_t, 8> b;
    entropy.fill(b);
    return base::load_be(b.data(), b.size());
}

// An 8-byte id is | random 3 | boot 2, masked | check 3 |. Mask and check are MACs under a key that
// outlives the run, so that to others all of it looks random.
namespace {
constexpr size_t kRandom = 3, kBoot = 2, kCheck = 3;
static_assert(kRandom + kBoot + kCheck == crypto::kResetCidLen);
} // namespace

struct CidTable::BootTag {
    std::array<uint8_t, kBoot> masked{};
    std::array<uint8_t, kCheck> check{};
};

CidTable::CidTable(Entropy &entropy, const crypto::Secret<32> &key)
    : entropy_(entropy), key_(key.clone()) {
    entropy_.fill(boot_);
}

// Masks `boot`, or, as that is its own inverse, takes the mask off.
CidTable::BootTag CidTable::tag_of(Bytes random, Bytes boot) const {
    BootTag t;
    crypto::expand(key_, "boot", random, t.masked);
    for (size_t i = 0; i < kBoot; i++)
        t.masked[i] ^= boot[i];
    crypto::expand(key_, "cid", {random, t.masked}, t.check);
    return t;
}

bool CidTable::is_of_earlier_run(const wire::Cid &cid) const {
    if (cid.len != crypto::kResetCidLen)
        return false;
    const Bytes id = cid.bytes(), random = id.first(kRandom), masked = id.subspan(kRandom, kBoot);
    const auto boot = tag_of(random, masked).masked;
    return boot != boot_ &&
           crypto::equal_constant_time(tag_of(random, boot).check, id.last(kCheck));
}

Result<uint8_t> CidTable::add_class(std::string_view name, uint8_t cid_size) {
    for (size_t i = 0; i < classes_.size(); i++)
        if (classes_[i].name.name() == name)
            return static_cast<uint8_t>(i);
    if (classes_.size() == wire::kMaxClasses || name.empty() || name.size() > wire::kMaxClassName ||
        cid_size == 0 || cid_size > wire::kMaxCidSize)
        return Error{PLAIT_E_LIMIT};
    classes_.push_back(
        {wire::CidClass::make(name, cid_size), base::FlatMap<CidOwner>(random_seed(entropy_))});
    return static_cast<uint8_t>(classes_.size() - 1);
}

// A first byte that leads to this worker.
uint8_t CidTable::with_worker(uint8_t random) const {
    const uint32_t choices = (UINT8_MAX - worker_) / workers_ + 1;
    return static_cast<uint8_t>(worker_ + workers_ * (random % choices));
}

Result<wire::Cid> CidTable::issue(uint8_t cid_class, CidOwner owner) {
    Class &c = classes_[cid_class];
    const uint8_t size = c.name.cid_size;
    // Of one-byte ids at most 3/4 are given out, so that a random one is soon found.
    if (size < 4 && c.owners.size() >= (size_t{3} << (8 * size)) / 4 / workers_)
        return Error{PLAIT_E_LIMIT};
    std::array<uint8_t, wire::kMaxCidSize> b{};
    for (;;) {
        entropy_.fill(MutBytes(b).first(size));
        b[0] = with_worker(b[0]);
        if (size == crypto::kResetCidLen) {
            const BootTag t = tag_of(Bytes(b).first(kRandom), boot_);
            std::copy(t.masked.begin(), t.masked.end(), b.begin() + kRandom);
            std::copy(t.check.begin(), t.check.end(), b.begin() + kRandom + kBoot);
        }
        const wire::Cid cid = wire::Cid::from(Bytes(b).first(size));
        if (c.owners.find(cid.value()))
            continue;
        c.owners.put(cid.value(), owner);
        return cid;
    }
}

void CidBook::rest() {
    if (!packed_.empty())
        return;
    // Of each list its length, of each id at most its size in memory and what its numbers take
    // more.
    std::vector<uint8_t> room(2 * 8 + issued_.size() * (sizeof(IssuedCid) + 8) +
                              held_.size() * (sizeof(HeldCid) + 8));
    base::Packer p(room);
    p(static_cast<uint32_t>(issued_.size()));
    for (const IssuedCid &c : issued_)
        p(c);
    p(static_cast<uint32_t>(held_.size()));
    for (const HeldCid &c : held_)
        p(c);
    packed_.append(p.written());
    issued_.release();
    held_.release();
}

void CidBook::wake() {
    if (packed_.empty())
        return;
    const auto packed = std::move(packed_);
    base::Unpacker p({packed.data(), packed.size()});
    for (uint32_t left = size_of(p); left > 0; left--)
        issued_.push_back(unpack_one<IssuedCid>(p));
    for (uint32_t left = size_of(p); left > 0; left--)
        held_.push_back(unpack_one<HeldCid>(p));
}

void CidBook::add_issued(const IssuedCid &c) {
    wake();
    issued_.push_back(c);
}

std::span<const IssuedCid> CidBook::issued() {
    wake();
    return {issued_.data(), issued_.size()};
}

std::optional<IssuedCid> CidBook::find(LinkNumber link, uint8_t cid_class) const {
    const auto is_it = [&](const IssuedCid &c) {
        return c.link == link && c.cid_class == cid_class;
    };
    const auto it = std::find_if(issued_.begin(), issued_.end(), is_it);
    if (it != issued_.end())
        return *it;
    std::optional<IssuedCid> found;
    if (!packed_.empty())
        for_each_issued([&](const IssuedCid &c) {
            if (is_it(c))
                found = c;
        });
    return found;
}

IssuedCid *CidBook::issued(uint64_t seq) {
    wake();
    const auto it = std::find_if(issued_.begin(), issued_.end(),
                                 [&](const IssuedCid &c) { return c.seq == seq; });
    return it == issued_.end() ? nullptr : &*it;
}

IssuedCid *CidBook::issued(LinkNumber link, uint8_t cid_class) {
    wake();
    const auto it = std::find_if(issued_.begin(), issued_.end(), [&](const IssuedCid &c) {
        return c.link == link && c.cid_class == cid_class;
    });
    return it == issued_.end() ? nullptr : &*it;
}

void CidBook::drop_issued(uint64_t seq) {
    wake();
    issued_.erase_if([&](const IssuedCid &c) { return c.seq == seq; });
}

Status CidBook::hold(const HeldCid &c) {
    wake();
    for (const HeldCid &have : held_) {
        if (have.seq == c.seq)
            return have.cid == c.cid && have.link == c.link ? PLAIT_OK : PLAIT_E_PROTOCOL;
        if (have.link == c.link && have.cid_class == c.cid_class)
            return PLAIT_E_PROTOCOL;
    }
    if (held_.size() == kMaxHeldCids)
        return PLAIT_E_LIMIT;
    held_.push_back(c);
    return PLAIT_OK;
}

const HeldCid *CidBook::held(LinkNumber link, uint8_t cid_class) {
    wake();
    const auto it = std::find_if(held_.begin(), held_.end(), [&](const HeldCid &c) {
        return c.link == link && c.cid_class == cid_class;
    });
    return it == held_.end() ? nullptr : &*it;
}

void CidBook::drop_held(LinkNumber link) {
    wake();
    held_.erase_if([&](const HeldCid &c) { return c.link == link; });
}

size_t CidBook::scarce_count(const CidTable &table) {
    wake();
    return static_cast<size_t>(
        std::count_if(issued_.begin(), issued_.end(), [&](const IssuedCid &c) {
            return table.cid_class(c.cid_class).cid_size <= kScarceCidSize;
        }));
}

} // namespace plait::connection
