// SPDX-License-Identifier: Apache-2.0
// What the blocking helpers share with the ordinary calls.
#pragma once

#include "capi/capi.h"
#include "plait/channel.h"

namespace plait::capi {

Status read_channel_config(const char *function, const plait_channel_config &from,
                           channel::Config &to);
Status accept_channel(Call &call, const char *function, plait_channel channel,
                      const plait_channel_config *config);
// plait_connect without its NULL checks.
Status connect(plait_node &node, const char *function, const char *id, const char *address,
               const plait_connect_config *config, plait_connection *out);

} // namespace plait::capi
