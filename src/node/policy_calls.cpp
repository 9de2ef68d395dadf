// SPDX-License-Identifier: Apache-2.0
// How links are to be used, and what has become of them.
#include "node/core.h"

namespace plait::node {

static Result<link::Policy> read_policy(Core &c, uint32_t connection, const PolicyConfig &from) {
    link::Policy to{from.kind, from.max_cost, from.copies};
    if (from.pinned_link != 0) {
        const auto l = c.link(from.pinned_link);
        if (!l.ok())
            return Error{l.status()};
        if ((*l)->connection != connection)
            return Error{PLAIT_E_INVALID};
        to.pinned_link = (*l)->slot;
    }
    if (from.pinned_transport.empty())
        return to;
    for (size_t i = 0; i < c.s.cids.class_count(); i++)
        if (c.s.cids.cid_class(static_cast<uint8_t>(i)).name() == from.pinned_transport)
            to.pinned_class = static_cast<int8_t>(i);
    if (to.pinned_class < 0)
        return Error{PLAIT_E_NO_LINK};
    return to;
}

Status Node::set_policy(uint64_t connection, const PolicyConfig &policy, Time now) {
    const auto e = core_->open_connection(connection);
    if (!e.ok())
        return e.status();
    const auto read = read_policy(*core_, (*e)->connection->slot(), policy);
    if (!read.ok())
        return read.status();
    link::Policy p = *read;
    if (p.kind == link::PolicyKind::kDefault)
        p.kind = link::PolicyKind::kAggregate;
    (*e)->connection->set_policy(p, now);
    return PLAIT_OK;
}

Status Node::set_channel_policy(uint64_t channel, const PolicyConfig &policy) {
    const auto e = core_->open_channel(channel);
    if (!e.ok())
        return e.status();
    const auto p = read_policy(*core_, (*e)->connection, policy);
    if (p.ok())
        core_->connection_of(**e).set_channel_policy(**e, *p);
    return p.status();
}

Result<link::Change> Node::take_link_change(uint64_t link, uint32_t &missed) {
    const auto found = core_->link(link);
    if (!found.ok())
        return Error{found.status()};
    LinkEntry &l = **found;
    if (l.changes.empty())
        return Error{PLAIT_E_AGAIN};
    return l.changes.take(missed);
}

} // namespace plait::node
