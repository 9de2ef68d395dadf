// SPDX-License-Identifier: Apache-2.0
// What is particular to UDP: addresses, the local address of each packet, sockets side by side, and
// what it does when the kernel refuses. sendmmsg is replaced here, so that the kernel refuses on
// demand.
#include "builtin.h"
#include "suite.h"
#include "wire/steer.h"

#include <cerrno>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

using namespace plait::conformance;

namespace {

// What the next calls of sendmmsg answer; afterwards the kernel is asked.
struct Refusal {
    int error = 0;      // 0: none
    uint32_t after = 0; // messages that still go through in the failing call
    uint32_t calls = 0; // how many calls fail
    bool runs_only = false;
} refusal;

bool has_run(const mmsghdr &m) {
    for (cmsghdr *c = CMSG_FIRSTHDR(&m.msg_hdr); c != nullptr;
         c = CMSG_NXTHDR(const_cast<msghdr *>(&m.msg_hdr), c)) {
        if (c->cmsg_level == IPPROTO_UDP) {
            return true;
        }
    }
    return false;
}

} // namespace

extern "C" int sendmmsg(int fd, mmsghdr *v, unsigned n, int flags) {
    bool refuse = refusal.calls > 0 && (!refusal.runs_only || has_run(v[0]));
    if (refuse && refusal.after == 0) {
        refusal.calls--;
        errno = refusal.error;
        return -1;
    }
    if (refuse) {
        n = n < refusal.after ? n : refusal.after;
        refusal.after -= n;
    }
    return static_cast<int>(syscall(SYS_sendmmsg, fd, v, n, flags));
}

namespace {

constexpr int kPatienceMs = 3000;

int setup_on(void **state, const char *uri) {
    refusal = Refusal{};
    g_suite.transport = &plait_transport_udp;
    g_suite.uri_a = g_suite.uri_z = uri;
    return pair_setup(state);
}

int udp_setup(void **state) {
    return setup_on(state, "udp://127.0.0.1:0");
}

// Where there is no IPv6 the test is skipped: by itself, which a setup cannot do.
int udp6_setup(void **state) {
    return setup_on(state, has_ipv6() ? "udp://[::1]:0" : "udp://127.0.0.1:0");
}

bool runs_on_ipv6() {
    return g_suite.uri_z.find('[') != std::string::npos;
}

template <void (*test)(void **)> void on_ipv6(void **state) {
    if (!has_ipv6()) {
        skip();
    }
    test(state);
}

plait_addr address(const char *text) {
    plait_addr a{};
    plait_transport_udp.addr_parse(nullptr, text, &a);
    return a;
}

bool same(const plait_addr &x, const plait_addr &y) {
    return std::memcmp(&x, &y, sizeof x) == 0;
}

std::string text_of(const plait_addr &a) {
    char buf[PLAIT_ADDR_TEXT_MAX] = "?";
    plait_transport_udp.addr_format(nullptr, &a, buf, sizeof buf);
    return buf;
}

uint16_t port_of(const plait_addr &a) {
    return static_cast<uint16_t>(a.b[1] << 8 | a.b[2]);
}

plait_status try_open(Pair &p, const char *uri) {
    plait_host_endpoint *e = p.host.open(&plait_transport_udp, uri);
    p.host.close(e);
    return p.host.last_status;
}

void test_address_texts_are_canonical(void **) {
    for (const char *t : {"192.0.2.7:4242", "0.0.0.0:0", "[::1]:4242", "[2001:db8::7]:65535"}) {
        assert_string_equal(text_of(address(t)).c_str(), t);
    }
    assert_true(same(address("[2001:DB8:0:0::7]:1"), address("[2001:db8::7]:1")));
    assert_true(same(address("[::ffff:192.0.2.7]:80"), address("192.0.2.7:80"))); // mapped
    assert_true(same(address("udp://192.0.2.7:80"), address("192.0.2.7:80")));
    assert_false(same(address("192.0.2.7:80"), address("192.0.2.7:81")));
    // A scope counts for link-local addresses, and there only.
    assert_true(same(address("[2001:db8::7%lo]:1"), address("[2001:db8::7]:1")));
    assert_false(same(address("[fe80::7%lo]:1"), address("[fe80::7]:1")));
    assert_true(same(address("[fe80::7%25lo]:1"), address("[fe80::7%lo]:1")));
    std::string index = std::to_string(if_nametoindex("lo"));
    assert_true(same(address(("[fe80::7%" + index + "]:1").c_str()), address("[fe80::7%lo]:1")));
    assert_string_equal(text_of(address("[fe80::7%lo]:1")).c_str(), "[fe80::7%lo]:1");
    // An index without an interface that begins with 25 must not be taken for an escape.
    assert_true(
        same(address(text_of(address("[fe80::7%25253]:1")).c_str()), address("[fe80::7%25253]:1")));
}

void test_address_nonsense_is_refused(void **) {
    plait_addr a;
    const char *const nonsense[] = {"",
                                    ":",
                                    "127.0.0.1",
                                    "127.0.0.1:",
                                    "127.0.0.1:65536",
                                    "127.0.0.1:-1",
                                    "127.0.0.1:8x",
                                    "127.1:80",
                                    "0x7f000001:80",
                                    "::1",
                                    "::1:80",
                                    "[::1]",
                                    "[::1]80",
                                    "[::1:80",
                                    "[127.0.0.1]:80",
                                    "localhost:80",
                                    "[fe80::1%no-such-if]:1",
                                    "[fe80::1%]:1",
                                    "[fe80::1%0]:1",
                                    "tcp://127.0.0.1:80",
                                    "udp://127.0.0.1:80?x=1",
                                    "1.2.3.4:80 ",
                                    " 1.2.3.4:80"};
    for (const char *t : nonsense) {
        assert_int_equal(plait_transport_udp.addr_parse(nullptr, t, &a), PLAIT_E_ADDRESS);
    }
}

void test_open_tells_what_is_wrong(void **state) {
    Pair &p = pair_of(state);
    assert_int_equal(try_open(p, "udp://localhost:4242"), PLAIT_E_ADDRESS);
    assert_non_null(std::strstr(p.host.last_text.c_str(), "host names are not resolved"));
    assert_int_equal(try_open(p, "udp://127.0.0.1"), PLAIT_E_ADDRESS);
    assert_non_null(std::strstr(p.host.last_text.c_str(), "port is missing"));
    assert_int_equal(try_open(p, "udp://192.0.2.77:0"), PLAIT_E_ADDRESS);
    assert_non_null(std::strstr(p.host.last_text.c_str(), "no interface"));
    assert_int_equal(try_open(p, ("udp://" + text_of(p.addr_a)).c_str()), PLAIT_E_ADDRESS_IN_USE);
    assert_int_equal(try_open(p, "udp://127.0.0.1:0?device=plait0"), PLAIT_E_NO_DEVICE);
    assert_int_equal(try_open(p, "udp://127.0.0.1:0?device="), PLAIT_E_URI);
    assert_int_equal(try_open(p, "udp://127.0.0.1:0?device=lo"), PLAIT_OK);
}

void test_any_address_tells_which_one_was_asked(void **state) {
    Pair &p = pair_of(state);
    const bool six = runs_on_ipv6();
    const std::vector<const char *> own = {"127.0.0.2:", "127.0.0.3:", "127.0.0.1:"};
    p.host.close(p.z);
    p.z = p.host.open(&plait_transport_udp, six ? "udp://[::]:0" : "udp://0.0.0.0:0");
    assert_non_null(p.z);
    for (const char *ip : six ? std::vector<const char *>{"[::1]:"} : own) {
        p.addr_z = address((ip + std::to_string(port_of(p.z->bound))).c_str());
        assert_true(p.carries(p.a, p.z, pattern(1, 50)));
        assert_true(same(p.z->inbox[0].local, p.addr_z));
        assert_true(p.z->inbox[0].ifindex != 0);
        // The answer leaves from there.
        Bytes answer = pattern(2, 60);
        plait_datagram d = datagram_to(p.addr_a, answer);
        uint32_t sent = 0;
        d.local = &p.z->inbox[0].local;
        d.ifindex = p.z->inbox[0].ifindex;
        p.a->inbox.clear();
        assert_int_equal(p.z->send(&d, 1, &sent), PLAIT_OK);
        assert_true(p.host.run([&] { return !p.a->inbox.empty(); }, kPatienceMs));
        assert_true(same(p.a->inbox[0].peer, p.addr_z));
    }
}

void test_one_address_is_told_and_may_be_named(void **state) {
    Pair &p = pair_of(state);
    assert_true(p.carries(p.a, p.z, pattern(1, 50)));
    assert_true(same(p.z->inbox[0].local, p.addr_z));
    Bytes data = pattern(2, 60);
    plait_datagram d = datagram_to(p.addr_z, data);
    uint32_t sent = 0;
    d.local = &p.addr_a;
    p.z->inbox.clear();
    assert_int_equal(p.a->send(&d, 1, &sent), PLAIT_OK);
    assert_true(p.host.run([&] { return !p.z->inbox.empty(); }, kPatienceMs));
    assert_true(same(p.z->inbox[0].peer, p.addr_a));
}

// Often enough each for the socket to take the usual bits as its own.
void test_ecn_is_each_packets_own_after_many_others(void **state) {
    Pair &p = pair_of(state);
    constexpr int kMany = 50;
    for (const uint8_t usual : {2, 0, 1}) {
        for (int i = 0; i < kMany + 4; i++) {
            Bytes data = pattern(static_cast<uint32_t>(i), 50);
            plait_datagram d = datagram_to(p.addr_z, data);
            uint32_t sent = 0;
            d.ecn = i < kMany ? usual : static_cast<uint8_t>(i - kMany);
            p.z->inbox.clear();
            assert_int_equal(p.a->send(&d, 1, &sent), PLAIT_OK);
            assert_true(p.host.run([&] { return !p.z->inbox.empty(); }, kPatienceMs));
            assert_int_equal(p.z->inbox[0].ecn, d.ecn);
        }
    }
}

void test_local_address_of_others_is_refused_alone(void **state) {
    Pair &p = pair_of(state);
    plait_addr foreign = address(runs_on_ipv6() ? "[2001:db8::77]:1" : "192.0.2.77:1");
    plait_addr other = address(runs_on_ipv6() ? "127.0.0.1:1" : "[::1]:1");
    p.batch = {pattern(1, 50)};
    plait_datagram d = datagram_to(p.addr_z, p.batch[0]);
    uint32_t sent = 0;
    d.local = &other; // of the other family
    assert_int_equal(p.a->send(&d, 1, &sent), PLAIT_E_ADDRESS);
    d.local = &foreign;
    plait_status status = p.a->send(&d, 1, &sent);
    assert_true(status == PLAIT_E_ADDRESS || status == PLAIT_E_LINK_DOWN);
    d.local = nullptr;
    d.peer = &other;
    assert_int_equal(p.a->send(&d, 1, &sent), PLAIT_E_ADDRESS);
    assert_true(p.carries(p.a, p.z, pattern(2, 60)));
}

void test_both_families_take_one_port(void **state) {
    Pair &p = pair_of(state);
    plait_host_endpoint *four = nullptr, *six = nullptr;
    std::string port;
    for (int i = 0; i < 20 && !four; i++) { // another program may have the port's other half
        six = p.host.open(&plait_transport_udp, "udp://[::]:0");
        assert_non_null(six);
        port = std::to_string(port_of(six->bound));
        four = p.host.open(&plait_transport_udp, ("udp://0.0.0.0:" + port).c_str());
    }
    assert_non_null(four);
    p.addr_z = address(("127.0.0.1:" + port).c_str());
    p.batch = {pattern(1, 50)};
    assert_true(p.send_batch(p.a, p.addr_z));
    assert_true(p.host.run([&] { return !four->inbox.empty(); }, kPatienceMs));
    assert_true(six->inbox.empty());
}

void test_workers_share_a_port(void **state) {
    Pair &p = pair_of(state);
    const char *const any_port = g_suite.uri_z.c_str();
    plait_host_endpoint *first = p.host.open(&plait_transport_udp, any_port, 0, 2);
    assert_non_null(first);
    std::string uri = "udp://" + text_of(first->bound);
    plait_host_endpoint *second = p.host.open(&plait_transport_udp, uri.c_str(), 1, 2);
    assert_non_null(second);
    p.addr_z = first->bound;
    plait_host_endpoint *const workers[] = {first, second};
    for (uint32_t i = 0; i < 200; i++) { // short, long with a dcid, long without, cut off
        std::vector<uint8_t> d = pattern(i, i % 8 == 7 ? 1 + i / 8 % 8 : 60);
        d[0] = static_cast<uint8_t>(d[0] & 0x7f) | (i % 2 ? 0x80 : 0);
        if (d.size() > 6 && i % 2) {
            d[5] = i % 4 == 1 ? 0 : 8;
            d[6] = i % 4 == 1 ? static_cast<uint8_t>(i % 9) : d[6];
        }
        p.batch = {d};
        assert_true(p.send_batch(p.a, p.addr_z));
        plait_host_endpoint *const meant = workers[plait::wire::worker_of(d, 2)];
        const size_t before = meant->inbox.size();
        assert_true(p.host.run([&] { return meant->inbox.size() == before + 1; }, kPatienceMs));
    }
    assert_int_equal(first->inbox.size() + second->inbox.size(), 200);
    assert_true(first->inbox.size() > 30 && second->inbox.size() > 30);
    assert_null(p.host.open(&plait_transport_udp, uri.c_str(), 0, 2)); // another node's first
    assert_int_equal(p.host.last_status, PLAIT_E_ADDRESS_IN_USE);
}

void test_port_unreachable_is_stepped_over(void **state) {
    Pair &p = pair_of(state);
    plait_addr nobody = p.addr_z;
    p.host.close(p.z);
    p.z = nullptr;
    for (uint32_t i = 0; i < 50; i++) { // each is answered by an ICMP message
        p.batch = {pattern(i, 40)};
        assert_true(p.send_batch(p.a, nobody));
        p.host.turn(0);
    }
    assert_true(p.open_z());
    assert_true(p.carries(p.a, p.z, pattern(1, 50)));
}

void test_full_socket_says_again_and_goes_on_in_the_run(void **state) {
    Pair &p = pair_of(state);
    p.batch = {pattern(1, 100 * 500)}; // two messages of the system: 64 segments, 36 segments
    plait_datagram d = datagram_to(p.addr_z, p.batch[0]);
    d.segment = 500;
    uint32_t sent = 9;
    refusal = {EAGAIN, 1, 1, false};
    assert_int_equal(p.a->send(&d, 1, &sent), PLAIT_E_AGAIN);
    assert_int_equal(sent, 0);
    assert_true(p.host.run([&] { return p.a->writables == 1; }, kPatienceMs));
    assert_int_equal(p.a->send(&d, 1, &sent), PLAIT_OK);
    assert_int_equal(sent, 1);
    p.host.run([&] { return p.z->inbox.size() >= 100; }, kPatienceMs);
    p.host.run_for(20);
    assert_int_equal(p.z->inbox.size(), 100); // no segment twice
}

void test_no_buffers_is_tried_again_by_the_clock(void **state) {
    Pair &p = pair_of(state);
    refusal = {ENOBUFS, 0, 1, false};
    assert_true(p.carries(p.a, p.z, pattern(1, 50)));
    assert_int_equal(p.a->writables, 1);
}

// However the kernel refuses a run, its datagrams arrive, and the endpoint remembers.
void test_run_refused_goes_one_by_one(void **state) {
    Pair &p = pair_of(state);
    for (int error : {EIO, EINVAL}) {
        refusal = {error, 0, 1000, true};
        p.batch = {pattern(1, 10 * 100)};
        plait_datagram d = datagram_to(p.addr_z, p.batch[0]);
        d.segment = 100;
        uint32_t sent = 0;
        p.z->inbox.clear();
        assert_true((p.a->info().capabilities & PLAIT_CAP_GSO) != 0);
        assert_int_equal(p.a->send(&d, 1, &sent), PLAIT_OK);
        assert_true(p.host.run([&] { return p.z->inbox.size() == 10; }, kPatienceMs));
        assert_int_equal(p.a->info().capabilities & PLAIT_CAP_GSO, 0);
        assert_int_equal(p.a->log.size(), 1);
        p.host.close(p.a);
        assert_true(p.open_a());
    }
}

void test_run_of_too_large_datagrams_is_too_big(void **state) {
    Pair &p = pair_of(state);
    refusal = {EMSGSIZE, 0, 2, false}; // the run, and then its first datagram by itself
    p.batch = {pattern(1, 10 * 100)};
    plait_datagram d = datagram_to(p.addr_z, p.batch[0]);
    d.segment = 100;
    uint32_t sent = 0;
    assert_int_equal(p.a->send(&d, 1, &sent), PLAIT_E_TOO_BIG);
    assert_true((p.a->info().capabilities & PLAIT_CAP_GSO) != 0); // not the fault of runs
    assert_true(p.a->mtu_said > 0);
}

void test_no_route_concerns_one_datagram(void **state) {
    Pair &p = pair_of(state);
    for (int error : {ENETUNREACH, EHOSTUNREACH, ENETDOWN}) {
        refusal = {error, 0, 1, false};
        p.batch = {pattern(1, 40)};
        plait_datagram d = datagram_to(p.addr_z, p.batch[0]);
        uint32_t sent = 0;
        assert_int_equal(p.a->send(&d, 1, &sent), PLAIT_E_LINK_DOWN);
        assert_true(p.carries(p.a, p.z, pattern(2, 60)));
    }
    refusal = {EPERM, 0, 1, false};
    p.batch = {pattern(1, 40)};
    plait_datagram d = datagram_to(p.addr_z, p.batch[0]);
    uint32_t sent = 0;
    assert_int_equal(p.a->send(&d, 1, &sent), PLAIT_E_SYSTEM);
    assert_int_equal(p.a->failed, PLAIT_OK);
}

void test_info_of_a_path_knows_loopback(void **state) {
    Pair &p = pair_of(state);
    assert_true((p.a->info(&p.addr_z).flags & PLAIT_INFO_LOOPBACK) != 0);
    assert_true(p.a->info(&p.addr_z).mtu > 1400);
    assert_int_equal(p.a->info().flags & PLAIT_INFO_LOOPBACK, 0);
}

// What a peer names is only tried if one machine can be meant by it.
void test_info_knows_what_no_peer_can_be_at(void **state) {
    Pair &p = pair_of(state);
    const auto shared = [&](const char *text) {
        plait_addr addr{};
        assert_int_equal(g_suite.transport->addr_parse(nullptr, text, &addr), PLAIT_OK);
        return (p.a->info(&addr).flags & PLAIT_INFO_NOT_SHARED) == 0;
    };
    assert_true(shared("192.0.2.7:4242"));
    assert_true(shared("127.0.0.1:4242")); // where the peer is there too
    for (const char *text : {"192.0.2.7:0", "0.0.0.0:1", "224.0.0.251:5353", "255.255.255.255:9",
                             "240.0.0.1:9", "[2001:db8::7]:4242", "[ff02::1]:9"})
        assert_false(shared(text)); // those of IPv6: this socket is one of IPv4
    plait_addr nonsense{};
    nonsense.len = 5;
    assert_true((p.a->info(&nonsense).flags & PLAIT_INFO_NOT_SHARED) != 0);
}

#define UDP_TEST(f)                                                                                \
    CMUnitTest {                                                                                   \
#f, f, udp_setup, pair_teardown, nullptr                                                   \
    }
#define UDP6_TEST(f)                                                                               \
    CMUnitTest {                                                                                   \
#f " (IPv6)", on_ipv6 < f>, udp6_setup, pair_teardown, nullptr                             \
    }

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(test_address_texts_are_canonical),
        cmocka_unit_test(test_address_nonsense_is_refused),
        UDP_TEST(test_open_tells_what_is_wrong),
        UDP_TEST(test_any_address_tells_which_one_was_asked),
        UDP_TEST(test_one_address_is_told_and_may_be_named),
        UDP_TEST(test_ecn_is_each_packets_own_after_many_others),
        UDP_TEST(test_local_address_of_others_is_refused_alone),
        UDP6_TEST(test_any_address_tells_which_one_was_asked),
        UDP6_TEST(test_one_address_is_told_and_may_be_named),
        UDP6_TEST(test_ecn_is_each_packets_own_after_many_others),
        UDP6_TEST(test_local_address_of_others_is_refused_alone),
        UDP6_TEST(test_workers_share_a_port),
        UDP_TEST(test_both_families_take_one_port),
        UDP_TEST(test_workers_share_a_port),
        UDP_TEST(test_port_unreachable_is_stepped_over),
        UDP_TEST(test_full_socket_says_again_and_goes_on_in_the_run),
        UDP_TEST(test_no_buffers_is_tried_again_by_the_clock),
        UDP_TEST(test_run_refused_goes_one_by_one),
        UDP_TEST(test_run_of_too_large_datagrams_is_too_big),
        UDP_TEST(test_no_route_concerns_one_datagram),
        UDP_TEST(test_info_knows_what_no_peer_can_be_at),
        UDP_TEST(test_info_of_a_path_knows_loopback),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
