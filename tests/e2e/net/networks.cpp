// SPDX-License-Identifier: Apache-2.0
#include "networks.h"

#include <algorithm>
#include <csignal>
#include <cstdio>

namespace plait::e2e {

namespace {
constexpr uint64_t kJoinMs = 10000;
constexpr int kSkipped = 77; // meson's word for it
} // namespace

int make_networks(void **state) {
    *state = new Networks;
    return 0;
}

int drop_networks(void **state) {
    delete static_cast<Networks *>(*state);
    return 0;
}

int networks_skipped() {
    std::signal(SIGPIPE, SIG_IGN); // a child that has died shows in what does not come back
    const char *why = why_no_networks();
    if (why == nullptr)
        return 0;
    std::printf("skipped: %s\n", why);
    return kSkipped;
}

bool Networks::people(const plait_node_config &config) {
    if (!world.z.enter())
        return false;
    far = std::make_unique<Far>();
    if (!world.a.enter())
        return false;
    near = std::make_unique<Near>(&config);
    return true;
}

bool Networks::connect(const std::vector<std::string> &lines, size_t joined) {
    std::vector<std::string> uris;
    for (size_t n = 0; n < lines.size(); n++)
        uris.push_back("udp://" + World::far_address(n) + ":0");
    if (!people(short_timeouts()) || !world.join(lines) || !far->open(uris))
        return false;
    endpoints.push_back(near->open("udp://" + World::near_address(0) + ":0"));
    if (!near->connect(*far, far->uri(0).c_str(), endpoints[0]) ||
        !near->run_until([&] { return near->connected; }, kJoinMs))
        return false;
    size_t count = 0;
    plait_link first = PLAIT_NONE;
    if (plait_connection_links(near->node(), near->peer(), &first, 1, &count) != PLAIT_OK)
        return false;
    links.push_back(first);
    for (size_t n = 1; n < joined; n++)
        if (!add(n))
            return false;
    return near->run_until([&] { return near->good_links() == joined; }, kJoinMs);
}

bool Networks::add(size_t line) {
    plait_link link = PLAIT_NONE;
    endpoints.push_back(near->open("udp://" + World::near_address(line) + ":0"));
    const plait_status s = plait_connection_add_link(near->node(), near->peer(), endpoints.back(),
                                                     far->uri(line).c_str(), &link);
    links.push_back(link);
    return s == PLAIT_OK;
}

Pings::Pings(Near &near, uint64_t interval_ms)
    : near_(near), interval_(interval_ms), next_(now_ms()), last_pong_(now_ms()),
      pongs_(near.pongs) {}

bool Pings::turn() {
    if (now_ms() >= next_) {
        near_.send_ping();
        next_ += interval_;
    }
    const uint64_t now = now_ms();
    if (!near_.turn(next_ > now ? static_cast<int>(next_ - now) : 0))
        return false;
    longest_ = std::max(longest_, now_ms() - last_pong_);
    if (near_.pongs != pongs_) {
        pongs_ = near_.pongs;
        last_pong_ = now_ms();
    }
    return true;
}

void Pings::forget_gaps() {
    longest_ = 0;
    last_pong_ = now_ms();
}

} // namespace plait::e2e
