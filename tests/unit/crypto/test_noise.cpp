// SPDX-License-Identifier: Apache-2.0
#include "crypto/identity_cache.h"
#include "crypto/noise.h"
#include "noise_vector.h"

using namespace plait;
using namespace plait::crypto;
using namespace plait::test;

namespace {

// Two of the public cacophony vectors, in full.
NoiseVector with_common_keys() {
    NoiseVector v;
    v.prologue[0] = v.prologue[1] = unhex("4a6f686e2047616c74");
    v.s[0] = unhex("e61ef9919cde45dd5f82166404bd08e38bceb5dfdfded0a34c8df7ed542214d1");
    v.s[1] = unhex("4a3acbfdb163dec651dfa3194dece676d437029c62a408b4c5ea9114246e4893");
    v.e[0] = unhex("893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a");
    v.e[1] = unhex("bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b");
    return v;
}

const char *const kPayloads[] = {
    "4c756477696720766f6e204d69736573",   "4d757272617920526f746862617264",
    "462e20412e20486179656b",             "4361726c204d656e676572",
    "4a65616e2d426170746973746520536179", "457567656e2042f6686d20766f6e2042617765726b",
};

void add_messages(NoiseVector &v, const char *const (&ciphertexts)[6]) {
    for (size_t i = 0; i < 6; i++)
        v.messages.push_back({unhex(kPayloads[i]), unhex(ciphertexts[i])});
}

void test_noise_ik_vector_is_reproduced(void **) {
    NoiseVector v = with_common_keys();
    v.pattern = Pattern::kIK;
    v.remote_s[0] = unhex("31e0303fd6418d2f8c0e78b91f22e8caed0fbe48656dcf4767e4834f701b8f62");
    v.hash = "1c8fa891cb414fedba6daa7c6f4ae0a6d98e5f9768cc9cecd27e805614943ee9"
             "c8a1b27fbfb76dc197255c8aa69f6b4285c423840b8bedf45e652ca64f797d81";
    add_messages(
        v, {"ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c7944ba83a447b38c83e327ad93"
            "6929812f624884847b7831e95e197b2f797088efdd2f88f1db7e1fb0e99c64419097af91cee64e470f4b6f"
            "cd9298ce0b56fe20f86e13bf70439c538e3602a7127af71a29cc",
            "95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f1448088439f069b267a06b3de3ecb10"
            "43bcb098e9af91d9c64748d998c7b47890871571",
            "cd54383060e7a28434cca27fb1cc524cfbabeb18181589df219d07",
            "a856d3bf0246bfc476c655009cd1ed677b8dcc5b349ae8ef2a05f2",
            "49063084b2c51f098337cb8a13739ac848f907e67cfb2cc8a8b60586467aa02fc7",
            "8b9709d23b47e4639df7678d7a21741eba4ef1e9c60383001c7435549c20f9d56f30e935d3"});
    check_vector(v);
}

void test_noise_xx_vector_is_reproduced(void **) {
    NoiseVector v = with_common_keys();
    v.pattern = Pattern::kXX;
    v.hash = "8cf47d7b3cb5804c0109d48e8bcdbee2cbb65687d8ea2c92994ca361fb86151a"
             "d93627b98936cbb32de56e8abb21def3925011ac3e35db9cbeea73ab9a4392c2";
    add_messages(
        v, {"ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c79444c756477696720766f6e20"
            "4d69736573",
            "95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f1448088430505b6745ce64a5f33f0e8"
            "e3b83f11ce8802bca507f4f2d8b564dbe277e1966116e132faa2dfd70b8b077b9f94b913df5056ae131946"
            "9b824a98d54bbaa82c325595587064f978c4b6d104f7596e6f",
            "99579e1c1ee15e422a57ddd6b16d37087b17558e8369c18991b4b2ca3a824abf904cdcf5458b5431a75af0"
            "34ca9e9b982de039eaaf156775e2d580cd4e5ebae89c3f8cb2594b556d8a8169",
            "fc56eea290b3f3a21aac0c70cd5787b5ee99be37d2f4d751329b55",
            "bb31c9da10d5639a4cdb88a12f5c61de41bbc7df09bf75d94f8184fe4157f5c68f",
            "f6199cadb152fb27f82be0a0891ec76a33598ae92a46cab2fb5a8ed5bf48b7f267f8370af7"});
    check_vector(v);
}

constexpr Pattern kAll[] = {Pattern::kIK,     Pattern::kXX, Pattern::kIKpsk2,
                            Pattern::kXXpsk3, Pattern::kNN, Pattern::kKK};

// Keys of two nodes and a psk, and handshakes made of them.
struct Pair {
    Secret<32> s[2], e[2], psk;
    X25519Public s_public[2];

    explicit Pair(uint64_t seed) {
        SeededEntropy entropy(seed);
        entropy.fill(psk.mut_bytes());
        for (size_t i = 0; i < 2; i++) {
            entropy.fill(s[i].mut_bytes());
            entropy.fill(e[i].mut_bytes());
            s_public[i] = x25519_public(s[i]);
        }
    }
    NoiseConfig config(Pattern pattern, Role role) const {
        const size_t i = static_cast<size_t>(role);
        return {.pattern = pattern,
                .role = role,
                .prologue = base::bytes_of("prologue"),
                .local_secret = &s[i],
                .local_public = &s_public[i],
                .remote_static = &s_public[1 - i],
                .psk = needs_psk(pattern) ? &psk : nullptr,
                .ephemeral_secret = &e[i]};
    }
    NoiseHandshake make(Pattern pattern, Role role) const {
        return NoiseHandshake(config(pattern, role));
    }
};

using Message = std::vector<uint8_t>;

Message write(NoiseHandshake &from, const Message &payload) {
    Message out(payload.size() + noise_overhead(from.pattern(), from.messages_done()));
    const auto len = from.write(payload, out);
    assert_int_equal(len.status(), PLAIT_OK);
    assert_int_equal(*len, out.size());
    return out;
}

void read(NoiseHandshake &to, const Message &message, const Message &payload) {
    Message out(payload.size());
    const auto len = to.read(message, out);
    assert_int_equal(len.status(), PLAIT_OK);
    assert_true(out == payload);
}

void finish(NoiseHandshake &a, NoiseHandshake &z) {
    while (!a.finished() || !z.finished()) {
        NoiseHandshake &writer = a.our_turn() ? a : z;
        NoiseHandshake &reader = a.our_turn() ? z : a;
        const Message payload = counting(20, static_cast<uint8_t>(a.messages_done()));
        read(reader, write(writer, payload), payload);
    }
    assert_true(a.hash() == z.hash());
}

void test_noise_all_patterns_agree_on_keys_and_peers(void **) {
    for (const Pattern pattern : kAll) {
        const Pair keys(11);
        auto a = keys.make(pattern, Role::kInitiator), z = keys.make(pattern, Role::kResponder);
        finish(a, z);
        assert_int_equal(a.messages_done(), noise_message_count(pattern));
        assert_true(a.remote_ephemeral() == x25519_public(keys.e[1]));
        assert_int_equal(a.has_remote_static(), pattern != Pattern::kNN);
        if (pattern != Pattern::kNN) {
            assert_true(a.remote_static() == keys.s_public[1]);
            assert_true(z.remote_static() == keys.s_public[0]);
        }
        Secret<32> a1, a2, z1, z2;
        a.split(a1, a2);
        z.split(z1, z2);
        assert_true(a1 == z1 && a2 == z2);
        assert_false(a1 == a2);
    }
}

// "A failed read leaves the state as it was": one flipped bit in every byte of every message, then
// the true message is still taken.
void test_noise_forged_messages_do_not_kill_the_handshake(void **) {
    for (const Pattern pattern : kAll) {
        const Pair keys(12);
        auto a = keys.make(pattern, Role::kInitiator), z = keys.make(pattern, Role::kResponder);
        while (!a.finished()) {
            NoiseHandshake &writer = a.our_turn() ? a : z;
            NoiseHandshake &reader = a.our_turn() ? z : a;
            const bool plain = writer.messages_done() == 0 &&
                               (pattern == Pattern::kXX || pattern == Pattern::kNN);
            const Message payload = counting(9), good = write(writer, payload);
            const auto hash = reader.hash();
            Message out(payload.size());
            for (size_t i = 0; i < good.size() && !plain; i++) {
                Message bad = good;
                bad[i] ^= 0x10;
                assert_int_equal(reader.read(bad, out).status(), PLAIT_E_AUTH);
                assert_true(reader.hash() == hash);
            }
            read(reader, good, payload);
        }
        assert_true(a.hash() == z.hash());
    }
}

void test_noise_message_of_wrong_length_is_malformed(void **) {
    const Pair keys(13);
    auto a = keys.make(Pattern::kIK, Role::kInitiator);
    auto z = keys.make(Pattern::kIK, Role::kResponder);
    const Message good = write(a, {});
    Message out(70000);
    for (size_t n = 0; n < good.size(); n++)
        assert_int_equal(z.read(Bytes(good).first(n), out).status(), PLAIT_E_MALFORMED);
    assert_int_equal(z.read(Message(kNoiseMessageMax + 1), out).status(), PLAIT_E_MALFORMED);
    Message longer = good;
    longer.push_back(0);
    assert_int_equal(z.read(longer, out).status(), PLAIT_E_AUTH);
    assert_int_equal(z.read(longer, {}).status(), PLAIT_E_BUFFER);
    read(z, good, {});
}

void test_noise_write_out_of_turn_or_room_is_refused(void **) {
    const Pair keys(14);
    auto a = keys.make(Pattern::kIK, Role::kInitiator);
    auto z = keys.make(Pattern::kIK, Role::kResponder);
    Message out(100);
    assert_int_equal(z.write({}, out).status(), PLAIT_E_STATE);
    assert_int_equal(a.read(out, out).status(), PLAIT_E_STATE);
    assert_int_equal(a.write(counting(10), MutBytes(out).first(99)).status(), PLAIT_E_BUFFER);
    assert_int_equal(a.write(Message(kNoiseMessageMax), out).status(), PLAIT_E_TOO_BIG);
    finish(a, z);
    assert_int_equal(a.write({}, out).status(), PLAIT_E_STATE);
    assert_int_equal(a.read(out, out).status(), PLAIT_E_STATE);
}

void test_noise_other_prologue_psk_or_responder_is_refused(void **) {
    const Pair keys(15), strangers(16);
    for (int what = 0; what < 3; what++) {
        auto config = keys.config(Pattern::kIKpsk2, Role::kResponder);
        if (what == 0)
            config.prologue = base::bytes_of("prologuf");
        if (what == 1)
            config.psk = &strangers.psk;
        if (what == 2)
            config.local_secret = &strangers.s[1], config.local_public = &strangers.s_public[1];
        auto a = keys.make(Pattern::kIKpsk2, Role::kInitiator);
        NoiseHandshake z(config);
        const Message first = write(a, counting(5));
        Message out(100);
        const auto seen = z.read(first, out);
        if (what == 1) { // psk2 acts in the second message
            assert_int_equal(seen.status(), PLAIT_OK);
            const Message second = write(z, counting(5));
            assert_int_equal(a.read(second, out).status(), PLAIT_E_AUTH);
        } else {
            assert_int_equal(seen.status(), PLAIT_E_AUTH);
        }
    }
}

void test_noise_low_order_keys_abort(void **) {
    const Pair keys(17);
    const X25519Public zero{};
    // As the responder's static key, at the initiator.
    auto config = keys.config(Pattern::kIK, Role::kInitiator);
    config.remote_static = &zero;
    NoiseHandshake a(config);
    Message out(200);
    assert_int_equal(a.write({}, out).status(), PLAIT_E_AUTH);
    assert_int_equal(a.messages_done(), 0);
    // As the initiator's ephemeral key, at the responder: NN's first message has no more than it.
    auto z = keys.make(Pattern::kNN, Role::kResponder);
    assert_int_equal(z.read(zero, out).status(), PLAIT_OK);
    assert_int_equal(z.write({}, out).status(), PLAIT_E_AUTH);
    auto k = keys.make(Pattern::kKK, Role::kResponder);
    assert_int_equal(k.read(Message(48), out).status(), PLAIT_E_AUTH);
}

void test_noise_overhead_follows_the_patterns(void **) {
    const struct {
        Pattern pattern;
        std::vector<size_t> overhead;
    } expected[] = {
        {Pattern::kIK, {96, 48}},         {Pattern::kXX, {32, 96, 64}},
        {Pattern::kIKpsk2, {96, 48}},     {Pattern::kXXpsk3, {48, 96, 64}},
        {Pattern::kNN, {32, 48}},         {Pattern::kKK, {48, 48}},
    };
    for (const auto &e : expected) {
        assert_int_equal(noise_message_count(e.pattern), e.overhead.size());
        for (size_t i = 0; i < e.overhead.size(); i++)
            assert_int_equal(noise_overhead(e.pattern, i), e.overhead[i]);
    }
    assert_true(*pattern_from_wire(4) == Pattern::kXXpsk3);
    for (const uint8_t number : {0, 5, 64, 65, 255})
        assert_int_equal(pattern_from_wire(number).status(), PLAIT_E_MALFORMED);
}

void test_noise_known_static_shared_gives_same_handshake(void **) {
    const Pair keys(18);
    SeededEntropy entropy(18);
    Secret<32> ss;
    assert_int_equal(x25519(keys.s[0], keys.s_public[1], ss), PLAIT_OK);
    auto plain = keys.make(Pattern::kIK, Role::kInitiator);
    auto config = keys.config(Pattern::kIK, Role::kInitiator);
    config.static_shared = &ss;
    NoiseHandshake given(config);
    const Message first = write(plain, {});
    assert_true(write(given, {}) == first);

    // The responder finds it by the key that the message brings.
    IdentityCache cache(entropy);
    NodeId id;
    id.b[0] = 1;
    cache.put(id, keys.s_public[0], &ss);
    config = keys.config(Pattern::kIK, Role::kResponder);
    config.identities = &cache;
    NoiseHandshake z(config);
    read(z, first, {});
    finish(given, z);
    Secret<32> seen;
    assert_true(z.static_shared(seen));
    assert_true(seen == ss);

    // A wrong one, given or in the cache, is indeed what is used.
    const auto wrong = secret_filled<32>(1);
    auto wrong_config = keys.config(Pattern::kIK, Role::kInitiator);
    wrong_config.static_shared = &wrong;
    NoiseHandshake mistaken(wrong_config);
    assert_true(write(mistaken, {}) != first);
    cache.put(id, keys.s_public[0], &wrong);
    NoiseHandshake y(config);
    Message out(16);
    assert_int_equal(y.read(first, out).status(), PLAIT_E_AUTH);
}

void test_noise_moved_handshake_goes_on(void **) {
    const Pair keys(19);
    auto a = keys.make(Pattern::kXX, Role::kInitiator);
    auto z = keys.make(Pattern::kXX, Role::kResponder);
    read(z, write(a, {}), {});
    NoiseHandshake moved = std::move(a);
    finish(moved, z);
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(test_noise_ik_vector_is_reproduced),
        cmocka_unit_test(test_noise_xx_vector_is_reproduced),
        cmocka_unit_test(test_noise_all_patterns_agree_on_keys_and_peers),
        cmocka_unit_test(test_noise_forged_messages_do_not_kill_the_handshake),
        cmocka_unit_test(test_noise_message_of_wrong_length_is_malformed),
        cmocka_unit_test(test_noise_write_out_of_turn_or_room_is_refused),
        cmocka_unit_test(test_noise_other_prologue_psk_or_responder_is_refused),
        cmocka_unit_test(test_noise_low_order_keys_abort),
        cmocka_unit_test(test_noise_overhead_follows_the_patterns),
        cmocka_unit_test(test_noise_known_static_shared_gives_same_handshake),
        cmocka_unit_test(test_noise_moved_handshake_goes_on),
    };
    return cmocka_run_group_tests(tests, start_crypto, nullptr);
}
