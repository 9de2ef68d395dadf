// SPDX-License-Identifier: Apache-2.0
#include "channel_model.h"

#include "plait/trace.h"
#include "world.h"

#include <cinttypes>
#include <cstdarg>
#include <cstdio>

namespace plait::sim {

using wire::OnLoss;
using wire::Resend;

void ChannelModel::fail(const char *format, ...) const {
    char text[512];
    va_list args;
    va_start(args, format);
    std::vsnprintf(text, sizeof text, format, args);
    va_end(args);
    world_.fail("%s: %s", name_.c_str(), text);
}

// -- The sender --------------------------------------------------------------------------

void ChannelModel::on_accepted(uint64_t size, uint64_t head, Time at) {
    units_.push_back({written_, written_ + head, written_ + head + size, at, false});
    written_ += head + size;
}

// The unit that holds `offset`.
size_t ChannelModel::unit_at(uint64_t offset) const {
    const auto at = std::upper_bound(units_.begin(), units_.end(), offset,
                                     [](uint64_t v, const Unit &u) { return v < u.end; });
    if (at == units_.end())
        fail("offset %" PRIu64 " is above all that was taken (%" PRIu64 ")", offset, written_);
    return static_cast<size_t>(at - units_.begin());
}

void ChannelModel::on_transmitted(uint64_t offset, uint64_t length, uint64_t bits, Time at,
                                  uint64_t link) {
    const uint64_t end = offset + length;
    if (end > written_)
        fail("sent up to %" PRIu64 ", only %" PRIu64 " were taken", end, written_);
    if (bits & PLAIT_TRACE_DATA_FIN && end != written_)
        fail("FIN at %" PRIu64 ", not at %" PRIu64, end, written_);
    if (length == 0)
        return;
    transmissions_++;
    const Unit &u = units_[unit_at(offset)];
    if (config_.messages && (u.start == offset) != bool(bits & PLAIT_TRACE_DATA_START))
        fail("START is wrong at offset %" PRIu64, offset);
    if (config_.messages && !config_.reliable() && end > u.end)
        fail("a frame goes over the end of a message, at %" PRIu64, u.end);
    check_deadline(offset, end, at);
    count_transmission(offset, end, at, link);
}

void ChannelModel::check_deadline(uint64_t start, uint64_t end, Time at) {
    if (!config_.deadlines())
        return;
    const Duration limit = base::micros(static_cast<int64_t>(config_.resend_parameter));
    for (size_t i = unit_at(start); i < units_.size() && units_[i].start < end; i++) {
        longest_wait_ = std::max(longest_wait_, at - units_[i].taken_at);
        if (at >= units_[i].taken_at + limit)
            fail("[%" PRIu64 ", %" PRIu64 ") was sent %" PRId64 " us after its deadline", start,
                 end, (at - units_[i].taken_at - limit).us);
    }
}

void ChannelModel::count_transmission(uint64_t start, uint64_t end, Time at, uint64_t link) {
    if (at != last_sent_at_)
        at_once_.clear();
    last_sent_at_ = at;
    for (const Copy &c : at_once_)
        if (c.start == start && c.end == end && c.link != link)
            return;
    at_once_.push_back({start, end, link});
    const uint64_t most = config_.resend == Resend::kNever    ? 1
                          : config_.resend == Resend::kAtMost ? config_.resend_parameter + 1
                                                              : UINT32_MAX;
    uint64_t top = 0;
    times_sent_.update(start, end, [&](uint64_t, uint64_t, uint32_t n) {
        top = std::max<uint64_t>(top, n + 1);
        return n + 1;
    });
    repeats_ += top > 1;
    if (top > most)
        fail("[%" PRIu64 ", %" PRIu64 ") was sent %" PRIu64 " times, %" PRIu64 " are allowed",
             start, end, top, most);
}

// -- The reader --------------------------------------------------------------------------

uint64_t ChannelModel::on_read(const channel::ReadInfo &info, uint64_t size) {
    if (ended_)
        fail("read after the end");
    told_bytes_ += info.gap_bytes;
    told_messages_ += info.gap_messages;
    told_dropped_bytes_ += info.dropped_bytes;
    told_dropped_messages_ += info.dropped_messages;
    return config_.messages ? take_message(info, size) : take_bytes(info, size);
}

uint64_t ChannelModel::take_message(const channel::ReadInfo &info, uint64_t size) {
    const size_t i = unit_at(info.offset);
    Unit &u = units_[i];
    if (info.offset != u.start || size != u.end - u.body)
        fail("%" PRIu64 " bytes read at %" PRIu64 ", message %zu is at %" PRIu64 " of %" PRIu64,
             size, info.offset, i, u.start, u.end - u.body);
    if (u.delivered)
        fail("message %zu came twice", i);
    bool whole = true;
    times_sent_.update(u.start, u.end, [&](uint64_t, uint64_t, uint32_t n) {
        whole &= n > 0;
        return n;
    });
    if (!whole)
        fail("message %zu was never sent as a whole", i);
    if (config_.ordered() && i < next_unit_)
        fail("message %zu after %" PRIu64, i, next_unit_ - 1);
    if (config_.ordered())
        check_gap(info, i, u.start);
    u.delivered = true;
    delivered_++;
    delivered_bytes_ += u.end - u.start;
    next_unit_ = i + 1;
    next_offset_ = u.end;
    return i;
}

uint64_t ChannelModel::take_bytes(const channel::ReadInfo &info, uint64_t size) {
    const uint64_t end = info.offset + size;
    if (size == 0)
        fail("an empty read at %" PRIu64, info.offset);
    if (end > written_)
        fail("read up to %" PRIu64 ", only %" PRIu64 " were taken", end, written_);
    if (read_.add(info.offset, end) != size)
        fail("[%" PRIu64 ", %" PRIu64 ") was read before", info.offset, end);
    if (config_.ordered() && info.offset < next_offset_)
        fail("offset %" PRIu64 " after %" PRIu64, info.offset, next_offset_);
    if (config_.ordered())
        check_gap(info, 0, info.offset);
    delivered_bytes_ += size;
    next_offset_ = end;
    return info.offset;
}

// In order, what is left out is told with what comes after it: as dropped, or as a gap.
void ChannelModel::check_gap(const channel::ReadInfo &info, uint64_t next_unit, uint64_t at) {
    const uint64_t bytes = at - next_offset_;
    const uint64_t messages = next_unit - std::min(next_unit, next_unit_);
    const bool may_miss = !config_.reliable() && config_.on_loss != OnLoss::kClose;
    if (!may_miss && info.dropped_bytes + info.dropped_messages == 0 && bytes > 0)
        fail("%" PRIu64 " bytes are left out before %" PRIu64, bytes, at);
    if (config_.on_loss != OnLoss::kTell && info.gap_bytes + info.gap_messages > 0)
        fail("a gap is told that nobody asked for");
    if (config_.on_loss != OnLoss::kTell)
        return;
    if (info.dropped_bytes + info.dropped_messages == 0 && info.gap_bytes != bytes)
        fail("%" PRIu64 " bytes are left out before %" PRIu64 ", told are %" PRIu64, bytes, at,
             info.gap_bytes);
    const uint64_t told = info.gap_messages + info.dropped_messages;
    if (config_.messages && (told > messages || (told < messages && !config_.waits())))
        fail("%" PRIu64 " messages are left out before %" PRIu64 ", told are %" PRIu64, messages,
             at, told);
}

void ChannelModel::on_end(const channel::ReadInfo &info) {
    if (ended_)
        return;
    ended_ = true;
    told_bytes_ += info.gap_bytes;
    told_messages_ += info.gap_messages;
    told_dropped_bytes_ += info.dropped_bytes;
    told_dropped_messages_ += info.dropped_messages;
    if (config_.ordered())
        check_gap(info, units_.size(), written_);
}

// -- The verdict -------------------------------------------------------------------------

namespace {
std::string text(const char *format, ...) __attribute__((format(printf, 1, 2)));
std::string text(const char *format, ...) {
    char buffer[512];
    va_list args;
    va_start(args, format);
    std::vsnprintf(buffer, sizeof buffer, format, args);
    va_end(args);
    return buffer;
}
} // namespace

std::string ChannelModel::what_is_wrong(const Ending &e) const {
    if (e.cut_short)
        return {};
    const bool closes = config_.on_loss == OnLoss::kClose && !config_.reliable();
    const auto allowed = [&](Status s) { return s == PLAIT_OK || (closes && s == PLAIT_E_LOSS); };
    if (!allowed(e.sender_status) || !allowed(e.receiver_status))
        return text("ended with %s and %s", base::status_name(e.sender_status),
                    base::status_name(e.receiver_status));
    if (!e.end_read) {
        // Whoever was told of the loss need not see an end.
        if (e.sender_status != PLAIT_E_LOSS && e.receiver_status != PLAIT_E_LOSS)
            return "no end was read";
        return e.over_clean && !config_.deadlines() ? "closed on loss, and nothing was lost" : "";
    }
    if (std::string wrong = wrong_counts(e); !wrong.empty())
        return wrong;
    return wrong_reports(e);
}

// Each accepted byte was delivered, dropped or is missing, and what is missing was given up.
std::string ChannelModel::wrong_counts(const Ending &e) const {
    const channel::Stats &s = e.sender, &r = e.receiver;
    const uint64_t missing_bytes = written_ - delivered_bytes_;
    // Of what was dropped the bodies are counted, without the lengths before them.
    const uint64_t least = r.bytes_missing + r.bytes_dropped + r.messages_dropped,
                   most = r.bytes_missing + r.bytes_dropped + 8 * r.messages_dropped;
    if (missing_bytes < least || missing_bytes > most)
        return text("%" PRIu64 " bytes did not come, missing are %" PRIu64 ", dropped %" PRIu64,
                    missing_bytes, r.bytes_missing, r.bytes_dropped);
    if (config_.messages) {
        const uint64_t absent = units_.size() - delivered_;
        const uint64_t known = r.messages_missing + r.messages_dropped;
        if (r.messages_read != delivered_)
            return text("%" PRIu64 " messages were read, counted are %" PRIu64, delivered_,
                        r.messages_read);
        if (known > absent || (known < absent && !config_.waits()))
            return text("%" PRIu64 " messages did not come, missing are %" PRIu64
                        ", dropped %" PRIu64,
                        absent, r.messages_missing, r.messages_dropped);
        if (!config_.waits() && r.messages_missing > s.messages_lost)
            return text("%" PRIu64 " messages are missing, only %" PRIu64 " were given up",
                        r.messages_missing, s.messages_lost);
    }
    // A gap is counted with what frames the messages in it.
    if (!config_.waits() && r.bytes_missing > s.bytes_given_up + 8 * s.messages_lost)
        return text("%" PRIu64 " bytes are missing, only %" PRIu64 " were given up",
                    r.bytes_missing, s.bytes_given_up);
    const bool may_lose = !config_.reliable() && config_.on_loss != OnLoss::kClose;
    if (!may_lose && r.bytes_missing + r.messages_missing > 0)
        return "something is missing where nothing may be";
    if (e.over_clean && !config_.deadlines() && s.bytes_given_up > 0)
        return text("%" PRIu64 " bytes were given up, and nothing was lost", s.bytes_given_up);
    return {};
}

// What both sides were told is what has happened.
std::string ChannelModel::wrong_reports(const Ending &e) const {
    const channel::Stats &s = e.sender, &r = e.receiver;
    const bool tells = config_.on_loss == OnLoss::kTell;
    if (told_bytes_ != (tells ? r.bytes_missing : 0) ||
        told_messages_ > (tells ? r.messages_missing : 0) ||
        (tells && !config_.waits() && told_messages_ != r.messages_missing))
        return text("told were %" PRIu64 " bytes, %" PRIu64 " messages, missing are %" PRIu64
                    ", %" PRIu64,
                    told_bytes_, told_messages_, r.bytes_missing, r.messages_missing);
    if (told_dropped_bytes_ != r.bytes_dropped || told_dropped_messages_ != r.messages_dropped)
        return text(
            "told were %" PRIu64 " dropped bytes, %" PRIu64 " messages, not %" PRIu64 ", %" PRIu64,
            told_dropped_bytes_, told_dropped_messages_, r.bytes_dropped, r.messages_dropped);
    if (!config_.drop_oldest && r.bytes_dropped + r.messages_dropped > 0)
        return "something was dropped";
    const uint64_t told = s.bytes_acked + s.bytes_given_up + s.bytes_undelivered;
    if (told != s.bytes_sent || s.bytes_sent > written_)
        return text("%" PRIu64 " bytes taken, %" PRIu64 " accounted for", s.bytes_sent, told);
    if (s.messages_acked + s.messages_lost + s.messages_undelivered != s.messages_sent)
        return "messages are not accounted for";
    if (e.sender_status == PLAIT_OK && s.bytes_undelivered > 0)
        return text("%" PRIu64 " bytes were not delivered", s.bytes_undelivered);
    if (config_.reliable() && s.bytes_given_up + s.messages_lost > 0)
        return "given up on a reliable channel";
    return {};
}

} // namespace plait::sim
