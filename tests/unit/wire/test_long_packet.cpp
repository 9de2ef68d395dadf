// SPDX-License-Identifier: Apache-2.0
// INIT, RESP and FIN: read, written, cut at every byte.
#include "../cmocka.hpp"

#include "examples.h"
#include "wire/long_packet.h"

using namespace plait;
using namespace plait::wire;
using plait::test::example;
using plait::test::same_bytes;

namespace {

constexpr std::array<uint8_t, 8> kCid{1, 2, 3, 4, 5, 6, 7, 8};

Cid cid_of(size_t size) {
    return Cid::from(Bytes(kCid).first(size));
}

void test_header_with_ids_of_every_length_round_trips(void **) {
    for (unsigned type = 0; type <= 6; type++)
        for (size_t dlen = 0; dlen <= kMaxCidSize; dlen++)
            for (size_t slen = 0; slen <= kMaxCidSize; slen++) {
                const LongHeader h{static_cast<LongType>(type), 0xa1b2c3d4, cid_of(dlen),
                                   cid_of(slen), 0};
                std::array<uint8_t, 32> buffer{};
                base::Writer w(buffer);
                write_long_header(w, h);
                assert_true(w.ok());
                assert_int_equal(w.size(), 7 + dlen + slen);

                base::Reader r(w.written());
                const auto got = read_long_header(r);
                assert_true(got.ok() && r.done());
                assert_true(got->type == h.type && got->version == h.version);
                assert_true(got->dcid == h.dcid && got->scid == h.scid);
                assert_int_equal(got->size, w.size());
                for (size_t n = 0; n < w.size(); n++) {
                    const std::vector<uint8_t> cut(buffer.begin(),
                                                   buffer.begin() + static_cast<long>(n));
                    base::Reader short_one(cut);
                    assert_int_equal(read_long_header(short_one).status(), PLAIT_E_MALFORMED);
                }
            }
}

Status header_status(std::initializer_list<uint8_t> bytes) {
    const std::vector<uint8_t> copy(bytes);
    base::Reader r(copy);
    return read_long_header(r).status();
}

void test_header_that_is_none_is_refused(void **) {
    assert_int_equal(header_status({0x80, 0, 0, 0, 1, 0, 0}), PLAIT_OK);
    assert_int_equal(header_status({0x00, 0, 0, 0, 1, 0, 0}), PLAIT_E_MALFORMED); // short packet
    for (uint8_t low = 1; low < 16; low++)
        assert_int_equal(header_status({static_cast<uint8_t>(0x80 | low), 0, 0, 0, 1, 0, 0}),
                         PLAIT_E_MALFORMED);
    assert_int_equal(header_status({0x80, 0, 0, 0, 1, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0}),
                     PLAIT_E_MALFORMED);
    assert_int_equal(header_status({0x80, 0, 0, 0, 1, 0, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9}),
                     PLAIT_E_MALFORMED);
    assert_int_equal(header_status({0x80, 0, 0, 0, 1, 0xff, 0}), PLAIT_E_MALFORMED);
}

void test_init_of_the_page_is_taken_apart(void **) {
    const Bytes packet = example("init", "packet");
    const auto init = read_init(packet);
    assert_true(init.ok());
    assert_true(init->header.type == LongType::kInit);
    assert_int_equal(init->header.version, kVersion1);
    assert_int_equal(init->header.dcid.len, 0);
    assert_int_equal(init->header.scid.value(), 0xa0a1a2a3a4a5a6a7);
    assert_int_equal(init->suite, kSuite1);
    assert_true(init->pattern == PatternId::kIK);
    assert_int_equal(packet.size(), kMinInitSize);

    // The prologue is "plait1", these bytes, Z's id.
    const Bytes prologue = example("init", "prologue");
    assert_true(same_bytes(init->through_pattern, prologue.subspan(6, prologue.size() - 6 - 32)));
    assert_int_equal(init->noise.size(), 96 + example("init", "payload").size());
    assert_int_equal(init->noise.data() - packet.data(), init->through_pattern.size() + 2);
    assert_int_equal(init->before_mac1.size(), packet.size() - 32);
    assert_int_equal(init->before_mac2.size(), packet.size() - 16);
    assert_true(init->mac1.data() == packet.data() + packet.size() - 32 &&
                init->mac1.size() == kMacSize);
    assert_true(init->mac2.data() == packet.data() + packet.size() - 16 &&
                init->mac2.size() == kMacSize);
}

void test_init_without_padding_and_without_noise_is_read(void **) {
    std::array<uint8_t, 64> buffer{};
    base::Writer w(buffer);
    write_long_header(w, {LongType::kInit, kVersion1, {}, cid_of(1), 0});
    w.u16(0x0203);
    w.u8(9); // nobody knows this pattern: that is for the caller
    w.u16(0);
    const size_t smallest = w.size() + 2 * kMacSize;
    w.fill(0xaa, kMacSize);
    w.fill(0xbb, kMacSize);
    const auto init = read_init(w.written());
    assert_true(init.ok());
    assert_int_equal(init->suite, 0x0203);
    assert_int_equal(static_cast<int>(init->pattern), 9);
    assert_true(init->noise.empty());
    assert_int_equal(init->mac1[0], 0xaa);
    assert_int_equal(init->mac2[0], 0xbb);
    for (size_t n = 0; n < smallest; n++) {
        const std::vector<uint8_t> cut(buffer.begin(), buffer.begin() + static_cast<long>(n));
        assert_int_equal(read_init(cut).status(), PLAIT_E_MALFORMED);
    }
}

void test_init_cut_into_its_noise_is_refused(void **) {
    const Bytes packet = example("init", "packet");
    const auto init = read_init(packet);
    assert_true(init.ok());
    const size_t smallest = init->through_pattern.size() + 2 + init->noise.size() + 2 * kMacSize;
    for (size_t n = 0; n <= packet.size(); n++) {
        const std::vector<uint8_t> cut(packet.begin(), packet.begin() + static_cast<long>(n));
        assert_int_equal(read_init(cut).status(), n < smallest ? PLAIT_E_MALFORMED : PLAIT_OK);
    }
}

void test_init_whose_noise_length_is_too_long_is_refused(void **) {
    const Bytes packet = example("init", "packet");
    std::vector<uint8_t> longer(packet.begin(), packet.end());
    const size_t at = read_init(packet)->through_pattern.size();
    const size_t most = packet.size() - at - 2 - 2 * kMacSize;
    base::store_be(longer.data() + at, most, 2);
    assert_int_equal(read_init(longer).status(), PLAIT_OK);
    base::store_be(longer.data() + at, most + 1, 2);
    assert_int_equal(read_init(longer).status(), PLAIT_E_MALFORMED);
    base::store_be(longer.data() + at, 0xffff, 2);
    assert_int_equal(read_init(longer).status(), PLAIT_E_MALFORMED);
}

void test_resp_of_the_page_is_taken_apart(void **) {
    const Bytes packet = example("resp", "packet");
    const auto resp = read_noise_packet(packet);
    assert_true(resp.ok());
    assert_true(resp->header.type == LongType::kResp);
    assert_int_equal(resp->header.dcid.value(), 0xa0a1a2a3a4a5a6a7);
    assert_int_equal(resp->header.scid.value(), 0xb0b1b2b3b4b5b6b7);
    assert_int_equal(resp->noise.size(), 48 + example("resp", "payload").size());
    assert_true(packet.size() <= example("init", "packet").size()); // no amplification
    for (size_t n = 0; n < packet.size(); n++) {
        const std::vector<uint8_t> cut(packet.begin(), packet.begin() + static_cast<long>(n));
        assert_int_equal(read_noise_packet(cut).status(), PLAIT_E_MALFORMED);
    }
}

void test_bytes_after_resp_and_fin_are_ignored(void **) {
    const Bytes packet = example("resp", "packet");
    std::vector<uint8_t> longer(packet.begin(), packet.end());
    longer.insert(longer.end(), 40, 0x77);
    const auto resp = read_noise_packet(longer);
    assert_true(resp.ok());
    assert_int_equal(resp->noise.size(), read_noise_packet(packet)->noise.size());
    longer[0] = 0xa0;
    const auto fin = read_noise_packet(longer);
    assert_true(fin.ok() && fin->header.type == LongType::kFin);
}

void test_readers_refuse_the_other_types(void **) {
    const Bytes init = example("init", "packet"), resp = example("resp", "packet");
    for (unsigned type = 0; type < 8; type++) {
        std::vector<uint8_t> a(init.begin(), init.end()), z(resp.begin(), resp.end());
        a[0] = z[0] = static_cast<uint8_t>(0x80 | type << 4);
        assert_int_equal(read_init(a).status(), type == 0 ? PLAIT_OK : PLAIT_E_MALFORMED);
        const bool noise = type == 1 || type == 2;
        assert_int_equal(read_noise_packet(z).status(), noise ? PLAIT_OK : PLAIT_E_MALFORMED);
    }
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(test_header_with_ids_of_every_length_round_trips),
        cmocka_unit_test(test_header_that_is_none_is_refused),
        cmocka_unit_test(test_init_of_the_page_is_taken_apart),
        cmocka_unit_test(test_init_without_padding_and_without_noise_is_read),
        cmocka_unit_test(test_init_cut_into_its_noise_is_refused),
        cmocka_unit_test(test_init_whose_noise_length_is_too_long_is_refused),
        cmocka_unit_test(test_resp_of_the_page_is_taken_apart),
        cmocka_unit_test(test_bytes_after_resp_and_fin_are_ignored),
        cmocka_unit_test(test_readers_refuse_the_other_types),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
