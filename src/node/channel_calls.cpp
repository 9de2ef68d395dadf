// SPDX-License-Identifier: Apache-2.0
// The application's calls on channels.
#include "node/core.h"

namespace plait::node {

namespace {
// The channel has ended, perhaps before it was accepted, and nothing will come any more.
bool nothing_left(const ChannelEntry &e, Status read) {
    return e.events.closed_raised && (read == PLAIT_E_AGAIN || read == PLAIT_E_STATE);
}
} // namespace

Result<uint64_t> Node::open_channel(uint64_t connection, std::string_view label,
                                    const channel::Config &config, Time now) {
    Core &c = *core_;
    const auto e = c.open_connection(connection);
    if (!e.ok())
        return Error{e.status()};
    const auto slot = (*e)->connection->open_channel(label, config, now);
    if (!slot.ok())
        return Error{slot.status()};
    return c.handle(HandleType::kChannel, *slot);
}

Status Node::answer_channels(const std::string_view *label,
                             const connection::ChannelAnswer &answer) {
    connection::ChannelAnswers &answers = core_->s.answers;
    if (answer.config)
        if (const Status s = channel::check(*answer.config); s != PLAIT_OK)
            return s;
    if (label)
        return answers.set(*label, answer);
    answers.set(answer);
    return PLAIT_OK;
}

Status Node::accept_channel(uint64_t channel, const channel::Config *config, Time now) {
    const auto e = core_->open_channel(channel);
    return e.ok() ? core_->connection_of(**e).accept_channel(**e, config, now) : e.status();
}

Status Node::refuse_channel(uint64_t channel, uint64_t code, Time now) {
    const auto e = core_->open_channel(channel);
    return e.ok() ? core_->connection_of(**e).refuse_channel(**e, code, now) : e.status();
}

Result<ChannelInfo> Node::channel_info(uint64_t channel) const {
    Core &c = *core_;
    const auto found = c.channel(channel);
    if (!found.ok())
        return Error{found.status()};
    const ChannelEntry &e = **found;
    ChannelInfo i;
    i.connection = c.handle(HandleType::kConnection, e.connection);
    i.token = e.token;
    i.number = e.number().v;
    i.opened_here = e.opened_here();
    i.accepted = e.phase() == channel::Phase::kOpen;
    i.requested = e.requested;
    i.closed = e.events.closed_raised;
    i.config = e.config();
    i.label = e.label();
    i.stats = e.stats();
    i.send_queue = e.unacked();
    i.receive_queue = e.unread();
    i.send_limit = e.send_limit();
    i.receive_limit = e.receive_limit();
    i.send_waiting = e.queued();
    i.receive_window = e.window();
    i.reports = e.reports();
    i.send_epoch = e.send_epoch.number;
    i.receive_epoch = e.receive_epoch;
    i.status = e.status;
    i.code = e.code;
    return i;
}

Result<bool> Node::has_messages(uint64_t channel) const {
    const auto e = core_->channel(channel);
    if (!e.ok())
        return Error{e.status()};
    return (*e)->config().messages;
}

Status Node::set_channel_token(uint64_t channel, uint64_t token) {
    const auto e = core_->channel(channel);
    if (!e.ok())
        return e.status();
    (*e)->token = token;
    return PLAIT_OK;
}

Result<size_t> Node::send(uint64_t channel, std::span<const Bytes> parts, Time now) {
    const auto e = core_->open_channel(channel);
    if (!e.ok())
        return Error{e.status()};
    const auto r = (*e)->send(parts, now);
    if (r.ok() || r.status() == PLAIT_E_AGAIN)
        core_->connection_of(**e).after_channel_call(**e, now);
    return r;
}

Result<MutBytes> Node::reserve(uint64_t channel, size_t min, Time now) {
    const auto e = core_->open_channel(channel);
    if (!e.ok())
        return Error{e.status()};
    const auto r = (*e)->reserve(min);
    if (r.status() == PLAIT_E_AGAIN)
        core_->connection_of(**e).after_channel_call(**e, now);
    return r;
}

Status Node::commit(uint64_t channel, size_t n, Time now) {
    // Also on a channel that has ended meanwhile: the reservation has to be released.
    const auto e = core_->channel(channel);
    if (!e.ok())
        return e.status();
    const bool ended = (*e)->events.closed_raised;
    const Status s = (*e)->commit(ended ? 0 : n, now);
    core_->connection_of(**e).after_commit(**e, now);
    return ended && s != PLAIT_E_STATE ? PLAIT_E_CLOSED : s;
}

Status Node::send_owned(uint64_t channel, Bytes data, channel::ReleaseFn release, void *user,
                        Time now) {
    const auto e = core_->open_channel(channel);
    if (!e.ok())
        return e.status();
    const Status s = (*e)->send_owned(data, release, user, now);
    core_->connection_of(**e).after_channel_call(**e, now);
    return s;
}

Status Node::finish(uint64_t channel, Time now) {
    const auto e = core_->open_channel(channel);
    if (!e.ok())
        return e.status();
    const Status s = (*e)->finish(now);
    core_->connection_of(**e).after_channel_call(**e, now);
    return s;
}

Status Node::reset_channel(uint64_t channel, uint64_t code, Time now) {
    const auto e = core_->open_channel(channel);
    if (!e.ok())
        return e.status();
    const Status s = (*e)->reset(code);
    core_->connection_of(**e).after_channel_call(**e, now);
    return s;
}

Status Node::stop_channel(uint64_t channel, uint64_t code, Time now) {
    const auto e = core_->open_channel(channel);
    if (!e.ok())
        return e.status();
    const Status s = (*e)->stop(code);
    core_->connection_of(**e).after_channel_call(**e, now);
    return s;
}

Status Node::close_channel(uint64_t channel, Time now, Duration linger, uint64_t code) {
    Core &c = *core_;
    const auto found = c.channel(channel);
    if (!found.ok())
        return found.status();
    ChannelEntry &e = **found;
    if (e.events.released)
        return PLAIT_E_CLOSED;
    e.events.released = true;
    Connection &conn = c.connection_of(e);
    const Time until = linger.us < 0 ? kNever : now + linger;
    if (e.requested && !e.events.closed_raised) {
        if (until != kNever)
            e.linger(until, code);
        conn.refuse_channel(e, 0, now);
    } else if (!e.events.closed_raised) {
        conn.close_channel(e, until, code, now);
    } else {
        conn.release_channel(e);
    }
    return PLAIT_OK;
}

Status Node::ack_now(uint64_t channel) {
    const auto e = core_->open_channel(channel);
    return e.ok() ? (*e)->mark_ack_now() : e.status();
}

Status Node::set_low_water(uint64_t channel, uint32_t bytes) {
    const auto e = core_->open_channel(channel);
    if (e.ok())
        (*e)->set_low_water(bytes);
    return e.status();
}

Result<size_t> Node::take_reports(uint64_t channel, std::span<channel::Report> out) {
    const auto e = core_->channel(channel);
    if (!e.ok())
        return Error{e.status()};
    return (*e)->take_reports(out);
}

// What has arrived can be read after the end, too.
Result<size_t> Node::read(uint64_t channel, MutBytes to, channel::ReadInfo *info, Time now) {
    const auto e = core_->channel(channel);
    if (!e.ok())
        return Error{e.status()};
    const auto r = (*e)->read(to, info);
    if (nothing_left(**e, r.status()))
        return Error{PLAIT_E_CLOSED};
    if (r.ok() || r.status() != PLAIT_E_AGAIN)
        core_->connection_of(**e).after_channel_call(**e, now);
    return r;
}

Result<size_t> Node::peek(uint64_t channel, std::span<Bytes> slices, channel::ReadInfo *info) {
    const auto e = core_->channel(channel);
    if (!e.ok())
        return Error{e.status()};
    const auto r = (*e)->peek(slices, info);
    return nothing_left(**e, r.status()) ? Result<size_t>(Error{PLAIT_E_CLOSED}) : r;
}

Status Node::consume(uint64_t channel, size_t n, Time now) {
    const auto e = core_->channel(channel);
    if (!e.ok())
        return e.status();
    const Status s = (*e)->consume(n);
    core_->connection_of(**e).after_channel_call(**e, now);
    return s;
}

} // namespace plait::node
