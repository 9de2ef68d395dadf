/* SPDX-License-Identifier: Apache-2.0 */
/* Opening a socket and asking for all that the kernel offers; whatever it refuses is done without.
 * */
#define _GNU_SOURCE
#include "udp.h"

#include <errno.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

static plait_status refuse(udp_endpoint *e, plait_status status, const char *text) {
    e->host->fail(e->h, status, text);
    return status;
}

static plait_status refuse_errno(udp_endpoint *e, const char *what) {
    char text[160];
    plait_status status = PLAIT_E_TRANSPORT_OPEN;
    if (errno == EADDRINUSE) {
        status = refuse(e, PLAIT_E_ADDRESS_IN_USE, "another socket has this port already");
    } else if (errno == EADDRNOTAVAIL) {
        status = refuse(e, PLAIT_E_ADDRESS, "no interface of this machine has this address");
    } else if (errno == EAFNOSUPPORT) {
        status = refuse(e, PLAIT_E_UNSUPPORTED, "this machine has no IPv6 (or no IPv4)");
    } else if (errno == EACCES) {
        status = refuse(e, status, "permission denied (ports below 1024 need a privilege)");
    } else {
        snprintf(text, sizeof text, "%s: %s", what, strerror(errno));
        status = refuse(e, status, text);
    }
    return status;
}

static bool set_int(int fd, int level, int option, int value) {
    return setsockopt(fd, level, option, &value, sizeof value) == 0;
}

/* The forced form needs a privilege and goes beyond the system's limit; the plain one is cut to it.
 * */
static void set_buffer(int fd, int forced, int plain, int bytes) {
    if (!set_int(fd, SOL_SOCKET, forced, bytes)) {
        set_int(fd, SOL_SOCKET, plain, bytes);
    }
}

static bool is_one_address(const plait_addr *where) {
    static const uint8_t any[16];
    const uint8_t *ip = where->b + 3;
    if (where->b[0] == 4) {
        return memcmp(ip, any, 4) != 0 && ip[0] < 224; /* else multicast, broadcast */
    }
    return memcmp(ip, any, 16) != 0 && ip[0] != 0xff;
}

static void ask_for_features(udp_endpoint *e, const plait_open_args *args) {
    int fd = e->fd;
    if (e->family == AF_INET) {
        set_int(fd, IPPROTO_IP, IP_PKTINFO, !e->one_address);
        set_int(fd, IPPROTO_IP, IP_RECVTOS, 1);
        /* PROBE: never fragment, and let plait's own search find the path's MTU: the kernel's idea
         * of it comes from ICMP, which anybody can forge. */
        if (!set_int(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE)) {
            set_int(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO);
        }
    } else {
        set_int(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, !e->one_address);
        set_int(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
        if (!set_int(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE)) {
            set_int(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DO);
        }
        set_int(fd, IPPROTO_IPV6, IPV6_DONTFRAG, 1);
    }
    uint32_t rcv = args->recv_buffer != 0 ? args->recv_buffer : kUdpDefaultRecvBuffer;
    uint32_t snd = args->send_buffer != 0 ? args->send_buffer : kUdpDefaultSendBuffer;
    set_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, rcv > INT32_MAX / 2 ? INT32_MAX / 2 : (int)rcv);
    set_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, snd > INT32_MAX / 2 ? INT32_MAX / 2 : (int)snd);
    e->gso = set_int(fd, IPPROTO_UDP, UDP_SEGMENT, 0);
    e->gro = set_int(fd, IPPROTO_UDP, UDP_GRO, 1);
}

static plait_status bind_device(udp_endpoint *e, uri_text name) {
    if (name.len == 0 || name.len > 15) {
        return refuse(e, PLAIT_E_URI, "device is the name of a network interface");
    }
    if (setsockopt(e->fd, SOL_SOCKET, SO_BINDTODEVICE, name.at, (socklen_t)name.len) == 0) {
        return PLAIT_OK;
    }
    if (errno == ENODEV) {
        return refuse(e, PLAIT_E_NO_DEVICE, "no such network interface");
    }
    return refuse_errno(e, "binding to the network interface");
}

static plait_status read_params(udp_endpoint *e, uri_text query) {
    uri_text key, value;
    while (uri_next_param(&query, &key, &value)) {
        if (!uri_is(key, "device")) {
            return refuse(e, PLAIT_E_URI, "udp knows only the parameter device");
        }
        plait_status status = bind_device(e, value);
        if (status != PLAIT_OK) {
            return status;
        }
    }
    return PLAIT_OK;
}

/* The first worker's socket is bound alone, so that a port that is somebody else's, or another
 * endpoint's of this node, is found out; only then others may join it. */
static plait_status bind_socket(udp_endpoint *e, const plait_addr *where,
                                const plait_open_args *args) {
    udp_sockaddr sa;
    socklen_t len;
    /* [::] and 0.0.0.0 are two sockets: an address then says which one a packet belongs to. */
    if (e->family == AF_INET6 && !set_int(e->fd, IPPROTO_IPV6, IPV6_V6ONLY, 1)) {
        return refuse_errno(e, "IPV6_V6ONLY");
    }
    if (args->worker > 0 && !set_int(e->fd, SOL_SOCKET, SO_REUSEPORT, 1)) {
        return refuse_errno(e, "SO_REUSEPORT");
    }
    udp_addr_to_sockaddr(where, e->family, &sa, &len);
    if (bind(e->fd, &sa.any, len) != 0) {
        return refuse_errno(e, "bind");
    }
    if (args->worker > 0) {
        udp_steer(e->fd, args->workers);
    } else if (args->workers > 1 && !set_int(e->fd, SOL_SOCKET, SO_REUSEPORT, 1)) {
        return refuse_errno(e, "SO_REUSEPORT");
    }
    len = sizeof sa;
    if (getsockname(e->fd, &sa.any, &len) != 0) {
        return refuse_errno(e, "getsockname");
    }
    udp_addr_from_sockaddr(&sa, &e->bound);
    e->port = (uint16_t)(e->bound.b[1] << 8 | e->bound.b[2]);
    e->host->state(e->h, PLAIT_TRANSPORT_ADDRESS, &e->bound, 1);
    return PLAIT_OK;
}

static plait_status open_socket(udp_endpoint *e, const plait_open_args *args) {
    uri_parts parts;
    plait_addr where;
    if (!uri_split(args->uri, "udp", &parts)) {
        return refuse(e, PLAIT_E_URI, "not of the form udp://ADDRESS:PORT");
    }
    if (udp_is_group(parts.place) && args->workers > 1) {
        return refuse(e, PLAIT_E_UNSUPPORTED, "udp://* needs a node with one worker");
    }
    if (udp_is_group(parts.place)) {
        return udp_group_open(e, parts);
    }
    e->slots = malloc((size_t)kUdpRecvSlots * kUdpSlotBytes);
    if (e->slots == NULL) {
        return refuse(e, PLAIT_E_NO_MEMORY, "out of memory");
    }
    const char *wrong = udp_addr_from_text(parts.place, &where);
    if (wrong != NULL) {
        return refuse(e, PLAIT_E_ADDRESS, wrong);
    }
    e->family = where.b[0] == 4 ? AF_INET : AF_INET6;
    e->one_address = is_one_address(&where);
    e->fd = socket(e->family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (e->fd < 0) {
        return refuse_errno(e, "socket");
    }
    plait_status status = read_params(e, parts.query);
    if (status != PLAIT_OK) {
        return status;
    }
    ask_for_features(e, args);
    status = bind_socket(e, &where, args);
    if (status != PLAIT_OK) {
        return status;
    }
    status = e->host->watch(e->h, e->fd, PLAIT_POLL_READ);
    return status == PLAIT_OK ? status : refuse(e, status, "the socket cannot be watched");
}

static void destroy(udp_endpoint *e) {
    if (e->group != NULL) {
        udp_group_close(e);
    }
    if (e->fd >= 0) {
        close(e->fd);
    }
    free(e->slots);
    free(e);
}

plait_status udp_open(const plait_host *host, plait_host_endpoint *h, const plait_open_args *args,
                      void **self) {
    udp_endpoint *e = calloc(1, sizeof *e);
    if (e == NULL) {
        host->fail(h, PLAIT_E_NO_MEMORY, "out of memory");
        return PLAIT_E_NO_MEMORY;
    }
    e->host = host;
    e->h = h;
    e->fd = -1;
    e->ask = kUdpRecvSlots;
    plait_status status = open_socket(e, args);
    if (status != PLAIT_OK) {
        destroy(e);
        return status;
    }
    *self = e;
    return PLAIT_OK;
}

void udp_close(void *self) {
    udp_endpoint *e = self;
    if (e->fd >= 0) {
        e->host->unwatch(e->h, e->fd);
    }
    destroy(e);
}

/* A socket that is connected, which sends nothing, is told the MTU of its route. */
uint32_t udp_path_mtu(const udp_endpoint *e, const plait_addr *addr) {
    udp_sockaddr sa;
    socklen_t len, size = sizeof(int);
    int mtu = 0;
    if (!udp_addr_to_sockaddr(addr, e->family, &sa, &len)) {
        return kUdpMaxPayload;
    }
    int fd = socket(e->family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return kUdpMaxPayload;
    }
    bool v4 = e->family == AF_INET;
    int overhead = v4 ? 20 + 8 : 40 + 8;
    if (connect(fd, &sa.any, len) != 0 ||
        getsockopt(fd, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_MTU : IPV6_MTU, &mtu, &size) != 0) {
        mtu = 0;
    }
    close(fd);
    if (mtu <= overhead || mtu - overhead > kUdpMaxPayload) {
        return kUdpMaxPayload;
    }
    return (uint32_t)(mtu - overhead);
}

bool udp_is_routed(const udp_endpoint *e, const plait_addr *addr) {
    udp_sockaddr sa, from;
    socklen_t len, size = sizeof from;
    plait_addr chosen;
    if (!udp_addr_to_sockaddr(addr, e->family, &sa, &len)) {
        return false;
    }
    int fd = socket(e->family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool known =
        fd >= 0 && connect(fd, &sa.any, len) == 0 && getsockname(fd, &from.any, &size) == 0;
    if (fd >= 0) {
        close(fd);
    }
    if (!known) {
        return false;
    }
    static const uint8_t any[16];
    udp_addr_from_sockaddr(&from, &chosen);
    size_t ip = e->family == AF_INET ? 4 : 16;
    return memcmp(e->bound.b + 3, any, ip) == 0 || memcmp(e->bound.b + 3, chosen.b + 3, ip) == 0;
}
