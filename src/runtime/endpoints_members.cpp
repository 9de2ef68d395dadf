// SPDX-License-Identifier: Apache-2.0
// Endpoints that stand for several others (plait_transport_members): members are opened and closed
// as the plugin tells of addresses.
#include "runtime/endpoints.h"

#include "runtime/detail.h"

#include <algorithm>
#include <array>

namespace plait::runtime {

Endpoints::Endpoint *Endpoints::member_at(const Endpoint &group, const plait_addr &addr) const {
    for (const auto &h : slots_)
        if (h && h->parent == group.handle && h->member_addr.len == addr.len &&
            std::equal(addr.b, addr.b + addr.len, h->member_addr.b))
            return h.get();
    return nullptr;
}

void Endpoints::apply_member(Endpoint &group, const Notice &notice, Time now) {
    if (group.failed)
        return; // it is about to be closed, and its members before it
    Endpoint *member = member_at(group, notice.addr);
    if (notice.what == PLAIT_TRANSPORT_ADDRESS && notice.value != 0) {
        open_member(group, notice.addr, now);
    } else if (member == nullptr || member->failed) {
        return; // the application has closed it, or it could not be opened
    } else if (notice.what == PLAIT_TRANSPORT_ADDRESS) {
        end_member(*member, PLAIT_E_NO_DEVICE, now);
    } else {
        apply(*member, {notice.what, false, {}, notice.value}, now);
    }
}

void Endpoints::open_member(Endpoint &group, const plait_addr &addr, Time now) {
    std::array<char, kMemberUriMax> uri{};
    if (group.members->uri(group.self, &addr, uri.data(), uri.size()) != PLAIT_OK)
        return;
    if (Endpoint *before = member_at(group, addr)) {
        if (before->uri == uri.data())
            return;
        end_member(*before, PLAIT_E_NO_DEVICE, now); // the address is another interface's now
    }
    const OpenOptions options{group.recv_buffer, group.send_buffer, group.token, 0, true};
    const auto handle = open(uri.data(), options, now);
    if (!handle)
        return services_.log->line(PLAIT_LOG_WARNING, "%s: %s", group.uri.c_str(), detail());
    Endpoint &member = *of(*handle);
    member.parent = group.handle;
    member.member_addr = addr;
    node_->endpoint_opened(member.index);
}

void Endpoints::end_members(uint64_t group, Status why, Time now) {
    PLAIT_ASSERT(group != 0);
    for (const auto &h : slots_)
        if (h && h->parent == group)
            end_member(*h, why, now);
}

// Nobody has opened it by hand, so nobody has to close the handle.
void Endpoints::end_member(Endpoint &member, Status why, Time now) {
    const uint64_t handle = member.handle;
    end_members(handle, why, now);
    services_.log->line(PLAIT_LOG_INFO, "%s: closed", member.uri.c_str());
    departed_.push_back({handle, member.token, member.parent});
    close_plugin(member);
    end_loan(member, why);
    node_->endpoint_gone(member.index, why, now);
    drop(member);
    node_->release_endpoint(handle);
}

} // namespace plait::runtime
