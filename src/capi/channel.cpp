// SPDX-License-Identifier: Apache-2.0
// Opening, configuring and ending channels; what goes through them is in channel_data.cpp.
#include "plait/channel.h"

#include "capi/capi.h"
#include "capi/channel.h"

using namespace plait;
using namespace plait::capi;

namespace plait::capi {

namespace {

bool is_flag(uint8_t value) {
    return value <= 1;
}

Status invalid(const char *function, const char *field) {
    return fail(PLAIT_E_INVALID, "%s: the field %s is out of its range", function, field);
}

Status check_fec(const char *function, const plait_channel_config &c) {
    for (const uint8_t b : c.fec_reserved)
        if (b != 0)
            return reserved_field(function, "fec_reserved");
    if (c.fec > PLAIT_FEC_ON)
        return invalid(function, "fec");
    if (c.fec_window > channel::kFecSymbolsMax || c.fec_share > channel::kFecShareMax)
        return invalid(function, "fec_window or fec_share");
    if (c.fec == PLAIT_FEC_OFF && (c.fec_window != 0 || c.fec_share != 0))
        return invalid(function, "fec_window or fec_share (with PLAIT_FEC_ON, and only then)");
    return PLAIT_OK;
}

Status check_fields(const char *function, const plait_channel_config &c) {
    if (c.tell > (PLAIT_TELL_REPORTS | PLAIT_TELL_WINDOWS))
        return invalid(function, "tell");
    if (c.resend > PLAIT_RESEND_UNTIL_DEADLINE)
        return invalid(function, "resend");
    if (c.on_loss > PLAIT_ON_LOSS_CLOSE)
        return invalid(function, "on_loss");
    if (!is_flag(c.messages) || !is_flag(c.unordered) || !is_flag(c.one_way) ||
        !is_flag(c.drop_oldest))
        return invalid(function, "messages, unordered, one_way or drop_oldest (0 or 1)");
    if (c.priority_class > 15 || c.weight_log2 > 15)
        return invalid(function, "priority_class or weight_log2");
    if (c.link_policy > PLAIT_POLICY_LOWEST_LATENCY)
        return invalid(function, "link_policy");
    if (c.cipher > PLAIT_CIPHER_AES256_GCM)
        return invalid(function, "cipher");
    if (c.rekey_log2 > channel::kRekeyLog2Max)
        return invalid(function, "rekey_log2");
    if (c.window != 0 && (c.window < channel::kWindowFloor || c.window > channel::kWindowMax))
        return invalid(function, "window");
    if (const Status status = check_fec(function, c); status != PLAIT_OK)
        return status;
    constexpr uint64_t kWaitMaxUs = static_cast<uint64_t>(channel::kWaitMax.us);
    if (c.deadline_us > kWaitMaxUs || c.reorder_wait_us > kWaitMaxUs)
        return invalid(function, "deadline_us or reorder_wait_us");
    if ((c.resend == PLAIT_RESEND_AT_MOST) != (c.resend_limit != 0))
        return invalid(function, "resend_limit (with PLAIT_RESEND_AT_MOST, and only then)");
    if ((c.resend == PLAIT_RESEND_UNTIL_DEADLINE) != (c.deadline_us != 0))
        return invalid(function, "deadline_us (with PLAIT_RESEND_UNTIL_DEADLINE, and only then)");
    return PLAIT_OK;
}

} // namespace

Status read_channel_config(const char *function, const plait_channel_config &from,
                           channel::Config &to) {
    if (const Status status = check_fields(function, from); status != PLAIT_OK)
        return status;
    to.resend = static_cast<wire::Resend>(from.resend);
    to.on_loss = static_cast<wire::OnLoss>(from.on_loss);
    to.messages = from.messages;
    to.unordered = from.unordered;
    to.one_way = from.one_way;
    to.drop_oldest = from.drop_oldest;
    if (from.priority_class != 0)
        to.priority_class = from.priority_class;
    to.weight_log2 = from.weight_log2;
    to.link_policy = from.link_policy;
    to.cipher = from.cipher;
    to.rekey_log2 = from.rekey_log2;
    if (from.max_message != 0)
        to.max_message = from.max_message;
    to.resend_parameter =
        from.resend == PLAIT_RESEND_UNTIL_DEADLINE ? from.deadline_us : from.resend_limit;
    to.reorder_wait = Duration{static_cast<int64_t>(from.reorder_wait_us)};
    if (from.window != 0)
        to.window = from.window;
    to.send_buffer = from.send_buffer;
    to.reports = from.tell & PLAIT_TELL_REPORTS;
    to.window_events = from.tell & PLAIT_TELL_WINDOWS;
    to.fec = from.fec == PLAIT_FEC_ON;
    to.fec_symbols = from.fec_window;
    to.fec_share = from.fec_share;
    return PLAIT_OK;
}

Status accept_channel(Call &call, const char *function, plait_channel channel,
                      const plait_channel_config *config) {
    if (config == nullptr)
        return call.node().accept_channel(channel, nullptr, call.now());
    plait_channel_config wanted = PLAIT_CHANNEL_STREAM;
    if (const Status status = read_struct(function, config, wanted); status != PLAIT_OK)
        return status;
    channel::Config local;
    if (const Status status = read_channel_config(function, wanted, local); status != PLAIT_OK)
        return status;
    const Status status = call.node().accept_channel(channel, &local, call.now());
    if (status == PLAIT_OK)
        call.node().set_channel_token(channel, wanted.token);
    return status;
}

} // namespace plait::capi

namespace {

Status label_too_long(const char *function, size_t size) {
    return fail(PLAIT_E_TOO_BIG, "%s: the label has %zu bytes, at most %zu are possible", function,
                size, wire::kMaxLabel);
}

Status read_answer(const char *function, const plait_channel_answer &from,
                   connection::ChannelAnswer &to) {
    if (from.answer > PLAIT_ANSWER_REFUSE)
        return invalid(function, "answer");
    if (from.code > kChannelCodeMax)
        return too_large_code(function, from.code, kChannelCodeMax);
    to.kind = static_cast<connection::ChannelAnswer::Kind>(from.answer);
    to.code = from.code;
    if (from.config == nullptr)
        return PLAIT_OK;
    plait_channel_config wanted = PLAIT_CHANNEL_STREAM;
    if (const Status status = read_struct(function, from.config, wanted); status != PLAIT_OK)
        return status;
    to.token = wanted.token;
    return read_channel_config(function, wanted, to.config.emplace());
}

uint32_t public_state(const node::ChannelInfo &info) {
    if (info.closed)
        return PLAIT_CHANNEL_CLOSED;
    if (info.requested)
        return PLAIT_CHANNEL_REQUESTED;
    return info.accepted ? PLAIT_CHANNEL_OPEN : PLAIT_CHANNEL_OPENING;
}

plait_channel_config to_c(const node::ChannelInfo &info) {
    const channel::Config &from = info.config;
    plait_channel_config to = PLAIT_CHANNEL_STREAM;
    to.resend = static_cast<uint8_t>(from.resend);
    to.on_loss = static_cast<uint8_t>(from.on_loss);
    to.messages = from.messages;
    to.unordered = from.unordered;
    to.one_way = from.one_way;
    to.drop_oldest = from.drop_oldest;
    to.priority_class = from.priority_class;
    to.weight_log2 = from.weight_log2;
    to.link_policy = from.link_policy;
    to.cipher = from.cipher;
    to.tell = static_cast<uint8_t>((from.reports ? PLAIT_TELL_REPORTS : 0) |
                                   (from.window_events ? PLAIT_TELL_WINDOWS : 0));
    to.rekey_log2 = from.rekey_log2;
    to.max_message = from.max_message;
    if (from.resend == wire::Resend::kAtMost)
        to.resend_limit = static_cast<uint32_t>(from.resend_parameter);
    if (from.deadlines())
        to.deadline_us = from.resend_parameter;
    to.reorder_wait_us = static_cast<uint64_t>(from.reorder_wait.us);
    to.window = from.window;
    to.send_buffer = from.send_buffer;
    to.token = info.token;
    to.fec = from.fec ? PLAIT_FEC_ON : PLAIT_FEC_OFF;
    to.fec_window = from.fec_symbols;
    to.fec_share = from.fec_share;
    return to;
}

} // namespace

plait_status plait_channel_config_init(plait_channel_config *config, size_t size, uint32_t preset) {
    static constexpr plait_channel_config kPresets[] = {
        PLAIT_CHANNEL_STREAM,
        PLAIT_CHANNEL_MESSAGES,
        PLAIT_CHANNEL_DATAGRAM,
        PLAIT_CHANNEL_SEQUENCED,
        PLAIT_CHANNEL_RESEND_ORDERED_CLOSE,
        PLAIT_CHANNEL_RESEND_ORDERED,
        PLAIT_CHANNEL_RESEND_UNORDERED_CLOSE,
        PLAIT_CHANNEL_RESEND_UNORDERED,
        PLAIT_CHANNEL_ONCE_ORDERED_CLOSE,
        PLAIT_CHANNEL_ONCE_ORDERED,
        PLAIT_CHANNEL_ONCE_UNORDERED_CLOSE,
        PLAIT_CHANNEL_ONCE_UNORDERED,
    };
    if (preset < PLAIT_PRESET_STREAM || preset > PLAIT_PRESET_ONCE_UNORDERED)
        return guard(__func__, [&]() -> plait_status {
            return fail(PLAIT_E_INVALID, "plait_channel_config_init: %u is not a preset", preset);
        });
    return init_struct(__func__, config, size, kPresets[preset - PLAIT_PRESET_STREAM]);
}

plait_status plait_channel_open(plait_node *node, plait_connection connection, const char *label,
                                const plait_channel_config *config, plait_channel *out) {
    const char *const function = __func__;
    return with_owner(function, node, connection, [&](Call &call) -> plait_status {
        if (out == nullptr)
            return null_argument(function, "out");
        plait_channel_config wanted = PLAIT_CHANNEL_STREAM;
        if (const Status status = read_struct(function, config, wanted); status != PLAIT_OK)
            return status;
        channel::Config channel_config;
        if (const Status status = read_channel_config(function, wanted, channel_config);
            status != PLAIT_OK)
            return status;
        const std::string_view text = label != nullptr ? label : "";
        if (text.size() > wire::kMaxLabel)
            return label_too_long(function, text.size());
        const auto channel = call.node().open_channel(connection, text, channel_config, call.now());
        if (!channel)
            return channel.status();
        call.node().set_channel_token(*channel, wanted.token);
        *out = *channel;
        return PLAIT_OK;
    });
}

plait_status plait_channel_accept(plait_node *node, plait_channel channel,
                                  const plait_channel_config *config) {
    const char *const function = __func__;
    return with_owner(function, node, channel, [&](Call &call) -> plait_status {
        return accept_channel(call, function, channel, config);
    });
}

plait_status plait_channel_answer_init(plait_channel_answer *answer, size_t size) {
    static constexpr plait_channel_answer kDefaults = PLAIT_CHANNEL_ANSWER_INIT;
    return init_struct(__func__, answer, size, kDefaults);
}

plait_status plait_node_answer_channels(plait_node *node, const char *label,
                                        const plait_channel_answer *answer) {
    const char *const function = __func__;
    return with_all(function, node, [&](Call &call) -> plait_status {
        plait_channel_answer wanted = PLAIT_CHANNEL_ANSWER_INIT;
        connection::ChannelAnswer to;
        if (const Status status = read_struct(function, answer, wanted); status != PLAIT_OK)
            return status;
        if (const Status status = read_answer(function, wanted, to); status != PLAIT_OK)
            return status;
        if (label == nullptr)
            return call.node().answer_channels(nullptr, to);
        const std::string_view text = label;
        if (text.size() > wire::kMaxLabel)
            return label_too_long(function, text.size());
        return call.node().answer_channels(&text, to);
    });
}

plait_status plait_channel_refuse(plait_node *node, plait_channel channel, uint64_t code) {
    const char *const function = __func__;
    return with_owner(function, node, channel, [&](Call &call) -> plait_status {
        if (code > kChannelCodeMax)
            return too_large_code(function, code, kChannelCodeMax);
        const Status status = call.node().refuse_channel(channel, code, call.now());
        if (status == PLAIT_OK)
            call.node().close_channel(channel, call.now()); // the handle goes with it
        return status;
    });
}

plait_status plait_channel_finish(plait_node *node, plait_channel channel) {
    return with_owner(__func__, node, channel, [&](Call &call) -> plait_status {
        return call.node().finish(channel, call.now());
    });
}

plait_status plait_channel_reset(plait_node *node, plait_channel channel, uint64_t code) {
    const char *const function = __func__;
    return with_owner(function, node, channel, [&](Call &call) -> plait_status {
        if (code > kChannelCodeMax)
            return too_large_code(function, code, kChannelCodeMax);
        return call.node().reset_channel(channel, code, call.now());
    });
}

plait_status plait_channel_stop(plait_node *node, plait_channel channel, uint64_t code) {
    const char *const function = __func__;
    return with_owner(function, node, channel, [&](Call &call) -> plait_status {
        if (code > kChannelCodeMax)
            return too_large_code(function, code, kChannelCodeMax);
        return call.node().stop_channel(channel, code, call.now());
    });
}

plait_status plait_channel_close(plait_node *node, plait_channel channel) {
    return with_owner(__func__, node, channel, [&](Call &call) -> plait_status {
        return call.node().close_channel(channel, call.now());
    });
}

plait_status plait_channel_close_linger(plait_node *node, plait_channel channel, uint64_t linger_us,
                                        uint64_t code) {
    const char *const function = __func__;
    return with_owner(function, node, channel, [&](Call &call) -> plait_status {
        if (code > kChannelCodeMax)
            return too_large_code(function, code, kChannelCodeMax);
        const uint64_t most = static_cast<uint64_t>(channel::kWaitMax.us);
        if (linger_us > most)
            return fail(PLAIT_E_INVALID, "%s: linger_us is %llu, at most %llu is possible",
                        function, static_cast<unsigned long long>(linger_us),
                        static_cast<unsigned long long>(most));
        return call.node().close_channel(channel, call.now(),
                                         Duration{static_cast<int64_t>(linger_us)}, code);
    });
}

plait_status plait_channel_ack_now(plait_node *node, plait_channel channel) {
    return with_owner(__func__, node, channel,
                      [&](Call &call) -> plait_status { return call.node().ack_now(channel); });
}

plait_status plait_channel_set_low_water(plait_node *node, plait_channel channel, uint32_t bytes) {
    return with_owner(__func__, node, channel, [&](Call &call) -> plait_status {
        return call.node().set_low_water(channel, bytes);
    });
}

plait_status plait_channel_label(plait_node *node, plait_channel channel, char *buf, size_t cap,
                                 size_t *len) {
    const char *const function = __func__;
    return with_owner(function, node, channel, [&](Call &call) -> plait_status {
        const auto info = call.node().channel_info(channel);
        return info ? put_text(function, info->label, buf, cap, len) : info.status();
    });
}

plait_status plait_channel_get_config(plait_node *node, plait_channel channel,
                                      plait_channel_config *out) {
    const auto fill = [&](Call &call, plait_channel_config &config) -> Status {
        const auto info = call.node().channel_info(channel);
        if (info)
            config = to_c(*info);
        return info.status();
    };
    return get_struct(__func__, node, channel, out, fill);
}

plait_status plait_channel_set_token(plait_node *node, plait_channel channel, uint64_t token) {
    return with_owner(__func__, node, channel, [&](Call &call) -> plait_status {
        return call.node().set_channel_token(channel, token);
    });
}

plait_status plait_channel_get_stats(plait_node *node, plait_channel channel,
                                     plait_channel_stats *out) {
    const auto fill = [&](Call &call, plait_channel_stats &stats) -> Status {
        const auto info = call.node().channel_info(channel);
        if (!info)
            return info.status();
        const channel::Stats &from = info->stats;
        stats.state = public_state(*info);
        stats.connection = info->connection;
        stats.number = info->number;
        stats.bytes_sent = from.bytes_sent;
        stats.bytes_acked = from.bytes_acked;
        stats.bytes_resent = from.bytes_resent;
        stats.bytes_received = from.bytes_received;
        stats.bytes_read = from.bytes_read;
        stats.messages_sent = from.messages_sent;
        stats.messages_received = from.messages_received;
        stats.messages_lost = from.messages_lost;
        stats.messages_missing = from.messages_missing;
        stats.messages_dropped = from.messages_dropped;
        stats.send_queue = info->send_queue;
        stats.receive_queue = info->receive_queue;
        stats.send_limit = info->send_limit;
        stats.receive_limit = info->receive_limit;
        stats.bytes_lost = from.bytes_given_up;
        stats.bytes_undelivered = from.bytes_undelivered;
        stats.bytes_missing = from.bytes_missing;
        stats.bytes_dropped = from.bytes_dropped;
        stats.messages_acked = from.messages_acked;
        stats.messages_undelivered = from.messages_undelivered;
        stats.send_waiting = info->send_waiting;
        stats.receive_window = info->receive_window;
        stats.reports = info->reports;
        stats.reports_missed = from.reports_missed;
        stats.send_epoch = info->send_epoch;
        stats.receive_epoch = info->receive_epoch;
        stats.repairs_sent = from.repairs_sent;
        stats.repair_bytes_sent = from.repair_bytes_sent;
        stats.repairs_received = from.repairs_received;
        stats.bytes_recovered = from.bytes_recovered;
        stats.messages_recovered = from.messages_recovered;
        return PLAIT_OK;
    };
    return get_struct(__func__, node, channel, out, fill);
}
