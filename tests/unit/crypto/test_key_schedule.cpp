// SPDX-License-Identifier: Apache-2.0
#include "crypto/key_schedule.h"
#include "support.h"

using namespace plait;
using namespace plait::crypto;
using namespace plait::test;
using plait::base::bytes_of;

namespace {

Root known_root() {
    std::array<uint8_t, 64> h;
    h.fill(3);
    return make_root(secret_filled<32>(1), secret_filled<32>(2), h);
}

// Python: blake2b(b"plait1 root" + bytes([3]) * 64, key=bytes([1]) * 32 + bytes([2]) * 32)
void test_root_known_split_gives_blake2b_answer(void **) {
    assert_hex_equal(known_root(),
                     "6bbb30f253b3469b3d4dcc93ad7a5c48a94ce4f5863edde837cab30cd3c706b6"
                     "65afeee5b7ca5d0410d2a38385e0ab30cd03d685a9c1a952b45dd391b8f28535");
}

// Python: blake2b(b"plait1 rekey" + pack(">I", 1) + b"\x11" * 32 + b"\x12" * 32 + b"\x13" * 32 +
//                 b"kem" + b"init body" + b"resp body", key=root)
void test_next_root_known_secrets_gives_blake2b_answer(void **) {
    const RekeySecrets secrets{secret_filled<32>(0x11), secret_filled<32>(0x12),
                               secret_filled<32>(0x13)};
    const Root next = next_root(known_root(), 1, secrets, bytes_of("kem"), bytes_of("init body"),
                                bytes_of("resp body"));
    assert_hex_equal(next, "7990d33979fd676e41aef6b2c241caf28eae534c47c4cdc8e20cb8f6e5a5bdfa"
                           "c9dd68794edc7cf6fea30312ef741ce617c59e9306c95413c5d78aa3c264e8d0");
    assert_false(next == next_root(known_root(), 2, secrets, bytes_of("kem"), bytes_of("init body"),
                                   bytes_of("resp body")));
}

// Python: E(root, b"chan", pack(">IBBI", 5, 1, 2, 7), 44)
void test_packet_key_known_spec_gives_blake2b_answer(void **) {
    Secret<32> key;
    Secret<12> iv;
    derive_packet_key(known_root(), {ChannelNumber{5}, Role::kResponder, Cipher::kAes256Gcm, 7},
                      key, iv);
    assert_hex_equal(key, "96cb377df5b9fe347561bbf11ea194d2b5bb1b34400c247737345ed1d8b8a164");
    assert_hex_equal(iv, "11d7193e98cf6330261a9477");
}

void test_packet_key_each_field_changed_gives_another(void **) {
    const PacketKeySpec base{ChannelNumber{5}, Role::kResponder, Cipher::kAes256Gcm, 7};
    PacketKeySpec others[] = {base, base, base, base, base};
    others[0].channel.v = 6;
    others[1].direction = Role::kInitiator;
    others[2].cipher = Cipher::kChaCha20Poly1305;
    others[3].epoch = 8;
    others[4].epoch = 7 + 256;
    Secret<32> key, other;
    Secret<12> iv, other_iv;
    derive_packet_key(known_root(), base, key, iv);
    for (const auto &spec : others) {
        derive_packet_key(known_root(), spec, other, other_iv);
        assert_false(key == other);
        assert_false(iv == other_iv);
    }
}

// Python: E(root, b"hp", b"\0", 16), E(root, b"hp", b"\1", 16)
void test_header_key_known_root_gives_blake2b_answer(void **) {
    assert_hex_equal(derive_header_key(known_root(), Role::kInitiator).key,
                     "6c9b9dc38a44ad6d7306099241a24030");
    assert_hex_equal(derive_header_key(known_root(), Role::kResponder).key,
                     "ea0017562a7576be3606d323ccd73af1");
}

// Python: E(E(root, b"exporter", b"", 32), b"export", pack(">I", 9) + b"my label", 48)
void test_export_known_root_gives_blake2b_answer(void **) {
    std::array<uint8_t, 48> out;
    assert_int_equal(export_key(make_exporter(known_root()), ChannelNumber{9}, "my label", out),
                     PLAIT_OK);
    assert_hex_equal(out, "ab1e41a3b516fc6e27b08398c5bb79639bb6cfe02f4508036a7ec534a2d5dbb2"
                          "559c68fba36ef85c9d8e60336f29d9a7");
}

void test_export_length_out_of_range_is_refused(void **) {
    std::array<uint8_t, 65> out;
    const Secret<32> exporter = make_exporter(known_root());
    assert_int_equal(export_key(exporter, ChannelNumber{9}, "l", out), PLAIT_E_INVALID);
    assert_int_equal(export_key(exporter, ChannelNumber{9}, "l", MutBytes()), PLAIT_E_INVALID);
}

// Python: E(E(bytes(range(32)), b"reset", b"", 32), b"tok", b"udp" + bytes(range(8)), 16)
void test_reset_token_known_seed_gives_blake2b_answer(void **) {
    const auto identity = Identity::from_seed(array_of<32>(hex(counting(32))));
    const Secret<32> key = reset_key(*identity);
    assert_hex_equal(key, "eed9554eb88c8bc9d7db76164990eb87bc9bab264808c1c4a8d605171bb162df");
    assert_hex_equal(reset_token(key, "udp", counting(8)), "3a41f1544a34fca4028b1ba2bc7bfab2");
}

void test_rekey_both_sides_reach_one_root(void **) {
    SeededEntropy entropy(1);
    Secret<32> s[2], e[2];
    X25519Public s_public[2], e_public[2];
    for (size_t i = 0; i < 2; i++) {
        entropy.fill(s[i].mut_bytes());
        entropy.fill(e[i].mut_bytes());
        s_public[i] = x25519_public(s[i]);
        e_public[i] = x25519_public(e[i]);
    }
    RekeySecrets a, z;
    assert_int_equal(
        rekey_secrets({Role::kInitiator, e[0], s[0], e_public[1], s_public[1]}, a), PLAIT_OK);
    assert_int_equal(
        rekey_secrets({Role::kResponder, e[1], s[1], e_public[0], s_public[0]}, z), PLAIT_OK);
    assert_true(a.ee == z.ee && a.es == z.es && a.se == z.se);
    assert_false(a.es == a.se);
    // es is the initiator's ephemeral with the responder's static key.
    Secret<32> es;
    assert_int_equal(x25519(e[0], s_public[1], es), PLAIT_OK);
    assert_true(a.es == es);
    const X25519Public low{};
    assert_int_equal(rekey_secrets({Role::kInitiator, e[0], s[0], low, s_public[1]}, a),
                     PLAIT_E_AUTH);
}

void test_cipher_unknown_number_is_not_available(void **) {
    assert_true(cipher_available(Cipher::kChaCha20Poly1305));
    assert_false(cipher_available(Cipher{0}));
    assert_false(cipher_available(Cipher{3}));
    assert_true(packets_max(Cipher::kAes256Gcm, true) > packets_max(Cipher::kAes256Gcm, false));
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(test_root_known_split_gives_blake2b_answer),
        cmocka_unit_test(test_next_root_known_secrets_gives_blake2b_answer),
        cmocka_unit_test(test_packet_key_known_spec_gives_blake2b_answer),
        cmocka_unit_test(test_packet_key_each_field_changed_gives_another),
        cmocka_unit_test(test_header_key_known_root_gives_blake2b_answer),
        cmocka_unit_test(test_export_known_root_gives_blake2b_answer),
        cmocka_unit_test(test_export_length_out_of_range_is_refused),
        cmocka_unit_test(test_reset_token_known_seed_gives_blake2b_answer),
        cmocka_unit_test(test_rekey_both_sides_reach_one_root),
        cmocka_unit_test(test_cipher_unknown_number_is_not_available),
    };
    return cmocka_run_group_tests(tests, start_crypto, nullptr);
}
