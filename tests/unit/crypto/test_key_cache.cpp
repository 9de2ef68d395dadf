// SPDX-License-Identifier: Apache-2.0
#include "crypto/protection.h"
#include "support.h"

#include <algorithm>

using namespace plait;
using namespace plait::crypto;
using namespace plait::test;

namespace {

Root root_of(uint64_t connection, uint32_t generation) {
    Root root;
    base::store_be(root.data(), connection, 8);
    base::store_be(root.data() + 8, generation, 4);
    return root;
}

PacketKeySpec spec_of(uint32_t channel, Role direction = Role::kInitiator, uint32_t epoch = 0) {
    return {ChannelNumber{channel}, direction, Cipher::kChaCha20Poly1305, epoch};
}

const PacketKey &get(KeyCache &cache, uint64_t connection, uint32_t generation,
                     PacketKeySpec spec) {
    return cache.get(connection, root_of(connection, generation), generation, spec);
}

std::string tag_of(const PacketKey &key) {
    std::array<uint8_t, kTagLen> tag;
    seal(key, {}, {}, {}, {}, tag.data());
    return hex(tag);
}

bool is_right(const PacketKey &key, uint64_t connection, uint32_t generation,
              const PacketKeySpec &spec) {
    return tag_of(key) == tag_of(PacketKey(root_of(connection, generation), spec));
}

void test_key_cache_same_name_is_derived_once(void **) {
    KeyCache cache;
    assert_int_equal(cache.capacity(), 256);
    const PacketKey *first = &get(cache, 1, 0, spec_of(5));
    assert_true(is_right(*first, 1, 0, spec_of(5)));
    get(cache, 1, 0, spec_of(5, Role::kResponder));
    assert_ptr_equal(&get(cache, 1, 0, spec_of(5)), first);
    assert_int_equal(cache.derivations(), 2);
}

void test_key_cache_each_part_of_the_name_counts(void **) {
    KeyCache cache;
    const PacketKeySpec base = spec_of(5, Role::kInitiator, 1);
    PacketKeySpec others[] = {base, base, base};
    others[0].channel.v = 6;
    others[1].direction = Role::kResponder;
    others[2].epoch = 257;
    get(cache, 1, 2, base);
    for (const auto &spec : others)
        assert_true(is_right(get(cache, 1, 2, spec), 1, 2, spec));
    assert_true(is_right(get(cache, 2, 2, base), 2, 2, base));
    assert_true(is_right(get(cache, 1, 3, base), 1, 3, base));
    assert_true(is_right(get(cache, 1, 2, base), 1, 2, base));
    assert_int_equal(cache.derivations(), 6);
    if (cipher_available(Cipher::kAes256Gcm)) {
        PacketKeySpec aes = base;
        aes.cipher = Cipher::kAes256Gcm;
        assert_true(is_right(get(cache, 1, 2, aes), 1, 2, aes));
        assert_int_equal(cache.derivations(), 7);
    }
}

void test_key_cache_full_evicts_least_recently_used(void **) {
    KeyCache cache(3);
    for (uint32_t channel = 0; channel < 3; channel++)
        get(cache, 1, 0, spec_of(channel));
    get(cache, 1, 0, spec_of(0));
    get(cache, 1, 0, spec_of(9)); // channel 1 was used longest ago
    assert_int_equal(cache.size(), 3);
    assert_int_equal(cache.derivations(), 4);
    get(cache, 1, 0, spec_of(0));
    get(cache, 1, 0, spec_of(2));
    assert_int_equal(cache.derivations(), 4);
    assert_true(is_right(get(cache, 1, 0, spec_of(1)), 1, 0, spec_of(1)));
    assert_int_equal(cache.derivations(), 5);
}

// The entry last hit may be the very one that is reused for another name.
void test_key_cache_of_one_never_answers_with_the_former_key(void **) {
    KeyCache cache(1);
    for (uint32_t i = 0; i < 50; i++) {
        const auto spec = spec_of(i % 3, i % 2 ? Role::kInitiator : Role::kResponder);
        assert_true(is_right(get(cache, i % 5, 0, spec), i % 5, 0, spec));
        assert_int_equal(cache.size(), 1);
    }
}

void test_key_cache_reference_lasts_for_a_full_round_of_others(void **) {
    KeyCache cache(8);
    const PacketKey &held = get(cache, 1, 0, spec_of(100));
    const std::string tag = tag_of(held);
    for (uint32_t channel = 0; channel < 7; channel++)
        get(cache, 1, 0, spec_of(channel));
    assert_true(tag_of(held) == tag);
}

void test_key_cache_forget_drops_one_connection(void **) {
    KeyCache cache(8);
    for (uint64_t connection = 1; connection <= 2; connection++)
        for (uint32_t generation = 0; generation < 2; generation++)
            get(cache, connection, generation, spec_of(0));
    cache.forget(1, 0);
    assert_int_equal(cache.size(), 3);
    get(cache, 1, 1, spec_of(0));
    assert_int_equal(cache.derivations(), 4);
    cache.forget(1);
    assert_int_equal(cache.size(), 2);
    get(cache, 2, 0, spec_of(0));
    get(cache, 2, 1, spec_of(0));
    assert_int_equal(cache.derivations(), 4);
    // The number is free now: another root under it gives another key.
    assert_true(tag_of(cache.get(1, root_of(77, 0), 0, spec_of(0))) ==
                tag_of(PacketKey(root_of(77, 0), spec_of(0))));
    assert_int_equal(cache.derivations(), 5);
    assert_int_equal(cache.size(), 3);
}

// Against a plain list kept in order of use, with connections forgotten in between.
void test_key_cache_random_use_matches_model(void **) {
    constexpr uint64_t kSeed = 4711;
    constexpr size_t kCapacity = 12;
    SeededEntropy random(kSeed);
    KeyCache cache(kCapacity);
    struct Name {
        uint64_t connection;
        uint32_t channel, direction;
        bool operator==(const Name &) const = default;
    };
    std::vector<Name> model; // newest last
    uint64_t misses = 0;
    for (int step = 0; step < 20000; step++) {
        const Name name{random.next() % 3, static_cast<uint32_t>(random.next() % 4),
                        static_cast<uint32_t>(random.next() % 2)};
        if (random.next() % 50 == 0) {
            cache.forget(name.connection);
            std::erase_if(model, [&](const Name &n) { return n.connection == name.connection; });
        } else {
            const auto spec = spec_of(name.channel, Role(name.direction));
            const PacketKey &key = get(cache, name.connection, 0, spec);
            if (step % 16 == 0)
                assert_true(is_right(key, name.connection, 0, spec));
            const auto at = std::find(model.begin(), model.end(), name);
            if (at != model.end())
                model.erase(at);
            else if (misses++; model.size() == kCapacity)
                model.erase(model.begin());
            model.push_back(name);
        }
        assert_int_equal(cache.size(), model.size());
        assert_int_equal(cache.derivations(), misses);
    }
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(test_key_cache_same_name_is_derived_once),
        cmocka_unit_test(test_key_cache_each_part_of_the_name_counts),
        cmocka_unit_test(test_key_cache_full_evicts_least_recently_used),
        cmocka_unit_test(test_key_cache_of_one_never_answers_with_the_former_key),
        cmocka_unit_test(test_key_cache_reference_lasts_for_a_full_round_of_others),
        cmocka_unit_test(test_key_cache_forget_drops_one_connection),
        cmocka_unit_test(test_key_cache_random_use_matches_model),
    };
    return cmocka_run_group_tests(tests, start_crypto, nullptr);
}
