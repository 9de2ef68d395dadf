/* SPDX-License-Identifier: Apache-2.0 */
/* The udp transport's own pieces: addresses (address.c), opening a socket (socket.c), several with
 * one port (steer.c), moving datagrams (io.c), one endpoint for each address of the machine
 * (members.c), and the entry (udp.c). */
#ifndef PLAIT_TRANSPORTS_UDP_H
#define PLAIT_TRANSPORTS_UDP_H
#include "common/uri.h"
#include "plait/transport.h"

#include <netinet/in.h>
#include <sys/socket.h>

enum {
    kUdpRecvSlots = 32,     /* datagrams, or runs of them, in one recv */
    kUdpSlotBytes = 65536,  /* the largest run that the kernel gives (GRO) */
    kUdpRecvRuns = 4,       /* as many where they are long runs: what is opened, copied and
                               read in one turn then stays in the processor's cache */
    kUdpLongRun = 16384,    /* bytes, on the average */
    kUdpSingles = 8,        /* asked for and got before two are asked for */
    kUdpAnswers = 16,       /* asked for at least after several were sent at once */
    kUdpEcnSwitch = 32,     /* calls of send with other ECN bits before the socket has them */
    kUdpSendBatch = 32,     /* messages in one call of the system */
    kUdpMaxPayload = 65507, /* 65535 - 20 - 8: the most that one IPv4 datagram carries */
    kUdpMaxSegments = 64,   /* UDP_MAX_SEGMENTS of the oldest kernels that have UDP_SEGMENT */
    kUdpDefaultRecvBuffer = 4 << 20,
    kUdpDefaultSendBuffer = 1 << 20,
    kUdpNoBuffersRetryUs = 1000, /* ENOBUFS: the kernel does not say when to try again */
    kUdpControlBytes = 128,      /* of ancillary data for one message, in either direction */
};

typedef union udp_sockaddr {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
} udp_sockaddr;

typedef union udp_control {
    size_t align;
    uint8_t bytes[kUdpControlBytes];
} udp_control;

/* A run of which send() could hand on only the first `offset` bytes before the socket was full. */
typedef struct udp_resume {
    const uint8_t *data; /* NULL: none */
    uint32_t len, offset;
} udp_resume;

typedef struct udp_group udp_group;

typedef struct udp_endpoint {
    const plait_host *host;
    plait_host_endpoint *h;
    udp_group *group; /* it stands for others and has no socket; else NULL */
    int fd;
    int family;    /* AF_INET or AF_INET6 */
    uint16_t port; /* bound, host order */
    plait_addr bound;
    bool gso, gro;  /* in force; gso goes off when the path below refuses it */
    bool long_runs; /* the last recv brought some */
    uint32_t ask;   /* how many the next recv asks for: about as many as have come together */
    uint32_t singles; /* times in a row that it asked for one and got it */
    uint32_t others;  /* calls of send in a row that began with other ECN bits than the socket's */
    uint8_t ecn;      /* the socket's own */
    bool one_address; /* bound to one: all comes to it, and leaves from it */
    bool blocked;     /* PLAIT_E_AGAIN was returned, WRITABLE is owed */
    udp_resume resume;
    uint8_t *slots; /* kUdpRecvSlots * kUdpSlotBytes; the system backs only what is touched */
    plait_addr peers[kUdpRecvSlots], locals[kUdpRecvSlots];
    udp_sockaddr names[kUdpRecvSlots];
    udp_control controls[kUdpRecvSlots];
} udp_endpoint;

/* address.c. A plait_addr here is
 *     family u8 (4 or 6) | port u16 | address (4 or 16 bytes) | scope u32 (only link-local IPv6)
 * big-endian; IPv4-mapped IPv6 addresses are written as IPv4. */
void udp_addr_from_sockaddr(const udp_sockaddr *from, plait_addr *out);
/* False: not one of ours, or not usable on a socket of this family (0: any). *len is the length to
 * give to the kernel. */
bool udp_addr_to_sockaddr(const plait_addr *addr, int family, udp_sockaddr *out, socklen_t *len);
/* "192.0.2.7:4242", "[::1]:4242", "[fe80::1%eth0]:4242". NULL, or the reason why not, for a person.
 * */
const char *udp_addr_from_text(uri_text text, plait_addr *out);
plait_status udp_addr_to_text(const plait_addr *addr, char *buf, size_t cap);
bool udp_addr_is_loopback(const plait_addr *addr);
/* Whether it is one machine's, and means the same on every machine; `family`: of the socket. */
bool udp_addr_is_shared(const plait_addr *addr, int family);
/* Both for addresses that came with a packet; the port is given apart. */
void udp_addr_set_v4(plait_addr *out, const struct in_addr *ip, uint16_t port);
void udp_addr_set_v6(plait_addr *out, const struct in6_addr *ip, uint16_t port, uint32_t scope);

/* socket.c */
plait_status udp_open(const plait_host *host, plait_host_endpoint *h, const plait_open_args *args,
                      void **self);
void udp_close(void *self);
/* The largest payload that the route to `addr` takes without fragments, as far as this machine
 * knows. */
uint32_t udp_path_mtu(const udp_endpoint *e, const plait_addr *addr);

/* Whether the system itself would send to `addr` from where this socket is bound. */
bool udp_is_routed(const udp_endpoint *e, const plait_addr *addr);

/* steer.c. Tells the kernel which of the sockets of fd's port gets a datagram; false: it cannot,
 * and spreads them by their addresses. */
bool udp_steer(int fd, uint32_t workers);

/* members.c */
bool udp_is_group(uri_text place);
/* On failure too udp_group_close is to be called if e->group is set. */
plait_status udp_group_open(udp_endpoint *e, uri_parts parts);
void udp_group_poll(udp_endpoint *e);
void udp_group_close(udp_endpoint *e);
extern const plait_transport_members udp_members;

/* io.c */
plait_status udp_send(void *self, const plait_datagram *v, uint32_t n, uint32_t *sent);
plait_status udp_recv(void *self, plait_datagram *v, uint32_t n, uint32_t *got);
void udp_poll(void *self, int fd, uint32_t events);

#endif
