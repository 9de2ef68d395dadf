/* SPDX-License-Identifier: Apache-2.0 */
/* The ten-line program: connects two nodes over memory, sends, reads. Built with nothing but what
 * pkg-config says of the installed library. */
#include <plait/plait.h>
#include <stdio.h>
#include <string.h>

#define TRY(call) \
    if ((call) != PLAIT_OK) \
        return fprintf(stderr, "%s: %s\n", #call, plait_error_detail()), 1

int main(void) {
    plait_identity *me, *other;
    plait_node *a, *z;
    plait_endpoint at_a, at_z;
    plait_connection to_z, to_a;
    plait_channel out, in;
    plait_id id;
    char text[PLAIT_ID_TEXT_SIZE], got[16] = "";
    size_t n;
    TRY(plait_identity_new(&me));
    TRY(plait_identity_new(&other));
    TRY(plait_node_new(me, NULL, &a));
    TRY(plait_node_new(other, NULL, &z));
    TRY(plait_endpoint_open(a, "memory://a", NULL, &at_a));
    TRY(plait_endpoint_open(z, "memory://z", NULL, &at_z));
    TRY(plait_node_listen(z, NULL));
    TRY(plait_node_start(z, NULL, NULL));
    TRY(plait_node_id(z, &id));
    TRY(plait_id_format(&id, text, sizeof text));
    TRY(plait_connect_wait(a, text, "memory://z", NULL, 5000, &to_z));
    TRY(plait_channel_open(a, to_z, "hello", NULL, &out));
    TRY(plait_channel_write_all(a, out, "hello\n", 6, 5000));
    TRY(plait_node_start(a, NULL, NULL));
    TRY(plait_accept_wait(z, 5000, &to_a));
    TRY(plait_channel_accept_wait(z, to_a, NULL, 5000, &in));
    TRY(plait_channel_read_wait(z, in, got, sizeof got - 1, &n, 5000));
    plait_node_free(a);
    plait_node_free(z);
    plait_identity_free(me);
    plait_identity_free(other);
    fputs(got, stdout);
    return strcmp(got, "hello\n") != 0;
}
