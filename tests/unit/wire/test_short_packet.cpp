// SPDX-License-Identifier: Apache-2.0
// The short header: packet numbers as in RFC 9000 appendix A, masking of every size.
#include "../cmocka.hpp"

#include "examples.h"
#include "wire/short_packet.h"

#include <random>

using namespace plait;
using namespace plait::wire;
using plait::test::example;
using plait::test::same_bytes;

namespace {

HeaderMask mask_of(uint8_t first) {
    HeaderMask m;
    for (uint8_t &b : m)
        b = first = static_cast<uint8_t>(first * 5 + 17);
    return m;
}

Cid cid_of(size_t size) {
    static constexpr std::array<uint8_t, kMaxCidSize> kBytes{0x91, 0x82, 0x73, 0x64,
                                                             0x55, 0x46, 0x37, 0x28};
    return Cid::from(Bytes(kBytes).first(size));
}

// Channel numbers at the edges of their encodings.
constexpr uint32_t kChannels[] = {0, 1, 63, 64, 16383, 16384, (1u << 30) - 1};

struct Packet {
    std::array<uint8_t, kMaxShortHeader + kTagSize + 8> bytes{};
    size_t size = 0;
    MutBytes all() {
        return MutBytes(bytes).first(size);
    }
};

// A header and `payload` zero bytes after it.
Packet make_packet(const ShortHeader &h, const Cid &cid, PacketNumber pn, size_t payload) {
    Packet p;
    p.size = write_short_header(p.bytes.data(), h, cid, pn) + payload;
    return p;
}

void test_packet_number_sizes_are_those_of_the_rfc(void **) {
    // RFC 9000 A.2: 0xabe8b3 acknowledged.
    assert_int_equal(packet_number_size({0xac5c02}, true, {0xabe8b3}), 2);
    assert_int_equal(packet_number_size({0xace8fe}, true, {0xabe8b3}), 3);
    assert_int_equal(packet_number_size({0}, false, {}), 1);
    assert_int_equal(packet_number_size({126}, false, {}), 1);
    assert_int_equal(packet_number_size({127}, false, {}), 2);
    assert_int_equal(packet_number_size({1 << 23}, false, {}), 4);
    assert_int_equal(packet_number_size({(uint64_t{1} << 61) + 5}, true, {uint64_t{1} << 61}), 1);
}

void test_packet_number_of_the_rfc_decodes(void **) {
    // RFC 9000 A.3: largest 0xa82f30ea, two bytes 0x9b32.
    assert_int_equal(decode_packet_number(0xa82f30ea + 1, 0x9b32, 2).v, 0xa82f9b32);
    assert_int_equal(decode_packet_number(0, 0, 1).v, 0);
    assert_int_equal(decode_packet_number(0, 0x80, 1).v, 0x80);
    assert_int_equal(decode_packet_number(0, 0xff, 1).v, 0xff); // nothing lies below zero
    assert_int_equal(decode_packet_number(0x100, 0xff, 1).v, 0xff);
    assert_int_equal(decode_packet_number(0x1ff, 0x00, 1).v, 0x200);
    assert_int_equal(decode_packet_number(0x190, 0x10, 1).v, 0x210); // half a window below: up
    assert_int_equal(decode_packet_number(0x190, 0x11, 1).v, 0x111);
    assert_int_equal(decode_packet_number(0x110, 0x90, 1).v, 0x190); // half a window above: stays
    assert_int_equal(decode_packet_number(0x110, 0x91, 1).v, 0x91);
    const uint64_t top = uint64_t{1} << 62;
    assert_int_equal(decode_packet_number(top - 1, 0x00, 1).v, top - 256); // none above 2^62
    assert_int_equal(decode_packet_number(top - 1, 0xff, 1).v, top - 1);
}

void test_any_packet_number_sent_is_the_one_decoded(void **) {
    std::mt19937_64 random(5);
    for (int i = 0; i < 100000; i++) {
        const uint64_t acked = random() >> (3 + random() % 60);
        const uint64_t pn = acked + 1 + (random() >> (34 + random() % 30));
        const uint8_t size = packet_number_size({pn}, true, {acked});
        // The receiver has got something between what it acknowledged and all up to here.
        const uint64_t largest = acked + random() % (pn - acked);
        const uint64_t truncated = pn & ((uint64_t{1} << (8 * size)) - 1);
        assert_int_equal(decode_packet_number(largest + 1, truncated, size).v, pn);
    }
}

void test_header_of_every_size_masks_and_unmasks(void **) {
    for (size_t cid_size = 1; cid_size <= kMaxCidSize; cid_size++)
        for (uint32_t channel : kChannels)
            for (uint8_t pn_size = 1; pn_size <= 4; pn_size++) {
                ShortHeader h;
                h.epoch = static_cast<uint8_t>(pn_size - 1);
                h.generation = channel & 1;
                h.ack_now = cid_size & 1;
                h.channel = {channel};
                h.pn_size = pn_size;
                Packet p = make_packet(h, cid_of(cid_size), {0x1122334455667788}, kTagSize);
                const Packet plain = p;
                const size_t size = p.size - kTagSize;
                assert_int_equal(size, 1 + cid_size + channel_size({channel}) + pn_size);

                const HeaderMask m = mask_of(static_cast<uint8_t>(channel + cid_size));
                mask_short_header(p.bytes.data(), cid_size, size, m);
                assert_int_equal(p.bytes[0] & kLongBit, 0);
                assert_true(same_bytes(p.all().subspan(1, cid_size), cid_of(cid_size).bytes()));

                const auto got = unmask_short_header(p.all(), cid_size, m);
                assert_true(got.ok());
                assert_int_equal(got->size, size);
                assert_int_equal(got->channel.v, channel);
                assert_int_equal(got->pn_size, pn_size);
                assert_int_equal(got->truncated_pn,
                                 0x1122334455667788 & ((uint64_t{1} << (8 * pn_size)) - 1));
                assert_int_equal(got->epoch, h.epoch);
                assert_true(got->generation == h.generation && got->ack_now == h.ack_now &&
                            !got->reserved);
                assert_true(same_bytes(p.all(), Bytes(plain.bytes).first(plain.size)));
            }
}

void test_every_masked_byte_depends_on_the_mask(void **) {
    ShortHeader h;
    h.channel = {70000};
    h.pn_size = 4;
    Packet p = make_packet(h, cid_of(8), {1}, kTagSize);
    const Packet plain = p;
    mask_short_header(p.bytes.data(), 8, p.size - kTagSize, mask_of(1));
    for (size_t i = 0; i < p.size; i++) {
        const bool is_masked = i == 0 || (i >= 9 && i < 17);
        assert_true((p.bytes[i] != plain.bytes[i]) == is_masked);
    }
}

void test_reserved_bit_is_reported_and_not_refused(void **) {
    Packet p = make_packet({}, cid_of(1), {9}, kTagSize);
    p.bytes[0] |= kReservedBit;
    const auto got = unmask_short_header(p.all(), 1, HeaderMask{});
    assert_true(got.ok() && got->reserved);
}

void test_packet_cut_anywhere_is_refused(void **) {
    for (size_t cid_size = 1; cid_size <= kMaxCidSize; cid_size++)
        for (uint32_t channel : kChannels)
            for (uint8_t pn_size = 1; pn_size <= 4; pn_size++) {
                ShortHeader h;
                h.channel = {channel};
                h.pn_size = pn_size;
                const Packet whole = make_packet(h, cid_of(cid_size), {7}, kTagSize);
                for (size_t n = 0; n <= whole.size; n++) {
                    std::vector<uint8_t> cut(whole.bytes.begin(),
                                             whole.bytes.begin() + static_cast<long>(n));
                    const auto got = unmask_short_header(cut, cid_size, HeaderMask{});
                    assert_int_equal(got.status(), n < whole.size ? PLAIT_E_MALFORMED : PLAIT_OK);
                }
            }
}

void test_channel_of_eight_bytes_is_refused(void **) {
    Packet p = make_packet({}, cid_of(2), {7}, kTagSize + 8); // long enough for it
    p.bytes[3] = 0xc0;
    assert_int_equal(unmask_short_header(p.all(), 2, HeaderMask{}).status(), PLAIT_E_MALFORMED);
    // A channel in more bytes than it needs is the same channel.
    Packet longer = make_packet({}, cid_of(2), {7}, kTagSize + 3);
    longer.bytes[3] = 0x40;
    longer.bytes[4] = 0x05;
    const auto got = unmask_short_header(longer.all(), 2, HeaderMask{});
    assert_true(got.ok());
    assert_int_equal(got->channel.v, 5);
}

void test_header_overhead_is_what_the_page_says(void **) {
    ShortHeader h;
    h.channel = {63};
    h.pn_size = 2;
    assert_int_equal(make_packet(h, cid_of(8), {7}, kTagSize).size, 28);
    h.pn_size = 1;
    assert_int_equal(make_packet(h, cid_of(1), {7}, kTagSize).size, 20);
}

// The masking of the page's packets, with the page's mask: no cryptography needed here.
void check_page(const char *block, uint8_t epoch, bool ack_now, uint32_t channel, uint64_t pn,
                uint8_t pn_size) {
    const Bytes plain = example(block, "header"), packet = example(block, "packet");
    ShortHeader h;
    h.epoch = epoch;
    h.ack_now = ack_now;
    h.channel = {channel};
    h.pn_size = pn_size;
    std::array<uint8_t, kMaxShortHeader> header{};
    const size_t size = write_short_header(header.data(), h, Cid::from(plain.subspan(1, 8)), {pn});
    assert_true(same_bytes(Bytes(header).first(size), plain));

    HeaderMask m{};
    const Bytes mask = example(block, "mask");
    std::copy(mask.begin(), mask.end(), m.begin());
    mask_short_header(header.data(), 8, size, m);
    assert_true(same_bytes(Bytes(header).first(size), packet.first(size)));

    std::vector<uint8_t> copy(packet.begin(), packet.end());
    const auto got = unmask_short_header(copy, 8, m);
    assert_true(got.ok());
    assert_int_equal(got->size, size);
    assert_int_equal(got->channel.v, channel);
    assert_int_equal(got->epoch, epoch);
    assert_true(got->ack_now == ack_now);
    assert_int_equal(decode_packet_number(pn, got->truncated_pn, got->pn_size).v, pn);
}

void test_headers_of_the_page_mask_as_shown(void **) {
    check_page("data_packet", 0, true, 5, 0x1234, 2);
    check_page("ack_packet", 0, false, 0, 7, 1);
    check_page("empty_packet", 2, false, 70000, 0x123456789, 4);
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(test_packet_number_sizes_are_those_of_the_rfc),
        cmocka_unit_test(test_packet_number_of_the_rfc_decodes),
        cmocka_unit_test(test_any_packet_number_sent_is_the_one_decoded),
        cmocka_unit_test(test_header_of_every_size_masks_and_unmasks),
        cmocka_unit_test(test_every_masked_byte_depends_on_the_mask),
        cmocka_unit_test(test_reserved_bit_is_reported_and_not_refused),
        cmocka_unit_test(test_packet_cut_anywhere_is_refused),
        cmocka_unit_test(test_channel_of_eight_bytes_is_refused),
        cmocka_unit_test(test_header_overhead_is_what_the_page_says),
        cmocka_unit_test(test_headers_of_the_page_mask_as_shown),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
