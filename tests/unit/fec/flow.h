// SPDX-License-Identifier: Apache-2.0
// A channel's bytes, of which each one's value follows from its offset, over a line of packets.
#pragma once

#include "fec/decoder.h"
#include "fec/encoder.h"

#include <random>
#include <vector>

namespace test {

using namespace plait;
using namespace plait::fec;

// Messages `length v | body`, sent one after the other as packets of at most `mtu` bytes.
class Source {
  public:
    Source(Options options, size_t least, size_t most, size_t mtu, unsigned seed)
        : encoder(options), least_(least), most_(most), mtu_(mtu), random_(seed) {}

    struct Packet {
        uint64_t offset;
        std::vector<uint8_t> bytes;
        bool start;
    };
    std::vector<Packet> message() {
        const size_t n = least_ + random_() % (most_ - least_ + 1);
        uint8_t head[8];
        const size_t h = base::store_varint(head, n);
        const size_t begin = content.size();
        content.insert(content.end(), head, head + h);
        for (size_t i = 0; i < n; i++)
            content.push_back(static_cast<uint8_t>(random_()));
        std::vector<Packet> out;
        for (size_t at = begin; at < content.size(); at += mtu_) {
            const size_t to = std::min(at + mtu_, content.size());
            out.push_back({at,
                           {content.begin() + static_cast<std::ptrdiff_t>(at),
                            content.begin() + static_cast<std::ptrdiff_t>(to)},
                           at == begin});
            encoder.on_source(at, out.back().bytes, {}, path, now);
        }
        starts.push_back(begin);
        now = now + gap;
        if (encoder.deadline() <= now)
            encoder.on_timer(now);
        return out;
    }
    // The repairs that are due.
    struct Sent {
        Repair repair;
        std::vector<uint8_t> symbol;
    };
    std::vector<Sent> repairs() {
        std::vector<Sent> out;
        while (encoder.due()) {
            const Repair r = encoder.next(mtu_);
            out.push_back({r, std::vector<uint8_t>(r.size())});
            encoder.encode(r, out.back().symbol);
            repair_bytes += r.size();
        }
        return out;
    }

    Encoder encoder;
    Path path;
    Time now;
    Duration gap = base::millis(2);
    std::vector<uint8_t> content;
    std::vector<uint64_t> starts;
    uint64_t repair_bytes = 0;

  private:
    size_t least_, most_, mtu_;
    std::mt19937 random_;
};

} // namespace test
