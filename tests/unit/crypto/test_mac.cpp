// SPDX-License-Identifier: Apache-2.0
#include "crypto/mac.h"
#include "support.h"

using namespace plait::crypto;
using namespace plait::test;
using plait::base::bytes_of;

namespace {

const X25519Public kResponder = [] {
    X25519Public out;
    out.fill(9);
    return out;
}();

// Python: key = blake2b(b"plait1 mac1" + responder, key=network or b"", digest_size=32).digest();
//         blake2b(b"message", key=key, digest_size=16), with responder = 32 x 9, network = 32 x 7
void test_mac1_known_keys_give_blake2b_answers(void **) {
    const auto network = secret_filled<32>(7);
    const Mac1Key plain = mac1_key(nullptr, &kResponder);
    assert_hex_equal(plain.key, "b00cf4c7ea1a445ebe2fc048ad5e7eaeb6816aa511ac819181badde8ad5a4f16");
    assert_hex_equal(mac1(plain, bytes_of("message")), "da5151da2984db4be33d12d4d1e987fb");
    assert_hex_equal(mac1(mac1_key(&network, &kResponder), bytes_of("message")),
                     "5fd743350118dd1e885024ad7fd05749");
    assert_hex_equal(mac1(mac1_key(nullptr, nullptr), bytes_of("message")),
                     "54e84bb9507ec92f75071bb7adedfaaf");
    assert_hex_equal(mac1(mac1_key(&network, nullptr), bytes_of("message")),
                     "28d87f7e3b07e8a865bb812b261e2cf4");
}

void test_mac1_any_flipped_bit_is_refused(void **) {
    const Mac1Key key = mac1_key(nullptr, &kResponder);
    auto message = counting(100);
    const Mac mac = mac1(key, message);
    assert_true(verify_mac1(key, message, mac));
    assert_false(verify_mac1(key, message, plait::Bytes(mac).first(15)));
    assert_false(verify_mac1(key, plait::Bytes(message).first(99), mac));
    assert_false(verify_mac1(mac1_key(nullptr, nullptr), message, mac));
    for (size_t bit = 0; bit < 128; bit++) {
        Mac bad = mac;
        bad[bit / 8] = static_cast<uint8_t>(bad[bit / 8] ^ 1 << bit % 8);
        assert_false(verify_mac1(key, message, bad));
    }
    for (size_t bit = 0; bit < message.size() * 8; bit++) {
        message[bit / 8] = static_cast<uint8_t>(message[bit / 8] ^ 1 << bit % 8);
        assert_false(verify_mac1(key, message, mac));
        message[bit / 8] = static_cast<uint8_t>(message[bit / 8] ^ 1 << bit % 8);
    }
}

// Python: cookie = blake2b(b"context", key=bytes([7]) * 32, digest_size=16).digest();
//         blake2b(b"message", key=cookie, digest_size=16);
//         blake2b(b"beforeafter", key=cookie, digest_size=16)[:8]
void test_cookie_known_input_gives_blake2b_answers(void **) {
    const Mac ticket = cookie(secret_filled<32>(7), bytes_of("context"));
    assert_hex_equal(ticket, "e0c9696230c067d387068426e4e9d159");
    const Mac mac = mac2(ticket, bytes_of("message"));
    assert_hex_equal(mac, "9cb349ebe9c9db5e72094c4cb8ca57d7");
    assert_true(verify_mac2(ticket, bytes_of("message"), mac));
    assert_false(verify_mac2(ticket, bytes_of("messagf"), mac));
    assert_false(verify_mac2(cookie(secret_filled<32>(8), bytes_of("context")), bytes_of("message"),
                             mac));
    const auto tag = fragment_tag(ticket, bytes_of("before"), bytes_of("after"));
    assert_hex_equal(tag, "5ae0b255e976a134");
    assert_true(verify_fragment_tag(ticket, bytes_of("before"), bytes_of("after"), tag));
    assert_false(verify_fragment_tag(ticket, bytes_of("before"), bytes_of("aftes"), tag));
    assert_false(verify_fragment_tag(ticket, bytes_of("before"), bytes_of("after"),
                                     plait::Bytes(tag).first(7)));
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(test_mac1_known_keys_give_blake2b_answers),
        cmocka_unit_test(test_mac1_any_flipped_bit_is_refused),
        cmocka_unit_test(test_cookie_known_input_gives_blake2b_answers),
    };
    return cmocka_run_group_tests(tests, start_crypto, nullptr);
}
