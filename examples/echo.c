/* SPDX-License-Identifier: Apache-2.0 */
/* Two nodes in one program: one echoes every message, the other asks it.
 *
 *     cc echo.c -o echo $(pkg-config --cflags --libs plait)
 *
 * The echoing node is driven by events, on a thread of the library (plait_node_start). The asking
 * node needs no events: it uses the calls that wait. Between two computers it is the same code; the
 * asking side then has to be told the other's id and address.
 */
#include <plait/plait.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WAIT_MS = 5000, MESSAGE_MAX = 4096 };

/* The status is for the program, the detail for the person. */
static void check(plait_status status, const char *what) {
    if (status == PLAIT_OK)
        return;
    fprintf(stderr, "%s: %s: %s\n", what, plait_status_name(status), plait_error_detail());
    exit(1);
}

static plait_node *new_node(void) {
    plait_identity *identity;
    plait_node *node;
    check(plait_identity_new(&identity), "identity"); /* or plait_identity_load_or_new(path, …) */
    check(plait_node_new(identity, NULL, &node), "node");
    plait_identity_free(identity); /* the node has its own copy */
    return node;
}

/* Reads until there is nothing more: what is left is not told a second time. */
static void echo(plait_node *node, plait_channel channel) {
    char message[MESSAGE_MAX];
    size_t len;
    plait_status status;
    while ((status = plait_channel_read(node, channel, message, sizeof message, &len)) == PLAIT_OK)
        check(plait_channel_send(node, channel, message, len, NULL), "echo");
    if (status == PLAIT_E_END)
        plait_channel_finish(node, channel); /* the other side has finished: so do we */
}

static void on_event(plait_node *node, const plait_event *event, void *user) {
    (void)user;
    switch (event->type) {
    case PLAIT_EVENT_CHANNEL_REQUEST:
        plait_channel_accept(node, event->channel, NULL);
        break;
    case PLAIT_EVENT_READABLE:
        echo(node, event->channel);
        break;
    case PLAIT_EVENT_CLOSED:
        plait_connection_close(node, event->connection, 0, NULL); /* gives the handle back */
        break;
    default: /* ignore what you do not need, and what you do not know */
        break;
    }
}

/* Starts the echoing node; gives what others have to know of it. */
static plait_node *start_echo(char id[PLAIT_ID_TEXT_SIZE], char *address, size_t cap) {
    plait_node *node = new_node();
    plait_endpoint udp;
    plait_id own;
    check(plait_endpoint_open(node, "udp://127.0.0.1:0", NULL, &udp), "endpoint");
    check(plait_endpoint_uri(node, udp, address, cap, NULL), "its address");
    check(plait_node_listen(node, NULL), "listen"); /* everyone who knows the id may connect */
    check(plait_node_id(node, &own), "id");
    check(plait_id_format(&own, id, PLAIT_ID_TEXT_SIZE), "id");
    check(plait_node_start(node, on_event, NULL), "start");
    return node;
}

static void ask(plait_node *node, plait_channel channel, const char *text) {
    char answer[MESSAGE_MAX];
    size_t len;
    uint64_t start = plait_node_now_us(node);
    check(plait_channel_write_all(node, channel, text, strlen(text), WAIT_MS), "send");
    check(plait_channel_read_wait(node, channel, answer, sizeof answer, &len, WAIT_MS), "read");
    printf("\"%.*s\" after %llu us\n", (int)len, answer,
           (unsigned long long)(plait_node_now_us(node) - start));
    if (len != strlen(text) || memcmp(answer, text, len) != 0) {
        fprintf(stderr, "that is not what was sent\n");
        exit(1);
    }
}

int main(void) {
    static const char *const kTexts[] = {"hello", "is there an echo?", "good-bye"};
    char id[PLAIT_ID_TEXT_SIZE], address[128];
    plait_endpoint udp;
    plait_connection peer;
    plait_channel channel;
    plait_channel_config config = PLAIT_CHANNEL_MESSAGES;

    plait_node *server = start_echo(id, address, sizeof address);
    printf("node %s listens at %s\n", id, address);

    plait_node *client = new_node();
    check(plait_endpoint_open(client, "udp://127.0.0.1:0", NULL, &udp), "endpoint");
    check(plait_connect_wait(client, id, address, NULL, WAIT_MS, &peer), "connect");
    check(plait_channel_open(client, peer, "echo", &config, &channel), "channel");
    for (size_t i = 0; i < sizeof kTexts / sizeof *kTexts; i++)
        ask(client, channel, kTexts[i]);
    check(plait_channel_finish_wait(client, channel, WAIT_MS), "finish");

    plait_node_free(client); /* tells the peer */
    plait_node_free(server);
    return 0;
}
