/* SPDX-License-Identifier: Apache-2.0 */
// udp://*[:PORT][?include=PATTERNS][&exclude=PATTERNS]: no socket, but one endpoint for each
// address of this machine. The kernel's word over netlink is only the sign to look again: what is
// there then is compared with what was there, so that nothing is missed when signs are lost.
#define _GNU_SOURCE
#include "udp.h"

#include <errno.h>
#include <fnmatch.h>
#include <ifaddrs.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { kMaxMembers = 32, kMaxPatterns = 256, kSignBytes = 8192 };

typedef struct member {
    plait_addr addr; /* with the port that was asked for */
    char device[IF_NAMESIZE];
    bool up;
} member;

struct udp_group {
    int netlink;
    uint16_t port;
    char include[kMaxPatterns], exclude[kMaxPatterns]; /* "" or "eth*,wlan0" */
    uint32_t count;
    member members[kMaxMembers];
};

static bool matches(const char *patterns, const char *name) {
    char pattern[kMaxPatterns];
    while (*patterns != '\0') {
        size_t n = strcspn(patterns, ",");
        memcpy(pattern, patterns, n);
        pattern[n] = '\0';
        if (fnmatch(pattern, name, 0) == 0) {
            return true;
        }
        patterns += n + (patterns[n] == ',' ? 1 : 0);
    }
    return false;
}

/* The loopback interface is meant only if it is named. */
static bool wanted(const udp_group *g, const struct ifaddrs *i) {
    bool in = g->include[0] != '\0' ? matches(g->include, i->ifa_name)
                                    : (i->ifa_flags & IFF_LOOPBACK) == 0;
    return in && !matches(g->exclude, i->ifa_name);
}

/* An IPv6 address that is still being tried out for duplicates is listed, but nobody may have it;
 * the kernel gives another sign when it is ready. */
static bool can_be_bound(const udp_sockaddr *sa) {
    bool v4 = sa->any.sa_family == AF_INET;
    int fd = socket(sa->any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return false;
    }
    bool can = bind(fd, &sa->any, v4 ? sizeof sa->v4 : sizeof sa->v6) == 0;
    close(fd);
    return can;
}

static bool same(const member *x, const member *y) {
    return memcmp(&x->addr, &y->addr, sizeof x->addr) == 0 && strcmp(x->device, y->device) == 0;
}

static const member *find(const udp_group *g, const member *m) {
    for (uint32_t i = 0; i < g->count; i++) {
        if (same(&g->members[i], m)) {
            return &g->members[i];
        }
    }
    return NULL;
}

/* Whether this is an address to have an endpoint for. IPv6's link-local ones are not: nobody could
 * dial them from elsewhere. */
static bool read_address(const udp_group *g, const struct ifaddrs *i, member *out) {
    udp_sockaddr sa;
    if (i->ifa_addr == NULL || !wanted(g, i)) {
        return false;
    }
    memset(&sa, 0, sizeof sa);
    memset(out, 0, sizeof *out);
    if (i->ifa_addr->sa_family == AF_INET) {
        memcpy(&sa.v4, i->ifa_addr, sizeof sa.v4);
        udp_addr_set_v4(&out->addr, &sa.v4.sin_addr, g->port);
    } else if (i->ifa_addr->sa_family == AF_INET6) {
        memcpy(&sa.v6, i->ifa_addr, sizeof sa.v6);
        if (IN6_IS_ADDR_LINKLOCAL(&sa.v6.sin6_addr)) {
            return false;
        }
        udp_addr_set_v6(&out->addr, &sa.v6.sin6_addr, g->port, 0);
    } else {
        return false;
    }
    snprintf(out->device, sizeof out->device, "%s", i->ifa_name);
    out->up = (i->ifa_flags & (IFF_UP | IFF_RUNNING)) == (IFF_UP | IFF_RUNNING);
    return find(g, out) != NULL || can_be_bound(&sa);
}

/* Looks what is there now and tells the difference. */
static void look(udp_endpoint *e) {
    udp_group *g = e->group, now = {.port = g->port};
    struct ifaddrs *list = NULL;
    if (getifaddrs(&list) != 0) {
        e->host->log(e->h, PLAIT_LOG_WARNING, "the list of addresses is not to be had");
        return;
    }
    for (const struct ifaddrs *i = list; i != NULL && now.count < kMaxMembers; i = i->ifa_next) {
        if (read_address(g, i, &now.members[now.count])) {
            now.count++;
        }
    }
    freeifaddrs(list);
    for (uint32_t i = 0; i < g->count; i++) {
        if (find(&now, &g->members[i]) == NULL) {
            e->host->state(e->h, PLAIT_TRANSPORT_ADDRESS, &g->members[i].addr, 0);
        }
    }
    for (uint32_t i = 0; i < now.count; i++) {
        const member *m = &now.members[i], *before = find(g, m);
        if (before == NULL) {
            e->host->state(e->h, PLAIT_TRANSPORT_ADDRESS, &m->addr, 1);
        }
        if (before == NULL ? !m->up : m->up != before->up) {
            e->host->state(e->h, m->up ? PLAIT_TRANSPORT_UP : PLAIT_TRANSPORT_DOWN, &m->addr, 0);
        }
    }
    memcpy(g->members, now.members, sizeof g->members);
    g->count = now.count;
}

static plait_status member_uri(void *self, const plait_addr *addr, char *buf, size_t cap) {
    const udp_group *g = ((udp_endpoint *)self)->group;
    char text[PLAIT_ADDR_TEXT_MAX];
    for (uint32_t i = 0; i < g->count; i++) {
        const member *m = &g->members[i];
        if (memcmp(&m->addr, addr, sizeof *addr) == 0 &&
            udp_addr_to_text(addr, text, sizeof text) == PLAIT_OK) {
            /* Bound to its interface, or packets would take the way of the machine's first route.
             */
            int n = snprintf(buf, cap, "udp://%s?device=%s", text, m->device);
            return n >= 0 && (size_t)n < cap ? PLAIT_OK : PLAIT_E_BUFFER;
        }
    }
    return PLAIT_E_ADDRESS;
}

const plait_transport_members udp_members = {sizeof(plait_transport_members), 0, member_uri};

bool udp_is_group(uri_text place) {
    return place.len > 0 && place.at[0] == '*';
}

static const char *read_group(udp_group *g, uri_parts parts) {
    uint64_t port = 0;
    uri_text digits = {parts.place.at + 2, parts.place.len - 2};
    uri_text key, value;
    if (parts.place.len > 1 && (parts.place.at[1] != ':' || !uri_number(digits, 0, 65535, &port))) {
        return "after udp://* comes nothing or a port, as in udp://*:4242";
    }
    g->port = (uint16_t)port;
    while (uri_next_param(&parts.query, &key, &value)) {
        char *into = uri_is(key, "include")   ? g->include
                     : uri_is(key, "exclude") ? g->exclude
                                              : NULL;
        if (into == NULL) {
            return "udp://* knows only the parameters include and exclude";
        }
        if (value.len == 0 || !uri_decode(value, into, kMaxPatterns)) {
            return "names of interfaces are wanted, such as eth*,wlan0";
        }
    }
    return NULL;
}

plait_status udp_group_open(udp_endpoint *e, uri_parts parts) {
    struct sockaddr_nl all = {.nl_family = AF_NETLINK,
                              .nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR};
    e->group = calloc(1, sizeof *e->group);
    if (e->group == NULL) {
        e->host->fail(e->h, PLAIT_E_NO_MEMORY, "out of memory");
        return PLAIT_E_NO_MEMORY;
    }
    udp_group *g = e->group;
    g->netlink = -1;
    const char *wrong = read_group(g, parts);
    if (wrong != NULL) {
        e->host->fail(e->h, PLAIT_E_URI, wrong);
        return PLAIT_E_URI;
    }
    g->netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (g->netlink < 0 || bind(g->netlink, (struct sockaddr *)&all, sizeof all) != 0 ||
        e->host->watch(e->h, g->netlink, PLAIT_POLL_READ) != PLAIT_OK) {
        e->host->fail(e->h, PLAIT_E_UNSUPPORTED, "this system does not tell of its addresses");
        return PLAIT_E_UNSUPPORTED;
    }
    look(e);
    return PLAIT_OK;
}

void udp_group_poll(udp_endpoint *e) {
    char sign[kSignBytes];
    /* ENOBUFS: signs were lost; looking makes up for that. */
    while (recv(e->group->netlink, sign, sizeof sign, 0) > 0 || errno == ENOBUFS ||
           errno == EINTR) {
        errno = 0;
    }
    look(e);
}

void udp_group_close(udp_endpoint *e) {
    if (e->group->netlink >= 0) {
        e->host->unwatch(e->h, e->group->netlink);
        close(e->group->netlink);
    }
    free(e->group);
}
