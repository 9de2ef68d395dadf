// SPDX-License-Identifier: Apache-2.0
#include "suite.h"

#include <algorithm>
#include <cstdio>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace plait::conformance {

Suite g_suite;

namespace {
constexpr uint32_t kUnderWay = 8;
constexpr int kPatienceMs = 3000;
constexpr int kLostAfterMs = 300;

uint32_t mix(uint32_t x) {
    x ^= x >> 16;
    x *= 0x7feb352du;
    x ^= x >> 15;
    x *= 0x846ca68bu;
    return x ^ x >> 16;
}
} // namespace

Bytes pattern(uint32_t number, uint32_t len) {
    Bytes data(len);
    uint32_t x = mix(number + 1) ^ len;
    for (uint32_t i = 0; i < len; i++) {
        if (i % 61 == 0) {
            x = mix(x + i);
        }
        uint32_t kind = x >> 30; // stretches of zeros, of 0xff, and of noise
        data[i] = kind == 0 ? 0 : kind == 1 ? 0xff : static_cast<uint8_t>(mix(x + i));
    }
    for (uint32_t i = 0; i < 4 && i < len; i++) {
        data[i] = static_cast<uint8_t>(number >> 8 * i);
    }
    return data;
}

static uint32_t number_of(const Bytes &data) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < 4 && i < data.size(); i++) {
        n |= static_cast<uint32_t>(data[i]) << 8 * i;
    }
    return n;
}

bool is_pattern(const Bytes &data) {
    return data == pattern(number_of(data), static_cast<uint32_t>(data.size()));
}

plait_datagram datagram_to(const plait_addr &to, Bytes &data) {
    plait_datagram d{};
    d.data = data.data();
    d.len = static_cast<uint32_t>(data.size());
    d.peer = to.len > 0 ? &to : nullptr;
    return d;
}

std::vector<uint32_t> sizes_up_to(uint32_t mtu) {
    std::vector<uint32_t> sizes;
    for (uint32_t s = 1; s <= mtu; s += s < 300 ? 1 : s < 2000 ? 97 : 4999) {
        sizes.push_back(s);
    }
    for (uint32_t s : {253u, 254u, 255u, 508u, 1200u, mtu - 1, mtu}) {
        if (s <= mtu) {
            sizes.push_back(s);
        }
    }
    return sizes;
}

bool Pair::send_batch(plait_host_endpoint *from, const plait_addr &to) {
    std::vector<plait_datagram> v;
    for (Bytes &b : batch) {
        v.push_back(datagram_to(to, b));
    }
    uint32_t at = 0;
    while (at < v.size()) {
        uint32_t sent = 0;
        uint32_t said = from->writables;
        plait_status status = from->send(&v[at], static_cast<uint32_t>(v.size()) - at, &sent);
        at += sent;
        if (status != PLAIT_OK && status != PLAIT_E_AGAIN) {
            return false;
        }
        if (at < v.size() && !host.run([&] { return from->writables != said; }, kPatienceMs)) {
            std::fprintf(stderr, "WRITABLE did not follow\n");
            return false;
        }
    }
    return true;
}

bool Pair::carries(plait_host_endpoint *from, plait_host_endpoint *to, const Bytes &data) {
    to->inbox.clear();
    batch.assign(1, data);
    if (!send_batch(from, address_of(to)) ||
        !host.run([&] { return !to->inbox.empty(); }, kPatienceMs)) {
        return false;
    }
    return to->inbox.size() == 1 && to->inbox[0].data == data;
}

bool Pair::reaches(plait_host_endpoint *from, plait_host_endpoint *to, const Bytes &data) {
    batch.assign(1, data);
    return send_batch(from, address_of(to)) &&
           host.run(
               [&] {
                   return std::any_of(to->inbox.begin(), to->inbox.end(),
                                      [&](const Received &r) { return r.data == data; });
               },
               kPatienceMs);
}

int Pair::carry_many(plait_host_endpoint *from, plait_host_endpoint *to, uint32_t count,
                     uint32_t largest) {
    std::vector<bool> came(count, false);
    int whole = 0;
    for (uint32_t first = 0; first < count; first += kUnderWay) {
        uint32_t n = std::min(kUnderWay, count - first);
        batch.clear();
        for (uint32_t i = 0; i < n; i++) {
            uint32_t len = 4 + mix(first + i) % std::max(1u, largest - 3);
            batch.push_back(pattern(first + i, std::min(len, largest)));
        }
        to->inbox.clear();
        if (!send_batch(from, address_of(to))) {
            return -1;
        }
        host.run([&] { return to->inbox.size() >= n; }, kLostAfterMs);
        for (const Received &r : to->inbox) {
            uint32_t number = number_of(r.data);
            if (!is_pattern(r.data) || number >= count) {
                return -1;
            }
            whole += came[number] ? 0 : 1;
            came[number] = true;
        }
    }
    return whole;
}

uint32_t Pair::affordable(uint32_t count, uint32_t size) const {
    uint64_t most = rate > 0 ? rate / size : count;
    return static_cast<uint32_t>(std::clamp<uint64_t>(most, 16, count));
}

// Where an endpoint can be reached: what it said in open(), else what its URI says.
static plait_addr own_address(plait_host_endpoint *e) {
    plait_addr addr{};
    if (e->has_bound) {
        return e->bound;
    }
    if (!e->point_to_point()) {
        e->parse(e->uri.c_str(), &addr);
    }
    return addr;
}

bool Pair::open_a() {
    a = host.open(g_suite.transport, g_suite.uri_a.c_str());
    if (a == nullptr) {
        std::fprintf(stderr, "%s: %d %s\n", g_suite.uri_a.c_str(), host.last_status,
                     host.last_text.c_str());
        return false;
    }
    addr_a = own_address(a);
    return true;
}

bool Pair::open_z() {
    z = host.open(g_suite.transport, g_suite.uri_z.c_str());
    if (z == nullptr) {
        std::fprintf(stderr, "%s: %d %s\n", g_suite.uri_z.c_str(), host.last_status,
                     host.last_text.c_str());
        return false;
    }
    addr_z = own_address(z);
    return true;
}

bool has_ipv6() {
    const int fd = socket(AF_INET6, SOCK_DGRAM, 0);
    sockaddr_in6 loopback{};
    loopback.sin6_family = AF_INET6;
    loopback.sin6_addr = in6addr_loopback;
    const bool has =
        fd >= 0 && bind(fd, reinterpret_cast<sockaddr *>(&loopback), sizeof loopback) == 0;
    if (fd >= 0) {
        close(fd);
    }
    return has;
}

int pair_setup(void **state) {
    auto *p = new Pair;
    *state = p;
    if (!p->open_a() || !p->open_z()) {
        return -1;
    }
    p->point_to_point = p->a->point_to_point();
    plait_transport_info i = p->a->info(p->addr_z.len > 0 ? &p->addr_z : nullptr);
    p->mtu = i.mtu;
    p->rate = i.rate;
    return 0;
}

int pair_teardown(void **state) {
    Pair *p = &pair_of(state);
    p->host.close(p->a);
    p->host.close(p->z);
    size_t broken = p->host.violations.size();
    for (const std::string &v : p->host.violations) {
        std::fprintf(stderr, "contract: %s\n", v.c_str());
    }
    delete p;
    return broken == 0 ? 0 : -1;
}

} // namespace plait::conformance
