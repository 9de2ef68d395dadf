// SPDX-License-Identifier: Apache-2.0
#include "crypto/protection.h"
#include "support.h"

#include <algorithm>

using namespace plait;
using namespace plait::crypto;
using namespace plait::test;

namespace {

constexpr Cipher kBoth[] = {Cipher::kChaCha20Poly1305, Cipher::kAes256Gcm};

Root known_root() {
    std::array<uint8_t, 64> h;
    h.fill(3);
    return make_root(secret_filled<32>(1), secret_filled<32>(2), h);
}

using Packet = std::vector<uint8_t>;

Packet sealed(const PacketKey &key, LinkNumber link, PacketNumber pn, Bytes aad, Bytes plaintext) {
    Packet out(plaintext.size() + kTagLen);
    seal(key, link, pn, aad, plaintext, out.data());
    return out;
}

// RFC 8439 section 2.8.2. Link 0 and packet number 0: the nonce is the iv.
void test_seal_rfc8439_key_gives_its_answer(void **) {
    const PacketKey key(Cipher::kChaCha20Poly1305, secret_of<32>(hex(counting(32, 0x80))),
                        secret_of<12>("070000004041424344454647"));
    const auto out = sealed(
        key, LinkNumber{0}, PacketNumber{0}, unhex("50515253c0c1c2c3c4c5c6c7"),
        base::bytes_of("Ladies and Gentlemen of the class of '99: If I could offer you only one "
                       "tip for the future, sunscreen would be it."));
    assert_hex_equal(out, "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6"
                          "3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36"
                          "92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc"
                          "3ff4def08e4b7a9de576d26586cec64b6116"
                          "1ae10b594f09e26a7e902ecbd0600691");
}

// "The Galois/Counter Mode of Operation", test case 16.
void test_seal_gcm_case_16_gives_its_answer(void **) {
    if (!cipher_available(Cipher::kAes256Gcm))
        skip();
    const PacketKey key(
        Cipher::kAes256Gcm,
        secret_of<32>("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308"),
        secret_of<12>("cafebabefacedbaddecaf888"));
    const auto plaintext = unhex("d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
                                 "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39");
    const auto out = sealed(key, LinkNumber{0}, PacketNumber{0},
                            unhex("feedfacedeadbeeffeedfacedeadbeefabaddad2"), plaintext);
    assert_hex_equal(out, "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
                          "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
                          "76fc6ece0f4e1768cddf8853bb2d551b");
}

// Python (cryptography): key, iv = split(E(root, b"chan", pack(">IBBI", 5, 1, cipher, 7), 44));
// ChaCha20Poly1305(key) or AESGCM(key) .encrypt(iv xor pack(">IQ", 3, 0x0102030405060708),
// b"one packet of plait", b"header")
void test_seal_known_root_gives_independent_answers(void **) {
    const char *expected[] = {
        "e2ec009f74426b0c3610773a5d89698cfd9a1b03f217e77018fd55c23f1fde574f0d07",
        "3246c33d58ad4069e4f01af849d7d1820edf5587f069add137128a2c433c6a68d9f58f"};
    for (size_t i = 0; i < 2; i++) {
        if (!cipher_available(kBoth[i]))
            continue;
        const PacketKey key(known_root(), {ChannelNumber{5}, Role::kResponder, kBoth[i], 7});
        assert_hex_equal(sealed(key, LinkNumber{3}, PacketNumber{0x0102030405060708},
                                base::bytes_of("header"), base::bytes_of("one packet of plait")),
                         expected[i]);
    }
}

void test_seal_and_open_all_lengths_round_trip_in_place(void **) {
    SeededEntropy random(99);
    for (const Cipher cipher : kBoth) {
        if (!cipher_available(cipher))
            continue;
        const PacketKey key(known_root(), {ChannelNumber{1}, Role::kInitiator, cipher, 0});
        for (size_t n = 0; n < 1500; n += n < 300 ? 1 : 37) {
            Packet text(n), aad(random.next() % 24), place(n + kTagLen);
            random.fill(text);
            random.fill(aad);
            const LinkNumber link{static_cast<uint32_t>(random.next() >> 34)};
            const PacketNumber pn{random.next() >> 2};
            std::copy(text.begin(), text.end(), place.begin());
            seal(key, link, pn, aad, Bytes(place).first(n), place.data());
            assert_true(place == sealed(key, link, pn, aad, text)); // in place or not
            const Packet tag(place.end() - kTagLen, place.end());
            assert_int_equal(open(key, link, pn, aad, place), PLAIT_OK);
            assert_true(std::equal(text.begin(), text.end(), place.begin()));
            assert_true(std::equal(tag.begin(), tag.end(), place.end() - kTagLen));
        }
    }
}

void test_open_any_flipped_bit_is_refused(void **) {
    const Packet text = counting(40), aad = counting(9);
    for (const Cipher cipher : kBoth) {
        if (!cipher_available(cipher))
            continue;
        const PacketKey key(known_root(), {ChannelNumber{1}, Role::kInitiator, cipher, 0});
        const Packet good = sealed(key, LinkNumber{1}, PacketNumber{2}, aad, text);
        for (size_t bit = 0; bit < good.size() * 8; bit++) {
            Packet bad = good;
            bad[bit / 8] = static_cast<uint8_t>(bad[bit / 8] ^ 1 << bit % 8);
            assert_int_equal(open(key, LinkNumber{1}, PacketNumber{2}, aad, bad), PLAIT_E_AUTH);
            for (size_t i = 0; i < text.size(); i++) // nothing forged is left to be read
                assert_int_equal(bad[i], 0);
        }
        for (size_t bit = 0; bit < aad.size() * 8; bit++) {
            Packet bad = aad, place = good;
            bad[bit / 8] = static_cast<uint8_t>(bad[bit / 8] ^ 1 << bit % 8);
            assert_int_equal(open(key, LinkNumber{1}, PacketNumber{2}, bad, place), PLAIT_E_AUTH);
        }
    }
}

void test_open_cut_packet_is_refused(void **) {
    const PacketKey key(known_root(), {});
    const Packet good = sealed(key, LinkNumber{1}, PacketNumber{2}, {}, counting(20));
    for (size_t n = 0; n < good.size(); n++) {
        Packet cut(good.begin(), good.begin() + static_cast<ptrdiff_t>(n));
        assert_int_equal(open(key, LinkNumber{1}, PacketNumber{2}, {}, cut), PLAIT_E_AUTH);
    }
}

void test_open_other_link_number_or_key_is_refused(void **) {
    for (const Cipher cipher : kBoth) {
        if (!cipher_available(cipher))
            continue;
        const PacketKeySpec spec{ChannelNumber{1}, Role::kInitiator, cipher, 3};
        const PacketKey key(known_root(), spec);
        const Packet good = sealed(key, LinkNumber{6}, PacketNumber{1000}, {}, counting(20));
        const auto opens = [&](const PacketKey &with, uint32_t link, uint64_t pn) {
            Packet place = good;
            return open(with, LinkNumber{link}, PacketNumber{pn}, {}, place) == PLAIT_OK;
        };
        assert_true(opens(key, 6, 1000));
        assert_false(opens(key, 7, 1000));
        assert_false(opens(key, 6, 1001));
        assert_false(opens(key, 6, 1000 + (uint64_t{1} << 32)));
        PacketKeySpec others[] = {spec, spec, spec};
        others[0].epoch = 4;
        others[1].channel.v = 2;
        others[2].direction = Role::kResponder;
        for (const auto &other : others)
            assert_false(opens(PacketKey(known_root(), other), 6, 1000));
        assert_false(opens(PacketKey(next_root(known_root(), 1, {}, {}, {}, {}), spec), 6, 1000));
    }
}

// Whatever sizes the key before and the new one are used for first.
void test_packet_key_reset_takes_the_other_key(void **) {
    constexpr size_t kSizes[] = {5, kSmallText, kSmallText + 1, 1000};
    for (const Cipher cipher : kBoth) {
        if (!cipher_available(cipher))
            continue;
        for (const size_t before : kSizes)
            for (const size_t first : kSizes) {
                PacketKey key(known_root(), {ChannelNumber{1}, Role::kInitiator, kBoth[0], 0});
                (void)sealed(key, {}, {}, {}, counting(before));
                const PacketKeySpec spec{ChannelNumber{2}, Role::kResponder, cipher, 1};
                key.reset(known_root(), spec);
                const PacketKey fresh(known_root(), spec);
                for (const size_t n : {first, kSizes[0], kSizes[3]})
                    assert_true(sealed(key, {}, {}, {}, counting(n)) ==
                                sealed(fresh, {}, {}, {}, counting(n)));
            }
    }
}

void test_seal_batch_equals_single_seals(void **) {
    const PacketKey one(known_root(), {ChannelNumber{1}});
    const PacketKey two(known_root(), {ChannelNumber{2}});
    const Packet text = counting(100), aad = counting(4);
    Packet a(116), b(66);
    const SealJob jobs[] = {
        {&one, LinkNumber{1}, PacketNumber{7}, aad, text, a.data()},
        {&two, LinkNumber{1}, PacketNumber{8}, {}, Bytes(text).first(50), b.data()},
    };
    seal_batch(jobs);
    assert_true(a == sealed(one, LinkNumber{1}, PacketNumber{7}, aad, text));
    assert_true(b == sealed(two, LinkNumber{1}, PacketNumber{8}, {}, Bytes(text).first(50)));
}

// The reference's vectors_sip128[16]: key 0..15, input 0..15. The second: E(root, "hp", 0) as key.
void test_header_mask_known_key_gives_siphash_answer(void **) {
    HeaderKey key{secret_of<16>(hex(counting(16)))};
    const auto sample = counting(16);
    assert_hex_equal(header_mask(key, sample.data()).b, "6ee2a4ca67b054bbfd3315bf85230577");
    assert_hex_equal(
        header_mask(derive_header_key(known_root(), Role::kInitiator), sample.data()).b,
        "74555d4c6d99b0886504672f49d01a0b");
}

// Every library's packets are those of every other, and each opens them; so are those of a key
// that chooses by the packet's size (nullptr).
void test_providers_seal_alike_and_open_each_others(void **) {
    SeededEntropy random(7);
    std::vector<const AeadProvider *> all(aead_providers().begin(), aead_providers().end());
    all.push_back(nullptr);
    const auto lacks = [](const AeadProvider *p, Cipher cipher) {
        return p ? !p->available(cipher) : !cipher_available(cipher);
    };
    for (const Cipher cipher : kBoth)
        for (const AeadProvider *one : all)
            for (const AeadProvider *other : all) {
                if (lacks(one, cipher) || lacks(other, cipher))
                    continue;
                Secret<kPacketKeyLen> secret;
                Secret<kPacketIvLen> iv;
                random.fill(secret.mut_bytes());
                random.fill(iv.mut_bytes());
                const PacketKey a(cipher, secret, iv, one), z(cipher, secret, iv, other);
                for (size_t n = 0; n < 1500; n += n < 300 ? 1 : 41) {
                    Packet text(n), aad(n % 25);
                    random.fill(text);
                    random.fill(aad);
                    const LinkNumber link{static_cast<uint32_t>(n)};
                    Packet place = sealed(a, link, PacketNumber{n}, aad, text);
                    assert_true(place == sealed(z, link, PacketNumber{n}, aad, text));
                    Packet forged = place;
                    forged[n] = static_cast<uint8_t>(forged[n] ^ 1);
                    assert_int_equal(open(z, link, PacketNumber{n}, aad, forged), PLAIT_E_AUTH);
                    assert_true(std::all_of(forged.begin(), forged.end() - kTagLen,
                                            [](uint8_t b) { return b == 0; }));
                    assert_int_equal(open(z, link, PacketNumber{n}, aad, place), PLAIT_OK);
                    assert_true(std::equal(text.begin(), text.end(), place.begin()));
                }
            }
}

// Keys of the cache change cipher and library in the same place.
void test_packet_key_reset_after_wipe_takes_a_key(void **) {
    PacketKey key(known_root(), {ChannelNumber{1}});
    key.wipe();
    const PacketKeySpec spec{ChannelNumber{2}, Role::kResponder, Cipher::kChaCha20Poly1305, 1};
    key.reset(known_root(), spec);
    assert_true(sealed(key, {}, {}, {}, counting(5)) ==
                sealed(PacketKey(known_root(), spec), {}, {}, {}, counting(5)));
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(test_seal_rfc8439_key_gives_its_answer),
        cmocka_unit_test(test_seal_gcm_case_16_gives_its_answer),
        cmocka_unit_test(test_seal_known_root_gives_independent_answers),
        cmocka_unit_test(test_seal_and_open_all_lengths_round_trip_in_place),
        cmocka_unit_test(test_open_any_flipped_bit_is_refused),
        cmocka_unit_test(test_open_cut_packet_is_refused),
        cmocka_unit_test(test_open_other_link_number_or_key_is_refused),
        cmocka_unit_test(test_packet_key_reset_takes_the_other_key),
        cmocka_unit_test(test_providers_seal_alike_and_open_each_others),
        cmocka_unit_test(test_packet_key_reset_after_wipe_takes_a_key),
        cmocka_unit_test(test_seal_batch_equals_single_seals),
        cmocka_unit_test(test_header_mask_known_key_gives_siphash_answer),
    };
    return cmocka_run_group_tests(tests, start_crypto, nullptr);
}
