/* SPDX-License-Identifier: Apache-2.0 */
/* Pings beside bulk: one channel of the connection sends all that the line takes, another of a more
 * urgent class asks at fixed times, whatever has been answered. Over a line that is slower than the
 * processors this tells what of the bulk a ping waits for. */
#include "perf.h"

#include <stdlib.h>
#include <string.h>

enum { kPingUs = 2000, kPingsMax = 100000, kSink = 1, kEcho = 2, kUrgent = 1 };

typedef struct beside {
    perf_peer peer;
    plait_channel sink, echo;
    uint8_t *message;
    size_t size;
    uint64_t *times;
    size_t sent, answered;
} beside;

static uint8_t source[kChunk];

static void fill(const beside *b) {
    size_t n;
    plait_status status;
    do
        status = plait_channel_send(b->peer.node, b->sink, source, sizeof source, &n);
    while (status == PLAIT_OK);
    if (status != PLAIT_E_AGAIN)
        check(status, "send");
}

/* A ping is the time at which it was due, and nothing. */
static void ping(beside *b, uint64_t due_ns) {
    memcpy(b->message, &due_ns, sizeof due_ns);
    check(plait_channel_send(b->peer.node, b->echo, b->message, b->size, NULL), "ping");
    b->sent++;
}

static void read_answers(beside *b) {
    uint64_t due_ns;
    size_t len;
    while (plait_channel_read(b->peer.node, b->echo, b->message, b->size, &len) == PLAIT_OK) {
        memcpy(&due_ns, b->message, sizeof due_ns);
        b->times[b->answered++] = now_ns() - due_ns;
    }
}

static void turn(beside *b, int timeout_ms) {
    plait_event events[kEventsAtOnce];
    size_t got;
    check(plait_node_wait(b->peer.node, events, kEventsAtOnce, &got, timeout_ms), "wait");
    for (size_t i = 0; i < got; i++) {
        if (events[i].type == PLAIT_EVENT_WRITABLE && events[i].token == kSink)
            fill(b);
        else if (events[i].type == PLAIT_EVENT_READABLE && events[i].token == kEcho)
            read_answers(b);
    }
}

/* The line is full, and its controller has seen that, before the first ping. */
static void run(beside *b, double seconds) {
    const uint64_t begin = now_ns(), end = begin + (uint64_t)(seconds * 1e9);
    uint64_t due = begin + 1000000000u;
    for (uint64_t now = begin; now < end && b->sent < kPingsMax; now = now_ns()) {
        for (; now >= due; due += kPingUs * 1000u)
            ping(b, due);
        turn(b, (int)((due - now) / 1000000u));
    }
    for (int i = 0; b->answered < b->sent && i < kWaitMs; i++)
        turn(b, 1);
}

static void print(beside *b, const perf_options *options, double gbit_s) {
    plait_link_stats l = {.struct_size = sizeof l};
    plait_link link;
    size_t links;
    check(plait_connection_links(b->peer.node, b->peer.connection, &link, 1, &links), "links");
    check(plait_link_get_stats(b->peer.node, link, &l), "link");
    sort_numbers(b->times, b->answered);
    printf("{\"bench\": \"beside\", \"congestion\": \"%s\", \"size\": %u, \"pings\": %zu, "
           "\"unanswered\": %zu, \"p50_us\": %.2f, \"p99_us\": %.2f, \"max_us\": %.2f, "
           "\"gbit_s\": %.3f, \"lost\": %llu, \"rtt_us\": %llu, \"min_rtt_us\": %llu, "
           "\"cwnd\": %llu}\n",
           l.congestion == PLAIT_CONGESTION_BBR ? "bbr" : "cubic", options->size, b->answered,
           b->sent - b->answered, (double)b->times[b->answered / 2] * 1e-3,
           (double)b->times[b->answered * 99 / 100] * 1e-3,
           (double)b->times[b->answered - 1] * 1e-3, gbit_s, (unsigned long long)l.packets_lost,
           (unsigned long long)l.rtt_us, (unsigned long long)l.rtt_min_us,
           (unsigned long long)l.cwnd);
}

int perf_beside(const perf_options *options) {
    beside b = {.size = options->size < sizeof(uint64_t) ? sizeof(uint64_t) : options->size};
    plait_channel_config bulk = PLAIT_CHANNEL_STREAM, urgent = PLAIT_CHANNEL_MESSAGES;
    b.message = calloc(1, b.size);
    b.times = malloc(kPingsMax * sizeof *b.times);
    if (b.message == NULL || b.times == NULL)
        return 1;
    open_peer(options, &b.peer);
    bulk.one_way = 1;
    urgent.priority_class = kUrgent;
    b.sink = open_labelled(&b.peer, "sink", bulk, kSink);
    b.echo = open_labelled(&b.peer, "echo", urgent, kEcho);
    run(&b, options->seconds);
    const server_stats after = ask_stats(&b.peer);
    const double seconds = (double)(after.sink_last_us - after.sink_first_us) / 1e6;
    if (b.answered > 0)
        print(&b, options, (double)after.sink_bytes * 8e-9 / seconds);
    close_peer(&b.peer);
    free(b.times);
    free(b.message);
    return b.answered > 0 ? 0 : 1;
}
