// SPDX-License-Identifier: Apache-2.0
// Announcing endpoints and following announcements, docs/protocol.md section 7.8. Whoever follows
// sends to addresses on somebody else's word; therefore every quantity here has a bound.
#include "connection/announce.h"

#include "connection/connection.h"
#include "connection/records.h"

#include <algorithm>

namespace plait::connection {

bool Place::operator==(const Place &o) const {
    return transport_class == o.transport_class && link::same_address(addr, o.addr);
}

size_t write_places(std::span<const Place> places, MutBytes out) {
    base::Writer w(out.first(std::min(out.size(), kMaxRecord - 16)));
    w.u8(0);
    uint8_t count = 0;
    for (const Place &p : places) {
        if (count == kMaxPlaces || w.left() < 2 + p.transport_class.size() + p.addr.len)
            break;
        w.u8(static_cast<uint8_t>(p.transport_class.size()));
        w.bytes(base::bytes_of(p.transport_class));
        w.u8(p.addr.len);
        w.bytes({p.addr.b, p.addr.len});
        count++;
    }
    PLAIT_ASSERT(w.ok());
    out[0] = count;
    return w.size();
}

Status read_places(Bytes body, std::vector<Place> &out) {
    base::Reader r(body);
    const size_t count = r.u8();
    if (!r.ok() || count > kMaxPlaces)
        return PLAIT_E_MALFORMED;
    out.clear();
    for (size_t i = 0; i < count; i++) {
        const Bytes name = r.bytes(r.u8());
        const Bytes addr = r.bytes(r.u8());
        if (!r.ok() || name.empty() || name.size() > wire::kMaxClassName || addr.empty() ||
            addr.size() > PLAIT_ADDR_MAX)
            return PLAIT_E_MALFORMED;
        Place &p = out.emplace_back();
        p.transport_class = base::text_of(name);
        p.addr.len = static_cast<uint8_t>(addr.size());
        std::copy(addr.begin(), addr.end(), p.addr.b);
    }
    return r.done() ? PLAIT_OK : PLAIT_E_MALFORMED;
}

bool Announcements::was_tried(const Place &place) const {
    return std::any_of(tried.begin(), tried.end(),
                       [&](const Tried &t) { return t.place == place; });
}

void Announcements::forget_tried(const Place &place) {
    std::erase_if(tried, [&](const Tried &t) { return t.place == place; });
}

void Announcements::expire(Time now) {
    std::erase_if(tried, [&](const Tried &t) { return t.at + kTriedFor <= now; });
}

// -- telling

Announcements &Connection::announcements() {
    if (!announcements_)
        announcements_ = std::make_unique<Announcements>();
    return *announcements_;
}

void Connection::announce(std::vector<Place> given, Time now) {
    announcements().given = std::move(given);
    plan_announcement(now);
}

void Connection::endpoints_changed(Time now) {
    if (config_->announces)
        plan_announcement(now);
    if (announcements_)
        plan_look(now);
}

// Both sides have accepted each other.
void Connection::begin_announcing(Time now) {
    if (config_->announces || announcements_)
        plan_announcement(now);
    if (announcements_ && !announcements_->peers.empty())
        on_places(now);
}

void Connection::plan_announcement(Time now) {
    if (!confirmed_ || ended() || state_ == State::kRequested)
        return; // become_connected() does it
    Announcements &a = announcements();
    a.tell_at = a.told.empty() ? now : std::max(now, a.told_at + kAnnounceGap);
    touch();
}

std::vector<Place> Connection::own_places() const {
    std::vector<Place> out = announcements_->given;
    for (uint32_t i = 0; config_->announces && i < services_.endpoints.capacity(); i++) {
        if (!services_.endpoints.live(i))
            continue;
        const EndpointEntry &e = services_.endpoints[i];
        Place p{e.info.transport_class, e.info.at};
        if (e.up && !e.events.closed_raised && p.addr.len > 0 &&
            std::find(out.begin(), out.end(), p) == out.end())
            out.push_back(std::move(p));
    }
    return out;
}

void Connection::tell_places(Time now) {
    Announcements &a = *announcements_;
    a.tell_at = kNever;
    std::array<uint8_t, kMaxRecord> buffer;
    const Bytes body = Bytes(buffer).first(write_places(own_places(), buffer));
    const bool nothing_yet = a.told.empty() && body[0] == 0;
    if (nothing_yet || std::equal(body.begin(), body.end(), a.told.begin(), a.told.end()))
        return;
    a.told_at = now;
    if (send_record(kEndpointsRecord, body, now))
        a.told.assign(body.begin(), body.end());
    else
        a.tell_at = now + kAnnounceGap;
}

// -- following

Status Connection::on_endpoints(Bytes body, Time now) {
    std::vector<Place> said;
    if (const Status s = read_places(body, said); s != PLAIT_OK)
        return s;
    if (!announcements_ && said.empty())
        return PLAIT_OK;
    Announcements &a = announcements();
    if (a.peers == said)
        return PLAIT_OK;
    a.peers = std::move(said);
    if (state_ != State::kRequested)
        on_places(now);
    return PLAIT_OK;
}

void Connection::on_places(Time now) {
    raise(PLAIT_EVENT_PEER_ENDPOINTS);
    plan_look(now);
}

// If both sides follow, the responder sees first where the initiator comes from: else two links
// would join the same two endpoints.
void Connection::plan_look(Time now) {
    Announcements &a = *announcements_;
    if (!config_->follows || a.peers.empty() || ended())
        return;
    const Time soonest = role_ == Role::kResponder ? now + kAnnounceGap : now;
    a.look_at = std::min(a.look_at, std::max(soonest, a.looked_at + kAnnounceGap));
    touch();
}

bool Connection::is_linked_to(const Place &place) const {
    for (size_t i = 0; i < links_.size(); i++) {
        const LinkEntry &l = link_at(i);
        if (l.state != link::State::kClosed &&
            place ==
                Place{services_.endpoints[l.endpoint.v].info.transport_class, l.addresses().remote})
            return true;
    }
    return false;
}

bool Connection::peer_is_on_loopback() const {
    for (size_t i = 0; i < links_.size(); i++)
        if (const LinkEntry &l = link_at(i);
            l.validated && l.live() &&
            services_.driver->reach(l.endpoint, l.addresses().remote) == link::Reach::kLoopback)
            return true;
    return false;
}

// From where to try it: as the system would, else where this connection has no link yet.
std::optional<EndpointIndex> Connection::endpoint_toward(const Place &place) const {
    std::optional<EndpointIndex> best;
    int best_points = 0;
    for (uint32_t i = 0; i < services_.endpoints.capacity(); i++) {
        if (!services_.endpoints.live(i))
            continue;
        const EndpointEntry &e = services_.endpoints[i];
        if (!e.up || e.events.closed_raised || e.info.point_to_point ||
            e.info.transport_class != place.transport_class)
            continue;
        const link::Reach reach = services_.driver->reach({i}, place.addr);
        if (reach == link::Reach::kNone ||
            (reach == link::Reach::kLoopback && !peer_is_on_loopback()))
            continue;
        int points = reach == link::Reach::kRouted ? 3 : 2;
        for (size_t k = 0; k < links_.size(); k++)
            if (const LinkEntry &l = link_at(k);
                l.endpoint.v == i && l.state != link::State::kClosed)
                points = 1;
        if (points > best_points) {
            best = EndpointIndex{i};
            best_points = points;
        }
    }
    return best;
}

void Connection::follow_places(Time now) {
    Announcements &a = *announcements_;
    a.look_at = kNever;
    a.looked_at = now;
    if (ended() || state_ == State::kRequested)
        return;
    a.expire(now);
    size_t joining = 0;
    for (size_t i = 0; i < links_.size(); i++)
        joining += link_at(i).followed && !link_at(i).validated &&
                   link_at(i).state != link::State::kClosed;
    for (const Place &place : a.peers) {
        if (is_linked_to(place) || a.was_tried(place) || a.tried.size() == kMaxTried)
            continue;
        if (joining == kMaxFollowing) {
            a.look_at = now + kAnnounceGap;
            return;
        }
        const auto endpoint = endpoint_toward(place);
        if (!endpoint)
            continue;
        const auto slot = add_link(*endpoint, place.addr, 0, now);
        if (!slot.ok())
            return; // as many as there may be: when one has closed
        services_.links[*slot].followed = true;
        a.tried.push_back({place, now});
        joining++;
    }
}

// A link has closed: there is room for another, perhaps to the same place. What the application
// closed it does not get again.
void Connection::after_link_closed(LinkEntry &link, Time now) {
    Announcements &a = *announcements_;
    if (link.followed && !link.validated)
        link.events.released = true; // nobody has asked for its handle
    if (link.validated && link.status != PLAIT_OK)
        a.forget_tried({endpoint_of(link).info.transport_class, link.addresses().remote});
    plan_look(now);
}

} // namespace plait::connection
