// SPDX-License-Identifier: Apache-2.0
// Endpoints that worker 0 lends to the others; both sides of it.
#include "runtime/endpoints.h"
#include "runtime/loan.h"
#include "runtime/system.h"

#include <algorithm>
#include <bit>

namespace plait::runtime {

// -- worker 0

void Endpoints::lend(Endpoint &h) {
    PLAIT_ASSERT(worker_ == 0);
    h.loan = std::make_shared<Loan>(h.handle, node_->endpoint_stats(h.handle)->info);
    crew_->lend(h.loan);
    crew_->post_to_others({.kind = Crew::Kind::kLend, .endpoint = h.handle});
}

void Endpoints::end_loan(const Endpoint &h, Status why) {
    if (!h.loan)
        return;
    crew_->end_loan(h.handle);
    crew_->post_to_others({.kind = Crew::Kind::kGone,
                           .endpoint = h.handle,
                           .value = static_cast<uint64_t>(static_cast<uint32_t>(why))});
}

void Endpoints::tell_borrowers(const Endpoint &h, const Notice &notice) {
    if (!h.loan || h.is_borrowed())
        return;
    if (const auto stats = node_->endpoint_stats(h.handle))
        h.loan->set_info(stats->info);
    Crew::Item item{.kind = Crew::Kind::kState, .endpoint = h.handle};
    item.what = notice.what;
    item.value = notice.value;
    item.has_addr = notice.has_addr;
    item.remote = notice.addr;
    crew_->post_to_others(item);
}

// A borrower's datagram: to the transport, or behind those that wait for it.
void Endpoints::send_for(Endpoint &h, const Crew::Item &item, Bytes bytes) {
    if (!h.loan)
        return;
    if (!h.loan->anything_waits() && pass_on(h, item, bytes))
        h.loan->on_sent(bytes.size());
    else
        h.loan->wait(item, bytes);
}

// Worker 0's own. What the transport has refused stays the first of all that is offered to it, and
// nobody overtakes anybody: where something waits there is one line for all.
uint32_t Endpoints::send_own(Endpoint &h, std::span<const plait_datagram> v) {
    Loan &loan = *h.loan;
    const uint32_t n = static_cast<uint32_t>(v.size());
    uint32_t done = loan.anything_waits() ? 0 : send_now(h, v);
    for (; done < n && loan.may_send(0); done++) {
        const plait_datagram &d = v[done];
        loan.on_posted(d.len);
        loan.wait(item_of(Crew::Kind::kSend, h.handle, d), {d.data, d.len});
    }
    return done;
}

void Endpoints::flush_loan(Endpoint &h, Time now) {
    Loan &loan = *h.loan;
    while (loan.anything_waits() && pass_on(h, loan.first(), loan.first_bytes())) {
        loan.on_sent(loan.first().size);
        loan.drop_first();
    }
    after_sending(h, now);
}

// Once for all that was sent in a turn.
void Endpoints::after_sending(Endpoint &h, Time now) {
    if (!h.loan->take_used())
        return;
    h.loan->on_looked(transport_info(h, nullptr).queued_bytes, now);
    tell_blocked(*h.loan);
}

// Worker 0 itself may be one of them.
void Endpoints::tell_blocked(Loan &loan) {
    for (uint64_t bits = loan.take_blocked(); bits != 0; bits &= bits - 1)
        crew_->post(static_cast<uint32_t>(std::countr_zero(bits)),
                    {.kind = Crew::Kind::kWritable, .endpoint = loan.handle()}, {});
}

// False: the transport has no room.
bool Endpoints::pass_on(Endpoint &h, const Crew::Item &item, Bytes bytes) {
    const size_t before = h.loan->header_room(); // which the transport may write into
    scratch_.resize(before + bytes.size() + h.loan->tail_room());
    std::copy(bytes.begin(), bytes.end(), scratch_.begin() + static_cast<std::ptrdiff_t>(before));
    const plait_datagram d = datagram_of(item, MutBytes(scratch_).subspan(before, bytes.size()));
    return send_now(h, {&d, 1}) == 1;
}

// -- the others

Result<uint64_t> Endpoints::handle_here(uint64_t endpoint, Time now) {
    const Endpoint *h = of(endpoint);
    if (h == nullptr && crew_ != nullptr)
        h = borrow(endpoint, now);
    if (h != nullptr)
        return h->handle;
    return Error{look(endpoint).status()};
}

// nullptr: it is not lent, or no more.
Endpoints::Endpoint *Endpoints::borrow(uint64_t endpoint, Time now) {
    auto loan = worker_ != 0 ? crew_->loan(endpoint) : nullptr;
    if (!loan)
        return nullptr;
    const link::EndpointInfo info = loan->info();
    Endpoint &h = make(info.transport_class);
    h.shared = endpoint;
    h.loan = std::move(loan);
    const auto handle = join_node(h, info, now);
    return handle ? &h : nullptr;
}

void Endpoints::return_loan(Endpoint &h, Status why, Time now) {
    const uint64_t handle = h.handle;
    node_->endpoint_gone(h.index, why, now);
    drop(h);
    node_->release_endpoint(handle);
}

uint32_t Endpoints::send_borrowed(Endpoint &h, std::span<const plait_datagram> v) {
    uint32_t done = 0;
    for (const plait_datagram &d : v) {
        if (!h.loan->may_send(worker_))
            break;
        h.loan->on_posted(d.len);
        if (!crew_->post(0, item_of(Crew::Kind::kSend, h.shared, d), {d.data, d.len})) {
            h.loan->on_lost(d.len); // dropped, as on any way
            tell_blocked(*h.loan);  // worker 0 may never hear of it
        }
        done++;
    }
    return done;
}

} // namespace plait::runtime
