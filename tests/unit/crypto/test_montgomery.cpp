// SPDX-License-Identifier: Apache-2.0
// Our conversion of public keys, checked against libsodium's.
#include "crypto/field25519.h"
#include "crypto/montgomery.h"
#include "support.h"

#include <sodium.h>

using namespace plait;
using namespace plait::crypto;
using namespace plait::test;

namespace {

using Point = std::array<uint8_t, 32>;

constexpr const char *kOrder8 = "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05";

Point random_point(SeededEntropy &entropy) {
    Point seed, out;
    std::array<uint8_t, 64> secret;
    entropy.fill(seed);
    crypto_sign_seed_keypair(out.data(), secret.data(), seed.data());
    return out;
}

// Nothing if one of them is not on the curve.
std::optional<Point> sum(const Point &a, const Point &b) {
    Point out;
    if (crypto_core_ed25519_add(out.data(), a.data(), b.data()) != 0)
        return std::nullopt;
    return out;
}

std::optional<Point> sodium_u(const Point &point) {
    Point out;
    if (crypto_sign_ed25519_pk_to_curve25519(out.data(), point.data()) != 0)
        return std::nullopt;
    return out;
}

void test_montgomery_u_of_usable_point_is_libsodiums(void **) {
    SeededEntropy entropy(1);
    for (int i = 0; i < 500; i++) {
        Point point = random_point(entropy);
        for (int sign = 0; sign < 2; sign++) {
            point[31] ^= 0x80;
            const auto u = checked_montgomery_u(point);
            assert_true(u.ok());
            assert_true(*u == *sodium_u(point));
            assert_true(montgomery_u(point) == *u);
        }
    }
}

// Each point of the main subgroup plus each of the eight whose order divides 8.
void test_montgomery_u_of_point_outside_main_subgroup_is_refused(void **) {
    SeededEntropy entropy(2);
    const Point order8 = array_of<32>(kOrder8);
    for (int i = 0; i < 100; i++) {
        const Point point = random_point(entropy);
        Point mixed = point;
        for (int k = 1; k < 8; k++) {
            mixed = *sum(mixed, order8);
            assert_int_equal(checked_montgomery_u(mixed).status(), PLAIT_E_NODE_ID);
        }
        assert_true(*sum(mixed, order8) == point);
    }
}

// Of a point anywhere on the curve and its seven neighbours one is in the main subgroup, and what
// is not on the curve is refused.
void test_montgomery_u_of_any_bytes_takes_one_point_of_eight(void **) {
    SeededEntropy entropy(3);
    const Point order8 = array_of<32>(kOrder8);
    int on_curve = 0;
    for (int i = 0; i < 400; i++) {
        Point point;
        entropy.fill(point);
        auto next = sum(point, order8);
        if (!next) {
            assert_int_equal(checked_montgomery_u(point).status(), PLAIT_E_NODE_ID);
            continue;
        }
        on_curve++;
        int usable = 0;
        for (int k = 0; k < 8; k++, next = sum(*next, order8)) {
            const auto u = checked_montgomery_u(*next);
            if (u.ok()) {
                usable++;
                assert_true(*u == *sodium_u(*next));
            }
        }
        assert_int_equal(usable, 1);
    }
    assert_in_range(on_curve, 130, 270);
}

void test_x25519_public_is_libsodiums(void **) {
    SeededEntropy entropy(4);
    for (int i = 0; i < 300; i++) {
        Secret<32> secret;
        if (i < 3)
            std::fill(secret.begin(), secret.end(), static_cast<uint8_t>(i == 2 ? 0xff : i));
        else
            entropy.fill(secret.mut_bytes());
        Point expected;
        crypto_scalarmult_base(expected.data(), secret.data());
        assert_true(x25519_public(secret) == expected);
    }
}

// Values at the edges of limbs and of the field, in all pairs.
void test_field_at_its_edges_keeps_the_laws(void **) {
    std::vector<Fe> values = {Fe(0), Fe(1), Fe(2), Fe(19), -Fe(1), -Fe(19)};
    constexpr uint64_t kMost = (uint64_t{1} << 52) - 1, kFull = (uint64_t{1} << 51) - 1;
    values.push_back(Fe(kMost, kMost, kMost, kMost, kMost));
    values.push_back(Fe(kFull, kFull, kFull, kFull, kFull));
    values.push_back(Fe(kFull - 18, kFull, kFull, kFull, kFull)); // p
    for (size_t i = 0; i < 256; i++) {
        Point one_bit{};
        one_bit[i / 8] = static_cast<uint8_t>(1 << (i % 8));
        values.push_back(Fe::from_bytes(one_bit));
    }
    for (const Fe &a : values) {
        assert_true(a * a == a.square());
        assert_true(a * a.inverse() == (a == Fe(0) ? Fe(0) : Fe(1)));
        assert_true(Fe::from_bytes(a.to_bytes()) == a);
        assert_true(a.to_bytes()[31] < 0x80);
        const auto root = sqrt(a);
        assert_true(root.has_value() == (a == Fe(0) || is_square(a)));
        assert_true(!root || root->square() == a);
        for (const Fe &b : values) {
            assert_true((a + b) * (a - b) == a.square() - b.square());
            assert_true((a - b) + b == a);
        }
    }
}

void test_field_bytes_above_the_prime_mean_the_rest(void **) {
    Point bytes = array_of<32>("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f");
    for (uint64_t rest = 0; rest < 19; rest++, bytes[0]++) {
        assert_true(Fe::from_bytes(bytes) == Fe(rest));
        assert_true(Fe::from_bytes(bytes).to_bytes() == Fe(rest).to_bytes());
        assert_int_equal(Fe(rest).to_bytes()[0], rest);
    }
    bytes = array_of<32>("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f");
    assert_true((-Fe(1)).to_bytes() == bytes);
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(test_montgomery_u_of_usable_point_is_libsodiums),
        cmocka_unit_test(test_montgomery_u_of_point_outside_main_subgroup_is_refused),
        cmocka_unit_test(test_montgomery_u_of_any_bytes_takes_one_point_of_eight),
        cmocka_unit_test(test_x25519_public_is_libsodiums),
        cmocka_unit_test(test_field_at_its_edges_keeps_the_laws),
        cmocka_unit_test(test_field_bytes_above_the_prime_mean_the_rest),
    };
    return cmocka_run_group_tests(tests, start_crypto, nullptr);
}
