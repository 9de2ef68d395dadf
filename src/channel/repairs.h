// SPDX-License-Identifier: Apache-2.0
// What a channel has for forward error correction, docs/protocol.md section 6.7: behind one
// pointer, for the few that use it.
#pragma once

#include "fec/decoder.h"
#include "fec/encoder.h"

#include <memory>

namespace plait::channel {

struct Repairs {
    std::unique_ptr<fec::Encoder> encoder;
    std::unique_ptr<fec::Decoder> decoder;
    uint64_t charged = 0; // to the budget, for the decoder
};

} // namespace plait::channel
