// SPDX-License-Identifier: Apache-2.0
// From the texts that people write to addresses that transports know, and back.
#include "runtime/endpoints.h"

#include "runtime/detail.h"

#include <algorithm>
#include <array>
#include <cstdio>

namespace plait::runtime {

namespace {

// What stands after "scheme://", or after "scheme:", up to a '?'.
std::string_view place_of(std::string_view text) {
    const std::string_view scheme = scheme_of(text);
    if (!scheme.empty())
        text.remove_prefix(scheme.size() + 1);
    if (text.starts_with("//"))
        text.remove_prefix(2);
    return text.substr(0, text.find('?'));
}

// The default of addr_parse: the place, as bytes.
bool bytes_address(std::string_view place, plait_addr &out) {
    if (place.size() > PLAIT_ADDR_MAX)
        return false;
    out = {};
    out.len = static_cast<uint8_t>(place.size());
    std::copy(place.begin(), place.end(), out.b);
    return true;
}

// The default of addr_format: the bytes if they can be read, else in hex.
std::string bytes_text(const plait_addr &addr) {
    const auto printable = [](uint8_t c) { return c > 0x20 && c < 0x7f; };
    if (std::all_of(addr.b, addr.b + addr.len, printable))
        return std::string(addr.b, addr.b + addr.len);
    std::string text = "0x";
    for (size_t i = 0; i < addr.len; i++) {
        char hex[3];
        std::snprintf(hex, sizeof hex, "%02x", addr.b[i]);
        text += hex;
    }
    return text;
}

std::string base_of(const plait_host_endpoint &h) {
    return h.uri.substr(0, h.uri.find('?'));
}

} // namespace

Result<const plait_host_endpoint *> Endpoints::look(uint64_t endpoint) const {
    if (const Endpoint *h = of(endpoint))
        return h;
    const auto index = node_->endpoint_index(endpoint);
    return Error{index ? PLAIT_E_CLOSED : index.status()};
}

Result<std::string> Endpoints::uri(uint64_t endpoint) const {
    const auto h = look(endpoint);
    if (!h)
        return Error{h.status()};
    if (!(*h)->has_local || (*h)->transport == nullptr || (*h)->members != nullptr)
        return (*h)->uri;
    return address_text(endpoint, (*h)->local);
}

std::string Endpoints::address_text(uint64_t endpoint, const plait_addr &addr) const {
    const Endpoint *h = of(endpoint);
    if (h == nullptr)
        return bytes_text(addr);
    if (addr.len == 0)
        return base_of(*h);
    if (h->transport == nullptr)
        return base_of(*h) + "/" + bytes_text(addr);
    std::array<char, PLAIT_ADDR_TEXT_MAX> text{};
    if (h->transport->addr_format == nullptr ||
        h->transport->addr_format(h->self, &addr, text.data(), text.size()) != PLAIT_OK)
        return std::string(h->transport->name) + "://" + bytes_text(addr);
    return std::string(h->transport->name) + "://" + text.data();
}

bool Endpoints::parse_address(const Endpoint &h, const std::string &address,
                              plait_addr &out) const {
    out = {};
    // A line is meant by its own URI, or by nothing but the scheme; by another's not.
    const std::string_view place = place_of(address);
    const bool is_line = transport_info(h, nullptr).flags & PLAIT_INFO_POINT_TO_POINT;
    if (is_line)
        return place.empty() || place == place_of(h.uri);
    if (h.output) {
        const std::string_view name = place_of(h.uri);
        return place.starts_with(name) && place.size() > name.size() + 1 &&
               place[name.size()] == '/' && bytes_address(place.substr(name.size() + 1), out);
    }
    if (h.transport->addr_parse == nullptr)
        return bytes_address(place, out);
    return h.transport->addr_parse(h.self, address.c_str(), &out) == PLAIT_OK;
}

// Whether it may be taken for an address of this scheme where none is given, or only its group.
bool Endpoints::suits(const Endpoint &h, const std::string &address, uint64_t group) const {
    return h.handle != 0 && !h.failed && h.members == nullptr &&
           (group == 0 || h.parent == group) && scheme_of(h.uri) == scheme_of(address);
}

Result<node::Place> Endpoints::place(const std::string &address) const {
    const auto target = resolve(address, 0);
    if (!target)
        return Error{target.status()};
    if (target->addr.len == 0)
        return Error{
            fail(PLAIT_E_ADDRESS, "%s: the other end of a line has no address", address.c_str())};
    const auto stats = node_->endpoint_stats(target->endpoint);
    if (!stats)
        return Error{stats.status()};
    return node::Place{stats->info.transport_class, target->addr};
}

// Of a class that this node has no endpoint of, the bytes are all that can be said.
std::string Endpoints::place_text(const node::Place &place) const {
    for (const auto &h : slots_) {
        if (!h || h->handle == 0 || h->failed || h->members != nullptr)
            continue;
        const auto stats = node_->endpoint_stats(h->handle);
        if (stats && stats->info.transport_class == place.transport_class)
            return address_text(h->handle, place.addr);
    }
    return place.transport_class + "://" + bytes_text(place.addr);
}

// Of those that the transport cannot judge, or that another worker has, none is tried.
link::Reach Endpoints::reach(EndpointIndex index, const plait_addr &addr) {
    const Endpoint *h = at(index);
    if (h == nullptr || h->self == nullptr || h->transport->info == nullptr)
        return link::Reach::kNone;
    const uint32_t flags = transport_info(*h, &addr).flags;
    return flags & PLAIT_INFO_NOT_SHARED ? link::Reach::kNone
           : flags & PLAIT_INFO_LOOPBACK ? link::Reach::kLoopback
           : flags & PLAIT_INFO_ROUTED   ? link::Reach::kRouted
                                         : link::Reach::kPossible;
}

Result<Target> Endpoints::resolve(const std::string &address, uint64_t endpoint) const {
    uint64_t group = 0;
    if (endpoint != 0) {
        const auto h = look(endpoint);
        if (!h)
            return Error{fail(h.status(), "the endpoint: %s", base::status_text(h.status()))};
        Target target{(*h)->handle, {}};
        if ((*h)->members != nullptr)
            group = endpoint;
        else if (!address.empty() && !parse_address(**h, address, target.addr))
            return Error{fail(PLAIT_E_ADDRESS, "%s: not an address of %s", address.c_str(),
                              (*h)->uri.c_str())};
        else
            return target;
    }
    const std::string_view scheme = scheme_of(address);
    if (!is_transport_name(scheme))
        return Error{fail(PLAIT_E_URI, "%s: not of the form transport://place", address.c_str())};
    bool any = false;
    Target best;
    int best_points = -1;
    for (const auto &h : slots_) {
        if (!h || !suits(*h, address, group))
            continue;
        any = true;
        plait_addr addr;
        if (!parse_address(*h, address, addr))
            continue;
        // One whose own address is of the same size is of the same family; one that is up is
        // better; and then the one that the system would take.
        const uint32_t flags = transport_info(*h, addr.len > 0 ? &addr : nullptr).flags;
        const auto stats = node_->endpoint_stats(h->handle);
        const bool same_kind = !h->has_local || h->local.len == addr.len;
        const bool is_up = !(flags & PLAIT_INFO_DOWN) && stats && stats->up;
        const int points =
            (same_kind ? 4 : 0) + (is_up ? 2 : 0) + (flags & PLAIT_INFO_ROUTED ? 1 : 0);
        if (points > best_points) {
            best = {h->handle, addr};
            best_points = points;
        }
    }
    if (best_points >= 0)
        return best;
    if (any)
        return Error{fail(PLAIT_E_ADDRESS,
                          "%s: not an address that an open endpoint can reach (whole addresses "
                          "only: host names are not resolved)",
                          address.c_str())};
    return Error{fail(PLAIT_E_NO_LINK,
                      "%s: no %.*s endpoint is open (plait_endpoint_open comes first)",
                      address.c_str(), static_cast<int>(scheme.size()), scheme.data())};
}

} // namespace plait::runtime
