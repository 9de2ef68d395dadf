// SPDX-License-Identifier: Apache-2.0
// Frames of the serial transport: known bytes, the way there and back, and what damage does.
#include "../unit/cmocka.hpp"

#include "serial/cobs.h"

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

namespace {

using Bytes = std::vector<uint8_t>;

Bytes encode(const Bytes &data) {
    Bytes out(frame_bound(data.size()), 0xee);
    out.resize(frame_encode(data.data(), data.size(), out.data()));
    return out;
}

// Decodes a frame without its final zero, in a block of exactly its size, so that a sanitizer sees
// every byte too far.
frame_result decode(const Bytes &frame, Bytes &data) {
    size_t n = frame.size();
    auto block = std::make_unique<uint8_t[]>(n);
    std::copy(frame.begin(), frame.end(), block.get());
    size_t len = 0;
    frame_result r = frame_decode(block.get(), n, &len);
    data.assign(block.get(), block.get() + (r == FRAME_OK ? len : 0));
    return r;
}

uint32_t next(uint32_t &x) {
    x ^= x << 13;
    x ^= x >> 17;
    return x ^= x << 5;
}

Bytes random_bytes(uint32_t &x, size_t n, uint32_t zero_in) {
    Bytes b(n);
    for (uint8_t &c : b) {
        c = next(x) % zero_in == 0 ? 0 : static_cast<uint8_t>(next(x));
    }
    return b;
}

bool goes_round(const Bytes &data) {
    Bytes frame = encode(data);
    Bytes back;
    if (frame.size() > frame_bound(data.size()) || frame.back() != 0) {
        return false;
    }
    frame.pop_back();
    for (uint8_t c : frame) {
        if (c == 0) {
            return false;
        }
    }
    return decode(frame, back) == FRAME_OK && back == data;
}

void test_crc_of_check_string_is_known(void **) {
    const std::string s = "123456789"; // the check value of CRC-32/ISO-HDLC
    const auto *p = reinterpret_cast<const uint8_t *>(s.data());
    assert_int_equal(frame_crc32(0, p, s.size()), 0xcbf43926);
    assert_int_equal(frame_crc32(frame_crc32(0, p, 4), p + 4, 5), 0xcbf43926);
    assert_int_equal(frame_crc32(0, p, 0), 0);
}

void test_encode_known_datagrams_gives_known_frames(void **) {
    // One zero byte: its CRC is d202ef8d. Code 1 stands for the zero, code 5 for the CRC.
    assert_true(encode({0}) == (Bytes{1, 5, 0x8d, 0xef, 0x02, 0xd2, 0}));
    // "a", CRC e8b7be43.
    assert_true(encode({'a'}) == (Bytes{6, 'a', 0x43, 0xbe, 0xb7, 0xe8, 0}));
}

void test_datagram_of_every_size_goes_round(void **) {
    uint32_t x = 12345;
    for (size_t n = 1; n <= 1100; n++) {
        for (uint32_t zero_in : {1u, 3u, 300u, 0xffffffffu}) {
            assert_true(goes_round(random_bytes(x, n, zero_in)));
        }
        assert_true(goes_round(Bytes(n, 0)));
        assert_true(goes_round(Bytes(n, 0xff)));
    }
    assert_true(goes_round(random_bytes(x, 16384, 500)));
}

void test_decode_nothing_is_empty(void **) {
    Bytes back;
    assert_int_equal(decode({}, back), FRAME_EMPTY);
}

void test_decode_changed_frame_is_damaged(void **) {
    uint32_t x = 99;
    for (size_t n : {size_t{1}, size_t{20}, size_t{260}}) {
        Bytes frame = encode(random_bytes(x, n, 20));
        frame.pop_back();
        Bytes back;
        for (size_t bit = 0; bit < frame.size() * 8; bit++) { // each bit, one at a time
            Bytes bad = frame;
            bad[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
            assert_int_equal(decode(bad, back), FRAME_DAMAGED);
        }
        for (size_t cut = 1; cut < frame.size(); cut++) { // each beginning and each end
            assert_int_equal(decode(Bytes(frame.data(), frame.data() + cut), back), FRAME_DAMAGED);
            assert_int_equal(decode(Bytes(frame.data() + cut, frame.data() + frame.size()), back),
                             FRAME_DAMAGED);
        }
    }
}

void test_decode_noise_is_safe_and_damaged(void **) {
    uint32_t x = 4711;
    Bytes back;
    for (int i = 0; i < 20000; i++) {
        Bytes noise = random_bytes(x, 1 + next(x) % 700, 1 + next(x) % 500);
        assert_int_equal(decode(noise, back), FRAME_DAMAGED);
    }
}

void test_decode_without_data_is_damaged(void **) {
    // Well stuffed, and the CRC of nothing is right: but a datagram has at least one byte.
    Bytes back;
    assert_int_equal(decode({1, 1, 1, 1}, back), FRAME_DAMAGED);
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(test_crc_of_check_string_is_known),
        cmocka_unit_test(test_encode_known_datagrams_gives_known_frames),
        cmocka_unit_test(test_datagram_of_every_size_goes_round),
        cmocka_unit_test(test_decode_nothing_is_empty),
        cmocka_unit_test(test_decode_changed_frame_is_damaged),
        cmocka_unit_test(test_decode_noise_is_safe_and_damaged),
        cmocka_unit_test(test_decode_without_data_is_damaged),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
