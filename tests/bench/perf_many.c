/* SPDX-License-Identifier: Apache-2.0 */
/* Many connections: handshakes a second, first between strangers and then between nodes that know
 * each other, and the server's memory for a connection that idles. There is one connection between
 * two nodes, so the client is as many nodes as it has connections. Many channels: memory of each.
 */
#define _GNU_SOURCE
#include "perf.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum {
    kAtOnce = 32,          /* handshakes under way */
    kNodesAProcess = 4000, /* which have descriptors and ports enough for so many */
    kProcessesMost = 254,  /* each has an address of 127.0.1.0/24 */
    kEchoes = 10000,
    kEchoBytes = 64,
    kAmongAll = 'a', /* orders to a process of a crowd */
    kAmongFew = 'f',
};

typedef struct crowd {
    const perf_options *options;
    plait_node **nodes;
    plait_connection *connections;
    plait_channel *channels;
    int epoll;
    uint32_t done; /* of the present step, by all nodes together */
} crowd;

typedef struct crowd_processes {
    pid_t pids[kProcessesMost];
    int orders[kProcessesMost]; /* to each */
    uint32_t count;
    int done[2]; /* from all of them */
} crowd_processes;

static void raise_file_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* `address`: where each of its nodes opens an endpoint. */
static void make_crowd(crowd *c, const char *address) {
    raise_file_limit();
    c->nodes = calloc(c->options->count, sizeof *c->nodes);
    c->connections = calloc(c->options->count, sizeof *c->connections);
    c->channels = calloc(c->options->count, sizeof *c->channels);
    c->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (c->nodes == NULL || c->connections == NULL || c->channels == NULL || c->epoll < 0)
        exit(1);
    for (uint32_t i = 0; i < c->options->count; i++) {
        c->nodes[i] = new_node_on(address, 0, c->options->keepalive_s);
        struct epoll_event e = {.events = EPOLLIN, .data.u32 = i};
        int fd = plait_node_fd(c->nodes[i]);
        if (fd < 0 || epoll_ctl(c->epoll, EPOLL_CTL_ADD, fd, &e) != 0) {
            perror("plait_perf: watching a node");
            exit(1);
        }
    }
}

static void free_crowd(crowd *c) {
    for (uint32_t i = 0; i < c->options->count; i++)
        plait_node_free(c->nodes[i]);
    close(c->epoll);
    free(c->nodes);
    free(c->connections);
    free(c->channels);
}

/* Moves the nodes that have something to do. `type`: the event that completes the step. */
static void turn(crowd *c, int timeout_ms, uint32_t type) {
    struct epoll_event ready[kEventsAtOnce];
    plait_event events[kEventsAtOnce];
    int n = epoll_wait(c->epoll, ready, kEventsAtOnce, timeout_ms);
    for (int i = 0; i < n; i++) {
        uint32_t at = ready[i].data.u32;
        size_t got;
        check(plait_node_dispatch(c->nodes[at], events, kEventsAtOnce, &got), "dispatch");
        for (size_t k = 0; k < got; k++) {
            if (events[k].type == type) {
                c->done++;
            } else if (events[k].type == PLAIT_EVENT_CLOSED) {
                fprintf(stderr, "plait_perf: connection %u ended: %s\n", at,
                        plait_status_name(events[k].status));
                exit(1);
            }
        }
    }
}

static void connect_all(crowd *c) {
    const perf_options *o = c->options;
    uint32_t begun = 0;
    c->done = 0;
    while (c->done < o->count) {
        for (; begun < o->count && begun - c->done < kAtOnce; begun++)
            check(plait_connect(c->nodes[begun], o->id, o->address, NULL, &c->connections[begun]),
                  "connect");
        turn(c, 1000, PLAIT_EVENT_CONNECTED);
    }
}

static void close_all(crowd *c) {
    c->done = 0;
    for (uint32_t i = 0; i < c->options->count; i++) {
        check(plait_connection_close(c->nodes[i], c->connections[i], 0, NULL), "close");
        turn(c, 0, PLAIT_EVENT_CLOSED);
    }
    while (c->done < c->options->count)
        turn(c, 1000, PLAIT_EVENT_CLOSED);
}

static void turn_for(crowd *c, double seconds) {
    uint64_t until = now_us() + (uint64_t)(seconds * 1e6);
    while (now_us() < until)
        turn(c, 50, 0);
}

static void measure_handshakes(crowd *c, perf_peer *watcher, const char *who) {
    server_stats before = ask_stats(watcher);
    uint64_t start = now_us(), cpu = cpu_us();
    connect_all(c);
    double seconds = (double)(now_us() - start) / 1e6, client = (double)(cpu_us() - cpu) / 1e6;
    server_stats after = ask_stats(watcher);
    double server = (double)(after.cpu_us - before.cpu_us) / 1e6, n = (double)c->options->count;
    printf("{\"bench\": \"handshakes\", \"identities\": \"%s\", \"count\": %u, \"seconds\": %.4f, "
           "\"per_second\": %.0f, \"per_server_cpu_second\": %.0f, "
           "\"per_client_cpu_second\": %.0f, \"retries\": %llu}\n",
           who, c->options->count, seconds, n / seconds, n / server, n / client,
           (unsigned long long)(after.retries - before.retries));
    fflush(stdout);
}

static void print_memory(const char *of, const server_stats *before, const server_stats *after,
                         uint32_t count) {
    double n = (double)count;
    printf("{\"bench\": \"memory\", \"of\": \"%s\", \"count\": %u, \"malloc_bytes\": %.0f, "
           "\"rss_bytes\": %.0f}\n",
           of, count, ((double)after->malloc_bytes - (double)before->malloc_bytes) / n,
           ((double)after->rss_bytes - (double)before->rss_bytes) / n);
    fflush(stdout);
}

static void open_channels(crowd *c, const char *label, const plait_channel_config *config) {
    c->done = 0;
    for (uint32_t i = 0; i < c->options->count; i++) {
        check(plait_channel_open(c->nodes[i], c->connections[i], label, config, &c->channels[i]),
              "open");
        turn(c, 0, PLAIT_EVENT_CHANNEL_ACCEPTED);
    }
    while (c->done < c->options->count)
        turn(c, 1000, PLAIT_EVENT_CHANNEL_ACCEPTED);
}

int perf_connections(const perf_options *options) {
    crowd c = {.options = options};
    perf_peer watcher;
    open_peer(options, &watcher);
    make_crowd(&c, "udp://127.0.0.1:0");
    server_stats empty = ask_stats(&watcher);
    measure_handshakes(&c, &watcher, "new");
    turn_for(&c, options->settle);
    server_stats idle = ask_stats(&watcher);
    print_memory("idle connection", &empty, &idle, options->count);
    open_channels(&c, "hold", NULL);
    turn_for(&c, options->settle);
    server_stats with_channel = ask_stats(&watcher);
    print_memory("idle connection with a channel", &empty, &with_channel, options->count);
    close_all(&c);
    turn_for(&c, 1);
    measure_handshakes(&c, &watcher, "known");
    free_crowd(&c);
    close_peer(&watcher);
    return 0;
}

/* As many messages to and fro as it has connections, over the first `among` of them in turn, some
 * at once. */
static void echo_in_turn(crowd *c, uint32_t among) {
    char message[kEchoBytes] = "";
    size_t len;
    for (uint32_t i = 0; i < c->options->count; i += kAtOnce) {
        const uint32_t n = c->options->count - i < kAtOnce ? c->options->count - i : kAtOnce;
        for (uint32_t k = 0; k < n; k++) {
            const uint32_t at = (i + k) % among;
            check(plait_channel_write_all(c->nodes[at], c->channels[at], message, sizeof message,
                                          kWaitMs),
                  "sending");
        }
        for (uint32_t k = 0; k < n; k++) {
            const uint32_t at = (i + k) % among;
            check(plait_channel_read_wait(c->nodes[at], c->channels[at], message, sizeof message,
                                          &len, kWaitMs),
                  "reading the echo");
        }
    }
}

/* One process of a crowd: connects, opens a channel on each connection, says so, and lives on; at
 * each order it sends a message over each, and says so. */
static void live_in_crowd(const perf_options *options, uint32_t process, int done, int orders) {
    char address[kAddressMax], order;
    const plait_channel_config messages = PLAIT_CHANNEL_MESSAGES;
    perf_options own = *options;
    crowd c = {.options = &own};
    uint32_t left = options->count - process * kNodesAProcess;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    own.count = left < kNodesAProcess ? left : kNodesAProcess;
    snprintf(address, sizeof address, "udp://127.0.1.%u:0", process + 1);
    make_crowd(&c, address);
    if (write(done, "r", 1) != 1)
        exit(1);
    connect_all(&c);
    open_channels(&c, "echo", &messages);
    if (write(done, "c", 1) != 1)
        exit(1);
    struct pollfd wanted[2] = {{.fd = orders, .events = POLLIN}, {.fd = c.epoll, .events = POLLIN}};
    while (poll(wanted, 2, -1) >= 0) {
        turn(&c, 0, 0);
        if (wanted[0].revents == 0)
            continue;
        if (read(orders, &order, 1) != 1)
            exit(1);
        echo_in_turn(&c, order == kAmongAll || own.count < kAtOnce ? own.count : kAtOnce);
        if (write(done, "e", 1) != 1)
            exit(1);
    }
}

/* Waits for a process of the crowd, while the watcher's own connection goes on. */
static void await(perf_peer *watcher, int from) {
    plait_event events[kEventsAtOnce];
    struct pollfd wanted = {.fd = from, .events = POLLIN};
    char what;
    size_t got;
    while (poll(&wanted, 1, 100) == 0)
        check(plait_node_wait(watcher->node, events, kEventsAtOnce, &got, 0), "wait");
    if (read(from, &what, 1) != 1)
        exit(1);
}

/* The server's processor time for as many messages and their echoes as the crowd has connections,
 * by one process of it after another. */
static void measure_echoes(perf_peer *watcher, const crowd_processes *all, char order,
                           const char *what) {
    const server_stats before = ask_stats(watcher);
    for (uint32_t i = 0; i < all->count; i++) {
        if (write(all->orders[i], &order, 1) != 1)
            exit(1);
        await(watcher, all->done[0]);
    }
    const server_stats after = ask_stats(watcher);
    const double cpu = (double)(after.cpu_us - before.cpu_us);
    const double system = (double)(after.system_us - before.system_us);
    const double echoes = (double)(after.connections - 1);
    const double packets = (double)(after.packets_received - before.packets_received +
                                    after.packets_sent - before.packets_sent);
    printf("{\"bench\": \"crowd\", \"connections\": %llu, \"echoes_over\": \"%s\", "
           "\"server_us_an_echo\": %.2f, \"of_it_system_us\": %.2f, \"server_us_a_packet\": %.2f, "
           "\"packets_an_echo\": %.2f}\n",
           (unsigned long long)after.connections, what, cpu / echoes, system / echoes,
           cpu / packets, packets / echoes);
    fflush(stdout);
}

/* The same for one connection while all others are idle. */
static double echo_cpu(perf_peer *watcher, plait_channel channel) {
    char message[kEchoBytes] = "";
    size_t len;
    const uint64_t before = ask_stats(watcher).cpu_us;
    for (int i = 0; i < kEchoes; i++) {
        check(plait_channel_write_all(watcher->node, channel, message, sizeof message, kWaitMs),
              "sending");
        check(
            plait_channel_read_wait(watcher->node, channel, message, sizeof message, &len, kWaitMs),
            "reading the echo");
    }
    return (double)(ask_stats(watcher).cpu_us - before) / kEchoes;
}

static void print_echoes(perf_peer *watcher, plait_channel echo, const crowd_processes *all) {
    printf("{\"bench\": \"crowd\", \"connections\": %llu, \"server_us_an_echo\": %.2f}\n",
           (unsigned long long)ask_stats(watcher).connections, echo_cpu(watcher, echo));
    fflush(stdout);
    if (all->count == 0)
        return;
    measure_echoes(watcher, all, kAmongAll, "all, asleep");
    measure_echoes(watcher, all, kAmongAll, "all");
    measure_echoes(watcher, all, kAmongFew, "few");
    measure_echoes(watcher, all, kAmongAll, "all");
}

static void idle(perf_peer *watcher, double seconds) {
    plait_event events[kEventsAtOnce];
    uint64_t until = now_us() + (uint64_t)(seconds * 1e6);
    size_t got;
    while (now_us() < until)
        check(plait_node_wait(watcher->node, events, kEventsAtOnce, &got, 100), "wait");
}

/* Processor time of all processes of the crowd. */
static uint64_t crowd_cpu_us(const crowd_processes *all) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < all->count; i++) {
        clockid_t clock;
        struct timespec t;
        if (clock_getcpuclockid(all->pids[i], &clock) == 0 && clock_gettime(clock, &t) == 0)
            sum += (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
    }
    return sum;
}

/* Forks one more process and waits until it has connected. The connections that there are now. */
static uint64_t add_process(const perf_options *options, perf_peer *watcher, crowd_processes *all) {
    int orders[2];
    const uint32_t process = all->count;
    if (pipe(orders) != 0)
        exit(1);
    if ((all->pids[process] = fork()) == 0)
        live_in_crowd(options, process, all->done[1], orders[0]);
    close(orders[0]);
    all->orders[all->count++] = orders[1];
    await(watcher, all->done[0]);
    const server_stats before = ask_stats(watcher);
    await(watcher, all->done[0]);
    const server_stats after = ask_stats(watcher);
    const double n = (double)(after.connections - before.connections);
    const double cpu = (double)(after.cpu_us - before.cpu_us);
    const double system = (double)(after.system_us - before.system_us);
    printf("{\"bench\": \"crowd\", \"connections\": %llu, \"server_us_a_connection\": %.1f, "
           "\"of_it_system_us\": %.1f, \"retries\": %llu}\n",
           (unsigned long long)after.connections, cpu / (n > 0 ? n : 1), system / (n > 0 ? n : 1),
           (unsigned long long)(after.retries - before.retries));
    fflush(stdout);
    return after.connections;
}

int perf_crowd(const perf_options *options) {
    const uint32_t processes = (options->count + kNodesAProcess - 1) / kNodesAProcess;
    static crowd_processes all;
    perf_peer watcher;
    plait_channel_config config = PLAIT_CHANNEL_MESSAGES;
    uint64_t connections = 1, next_look = 0;
    if (processes > kProcessesMost || pipe(all.done) != 0)
        return 1;
    open_peer(options, &watcher);
    const plait_channel echo = open_labelled(&watcher, "echo", config, 0);
    const server_stats empty = ask_stats(&watcher);
    for (uint32_t i = 0; i <= processes; i++) {
        if (connections >= next_look || i == processes) {
            idle(&watcher, i > 0 ? options->settle : 0); /* what the others send is not its price */
            print_echoes(&watcher, echo, &all);
            next_look = 3 * connections;
        }
        if (i < processes)
            connections = add_process(options, &watcher, &all);
    }
    idle(&watcher, options->settle);
    const server_stats then = ask_stats(&watcher);
    print_memory("connection of a crowd, with a channel", &empty, &then, options->count);
    const uint64_t crowd_then = crowd_cpu_us(&all);
    idle(&watcher, options->seconds);
    const uint64_t crowd_now = crowd_cpu_us(&all);
    const server_stats now = ask_stats(&watcher);
    printf("{\"bench\": \"idle\", \"connections\": %llu, \"keepalive_s\": %u, \"seconds\": %.1f, "
           "\"server_cpu_percent\": %.2f, \"clients_cpu_percent\": %.2f, \"packets\": %llu}\n",
           (unsigned long long)now.connections, options->keepalive_s, options->seconds,
           1e-4 * (double)(now.cpu_us - then.cpu_us) / options->seconds,
           1e-4 * (double)(crowd_now - crowd_then) / options->seconds,
           (unsigned long long)(now.packets_received - then.packets_received));
    close_peer(&watcher); /* and the crowd ends with this process */
    return 0;
}

/* Channels of one connection that were opened, accepted and left alone. */
int perf_channels(const perf_options *options) {
    perf_peer peer;
    plait_event events[kEventsAtOnce];
    plait_channel_config config = PLAIT_CHANNEL_STREAM;
    uint32_t accepted = 0;
    size_t got;
    open_peer(options, &peer);
    server_stats before = ask_stats(&peer);
    uint64_t start = now_us();
    for (uint32_t i = 0; i < options->count; i++)
        open_labelled(&peer, "hold", config, i + 1);
    while (accepted < options->count) {
        check(plait_node_wait(peer.node, events, kEventsAtOnce, &got, kWaitMs), "wait");
        for (size_t i = 0; i < got; i++)
            accepted += events[i].type == PLAIT_EVENT_CHANNEL_ACCEPTED;
    }
    double seconds = (double)(now_us() - start) / 1e6;
    uint64_t until = now_us() + (uint64_t)(options->settle * 1e6);
    while (now_us() < until)
        check(plait_node_wait(peer.node, events, kEventsAtOnce, &got, 50), "wait");
    server_stats after = ask_stats(&peer);
    printf("{\"bench\": \"channels\", \"count\": %u, \"opened_per_second\": %.0f, "
           "\"open_us\": %.2f}\n",
           options->count, (double)options->count / seconds,
           seconds * 1e6 / (double)options->count);
    print_memory("idle channel", &before, &after, options->count);
    close_peer(&peer);
    return 0;
}
