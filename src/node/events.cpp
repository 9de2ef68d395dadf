// SPDX-License-Identifier: Apache-2.0
// Events for the application: values made at the moment they are taken, from the latest state.
#include "node/core.h"
#include "plait/endpoint.h"
#include "plait/link.h"

#include <algorithm>

namespace plait::node {

namespace {
// In which order the events of one object come; the closing one last.
constexpr uint32_t kConnectionOrder[] = {PLAIT_EVENT_CONNECTION_REQUEST, PLAIT_EVENT_CONNECTED,
                                         PLAIT_EVENT_PEER_ENDPOINTS, PLAIT_EVENT_DORMANT,
                                         PLAIT_EVENT_CLOSED};
constexpr uint32_t kChannelOrder[] = {
    PLAIT_EVENT_CHANNEL_REQUEST, PLAIT_EVENT_CHANNEL_ACCEPTED, PLAIT_EVENT_WRITABLE,
    PLAIT_EVENT_QUEUE_LOW,       PLAIT_EVENT_WINDOW_CHANGED,   PLAIT_EVENT_GAP,
    PLAIT_EVENT_READABLE,        PLAIT_EVENT_GIVEN_UP,         PLAIT_EVENT_FINISHED,
    PLAIT_EVENT_STOPPED,         PLAIT_EVENT_CHANNEL_CLOSED};
constexpr uint32_t kLinkOrder[] = {PLAIT_EVENT_LINK_STATE, PLAIT_EVENT_LINK_CLOSED};
constexpr uint32_t kEndpointOrder[] = {PLAIT_EVENT_ENDPOINT_OPENED, PLAIT_EVENT_ENDPOINT_STATE,
                                       PLAIT_EVENT_ENDPOINT_OUTPUT, PLAIT_EVENT_ENDPOINT_CLOSED};

std::span<const uint32_t> order_of(Source source) {
    switch (source) {
    case Source::kConnection: return kConnectionOrder;
    case Source::kChannel: return kChannelOrder;
    case Source::kLink: return kLinkOrder;
    case Source::kEndpoint: return kEndpointOrder;
    }
    return {};
}

void fill_connection(const ConnectionEntry &e, uint32_t type, plait_event &out, Time now) {
    const Connection &c = *e.connection;
    out.token = e.token;
    if (type == PLAIT_EVENT_CLOSED) {
        out.status = c.ending().status;
        out.a = c.ending().code;
        out.b = c.ending().by_application;
    } else if (type == PLAIT_EVENT_DORMANT) {
        out.a = static_cast<uint64_t>(c.dormancy_left(now).us);
    } else if (type == PLAIT_EVENT_PEER_ENDPOINTS) {
        out.a = c.peer_places().size();
    }
}

void fill_channel(const ChannelEntry &e, uint32_t type, plait_event &out) {
    out.token = e.token;
    switch (type) {
    case PLAIT_EVENT_READABLE: out.a = e.unread(); break;
    case PLAIT_EVENT_WRITABLE: out.a = e.room(); break;
    case PLAIT_EVENT_FINISHED: out.a = e.stats().bytes_sent; break;
    case PLAIT_EVENT_STOPPED: out.a = e.end_code(); break;
    case PLAIT_EVENT_GIVEN_UP:
        out.a = e.stats().messages_lost;
        out.b = e.stats().bytes_given_up;
        break;
    case PLAIT_EVENT_GAP:
        out.a = e.stats().messages_missing + e.stats().messages_dropped;
        out.b = e.stats().bytes_missing + e.stats().bytes_dropped;
        break;
    case PLAIT_EVENT_QUEUE_LOW: out.a = e.queued(); break;
    case PLAIT_EVENT_WINDOW_CHANGED:
        out.a = e.send_limit() - std::min(e.sent(), e.send_limit());
        out.b = e.window();
        break;
    case PLAIT_EVENT_CHANNEL_CLOSED:
        out.status = e.status;
        out.a = e.code;
        out.b = e.undelivered();
        break;
    default: break;
    }
}
} // namespace

uint32_t public_state(link::State s) {
    switch (s) {
    case link::State::kWaiting:
    case link::State::kValidating: return PLAIT_LINK_JOINING;
    case link::State::kGood: return PLAIT_LINK_GOOD;
    case link::State::kSuspect: return PLAIT_LINK_SUSPECT;
    case link::State::kDead: return PLAIT_LINK_DEAD;
    case link::State::kClosed: return PLAIT_LINK_CLOSED;
    }
    return 0;
}

bool Node::has_events() const {
    return !core_->s.events.empty();
}

size_t Node::take_events(std::span<plait_event> out, Time now) {
    return core_->take_events(out, now);
}

EventState *Core::state_of(connection::EventQueue::Entry at) {
    switch (at.source) {
    case Source::kConnection:
        return s.connections.live(at.slot) ? &s.connections[at.slot].events : nullptr;
    case Source::kChannel: return s.channels.live(at.slot) ? &s.channels[at.slot].events : nullptr;
    case Source::kLink: return s.links.live(at.slot) ? &s.links[at.slot].events : nullptr;
    case Source::kEndpoint:
        return s.endpoints.live(at.slot) ? &s.endpoints[at.slot].events : nullptr;
    }
    return nullptr;
}

size_t Core::take_events(std::span<plait_event> v, Time now) {
    size_t n = 0;
    // Connections whose end has to wait for that of their parts go behind them, at most once each.
    for (size_t turns = s.events.size(); turns > 0 && n < v.size(); turns--) {
        const auto at = s.events.front();
        EventState *state = state_of(at);
        if (!state || !state->queued) {
            s.events.pop(); // its object is gone
            continue;
        }
        bool postponed = false;
        for (const uint32_t type : order_of(at.source)) {
            if (!state->has(type))
                continue;
            if (type == PLAIT_EVENT_CLOSED && s.connections[at.slot].open_children > 0) {
                postponed = true;
                break;
            }
            if (n == v.size())
                return n; // the rest of this object next time
            state->pending &= ~(uint64_t{1} << type);
            fill_event(at, *state, type, v[n++], now);
            after_read(at, type);
            state = state_of(at);
            if (!state)
                break; // that was the last of it
        }
        s.events.pop();
        if (state) {
            state->queued = false;
            if (postponed)
                s.events.enqueue(*state, at.source, at.slot);
        }
    }
    return n;
}

bool Core::fill_event(connection::EventQueue::Entry at, EventState &, uint32_t type,
                      plait_event &out, Time now) {
    out = {};
    out.type = type;
    out.time_us = now.us;
    switch (at.source) {
    case Source::kConnection:
        out.connection = handle(HandleType::kConnection, at.slot);
        fill_connection(s.connections[at.slot], type, out, now);
        break;
    case Source::kChannel: {
        const ChannelEntry &e = s.channels[at.slot];
        out.channel = handle(HandleType::kChannel, at.slot);
        out.connection = handle(HandleType::kConnection, e.connection);
        fill_channel(e, type, out);
        break;
    }
    case Source::kLink: {
        const LinkEntry &l = s.links[at.slot];
        out.link = handle(HandleType::kLink, at.slot);
        out.connection = handle(HandleType::kConnection, l.connection);
        out.token = s.connections[l.connection].token;
        out.status = l.status;
        out.a = type == PLAIT_EVENT_LINK_CLOSED ? l.close_code : public_state(l.state);
        out.b = type == PLAIT_EVENT_LINK_CLOSED ? 0 : l.moved_bytes;
        break;
    }
    case Source::kEndpoint: {
        const EndpointEntry &e = s.endpoints[at.slot];
        out.a = handle(HandleType::kEndpoint, at.slot);
        out.status = type == PLAIT_EVENT_ENDPOINT_CLOSED ? e.status : PLAIT_OK;
        if (type == PLAIT_EVENT_ENDPOINT_STATE)
            out.b = e.up ? PLAIT_ENDPOINT_UP : PLAIT_ENDPOINT_DOWN;
        break;
    }
    }
    return true;
}

// What reading an event changes. After a closing one the object goes, if the application has let go
// of it too.
void Core::after_read(connection::EventQueue::Entry at, uint32_t type) {
    switch (at.source) {
    case Source::kConnection:
        if (type == PLAIT_EVENT_CLOSED)
            s.connections[at.slot].events.closed_read = true;
        touch(at.slot);
        return;
    case Source::kChannel: {
        ChannelEntry &e = s.channels[at.slot];
        if (type == PLAIT_EVENT_WRITABLE)
            e.on_writable_read();
        if (type != PLAIT_EVENT_CHANNEL_CLOSED)
            return;
        e.events.closed_read = true;
        s.connections[e.connection].open_children--;
        connection_of(e).release_channel(e);
        return;
    }
    case Source::kLink: {
        LinkEntry &l = s.links[at.slot];
        if (type != PLAIT_EVENT_LINK_CLOSED)
            return;
        l.events.closed_read = true;
        s.connections[l.connection].open_children--;
        s.assembler.flush();
        connection_of(l).release_link(l);
        return;
    }
    case Source::kEndpoint: {
        EndpointEntry &e = s.endpoints[at.slot];
        if (type == PLAIT_EVENT_ENDPOINT_CLOSED)
            e.events.closed_read = true;
        return release_endpoint(at.slot);
    }
    }
}

} // namespace plait::node
