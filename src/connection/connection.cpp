// SPDX-License-Identifier: Apache-2.0
// Making a connection, its states, and small questions.
#include "connection/connection.h"

#include <algorithm>

namespace plait::connection {

const char *to_string(State s) {
    switch (s) {
    case State::kDialing: return "dialing";
    case State::kAnswering: return "answering";
    case State::kRequested: return "requested";
    case State::kConnected: return "connected";
    case State::kDormant: return "dormant";
    case State::kClosing: return "closing";
    case State::kDraining: return "draining";
    case State::kClosed: return "closed";
    }
    return "?";
}

bool may_change(State from, State to) {
    switch (from) {
    case State::kDialing:
    case State::kAnswering:
        return to == State::kRequested || to == State::kConnected || to >= State::kClosing;
    case State::kRequested:
        return to == State::kDialing || to == State::kConnected || to >= State::kClosing;
    case State::kConnected: return to == State::kDormant || to >= State::kClosing;
    case State::kDormant: return to == State::kConnected || to >= State::kClosing;
    case State::kClosing:
    case State::kDraining: return to == State::kClosed;
    case State::kClosed: return false;
    }
    return false;
}

ConnectionEntry::ConnectionEntry(std::unique_ptr<Connection> c) : connection(std::move(c)) {}
ConnectionEntry::~ConnectionEntry() = default;

Services::Services(Config c, LocalNode l, crypto::Secret<32> reset, uint32_t max_connections,
                   uint32_t max_links, uint32_t max_channels, uint32_t max_endpoints,
                   uint64_t receive_memory)
    : config(c), local(l), reset_key(std::move(reset)), connections(max_connections),
      links(max_links), channels(max_channels), endpoints(max_endpoints), budget(receive_memory),
      cids(l.entropy, reset_key), reset_tokens(random_seed(l.entropy)) {}

void Services::wait_for(EndpointIndex endpoint, uint32_t connection) {
    ConnectionEntry &c = connections[connection];
    std::vector<uint32_t> &list = endpoints[endpoint.v].waiters;
    if (c.waits > 0 && c.waits_at == endpoint.v)
        return;
    if (c.waits == 0 || std::find(list.begin(), list.end(), connection) == list.end()) {
        list.push_back(connection);
        c.waits++;
    }
    c.waits_at = endpoint.v;
}

std::vector<uint32_t> Services::take_waiters(EndpointIndex endpoint) {
    std::vector<uint32_t> list;
    list.swap(endpoints[endpoint.v].waiters);
    for (const uint32_t slot : list) {
        if (!connections.live(slot))
            continue;
        ConnectionEntry &c = connections[slot]; // or another one that got its place
        c.waits -= std::min(c.waits, 1u);
        if (c.waits_at == endpoint.v)
            c.waits_at = base::kNoSlot;
    }
    return list;
}

Connection::Connection(Services &services, const Config &config, Time now)
    : services_(services), config_(services.configs.get(config)),
      id_(services.next_connection_id++), peer_facts_(services.facts.get(PeerFacts{})), began_(now),
      budget_(std::make_unique<channel::ConnectionBudget>(services.budget, config.receive_memory)),
      last_authentic_(now), last_sent_(now) {}

Connection::~Connection() {
    services_.keys.forget(id_);
    cids_.for_each_issued([&](const IssuedCid &c) { services_.cids.withdraw(c.cid_class, c.cid); });
    for (size_t i = 0; i < links_.size(); i++) {
        unwatch_reset(link_at(i));
        endpoint_of(link_at(i)).links--;
        services_.links.erase(links_[i]);
    }
    const auto erase = [&](uint32_t slot) {
        order_.remove(services_.channels[slot]);
        services_.channels.erase(slot);
    };
    for_each_channel(erase);
    for (const uint32_t slot : detached_)
        erase(slot);
    if (control_ != base::kNoSlot)
        erase(control_);
}

void Connection::set_slot(uint32_t slot) {
    slot_ = slot;
    for (size_t i = 0; i < links_.size(); i++)
        link_at(i).connection = slot;
    for_each_channel([&](uint32_t c) { services_.channels[c].connection = slot; });
    for (const uint32_t c : detached_)
        services_.channels[c].connection = slot;
    if (control_ != base::kNoSlot)
        services_.channels[control_].connection = slot;
    cids_.for_each_issued(
        [&](const IssuedCid &c) { services_.cids.move(c.cid_class, c.cid, slot); });
}

const Ending &Connection::ending() const {
    static const Ending none;
    return ending_ ? *ending_ : none;
}

Ending &Connection::end_as() {
    if (!ending_)
        ending_ = std::make_unique<Ending>();
    return *ending_;
}

void Connection::set_state(State next) {
    if (next == state_)
        return;
    PLAIT_ASSERT(may_change(state_, next));
    state_ = next;
    if (services_.tracer.on(PLAIT_TRACE_CONNECTIONS))
        services_.hooks->trace({PLAIT_TRACE_CONNECTION_STATE, slot_, base::kNoSlot,
                                static_cast<uint64_t>(next),
                                static_cast<uint64_t>(-ending().status), 0, 0});
}

void Connection::raise(uint32_t type) {
    services_.events.raise(entry().events, Source::kConnection, slot_, type);
    entry().known_to_application = true;
}

// What belongs to a connection that the application has not accepted waits with it, and of one that
// it never heard of nothing is told at all.
bool Connection::tells_application() {
    return state_ != State::kRequested && entry().known_to_application;
}

void Connection::raise_channel(ChannelEntry &e, uint32_t type) {
    if (e.events.closed_raised)
        return; // nothing comes after CLOSED
    // A channel that the application never heard of ends as it came.
    const bool unheard = !e.opened_here() && !e.announced;
    if (type == PLAIT_EVENT_CHANNEL_CLOSED) {
        e.events.closed_raised = true;
        if (unheard) {
            e.events.closed_read = e.events.released = true;
            entry().open_children--;
        }
    }
    if (unheard)
        return;
    // Somebody may be writing into the reservation: CLOSED, and with it the end of the memory,
    // waits.
    if (type == PLAIT_EVENT_CHANNEL_CLOSED && e.reserved())
        return;
    e.events.pending |= uint64_t{1} << type;
    if (tells_application())
        services_.events.enqueue(e.events, Source::kChannel, e.slot);
}

// The reservation is gone: what it held up comes now.
void Connection::after_commit(ChannelEntry &e, Time now) {
    EventState &s = e.events;
    if (s.closed_raised && !s.closed_read && !e.reserved() && !s.has(PLAIT_EVENT_CHANNEL_CLOSED)) {
        s.closed_raised = false;
        raise_channel(e, PLAIT_EVENT_CHANNEL_CLOSED);
    }
    if (s.released)
        e.finish(now); // closed meanwhile
    after_channel_call(e, now);
}

void Connection::raise_link(LinkEntry &link, uint32_t type) {
    if (link.events.closed_raised)
        return;
    if (type == PLAIT_EVENT_LINK_CLOSED)
        link.events.closed_raised = true;
    link.events.pending |= uint64_t{1} << type;
    if (tells_application())
        services_.events.enqueue(link.events, Source::kLink, link.slot);
}

// What was held back while the application had not accepted goes out now.
void Connection::tell_held_events() {
    if (!tells_application())
        return;
    for (size_t i = 0; i < links_.size(); i++)
        services_.events.enqueue(link_at(i).events, Source::kLink, links_[i]);
    const auto tell = [&](uint32_t slot) {
        services_.events.enqueue(services_.channels[slot].events, Source::kChannel, slot);
    };
    for_each_channel(tell);
    for (const uint32_t slot : detached_)
        tell(slot);
}

LinkEntry *Connection::find_link(LinkNumber number) {
    for (size_t i = 0; i < links_.size(); i++)
        if (LinkEntry &l = link_at(i);
            l.has_number && l.number == number && l.state != link::State::kClosed)
            return &l;
    return nullptr;
}

size_t Connection::live_links() const {
    size_t n = 0;
    for (size_t i = 0; i < links_.size(); i++)
        n += link_at(i).live();
    return n;
}

Duration Connection::dormancy_left(Time now) const {
    const Time end = dormancy_end();
    return state_ == State::kDormant && end > now ? end - now : Duration{};
}

void Connection::check_invariants() const {
    PLAIT_ASSERT(links_.size() <= kMaxLinks);
    PLAIT_ASSERT(has_keys_ || state_ == State::kDialing || state_ == State::kAnswering ||
                 state_ == State::kRequested || state_ >= State::kClosing);
    for (size_t i = 0; i < links_.size(); i++) {
        const LinkEntry &l = link_at(i);
        PLAIT_ASSERT(l.connection == slot_ && l.slot == links_[i]);
        PLAIT_ASSERT(!l.live() || (l.has_number && l.peer_cid.len > 0));
    }
    PLAIT_ASSERT(state_ != State::kDormant || live_links() == 0);
    for_each_channel(
        [&](uint32_t slot) { PLAIT_ASSERT(services_.channels[slot].connection == slot_); });
}

} // namespace plait::connection
