// SPDX-License-Identifier: Apache-2.0
// Every frame with its smallest and its largest values: written, read, compared; cut at every byte;
// never longer than the protocol allows.
#include "../cmocka.hpp"

#include "collect.h"
#include "examples.h"

#include <random>

using namespace plait;
using namespace plait::wire;
using plait::test::same_bytes;

namespace {

constexpr uint64_t kMax = base::kVarintMax;
constexpr uint32_t kMaxNumber = (1u << 30) - 1;
constexpr uint64_t kMaxSmall = (uint64_t{1} << 30) - 1; // what section 5.1 keeps below 2^30
constexpr ChannelNumber kChannel{kMaxNumber};
constexpr LinkNumber kLink{kMaxNumber};

std::array<uint8_t, 4096> buffer;

template <class Frame>
Bytes encode(const Frame &f) {
    base::Writer w(buffer);
    write(w, f);
    return w.ok() ? w.written() : Bytes();
}

// Every proper prefix is refused; the whole comes back as it was.
void check_encoding(Bytes bytes) {
    assert_false(bytes.empty());
    test::Rewriter again;
    assert_int_equal(test::read_exact(bytes, again), PLAIT_OK);
    assert_int_equal(again.frames, 1);
    assert_true(same_bytes(again.out.written(), bytes));
    for (size_t n = 1; n < bytes.size(); n++)
        assert_int_equal(test::read_exact(bytes.first(n)), PLAIT_E_MALFORMED);
}

template <class Frame>
void check_control(const Frame &f) {
    const Bytes bytes = encode(f);
    assert_in_range(bytes.size(), 1, kMaxControlFrame);
    check_encoding(bytes);
}

template <class Frame>
void check_control(const Frame &smallest, const Frame &largest) {
    check_control(smallest);
    check_control(largest);
    // A writer without enough room fails and does not write past the end.
    const size_t size = encode(largest).size();
    for (size_t room = 0; room < size; room++) {
        std::array<uint8_t, kMaxControlFrame + 1> small{};
        small[room] = 0xee;
        base::Writer w(MutBytes(small).first(room));
        write(w, largest);
        assert_false(w.ok());
        assert_int_equal(small[room], 0xee);
    }
}

void test_channel_frames_at_their_extremes_round_trip(void **) {
    check_control(SkipFrame{{1}, 0, 1, 0}, SkipFrame{kChannel, kMax - kMaxSmall, kMaxSmall, kMax});
    check_control(AcceptFrame{}, AcceptFrame{kChannel, kMax, kMax});
    check_control(RefuseFrame{}, RefuseFrame{kChannel, kMax});
    check_control(ResetFrame{}, ResetFrame{kChannel, kMax, kMax});
    check_control(StopFrame{}, StopFrame{kChannel, kMax});
    check_control(MaxChannelDataFrame{}, MaxChannelDataFrame{kChannel, kMax, kMax});
    check_control(BlockedFrame{}, BlockedFrame{kChannel, kMax});
    check_control(CreditReturnFrame{}, CreditReturnFrame{kChannel, kMax, kMax});
    check_control(MaxChannelsFrame{}, MaxChannelsFrame{kMaxChannelsASide});
}

void test_open_with_every_axis_round_trips(void **) {
    for (unsigned axes = 0; axes < 256; axes++) {
        if ((axes >> 4 & 3) == 3)
            continue; // no such on-loss
        OpenFrame f;
        f.channel = kChannel;
        f.resend = static_cast<Resend>(axes >> 6);
        f.on_loss = static_cast<OnLoss>(axes >> 4 & 3);
        f.unordered = axes & 8;
        f.messages = axes & 4;
        f.one_way = axes & 2;
        f.label_follows = axes & 1;
        if (f.resend == Resend::kAtMost || f.resend == Resend::kUntilDeadline)
            f.resend_parameter = kMaxSmall;
        f.reorder_wait_us = kMaxSmall;
        f.priority_class = 15;
        f.weight_log2 = 15;
        f.window = kMaxSmall;
        f.cipher = 0xff;
        f.rekey_log2 = 0xff;
        f.label = base::bytes_of("sixteen letters!");
        check_control(f);
        assert_int_equal(buffer[5], axes);
    }
    check_control(OpenFrame{});
}

void test_link_frames_at_their_extremes_round_trip(void **) {
    check_control(AckFreqFrame{}, AckFreqFrame{kLink, kMax, kMax, kMax, kMax});
    check_control(MaxLinksFrame{}, MaxLinksFrame{kMaxLinkNumbers});
    check_control(ChallengeFrame{}, ChallengeFrame{{1, 2, 3, 4, 5, 6, 7, 8}});
    check_control(ResponseFrame{}, ResponseFrame{{8, 7, 6, 5, 4, 3, 2, 1}});
    check_control(RetireCidFrame{}, RetireCidFrame{kMax});
    check_control(CidRequestFrame{}, CidRequestFrame{kMax, kLink});
    check_control(LinkStateFrame{}, LinkStateFrame{kLink, WireLinkState::kStandby});
    check_control(LinkCloseFrame{}, LinkCloseFrame{kLink, kMax});
}

void test_new_cid_of_every_length_round_trips(void **) {
    NewCidFrame f{kLink, 15, kMaxSmall, {}, {}};
    f.token.fill(0xa5);
    for (uint8_t length = 1; length <= kMaxCidSize; length++) {
        f.cid.len = length;
        f.cid.b = {};
        for (uint8_t i = 0; i < length; i++)
            f.cid.b[i] = static_cast<uint8_t>(0xf0 + i);
        check_control(f);
        test::Only<NewCidFrame> only;
        assert_int_equal(test::read_exact(encode(f), only), PLAIT_OK);
        assert_true(only.got.cid == f.cid);
        assert_int_equal(only.got.token[0], length == kMaxCidSize ? 0xa5 : 0);
    }
}

void test_close_at_its_extremes_round_trips(void **) {
    CloseFrame f;
    check_control(f);
    f.code = kMax;
    f.by_application = true;
    f.reason = base::bytes_of("twenty-four letters long");
    assert_int_equal(f.reason.size(), kMaxReason);
    check_control(f);
    f.refused = true;
    check_control(f);
    check_control(PingFrame{});
}

AckFrame random_ack(std::mt19937_64 &random, size_t ranges) {
    AckFrame f;
    f.link = {static_cast<uint32_t>(random() % (kMaxNumber + 1))};
    f.delay_us = random() >> 2;
    f.rx_time_us = static_cast<uint32_t>(random());
    f.has_ecn = random() & 1;
    if (f.has_ecn) {
        f.ect0 = random() >> 2;
        f.ect1 = random() >> 40;
        f.ce = random() >> 60;
    }
    f.range_count = ranges;
    uint64_t at = random() % 4; // from below
    for (size_t i = ranges; i-- > 0;) {
        const uint64_t size = 1 + (random() >> (10 + random() % 54));
        f.ranges[i] = {at, at + size};
        at += size + 1 + (random() >> (10 + random() % 54));
    }
    return f;
}

void test_ack_with_any_ranges_round_trips(void **) {
    std::mt19937_64 random(7);
    for (size_t ranges = 1; ranges <= kMaxAckRanges; ranges++) {
        const AckFrame f = random_ack(random, ranges);
        check_encoding(encode(f));
        test::Only<AckFrame> only;
        assert_int_equal(test::read_exact(encode(f), only), PLAIT_OK);
        assert_int_equal(only.got.range_count, ranges);
        for (size_t i = 0; i < ranges; i++)
            assert_true(only.got.ranges[i] == f.ranges[i]);
        assert_int_equal(only.got.largest(), f.ranges[0].end - 1);
        assert_true(only.got.link == f.link && only.got.rx_time_us == f.rx_time_us);
        assert_true(only.got.has_ecn == f.has_ecn && only.got.ce == f.ce);
    }
}

void test_ack_of_the_highest_and_of_packet_zero_round_trips(void **) {
    AckFrame f;
    f.range_count = 2;
    f.ranges[0] = {kMax, kMax + 1};
    f.ranges[1] = {0, 1};
    check_encoding(encode(f));
    f.range_count = 1;
    f.ranges[0] = {0, kMax + 1};
    check_encoding(encode(f));
}

void check_data(const DataFrame &f, bool with_length) {
    base::Writer w(buffer);
    write(w, f, with_length);
    assert_true(w.ok());
    assert_int_equal(w.size(),
                     data_header_size(f.offset, f.bytes.size(), with_length) + f.bytes.size());
    const std::vector<uint8_t> packet(w.written().begin(), w.written().end());
    test::Only<DataFrame> only;
    assert_int_equal(read_frames(Bytes(packet), only), PLAIT_OK);
    assert_int_equal(only.count, 1);
    assert_int_equal(only.got.offset, f.offset);
    assert_true(only.got.fin == f.fin && only.got.start == f.start);
    assert_true(same_bytes(only.got.bytes, f.bytes));
}

void test_data_of_every_kind_round_trips(void **) {
    static std::array<uint8_t, 1500> body;
    for (size_t i = 0; i < body.size(); i++)
        body[i] = static_cast<uint8_t>(i);
    for (uint64_t offset :
         {uint64_t{0}, uint64_t{63}, uint64_t{64}, uint64_t{1} << 40, kMax - body.size()})
        for (size_t length : {0, 1, 63, 64, 1200, 1500})
            for (unsigned flags = 0; flags < 8; flags++)
                check_data({offset, Bytes(body).first(length), (flags & 1) != 0, (flags & 2) != 0},
                           flags & 4);
}

void test_data_with_length_cut_anywhere_is_refused(void **) {
    base::Writer w(buffer);
    write(w, DataFrame{1000, base::bytes_of("a few bytes"), true, true}, true);
    check_encoding(w.written());
}

void test_frames_of_one_packet_come_in_order(void **) {
    base::Writer w(buffer);
    std::mt19937_64 random(3);
    write(w, random_ack(random, 4));
    write(w, MaxChannelDataFrame{{4}, 100, 0});
    write(w, ChallengeFrame{});
    write(w, PingFrame{});
    write(w, DataFrame{0, base::bytes_of("one"), false, false}, true);
    write(w, DataFrame{3, base::bytes_of("two"), true, false}, true);
    const std::vector<uint8_t> packet(w.written().begin(), w.written().end());
    test::Rewriter again;
    assert_int_equal(read_frames(Bytes(packet), again), PLAIT_OK);
    assert_int_equal(again.frames, 6);
    assert_true(same_bytes(again.out.written(), packet));
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(test_channel_frames_at_their_extremes_round_trip),
        cmocka_unit_test(test_open_with_every_axis_round_trips),
        cmocka_unit_test(test_link_frames_at_their_extremes_round_trip),
        cmocka_unit_test(test_new_cid_of_every_length_round_trips),
        cmocka_unit_test(test_close_at_its_extremes_round_trips),
        cmocka_unit_test(test_ack_with_any_ranges_round_trips),
        cmocka_unit_test(test_ack_of_the_highest_and_of_packet_zero_round_trips),
        cmocka_unit_test(test_data_of_every_kind_round_trips),
        cmocka_unit_test(test_data_with_length_cut_anywhere_is_refused),
        cmocka_unit_test(test_frames_of_one_packet_come_in_order),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
