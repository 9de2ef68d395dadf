/* SPDX-License-Identifier: Apache-2.0 */
/* One connection over two links. In the middle of a transfer one of them goes away; the transfer
 * does not notice.
 *
 *     cc two_links.c -o two_links $(pkg-config --cflags --libs plait)
 *
 * Both nodes live in this program and both loops run on this thread: each is given a turn in
 * plait_node_wait. The links are two UDP sockets here; a serial line would be
 * "serial:///dev/ttyUSB0?baud=921600" and NULL for the address. examples/run shows that, between
 * two processes, and with cables that are pulled without anybody being told.
 */
#include <plait/plait.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EVENTS = 16, TOTAL = 32 << 20, DEADLINE_US = 30000000 };

static plait_node *a, *z; /* a sends to z */
static plait_endpoint a_endpoint[2];
static plait_connection a_peer;
static plait_channel a_file;
static size_t sent, received, wrong;
static int ended;

static void check(plait_status status, const char *what) {
    if (status == PLAIT_OK)
        return;
    fprintf(stderr, "%s: %s: %s\n", what, plait_status_name(status), plait_error_detail());
    exit(1);
}

static plait_node *new_node(void) {
    plait_identity *identity;
    plait_node *node;
    check(plait_identity_new(&identity), "identity");
    check(plait_node_new(identity, NULL, &node), "node");
    plait_identity_free(identity);
    return node;
}

/* The n-th byte of what is sent, so that z can tell whether it is right. */
static unsigned char byte_at(size_t n) {
    return (unsigned char)(n * 131 + (n >> 8) * 17 + (n >> 16));
}

static void send_more(void) {
    while (sent < TOTAL) {
        void *space;
        size_t room;
        plait_status status = plait_channel_reserve(a, a_file, 1, &space, &room);
        if (status == PLAIT_E_AGAIN)
            return; /* WRITABLE tells when to go on */
        check(status, "reserve");
        size_t n = room < TOTAL - sent ? room : TOTAL - sent;
        for (size_t i = 0; i < n; i++)
            ((unsigned char *)space)[i] = byte_at(sent + i);
        check(plait_channel_commit(a, a_file, n), "commit");
        sent += n;
        if (sent == TOTAL)
            check(plait_channel_finish(a, a_file), "finish");
    }
}

static void read_all(plait_channel channel) {
    static unsigned char buf[65536];
    size_t n;
    plait_status status;
    while ((status = plait_channel_read(z, channel, buf, sizeof buf, &n)) == PLAIT_OK)
        for (size_t i = 0; i < n; i++)
            wrong += buf[i] != byte_at(received++);
    ended |= status == PLAIT_E_END;
}

static void turn(plait_node *node) {
    plait_event e[EVENTS];
    size_t got;
    check(plait_node_wait(node, e, EVENTS, &got, 1), "wait");
    for (size_t i = 0; i < got; i++) {
        if (e[i].type == PLAIT_EVENT_CHANNEL_REQUEST)
            check(plait_channel_accept(node, e[i].channel, NULL), "accept");
        else if (e[i].type == PLAIT_EVENT_WRITABLE && e[i].channel == a_file && node == a)
            send_more();
        else if (e[i].type == PLAIT_EVENT_READABLE && node == z)
            read_all(e[i].channel);
        else if (e[i].type == PLAIT_EVENT_LINK_STATE && node == a && e[i].a == PLAIT_LINK_GOOD)
            printf("a link works\n");
        else if (e[i].type == PLAIT_EVENT_LINK_CLOSED && node == a)
            printf("a link is gone, with %zu of %d bytes received\n", received, TOTAL);
        else if (e[i].type == PLAIT_EVENT_CLOSED)
            check(e[i].status == PLAIT_OK ? PLAIT_E_CLOSED : e[i].status, "the connection");
    }
}

static void connect_over_two_links(void) {
    static const char *const kLocal[2] = {"udp://127.0.0.1:0", "udp://127.0.0.2:0"};
    char id[PLAIT_ID_TEXT_SIZE], address[2][128];
    plait_connect_config config = PLAIT_CONNECT_CONFIG_INIT;
    plait_id own;
    for (int i = 0; i < 2; i++) {
        plait_endpoint at_z;
        check(plait_endpoint_open(z, kLocal[i], NULL, &at_z), kLocal[i]);
        check(plait_endpoint_uri(z, at_z, address[i], sizeof address[i], NULL), "address");
        check(plait_endpoint_open(a, kLocal[i], NULL, &a_endpoint[i]), kLocal[i]);
    }
    check(plait_node_listen(z, NULL), "listen");
    check(plait_node_id(z, &own), "id");
    check(plait_id_format(&own, id, sizeof id), "id");
    config.endpoint = a_endpoint[0];
    check(plait_connect(a, id, address[0], &config, &a_peer), "connect");
    check(plait_connection_add_link(a, a_peer, a_endpoint[1], address[1], NULL), "second link");
    check(plait_channel_open(a, a_peer, "file", NULL, &a_file), "channel");
}

int main(void) {
    a = new_node();
    z = new_node();
    connect_over_two_links();
    uint64_t start = plait_node_now_us(a);
    while (!ended && plait_node_now_us(a) - start < DEADLINE_US) {
        turn(a);
        turn(z);
        if (received > TOTAL / 3 && a_endpoint[0] != PLAIT_NONE) {
            check(plait_endpoint_close(a, a_endpoint[0]), "closing an endpoint");
            a_endpoint[0] = PLAIT_NONE;
        }
    }
    double seconds = (double)(plait_node_now_us(a) - start) / 1e6;
    printf("%zu of %d bytes, %zu of them wrong, in %.2f s\n", received, TOTAL, wrong, seconds);
    plait_node_free(a);
    plait_node_free(z);
    return ended && received == TOTAL && wrong == 0 ? 0 : 1;
}
