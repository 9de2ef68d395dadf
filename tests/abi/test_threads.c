/* SPDX-License-Identifier: Apache-2.0 */
/* Calls from many threads at once, on a node whose loop is the library's thread. Best run under
 * tsan. */
#include "abi.h"

#include <pthread.h>
#include <time.h>

enum { THREADS = 4, MESSAGES = 200 };

typedef struct shared {
    pair *p;
    plait_channel channels[THREADS]; /* a's */
    int received[THREADS];           /* at z, by z's thread */
    int out_of_order;
    int stop;
} shared;

typedef struct sender {
    shared *s;
    int index;
    int failures;
} sender;

static void on_event(plait_node *node, const plait_event *event, void *user) {
    shared *s = user;
    struct {
        int thread, number;
    } message;
    size_t n;
    if (event->type == PLAIT_EVENT_CHANNEL_REQUEST) {
        plait_channel_accept(node, event->channel, NULL);
    } else if (event->type == PLAIT_EVENT_READABLE) {
        while (plait_channel_read(node, event->channel, &message, sizeof message, &n) == PLAIT_OK) {
            if (n != sizeof message || message.thread < 0 || message.thread >= THREADS ||
                message.number != s->received[message.thread]) {
                s->out_of_order++;
            } else {
                __atomic_fetch_add(&s->received[message.thread], 1, __ATOMIC_RELEASE);
            }
        }
    }
}

static void *send_messages(void *user) {
    sender *me = user;
    shared *s = me->s;
    plait_node *a = s->p->a.node;
    for (int i = 0; i < MESSAGES; i++) {
        const int message[2] = {me->index, i};
        if (plait_channel_write_all(a, s->channels[me->index], message, sizeof message, 10000) !=
            PLAIT_OK) {
            me->failures++;
        }
        plait_channel_stats stats = {.struct_size = sizeof stats};
        if (plait_channel_get_stats(a, s->channels[me->index], &stats) != PLAIT_OK ||
            stats.messages_sent != (uint64_t)i + 1) {
            me->failures++;
        }
        /* a failure of this thread is told to this thread */
        plait_id id;
        char wrong[16];
        snprintf(wrong, sizeof wrong, "wrong-%d", me->index);
        if (plait_id_parse(wrong, &id) != PLAIT_E_NODE_ID ||
            strstr(plait_error_detail(), wrong) == NULL) {
            me->failures++;
        }
    }
    return NULL;
}

static void *open_and_close(void *user) {
    shared *s = user;
    while (!__atomic_load_n(&s->stop, __ATOMIC_ACQUIRE)) {
        plait_endpoint endpoint;
        if (plait_endpoint_open(s->p->a.node, "udp://127.0.0.1:0", NULL, &endpoint) == PLAIT_OK) {
            plait_endpoint_close(s->p->a.node, endpoint);
        }
        plait_channel channel;
        if (plait_channel_open(s->p->a.node, s->p->a.connection, "short", NULL, &channel) ==
            PLAIT_OK) {
            plait_channel_reset(s->p->a.node, channel, 1);
            plait_channel_close(s->p->a.node, channel);
        }
        plait_channel_close(s->p->a.node, channel);
    }
    return NULL;
}

/* Somebody has to read a's events. */
static void *drain_events(void *user) {
    shared *s = user;
    plait_event events[16];
    size_t got;
    while (!__atomic_load_n(&s->stop, __ATOMIC_ACQUIRE)) {
        plait_node_wait(s->p->a.node, events, 16, &got, 10);
    }
    return NULL;
}

static void many_threads(void **state, uint32_t own_thread) {
    pair *p = *state;
    shared s = {.p = p};
    sender senders[THREADS];
    pthread_t threads[THREADS], other, drain;
    const plait_channel_config config = PLAIT_CHANNEL_MESSAGES;
    for (int i = 0; i < THREADS; i++) {
        assert_ok(plait_channel_open(p->a.node, p->a.connection, "x", &config, &s.channels[i]));
    }
    assert_ok(plait_node_start(p->z.node, on_event, &s));
    if (own_thread) {
        assert_ok(plait_node_start(p->a.node, NULL, NULL));
    }
    pthread_create(&drain, NULL, drain_events, &s);
    pthread_create(&other, NULL, open_and_close, &s);
    for (int i = 0; i < THREADS; i++) {
        senders[i] = (sender){.s = &s, .index = i};
        pthread_create(&threads[i], NULL, send_messages, &senders[i]);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(senders[i].failures, 0);
    }
    const uint64_t begin = plait_node_now_us(p->a.node);
    for (int i = 0; i < THREADS; i++) {
        while (__atomic_load_n(&s.received[i], __ATOMIC_ACQUIRE) < MESSAGES) {
            assert_true(plait_node_now_us(p->a.node) - begin < 10000000);
            plait_node_wake(p->a.node);
        }
    }
    __atomic_store_n(&s.stop, 1, __ATOMIC_RELEASE);
    pthread_join(other, NULL);
    pthread_join(drain, NULL);
    assert_ok(plait_node_stop(p->z.node));
    assert_int_equal(s.out_of_order, 0);
}

static void test_many_threads_with_the_librarys_loop(void **state) {
    many_threads(state, 1);
}
static void test_many_threads_while_one_waits(void **state) {
    many_threads(state, 0);
}

/* z sends everything back. */
static void send_back(plait_node *node, const plait_event *event, void *user) {
    int message;
    size_t n;
    (void)user;
    if (event->type == PLAIT_EVENT_CHANNEL_REQUEST)
        plait_channel_accept(node, event->channel, NULL);
    else if (event->type == PLAIT_EVENT_READABLE)
        while (plait_channel_read(node, event->channel, &message, sizeof message, &n) == PLAIT_OK)
            plait_channel_send(node, event->channel, &message, n, NULL);
}

static int wrong_answers(plait_node *node, plait_channel channel, int count) {
    int wrong = 0;
    for (int i = 0; i < count; i++) {
        int answer = -1;
        size_t n;
        wrong +=
            plait_channel_write_all(node, channel, &i, sizeof i, 10000) != PLAIT_OK ||
            plait_channel_read_wait(node, channel, &answer, sizeof answer, &n, 10000) != PLAIT_OK ||
            answer != i;
    }
    return wrong;
}

static void *ask(void *user) {
    sender *me = user;
    me->failures = wrong_answers(me->s->p->a.node, me->s->channels[me->index], MESSAGES);
    return NULL;
}

/* Each of them may be the loop at any time, and stop takes it from him. */
static void test_many_threads_wait_beside_the_loop(void **state) {
    pair *p = *state;
    shared s = {.p = p};
    sender askers[THREADS];
    pthread_t threads[THREADS];
    const plait_channel_config config = PLAIT_CHANNEL_MESSAGES;
    for (int i = 0; i < THREADS; i++)
        assert_ok(plait_channel_open(p->a.node, p->a.connection, "x", &config, &s.channels[i]));
    assert_ok(plait_node_start(p->z.node, send_back, NULL));
    assert_ok(plait_node_start(p->a.node, NULL, NULL));
    for (int i = 0; i < THREADS; i++) {
        askers[i] = (sender){.s = &s, .index = i};
        pthread_create(&threads[i], NULL, ask, &askers[i]);
    }
    for (int round = 0; round < 20; round++) {
        plait_event events[16];
        size_t got;
        plait_status status = PLAIT_E_STATE;
        assert_ok(plait_node_wait(p->a.node, events, 16, &got, 1));
        assert_ok(plait_node_stop(p->a.node));
        /* Not while one of them is the loop in its place: until its answer has come. */
        const time_t end = time(NULL) + 10;
        while (status == PLAIT_E_STATE && time(NULL) < end)
            status = plait_node_start(p->a.node, NULL, NULL);
        assert_ok(status);
    }
    assert_ok(plait_node_stop(p->a.node));
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(askers[i].failures, 0);
    }
    assert_ok(plait_node_stop(p->z.node));
}

/* Whoever waits for answers is the loop meanwhile; what comes later is for the thread again. */
static void test_loop_is_the_threads_again_when_nobody_waits(void **state) {
    pair *p = *state;
    plait_channel channel;
    const plait_channel_config config = PLAIT_CHANNEL_MESSAGES;
    assert_ok(plait_channel_open(p->a.node, p->a.connection, "x", &config, &channel));
    assert_ok(plait_node_start(p->z.node, send_back, NULL));
    assert_ok(plait_node_start(p->a.node, NULL, NULL));
    assert_int_equal(wrong_answers(p->a.node, channel, 50), 0);
    assert_ok(plait_channel_open(p->z.node, p->z.connection, "y", &config, &channel));
    assert_ok(plait_channel_write_all(p->z.node, channel, "hello", 5, 1000));
    assert_ok(plait_channel_finish_wait(p->z.node, channel, 10000)); /* a acknowledges it */
    assert_ok(plait_node_stop(p->z.node));
}

static void *close_connection(void *user) {
    pair *p = user;
    plait_connection_close(p->z.node, p->z.connection, 1, "gone");
    return NULL;
}

static void test_connection_closed_under_ones_feet(void **state) {
    pair *p = *state;
    pthread_t thread;
    plait_channel channel;
    size_t n;
    plait_status status = PLAIT_OK;
    assert_ok(plait_channel_open(p->a.node, p->a.connection, "x", NULL, &channel));
    assert_ok(plait_node_start(p->a.node, NULL, NULL));
    assert_ok(plait_node_start(p->z.node, NULL, NULL));
    pthread_create(&thread, NULL, close_connection, p);
    while (status == PLAIT_OK || status == PLAIT_E_AGAIN) {
        status = plait_channel_send(p->a.node, channel, "x", 1, &n);
    }
    assert_int_equal(status, PLAIT_E_CLOSED);
    pthread_join(thread, NULL);
    assert_ok(plait_node_stop(p->a.node));
    assert_ok(plait_node_stop(p->z.node));
}

int main(void) {
#define CONNECTED(test) cmocka_unit_test_setup_teardown(test, pair_set_up_connected, pair_tear_down)
    const struct CMUnitTest tests[] = {
        CONNECTED(test_many_threads_with_the_librarys_loop),
        CONNECTED(test_many_threads_while_one_waits),
        CONNECTED(test_many_threads_wait_beside_the_loop),
        CONNECTED(test_loop_is_the_threads_again_when_nobody_waits),
        CONNECTED(test_connection_closed_under_ones_feet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
