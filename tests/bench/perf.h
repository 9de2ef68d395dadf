/* SPDX-License-Identifier: Apache-2.0 */
/* plait_perf: measures the library through its public C interface alone. A server answers whatever
 * the client asks; the client prints one line of JSON for each thing measured.
 *
 *     label of the channel   what the server does with it
 *     sink                   reads and counts
 *     echo                   sends every message back
 *     hold                   accepts it and lets it be
 *     stats                  answers every message with a server_stats
 */
#ifndef PLAIT_BENCH_PERF_H
#define PLAIT_BENCH_PERF_H
#include <plait/plait.h>
#include <stdio.h>

enum {
    kWaitMs = 10000,
    kChunk = 65536,
    kEventsAtOnce = 64,
    kAddressMax = 160,
};

typedef struct perf_options {
    const char *id, *address; /* of the server; NULL where this is the server */
    const char *listen;       /* also a client's own endpoint */
    const char *mode;         /* bulk: copy, reserve or owned */
    double seconds;
    uint32_t count;      /* channels, connections or rounds, by command */
    uint32_t size;       /* bytes of a message */
    uint32_t cipher;     /* PLAIT_CIPHER_* */
    uint32_t congestion; /* PLAIT_CONGESTION_* */
    uint32_t busy_poll_us;
    uint32_t workers;     /* of the server; 0: one, run by plait_node_wait */
    uint32_t channels;    /* that each client may have at the server; 0: the library's default */
    uint32_t keepalive_s; /* of the nodes of a crowd; 0: none */
    double settle;        /* seconds until an idle connection has given back what it can */
} perf_options;

/* What the server tells of itself. Both sides are the same program, so it travels as it is. */
typedef struct server_stats {
    uint64_t connections, connections_total;
    uint64_t malloc_bytes, rss_bytes, cpu_us, system_us;
    uint64_t sink_bytes, sink_first_us, sink_last_us; /* since the stats before */
    uint64_t packets_received, packets_sent, bytes_received;
    uint64_t retries; /* strangers who had to prove their address first */
} server_stats;

/* A client's connection, with the channel that asks for statistics. */
typedef struct perf_peer {
    plait_node *node;
    plait_connection connection;
    plait_channel stats;
} perf_peer;

/* perf_common.c */
void check(plait_status status, const char *what); /* ends the program */
plait_node *new_node(uint32_t busy_poll_us, uint32_t workers, uint32_t keepalive_s,
                     uint32_t channels);
plait_node *new_node_on(const char *uri, uint32_t busy_poll_us, uint32_t keepalive_s);
void open_peer(const perf_options *options, perf_peer *peer);
void close_peer(perf_peer *peer);
server_stats ask_stats(perf_peer *peer);
plait_channel open_labelled(perf_peer *peer, const char *label, plait_channel_config config,
                            uint64_t token);
uint64_t now_ns(void);
uint64_t now_us(void);
uint64_t cpu_us(void);    /* of this process */
uint64_t system_us(void); /* of that: in the kernel */
uint64_t malloc_bytes(void);
uint64_t rss_bytes(void);
void sort_numbers(uint64_t *numbers, size_t count);

/* perf_server.c, perf_bulk.c, perf_echo.c, perf_beside.c, perf_many.c: each a command. */
int perf_server(const perf_options *options);
int perf_bulk(const perf_options *options);
int perf_echo(const perf_options *options);
int perf_beside(const perf_options *options);
int perf_connections(const perf_options *options);
int perf_channels(const perf_options *options);
int perf_crowd(const perf_options *options);

#endif
