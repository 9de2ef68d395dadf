// SPDX-License-Identifier: Apache-2.0
// What a node answers to long packets of those it does not know.
#include "../cmocka.hpp"
#include "raw_peer.h"

#include "wire/handshake_packets.h"

using namespace plait;
using namespace plait::test;

namespace {

// The same INIT, as if made for another version.
std::vector<uint8_t> of_version(RawPeer &p, uint32_t version) {
    std::vector<uint8_t> b = p.init();
    base::store_be(b.data() + 1, version, 4);
    const auto key = crypto::mac1_key(nullptr, &*crypto::x25519_of(p.node.id()));
    const auto mac = crypto::mac1(key, Bytes(b).first(b.size() - 32));
    std::copy(mac.begin(), mac.end(), b.end() - 32);
    return b;
}

void test_unknown_version_is_answered_with_versions(void **) {
    RawPeer p;
    const auto init = of_version(p, 0x706c7499);
    p.deliver(init);
    assert_int_equal(p.out.size(), 1);
    const auto v = wire::read_versions(p.out[0]);
    assert_true(v.ok());
    assert_int_equal(v->count, 1);
    assert_int_equal(v->versions[0], wire::kVersion1);
    assert_true(v->header.dcid == p.cid);
    assert_memory_equal(v->echo.data(), init.data() + init.size() - 32, 16);
}

void test_unknown_version_with_wrong_mac1_is_silence(void **) {
    RawPeer p;
    auto init = of_version(p, 0x706c7499);
    init[100] ^= 1;
    p.deliver(init);
    assert_int_equal(p.out.size(), 0);
}

void test_versions_is_believed_only_if_it_excludes_the_offer(void **) {
    RawPeer p;
    const auto init = p.init();
    const Bytes echo = Bytes(init).last(32).first(16);
    std::array<uint8_t, 64> b;
    const auto packet = [&](std::initializer_list<uint32_t> list, Bytes e) {
        base::Writer w(b);
        wire::write_versions(w, p.cid, e, std::vector<uint32_t>(list));
        return w.written();
    };
    assert_int_equal(p.hs->on_versions(packet({7, wire::kVersion1}, echo)), PLAIT_E_STATE);
    assert_int_equal(p.hs->on_versions(packet({7, 8}, Bytes(init).first(16))), PLAIT_E_STATE);
    assert_int_equal(p.hs->on_versions(packet({7, 8}, echo)), PLAIT_E_VERSION);
}

void test_better_version_in_the_answer_is_a_downgrade(void **) {
    const uint32_t known[] = {3, 2, 1}, low[] = {1, 2}, all[] = {9, 3, 2, 1}, foreign[] = {9, 2};
    using connection::is_downgrade;
    assert_true(is_downgrade<uint32_t>(low, known, 1));
    assert_false(is_downgrade<uint32_t>(low, known, 2));
    assert_true(is_downgrade<uint32_t>(all, known, 2));
    assert_false(is_downgrade<uint32_t>(all, known, 3));
    assert_false(is_downgrade<uint32_t>(foreign, known, 2)); // 9 is not ours
}

void test_short_init_without_a_proof_is_dropped(void **) {
    RawPeer p;
    (void)p.init();
    p.hs->drop_padding();
    const Bytes m = p.hs->message();
    assert_true(m.size() < wire::kMinInitSize);
    p.deliver({m.begin(), m.end()});
    assert_int_equal(p.out.size(), 0);
}

void test_probe_is_answered_and_its_cookie_opens_the_way(void **) {
    RawPeer p;
    (void)p.init();
    p.hs->drop_padding();
    const Bytes probe = p.hs->probe(p.own_entropy);
    p.deliver({probe.begin(), probe.end()});
    assert_int_equal(p.out.size(), 1);
    assert_true(p.out[0].size() <= probe.size());
    assert_int_equal(p.hs->on_retry(p.out[0]), PLAIT_OK);
    const std::vector<uint8_t> retry = p.out[0];
    p.out.clear();
    assert_int_equal(p.hs->on_retry(retry), PLAIT_E_STATE); // once
    const Bytes m = p.hs->message();
    p.deliver({m.begin(), m.end()}, "elsewhere"); // not where the cookie was given
    assert_int_equal(p.out.size(), 0);
    p.deliver({m.begin(), m.end()});
    assert_true(p.take_resp());
    p.say(0, wire::PingFrame{});
    assert_int_equal(p.count(PLAIT_EVENT_CONNECTED), 1);
}

// RESP would be longer than this INIT.
void test_long_answer_is_given_only_to_a_proven_address(void **) {
    RawPeer p({}, 1400);
    for (int i = 0; i < 12; i++) { // a long table of classes
        link::EndpointInfo info;
        info.transport_class = "a-class-with-a-very-long-name-" + std::to_string(i);
        info.transport_class.resize(std::min<size_t>(info.transport_class.size(), 32));
        assert_true(p.node.add_endpoint(info).ok());
    }
    const std::vector<uint8_t> init = p.init();
    p.deliver(init);
    assert_int_equal(p.out.size(), 1);
    assert_true(p.out[0].size() < 100);
    assert_int_equal(p.node.stats().connections, 0);
    assert_int_equal(p.hs->on_retry(p.out[0]), PLAIT_OK);
    p.out.clear();
    const Bytes again = p.hs->message();
    p.deliver({again.begin(), again.end()});
    assert_true(p.out.size() > 1); // in pieces
    for (const auto &d : p.out) {
        assert_true(d.size() <= init.size());
        const auto f = wire::read_frag(d);
        assert_true(f.ok());
        assert_true(
            crypto::verify_fragment_tag(*p.hs->proof().cookie, f->before_tag, f->data, f->tag));
    }
}

void test_banned_id_is_silence_until_the_ban_ends(void **) {
    RawPeer p;
    assert_int_equal(p.node.ban(p.identity.id(), p.now + base::seconds(5), p.now), PLAIT_OK);
    p.deliver(p.init());
    assert_int_equal(p.out.size(), 0);
    const auto dialed = p.node.connect(&p.identity.id(), p.endpoint, address("raw"), {}, p.now);
    assert_int_equal(dialed.status(), PLAIT_E_REFUSED);
    p.pass(base::seconds(6));
    p.out.clear();
    assert_true(p.connect());
    p.say(0, wire::PingFrame{});
    assert_int_equal(p.count(PLAIT_EVENT_CONNECTED), 1);
    // Its connections end.
    assert_int_equal(p.node.ban(p.identity.id(), kNever, p.now), PLAIT_OK);
    p.turn();
    assert_true(p.ended());
    assert_int_equal(p.node.ban(p.identity.id(), p.now, p.now), PLAIT_OK);
    p.pass(base::seconds(6));
    p.out.clear();
    assert_true(p.connect());
}

void test_banned_address_is_silence(void **) {
    RawPeer p;
    const EndpointIndex at = *p.node.endpoint_index(p.endpoint);
    assert_int_equal(p.node.ban_address(at, address("bad"), kNever, p.now), PLAIT_OK);
    assert_int_equal(p.node.ban_address(at, plait_addr{}, kNever, p.now), PLAIT_E_ADDRESS);
    p.deliver(p.init(), "bad");
    assert_int_equal(p.out.size(), 0);
    p.deliver(p.init(), "good");
    assert_int_equal(p.out.size(), 1);
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(test_unknown_version_is_answered_with_versions),
        cmocka_unit_test(test_unknown_version_with_wrong_mac1_is_silence),
        cmocka_unit_test(test_versions_is_believed_only_if_it_excludes_the_offer),
        cmocka_unit_test(test_better_version_in_the_answer_is_a_downgrade),
        cmocka_unit_test(test_short_init_without_a_proof_is_dropped),
        cmocka_unit_test(test_probe_is_answered_and_its_cookie_opens_the_way),
        cmocka_unit_test(test_banned_id_is_silence_until_the_ban_ends),
        cmocka_unit_test(test_banned_address_is_silence),
        cmocka_unit_test(test_long_answer_is_given_only_to_a_proven_address),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
