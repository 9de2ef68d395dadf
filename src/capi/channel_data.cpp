// SPDX-License-Identifier: Apache-2.0
// What goes through a channel.
#include "plait/channel.h"

#include "capi/capi.h"

#include <array>

using namespace plait;
using namespace plait::capi;

namespace {

constexpr size_t kPiecesMax = 1024; // of one gather or peek
constexpr size_t kPiecesInPlace = 16;

// A stream may take a part, so its caller has to ask how much.
Status check_taken(Call &call, const char *function, plait_channel channel, const size_t *taken) {
    if (taken != nullptr)
        return PLAIT_OK;
    const auto messages = call.node().has_messages(channel);
    if (!messages)
        return messages.status();
    return *messages ? PLAIT_OK : null_argument(function, "taken");
}

Status send_parts(Call &call, const char *function, plait_channel channel,
                  std::span<const Bytes> parts, size_t *taken) {
    if (const Status status = check_taken(call, function, channel, taken); status != PLAIT_OK)
        return status;
    const auto sent = call.node().send(channel, parts, call.now());
    if (taken != nullptr && (sent || sent.status() == PLAIT_E_AGAIN))
        *taken = sent ? *sent : 0;
    return sent.status();
}

Status read_into(Call &call, const char *function, plait_channel channel, MutBytes to, size_t *got,
                 channel::ReadInfo &info) {
    const auto n = call.node().read(channel, to, &info, call.now());
    if (n)
        *got = *n;
    if (n.status() != PLAIT_E_BUFFER)
        return n.status();
    *got = info.size;
    return fail(PLAIT_E_BUFFER, "%s: the message has %zu bytes, the buffer %zu", function,
                info.size, to.size());
}

Bytes bytes_of(const void *data, size_t len) {
    return {static_cast<const uint8_t *>(data), len};
}

} // namespace

plait_status plait_channel_send(plait_node *node, plait_channel channel, const void *data,
                                size_t len, size_t *taken) {
    const char *const function = __func__;
    return with_owner(function, node, channel, [&](Call &call) -> plait_status {
        if (data == nullptr && len != 0)
            return null_argument(function, "data");
        const Bytes part = bytes_of(data, len);
        return send_parts(call, function, channel, {&part, 1}, taken);
    });
}

plait_status plait_channel_send_gather(plait_node *node, plait_channel channel,
                                       const plait_slice *slices, size_t count, size_t *taken) {
    const char *const function = __func__;
    return with_owner(function, node, channel, [&](Call &call) -> plait_status {
        if (slices == nullptr && count != 0)
            return null_argument(function, "slices");
        if (count > kPiecesMax)
            return fail(PLAIT_E_INVALID, "%s: %zu pieces, at most %zu are possible", function,
                        count, kPiecesMax);
        std::array<Bytes, kPiecesInPlace> in_place;
        std::vector<Bytes> many(count > kPiecesInPlace ? count : 0);
        const std::span<Bytes> parts =
            many.empty() ? std::span(in_place).first(count) : std::span(many);
        for (size_t i = 0; i < count; i++) {
            if (slices[i].data == nullptr && slices[i].len != 0)
                return null_argument(function, "a slice's data");
            parts[i] = bytes_of(slices[i].data, slices[i].len);
        }
        return send_parts(call, function, channel, parts, taken);
    });
}

plait_status plait_channel_reserve(plait_node *node, plait_channel channel, size_t min,
                                   void **space, size_t *room) {
    const char *const function = __func__;
    return with_owner(function, node, channel, [&](Call &call) -> plait_status {
        if (space == nullptr || room == nullptr)
            return null_argument(function, space == nullptr ? "space" : "room");
        if (min == 0)
            return fail(PLAIT_E_INVALID, "%s: at least 1 byte has to be asked for", function);
        const auto got = call.node().reserve(channel, min, call.now());
        if (!got)
            return got.status();
        *space = got->data();
        *room = got->size();
        return PLAIT_OK;
    });
}

plait_status plait_channel_commit(plait_node *node, plait_channel channel, size_t len) {
    return with_owner(__func__, node, channel, [&](Call &call) -> plait_status {
        const auto info = call.node().channel_info(channel);
        if (!info || !info->closed)
            return info ? call.node().commit(channel, len, call.now()) : info.status();
        // It has ended meanwhile: what is left to do is to give the memory back.
        const Status status = call.node().commit(channel, 0, call.now());
        return status == PLAIT_OK ? PLAIT_E_CLOSED : status;
    });
}

plait_status plait_channel_send_owned(plait_node *node, plait_channel channel, const void *data,
                                      size_t len, plait_release_fn *release, void *user) {
    const char *const function = __func__;
    return with_owner(function, node, channel, [&](Call &call) -> plait_status {
        if (data == nullptr || release == nullptr)
            return null_argument(function, data == nullptr ? "data" : "release");
        if (len == 0)
            return fail(PLAIT_E_INVALID, "%s: there is nothing to send", function);
        return call.node().send_owned(channel, bytes_of(data, len), release, user, call.now());
    });
}

plait_status plait_channel_read(plait_node *node, plait_channel channel, void *buf, size_t cap,
                                size_t *got) {
    const char *const function = __func__;
    return reading_owner(function, node, channel, [&](Call &call) -> plait_status {
        if (buf == nullptr || got == nullptr)
            return null_argument(function, buf == nullptr ? "buf" : "got");
        if (cap == 0)
            return fail(PLAIT_E_INVALID, "%s: there is no room to read into", function);
        channel::ReadInfo info;
        return read_into(call, function, channel, {static_cast<uint8_t *>(buf), cap}, got, info);
    });
}

plait_status plait_channel_read_info(plait_node *node, plait_channel channel, void *buf, size_t cap,
                                     size_t *got, plait_read_info *out) {
    const char *const function = __func__;
    return with_owner(function, node, channel, [&](Call &call) -> plait_status {
        if (out == nullptr || (buf != nullptr && got == nullptr) || (buf == nullptr && cap != 0))
            return null_argument(function, out == nullptr ? "out" : buf ? "got" : "buf");
        if (const Status status = check_out_size(function, out->struct_size); status != PLAIT_OK)
            return status;
        channel::ReadInfo info;
        Status status = PLAIT_OK;
        if (cap != 0) {
            status =
                read_into(call, function, channel, {static_cast<uint8_t *>(buf), cap}, got, info);
        } else {
            status = call.node().peek(channel, {}, &info).status();
            if (status == PLAIT_E_BUFFER)
                status = PLAIT_OK; // that a message has pieces is what is to be known
        }
        plait_read_info told{};
        told.size = info.size;
        told.offset = info.offset;
        told.missing_bytes = info.gap_bytes;
        told.missing_messages = info.gap_messages;
        told.dropped_bytes = info.dropped_bytes;
        told.dropped_messages = info.dropped_messages;
        told.code = info.code;
        write_struct(told, out);
        return status;
    });
}

plait_status plait_channel_take_reports(plait_node *node, plait_channel channel,
                                        plait_channel_report *out, size_t cap, size_t *got) {
    const char *const function = __func__;
    return with_owner(function, node, channel, [&](Call &call) -> plait_status {
        if (out == nullptr || got == nullptr)
            return null_argument(function, out == nullptr ? "out" : "got");
        std::array<channel::Report, channel::kReportsMax> reports;
        const auto n = call.node().take_reports(
            channel, std::span(reports).first(std::min(cap, reports.size())));
        if (!n)
            return n.status();
        for (size_t i = 0; i < *n; i++) {
            const channel::Report &r = reports[i];
            out[i] = {static_cast<uint32_t>(r.kind), 0, r.offset, r.bytes, r.messages, r.message};
        }
        *got = *n;
        return PLAIT_OK;
    });
}

plait_status plait_channel_peek(plait_node *node, plait_channel channel, plait_slice *slices,
                                size_t cap, size_t *count) {
    const char *const function = __func__;
    return reading_owner(function, node, channel, [&](Call &call) -> plait_status {
        if (slices == nullptr || count == nullptr)
            return null_argument(function, slices == nullptr ? "slices" : "count");
        if (!call.worker().may_peek())
            return fail(PLAIT_E_STATE, "%s: only on the loop's thread; elsewhere read copies",
                        function);
        std::array<Bytes, kPiecesInPlace> in_place;
        std::vector<Bytes> many(cap > kPiecesInPlace ? std::min(cap, kPiecesMax) : 0);
        const std::span<Bytes> parts =
            many.empty() ? std::span(in_place).first(cap) : std::span(many);
        channel::ReadInfo info;
        const auto n = call.node().peek(channel, parts, &info);
        if (n.status() == PLAIT_E_BUFFER)
            *count = info.slices;
        if (!n)
            return n.status();
        for (size_t i = 0; i < *n; i++)
            slices[i] = {parts[i].data(), parts[i].size()};
        *count = *n;
        return PLAIT_OK;
    });
}

plait_status plait_channel_consume(plait_node *node, plait_channel channel, size_t len) {
    return reading_owner(__func__, node, channel, [&](Call &call) -> plait_status {
        return call.node().consume(channel, len, call.now());
    });
}
