// SPDX-License-Identifier: Apache-2.0
#include "runtime/loan.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace plait::runtime {

namespace {

// Ids are chosen by their owners: nobody shall find out which fall together.
uint64_t random_seed() {
    std::array<uint8_t, 8> b;
    SystemEntropy().fill(b);
    return base::load_be(b.data(), b.size());
}

} // namespace

Crew::Crew(uint32_t workers) : inboxes_(workers), peers_(random_seed()) {}

bool Crew::claim(uint64_t peer, uint32_t worker) {
    const std::lock_guard lock(peers_mutex_);
    if (const uint32_t *owner = peers_.find(peer))
        return *owner == worker;
    peers_.put(peer, worker);
    return true;
}

void Crew::release(uint64_t peer, uint32_t worker) {
    const std::lock_guard lock(peers_mutex_);
    const uint32_t *owner = peers_.find(peer);
    if (owner && *owner == worker)
        peers_.erase(peer);
}

std::optional<uint32_t> Crew::owner(uint64_t peer) const {
    const std::lock_guard lock(peers_mutex_);
    const uint32_t *owner = peers_.find(peer);
    return owner ? std::optional(*owner) : std::nullopt;
}

std::optional<uint32_t> Crew::take(uint64_t peer, uint32_t worker) {
    const std::lock_guard lock(peers_mutex_);
    const uint32_t *owner = peers_.find(peer);
    if (owner && *owner == worker)
        return std::nullopt;
    const auto before = owner ? std::optional(*owner) : std::nullopt;
    peers_.put(peer, worker);
    return before;
}

void Crew::lend(std::shared_ptr<Loan> loan) {
    const std::lock_guard lock(loans_mutex_);
    loans_.push_back(std::move(loan));
}

std::shared_ptr<Loan> Crew::loan(uint64_t endpoint) const {
    const std::lock_guard lock(loans_mutex_);
    const auto it = std::find_if(loans_.begin(), loans_.end(),
                                 [=](const auto &l) { return l->handle() == endpoint; });
    return it != loans_.end() ? *it : nullptr;
}

void Crew::end_loan(uint64_t endpoint) {
    const std::lock_guard lock(loans_mutex_);
    std::erase_if(loans_, [=](const auto &l) { return l->handle() == endpoint; });
}

void Crew::post_to_others(const Item &item) {
    for (uint32_t to = 1; to < size(); to++)
        post(to, item, {});
}

bool Crew::post(uint32_t to, Item item, Bytes bytes) {
    Inbox &inbox = inboxes_[to];
    const std::lock_guard lock(inbox.mutex);
    Batch &batch = inbox.batch;
    const bool datagram = item.kind <= Kind::kReset;
    const size_t most = datagram ? kHandedMax : kNotesMax;
    const bool too_long = datagram && batch.bytes.size() + bytes.size() > kHandedBytes;
    if (batch.items.size() >= most || too_long) {
        inbox.dropped++;
        return false;
    }
    item.at = batch.bytes.size();
    item.size = bytes.size();
    batch.bytes.insert(batch.bytes.end(), bytes.begin(), bytes.end());
    batch.items.push_back(item);
    if (batch.items.size() == 1 && inbox.waker)
        inbox.waker->wake();
    return true;
}

void Crew::collect(uint32_t worker, Batch &into) {
    into.items.clear();
    into.bytes.clear();
    Inbox &inbox = inboxes_[worker];
    const std::lock_guard lock(inbox.mutex);
    if (!inbox.batch.items.empty())
        std::swap(inbox.batch, into);
}

uint64_t Crew::dropped() const {
    uint64_t n = 0;
    for (const Inbox &inbox : inboxes_) {
        const std::lock_guard lock(inbox.mutex);
        n += inbox.dropped;
    }
    return n;
}

void Crew::set_waker(uint32_t worker, Waker *waker) {
    const std::lock_guard lock(inboxes_[worker].mutex);
    inboxes_[worker].waker = waker;
}

void Crew::tell_news() {
    const std::lock_guard lock(news_mutex_);
    news_++;
    news_told_.notify_all();
}

void Crew::wake() {
    const std::lock_guard lock(news_mutex_);
    woken_ = true;
    news_told_.notify_all();
}

uint64_t Crew::news() const {
    const std::lock_guard lock(news_mutex_);
    return news_;
}

bool Crew::wait_news(uint64_t seen, Time end) {
    std::unique_lock lock(news_mutex_);
    const auto come = [&] { return news_ != seen || woken_; };
    if (end == kNever)
        news_told_.wait(lock, come);
    else
        while (!come()) {
            const Time now = monotonic_now();
            if (now >= end)
                return false;
            news_told_.wait_for(lock, std::chrono::microseconds((end - now).us));
        }
    return !std::exchange(woken_, false);
}

} // namespace plait::runtime
