// SPDX-License-Identifier: Apache-2.0
// The containers of base against naive models, over many seeds.
#include "../cmocka.hpp"
#include "base/bytes.h"
#include "base/flat_map.h"
#include "base/pack.h"
#include "base/range_set.h"
#include "base/ring.h"
#include "base/sharing.h"
#include "base/slab.h"
#include "base/slim_vector.h"
#include "base/timer_heap.h"

#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

using namespace plait;
using namespace plait::base;

namespace {

void test_range_set_random_operations_match_model(void **) {
    for (unsigned seed = 1; seed <= 50; seed++) {
        std::mt19937 rng(seed);
        RangeSet set;
        std::set<uint64_t> model;
        for (int i = 0; i < 400; i++) {
            const uint64_t start = rng() % 200, end = start + rng() % 20;
            uint64_t changed = 0;
            if (rng() % 3) {
                for (uint64_t v = start; v < end; v++)
                    changed += model.insert(v).second;
                assert_int_equal(set.add(start, end), changed);
            } else {
                for (uint64_t v = start; v < end; v++)
                    changed += model.erase(v);
                assert_int_equal(set.remove(start, end), changed);
            }
            assert_int_equal(set.total(), model.size());
            const uint64_t v = rng() % 220;
            assert_int_equal(set.contains(v), model.count(v));
            for (size_t k = 1; k < set.count(); k++)
                assert_true(set[k - 1].end < set[k].start);
        }
    }
}

void test_flat_map_random_operations_match_model(void **) {
    for (unsigned seed = 1; seed <= 50; seed++) {
        std::mt19937 rng(seed);
        FlatMap<uint32_t> map(seed);
        std::map<uint64_t, uint32_t> model;
        for (int i = 0; i < 1000; i++) {
            const uint64_t key = rng() % 100;
            if (rng() % 2) {
                const uint32_t value = static_cast<uint32_t>(rng());
                map.put(key, value);
                model[key] = value;
            } else {
                assert_int_equal(map.erase(key), model.erase(key));
            }
            assert_int_equal(map.size(), model.size());
            for (const auto &[k, v] : model) {
                assert_non_null(map.find(k));
                assert_int_equal(*map.find(k), v);
            }
        }
    }
}

// Large tables move over a few cells at a time, while they are in use.
void test_flat_map_growing_under_way_match_model(void **) {
    std::mt19937 rng(3);
    FlatMap<uint32_t> map(3);
    std::map<uint64_t, uint32_t> model;
    for (uint32_t i = 0; i < 40000; i++) {
        const uint64_t key = rng() % 60000;
        if (rng() % 4) {
            map.put(key, i);
            model[key] = i;
        } else {
            assert_int_equal(map.erase(key), model.erase(key));
        }
        const uint64_t probe = rng() % 60000;
        const auto it = model.find(probe);
        const uint32_t *found = map.find(probe);
        assert_int_equal(found != nullptr, it != model.end());
        if (found)
            assert_int_equal(*found, it->second);
    }
    size_t seen = 0;
    map.for_each([&](uint64_t k, uint32_t v) {
        seen++;
        assert_int_equal(model.at(k), v);
    });
    assert_int_equal(seen, model.size());
    assert_int_equal(map.size(), model.size());
}

void test_timer_heap_random_settings_come_out_in_order(void **) {
    std::mt19937 rng(7);
    TimerHeap heap;
    std::map<uint32_t, uint64_t> model;
    for (int i = 0; i < 5000; i++) {
        const uint32_t slot = rng() % 200;
        if (rng() % 4) {
            const uint64_t when = rng() % 1000;
            heap.set(slot, Time{when});
            model[slot] = when;
        } else {
            heap.set(slot, kNever);
            model.erase(slot);
        }
        uint64_t least = kNever.us;
        for (const auto &[s, w] : model)
            least = std::min(least, w);
        assert_int_equal(heap.next().us, least);
        assert_int_equal(heap.size(), model.size());
    }
}

void test_slab_stale_generation_is_found_out(void **) {
    Slab<int> slab(3);
    const uint32_t a = slab.emplace(1), b = slab.emplace(2), c = slab.emplace(3);
    assert_int_equal(slab.emplace(4), kNoSlot);
    const uint32_t generation = slab.generation(a);
    slab.erase(a);
    assert_null(slab.find(a, generation));
    assert_true(slab.was_issued(a, generation));
    assert_false(slab.was_issued(a, generation + 5));
    slab.erase(b);
    // First in, first out: the slot that was free longest comes first.
    assert_int_equal(slab.emplace(5), a);
    assert_int_equal(*slab.find(c, slab.generation(c)), 3);
    assert_null(slab.find(a, generation));
    assert_int_equal(*slab.find(a, generation + 1), 5);
}

void test_ring_wraps_and_grows_in_order(void **) {
    Ring<int> ring;
    int in = 0, out = 0;
    std::mt19937 rng(3);
    for (int i = 0; i < 10000; i++) {
        if (rng() % 5 < 3) {
            ring.push_back(in++);
        } else if (!ring.empty()) {
            assert_int_equal(ring.front(), out++);
            ring.pop_front();
        }
        assert_int_equal(ring.size(), in - out);
    }
}

void test_slim_vector_random_operations_match_model(void **) {
    base::SlimVector<std::string> v;
    std::vector<std::string> model;
    std::mt19937 rng(5);
    assert_int_equal(sizeof v, sizeof(void *));
    for (int i = 0; i < 20000; i++) {
        const std::string text = std::to_string(rng());
        const size_t at = model.empty() ? 0 : rng() % model.size();
        switch (rng() % 10) {
        case 0:
        case 1:
        case 2: v.push_back(text), model.push_back(text); break;
        case 3: v.insert(v.begin() + at, text), model.insert(model.begin() + at, text); break;
        case 4:
            if (!model.empty())
                v.push_back(v[at]), model.push_back(model[at]);
            break;
        case 5:
            if (!model.empty())
                v.erase(v.begin() + at), model.erase(model.begin() + at);
            break;
        case 6: {
            const auto short_one = [](const std::string &s) { return s.size() < 9; };
            v.erase_if(short_one), std::erase_if(model, short_one);
            break;
        }
        case 7:
            if (!model.empty())
                v.pop_back(), model.pop_back();
            break;
        case 8: {
            base::SlimVector<std::string> copy = v;
            v.shrink_to_fit();
            if (rng() % 2)
                v = copy;
            else
                v = std::move(copy);
            break;
        }
        default:
            if (rng() % 100 == 0)
                v.clear(), model.clear();
        }
        assert_int_equal(v.size(), model.size());
        assert_true(std::equal(v.begin(), v.end(), model.begin(), model.end()));
    }
}

void test_sharing_equal_values_are_kept_once(void **) {
    base::Sharing<base::Shared<int>> sharing;
    const auto a = sharing.get(1);
    assert_ptr_equal(&*sharing.get(1), &*a);
    for (int i = 2; i < 20; i++)
        assert_int_equal(*sharing.get(i), i);
    assert_int_equal(*a, 1);
    assert_ptr_not_equal(&*sharing.get(1), &*a); // forgotten meanwhile, and made anew
    base::Sharing<base::SharedText> texts;
    const base::SharedText text = texts.get(std::string_view("hold"));
    assert_ptr_equal(texts.get(std::string_view("hold")).view().data(), text.view().data());
    assert_true(texts.get(std::string_view("more")).is("more"));
    assert_true(texts.get(std::string_view()).view().empty());
    assert_true(text.is("hold"));
}

struct Packed {
    uint64_t number = 0;
    base::PacketNumber packet;
    base::Time at;
    base::Duration wait;
    uint8_t small = 0;
    bool flag = false;
    base::Role role = base::Role::kInitiator;
    bool operator==(const Packed &) const = default;
    template <class Self, class P> static void fields(Self &s, P &&p) {
        p(s.number), p(s.packet), p(s.at), p(s.wait), p(s.small), p(s.flag), p(s.role);
    }
};

void test_packed_values_come_back_as_they_were(void **) {
    const Packed values[] = {{},
                             {UINT64_MAX, {127}, kNever, {-1}, 255, true, base::Role::kResponder},
                             {128, {(uint64_t{1} << 62) - 1}, {1}, {16383}, 128, true}};
    std::array<uint8_t, 128> room;
    base::Packer p(room);
    for (const Packed &v : values)
        p(v);
    p.bytes(base::bytes_of("end"));
    base::Unpacker u(p.written());
    for (const Packed &v : values) {
        Packed back;
        back.number = 99; // what was there does not matter
        u(back);
        assert_true(back == v);
    }
    std::array<uint8_t, 3> end;
    u.bytes(end);
    assert_int_equal(end[2], 'd');
    assert_int_equal(u.left(), 0);
    // Nothing takes a byte a field.
    base::Packer empty(room);
    empty(Packed{});
    assert_int_equal(empty.written().size(), 7);
}

void test_reader_short_input_fails_and_stays_inside(void **) {
    const uint8_t bytes[] = {0xc0, 1, 2, 3}; // announces an 8-byte varint
    Reader r(bytes);
    assert_int_equal(r.varint(), 0);
    assert_false(r.ok());
    assert_true(r.done());
    assert_int_equal(r.bytes(1).size(), 0);
}

void test_copy_bytes_any_length_and_place_copies_just_that(void **) {
    std::mt19937 rng(11);
    std::vector<uint8_t> from(10'000), to(10'100);
    for (uint8_t &b : from)
        b = static_cast<uint8_t>(rng());
    for (const size_t n : {0u, 1u, 15u, 2047u, 2048u, 2049u, 4096u, 9000u})
        for (const size_t at : {0u, 1u, 31u, 64u}) {
            std::fill(to.begin(), to.end(), uint8_t{0x5a});
            copy_bytes(to.data() + at, Bytes(from).subspan(at, n));
            assert_true(std::equal(to.data() + at, to.data() + at + n, from.data() + at));
            assert_true(
                std::all_of(to.data(), to.data() + at, [](uint8_t b) { return b == 0x5a; }));
            assert_true(std::all_of(to.data() + at + n, to.data() + to.size(),
                                    [](uint8_t b) { return b == 0x5a; }));
        }
}

void test_writer_full_buffer_fails_and_writes_nothing(void **) {
    uint8_t out[3] = {9, 9, 9};
    Writer w(MutBytes(out, 2));
    w.u8(1);
    w.u16(0x0203);
    assert_false(w.ok());
    assert_int_equal(out[1], 9);
    assert_int_equal(out[2], 9);
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(test_range_set_random_operations_match_model),
        cmocka_unit_test(test_flat_map_random_operations_match_model),
        cmocka_unit_test(test_flat_map_growing_under_way_match_model),
        cmocka_unit_test(test_timer_heap_random_settings_come_out_in_order),
        cmocka_unit_test(test_slab_stale_generation_is_found_out),
        cmocka_unit_test(test_ring_wraps_and_grows_in_order),
        cmocka_unit_test(test_slim_vector_random_operations_match_model),
        cmocka_unit_test(test_sharing_equal_values_are_kept_once),
        cmocka_unit_test(test_packed_values_come_back_as_they_were),
        cmocka_unit_test(test_reader_short_input_fails_and_stays_inside),
        cmocka_unit_test(test_copy_bytes_any_length_and_place_copies_just_that),
        cmocka_unit_test(test_writer_full_buffer_fails_and_writes_nothing),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
