/* SPDX-License-Identifier: Apache-2.0 */
/* Handles that are stale, mixed up, of another node, or made up. */
#include "abi.h"

static void test_mixed_up_handles_are_found_out(void **state) {
    pair *p = *state;
    plait_channel at_a, at_z;
    plait_link link;
    size_t n;
    char text[128];
    pair_channel(p, NULL, &at_a, &at_z);
    assert_ok(plait_connection_links(p->a.node, p->a.connection, &link, 1, &n));
    assert_int_equal(n, 1);
    const uint64_t all[] = {p->a.connection, at_a, link, p->a.endpoint};
    for (size_t i = 0; i < 4; i++) {
        for (size_t k = i + 1; k < 4; k++) {
            assert_int_not_equal(all[i], all[k]);
        }
        const uint64_t h = all[i];
        if (h != p->a.connection) {
            assert_status(plait_connection_close(p->a.node, h, 0, NULL), PLAIT_E_HANDLE);
            assert_status(plait_connection_set_token(p->a.node, h, 1), PLAIT_E_HANDLE);
        }
        if (h != at_a) {
            assert_status(plait_channel_send(p->a.node, h, "x", 1, &n), PLAIT_E_HANDLE);
            assert_status(plait_channel_close(p->a.node, h), PLAIT_E_HANDLE);
        }
        if (h != link) {
            assert_status(plait_link_close(p->a.node, h, 0), PLAIT_E_HANDLE);
        }
        if (h != p->a.endpoint) {
            assert_status(plait_endpoint_uri(p->a.node, h, text, sizeof text, NULL),
                          PLAIT_E_HANDLE);
            assert_status(plait_endpoint_close(p->a.node, h), PLAIT_E_HANDLE);
        }
    }
}

static void test_made_up_handles_are_found_out(void **state) {
    pair *p = *state;
    const uint64_t made_up[] = {0,
                                1,
                                42,
                                UINT64_MAX,
                                p->a.connection + 1,
                                p->a.connection + ((uint64_t)1 << 32),
                                ~p->a.connection};
    size_t n;
    for (size_t i = 0; i < sizeof made_up / sizeof *made_up; i++) {
        assert_status(plait_connection_close(p->a.node, made_up[i], 0, NULL), PLAIT_E_HANDLE);
        assert_status(plait_channel_send(p->a.node, made_up[i], "x", 1, &n), PLAIT_E_HANDLE);
        assert_status(plait_link_close(p->a.node, made_up[i], 0), PLAIT_E_HANDLE);
        assert_status(plait_endpoint_close(p->a.node, made_up[i]), PLAIT_E_HANDLE);
    }
    assert_detail_has("plait_endpoint_close");
}

static void test_closed_channel_answers_questions_until_it_is_gone(void **state) {
    pair *p = *state;
    plait_channel at_a, at_z;
    char label[16];
    size_t n;
    pair_channel(p, NULL, &at_a, &at_z);
    assert_ok(plait_channel_reset(p->a.node, at_a, 7));
    assert_ok(plait_channel_stop(p->a.node, at_a, 7));
    const plait_event closed = pair_expect(p, &p->z, PLAIT_EVENT_CHANNEL_CLOSED);
    assert_int_equal(closed.channel, at_z);
    assert_int_equal(closed.status, PLAIT_E_RESET);
    assert_int_equal(closed.a, 7);
    assert_status(plait_channel_send(p->z.node, at_z, "x", 1, &n), PLAIT_E_CLOSED);
    assert_ok(plait_channel_label(p->z.node, at_z, label, sizeof label, &n));
    assert_string_equal(label, "test");
    assert_ok(plait_channel_close(p->z.node, at_z));
    pair_settle(p);
    assert_status(plait_channel_label(p->z.node, at_z, label, sizeof label, &n), PLAIT_E_STALE);
    assert_status(plait_channel_close(p->z.node, at_z), PLAIT_E_STALE);
}

static void test_closed_connection_is_gone_when_both_have_let_go(void **state) {
    pair *p = *state;
    char reason[64];
    size_t n;
    plait_channel channel;
    assert_ok(plait_connection_close(p->a.node, p->a.connection, 5, "enough"));
    assert_status(plait_connection_close(p->a.node, p->a.connection, 5, NULL), PLAIT_E_CLOSED);
    const plait_event closed = pair_expect(p, &p->z, PLAIT_EVENT_CLOSED);
    assert_int_equal(closed.status, PLAIT_E_PEER_CLOSED);
    assert_int_equal(closed.a, 5);
    assert_int_equal(closed.b, 1);
    assert_ok(plait_connection_reason(p->z.node, p->z.connection, reason, sizeof reason, &n));
    assert_string_equal(reason, "enough");
    assert_status(plait_channel_open(p->z.node, p->z.connection, "x", NULL, &channel),
                  PLAIT_E_CLOSED);
    assert_ok(plait_connection_close(p->z.node, p->z.connection, 0, NULL));
    const plait_event mine = pair_expect(p, &p->a, PLAIT_EVENT_CLOSED);
    assert_int_equal(mine.connection, p->a.connection);
    assert_int_equal(mine.status, PLAIT_OK);
    plait_status status = PLAIT_OK;
    for (int i = 0; i < 2000 && status != PLAIT_E_STALE; i++) { /* it drains first */
        pair_pump(p);
        status = plait_connection_set_token(p->a.node, p->a.connection, 1);
    }
    assert_int_equal(status, PLAIT_E_STALE);
}

static void test_slots_are_not_confused_when_they_are_used_again(void **state) {
    pair *p = *state;
    uint64_t before[40];
    for (size_t i = 0; i < 40; i++) {
        plait_channel at_a, at_z;
        pair_channel(p, NULL, &at_a, &at_z);
        for (size_t k = 0; k < i; k++) {
            assert_int_not_equal(before[k], at_a);
        }
        before[i] = at_a;
        assert_ok(plait_channel_close(p->a.node, at_a));
        assert_ok(plait_channel_close(p->z.node, at_z));
        pair_expect(p, &p->a, PLAIT_EVENT_CHANNEL_CLOSED);
        pair_expect(p, &p->z, PLAIT_EVENT_CHANNEL_CLOSED);
    }
}

static void test_closed_endpoint_takes_its_links_along(void **state) {
    pair *p = *state;
    char text[128];
    assert_ok(plait_endpoint_close(p->a.node, p->a.endpoint));
    assert_status(plait_endpoint_uri(p->a.node, p->a.endpoint, text, sizeof text, NULL),
                  PLAIT_E_CLOSED);
    pair_expect(p, &p->a, PLAIT_EVENT_LINK_CLOSED);
    const plait_event closed = pair_expect(p, &p->a, PLAIT_EVENT_ENDPOINT_CLOSED);
    assert_int_equal(closed.a, p->a.endpoint);
    assert_int_equal(closed.status, PLAIT_OK);
}

int main(void) {
#define CONNECTED(test) cmocka_unit_test_setup_teardown(test, pair_set_up_connected, pair_tear_down)
    const struct CMUnitTest tests[] = {
        CONNECTED(test_mixed_up_handles_are_found_out),
        CONNECTED(test_made_up_handles_are_found_out),
        CONNECTED(test_closed_channel_answers_questions_until_it_is_gone),
        CONNECTED(test_closed_connection_is_gone_when_both_have_let_go),
        CONNECTED(test_slots_are_not_confused_when_they_are_used_again),
        CONNECTED(test_closed_endpoint_takes_its_links_along),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
