// SPDX-License-Identifier: Apache-2.0
// Strangers in masses: whoever knows a node's id can send it INITs with a right mac1. Newcomers get
// in all the same, and what it costs is bounded. docs/protocol.md section 2.4.
#include "scenario.h"

#include "connection/handshake.h"
#include "node/gate.h"
#include "wire/handshake_packets.h"

namespace plait::sim {
namespace {

using base::millis;
using base::seconds;

// Somebody with many addresses who knows z's id.
class Attacker {
  public:
    explicit Attacker(World &w, SimNode &z)
        : w_(w), z_(z), entropy_(w.rng().fork()), identity_(make()), cache_(entropy_) {
        known_ = *crypto::x25519_of(z.id());
    }
    // An INIT that costs z everything and is right to the last byte.
    connection::Handshake::Pointer dial() {
        wire::Cid cid = wire::Cid::from(Bytes(random8()));
        wire::Parameters p;
        p.class_count = 1;
        p.classes[0] = wire::CidClass::make("udp", 8);
        auto h =
            connection::Handshake::dial({*identity_, cache_, none_, entropy_}, &z_.id(), cid, p);
        PLAIT_ASSERT(h.ok());
        identity_ = make(); // the next one is somebody else
        cache_.clear();
        return std::move(*h);
    }
    // One with a right mac1 that was cheap to make: its noise says nothing.
    std::vector<uint8_t> junk() {
        if (template_.empty()) {
            const auto h = dial();
            template_.assign(h->message().begin(), h->message().end());
        }
        std::vector<uint8_t> b = template_;
        entropy_.fill(MutBytes(b).subspan(7, 8));   // scid
        entropy_.fill(MutBytes(b).subspan(20, 60)); // noise
        const size_t before = b.size() - 2 * wire::kMacSize;
        const auto mac = crypto::mac1(crypto::mac1_key(nullptr, &known_), Bytes(b).first(before));
        std::copy(mac.begin(), mac.end(), b.begin() + static_cast<std::ptrdiff_t>(before));
        return b;
    }
    Bytes probe(connection::Handshake &h) { return h.probe(entropy_); }
    // One byte of an INIT that never becomes whole, under the cookie that came.
    static std::vector<uint8_t> piece(const connection::Handshake &h, uint16_t offset) {
        std::array<uint8_t, wire::kLongHeaderMax + wire::kFragmentHead + 1> b;
        base::Writer w(b);
        wire::write_long_header(w, {wire::LongType::kFrag, wire::kVersion1, {}, h.scid(), 0});
        w.u8(static_cast<uint8_t>(wire::LongType::kInit));
        w.u16(wire::kMaxFragmented);
        w.u16(offset);
        const uint8_t data[] = {1};
        w.bytes(crypto::fragment_tag(*h.proof().cookie, w.written(), data));
        w.bytes(data);
        return {w.written().begin(), w.written().end()};
    }
    void send(const plait_addr &from, Bytes b, Duration in) {
        sent += b.size();
        w_.inject(*z_.endpoints()[0], from, b, in);
    }
    size_t sent = 0;

  private:
    std::array<uint8_t, 8> random8() {
        std::array<uint8_t, 8> b;
        entropy_.fill(b);
        return b;
    }
    std::unique_ptr<crypto::Identity> make() {
        auto i = crypto::Identity::generate(entropy_);
        PLAIT_ASSERT(i.ok());
        return std::make_unique<crypto::Identity>(std::move(*i));
    }
    World &w_;
    SimNode &z_;
    SeededEntropy entropy_;
    std::unique_ptr<crypto::Identity> identity_;
    crypto::IdentityCache cache_;
    std::vector<crypto::Secret<32>> none_;
    crypto::X25519Public known_{};
    std::vector<uint8_t> template_;
};

// Diffie-Hellman was done for so many.
uint64_t costly(SimNode &z) {
    return z.engine().stats().handshakes_begun + z.engine().stats().auth_failures;
}

// From addresses that are not the sender's: 5,000 a second for three seconds.
void spoofed(World &w) {
    Pair p(w, {some_wire(w.rng())}, some_setup(w.rng()));
    Attacker attacker(w, *p.z);
    size_t answered = 0;
    p.z->endpoints()[0]->on_unrouted = [&](const plait_addr &, Bytes b) { answered += b.size(); };
    for (int i = 0; i < 15'000; i++) {
        const Duration in = base::micros(200 * i);
        if (i % 40 == 0)
            attacker.send(w.new_address(), attacker.dial()->message(), in);
        else
            attacker.send(w.new_address(), attacker.junk(), in);
    }
    w.run_for(w.rng().between(millis(200), seconds(2)));
    p.dial();
    w.must([&] { return p.both_connected(); }, seconds(2), "a newcomer gets in");
    open_flow(w, *p.a, p.at_a, stream_plan(50'000, 50'000));
    w.must([&] { return all_flows_over(w); }, seconds(20), "and is served");
    w.flows().back()->must_have_kept_its_promise();
    w.run_for(seconds(3));
    if (answered > attacker.sent)
        w.fail("%zu bytes answered to %zu", answered, attacker.sent);
    // kUnprovenRate a second and kUnprovenBurst at once; the flood lasts three seconds.
    if (costly(*p.z) > 3 * node::kUnprovenRate + node::kUnprovenBurst + 10)
        w.fail("%llu strangers had Diffie-Hellman done",
               static_cast<unsigned long long>(costly(*p.z)));
    w.run_for(seconds(12));
    p.close_and_be_gone();
}

// Right INITs without end: pending handshakes are what runs short. Cookies are asked for, and
// memory is not used up.
void pending(World &w) {
    Pair p(w, {some_wire(w.rng())}, some_setup(w.rng()));
    Attacker attacker(w, *p.z);
    for (int i = 0; i < 1'000; i++)
        attacker.send(w.new_address(), attacker.dial()->message(), millis(2 * i));
    w.run_for(seconds(1));
    const node::NodeStats s = p.z->engine().stats();
    if (s.pending_handshakes > 130 || s.retries_sent == 0)
        w.fail("%u pending, %llu retries", s.pending_handshakes,
               static_cast<unsigned long long>(s.retries_sent));
    if (s.receive_memory > (64u << 20) / 4)
        w.fail("strangers hold %llu bytes", static_cast<unsigned long long>(s.receive_memory));
    p.dial();
    w.must([&] { return p.both_connected(); }, seconds(2), "a newcomer gets in");
    open_flow(w, *p.a, p.at_a, stream_plan(20'000, 20'000));
    w.must([&] { return all_flows_over(w); }, seconds(20), "and is served");
    w.run_for(seconds(15));
    p.close_and_be_gone();
}

// With addresses of its own, so that cookies come back: all places are taken again and again.
void with_addresses(World &w) {
    Pair p(w, {some_wire(w.rng())}, some_setup(w.rng()));
    Attacker attacker(w, *p.z);
    std::map<AddressKey, connection::Handshake::Pointer> attempts;
    uint64_t proven = 0;
    p.z->endpoints()[0]->on_unrouted = [&](const plait_addr &to, Bytes b) {
        const auto it = attempts.find(address_key(to));
        if (it != attempts.end() && it->second->on_retry(b) == PLAIT_OK) {
            attacker.send(to, it->second->message(), millis(10));
            proven++;
        }
    };
    for (int i = 0; i < 1'200; i++) {
        const plait_addr from = w.new_address();
        auto h = attacker.dial();
        attacker.send(from, h->message(), millis(2 * i));
        attempts[address_key(from)] = std::move(h);
    }
    w.run_for(millis(1'500));
    p.dial();
    w.must([&] { return p.both_connected(); }, seconds(4), "a newcomer gets in");
    if (p.z->engine().stats().pending_handshakes > 256 || proven < 100)
        w.fail("%u pending, %llu proven", p.z->engine().stats().pending_handshakes,
               static_cast<unsigned long long>(proven));
    open_flow(w, *p.a, p.at_a, stream_plan(20'000, 20'000));
    w.must([&] { return all_flows_over(w); }, seconds(20), "and is served");
    w.run_for(seconds(15));
    p.close_and_be_gone();
}

// The ports of one host, all proven: each begins to send an INIT in pieces and never ends. Who has
// to send one in pieces itself gets in all the same.
void pieces_of_one_host(World &w) {
    PipeModel m;
    m.mtu = 100;
    m.delay = w.rng().between(millis(1), millis(20));
    m.rate = w.rng().range(5'000, 50'000);
    Pair::Way way(m);
    way.info.mtu = m.mtu;
    way.info.fixed_mtu = true;
    way.info.gso = false;
    Pair p(w, {way}, some_setup(w.rng()), some_setup(w.rng()));
    Attacker attacker(w, *p.z);
    std::map<AddressKey, connection::Handshake::Pointer> attempts;
    uint64_t proven = 0;
    p.z->endpoints()[0]->on_unrouted = [&](const plait_addr &to, Bytes b) {
        const auto it = attempts.find(address_key(to));
        if (it == attempts.end() || it->second->on_retry(b) != PLAIT_OK)
            return;
        proven++;
        for (uint16_t i = 0; i < 30; i++)
            attacker.send(to, attacker.piece(*it->second, i), millis(10 + 400 * i));
    };
    for (uint8_t port = 0; port < 150; port++) {
        const plait_addr from{7, {4, 80, port, 192, 0, 2, 9}}; // as transports/udp writes them
        auto h = attacker.dial();
        attacker.send(from, attacker.probe(*h), millis(port));
        attempts[address_key(from)] = std::move(h);
    }
    w.run_for(w.rng().between(millis(500), seconds(3)));
    p.dial();
    w.must([&] { return p.both_connected(); }, seconds(5), "a newcomer gets in");
    if (proven != attempts.size())
        w.fail("%llu proven addresses", static_cast<unsigned long long>(proven));
    open_flow(w, *p.a, p.at_a, stream_plan(2'000, 2'000));
    w.must([&] { return all_flows_over(w); }, seconds(20), "and is served");
    w.run_for(seconds(15));
    p.close_and_be_gone();
}

// An INIT of a that was heard earlier comes while a new attempt of a is pending.
void replay_into_attempt(World &w) {
    NodeSetup a, z;
    a.config.idle_timeout = z.config.idle_timeout = seconds(2);
    PipeModel m = some_wire(w.rng());
    Pair p(w, {m}, std::move(a), std::move(z));
    p.a->engine().set_wall_time(1'700'000'000'000);
    std::vector<uint8_t> heard;
    p.wires[0]->tap = [&](int from, Bytes b) {
        if (from == 0 && heard.empty() && (b[0] & 0x80))
            heard.assign(b.begin(), b.end());
    };
    p.dial();
    w.must([&] { return p.both_connected(); }, seconds(5), "connected");
    p.close_and_be_gone();
    w.run_for(seconds(1));
    p.a->engine().set_wall_time(1'700'000'010'000);
    // After z's answer, before a's first packet under the new keys has come.
    bool done = false;
    p.wires[0]->tap = [&](int from, Bytes b) {
        if (from != 1 || done || !(b[0] & 0x80))
            return;
        done = true;
        w.inject(*p.z->endpoints()[0], w.new_address(), heard, base::micros(1));
    };
    p.dial();
    w.must([&] { return p.both_connected(); }, seconds(5), "connected again");
    if (!done || p.z->engine().stats().handshakes_done != 2 ||
        p.z->engine().stats().handshakes_begun != 2)
        w.fail("the copy was taken for an attempt");
    open_flow(w, *p.a, p.at_a, stream_plan(20'000, 20'000));
    p.finish_flows(seconds(20));
}

constexpr Scenario kScenarios[] = {
    {"sim_flood_spoofed_inits_newcomers_connect", spoofed, 4},
    {"sim_flood_pending_attempts_newcomers_connect", pending, 6},
    {"sim_flood_proven_addresses_newcomers_connect", with_addresses, 6},
    {"sim_flood_pieces_of_one_host_newcomers_connect", pieces_of_one_host, 6},
    {"sim_flood_replayed_init_spares_the_attempt", replay_into_attempt, 20},
};

} // namespace

std::span<const Scenario> flood_scenarios() {
    return kScenarios;
}

} // namespace plait::sim
