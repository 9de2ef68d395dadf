/* SPDX-License-Identifier: Apache-2.0 */
/* Nodes with several workers: peers on either of them, what spans workers, and what they refuse. */
#include "abi.h"

#include <linux/filter.h>
#include <netinet/in.h>
#include <sys/socket.h>

enum { PEERS = 20, FEW = 6 };

static int set_up(void **state) {
    pair *p = calloc(1, sizeof *p);
    side_open_crew(&p->z, NULL, "udp://127.0.0.1:0");
    *state = p;
    return 0;
}

/* Peers with a node each connect, one after the other, and say something. */
static void check_peers(pair *p) {
    side peers[PEERS];
    int seen[WORKERS] = {0};
    for (int i = 0; i < PEERS; i++) {
        pair_connect_new(p, "udp://127.0.0.1:0");
        seen[worker_of(p->z.connection)]++;
        pair_hello(p);
        peers[i] = p->a;
    }
    assert_int_equal(side_connections(p->z.node), PEERS);
    assert_true(seen[0] > 0 && seen[1] > 0); /* all on one: once in 2^19 runs */
    p->a.node = NULL;
    for (int i = 0; i < PEERS; i++) {
        side_close(&peers[i]);
    }
    pair_expect_connections(p, &p->z, 0);
}

static void test_peers_are_spread_over_workers(void **state) {
    check_peers(*state);
}

/* A kernel that steers everything to the first worker: the second lives by what is handed over. */
static void test_wrong_worker_hands_over(void **state) {
    pair *p = *state;
    struct sock_filter code[] = {BPF_STMT(BPF_RET | BPF_K, 0)};
    struct sock_fprog program = {1, code};
    int found = 0;
    for (int fd = 3; fd < 256; fd++) {
        struct sockaddr_in at;
        socklen_t len = sizeof at;
        char uri[64];
        if (getsockname(fd, (struct sockaddr *)&at, &len) != 0 || at.sin_family != AF_INET) {
            continue;
        }
        snprintf(uri, sizeof uri, "udp://127.0.0.1:%u", ntohs(at.sin_port));
        if (strcmp(uri, p->z.uri) == 0) {
            assert_int_equal(
                setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof program), 0);
            found++;
        }
    }
    assert_int_equal(found, WORKERS);
    check_peers(p);
}

/* Both sides with several workers: the dials go to one after the other. */
static void test_dials_are_spread_over_workers(void **state) {
    pair *p = *state;
    int seen[WORKERS] = {0};
    side far[FEW];
    side_open_crew(&p->a, NULL, "udp://127.0.0.1:0");
    side a = p->a;
    for (int i = 0; i < FEW; i++) {
        side_open_crew(&far[i], NULL, "udp://127.0.0.1:0");
        plait_connection c;
        assert_ok(plait_connect_wait(a.node, far[i].id, far[i].uri, NULL, 10000, &c));
        seen[worker_of(c)]++;
    }
    assert_int_equal(seen[0], seen[1]);
    for (int i = 0; i < FEW; i++) {
        side_close(&far[i]);
    }
}

/* A peer that was started anew meets the worker that has its old connection, or replaces it. */
static void test_redial_replaces_the_old_connection(void **state) {
    pair *p = *state;
    side old[PEERS / 2];
    plait_identity *identity;
    int worker = -1;
    assert_ok(plait_identity_new(&identity));
    for (int i = 0; i < PEERS / 2; i++) {
        side_open_crew(&p->a, identity, "udp://127.0.0.1:0");
        assert_ok(plait_connect(p->a.node, p->z.id, p->z.uri, NULL, &p->a.connection));
        pair_expect(p, &p->a, PLAIT_EVENT_CONNECTED);
        p->z.connection = pair_expect(p, &p->z, PLAIT_EVENT_CONNECTED).connection;
        assert_true(worker < 0 || worker == worker_of(p->z.connection));
        worker = worker_of(p->z.connection);
        if (i > 0) {
            assert_int_equal(pair_expect(p, &p->z, PLAIT_EVENT_CLOSED).status, PLAIT_E_DUPLICATE);
        }
        pair_hello(p);
        old[i] = p->a;
    }
    p->a.node = NULL;
    for (int i = 0; i < PEERS / 2; i++) {
        old[i].identity = NULL;
        side_close(&old[i]);
    }
    plait_identity_free(identity);
}

/* Where the id shows only at the end the attempt may be another worker's than the old one. */
static void test_unknown_peer_replaces_across_workers(void **state) {
    pair *p = *state;
    side old[PEERS / 2];
    plait_identity *identity;
    plait_listen_config listen = PLAIT_LISTEN_CONFIG_INIT;
    plait_connect_config config = PLAIT_CONNECT_CONFIG_INIT;
    int moved = 0, worker = -1;
    listen.allow_unknown = 1;
    config.accept_any_id = 1;
    assert_ok(plait_node_listen(p->z.node, &listen));
    assert_ok(plait_identity_new(&identity));
    for (int i = 0; i < PEERS / 2; i++) {
        side_open_crew(&p->a, identity, "udp://127.0.0.1:0");
        assert_ok(plait_connect(p->a.node, NULL, p->z.uri, &config, &p->a.connection));
        pair_expect(p, &p->a, PLAIT_EVENT_CONNECTED);
        p->z.connection = pair_expect(p, &p->z, PLAIT_EVENT_CONNECTED).connection;
        moved += worker >= 0 && worker != worker_of(p->z.connection);
        worker = worker_of(p->z.connection);
        if (i > 0) {
            assert_int_equal(pair_expect(p, &p->z, PLAIT_EVENT_CLOSED).status, PLAIT_E_DUPLICATE);
        }
        pair_hello(p);
        old[i] = p->a;
    }
    assert_true(moved > 0); /* never: once in 2^9 runs */
    p->a.node = NULL;
    for (int i = 0; i < PEERS / 2; i++) {
        old[i].identity = NULL;
        side_close(&old[i]);
    }
    plait_identity_free(identity);
}

/* One connection comes of two dials, and each side's own handle is it. */
static void test_both_dial_at_once_one_connection(void **state) {
    pair *p = *state;
    for (int i = 0; i < FEW; i++) {
        side_open_crew(&p->a, NULL, "udp://127.0.0.1:0");
        assert_ok(plait_connect(p->a.node, p->z.id, p->z.uri, NULL, &p->a.connection));
        assert_ok(plait_connect(p->z.node, p->a.id, p->a.uri, NULL, &p->z.connection));
        pair_expect(p, &p->a, PLAIT_EVENT_CONNECTED);
        pair_expect(p, &p->z, PLAIT_EVENT_CONNECTED);
        pair_settle(p);
        pair_expect_connections(p, &p->z, 1);
        pair_expect_connections(p, &p->a, 1);
        plait_connection_stats stats = {.struct_size = sizeof stats};
        /* a's dial may have been over before z's began: then that one replaced it */
        if (plait_connection_get_stats(p->z.node, p->z.connection, &stats) == PLAIT_OK &&
            stats.state == PLAIT_CONNECTION_OPEN && !side_has(&p->a, PLAIT_EVENT_CONNECTED)) {
            pair_hello(p);
        }
        side_close(&p->a);
        pair_expect_connections(p, &p->z, 0);
        p->z.waiting = 0;
    }
}

static void test_bans_hold_on_all_workers(void **state) {
    pair *p = *state;
    for (int i = 0; i < 6; i++) {
        plait_id id;
        side_open(&p->a, "udp://127.0.0.1:0");
        assert_ok(plait_node_id(p->a.node, &id));
        assert_ok(plait_node_ban(p->z.node, &id, UINT64_MAX));
        assert_ok(plait_connect(p->a.node, p->z.id, p->z.uri, NULL, &p->a.connection));
        const uint64_t begin = plait_node_now_us(p->a.node);
        while (plait_node_now_us(p->a.node) - begin < 50 * 1000) {
            pair_pump(p);
        }
        assert_false(side_has(&p->a, PLAIT_EVENT_CONNECTED));
        assert_status(plait_connect(p->z.node, p->a.id, p->a.uri, NULL, &p->z.connection),
                      PLAIT_E_REFUSED);
        side_close(&p->a);
    }
}

/* Callbacks of both workers at the same time; for tsan. */
typedef struct counted {
    int echoes, failures;
} counted;

static void echo(plait_node *node, const plait_event *event, void *user) {
    counted *c = user;
    char text[64];
    size_t n, taken;
    if (event->type == PLAIT_EVENT_CHANNEL_REQUEST) {
        plait_channel_accept(node, event->channel, NULL);
    } else if (event->type == PLAIT_EVENT_READABLE) {
        while (plait_channel_read(node, event->channel, text, sizeof text, &n) == PLAIT_OK &&
               n != 0) {
            if (plait_channel_send(node, event->channel, text, n, &taken) != PLAIT_OK) {
                __atomic_fetch_add(&c->failures, 1, __ATOMIC_RELAXED);
            }
            __atomic_fetch_add(&c->echoes, 1, __ATOMIC_RELAXED);
        }
    } else if (plait_node_stop(node) != PLAIT_E_IN_CALLBACK) {
        __atomic_fetch_add(&c->failures, 1, __ATOMIC_RELAXED);
    }
}

static void test_callbacks_of_workers_run_side_by_side(void **state) {
    enum { CHANNELS = 12, ROUNDS = 20 };
    pair *p = *state;
    counted c = {0, 0};
    side peers[CHANNELS];
    plait_channel channels[CHANNELS];
    char text[8];
    assert_ok(plait_node_stop(p->z.node));
    assert_ok(plait_node_start(p->z.node, echo, &c));
    for (int i = 0; i < CHANNELS; i++) {
        side_open(&peers[i], "udp://127.0.0.1:0");
        assert_ok(plait_node_start(peers[i].node, NULL, NULL));
        assert_ok(plait_connect_wait(peers[i].node, p->z.id, p->z.uri, NULL, 10000,
                                     &peers[i].connection));
        assert_ok(
            plait_channel_open(peers[i].node, peers[i].connection, "echo", NULL, &channels[i]));
    }
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < CHANNELS; i++) {
            assert_ok(plait_channel_write_all(peers[i].node, channels[i], "12345678", 8, 10000));
        }
        for (int i = 0; i < CHANNELS; i++) {
            for (size_t got = 0, n = 0; got < sizeof text; got += n) {
                assert_ok(plait_channel_read_wait(peers[i].node, channels[i], text,
                                                  sizeof text - got, &n, 10000));
            }
        }
    }
    assert_ok(plait_node_stop(p->z.node));
    assert_true(c.echoes >= CHANNELS * ROUNDS);
    assert_int_equal(c.failures, 0);
    for (int i = 0; i < CHANNELS; i++) {
        side_close(&peers[i]);
    }
}

static void test_endpoint_is_one_to_the_application(void **state) {
    pair *p = *state;
    plait_endpoint again;
    plait_endpoint_info info = {.struct_size = sizeof info};
    assert_status(plait_endpoint_open(p->z.node, p->z.uri, NULL, &again), PLAIT_E_ADDRESS_IN_USE);
    assert_ok(plait_endpoint_get_info(p->z.node, p->z.endpoint, &info));
    assert_int_equal(info.state, PLAIT_ENDPOINT_UP);
    assert_ok(plait_endpoint_close(p->z.node, p->z.endpoint));
    assert_int_equal(pair_expect(p, &p->z, PLAIT_EVENT_ENDPOINT_CLOSED).a, p->z.endpoint);
    pair_settle(p);
    assert_false(side_has(&p->z, PLAIT_EVENT_ENDPOINT_CLOSED));
    assert_ok(plait_endpoint_open(p->z.node, p->z.uri, NULL, &again)); /* all have let it go */
    assert_ok(plait_endpoint_close(p->z.node, again));
}

static void test_modes_of_one_thread_are_refused(void **state) {
    pair *p = *state;
    plait_event event;
    plait_connection c;
    size_t got;
    assert_status(plait_node_fd(p->z.node), PLAIT_E_UNSUPPORTED);
    assert_status(plait_node_dispatch(p->z.node, &event, 1, &got), PLAIT_E_UNSUPPORTED);
    assert_status(plait_node_attach(p->z.node, (struct event_base *)&event), PLAIT_E_UNSUPPORTED);
    assert_status(plait_accept_wait(p->z.node, 0, &c), PLAIT_E_UNSUPPORTED);
    assert_ok(plait_node_wake(p->z.node));
    assert_ok(plait_node_wait(p->z.node, &event, 1, &got, -1)); /* the wake ends it */
    assert_ok(plait_node_stop(p->z.node));
    assert_status(plait_node_stop(p->z.node), PLAIT_E_STATE);
    assert_status(plait_node_wait(p->z.node, &event, 1, &got, 0), PLAIT_E_UNSUPPORTED);
    plait_node *node;
    plait_node_config config = test_config();
    config.workers = 65;
    assert_status(plait_node_new(p->z.identity, &config, &node), PLAIT_E_INVALID);
}

#define CREW_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static int tear_down(void **state) {
    pair *p = *state;
    side_close(&p->z);
    if (p->a.node != NULL) {
        side_close(&p->a);
    }
    free(p);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CREW_TEST(test_peers_are_spread_over_workers),
        CREW_TEST(test_wrong_worker_hands_over),
        CREW_TEST(test_dials_are_spread_over_workers),
        CREW_TEST(test_redial_replaces_the_old_connection),
        CREW_TEST(test_unknown_peer_replaces_across_workers),
        CREW_TEST(test_both_dial_at_once_one_connection),
        CREW_TEST(test_bans_hold_on_all_workers),
        CREW_TEST(test_callbacks_of_workers_run_side_by_side),
        CREW_TEST(test_endpoint_is_one_to_the_application),
        CREW_TEST(test_modes_of_one_thread_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
