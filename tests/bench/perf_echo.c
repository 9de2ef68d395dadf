/* SPDX-License-Identifier: Apache-2.0 */
/* Request and response: one small message to and fro, the next when the answer is here. Who asks
 * waits on the loop's own thread, or on one of its own while a thread of the library is the loop:
 * in the blocking call, or for what the library's callback reads. */
#include "perf.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { kRoundsMax = 2000000 };

typedef struct asker {
    perf_peer peer;
    plait_channel channel;
    uint8_t *message, *answer;
    size_t size;
    pthread_mutex_t mutex; /* these three: between callback and asker */
    pthread_cond_t came;
    bool answered;
} asker;

/* On the loop's own thread. */
static void ask_as_loop(asker *a) {
    plait_event events[kEventsAtOnce];
    size_t got, len;
    plait_status status;
    check(plait_channel_send(a->peer.node, a->channel, a->message, a->size, NULL), "send");
    while ((status = plait_channel_read(a->peer.node, a->channel, a->answer, a->size, &len)) ==
           PLAIT_E_AGAIN)
        check(plait_node_wait(a->peer.node, events, kEventsAtOnce, &got, kWaitMs), "wait");
    check(status, "answer");
}

static void ask_beside_loop(asker *a) {
    size_t len;
    check(plait_channel_send(a->peer.node, a->channel, a->message, a->size, NULL), "send");
    check(plait_channel_read_wait(a->peer.node, a->channel, a->answer, a->size, &len, kWaitMs),
          "answer");
}

static void on_answer(plait_node *node, const plait_event *event, void *user) {
    asker *a = user;
    size_t len;
    if (event->type != PLAIT_EVENT_READABLE ||
        plait_channel_read(node, event->channel, a->answer, a->size, &len) != PLAIT_OK)
        return;
    pthread_mutex_lock(&a->mutex);
    a->answered = true;
    pthread_mutex_unlock(&a->mutex);
    pthread_cond_signal(&a->came);
}

static void ask_callback(asker *a) {
    check(plait_channel_send(a->peer.node, a->channel, a->message, a->size, NULL), "send");
    pthread_mutex_lock(&a->mutex);
    while (!a->answered)
        pthread_cond_wait(&a->came, &a->mutex);
    a->answered = false;
    pthread_mutex_unlock(&a->mutex);
}

static const struct {
    const char *mode;
    void (*ask)(asker *);
    plait_event_fn *callback;
    bool has_thread; /* of the library */
} kModes[] = {
    {"loop", ask_as_loop, NULL, false},
    {"thread", ask_beside_loop, NULL, true},
    {"callback", ask_callback, on_answer, true},
};

static size_t ask_on(asker *a, void (*ask)(asker *), double seconds, uint64_t *times) {
    const uint64_t until = now_ns() + (uint64_t)(seconds * 1e9);
    uint64_t before;
    size_t n = 0;
    while (n < kRoundsMax && (before = now_ns()) < until) {
        ask(a);
        times[n++] = now_ns() - before;
    }
    return n;
}

int perf_echo(const perf_options *options) {
    asker a = {.size = options->size,
               .mutex = PTHREAD_MUTEX_INITIALIZER,
               .came = PTHREAD_COND_INITIALIZER};
    plait_channel_config config = PLAIT_CHANNEL_MESSAGES;
    uint64_t *times = malloc(kRoundsMax * sizeof *times);
    size_t mode = sizeof kModes / sizeof *kModes;
    while (--mode > 0 && strcmp(kModes[mode].mode, options->mode) != 0)
        continue;
    a.message = calloc(2, a.size);
    if (a.message == NULL || times == NULL)
        return 1;
    a.answer = a.message + a.size;
    open_peer(options, &a.peer);
    config.cipher = (uint8_t)options->cipher;
    a.channel = open_labelled(&a.peer, "echo", config, 1);
    if (kModes[mode].has_thread)
        check(plait_node_start(a.peer.node, kModes[mode].callback, &a), "start");
    uint64_t cpu = cpu_us();
    const size_t n = ask_on(&a, kModes[mode].ask, options->seconds, times);
    cpu = cpu_us() - cpu;
    sort_numbers(times, n);
    if (n > 0)
        printf("{\"bench\": \"echo\", \"mode\": \"%s\", \"size\": %u, \"rounds\": %zu, "
               "\"p50_us\": %.2f, \"p99_us\": %.2f, \"max_us\": %.2f, "
               "\"client_cpu_us_a_round\": %.2f}\n",
               kModes[mode].mode, options->size, n, (double)times[n / 2] * 1e-3,
               (double)times[n * 99 / 100] * 1e-3, (double)times[n - 1] * 1e-3,
               (double)cpu / (double)n);
    close_peer(&a.peer);
    free(times);
    free(a.message);
    return 0;
}
