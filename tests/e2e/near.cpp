// SPDX-License-Identifier: Apache-2.0
#include "peer.h"

#include <algorithm>
#include <cstdio>
#include <ctime>

namespace plait::e2e {

uint64_t now_ms() {
    timespec t{};
    clock_gettime(CLOCK_MONOTONIC, &t);
    return static_cast<uint64_t>(t.tv_sec) * 1000 + static_cast<uint64_t>(t.tv_nsec) / 1000000;
}

plait_node_config short_timeouts() {
    plait_node_config config = PLAIT_NODE_CONFIG_INIT;
    config.idle_timeout_us = 20'000'000;
    config.dormancy_timeout_us = 5'000'000;
    config.keepalive_us = 200'000;
    config.max_channels = 512;
    return config;
}

Near::Near(const plait_node_config *config) {
    plait_identity_new(&identity_);
    if (plait_node_new(identity_, config, &node_) != PLAIT_OK)
        std::fprintf(stderr, "node: %s\n", plait_error_detail());
}

Near::~Near() {
    plait_node_free(node_);
    plait_identity_free(identity_);
}

plait_endpoint Near::open(const std::string &uri) {
    plait_endpoint endpoint = PLAIT_NONE;
    if (plait_endpoint_open(node_, uri.c_str(), nullptr, &endpoint) != PLAIT_OK)
        std::fprintf(stderr, "%s: %s\n", uri.c_str(), plait_error_detail());
    return endpoint;
}

bool Near::connect(const Far &far, const char *address, plait_endpoint from) {
    plait_connect_config config = PLAIT_CONNECT_CONFIG_INIT;
    config.endpoint = from;
    plait_channel_config messages = PLAIT_CHANNEL_MESSAGES;
    messages.priority_class = 1;
    if (plait_connect(node_, far.id().c_str(), address, &config, &peer_) == PLAIT_OK &&
        plait_channel_open(node_, peer_, "file", nullptr, &file_) == PLAIT_OK &&
        plait_channel_open(node_, peer_, "ping", &messages, &ping_) == PLAIT_OK)
        return true;
    std::fprintf(stderr, "connect: %s\n", plait_error_detail());
    return false;
}

void Near::send_file(uint64_t total) {
    total_ = total;
    pump();
}

void Near::pump() {
    while (sent_ < total_) {
        void *space = nullptr;
        size_t room = 0;
        if (plait_channel_reserve(node_, file_, 1, &space, &room) != PLAIT_OK)
            return;
        const size_t n = static_cast<size_t>(std::min<uint64_t>(room, total_ - sent_));
        for (size_t i = 0; i < n; i++)
            static_cast<uint8_t *>(space)[i] = byte_at(sent_ + i);
        plait_channel_commit(node_, file_, n);
        sent_ += n;
        if (sent_ == total_)
            plait_channel_finish(node_, file_);
    }
}

void Near::send_ping() {
    if (plait_channel_send(node_, ping_, &pings, sizeof pings, nullptr) == PLAIT_OK)
        pings++;
}

void Near::on_event(const plait_event &e) {
    switch (e.type) {
    case PLAIT_EVENT_CONNECTED: connected = true; break;
    case PLAIT_EVENT_DORMANT: dormant = true; break;
    case PLAIT_EVENT_CLOSED:
        closed = true;
        close_status = e.status;
        break;
    case PLAIT_EVENT_WRITABLE:
        if (e.channel == file_)
            pump();
        break;
    case PLAIT_EVENT_READABLE: {
        unsigned number = 0;
        size_t len = 0;
        while (plait_channel_read(node_, e.channel, &number, sizeof number, &len) == PLAIT_OK)
            pongs += len == sizeof number && number == pongs;
        break;
    }
    case PLAIT_EVENT_FINISHED: finished |= e.channel == file_; break;
    case PLAIT_EVENT_LINK_STATE:
        dormant &= e.a != PLAIT_LINK_GOOD;
        states_[e.link] = e.a;
        break;
    case PLAIT_EVENT_LINK_CLOSED: states_.erase(e.link); break;
    case PLAIT_EVENT_ENDPOINT_OPENED: members[e.a] = PLAIT_ENDPOINT_UP; break;
    case PLAIT_EVENT_ENDPOINT_STATE: members[e.a] = e.b; break;
    case PLAIT_EVENT_ENDPOINT_CLOSED:
        members.erase(e.a);
        member_end = e.status;
        break;
    default: break;
    }
}

bool Near::turn(int timeout_ms) {
    plait_event events[64];
    size_t got = 0;
    if (plait_node_wait(node_, events, 64, &got, timeout_ms) != PLAIT_OK) {
        std::fprintf(stderr, "wait: %s\n", plait_error_detail());
        return false;
    }
    for (size_t i = 0; i < got; i++)
        on_event(events[i]);
    return true;
}

uint64_t Near::acked() const {
    plait_channel_stats stats{};
    stats.struct_size = sizeof stats;
    return plait_channel_get_stats(node_, file_, &stats) == PLAIT_OK ? stats.bytes_acked : 0;
}

size_t Near::good_links() const {
    size_t n = 0;
    for (const auto &[link, state] : states_)
        n += state == PLAIT_LINK_GOOD;
    return n;
}

uint64_t Near::data_sent(plait_link link) const {
    plait_link_stats stats{};
    stats.struct_size = sizeof stats;
    return plait_link_get_stats(node_, link, &stats) == PLAIT_OK ? stats.data_sent : 0;
}

} // namespace plait::e2e
