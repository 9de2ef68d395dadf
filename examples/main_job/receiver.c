/* SPDX-License-Identifier: Apache-2.0 */
/* The receiver: one node that listens on three endpoints, takes the file and answers pings. */
#include "job.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { EVENTS = 64, SLICES = 32, PING_MAX = 64 };

struct receiver {
    plait_node *node;
    plait_connection peer;
    plait_channel file;
    int file_fd;
    int done, closed;
    crypto_generichash_state hash;
    uint64_t last_bytes_us; /* when new bytes came last */
    uint64_t next_report_us;
    struct report report;
};

static void note_progress(struct receiver *r, size_t bytes) {
    uint64_t now = plait_node_now_us(r->node);
    uint64_t stall = r->report.bytes > 0 ? now - r->last_bytes_us : 0;
    if (stall > r->report.longest_stall_us)
        r->report.longest_stall_us = stall;
    r->last_bytes_us = now;
    r->report.bytes += bytes;
}

static void keep(struct receiver *r, const plait_slice *slice) {
    crypto_generichash_update(&r->hash, slice->data, slice->len);
    for (size_t at = 0; r->file_fd >= 0 && at < slice->len;) {
        ssize_t n = write(r->file_fd, (const char *)slice->data + at, slice->len - at);
        if (n <= 0)
            peer_fail("the file cannot be written");
        at += (size_t)n;
    }
}

/* The bytes are used where they lie; consuming them makes room for the sender. */
static void read_file(struct receiver *r) {
    plait_slice slices[SLICES];
    size_t count;
    plait_status status;
    while ((status = plait_channel_peek(r->node, r->file, slices, SLICES, &count)) == PLAIT_OK) {
        size_t bytes = 0;
        for (size_t i = 0; i < count; i++) {
            keep(r, &slices[i]);
            bytes += slices[i].len;
        }
        peer_check(plait_channel_consume(r->node, r->file, bytes), "consume");
        note_progress(r, bytes);
    }
    if (status == PLAIT_E_END && !r->done) {
        r->done = 1;
        crypto_generichash_final(&r->hash, r->report.hash, sizeof r->report.hash);
        r->report.kind = REPORT_DONE;
        plait_channel_finish(r->node, r->file); /* nothing goes the other way */
    } else if (status != PLAIT_E_AGAIN && status != PLAIT_E_END) {
        peer_check(status, "reading the file");
    }
}

static void answer_pings(struct receiver *r, plait_channel channel) {
    uint8_t ping[PING_MAX];
    size_t len;
    plait_status status;
    while ((status = plait_channel_read(r->node, channel, ping, sizeof ping, &len)) == PLAIT_OK)
        peer_check(plait_channel_send(r->node, channel, ping, len, NULL), "answering a ping");
    if (status == PLAIT_E_END)
        plait_channel_finish(r->node, channel);
}

static void accept_channel(struct receiver *r, plait_channel channel) {
    char label[16] = "";
    plait_channel_label(r->node, channel, label, sizeof label, NULL);
    if (strcmp(label, "file") == 0)
        r->file = channel;
    else if (strcmp(label, "ping") != 0) {
        plait_channel_refuse(r->node, channel, 1);
        return;
    }
    peer_check(plait_channel_accept(r->node, channel, NULL), "accepting a channel");
}

static void handle(struct receiver *r, const plait_event *e) {
    switch (e->type) {
    case PLAIT_EVENT_CONNECTED:
        r->peer = e->connection;
        break;
    case PLAIT_EVENT_CHANNEL_REQUEST:
        accept_channel(r, e->channel);
        break;
    case PLAIT_EVENT_READABLE:
        if (e->channel == r->file)
            read_file(r);
        else
            answer_pings(r, e->channel);
        break;
    case PLAIT_EVENT_CLOSED:
        if (!r->done)
            peer_fail("the connection ended early: %s", plait_status_text(e->status));
        r->closed = 1;
        break;
    default: /* links come and go; that is the library's business */
        break;
    }
}

static void listen_for_sender(struct receiver *r, const struct job_args *args) {
    plait_id id;
    for (int i = 0; i < 2; i++) {
        plait_endpoint udp = peer_endpoint(r->node, args->udp[i]);
        peer_check(plait_endpoint_uri(r->node, udp, r->report.uri[i], URI_MAX, NULL), "uri");
    }
    peer_endpoint(r->node, args->serial);
    peer_check(plait_node_listen(r->node, NULL), "listen");
    peer_check(plait_node_id(r->node, &id), "id");
    peer_check(plait_id_format(&id, r->report.id, sizeof r->report.id), "id");
    r->report.kind = REPORT_LISTENING;
    peer_report(r->node, PLAIT_NONE, &r->report);
    r->report.kind = REPORT_PROGRESS;
}

int run_receiver(const struct job_args *args) {
    struct receiver r = {.file_fd = args->file_fd};
    plait_event events[EVENTS];
    size_t got;
    peer_report_to(args->report_fd);
    crypto_generichash_init(&r.hash, NULL, 0, HASH_SIZE);
    r.node = peer_node();
    listen_for_sender(&r, args);
    while (!r.closed) {
        peer_check(plait_node_wait(r.node, events, EVENTS, &got, REPORT_MS), "wait");
        for (size_t i = 0; i < got; i++)
            handle(&r, &events[i]);
        if (plait_node_now_us(r.node) >= r.next_report_us) {
            peer_report(r.node, r.peer, &r.report);
            r.next_report_us = plait_node_now_us(r.node) + REPORT_MS * 1000;
        }
    }
    peer_report(r.node, r.peer, &r.report); /* the handle is not closed: getters still answer */
    plait_connection_close(r.node, r.peer, 0, NULL);
    peer_free();
    return 0;
}
