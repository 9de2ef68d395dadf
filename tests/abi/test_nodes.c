/* SPDX-License-Identifier: Apache-2.0 */
/* Connecting and accepting, tokens, links, statistics, log, trace, sleep. */
#include "abi.h"

static void test_tokens_come_back_in_events(void **state) {
    pair *p = *state;
    plait_connect_config config = PLAIT_CONNECT_CONFIG_INIT;
    plait_channel_config channel_config = PLAIT_CHANNEL_STREAM;
    plait_endpoint_config endpoint_config = PLAIT_ENDPOINT_CONFIG_INIT;
    plait_connection c;
    plait_channel channel;
    plait_endpoint endpoint;
    config.token = 11;
    channel_config.token = 22;
    endpoint_config.token = 33;
    assert_ok(plait_connect(p->a.node, p->z.id, p->z.uri, &config, &c));
    assert_ok(plait_channel_open(p->a.node, c, "x", &channel_config, &channel));
    assert_int_equal(pair_expect(p, &p->a, PLAIT_EVENT_CONNECTED).token, 11);
    assert_int_equal(pair_expect(p, &p->a, PLAIT_EVENT_WRITABLE).token, 22);
    assert_ok(plait_channel_set_token(p->a.node, channel, 222));
    const plait_event request = pair_expect(p, &p->z, PLAIT_EVENT_CHANNEL_REQUEST);
    assert_int_equal(request.token, 0);
    channel_config.token = 44;
    assert_ok(plait_channel_accept(p->z.node, request.channel, &channel_config));
    assert_int_equal(pair_expect(p, &p->a, PLAIT_EVENT_CHANNEL_ACCEPTED).token, 222);
    assert_int_equal(pair_expect(p, &p->z, PLAIT_EVENT_WRITABLE).token, 44);
    assert_ok(plait_endpoint_open(p->a.node, "memory://token", &endpoint_config, &endpoint));
    assert_ok(plait_endpoint_close(p->a.node, endpoint));
    assert_int_equal(pair_expect(p, &p->a, PLAIT_EVENT_ENDPOINT_CLOSED).token, 33);
    assert_ok(plait_connection_set_token(p->a.node, c, 111));
    assert_ok(plait_connection_close(p->a.node, c, 0, NULL));
    assert_int_equal(pair_expect(p, &p->a, PLAIT_EVENT_CLOSED).token, 111);
}

static void test_asking_node_accepts_and_refuses(void **state) {
    pair *p = *state;
    plait_listen_config config = PLAIT_LISTEN_CONFIG_INIT;
    plait_connection c;
    plait_id peer, expected;
    config.accept = PLAIT_ACCEPT_ASK;
    assert_ok(plait_node_listen(p->z.node, &config));
    assert_ok(plait_connect(p->a.node, p->z.id, p->z.uri, NULL, &c));
    plait_event request = pair_expect(p, &p->z, PLAIT_EVENT_CONNECTION_REQUEST);
    assert_ok(plait_connection_peer(p->z.node, request.connection, &peer));
    assert_ok(plait_node_id(p->a.node, &expected));
    assert_memory_equal(&peer, &expected, sizeof peer);
    assert_ok(plait_connection_refuse(p->z.node, request.connection, 8));
    plait_event closed = pair_expect(p, &p->a, PLAIT_EVENT_CLOSED);
    assert_int_equal(closed.status, PLAIT_E_REFUSED);
    assert_int_equal(closed.a, 8);
    assert_int_equal(closed.b, 1);
    assert_int_equal(pair_expect(p, &p->a, PLAIT_EVENT_CONNECTED).connection, c); /* before */
    assert_ok(plait_connection_close(p->a.node, c, 0, NULL));

    assert_ok(plait_connect(p->a.node, p->z.id, p->z.uri, NULL, &c));
    request = pair_expect(p, &p->z, PLAIT_EVENT_CONNECTION_REQUEST);
    assert_ok(plait_connection_accept(p->z.node, request.connection));
    assert_status(plait_connection_accept(p->z.node, request.connection), PLAIT_E_STATE);
    assert_int_equal(pair_expect(p, &p->a, PLAIT_EVENT_CONNECTED).connection, c);
    assert_int_equal(pair_expect(p, &p->z, PLAIT_EVENT_CONNECTED).connection, request.connection);
}

static void test_listed_ids_only(void **state) {
    pair *p = *state;
    plait_listen_config config = PLAIT_LISTEN_CONFIG_INIT;
    plait_id id;
    plait_connection c;
    config.accept = PLAIT_ACCEPT_LIST;
    assert_ok(plait_node_listen(p->z.node, &config)); /* an empty list: nobody */
    assert_status(plait_connect_wait(p->a.node, p->z.id, p->z.uri, NULL, 50, &c), PLAIT_E_TIMEOUT);
    assert_ok(plait_node_id(p->a.node, &id));
    config.ids = &id;
    config.id_count = 1;
    assert_ok(plait_node_listen(p->z.node, &config));
    assert_ok(plait_connect(p->a.node, p->z.id, p->z.uri, NULL, &c));
    assert_int_equal(pair_expect(p, &p->a, PLAIT_EVENT_CONNECTED).connection, c);
}

static void test_second_link_joins_and_leaves(void **state) {
    pair *p = *state;
    plait_endpoint more;
    plait_link first, second, both[4];
    plait_link_stats stats = {.struct_size = sizeof stats};
    char text[128];
    size_t n;
    assert_ok(plait_connection_links(p->a.node, p->a.connection, &first, 1, &n));
    assert_int_equal(n, 1);
    assert_ok(plait_link_address(p->a.node, first, text, sizeof text, NULL));
    assert_string_equal(text, p->z.uri);
    assert_ok(plait_endpoint_open(p->z.node, "memory://second", NULL, &more));
    assert_ok(plait_connection_add_link(p->a.node, p->a.connection, PLAIT_NONE, "memory://second",
                                        &second));
    plait_event event;
    do {
        event = pair_expect(p, &p->a, PLAIT_EVENT_LINK_STATE);
    } while (event.link != second || event.a != PLAIT_LINK_GOOD);
    assert_ok(plait_connection_links(p->a.node, p->a.connection, both, 4, &n));
    assert_int_equal(n, 2);
    assert_ok(plait_link_get_stats(p->a.node, second, &stats));
    assert_int_equal(stats.state, PLAIT_LINK_GOOD);
    assert_int_equal(stats.connection, p->a.connection);
    assert_int_equal(stats.endpoint, p->a.endpoint);
    assert_true(stats.packets_sent > 0 && stats.bytes_sent > 0 && stats.mtu >= 64);
    assert_ok(plait_link_reason(p->a.node, second, text, sizeof text, NULL));
    assert_ok(plait_link_close(p->a.node, second, 3));
    assert_int_equal(pair_expect(p, &p->a, PLAIT_EVENT_LINK_CLOSED).link, second);
    const plait_event at_z = pair_expect(p, &p->z, PLAIT_EVENT_LINK_CLOSED);
    assert_int_equal(at_z.a, 3);
}

static void test_statistics_count_what_happened(void **state) {
    pair *p = *state;
    plait_node_stats node = {.struct_size = sizeof node};
    plait_connection_stats connection = {.struct_size = sizeof connection};
    plait_channel_stats channel = {.struct_size = sizeof channel};
    plait_endpoint_info endpoint = {.struct_size = sizeof endpoint};
    plait_channel at_a, at_z;
    char buf[1000] = {0};
    size_t n;
    pair_channel(p, NULL, &at_a, &at_z);
    assert_ok(plait_channel_send(p->a.node, at_a, buf, sizeof buf, &n));
    pair_read(p, &p->z, at_z, buf, sizeof buf);
    pair_settle(p);
    assert_ok(plait_channel_get_stats(p->a.node, at_a, &channel));
    assert_int_equal(channel.bytes_sent, 1000);
    assert_int_equal(channel.bytes_acked, 1000);
    assert_int_equal(channel.send_queue, 0);
    assert_int_equal(channel.state, PLAIT_CHANNEL_OPEN);
    assert_int_equal(channel.connection, p->a.connection);
    assert_ok(plait_channel_get_stats(p->z.node, at_z, &channel));
    assert_int_equal(channel.bytes_received, 1000);
    assert_int_equal(channel.bytes_read, 1000);
    assert_ok(plait_connection_get_stats(p->a.node, p->a.connection, &connection));
    assert_int_equal(connection.state, PLAIT_CONNECTION_OPEN);
    assert_int_equal(connection.initiator, 1);
    assert_int_equal(connection.links_live, 1);
    assert_int_equal(connection.channels, 1);
    assert_true(connection.bytes_sent > 1000 && connection.packets_received > 0);
    assert_ok(plait_node_get_stats(p->a.node, &node));
    assert_int_equal(node.connections, 1);
    assert_int_equal(node.connections_total, 1);
    assert_true(node.bytes_sent >= connection.bytes_sent);
    assert_ok(plait_endpoint_get_info(p->a.node, p->a.endpoint, &endpoint));
    assert_int_equal(endpoint.state, PLAIT_ENDPOINT_UP);
    assert_true(endpoint.bytes_sent >= connection.bytes_sent && endpoint.mtu >= 1200);
}

static void test_exported_keys_agree(void **state) {
    pair *p = *state;
    uint8_t a[32], z[32], other[32];
    assert_ok(plait_connection_export_key(p->a.node, p->a.connection, 0, "disk", a, sizeof a));
    assert_ok(plait_connection_export_key(p->z.node, p->z.connection, 0, "disk", z, sizeof z));
    assert_ok(plait_connection_export_key(p->z.node, p->z.connection, 0, "tape", other, 32));
    assert_memory_equal(a, z, sizeof a);
    assert_memory_not_equal(a, other, sizeof a);
    assert_status(plait_connection_export_key(p->a.node, p->a.connection, 0, "x", a, 65),
                  PLAIT_E_INVALID);
}

typedef struct key {
    uint8_t b[32];
} key;

/* What both ends export for a channel: the same, found by each end's own handle. */
static key export_of(pair *p, plait_channel at_a, plait_channel at_z, const char *label) {
    plait_channel_stats a = {.struct_size = sizeof a}, z = {.struct_size = sizeof z};
    key from_a, from_z;
    assert_ok(plait_channel_get_stats(p->a.node, at_a, &a));
    assert_ok(plait_channel_get_stats(p->z.node, at_z, &z));
    assert_int_equal(a.number, z.number);
    assert_ok(plait_connection_export_key(p->a.node, p->a.connection, (uint32_t)a.number, label,
                                          from_a.b, sizeof from_a.b));
    assert_ok(plait_connection_export_key(p->z.node, p->z.connection, (uint32_t)z.number, label,
                                          from_z.b, sizeof from_z.b));
    assert_memory_equal(from_a.b, from_z.b, sizeof from_a.b);
    return from_a;
}

static void test_exported_keys_of_channels_are_unrelated(void **state) {
    pair *p = *state;
    plait_channel at_a[2], at_z[2];
    key keys[5];
    for (int i = 0; i < 2; i++) {
        pair_channel(p, NULL, &at_a[i], &at_z[i]);
        keys[2 * i] = export_of(p, at_a[i], at_z[i], "disk");
        keys[2 * i + 1] = export_of(p, at_a[i], at_z[i], "tape");
    }
    assert_ok(plait_connection_export_key(p->a.node, p->a.connection, 0, "disk", keys[4].b,
                                          sizeof keys[4].b));
    for (int i = 0; i < 5; i++) {
        for (int k = 0; k < i; k++) {
            assert_memory_not_equal(keys[i].b, keys[k].b, sizeof keys[i].b);
        }
    }
    const key again = export_of(p, at_a[0], at_z[0], "disk");
    assert_memory_equal(again.b, keys[0].b, sizeof again.b);
}

static void count_line(void *user, uint32_t level, const char *text) {
    int *lines = user;
    assert_true(level >= PLAIT_LOG_ERROR && level <= PLAIT_LOG_DEBUG);
    assert_non_null(text);
    lines[0] += strstr(text, "memory://logged") != NULL;
}

static void test_log_is_silent_until_it_is_asked_for(void **state) {
    pair *p = *state;
    plait_endpoint endpoint;
    int lines = 0;
    assert_ok(plait_node_set_log(p->a.node, PLAIT_LOG_INFO, count_line, &lines));
    assert_ok(plait_endpoint_open(p->a.node, "memory://logged", NULL, &endpoint));
    assert_int_equal(lines, 1);
    assert_ok(plait_node_set_log(p->a.node, PLAIT_LOG_ERROR, count_line, &lines));
    assert_ok(plait_endpoint_close(p->a.node, endpoint));
    assert_int_equal(lines, 1);
    assert_ok(plait_node_set_log(p->a.node, 0, NULL, NULL));
}

static void count_record(void *user, const plait_trace_record *record) {
    int *count = user;
    assert_true(record->size >= sizeof *record);
    assert_true(record->type != 0);
    count[record->type == PLAIT_TRACE_PACKET_SENT]++;
}

static void test_trace_tells_of_packets_when_it_is_on(void **state) {
    pair *p = *state;
    plait_channel channel;
    size_t n;
    int count[2] = {0, 0};
    assert_ok(plait_node_set_trace(p->a.node, PLAIT_TRACE_PACKETS, count_record, count));
    assert_ok(plait_channel_open(p->a.node, p->a.connection, "x", NULL, &channel));
    assert_ok(plait_channel_send(p->a.node, channel, "x", 1, &n));
    pair_settle(p);
    assert_true(count[1] > 0);
    assert_ok(plait_node_set_trace(p->a.node, 0, NULL, NULL));
    const int before = count[1];
    assert_ok(plait_channel_send(p->a.node, channel, "x", 1, &n));
    pair_settle(p);
    assert_int_equal(count[1], before);
}

static void test_suspended_node_is_silent_until_it_resumes(void **state) {
    pair *p = *state;
    plait_channel at_a, at_z;
    char in[8];
    size_t n;
    pair_channel(p, NULL, &at_a, &at_z);
    pair_settle(p);
    assert_status(plait_node_resume(p->a.node), PLAIT_E_STATE);
    assert_ok(plait_node_suspend(p->a.node));
    assert_ok(plait_node_suspend(p->a.node));
    plait_node_stats stats = {.struct_size = sizeof stats};
    assert_ok(plait_node_get_stats(p->a.node, &stats));
    const uint64_t before = stats.datagrams_sent;
    assert_ok(plait_channel_send(p->a.node, at_a, "awake", 5, &n));
    assert_ok(plait_channel_send(p->z.node, at_z, "hello", 5, &n));
    pair_settle(p);
    assert_ok(plait_node_get_stats(p->a.node, &stats));
    assert_int_equal(stats.datagrams_sent, before);
    assert_ok(plait_node_resume(p->a.node));
    pair_read(p, &p->z, at_z, in, 5);
    assert_memory_equal(in, "awake", 5);
    pair_read(p, &p->a, at_a, in, 5);
    assert_memory_equal(in, "hello", 5);
    assert_ok(plait_node_network_changed(p->a.node));
    pair_settle(p);
}

static void test_banned_node_is_kept_out_until_it_is_lifted(void **state) {
    pair *p = *state;
    plait_id a, garbage;
    memset(&garbage, 0xff, sizeof garbage);
    assert_ok(plait_node_id(p->a.node, &a));
    assert_status(plait_node_ban(p->z.node, NULL, 1), PLAIT_E_NULL);
    assert_status(plait_node_ban(p->z.node, &garbage, UINT64_MAX), PLAIT_E_NODE_ID);
    assert_status(plait_node_ban_address(p->z.node, NULL, 1), PLAIT_E_NULL);
    assert_ok(plait_node_ban(p->z.node, &a, UINT64_MAX)); /* and so ends the connection */
    plait_event e = pair_expect(p, &p->a, PLAIT_EVENT_CLOSED);
    assert_int_equal(e.connection, p->a.connection);
    assert_status(plait_connect(p->z.node, p->a.id, p->a.uri, NULL, &e.connection),
                  PLAIT_E_REFUSED);
    assert_ok(plait_node_ban(p->z.node, &a, 0));
    assert_ok(plait_node_ban_address(p->z.node, p->a.uri, 1));
    assert_ok(plait_connect(p->a.node, p->z.id, p->z.uri, NULL, &p->a.connection));
    pair_expect(p, &p->a, PLAIT_EVENT_CONNECTED);
}

static void test_transports_loaded_as_plugins_work_too(void **state) {
    (void)state;
    pair *p = calloc(1, sizeof *p);
    plait_node_config config = test_config();
    side *sides[] = {&p->a, &p->z};
    for (int i = 0; i < 2; i++) {
        side *s = sides[i];
        plait_id id;
        assert_ok(plait_identity_new(&s->identity));
        assert_ok(plait_node_new(s->identity, &config, &s->node));
        assert_ok(plait_node_load_transport(s->node, "udp")); /* plait_udp.so in the search path */
        assert_ok(plait_node_load_transport(s->node, "udp"));
        if (plait_endpoint_open(s->node, "udp://[::1]:0", NULL, &s->endpoint) != PLAIT_OK) {
            assert_ok(plait_endpoint_open(s->node, "udp://127.0.0.1:0", NULL, &s->endpoint));
        }
        assert_ok(plait_endpoint_uri(s->node, s->endpoint, s->uri, sizeof s->uri, NULL));
        assert_ok(plait_node_id(s->node, &id));
        assert_ok(plait_id_format(&id, s->id, sizeof s->id));
    }
    assert_ok(plait_node_listen(p->z.node, NULL));
    assert_ok(plait_connect(p->a.node, p->z.id, p->z.uri, NULL, &p->a.connection));
    pair_expect(p, &p->a, PLAIT_EVENT_CONNECTED);
    void *state_of_pair = p;
    pair_tear_down(&state_of_pair);
}

static void test_many_nodes_in_one_process(void **state) {
    (void)state;
    enum { NODES = 20 };
    static side all[NODES];
    for (int i = 0; i < NODES; i++) {
        side_open(&all[i], NULL);
    }
    for (int i = 0; i < NODES; i++) {
        for (int k = 0; k < i; k++) {
            assert_string_not_equal(all[i].id, all[k].id);
        }
        side_close(&all[i]);
    }
}

static void count_release(void *user, const void *data, size_t len) {
    (void)data, (void)len;
    ++*(int *)user;
}

/* More than the timers of one turn end. */
static void test_free_with_many_connections_tells_each_and_gives_all_back(void **state) {
    (void)state;
    enum { PEERS = 200 };
    static side hub, peers[PEERS];
    plait_connection c;
    plait_channel channel;
    plait_event events[8];
    size_t got;
    int released = 0, closed = 0;
    side_open(&hub, NULL);
    for (int i = 0; i < PEERS; i++) {
        side_open(&peers[i], NULL);
        assert_ok(plait_node_listen(peers[i].node, NULL));
        assert_ok(plait_connect(hub.node, peers[i].id, peers[i].uri, NULL, &c));
        assert_ok(plait_channel_open(hub.node, c, "x", NULL, &channel));
        for (bool connected = false; !connected;) {
            assert_ok(plait_node_wait(hub.node, events, 1, &got, 1));
            connected = got == 1 && events[0].type == PLAIT_EVENT_CONNECTED;
            assert_ok(plait_node_wait(peers[i].node, events + 1, 1, &got, 0));
        }
        /* nobody acknowledges it */
        assert_ok(plait_channel_send_owned(hub.node, channel, "data", 4, count_release, &released));
    }
    assert_int_equal(released, 0);
    side_close(&hub);
    assert_int_equal(released, PEERS);
    for (int i = 0; i < PEERS; i++) {
        for (got = 1; got != 0;) {
            assert_ok(plait_node_wait(peers[i].node, events, 1, &got, 0));
            closed += got == 1 && events[0].type == PLAIT_EVENT_CLOSED &&
                      events[0].status == PLAIT_E_PEER_CLOSED;
        }
        side_close(&peers[i]);
    }
    assert_int_equal(closed, PEERS);
}

int main(void) {
#define PAIR(test) cmocka_unit_test_setup_teardown(test, pair_set_up, pair_tear_down)
#define CONNECTED(test) cmocka_unit_test_setup_teardown(test, pair_set_up_connected, pair_tear_down)
    const struct CMUnitTest tests[] = {
        PAIR(test_tokens_come_back_in_events),
        PAIR(test_asking_node_accepts_and_refuses),
        PAIR(test_listed_ids_only),
        CONNECTED(test_second_link_joins_and_leaves),
        CONNECTED(test_statistics_count_what_happened),
        CONNECTED(test_exported_keys_agree),
        CONNECTED(test_exported_keys_of_channels_are_unrelated),
        PAIR(test_log_is_silent_until_it_is_asked_for),
        CONNECTED(test_trace_tells_of_packets_when_it_is_on),
        CONNECTED(test_suspended_node_is_silent_until_it_resumes),
        CONNECTED(test_banned_node_is_kept_out_until_it_is_lifted),
        cmocka_unit_test(test_transports_loaded_as_plugins_work_too),
        cmocka_unit_test(test_many_nodes_in_one_process),
        cmocka_unit_test(test_free_with_many_connections_tells_each_and_gives_all_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
