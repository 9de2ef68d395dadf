/* SPDX-License-Identifier: Apache-2.0 */
/* The calls that wait: a server on a thread of its own, both without any event loop. */
#include "abi.h"

#include <pthread.h>

typedef struct server {
    side s;
    plait_status result;
    size_t received;
} server;

/* No cmocka on this thread. */
static void *serve(void *user) {
    server *v = user;
    plait_connection c;
    plait_channel channel;
    char buf[4096];
    size_t n;
    plait_status status = plait_accept_wait(v->s.node, 5000, &c);
    if (status == PLAIT_OK) {
        status = plait_channel_accept_wait(v->s.node, c, NULL, 5000, &channel);
    }
    while (status == PLAIT_OK) {
        status = plait_channel_read_wait(v->s.node, channel, buf, sizeof buf, &n, 5000);
        if (status == PLAIT_OK) {
            v->received += n;
            status = plait_channel_write_all(v->s.node, channel, buf, n, 5000);
        }
    }
    if (status == PLAIT_E_END) {
        status = plait_channel_finish_wait(v->s.node, channel, 5000);
    }
    v->result = status;
    return NULL;
}

static void echo_file(pair *p, server *v) {
    enum { SIZE = 500000 };
    static uint8_t out[SIZE], in[SIZE];
    pthread_t thread;
    plait_connection c;
    plait_channel channel;
    size_t got = 0, n;
    for (size_t i = 0; i < SIZE; i++) {
        out[i] = (uint8_t)(i * 31 + (i >> 8));
    }
    pthread_create(&thread, NULL, serve, v);
    assert_ok(plait_connect_wait(p->a.node, v->s.id, v->s.uri, NULL, 5000, &c));
    assert_ok(plait_channel_open(p->a.node, c, "file", NULL, &channel));
    for (size_t at = 0; at < SIZE; at += 50000) {
        assert_ok(plait_channel_write_all(p->a.node, channel, out + at, 50000, 5000));
        while (got < at) {
            assert_ok(plait_channel_read_wait(p->a.node, channel, in + got, SIZE - got, &n, 5000));
            got += n;
        }
    }
    assert_ok(plait_channel_finish_wait(p->a.node, channel, 5000));
    while (got < SIZE) {
        assert_ok(plait_channel_read_wait(p->a.node, channel, in + got, SIZE - got, &n, 5000));
        got += n;
    }
    assert_status(plait_channel_read_wait(p->a.node, channel, in, SIZE, &n, 5000), PLAIT_E_END);
    assert_memory_equal(in, out, SIZE);
    /* Nobody runs this node any more: closing tells the server that all has come. */
    assert_ok(plait_connection_close(p->a.node, c, 0, NULL));
    pthread_join(thread, NULL);
    assert_int_equal(v->result, PLAIT_OK);
    assert_int_equal(v->received, SIZE);
}

static void test_file_is_echoed_without_a_loop(void **state) {
    pair *p = *state;
    server v = {.result = PLAIT_E_STATE};
    side_open(&v.s, NULL);
    assert_ok(plait_node_listen(v.s.node, NULL));
    echo_file(p, &v);
    side_close(&v.s);
}

static void test_file_is_echoed_with_the_librarys_thread(void **state) {
    pair *p = *state;
    server v = {.result = PLAIT_E_STATE};
    side_open(&v.s, "udp://127.0.0.1:0");
    plait_endpoint udp;
    assert_ok(plait_endpoint_open(p->a.node, "udp://127.0.0.1:0", NULL, &udp));
    assert_ok(plait_node_listen(v.s.node, NULL));
    assert_ok(plait_node_start(v.s.node, NULL, NULL));
    assert_ok(plait_node_start(p->a.node, NULL, NULL));
    echo_file(p, &v);
    side_close(&v.s);
}

static void test_time_is_kept(void **state) {
    pair *p = *state;
    plait_connection c = PLAIT_NONE;
    plait_channel at_a, at_z;
    char buf[8];
    size_t n;
    const uint64_t begin = plait_node_now_us(p->a.node);
    assert_status(plait_accept_wait(p->z.node, 20, &c), PLAIT_E_TIMEOUT);
    assert_true(plait_node_now_us(p->a.node) - begin >= 20000);
    assert_int_equal(c, PLAIT_NONE);
    pair_channel(p, NULL, &at_a, &at_z);
    assert_status(plait_channel_read_wait(p->a.node, at_a, buf, 8, &n, 0), PLAIT_E_TIMEOUT);
    assert_status(plait_channel_read_wait(p->a.node, at_a, buf, 8, &n, 10), PLAIT_E_TIMEOUT);
    static char large[10000000];
    assert_status(plait_channel_write_all(p->a.node, at_a, large, sizeof large, 20),
                  PLAIT_E_TIMEOUT);
    assert_status(plait_channel_finish_wait(p->a.node, at_a, 20), PLAIT_E_TIMEOUT);
    assert_status(plait_channel_accept_wait(p->a.node, p->a.connection, NULL, 10, &at_z),
                  PLAIT_E_TIMEOUT);
    assert_status(plait_channel_read_wait(p->a.node, 42, buf, 8, &n, 1000), PLAIT_E_HANDLE);
}

static void test_events_that_came_meanwhile_are_kept(void **state) {
    pair *p = *state;
    plait_connection c;
    char buf[8];
    plait_channel at_a;
    size_t n;
    assert_ok(plait_channel_open(p->z.node, p->z.connection, "x", NULL, &at_a));
    assert_ok(plait_channel_send(p->z.node, at_a, "x", 1, &n));
    assert_status(plait_accept_wait(p->a.node, 20, &c), PLAIT_E_TIMEOUT);
    const plait_channel at_z = pair_expect(p, &p->a, PLAIT_EVENT_CHANNEL_REQUEST).channel;
    assert_ok(plait_channel_accept(p->a.node, at_z, NULL));
    assert_ok(plait_channel_read_wait(p->a.node, at_z, buf, 8, &n, 1000));
    assert_ok(plait_connection_close(p->z.node, p->z.connection, 3, NULL));
    assert_status(plait_channel_read_wait(p->a.node, at_z, buf, 8, &n, 1000), PLAIT_E_CLOSED);
    assert_int_equal(pair_expect(p, &p->a, PLAIT_EVENT_CLOSED).a, 3);
}

/* The blocking server lets everyone in who asks. */
static void test_asked_server_accepts_and_failed_connect_leaves_nothing(void **state) {
    pair *p = *state;
    plait_listen_config config = PLAIT_LISTEN_CONFIG_INIT;
    plait_node_stats stats = {.struct_size = sizeof stats};
    plait_connection c = 5, at_z;
    config.accept = PLAIT_ACCEPT_ASK;
    assert_ok(plait_node_listen(p->z.node, &config));
    assert_ok(plait_node_start(p->z.node, NULL, NULL));
    assert_ok(plait_connect_wait(p->a.node, p->z.id, p->z.uri, NULL, 5000, &c));
    assert_ok(plait_node_start(p->a.node, NULL, NULL));
    assert_ok(plait_accept_wait(p->z.node, 5000, &at_z));
    assert_ok(plait_node_stop(p->a.node));
    assert_ok(plait_node_stop(p->z.node));
    assert_ok(plait_connection_close(p->a.node, c, 0, NULL));
    c = 5;
    assert_status(plait_connect_wait(p->a.node, p->z.id, "memory://nobody", NULL, 20, &c),
                  PLAIT_E_TIMEOUT);
    assert_int_equal(c, 5);
    for (int i = 0; i < 20000; i++) { /* their ends are told like any other's */
        pair_pump(p);
        assert_ok(plait_node_get_stats(p->a.node, &stats));
        if (stats.connections == 0) {
            break;
        }
    }
    assert_int_equal(stats.connections, 0);
    assert_status(plait_connect_wait(p->a.node, NULL, p->z.uri, NULL, 10, &c), PLAIT_E_INVALID);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_file_is_echoed_without_a_loop, pair_set_up,
                                        pair_tear_down),
        cmocka_unit_test_setup_teardown(test_file_is_echoed_with_the_librarys_thread, pair_set_up,
                                        pair_tear_down),
        cmocka_unit_test_setup_teardown(test_time_is_kept, pair_set_up_connected, pair_tear_down),
        cmocka_unit_test_setup_teardown(test_events_that_came_meanwhile_are_kept,
                                        pair_set_up_connected, pair_tear_down),
        cmocka_unit_test_setup_teardown(test_asked_server_accepts_and_failed_connect_leaves_nothing,
                                        pair_set_up, pair_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
