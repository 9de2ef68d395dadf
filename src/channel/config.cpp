// SPDX-License-Identifier: Apache-2.0
#include "channel/config.h"

#include <algorithm>

namespace plait::channel {

using wire::OnLoss;
using wire::Resend;

Status check(const Config &c) {
    if (c.resend > Resend::kUntilDeadline || c.on_loss > OnLoss::kClose || c.priority_class > 15 ||
        c.weight_log2 > 15 || c.rekey_log2 > kRekeyLog2Max)
        return PLAIT_E_INVALID;
    if (c.window < kWindowFloor || c.window > kWindowMax || c.max_message == 0)
        return PLAIT_E_INVALID;
    if (c.fec_symbols > kFecSymbolsMax || c.fec_share > kFecShareMax)
        return PLAIT_E_INVALID;
    if (c.reorder_wait < Duration{0} || c.reorder_wait > kWaitMax)
        return PLAIT_E_INVALID;
    if (c.resend == Resend::kAtMost && c.resend_parameter > kAttemptsMax)
        return PLAIT_E_UNSUPPORTED;
    if (c.deadlines() && c.resend_parameter > static_cast<uint64_t>(kWaitMax.us))
        return PLAIT_E_UNSUPPORTED;
    return PLAIT_OK;
}

Config stream() {
    return {};
}
Config messages() {
    Config c;
    c.messages = true;
    return c;
}
Config datagram() {
    Config c;
    c.messages = c.unordered = true;
    c.resend = Resend::kNever;
    return c;
}
Config sequenced() {
    Config c;
    c.messages = true;
    c.resend = Resend::kNever;
    return c;
}
Config media(Duration deadline) {
    Config c;
    c.messages = true;
    c.resend = Resend::kUntilDeadline;
    c.resend_parameter = static_cast<uint64_t>(deadline.us);
    c.on_loss = OnLoss::kTell;
    return c;
}
Config telemetry(uint32_t resends) {
    Config c;
    c.messages = c.unordered = true;
    c.resend = Resend::kAtMost;
    c.resend_parameter = resends;
    c.on_loss = OnLoss::kTell;
    return c;
}
Config unordered_messages() {
    Config c;
    c.messages = c.unordered = true;
    return c;
}

wire::OpenFrame to_open(ChannelNumber number, const Config &c, uint64_t window,
                        std::string_view label) {
    wire::OpenFrame f;
    f.channel = number;
    f.resend = c.resend;
    f.on_loss = c.on_loss;
    f.unordered = c.unordered;
    f.messages = c.messages;
    f.one_way = c.one_way;
    f.resend_parameter = c.resend_parameter;
    f.reorder_wait_us = static_cast<uint64_t>(c.reorder_wait.us);
    f.priority_class = c.priority_class;
    f.weight_log2 = c.weight_log2;
    f.window = c.one_way ? 0 : window;
    f.cipher = c.cipher;
    f.rekey_log2 = c.rekey_log2;
    f.label_follows = label.size() > wire::kMaxInlineLabel;
    if (!f.label_follows)
        f.label = base::bytes_of(label);
    return f;
}

Config from_open(const wire::OpenFrame &f, const Config &local) {
    Config c = local;
    c.resend = f.resend;
    c.on_loss = f.on_loss;
    c.unordered = f.unordered;
    c.messages = f.messages;
    c.one_way = f.one_way;
    const bool has = f.resend == Resend::kAtMost || f.resend == Resend::kUntilDeadline;
    c.resend_parameter = has ? f.resend_parameter : 0;
    // A wait above the bound is one that check() finds, whatever the integer's width.
    const auto most = static_cast<uint64_t>(kWaitMax.us) + 1;
    c.reorder_wait = base::micros(static_cast<int64_t>(std::min(f.reorder_wait_us, most)));
    c.priority_class = f.priority_class;
    c.weight_log2 = f.weight_log2;
    c.cipher = f.cipher;
    c.rekey_log2 = f.rekey_log2;
    return c;
}

bool same_axes(const Config &a, const Config &b) {
    const bool counts = a.resend == Resend::kAtMost || a.resend == Resend::kUntilDeadline;
    return a.resend == b.resend && a.on_loss == b.on_loss && a.unordered == b.unordered &&
           a.messages == b.messages && a.one_way == b.one_way &&
           (!counts || a.resend_parameter == b.resend_parameter) &&
           a.reorder_wait == b.reorder_wait && a.cipher == b.cipher && a.rekey_log2 == b.rekey_log2;
}

} // namespace plait::channel
