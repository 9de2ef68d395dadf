// SPDX-License-Identifier: Apache-2.0
// Handshake packets. Their `noise` is taken for a decrypted payload, so that the parameters are
// reached without keys; what is read and written again is read as the same.
#include "fuzz.h"

#include "wire/handshake_packets.h"
#include "wire/parameters.h"

using namespace plait;
using namespace plait::wire;

namespace {

void check_parameters(Bytes payload) {
    Parameters p;
    const Status status = read(payload, p);
    PLAIT_ASSERT(status == PLAIT_OK || status == PLAIT_E_MALFORMED);
    if (status != PLAIT_OK)
        return;
    std::array<uint8_t, kMaxParametersSize> once, twice;
    base::Writer first(once), second(twice);
    write(first, p);
    PLAIT_ASSERT(first.ok());
    Parameters again;
    PLAIT_ASSERT(read(first.written(), again) == PLAIT_OK);
    write(second, again);
    PLAIT_ASSERT(second.ok());
    const Bytes a = first.written(), z = second.written();
    PLAIT_ASSERT(std::equal(a.begin(), a.end(), z.begin(), z.end()));
}

void check_header(Bytes packet) {
    base::Reader r(packet);
    const auto h = read_long_header(r);
    if (!h.ok())
        return;
    std::array<uint8_t, 7 + 2 * kMaxCidSize> buffer;
    base::Writer w(buffer);
    write_long_header(w, *h);
    PLAIT_ASSERT(w.ok() && w.size() == h->size);
    PLAIT_ASSERT(std::equal(w.written().begin(), w.written().end(), packet.begin()));
}

// RETRY, VERSIONS, PROBE and FRAG: what is read lies inside, and is written again as it came.
void check_others(Bytes packet) {
    std::array<uint8_t, 200> buffer;
    base::Writer w(buffer);
    if (const auto p = read_retry(packet);
        p.ok() && p->header.scid.len == 0 && p->header.version == kVersion1) {
        write_retry(w, p->header.dcid, p->echo, p->cookie);
        PLAIT_ASSERT(
            std::equal(packet.begin(), packet.end(), w.written().begin(), w.written().end()));
    }
    if (const auto p = read_versions(packet); p.ok())
        PLAIT_ASSERT(p->count <= kMaxVersions && p->echo.size() == kMacSize);
    if (const auto p = read_probe(packet); p.ok())
        PLAIT_ASSERT(p->before_mac1.size() + p->mac1.size() == packet.size());
    if (const auto p = read_frag(packet); p.ok())
        PLAIT_ASSERT(p->before_tag.size() + p->tag.size() + p->data.size() == packet.size() &&
                     p->offset + p->data.size() <= p->total && p->total <= kMaxFragmented);
}

} // namespace

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const Bytes packet(data, size);
    check_header(packet);
    check_others(packet);
    if (const auto init = read_init(packet); init.ok()) {
        PLAIT_ASSERT(init->before_mac2.size() + kMacSize == size);
        PLAIT_ASSERT(init->before_mac1.size() + kMacSize == init->before_mac2.size());
        PLAIT_ASSERT(init->through_pattern.size() + 2 + init->noise.size() <=
                     init->before_mac1.size());
        check_parameters(init->noise);
    }
    if (const auto other = read_noise_packet(packet); other.ok())
        check_parameters(other->noise);
    return 0;
}
