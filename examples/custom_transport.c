/* SPDX-License-Identifier: Apache-2.0 */
/* Two nodes that talk over a transport of one's own: transports/pigeon.c, a plugin in one file. It
 * knows nothing of plait but <plait/transport.h>, and plait nothing of it until it is loaded.
 *
 *     cc -shared -fPIC transports/pigeon.c -o pigeon.so $(pkg-config --cflags plait)
 *     cc custom_transport.c -o custom_transport $(pkg-config --cflags --libs plait)
 *     ./custom_transport ./pigeon.so
 *
 * A plugin that is called NAME.so and lies in the plugin folder (plait_node_config.transport_path)
 * needs no plait_node_load_transport: opening "NAME://…" finds it.
 */
#define _POSIX_C_SOURCE 200809L
#include <plait/plait.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WAIT_MS = 5000, SIZE = 1 << 20 };

static char folder[] = "/tmp/plait-pigeons-XXXXXX";

static void check(plait_status status, const char *what) {
    if (status == PLAIT_OK)
        return;
    fprintf(stderr, "%s: %s: %s\n", what, plait_status_name(status), plait_error_detail());
    rmdir(folder);
    exit(1);
}

/* A node with one endpoint, a loft in the folder. */
static plait_node *new_node(const char *plugin, const char *loft, char *uri, size_t cap) {
    plait_identity *identity;
    plait_endpoint endpoint;
    plait_node *node;
    check(plait_identity_new(&identity), "identity");
    check(plait_node_new(identity, NULL, &node), "node");
    plait_identity_free(identity);
    check(plait_node_load_transport(node, plugin), "loading the plugin");
    snprintf(uri, cap, "pigeon://%s/%s", folder, loft);
    check(plait_endpoint_open(node, uri, NULL, &endpoint), "opening an endpoint");
    return node;
}

/* The listening node sends back what it gets, on the library's thread. It reads straight into the
 * memory from which it sends, and no more than there is room for: that holds the sender up. */
static void on_event(plait_node *node, const plait_event *event, void *user) {
    void *space;
    size_t room, len;
    (void)user;
    if (event->type == PLAIT_EVENT_CHANNEL_REQUEST)
        plait_channel_accept(node, event->channel, NULL);
    if (event->type != PLAIT_EVENT_READABLE && event->type != PLAIT_EVENT_WRITABLE)
        return;
    while (plait_channel_reserve(node, event->channel, 1, &space, &room) == PLAIT_OK) {
        plait_status status = plait_channel_read(node, event->channel, space, room, &len);
        plait_channel_commit(node, event->channel, status == PLAIT_OK ? len : 0);
        if (status == PLAIT_E_END)
            plait_channel_finish(node, event->channel);
        if (status != PLAIT_OK)
            return;
    }
}

/* Sends SIZE bytes and reads them back; gives how many were wrong or missing. */
static size_t send_and_compare(plait_node *node, plait_channel channel) {
    static unsigned char out[SIZE], in[SIZE];
    size_t got = 0, len, taken, sent = 0;
    for (size_t i = 0; i < SIZE; i++)
        out[i] = (unsigned char)(i * 7 + (i >> 8));
    while (got < SIZE) {
        if (sent < SIZE) {
            plait_status s = plait_channel_send(node, channel, out + sent, SIZE - sent, &taken);
            check(s == PLAIT_E_AGAIN ? PLAIT_OK : s, "send");
            sent += taken;
        }
        check(plait_channel_read_wait(node, channel, in + got, SIZE - got, &len, WAIT_MS), "read");
        got += len;
    }
    size_t wrong = 0;
    for (size_t i = 0; i < SIZE; i++)
        wrong += in[i] != out[i];
    return wrong;
}

int main(int argc, char **argv) {
    const char *plugin = argc > 1 ? argv[1] : "./pigeon.so";
    char uri_a[128], uri_z[128], id[PLAIT_ID_TEXT_SIZE];
    plait_connection peer;
    plait_channel channel;
    plait_id own;
    if (mkdtemp(folder) == NULL)
        return 1;
    plait_node *a = new_node(plugin, "a", uri_a, sizeof uri_a);
    plait_node *z = new_node(plugin, "z", uri_z, sizeof uri_z);
    check(plait_node_id(z, &own), "id");
    check(plait_id_format(&own, id, sizeof id), "id");
    check(plait_node_listen(z, NULL), "listen");
    check(plait_node_start(z, on_event, NULL), "start");

    check(plait_connect_wait(a, id, uri_z, NULL, WAIT_MS, &peer), "connect");
    check(plait_channel_open(a, peer, "letters", NULL, &channel), "channel");
    size_t wrong = send_and_compare(a, channel);
    printf("%d bytes went by pigeon to %s and came back, %zu of them wrong\n", SIZE, uri_z, wrong);

    plait_node_free(a);
    plait_node_free(z);
    rmdir(folder);
    return wrong == 0 ? 0 : 1;
}
