// SPDX-License-Identifier: Apache-2.0
#include "world.h"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace plait::e2e {

namespace {

constexpr int kAnswerMs = 10000;
constexpr const char *kHere = "/proc/self/ns/net";

int open_here() {
    return open(kHere, O_RDONLY | O_CLOEXEC);
}

// Forks a child that dies with this process.
pid_t fork_child() {
    const pid_t parent = getpid();
    std::fflush(stdout);
    const pid_t pid = fork();
    if (pid == 0 && (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent))
        _exit(2);
    return pid;
}

} // namespace

const char *why_no_networks() {
    if (std::system("ip -V > /dev/null 2>&1") != 0)
        return "there is no ip (package iproute2)";
    const pid_t pid = fork_child();
    if (pid == 0) {
        if (unshare(CLONE_NEWNET) != 0)
            _exit(1);
        const int tun = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
        ifreq request{};
        request.ifr_flags = IFF_TUN | IFF_NO_PI;
        _exit(tun >= 0 && ioctl(tun, TUNSETIFF, &request) == 0 ? 0 : 2);
    }
    int status = 0;
    if (waitpid(pid, &status, 0) != pid || status == 0)
        return nullptr;
    return WEXITSTATUS(status) == 1 ? "no network namespaces here, or only for root"
                                    : "no TUN interfaces here (/dev/net/tun)";
}

Netns::Netns() {
    const int before = open_here();
    if (before >= 0 && unshare(CLONE_NEWNET) == 0) {
        fd_ = open_here();
        if (setns(before, CLONE_NEWNET) != 0)
            std::abort();
    }
    close(before);
    run("ip link set lo up");
}

Netns::~Netns() {
    close(fd_);
}

bool Netns::enter() const {
    return setns(fd_, CLONE_NEWNET) == 0;
}

bool Netns::run(const std::string &command) const {
    const pid_t pid = fork_child();
    if (pid == 0) {
        if (!enter())
            _exit(2);
        execl("/bin/sh", "sh", "-ec", command.c_str(), nullptr);
        _exit(127);
    }
    int status = 0;
    if (waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return true;
    std::fprintf(stderr, "failed in a network namespace: %s\n", command.c_str());
    return false;
}

std::string Netns::path() const {
    return "/proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(fd_);
}

bool Emulator::start(const std::vector<Pair> &pairs) {
    std::vector<std::string> words{PLAIT_EMULATOR};
    for (const Pair &p : pairs)
        words.insert(words.end(), {p.a->path(), p.name_a, p.z->path(), p.name_z});
    std::vector<char *> argv;
    for (std::string &word : words)
        argv.push_back(word.data());
    argv.push_back(nullptr);
    int orders[2], answers[2];
    if (pipe2(orders, O_CLOEXEC) != 0 || pipe2(answers, O_CLOEXEC) != 0)
        return false;
    pid_ = fork_child();
    if (pid_ == 0) {
        dup2(orders[0], STDIN_FILENO);
        dup2(answers[1], STDOUT_FILENO);
        execv(argv[0], argv.data());
        _exit(127);
    }
    close(orders[0]);
    close(answers[1]);
    orders_ = orders[1];
    answers_ = answers[0];
    return hear("ready\n");
}

Emulator::~Emulator() {
    if (pid_ <= 0)
        return;
    kill(pid_, SIGKILL); // its standard input may be held by another child, too
    waitpid(pid_, nullptr, 0);
    close(orders_);
    close(answers_);
}

bool Emulator::hear(const char *expected) {
    std::string heard;
    char c = 0;
    pollfd p{answers_, POLLIN, 0};
    while (c != '\n') {
        if (poll(&p, 1, kAnswerMs) != 1 || read(answers_, &c, 1) != 1)
            return false;
        heard += c;
    }
    return heard == expected;
}

bool Emulator::order(const std::string &line) {
    const std::string text = line + "\n";
    return write(orders_, text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
           hear("ok\n");
}

World::World() : home_(open_here()) {}

World::~World() {
    if (setns(home_, CLONE_NEWNET) != 0)
        std::abort();
    close(home_);
}

bool World::join(const std::vector<std::string> &how) {
    std::vector<Emulator::Pair> pairs;
    for (size_t n = 0; n < how.size(); n++)
        pairs.push_back({&a, "line" + std::to_string(n), &z, "line" + std::to_string(n)});
    if (!emulator.start(pairs))
        return false;
    for (size_t n = 0; n < how.size(); n++) {
        const std::string device = " dev line" + std::to_string(n);
        if (!a.run("ip addr add " + near_address(n) + "/24" + device + "; ip link set up" +
                   device) ||
            !z.run("ip addr add " + far_address(n) + "/24" + device + "; ip link set up" +
                   device) ||
            !emulator.order(std::to_string(n) + " both " + how[n]))
            return false;
    }
    return true;
}

} // namespace plait::e2e
