/* SPDX-License-Identifier: Apache-2.0 */
// udp://ADDRESS:PORT[?device=NAME] and udp://* (members.c): the entry of the transport. See
// README.md beside this file.
#define _GNU_SOURCE
#include "udp.h"

#include <sys/ioctl.h>

static const uint32_t kCapabilities =
    PLAIT_CAP_PER_WORKER | PLAIT_CAP_GSO | PLAIT_CAP_GRO | PLAIT_CAP_ECN;

static plait_status udp_addr_parse(void *self, const char *text, plait_addr *out) {
    const udp_endpoint *e = self;
    udp_sockaddr sa;
    socklen_t len;
    uri_parts parts;
    if (!uri_split(text, "udp", &parts)) {
        parts.place.at = text;
        parts.place.len = strlen(text);
        parts.query.len = 0;
    }
    if (parts.query.len != 0 || udp_addr_from_text(parts.place, out) != NULL) {
        return PLAIT_E_ADDRESS;
    }
    /* Something can be sent there from this socket. */
    if (e != NULL && (!udp_addr_to_sockaddr(out, e->group ? 0 : e->family, &sa, &len) ||
                      (sa.any.sa_family == AF_INET ? sa.v4.sin_port : sa.v6.sin6_port) == 0)) {
        return PLAIT_E_ADDRESS;
    }
    return PLAIT_OK;
}

static plait_status udp_addr_format(void *self, const plait_addr *addr, char *buf, size_t cap) {
    (void)self;
    return udp_addr_to_text(addr, buf, cap);
}

static const void *udp_extension(void *self, const char *id) {
    const udp_endpoint *e = self;
    bool members = e != NULL && e->group != NULL && strcmp(id, PLAIT_EXTENSION_MEMBERS) == 0;
    return members ? &udp_members : NULL;
}

static plait_status udp_info(void *self, const plait_addr *addr, plait_transport_info *out) {
    const udp_endpoint *e = self;
    int queued = 0;
    uint32_t flags = 0;
    if (addr != NULL) {
        flags = (udp_addr_is_loopback(addr) ? PLAIT_INFO_LOOPBACK : 0u) |
                (udp_is_routed(e, addr) ? PLAIT_INFO_ROUTED : 0u) |
                (udp_addr_is_shared(addr, e->family) ? 0u : PLAIT_INFO_NOT_SHARED);
    }
    plait_transport_info i = {
        .struct_size = out->struct_size,
        .capabilities = (kCapabilities & ~(uint32_t)(PLAIT_CAP_GSO | PLAIT_CAP_GRO)) |
                        (e->gso ? PLAIT_CAP_GSO : 0u) | (e->gro ? PLAIT_CAP_GRO : 0u),
        .flags = flags,
        .mtu = addr != NULL ? udp_path_mtu(e, addr) : (uint32_t)kUdpMaxPayload,
        .run_segments = e->gso ? kUdpMaxSegments : 0u,
        .run_bytes = e->gso ? kUdpMaxPayload : 0u,
    };
    if (e->group == NULL && ioctl(e->fd, TIOCOUTQ, &queued) == 0 && queued > 0) {
        i.queued_bytes = (uint32_t)queued;
    }
    memcpy(out, &i, out->struct_size < sizeof i ? out->struct_size : sizeof i);
    return PLAIT_OK;
}

PLAIT_TRANSPORT_EXPORT("udp",
                       .capabilities = PLAIT_CAP_PER_WORKER | PLAIT_CAP_GSO | PLAIT_CAP_GRO |
                                       PLAIT_CAP_ECN,
                       .open = udp_open, .close = udp_close, .send = udp_send, .recv = udp_recv,
                       .addr_parse = udp_addr_parse, .addr_format = udp_addr_format,
                       .info = udp_info, .poll = udp_poll, .get_extension = udp_extension)
