// SPDX-License-Identifier: Apache-2.0
// Out: what there is to send, timers, and clearing away what has ended.
#include "node/core.h"

#include <algorithm>

namespace plait::node {

namespace {
// However many connections fall asleep together, datagrams that arrive have their turn meanwhile.
constexpr int kTimersAtOnce = 128;
} // namespace

void Core::touch(uint32_t slot) {
    if (slot == base::kNoSlot || !s.connections.live(slot) || s.connections[slot].touched)
        return;
    s.connections[slot].touched = true;
    touched.push_back(slot);
}

void Core::trace(const connection::TraceRecord &r) {
    plait_trace_record out{};
    out.type = r.type;
    out.size = sizeof out;
    out.time_us = latest.us;
    out.connection =
        r.connection == base::kNoSlot ? 0 : handle(HandleType::kConnection, r.connection);
    out.link = r.link == base::kNoSlot ? 0 : handle(HandleType::kLink, r.link);
    out.a = r.a;
    if (r.type == PLAIT_TRACE_CONNECTION_STATE)
        out.a = 1u + static_cast<uint64_t>(public_state(static_cast<connection::State>(r.a)));
    else if (r.type == PLAIT_TRACE_LINK_STATE)
        out.a = public_state(static_cast<link::State>(r.a));
    out.b = r.b;
    out.c = r.c;
    if (r.type == PLAIT_TRACE_LINK_ROLE)
        out.c = public_state(static_cast<link::State>(r.c));
    out.d = r.d;
    s.tracer.sink(s.tracer.user, &out);
}

uint32_t Core::send(EndpointIndex index, std::span<const plait_datagram> v) {
    const uint32_t taken = out->send(index, v);
    link::EndpointCounters &k = s.endpoints[index.v].counters;
    for (uint32_t i = 0; i < taken && i < v.size(); i++) {
        const uint64_t n = v[i].segment > 0 ? (v[i].len + v[i].segment - 1u) / v[i].segment : 1;
        k.datagrams_sent += n;
        k.bytes_sent += v[i].len;
        s.counters.datagrams_sent += n;
        s.counters.bytes_sent += v[i].len;
    }
    return taken;
}

uint64_t Core::queued_bytes(EndpointIndex endpoint) {
    return out->queued_bytes(endpoint);
}

link::Reach Core::reach(EndpointIndex endpoint, const plait_addr &addr) {
    return out->reach(endpoint, addr);
}

void Node::drain(Time now, Output &out) {
    core_->drain(now, out);
}

void Core::drain(Time now, Output &o) {
    out = &o;
    latest = now;
    s.driver = this;
    s.assembler.set_sink(this);
    for (uint32_t i = 0; i < s.endpoints.capacity(); i++)
        if (s.endpoints.live(i) && !s.endpoints[i].parked.empty() && s.endpoints[i].can_send())
            s.assembler.unpark({i}, s.endpoints[i]);
    drained.clear();
    reassembly.expire(now);
    drain_touched(now);
    send_replies(); // whoever is connected went first
    s.assembler.flush();
    // Whoever was drained may have more for an endpoint that turned out to be full.
    for (uint32_t i = 0; i < s.endpoints.capacity(); i++) {
        if (!s.endpoints.live(i))
            continue;
        Time &since = s.endpoints[i].blocked_since;
        since = s.endpoints[i].blocked ? std::min(since, now) : kNever;
        if (!s.endpoints[i].blocked)
            continue;
        for (const uint32_t slot : drained)
            if (s.connections.live(slot))
                s.wait_for({i}, slot);
    }
    for (const uint32_t slot : drained)
        collect(slot);
    for (const uint32_t slot : drained) {
        if (!s.connections.live(slot))
            continue;
        // What is due and could not be done now (an endpoint is full) is not asked for at once
        // again.
        const Time t = s.connections[slot].connection->deadline(now);
        timers.set(slot, t <= now ? now + recovery::kGranularity : t);
    }
    for (uint32_t i = 0; i < s.endpoints.capacity(); i++)
        if (s.endpoints.live(i))
            release_endpoint(i);
    s.driver = nullptr;
    s.assembler.rest(now);
    s.assembler.set_sink(nullptr);
    out = nullptr;
}

void Core::drain_touched(Time now) {
    // Draining one may touch another; it stands as touched meanwhile, so not itself.
    for (size_t i = 0; i < touched.size(); i++) {
        const uint32_t slot = touched[i];
        if (!s.connections.live(slot))
            continue;
        s.connections[slot].connection->drain(now);
        s.connections[slot].touched = false;
        drained.push_back(slot);
    }
    touched.clear();
    for (const uint32_t slot : drained)
        if (s.connections.live(slot) && s.connections[slot].connection->wants_turn())
            touch(slot);
}

void Core::release_endpoint(uint32_t slot) {
    const EndpointEntry &e = s.endpoints[slot];
    if (e.events.closed_read && e.events.released && e.links == 0) {
        s.take_waiters({slot}); // another endpoint gets the slot
        s.endpoints.erase(slot);
    }
}

// Gives a connection's memory back when neither the protocol nor the application needs it any more.
void Core::collect(uint32_t slot) {
    if (!s.connections.live(slot))
        return;
    ConnectionEntry &e = s.connections[slot];
    if (e.connection->state() != connection::State::kClosed)
        return;
    if (!e.known_to_application || (e.events.closed_read && e.events.released))
        erase_connection(slot);
}

Time Node::deadline() const {
    return core_->touched.empty() && core_->replies.empty() ? core_->timers.next() : Time{0};
}

void Node::on_timer(Time now) {
    Core &c = *core_;
    c.latest = now;
    for (int left = kTimersAtOnce; left > 0 && c.timers.next() <= now; left--) {
        const uint32_t slot = c.timers.next_slot();
        c.timers.set(slot, kNever);
        Connection &conn = *c.s.connections[slot].connection;
        // The entry is lazy: what it was set for may be over.
        if (conn.deadline(now) <= now)
            conn.on_timer(now);
        c.touch(slot);
    }
}

void Node::resume(Time now) {
    for (uint32_t i = 0; i < core_->s.connections.capacity(); i++)
        if (core_->s.connections.live(i))
            core_->s.connections[i].connection->probe_all(true, now);
}

void Node::network_changed(Time now) {
    for (uint32_t i = 0; i < core_->s.connections.capacity(); i++)
        if (core_->s.connections.live(i))
            core_->s.connections[i].connection->probe_all(false, now);
}

std::vector<channel::Release> Node::take_releases() {
    std::vector<channel::Release> out;
    out.swap(core_->s.pools.releases);
    return out;
}

} // namespace plait::node
