// SPDX-License-Identifier: Apache-2.0
// A whole node with an endpoint. The input is a list of steps: raw datagrams, handshake packets and
// sealed packets that were changed on the way, frames under the right keys (a peer that says what
// it likes), time that passes, and what an application does meanwhile. Whatever it is: no crash,
// the invariants hold, and at the end nothing is left.
//
//     | step u8 | arguments |   repeated
#include "fuzz.h"

#include "../unit/node/raw_peer.h"
#include "wire/handshake_packets.h"

using namespace plait;
using namespace plait::test;

namespace {

constexpr size_t kMaxSteps = 200;
constexpr size_t kMaxKept = 16; // datagrams that may be sent again

class Fuzzer {
  public:
    explicit Fuzzer(Bytes input) : in_(input) {
        // Most inputs are about what comes after the handshake.
        if ((in_.u8() & 7) != 0)
            PLAIT_ASSERT(peer_.connect());
    }
    void run() {
        for (size_t i = 0; i < kMaxSteps && !in_.done(); i++) {
            step(in_.u8());
            application();
            peer_.node.check_invariants();
        }
        finish();
    }

  private:
    // Up to `most` bytes of the input.
    Bytes piece(size_t most) {
        return in_.bytes(std::min<size_t>(in_.u8() % (most + 1), in_.left()));
    }
    const char *source() {
        static constexpr const char *kSources[] = {"raw", "raw", "raw", "elsewhere"};
        return kSources[in_.u8() & 3];
    }
    void deliver(std::vector<uint8_t> bytes) {
        if (bytes.empty())
            return;
        if (kept_.size() == kMaxKept)
            kept_.erase(kept_.begin());
        kept_.push_back(bytes);
        peer_.deliver(std::move(bytes), source());
    }

    void step(uint8_t which) {
        switch (which % 11) {
        case 0: { // anything
            const Bytes b = piece(255);
            return deliver({b.begin(), b.end()});
        }
        case 1:
        case 2:
        case 3: return say();
        case 4: return change_sealed();
        case 5: { // again, perhaps from elsewhere
            if (kept_.empty())
                return;
            return peer_.deliver(kept_[in_.u8() % kept_.size()], source());
        }
        case 6: return change_init();
        case 7: return peer_.pass(base::millis(in_.u8()));
        case 8: return peer_.pass(base::millis(in_.u8() * 100));
        case 10: return send_pieces();
        default: return call(in_.u8());
        }
    }
    bool has_keys() const { return peer_.keys.peer_cid.len > 0; }

    // Frames of the input, under the right key.
    void say() {
        if (!has_keys())
            return;
        const uint8_t channel = in_.u8();
        peer_.epoch = channel >> 6 == 3 ? 1 : 0;
        const Bytes frames = piece(200);
        deliver(peer_.seal_bytes(channel & 0x3f, frames));
    }
    // A sealed packet with a byte changed, or cut.
    void change_sealed() {
        if (!has_keys())
            return;
        std::vector<uint8_t> p = peer_.seal(0, wire::PingFrame{});
        const size_t at = in_.u8() % p.size();
        const uint8_t flip = in_.u8();
        p[at] ^= flip;
        if (flip & 1)
            p.resize(at);
        deliver(std::move(p));
    }
    void change_init() {
        std::vector<uint8_t> p = peer_.init();
        const size_t at = in_.u16() % p.size();
        p[at] ^= in_.u8();
        deliver(std::move(p));
    }

    // An INIT in pieces under the cookie of a RETRY: in steps of the input's length, from the place
    // that it says, with a byte changed.
    void send_pieces() {
        const std::vector<uint8_t> init = peer_.init();
        const Bytes probe = peer_.hs->probe(peer_.own_entropy);
        peer_.deliver({probe.begin(), probe.end()});
        for (const auto &d : peer_.out)
            (void)peer_.hs->on_retry(d);
        const auto &cookie = peer_.hs->proof().cookie;
        const Bytes message = peer_.hs->message();
        const size_t step = 16 + in_.u8();
        const size_t first = in_.u8() % 8 * step;
        const size_t changed = in_.u16();
        if (!cookie)
            return;
        std::array<uint8_t, wire::kLongHeaderMax + wire::kFragmentHead> head;
        for (size_t n = 0, at = first; n * step < message.size(); n++, at += step) {
            if (at >= message.size())
                at = 0;
            base::Writer w(head);
            wire::write_long_header(w, {wire::LongType::kFrag, wire::kVersion1, {}, peer_.cid, 0});
            w.u8(static_cast<uint8_t>(wire::LongType::kInit));
            w.u16(static_cast<uint16_t>(message.size()));
            w.u16(static_cast<uint16_t>(at));
            const Bytes data = message.subspan(at, std::min(step, message.size() - at));
            const auto tag = crypto::fragment_tag(*cookie, w.written(), data);
            std::vector<uint8_t> piece(w.written().begin(), w.written().end());
            piece.insert(piece.end(), tag.begin(), tag.end());
            piece.insert(piece.end(), data.begin(), data.end());
            if (changed < piece.size())
                piece[changed] ^= 1;
            deliver(std::move(piece));
        }
        if (peer_.take_resp())
            peer_.pn.clear();
    }

    // -- the application

    void application() {
        for (const plait_event &e : peer_.events) {
            if (e.type == PLAIT_EVENT_CONNECTED || e.type == PLAIT_EVENT_CONNECTION_REQUEST)
                connections_.push_back(e.connection);
            if (e.type == PLAIT_EVENT_CHANNEL_REQUEST) {
                channels_.push_back(e.channel);
                if (channels_.size() % 4 != 0)
                    (void)peer_.node.accept_channel(e.channel, nullptr, peer_.now);
            }
            if (e.type == PLAIT_EVENT_READABLE)
                read(e.channel);
            if (e.type == PLAIT_EVENT_CHANNEL_CLOSED)
                (void)peer_.node.close_channel(e.channel, peer_.now);
        }
        peer_.events.clear();
        (void)peer_.node.take_releases();
    }
    void read(uint64_t channel) {
        std::array<uint8_t, 4096> buffer;
        for (int i = 0; i < 100; i++) {
            const auto n = peer_.node.read(channel, buffer, nullptr, peer_.now);
            if (!n.ok())
                return;
        }
    }
    void call(uint8_t which) {
        node::Node &n = peer_.node;
        const Time now = peer_.now;
        const uint64_t connection = connections_.empty() ? 0 : connections_.back();
        const uint64_t channel = channels_.empty() ? 0 : channels_[in_.u8() % channels_.size()];
        static constexpr uint8_t kData[3000] = {1, 2, 3};
        const Bytes data[] = {Bytes(kData).first(in_.u8() * 11u)};
        switch (which % 9) {
        case 0:
            if (const auto c = n.open_channel(connection, "fuzz", channel::stream(), now); c.ok())
                channels_.push_back(*c);
            break;
        case 1:
            if (const auto c = n.open_channel(connection, "a label that is too long for OPEN",
                                              channel::datagram(), now);
                c.ok())
                channels_.push_back(*c);
            break;
        case 2: (void)n.send(channel, data, now); break;
        case 3: (void)n.finish(channel, now); break;
        case 4: (void)n.reset_channel(channel, 3, now); break;
        case 5: (void)n.stop_channel(channel, 4, now); break;
        case 6: (void)n.close_channel(channel, now); break;
        case 7: (void)n.add_link(connection, peer_.endpoint, address("elsewhere"), {}, now); break;
        default: (void)n.close(connection, 5, "fuzz", now); break;
        }
        peer_.turn();
    }

    // Closes all, waits, and nothing may be left.
    void finish() {
        application();
        for (const uint64_t c : connections_)
            (void)peer_.node.close(c, 0, "", peer_.now);
        peer_.turn();
        for (int i = 0; i < 4; i++) {
            peer_.pass(base::seconds(100));
            application();
            peer_.turn();
        }
        const node::NodeStats s = peer_.node.stats();
        PLAIT_ASSERT(s.connections == 0 && s.channels == 0 && s.links == 0 &&
                     s.pending_handshakes == 0);
        PLAIT_ASSERT(s.receive_memory == 0 && s.send_memory == 0);
        PLAIT_ASSERT(peer_.turns < 100'000);
    }

    base::Reader in_;
    RawPeer peer_;
    std::vector<std::vector<uint8_t>> kept_;
    std::vector<uint64_t> connections_, channels_;
};

} // namespace

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const bool ready = crypto::init() == PLAIT_OK;
    PLAIT_ASSERT(ready);
    Fuzzer({data, size}).run();
    return 0;
}
