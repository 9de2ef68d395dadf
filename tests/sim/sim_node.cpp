// SPDX-License-Identifier: Apache-2.0
#include "sim_node.h"

#include <cstdio>

namespace plait::sim {

namespace {

constexpr uint32_t kMaxRounds = 1000;      // of draining and events in one turn
constexpr uint32_t kMaxTurnsAtOnce = 2000; // of one node at one moment
constexpr size_t kBatch = 64;              // datagrams a receive
constexpr size_t kMaxRun = 60'000;         // bytes of a received run
constexpr size_t kFrozenInbox = 64;        // datagrams that a frozen node finds on waking

crypto::Identity identity_of(const std::array<uint8_t, 32> &seed) {
    auto identity = crypto::Identity::from_seed(seed);
    PLAIT_ASSERT(identity.ok());
    return std::move(*identity);
}

node::Config copy_of(const node::Config &c) {
    node::Config out;
    std::vector<crypto::Secret<32>> keys;
    for (const auto &k : c.network_keys)
        keys.push_back(k.clone());
    // Everything but the secrets, which only clone() copies.
    out.max_connections = c.max_connections;
    out.max_pending_handshakes = c.max_pending_handshakes;
    out.max_endpoints = c.max_endpoints;
    out.max_links_per_connection = c.max_links_per_connection;
    out.max_channels_per_peer = c.max_channels_per_peer;
    out.max_channels = c.max_channels;
    out.max_packets_in_flight = c.max_packets_in_flight;
    out.receive_memory = c.receive_memory;
    out.connection_receive_memory = c.connection_receive_memory;
    out.initial_window = c.initial_window;
    out.max_message = c.max_message;
    out.handshake_timeout = c.handshake_timeout;
    out.idle_timeout = c.idle_timeout;
    out.keepalive = c.keepalive;
    out.dormancy_timeout = c.dormancy_timeout;
    out.keys = c.keys;
    out.controller = c.controller;
    out.ecn = c.ecn;
    out.announces = c.announces;
    out.follows = c.follows;
    out.network_keys = std::move(keys);
    out.cid_sizes = c.cid_sizes;
    return out;
}

} // namespace

link::EndpointInfo udp_endpoint() {
    link::EndpointInfo i;
    i.transport_class = "udp";
    i.mtu = 1452;
    i.ecn = true;
    return i;
}

link::EndpointInfo serial_endpoint(uint64_t rate, uint32_t mtu) {
    link::EndpointInfo i;
    i.transport_class = "serial";
    i.mtu = mtu;
    i.fixed_mtu = true;
    i.point_to_point = true;
    i.back_pressure = true;
    i.rate = rate;
    return i;
}

std::string SimEndpoint::name() const {
    return node->name() + "/" + std::to_string(index.v);
}

SimNode::SimNode(World &world, uint32_t index, std::string name, NodeSetup setup)
    : world_(world), index_(index), name_(std::move(name)), setup_(std::move(setup)),
      rng_(world.rng().fork()), entropy_(rng_.fork()), app_(*this, rng_.fork()) {
    seed_ = setup_.identity_seed;
    if (seed_ == std::array<uint8_t, 32>{})
        entropy_.fill(seed_);
    id_ = identity_of(seed_).id();
    if (setup_.odd_clock) {
        clock_offset_us_ = static_cast<int64_t>(rng_.below(100'000'000'000));
        drift_ppb_ = static_cast<int64_t>(rng_.below(200'001)) - 100'000;
    } else {
        clock_offset_us_ = 1'000'000;
    }
    start();
}

SimNode::~SimNode() = default;

void SimNode::start() {
    node_ = std::make_unique<node::Node>(copy_of(setup_.config), identity_of(seed_), entropy_,
                                         local_time());
    node_->listen(setup_.accept);
    for (auto &e : endpoints_) {
        const auto handle = node_->add_endpoint(e->info);
        PLAIT_ASSERT(handle.ok());
        e->handle = *handle;
        e->waits_for_room = false;
        PLAIT_ASSERT(node_->endpoint_index(*handle)->v == e->index.v);
    }
    set_trace();
}

void SimNode::set_trace() {
    const uint64_t shown =
        world_.options().verbose ? PLAIT_TRACE_CONNECTIONS | PLAIT_TRACE_LINKS : 0;
    node_->set_trace(
        PLAIT_TRACE_DATA | shown,
        [](void *user, const plait_trace_record *r) { static_cast<SimNode *>(user)->on_trace(*r); },
        this);
}

void SimNode::on_trace(const plait_trace_record &r) {
    if (r.type == PLAIT_TRACE_DATA_SENT)
        sent_data_.push_back(r);
    using Word = unsigned long long;
    world_.log("%s trace %u link %llx: %llu %llu %llu %llu", name_.c_str(), r.type,
               static_cast<Word>(r.link), static_cast<Word>(r.a), static_cast<Word>(r.b),
               static_cast<Word>(r.c), static_cast<Word>(r.d));
}

void SimNode::stop() {
    node_.reset();
    inbox_.clear();
    sent_data_.clear();
    turn_at_ = UINT64_MAX;
    app_.forget_all();
}

SimEndpoint &SimNode::add_endpoint(link::EndpointInfo info) {
    auto e = std::make_unique<SimEndpoint>();
    e->node = this;
    e->info = std::move(info);
    const auto handle = node_->add_endpoint(e->info);
    if (!handle.ok())
        world_.fail("%s: no endpoint: %s", name_.c_str(), base::status_name(handle.status()));
    e->handle = *handle;
    e->index = *node_->endpoint_index(*handle);
    if (e->index.v != endpoints_.size())
        world_.fail("%s: endpoint index %u, not %zu", name_.c_str(), e->index.v, endpoints_.size());
    endpoints_.push_back(std::move(e));
    return *endpoints_.back();
}

void SimNode::set_driver(SimEndpoint &e, uint64_t rate, uint64_t limit) {
    e.driver = std::make_unique<Queue>(rate);
    e.driver_limit = limit;
}

void SimNode::set_address(SimEndpoint &e, const plait_addr &at) {
    e.info.at = at;
    node_->endpoint_changed(e.index, e.info, local_time());
    poke();
}

// -- clocks

Time SimNode::local_time(Nanos at) const {
    const auto us = static_cast<int64_t>(at / 1000);
    return {static_cast<uint64_t>(clock_offset_us_ + us + us / 1000 * drift_ppb_ / 1'000'000)};
}

// The first moment at which the node's clock shows `local` or more.
Nanos SimNode::world_time(Time local) const {
    const Nanos now = world_.now();
    if (local <= local_time(now))
        return now;
    if (local == kNever)
        return UINT64_MAX;
    const int64_t wait = (local - local_time(now)).us;
    const int64_t estimate = wait - wait / 1000 * drift_ppb_ / 1'000'000 - 3; // a little early
    Nanos t = (now / 1000 + static_cast<uint64_t>(std::max<int64_t>(estimate, 0))) * 1000;
    while (local_time(t) < local)
        t = (t / 1000 + 1) * 1000;
    return t;
}

void SimNode::suspend() {
    node_->drain(local_time(), *this);
    suspended_ = true;
    turn_at_ = UINT64_MAX;
}

void SimNode::resume() {
    suspended_ = false;
    node_->resume(local_time());
    poke();
}

void SimNode::wake_at(Nanos when) {
    if (suspended_)
        return;
    when = std::max({when, world_.now(), busy_until_});
    if (when >= turn_at_)
        return;
    turn_at_ = when;
    world_.wake_node(index_, when);
}

void SimNode::schedule() {
    const Time deadline = node_->deadline();
    if (deadline == kNever)
        return;
    Nanos when = world_time(deadline);
    if (setup_.timer_grain.us > 0 && when > world_.now()) {
        const Nanos grain = nanos(setup_.timer_grain);
        when = (when + grain - 1) / grain * grain;
    }
    wake_at(when);
}

void SimNode::poke() {
    if (running())
        wake_at(world_.now());
}

// -- a turn

void SimNode::turn_if_due(Nanos at) {
    if (!running() || at != turn_at_)
        return;
    turn_at_ = UINT64_MAX;
    turns_at_once_ = at == last_turn_ ? turns_at_once_ + 1 : 0;
    last_turn_ = at;
    if (turns_at_once_ > kMaxTurnsAtOnce)
        world_.fail("%s: %u turns at one moment; its deadline is %lld us from now", name_.c_str(),
                    turns_at_once_, static_cast<long long>((node_->deadline() - local_time()).us));
    turn();
}

void SimNode::turn() {
    const Time now = local_time();
    const uint64_t before = node_->stats().datagrams_sent;
    const size_t received = inbox_.size();
    receive_waiting(now);
    if (node_->deadline() <= now)
        node_->on_timer(now);
    settle(now);
    if (!running())
        return;
    const uint64_t handled = received + node_->stats().datagrams_sent - before;
    world_.progress();
    busy_until_ = world_.now() + handled * setup_.packet_cost;
    schedule();
}

void SimNode::take_in(SimEndpoint &to, const plait_addr &from, std::vector<uint8_t> bytes,
                      uint8_t ecn) {
    if (suspended_ && inbox_.size() >= kFrozenInbox)
        return;
    inbox_.push_back({&to, from, std::move(bytes), ecn, world_.now()});
    wake_at(world_.now());
}

// One entry of a batch from inbox_[from]: one datagram, or a run of equal ones. Returns how many.
size_t SimNode::fill_batch(size_t from, std::vector<plait_datagram> &batch,
                           std::vector<std::vector<uint8_t>> &runs) {
    Waiting &w = inbox_[from];
    plait_datagram d{};
    d.data = w.bytes.data();
    d.len = static_cast<uint32_t>(w.bytes.size());
    d.peer = w.to->info.point_to_point ? nullptr : &w.from;
    d.ecn = w.ecn;
    d.time_ns = local_time(w.arrived).us * 1000;
    size_t n = 1;
    if (setup_.gro) {
        std::vector<uint8_t> run = w.bytes;
        const size_t segment = w.bytes.size();
        while (from + n < inbox_.size() && run.size() % segment == 0) {
            const Waiting &next = inbox_[from + n];
            if (next.to != w.to || next.ecn != w.ecn ||
                address_key(next.from) != address_key(w.from) || next.bytes.size() > segment ||
                run.size() + next.bytes.size() > kMaxRun)
                break;
            run.insert(run.end(), next.bytes.begin(), next.bytes.end());
            n++;
        }
        runs.push_back(std::move(run));
        d.data = runs.back().data();
        d.len = static_cast<uint32_t>(runs.back().size());
        d.segment = static_cast<uint16_t>(n > 1 ? segment : 0);
    }
    batch.push_back(d);
    return n;
}

void SimNode::receive_waiting(Time now) {
    std::vector<plait_datagram> batch;
    std::vector<std::vector<uint8_t>> runs;
    for (size_t i = 0; i < inbox_.size();) {
        SimEndpoint *to = inbox_[i].to;
        batch.clear();
        runs.clear();
        while (i < inbox_.size() && inbox_[i].to == to && batch.size() < kBatch)
            i += fill_batch(i, batch, runs);
        node_->receive(to->index, batch, now);
    }
    inbox_.clear();
}

// What a worker does after a change: the application's turn, then out with everything.
void SimNode::settle(Time now) {
    for (uint32_t round = 0;; round++) {
        if (round > kMaxRounds)
            world_.fail("%s: events and draining without an end", name_.c_str());
        const bool any = app_.take_events(now);
        if (!running())
            return;
        if (round > 0 && !any)
            break;
        node_->drain(now, *this);
        for (const plait_trace_record &r : sent_data_)
            app_.on_data_sent(r);
        sent_data_.clear();
        for (const channel::Release &r : node_->take_releases())
            r.fn(r.user, r.data, r.len);
    }
    // With many connections not in each turn: it would be most of the work.
    const uint32_t pause = node_->stats().connections / 20;
    if (world_.options().check_invariants && unchecked_++ >= pause) {
        node_->check_invariants();
        unchecked_ = 0;
    }
}

// -- node::Output

uint64_t SimNode::queued_bytes(EndpointIndex endpoint) {
    const SimEndpoint &e = *endpoints_[endpoint.v];
    return e.driver ? e.driver->backlog(world_.now()) : 0;
}

// Addresses look like those of IPv4.
link::Reach SimNode::reach(EndpointIndex endpoint, const plait_addr &addr) {
    if (addr.len != 6 || addr.b[0] >= 224)
        return link::Reach::kNone;
    if (addr.b[0] == 127)
        return link::Reach::kLoopback;
    const bool leads = endpoints_[endpoint.v]->routes.contains(address_key(addr));
    return leads ? link::Reach::kRouted : link::Reach::kPossible;
}

uint32_t SimNode::send(EndpointIndex endpoint, std::span<const plait_datagram> v) {
    SimEndpoint &e = *endpoints_[endpoint.v];
    if (e.waits_for_room)
        world_.fail("%s: sent to while it was full", e.name().c_str());
    for (uint32_t i = 0; i < v.size(); i++) {
        const plait_datagram &d = v[i];
        if (d.len == 0 || (d.segment > 0 && d.segment < d.len && !e.info.gso))
            world_.fail("%s: len %u, segment %u", e.name().c_str(), d.len, d.segment);
        if (e.driver) {
            const uint64_t waiting = e.driver->backlog(world_.now());
            if (waiting > 0 && waiting + d.len > e.driver_limit) {
                wait_for_room(e, d.len);
                return i;
            }
        }
        const size_t step = d.segment > 0 ? d.segment : d.len;
        for (size_t at = 0; at < d.len; at += step)
            put_on_line(e, d, {d.data + at, std::min<size_t>(step, d.len - at)});
    }
    return static_cast<uint32_t>(v.size());
}

void SimNode::put_on_line(SimEndpoint &e, const plait_datagram &d, Bytes bytes) {
    Nanos departs = world_.now();
    bool marked = false;
    if (e.driver)
        e.driver->admit(world_.now(), bytes.size(), departs, marked);
    e.sent++;
    world_.transmit(e, d.peer, bytes, d.ecn, d.flags & PLAIT_DATAGRAM_MTU_PROBE, departs);
}

// Half empty, or with room for what did not fit, the driver says that it takes some again.
void SimNode::wait_for_room(SimEndpoint &e, uint64_t size) {
    e.waits_for_room = true;
    const uint64_t low =
        std::min(e.driver_limit / 2, e.driver_limit - std::min(size, e.driver_limit));
    SimEndpoint *at = &e;
    world_.at(e.driver->time_of_backlog(low, world_.now()), [this, at] {
        if (!running() || !at->waits_for_room)
            return;
        at->waits_for_room = false;
        node_->endpoint_writable(at->index, local_time());
        poke();
    });
}

std::string SimNode::dump() const {
    if (!node_)
        return "  node " + name_ + ": stopped\n";
    const node::NodeStats s = node_->stats();
    char text[512];
    std::snprintf(
        text, sizeof text,
        "  node %s: %u connections, %u channels, %u links, %u handshakes; received %llu (dropped "
        "%llu, malformed %llu, bad mac1 %llu, forged %llu), sent %llu; memory %llu in, %llu out; "
        "deadline %+lld us\n",
        name_.c_str(), s.connections, s.channels, s.links, s.pending_handshakes,
        static_cast<unsigned long long>(s.datagrams_received),
        static_cast<unsigned long long>(s.datagrams_dropped),
        static_cast<unsigned long long>(s.malformed), static_cast<unsigned long long>(s.bad_mac1),
        static_cast<unsigned long long>(s.auth_failures),
        static_cast<unsigned long long>(s.datagrams_sent),
        static_cast<unsigned long long>(s.receive_memory),
        static_cast<unsigned long long>(s.send_memory),
        node_->deadline() == kNever
            ? -1LL
            : static_cast<long long>((node_->deadline() - local_time()).us));
    return text + app_.dump();
}

} // namespace plait::sim
