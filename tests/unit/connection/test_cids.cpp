// SPDX-License-Identifier: Apache-2.0
#include "connection/cids.h"
#include "support.h"
#include "wire/steer.h"

using namespace plait;
using namespace plait::test;
using connection::CidBook;
using connection::CidTable;

namespace {

struct Table {
    CountingEntropy entropy{5};
    CidTable table{entropy, crypto::Secret<32>()};
};

void test_class_same_name_same_index(void **) {
    Table t;
    assert_int_equal(*t.table.add_class("udp", 8), 0);
    assert_int_equal(*t.table.add_class("serial", 1), 1);
    assert_int_equal(*t.table.add_class("udp", 8), 0);
    assert_int_equal(t.table.class_count(), 2);
}

void test_class_out_of_bounds_is_refused(void **) {
    Table t;
    assert_int_equal(t.table.add_class("", 8).status(), PLAIT_E_LIMIT);
    assert_int_equal(t.table.add_class("x", 0).status(), PLAIT_E_LIMIT);
    assert_int_equal(t.table.add_class("x", 9).status(), PLAIT_E_LIMIT);
    assert_int_equal(t.table.add_class(std::string(33, 'x'), 8).status(), PLAIT_E_LIMIT);
    for (size_t i = 0; i < wire::kMaxClasses; i++)
        assert_true(t.table.add_class("c" + std::to_string(i), 8).ok());
    assert_int_equal(t.table.add_class("more", 8).status(), PLAIT_E_LIMIT);
}

void test_one_byte_ids_three_quarters_and_no_more(void **) {
    Table t;
    const uint8_t c = *t.table.add_class("serial", 1);
    std::vector<wire::Cid> ids;
    for (uint32_t i = 0; i < 192; i++) {
        const auto cid = t.table.issue(c, {i, {0}});
        assert_true(cid.ok());
        for (const wire::Cid &other : ids)
            assert_false(other == *cid);
        ids.push_back(*cid);
    }
    assert_int_equal(t.table.issue(c, {0, {0}}).status(), PLAIT_E_LIMIT);
    t.table.withdraw(c, ids[0]);
    assert_true(t.table.issue(c, {0, {0}}).ok());
}

void test_ids_name_the_worker(void **) {
    constexpr uint32_t kWorkers[] = {2, 3, 7, 64};
    for (const uint32_t workers : kWorkers)
        for (uint32_t worker = 0; worker < workers; worker += workers / 2) {
            Table t;
            t.table.set_worker(worker, workers);
            const uint8_t udp = *t.table.add_class("udp", 8);
            const uint8_t serial = *t.table.add_class("serial", 1);
            for (uint32_t i = 0; i < 100; i++) {
                std::vector<uint8_t> packet{0x40};
                const auto cid = *t.table.issue(udp, {i, {0}});
                packet.insert(packet.end(), cid.bytes().begin(), cid.bytes().end());
                assert_int_equal(wire::worker_of(packet, workers), worker);
                assert_false(t.table.is_of_earlier_run(cid));
            }
            for (uint32_t i = 0; i < 192 / workers; i++)
                assert_int_equal(t.table.issue(serial, {i, {0}})->bytes()[0] % workers, worker);
            assert_int_equal(t.table.issue(serial, {0, {0}}).status(), PLAIT_E_LIMIT);
        }
}

void test_ids_of_classes_are_apart(void **) {
    Table t;
    const uint8_t one = *t.table.add_class("one", 1), two = *t.table.add_class("two", 1);
    const wire::Cid cid = *t.table.issue(one, {7, {2}});
    assert_non_null(t.table.find(one, cid.value()));
    assert_int_equal(t.table.find(one, cid.value())->connection, 7);
    assert_null(t.table.find(two, cid.value()));
    t.table.move(one, cid, 9);
    assert_int_equal(t.table.find(one, cid.value())->connection, 9);
    assert_int_equal(t.table.find(one, cid.value())->link.v, 2);
}

void test_book_contradictions_are_protocol_errors(void **) {
    CidBook b;
    assert_int_equal(b.hold({1, {2}, 0, cid_of(1)}), PLAIT_OK);
    assert_int_equal(b.hold({1, {2}, 0, cid_of(1)}), PLAIT_OK);         // said twice
    assert_int_equal(b.hold({1, {2}, 0, cid_of(9)}), PLAIT_E_PROTOCOL); // other bytes
    assert_int_equal(b.hold({1, {4}, 0, cid_of(1)}), PLAIT_E_PROTOCOL); // other link
    assert_int_equal(b.hold({2, {2}, 0, cid_of(9)}), PLAIT_E_PROTOCOL); // second for link and class
    assert_int_equal(b.hold({2, {2}, 1, cid_of(9, 1)}), PLAIT_OK);      // another class
}

void test_book_holds_256(void **) {
    CidBook b;
    for (uint32_t i = 0; i < 256; i++)
        assert_int_equal(b.hold({i, {2 * i}, 0, cid_of(static_cast<uint8_t>(i))}), PLAIT_OK);
    assert_int_equal(b.hold({256, {2 * 256}, 0, cid_of(1)}), PLAIT_E_LIMIT);
    b.drop_held({4});
    assert_null(b.held({4}, 0));
    assert_int_equal(b.hold({256, {2 * 256}, 0, cid_of(1)}), PLAIT_OK);
}

void test_book_issued_found_by_seq_and_by_link(void **) {
    Table t;
    const uint8_t udp = *t.table.add_class("udp", 8), tty = *t.table.add_class("serial", 1);
    CidBook b;
    b.add_issued({b.take_seq(), {0}, udp, true, cid_of(1)});
    b.add_issued({b.take_seq(), {2}, udp, false, cid_of(2)});
    b.add_issued({b.take_seq(), {2}, tty, false, cid_of(3, 1)});
    assert_int_equal(b.issued(uint64_t{2})->cid.len, 1);
    assert_int_equal(b.issued({2}, udp)->seq, 1);
    assert_int_equal(b.issued({2}, tty)->seq, 2);
    assert_int_equal(b.scarce_count(t.table), 1);
    b.drop_issued(2);
    assert_null(b.issued({2}, tty));
    assert_non_null(b.issued({2}, udp));
    assert_int_equal(b.take_seq(), 3); // never used twice
}

void test_book_at_rest_keeps_all_of_it(void **) {
    CidBook b;
    const uint32_t top = UINT32_MAX, far = (1u << 30) - 1;
    crypto::ResetToken token{};
    token.fill(7);
    b.add_issued({0, {0}, 0, true, cid_of(1)});
    b.add_issued({top, {far}, 15, false, cid_of(2, 1)});
    assert_int_equal(b.hold({0, {0}, 0, cid_of(3), token}), PLAIT_OK);
    assert_int_equal(b.hold({top, {far}, 15, cid_of(4, 1), {}}), PLAIT_OK);
    b.rest();
    b.rest(); // once more changes nothing
    assert_int_equal(b.find({far}, 15)->seq, top);
    assert_true(b.find({0}, 0)->acked);
    assert_false(b.find({2}, 0).has_value());
    size_t count = 0;
    b.for_each_issued([&](const connection::IssuedCid &) { count++; });
    assert_int_equal(count, 2);
    // Whatever changes it wakes it.
    assert_int_equal(b.hold({1, {2}, 0, cid_of(5)}), PLAIT_OK);
    assert_true(b.held({0}, 0)->token == token);
    assert_true(b.held({far}, 15)->token == crypto::ResetToken{});
    assert_true(b.held({far}, 15)->cid == cid_of(4, 1));
    assert_int_equal(b.issued().size(), 2);
    assert_true(b.issued(uint64_t{top})->cid == cid_of(2, 1));
    assert_false(b.issued(uint64_t{top})->acked);
}

void test_boot_tag_tells_this_start_from_another(void **) {
    Table now;
    CountingEntropy other_entropy(6);
    CidTable before(other_entropy, crypto::Secret<32>());
    CidTable foreign(other_entropy, crypto::Secret<32>(std::array<uint8_t, 32>{1}));
    const uint8_t c = *now.table.add_class("udp", 8), d = *before.add_class("udp", 8),
                  f = *foreign.add_class("udp", 8);
    for (int i = 0; i < 100; i++) {
        const wire::Cid mine = *now.table.issue(c, {}), old = *before.issue(d, {});
        assert_false(now.table.is_of_earlier_run(mine));
        assert_true(now.table.is_of_earlier_run(old));
        now.table.withdraw(c, mine); // nor is it forgotten then
        assert_false(now.table.is_of_earlier_run(mine));
        assert_false(now.table.is_of_earlier_run(*foreign.issue(f, {})));
    }
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(test_class_same_name_same_index),
        cmocka_unit_test(test_class_out_of_bounds_is_refused),
        cmocka_unit_test(test_one_byte_ids_three_quarters_and_no_more),
        cmocka_unit_test(test_ids_name_the_worker),
        cmocka_unit_test(test_ids_of_classes_are_apart),
        cmocka_unit_test(test_book_contradictions_are_protocol_errors),
        cmocka_unit_test(test_book_holds_256),
        cmocka_unit_test(test_boot_tag_tells_this_start_from_another),
        cmocka_unit_test(test_book_issued_found_by_seq_and_by_link),
        cmocka_unit_test(test_book_at_rest_keeps_all_of_it),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
