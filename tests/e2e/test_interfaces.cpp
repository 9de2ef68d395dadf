// SPDX-License-Identifier: Apache-2.0
// udp://*: endpoints come and go with the addresses and interfaces of the machine.
#include "fixture.h"
#include "net/networks.h"

namespace plait::e2e {
namespace {

const std::string kLine = "rate 1000000 delay 5000 queue 40000";
constexpr uint64_t kFile = 4'000'000;
constexpr uint64_t kSoonMs = 5000, kPatienceMs = 30000;

std::string uri_of(Near &near, plait_endpoint endpoint) {
    char text[256] = "";
    plait_endpoint_uri(near.node(), endpoint, text, sizeof text, nullptr);
    return text;
}

// The member at that address; PLAIT_NONE: there is none.
plait_endpoint member(Near &near, const std::string &address) {
    for (const auto &[endpoint, state] : near.members)
        if (uri_of(near, endpoint).starts_with("udp://" + address + ":"))
            return endpoint;
    return PLAIT_NONE;
}

bool appears(Near &near, const std::string &address) {
    return near.run_until([&] { return member(near, address) != PLAIT_NONE; }, kSoonMs);
}

bool vanishes(Near &near, const std::string &address) {
    return near.run_until([&] { return member(near, address) == PLAIT_NONE; }, kSoonMs);
}

void test_addresses_that_come_and_go_are_endpoints_that_do(void **state) {
    Networks &n = networks(state);
    const Netns &here = n.world.a;
    assert_true(n.people(short_timeouts()));
    const plait_endpoint all = n.near->open("udp://*:4242");
    assert_true(all != PLAIT_NONE);
    assert_string_equal(uri_of(*n.near, all).c_str(), "udp://*:4242");
    assert_true(here.run("ip link add eth0 type veth peer name eth1; ip link set eth0 up;"
                         "ip link set eth1 up; ip addr add 10.1.0.1/24 dev eth0"));
    assert_true(appears(*n.near, "10.1.0.1"));
    assert_string_equal(uri_of(*n.near, member(*n.near, "10.1.0.1")).c_str(),
                        "udp://10.1.0.1:4242");
    // IPv6's has to wait until it is known to be nobody else's.
    assert_true(here.run("ip addr add 10.1.0.2/24 dev eth0; ip addr add fd00::1/64 dev eth1"));
    assert_true(appears(*n.near, "10.1.0.2"));
    assert_true(appears(*n.near, "[fd00::1]"));
    assert_int_equal(n.near->members.size(), 3);
    assert_true(here.run("ip addr del 10.1.0.2/24 dev eth0"));
    assert_true(vanishes(*n.near, "10.1.0.2"));
    assert_int_equal(n.near->member_end, PLAIT_E_NO_DEVICE);
    // At another interface between two looks it is another endpoint.
    const plait_endpoint first = member(*n.near, "10.1.0.1");
    assert_true(here.run("ip addr del 10.1.0.1/24 dev eth0; ip addr add 10.1.0.1/24 dev eth1"));
    assert_true(n.near->run_until(
        [&] {
            const plait_endpoint now = member(*n.near, "10.1.0.1");
            return now != PLAIT_NONE && now != first;
        },
        kSoonMs));
    assert_true(here.run("ip link del eth0"));
    assert_true(n.near->run_until([&] { return n.near->members.empty(); }, kSoonMs));
}

void test_include_and_exclude_choose_by_name(void **state) {
    Networks &n = networks(state);
    assert_true(n.people(short_timeouts()));
    assert_true(n.world.a.run(
        "ip link add eth0 type veth peer name eth1; ip link add wlan0 type veth peer name docker0;"
        "for i in eth0 eth1 wlan0 docker0; do ip link set $i up; done;"
        "ip addr add 10.1.0.1/24 dev eth0; ip addr add 10.2.0.1/24 dev eth1;"
        "ip addr add 10.3.0.1/24 dev wlan0; ip addr add 10.4.0.1/24 dev docker0"));
    const plait_endpoint chosen = n.near->open("udp://*?include=eth*,wlan?&exclude=eth1");
    assert_true(chosen != PLAIT_NONE);
    assert_true(appears(*n.near, "10.1.0.1"));
    assert_true(appears(*n.near, "10.3.0.1"));
    assert_int_equal(n.near->members.size(), 2);
    // Loopback only if it is named.
    const plait_endpoint local = n.near->open("udp://*?include=lo");
    assert_true(appears(*n.near, "127.0.0.1"));
    // Members go with theirs.
    assert_int_equal(plait_endpoint_close(n.near->node(), chosen), PLAIT_OK);
    assert_true(vanishes(*n.near, "10.3.0.1"));
    assert_true(member(*n.near, "127.0.0.1") != PLAIT_NONE);
    assert_int_equal(plait_endpoint_close(n.near->node(), local), PLAIT_OK);
    assert_true(n.near->run_until([&] { return n.near->members.empty(); }, kSoonMs));
}

// From wired to wireless and back, as a laptop does.
void test_connection_moves_with_the_interfaces(void **state) {
    Networks &n = networks(state);
    assert_true(n.people(short_timeouts()));
    const plait_endpoint all = n.near->open("udp://*");
    assert_true(n.world.join({kLine, kLine}));
    assert_true(n.far->open({"udp://10.77.0.2:0", "udp://10.77.1.2:0"}));
    assert_true(appears(*n.near, "10.77.0.1"));
    assert_true(appears(*n.near, "10.77.1.1"));
    // Of all members the one is taken that the system would take.
    assert_true(n.near->connect(*n.far, n.far->uri(1).c_str(), all));
    assert_true(n.near->run_until([&] { return n.near->good_links() == 1; }, kSoonMs));
    n.near->send_file(kFile);
    assert_true(n.near->run_until([&] { return n.near->acked() > kFile / 4; }, kPatienceMs));
    plait_link other = PLAIT_NONE;
    assert_int_equal(plait_connection_add_link(n.near->node(), n.near->peer(),
                                               member(*n.near, "10.77.0.1"), n.far->uri(0).c_str(),
                                               &other),
                     PLAIT_OK);
    assert_true(n.near->run_until([&] { return n.near->good_links() == 2; }, kSoonMs));
    assert_true(n.world.a.run("ip addr del 10.77.1.1/24 dev line1"));
    assert_true(n.near->run_until([&] { return n.near->good_links() == 1; }, kSoonMs));
    assert_true(n.near->good(other));
    // Without carrier it sleeps, and goes on with it.
    const plait_endpoint last = member(*n.near, "10.77.0.1");
    assert_true(n.world.a.run("ip link set line0 down"));
    assert_true(n.near->run_until([&] { return n.near->dormant; }, kSoonMs));
    assert_int_equal(n.near->members.at(last), PLAIT_ENDPOINT_DOWN);
    assert_true(n.world.a.run("ip link set line0 up"));
    assert_true(n.near->run_until([&] { return n.near->good(other); }, kSoonMs));
    assert_int_equal(n.near->members.at(last), PLAIT_ENDPOINT_UP);
    expect_whole(*n.near, *n.far, kPatienceMs);
}

void test_wrong_stars_are_refused(void **state) {
    Networks &n = networks(state);
    assert_true(n.people(short_timeouts()));
    for (const char *uri : {"udp://*4242", "udp://*:70000", "udp://*:", "udp://*?device=eth0",
                            "udp://*?include=", "udp://*?include=%"}) {
        plait_endpoint endpoint = PLAIT_NONE;
        assert_int_equal(plait_endpoint_open(n.near->node(), uri, nullptr, &endpoint), PLAIT_E_URI);
    }
}

} // namespace
} // namespace plait::e2e

int main() {
    using namespace plait::e2e;
    if (const int skipped = networks_skipped())
        return skipped;
    const CMUnitTest tests[] = {
        NETWORKS_TEST(test_addresses_that_come_and_go_are_endpoints_that_do),
        NETWORKS_TEST(test_include_and_exclude_choose_by_name),
        NETWORKS_TEST(test_connection_moves_with_the_interfaces),
        NETWORKS_TEST(test_wrong_stars_are_refused),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
