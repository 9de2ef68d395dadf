// SPDX-License-Identifier: Apache-2.0
// The limit of the socket: what raw UDP carries over loopback between two processes, without
// cipher, acknowledgements or order.
//
//   gso   runs with UDP_SEGMENT and UDP_GRO
//   mmsg  sendmmsg and recvmmsg, a datagram at a time inside
//   echo  64 bytes to and fro on blocking sockets
#include "loopback.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <netinet/udp.h>
#include <sys/socket.h>
#include <vector>

namespace plait::bench {
namespace {

constexpr size_t kEchoBytes = 64;

void receive_runs(const Options &, Receiver &receiver, Counts &counts) {
    std::vector<uint8_t> buffer(1 << 16);
    for (;;) {
        size_t segment;
        const auto run = receiver.receive(buffer.data(), buffer.size(), segment);
        if (run.empty())
            return;
        counts.count(run.size(), (run.size() + segment - 1) / segment);
    }
}

void send_runs(const Options &o, Sender &sender, uint64_t until_us, Counts &counts) {
    const size_t run = o.size * std::min(kRunSegments, kRunBytes / o.size);
    std::vector<uint8_t> data(run, 0xa5);
    for (; now_us() < until_us; counts.sent_bytes += run)
        sender.send_run(data.data(), run, o.size);
}

struct Many {
    explicit Many(size_t size) : memory(kMany * size) {
        for (size_t i = 0; i < kMany; i++) {
            iov[i] = {memory.data() + i * size, size};
            messages[i].msg_hdr.msg_iov = &iov[i];
            messages[i].msg_hdr.msg_iovlen = 1;
        }
    }
    std::vector<uint8_t> memory;
    iovec iov[kMany];
    mmsghdr messages[kMany]{};
};

void receive_many(const Options &o, Receiver &receiver, Counts &counts) {
    const int off = 0;
    setsockopt(receiver.fd(), IPPROTO_UDP, UDP_GRO, &off, sizeof off);
    Many many(o.size);
    for (;;) {
        const int n = recvmmsg(receiver.fd(), many.messages, kMany, MSG_WAITFORONE, nullptr);
        for (int i = 0; i < n; i++) {
            if (many.messages[i].msg_len == kEndMark)
                return;
            counts.count(many.messages[i].msg_len, 1);
        }
    }
}

void send_many(const Options &o, Sender &sender, uint64_t until_us, Counts &counts) {
    Many many(o.size);
    while (now_us() < until_us)
        if (const int n = sendmmsg(sender.fd(), many.messages, kMany, 0); n > 0)
            counts.sent_bytes += static_cast<uint64_t>(n) * o.size;
}

void receive_echo(const Options &, Receiver &receiver, Counts &counts) {
    uint8_t buffer[kEchoBytes];
    for (;;) {
        sockaddr_in from;
        socklen_t len = sizeof from;
        const ssize_t n = recvfrom(receiver.fd(), buffer, sizeof buffer, 0,
                                   reinterpret_cast<sockaddr *>(&from), &len);
        if (n <= static_cast<ssize_t>(kEndMark))
            return;
        counts.count(static_cast<size_t>(n), 1);
        sendto(receiver.fd(), buffer, static_cast<size_t>(n), 0,
               reinterpret_cast<sockaddr *>(&from), len);
    }
}

std::vector<double> echo_times; // of this process, the sender's

void send_echo(const Options &, Sender &sender, uint64_t until_us, Counts &) {
    uint8_t buffer[kEchoBytes] = {};
    timespec before, after;
    while (now_us() < until_us) {
        clock_gettime(CLOCK_MONOTONIC, &before);
        if (send(sender.fd(), buffer, sizeof buffer, 0) < 0 ||
            recv(sender.fd(), buffer, sizeof buffer, 0) < 0)
            std::exit(1);
        clock_gettime(CLOCK_MONOTONIC, &after);
        echo_times.push_back(static_cast<double>(after.tv_sec - before.tv_sec) * 1e6 +
                             static_cast<double>(after.tv_nsec - before.tv_nsec) * 1e-3);
    }
}

} // namespace
} // namespace plait::bench

int main(int argc, char **argv) {
    using namespace plait::bench;
    const Options o = read_options(argc, argv);
    if (o.mode == "gso") {
        print("limit_udp", o, run_pair(o, receive_runs, send_runs));
    } else if (o.mode == "mmsg") {
        print("limit_udp", o, run_pair(o, receive_many, send_many));
    } else if (o.mode == "echo") {
        run_pair(o, receive_echo, send_echo);
        print_echo("limit_udp", o, echo_times);
    } else {
        std::fprintf(stderr, "limit_udp: the modes are gso, mmsg, echo\n");
        return 2;
    }
    return 0;
}
