/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "udp.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>

enum { kV4Len = 1 + 2 + 4, kV6Len = 1 + 2 + 16, kV6ScopedLen = kV6Len + 4, kTextMax = 96 };

static void set_head(plait_addr *out, uint8_t family, uint16_t port, uint8_t len) {
    memset(out, 0, sizeof *out);
    out->len = len;
    out->b[0] = family;
    out->b[1] = (uint8_t)(port >> 8);
    out->b[2] = (uint8_t)port;
}

void udp_addr_set_v4(plait_addr *out, const struct in_addr *ip, uint16_t port) {
    set_head(out, 4, port, kV4Len);
    memcpy(out->b + 3, ip, 4);
}

void udp_addr_set_v6(plait_addr *out, const struct in6_addr *ip, uint16_t port, uint32_t scope) {
    if (IN6_IS_ADDR_V4MAPPED(ip)) {
        struct in_addr v4;
        memcpy(&v4, ip->s6_addr + 12, 4);
        udp_addr_set_v4(out, &v4, port);
        return;
    }
    /* Elsewhere the kernel may fill a scope in that says nothing, and equal must be equal. */
    bool scoped = scope != 0 && (IN6_IS_ADDR_LINKLOCAL(ip) || IN6_IS_ADDR_MC_LINKLOCAL(ip));
    set_head(out, 6, port, scoped ? kV6ScopedLen : kV6Len);
    memcpy(out->b + 3, ip, 16);
    if (scoped) {
        uint32_t be = htonl(scope);
        memcpy(out->b + kV6Len, &be, 4);
    }
}

void udp_addr_from_sockaddr(const udp_sockaddr *from, plait_addr *out) {
    if (from->any.sa_family == AF_INET) {
        udp_addr_set_v4(out, &from->v4.sin_addr, ntohs(from->v4.sin_port));
    } else {
        udp_addr_set_v6(out, &from->v6.sin6_addr, ntohs(from->v6.sin6_port),
                        from->v6.sin6_scope_id);
    }
}

bool udp_addr_to_sockaddr(const plait_addr *addr, int family, udp_sockaddr *out, socklen_t *len) {
    bool v4 = addr->len == kV4Len && addr->b[0] == 4;
    bool v6 = (addr->len == kV6Len || addr->len == kV6ScopedLen) && addr->b[0] == 6;
    if ((!v4 && !v6) || (v4 && family == AF_INET6) || (v6 && family == AF_INET)) {
        return false;
    }
    uint16_t port = (uint16_t)(addr->b[1] << 8 | addr->b[2]);
    memset(out, 0, sizeof *out);
    if (v4) {
        out->v4.sin_family = AF_INET;
        out->v4.sin_port = htons(port);
        memcpy(&out->v4.sin_addr, addr->b + 3, 4);
        *len = sizeof out->v4;
        return true;
    }
    out->v6.sin6_family = AF_INET6;
    out->v6.sin6_port = htons(port);
    memcpy(&out->v6.sin6_addr, addr->b + 3, 16);
    if (addr->len == kV6ScopedLen) {
        uint32_t be;
        memcpy(&be, addr->b + kV6Len, 4);
        out->v6.sin6_scope_id = ntohl(be);
    }
    *len = sizeof out->v6;
    return true;
}

/* "%eth0", "%3" and, as in an URI (RFC 6874), "%25eth0". 0: no such interface. */
static uint32_t parse_scope(const char *text) {
    if (strncmp(text, "25", 2) == 0 && text[2] != '\0') {
        text += 2;
    }
    uint64_t number;
    uri_text t = {text, strlen(text)};
    uint32_t index = if_nametoindex(text);
    return index != 0 ? index : uri_number(t, 1, UINT32_MAX, &number) ? (uint32_t)number : 0;
}

static const char *parse_v6(char *ip, uint16_t port, plait_addr *out) {
    struct in6_addr v6;
    uint32_t scope = 0;
    char *percent = strchr(ip, '%');
    if (percent != NULL) {
        *percent = '\0';
        scope = parse_scope(percent + 1);
        if (scope == 0) {
            return "no network interface of the name after the %";
        }
    }
    if (inet_pton(AF_INET6, ip, &v6) != 1) {
        return "not a numeric IPv6 address between the brackets";
    }
    udp_addr_set_v6(out, &v6, port, scope);
    return NULL;
}

const char *udp_addr_from_text(uri_text text, plait_addr *out) {
    char buf[kTextMax];
    uint64_t port;
    if (text.len >= sizeof buf || memchr(text.at, '\0', text.len) != NULL) {
        return "too long for an address and a port";
    }
    memcpy(buf, text.at, text.len);
    buf[text.len] = '\0';
    char *colon = strrchr(buf, ':');
    if (colon == NULL || strchr(colon, ']') != NULL) {
        return "the port is missing (as in 192.0.2.7:4242 or [::1]:4242)";
    }
    uri_text digits = {colon + 1, strlen(colon + 1)};
    if (!uri_number(digits, 0, 65535, &port)) {
        return "the port is not a number from 0 to 65535";
    }
    *colon = '\0';
    if (buf[0] == '[') {
        if (colon[-1] != ']') {
            return "no ] before the port";
        }
        colon[-1] = '\0';
        return parse_v6(buf + 1, (uint16_t)port, out);
    }
    if (strchr(buf, ':') != NULL) {
        return "an IPv6 address stands in brackets (as in [::1]:4242)";
    }
    struct in_addr v4;
    if (inet_pton(AF_INET, buf, &v4) != 1) {
        return "not a numeric IPv4 or IPv6 address (host names are not resolved)";
    }
    udp_addr_set_v4(out, &v4, (uint16_t)port);
    return NULL;
}

plait_status udp_addr_to_text(const plait_addr *addr, char *buf, size_t cap) {
    udp_sockaddr sa;
    socklen_t len;
    char ip[INET6_ADDRSTRLEN];
    char scope[IF_NAMESIZE + 4] = "";
    if (!udp_addr_to_sockaddr(addr, 0, &sa, &len)) {
        return PLAIT_E_ADDRESS;
    }
    int n;
    if (sa.any.sa_family == AF_INET) {
        inet_ntop(AF_INET, &sa.v4.sin_addr, ip, sizeof ip);
        n = snprintf(buf, cap, "%s:%u", ip, ntohs(sa.v4.sin_port));
    } else {
        inet_ntop(AF_INET6, &sa.v6.sin6_addr, ip, sizeof ip);
        if (sa.v6.sin6_scope_id != 0) {
            char name[IF_NAMESIZE];
            if (if_indextoname(sa.v6.sin6_scope_id, name) == NULL) {
                snprintf(name, sizeof name, "%u", (unsigned)sa.v6.sin6_scope_id);
            }
            /* What begins with 25 would be read back as an escaped percent sign. */
            bool escape = strncmp(name, "25", 2) == 0;
            snprintf(scope, sizeof scope, "%%%s%s", escape ? "25" : "", name);
        }
        n = snprintf(buf, cap, "[%s%s]:%u", ip, scope, ntohs(sa.v6.sin6_port));
    }
    return n >= 0 && (size_t)n < cap ? PLAIT_OK : PLAIT_E_BUFFER;
}

bool udp_addr_is_loopback(const plait_addr *addr) {
    udp_sockaddr sa;
    socklen_t len;
    if (!udp_addr_to_sockaddr(addr, 0, &sa, &len)) {
        return false;
    }
    return sa.any.sa_family == AF_INET ? ntohl(sa.v4.sin_addr.s_addr) >> 24 == 127
                                       : IN6_IS_ADDR_LOOPBACK(&sa.v6.sin6_addr);
}

/* Broadcast to a subnet cannot be told from an address without its mask; the kernel refuses to send
 * it. */
bool udp_addr_is_shared(const plait_addr *addr, int family) {
    udp_sockaddr sa;
    socklen_t len;
    if (!udp_addr_to_sockaddr(addr, family, &sa, &len) || (addr->b[1] == 0 && addr->b[2] == 0)) {
        return false;
    }
    if (sa.any.sa_family == AF_INET) {
        uint32_t ip = ntohl(sa.v4.sin_addr.s_addr);
        /* 0/8 is "this network", 224/4 multicast, 240/4 reserved and the broadcast address. */
        return ip >> 24 != 0 && ip >> 24 < 224;
    }
    const struct in6_addr *ip = &sa.v6.sin6_addr;
    return !IN6_IS_ADDR_MULTICAST(ip) && !IN6_IS_ADDR_UNSPECIFIED(ip) &&
           !IN6_IS_ADDR_LINKLOCAL(ip) && !IN6_IS_ADDR_V4MAPPED(ip) && !IN6_IS_ADDR_V4COMPAT(ip);
}
