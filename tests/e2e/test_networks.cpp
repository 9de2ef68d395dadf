// SPDX-License-Identifier: Apache-2.0
// Two processes over emulated lines in network namespaces: both lines at once, one cut silently,
// all cut, and a router between that changes its address.
#include "fixture.h"
#include "net/networks.h"

namespace plait::e2e {
namespace {

// Slow enough for a machine that has much else to do.
constexpr uint64_t kRate = 1'000'000;
const std::string kLine = "rate 1000000 delay 10000 queue 40000";
constexpr uint64_t kFile = 5'000'000;
constexpr uint64_t kPatienceMs = 30000;

void test_two_lines_carry_more_than_one_could(void **state) {
    Networks &n = networks(state);
    assert_true(n.connect({kLine, kLine}, 2));
    const uint64_t begun = now_ms();
    n.near->send_file(kFile);
    assert_true(n.near->run_until([&] { return n.near->finished; }, kPatienceMs));
    const uint64_t took = now_ms() - begun;
    print_message("two lines of 1 MB/s: %.2f MB/s\n",
                  static_cast<double>(kFile) / static_cast<double>(took) / 1000);
    assert_true(took * kRate / 1000 < kFile); // one alone needs longer
    assert_true(n.near->data_sent(n.links[0]) > kFile / 5);
    assert_true(n.near->data_sent(n.links[1]) > kFile / 5);
    expect_whole(*n.near, *n.far, kPatienceMs);
}

void test_lossy_lines_lose_nothing(void **state) {
    Networks &n = networks(state);
    assert_true(
        n.connect({kLine + " loss 0.03", "rate 500000 delay 40000 queue 40000 loss 0.01"}, 2));
    n.near->send_file(kFile / 2);
    expect_whole(*n.near, *n.far, kPatienceMs);
}

void test_silent_cut_fails_over_and_loses_nothing(void **state) {
    Networks &n = networks(state);
    assert_true(n.connect({kLine, kLine}, 2));
    n.near->send_file(kFile);
    Pings pings(*n.near, 20);
    assert_true(pings.run_until([&] { return n.near->acked() > kFile / 4; }, kPatienceMs));
    const uint64_t before = pings.longest_gap_ms();
    pings.forget_gaps();
    assert_true(n.cut(0));
    assert_true(pings.run_until([&] { return n.near->finished; }, kPatienceMs));
    print_message("longest gap of pings: %llu ms before the cut, %llu ms with it\n",
                  static_cast<unsigned long long>(before),
                  static_cast<unsigned long long>(pings.longest_gap_ms()));
    assert_true(pings.longest_gap_ms() < 2000);
    assert_false(n.near->good(n.links[0]));
    assert_true(n.near->good(n.links[1]));
    assert_true(n.near->run_until([&] { return n.near->pongs == n.near->pings; }, 5000));
    // It comes back by itself.
    assert_true(n.restore(0));
    assert_true(n.near->run_until([&] { return n.near->good_links() == 2; }, 10000));
    expect_whole(*n.near, *n.far, kPatienceMs);
}

void test_one_way_cut_loses_nothing(void **state) {
    Networks &n = networks(state);
    assert_true(n.connect({kLine, kLine}, 2));
    n.near->send_file(kFile);
    assert_true(n.near->run_until([&] { return n.near->acked() > kFile / 4; }, kPatienceMs));
    assert_true(n.world.emulator.order("0 z cut")); // only what comes back
    expect_whole(*n.near, *n.far, kPatienceMs);
}

void test_all_lines_cut_sleeps_and_goes_on(void **state) {
    Networks &n = networks(state);
    assert_true(n.connect({kLine, kLine}, 2));
    n.near->send_file(kFile);
    assert_true(n.near->run_until([&] { return n.near->acked() > kFile / 4; }, kPatienceMs));
    assert_true(n.cut(0));
    assert_true(n.cut(1));
    assert_true(n.near->run_until([&] { return n.near->dormant; }, 10000));
    assert_false(n.near->closed);
    assert_true(n.restore(1));
    assert_true(n.near->run_until([&] { return n.near->good_links() == 1; }, 5000));
    expect_whole(*n.near, *n.far, kPatienceMs);
}

// Asleep, it is given a way from another address, and goes on there without a handshake.
void test_dormant_goes_on_from_another_address(void **state) {
    Networks &n = networks(state);
    assert_true(n.connect({kLine, kLine}, 1));
    n.near->send_file(kFile);
    assert_true(n.near->run_until([&] { return n.near->acked() > kFile / 4; }, kPatienceMs));
    assert_true(n.cut(0));
    assert_true(n.near->run_until([&] { return n.near->dormant; }, 10000));
    assert_true(n.add(1));
    assert_true(n.near->run_until([&] { return n.near->good(n.links[1]); }, 5000));
    expect_whole(*n.near, *n.far, kPatienceMs);
    plait_node_stats stats{};
    stats.struct_size = sizeof stats;
    assert_int_equal(plait_node_get_stats(n.near->node(), &stats), PLAIT_OK);
    assert_int_equal(stats.connections_total, 1);
}

// -- a router with NAT in between

constexpr const char *kRouterProbe = "ip link add v0 type veth peer name v1; ip link del v0;"
                                     "nft add table ip nat; nft delete table ip nat";

constexpr const char *kRouter =
    "ip link set up dev line0; ip addr add 10.77.0.2/24 dev line0;"
    "ip link add wan type veth peer name eth0; ip link set wan up;"
    "ip addr add 10.78.0.1/24 dev wan; echo 1 > /proc/sys/net/ipv4/ip_forward;"
    "nft add table ip nat;"
    "nft 'add chain ip nat out { type nat hook postrouting priority 100; }';"
    "nft add rule ip nat out oifname wan masquerade random;"
    "nft 'add chain ip nat seen { type filter hook postrouting priority 300; }';"
    "nft add rule ip nat seen oifname wan ip saddr 10.78.0.9 counter";

// The provider gives it another address: the kernel forgets all mappings of the old one.
constexpr const char *kRenumber = "ip addr flush dev wan; ip addr add 10.78.0.9/24 dev wan";

bool connect_through_router(Networks &n) {
    World &w = n.world;
    return n.people(short_timeouts()) && w.emulator.start({{&w.a, "line0", &w.m, "line0"}}) &&
           w.m.run(kRouter) && w.m.run("ip link set eth0 netns " + w.z.path()) &&
           w.z.run("ip link set eth0 up; ip addr add 10.78.0.2/24 dev eth0") &&
           w.a.run("ip link set line0 up; ip addr add 10.77.0.1/24 dev line0;"
                   "ip route add default via 10.77.0.2") &&
           w.emulator.order("0 both " + kLine) && n.far->open({"udp://10.78.0.2:0"}) &&
           n.near->open("udp://10.77.0.1:0") != PLAIT_NONE &&
           n.near->connect(*n.far, n.far->uri(0).c_str()) &&
           n.near->run_until([&] { return n.near->connected; }, 10000);
}

void test_nat_rebinding_mid_transfer_loses_nothing(void **state) {
    Networks &n = networks(state);
    if (!n.world.m.run(kRouterProbe)) {
        print_message("skipped: no nftables or no veth here\n");
        skip();
    }
    assert_true(connect_through_router(n));
    n.near->send_file(kFile);
    assert_true(n.near->run_until([&] { return n.near->acked() > kFile / 4; }, kPatienceMs));
    assert_true(n.world.m.run(kRenumber));
    assert_true(n.near->run_until([&] { return n.near->finished; }, kPatienceMs));
    assert_true(n.world.m.run("nft list chain ip nat seen | grep -q 'packets [1-9]'"));
    expect_whole(*n.near, *n.far, kPatienceMs);
}

} // namespace
} // namespace plait::e2e

int main() {
    using namespace plait::e2e;
    if (const int skipped = networks_skipped())
        return skipped;
    const CMUnitTest tests[] = {
        NETWORKS_TEST(test_two_lines_carry_more_than_one_could),
        NETWORKS_TEST(test_lossy_lines_lose_nothing),
        NETWORKS_TEST(test_silent_cut_fails_over_and_loses_nothing),
        NETWORKS_TEST(test_one_way_cut_loses_nothing),
        NETWORKS_TEST(test_all_lines_cut_sleeps_and_goes_on),
        NETWORKS_TEST(test_dormant_goes_on_from_another_address),
        NETWORKS_TEST(test_nat_rebinding_mid_transfer_loses_nothing),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
