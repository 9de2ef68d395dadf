// SPDX-License-Identifier: Apache-2.0
// Between two processes: hundreds of channels that nobody reads hold nobody else.
#include "fixture.h"

#include <algorithm>

namespace plait::e2e {
namespace {

constexpr size_t kChannels = 300, kEach = 32768;
constexpr uint64_t kFile = 4'000'000, kPatienceMs = 30000;

plait_channel_stats stats_of(Near &near, plait_channel channel) {
    plait_channel_stats stats{};
    stats.struct_size = sizeof stats;
    assert_int_equal(plait_channel_get_stats(near.node(), channel, &stats), PLAIT_OK);
    return stats;
}

// The peer allows more channels as it sees that there is memory for them.
plait_channel open_stalled(Near &near) {
    plait_channel channel = PLAIT_NONE;
    const bool opened = near.run_until(
        [&] {
            return plait_channel_open(near.node(), near.peer(), "stall", nullptr, &channel) ==
                   PLAIT_OK;
        },
        kPatienceMs);
    assert_true(opened);
    return channel;
}

void test_hundreds_of_stalled_readers_others_go_on(void **state) {
    static plait_channel stalled[kChannels];
    static const uint8_t block[kEach] = {};
    Fixture &f = fixture(state);
    const plait_node_config config = short_timeouts();
    assert_true(f.far.open({"udp://127.0.0.1:0"}));
    f.near = std::make_unique<Near>(&config);
    Near &near = *f.near;
    assert_true(near.open("udp://127.0.0.1:0") != PLAIT_NONE);
    assert_true(near.connect(f.far, f.far.uri(0).c_str()));
    assert_true(near.run_until([&] { return near.connected; }, kPatienceMs));
    for (plait_channel &channel : stalled) {
        size_t taken = 0;
        channel = open_stalled(near);
        assert_int_equal(plait_channel_send(near.node(), channel, block, kEach, &taken), PLAIT_OK);
        assert_int_equal(taken, kEach);
    }
    // All that the peer takes of them is there.
    const auto all_stand = [&] {
        for (const plait_channel channel : stalled) {
            const plait_channel_stats s = stats_of(near, channel);
            if (s.bytes_acked < 4096 || s.bytes_acked < std::min<uint64_t>(s.send_limit, kEach))
                return false;
        }
        return true;
    };
    assert_true(near.run_until(all_stand, kPatienceMs));
    near.send_file(kFile);
    while (near.pings < 20) {
        near.send_ping();
        assert_true(near.run_until([&] { return near.pongs == near.pings; }, kPatienceMs));
    }
    assert_true(near.run_until([&] { return near.finished; }, kPatienceMs));
    for (const plait_channel channel : stalled) // they do stand
        assert_true(stats_of(near, channel).bytes_acked < kEach);
    expect_whole(f, kPatienceMs);
}

} // namespace
} // namespace plait::e2e

int main() {
    using namespace plait::e2e;
    const CMUnitTest tests[] = {
        E2E_TEST(test_hundreds_of_stalled_readers_others_go_on),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
