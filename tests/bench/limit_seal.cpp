// SPDX-License-Identifier: Apache-2.0
// The limit of the cipher on the socket: seal, GSO, GRO, open in place, and nothing else. The same
// functions, nonces and packet layout as the library's, but neither acknowledgements nor header
// protection nor order. Modes: aes (AES-256-GCM), chacha (ChaCha20-Poly1305).
#include "crypto/init.h"
#include "crypto/protection.h"
#include "loopback.h"
#include "wire/short_packet.h"

#include <algorithm>
#include <cstdio>
#include <vector>

namespace plait::bench {
namespace {

constexpr size_t kPnSize = 4;
constexpr size_t kHeader = 1 + wire::kMaxCidSize + 1 + kPnSize;

const crypto::PacketKey &shared_key(const Options &o) {
    static crypto::PacketKey key(
        o.mode == "aes" ? crypto::Cipher::kAes256Gcm : crypto::Cipher::kChaCha20Poly1305,
        crypto::Secret<crypto::kPacketKeyLen>{}, crypto::Secret<crypto::kPacketIvLen>{});
    return key;
}

void receive_sealed(const Options &o, Receiver &receiver, Counts &counts) {
    const crypto::PacketKey &key = shared_key(o);
    std::vector<uint8_t> buffer(1 << 16);
    for (;;) {
        size_t segment;
        const auto run = receiver.receive(buffer.data(), buffer.size(), segment);
        if (run.empty())
            return;
        size_t good = 0, packets = 0;
        for (size_t at = 0; at < run.size(); at += segment) {
            const MutBytes packet = run.subspan(at, std::min(segment, run.size() - at));
            if (packet.size() < kHeader + crypto::kTagLen)
                continue;
            const PacketNumber pn{base::load_be(packet.data() + kHeader - kPnSize, kPnSize)};
            packets++;
            if (crypto::open(key, {0}, pn, packet.first(kHeader), packet.subspan(kHeader)) ==
                PLAIT_OK)
                good += packet.size() - kHeader - crypto::kTagLen;
            else
                counts.failed++;
        }
        counts.count(good, packets);
    }
}

void send_sealed(const Options &o, Sender &sender, uint64_t until_us, Counts &counts) {
    const crypto::PacketKey &key = shared_key(o);
    const size_t segments = std::min(kRunSegments, kRunBytes / o.size);
    const size_t plain = o.size - kHeader - crypto::kTagLen;
    std::vector<uint8_t> source(segments * plain, 0xa5), arena(segments * o.size);
    wire::ShortHeader header;
    header.channel = {2};
    header.pn_size = kPnSize;
    wire::Cid cid;
    cid.len = wire::kMaxCidSize;
    for (uint64_t pn = 0; now_us() < until_us;) {
        for (size_t i = 0; i < segments; i++, pn++) {
            uint8_t *packet = arena.data() + i * o.size;
            wire::write_short_header(packet, header, cid, {pn});
            crypto::seal(key, {0}, {pn}, {packet, kHeader}, {source.data() + i * plain, plain},
                         packet + kHeader);
        }
        sender.send_run(arena.data(), arena.size(), o.size);
        counts.sent_bytes += segments * plain;
    }
}

} // namespace
} // namespace plait::bench

int main(int argc, char **argv) {
    using namespace plait;
    using namespace plait::bench;
    const Options o = read_options(argc, argv);
    if (crypto::init() != PLAIT_OK)
        return 1;
    const bool aes = o.mode == "aes";
    if (!aes && o.mode != "chacha") {
        std::fprintf(stderr, "limit_seal: the modes are aes, chacha\n");
        return 2;
    }
    if (aes && !crypto::cipher_available(crypto::Cipher::kAes256Gcm)) {
        std::fprintf(stderr, "limit_seal: this processor has no instructions for AES-GCM\n");
        return 77;
    }
    print("limit_seal", o, run_pair(o, receive_sealed, send_sealed));
    return 0;
}
