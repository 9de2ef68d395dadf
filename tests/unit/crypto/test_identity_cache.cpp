// SPDX-License-Identifier: Apache-2.0
#include "crypto/identity_cache.h"
#include "support.h"

#include <algorithm>

using namespace plait::crypto;
using namespace plait::test;

namespace {

NodeId id_of(uint32_t n) {
    NodeId id;
    plait::base::store_be(id.b.data(), n, 4);
    return id;
}

X25519Public key_of(uint32_t n) {
    X25519Public key{};
    plait::base::store_be(key.data() + 8, n, 4);
    return key;
}

void test_identity_cache_entry_is_found_both_ways(void **) {
    SeededEntropy entropy(1);
    IdentityCache cache(entropy);
    assert_int_equal(cache.capacity(), 4096);
    assert_null(cache.find(id_of(1)));
    const auto ss = secret_filled<32>(7);
    cache.put(id_of(1), key_of(1), &ss);
    cache.put(id_of(2), key_of(2), nullptr);
    assert_true(cache.find(id_of(1))->x25519 == key_of(1));
    assert_true(cache.find(key_of(1))->id == id_of(1));
    assert_true(cache.find(id_of(1))->has_ss && cache.find(id_of(1))->ss == ss);
    assert_false(cache.find(key_of(2))->has_ss);
    assert_null(cache.find(key_of(3)));
}

void test_identity_cache_put_without_ss_keeps_the_old(void **) {
    SeededEntropy entropy(2);
    IdentityCache cache(entropy, 4);
    const auto ss = secret_filled<32>(7);
    cache.put(id_of(1), key_of(1), &ss);
    cache.put(id_of(1), key_of(1), nullptr);
    assert_int_equal(cache.size(), 1);
    assert_true(cache.find(id_of(1))->ss == ss);
}

void test_identity_cache_two_ids_of_one_key_are_apart(void **) {
    SeededEntropy entropy(3);
    IdentityCache cache(entropy, 4);
    NodeId flipped = id_of(1);
    flipped.b[31] ^= 0x80;
    const auto ss = secret_filled<32>(7);
    cache.put(id_of(1), key_of(1), &ss);
    cache.put(flipped, key_of(1), nullptr);
    assert_true(cache.find(flipped)->id == flipped);
    assert_true(cache.find(id_of(1))->id == id_of(1));
    assert_true(cache.find(key_of(1))->has_ss);
}

void test_identity_cache_full_evicts_least_recently_used(void **) {
    SeededEntropy entropy(4);
    IdentityCache cache(entropy, 3);
    const auto ss = secret_filled<32>(7);
    for (uint32_t n = 1; n <= 3; n++)
        cache.put(id_of(n), key_of(n), &ss);
    assert_non_null(cache.find(id_of(1)));
    cache.put(id_of(4), key_of(4), nullptr); // 2 was used longest ago
    assert_int_equal(cache.size(), 3);
    assert_null(cache.find(id_of(2)));
    assert_null(cache.find(key_of(2)));
    assert_non_null(cache.find(id_of(1)));
    const auto *fresh = cache.find(id_of(4));
    assert_false(fresh->has_ss); // nothing of the evicted one is left
    assert_true(fresh->ss == Secret<32>());
}

void test_identity_cache_clear_forgets_all(void **) {
    SeededEntropy entropy(5);
    IdentityCache cache(entropy, 3);
    cache.put(id_of(1), key_of(1), nullptr);
    cache.clear();
    assert_int_equal(cache.size(), 0);
    assert_null(cache.find(id_of(1)));
    cache.put(id_of(2), key_of(2), nullptr);
    assert_non_null(cache.find(key_of(2)));
}

// Against a plain list kept in order of use.
void test_identity_cache_random_use_matches_model(void **) {
    constexpr uint64_t kSeed = 20240607;
    constexpr size_t kCapacity = 100;
    SeededEntropy random(kSeed);
    IdentityCache cache(random, kCapacity);
    std::vector<uint32_t> model; // newest last
    for (int step = 0; step < 20000; step++) {
        const uint32_t n = static_cast<uint32_t>(random.next() % 240);
        const auto at = std::find(model.begin(), model.end(), n);
        const bool known = at != model.end();
        const bool by_key = random.next() % 2 != 0, put = random.next() % 3 == 0;
        if (put) {
            cache.put(id_of(n), key_of(n), nullptr);
            if (known)
                model.erase(at);
            else if (model.size() == kCapacity)
                model.erase(model.begin());
            model.push_back(n);
        } else {
            const auto *entry = by_key ? cache.find(key_of(n)) : cache.find(id_of(n));
            assert_int_equal(entry != nullptr, known);
            if (known) {
                assert_true(entry->id == id_of(n));
                model.erase(at);
                model.push_back(n);
            }
        }
        assert_int_equal(cache.size(), model.size());
    }
}

void test_x25519_of_asks_the_cache_first(void **) {
    SeededEntropy entropy(6);
    IdentityCache cache(entropy, 3);
    const auto peer = Identity::generate(entropy);
    assert_true(*x25519_of(peer->id(), cache) == peer->x25519_public());
    assert_int_equal(cache.size(), 0); // only what is authenticated is entered, by the caller
    cache.put(id_of(9), key_of(9), nullptr);
    assert_true(*x25519_of(id_of(9), cache) == key_of(9));
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(test_identity_cache_entry_is_found_both_ways),
        cmocka_unit_test(test_identity_cache_put_without_ss_keeps_the_old),
        cmocka_unit_test(test_identity_cache_two_ids_of_one_key_are_apart),
        cmocka_unit_test(test_identity_cache_full_evicts_least_recently_used),
        cmocka_unit_test(test_identity_cache_clear_forgets_all),
        cmocka_unit_test(test_identity_cache_random_use_matches_model),
        cmocka_unit_test(test_x25519_of_asks_the_cache_first),
    };
    return cmocka_run_group_tests(tests, start_crypto, nullptr);
}
