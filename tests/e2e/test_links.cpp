// SPDX-License-Identifier: Apache-2.0
// Links between two processes that come and go: cables pulled silently, a tty unplugged, IPv6.
#include "../conformance/ptys.h"
#include "fixture.h"

namespace plait::e2e {
namespace {

constexpr cable_wire kWire = {12'500'000, 2000, 40'000, 1472};
constexpr uint64_t kSerialRate = 300'000;
constexpr uint64_t kFile = 24u << 20;

std::string serial(const std::string &path) {
    return "serial://" + path + "?baud=3000000";
}

// One UDP cable and one serial line; connected over both.
plait_link connect_over_both(Fixture &f) {
    Cables &c = f.cables;
    assert_int_equal(cable_udp_open(&c[0], "127.0.0.1", &kWire), 0);
    assert_int_equal(cable_serial_open(&c[1], kSerialRate), 0);
    assert_true(f.far.open({"udp://127.0.0.1:0", serial(c[1].path[1])}));
    assert_int_equal(cable_udp_aim(&c[0], f.far.uri(0).c_str()), 0);
    assert_true(c.start(2));
    const plait_node_config config = short_timeouts();
    f.near = std::make_unique<Near>(&config);
    const plait_endpoint udp = f.near->open("udp://127.0.0.1:0");
    const plait_endpoint tty = f.near->open(serial(c[1].path[0]));
    plait_link line = PLAIT_NONE;
    assert_true(f.near->connect(f.far, c[0].uri, udp));
    assert_int_equal(plait_connection_add_link(f.near->node(), f.near->peer(), tty, nullptr, &line),
                     PLAIT_OK);
    assert_true(f.near->run_until([&] { return f.near->good_links() == 2; }, 5000));
    return line;
}

void test_udp_pulled_and_back_loses_nothing(void **state) {
    Fixture &f = fixture(state);
    const plait_link line = connect_over_both(f);
    f.near->send_file(kFile);
    assert_true(f.near->run_until([&] { return f.near->acked() > kFile / 4; }, 20000));
    f.cables.cut(0);
    const uint64_t before = f.near->data_sent(line);
    assert_true(f.near->run_until([&] { return f.near->good_links() == 1; }, 5000));
    // The serial line carries on alone.
    assert_true(
        f.near->run_until([&] { return f.near->data_sent(line) > before + 200'000; }, 5000));
    assert_false(f.near->finished);
    f.cables.mend(0);
    assert_true(f.near->run_until([&] { return f.near->good_links() == 2; }, 10000));
    expect_whole(f, 30000);
}

void test_all_links_pulled_and_back_goes_on(void **state) {
    Fixture &f = fixture(state);
    connect_over_both(f);
    f.near->send_file(kFile);
    assert_true(f.near->run_until([&] { return f.near->acked() > kFile / 4; }, 20000));
    f.cables.cut(0);
    f.cables.cut(1);
    assert_true(f.near->run_until([&] { return f.near->dormant; }, 10000));
    f.cables.mend(0);
    assert_true(f.near->run_until([&] { return !f.near->dormant; }, 4000));
    f.cables.mend(1);
    expect_whole(f, 30000);
}

void test_all_links_pulled_for_good_both_end(void **state) {
    Fixture &f = fixture(state);
    connect_over_both(f);
    f.near->send_file(kFile);
    f.cables.cut(0);
    f.cables.cut(1);
    assert_true(f.near->run_until([&] { return f.near->closed; }, 15000));
    assert_int_equal(f.near->close_status, PLAIT_E_TIMEOUT);
    assert_int_equal(f.far.wait(15000), 1); // it ends too, and knows that the file is not whole
}

void test_tty_unplugged_and_back_loses_nothing(void **state) {
    Fixture &f = fixture(state);
    conformance::PtyLine line;
    assert_true(line.ok());
    assert_true(f.far.open({serial(line.path(conformance::PtyLine::kZ)), "udp://127.0.0.1:0"}));
    const plait_node_config config = short_timeouts();
    f.near = std::make_unique<Near>(&config);
    const plait_endpoint tty = f.near->open(serial(line.path(conformance::PtyLine::kA)));
    f.near->open("udp://127.0.0.1:0");
    assert_true(f.near->connect(f.far, nullptr, tty));
    assert_true(f.near->run_until([&] { return f.near->connected; }, 5000));
    f.near->send_file(1u << 20);
    assert_true(f.near->run_until([&] { return f.near->acked() > 100'000; }, 10000));
    line.unplug(conformance::PtyLine::kA);
    assert_true(f.near->run_until([&] { return f.near->dormant; }, 5000)); // it was the only one
    line.plug(conformance::PtyLine::kA);
    assert_true(f.near->run_until([&] { return !f.near->dormant; }, 5000));
    expect_whole(f, 30000);
}

void test_ipv6_transfer_arrives_whole(void **state) {
    Fixture &f = fixture(state);
    const plait_node_config config = short_timeouts();
    f.near = std::make_unique<Near>(&config);
    if (f.near->open("udp://[::1]:0") == PLAIT_NONE)
        skip(); // this machine has none
    assert_true(f.far.open({"udp://[::1]:0"}));
    assert_true(f.near->connect(f.far, f.far.uri(0).c_str()));
    f.near->send_file(kFile);
    expect_whole(f, 30000);
}

void test_ipv4_and_ipv6_links_both_carry(void **state) {
    Fixture &f = fixture(state);
    const plait_node_config config = short_timeouts();
    f.near = std::make_unique<Near>(&config);
    if (f.near->open("udp://[::1]:0") == PLAIT_NONE)
        skip();
    const plait_endpoint v4 = f.near->open("udp://127.0.0.1:0");
    assert_true(f.far.open({"udp://127.0.0.1:0", "udp://[::1]:0"}));
    assert_true(f.near->connect(f.far, f.far.uri(0).c_str(), v4));
    plait_link second = PLAIT_NONE;
    assert_int_equal(plait_connection_add_link(f.near->node(), f.near->peer(), PLAIT_NONE,
                                               f.far.uri(1).c_str(), &second),
                     PLAIT_OK);
    assert_true(f.near->run_until([&] { return f.near->good_links() == 2; }, 5000));
    f.near->send_file(kFile);
    assert_true(f.near->run_until([&] { return f.near->finished; }, 30000));
    assert_true(f.near->data_sent(second) > kFile / 100);
    expect_whole(f, 1000);
}

} // namespace
} // namespace plait::e2e

int main() {
    using namespace plait::e2e;
    const CMUnitTest tests[] = {
        E2E_TEST(test_udp_pulled_and_back_loses_nothing),
        E2E_TEST(test_all_links_pulled_and_back_goes_on),
        E2E_TEST(test_all_links_pulled_for_good_both_end),
        E2E_TEST(test_tty_unplugged_and_back_loses_nothing),
        E2E_TEST(test_ipv6_transfer_arrives_whole),
        E2E_TEST(test_ipv4_and_ipv6_links_both_carry),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
