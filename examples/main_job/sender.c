/* SPDX-License-Identifier: Apache-2.0 */
/* The sender: one node that connects over three links, sends the file through one channel and
 * pings through another. */
#include "job.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EVENTS = 64, PIECE = 64 * 1024, PINGS_MAX = 1 << 16 };

struct ping {
    uint64_t number, sent_us;
};

struct sender {
    plait_node *node;
    plait_connection peer;
    plait_channel file, ping;
    const struct job_args *args;
    int connected, file_finished, file_acked, closing, closed;
    crypto_generichash_state hash;
    uint64_t start_us, next_ping_us, next_report_us;
    uint32_t *round_trips; /* of pings, PINGS_MAX of them */
    struct report report;
};

/* How many bytes of the file may have been read by now; more than it has, if it may end. */
static uint64_t allowance(const struct sender *s) {
    uint64_t passed = plait_node_now_us(s->node) - s->start_us;
    if (passed >= s->args->hold_us)
        return UINT64_MAX;
    return (uint64_t)((double)s->args->file_size * (double)passed / (double)s->args->hold_us);
}

static void finish_file(struct sender *s) {
    if (s->report.bytes != s->args->file_size)
        peer_fail("the file has changed its size");
    crypto_generichash_final(&s->hash, s->report.hash, sizeof s->report.hash);
    peer_check(plait_channel_finish(s->node, s->file), "finish");
    s->file_finished = 1;
}

/* Reads the file straight into the memory from which it will be sent, while there is room. */
static void send_file(struct sender *s) {
    uint64_t allowed = allowance(s);
    while (s->connected && !s->file_finished && s->report.bytes < allowed) {
        void *space;
        size_t room;
        size_t want = allowed - s->report.bytes < PIECE ? (size_t)(allowed - s->report.bytes)
                                                        : PIECE;
        plait_status status = plait_channel_reserve(s->node, s->file, 1, &space, &room);
        if (status == PLAIT_E_AGAIN)
            return; /* WRITABLE will tell */
        peer_check(status, "reserve");
        ssize_t n = read(s->args->file_fd, space, room < want ? room : want);
        if (n < 0)
            peer_fail("the file cannot be read");
        crypto_generichash_update(&s->hash, space, (size_t)n);
        peer_check(plait_channel_commit(s->node, s->file, (size_t)n), "commit");
        s->report.bytes += (uint64_t)n;
        if (n == 0)
            finish_file(s);
    }
}

static void send_ping(struct sender *s, uint64_t now) {
    struct ping ping = {s->report.pings_sent, now};
    if (s->file_acked || s->report.pings_sent == PINGS_MAX)
        return;
    plait_status status = plait_channel_send(s->node, s->ping, &ping, sizeof ping, NULL);
    if (status == PLAIT_OK)
        s->report.pings_sent++;
    else if (status != PLAIT_E_AGAIN) /* no room: this one is left out */
        peer_check(status, "ping");
}

static void read_pongs(struct sender *s) {
    struct ping pong;
    size_t len;
    plait_status status;
    while ((status = plait_channel_read(s->node, s->ping, &pong, sizeof pong, &len)) == PLAIT_OK) {
        if (len != sizeof pong || pong.number != s->report.pings_answered)
            peer_fail("ping %llu came back as %llu",
                      (unsigned long long)s->report.pings_answered,
                      (unsigned long long)pong.number);
        s->report.ping_last_us = plait_node_now_us(s->node) - pong.sent_us;
        s->round_trips[s->report.pings_answered++] = (uint32_t)s->report.ping_last_us;
    }
    if (status != PLAIT_E_AGAIN && status != PLAIT_E_END)
        peer_check(status, "reading pings");
}

static int compare(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void sum_up_pings(struct sender *s) {
    uint64_t n = s->report.pings_answered;
    if (n == 0)
        return;
    qsort(s->round_trips, n, sizeof *s->round_trips, compare);
    s->report.ping_p50_us = s->round_trips[n / 2];
    s->report.ping_p99_us = s->round_trips[n * 99 / 100];
    s->report.ping_max_us = s->round_trips[n - 1];
}

/* The file is in the peer's hands and every ping has come back: say so and go. */
static void close_when_done(struct sender *s) {
    if (s->closing || !s->file_acked || s->report.pings_answered < s->report.pings_sent)
        return;
    sum_up_pings(s);
    s->report.kind = REPORT_DONE;
    peer_report(s->node, s->peer, &s->report);
    peer_check(plait_connection_close(s->node, s->peer, 0, "done"), "close");
    s->closing = 1;
}

static void handle(struct sender *s, const plait_event *e) {
    switch (e->type) {
    case PLAIT_EVENT_CONNECTED:
        s->connected = 1;
        s->start_us = s->next_ping_us = plait_node_now_us(s->node);
        break;
    case PLAIT_EVENT_READABLE:
        if (e->channel == s->ping)
            read_pongs(s);
        break;
    case PLAIT_EVENT_FINISHED:
        if (e->channel == s->file)
            s->file_acked = 1;
        break;
    case PLAIT_EVENT_CHANNEL_CLOSED:
        if (!s->closing && e->status != PLAIT_OK)
            peer_fail("a channel ended early: %s", plait_status_text(e->status));
        break;
    case PLAIT_EVENT_CLOSED:
        if (!s->closing)
            peer_fail("the connection ended early: %s", plait_status_text(e->status));
        s->closed = 1;
        break;
    default: /* WRITABLE: send_file is called in each turn anyway */
        break;
    }
}

static void connect_to_receiver(struct sender *s, const struct job_args *args) {
    plait_channel_config file = PLAIT_CHANNEL_STREAM;
    plait_channel_config ping = PLAIT_CHANNEL_MESSAGES;
    plait_endpoint first = peer_endpoint(s->node, args->local[0]);
    plait_endpoint second = peer_endpoint(s->node, args->local[1]);
    plait_endpoint serial = peer_endpoint(s->node, args->serial);
    plait_connect_config config = PLAIT_CONNECT_CONFIG_INIT;
    config.endpoint = first;
    peer_check(plait_connect(s->node, args->id, args->udp[0], &config, &s->peer), "connect");
    peer_check(plait_connection_add_link(s->node, s->peer, second, args->udp[1], NULL), "link 2");
    peer_check(plait_connection_add_link(s->node, s->peer, serial, NULL, NULL), "link 3");
    ping.priority_class = 1; /* the most urgent: they go before the file */
    peer_check(plait_channel_open(s->node, s->peer, "file", &file, &s->file), "file channel");
    peer_check(plait_channel_open(s->node, s->peer, "ping", &ping, &s->ping), "ping channel");
}

/* What this program does by the clock. Returns the milliseconds until it wants to be called. */
static int work(struct sender *s) {
    uint64_t now = plait_node_now_us(s->node);
    if (s->connected && now >= s->next_ping_us) {
        send_ping(s, now);
        s->next_ping_us += PING_MS * 1000;
    }
    if (now >= s->next_report_us) {
        peer_report(s->node, s->peer, &s->report);
        s->next_report_us = now + REPORT_MS * 1000;
    }
    send_file(s);
    close_when_done(s);
    if (!s->connected)
        return REPORT_MS;
    now = plait_node_now_us(s->node);
    return s->next_ping_us > now ? (int)((s->next_ping_us - now + 999) / 1000) : 0;
}

int run_sender(const struct job_args *args) {
    struct sender s = {.args = args, .report = {.kind = REPORT_PROGRESS}};
    plait_event events[EVENTS];
    size_t got;
    peer_report_to(args->report_fd);
    crypto_generichash_init(&s.hash, NULL, 0, HASH_SIZE);
    s.round_trips = calloc(PINGS_MAX, sizeof *s.round_trips);
    if (s.round_trips == NULL)
        peer_fail("out of memory");
    s.node = peer_node();
    connect_to_receiver(&s, args);
    while (!s.closed) {
        peer_check(plait_node_wait(s.node, events, EVENTS, &got, work(&s)), "wait");
        for (size_t i = 0; i < got; i++)
            handle(&s, &events[i]);
    }
    plait_connection_close(s.node, s.peer, 0, NULL);
    peer_free();
    free(s.round_trips);
    return 0;
}
