// SPDX-License-Identifier: Apache-2.0
// A peer that does by hand what it likes: it shakes hands with a node, and then seals whatever
// frames a test wants, for any channel, link and packet number. What the node must stand is tested
// with it.
#pragma once

#include "connection/handshake.h"
#include "crypto/protection.h"
#include "node/node.h"
#include "pair.h"
#include "wire/read_frames.h"

#include <map>

namespace plait::test {

// What one packet of the node held, as far as the tests ask.
struct Seen {
    std::vector<wire::NewCidFrame> new_cids;
    std::vector<wire::AckFrame> acks;
    std::vector<wire::ChallengeBytes> challenges, responses;
    std::vector<wire::CloseFrame> closes;
    std::vector<wire::MaxChannelsFrame> max_channels;
    std::vector<wire::OpenFrame> opens;
    std::vector<wire::RefuseFrame> refuses;
    uint32_t pings = 0, link_closes = 0, retires = 0, data = 0;

    Status on(const wire::NewCidFrame &f) { return new_cids.push_back(f), PLAIT_OK; }
    Status on(const wire::AckFrame &f) { return acks.push_back(f), PLAIT_OK; }
    Status on(const wire::ChallengeFrame &f) { return challenges.push_back(f.data), PLAIT_OK; }
    Status on(const wire::ResponseFrame &f) { return responses.push_back(f.data), PLAIT_OK; }
    Status on(const wire::CloseFrame &f) { return closes.push_back(f), PLAIT_OK; }
    Status on(const wire::MaxChannelsFrame &f) { return max_channels.push_back(f), PLAIT_OK; }
    Status on(const wire::OpenFrame &f) { return opens.push_back(f), PLAIT_OK; }
    Status on(const wire::RefuseFrame &f) { return refuses.push_back(f), PLAIT_OK; }
    Status on(const wire::PingFrame &) { return pings++, PLAIT_OK; }
    Status on(const wire::LinkCloseFrame &) { return link_closes++, PLAIT_OK; }
    Status on(const wire::RetireCidFrame &) { return retires++, PLAIT_OK; }
    Status on(const wire::DataFrame &) { return data++, PLAIT_OK; }
    template <class Frame> Status on(const Frame &) { return PLAIT_OK; }
};

class RawPeer : public node::Output {
  public:
    explicit RawPeer(node::Config config = {}, uint32_t mtu = 1400)
        : own_entropy(7), entropy(8), identity(identity_of(own_entropy)), cache(own_entropy),
          node(std::move(config), identity_of(entropy), entropy, Time{1'000'000}) {
        link::EndpointInfo info;
        info.transport_class = "udp";
        info.mtu = mtu;
        endpoint = *node.add_endpoint(info);
        node::AcceptConfig accept;
        accept.listening = accept.allow_xx = true;
        node.listen(accept);
    }
    connection::LocalNode local() { return {identity, cache, no_keys, own_entropy}; }
    static wire::Parameters parameters() {
        wire::Parameters p;
        p.class_count = 1;
        p.classes[0] = wire::CidClass::make("udp", 8);
        p.max_channels = 100;
        p.initial_window = 16384;
        p.max_message = 1 << 20;
        p.max_links = 8;
        p.dormancy_timeout_ms = 60'000;
        return p;
    }

    // Node::Output
    uint32_t send(EndpointIndex, std::span<const plait_datagram> v) override {
        if (full)
            return 0;
        for (const plait_datagram &d : v) {
            const std::string to(reinterpret_cast<const char *>(d.peer->b), d.peer->len);
            bytes_to[to] += d.len;
            if (to != silent)
                out.emplace_back(d.data, d.data + d.len);
        }
        return static_cast<uint32_t>(v.size());
    }
    uint64_t queued_bytes(EndpointIndex) override { return 0; }

    void turn() {
        for (int i = 0; i < 4; i++) {
            node.drain(now, *this);
            plait_event ev[16];
            while (const size_t n = node.take_events(ev, now))
                events.insert(events.end(), ev, ev + n);
        }
    }
    void deliver(std::vector<uint8_t> bytes, const char *from = "raw") {
        const plait_addr remote = address(from);
        plait_datagram d{};
        d.data = bytes.data();
        d.len = static_cast<uint32_t>(bytes.size());
        d.peer = &remote;
        node.receive(*node.endpoint_index(endpoint), {&d, 1}, now);
        turn();
    }
    void pass(Duration t) {
        const Time end = now + t;
        for (turns = 0; node.deadline() <= end && turns < 100'000; turns++) {
            now = std::max(now, node.deadline());
            node.on_timer(now);
            turn();
        }
        now = std::max(now, end);
    }

    // INIT, RESP, and the first packet.
    bool connect(wire::Parameters mine = parameters()) {
        deliver(init(mine));
        return take_resp();
    }
    std::vector<uint8_t> init(wire::Parameters mine = parameters()) {
        auto dialed = connection::Handshake::dial(local(), &node.id(), cid, mine);
        hs = std::move(dialed).value();
        return {hs->message().begin(), hs->message().end()};
    }
    bool take_resp() {
        for (const auto &d : out)
            if (d[0] & wire::kLongBit && hs->on_resp(d) == PLAIT_OK) {
                keys = hs->take();
                out.clear();
                send_mask = crypto::derive_header_key(keys.root, Role::kInitiator);
                receive_mask = crypto::derive_header_key(keys.root, Role::kResponder);
                return true;
            }
        return false;
    }

    template <class... Frames>
    std::vector<uint8_t> seal(uint32_t channel, const Frames &...frames) {
        std::array<uint8_t, 1300> plain;
        base::Writer w(plain);
        (write(w, frames), ...);
        return seal_bytes(channel, w.written());
    }
    std::vector<uint8_t> seal_bytes(uint32_t channel, Bytes plain) {
        std::vector<uint8_t> p(plain.size() + 64);
        wire::ShortHeader h;
        h.channel = {channel};
        h.pn_size = 4;
        h.epoch = epoch & 3;
        const wire::Cid &to = to_cid.len ? to_cid : keys.peer_cid;
        const PacketNumber number{pn[link]++};
        const size_t head = wire::write_short_header(p.data(), h, to, number);
        crypto::KeyCache cache_of_keys;
        const auto &key =
            cache_of_keys.get(1, keys.root, 0, {{channel}, Role::kInitiator, keys.cipher, epoch});
        crypto::seal(key, {link}, number, {p.data(), head}, plain, p.data() + head);
        p.resize(head + plain.size() + wire::kTagSize);
        const auto mask = crypto::header_mask(send_mask, p.data() + p.size() - 16);
        wire::mask_short_header(p.data(), to.len, head, mask.b);
        return p;
    }
    template <class... Frames> void say(uint32_t channel, const Frames &...frames) {
        deliver(seal(channel, frames...), from);
    }

    // What the node has sent since the last look; packets of `on_link`.
    Seen look(uint32_t on_link = 0) {
        Seen seen;
        for (auto &d : out) {
            if (d[0] & wire::kLongBit)
                continue;
            const auto mask = crypto::header_mask(receive_mask, d.data() + d.size() - 16);
            const auto h = wire::unmask_short_header(d, 8, mask.b);
            if (!h.ok())
                continue;
            crypto::KeyCache cache_of_keys;
            const auto &key = cache_of_keys.get(
                1, keys.root, 0, {h->channel, Role::kResponder, keys.cipher, h->epoch});
            const MutBytes sealed = MutBytes(d).subspan(h->size);
            if (crypto::open(key, {on_link}, {h->truncated_pn}, Bytes(d).first(h->size), sealed) !=
                PLAIT_OK)
                continue;
            highest[on_link] = std::max(highest[on_link], h->truncated_pn);
            (void)wire::read_frames(Bytes(sealed).first(sealed.size() - wire::kTagSize), seen);
        }
        out.clear();
        return seen;
    }
    bool ended() {
        for (const plait_event &e : events)
            if (e.type == PLAIT_EVENT_CLOSED)
                return true;
        return false;
    }
    size_t count(uint32_t type) const {
        size_t n = 0;
        for (const plait_event &e : events)
            n += e.type == type;
        return n;
    }

    CountingEntropy own_entropy, entropy;
    crypto::Identity identity;
    crypto::IdentityCache cache;
    std::vector<crypto::Secret<32>> no_keys;
    Time now{1'000'000};
    node::Node node;
    uint64_t endpoint = 0;
    std::vector<plait_event> events;
    std::vector<std::vector<uint8_t>> out;
    std::map<std::string, uint64_t> bytes_to; // by address
    std::map<uint32_t, uint64_t> pn, highest; // by link
    wire::Cid cid{8, {9, 8, 7, 6, 5, 4, 3, 2}}, to_cid;
    uint32_t link = 0, epoch = 0;
    const char *from = "raw";
    std::string silent; // what goes to this address is not seen
    bool full = false;
    int turns = 0;
    connection::Handshake::Pointer hs;
    connection::Established keys;
    crypto::HeaderKey send_mask, receive_mask;
};

} // namespace plait::test
