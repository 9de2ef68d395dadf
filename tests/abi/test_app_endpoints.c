/* SPDX-License-Identifier: Apache-2.0 */
/* Application endpoints: the test carries the datagrams between two nodes itself. */
#include "abi.h"

typedef struct air {
    pair p;
    bool cut;
} air;

static plait_endpoint open_app(side *s, const plait_app_endpoint_config *config) {
    plait_endpoint endpoint;
    assert_ok(plait_endpoint_open_app(s->node, "app://ble", config, &endpoint));
    return endpoint;
}

/* Carries what waits at one side to the other; how many datagrams. */
static int carry(air *w, side *from, side *to) {
    uint8_t buf[2000];
    plait_addr addr;
    size_t len;
    int n = 0;
    while (plait_endpoint_take(from->node, from->endpoint, &addr, buf, sizeof buf, &len) ==
           PLAIT_OK) {
        n++;
        if (!w->cut) {
            plait_addr sender = {4, "addr"};
            sender.b[3] = from == &w->p.a ? 'a' : 'z';
            assert_ok(plait_endpoint_push(to->node, to->endpoint, addr.len != 0 ? &sender : NULL,
                                          buf, len));
        }
    }
    return n;
}

static plait_event expect(air *w, side *s, uint32_t type) {
    for (int i = 0; i < 10000 && !side_has(s, type); i++) {
        carry(w, &w->p.a, &w->p.z);
        carry(w, &w->p.z, &w->p.a);
        pair_pump(&w->p);
    }
    return pair_expect(&w->p, s, type);
}

static void side_open_app(side *s, bool point_to_point, uint32_t mtu) {
    plait_app_endpoint_config config = PLAIT_APP_ENDPOINT_CONFIG_INIT;
    const plait_node_config node_config = test_config();
    plait_id id;
    config.point_to_point = point_to_point;
    config.mtu = mtu;
    config.token = 77;
    assert_ok(plait_identity_new(&s->identity));
    assert_ok(plait_node_new(s->identity, &node_config, &s->node));
    s->endpoint = open_app(s, &config);
    assert_ok(plait_node_id(s->node, &id));
    assert_ok(plait_id_format(&id, s->id, sizeof s->id));
    assert_ok(plait_node_listen(s->node, NULL));
}

static int set_up_line(void **state) {
    air *w = calloc(1, sizeof *w);
    side_open_app(&w->p.a, true, 500);
    side_open_app(&w->p.z, true, 500);
    *state = w;
    return 0;
}

static int set_up_air(void **state) {
    air *w = calloc(1, sizeof *w);
    side_open_app(&w->p.a, false, 100);
    side_open_app(&w->p.z, false, 100);
    *state = w;
    return 0;
}

static int tear_down(void **state) {
    air *w = *state;
    side_close(&w->p.a);
    side_close(&w->p.z);
    free(w);
    return 0;
}

static void echo_once(air *w) {
    plait_channel channel;
    char in[8];
    size_t n;
    assert_ok(plait_channel_open(w->p.a.node, w->p.a.connection, "x", NULL, &channel));
    assert_ok(plait_channel_send(w->p.a.node, channel, "hi", 2, &n));
    const plait_channel at_z = expect(w, &w->p.z, PLAIT_EVENT_CHANNEL_REQUEST).channel;
    assert_ok(plait_channel_accept(w->p.z.node, at_z, NULL));
    expect(w, &w->p.z, PLAIT_EVENT_READABLE);
    assert_ok(plait_channel_read(w->p.z.node, at_z, in, sizeof in, &n));
    assert_int_equal(n, 2);
}

static void test_point_to_point_line_carries_a_connection(void **state) {
    air *w = *state;
    side *a = &w->p.a;
    assert_ok(plait_connect(a->node, w->p.z.id, "app://ble", NULL, &a->connection));
    const plait_event output = expect(w, a, PLAIT_EVENT_ENDPOINT_OUTPUT);
    assert_int_equal(output.a, a->endpoint);
    assert_int_equal(output.token, 77);
    assert_int_equal(expect(w, a, PLAIT_EVENT_CONNECTED).connection, a->connection);
    expect(w, &w->p.z, PLAIT_EVENT_CONNECTED);
    echo_once(w);
}

static void test_addresses_are_carried_along(void **state) {
    air *w = *state;
    side *a = &w->p.a;
    plait_link link;
    char text[64];
    size_t n;
    assert_status(plait_connect(a->node, w->p.z.id, "app://ble", NULL, &a->connection),
                  PLAIT_E_ADDRESS);
    assert_ok(plait_connect(a->node, w->p.z.id, "app://ble/addz", NULL, &a->connection));
    assert_int_equal(expect(w, a, PLAIT_EVENT_CONNECTED).connection, a->connection);
    assert_ok(plait_connection_links(a->node, a->connection, &link, 1, &n));
    assert_ok(plait_link_address(a->node, link, text, sizeof text, NULL));
    assert_string_equal(text, "app://ble/addz");
    echo_once(w);
    /* Datagrams of 100 bytes hold no handshake: the address was proven first, then came pieces. */
    plait_node_stats stats = {.struct_size = sizeof stats};
    assert_ok(plait_node_get_stats(w->p.z.node, &stats));
    assert_true(stats.retries_sent >= 1 && stats.handshakes_in_pieces >= 1);
    assert_int_equal(stats.resets_sent, 0);
    assert_ok(plait_node_get_stats(a->node, &stats));
    assert_true(stats.retries_sent == 0 && stats.handshakes_in_pieces >= 1);
}

static void test_state_is_told_and_noticed(void **state) {
    air *w = *state;
    side *a = &w->p.a;
    assert_ok(plait_connect(a->node, w->p.z.id, NULL,
                            &(plait_connect_config){.struct_size = sizeof(plait_connect_config),
                                                    .endpoint = a->endpoint},
                            &a->connection));
    expect(w, a, PLAIT_EVENT_CONNECTED);
    expect(w, &w->p.z, PLAIT_EVENT_CONNECTED);
    assert_ok(plait_endpoint_set_state(a->node, a->endpoint, PLAIT_ENDPOINT_DOWN));
    plait_event event = expect(w, a, PLAIT_EVENT_ENDPOINT_STATE);
    assert_int_equal(event.a, a->endpoint);
    assert_int_equal(event.b, PLAIT_ENDPOINT_DOWN);
    expect(w, a, PLAIT_EVENT_DORMANT);
    assert_ok(plait_endpoint_set_state(a->node, a->endpoint, PLAIT_ENDPOINT_UP));
    event = expect(w, a, PLAIT_EVENT_ENDPOINT_STATE);
    assert_int_equal(event.b, PLAIT_ENDPOINT_UP);
    echo_once(w);
}

static void test_wrong_use_is_refused(void **state) {
    air *w = *state;
    side *a = &w->p.a;
    plait_app_endpoint_config config = PLAIT_APP_ENDPOINT_CONFIG_INIT;
    plait_endpoint endpoint, memory;
    uint8_t buf[2000] = {0};
    size_t len;
    assert_status(plait_endpoint_open_app(a->node, "app:", NULL, &endpoint), PLAIT_E_URI);
    assert_status(plait_endpoint_open_app(a->node, "app://B L E", NULL, &endpoint), PLAIT_E_URI);
    assert_status(plait_endpoint_open_app(a->node, "udp://x", NULL, &endpoint), PLAIT_E_URI);
    config.mtu = 10;
    assert_status(plait_endpoint_open_app(a->node, "app://x", &config, &endpoint), PLAIT_E_INVALID);
    assert_status(plait_endpoint_push(a->node, a->endpoint, NULL, buf, 501), PLAIT_E_TOO_BIG);
    assert_ok(plait_endpoint_push(a->node, a->endpoint, NULL, buf, 500)); /* garbage is dropped */
    assert_ok(plait_endpoint_push(a->node, a->endpoint, NULL, buf, 0));
    assert_status(plait_endpoint_take(a->node, a->endpoint, NULL, buf, sizeof buf, &len),
                  PLAIT_E_AGAIN);
    assert_ok(plait_connect(a->node, w->p.z.id, "app://ble", NULL, &a->connection));
    assert_status(plait_endpoint_take(a->node, a->endpoint, NULL, buf, 10, &len), PLAIT_E_BUFFER);
    assert_true(len > 10 && len <= 500);
    assert_ok(plait_endpoint_take(a->node, a->endpoint, NULL, buf, len, &len));
    assert_ok(plait_endpoint_open(a->node, "memory://app-test", NULL, &memory));
    assert_status(plait_endpoint_push(a->node, memory, NULL, buf, 1), PLAIT_E_UNSUPPORTED);
    assert_detail_has("memory://app-test: not an application endpoint");
    assert_status(plait_endpoint_take(a->node, memory, NULL, buf, 1, &len), PLAIT_E_UNSUPPORTED);
    assert_status(plait_endpoint_set_state(a->node, memory, PLAIT_ENDPOINT_UP),
                  PLAIT_E_UNSUPPORTED);
    assert_status(plait_endpoint_set_state(a->node, a->endpoint, 9), PLAIT_E_INVALID);
    assert_status(plait_endpoint_push(a->node, 12345, NULL, buf, 1), PLAIT_E_HANDLE);
}

/* Nobody takes for a while: the queue is bounded, and everything arrives all the same. */
static void test_full_queue_holds_the_sender_back(void **state) {
    air *w = *state;
    side *a = &w->p.a;
    static uint8_t out[200000], in[sizeof out];
    plait_channel channel;
    size_t n, sent = 0, got = 0;
    for (size_t i = 0; i < sizeof out; i++) {
        out[i] = (uint8_t)(i * 13 + (i >> 9));
    }
    assert_ok(plait_connect(a->node, w->p.z.id, "app://ble", NULL, &a->connection));
    expect(w, a, PLAIT_EVENT_CONNECTED);
    assert_ok(plait_channel_open(a->node, a->connection, "x", NULL, &channel));
    const plait_channel at_z = expect(w, &w->p.z, PLAIT_EVENT_CHANNEL_REQUEST).channel;
    assert_ok(plait_channel_accept(w->p.z.node, at_z, NULL));
    for (int i = 0; i < 20000 && got < sizeof in; i++) {
        if (sent < sizeof out &&
            plait_channel_send(a->node, channel, out + sent, sizeof out - sent, &n) == PLAIT_OK) {
            sent += n;
        }
        if (i % 3 == 0) {
            carry(w, a, &w->p.z);
            carry(w, &w->p.z, a);
        }
        plait_endpoint_info info = {.struct_size = sizeof info};
        assert_ok(plait_endpoint_get_info(a->node, a->endpoint, &info));
        assert_true(info.queued_bytes <= 65536);
        while (plait_channel_read(w->p.z.node, at_z, in + got, sizeof in - got, &n) == PLAIT_OK &&
               got < sizeof in) {
            got += n;
        }
        pair_pump(&w->p);
        a->waiting = w->p.z.waiting = 0;
    }
    assert_int_equal(got, sizeof in);
    assert_memory_equal(in, out, sizeof in);
}

int main(void) {
#define LINE(test) cmocka_unit_test_setup_teardown(test, set_up_line, tear_down)
    const struct CMUnitTest tests[] = {
        LINE(test_point_to_point_line_carries_a_connection),
        cmocka_unit_test_setup_teardown(test_addresses_are_carried_along, set_up_air, tear_down),
        LINE(test_state_is_told_and_noticed),
        LINE(test_wrong_use_is_refused),
        LINE(test_full_queue_holds_the_sender_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
