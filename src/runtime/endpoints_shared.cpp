// SPDX-License-Identifier: Apache-2.0
// Endpoints that each worker of a node has, and what workers hand to each other.
#include "runtime/endpoints.h"
#include "runtime/seat.h"

#include <algorithm>

namespace plait::runtime {

void Seat::take(const crypto::NodeId &peer) {
    if (const auto before = crew_.take(node::peer_key(peer), worker_))
        crew_.post(*before, {.kind = Crew::Kind::kReplaced}, peer.b);
}

void Seat::hand_init(uint64_t peer, Bytes packet, const connection::Arrival &from,
                     const connection::Proof &proof) {
    const uint32_t to = crew_.owner(peer).value_or(worker_);
    Crew::Item item{.kind = Crew::Kind::kInit, .ecn = from.ecn, .proof = proof};
    item.endpoint = endpoints_.shared_handle(from.endpoint);
    item.remote = *from.remote;
    item.has_local = from.local != nullptr;
    if (from.local != nullptr)
        item.local = *from.local;
    crew_.post(to, item, packet);
}

void Seat::hand_reset(Bytes packet) {
    for (uint32_t to = 0; to < crew_.size(); to++)
        if (to != worker_)
            crew_.post(to, {.kind = Crew::Kind::kReset}, packet);
}

void Endpoints::set_crew(Crew &crew, uint32_t worker) {
    crew_ = &crew;
    worker_ = worker;
}

uint64_t Endpoints::shared_handle(EndpointIndex index) const {
    const Endpoint *h = at(index);
    return h != nullptr ? public_handle(*h) : 0;
}

uint64_t Endpoints::public_handle(uint64_t handle) const {
    const Endpoint *h = of(handle);
    return h != nullptr ? public_handle(*h) : handle;
}

Result<std::string> Endpoints::uri_for_others(uint64_t endpoint) const {
    auto text = uri(endpoint);
    if (!text)
        return text;
    if (!of(endpoint)->is_shared)
        return std::string();
    const std::string &asked = of(endpoint)->uri; // "?device=eth0" belongs to all
    if (const size_t query = asked.find('?');
        query != std::string::npos && text->find('?') == std::string::npos)
        *text += asked.substr(query);
    return text;
}

// The kernel's steering is an optimisation: it may be missing, and it sees only the first datagram
// of a run. So each is looked at, and what is another worker's goes there.
void Endpoints::sort(Endpoint &h, std::span<plait_datagram> v, Time now) {
    const auto is_mine = [this](const plait_datagram &d) {
        const size_t step = d.segment != 0 ? d.segment : std::max<uint32_t>(d.len, 1);
        for (size_t at = 0; d.data != nullptr && at < d.len; at += step)
            if (wire::worker_of({d.data + at, std::min<size_t>(step, d.len - at)}, crew_->size()) !=
                worker_)
                return false;
        return true;
    };
    while (!v.empty()) {
        const auto end = std::find_if_not(v.begin(), v.end(), is_mine);
        const size_t n = static_cast<size_t>(end - v.begin());
        deliver(h, v.first(n), now);
        if (end != v.end() && !(end->flags & PLAIT_DATAGRAM_TRUNCATED))
            take_apart(h, *end, now);
        v = v.subspan(std::min(n + 1, v.size()));
    }
}

Crew::Item Endpoints::item_of(Crew::Kind kind, uint64_t endpoint, const plait_datagram &d) {
    Crew::Item item{.kind = kind, .ecn = d.ecn, .has_local = d.local != nullptr};
    item.endpoint = endpoint;
    if (d.peer != nullptr)
        item.remote = *d.peer;
    if (d.local != nullptr)
        item.local = *d.local;
    return item;
}

// The same the other way; both must outlive it.
plait_datagram Endpoints::datagram_of(const Crew::Item &item, MutBytes bytes) {
    plait_datagram d{};
    d.data = bytes.data();
    d.len = static_cast<uint32_t>(bytes.size());
    d.peer = &item.remote;
    d.local = item.has_local ? &item.local : nullptr;
    d.ecn = item.ecn;
    return d;
}

void Endpoints::take_apart(Endpoint &h, const plait_datagram &run, Time now) {
    const size_t step = run.segment != 0 ? run.segment : run.len;
    for (size_t at = 0; at < run.len; at += step) {
        plait_datagram d = run;
        d.data += at;
        d.len = static_cast<uint32_t>(std::min<size_t>(step, run.len - at));
        d.segment = 0;
        const uint32_t to = wire::worker_of({d.data, d.len}, crew_->size());
        if (to == worker_) {
            deliver(h, {&d, 1}, now);
            continue;
        }
        crew_->post(to, item_of(Crew::Kind::kDatagram, public_handle(h), d), {d.data, d.len});
    }
}

void Endpoints::on_handed(Time now) {
    crew_->collect(worker_, handed_);
    if (handed_.items.empty())
        return;
    for (const Crew::Item &item : handed_.items)
        on_item(item, MutBytes(handed_.bytes).subspan(item.at, item.size), now);
    for (const auto &h : slots_)
        if (h && h->loan && !h->is_borrowed())
            after_sending(*h, now);
}

void Endpoints::on_item(const Crew::Item &item, MutBytes bytes, Time now) {
    using Kind = Crew::Kind;
    if (item.kind == Kind::kReplaced) {
        crypto::NodeId peer;
        std::copy_n(bytes.begin(), peer.b.size(), peer.b.begin());
        return node_->replaced_elsewhere(peer, now);
    }
    if (item.kind == Kind::kReset)
        return node_->receive_reset(bytes, now);
    Endpoint *h = of(item.endpoint);
    if (h == nullptr && item.kind != Kind::kGone)
        h = borrow(item.endpoint, now);
    if (h == nullptr)
        return; // closed meanwhile
    switch (item.kind) {
    case Kind::kSend: return send_for(*h, item, bytes);
    case Kind::kState: return apply(*h, {item.what, item.has_addr, item.remote, item.value}, now);
    case Kind::kWritable: return node_->endpoint_writable(h->index, now);
    case Kind::kGone: return return_loan(*h, static_cast<Status>(item.value), now);
    case Kind::kDatagram:
    case Kind::kInit: break;
    default: return;
    }
    plait_datagram d = datagram_of(item, bytes);
    if (item.kind == Kind::kInit)
        node_->receive_init(h->index, bytes, d, item.proof, now);
    else
        node_->receive(h->index, {&d, 1}, now);
}

} // namespace plait::runtime
