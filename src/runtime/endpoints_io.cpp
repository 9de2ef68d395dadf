// SPDX-License-Identifier: Apache-2.0
// Datagrams and news between plugins and the node.
#include "runtime/endpoints.h"

#include "base/flag.h"
#include "runtime/loan.h"
#include "runtime/system.h"

#include <algorithm>

namespace plait::runtime {

void Endpoints::on_ready(std::span<const Ready> ready, Time now) {
    for (const Ready &r : ready) {
        if (r.tag == kWakerTag || r.tag == kAlarmTag)
            continue;
        const size_t slot = r.tag >> 48;
        const int fd = static_cast<int>(r.tag & 0xffffffff);
        Endpoint *h = slot < slots_.size() ? slots_[slot].get() : nullptr;
        if (h == nullptr || h->tag >> 32 != r.tag >> 32)
            continue; // closed meanwhile
        Watch *watch = h->find_watch(fd);
        if (watch == nullptr)
            continue;
        watch->events &= ~(r.events & uint32_t{PLAIT_POLL_WRITE}); // once
        run(*h, fd, r.events, now);
    }
}

void Endpoints::on_woken(Time now) {
    if (!services_.wake_asked.exchange(false, std::memory_order_acq_rel))
        return;
    for (const auto &h : slots_)
        if (h && h->wake_asked.exchange(false, std::memory_order_acq_rel))
            run(*h, -1, PLAIT_POLL_WAKE, now);
}

void Endpoints::on_timers(Time now) {
    if (services_.paused)
        return;
    for (const auto &h : slots_)
        if (h && h->alarm <= now) {
            h->alarm = kNever;
            run(*h, -1, PLAIT_POLL_TIMER, now);
        }
}

Time Endpoints::deadline() const {
    if (services_.paused)
        return kNever;
    if (services_.noticed)
        return Time{}; // more than one turn takes
    Time when = kNever;
    for (const auto &h : slots_)
        if (h)
            when = std::min(when, h->alarm);
    return when;
}

void Endpoints::run(Endpoint &h, int fd, uint32_t events, Time now) {
    if (h.self == nullptr || h.failed)
        return;
    if (h.transport->poll != nullptr)
        h.transport->poll(h.self, fd, events);
    else if (events & PLAIT_POLL_WRITE)
        writable(h, now);
    if (!h.failed && h.members == nullptr &&
        (events & (PLAIT_POLL_READ | PLAIT_POLL_TIMER | PLAIT_POLL_WAKE)))
        receive(h, now);
}

// Asks those that are watched for input whether they have some, without asking the system which.
bool Endpoints::look(Time now) {
    if (services_.paused)
        return false;
    bool found = false;
    for (const auto &h : slots_)
        if (h && h->self != nullptr && !h->failed && h->members == nullptr && h->watches_input())
            found |= receive(*h, now);
    return found || services_.noticed;
}

// False: nothing had come.
bool Endpoints::receive(Endpoint &h, Time now) {
    bool found = false;
    for (int round = 0; round < kRecvRounds && !h.failed; round++) {
        uint32_t got = 0;
        const Status status = h.transport->recv(h.self, batch_.data(), kRecvBatch, &got);
        got = std::min(got, kRecvBatch);
        if (status != PLAIT_OK)
            services_.log->line(PLAIT_LOG_WARNING, "%s: receiving: %s", h.uri.c_str(),
                                base::status_text(status));
        if (got == 0)
            break;
        found = true;
        traffic_.datagrams_in += got;
        for (uint32_t i = 0; i < got; i++)
            traffic_.bytes += batch_[i].len;
        arrived(h, std::span(batch_).first(got), now);
        if (h.transport->recv_done != nullptr)
            h.transport->recv_done(h.self, batch_.data(), got);
        std::fill_n(batch_.begin(), got, plait_datagram{});
        if (got < kRecvBatch)
            break;
    }
    return found;
}

void Endpoints::arrived(Endpoint &h, std::span<plait_datagram> v, Time now) {
    if (crew_ != nullptr)
        sort(h, v, now);
    else
        deliver(h, v, now);
}

void Endpoints::writable(Endpoint &h, Time now) {
    if (h.loan)
        flush_loan(h, now);
    node_->endpoint_writable(h.index, now);
}

// Gives a batch to the node, without what was cut off on its way in.
void Endpoints::deliver(Endpoint &h, std::span<plait_datagram> v, Time now) {
    const auto whole = [](const plait_datagram &d) {
        return d.data != nullptr && !(d.flags & PLAIT_DATAGRAM_TRUNCATED);
    };
    while (!v.empty()) {
        const auto end = std::find_if_not(v.begin(), v.end(), whole);
        const size_t n = static_cast<size_t>(end - v.begin());
        if (n != 0)
            node_->receive(h.index, v.first(n), now);
        v = v.subspan(std::min(n + 1, v.size()));
    }
}

bool Endpoints::apply_notices(Time now) {
    // A member that is opened from here has its turn afterwards: its group is not to be closed
    // inside of what is done for it.
    if (!services_.noticed || applying_)
        return false;
    const base::Flag flag(applying_);
    for (int round = 0; round < kNoticeRounds && std::exchange(services_.noticed, false); round++)
        for (size_t slot = 0; slot < slots_.size(); slot++)
            if (Endpoint *h = slots_[slot].get(); h != nullptr && h->handle != 0)
                apply_all(*h, now);
    return true;
}

void Endpoints::apply_all(Endpoint &h, Time now) {
    const std::vector<Notice> notices = std::exchange(h.notices, {});
    for (const Notice &notice : notices)
        apply(h, notice, now);
    if (h.failed && h.self != nullptr)
        end(h, h.fail_status, now);
}

void Endpoints::apply(Endpoint &h, const Notice &notice, Time now) {
    const plait_addr *addr = notice.has_addr ? &notice.addr : nullptr;
    if (h.members != nullptr && addr != nullptr)
        return apply_member(h, notice, now);
    switch (notice.what) {
    case PLAIT_TRANSPORT_UP:
        services_.log->line(PLAIT_LOG_INFO, "%s: up", h.uri.c_str());
        if (addr == nullptr && !h.output)
            node_->endpoint_changed(h.index, describe(h), now);
        node_->endpoint_up(h.index, addr, now);
        break;
    case PLAIT_TRANSPORT_DOWN:
        services_.log->line(PLAIT_LOG_INFO, "%s: down", h.uri.c_str());
        node_->endpoint_down(h.index, addr, now);
        break;
    case PLAIT_TRANSPORT_WRITABLE: return writable(h, now);
    case PLAIT_TRANSPORT_MTU:
        if (notice.value >= PLAIT_TRANSPORT_MTU_MIN && notice.value <= UINT32_MAX)
            node_->endpoint_mtu(h.index, addr, static_cast<uint32_t>(notice.value), now);
        break;
    case PLAIT_TRANSPORT_ADDRESS:
        if (addr == nullptr)
            node_->network_changed(now);
        break;
    default: break; // of a later version of the interface
    }
    tell_borrowers(h, notice);
}

// The plugin has said that it is beyond help. The record stays until the application closes it;
// members go at once.
void Endpoints::end(Endpoint &h, Status why, Time now) {
    services_.log->line(PLAIT_LOG_ERROR, "%s: %s", h.uri.c_str(),
                        h.fail_text.empty() ? base::status_text(why) : h.fail_text.c_str());
    if (h.parent != 0)
        return end_member(h, why, now);
    end_members(h.handle, why, now);
    close_plugin(h);
    end_loan(h, why);
    node_->endpoint_gone(h.index, why, now);
}

uint32_t Endpoints::send(EndpointIndex index, std::span<const plait_datagram> v) {
    Endpoint *h = at(index);
    if (h == nullptr)
        return static_cast<uint32_t>(v.size()); // nobody will ever take them
    if (h->is_borrowed())
        return send_borrowed(*h, v);
    return h->loan ? send_own(*h, v) : send_now(*h, v);
}

uint32_t Endpoints::send_now(Endpoint &h, std::span<const plait_datagram> v) {
    if (h.output)
        return send_app(h, v);
    const uint32_t n = static_cast<uint32_t>(v.size());
    uint32_t done = 0;
    traffic_.datagrams_out += n;
    for (const plait_datagram &d : v)
        traffic_.bytes += d.len;
    while (done < n) {
        if (h.self == nullptr || h.failed)
            return n; // nobody will ever take them
        uint32_t sent = 0;
        const Status status = h.transport->send(h.self, v.data() + done, n - done, &sent);
        done += std::min(sent, n - done);
        if (status == PLAIT_OK || status == PLAIT_E_AGAIN || done == n)
            break;
        h.send_errors++; // about v[done] alone, which is dropped
        done++;
    }
    return done;
}

uint32_t Endpoints::send_app(Endpoint &h, std::span<const plait_datagram> v) {
    uint32_t done = 0;
    const bool was_empty = h.output->empty();
    for (const plait_datagram &d : v) {
        if (!h.output->has_room(d.len)) {
            h.app_blocked = true;
            break;
        }
        const size_t step = d.segment != 0 ? d.segment : d.len;
        for (size_t at = 0; at < d.len; at += step)
            h.output->push(d.peer, {d.data + at, std::min<size_t>(step, d.len - at)});
        done++;
    }
    if (was_empty && !h.output->empty())
        node_->endpoint_output(h.index);
    return done;
}

uint64_t Endpoints::queued_bytes(EndpointIndex index) {
    const Endpoint *h = at(index);
    if (h == nullptr)
        return 0;
    if (h->is_borrowed())
        return h->loan->queued(monotonic_now());
    return transport_info(*h, nullptr).queued_bytes + (h->loan ? h->loan->posted() : 0);
}

void Endpoints::complete(plait_event &event) {
    if (event.type < PLAIT_EVENT_ENDPOINT_STATE || event.type > PLAIT_EVENT_ENDPOINT_OPENED)
        return;
    if (const Endpoint *h = of(event.a)) {
        event.token = h->token;
        if (event.type == PLAIT_EVENT_ENDPOINT_OUTPUT && h->output)
            event.b = h->output->size();
        if (event.type == PLAIT_EVENT_ENDPOINT_OPENED)
            event.b = h->parent;
        return;
    }
    const auto it = std::find_if(departed_.begin(), departed_.end(),
                                 [&event](const auto &d) { return d.handle == event.a; });
    if (it == departed_.end())
        return;
    event.token = it->token;
    if (event.type == PLAIT_EVENT_ENDPOINT_OPENED)
        event.b = it->parent;
    if (event.type == PLAIT_EVENT_ENDPOINT_CLOSED)
        departed_.erase(it);
}

} // namespace plait::runtime
