// SPDX-License-Identifier: Apache-2.0
#include "app.h"

#include "flow.h"
#include "sim_node.h"

#include "plait/link.h"

#include <cinttypes>
#include <cstdio>

namespace plait::sim {

namespace {

using Handle = unsigned long long; // for printing

// The n-th way from a node to another: which endpoint, and the address there.
bool find_way(SimNode &from, SimNode &to, size_t n, SimEndpoint *&endpoint, plait_addr &address) {
    for (auto &e : from.endpoints())
        for (auto &[key, route] : e->routes)
            if (route.wire->end(1 - route.side).node == &to && n-- == 0) {
                endpoint = e.get();
                address = route.wire->address(1 - route.side);
                return true;
            }
    return false;
}

} // namespace

uint64_t App::connect(SimNode &peer, size_t wire_index, node::ConnectConfig config, bool by_id) {
    return connect_as(by_id ? &peer.id() : nullptr, peer, wire_index, config);
}

uint64_t App::connect_as(const crypto::NodeId *id, SimNode &peer, size_t wire_index,
                         node::ConnectConfig config) {
    SimEndpoint *endpoint = nullptr;
    plait_addr address{};
    PLAIT_ASSERT(find_way(node_, peer, wire_index, endpoint, address));
    const auto handle =
        node_.engine().connect(id, endpoint->handle, address, config, node_.local_time());
    if (!handle.ok())
        node_.world().fail("%s: connect: %s", node_.name().c_str(),
                           base::status_name(handle.status()));
    Peering &p = peerings_[*handle];
    p.handle = *handle;
    p.dialed = true;
    p.peer = peer.id();
    node_.poke();
    return *handle;
}

void App::close(uint64_t connection, uint64_t code, std::string_view reason) {
    Peering *p = peering(connection);
    PLAIT_ASSERT(p);
    p->closing = true;
    const Status s = node_.engine().close(connection, code, reason, node_.local_time());
    if (s != PLAIT_OK)
        node_.world().fail("%s: close: %s", node_.name().c_str(), base::status_name(s));
    node_.poke();
}

uint64_t App::add_link(uint64_t connection, SimNode &peer, size_t wire_index) {
    SimEndpoint *endpoint = nullptr;
    plait_addr address{};
    PLAIT_ASSERT(find_way(node_, peer, wire_index, endpoint, address));
    const auto link =
        node_.engine().add_link(connection, endpoint->handle, address, {}, node_.local_time());
    if (!link.ok())
        node_.world().fail("%s: add_link: %s", node_.name().c_str(),
                           base::status_name(link.status()));
    peerings_[connection].links.emplace(*link, 0);
    node_.poke();
    return *link;
}

void App::forget_all() {
    for (auto &[channel, end] : channels_)
        if (end)
            end->abandon();
    peerings_.clear();
    channels_.clear();
    senders_.clear();
    gone_.clear(); // a new engine gives out the same handles
}

Peering *App::peering(uint64_t connection) {
    const auto it = peerings_.find(connection);
    return it == peerings_.end() ? nullptr : &it->second;
}

Peering *App::to(const SimNode &peer) {
    for (auto &[handle, p] : peerings_)
        if (p.connected && !p.closed && p.peer == peer.id())
            return &p;
    return nullptr;
}

size_t App::good_links(uint64_t connection) const {
    size_t n = 0;
    std::array<uint64_t, 64> links;
    const auto count = node_.engine().connection_links(connection, links);
    for (size_t i = 0; count.ok() && i < *count; i++) {
        const auto info = node_.engine().link_info(links[i]);
        n += info.ok() && info->state == link::State::kGood;
    }
    return n;
}

// -- events

bool App::take_events(Time now) {
    bool any = false;
    std::array<plait_event, 16> events;
    while (node_.running() && node_.engine().has_events()) {
        // Of random room: what does not fit has to come later.
        const size_t room = rng_.range(1, events.size());
        const size_t n = node_.engine().take_events({events.data(), room}, now);
        if (n == 0)
            break;
        any = true;
        for (size_t i = 0; i < n && node_.running(); i++)
            handle(events[i], now);
    }
    if (any)
        node_.world().progress();
    return any;
}

void App::handle(const plait_event &e, Time now) {
    node_.world().hash().add({reinterpret_cast<const uint8_t *>(&e), sizeof e});
    node_.world().log("%s event %u %s connection %llx channel %llx link %llx a %" PRIu64
                      " b %" PRIu64,
                      node_.name().c_str(), e.type, base::status_name(e.status),
                      static_cast<Handle>(e.connection), static_cast<Handle>(e.channel),
                      static_cast<Handle>(e.link), e.a, e.b);
    check(e);
    counts_[e.type & 63]++;
    if (e.connection != 0) {
        Peering &p = peerings_[e.connection];
        p.handle = e.connection;
        if (e.channel != 0)
            on_channel(e, now);
        else if (e.link != 0)
            on_link(e, p);
        else
            on_connection(e, p, now);
    }
    if (watch)
        watch(e);
}

// Whose direction that is; nullptr: no flow's. What was found once stays: numbers are not reused.
FlowEnd *App::sender(uint64_t connection, uint32_t number) {
    if (const auto it = senders_.find({connection, number}); it != senders_.end())
        return it->second;
    for (const auto &[channel, end] : channels_)
        if (const auto info = node_.engine().channel_info(channel);
            end && info.ok() && info->connection == connection && info->number == number)
            return senders_[{connection, number}] = end;
    return nullptr;
}

void App::on_data_sent(const plait_trace_record &r) {
    if (FlowEnd *end = r.a == 0 ? nullptr : sender(r.connection, static_cast<uint32_t>(r.a)))
        end->on_data_sent(r);
}

// What holds of every event, whatever the scenario.
void App::check(const plait_event &e) {
    World &w = node_.world();
    const char *me = node_.name().c_str();
    if (e.time_us != node_.local_time().us)
        w.fail("%s: event %u of another time", me, e.type);
    if (e.connection == 0)
        return;
    if (const Peering *p = peering(e.connection); p && p->closed)
        w.fail("%s: event %u after the connection's CLOSED", me, e.type);
    const uint64_t object = e.channel != 0 ? e.channel : e.link;
    if (object != 0 && gone_.count(object))
        w.fail("%s: event %u of an object after its closing event", me, e.type);
    if (e.channel != 0 && e.type != PLAIT_EVENT_CHANNEL_REQUEST && !channels_.count(e.channel))
        w.fail("%s: event %u of an unknown channel", me, e.type);
    const bool first = e.type == PLAIT_EVENT_CONNECTED || e.type == PLAIT_EVENT_CONNECTION_REQUEST;
    if (!first && !peerings_.count(e.connection))
        w.fail("%s: event %u of an unknown connection", me, e.type);
}

void App::on_connection(const plait_event &e, Peering &p, Time now) {
    World &w = node_.world();
    node::Node &engine = node_.engine();
    const auto info = engine.connection_info(p.handle);
    if (!info.ok())
        w.fail("%s: no info of a connection at its event %u", node_.name().c_str(), e.type);
    if (info->peer_known)
        p.peer = info->peer;
    switch (e.type) {
    case PLAIT_EVENT_CONNECTION_REQUEST:
        if (p.connected || p.requested)
            w.fail("%s: CONNECTION_REQUEST twice, or after CONNECTED", node_.name().c_str());
        p.requested = true;
        if (on_request == Answer::kAccept) {
            if (engine.accept(p.handle, now) != PLAIT_OK)
                w.fail("%s: accept failed", node_.name().c_str());
        } else if (on_request == Answer::kRefuse) {
            p.closing = true; // the handle goes with it
            if (engine.refuse(p.handle, refuse_code, now) != PLAIT_OK)
                w.fail("%s: refuse failed", node_.name().c_str());
            engine.close(p.handle, refuse_code, {}, now);
        }
        break;
    case PLAIT_EVENT_CONNECTED:
        if (p.connected)
            w.fail("%s: CONNECTED twice", node_.name().c_str());
        p.connected = true;
        p.connected_at = w.now();
        break;
    case PLAIT_EVENT_DORMANT: p.dormant++; break;
    case PLAIT_EVENT_PEER_ENDPOINTS: break; // counted
    case PLAIT_EVENT_CLOSED:
        for (const auto &[link, state] : p.links)
            if (!gone_.count(link))
                w.fail("%s: CLOSED before LINK_CLOSED", node_.name().c_str());
        for (const auto &[channel, end] : channels_)
            if (const auto i = engine.channel_info(channel); i.ok() && i->connection == p.handle)
                w.fail("%s: CLOSED before CHANNEL_CLOSED", node_.name().c_str());
        p.closed = true;
        p.closed_at = w.now();
        p.status = e.status;
        p.code = e.a;
        p.by_application = e.b != 0;
        p.reason = info->close_reason;
        if (closes_handles && !p.closing)
            engine.close(p.handle, 0, {}, now);
        break;
    default: w.fail("%s: event %u of a connection", node_.name().c_str(), e.type);
    }
}

void App::on_link(const plait_event &e, Peering &p) {
    World &w = node_.world();
    if (e.type == PLAIT_EVENT_LINK_CLOSED) {
        p.links_closed++;
        gone_[e.link] = w.now();
    } else if (e.type == PLAIT_EVENT_LINK_STATE) {
        if (e.a < PLAIT_LINK_JOINING || e.a > PLAIT_LINK_CLOSED)
            w.fail("%s: a link in state %" PRIu64, node_.name().c_str(), e.a);
        p.links[e.link] = e.a;
    } else {
        w.fail("%s: event %u of a link", node_.name().c_str(), e.type);
    }
}

void App::on_channel(const plait_event &e, Time now) {
    if (e.type == PLAIT_EVENT_CHANNEL_REQUEST)
        return on_channel_request(e, now);
    const auto it = channels_.find(e.channel);
    FlowEnd *end = it->second;
    if (end)
        end->on_event(e, now);
    if (e.type == PLAIT_EVENT_CHANNEL_CLOSED) {
        peerings_[e.connection].channels_closed++;
        gone_[e.channel] = node_.world().now();
        channels_.erase(e.channel);
        if (node_.running())
            node_.engine().close_channel(e.channel, now);
    }
}

void App::on_channel_request(const plait_event &e, Time now) {
    World &w = node_.world();
    if (channels_.count(e.channel))
        w.fail("%s: CHANNEL_REQUEST twice", node_.name().c_str());
    const auto info = node_.engine().channel_info(e.channel);
    if (!info.ok())
        w.fail("%s: no info of a requested channel", node_.name().c_str());
    Flow *flow = w.flow_of(info->label);
    channels_[e.channel] = nullptr;
    if (!flow || refuses_channels) {
        node_.engine().refuse_channel(e.channel, refuse_code, now);
        return;
    }
    flow->arrive(node_, e.channel, *info, now);
}

std::string App::dump() const {
    std::string text;
    char line[512];
    size_t shown = 0;
    for (const auto &[handle, p] : peerings_) {
        if (++shown > 6)
            break;
        std::snprintf(line, sizeof line, "    connection %llx%s%s%s: %s\n",
                      static_cast<Handle>(handle), p.dialed ? " dialed" : "",
                      p.connected ? " connected" : "", p.closed ? " closed" : "",
                      base::status_name(p.status));
        text += line;
        std::array<uint64_t, 64> links;
        const auto n = node_.engine().connection_links(handle, links);
        for (size_t i = 0; n.ok() && i < *n; i++) {
            const auto l = node_.engine().link_info(links[i]);
            if (!l.ok())
                continue;
            std::snprintf(line, sizeof line,
                          "      link %u %s (%s): srtt %" PRId64 " us, cwnd %" PRIu64
                          ", in flight %" PRIu64 ", mtu %u, sent %" PRIu64 ", received %" PRIu64
                          ", lost %" PRIu64 ", spurious %" PRIu64 "\n",
                          l->number, to_string(l->state), l->reason, l->srtt.us, l->cwnd,
                          l->in_flight, l->mtu, l->packets_sent, l->packets_received,
                          l->packets_lost, l->packets_spurious);
            text += line;
        }
    }
    return text;
}

} // namespace plait::sim
