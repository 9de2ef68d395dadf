/* SPDX-License-Identifier: Apache-2.0 */
/* One echo of some messages in each loop mode. The server z is in the mode under test; the client a
 * is in mode 1 with blocking helpers. Both pollers where the mode has a choice. */
#include "abi.h"

#include <arpa/inet.h>
#include <event2/event.h>
#include <linux/udp.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ROUNDS = 20 };

typedef struct server {
    side s;
    uint32_t poller;
    pthread_t thread;
    volatile int stop;
    struct event_base *base;
    int callbacks;
} server;

static void server_open(server *v, uint32_t poller) {
    plait_node_config config = test_config();
    plait_id id;
    memset(v, 0, sizeof *v);
    config.poller = poller;
    assert_ok(plait_identity_new(&v->s.identity));
    assert_ok(plait_node_new(v->s.identity, &config, &v->s.node));
    assert_ok(plait_endpoint_open(v->s.node, "udp://127.0.0.1:0", NULL, &v->s.endpoint));
    assert_ok(plait_endpoint_uri(v->s.node, v->s.endpoint, v->s.uri, sizeof v->s.uri, NULL));
    assert_ok(plait_node_id(v->s.node, &id));
    assert_ok(plait_id_format(&id, v->s.id, sizeof v->s.id));
    assert_ok(plait_node_listen(v->s.node, NULL));
}

/* What the server does with an event, in every mode. Runs on other threads: no cmocka here. */
static void on_event(plait_node *node, const plait_event *event, void *user) {
    server *v = user;
    char buf[4096];
    size_t n, taken;
    v->callbacks++;
    switch (event->type) {
    case PLAIT_EVENT_CHANNEL_REQUEST: plait_channel_accept(node, event->channel, NULL); break;
    case PLAIT_EVENT_READABLE:
        while (plait_channel_read(node, event->channel, buf, sizeof buf, &n) == PLAIT_OK) {
            plait_channel_send(node, event->channel, buf, n, &taken);
        }
        break;
    case PLAIT_EVENT_CLOSED: plait_connection_close(node, event->connection, 0, NULL); break;
    default: break;
    }
}

static void run_client(const char *id, const char *uri) {
    side a;
    plait_connection c;
    plait_channel channel;
    char buf[64];
    size_t n;
    side_open(&a, "udp://127.0.0.1:0");
    assert_ok(plait_connect_wait(a.node, id, uri, NULL, 5000, &c));
    const plait_channel_config config = PLAIT_CHANNEL_MESSAGES;
    assert_ok(plait_channel_open(a.node, c, "echo", &config, &channel));
    for (int i = 0; i < ROUNDS; i++) {
        char text[32];
        const int len = snprintf(text, sizeof text, "message %d", i);
        assert_ok(plait_channel_write_all(a.node, channel, text, (size_t)len, 5000));
        assert_ok(plait_channel_read_wait(a.node, channel, buf, sizeof buf, &n, 5000));
        assert_int_equal(n, len);
        assert_memory_equal(buf, text, n);
    }
    side_close(&a);
}

static void *wait_loop(void *user) {
    server *v = user;
    plait_event events[8];
    size_t got;
    while (!__atomic_load_n(&v->stop, __ATOMIC_ACQUIRE) &&
           plait_node_wait(v->s.node, events, 8, &got, 5000) == PLAIT_OK) {
        for (size_t i = 0; i < got; i++) {
            on_event(v->s.node, &events[i], v);
        }
    }
    return NULL;
}

static void *poll_loop(void *user) {
    server *v = user;
    plait_event events[2]; /* few, so that some are left over */
    size_t got;
    struct pollfd p = {plait_node_fd(v->s.node), POLLIN, 0};
    while (!__atomic_load_n(&v->stop, __ATOMIC_ACQUIRE) && poll(&p, 1, 5000) >= 0) {
        if (plait_node_dispatch(v->s.node, events, 2, &got) != PLAIT_OK) {
            break;
        }
        for (size_t i = 0; i < got; i++) {
            on_event(v->s.node, &events[i], v);
        }
    }
    return NULL;
}

static void stop_thread(server *v) {
    __atomic_store_n(&v->stop, 1, __ATOMIC_RELEASE);
    plait_node_wake(v->s.node);
    pthread_join(v->thread, NULL);
}

static void echo_by_wait(uint32_t poller) {
    server v;
    server_open(&v, poller);
    pthread_create(&v.thread, NULL, wait_loop, &v);
    run_client(v.s.id, v.s.uri);
    stop_thread(&v);
    side_close(&v.s);
}
static void test_mode_1_wait(void **state) {
    (void)state;
    echo_by_wait(PLAIT_POLLER_EPOLL);
    echo_by_wait(PLAIT_POLLER_LIBEVENT);
}

static void test_mode_2_descriptor_and_dispatch(void **state) {
    (void)state;
    server v;
    server_open(&v, PLAIT_POLLER_DEFAULT);
    assert_true(plait_node_fd(v.s.node) >= 0);
    assert_int_equal(plait_node_fd(v.s.node), plait_node_fd(v.s.node));
    pthread_create(&v.thread, NULL, poll_loop, &v);
    run_client(v.s.id, v.s.uri);
    stop_thread(&v);
    side_close(&v.s);
    server_open(&v, PLAIT_POLLER_LIBEVENT);
    assert_int_equal(plait_node_fd(v.s.node), PLAIT_E_UNSUPPORTED);
    side_close(&v.s);
}

static void test_mode_3_callbacks_on_own_thread(void **state) {
    (void)state;
    for (uint32_t poller = PLAIT_POLLER_EPOLL; poller <= PLAIT_POLLER_LIBEVENT; poller++) {
        server v;
        plait_event event;
        size_t got;
        server_open(&v, poller);
        assert_ok(plait_node_start(v.s.node, on_event, &v));
        assert_status(plait_node_start(v.s.node, on_event, &v), PLAIT_E_STATE);
        assert_status(plait_node_wait(v.s.node, &event, 1, &got, 0), PLAIT_E_STATE);
        assert_status(plait_node_dispatch(v.s.node, &event, 1, &got), PLAIT_E_STATE);
        assert_int_equal(plait_node_fd(v.s.node), PLAIT_E_STATE);
        run_client(v.s.id, v.s.uri);
        assert_ok(plait_node_stop(v.s.node));
        assert_true(v.callbacks > ROUNDS);
        assert_status(plait_node_stop(v.s.node), PLAIT_E_STATE);
        /* and on in another mode */
        v.stop = 0;
        pthread_create(&v.thread, NULL, wait_loop, &v);
        run_client(v.s.id, v.s.uri);
        stop_thread(&v);
        side_close(&v.s);
    }
}

static void test_mode_4_own_thread_and_wait(void **state) {
    (void)state;
    server v;
    server_open(&v, PLAIT_POLLER_DEFAULT);
    assert_ok(plait_node_start(v.s.node, NULL, NULL));
    pthread_create(&v.thread, NULL, wait_loop, &v);
    run_client(v.s.id, v.s.uri);
    stop_thread(&v);
    assert_ok(plait_node_stop(v.s.node));
    side_close(&v.s);
}

static void *base_loop(void *user) {
    server *v = user;
    event_base_dispatch(v->base);
    return NULL;
}

static void test_mode_5_in_an_event_base(void **state) {
    (void)state;
    for (uint32_t poller = PLAIT_POLLER_EPOLL; poller <= PLAIT_POLLER_LIBEVENT; poller++) {
        server v;
        plait_event event;
        size_t got;
        server_open(&v, poller);
        v.base = event_base_new();
        assert_ok(plait_node_attach(v.s.node, v.base));
        assert_status(plait_node_attach(v.s.node, v.base), PLAIT_E_STATE);
        assert_status(plait_node_wait(v.s.node, &event, 1, &got, 0), PLAIT_E_STATE);
        assert_ok(plait_node_start(v.s.node, on_event, &v));
        pthread_create(&v.thread, NULL, base_loop, &v);
        run_client(v.s.id, v.s.uri);
        event_base_loopexit(v.base, &(struct timeval){0, 1000});
        plait_node_wake(v.s.node); /* a base without locks sleeps on */
        pthread_join(v.thread, NULL);
        assert_true(v.callbacks > ROUNDS);
        assert_ok(plait_node_stop(v.s.node));
        assert_int_equal(event_base_get_num_events(v.base, EVENT_BASE_COUNT_ADDED), 0);
        event_base_free(v.base);
        /* and back to mode 1 */
        pthread_create(&v.thread, NULL, wait_loop, &v);
        run_client(v.s.id, v.s.uri);
        stop_thread(&v);
        side_close(&v.s);
    }
}

static void test_wait_ends_after_its_time_and_when_woken(void **state) {
    pair *p = *state;
    plait_event event;
    size_t got = 7;
    const uint64_t begin = plait_node_now_us(p->a.node);
    assert_ok(plait_node_wait(p->a.node, &event, 1, &got, 20));
    assert_int_equal(got, 0);
    assert_true(plait_node_now_us(p->a.node) - begin >= 20000);
    assert_ok(plait_node_wake(p->a.node));
    assert_ok(plait_node_wait(p->a.node, &event, 1, &got, -1));
    assert_int_equal(got, 0);
}

/* A server whose own thread looks for input that long before it sleeps. */
static void server_start_busy(server *v, uint32_t busy_poll_us) {
    plait_node_config config = test_config();
    server_open(v, PLAIT_POLLER_DEFAULT);
    plait_node_free(v->s.node);
    config.busy_poll_us = busy_poll_us;
    assert_ok(plait_node_new(v->s.identity, &config, &v->s.node));
    assert_ok(plait_endpoint_open(v->s.node, "udp://127.0.0.1:0", NULL, &v->s.endpoint));
    assert_ok(plait_endpoint_uri(v->s.node, v->s.endpoint, v->s.uri, sizeof v->s.uri, NULL));
    assert_ok(plait_node_listen(v->s.node, NULL));
    assert_ok(plait_node_start(v->s.node, on_event, v));
}

static void test_busy_polling_finds_the_same(void **state) {
    (void)state;
    const uint32_t times[] = {200, PLAIT_BUSY_POLL_NEVER};
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        server v;
        server_start_busy(&v, times[i]);
        run_client(v.s.id, v.s.uri);
        side_close(&v.s); /* ends the thread too */
    }
}

/* However long it would look for input. */
static void test_busy_wait_ends_after_its_time(void **state) {
    (void)state;
    enum { TIMEOUT_MS = 5, LATE_MS = 2000 };
    plait_node_config config = test_config();
    plait_identity *identity;
    plait_node *node;
    plait_endpoint endpoint;
    plait_event event;
    size_t got;
    config.busy_poll_us = 60000000;
    assert_ok(plait_identity_new(&identity));
    assert_ok(plait_node_new(identity, &config, &node));
    assert_ok(plait_endpoint_open(node, "udp://127.0.0.1:0", NULL, &endpoint));
    const uint64_t begin = plait_node_now_us(node);
    assert_ok(plait_node_wait(node, &event, 1, &got, TIMEOUT_MS));
    const uint64_t took = plait_node_now_us(node) - begin;
    assert_int_equal(got, 0);
    assert_true(took >= TIMEOUT_MS * 1000 && took < LATE_MS * 1000);
    plait_node_free(node);
    plait_identity_free(identity);
}

/* After many quick answers the client looks for the next one before it sleeps; there is none. */
static void test_wait_after_quick_answers_ends_after_its_time(void **state) {
    (void)state;
    enum { MANY = 200, TIMEOUT_MS = 5, LATE_MS = 2000 };
    server v;
    side a;
    plait_connection c;
    plait_channel channel;
    plait_event events[8];
    char buf[8];
    size_t n;
    server_start_busy(&v, 0);
    side_open(&a, "udp://127.0.0.1:0");
    assert_ok(plait_connect_wait(a.node, v.s.id, v.s.uri, NULL, 5000, &c));
    const plait_channel_config config = PLAIT_CHANNEL_MESSAGES;
    assert_ok(plait_channel_open(a.node, c, "echo", &config, &channel));
    for (int i = 0; i < MANY; i++) {
        assert_ok(plait_channel_write_all(a.node, channel, "?", 1, 5000));
        assert_ok(plait_channel_read_wait(a.node, channel, buf, sizeof buf, &n, 5000));
    }
    uint64_t begin;
    do {
        begin = plait_node_now_us(a.node);
        assert_ok(plait_node_wait(a.node, events, 8, &n, TIMEOUT_MS));
    } while (n != 0); /* what the library itself had to tell */
    const uint64_t took = plait_node_now_us(a.node) - begin;
    assert_true(took >= TIMEOUT_MS * 1000);
    assert_true(took < LATE_MS * 1000); /* the machine may have been busy with something else */
    assert_ok(plait_node_wake(a.node));
    assert_ok(plait_node_wait(a.node, events, 8, &n, -1));
    side_close(&a);
    side_close(&v.s);
}

static void test_busy_polling_lets_other_threads_call(void **state) {
    (void)state;
    server v;
    plait_node_stats stats = {.struct_size = sizeof stats};
    server_start_busy(&v, 60000000); /* longer than the test may take; no timer ends it sooner */
    const uint64_t begin = plait_node_now_us(v.s.node);
    while (plait_node_now_us(v.s.node) - begin < 20000) /* till it looks */
        assert_ok(plait_node_get_stats(v.s.node, &stats));
    assert_ok(plait_node_stop(v.s.node));
    assert_true(plait_node_now_us(v.s.node) - begin < 30000000);
    side_close(&v.s);
}

typedef struct flood {
    struct sockaddr_in to;
    volatile int stop;
} flood;

/* INITs that are not authentic, which is seen late; where the system can, more of them in one call
 * than a node looks through in that time. */
static void *send_junk(void *user) {
    flood *f = user;
    enum { SIZE = 1000, MANY = 60 };
    static const uint8_t head[] = {0x80, 'p', 'l', 't', '1', 0, 1, 42, 0, 1, 1, 0, 96};
    static uint8_t junk[MANY * SIZE];
    const int fd = socket(AF_INET, SOCK_DGRAM, 0), size = SIZE;
    const bool runs = setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &size, sizeof size) == 0;
    for (size_t i = 0; i < MANY; i++) {
        memcpy(junk + i * SIZE, head, sizeof head);
    }
    while (!__atomic_load_n(&f->stop, __ATOMIC_ACQUIRE)) {
        sendto(fd, junk, runs ? sizeof junk : SIZE, 0, (struct sockaddr *)&f->to, sizeof f->to);
    }
    close(fd);
    return NULL;
}

/* Each look finds something then. */
static void test_busy_polling_under_a_flood_lets_other_threads_call(void **state) {
    (void)state;
    enum { CALLS = 50, LIMIT_US = 30000000 };
    server v;
    flood f = {.to.sin_family = AF_INET};
    pthread_t thread;
    plait_node_stats stats = {.struct_size = sizeof stats};
    server_start_busy(&v, 60000000);
    f.to.sin_port = htons((uint16_t)atoi(strrchr(v.s.uri, ':') + 1));
    f.to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    pthread_create(&thread, NULL, send_junk, &f);
    const uint64_t begin = plait_node_now_us(v.s.node);
    do {
        assert_ok(plait_node_get_stats(v.s.node, &stats));
    } while (stats.datagrams_received == 0);
    for (int i = 0; i < CALLS; i++) {
        const uint64_t before = stats.datagrams_received;
        do { /* the loop has its turns, too */
            assert_ok(plait_node_get_stats(v.s.node, &stats));
        } while (stats.datagrams_received == before);
    }
    assert_ok(plait_node_stop(v.s.node));
    assert_ok(plait_node_start(v.s.node, on_event, &v));
    assert_ok(plait_node_get_stats(v.s.node, &stats));
    assert_true(plait_node_now_us(v.s.node) - begin < LIMIT_US);
    side_close(&v.s); /* started, and under the flood */
    __atomic_store_n(&f.stop, 1, __ATOMIC_RELEASE);
    pthread_join(thread, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mode_1_wait),
        cmocka_unit_test(test_mode_2_descriptor_and_dispatch),
        cmocka_unit_test(test_mode_3_callbacks_on_own_thread),
        cmocka_unit_test(test_mode_4_own_thread_and_wait),
        cmocka_unit_test(test_mode_5_in_an_event_base),
        cmocka_unit_test_setup_teardown(test_wait_ends_after_its_time_and_when_woken, pair_set_up,
                                        pair_tear_down),
        cmocka_unit_test(test_busy_polling_finds_the_same),
        cmocka_unit_test(test_busy_wait_ends_after_its_time),
        cmocka_unit_test(test_wait_after_quick_answers_ends_after_its_time),
        cmocka_unit_test(test_busy_polling_lets_other_threads_call),
        cmocka_unit_test(test_busy_polling_under_a_flood_lets_other_threads_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
