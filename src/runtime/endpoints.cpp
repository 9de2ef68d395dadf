// SPDX-License-Identifier: Apache-2.0
// Opening, closing, and what applications do with endpoints of their own.
#include "runtime/endpoints.h"

#include "runtime/detail.h"
#include "runtime/loan.h"

#include <algorithm>

namespace plait::runtime {

Endpoints::Endpoints(Loader &loader, Waker &waker, Log &log) : loader_(loader) {
    services_.waker = &waker;
    services_.log = &log;
}

Endpoints::~Endpoints() {
    close_all();
}

void Endpoints::set_poller(Poller &poller) {
    if (services_.poller != nullptr)
        for (const auto &h : slots_)
            if (h)
                h->disarm_all();
    services_.poller = &poller;
    for (const auto &h : slots_)
        if (h)
            h->arm_all();
}

void Endpoints::pause(bool paused) {
    services_.paused = paused;
    for (const auto &h : slots_)
        if (h)
            h->arm_all();
}

Endpoints::Endpoint &Endpoints::make(const std::string &uri) {
    const auto free = std::find(slots_.begin(), slots_.end(), nullptr);
    const size_t slot = static_cast<size_t>(free - slots_.begin());
    if (free == slots_.end()) {
        slots_.emplace_back();
        generations_.push_back(0);
    }
    slots_[slot] = std::make_unique<Endpoint>();
    Endpoint &h = *slots_[slot];
    h.services = &services_;
    h.uri = uri;
    h.tag = uint64_t{slot} << 48 | uint64_t{++generations_[slot]} << 32;
    return h;
}

void Endpoints::drop(Endpoint &h) {
    h.disarm_all();
    slots_[h.tag >> 48].reset();
}

Endpoints::Endpoint *Endpoints::of(uint64_t endpoint) const {
    for (const auto &h : slots_)
        if (h && endpoint != 0 && (h->handle == endpoint || h->shared == endpoint))
            return h.get();
    return nullptr;
}

Endpoints::Endpoint *Endpoints::at(EndpointIndex index) const {
    for (const auto &h : slots_)
        if (h && h->handle != 0 && h->index == index)
            return h.get();
    return nullptr;
}

Result<uint64_t> Endpoints::open(const std::string &uri, const OpenOptions &options, Time now) {
    const std::string_view scheme = scheme_of(uri);
    if (!is_transport_name(scheme))
        return Error{fail(PLAIT_E_URI, "%s: not of the form transport://place", uri.c_str())};
    if (scheme == "app")
        return Error{fail(PLAIT_E_URI, "%s: opened with plait_endpoint_open_app", uri.c_str())};
    const auto transport = loader_.find(scheme);
    if (!transport)
        return Error{fail(transport.status(), "%s: %s", uri.c_str(), detail())};
    Endpoint &h = make(uri);
    h.transport = *transport;
    h.token = options.token;
    h.recv_buffer = options.recv_buffer;
    h.send_buffer = options.send_buffer;
    h.shared = options.shared;
    h.is_shared = crew_ != nullptr && !options.alone &&
                  (h.transport->capabilities & PLAIT_CAP_PER_WORKER) != 0;
    Status status = open_plugin(h);
    if (status == PLAIT_E_UNSUPPORTED && h.is_shared && worker_ == 0) {
        h.is_shared = false; // this one of the transport's only once
        h.fail_text.clear();
        status = open_plugin(h);
    }
    if (status != PLAIT_OK) {
        const char *why = h.fail_text.empty() ? base::status_text(status) : h.fail_text.c_str();
        fail(status, "%s: %s", uri.c_str(), why);
        h.self = nullptr;
        drop(h);
        return Error{status};
    }
    if (h.transport->get_extension != nullptr)
        h.members = static_cast<const plait_transport_members *>(
            h.transport->get_extension(h.self, PLAIT_EXTENSION_MEMBERS));
    return join_node(h, describe(h), now);
}

Status Endpoints::open_plugin(Endpoint &h) {
    plait_open_args args{
        sizeof(plait_open_args), worker_,      h.is_shared ? crew_->size() : 1, 0, h.uri.c_str(),
        h.recv_buffer,           h.send_buffer};
    h.opening = true;
    const Status status = h.transport->open(&kHost, &h, &args, &h.self);
    h.opening = false;
    if (status != PLAIT_OK || h.self != nullptr)
        return status;
    h.fail_text = "the plugin gives no endpoint";
    return PLAIT_E_TRANSPORT_OPEN;
}

Result<uint64_t> Endpoints::join_node(Endpoint &h, const node::EndpointInfo &info, Time now) {
    const auto handle = node_->add_endpoint(info);
    if (!handle) {
        fail(handle.status(), "%s: %s", h.uri.c_str(), base::status_text(handle.status()));
        close_plugin(h);
        drop(h);
        return Error{handle.status()};
    }
    h.handle = *handle;
    h.index = *node_->endpoint_index(*handle);
    if (!h.is_borrowed())
        services_.log->line(PLAIT_LOG_INFO, "%s: open", h.uri.c_str());
    if (crew_ != nullptr && !h.is_shared && !h.loan && h.members == nullptr)
        lend(h);
    apply_notices(now);
    return *handle;
}

Result<uint64_t> Endpoints::open_app(const std::string &uri, const AppOptions &options, Time now) {
    constexpr std::string_view kPrefix = "app://";
    const std::string_view name = std::string_view(uri).starts_with(kPrefix)
                                      ? std::string_view(uri).substr(kPrefix.size())
                                      : "";
    if (name.size() > kAppNameMax || !is_transport_name(name))
        return Error{fail(PLAIT_E_URI, "%s: not of the form app://name", uri.c_str())};
    if (options.mtu < PLAIT_TRANSPORT_MTU_MIN || options.mtu > kAppMtuMax)
        return Error{fail(PLAIT_E_INVALID, "%s: an MTU is 64 to 65535 bytes, not %u", uri.c_str(),
                          options.mtu)};
    Endpoint &h = make(uri);
    h.token = options.token;
    h.app_mtu = options.mtu;
    h.app_point_to_point = options.point_to_point;
    h.output = std::make_unique<AppQueue>(options.queue_bytes);
    node::EndpointInfo info;
    info.transport_class = "app/" + std::string(name);
    info.mtu = options.mtu;
    info.fixed_mtu = true;
    info.point_to_point = options.point_to_point;
    info.back_pressure = true;
    info.cost = options.cost;
    info.rate = options.rate;
    return join_node(h, info, now);
}

node::EndpointInfo Endpoints::describe(const Endpoint &h) const {
    if (h.is_borrowed())
        return h.loan->info();
    const plait_transport_info from = transport_info(h, nullptr);
    node::EndpointInfo info;
    info.transport_class = h.transport->name;
    info.mtu = from.mtu;
    info.fixed_mtu = from.flags & PLAIT_INFO_FIXED_MTU;
    info.point_to_point = from.flags & PLAIT_INFO_POINT_TO_POINT;
    info.loopback = from.flags & PLAIT_INFO_LOOPBACK;
    info.back_pressure = from.flags & PLAIT_INFO_BACK_PRESSURE;
    const bool lent = crew_ != nullptr && !h.is_shared; // then its queue holds single datagrams
    info.gso = !lent && (from.capabilities & h.transport->capabilities & PLAIT_CAP_GSO) != 0;
    info.ecn = from.capabilities & h.transport->capabilities & PLAIT_CAP_ECN;
    info.run_segments = info.gso ? from.run_segments : 0;
    info.run_bytes = info.gso ? from.run_bytes : 0;
    info.cost = from.cost;
    info.rate = from.rate;
    info.header_room = from.header_room;
    info.tail_room = from.tail_room;
    if (h.has_local && h.members == nullptr && h.transport->info != nullptr &&
        !(transport_info(h, &h.local).flags & PLAIT_INFO_NOT_SHARED))
        info.at = h.local;
    return info;
}

plait_transport_info Endpoints::transport_info(const Endpoint &h, const plait_addr *addr) const {
    plait_transport_info info{};
    info.struct_size = sizeof info;
    if (h.is_borrowed()) {
        const link::EndpointInfo lent = h.loan->info();
        info.mtu = lent.mtu;
        info.flags = lent.point_to_point ? PLAIT_INFO_POINT_TO_POINT : 0;
        return info; // what is queued worker 0 knows
    }
    if (h.transport == nullptr) {
        info.mtu = h.app_mtu;
        info.flags = PLAIT_INFO_FIXED_MTU | PLAIT_INFO_BACK_PRESSURE;
        if (h.app_point_to_point)
            info.flags |= PLAIT_INFO_POINT_TO_POINT;
        info.queued_bytes = static_cast<uint32_t>(h.output->size());
        return info;
    }
    if (h.self != nullptr && h.transport->info != nullptr &&
        h.transport->info(h.self, addr, &info) == PLAIT_OK)
        return info;
    info.flags = PLAIT_INFO_FIXED_MTU;
    info.capabilities = h.transport->capabilities;
    info.mtu = PLAIT_TRANSPORT_MTU_DEFAULT;
    return info;
}

void Endpoints::close_plugin(Endpoint &h) {
    if (h.transport != nullptr && h.self != nullptr)
        h.transport->close(h.self);
    h.self = nullptr;
    h.alarm = kNever;
    h.notices.clear();
    h.disarm_all();
    h.watches.fill({});
}

Status Endpoints::close(uint64_t endpoint, Time now) {
    Endpoint *h = of(endpoint);
    if (h == nullptr)
        return node_->release_endpoint(endpoint);
    const uint64_t handle = h->handle;
    if (h->is_borrowed()) {
        return_loan(*h, PLAIT_OK, now);
        return PLAIT_OK;
    }
    if (h->failed && h->self == nullptr && h->transport != nullptr) {
        drop(*h); // it had ended by itself; only the handle was left
        return node_->release_endpoint(handle);
    }
    services_.log->line(PLAIT_LOG_INFO, "%s: closed", h->uri.c_str());
    end_members(handle, PLAIT_OK, now);
    end_loan(*h, PLAIT_OK);
    node_->endpoint_gone(h->index, PLAIT_OK, now);
    departed_.push_back({handle, h->token, h->parent});
    close_plugin(*h);
    drop(*h);
    return PLAIT_OK;
}

void Endpoints::close_all() {
    for (auto &h : slots_)
        if (h) {
            close_plugin(*h);
            h.reset();
        }
}

// Of an application's endpoint; of any other one nullptr, and the detail says why.
Endpoints::Endpoint *Endpoints::app(uint64_t endpoint) const {
    Endpoint *h = of(endpoint);
    if (h != nullptr && h->output)
        return h;
    fail(PLAIT_E_UNSUPPORTED, "%s: not an application endpoint",
         h != nullptr ? h->uri.c_str() : "this endpoint");
    return nullptr;
}

Status Endpoints::push(uint64_t endpoint, const plait_addr *from, Bytes data, Time now) {
    Endpoint *h = app(endpoint);
    if (h == nullptr)
        return PLAIT_E_UNSUPPORTED;
    if (data.size() > h->app_mtu)
        return fail(PLAIT_E_TOO_BIG, "%s: %zu bytes, the MTU is %u", h->uri.c_str(), data.size(),
                    h->app_mtu);
    scratch_.assign(data.begin(), data.end());
    plait_datagram d{};
    d.data = scratch_.data();
    d.len = static_cast<uint32_t>(scratch_.size());
    d.peer = from;
    arrived(*h, {&d, 1}, now);
    return PLAIT_OK;
}

Status Endpoints::take(uint64_t endpoint, plait_addr &to, MutBytes out, size_t &size, Time now) {
    Endpoint *h = app(endpoint);
    if (h == nullptr)
        return PLAIT_E_UNSUPPORTED;
    if (h->output->empty())
        return PLAIT_E_AGAIN;
    const Bytes datagram = h->output->front(to);
    size = datagram.size();
    if (size > out.size())
        return fail(PLAIT_E_BUFFER, "%s: the datagram has %zu bytes, the buffer %zu",
                    h->uri.c_str(), size, out.size());
    if (size != 0)
        std::copy(datagram.begin(), datagram.end(), out.begin());
    h->output->pop();
    if (h->app_blocked) {
        h->app_blocked = false;
        writable(*h, now);
    }
    return PLAIT_OK;
}

Status Endpoints::set_app_state(uint64_t endpoint, bool up, Time now) {
    Endpoint *h = app(endpoint);
    if (h == nullptr)
        return PLAIT_E_UNSUPPORTED;
    if (up)
        node_->endpoint_up(h->index, nullptr, now);
    else
        node_->endpoint_down(h->index, nullptr, now);
    tell_borrowers(*h, {up ? uint32_t{PLAIT_TRANSPORT_UP} : uint32_t{PLAIT_TRANSPORT_DOWN}});
    return PLAIT_OK;
}

} // namespace plait::runtime
