/* SPDX-License-Identifier: Apache-2.0 */
/* Request and response: one small message to and fro, the next when the answer is here. */
#include "perf.h"

#include <stdlib.h>
#include <string.h>

enum { kRoundsMax = 2000000 };

/* Waits for the answer on the loop's own thread. */
static void read_answer(perf_peer *peer, plait_channel channel, uint8_t *to, size_t cap) {
    plait_event events[kEventsAtOnce];
    size_t got, len;
    plait_status status;
    while ((status = plait_channel_read(peer->node, channel, to, cap, &len)) == PLAIT_E_AGAIN)
        check(plait_node_wait(peer->node, events, kEventsAtOnce, &got, kWaitMs), "wait");
    check(status, "answer");
}

int perf_echo(const perf_options *options) {
    perf_peer peer;
    plait_channel_config config = PLAIT_CHANNEL_MESSAGES;
    uint8_t *message = calloc(2, options->size);
    uint64_t *times = malloc(kRoundsMax * sizeof *times);
    if (message == NULL || times == NULL)
        return 1;
    open_peer(options, &peer);
    config.cipher = (uint8_t)options->cipher;
    plait_channel channel = open_labelled(&peer, "echo", config, 1);
    size_t n = 0;
    uint64_t until = now_ns() + (uint64_t)(options->seconds * 1e9), before = 0, cpu = cpu_us();
    while (n < kRoundsMax && (before = now_ns()) < until) {
        check(plait_channel_send(peer.node, channel, message, options->size, NULL), "send");
        read_answer(&peer, channel, message + options->size, options->size);
        times[n++] = now_ns() - before;
    }
    cpu = cpu_us() - cpu;
    sort_numbers(times, n);
    if (n > 0)
        printf("{\"bench\": \"echo\", \"size\": %u, \"rounds\": %zu, \"p50_us\": %.2f, "
               "\"p99_us\": %.2f, \"max_us\": %.2f, \"client_cpu_us_a_round\": %.2f}\n",
               options->size, n, (double)times[n / 2] * 1e-3, (double)times[n * 99 / 100] * 1e-3,
               (double)times[n - 1] * 1e-3, (double)cpu / (double)n);
    close_peer(&peer);
    free(times);
    free(message);
    return 0;
}
