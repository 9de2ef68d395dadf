// SPDX-License-Identifier: Apache-2.0
#include "support.h"

#include <algorithm>

using namespace plait;
using namespace plait::test;
using connection::Handshake;
using connection::Mac1Book;

namespace {

using Packet = std::vector<uint8_t>;

Packet copy(Bytes b) {
    return {b.begin(), b.end()};
}

// Both sides of one handshake; `known`: the initiator knows the responder's id.
struct World {
    World() : a(1), z(2) {}
    void dial(bool known) {
        auto dialed = Handshake::dial(a.local(), known ? &z.identity.id() : nullptr, cid_of(1),
                                      parameters_of(5));
        at_a = std::move(dialed).value();
        init = copy(at_a->message());
    }
    // The responder's status for `packet`.
    Status answer(Bytes packet) {
        const auto read = wire::read_init(packet);
        if (!read.ok())
            return read.status();
        const Mac1Book book(z.identity, z.keys);
        const auto match = book.match(*read);
        if (!match.ok)
            return PLAIT_E_NOT_FOUND; // silence
        auto answered = Handshake::answer(z.local(), *read, match.network_key);
        if (!answered.ok())
            return answered.status();
        at_z = std::move(answered).value();
        const Status s = at_z->respond(cid_of(50), parameters_of(6));
        resp = copy(at_z->message());
        return s;
    }
    // Both derive the same keys and know each other.
    void assert_agreed() {
        assert_true(at_a->complete() && at_z->complete());
        const connection::Established ea = at_a->take(), ez = at_z->take();
        assert_memory_equal(ea.root.data(), ez.root.data(), ea.root.size());
        assert_true(ea.peer == z.identity.id());
        assert_true(ez.peer == a.identity.id());
        assert_true(ea.cipher == ez.cipher);
        assert_true(ea.peer_cid == cid_of(50));
        assert_true(ez.peer_cid == cid_of(1));
        assert_int_equal(ea.peer_parameters.max_channels, 6);
        assert_int_equal(ez.peer_parameters.max_channels, 5);
    }
    Party a, z;
    Handshake::Pointer at_a, at_z;
    Packet init, resp;
};

void test_ik_both_agree(void **) {
    World w;
    w.dial(true);
    assert_int_equal(w.answer(w.init), PLAIT_OK);
    assert_true(w.at_z->complete());
    assert_int_equal(w.at_a->on_resp(w.resp), PLAIT_OK);
    w.assert_agreed();
}

void xx(World &w) {
    w.dial(false);
    assert_int_equal(w.answer(w.init), PLAIT_OK);
    assert_false(w.at_z->complete() || w.at_z->peer_known());
    assert_int_equal(w.at_a->on_resp(w.resp), PLAIT_OK);
    assert_true(w.at_a->awaits_approval());
    assert_true(w.at_a->peer() == w.z.identity.id());
    assert_int_equal(w.at_a->make_fin(), PLAIT_OK);
    assert_int_equal(w.at_z->on_fin(copy(w.at_a->message())), PLAIT_OK);
    w.assert_agreed();
}

void test_xx_both_agree(void **) {
    World w;
    xx(w);
}

void test_psk_both_patterns_agree(void **) {
    for (const bool known : {true, false}) {
        World w;
        w.a.add_key(7);
        w.z.add_key(3);
        w.z.add_key(7); // the responder tries all that it has
        if (!known) {
            xx(w);
            continue;
        }
        w.dial(true);
        assert_int_equal(w.answer(w.init), PLAIT_OK);
        assert_int_equal(w.at_a->on_resp(w.resp), PLAIT_OK);
        w.assert_agreed();
    }
}

void test_stranger_to_network_is_not_answered(void **) {
    for (const bool known : {true, false}) {
        World w;
        w.a.add_key(7);
        w.z.add_key(8);
        w.dial(known);
        assert_int_equal(w.answer(w.init), PLAIT_E_NOT_FOUND);
        World none; // nor is one without any key
        none.z.add_key(8);
        none.dial(known);
        assert_int_equal(none.answer(none.init), PLAIT_E_NOT_FOUND);
    }
}

void test_init_for_somebody_else_is_not_answered(void **) {
    World w;
    Party other(3);
    auto dialed = Handshake::dial(w.a.local(), &other.identity.id(), cid_of(1), parameters_of(5));
    w.at_a = std::move(dialed).value();
    assert_int_equal(w.answer(w.at_a->message()), PLAIT_E_NOT_FOUND);
}

// Any changed byte before mac1, and mac1 itself: silence.
void test_init_changed_anywhere_is_not_answered(void **) {
    World w;
    w.dial(true);
    for (size_t i = 0; i + 16 < w.init.size(); i += 3) {
        Packet p = w.init;
        p[i] ^= 0x20;
        assert_int_not_equal(w.answer(p), PLAIT_OK);
    }
}

void test_init_repeated_is_identical(void **) {
    World w;
    w.dial(true);
    assert_true(copy(w.at_a->message()) == w.init);
    assert_true(w.init.size() >= wire::kMinInitSize);
    assert_int_equal(w.answer(w.init), PLAIT_OK);
    assert_true(copy(w.at_z->message()) == w.resp);
    assert_true(w.resp.size() <= w.init.size());
}

// A forged RESP changes nothing: the right one still completes.
void test_resp_forged_then_right_completes(void **) {
    World w;
    w.dial(true);
    assert_int_equal(w.answer(w.init), PLAIT_OK);
    const size_t head = 1 + 4 + 1 + 8 + 1 + 8 + 2;
    for (const size_t at : {head, head + 20, head + 33, w.resp.size() - 1}) {
        Packet p = w.resp;
        p[at] ^= 1;
        assert_int_not_equal(w.at_a->on_resp(p), PLAIT_OK);
        assert_false(w.at_a->complete());
    }
    assert_int_equal(w.at_a->on_resp(Bytes(w.resp).first(30)), PLAIT_E_MALFORMED);
    assert_int_equal(w.at_a->on_resp(w.resp), PLAIT_OK);
    assert_int_equal(w.at_a->on_resp(w.resp), PLAIT_E_STATE);
    w.assert_agreed();
}

// Ids in the clear are only for finding the way: those inside count.
void test_resp_header_ids_changed_inner_ones_count(void **) {
    World w;
    w.dial(true);
    assert_int_equal(w.answer(w.init), PLAIT_OK);
    Packet p = w.resp;
    p[1 + 4 + 1 + 8 + 1] ^= 0xff; // scid
    assert_int_equal(w.at_a->on_resp(p), PLAIT_OK);
    assert_true(w.at_a->take().peer_cid == cid_of(50));
}

void test_fin_with_ids_of_another_attempt_is_refused(void **) {
    World w;
    w.dial(false);
    assert_int_equal(w.answer(w.init), PLAIT_OK);
    assert_int_equal(w.at_a->on_resp(w.resp), PLAIT_OK);
    assert_int_equal(w.at_a->make_fin(), PLAIT_OK);
    const Packet fin = copy(w.at_a->message());
    // The responder has begun anew meanwhile: another ephemeral.
    const Handshake::Pointer first = std::move(w.at_z);
    assert_int_equal(w.answer(w.init), PLAIT_OK);
    assert_int_not_equal(w.at_z->on_fin(fin), PLAIT_OK);
    assert_int_equal(first->on_fin(fin), PLAIT_OK);
}

void test_unknown_suite_or_pattern_is_refused(void **) {
    World w;
    w.dial(true);
    const crypto::Mac1Key key = crypto::mac1_key(nullptr, &w.z.identity.x25519_public());
    const size_t suite = 1 + 4 + 1 + 1 + 8;
    for (const size_t at : {suite + 1, suite + 2}) {
        Packet p = w.init;
        p[at] = 9;
        const crypto::Mac mac = crypto::mac1(key, Bytes(p).first(p.size() - 32));
        std::copy(mac.begin(), mac.end(), p.end() - 32);
        assert_int_equal(w.answer(p), PLAIT_E_VERSION);
    }
}

void test_dial_to_invalid_id_fails(void **) {
    World w;
    crypto::NodeId bad{};
    bad.b[0] = 2;
    const auto dialed = Handshake::dial(w.a.local(), &bad, cid_of(1), parameters_of(5));
    assert_false(dialed.ok());
}

void test_own_init_come_back_is_refused(void **) {
    World w;
    auto dialed = Handshake::dial(w.z.local(), &w.z.identity.id(), cid_of(1), parameters_of(5));
    w.at_a = std::move(dialed).value();
    assert_int_equal(w.answer(w.at_a->message()), PLAIT_E_AUTH);
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(test_ik_both_agree),
        cmocka_unit_test(test_xx_both_agree),
        cmocka_unit_test(test_psk_both_patterns_agree),
        cmocka_unit_test(test_stranger_to_network_is_not_answered),
        cmocka_unit_test(test_init_for_somebody_else_is_not_answered),
        cmocka_unit_test(test_init_changed_anywhere_is_not_answered),
        cmocka_unit_test(test_init_repeated_is_identical),
        cmocka_unit_test(test_resp_forged_then_right_completes),
        cmocka_unit_test(test_resp_header_ids_changed_inner_ones_count),
        cmocka_unit_test(test_fin_with_ids_of_another_attempt_is_refused),
        cmocka_unit_test(test_unknown_suite_or_pattern_is_refused),
        cmocka_unit_test(test_dial_to_invalid_id_fails),
        cmocka_unit_test(test_own_init_come_back_is_refused),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
