/* SPDX-License-Identifier: Apache-2.0 */
/* Datagrams in and out. Nothing here allocates; an error of one datagram never ends the endpoint.
 * */
#define _GNU_SOURCE
#include "udp.h"

#include <errno.h>
#include <netinet/udp.h>

enum { kStaleErrors = 8 }; /* ICMP errors left on the socket that one call steps over */

/* Where in the host's batch the next byte to send lies. */
typedef struct position {
    uint32_t entry, offset;
} position;

/* What one sendmmsg hands over: each message a datagram, or a run that the kernel cuts (GSO). */
typedef struct outgoing {
    struct mmsghdr msgs[kUdpSendBatch];
    struct iovec iov[kUdpSendBatch];
    udp_sockaddr names[kUdpSendBatch];
    udp_control controls[kUdpSendBatch];
    position after[kUdpSendBatch]; /* where sending goes on when this message is gone */
    bool run[kUdpSendBatch];
    uint32_t count;
} outgoing;

static uint32_t segment_of(const plait_datagram *d) {
    return d->segment > 0 && d->segment < d->len ? d->segment : d->len;
}

static void add_control(struct msghdr *m, int level, int type, const void *data, size_t len) {
    struct cmsghdr *c = (struct cmsghdr *)(void *)((uint8_t *)m->msg_control + m->msg_controllen);
    memset(c, 0, CMSG_SPACE(len));
    c->cmsg_level = level;
    c->cmsg_type = type;
    c->cmsg_len = CMSG_LEN(len);
    memcpy(CMSG_DATA(c), data, len);
    m->msg_controllen += CMSG_SPACE(len);
}

static bool same_addr(const plait_addr *x, const plait_addr *y) {
    return x->len == y->len && memcmp(x->b, y->b, x->len) == 0;
}

/* The address to send from and the interface to leave by. */
static bool add_source(const udp_endpoint *e, struct msghdr *m, const plait_datagram *d) {
    udp_sockaddr local;
    socklen_t len;
    bool given = d->local != NULL && d->local->len != 0;
    if (given && e->one_address && same_addr(d->local, &e->bound)) {
        given = false;
    }
    if (!given && d->ifindex == 0) {
        return true;
    }
    if (given && !udp_addr_to_sockaddr(d->local, e->family, &local, &len)) {
        return false;
    }
    if (e->family == AF_INET) {
        struct in_pktinfo info = {.ipi_ifindex = (int)d->ifindex};
        if (given) {
            info.ipi_spec_dst = local.v4.sin_addr;
        }
        add_control(m, IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
    } else {
        struct in6_pktinfo info = {.ipi6_ifindex = d->ifindex};
        if (given) {
            info.ipi6_addr = local.v6.sin6_addr;
        }
        add_control(m, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info);
    }
    return true;
}

/* Adds the message that begins at `at`; with `single` one datagram of a run only. */
static plait_status plan_message(const udp_endpoint *e, outgoing *o, const plait_datagram *d,
                                 position at, bool single) {
    uint32_t i = o->count, segment = segment_of(d), rest = d->len - at.offset, most = segment;
    socklen_t name_len;
    if (segment > kUdpMaxPayload) {
        return PLAIT_E_TOO_BIG;
    }
    if (d->peer == NULL || !udp_addr_to_sockaddr(d->peer, e->family, &o->names[i], &name_len)) {
        return PLAIT_E_ADDRESS;
    }
    if (rest > segment && e->gso && !single) {
        uint32_t fit = kUdpMaxPayload / segment;
        most = segment * (fit < kUdpMaxSegments ? fit : kUdpMaxSegments);
    }
    uint32_t len = rest < most ? rest : most;
    o->iov[i] = (struct iovec){d->data + at.offset, len};
    struct msghdr *m = &o->msgs[i].msg_hdr;
    *m = (struct msghdr){.msg_name = &o->names[i], .msg_namelen = name_len, .msg_iov = &o->iov[i],
                         .msg_iovlen = 1, .msg_control = o->controls[i].bytes};
    o->run[i] = len > segment;
    if (o->run[i]) {
        uint16_t size = (uint16_t)segment;
        add_control(m, IPPROTO_UDP, UDP_SEGMENT, &size, sizeof size);
    }
    if ((d->ecn & 3) != e->ecn) {
        int tos = d->ecn & 3;
        bool v4 = e->family == AF_INET;
        add_control(m, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_TOS : IPV6_TCLASS, &tos, sizeof tos);
    }
    if (!add_source(e, m, d)) {
        return PLAIT_E_ADDRESS;
    }
    bool whole = at.offset + len >= d->len;
    o->after[i] = (position){at.entry + (whole ? 1 : 0), whole ? 0 : at.offset + len};
    o->count++;
    return PLAIT_OK;
}

/* As many messages as one call takes. A status only if there is none at all: what is wrong with a
 * later entry shows when it has come to the front. */
static plait_status plan(const udp_endpoint *e, outgoing *o, const plait_datagram *v, uint32_t n,
                         position at, bool single) {
    uint32_t most = single ? 1 : kUdpSendBatch;
    o->count = 0;
    while (o->count < most && at.entry < n) {
        plait_status status = plan_message(e, o, &v[at.entry], at, single);
        if (status != PLAIT_OK) {
            return o->count > 0 ? PLAIT_OK : status;
        }
        at = o->after[o->count - 1];
    }
    return PLAIT_OK;
}

static plait_status status_of(int error) {
    switch (error) {
    case ENETUNREACH:
    case EHOSTUNREACH:
    case ENETDOWN:
    case EHOSTDOWN:
    case EADDRNOTAVAIL:
    case ENODEV:
        return PLAIT_E_LINK_DOWN;
    case EINVAL: /* the address to send from is not ours */
    case EAFNOSUPPORT:
    case EACCES: /* a broadcast address */
        return PLAIT_E_ADDRESS;
    case EMSGSIZE:
        return PLAIT_E_TOO_BIG;
    default:
        return PLAIT_E_SYSTEM;
    }
}

static plait_status blocked(udp_endpoint *e, const plait_datagram *d, position at, int error) {
    e->blocked = true;
    if (at.offset > 0) {
        e->resume = (udp_resume){d->data, d->len, at.offset};
    }
    if (error == ENOBUFS || error == ENOMEM) {
        e->host->timer(e->h, e->host->now_us(e->h) + kUdpNoBuffersRetryUs);
    } else {
        e->host->watch(e->h, e->fd, PLAIT_POLL_READ | PLAIT_POLL_WRITE);
    }
    return PLAIT_E_AGAIN;
}

static bool is_blocked(int error) {
    return error == EAGAIN || error == EWOULDBLOCK || error == ENOBUFS || error == ENOMEM;
}

/* The kernel refused a run. EIO: the device can't checksum it, nor will it ever. EINVAL or
 * EMSGSIZE: either the same, or a single datagram is too large; sending one by itself tells. */
static bool refused_run(udp_endpoint *e, int error, bool *single) {
    if (error == EIO) {
        e->gso = false;
        e->host->log(e->h, PLAIT_LOG_INFO, "the path has no UDP_SEGMENT, sending one by one");
        return true;
    }
    *single = error == EINVAL || error == EMSGSIZE;
    return *single;
}

static plait_status give_up(udp_endpoint *e, const plait_datagram *d, plait_status status) {
    if (status == PLAIT_E_TOO_BIG && (d->flags & PLAIT_DATAGRAM_MTU_PROBE) == 0 &&
        d->peer != NULL) {
        e->host->state(e->h, PLAIT_TRANSPORT_MTU, d->peer, udp_path_mtu(e, d->peer));
    }
    return status;
}

/* A run that stopped halfway goes on where it was, if the host offers the same one again. */
static position start_at(udp_endpoint *e, const plait_datagram *first) {
    position at = {0, 0};
    if (e->resume.data == first->data && e->resume.len == first->len &&
        e->resume.offset < first->len && first->data != NULL) {
        at.offset = e->resume.offset;
    }
    e->resume = (udp_resume){NULL, 0, 0};
    return at;
}

/* Most packets have the same ECN bits; the socket's own need not be told with each. */
static void follow_ecn(udp_endpoint *e, int ecn) {
    bool v4 = e->family == AF_INET;
    e->others = ecn == e->ecn ? 0 : e->others + 1;
    if (e->others < kUdpEcnSwitch) {
        return;
    }
    e->others = 0;
    if (setsockopt(e->fd, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_TOS : IPV6_TCLASS, &ecn,
                   sizeof ecn) == 0) {
        e->ecn = (uint8_t)ecn;
    }
}

plait_status udp_send(void *self, const plait_datagram *v, uint32_t n, uint32_t *sent) {
    udp_endpoint *e = self;
    outgoing o;
    position at = start_at(e, &v[0]);
    plait_status status = PLAIT_OK;
    bool single = false;
    int stale = 0;
    follow_ecn(e, v[0].ecn & 3);
    if ((n > 1 || v[0].segment != 0) && e->ask < kUdpAnswers) {
        e->ask = kUdpAnswers;
    }
    while (at.entry < n && status == PLAIT_OK) {
        status = plan(e, &o, v, n, at, single);
        if (status != PLAIT_OK) {
            status = give_up(e, &v[at.entry], status);
            break;
        }
        int done = sendmmsg(e->fd, o.msgs, o.count, 0);
        if (done > 0) {
            at = o.after[done - 1];
            if (single) {
                single = false;
                e->gso = false;
                e->host->log(e->h, PLAIT_LOG_INFO, "UDP_SEGMENT is refused, sending one by one");
            }
        } else if (is_blocked(errno)) {
            status = blocked(e, &v[at.entry], at, errno);
        } else if (errno == EINTR || (errno == ECONNREFUSED && stale++ < kStaleErrors)) {
            continue;
        } else if (!o.run[0] || !refused_run(e, errno, &single)) {
            status = give_up(e, &v[at.entry], status_of(errno));
        }
    }
    *sent = at.entry;
    return status;
}

/* What came along with slot i: its local address, ECN and the size of the pieces of a run. */
static void read_controls(udp_endpoint *e, struct msghdr *m, uint32_t i, plait_datagram *d) {
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
        const void *data = CMSG_DATA(c);
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;
            memcpy(&info, data, sizeof info);
            udp_addr_set_v4(&e->locals[i], &info.ipi_spec_dst, e->port);
            d->ifindex = (uint32_t)info.ipi_ifindex;
            d->local = &e->locals[i];
        } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo info;
            memcpy(&info, data, sizeof info);
            udp_addr_set_v6(&e->locals[i], &info.ipi6_addr, e->port, info.ipi6_ifindex);
            d->ifindex = info.ipi6_ifindex;
            d->local = &e->locals[i];
        } else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS) {
            d->ecn = *(const uint8_t *)data & 3;
        } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_TCLASS) {
            int tclass;
            memcpy(&tclass, data, sizeof tclass);
            d->ecn = (uint8_t)(tclass & 3);
        } else if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO) {
            int size;
            memcpy(&size, data, sizeof size);
            d->segment = size > 0 && (uint32_t)size < d->len ? (uint16_t)size : 0;
        }
    }
}

/* recvmmsg over what an ICMP message may have left on the socket. */
static int receive(udp_endpoint *e, struct mmsghdr *msgs, uint32_t n) {
    int got = -1;
    for (int tries = 0; tries < kStaleErrors && got < 0; tries++) {
        got = recvmmsg(e->fd, msgs, n, 0, NULL);
        if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            return 0;
        }
    }
    return got;
}

/* Each slot that is asked for costs time, and so does one too many, for which the kernel looks in
 * vain: who sends to and fro has one at a time. Doubled while there are more. Who sends in bulk has
 * several answers when that is done: see udp_send. */
static uint32_t next_ask(udp_endpoint *e, uint32_t asked, uint32_t got) {
    if (got < asked) {
        return got > 1 ? got : 1;
    }
    e->singles = asked == 1 ? e->singles + 1 : 0;
    if (e->singles != 0 && e->singles < kUdpSingles) {
        return 1;
    }
    e->singles = 0;
    return asked < kUdpRecvSlots ? 2 * asked : asked;
}

plait_status udp_recv(void *self, plait_datagram *v, uint32_t n, uint32_t *got) {
    udp_endpoint *e = self;
    struct mmsghdr msgs[kUdpRecvSlots];
    struct iovec iov[kUdpRecvSlots];
    uint32_t most = e->long_runs ? kUdpRecvRuns : kUdpRecvSlots;
    most = e->ask < most ? e->ask : most;
    n = n < most ? n : most;
    for (uint32_t i = 0; i < n; i++) {
        iov[i] = (struct iovec){e->slots + (size_t)i * kUdpSlotBytes, kUdpSlotBytes};
        msgs[i].msg_len = 0;
        msgs[i].msg_hdr = (struct msghdr){
            .msg_name = &e->names[i], .msg_namelen = sizeof e->names[i], .msg_iov = &iov[i],
            .msg_iovlen = 1, .msg_control = e->controls[i].bytes,
            .msg_controllen = sizeof e->controls[i]};
    }
    int count = receive(e, msgs, n);
    *got = count > 0 ? (uint32_t)count : 0;
    e->ask = next_ask(e, n, *got);
    size_t bytes = 0;
    for (uint32_t i = 0; i < *got; i++) {
        plait_datagram *d = &v[i];
        d->data = iov[i].iov_base;
        d->len = msgs[i].msg_len;
        d->flags = (msgs[i].msg_hdr.msg_flags & MSG_TRUNC) != 0 ? PLAIT_DATAGRAM_TRUNCATED : 0;
        udp_addr_from_sockaddr(&e->names[i], &e->peers[i]);
        d->peer = &e->peers[i];
        d->local = e->one_address ? &e->bound : NULL;
        read_controls(e, &msgs[i].msg_hdr, i, d);
        bytes += d->len;
    }
    e->long_runs = bytes > (size_t)*got * kUdpLongRun;
    return count < 0 ? PLAIT_E_SYSTEM : PLAIT_OK;
}

void udp_poll(void *self, int fd, uint32_t events) {
    udp_endpoint *e = self;
    (void)fd;
    if (e->group != NULL) {
        udp_group_poll(e);
        return;
    }
    if (e->blocked && (events & (PLAIT_POLL_WRITE | PLAIT_POLL_TIMER)) != 0) {
        e->blocked = false;
        e->host->state(e->h, PLAIT_TRANSPORT_WRITABLE, NULL, 0);
    }
}
