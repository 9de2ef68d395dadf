/* SPDX-License-Identifier: Apache-2.0 */
/* Endpoints that only one of several workers can have: the others send and receive through it. */
#include "abi.h"

enum { PEERS = 12, TRIES = 40, BULK = 400000 };

static int tear_down(void **state) {
    pair *p = *state;
    if (p->z.node != NULL) {
        side_close(&p->z);
    }
    if (p->a.node != NULL) {
        side_close(&p->a);
    }
    free(p);
    return 0;
}

static int set_up_memory(void **state) {
    pair *p = calloc(1, sizeof *p);
    side_open_crew(&p->z, NULL, "memory://loans");
    *state = p;
    return 0;
}

static void assert_link_leads_to(plait_node *node, plait_connection connection, const char *uri) {
    plait_link link;
    char text[128];
    size_t n;
    assert_ok(plait_connection_links(node, connection, &link, 1, &n));
    assert_int_equal(n, 1);
    assert_ok(plait_link_address(node, link, text, sizeof text, NULL));
    assert_string_equal(text, uri);
}

static void test_peers_of_one_line_are_spread_over_workers(void **state) {
    pair *p = *state;
    side peers[PEERS];
    int seen[WORKERS] = {0};
    for (int i = 0; i < PEERS; i++) {
        pair_connect_new(p, NULL);
        seen[worker_of(p->z.connection)]++;
        pair_hello(p);
        assert_link_leads_to(p->z.node, p->z.connection, p->a.uri);
        peers[i] = p->a;
    }
    assert_true(seen[0] > 0 && seen[1] > 0); /* all on one: once in 2^11 runs */
    plait_endpoint_info info = {.struct_size = sizeof info};
    assert_ok(plait_endpoint_get_info(p->z.node, p->z.endpoint, &info));
    assert_true(info.datagrams_sent > PEERS && info.datagrams_received > PEERS);
    assert_int_equal(info.send_errors, 0);
    p->a.node = NULL;
    for (int i = 0; i < PEERS; i++) {
        side_close(&peers[i]);
    }
    pair_expect_connections(p, &p->z, 0);
}

static void test_dials_over_one_line_are_spread_over_workers(void **state) {
    pair *p = *state;
    side peers[PEERS];
    int seen[WORKERS] = {0};
    for (int i = 0; i < PEERS; i++) {
        side_open(&p->a, NULL);
        assert_ok(plait_node_listen(p->a.node, NULL));
        assert_ok(plait_connect(p->z.node, p->a.id, p->a.uri, NULL, &p->z.connection));
        pair_expect(p, &p->z, PLAIT_EVENT_CONNECTED);
        p->a.connection = pair_expect(p, &p->a, PLAIT_EVENT_CONNECTED).connection;
        seen[worker_of(p->z.connection)]++;
        pair_hello(p);
        peers[i] = p->a;
    }
    assert_int_equal(seen[0], seen[1]);
    p->a.node = NULL;
    for (int i = 0; i < PEERS; i++) {
        side_close(&peers[i]);
    }
}

/* A connection over UDP gets a second link over the line, whoever's it is. */
static void test_connections_of_all_workers_get_a_link(void **state) {
    pair *p = *state;
    plait_endpoint udp;
    side peers[WORKERS];
    int seen[WORKERS] = {0};
    assert_ok(plait_endpoint_open(p->z.node, "udp://127.0.0.1:0", NULL, &udp));
    for (int i = 0; i < WORKERS; i++) {
        plait_endpoint line;
        plait_link link;
        char own[32];
        snprintf(own, sizeof own, "memory://loans-a%d", i);
        side_open(&p->a, "udp://127.0.0.1:0");
        assert_ok(plait_endpoint_open(p->a.node, own, NULL, &line));
        assert_ok(plait_node_listen(p->a.node, NULL));
        assert_ok(plait_connect(p->z.node, p->a.id, p->a.uri, NULL, &p->z.connection));
        pair_expect(p, &p->z, PLAIT_EVENT_CONNECTED);
        p->a.connection = pair_expect(p, &p->a, PLAIT_EVENT_CONNECTED).connection;
        seen[worker_of(p->z.connection)]++;
        assert_ok(plait_connection_add_link(p->z.node, p->z.connection, p->z.endpoint, own, &link));
        plait_link_stats stats = {.struct_size = sizeof stats};
        for (int n = 0; n < 10000 && stats.state != PLAIT_LINK_GOOD; n++) {
            pair_pump(p);
            assert_ok(plait_link_get_stats(p->z.node, link, &stats));
        }
        assert_int_equal(stats.state, PLAIT_LINK_GOOD);
        pair_hello(p);
        peers[i] = p->a;
    }
    assert_int_equal(seen[0], seen[1]);
    assert_status(plait_connection_add_link(p->z.node, p->z.connection, 12345, "memory://x", NULL),
                  PLAIT_E_HANDLE);
    p->a.node = NULL;
    for (int i = 0; i < WORKERS; i++) {
        side_close(&peers[i]);
    }
}

/* -- an application's endpoint; the test carries its datagrams */

static plait_endpoint open_air(side *s) {
    plait_app_endpoint_config config = PLAIT_APP_ENDPOINT_CONFIG_INIT;
    plait_endpoint endpoint;
    config.queue_bytes = 8192;
    config.mtu = 1000;
    assert_ok(plait_endpoint_open_app(s->node, "app://air", &config, &endpoint));
    return endpoint;
}

/* Up to `most` datagrams; z is "z", a has its number. */
static size_t carry(side *from, side *to, char name, char to_name, size_t most) {
    uint8_t buf[1000];
    plait_addr addr, sender = {1, {0}};
    size_t len, bytes = 0;
    sender.b[0] = (uint8_t)name;
    while (most-- > 0 && plait_endpoint_take(from->node, from->endpoint, &addr, buf, sizeof buf,
                                             &len) == PLAIT_OK) {
        bytes += len;
        if (addr.len == 1 && addr.b[0] == (uint8_t)to_name) {
            assert_ok(plait_endpoint_push(to->node, to->endpoint, &sender, buf, len));
        }
    }
    return bytes;
}

static plait_event expect(pair *p, side *s, char a, uint32_t type) {
    for (int i = 0; i < 10000 && !side_has(s, type); i++) {
        carry(&p->a, &p->z, a, 'z', 100);
        carry(&p->z, &p->a, 'z', a, 100);
        pair_pump(p);
    }
    return pair_expect(p, s, type);
}

/* Connects new peers until one is the second worker's; its name. */
static char set_up_air(pair *p) {
    side_open_crew(&p->z, NULL, "memory://loans-air");
    p->z.endpoint = open_air(&p->z);
    for (char a = '0'; a < '0' + TRIES; a++) {
        side_open(&p->a, NULL);
        p->a.endpoint = open_air(&p->a);
        assert_ok(plait_connect(p->a.node, p->z.id, "app://air/z", NULL, &p->a.connection));
        expect(p, &p->a, a, PLAIT_EVENT_CONNECTED);
        p->z.connection = expect(p, &p->z, a, PLAIT_EVENT_CONNECTED).connection;
        if (worker_of(p->z.connection) != 0) {
            return a;
        }
        side_close(&p->a);
    }
    fail_msg("all on the first worker");
    return 0;
}

/* What nobody takes holds the borrower back, and all of it arrives in the end. */
static void test_full_queue_holds_a_borrower_back(void **state) {
    pair *p = calloc(1, sizeof *p);
    *state = p;
    const char a = set_up_air(p);
    plait_channel at_a, at_z;
    uint8_t *out = malloc(BULK), *in = calloc(1, BULK);
    size_t sent = 0, got = 0, n;
    for (size_t i = 0; i < BULK; i++) {
        out[i] = (uint8_t)(i * 7 + i / 1000);
    }
    assert_ok(plait_channel_open(p->z.node, p->z.connection, "bulk", NULL, &at_z));
    at_a = expect(p, &p->a, a, PLAIT_EVENT_CHANNEL_REQUEST).channel;
    assert_ok(plait_channel_accept(p->a.node, at_a, NULL));
    const uint64_t begin = plait_node_now_us(p->z.node);
    while (got < BULK && plait_node_now_us(p->z.node) - begin < 30 * 1000000) {
        plait_endpoint_info info = {.struct_size = sizeof info};
        if (sent < BULK &&
            plait_channel_send(p->z.node, at_z, out + sent, BULK - sent, &n) == PLAIT_OK) {
            sent += n;
        }
        carry(&p->a, &p->z, a, 'z', 100);
        carry(&p->z, &p->a, 'z', a, 8); /* the queue is full nearly always */
        assert_ok(plait_endpoint_get_info(p->z.node, p->z.endpoint, &info));
        assert_true(info.queued_bytes <= 8192);
        while (got < BULK &&
               plait_channel_read(p->a.node, at_a, in + got, BULK - got, &n) == PLAIT_OK) {
            got += n;
        }
        pair_pump(p);
        p->a.waiting = p->z.waiting = 0;
    }
    assert_int_equal(got, BULK);
    assert_memory_equal(in, out, BULK);
    free(out);
    free(in);
}

/* There may be connections of earlier tries, too. */
static void expect_dormant(pair *p, char a) {
    while (expect(p, &p->z, a, PLAIT_EVENT_DORMANT).connection != p->z.connection) {
        continue;
    }
}

static void test_state_and_end_reach_the_borrower(void **state) {
    pair *p = calloc(1, sizeof *p);
    *state = p;
    const char a = set_up_air(p);
    assert_ok(plait_endpoint_set_state(p->z.node, p->z.endpoint, PLAIT_ENDPOINT_DOWN));
    expect_dormant(p, a);
    assert_ok(plait_endpoint_set_state(p->z.node, p->z.endpoint, PLAIT_ENDPOINT_UP));
    plait_connection_stats stats = {.struct_size = sizeof stats};
    for (int i = 0; i < 10000 && stats.state != PLAIT_CONNECTION_OPEN; i++) {
        carry(&p->a, &p->z, a, 'z', 100);
        carry(&p->z, &p->a, 'z', a, 100);
        pair_pump(p);
        assert_ok(plait_connection_get_stats(p->z.node, p->z.connection, &stats));
    }
    assert_int_equal(stats.state, PLAIT_CONNECTION_OPEN);
    assert_ok(plait_endpoint_close(p->z.node, p->z.endpoint));
    assert_int_equal(pair_expect(p, &p->z, PLAIT_EVENT_ENDPOINT_CLOSED).a, p->z.endpoint);
    while (pair_expect(p, &p->z, PLAIT_EVENT_DORMANT).connection != p->z.connection) {
        continue;
    }
    pair_settle(p);
    assert_false(side_has(&p->z, PLAIT_EVENT_ENDPOINT_CLOSED));
    const plait_status status =
        plait_connection_add_link(p->z.node, p->z.connection, p->z.endpoint, "app://air/x", NULL);
    assert_true(status == PLAIT_E_CLOSED || status == PLAIT_E_STALE);
}

/* Peers of all workers are told, though only the first has the line. */
static void test_freed_node_tells_peers_of_borrowers(void **state) {
    pair *p = *state;
    int seen[WORKERS] = {0};
    side peers[PEERS];
    for (int i = 0; i < PEERS; i++) {
        pair_connect_new(p, NULL);
        seen[worker_of(p->z.connection)]++;
        peers[i] = p->a;
    }
    assert_true(seen[0] > 0 && seen[1] > 0);
    side_close(&p->z);
    p->z.node = NULL;
    for (int i = 0; i < PEERS; i++) {
        p->a = peers[i];
        assert_int_equal(pair_expect(p, &p->a, PLAIT_EVENT_CLOSED).status, PLAIT_E_PEER_CLOSED);
        side_close(&p->a);
    }
    p->a.node = NULL;
}

/* A udp:// with a star is opened once; its members serve all workers. */
static void test_star_serves_all_workers(void **state) {
    pair *p = calloc(1, sizeof *p);
    side peers[PEERS];
    int seen[WORKERS] = {0};
    *state = p;
    side_open_crew(&p->z, NULL, "udp://*?include=lo");
    const plait_endpoint member = pair_expect(p, &p->z, PLAIT_EVENT_ENDPOINT_OPENED).a;
    assert_ok(plait_endpoint_uri(p->z.node, member, p->z.uri, sizeof p->z.uri, NULL));
    for (int i = 0; i < PEERS; i++) {
        pair_connect_new(p, strchr(p->z.uri, '[') ? "udp://[::1]:0" : "udp://127.0.0.1:0");
        seen[worker_of(p->z.connection)]++;
        pair_hello(p);
        peers[i] = p->a;
    }
    assert_true(seen[0] > 0 && seen[1] > 0);
    p->a.node = NULL;
    for (int i = 0; i < PEERS; i++) {
        side_close(&peers[i]);
    }
}

int main(void) {
#define ON_MEMORY(test) cmocka_unit_test_setup_teardown(test, set_up_memory, tear_down)
    const struct CMUnitTest tests[] = {
        ON_MEMORY(test_peers_of_one_line_are_spread_over_workers),
        ON_MEMORY(test_dials_over_one_line_are_spread_over_workers),
        ON_MEMORY(test_connections_of_all_workers_get_a_link),
        ON_MEMORY(test_freed_node_tells_peers_of_borrowers),
        cmocka_unit_test_teardown(test_full_queue_holds_a_borrower_back, tear_down),
        cmocka_unit_test_teardown(test_state_and_end_reach_the_borrower, tear_down),
        cmocka_unit_test_teardown(test_star_serves_all_workers, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
