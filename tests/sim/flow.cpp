// SPDX-License-Identifier: Apache-2.0
#include "flow.h"

#include "sim_node.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>

namespace plait::sim {

namespace {
constexpr size_t kLongestPiece = 20'000; // of a stream, in one call
constexpr size_t kPacedPiece = 1000;     // of a stream with an interval
} // namespace

Flow::Flow(World &world, std::string label, FlowPlan plan)
    : world_(world), label_(std::move(label)), plan_(std::move(plan)),
      key_(world.rng().next()), models_{{world, label_ + " there", plan_.config},
                                        {world, label_ + " back", plan_.config}} {
    for (int i : {0, 1}) {
        ends_[i].flow = this;
        ends_[i].opener = i == 0;
        ends_[i].volume = i == 0 ? plan_.there : plan_.back;
    }
}

void Flow::open(SimNode &node, uint64_t connection) {
    FlowEnd &e = opener();
    e.node = &node;
    const auto channel =
        node.engine().open_channel(connection, label_, plan_.config, node.local_time());
    if (!channel.ok())
        world_.fail("%s: open_channel: %s", node.name().c_str(),
                    base::status_name(channel.status()));
    e.channel = *channel;
    node.app().attach(*channel, &e);
    e.plan_acts();
    e.pump();
    node.poke();
}

void Flow::arrive(SimNode &node, uint64_t channel, const node::ChannelInfo &info, Time now) {
    FlowEnd &e = accepter();
    if (e.node)
        world_.fail("%s arrives twice at %s", label_.c_str(), node.name().c_str());
    e.node = &node;
    e.channel = channel;
    node.app().attach(channel, &e);
    const channel::Config &c = info.config;
    if (c.messages != plan_.config.messages || c.unordered != plan_.config.unordered ||
        c.resend != plan_.config.resend || c.one_way != plan_.config.one_way)
        world_.fail("%s arrives with other axes", label_.c_str());
    e.plan_acts();
    if (plan_.answer_after.us == 0)
        return answer(now);
    world_.after(plan_.answer_after, [this] {
        if (FlowEnd &z = accepter(); !z.abandoned && !z.closed && !z.left) {
            answer(z.node->local_time());
            z.node->poke();
        }
    });
}

void Flow::answer(Time now) {
    FlowEnd &e = accepter();
    SimNode &node = *e.node;
    const uint64_t channel = e.channel;
    if (plan_.refused) {
        node.engine().refuse_channel(channel, plan_.end_code, now);
        return;
    }
    channel::Config local = node.engine().channel_info(channel)->config;
    local.drop_oldest = plan_.config.drop_oldest;
    local.fec = plan_.config.fec;
    local.fec_symbols = plan_.config.fec_symbols;
    local.fec_share = plan_.config.fec_share;
    const Status s = node.engine().accept_channel(channel, &local, now);
    if (s == PLAIT_E_CLOSED) { // it has ended already; CHANNEL_CLOSED follows
        e.reading = false;
        return;
    }
    if (s != PLAIT_OK)
        world_.fail("%s: accept_channel: %s", node.name().c_str(), base::status_name(s));
    e.begin();
}

// -- one end

uint64_t FlowEnd::key(bool from_opener) const {
    return mix(flow->key() + from_opener);
}

bool FlowEnd::messages() const {
    return flow->plan().config.messages;
}

bool FlowEnd::may_close_on_loss() const {
    const channel::Config &c = flow->plan().config;
    return c.on_loss == wire::OnLoss::kClose && !c.reliable();
}

void FlowEnd::on_data_sent(const plait_trace_record &r) {
    flow->model(opener).on_transmitted(r.b, r.c, r.d, {r.time_us}, r.link);
}

FlowEnd &FlowEnd::other() const {
    return opener ? flow->accepter() : flow->opener();
}

void FlowEnd::begin() {
    pump();
    read();
}

void FlowEnd::on_event(const plait_event &e, Time) {
    World &w = flow->world();
    switch (e.type) {
    case PLAIT_EVENT_CHANNEL_ACCEPTED:
        if (!opener)
            w.fail("%s: CHANNEL_ACCEPTED at the accepting side", flow->label().c_str());
        break;
    case PLAIT_EVENT_WRITABLE:
        waits_for_writable = false;
        pump();
        break;
    case PLAIT_EVENT_READABLE: read(); break;
    case PLAIT_EVENT_FINISHED:
        if (!finish_called || finished)
            w.fail("%s: FINISHED, but not finished before, or twice", flow->label().c_str());
        if (flow->plan().config.reliable() && e.a != 0 && !messages() && e.a != sent)
            w.fail("%s: FINISHED with %" PRIu64 " bytes, sent %" PRIu64, flow->label().c_str(), e.a,
                   sent);
        finished = true;
        break;
    case PLAIT_EVENT_STOPPED:
        stopped_by_peer = true;
        if (!flow->is_code(e.a) && !(may_close_on_loss() && e.a == wire::kResetLoss))
            w.fail("%s: STOPPED with code %" PRIu64, flow->label().c_str(), e.a);
        break;
    case PLAIT_EVENT_CHANNEL_CLOSED:
        reading = true;
        read(); // what the end looks like
        closed = true;
        closed_status = e.status;
        closed_code = e.a;
        closed_undelivered = e.b;
        closed_at = w.now();
        if (const auto info = node->engine().channel_info(channel); info.ok())
            stats = info->stats;
        account(e);
        break;
    case PLAIT_EVENT_GIVEN_UP:
    case PLAIT_EVENT_GAP:
        if (flow->plan().config.reliable() && !flow->plan().config.drop_oldest)
            w.fail("%s: a loss on a channel that resends always", flow->label().c_str());
        break;
    case PLAIT_EVENT_QUEUE_LOW:
    case PLAIT_EVENT_WINDOW_CHANGED: break;
    default: w.fail("%s: event %u of a channel", flow->label().c_str(), e.type);
    }
}

// After any end what was taken was delivered, or is told not to have been.
void FlowEnd::account(const plait_event &closed_event) const {
    World &w = flow->world();
    const auto info = node->engine().channel_info(channel);
    if (!info.ok())
        return; // it had let go of the handle before
    const channel::Stats &s = info->stats;
    const uint64_t told = s.bytes_acked + s.bytes_given_up + s.bytes_undelivered;
    if (s.bytes_sent != told || closed_event.b != s.bytes_sent - s.bytes_acked)
        w.fail("%s: %" PRIu64 " bytes taken, %" PRIu64 " accounted for, %" PRIu64 " told missing",
               flow->label().c_str(), s.bytes_sent, told, closed_event.b);
    if (s.messages_sent != s.messages_acked + s.messages_lost + s.messages_undelivered)
        w.fail("%s: messages are not accounted for", flow->label().c_str());
    if (finished && flow->plan().config.reliable() && closed_event.b != 0 &&
        closed_event.status != PLAIT_E_REFUSED)
        w.fail("%s: finished, and %" PRIu64 " bytes missing", flow->label().c_str(),
               closed_event.b);
}

// -- sending

bool FlowEnd::pausing() {
    if (!paused && sent >= volume.pause_at) {
        paused = true;
        flow->world().after(volume.pause, [this] {
            volume.pause_at = UINT64_MAX;
            pump();
            if (!abandoned)
                node->poke();
        });
    }
    return sent >= volume.pause_at;
}

// With an interval: whether the next piece is due; sets the timer if not.
bool FlowEnd::due() {
    if (volume.interval.us == 0)
        return true;
    World &w = flow->world();
    if (w.now() >= next_due) {
        next_due = std::max(next_due, w.now()) + nanos(volume.interval);
        return true;
    }
    if (!timer_set) {
        timer_set = true;
        w.at(next_due, [this] {
            timer_set = false;
            pump();
            if (!abandoned)
                node->poke();
        });
    }
    return false;
}

void FlowEnd::pump() {
    if (abandoned || closed || left || finish_called || reset_called || stopped_by_peer ||
        waits_for_writable)
        return;
    if (!opener && flow->plan().config.one_way)
        return;
    if (!opener && flow->plan().back_after_end && !end)
        return;
    while (!done_sending() && sent < volume.reset_at) {
        if (pausing() || !due())
            return;
        Status s = PLAIT_OK;
        if (!send_next(s)) {
            next_due = 0; // this one is still to be sent
            waits_for_writable = s == PLAIT_E_AGAIN;
            if (s == PLAIT_E_AGAIN || s == PLAIT_E_RESET || s == PLAIT_E_REFUSED ||
                s == PLAIT_E_CLOSED || (s == PLAIT_E_LOSS && may_close_on_loss()))
                return;
            flow->world().fail("%s: send: %s", flow->label().c_str(), base::status_name(s));
        }
    }
    after_sending();
}

void FlowEnd::after_sending() {
    node::Node &engine = node->engine();
    if (sent >= volume.reset_at) {
        reset_called = true;
        const Status s = engine.reset_channel(channel, flow->plan().end_code, node->local_time());
        if (s != PLAIT_OK)
            flow->world().fail("%s: reset: %s", flow->label().c_str(), base::status_name(s));
        return;
    }
    const Status s = engine.finish(channel, node->local_time());
    finish_called = s == PLAIT_OK;
    if (s != PLAIT_OK && s != PLAIT_E_RESET && s != PLAIT_E_REFUSED && s != PLAIT_E_CLOSED &&
        !(s == PLAIT_E_LOSS && may_close_on_loss()))
        flow->world().fail("%s: finish: %s", flow->label().c_str(), base::status_name(s));
}

bool FlowEnd::send_next(Status &s) {
    Rng &rng = node->app().rng();
    uint64_t taken = 0;
    if (messages()) {
        const std::vector<uint8_t> m = message(key(opener), sent, volume.least, volume.most);
        s = send_piece(m, taken);
        if (s == PLAIT_OK) {
            sent++;
            sent_at.push_back(flow->world().now());
            flow->model(opener).on_accepted(m.size(), head, node->local_time());
        }
        return s == PLAIT_OK;
    }
    const uint64_t left = std::min({volume.bytes, volume.reset_at, volume.pause_at}) - sent;
    const size_t most = volume.interval.us > 0 ? kPacedPiece : rng.range(1, kLongestPiece);
    std::vector<uint8_t> piece(std::min<uint64_t>(left, most));
    fill_content(key(opener), sent, piece);
    s = send_piece(piece, taken);
    sent += taken;
    if (taken > 0)
        flow->model(opener).on_accepted(taken, 0, node->local_time());
    return s == PLAIT_OK;
}

// In one of the four ways.
Status FlowEnd::send_piece(Bytes piece, uint64_t &taken) {
    head = base::varint_size(piece.size());
    switch (node->app().rng().below(8)) {
    case 0:
        if (piece.empty())
            break;
        if (const Status s = send_owned(piece); s != PLAIT_OK)
            return s;
        taken = piece.size();
        return PLAIT_OK;
    case 1:
    case 2:
        if (piece.empty() || piece.size() > 65536)
            break;
        return send_reserved(piece, taken);
    case 3: return send_parts(piece, taken);
    default: break;
    }
    const Bytes one[] = {piece};
    const auto n = node->engine().send(channel, one, node->local_time());
    if (!n.ok())
        return n.status();
    if (*n > piece.size() || (*n == 0 && !piece.empty()) || (messages() && *n != piece.size()))
        flow->world().fail("%s: send took %zu of %zu", flow->label().c_str(), *n, piece.size());
    taken = *n;
    return PLAIT_OK;
}

Status FlowEnd::send_parts(Bytes piece, uint64_t &taken) {
    Rng &rng = node->app().rng();
    const size_t first = rng.below(piece.size() + 1), second = rng.range(first, piece.size());
    const Bytes parts[] = {piece.first(first), piece.subspan(first, second - first),
                           piece.subspan(second)};
    const auto n = node->engine().send(channel, parts, node->local_time());
    if (!n.ok())
        return n.status();
    taken = *n;
    return PLAIT_OK;
}

Status FlowEnd::send_reserved(Bytes piece, uint64_t &taken) {
    const auto room = node->engine().reserve(channel, piece.size(), node->local_time());
    if (!room.ok())
        return room.status();
    if (room->size() < piece.size())
        flow->world().fail("%s: reserved %zu of %zu", flow->label().c_str(), room->size(),
                           piece.size());
    std::copy(piece.begin(), piece.end(), room->begin());
    head = piece.size() < 0x4000 ? 2 : 4; // its place was kept before the size was known
    const Status s = node->engine().commit(channel, piece.size(), node->local_time());
    if (s == PLAIT_OK)
        taken = piece.size();
    return s;
}

Status FlowEnd::send_owned(Bytes piece) {
    std::vector<uint8_t> copy(piece.begin(), piece.end());
    const Bytes bytes = copy;
    const auto release = [](void *user, const void *data, size_t len) {
        static_cast<FlowEnd *>(user)->take_back(data, len);
    };
    lent[bytes.data()] = std::move(copy);
    const Status s = node->engine().send_owned(channel, bytes, release, this, node->local_time());
    if (s != PLAIT_OK)
        lent.erase(bytes.data());
    return s;
}

void FlowEnd::take_back(const void *data, size_t len) {
    const auto it = lent.find(data);
    if (it == lent.end() || it->second.size() != len)
        flow->world().fail("%s: released what was not lent", flow->label().c_str());
    flow->world().hash().add(it->second);
    lent.erase(it);
}

void FlowEnd::abandon() {
    abandoned = true;
    lent.clear();
}

// -- reading

void FlowEnd::maybe_stall() {
    const FlowPlan &plan = flow->plan();
    node::Node &engine = node->engine();
    if (opener)
        return;
    if (!stalled && plan.stall.us > 0 && received >= plan.stall_at) {
        stalled = true;
        reading = false;
        flow->world().after(plan.stall, [this] {
            reading = true;
            if (abandoned || closed)
                return;
            read();
            node->poke();
        });
    }
    if (!stop_called && received >= plan.stop_at) {
        stop_called = true;
        const Status s = engine.stop_channel(channel, plan.end_code, node->local_time());
        if (s != PLAIT_OK)
            flow->world().fail("%s: stop: %s", flow->label().c_str(), base::status_name(s));
    }
}

void FlowEnd::read() {
    if (abandoned || left || end || reset_seen || (opener && flow->plan().config.one_way))
        return;
    while (reading && !stop_called && read_once())
        maybe_stall();
    if (end && !finish_called)
        pump();
}

void FlowEnd::at_read_status(Status s, const channel::ReadInfo &info) {
    if (s == PLAIT_E_END) {
        end = true;
        flow->model(!opener).on_end(info);
        flow->world().progress();
    } else if (s == PLAIT_E_RESET || (s == PLAIT_E_LOSS && may_close_on_loss())) {
        reset_seen = true;
    } else if (s != PLAIT_E_AGAIN && s != PLAIT_E_CLOSED && s != PLAIT_E_STALE &&
               s != PLAIT_E_REFUSED) {
        flow->world().fail("%s: read: %s", flow->label().c_str(), base::status_name(s));
    }
}

// False: nothing more now.
bool FlowEnd::read_once() {
    Rng &rng = node->app().rng();
    node::Node &engine = node->engine();
    channel::ReadInfo info;
    if (rng.chance(0.5)) {
        std::vector<uint8_t> buffer(messages() ? (1u << 20) : rng.range(1, 30'000));
        const auto n = engine.read(channel, buffer, &info, node->local_time());
        if (!n.ok())
            return at_read_status(n.status(), info), false;
        check(info, {buffer.data(), *n});
        return true;
    }
    std::array<Bytes, 64> slices;
    const auto n = engine.peek(channel, slices, &info);
    if (!n.ok() && n.status() != PLAIT_E_BUFFER)
        return at_read_status(n.status(), info), false;
    std::vector<uint8_t> all;
    std::vector<Bytes> more(n.ok() ? 0 : info.slices);
    const auto again = n.ok() ? n : engine.peek(channel, more, &info);
    if (!again.ok())
        flow->world().fail("%s: peek with room for all: %s", flow->label().c_str(),
                           base::status_name(again.status()));
    for (size_t i = 0; i < *again; i++) {
        const Bytes &b = n.ok() ? slices[i] : more[i];
        all.insert(all.end(), b.begin(), b.end());
    }
    const size_t taken = messages() ? all.size() : rng.range(1, all.size());
    check(info, {all.data(), taken});
    if (const Status s = engine.consume(channel, taken, node->local_time()); s != PLAIT_OK)
        flow->world().fail("%s: consume: %s", flow->label().c_str(), base::status_name(s));
    return true;
}

// The model says which bytes these should be; whether they are is seen here.
void FlowEnd::check(const channel::ReadInfo &info, Bytes in) {
    World &w = flow->world();
    const FlowEnd &from = other();
    const uint64_t at = flow->model(!opener).on_read(info, in.size());
    if (messages()) {
        const std::vector<uint8_t> expected =
            message(key(!opener), at, from.volume.least, from.volume.most);
        if (!std::equal(in.begin(), in.end(), expected.begin(), expected.end()))
            w.fail("%s: message %" PRIu64 " is not what was sent", flow->label().c_str(), at);
        latencies.push_back((w.now() - from.sent_at[at]) / 1000);
        received++;
    } else {
        if (const int64_t wrong = first_wrong(key(!opener), at, in); wrong >= 0)
            w.fail("%s: byte %" PRIu64 " is wrong", flow->label().c_str(),
                   at + static_cast<uint64_t>(wrong));
        received += in.size();
    }
    w.hash().add(at);
    w.progress();
}

// -- judging

bool Flow::over() const {
    const FlowEnd &a = ends_[0], &z = ends_[1];
    if (a.abandoned || z.abandoned)
        return true;
    return a.closed && (!z.node || z.closed);
}

std::string Flow::wrong_direction(const FlowEnd &from, const FlowEnd &to) const {
    const bool cut = plan_.there.reset_at != UINT64_MAX || plan_.back.reset_at != UINT64_MAX ||
                     plan_.stop_at != UINT64_MAX;
    const bool cut_short =
        from.volume.reset_at != UINT64_MAX || (!to.opener && plan_.stop_at != UINT64_MAX);
    const std::string name = from.opener ? "there: " : "back: ";
    const uint64_t total = plan_.config.messages ? from.volume.messages : from.volume.bytes;
    if (!from.lent.empty())
        return name + "lent memory did not come back";
    const bool lost = from.closed_status == PLAIT_E_LOSS || to.closed_status == PLAIT_E_LOSS;
    if (!cut_short && !lost && (from.sent != total || !from.finished))
        return name + "not all sent and settled";
    // The end of the other direction is not this one's.
    const Status ends[] = {cut ? PLAIT_OK : from.closed_status, cut ? PLAIT_OK : to.closed_status};
    const std::string wrong = models_[from.opener ? 0 : 1].what_is_wrong(
        {from.stats, to.stats, ends[0], ends[1], to.end, cut_short, plan_.over_clean});
    return wrong.empty() ? wrong : name + wrong;
}

std::string Flow::what_is_wrong() const {
    const FlowEnd &a = ends_[0], &z = ends_[1];
    if (!over())
        return "not over";
    if (a.abandoned || z.abandoned)
        return {}; // a crash promises nothing
    if (!plan_.acts.empty())
        return what_is_wrong_with_acts();
    if (plan_.refused)
        return a.closed_status == PLAIT_E_REFUSED && a.closed_code == plan_.end_code &&
                       a.lent.empty()
                   ? std::string()
                   : "refusal not told";
    const bool reset_there = plan_.there.reset_at != UINT64_MAX,
               reset_back = plan_.back.reset_at != UINT64_MAX;
    const bool cut = reset_there || reset_back || plan_.stop_at != UINT64_MAX;
    const auto wrong_end = [&](const FlowEnd &e, bool reset_by_peer) {
        // Whoever ended it may see it as his own doing.
        const bool right =
            e.closed_status == PLAIT_E_RESET || (!reset_by_peer && e.closed_status == PLAIT_OK);
        if (e.closed_status == PLAIT_E_LOSS && e.may_close_on_loss())
            return e.closed_code != wire::kResetLoss;
        return cut ? !right || e.closed_code != plan_.end_code : e.closed_status != PLAIT_OK;
    };
    if (wrong_end(a, reset_back) || wrong_end(z, reset_there))
        return std::string("closed with ") + base::status_name(a.closed_status) + " " +
               std::to_string(a.closed_code) + " and " + base::status_name(z.closed_status) + " " +
               std::to_string(z.closed_code);
    if (plan_.stop_at != UINT64_MAX && !a.stopped_by_peer)
        return "STOPPED was not told";
    std::string there = wrong_direction(a, z);
    if (!there.empty() || plan_.config.one_way)
        return there;
    return wrong_direction(z, a);
}

bool Flow::kept_its_promise() const {
    return what_is_wrong().empty();
}

void Flow::must_have_kept_its_promise() {
    if (const std::string wrong = what_is_wrong(); !wrong.empty())
        world_.fail("%s: %s\n%s", label_.c_str(), wrong.c_str(), dump().c_str());
}

std::string Flow::dump() const {
    std::string text;
    for (const FlowEnd &e : ends_) {
        char line[512];
        std::snprintf(line, sizeof line,
                      "  flow %s at %s: sent %" PRIu64 " of %" PRIu64
                      "%s%s%s%s%s, received %" PRIu64 "%s%s%s%s, lent %zu\n",
                      label_.c_str(), e.node ? e.node->name().c_str() : "nobody", e.sent,
                      plan_.config.messages ? e.volume.messages : e.volume.bytes,
                      e.waits_for_writable ? " (waits for WRITABLE)" : "",
                      e.finish_called ? " (finish)" : "", e.finished ? " (finished)" : "",
                      e.stopped_by_peer ? " (stopped)" : "", e.reset_called ? " (reset)" : "",
                      e.received, e.end ? " (end)" : "", e.reset_seen ? " (reset seen)" : "",
                      e.closed ? " (closed)" : "", e.reading ? "" : " (not reading)",
                      e.lent.size());
        text += line;
        if (!e.node || e.abandoned || e.closed)
            continue;
        const auto info = e.node->engine().channel_info(e.channel);
        if (!info.ok())
            continue;
        const channel::Stats &c = info->stats;
        std::snprintf(line, sizeof line,
                      "    channel %u: sent %" PRIu64 ", acked %" PRIu64 ", resent %" PRIu64
                      ", given up %" PRIu64 "; received %" PRIu64 ", read %" PRIu64
                      ", duplicate %" PRIu64 ", missing %" PRIu64 ", discarded %" PRIu64 "\n",
                      info->number, c.bytes_sent, c.bytes_acked, c.bytes_resent, c.bytes_given_up,
                      c.bytes_received, c.bytes_read, c.bytes_duplicate, c.bytes_missing,
                      c.bytes_discarded);
        text += line;
    }
    return text;
}

Flow &open_flow(World &world, SimNode &from, uint64_t connection, const FlowPlan &plan) {
    Flow &flow = world.add_flow(
        std::make_unique<Flow>(world, "flow-" + std::to_string(world.flows().size()), plan));
    flow.open(from, connection);
    return flow;
}

bool all_flows_over(World &world) {
    for (auto &f : world.flows())
        if (!f->over())
            return false;
    return true;
}

uint64_t percentile(std::vector<uint64_t> values, double share) {
    if (values.empty())
        return 0;
    std::sort(values.begin(), values.end());
    return values[std::min(values.size() - 1,
                           static_cast<size_t>(share * static_cast<double>(values.size())))];
}

} // namespace plait::sim
