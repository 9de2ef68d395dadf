// SPDX-License-Identifier: Apache-2.0
// Who sends next: classes first, weights inside a class, and nobody small behind somebody large.
#include "support.h"

using namespace test;

namespace {

struct Crowd {
    Memory memory;
    std::vector<std::unique_ptr<Channel>> all;
    SendOrder order;
    Channel &add(uint8_t priority_class, uint8_t weight_log2 = 0) {
        Setup s;
        s.config = stream();
        s.config.priority_class = priority_class;
        s.config.weight_log2 = weight_log2;
        s.config.one_way = true;
        s.number = {static_cast<uint32_t>(2 + 2 * all.size())};
        s.peer_window = 4096;
        all.push_back(std::make_unique<Channel>(s, memory.pools, memory.budget));
        return *all.back();
    }
    ~Crowd() {
        for (auto &c : all)
            order.remove(*c);
        assert_true(order.next() == nullptr && order.empty());
    }
};

void test_order_lower_class_goes_first_while_it_has_anything(void **) {
    Crowd w;
    Channel &bulk = w.add(8), &urgent = w.add(0), &last = w.add(15);
    w.order.ready(last);
    w.order.ready(bulk);
    assert_ptr_equal(w.order.next(), &bulk);
    w.order.ready(urgent);
    for (int i = 0; i < 100; i++) {
        assert_ptr_equal(w.order.next(), &urgent);
        w.order.charge(urgent, 1200);
    }
    w.order.remove(urgent);
    w.order.remove(urgent);
    assert_ptr_equal(w.order.next(), &bulk);
    w.order.remove(bulk);
    assert_ptr_equal(w.order.next(), &last);
}

// Whatever it has sent before: it is owed only by bulk.
void test_order_small_before_the_bulk_of_its_class(void **) {
    Crowd w;
    Channel &often = w.add(8), &urgent = w.add(7);
    for (int i = 0; i < 50; i++)
        w.order.ready(w.add(8));
    for (int i = 0; i < 200; i++) {
        w.order.ready(often, SendOrder::Haste::kSmall);
        assert_ptr_equal(w.order.next(), &often);
        w.order.charge(often, 500);
        w.order.remove(often);
        Channel *bulk = w.order.next();
        assert_true(bulk != &often);
        w.order.charge(*bulk, 1200);
    }
    w.order.ready(urgent);
    w.order.ready(often, SendOrder::Haste::kSmall);
    assert_ptr_equal(w.order.next(), &urgent); // of a class before
    w.order.remove(urgent);
    // With much to send it is bulk among bulk: what it had too much is owed, but not forever.
    w.order.ready(often);
    int turns = 0;
    for (; w.order.next() != &often; turns++) {
        assert_true(turns < 50 * 16);
        w.order.charge(*w.order.next(), 1200);
    }
    assert_true(turns > 50);
}

void test_order_control_goes_before_every_class(void **) {
    Crowd w;
    Channel &last = w.add(15), &first = w.add(0);
    w.order.ready(first, SendOrder::Haste::kSmall);
    w.order.ready(last);
    assert_ptr_equal(w.order.next(), &first);
    assert_true(w.order.first_class() == 0);
    w.order.ready(last, SendOrder::Haste::kControl);
    assert_ptr_equal(w.order.next(), &last);
    assert_true(w.order.first_class() == 0);
    w.order.ready(last);
    assert_ptr_equal(w.order.next(), &first);
    w.order.remove(first);
    assert_true(w.order.first_class() == 15);
}

void test_order_weights_share_a_class_within_a_packet(void **) {
    Crowd w;
    uint64_t bytes[4] = {};
    for (uint8_t i = 0; i < 4; i++)
        w.order.ready(w.add(3, i)); // 1 : 2 : 4 : 8
    for (int n = 0; n < 15000; n++) {
        Channel *c = w.order.next();
        const size_t size = 100 + static_cast<size_t>(n * 37 % 1100);
        bytes[c->config().weight_log2] += size;
        w.order.charge(*c, size);
    }
    for (int i = 1; i < 4; i++)
        assert_true(bytes[i] / 2 + 1200 > bytes[i - 1] && bytes[i] / 2 < bytes[i - 1] + 1200);
}

void test_order_small_newcomer_goes_before_the_bulk_already_there(void **) {
    Crowd w;
    for (int i = 0; i < 1000; i++)
        w.order.ready(w.add(5));
    Channel &small = w.add(5);
    for (int n = 0; n < 50000; n++)
        w.order.charge(*w.order.next(), 1200);
    w.order.ready(small);
    assert_ptr_equal(w.order.next(), &small);
    w.order.charge(small, 64);
    w.order.remove(small);
    // One that comes back at once does not starve the rest: it stands where it stood.
    int served = 0;
    for (int n = 0; n < 2000; n++) {
        w.order.ready(small);
        Channel *c = w.order.next();
        served += c == &small;
        w.order.charge(*c, 1200);
        w.order.remove(small);
    }
    assert_true(served > 0 && served < 10);
}

void test_order_random_use_agrees_with_a_plain_search(void **) {
    print_message("seed 7\n");
    Random random(7);
    Crowd w;
    for (int i = 0; i < 60; i++)
        w.add(static_cast<uint8_t>(random.below(4) * 5), static_cast<uint8_t>(random.below(16)));
    for (int n = 0; n < 100000; n++) {
        Channel &c = *w.all[random.below(w.all.size())];
        switch (random.below(3)) {
        case 0: w.order.ready(c); break;
        case 1: w.order.remove(c); break;
        default: w.order.charge(c, random.below(1500)); break;
        }
        const Channel *best = nullptr;
        for (const auto &x : w.all)
            if (SendOrder::queued(*x) &&
                (!best || x->config().priority_class < best->config().priority_class ||
                 (x->config().priority_class == best->config().priority_class &&
                  x->order.pass < best->order.pass)))
                best = x.get();
        const Channel *got = w.order.next();
        assert_true(!best == !got);
        assert_true(!best || (best->config().priority_class == got->config().priority_class &&
                              best->order.pass == got->order.pass));
        if (got && random.chance(0.5))
            w.order.charge(*w.order.next(), random.below(1500));
    }
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(test_order_lower_class_goes_first_while_it_has_anything),
        cmocka_unit_test(test_order_small_before_the_bulk_of_its_class),
        cmocka_unit_test(test_order_control_goes_before_every_class),
        cmocka_unit_test(test_order_weights_share_a_class_within_a_packet),
        cmocka_unit_test(test_order_small_newcomer_goes_before_the_bulk_already_there),
        cmocka_unit_test(test_order_random_use_agrees_with_a_plain_search),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
