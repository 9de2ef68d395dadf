// SPDX-License-Identifier: Apache-2.0
// Short headers: | id length | mask[16] | datagram |. What unmasks, masks again to the same bytes.
#include "fuzz.h"

#include "wire/short_packet.h"

#include <vector>

using namespace plait;
using namespace plait::wire;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    base::Reader r({data, size});
    const size_t cid_size = 1 + r.u8() % kMaxCidSize;
    HeaderMask mask{};
    const Bytes mask_bytes = r.bytes(mask.size());
    std::copy(mask_bytes.begin(), mask_bytes.end(), mask.begin());
    const Bytes datagram = r.rest();

    std::vector<uint8_t> packet(datagram.begin(), datagram.end());
    const auto h = unmask_short_header(packet, cid_size, mask);
    if (!h.ok())
        return 0;
    PLAIT_ASSERT(h->size + kTagSize <= packet.size() && h->size <= kMaxShortHeader);
    PLAIT_ASSERT(h->channel.v < 1u << 30 && h->pn_size >= 1 && h->pn_size <= 4 && h->epoch < 4);
    PLAIT_ASSERT(h->truncated_pn < uint64_t{1} << (8 * h->pn_size));
    const PacketNumber pn = decode_packet_number(0x123456789, h->truncated_pn, h->pn_size);
    PLAIT_ASSERT((pn.v & ((uint64_t{1} << (8 * h->pn_size)) - 1)) == h->truncated_pn);

    mask_short_header(packet.data(), cid_size, h->size, mask);
    PLAIT_ASSERT(std::equal(packet.begin(), packet.end(), datagram.begin()));
    return 0;
}
