/* SPDX-License-Identifier: Apache-2.0 */
/* The kinds by name, what is told of losses, and what becomes of each byte when a channel ends. */
#include "abi.h"

static void assert_accounted(plait_node *node, plait_channel channel) {
    plait_channel_stats s = {.struct_size = sizeof s};
    assert_ok(plait_channel_get_stats(node, channel, &s));
    assert_int_equal(s.bytes_sent, s.bytes_acked + s.bytes_lost + s.bytes_undelivered);
    assert_int_equal(s.messages_sent, s.messages_acked + s.messages_lost + s.messages_undelivered);
}

static void test_presets_are_the_macros(void **state) {
    (void)state;
    static const plait_channel_config by_name[] = {
        PLAIT_CHANNEL_STREAM,
        PLAIT_CHANNEL_MESSAGES,
        PLAIT_CHANNEL_DATAGRAM,
        PLAIT_CHANNEL_SEQUENCED,
        PLAIT_CHANNEL_RESEND_ORDERED_CLOSE,
        PLAIT_CHANNEL_RESEND_ORDERED,
        PLAIT_CHANNEL_RESEND_UNORDERED_CLOSE,
        PLAIT_CHANNEL_RESEND_UNORDERED,
        PLAIT_CHANNEL_ONCE_ORDERED_CLOSE,
        PLAIT_CHANNEL_ONCE_ORDERED,
        PLAIT_CHANNEL_ONCE_UNORDERED_CLOSE,
        PLAIT_CHANNEL_ONCE_UNORDERED,
    };
    for (uint32_t i = 0; i < 12; i++) {
        plait_channel_config config;
        assert_ok(plait_channel_config_init(&config, sizeof config, i + 1));
        assert_memory_equal(&config, &by_name[i], sizeof config);
        if (i >= 4) { /* the eight: three axes, each both ways */
            assert_int_equal(config.messages, 1);
            assert_int_equal(config.resend, i < 8 ? PLAIT_RESEND_ALWAYS : PLAIT_RESEND_NEVER);
            assert_int_equal(config.unordered, (i - 4) / 2 % 2);
            assert_int_equal(config.on_loss, i % 2 == 0 ? PLAIT_ON_LOSS_CLOSE : PLAIT_ON_LOSS_SKIP);
        }
    }
    plait_channel_config config;
    assert_status(plait_channel_config_init(&config, sizeof config, 13), PLAIT_E_INVALID);
}

static void test_every_preset_carries_a_message(void **state) {
    pair *p = *state;
    for (uint32_t preset = 1; preset <= 12; preset++) {
        plait_channel_config config, seen = PLAIT_CHANNEL_STREAM;
        plait_channel at_a, at_z;
        char in[16];
        size_t n;
        assert_ok(plait_channel_config_init(&config, sizeof config, preset));
        pair_channel(p, &config, &at_a, &at_z);
        assert_ok(plait_channel_get_config(p->z.node, at_z, &seen));
        assert_int_equal(seen.resend, config.resend);
        assert_int_equal(seen.unordered, config.unordered);
        assert_int_equal(seen.on_loss, config.on_loss);
        assert_ok(plait_channel_send(p->a.node, at_a, "hello", 5, &n));
        pair_expect(p, &p->z, PLAIT_EVENT_READABLE);
        assert_ok(plait_channel_read(p->z.node, at_z, in, sizeof in, &n));
        assert_int_equal(n, 5);
    }
}

static void test_read_info_tells_where_and_how_much(void **state) {
    pair *p = *state;
    const plait_channel_config config = PLAIT_CHANNEL_MESSAGES;
    plait_read_info info = {.struct_size = sizeof info};
    plait_channel at_a, at_z;
    char in[8];
    size_t n;
    pair_channel(p, &config, &at_a, &at_z);
    assert_status(plait_channel_read_info(p->z.node, at_z, NULL, 0, NULL, &info), PLAIT_E_AGAIN);
    assert_ok(plait_channel_send(p->a.node, at_a, "first", 5, NULL));
    assert_ok(plait_channel_send(p->a.node, at_a, "second", 6, NULL));
    pair_expect(p, &p->z, PLAIT_EVENT_READABLE);
    assert_ok(plait_channel_read_info(p->z.node, at_z, NULL, 0, NULL, &info));
    assert_int_equal(info.size, 5);
    assert_status(plait_channel_read_info(p->z.node, at_z, in, 2, &n, &info), PLAIT_E_BUFFER);
    assert_int_equal(info.size, 5);
    assert_ok(plait_channel_read_info(p->z.node, at_z, in, sizeof in, &n, &info));
    assert_int_equal(n, 5);
    assert_int_equal(info.offset, 0);
    assert_ok(plait_channel_read_info(p->z.node, at_z, in, sizeof in, &n, &info));
    assert_int_equal(info.offset, 6); /* behind the length and the body of the first */
    assert_int_equal(info.size, 6);
    assert_status(plait_channel_read_info(p->z.node, at_z, in, 8, &n, NULL), PLAIT_E_NULL);
    assert_status(plait_channel_read_info(p->z.node, at_z, NULL, 8, &n, &info), PLAIT_E_NULL);
}

static void test_dropped_messages_are_reported_once_a_gap(void **state) {
    pair *p = *state;
    plait_channel_config config = PLAIT_CHANNEL_MESSAGES;
    plait_channel_report reports[8];
    plait_read_info info = {.struct_size = sizeof info};
    plait_channel at_a, at_z;
    static char message[1000], in[1000];
    size_t n;
    assert_ok(plait_channel_open(p->a.node, p->a.connection, "x", &config, &at_a));
    config.drop_oldest = 1;
    config.tell = PLAIT_TELL_REPORTS;
    config.window = 4096;
    config.max_message = 2000;
    at_z = pair_expect(p, &p->z, PLAIT_EVENT_CHANNEL_REQUEST).channel;
    assert_ok(plait_channel_accept(p->z.node, at_z, &config));
    for (int i = 0; i < 200; i++) {
        memset(message, i, sizeof message);
        while (plait_channel_send(p->a.node, at_a, message, sizeof message, NULL) != PLAIT_OK) {
            pair_pump(p);
        }
    }
    pair_settle(p);
    assert_true(pair_expect(p, &p->z, PLAIT_EVENT_GAP).a > 0);
    assert_ok(plait_channel_take_reports(p->z.node, at_z, reports, 8, &n));
    assert_int_equal(n, 1);
    assert_int_equal(reports[0].kind, PLAIT_REPORT_DROPPED);
    assert_true(reports[0].messages > 100);
    assert_ok(plait_channel_read_info(p->z.node, at_z, in, sizeof in, &n, &info));
    assert_int_equal(info.dropped_messages, reports[0].messages);
    assert_int_equal(info.dropped_bytes, 1000 * reports[0].messages);
    assert_int_equal((uint8_t)in[0], reports[0].messages); /* the oldest that is left */
    assert_ok(plait_channel_take_reports(p->z.node, at_z, reports, 8, &n));
    assert_int_equal(n, 0);
}

static void test_messages_too_late_are_reported_each(void **state) {
    pair *p = *state;
    plait_channel_config config = PLAIT_CHANNEL_MESSAGES;
    plait_channel_report reports[70];
    plait_channel_stats stats = {.struct_size = sizeof stats};
    plait_channel at_a;
    size_t n;
    config.resend = PLAIT_RESEND_UNTIL_DEADLINE;
    config.deadline_us = 1000;
    config.tell = PLAIT_TELL_REPORTS;
    assert_ok(plait_channel_open(p->a.node, p->a.connection, "x", &config, &at_a));
    assert_ok(plait_node_suspend(p->a.node)); /* nothing goes out before it is too late */
    for (size_t i = 0; i < 70; i++) {
        assert_ok(plait_channel_send(p->a.node, at_a, "abc", 3, NULL));
    }
    for (const uint64_t begin = plait_node_now_us(p->a.node);
         plait_node_now_us(p->a.node) < begin + 3000;) {
    }
    assert_ok(plait_node_resume(p->a.node));
    const plait_event e = pair_expect(p, &p->a, PLAIT_EVENT_GIVEN_UP);
    assert_int_equal(e.a, 70);
    assert_int_equal(e.b, 210);
    assert_ok(plait_channel_take_reports(p->a.node, at_a, reports, 70, &n));
    assert_int_equal(n, 64);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(reports[i].kind, PLAIT_REPORT_GIVEN_UP);
        assert_int_equal(reports[i].message, i + 6);
        assert_int_equal(reports[i].bytes, 3);
        assert_int_equal(reports[i].offset, 4 * (i + 6));
    }
    assert_ok(plait_channel_get_stats(p->a.node, at_a, &stats));
    assert_int_equal(stats.reports_missed, 6);
    assert_int_equal(stats.reports, 0);
    assert_int_equal(stats.messages_lost, 70);
}

static void test_low_queue_and_windows_are_told(void **state) {
    pair *p = *state;
    plait_channel_config config = PLAIT_CHANNEL_STREAM;
    static char block[500000];
    plait_channel at_a, at_z;
    size_t n;
    config.tell = PLAIT_TELL_WINDOWS;
    pair_channel(p, &config, &at_a, &at_z);
    assert_ok(plait_channel_set_low_water(p->a.node, at_a, 1000));
    assert_ok(plait_channel_send(p->a.node, at_a, block, sizeof block, &n));
    assert_true(n > 100000);
    pair_settle(p);
    assert_false(side_has(&p->a, PLAIT_EVENT_QUEUE_LOW)); /* the peer does not read */
    for (size_t got = 0, r; got < n;) {
        const plait_status s = plait_channel_read(p->z.node, at_z, block, sizeof block, &r);
        assert_true(s == PLAIT_OK || s == PLAIT_E_AGAIN);
        got += s == PLAIT_OK ? r : 0;
        pair_pump(p);
    }
    const plait_event low = pair_expect(p, &p->a, PLAIT_EVENT_QUEUE_LOW);
    assert_true(low.a <= 1000);
    assert_true(pair_expect(p, &p->a, PLAIT_EVENT_WINDOW_CHANGED).b >= 65536);
}

static void test_ack_now_is_for_channels_that_send(void **state) {
    pair *p = *state;
    plait_channel_config config = PLAIT_CHANNEL_MESSAGES;
    plait_channel at_a, at_z;
    config.one_way = 1;
    pair_channel(p, &config, &at_a, &at_z);
    assert_ok(plait_channel_ack_now(p->a.node, at_a));
    assert_ok(plait_channel_send(p->a.node, at_a, "x", 1, NULL));
    assert_status(plait_channel_ack_now(p->z.node, at_z), PLAIT_E_STATE);
    assert_ok(plait_channel_finish(p->a.node, at_a));
    assert_status(plait_channel_ack_now(p->a.node, at_a), PLAIT_E_STATE);
}

static void test_reset_tells_what_was_not_delivered(void **state) {
    pair *p = *state;
    plait_channel at_a, at_z;
    static char block[200000], in[1000];
    size_t taken, n;
    pair_channel(p, NULL, &at_a, &at_z);
    assert_ok(plait_channel_send(p->a.node, at_a, block, sizeof block, &taken));
    pair_settle(p);
    assert_ok(plait_channel_reset(p->a.node, at_a, 7));
    assert_ok(plait_channel_finish(p->z.node, at_z));
    const plait_event closed = pair_expect(p, &p->a, PLAIT_EVENT_CHANNEL_CLOSED);
    assert_true(closed.b > 0 && closed.b < taken); /* the window's bytes were acknowledged */
    assert_accounted(p->a.node, at_a);
    assert_status(plait_channel_read(p->z.node, at_z, in, sizeof in, &n), PLAIT_E_RESET);
}

static void test_connections_end_tells_what_was_not_delivered(void **state) {
    pair *p = *state;
    const plait_channel_config config = PLAIT_CHANNEL_MESSAGES;
    plait_channel at_a;
    assert_ok(plait_channel_open(p->a.node, p->a.connection, "x", &config, &at_a));
    assert_ok(plait_node_suspend(p->a.node));
    assert_ok(plait_channel_send(p->a.node, at_a, "four", 4, NULL));
    assert_ok(plait_channel_send(p->a.node, at_a, "sixsix", 6, NULL));
    assert_ok(plait_connection_close(p->a.node, p->a.connection, 0, NULL));
    assert_ok(plait_node_resume(p->a.node));
    assert_accounted(p->a.node, at_a);
    assert_int_equal(pair_expect(p, &p->a, PLAIT_EVENT_CHANNEL_CLOSED).b, 10);
}

static void test_linger_delivers_what_it_can(void **state) {
    pair *p = *state;
    plait_channel at_a, at_z;
    size_t n;
    char in[8];
    pair_channel(p, NULL, &at_a, &at_z);
    assert_ok(plait_channel_send(p->a.node, at_a, "hello", 5, &n));
    assert_status(plait_channel_close_linger(p->a.node, at_a, UINT64_MAX, 0), PLAIT_E_INVALID);
    assert_ok(plait_channel_close_linger(p->a.node, at_a, 5000000, 9));
    assert_status(plait_channel_close_linger(p->a.node, at_a, 5000000, 9), PLAIT_E_CLOSED);
    pair_read(p, &p->z, at_z, in, 5);
    const plait_event closed = pair_expect(p, &p->a, PLAIT_EVENT_CHANNEL_CLOSED);
    assert_int_equal(closed.status, PLAIT_OK);
    assert_int_equal(closed.b, 0);
}

static void test_linger_ends_in_time_and_tells_the_rest(void **state) {
    pair *p = *state;
    plait_channel at_a, at_z;
    static char block[300000];
    size_t n, taken;
    pair_channel(p, NULL, &at_a, &at_z);
    assert_ok(plait_channel_send(p->a.node, at_a, block, sizeof block, &taken));
    const uint64_t begin = plait_node_now_us(p->a.node);
    assert_ok(plait_channel_close_linger(p->a.node, at_a, 30000, 9)); /* z does not read */
    const plait_event closed = pair_expect(p, &p->a, PLAIT_EVENT_CHANNEL_CLOSED);
    assert_true(plait_node_now_us(p->a.node) - begin >= 30000);
    assert_int_equal(closed.status, PLAIT_E_TIMEOUT);
    assert_true(closed.b > 0 && closed.b < taken);
    assert_int_equal(closed.a, 9);
    pair_settle(p);
    assert_status(plait_channel_read(p->z.node, at_z, block, sizeof block, &n), PLAIT_E_RESET);
}

static void test_close_wait_tells_how_it_ended(void **state) {
    pair *p = *state;
    plait_channel at_a, at_z;
    static char block[300000];
    uint64_t rest = 1;
    size_t taken;
    assert_ok(plait_node_start(p->z.node, NULL, NULL));
    assert_ok(plait_channel_open(p->a.node, p->a.connection, "x", NULL, &at_a));
    assert_ok(plait_channel_accept_wait(p->z.node, p->z.connection, NULL, 5000, &at_z));
    assert_ok(plait_channel_send(p->a.node, at_a, block, 100, &taken));
    assert_ok(plait_channel_close_wait(p->a.node, at_a, 5000, &rest));
    assert_int_equal(rest, 0);
    assert_status(plait_channel_close_wait(p->a.node, at_a, 5000, &rest), PLAIT_E_STALE);
    assert_ok(plait_channel_open(p->a.node, p->a.connection, "x", NULL, &at_a));
    assert_ok(plait_channel_accept_wait(p->z.node, p->z.connection, NULL, 5000, &at_z));
    assert_ok(plait_channel_send(p->a.node, at_a, block, sizeof block, &taken));
    assert_status(plait_channel_close_wait(p->a.node, at_a, 20, &rest), PLAIT_E_TIMEOUT);
    assert_true(rest > 0 && rest < taken);
    assert_ok(plait_node_stop(p->z.node));
}

static void test_close_during_a_reservation_ends_with_the_commit(void **state) {
    pair *p = *state;
    plait_channel at_a, at_z;
    void *space;
    char in[8];
    size_t room;
    pair_channel(p, NULL, &at_a, &at_z);
    assert_ok(plait_channel_reserve(p->a.node, at_a, 5, &space, &room));
    assert_ok(plait_channel_close(p->a.node, at_a));
    memcpy(space, "hello", 5);
    pair_settle(p);
    assert_false(side_has(&p->a, PLAIT_EVENT_CHANNEL_CLOSED));
    assert_ok(plait_channel_commit(p->a.node, at_a, 5));
    pair_read(p, &p->z, at_z, in, 5);
    plait_status status;
    while ((status = plait_channel_read(p->z.node, at_z, in, 5, &room)) == PLAIT_E_AGAIN) {
        pair_pump(p);
    }
    assert_int_equal(status, PLAIT_E_END);
    assert_int_equal(pair_expect(p, &p->a, PLAIT_EVENT_CHANNEL_CLOSED).status, PLAIT_OK);
}

int main(void) {
#define CONNECTED(test) cmocka_unit_test_setup_teardown(test, pair_set_up_connected, pair_tear_down)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_presets_are_the_macros),
        CONNECTED(test_every_preset_carries_a_message),
        CONNECTED(test_read_info_tells_where_and_how_much),
        CONNECTED(test_dropped_messages_are_reported_once_a_gap),
        CONNECTED(test_messages_too_late_are_reported_each),
        CONNECTED(test_low_queue_and_windows_are_told),
        CONNECTED(test_ack_now_is_for_channels_that_send),
        CONNECTED(test_reset_tells_what_was_not_delivered),
        CONNECTED(test_connections_end_tells_what_was_not_delivered),
        CONNECTED(test_linger_delivers_what_it_can),
        CONNECTED(test_linger_ends_in_time_and_tells_the_rest),
        CONNECTED(test_close_wait_tells_how_it_ended),
        CONNECTED(test_close_during_a_reservation_ends_with_the_commit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
