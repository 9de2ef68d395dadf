/* SPDX-License-Identifier: Apache-2.0 */
/* The server: one node for any number of clients, on this thread, or with --workers on threads of
 * the library. It prints its id and address and runs until it is killed, or for --seconds. */
#include "perf.h"

#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

enum { kSink = 1, kEcho = 2, kStats = 3, kHold = 4, kLabelMax = 32, kSlices = 64 };

typedef struct server {
    plait_node *node;
    uint64_t sink_bytes, sink_first_us, sink_last_us; /* of all threads */
    uint64_t looking_us; /* what statistics themselves have taken: memory in a million pieces */
} server;

static _Thread_local char message[kChunk];

static void accept_channel(server *s, plait_channel channel) {
    plait_channel_config config = PLAIT_CHANNEL_STREAM;
    char label[kLabelMax] = "";
    plait_channel_label(s->node, channel, label, sizeof label, NULL);
    config.token = strcmp(label, "sink") == 0    ? kSink
                   : strcmp(label, "echo") == 0  ? kEcho
                   : strcmp(label, "stats") == 0 ? kStats
                                                 : kHold;
    check(plait_channel_accept(s->node, channel, &config), "accept");
}

static void sink(server *s, plait_channel channel) {
    plait_slice slices[kSlices];
    size_t count;
    while (plait_channel_peek(s->node, channel, slices, kSlices, &count) == PLAIT_OK) {
        size_t bytes = 0;
        for (size_t i = 0; i < count; i++)
            bytes += slices[i].len;
        check(plait_channel_consume(s->node, channel, bytes), "consume");
        __atomic_fetch_add(&s->sink_bytes, bytes, __ATOMIC_RELAXED);
    }
    const uint64_t now = now_us();
    uint64_t never = 0;
    __atomic_store_n(&s->sink_last_us, now, __ATOMIC_RELAXED);
    __atomic_compare_exchange_n(&s->sink_first_us, &never, now, false, __ATOMIC_RELAXED,
                                __ATOMIC_RELAXED);
}

static void echo(server *s, plait_channel channel) {
    size_t len;
    while (plait_channel_read(s->node, channel, message, sizeof message, &len) == PLAIT_OK)
        check(plait_channel_send(s->node, channel, message, len, NULL), "echo");
}

static void answer_stats(server *s, plait_channel channel) {
    plait_node_stats node = {.struct_size = sizeof node};
    server_stats out = {0};
    size_t len;
    while (plait_channel_read(s->node, channel, message, sizeof message, &len) == PLAIT_OK) {
        const uint64_t begun = cpu_us();
        check(plait_node_get_stats(s->node, &node), "stats");
        out.connections = node.connections;
        out.connections_total = node.connections_total;
        out.malloc_bytes = malloc_bytes();
        out.rss_bytes = rss_bytes();
        out.cpu_us = begun - __atomic_load_n(&s->looking_us, __ATOMIC_RELAXED);
        out.system_us = system_us();
        __atomic_fetch_add(&s->looking_us, cpu_us() - begun, __ATOMIC_RELAXED);
        out.sink_bytes = __atomic_exchange_n(&s->sink_bytes, 0, __ATOMIC_RELAXED);
        out.sink_first_us = __atomic_exchange_n(&s->sink_first_us, 0, __ATOMIC_RELAXED);
        out.sink_last_us = __atomic_exchange_n(&s->sink_last_us, 0, __ATOMIC_RELAXED);
        out.packets_received = node.datagrams_received;
        out.packets_sent = node.datagrams_sent;
        out.bytes_received = node.bytes_received;
        out.retries = node.retries_sent;
        check(plait_channel_send(s->node, channel, &out, sizeof out, NULL), "answer");
    }
}

static void on_event(server *s, const plait_event *e) {
    switch (e->type) {
    case PLAIT_EVENT_CHANNEL_REQUEST: accept_channel(s, e->channel); break;
    case PLAIT_EVENT_READABLE:
        if (e->token == kSink)
            sink(s, e->channel);
        else if (e->token == kEcho)
            echo(s, e->channel);
        else if (e->token == kStats)
            answer_stats(s, e->channel);
        break;
    case PLAIT_EVENT_CHANNEL_CLOSED: plait_channel_close(s->node, e->channel); break;
    case PLAIT_EVENT_CLOSED: plait_connection_close(s->node, e->connection, 0, NULL); break;
    default: break;
    }
}

static void on_any_event(plait_node *node, const plait_event *event, void *user) {
    (void)node;
    on_event(user, event);
}

int perf_server(const perf_options *options) {
    static server s;
    plait_event events[kEventsAtOnce];
    char id_text[PLAIT_ID_TEXT_SIZE], address[kAddressMax];
    plait_endpoint endpoint;
    plait_id id;
    size_t got;
    s.node = new_node(options->busy_poll_us, options->workers, 0, options->channels);
    check(plait_endpoint_open(s.node, options->listen, NULL, &endpoint), options->listen);
    check(plait_endpoint_uri(s.node, endpoint, address, sizeof address, NULL), "address");
    check(plait_node_id(s.node, &id), "id");
    check(plait_id_format(&id, id_text, sizeof id_text), "id");
    check(plait_node_listen(s.node, NULL), "listen");
    printf("{\"id\": \"%s\", \"address\": \"%s\"}\n", id_text, address);
    fflush(stdout);
    const uint64_t end =
        options->seconds > 0 ? now_us() + (uint64_t)(options->seconds * 1e6) : UINT64_MAX;
    if (options->workers != 0) {
        check(plait_node_start(s.node, on_any_event, &s), "start");
        while (now_us() < end)
            sleep(end == UINT64_MAX ? UINT_MAX : 1); /* nothing wakes an idle server for nothing */
    }
    while (now_us() < end) {
        const int left = end == UINT64_MAX ? -1 : (int)((end - now_us()) / 1000) + 1;
        check(plait_node_wait(s.node, events, kEventsAtOnce, &got, left), "wait");
        for (size_t i = 0; i < got; i++)
            on_event(&s, &events[i]);
    }
    return 0;
}
