/* SPDX-License-Identifier: Apache-2.0 */
/* Sending and receiving in all the ways that there are, and who owns memory when. */
#include "abi.h"

static void fill(uint8_t *p, size_t n, uint8_t seed) {
    for (size_t i = 0; i < n; i++) {
        p[i] = (uint8_t)(seed + i * 7 + (i >> 8));
    }
}

static void test_stream_carries_all_bytes_and_its_end(void **state) {
    pair *p = *state;
    static uint8_t out[300000], in[sizeof out];
    plait_channel at_a, at_z;
    size_t sent = 0, got = 0, n;
    plait_status status;
    fill(out, sizeof out, 1);
    pair_channel(p, NULL, &at_a, &at_z);
    while (got < sizeof in) {
        if (sent < sizeof out) {
            status = plait_channel_send(p->a.node, at_a, out + sent, sizeof out - sent, &n);
            assert_true(status == PLAIT_OK || status == PLAIT_E_AGAIN);
            sent += n;
        }
        status = plait_channel_read(p->z.node, at_z, in + got, sizeof in - got, &n);
        assert_true(status == PLAIT_OK || status == PLAIT_E_AGAIN);
        got += status == PLAIT_OK ? n : 0;
        pair_pump(p);
        p->a.waiting = p->z.waiting = 0;
    }
    assert_memory_equal(in, out, sizeof in);
    assert_ok(plait_channel_finish(p->a.node, at_a));
    assert_status(plait_channel_finish(p->a.node, at_a), PLAIT_E_STATE);
    assert_status(plait_channel_send(p->a.node, at_a, "x", 1, &n), PLAIT_E_STATE);
    assert_int_equal(pair_expect(p, &p->a, PLAIT_EVENT_FINISHED).a, sizeof out);
    pair_expect(p, &p->z, PLAIT_EVENT_READABLE);
    assert_status(plait_channel_read(p->z.node, at_z, in, sizeof in, &n), PLAIT_E_END);
    assert_ok(plait_channel_finish(p->z.node, at_z));
    assert_int_equal(pair_expect(p, &p->a, PLAIT_EVENT_CHANNEL_CLOSED).status, PLAIT_OK);
    assert_int_equal(pair_expect(p, &p->z, PLAIT_EVENT_CHANNEL_CLOSED).status, PLAIT_OK);
}

static void test_writable_comes_first_and_after_again(void **state) {
    pair *p = *state;
    static uint8_t block[65536];
    plait_channel channel;
    size_t n;
    assert_ok(plait_channel_open(p->a.node, p->a.connection, "x", NULL, &channel));
    assert_int_equal(pair_expect(p, &p->a, PLAIT_EVENT_WRITABLE).channel, channel);
    while (plait_channel_send(p->a.node, channel, block, sizeof block, &n) == PLAIT_OK) {
    }
    assert_int_equal(n, 0);
    const plait_channel at_z = pair_expect(p, &p->z, PLAIT_EVENT_CHANNEL_REQUEST).channel;
    assert_ok(plait_channel_accept(p->z.node, at_z, NULL));
    p->a.waiting = 0;
    while (!side_has(&p->a, PLAIT_EVENT_WRITABLE)) {
        while (plait_channel_read(p->z.node, at_z, block, sizeof block, &n) == PLAIT_OK) {
        }
        pair_pump(p);
    }
    assert_ok(plait_channel_send(p->a.node, channel, block, sizeof block, &n));
}

static void test_messages_keep_their_borders(void **state) {
    pair *p = *state;
    const plait_channel_config config = PLAIT_CHANNEL_MESSAGES;
    static const size_t sizes[] = {1, 0, 5, 1200, 70000, 3};
    static uint8_t out[70000], in[70000];
    plait_channel at_a, at_z;
    size_t n;
    pair_channel(p, &config, &at_a, &at_z);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        fill(out, sizes[i], (uint8_t)i);
        plait_status status;
        while ((status = plait_channel_send(p->a.node, at_a, out, sizes[i], NULL)) ==
               PLAIT_E_AGAIN) {
            pair_pump(p);
        }
        assert_ok(status);
        while ((status = plait_channel_read(p->z.node, at_z, in, 4, &n)) == PLAIT_E_AGAIN) {
            pair_pump(p);
        }
        if (sizes[i] > 4) {
            assert_int_equal(status, PLAIT_E_BUFFER);
            assert_int_equal(n, sizes[i]);
            status = plait_channel_read(p->z.node, at_z, in, sizeof in, &n);
        }
        assert_ok(status);
        assert_int_equal(n, sizes[i]);
        assert_memory_equal(in, out, n);
    }
}

static void test_datagrams_arrive_whole_on_a_good_line(void **state) {
    pair *p = *state;
    const plait_channel_config config = PLAIT_CHANNEL_DATAGRAM;
    plait_channel at_a, at_z;
    char in[64];
    size_t n;
    pair_channel(p, &config, &at_a, &at_z);
    assert_ok(plait_channel_send(p->a.node, at_a, "one", 3, NULL));
    pair_expect(p, &p->z, PLAIT_EVENT_READABLE);
    assert_ok(plait_channel_read(p->z.node, at_z, in, sizeof in, &n));
    assert_int_equal(n, 3);
    assert_memory_equal(in, "one", 3);
}

static void test_gathered_pieces_are_one(void **state) {
    pair *p = *state;
    const plait_channel_config config = PLAIT_CHANNEL_MESSAGES;
    const plait_slice pieces[] = {{"ab", 2}, {NULL, 0}, {"cdef", 4}, {"g", 1}};
    plait_slice many[40];
    plait_channel at_a, at_z;
    char in[64];
    size_t n;
    pair_channel(p, &config, &at_a, &at_z);
    assert_ok(plait_channel_send_gather(p->a.node, at_a, pieces, 4, NULL));
    for (size_t i = 0; i < 40; i++) {
        many[i] = (plait_slice){"y", 1};
    }
    assert_ok(plait_channel_send_gather(p->a.node, at_a, many, 40, &n));
    assert_int_equal(n, 40);
    pair_expect(p, &p->z, PLAIT_EVENT_READABLE);
    assert_ok(plait_channel_read(p->z.node, at_z, in, sizeof in, &n));
    assert_int_equal(n, 7);
    assert_memory_equal(in, "abcdefg", 7);
    const plait_slice broken = {NULL, 5};
    assert_status(plait_channel_send_gather(p->a.node, at_a, &broken, 1, NULL), PLAIT_E_NULL);
    assert_status(plait_channel_send_gather(p->a.node, at_a, many, 2000, NULL), PLAIT_E_INVALID);
}

static void test_reserved_memory_is_sent_by_commit(void **state) {
    pair *p = *state;
    plait_channel at_a, at_z;
    void *space;
    char in[16];
    size_t room, n;
    pair_channel(p, NULL, &at_a, &at_z);
    assert_status(plait_channel_commit(p->a.node, at_a, 1), PLAIT_E_STATE);
    assert_status(plait_channel_reserve(p->a.node, at_a, 0, &space, &room), PLAIT_E_INVALID);
    assert_ok(plait_channel_reserve(p->a.node, at_a, 5, &space, &room));
    assert_true(room >= 5);
    assert_status(plait_channel_reserve(p->a.node, at_a, 5, &space, &n), PLAIT_E_RESERVED);
    assert_status(plait_channel_send(p->a.node, at_a, "x", 1, &n), PLAIT_E_RESERVED);
    assert_status(plait_channel_finish(p->a.node, at_a), PLAIT_E_RESERVED);
    assert_status(plait_channel_commit(p->a.node, at_a, room + 1), PLAIT_E_INVALID);
    memcpy(space, "hello", 5);
    assert_ok(plait_channel_commit(p->a.node, at_a, 5));
    pair_read(p, &p->z, at_z, in, 5);
    assert_memory_equal(in, "hello", 5);
    assert_ok(plait_channel_reserve(p->a.node, at_a, 1, &space, &room));
    assert_ok(plait_channel_commit(p->a.node, at_a, 0));
    assert_status(plait_channel_reserve(p->a.node, at_a, (size_t)1 << 30, &space, &room),
                  PLAIT_E_TOO_BIG);
}

static void test_reservation_outlives_its_channel(void **state) {
    pair *p = *state;
    plait_channel at_a, at_z;
    void *space;
    size_t room;
    pair_channel(p, NULL, &at_a, &at_z);
    assert_ok(plait_channel_reserve(p->a.node, at_a, 100, &space, &room));
    assert_ok(plait_channel_reset(p->z.node, at_z, 1));
    assert_ok(plait_channel_stop(p->z.node, at_z, 1));
    pair_settle(p);
    memset(space, 'x', room); /* still ours */
    const plait_status status = plait_channel_commit(p->a.node, at_a, room);
    assert_true(status == PLAIT_E_RESET || status == PLAIT_E_CLOSED);
    pair_expect(p, &p->a, PLAIT_EVENT_CHANNEL_CLOSED);
}

static void test_reservation_outlives_its_connection(void **state) {
    pair *p = *state;
    plait_channel at_a, at_z;
    void *space;
    size_t room;
    pair_channel(p, NULL, &at_a, &at_z);
    assert_ok(plait_channel_reserve(p->a.node, at_a, 100, &space, &room));
    assert_ok(plait_connection_close(p->z.node, p->z.connection, 0, NULL));
    pair_settle(p);
    memset(space, 'x', room);
    assert_status(plait_channel_commit(p->a.node, at_a, room), PLAIT_E_CLOSED);
    pair_expect(p, &p->a, PLAIT_EVENT_CLOSED);
}

typedef struct owned {
    char data[50000];
    int released;
} owned;

static void on_release(void *user, const void *data, size_t len) {
    owned *o = user;
    assert_ptr_equal(data, o->data);
    assert_int_equal(len, sizeof o->data);
    memset(o->data, 0xdd, sizeof o->data);
    o->released++;
}

static void test_owned_memory_is_released_when_acknowledged(void **state) {
    pair *p = *state;
    static owned o;
    static char in[sizeof o.data], expected[sizeof o.data];
    plait_channel at_a, at_z;
    o.released = 0;
    fill((uint8_t *)o.data, sizeof o.data, 3);
    memcpy(expected, o.data, sizeof expected);
    pair_channel(p, NULL, &at_a, &at_z);
    assert_ok(plait_channel_send_owned(p->a.node, at_a, o.data, sizeof o.data, on_release, &o));
    assert_int_equal(o.released, 0);
    pair_read(p, &p->z, at_z, in, sizeof in);
    assert_memory_equal(in, expected, sizeof in);
    pair_settle(p);
    assert_int_equal(o.released, 1);
}

static void test_owned_memory_is_not_released_by_a_failed_call(void **state) {
    pair *p = *state;
    static owned o;
    plait_channel at_a, at_z;
    o.released = 0;
    pair_channel(p, NULL, &at_a, &at_z);
    assert_ok(plait_channel_finish(p->a.node, at_a));
    assert_status(plait_channel_send_owned(p->a.node, at_a, o.data, sizeof o.data, on_release, &o),
                  PLAIT_E_STATE);
    assert_status(plait_channel_send_owned(p->a.node, 42, o.data, sizeof o.data, on_release, &o),
                  PLAIT_E_HANDLE);
    assert_status(plait_channel_send_owned(p->a.node, at_a, o.data, sizeof o.data, NULL, &o),
                  PLAIT_E_NULL);
    pair_settle(p);
    assert_int_equal(o.released, 0);
}

/* Nobody reads, so that most of it stays where it is until the end that is tried. */
static void owned_ending(pair *p, owned *o, plait_channel *at_a, plait_channel *at_z) {
    static owned before[3];
    size_t i = 0;
    o->released = 0;
    pair_channel(p, NULL, at_a, at_z);
    for (i = 0; i < 3; i++) {
        before[i].released = 0;
        if (plait_channel_send_owned(p->a.node, *at_a, before[i].data, sizeof before[i].data,
                                     on_release, &before[i]) != PLAIT_OK) {
            break;
        }
    }
    if (plait_channel_send_owned(p->a.node, *at_a, o->data, sizeof o->data, on_release, o) !=
        PLAIT_OK) {
        memcpy(o, &before[i - 1], sizeof *o);
        fail_msg("the buffer is full too early");
    }
    pair_settle(p);
    assert_int_equal(o->released, 0);
}

static void test_owned_memory_is_released_by_reset(void **state) {
    pair *p = *state;
    static owned o;
    plait_channel at_a, at_z;
    owned_ending(p, &o, &at_a, &at_z);
    assert_ok(plait_channel_reset(p->a.node, at_a, 1));
    pair_settle(p);
    assert_int_equal(o.released, 1);
}

static void test_owned_memory_is_released_by_the_peers_stop(void **state) {
    pair *p = *state;
    static owned o;
    plait_channel at_a, at_z;
    owned_ending(p, &o, &at_a, &at_z);
    assert_ok(plait_channel_stop(p->z.node, at_z, 1));
    assert_int_equal(pair_expect(p, &p->a, PLAIT_EVENT_STOPPED).a, 1);
    pair_settle(p);
    assert_int_equal(o.released, 1);
}

static void test_owned_memory_is_released_with_the_connection(void **state) {
    pair *p = *state;
    static owned o;
    plait_channel at_a, at_z;
    owned_ending(p, &o, &at_a, &at_z);
    assert_ok(plait_connection_close(p->z.node, p->z.connection, 0, NULL));
    pair_expect(p, &p->a, PLAIT_EVENT_CLOSED);
    assert_ok(plait_connection_close(p->a.node, p->a.connection, 0, NULL));
    for (int i = 0; i < 2000 && o.released == 0; i++) {
        pair_pump(p);
    }
    assert_int_equal(o.released, 1);
}

static void test_owned_memory_is_released_with_the_node(void **state) {
    pair *p = *state;
    static owned o;
    plait_channel at_a, at_z;
    owned_ending(p, &o, &at_a, &at_z);
    plait_node_free(p->a.node);
    p->a.node = NULL;
    assert_int_equal(o.released, 1);
    assert_int_equal(pair_expect(p, &p->z, PLAIT_EVENT_CLOSED).status, PLAIT_E_PEER_CLOSED);
}

static void test_peek_shows_in_place_what_consume_takes(void **state) {
    pair *p = *state;
    plait_channel at_a, at_z;
    plait_slice slices[8];
    char in[8];
    size_t n;
    pair_channel(p, NULL, &at_a, &at_z);
    assert_status(plait_channel_peek(p->z.node, at_z, slices, 8, &n), PLAIT_E_AGAIN);
    assert_ok(plait_channel_send(p->a.node, at_a, "abcdef", 6, &n));
    pair_expect(p, &p->z, PLAIT_EVENT_READABLE);
    assert_ok(plait_channel_peek(p->z.node, at_z, slices, 8, &n));
    assert_int_equal(n, 1);
    assert_int_equal(slices[0].len, 6);
    assert_memory_equal(slices[0].data, "abcdef", 6);
    assert_status(plait_channel_consume(p->z.node, at_z, 7), PLAIT_E_INVALID);
    assert_ok(plait_channel_consume(p->z.node, at_z, 4));
    assert_ok(plait_channel_read(p->z.node, at_z, in, sizeof in, &n));
    assert_int_equal(n, 2);
    assert_memory_equal(in, "ef", 2);
}

static void test_peek_is_for_the_loops_thread(void **state) {
    pair *p = *state;
    plait_channel at_a, at_z;
    plait_slice slice;
    size_t n;
    pair_channel(p, NULL, &at_a, &at_z);
    assert_ok(plait_node_start(p->z.node, NULL, NULL));
    assert_status(plait_channel_peek(p->z.node, at_z, &slice, 1, &n), PLAIT_E_STATE);
    assert_ok(plait_node_stop(p->z.node));
    assert_status(plait_channel_peek(p->z.node, at_z, &slice, 1, &n), PLAIT_E_AGAIN);
}

static void test_refused_channel_tells_the_code(void **state) {
    pair *p = *state;
    plait_channel channel;
    assert_ok(plait_channel_open(p->a.node, p->a.connection, "no", NULL, &channel));
    const plait_channel at_z = pair_expect(p, &p->z, PLAIT_EVENT_CHANNEL_REQUEST).channel;
    assert_status(plait_channel_refuse(p->z.node, at_z, UINT64_MAX), PLAIT_E_INVALID);
    assert_ok(plait_channel_refuse(p->z.node, at_z, 99));
    const plait_event closed = pair_expect(p, &p->a, PLAIT_EVENT_CHANNEL_CLOSED);
    assert_int_equal(closed.status, PLAIT_E_REFUSED);
    assert_int_equal(closed.a, 99);
}

static void test_request_shows_what_the_peer_proposes(void **state) {
    pair *p = *state;
    plait_channel_config config = PLAIT_CHANNEL_DATAGRAM, seen = PLAIT_CHANNEL_STREAM;
    plait_channel_stats stats = {.struct_size = sizeof stats};
    const char *label = "a label of more than sixteen bytes";
    plait_channel channel;
    char text[64];
    size_t n;
    config.one_way = 1;
    assert_ok(plait_channel_open(p->a.node, p->a.connection, label, &config, &channel));
    const plait_event request = pair_expect(p, &p->z, PLAIT_EVENT_CHANNEL_REQUEST);
    assert_ok(plait_channel_label(p->z.node, request.channel, text, sizeof text, &n));
    assert_string_equal(text, label);
    assert_status(plait_channel_label(p->z.node, request.channel, text, n, &n), PLAIT_E_BUFFER);
    assert_int_equal(n, strlen(label));
    assert_ok(plait_channel_get_config(p->z.node, request.channel, &seen));
    assert_int_equal(seen.resend, PLAIT_RESEND_NEVER);
    assert_int_equal(seen.messages + seen.unordered + seen.one_way, 3);
    assert_ok(plait_channel_get_stats(p->z.node, request.channel, &stats));
    assert_int_equal(stats.state, PLAIT_CHANNEL_REQUESTED);
    assert_ok(plait_channel_accept(p->z.node, request.channel, NULL));
    assert_status(plait_channel_accept(p->z.node, request.channel, NULL), PLAIT_E_STATE);
    assert_status(plait_channel_send(p->z.node, request.channel, "x", 1, NULL), PLAIT_E_STATE);
}

int main(void) {
#define CONNECTED(test) cmocka_unit_test_setup_teardown(test, pair_set_up_connected, pair_tear_down)
    const struct CMUnitTest tests[] = {
        CONNECTED(test_stream_carries_all_bytes_and_its_end),
        CONNECTED(test_writable_comes_first_and_after_again),
        CONNECTED(test_messages_keep_their_borders),
        CONNECTED(test_datagrams_arrive_whole_on_a_good_line),
        CONNECTED(test_gathered_pieces_are_one),
        CONNECTED(test_reserved_memory_is_sent_by_commit),
        CONNECTED(test_reservation_outlives_its_channel),
        CONNECTED(test_reservation_outlives_its_connection),
        CONNECTED(test_owned_memory_is_released_when_acknowledged),
        CONNECTED(test_owned_memory_is_not_released_by_a_failed_call),
        CONNECTED(test_owned_memory_is_released_by_reset),
        CONNECTED(test_owned_memory_is_released_by_the_peers_stop),
        CONNECTED(test_owned_memory_is_released_with_the_connection),
        CONNECTED(test_owned_memory_is_released_with_the_node),
        CONNECTED(test_peek_shows_in_place_what_consume_takes),
        CONNECTED(test_peek_is_for_the_loops_thread),
        CONNECTED(test_refused_channel_tells_the_code),
        CONNECTED(test_request_shows_what_the_peer_proposes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
