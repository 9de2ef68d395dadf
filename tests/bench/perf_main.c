/* SPDX-License-Identifier: Apache-2.0 */
#include "perf.h"

#include <stdlib.h>
#include <string.h>

static const char kUsage[] =
    "usage: plait_perf COMMAND [--NAME VALUE]...\n"
    "  server       --listen URI (udp://127.0.0.1:0) --workers N (threads of the library)\n"
    "               --seconds S, for ever without; --channels N of each client, 64 without:\n"
    "               memory is set aside for all of them, so that with many fewer clients get in\n"
    "  bulk         one channel, or --count of them, for --seconds; --mode copy|reserve|owned\n"
    "  echo         messages of --size bytes to and fro, for --seconds; --mode loop, or from\n"
    "               another thread: thread (waits in the library), callback (waits for it)\n"
    "  beside       pings of --size bytes beside bulk, for --seconds; --congestion cubic|bbr\n"
    "  connections  --count connections: handshakes, memory of idle ones after --settle seconds\n"
    "  channels     --count channels in one connection: memory of idle ones\n"
    "  crowd        --count connections from many processes: accepting and an echo as they grow,\n"
    "               memory and processor time of both ends when all are idle for --seconds,\n"
    "               with --keepalive SECONDS or without; 100,000 unless --count says otherwise\n"
    "all but server: --id ID --address URI  all: --busy-poll US|never \n"
    "               bulk, echo: --cipher aes|chacha\n"
    "bulk, echo, beside: --listen URI, their own\n";

static const struct {
    const char *name;
    int (*run)(const perf_options *);
    uint32_t count;
} kCommands[] = {
    {"server", perf_server, 0},
    {"bulk", perf_bulk, 1},
    {"echo", perf_echo, 1},
    {"beside", perf_beside, 1},
    {"connections", perf_connections, 1000},
    {"channels", perf_channels, 1000},
    {"crowd", perf_crowd, 100000},
};

static uint32_t cipher_of(const char *name) {
    return strcmp(name, "aes") == 0      ? PLAIT_CIPHER_AES256_GCM
           : strcmp(name, "chacha") == 0 ? PLAIT_CIPHER_CHACHA20_POLY1305
                                         : PLAIT_CIPHER_DEFAULT;
}

static uint32_t congestion_of(const char *name) {
    return strcmp(name, "bbr") == 0     ? PLAIT_CONGESTION_BBR
           : strcmp(name, "cubic") == 0 ? PLAIT_CONGESTION_CUBIC
                                        : PLAIT_CONGESTION_DEFAULT;
}

static int read_option(perf_options *o, const char *name, const char *value) {
    if (strcmp(name, "--id") == 0)
        o->id = value;
    else if (strcmp(name, "--address") == 0)
        o->address = value;
    else if (strcmp(name, "--listen") == 0)
        o->listen = value;
    else if (strcmp(name, "--mode") == 0)
        o->mode = value;
    else if (strcmp(name, "--seconds") == 0)
        o->seconds = atof(value);
    else if (strcmp(name, "--settle") == 0)
        o->settle = atof(value);
    else if (strcmp(name, "--count") == 0)
        o->count = (uint32_t)strtoul(value, NULL, 10);
    else if (strcmp(name, "--keepalive") == 0)
        o->keepalive_s = (uint32_t)strtoul(value, NULL, 10);
    else if (strcmp(name, "--size") == 0)
        o->size = (uint32_t)strtoul(value, NULL, 10);
    else if (strcmp(name, "--busy-poll") == 0)
        o->busy_poll_us = strcmp(value, "never") == 0 ? PLAIT_BUSY_POLL_NEVER
                                                      : (uint32_t)strtoul(value, NULL, 10);
    else if (strcmp(name, "--workers") == 0)
        o->workers = (uint32_t)strtoul(value, NULL, 10);
    else if (strcmp(name, "--channels") == 0)
        o->channels = (uint32_t)strtoul(value, NULL, 10);
    else if (strcmp(name, "--cipher") == 0)
        o->cipher = cipher_of(value);
    else if (strcmp(name, "--congestion") == 0)
        o->congestion = congestion_of(value);
    else
        return 0;
    return 1;
}

int main(int argc, char **argv) {
    perf_options options = {
        .listen = "udp://127.0.0.1:0", .mode = "copy", .size = 64, .settle = 12};
    size_t command = 0, commands = sizeof kCommands / sizeof *kCommands;
    while (argc > 1 && command < commands && strcmp(kCommands[command].name, argv[1]) != 0)
        command++;
    int good = argc > 1 && argc % 2 == 0 && command < commands;
    if (good)
        options.count = kCommands[command].count;
    for (int i = 2; good && i < argc; i += 2)
        good = read_option(&options, argv[i], argv[i + 1]);
    if (command != 0 && options.seconds == 0)
        options.seconds = 2;
    if (!good || (command != 0 && (options.id == NULL || options.address == NULL))) {
        fputs(kUsage, stderr);
        return 2;
    }
    return kCommands[command].run(&options);
}
