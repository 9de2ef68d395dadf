// SPDX-License-Identifier: Apache-2.0
// What the crypto room's operations cost: packet protection, key derivation, handshakes.
#include "crypto/identity_cache.h"
#include "crypto/init.h"
#include "crypto/mac.h"
#include "crypto/noise.h"
#include "crypto/protection.h"

#include <benchmark/benchmark.h>

#include <vector>

using namespace plait;
using namespace plait::crypto;

namespace {

class CountingEntropy : public Entropy {
  public:
    void fill(MutBytes out) override {
        for (uint8_t &b : out)
            b = static_cast<uint8_t>(state_ = state_ * 167 + 13);
    }

  private:
    uint32_t state_ = 1;
};

Root some_root() {
    Root root;
    CountingEntropy().fill(root.mut_bytes());
    return root;
}

PacketKeySpec spec_of(const benchmark::State &state) {
    return {ChannelNumber{1}, Role::kInitiator, static_cast<Cipher>(state.range(0)), 0};
}

bool skip_without(benchmark::State &state, Cipher cipher) {
    if (!cipher_available(cipher))
        state.SkipWithError("this processor has no AES instructions");
    return !cipher_available(cipher);
}

void bm_seal(benchmark::State &state) {
    if (skip_without(state, spec_of(state).cipher))
        return;
    const PacketKey key(some_root(), spec_of(state));
    const size_t len = static_cast<size_t>(state.range(1));
    std::vector<uint8_t> packet(len + kTagLen), aad(12);
    uint64_t pn = 0;
    for (auto _ : state) {
        seal(key, LinkNumber{0}, PacketNumber{pn++}, aad, Bytes(packet).first(len), packet.data());
        benchmark::DoNotOptimize(packet.data());
    }
    state.SetBytesProcessed(static_cast<int64_t>(len) * state.iterations());
}

void bm_open(benchmark::State &state) {
    if (skip_without(state, spec_of(state).cipher))
        return;
    const PacketKey key(some_root(), spec_of(state));
    const size_t len = static_cast<size_t>(state.range(1));
    std::vector<uint8_t> sealed(len + kTagLen), packet(len + kTagLen), aad(12);
    seal(key, LinkNumber{0}, PacketNumber{7}, aad, Bytes(sealed).first(len), sealed.data());
    for (auto _ : state) {
        std::memcpy(packet.data(), sealed.data(), sealed.size());
        if (open(key, LinkNumber{0}, PacketNumber{7}, aad, packet) != PLAIT_OK)
            state.SkipWithError("does not open");
    }
    state.SetBytesProcessed(static_cast<int64_t>(len) * state.iterations());
}

void bm_header_mask(benchmark::State &state) {
    const HeaderKey key = derive_header_key(some_root(), Role::kInitiator);
    std::array<uint8_t, 16> sample{};
    for (auto _ : state) {
        sample[0] ^= header_mask(key, sample.data()).b[0];
        benchmark::DoNotOptimize(sample);
    }
}

void bm_packet_key_derive(benchmark::State &state) {
    if (skip_without(state, spec_of(state).cipher))
        return;
    const Root root = some_root();
    PacketKeySpec spec = spec_of(state);
    PacketKey key;
    for (auto _ : state) {
        spec.epoch++;
        key.reset(root, spec);
    }
}

// range(0): how many channels take turns. Up to 256 all are hits.
void bm_key_cache_get(benchmark::State &state) {
    const Root root = some_root();
    KeyCache cache;
    const uint32_t channels = static_cast<uint32_t>(state.range(0));
    uint32_t channel = 0;
    for (auto _ : state) {
        benchmark::DoNotOptimize(&cache.get(1, root, 0, {ChannelNumber{channel}}));
        channel = channel + 1 == channels ? 0 : channel + 1;
    }
    state.counters["derived"] = static_cast<double>(cache.derivations());
}

void bm_expand(benchmark::State &state) {
    const Root root = some_root();
    std::array<uint8_t, 32> out{};
    for (auto _ : state) {
        expand(root, "label", Bytes(out), out);
        benchmark::DoNotOptimize(out);
    }
}

void bm_mac1_of_400_bytes(benchmark::State &state) {
    const X25519Public responder{};
    const Mac1Key key = mac1_key(nullptr, &responder);
    const std::vector<uint8_t> message(400);
    for (auto _ : state)
        benchmark::DoNotOptimize(mac1(key, message));
}

void bm_x25519_of_id(benchmark::State &state) {
    CountingEntropy entropy;
    const auto identity = Identity::generate(entropy);
    for (auto _ : state)
        benchmark::DoNotOptimize(x25519_of(identity->id()));
}

void bm_x25519(benchmark::State &state) {
    CountingEntropy entropy;
    const auto identity = Identity::generate(entropy);
    Secret<32> shared;
    for (auto _ : state)
        benchmark::DoNotOptimize(
            x25519(identity->x25519_secret(), identity->x25519_public(), shared));
}

// A whole IK handshake, the work of both sides, with the checks of both ids.
// range(0): 1 = converted ids and `ss` come from the caches.
void bm_ik_handshake_both_sides(benchmark::State &state) {
    CountingEntropy entropy;
    const auto a = Identity::generate(entropy), z = Identity::generate(entropy);
    IdentityCache at_a(entropy), at_z(entropy);
    if (state.range(0) != 0) {
        Secret<32> ss;
        if (x25519(a->x25519_secret(), z->x25519_public(), ss) != PLAIT_OK)
            return state.SkipWithError("no shared secret");
        at_a.put(z->id(), z->x25519_public(), &ss);
        at_z.put(a->id(), a->x25519_public(), &ss);
    }
    Secret<32> ea, ez, k[4];
    entropy.fill(ea.mut_bytes());
    entropy.fill(ez.mut_bytes());
    uint8_t message[200], payload[100];
    const Bytes id = a->id().b;
    for (auto _ : state) {
        const X25519Public remote = *x25519_of(z->id(), at_a);
        NoiseHandshake from({.pattern = Pattern::kIK,
                             .local_secret = &a->x25519_secret(),
                             .local_public = &a->x25519_public(),
                             .remote_static = &remote,
                             .ephemeral_secret = &ea,
                             .identities = &at_a});
        NoiseHandshake to({.pattern = Pattern::kIK,
                           .role = Role::kResponder,
                           .local_secret = &z->x25519_secret(),
                           .local_public = &z->x25519_public(),
                           .ephemeral_secret = &ez,
                           .identities = &at_z});
        size_t len = *from.write(id, message);
        bool good = to.read({message, len}, payload).ok();
        NodeId claimed;
        std::memcpy(claimed.b.data(), payload, claimed.b.size());
        good &= *x25519_of(claimed, at_z) == to.remote_static();
        len = *to.write({}, message);
        good &= from.read({message, len}, payload).ok();
        from.split(k[0], k[1]);
        to.split(k[2], k[3]);
        if (!good || !(k[0] == k[2]))
            state.SkipWithError("the handshake failed");
    }
}

constexpr int64_t kChaCha = static_cast<int64_t>(Cipher::kChaCha20Poly1305);
constexpr int64_t kAes = static_cast<int64_t>(Cipher::kAes256Gcm);

BENCHMARK(bm_seal)->ArgsProduct({{kChaCha, kAes}, {64, 1400}})->ArgNames({"cipher", "len"});
BENCHMARK(bm_open)->ArgsProduct({{kChaCha, kAes}, {64, 1400}})->ArgNames({"cipher", "len"});
BENCHMARK(bm_header_mask);
BENCHMARK(bm_packet_key_derive)->Arg(kChaCha)->Arg(kAes)->ArgName("cipher");
BENCHMARK(bm_key_cache_get)->Arg(1)->Arg(2)->Arg(256)->Arg(257)->ArgName("channels");
BENCHMARK(bm_expand);
BENCHMARK(bm_mac1_of_400_bytes);
BENCHMARK(bm_x25519);
BENCHMARK(bm_x25519_of_id);
BENCHMARK(bm_ik_handshake_both_sides)->Arg(0)->Arg(1)->ArgName("cached");

} // namespace

int main(int argc, char **argv) {
    if (init() != PLAIT_OK)
        return 1;
    benchmark::Initialize(&argc, argv);
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
    return 0;
}
