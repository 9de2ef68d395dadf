/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "cable.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum { NEAR = 0, FAR = 1, BATCH = 32, SOCKET_BUFFER = 4 << 20 };

static const uint64_t kQuantumNs = 500000; /* how finely time is kept */

struct cable_slot {
    uint64_t due_ns;
    uint32_t len;
    uint8_t data[CABLE_PACKET_MAX];
};

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

/* "127.0.0.1" or "::1", as an address of either family. 0 if it is neither. */
static socklen_t parse_host(const char *host, uint16_t port, struct sockaddr_in6 *out) {
    memset(out, 0, sizeof *out);
    struct sockaddr_in *v4 = (struct sockaddr_in *)out;
    if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        return sizeof *v4;
    }
    memset(out, 0, sizeof *out);
    if (inet_pton(AF_INET6, host, &out->sin6_addr) == 1) {
        out->sin6_family = AF_INET6;
        out->sin6_port = htons(port);
        return sizeof *out;
    }
    return 0;
}

static int open_socket(const char *host) {
    struct sockaddr_in6 at;
    socklen_t len = parse_host(host, 0, &at);
    if (len == 0) {
        errno = EINVAL;
        return -1;
    }
    int fd = socket(at.sin6_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int buffer = SOCKET_BUFFER;
    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof buffer) != 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
    if (bind(fd, (struct sockaddr *)&at, len) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

int cable_udp_open(struct cable *cable, const char *host, const struct cable_wire *wire) {
    memset(cable, 0, sizeof *cable);
    cable->wire = *wire;
    cable->held[NEAR] = cable->held[FAR] = -1;
    int near = open_socket(host);
    int far = open_socket(host);
    struct sockaddr_in6 at;
    socklen_t len = sizeof at;
    cable->way[0] = (struct cable_way){.from = near, .to = far};
    cable->way[1] = (struct cable_way){.from = far, .to = near};
    if (near >= 0 && far >= 0 && getsockname(near, (struct sockaddr *)&at, &len) == 0) {
        snprintf(cable->uri, sizeof cable->uri, strchr(host, ':') ? "udp://[%s]:%u" : "udp://%s:%u",
                 host, ntohs(at.sin6_port)); /* at the same place in both families */
        for (int i = 0; i < 2; i++)
            cable->way[i].ring = malloc(CABLE_SLOTS * sizeof(struct cable_slot));
        if (cable->way[0].ring != NULL && cable->way[1].ring != NULL)
            return 0;
    }
    int error = errno;
    cable_close(cable);
    errno = error;
    return -1;
}

int cable_udp_aim(struct cable *cable, const char *uri) {
    char host[64] = "";
    unsigned port = 0;
    if (sscanf(uri, "udp://[%63[^]]]:%u", host, &port) != 2 &&
        sscanf(uri, "udp://%63[^:]:%u", host, &port) != 2) {
        errno = EINVAL;
        return -1;
    }
    cable->peer_len[FAR] = parse_host(host, (uint16_t)port, &cable->peer[FAR]);
    return cable->peer_len[FAR] > 0 ? 0 : -1;
}

/* A pty in raw mode: the master, and its slave kept open. */
static int open_pty(int *slave, char *path, size_t cap) {
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    struct termios t;
    if (master < 0)
        return -1;
    if (grantpt(master) == 0 && unlockpt(master) == 0 && ptsname_r(master, path, cap) == 0) {
        *slave = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
        if (*slave >= 0 && tcgetattr(*slave, &t) == 0) {
            cfmakeraw(&t); /* no echo before the program has opened it */
            if (tcsetattr(*slave, TCSANOW, &t) == 0)
                return master;
        }
    }
    close(master);
    return -1;
}

int cable_serial_open(struct cable *cable, uint64_t rate) {
    memset(cable, 0, sizeof *cable);
    cable->is_serial = 1;
    cable->wire.rate = rate;
    cable->held[NEAR] = cable->held[FAR] = -1;
    int near = open_pty(&cable->held[NEAR], cable->path[NEAR], sizeof cable->path[NEAR]);
    int far = open_pty(&cable->held[FAR], cable->path[FAR], sizeof cable->path[FAR]);
    cable->way[0] = (struct cable_way){.from = near, .to = far};
    cable->way[1] = (struct cable_way){.from = far, .to = near};
    if (near >= 0 && far >= 0)
        return 0;
    int error = errno;
    cable_close(cable);
    errno = error;
    return -1;
}

void cable_close(struct cable *cable) {
    for (int i = 0; i < 2; i++) {
        if (cable->way[i].from >= 0)
            close(cable->way[i].from);
        if (cable->held[i] >= 0)
            close(cable->held[i]);
        free(cable->way[i].ring);
        cable->way[i].from = cable->way[i].to = cable->held[i] = -1;
        cable->way[i].ring = NULL;
    }
}

/* Puts a packet into the queue, as far as the line takes it. */
static void accept_packet(struct cable *cable, struct cable_way *way, const uint8_t *data,
                          uint32_t len, uint64_t now) {
    uint64_t start = way->line_free_ns > now ? way->line_free_ns : now;
    if (cable->is_cut || len > cable->wire.mtu || way->count == CABLE_SLOTS ||
        start - now > cable->wire.queue_us * UINT64_C(1000))
        return;
    way->line_free_ns = start + len * UINT64_C(1000000000) / cable->wire.rate;
    struct cable_slot *slot = &way->ring[(way->head + way->count++) % CABLE_SLOTS];
    slot->due_ns = way->line_free_ns + cable->wire.delay_us * UINT64_C(1000);
    slot->len = len;
    memcpy(slot->data, data, len);
}

static void receive_packets(struct cable *cable, int side, uint64_t now) {
    static uint8_t data[BATCH][CABLE_PACKET_MAX];
    struct sockaddr_in6 from[BATCH];
    struct iovec iov[BATCH];
    struct mmsghdr m[BATCH];
    int got = BATCH;
    while (got == BATCH) {
        memset(m, 0, sizeof m);
        for (int i = 0; i < BATCH; i++) {
            iov[i] = (struct iovec){data[i], sizeof data[i]};
            m[i].msg_hdr = (struct msghdr){.msg_name = &from[i], .msg_namelen = sizeof from[i],
                                           .msg_iov = &iov[i], .msg_iovlen = 1};
        }
        got = recvmmsg(cable->way[side].from, m, BATCH, 0, NULL);
        for (int i = 0; i < got; i++) {
            if (side == NEAR) { /* the answers go to whoever spoke last */
                cable->peer[NEAR] = from[i];
                cable->peer_len[NEAR] = m[i].msg_hdr.msg_namelen;
            }
            if ((m[i].msg_hdr.msg_flags & MSG_TRUNC) == 0)
                accept_packet(cable, &cable->way[side], data[i], m[i].msg_len, now);
        }
    }
}

/* Sends what is due at the other side; 1 if more is under way. */
static int send_packets(struct cable *cable, int side, uint64_t now) {
    struct cable_way *way = &cable->way[side];
    struct iovec iov[BATCH];
    struct mmsghdr m[BATCH];
    if (cable->is_cut)
        way->count = 0;
    while (way->count > 0 && way->ring[way->head].due_ns <= now) {
        unsigned n = 0;
        memset(m, 0, sizeof m);
        for (; n < BATCH && n < way->count; n++) {
            struct cable_slot *slot = &way->ring[(way->head + n) % CABLE_SLOTS];
            if (slot->due_ns > now)
                break;
            iov[n] = (struct iovec){slot->data, slot->len};
            m[n].msg_hdr = (struct msghdr){.msg_name = &cable->peer[!side],
                                           .msg_namelen = cable->peer_len[!side],
                                           .msg_iov = &iov[n], .msg_iovlen = 1};
        }
        /* An error (nobody there yet, a full socket) loses the packet, as on a wire. */
        int sent = sendmmsg(way->to, m, n, 0);
        uint32_t done = sent > 0 ? (uint32_t)sent : 1;
        way->head = (way->head + done) % CABLE_SLOTS;
        way->count -= done;
    }
    return way->count > 0;
}

/* Moves bytes of a serial line, no more than the time since the last ones allows; 1 if there may be
 * more at the next look, 0 if the line is idle. */
static int move_bytes(struct cable *cable, int side, uint64_t now) {
    struct cable_way *way = &cable->way[side];
    uint64_t burst_ns = 4 * kQuantumNs;
    if (way->have > 0) {
        ssize_t n = cable->is_cut ? (ssize_t)way->have : write(way->to, way->bytes, way->have);
        if (n > 0) {
            way->have -= (size_t)n;
            memmove(way->bytes, way->bytes + n, way->have);
        }
        if (way->have > 0)
            return 1; /* nobody reads over there: flow control */
    }
    if (way->line_free_ns + burst_ns < now)
        way->line_free_ns = now - burst_ns; /* an idle line does not save up */
    uint64_t allowed = way->line_free_ns >= now
                           ? 0 : (now - way->line_free_ns) * cable->wire.rate / 1000000000U;
    if (allowed <= cable->wire.rate / 4000)
        return 1;
    ssize_t n = read(way->from, way->bytes, allowed < sizeof way->bytes ? allowed
                                                                        : sizeof way->bytes);
    if (n <= 0)
        return 0;
    way->have = (size_t)n;
    way->line_free_ns += (uint64_t)n * 1000000000U / cable->wire.rate;
    return 1;
}

/* While something is under way it is enough to look every quantum, as a network card gathers
 * packets before it interrupts; else the first packet wakes us. */
static void sleep_a_little(struct pollfd *fds, nfds_t count, int idle) {
    struct timespec quantum = {0, (long)kQuantumNs};
    ppoll(fds, idle ? count : 1, idle ? NULL : &quantum, NULL);
}

static int obey(struct cable *cables, size_t count, int orders) {
    uint8_t order[2];
    ssize_t n = read(orders, order, sizeof order);
    if (n == (ssize_t)sizeof order && order[0] < count)
        cables[order[0]].is_cut = order[1] == CABLE_CUT;
    return n > 0 || (n < 0 && errno == EINTR);
}

void cables_run(struct cable *cables, size_t count, int orders) {
    struct pollfd fds[1 + 2 * CABLES_MAX];
    fds[0] = (struct pollfd){.fd = orders, .events = POLLIN};
    for (;;) {
        uint64_t now = now_ns();
        int busy = 0;
        for (size_t i = 0; i < 2 * count; i++) {
            struct cable *cable = &cables[i / 2];
            int side = (int)(i % 2);
            fds[1 + i] = (struct pollfd){.fd = cable->way[side].from, .events = POLLIN};
            if (cable->is_serial) {
                busy |= move_bytes(cable, side, now);
            } else {
                receive_packets(cable, side, now);
                busy |= send_packets(cable, side, now);
            }
        }
        sleep_a_little(fds, 1 + 2 * count, !busy);
        if (fds[0].revents != 0 && !obey(cables, count, orders))
            return;
    }
}

int cable_order(int pipe_end, unsigned index, int what) {
    uint8_t order[2] = {(uint8_t)index, (uint8_t)what};
    return write(pipe_end, order, sizeof order) == (ssize_t)sizeof order ? 0 : -1;
}
