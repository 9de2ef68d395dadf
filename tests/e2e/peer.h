// SPDX-License-Identifier: Apache-2.0
// Two processes that talk over real sockets and ttys. Far is the other process: it listens, takes a
// stream channel in which it expects byte_at(0), byte_at(1), …, never reads those labelled "stall",
// echoes the others, and ends with status 0 if everything it got was right and the stream was
// whole. Near is the test's own node.
#pragma once

#include <plait/plait.h>

#include <cstdint>
#include <map>
#include <string>
#include <sys/types.h>
#include <vector>

namespace plait::e2e {

inline uint8_t byte_at(uint64_t n) {
    return static_cast<uint8_t>(n * 131 + (n >> 8) * 17 + (n >> 16) * 7);
}

uint64_t now_ms();

// Forks first and opens later, so that it shares no thread and no descriptor of what comes between.
class Far {
  public:
    Far();
    ~Far();
    Far(const Far &) = delete;
    Far &operator=(const Far &) = delete;

    // Has it open these endpoints; false if it could not.
    bool open(const std::vector<std::string> &uris);
    const std::string &id() const { return id_; }
    const std::string &uri(size_t n) const { return uris_.at(n); }
    void kill_it();
    // Its exit status; -1 if it has not ended in time, or not by itself.
    int wait(uint64_t timeout_ms);

  private:
    pid_t pid_ = -1;
    int orders_ = -1, answers_ = -1;
    std::string id_;
    std::vector<std::string> uris_;
};

// What is configured in the tests: short timeouts. The same in both processes.
plait_node_config short_timeouts();

class Near {
  public:
    explicit Near(const plait_node_config *config = nullptr);
    ~Near();
    Near(const Near &) = delete;
    Near &operator=(const Near &) = delete;

    plait_node *node() const { return node_; }
    plait_connection peer() const { return peer_; }
    plait_endpoint open(const std::string &uri);
    // Connects, and opens both channels at once.
    bool connect(const Far &far, const char *address, plait_endpoint from = PLAIT_NONE);

    // What every loop mode does with an event.
    void on_event(const plait_event &event);
    // The file: sends what there is room for; more of it is sent whenever WRITABLE comes.
    void send_file(uint64_t total);
    void send_ping();

    // Mode 1: until the condition holds; false if it does not in time.
    template <class Condition> bool run_until(Condition condition, uint64_t timeout_ms) {
        const uint64_t end = now_ms() + timeout_ms;
        while (!condition()) {
            if (now_ms() >= end || !turn(10))
                return false;
        }
        return true;
    }
    bool turn(int timeout_ms);

    uint64_t acked() const;
    bool good(plait_link link) const {
        return states_.count(link) > 0 && states_.at(link) == PLAIT_LINK_GOOD;
    }
    size_t good_links() const;
    uint64_t data_sent(plait_link link) const;

    bool connected = false, finished = false, dormant = false, closed = false;
    plait_status close_status = PLAIT_OK;
    unsigned pings = 0, pongs = 0;
    std::map<plait_endpoint, uint64_t> members; // of an endpoint that stands for several: state
    plait_status member_end = PLAIT_OK;         // of the last that went

  private:
    void pump();

    plait_identity *identity_ = nullptr;
    plait_node *node_ = nullptr;
    plait_connection peer_ = PLAIT_NONE;
    plait_channel file_ = PLAIT_NONE, ping_ = PLAIT_NONE;
    uint64_t sent_ = 0, total_ = 0;
    std::map<plait_link, uint64_t> states_;
};

} // namespace plait::e2e
