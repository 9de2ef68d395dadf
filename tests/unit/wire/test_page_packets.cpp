// SPDX-License-Identifier: Apache-2.0
// The packets of docs/protocol.md, appendix A, made and opened with the engine's own cryptography:
// a whole IK handshake and three 1-RTT packets, byte for byte.
#include "../cmocka.hpp"

#include "page_handshake.h"

#include "crypto/init.h"
#include "crypto/mac.h"
#include "crypto/noise.h"
#include "crypto/protection.h"
#include "wire/short_packet.h"

using namespace plait;
using plait::crypto::Secret;
using plait::test::example;
using plait::test::same_bytes;

namespace {

Secret<32> secret(const char *block, const char *field) {
    return Secret<32>(std::span<const uint8_t, 32>(example(block, field)));
}

crypto::Identity identity(const char *seed_field) {
    const Secret<32> seed = secret("identity", seed_field);
    auto made = crypto::Identity::from_seed(std::span<const uint8_t, 32>(seed.bytes()));
    PLAIT_ASSERT(made.ok());
    return std::move(made).value();
}

// Both sides of the page's handshake.
struct Handshake {
    crypto::Identity a = identity("a_seed"), z = identity("z_seed");
    Secret<32> a_ephemeral = secret("init", "ephemeral_secret");
    Secret<32> z_ephemeral = secret("resp", "ephemeral_secret");

    crypto::NoiseHandshake initiator() const {
        return crypto::NoiseHandshake(config(Role::kInitiator));
    }
    crypto::NoiseHandshake responder() const {
        return crypto::NoiseHandshake(config(Role::kResponder));
    }

  private:
    crypto::NoiseConfig config(Role role) const {
        const bool first = role == Role::kInitiator;
        crypto::NoiseConfig c;
        c.pattern = crypto::Pattern::kIK;
        c.role = role;
        c.prologue = example("init", "prologue");
        c.local_secret = &(first ? a : z).x25519_secret();
        c.local_public = &(first ? a : z).x25519_public();
        c.remote_static = first ? &z.x25519_public() : nullptr;
        c.ephemeral_secret = first ? &a_ephemeral : &z_ephemeral;
        return c;
    }
};

crypto::Root page_root() {
    return crypto::make_root(secret("keys", "k1"), secret("keys", "k2"), example("keys", "h"));
}

void test_identities_of_the_page_come_from_their_seeds(void **) {
    const Handshake hs;
    assert_true(same_bytes(hs.a.id().b, example("identity", "a_id")));
    assert_true(same_bytes(hs.a.x25519_public(), example("identity", "a_x25519")));
    assert_true(same_bytes(hs.z.id().b, example("identity", "z_id")));
    assert_true(same_bytes(hs.z.x25519_public(), example("identity", "z_x25519")));
    assert_true(same_bytes(*crypto::x25519_of(hs.z.id()), hs.z.x25519_public()));
}

// Writes INIT from the first byte to the last, as a node does.
void test_init_of_the_page_is_written_byte_for_byte(void **) {
    const Handshake hs;
    crypto::NoiseHandshake noise = hs.initiator();
    std::array<uint8_t, 1024> payload{}, packet{};
    base::Writer p(payload), w(packet);
    write(p, test::page_init());

    wire::LongHeader header;
    header.scid = wire::Cid::from(example("init", "packet").subspan(7, 8));
    write_long_header(w, header);
    w.u16(wire::kSuite1);
    w.u8(static_cast<uint8_t>(wire::PatternId::kIK));
    std::vector<uint8_t> prologue;
    for (Bytes part : {base::bytes_of("plait1"), w.written(), Bytes(hs.z.id().b)})
        prologue.insert(prologue.end(), part.begin(), part.end());
    assert_true(same_bytes(prologue, example("init", "prologue")));

    const size_t noise_size = p.size() + crypto::noise_overhead(crypto::Pattern::kIK, 0);
    w.u16(static_cast<uint16_t>(noise_size));
    assert_int_equal(*noise.write(p.written(), MutBytes(w.at(), noise_size)), noise_size);
    w.bytes(Bytes(w.at(), noise_size));
    w.fill(0, wire::kMinInitSize - 2 * wire::kMacSize - w.size());
    const crypto::Mac1Key key = crypto::mac1_key(nullptr, &hs.z.x25519_public());
    const crypto::Mac mac1 = crypto::mac1(key, w.written());
    w.bytes(mac1);
    w.fill(0, wire::kMacSize);
    assert_true(same_bytes(w.written(), example("init", "packet")));
}

void test_init_of_the_page_is_opened_by_the_responder(void **) {
    const Handshake hs;
    const auto init = wire::read_init(example("init", "packet"));
    assert_true(init.ok());
    const crypto::Mac1Key key = crypto::mac1_key(nullptr, &hs.z.x25519_public());
    assert_true(crypto::verify_mac1(key, init->before_mac1, init->mac1));
    crypto::NoiseHandshake noise = hs.responder();
    std::array<uint8_t, 1024> payload{};
    const auto size = noise.read(init->noise, payload);
    assert_true(size.ok());
    assert_true(same_bytes(Bytes(payload).first(*size), example("init", "payload")));
    assert_true(noise.remote_static() == hs.a.x25519_public());
}

// The rest of the handshake; the keys of both sides are those of the page.
void test_resp_of_the_page_and_the_keys_follow(void **) {
    const Handshake hs;
    crypto::NoiseHandshake a = hs.initiator(), z = hs.responder();
    std::array<uint8_t, 1024> message{}, payload{};
    const size_t first = *a.write(example("init", "payload"), message);
    assert_true(z.read(Bytes(message).first(first), payload).ok());
    const size_t second = *z.write(example("resp", "payload"), message);
    const auto resp = wire::read_noise_packet(example("resp", "packet"));
    assert_true(resp.ok());
    assert_true(same_bytes(Bytes(message).first(second), resp->noise));
    const size_t size = *a.read(resp->noise, payload);
    assert_true(same_bytes(Bytes(payload).first(size), example("resp", "payload")));

    for (crypto::NoiseHandshake *side : {&a, &z}) {
        assert_true(same_bytes(side->hash(), example("keys", "h")));
        Secret<32> k1, k2;
        side->split(k1, k2);
        assert_true(same_bytes(k1.bytes(), example("keys", "k1")));
        assert_true(same_bytes(k2.bytes(), example("keys", "k2")));
    }
}

void test_key_schedule_of_the_page_matches(void **) {
    const crypto::Root root = page_root();
    assert_true(same_bytes(root.bytes(), example("keys", "root_0")));
    assert_true(
        same_bytes(derive_header_key(root, Role::kInitiator).key.bytes(), example("keys", "hp_0")));
    assert_true(
        same_bytes(derive_header_key(root, Role::kResponder).key.bytes(), example("keys", "hp_1")));
    Secret<crypto::kPacketKeyLen> key;
    Secret<crypto::kPacketIvLen> iv;
    derive_packet_key(root, {{5}, Role::kInitiator, crypto::Cipher::kChaCha20Poly1305, 0}, key, iv);
    assert_true(same_bytes(key.bytes(), example("keys", "chan_5_dir_0_key")));
    assert_true(same_bytes(iv.bytes(), example("keys", "chan_5_dir_0_iv")));
    std::array<uint8_t, 32> exported{};
    assert_int_equal(export_key(crypto::make_exporter(root), {5}, "test", exported), PLAIT_OK);
    assert_true(same_bytes(exported, example("keys", "exporter_5_test_32")));
}

// From generation 0 to 1: both sides' halves lead to the same root, which opens the packet.
void test_rekeying_of_the_page_leads_both_to_its_root(void **) {
    const crypto::Identity a = identity("a_seed"), z = identity("z_seed");
    const Secret<32> a_new = secret("rekey", "a_ephemeral"), z_new = secret("rekey", "z_ephemeral");
    const Bytes init = example("rekey", "init").subspan(2), // after the record's type and length
        resp = example("rekey", "resp").subspan(2);
    const crypto::X25519Public a_public = crypto::x25519_public(a_new),
                               z_public = crypto::x25519_public(z_new);
    assert_true(same_bytes(init.last(32), a_public));
    assert_true(same_bytes(resp.last(32), z_public));

    crypto::RekeySecrets of_a, of_z;
    assert_int_equal(
        rekey_secrets({Role::kInitiator, a_new, a.x25519_secret(), z_public, z.x25519_public()},
                      of_a),
        PLAIT_OK);
    assert_int_equal(
        rekey_secrets({Role::kResponder, z_new, z.x25519_secret(), a_public, a.x25519_public()},
                      of_z),
        PLAIT_OK);
    for (const crypto::RekeySecrets *s : {&of_a, &of_z}) {
        assert_true(same_bytes(s->ee.bytes(), example("rekey", "ee")));
        assert_true(same_bytes(s->es.bytes(), example("rekey", "es")));
        assert_true(same_bytes(s->se.bytes(), example("rekey", "se")));
        const crypto::Root root = next_root(page_root(), 1, *s, {}, init, resp);
        assert_true(same_bytes(root.bytes(), example("rekey", "root_1")));
        // The header's key is still that of generation 0.
        const Bytes sealed = example("rekey", "packet");
        std::vector<uint8_t> packet(sealed.begin(), sealed.end());
        const auto mask = crypto::header_mask(derive_header_key(page_root(), Role::kInitiator),
                                              packet.data() + packet.size() - 16);
        const auto h = wire::unmask_short_header(packet, 8, mask.b);
        assert_true(h.ok() && h->generation && h->channel.v == 5);
        const crypto::PacketKey key(root,
                                    {{5}, Role::kInitiator, crypto::Cipher::kChaCha20Poly1305, 0});
        const MutBytes body = MutBytes(packet).subspan(h->size);
        assert_int_equal(open(key, {2}, {9}, Bytes(packet).first(h->size), body), PLAIT_OK);
        assert_true(same_bytes(body.first(1), example("rekey", "plaintext")));
    }
}

// What distinguishes one packet of the page from another.
struct PagePacket {
    const char *block;
    Role direction;
    uint32_t channel, link, epoch;
    uint64_t pn;
};
constexpr PagePacket kPackets[] = {
    {"data_packet", Role::kInitiator, 5, 0, 0, 0x1234},
    {"ack_packet", Role::kResponder, 0, 0, 0, 7},
    {"empty_packet", Role::kInitiator, 70000, 6, 2, 0x123456789},
};

wire::HeaderMask mask_for(const PagePacket &page, Bytes packet) {
    const auto key = derive_header_key(page_root(), page.direction);
    return crypto::header_mask(key, packet.data() + packet.size() - crypto::kHeaderSampleLen).b;
}

crypto::PacketKeySpec spec_of(const PagePacket &page) {
    return {{page.channel}, page.direction, crypto::Cipher::kChaCha20Poly1305, page.epoch};
}

void test_packets_of_the_page_are_sealed_byte_for_byte(void **) {
    for (const PagePacket &page : kPackets) {
        const Bytes header = example(page.block, "header"),
                    plaintext = example(page.block, "plaintext");
        std::vector<uint8_t> packet(header.begin(), header.end());
        packet.resize(header.size() + plaintext.size() + crypto::kTagLen);
        const crypto::PacketKey key(page_root(), spec_of(page));
        seal(key, {page.link}, {page.pn}, header, plaintext, packet.data() + header.size());
        const wire::HeaderMask mask = mask_for(page, packet);
        assert_true(same_bytes(mask, example(page.block, "mask")));
        wire::mask_short_header(packet.data(), 8, header.size(), mask);
        assert_true(same_bytes(packet, example(page.block, "packet")));
    }
}

void test_packets_of_the_page_are_opened_and_forgeries_are_not(void **) {
    for (const PagePacket &page : kPackets) {
        const Bytes sealed = example(page.block, "packet");
        const crypto::PacketKey key(page_root(), spec_of(page));
        for (size_t flip = 0; flip <= sealed.size(); flip++) {
            std::vector<uint8_t> packet(sealed.begin(), sealed.end());
            if (flip < sealed.size())
                packet[flip] ^= 0x10; // any byte: header, id, ciphertext or tag
            const auto h = wire::unmask_short_header(packet, 8, mask_for(page, packet));
            if (!h.ok())
                continue; // a damaged sample gives another mask
            const MutBytes body = MutBytes(packet).subspan(h->size);
            const PacketNumber pn =
                wire::decode_packet_number(page.pn, h->truncated_pn, h->pn_size);
            const Status s = open(key, {page.link}, pn, Bytes(packet).first(h->size), body);
            assert_int_equal(s, flip < sealed.size() ? PLAIT_E_AUTH : PLAIT_OK);
            if (s == PLAIT_OK)
                assert_true(
                    same_bytes(body.first(body.size() - 16), example(page.block, "plaintext")));
        }
    }
}

void test_reset_token_of_the_page_comes_from_the_seed(void **) {
    const crypto::Identity z = identity("z_seed");
    const Bytes frame = example("frames", "new_cid");
    const auto token = reset_token(crypto::reset_key(z), "udp", frame.subspan(5, 8));
    assert_true(same_bytes(token, frame.last(16)));
}

} // namespace

int main() {
    PLAIT_ASSERT(crypto::init() == PLAIT_OK);
    const CMUnitTest tests[] = {
        cmocka_unit_test(test_identities_of_the_page_come_from_their_seeds),
        cmocka_unit_test(test_init_of_the_page_is_written_byte_for_byte),
        cmocka_unit_test(test_init_of_the_page_is_opened_by_the_responder),
        cmocka_unit_test(test_resp_of_the_page_and_the_keys_follow),
        cmocka_unit_test(test_key_schedule_of_the_page_matches),
        cmocka_unit_test(test_rekeying_of_the_page_leads_both_to_its_root),
        cmocka_unit_test(test_packets_of_the_page_are_sealed_byte_for_byte),
        cmocka_unit_test(test_packets_of_the_page_are_opened_and_forgeries_are_not),
        cmocka_unit_test(test_reset_token_of_the_page_comes_from_the_seed),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
