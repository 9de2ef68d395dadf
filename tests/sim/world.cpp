// SPDX-License-Identifier: Apache-2.0
#include "world.h"

#include "flow.h"
#include "sim_node.h"

#include <cstdarg>
#include <cstdio>

namespace plait::sim {

std::string address_text(const plait_addr &a) {
    std::string text;
    for (int i = 0; i < a.len; i++)
        text += (i ? "." : "") + std::to_string(a.b[i]);
    return text.empty() ? "-" : text;
}

Wire::Wire(World &world, SimEndpoint *first, SimEndpoint *second, const PipeModel &forth,
           const PipeModel &back)
    : world_(world), ends_{first, second}, pipes_{Pipe(forth, world.rng().fork()),
                                                  Pipe(back, world.rng().fork())} {
    for (int side : {0, 1}) {
        SimEndpoint &other = *ends_[1 - side];
        if (!other.info.point_to_point)
            addresses_[side] = world.new_address();
        other.routes[address_key(addresses_[side])] = {this, 1 - side};
    }
}

void Wire::rebind(int side, bool keep_old) {
    SimEndpoint &other = *ends_[1 - side];
    if (!keep_old)
        other.routes.erase(address_key(addresses_[side]));
    addresses_[side] = world_.new_address();
    other.routes[address_key(addresses_[side])] = {this, 1 - side};
    world_.log("rebind: %s is now %s", ends_[side]->name().c_str(),
               address_text(addresses_[side]).c_str());
}

World::World(uint64_t seed, Options options) : options_(options), rng_(seed) {}
World::~World() {
    nodes_.clear(); // before the flows that their releases point to
}

SimNode &World::add_node(std::string name, NodeSetup setup) {
    nodes_.push_back(std::make_unique<SimNode>(*this, static_cast<uint32_t>(nodes_.size()),
                                               std::move(name), std::move(setup)));
    return *nodes_.back();
}

SimNode &World::add_node(std::string name) {
    return add_node(std::move(name), NodeSetup{});
}

void World::remove_node(SimNode &node) {
    nodes_[node.index()]->stop();
}

Wire &World::add_wire(SimEndpoint &first, SimEndpoint &second, const PipeModel &forth,
                      const PipeModel &back) {
    wires_.push_back(std::make_unique<Wire>(*this, &first, &second, forth, back));
    return *wires_.back();
}

Flow &World::add_flow(std::unique_ptr<Flow> flow) {
    flows_.push_back(std::move(flow));
    flows_by_label_[flows_.back()->label()] = flows_.back().get();
    return *flows_.back();
}

Flow *World::flow_of(std::string_view label) {
    const auto it = flows_by_label_.find(label);
    return it == flows_by_label_.end() ? nullptr : it->second;
}

plait_addr World::new_address() {
    plait_addr a{};
    a.len = 6;
    const uint16_t n = next_address_++;
    a.b[0] = 10;
    a.b[2] = static_cast<uint8_t>(n >> 8);
    a.b[3] = static_cast<uint8_t>(n);
    a.b[4] = static_cast<uint8_t>(40 + n % 7);
    a.b[5] = static_cast<uint8_t>(n * 37);
    return a;
}

// -- the clock

void World::push(Nanos when, Kind kind, uint32_t index) {
    events_.push({std::max(when, now_), order_++, kind, index});
}

void World::at(Nanos when, std::function<void()> what) {
    uint32_t index;
    if (free_actions_.empty()) {
        index = static_cast<uint32_t>(actions_.size());
        actions_.emplace_back();
    } else {
        index = free_actions_.back();
        free_actions_.pop_back();
    }
    actions_[index] = std::move(what);
    push(when, Kind::kAction, index);
}

void World::wake_node(uint32_t index, Nanos when) {
    push(when, Kind::kTurn, index);
}

void World::step() {
    const Event e = events_.top();
    events_.pop();
    steps_at_once_ = e.at == now_ ? steps_at_once_ + 1 : 0;
    now_ = e.at;
    if (++steps_ > most_steps_)
        fail("the run does not end: %llu steps", static_cast<unsigned long long>(steps_));
    if (steps_at_once_ > kMaxStepsAtOnce)
        fail("the clock stands still: %llu steps at one moment",
             static_cast<unsigned long long>(steps_at_once_));
    switch (e.kind) {
    case Kind::kAction: {
        const std::function<void()> what = std::move(actions_[e.index]);
        free_actions_.push_back(e.index);
        what();
        progress();
        break;
    }
    case Kind::kArrival: arrive(e.index); break;
    case Kind::kTurn: nodes_[e.index]->turn_if_due(e.at); break;
    }
}

void World::run_for(Duration d) {
    const Nanos end = now_ + nanos(d);
    while (!events_.empty() && events_.top().at <= end)
        step();
    now_ = end;
}

bool World::run_until(const std::function<bool()> &done, Duration limit) {
    const Nanos end = now_ + nanos(limit);
    progressed_ = true;
    for (;;) {
        if (progressed_ && (progressed_ = false, done()))
            return true;
        if (events_.empty() || events_.top().at > end)
            break;
        step();
    }
    now_ = end;
    return done();
}

void World::must(const std::function<bool()> &done, Duration limit, const char *what) {
    const Nanos begun = now_;
    if (!run_until(done, limit))
        fail("not within %.3f s (from %.6f): %s", static_cast<double>(limit.us) / 1e6,
             static_cast<double>(begun) / 1e9, what);
}

// -- datagrams

uint32_t World::new_flight(SimEndpoint &to, const plait_addr &from, Bytes bytes) {
    uint32_t index;
    if (free_flights_.empty()) {
        index = static_cast<uint32_t>(flights_.size());
        flights_.emplace_back();
    } else {
        index = free_flights_.back();
        free_flights_.pop_back();
    }
    InFlight &f = flights_[index];
    f.bytes.assign(bytes.begin(), bytes.end());
    f.from = from;
    f.to = &to;
    f.ecn = 0;
    return index;
}

namespace {

void damage(std::vector<uint8_t> &bytes, Rng &rng) {
    if (bytes.empty())
        return;
    if (rng.chance(0.2)) {
        bytes.resize(rng.below(bytes.size()));
        return;
    }
    for (uint64_t n = rng.range(1, 4); n > 0; n--)
        bytes[rng.below(bytes.size())] ^= static_cast<uint8_t>(1u << rng.below(8));
}

} // namespace

void World::transmit(SimEndpoint &from, const plait_addr *to, Bytes bytes, uint8_t ecn, bool probe,
                     Nanos departs) {
    hash_.add(departs);
    hash_.add(from.node->index() << 8 | from.index.v);
    hash_.add(bytes);
    const plait_addr target = to && !from.info.point_to_point ? *to : plait_addr{};
    if (bytes.size() > from.info.mtu && !probe)
        fail("%s: sent %zu bytes, its MTU is %u", from.name().c_str(), bytes.size(), from.info.mtu);
    const auto route = from.routes.find(address_key(target));
    if (route == from.routes.end()) {
        log("%s -> %s: %zu bytes to nowhere", from.name().c_str(), address_text(target).c_str(),
            bytes.size());
        if (from.on_unrouted)
            from.on_unrouted(target, bytes);
        return;
    }
    Wire &wire = *route->second.wire;
    const int side = route->second.side;
    if (wire.tap)
        wire.tap(side, bytes);
    Pipe &pipe = wire.pipe(side);
    std::array<Pipe::Arrival, 2> arrivals;
    size_t count = 0;
    const Pipe::Outcome outcome = pipe.pass(departs, bytes.size(), arrivals, count);
    if (outcome == Pipe::Outcome::kTooBig && pipe.model.tells_mtu)
        too_big(from, target, pipe.model.mtu, pipe.model.delay);
    log("%s -> %s: %zu bytes%s%s", from.name().c_str(), wire.end(1 - side).name().c_str(),
        bytes.size(),
        count == 0 ? (outcome == Pipe::Outcome::kTooBig ? ", too big" : ", lost") : "",
        bytes.size() > 0 && bytes[0] & 0x80 ? ", handshake" : "");
    for (size_t i = 0; i < count; i++) {
        const uint32_t flight = new_flight(wire.end(1 - side), wire.address(side), bytes);
        flights_[flight].ecn = pipe.model.clears_ecn ? 0 : arrivals[i].marked && ecn != 0 ? 3 : ecn;
        if (arrivals[i].corrupt)
            damage(flights_[flight].bytes, pipe.rng());
        push(arrivals[i].at, Kind::kArrival, flight);
    }
}

void World::inject(SimEndpoint &to, const plait_addr &from, Bytes bytes, Duration in) {
    push(now_ + nanos(in), Kind::kArrival, new_flight(to, from, bytes));
}

void World::too_big(SimEndpoint &from, const plait_addr &to, uint32_t mtu, Duration in) {
    SimEndpoint *e = &from;
    after(in, [e, to, mtu] {
        if (!e->node->running())
            return;
        e->node->engine().endpoint_mtu(e->index, e->info.point_to_point ? nullptr : &to, mtu,
                                       e->node->local_time());
        e->node->poke();
    });
}

void World::arrive(uint32_t index) {
    InFlight &f = flights_[index];
    SimEndpoint &to = *f.to;
    hash_.add(now_);
    if (to.node->running() && !f.bytes.empty())
        to.node->take_in(to, f.from, std::move(f.bytes), f.ecn);
    f.bytes.clear();
    free_flights_.push_back(index);
}

// -- judging

void World::fail(const char *format, ...) {
    char text[512];
    va_list args;
    va_start(args, format);
    std::vsnprintf(text, sizeof text, format, args);
    va_end(args);
    char head[64];
    std::snprintf(head, sizeof head, " (at %.6f s)\n", static_cast<double>(now_) / 1e9);
    throw Failure(std::string(text) + head + dump());
}

void World::log(const char *format, ...) {
    if (!options_.verbose)
        return;
    char text[512];
    va_list args;
    va_start(args, format);
    std::vsnprintf(text, sizeof text, format, args);
    va_end(args);
    std::fprintf(stderr, "%12.6f %s\n", static_cast<double>(now_) / 1e9, text);
}

std::string World::dump() const {
    std::string text;
    constexpr size_t kMaxDumped = 4; // nodes and flows; of thousands the first are enough
    size_t n = 0;
    for (const auto &node : nodes_)
        if (node && n++ < kMaxDumped)
            text += node->dump();
    n = 0;
    for (const auto &flow : flows_)
        if (!flow->over() && n++ < kMaxDumped)
            text += flow->dump();
    return text;
}

} // namespace plait::sim
