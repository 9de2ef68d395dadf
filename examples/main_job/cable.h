/* SPDX-License-Identifier: Apache-2.0 */
/* Cables: what lies between two programs on this machine, so that it can be slow, and be pulled.
 *
 * A UDP cable is a pair of sockets that hands on what arrives at either, after a delay, at a rate,
 * with a queue that overflows and a largest packet, as a router and a wire would. Whoever dials its
 * near end reaches the far end. A serial cable is a pair of ptys between which bytes flow at the
 * speed of a line. A cable that is cut swallows everything and says nothing: nobody is told.
 *
 *     cable_udp_open(&cables[0], "127.0.0.1", &wire)      dial cables[0].uri
 *     cable_udp_aim(&cables[0], "udp://127.0.0.1:4242")
 *     cable_serial_open(&cables[1], 300000)               open cables[1].path[0] and .path[1]
 *     if (fork() == 0) cables_run(cables, 2, orders)      until the other end of the pipe closes
 *     cable_order(pipe, 0, CABLE_CUT)
 */
#ifndef CABLE_H
#define CABLE_H
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { CABLES_MAX = 8, CABLE_PACKET_MAX = 2048, CABLE_SLOTS = 4096 };

/** What a UDP cable is like, the same in both directions. */
struct cable_wire {
    uint64_t rate;     /* bytes a second */
    uint32_t delay_us; /* one way */
    uint32_t queue_us; /* what would wait longer than this is dropped */
    uint32_t mtu;      /* bytes of the largest datagram; larger ones vanish */
};

/** One direction: packets (or bytes) that have arrived and are not due at the other side yet. */
struct cable_way {
    int from, to;            /* descriptors; the packets come from one and go to the other */
    uint64_t line_free_ns;   /* when the last packet accepted will have left */
    struct cable_slot *ring; /* CABLE_SLOTS of them, UDP only */
    uint32_t head, count;
    uint8_t bytes[CABLE_PACKET_MAX]; /* serial only: read, and not yet written */
    size_t have;
};

struct cable {
    int is_serial, is_cut;
    struct cable_wire wire;
    struct cable_way way[2];     /* 0: near to far, 1: far to near */
    struct sockaddr_in6 peer[2]; /* whose packets arrive at the near and at the far socket */
    socklen_t peer_len[2];
    int held[2];      /* serial: the slave sides, kept open so that the line never hangs up */
    char path[2][64]; /* serial: the devices of both ends */
    char uri[64];     /* UDP: what the near program dials */
};

/** Opens a UDP cable whose ends are at `host` ("127.0.0.1", "::1"). 0, or -1 with errno. */
int cable_udp_open(struct cable *cable, const char *host, const struct cable_wire *wire);

/** Says where its far end is plugged in: "udp://127.0.0.1:4242", "udp://[::1]:4242". */
int cable_udp_aim(struct cable *cable, const char *uri);

/** Opens a serial line of `rate` bytes a second each way. 0, or -1 with errno. */
int cable_serial_open(struct cable *cable, uint64_t rate);

void cable_close(struct cable *cable);

/** Carries until the writing end of the pipe `orders` is closed. */
void cables_run(struct cable *cables, size_t count, int orders);

enum { CABLE_MEND = 0, CABLE_CUT = 1 };

/** Cuts or mends the cable of this index, through the other end of `orders`. */
int cable_order(int pipe_end, unsigned index, int what);

#ifdef __cplusplus
}
#endif
#endif
