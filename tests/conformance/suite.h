// SPDX-License-Identifier: Apache-2.0
// What the groups of tests share: the transport under test, two endpoints `a` and `z` of it that
// reach each other, and ways to send and to check.
#pragma once

#include "../unit/cmocka.hpp"
#include "host.h"

#include <string>
#include <vector>

namespace plait::conformance {

struct Suite {
    const plait_transport *transport = nullptr;
    std::string uri_a, uri_z;
    uint64_t seed = 0;
};
// Set once by main(): cmocka gives tests no other way to the command line.
extern Suite g_suite;

using Bytes = std::vector<uint8_t>;

struct Pair {
    Host host;
    plait_host_endpoint *a = nullptr, *z = nullptr;
    plait_addr addr_a{}, addr_z{};
    bool point_to_point = false;
    uint32_t mtu = 0;         // from a to z
    uint64_t rate = 0;        // bytes a second, 0: not known
    std::vector<Bytes> batch; // of a test; here, because cmocka leaves a failing test by longjmp

    // Sends `batch` from one to the other, waiting for WRITABLE where it must. False: a status
    // other than OK and AGAIN, or WRITABLE did not come.
    bool send_batch(plait_host_endpoint *from, const plait_addr &to);
    // Sends one and waits for it.
    bool carries(plait_host_endpoint *from, plait_host_endpoint *to, const Bytes &data);
    // The same where others may still be on their way: it comes, among them.
    bool reaches(plait_host_endpoint *from, plait_host_endpoint *to, const Bytes &data);
    // `count` datagrams of up to `largest` bytes, at most 8 under way. How many of them came whole;
    // -1 if one came that was not sent.
    int carry_many(plait_host_endpoint *from, plait_host_endpoint *to, uint32_t count,
                   uint32_t largest);
    // How many of `count` datagrams fit into a second of the line.
    uint32_t affordable(uint32_t count, uint32_t size) const;
    const plait_addr &address_of(const plait_host_endpoint *e) const {
        return e == a ? addr_a : addr_z;
    }
    bool open_a();
    bool open_z();
};

int pair_setup(void **state);
// Fails the test too if the plugin broke the contract on the way.
int pair_teardown(void **state);
inline Pair &pair_of(void **state) {
    return *static_cast<Pair *>(*state);
}

// Bytes that tell their number (the first four) and are full of zeros and runs, which framing
// dislikes.
Bytes pattern(uint32_t number, uint32_t len);
bool is_pattern(const Bytes &data);
plait_datagram datagram_to(const plait_addr &to, Bytes &data);

std::vector<CMUnitTest> endpoint_tests();
std::vector<CMUnitTest> transfer_tests();
std::vector<CMUnitTest> pressure_tests();

// Whether the machine has an address of IPv6 of its own.
bool has_ipv6();

// Sizes from 1 to mtu: all small ones, then some.
std::vector<uint32_t> sizes_up_to(uint32_t mtu);

} // namespace plait::conformance

#define PAIR_TEST(f)                                                                               \
    CMUnitTest {                                                                                   \
#f, f, pair_setup, pair_teardown, nullptr                                                  \
    }
