/* SPDX-License-Identifier: Apache-2.0 */
/* A program with a poll loop of its own: to it a node is one more file descriptor, which covers
 * sockets and timers. Here two nodes and a timer share one loop; a pings z a few times.
 *
 *     cc own_loop.c -o own_loop $(pkg-config --cflags --libs plait)
 *
 * When the descriptor is readable call plait_node_dispatch: it does what is due, takes events, and
 * sends what your calls have caused. With more than EVENTS of them the descriptor stays readable.
 */
#define _POSIX_C_SOURCE 200809L
#include <plait/plait.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { EVENTS = 16, PINGS = 20, PING_MS = 20, PATIENCE_MS = 5000 };

static plait_channel channel; /* of a */
static unsigned sent, answered;
static uint64_t slowest_us;

static void check(plait_status status, const char *what) {
    if (status == PLAIT_OK)
        return;
    fprintf(stderr, "%s: %s: %s\n", what, plait_status_name(status), plait_error_detail());
    exit(1);
}

static plait_node *new_node(char *uri, size_t cap) {
    plait_identity *identity;
    plait_endpoint udp;
    plait_node *node;
    check(plait_identity_new(&identity), "identity");
    check(plait_node_new(identity, NULL, &node), "node");
    check(plait_endpoint_open(node, "udp://127.0.0.1:0", NULL, &udp), "endpoint");
    check(plait_endpoint_uri(node, udp, uri, cap, NULL), "address");
    plait_identity_free(identity);
    return node;
}

static void connect_to(plait_node *a, plait_node *z, const char *address) {
    plait_channel_config datagrams = PLAIT_CHANNEL_DATAGRAM;
    char id[PLAIT_ID_TEXT_SIZE];
    plait_connection peer;
    plait_id own;
    check(plait_node_listen(z, NULL), "listen");
    check(plait_node_id(z, &own), "id");
    check(plait_id_format(&own, id, sizeof id), "id");
    check(plait_connect(a, id, address, NULL, &peer), "connect");
    check(plait_channel_open(a, peer, "ping", &datagrams, &channel), "channel");
}

static void ping(plait_node *a) {
    uint64_t now = plait_node_now_us(a);
    if (plait_channel_send(a, channel, &now, sizeof now, NULL) == PLAIT_OK)
        sent++; /* else it is not connected yet: the next tick tries again */
}

static void read_pongs(plait_node *a) {
    uint64_t then;
    size_t len;
    while (plait_channel_read(a, channel, &then, sizeof then, &len) == PLAIT_OK) {
        uint64_t took = plait_node_now_us(a) - then;
        slowest_us = took > slowest_us ? took : slowest_us;
        answered++;
    }
}

static void answer(plait_node *z, plait_channel asked) {
    char message[64];
    size_t len;
    while (plait_channel_read(z, asked, message, sizeof message, &len) == PLAIT_OK)
        plait_channel_send(z, asked, message, len, NULL);
}

static void dispatch(plait_node *node, int is_a) {
    plait_event e[EVENTS];
    size_t got;
    check(plait_node_dispatch(node, e, EVENTS, &got), "dispatch");
    for (size_t i = 0; i < got; i++) {
        if (e[i].type == PLAIT_EVENT_CHANNEL_REQUEST)
            check(plait_channel_accept(node, e[i].channel, NULL), "accept");
        else if (e[i].type == PLAIT_EVENT_READABLE && is_a)
            read_pongs(node);
        else if (e[i].type == PLAIT_EVENT_READABLE)
            answer(node, e[i].channel);
        else if (e[i].type == PLAIT_EVENT_CLOSED && is_a)
            check(e[i].status, "the connection");
    }
}

int main(void) {
    char uri_a[128], uri_z[128];
    plait_node *a = new_node(uri_a, sizeof uri_a), *z = new_node(uri_z, sizeof uri_z);
    connect_to(a, z, uri_z);

    struct itimerspec every = {{0, PING_MS * 1000000L}, {0, PING_MS * 1000000L}};
    struct pollfd fds[3] = {{.events = POLLIN}, {.events = POLLIN}, {.events = POLLIN}};
    fds[0].fd = plait_node_fd(a);
    fds[1].fd = plait_node_fd(z);
    fds[2].fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    if (fds[0].fd < 0 || fds[1].fd < 0 || timerfd_settime(fds[2].fd, 0, &every, NULL) != 0)
        return 1;

    uint64_t start = plait_node_now_us(a);
    while (answered < PINGS && plait_node_now_us(a) - start < PATIENCE_MS * 1000) {
        poll(fds, 3, PATIENCE_MS);
        if (fds[2].revents != 0) {
            uint64_t ticks;
            (void)!read(fds[2].fd, &ticks, sizeof ticks);
            ping(a);
        }
        if (fds[0].revents != 0)
            dispatch(a, 1);
        if (fds[1].revents != 0)
            dispatch(z, 0);
    }
    printf("%u pings, %u answered, the slowest after %llu us\n", sent, answered,
           (unsigned long long)slowest_us);
    close(fds[2].fd);
    plait_node_free(a);
    plait_node_free(z);
    return answered >= PINGS ? 0 : 1;
}
