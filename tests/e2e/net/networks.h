// SPDX-License-Identifier: Apache-2.0
// Two plait processes, each in a network of its own, and the lines between them.
#pragma once

#include "../peer.h"
#include "world.h"

#include <memory>

namespace plait::e2e {

struct Networks {
    World world;
    std::unique_ptr<Far> far;
    std::unique_ptr<Near> near;
    std::vector<plait_endpoint> endpoints; // of the near side, one a line
    std::vector<plait_link> links;         // the same

    // The other process, in `z`; the test's own is in `a` from now on.
    bool people(const plait_node_config &config);
    // Joins both by lines such as these, opens an endpoint at each end of each of the first
    // `joined`, and connects over all of them; waits until all are good. At the far side there is
    // an endpoint at the end of every line.
    bool connect(const std::vector<std::string> &lines, size_t joined);
    bool cut(size_t line) { return world.emulator.order(std::to_string(line) + " both cut"); }
    bool restore(size_t line) {
        return world.emulator.order(std::to_string(line) + " both restore");
    }
    // One more endpoint at the near end of that line, and a link from it.
    bool add(size_t line);
};

// Sends pings at an interval while the node's loop turns, and knows how long none came back.
class Pings {
  public:
    Pings(Near &near, uint64_t interval_ms);
    // Until the condition holds; false if it does not in time.
    template <class Condition> bool run_until(Condition condition, uint64_t timeout_ms) {
        const uint64_t end = now_ms() + timeout_ms;
        while (!condition()) {
            if (now_ms() >= end || !turn())
                return false;
        }
        return true;
    }
    uint64_t longest_gap_ms() const { return longest_; }
    void forget_gaps();

  private:
    bool turn();

    Near &near_;
    uint64_t interval_, next_, last_pong_, longest_ = 0;
    unsigned pongs_ = 0;
};

// For cmocka: a Networks for each test, taken down in every ending.
int make_networks(void **state);
int drop_networks(void **state);
inline Networks &networks(void **state) {
    return *static_cast<Networks *>(*state);
}
#define NETWORKS_TEST(test) cmocka_unit_test_setup_teardown(test, make_networks, drop_networks)

// What main() begins with: 0, or what it returns where there can be no such networks (the reason is
// printed).
int networks_skipped();

} // namespace plait::e2e
