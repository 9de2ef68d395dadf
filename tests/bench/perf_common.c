/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "perf.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

void check(plait_status status, const char *what) {
    if (status == PLAIT_OK)
        return;
    fprintf(stderr, "plait_perf: %s: %s: %s\n", what, plait_status_name(status),
            plait_error_detail());
    exit(1);
}

plait_node *new_node(uint32_t busy_poll_us, uint32_t workers, uint32_t keepalive_s,
                     uint32_t channels) {
    plait_node_config config = PLAIT_NODE_CONFIG_INIT;
    plait_identity *identity;
    plait_node *node;
    config.busy_poll_us = busy_poll_us;
    config.workers = workers;
    config.idle_timeout_us = UINT64_MAX;
    if (keepalive_s > 0)
        config.keepalive_us = keepalive_s * UINT64_C(1000000);
    config.max_connections = 1u << 18;
    config.max_channels = channels;
    config.memory_budget = (uint64_t)16 << 30;
    check(plait_identity_new(&identity), "identity");
    check(plait_node_new(identity, &config, &node), "node");
    plait_identity_free(identity);
    return node;
}

plait_node *new_node_on(const char *uri, uint32_t busy_poll_us, uint32_t keepalive_s) {
    plait_node *node = new_node(busy_poll_us, 0, keepalive_s, 0);
    plait_endpoint endpoint;
    check(plait_endpoint_open(node, uri, NULL, &endpoint), uri);
    return node;
}

void open_peer(const perf_options *options, perf_peer *peer) {
    plait_channel_config config = PLAIT_CHANNEL_MESSAGES;
    plait_connect_config connect = PLAIT_CONNECT_CONFIG_INIT;
    connect.congestion = options->congestion;
    peer->node = new_node_on(options->listen, options->busy_poll_us, 0);
    check(plait_connect_wait(peer->node, options->id, options->address, &connect, kWaitMs,
                             &peer->connection),
          "connect");
    peer->stats = open_labelled(peer, "stats", config, 0);
    ask_stats(peer);
}

void close_peer(perf_peer *peer) {
    plait_node_free(peer->node);
    peer->node = NULL;
}

server_stats ask_stats(perf_peer *peer) {
    server_stats stats;
    size_t len = 0;
    check(plait_channel_write_all(peer->node, peer->stats, "?", 1, kWaitMs), "asking for stats");
    check(plait_channel_read_wait(peer->node, peer->stats, &stats, sizeof stats, &len, kWaitMs),
          "reading stats");
    return stats;
}

plait_channel open_labelled(perf_peer *peer, const char *label, plait_channel_config config,
                            uint64_t token) {
    plait_channel channel;
    config.token = token;
    check(plait_channel_open(peer->node, peer->connection, label, &config, &channel), label);
    return channel;
}

uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t now_us(void) {
    return now_ns() / 1000u;
}

uint64_t cpu_us(void) {
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return (uint64_t)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1000000u +
           (uint64_t)(r.ru_utime.tv_usec + r.ru_stime.tv_usec);
}

uint64_t system_us(void) {
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return (uint64_t)r.ru_stime.tv_sec * 1000000u + (uint64_t)r.ru_stime.tv_usec;
}

uint64_t malloc_bytes(void) {
    struct mallinfo2 m = mallinfo2();
    return m.uordblks + m.hblkhd;
}

uint64_t rss_bytes(void) {
    unsigned long long size = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f != NULL) {
        if (fscanf(f, "%llu %llu", &size, &resident) != 2)
            resident = 0;
        fclose(f);
    }
    return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static int compare(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

void sort_numbers(uint64_t *numbers, size_t count) {
    qsort(numbers, count, sizeof *numbers, compare);
}
