// SPDX-License-Identifier: Apache-2.0
// The framing of serial lines: any bytes decode safely; what was encoded decodes to itself, has no
// zero inside, and comes out of a stream of garbage.
#include "fuzz.h"

#include "base/assert.h"
#include "serial/cobs.h"

#include <algorithm>
#include <vector>

namespace {

void check_round_trip(const std::vector<uint8_t> &datagram) {
    std::vector<uint8_t> frame(frame_bound(datagram.size()));
    const size_t n = frame_encode(datagram.data(), datagram.size(), frame.data());
    PLAIT_ASSERT(n >= 2 && n <= frame.size());
    PLAIT_ASSERT(frame[n - 1] == 0);
    PLAIT_ASSERT(std::find(frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(n) - 1, 0) ==
                 frame.begin() + static_cast<std::ptrdiff_t>(n) - 1);
    size_t got = 0;
    PLAIT_ASSERT(frame_decode(frame.data(), n - 1, &got) == FRAME_OK);
    PLAIT_ASSERT(std::equal(datagram.begin(), datagram.end(), frame.data(), frame.data() + got));
}

// Cuts the stream at its zeros, as a receiver does.
void check_stream(const uint8_t *data, size_t size) {
    for (const uint8_t *at = data, *const end = data + size; at < end;) {
        const uint8_t *zero = std::find(at, end, 0);
        std::vector<uint8_t> piece(at, zero);
        size_t got = 0;
        const frame_result result = frame_decode(piece.data(), piece.size(), &got);
        PLAIT_ASSERT(got <= piece.size() && (result == FRAME_OK) == (got > 0));
        PLAIT_ASSERT((result == FRAME_EMPTY) == piece.empty());
        if (result == FRAME_OK)
            check_round_trip({piece.begin(), piece.begin() + static_cast<std::ptrdiff_t>(got)});
        at = zero + 1;
    }
}

} // namespace

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    check_stream(data, size);
    // Zeros inside, as no receiver hands them on: still safe.
    std::vector<uint8_t> whole(data, data + size);
    size_t got = 0;
    frame_decode(whole.data(), whole.size(), &got);
    PLAIT_ASSERT(got <= size);
    if (size > 0)
        check_round_trip({data, data + size});
    return 0;
}
