/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the C ABI share: two nodes, a and z, in one process and one thread, joined by
 * the memory transport, and a way to wait for events of either. */
#ifndef PLAIT_TESTS_ABI_H
#define PLAIT_TESTS_ABI_H

#include <plait/plait.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The status, and on the wrong one the detail text too. */
#define assert_status(call, expected)                                                              \
    do {                                                                                           \
        const plait_status status_ = (call);                                                       \
        if (status_ != (expected))                                                                 \
            fail_msg("%s: %s (%s), expected %s", #call, plait_status_name(status_),                \
                     plait_error_detail(), plait_status_name(expected));                           \
    } while (0)
#define assert_ok(call) assert_status(call, PLAIT_OK)
#define assert_detail_has(part)                                                                    \
    do {                                                                                           \
        if (strstr(plait_error_detail(), (part)) == NULL)                                          \
            fail_msg("\"%s\" is not in \"%s\"", (part), plait_error_detail());                     \
    } while (0)

enum { INBOX = 512, WORKERS = 2 };

typedef struct side {
    plait_identity *identity;
    plait_node *node;
    plait_endpoint endpoint;
    plait_connection connection;
    char id[PLAIT_ID_TEXT_SIZE];
    char uri[128];
    plait_event inbox[INBOX];
    size_t waiting;
} side;

typedef struct pair {
    side a, z; /* a connects to z */
} pair;

/* A node configuration whose plugins are found in the build tree. */
plait_node_config test_config(void);
/* A node with an endpoint; uri NULL: memory:// and a name of its own. */
void side_open(side *s, const char *uri);
void side_close(side *s);
/* A started node with several workers, events by plait_node_wait. identity NULL: a new one. */
void side_open_crew(side *s, plait_identity *identity, const char *uri);
/* Whose a handle is. */
int worker_of(uint64_t handle);
/* How many connections a node has, without handshakes under way: one that the other side has given
 * up, as when both dial, is there until its time is over. */
uint32_t side_connections(plait_node *node);

/* Fixtures for cmocka: two nodes; two connected nodes. */
int pair_set_up(void **state);
int pair_set_up_connected(void **state);
int pair_tear_down(void **state);

/* Lets both nodes work. */
void pair_pump(pair *p);
/* The next event of a type at one side, letting both work until it comes; events of other types
 * stay for later. Fails the test after some seconds. */
plait_event pair_expect(pair *p, side *s, uint32_t type);
/* Whether one is there, without waiting. */
bool side_has(side *s, uint32_t type);
/* Lets both work for as long as anything happens. */
void pair_settle(pair *p);
/* Opens a channel at a and accepts it at z. */
void pair_channel(pair *p, const plait_channel_config *config, plait_channel *at_a,
                  plait_channel *at_z);
/* Reads at z exactly len bytes. */
void pair_read(pair *p, side *s, plait_channel channel, void *to, size_t len);
/* A new node at a, with an endpoint as of side_open, connects to z. */
void pair_connect_new(pair *p, const char *uri);
/* Says hello from a to z over a new channel of the connection. */
void pair_hello(pair *p);
/* Waits until a side has so many connections, and none that is closing. */
void pair_expect_connections(pair *p, side *s, uint32_t count);

#endif
