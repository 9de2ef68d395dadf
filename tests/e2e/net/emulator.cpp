// SPDX-License-Identifier: Apache-2.0
// A link emulator for kernels without netem: it joins pairs of TUN interfaces, each in a network
// namespace, by lines of a certain rate, delay, loss and queue, which may change, break and heal
// while it runs.
//
//   emulator NETNS_A NAME_A NETNS_Z NAME_Z [NETNS_A NAME_A NETNS_Z NAME_Z ...]
//
// NETNS is a path such as /run/netns/a or /proc/1234/ns/net. The interfaces vanish when it ends,
// which it does when its standard input does. It says "ready" when they are there, and "ok" (or
// "what?") to each line of input:
//
//   LINK a|z|both [rate BYTES_PER_SECOND] [delay MICROSECONDS] [loss PROBABILITY] [queue BYTES]
//                 [cut] [restore]
//
// LINK counts from 0; a: what the first of the pair sends, z: what the second does.
#include "line.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <memory>
#include <net/if.h>
#include <sched.h>
#include <sstream>
#include <string>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/timerfd.h>
#include <unistd.h>

namespace plait::e2e {
namespace {

constexpr size_t kMaxPacket = 65536;
constexpr int kMaxReads = 64; // of one interface before the others get a turn

uint64_t now_ns() {
    timespec t{};
    clock_gettime(CLOCK_MONOTONIC, &t);
    return static_cast<uint64_t>(t.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(t.tv_nsec);
}

// A TUN interface in that namespace, in which this process then stays; -1 if there can be none.
int open_tun(const char *netns, const char *name) {
    const int where = open(netns, O_RDONLY | O_CLOEXEC);
    if (where < 0 || setns(where, CLONE_NEWNET) != 0) {
        std::fprintf(stderr, "emulator: %s: %s\n", netns, std::strerror(errno));
        return -1;
    }
    close(where);
    const int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    ifreq request{};
    request.ifr_flags = IFF_TUN | IFF_NO_PI;
    std::strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    if (fd < 0 || ioctl(fd, TUNSETIFF, &request) != 0) {
        std::fprintf(stderr, "emulator: %s: %s\n", name, std::strerror(errno));
        return -1;
    }
    return fd;
}

struct Side {
    int tun = -1;
    Line out; // what is sent here, towards the other side
};

struct Link {
    Side sides[2];
};

class Emulator {
  public:
    bool add(char **four);
    int run();

  private:
    bool watch(int fd, uint64_t tag);
    void read_packets(size_t link, size_t side);
    void deliver();
    void set_timer();
    bool read_orders();
    bool obey(const std::string &order);

    std::vector<std::unique_ptr<Link>> links_;
    int epoll_ = epoll_create1(EPOLL_CLOEXEC);
    int timer_ = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    std::string input_;
};

constexpr uint64_t kTimer = UINT64_MAX, kInput = UINT64_MAX - 1;

bool Emulator::watch(int fd, uint64_t tag) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = tag;
    return epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) == 0;
}

bool Emulator::add(char **four) {
    const uint64_t n = links_.size();
    links_.push_back(std::make_unique<Link>(Link{{{-1, Line(4 * n + 1)}, {-1, Line(4 * n + 3)}}}));
    for (size_t side = 0; side < 2; side++) {
        const int tun = open_tun(four[2 * side], four[2 * side + 1]);
        if (tun < 0 || !watch(tun, n * 2 + side))
            return false;
        links_.back()->sides[side].tun = tun;
    }
    return true;
}

void Emulator::read_packets(size_t link, size_t side) {
    Side &from = links_[link]->sides[side];
    uint8_t buffer[kMaxPacket];
    for (int i = 0; i < kMaxReads; i++) {
        const ssize_t n = read(from.tun, buffer, sizeof buffer);
        if (n <= 0)
            return;
        from.out.push(Line::Packet(buffer, buffer + n), now_ns());
    }
}

void Emulator::deliver() {
    for (const auto &link : links_)
        for (size_t side = 0; side < 2; side++)
            while (link->sides[side].out.next() <= now_ns()) {
                const Line::Packet packet = link->sides[side].out.pop();
                // An interface that is down, or full, has lost it: that is what networks do.
                if (!packet.empty() &&
                    write(link->sides[1 - side].tun, packet.data(), packet.size()) < 0)
                    continue;
            }
}

void Emulator::set_timer() {
    uint64_t next = UINT64_MAX;
    for (const auto &link : links_)
        for (const Side &side : link->sides)
            next = std::min(next, side.out.next());
    itimerspec when{};
    if (next != UINT64_MAX) {
        when.it_value.tv_sec = static_cast<time_t>(next / 1'000'000'000);
        when.it_value.tv_nsec = static_cast<long>(next % 1'000'000'000);
    }
    timerfd_settime(timer_, TFD_TIMER_ABSTIME, &when, nullptr);
}

bool apply(LineModel &model, std::istringstream words) {
    for (std::string word; words >> word;) {
        if (word == "cut")
            model.cut = true;
        else if (word == "restore")
            model.cut = false;
        else if (word == "rate")
            words >> model.rate;
        else if (word == "delay")
            words >> model.delay_us;
        else if (word == "loss")
            words >> model.loss;
        else if (word == "queue")
            words >> model.queue;
        else
            return false;
        if (words.fail())
            return false;
    }
    return true;
}

bool Emulator::obey(const std::string &order) {
    std::istringstream words(order);
    size_t link = 0;
    std::string which;
    if (!(words >> link >> which) || link >= links_.size() ||
        (which != "a" && which != "z" && which != "both"))
        return false;
    std::string rest;
    std::getline(words, rest);
    for (size_t side = 0; side < 2; side++)
        if ((which == "both" || which == (side == 0 ? "a" : "z")) &&
            !apply(links_[link]->sides[side].out.model, std::istringstream(rest)))
            return false;
    return true;
}

// False at the end of the input.
bool Emulator::read_orders() {
    char buffer[512];
    const ssize_t n = read(STDIN_FILENO, buffer, sizeof buffer);
    if (n <= 0)
        return false;
    input_.append(buffer, static_cast<size_t>(n));
    for (size_t end; (end = input_.find('\n')) != std::string::npos; input_.erase(0, end + 1)) {
        std::puts(obey(input_.substr(0, end)) ? "ok" : "what?");
        std::fflush(stdout);
    }
    return true;
}

int Emulator::run() {
    if (!watch(timer_, kTimer) || !watch(STDIN_FILENO, kInput))
        return 1;
    std::puts("ready");
    std::fflush(stdout);
    for (;;) {
        epoll_event events[16];
        const int n = epoll_wait(epoll_, events, 16, -1);
        for (int i = 0; i < n; i++) {
            const uint64_t tag = events[i].data.u64;
            uint64_t expirations = 0;
            if (tag == kInput) {
                if (!read_orders())
                    return 0;
            } else if (tag != kTimer) {
                read_packets(tag / 2, tag % 2);
            } else if (read(timer_, &expirations, sizeof expirations) < 0 && errno != EAGAIN) {
                return 1;
            }
        }
        deliver();
        set_timer();
    }
}

} // namespace
} // namespace plait::e2e

int main(int argc, char **argv) {
    if (argc < 5 || argc % 4 != 1) {
        std::fprintf(stderr, "usage: emulator NETNS_A NAME_A NETNS_Z NAME_Z [...]\n");
        return 2;
    }
    plait::e2e::Emulator emulator;
    for (int i = 1; i < argc; i += 4)
        if (!emulator.add(argv + i))
            return 1;
    return emulator.run();
}
