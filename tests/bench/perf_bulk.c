/* SPDX-License-Identifier: Apache-2.0 */
/* Bulk: as many bytes as go through one channel, or through several at once, in a given time. */
#include "perf.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { kManyChannels = 1000 };

typedef struct bulk {
    const perf_options *options;
    perf_peer peer;
    plait_channel *channels;
    uint64_t until_us;
    uint32_t open, unfinished;
    bool over;
} bulk;

static uint8_t source[kChunk];

static void keep(void *user, const void *data, size_t len) {
    (void)user, (void)data, (void)len; /* it is always the same memory */
}

static plait_status send_piece(const bulk *b, plait_channel channel) {
    size_t n;
    void *space;
    if (strcmp(b->options->mode, "owned") == 0)
        return plait_channel_send_owned(b->peer.node, channel, source, sizeof source, keep, NULL);
    if (strcmp(b->options->mode, "copy") == 0)
        return plait_channel_send(b->peer.node, channel, source, sizeof source, &n);
    plait_status status = plait_channel_reserve(b->peer.node, channel, 16384, &space, &n);
    if (status == PLAIT_OK) {
        memset(space, 0xa5, n); /* as if read(2) had written it */
        status = plait_channel_commit(b->peer.node, channel, n);
    }
    return status;
}

static void fill(bulk *b, plait_channel channel) {
    plait_status status = PLAIT_OK;
    while (status == PLAIT_OK && !b->over)
        status = send_piece(b, channel);
    if (status != PLAIT_OK && status != PLAIT_E_AGAIN)
        check(status, "send");
}

static void finish_all(bulk *b) {
    b->over = true;
    for (uint32_t i = 0; i < b->options->count; i++)
        check(plait_channel_finish(b->peer.node, b->channels[i]), "finish");
}

static void on_event(bulk *b, const plait_event *e) {
    if (e->type == PLAIT_EVENT_CLOSED) {
        fprintf(stderr, "plait_perf: the connection ended: %s\n", plait_status_name(e->status));
        exit(1);
    }
    if (e->type == PLAIT_EVENT_WRITABLE && e->token != 0)
        fill(b, e->channel);
    else if (e->type == PLAIT_EVENT_FINISHED && e->token != 0)
        b->unfinished--;
}

static void run(bulk *b) {
    plait_event events[kEventsAtOnce];
    size_t got;
    plait_channel_config config = PLAIT_CHANNEL_STREAM;
    config.one_way = 1;
    config.cipher = (uint8_t)b->options->cipher;
    if (b->options->count > kManyChannels)
        config.send_buffer = kChunk; /* or what is under way at the end takes minutes */
    for (uint32_t i = 0; i < b->options->count; i++)
        b->channels[i] = open_labelled(&b->peer, "sink", config, i + 1);
    b->unfinished = b->options->count;
    while (b->unfinished > 0) {
        check(plait_node_wait(b->peer.node, events, kEventsAtOnce, &got, 20), "wait");
        for (size_t i = 0; i < got; i++)
            on_event(b, &events[i]);
        if (!b->over && now_us() >= b->until_us)
            finish_all(b);
    }
}

static void print(bulk *b, const server_stats *before, const server_stats *after, uint64_t cpu) {
    plait_connection_stats c = {.struct_size = sizeof c};
    plait_link_stats l = {.struct_size = sizeof l};
    plait_link link;
    size_t links;
    check(plait_connection_get_stats(b->peer.node, b->peer.connection, &c), "stats");
    check(plait_connection_links(b->peer.node, b->peer.connection, &link, 1, &links), "links");
    check(plait_link_get_stats(b->peer.node, link, &l), "link");
    double seconds = (double)(after->sink_last_us - after->sink_first_us) / 1e6;
    double bytes = (double)after->sink_bytes, client = (double)cpu / 1e6;
    double server = (double)(after->cpu_us - before->cpu_us) / 1e6;
    printf("{\"bench\": \"bulk\", \"mode\": \"%s\", \"channels\": %u, \"seconds\": %.4f, "
           "\"bytes\": %llu, \"gbit_s\": %.3f, \"gbit_cpu_s\": %.3f, \"packets\": %llu, "
           "\"lost\": %llu, "
           "\"header_bytes\": %.2f, \"mtu\": %u, \"cwnd\": %llu, \"rtt_us\": %llu, "
           "\"acks_per_1000\": %.1f, \"client_cpu_s\": %.3f, \"server_cpu_s\": %.3f}\n",
           b->options->mode, b->options->count, seconds, (unsigned long long)after->sink_bytes,
           bytes * 8e-9 / seconds, bytes * 8e-9 / (client > server ? client : server),
           (unsigned long long)c.packets_sent, (unsigned long long)c.packets_lost,
           (double)(c.bytes_sent - l.data_sent) / (double)c.packets_sent, l.mtu,
           (unsigned long long)l.cwnd, (unsigned long long)l.rtt_us,
           1000.0 * (double)c.packets_received / (double)c.packets_sent, client, server);
}

int perf_bulk(const perf_options *options) {
    bulk b = {.options = options};
    memset(source, 0xa5, sizeof source);
    b.channels = calloc(options->count, sizeof *b.channels);
    if (b.channels == NULL)
        return 1;
    open_peer(options, &b.peer);
    server_stats before = ask_stats(&b.peer);
    uint64_t cpu = cpu_us();
    b.until_us = now_us() + (uint64_t)(options->seconds * 1e6);
    run(&b);
    cpu = cpu_us() - cpu;
    server_stats after = ask_stats(&b.peer);
    print(&b, &before, &after, cpu);
    close_peer(&b.peer);
    free(b.channels);
    return 0;
}
