// SPDX-License-Identifier: Apache-2.0
// The frames and varints of docs/protocol.md, appendix A, written and read.
#include "../cmocka.hpp"

#include "collect.h"
#include "examples.h"

using namespace plait;
using namespace plait::wire;
using plait::test::example;
using plait::test::same_bytes;

namespace {

// The page's bytes read as `Frame` and written again are the page's bytes; so is `value` written.
template <class Frame, class... Extra>
void check(const char *name, const Frame &value, Extra... extra) {
    std::array<uint8_t, 512> buffer{};
    base::Writer w(buffer);
    write(w, value, extra...);
    assert_true(w.ok());
    assert_true(same_bytes(w.written(), example("frames", name)));

    static test::Only<Frame> only;
    only = {};
    assert_int_equal(test::read_exact(example("frames", name), only), PLAIT_OK);
    assert_int_equal(only.count, 1);
    // DATA and labels point into what was read, which is gone: these are compared by Rewriter.
    test::Rewriter again;
    assert_int_equal(test::read_exact(example("frames", name), again), PLAIT_OK);
    assert_true(same_bytes(again.out.written(), example("frames", name)));
}

ChallengeBytes count_up(uint8_t first) {
    ChallengeBytes out{};
    for (uint8_t &b : out)
        b = first++;
    return out;
}

Cid udp_cid() {
    return Cid::from(count_up(0xd0));
}

void test_varints_of_the_page_encode_and_decode(void **) {
    const auto names = test::Examples::get().names("varints");
    assert_true(names.size() >= 10);
    for (const std::string &name : names) {
        const uint64_t value = std::strtoull(name.c_str() + std::strlen("value_"), nullptr, 10);
        std::array<uint8_t, 8> buffer{};
        base::Writer w(buffer);
        w.varint(value);
        assert_true(w.ok());
        assert_true(same_bytes(w.written(), example("varints", name)));
        base::Reader r(example("varints", name));
        assert_int_equal(r.varint(), value);
        assert_true(r.ok() && r.done());
        assert_int_equal(base::varint_size(value), w.size());
    }
}

void test_ack_of_the_page_has_its_ranges(void **) {
    AckFrame f;
    f.link = {3};
    f.delay_us = 700;
    f.rx_time_us = 0x01020304;
    f.range_count = 3;
    f.ranges[0] = {990, 1001};
    f.ranges[1] = {984, 989};
    f.ranges[2] = {981, 982};
    check("ack", f);

    AckFrame ecn;
    ecn.delay_us = 25;
    ecn.has_ecn = true;
    ecn.ect0 = 8;
    ecn.ce = 1;
    ecn.range_count = 1;
    ecn.ranges[0] = {0, 8};
    check("ack_ecn", ecn);
}

void test_data_of_the_page_keeps_flags_and_bytes(void **) {
    check("data", DataFrame{70000, base::bytes_of("hello"), false, true}, true);
    std::array<uint8_t, 16> buffer{};
    base::Writer w(buffer);
    write(w, DataFrame{70005, {}, true, false}, false);
    assert_true(same_bytes(w.written(), example("frames", "data_fin")));
    test::Only<DataFrame> only;
    assert_int_equal(test::read_exact(example("frames", "data_fin"), only), PLAIT_OK);
    assert_true(only.got.fin && !only.got.start && only.got.offset == 70005);
}

void test_open_of_the_page_keeps_every_axis(void **) {
    OpenFrame f;
    f.channel = {2};
    f.resend = Resend::kAtMost;
    f.messages = f.one_way = true;
    f.resend_parameter = 3;
    f.reorder_wait_us = 20000;
    f.priority_class = 2;
    f.weight_log2 = 4;
    f.rekey_log2 = 16;
    f.label = base::bytes_of("chat");
    check("open", f);
}

void test_channel_frames_of_the_page_match(void **) {
    check("skip", SkipFrame{{5}, 1200, 2400, 2});
    check("accept", AcceptFrame{{2}, 262144, 65536});
    check("refuse", RefuseFrame{{2}, 9});
    check("reset", ResetFrame{{5}, kResetLoss, 70005});
    check("stop", StopFrame{{5}, 17});
    check("max_channel_data", MaxChannelDataFrame{{5}, 1 << 20, 1});
    check("blocked", BlockedFrame{{5}, 65536});
    check("credit_return", CreditReturnFrame{{5}, 1, 70005});
    check("max_channels", MaxChannelsFrame{300});
    check("repair", RepairFrame{20, 40, 50, 7, example("frames", "repair").last(20)});
}

void test_link_frames_of_the_page_match(void **) {
    check("max_links", MaxLinksFrame{16});
    check("ack_freq", AckFreqFrame{{2}, 1, 90, 5000, 3});
    check("challenge", ChallengeFrame{count_up(1)});
    check("response", ResponseFrame{count_up(1)});
    check("new_cid_short",
          NewCidFrame{{2}, 0, 2, Cid::from(Bytes(std::array<uint8_t, 1>{0x5c})), {}});
    check("retire_cid", RetireCidFrame{1});
    check("cid_request", CidRequestFrame{0, {2}});
    check("link_state", LinkStateFrame{{2}, WireLinkState::kSuspect});
    check("link_close", LinkCloseFrame{{2}, 1});

    NewCidFrame f{{2}, 1, 1, udp_cid(), {}};
    const Bytes token = example("frames", "new_cid").last(kResetTokenSize);
    std::copy(token.begin(), token.end(), f.token.begin());
    check("new_cid", f);
}

void test_connection_frames_of_the_page_match(void **) {
    check("ping", PingFrame{});
    CloseFrame f;
    f.code = static_cast<uint64_t>(CloseCode::kRefused);
    f.reason = base::bytes_of("not now");
    check("close", f);
}

void test_extension_of_the_page_is_skipped(void **) {
    test::Counter counter;
    assert_int_equal(test::read_exact(example("frames", "extension"), counter), PLAIT_OK);
    assert_int_equal(counter.frames, 0);
}

// Whoever adds a frame to the page adds it here.
void test_page_has_no_frame_that_is_not_tested(void **) {
    assert_int_equal(test::Examples::get().names("frames").size(), 28);
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(test_varints_of_the_page_encode_and_decode),
        cmocka_unit_test(test_ack_of_the_page_has_its_ranges),
        cmocka_unit_test(test_data_of_the_page_keeps_flags_and_bytes),
        cmocka_unit_test(test_open_of_the_page_keeps_every_axis),
        cmocka_unit_test(test_channel_frames_of_the_page_match),
        cmocka_unit_test(test_link_frames_of_the_page_match),
        cmocka_unit_test(test_connection_frames_of_the_page_match),
        cmocka_unit_test(test_extension_of_the_page_is_skipped),
        cmocka_unit_test(test_page_has_no_frame_that_is_not_tested),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
