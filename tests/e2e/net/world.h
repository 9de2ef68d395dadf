// SPDX-License-Identifier: Apache-2.0
// Networks of their own for a test: namespaces that nobody else sees, joined by emulated lines.
// They have no names and leave no files: when the test's processes end, in whichever way, the
// kernel takes everything down.
#pragma once

#include <string>
#include <sys/types.h>
#include <vector>

namespace plait::e2e {

// Why there can be no such networks here; nullptr if there can.
const char *why_no_networks();

class Netns {
  public:
    // A new one; the process stays where it is.
    Netns();
    ~Netns();
    Netns(const Netns &) = delete;
    Netns &operator=(const Netns &) = delete;

    // From now on the process, and what it forks, is in this one. ~World brings it back.
    bool enter() const;
    // Runs a shell command in it; false, and what it said on stderr, if it fails.
    bool run(const std::string &command) const;
    // For other processes, as long as this one lives.
    std::string path() const;

  private:
    int fd_ = -1;
};

// The emulator's process.
class Emulator {
  public:
    struct Pair {
        const Netns *a;
        std::string name_a;
        const Netns *z;
        std::string name_z;
    };

    Emulator() = default;
    ~Emulator();
    Emulator(const Emulator &) = delete;
    Emulator &operator=(const Emulator &) = delete;

    bool start(const std::vector<Pair> &pairs);
    // One line of its language, see emulator.cpp; carried out when this returns.
    bool order(const std::string &line);

  private:
    bool hear(const char *expected);

    pid_t pid_ = -1;
    int orders_ = -1, answers_ = -1;
};

// Remembers where the process was, and brings it back.
class World {
  public:
    World();
    ~World();
    World(const World &) = delete;
    World &operator=(const World &) = delete;

    Netns a, z, m; // near, far, and a router between them for whom that wants one
    Emulator emulator;

    // Line n joins 10.77.n.1 in `a` and 10.77.n.2 in `z`; `how` as in the emulator's language.
    bool join(const std::vector<std::string> &how);
    static std::string near_address(size_t n) { return "10.77." + std::to_string(n) + ".1"; }
    static std::string far_address(size_t n) { return "10.77." + std::to_string(n) + ".2"; }

  private:
    int home_ = -1;
};

} // namespace plait::e2e
