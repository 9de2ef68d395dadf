// SPDX-License-Identifier: Apache-2.0
#include "loopback.h"

#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <netinet/udp.h>
#include <new>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

namespace plait::bench {

void die(const char *what) {
    std::perror(what);
    std::exit(1);
}

namespace {

void pin(int core) {
    if (core < 0)
        return;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(core, &set);
    if (sched_setaffinity(0, sizeof set, &set) != 0)
        die("sched_setaffinity");
}

int new_socket() {
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        die("socket");
    for (const auto &[forced, plain] :
         {std::pair{SO_RCVBUFFORCE, SO_RCVBUF}, {SO_SNDBUFFORCE, SO_SNDBUF}})
        if (setsockopt(fd, SOL_SOCKET, forced, &kSocketBuffer, sizeof kSocketBuffer) != 0)
            setsockopt(fd, SOL_SOCKET, plain, &kSocketBuffer, sizeof kSocketBuffer);
    return fd;
}

Counts *shared_counts() {
    void *shared =
        mmap(nullptr, sizeof(Counts), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        die("mmap");
    return new (shared) Counts;
}

Counts take_counts(Counts *shared) {
    const Counts result = *shared;
    munmap(shared, sizeof(Counts));
    return result;
}

} // namespace

Options read_options(int argc, char **argv) {
    Options o;
    if (argc > 1)
        o.mode = argv[1];
    for (int i = 2; i + 1 < argc; i += 2) {
        const std::string_view name = argv[i];
        if (name == "--seconds")
            o.seconds = std::atof(argv[i + 1]);
        else if (name == "--size")
            o.size = static_cast<size_t>(std::atol(argv[i + 1]));
        else if (name == "--cores" &&
                 std::sscanf(argv[i + 1], "%d,%d", &o.sender_core, &o.receiver_core) == 2)
            continue;
        else
            o.mode = "";
    }
    if (o.mode.empty() || argc % 2 != 0 || o.size < 64 || o.size > kRunBytes) {
        std::fprintf(stderr,
                     "usage: %s MODE [--seconds S] [--size BYTES] [--cores SENDER,RECEIVER]\n",
                     argv[0]);
        std::exit(2);
    }
    return o;
}

uint64_t now_us() {
    timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return static_cast<uint64_t>(t.tv_sec) * 1'000'000 + static_cast<uint64_t>(t.tv_nsec) / 1000;
}

uint64_t end_of(const Options &options) {
    return now_us() + static_cast<uint64_t>(options.seconds * 1e6);
}

uint64_t cpu_us() {
    rusage r;
    getrusage(RUSAGE_SELF, &r);
    const auto us = [](const timeval &t) {
        return static_cast<uint64_t>(t.tv_sec) * 1'000'000 + static_cast<uint64_t>(t.tv_usec);
    };
    return us(r.ru_utime) + us(r.ru_stime);
}

void Counts::count(size_t n, uint64_t datagrams_in_it) {
    last_us = now_us();
    if (first_us == 0)
        first_us = last_us;
    bytes += n;
    datagrams += datagrams_in_it;
}

Receiver::Receiver() : fd_(new_socket()) {
    address_.sin_family = AF_INET;
    address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t len = sizeof address_;
    if (bind(fd_, reinterpret_cast<sockaddr *>(&address_), len) != 0 ||
        getsockname(fd_, reinterpret_cast<sockaddr *>(&address_), &len) != 0)
        die("bind");
    const int on = 1;
    if (setsockopt(fd_, IPPROTO_UDP, UDP_GRO, &on, sizeof on) != 0)
        die("UDP_GRO");
}

std::span<uint8_t> Receiver::receive(uint8_t *buffer, size_t cap, size_t &segment) {
    alignas(cmsghdr) uint8_t control[CMSG_SPACE(sizeof(int))];
    iovec iov{buffer, cap};
    msghdr m{};
    m.msg_iov = &iov;
    m.msg_iovlen = 1;
    m.msg_control = control;
    m.msg_controllen = sizeof control;
    ssize_t n;
    while ((n = recvmsg(fd_, &m, 0)) < 0)
        if (errno != EINTR)
            die("recvmsg");
    segment = static_cast<size_t>(n);
    const cmsghdr *c = CMSG_FIRSTHDR(&m);
    if (c != nullptr && c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO) {
        int size;
        std::memcpy(&size, CMSG_DATA(c), sizeof size);
        segment = static_cast<size_t>(size);
    }
    return {buffer, n == kEndMark ? 0 : static_cast<size_t>(n)};
}

Sender::Sender(const sockaddr_in &to) : fd_(new_socket()), to_(to) {
    if (connect(fd_, reinterpret_cast<sockaddr *>(&to_), sizeof to_) != 0)
        die("connect");
}

void Sender::send_run(const uint8_t *data, size_t len, size_t segment) {
    alignas(cmsghdr) uint8_t control[CMSG_SPACE(sizeof(uint16_t))]{};
    iovec iov{const_cast<uint8_t *>(data), len};
    msghdr m{};
    m.msg_iov = &iov;
    m.msg_iovlen = 1;
    if (len > segment) {
        m.msg_control = control;
        m.msg_controllen = sizeof control;
        cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = IPPROTO_UDP;
        c->cmsg_type = UDP_SEGMENT;
        c->cmsg_len = CMSG_LEN(sizeof(uint16_t));
        const auto size = static_cast<uint16_t>(segment);
        std::memcpy(CMSG_DATA(c), &size, sizeof size);
    }
    while (sendmsg(fd_, &m, 0) < 0)
        if (errno != EINTR && errno != ENOBUFS && errno != ECONNREFUSED)
            die("sendmsg");
}

void Sender::send_end() {
    const uint8_t mark[kEndMark] = {};
    send(fd_, mark, sizeof mark, 0);
}

Counts run_pair(const Options &options, ReceiverMain receive, SenderMain send) {
    Counts *const counts = shared_counts();
    Receiver receiver;
    Sender sender(receiver.address());
    const pid_t child = fork();
    if (child < 0)
        die("fork");
    if (child == 0) {
        pin(options.receiver_core);
        receive(options, receiver, *counts);
        counts->receiver_cpu_us = cpu_us();
        _exit(0);
    }
    pin(options.sender_core);
    send(options, sender, end_of(options), *counts);
    counts->sender_cpu_us = cpu_us();
    int status = 0;
    // The mark may be dropped like anything else.
    for (; waitpid(child, &status, WNOHANG) == 0; usleep(2000))
        sender.send_end();
    return take_counts(counts);
}

Counts run_processes(const Options &options, int listening, Side receive, Side send) {
    Counts *const counts = shared_counts();
    const pid_t child = fork();
    if (child < 0)
        die("fork");
    if (child == 0) {
        pin(options.receiver_core);
        receive(options, listening, *counts);
        counts->receiver_cpu_us = cpu_us();
        _exit(0);
    }
    pin(options.sender_core);
    send(options, listening, *counts);
    counts->sender_cpu_us = cpu_us();
    waitpid(child, nullptr, 0);
    return take_counts(counts);
}

void print_echo(const char *bench, const Options &options, std::span<double> times_us) {
    std::sort(times_us.begin(), times_us.end());
    const auto at = [&](double share) {
        return times_us.empty() ? 0
                                : times_us[static_cast<size_t>(
                                      share * static_cast<double>(times_us.size() - 1))];
    };
    std::printf("{\"bench\": \"%s\", \"mode\": \"%.*s\", \"rounds\": %zu, \"p50_us\": %.2f, "
                "\"p99_us\": %.2f, \"max_us\": %.2f}\n",
                bench, static_cast<int>(options.mode.size()), options.mode.data(), times_us.size(),
                at(0.5), at(0.99), at(1));
}

void print(const char *bench, const Options &options, const Counts &c) {
    const double seconds = static_cast<double>(c.last_us - c.first_us) / 1e6;
    // Gigabits a second; the second one as if each side had a core to itself, whatever else ran.
    const auto rate = [](uint64_t bytes, uint64_t us) {
        return us > 0 ? static_cast<double>(bytes) * 8e-3 / static_cast<double>(us) : 0.0;
    };
    const double by_cpu =
        std::min(rate(c.sent_bytes, c.sender_cpu_us), rate(c.bytes, c.receiver_cpu_us));
    std::printf(
        "{\"bench\": \"%s\", \"mode\": \"%.*s\", \"size\": %zu, \"seconds\": %.4f, "
        "\"bytes\": %llu, \"packets\": %llu, \"failed\": %llu, \"gbit_s\": %.3f, "
        "\"gbit_cpu_s\": %.3f, \"sender_cpu_s\": %.3f, \"receiver_cpu_s\": %.3f}\n",
        bench, static_cast<int>(options.mode.size()), options.mode.data(), options.size, seconds,
        static_cast<unsigned long long>(c.bytes), static_cast<unsigned long long>(c.datagrams),
        static_cast<unsigned long long>(c.failed), rate(c.bytes, c.last_us - c.first_us), by_cpu,
        static_cast<double>(c.sender_cpu_us) / 1e6, static_cast<double>(c.receiver_cpu_us) / 1e6);
}

} // namespace plait::bench
