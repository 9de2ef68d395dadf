/* SPDX-License-Identifier: Apache-2.0 */
/* pigeon:///tmp/loft/3 : a whole transport in one file, as you would write your own. The pigeons
 * are datagrams of local sockets: an address is the path of a socket, and a full loft loses
 * pigeons.
 *
 *     cc -shared -fPIC pigeon.c -o pigeon.so $(pkg-config --cflags plait)
 *
 * then plait_node_load_transport(node, "./pigeon.so") and open "pigeon:///tmp/loft/3". To try it
 * alone:
 *
 *     conformance ./pigeon.so pigeon:///tmp/loft-a pigeon:///tmp/loft-z
 */
#define _GNU_SOURCE
#include <errno.h>
#include <plait/transport.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { MTU = PLAIT_TRANSPORT_MTU_DEFAULT, BASKET = 16 };

struct loft {
    const plait_host *host;
    plait_host_endpoint *h;
    int fd;
    struct sockaddr_un place;
    uint8_t notes[BASKET][MTU]; /* what recv hands out, until the next recv */
    plait_addr from[BASKET];
};

/* An address is the path, without a final zero byte: what the default addr_parse makes of
 * "pigeon:///tmp/loft/3". So there is no addr_parse, addr_format or info in this plugin. */
static struct sockaddr_un place_of(const plait_addr *addr) {
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    memcpy(un.sun_path, addr->b, addr->len);
    return un;
}

static plait_status refuse(struct loft *l, plait_status status, const char *text) {
    l->host->fail(l->h, status, text);
    if (l->fd >= 0)
        close(l->fd);
    free(l);
    return status;
}

/* A socket file whose owner is gone may be taken over; 0 or the error. */
static int settle(int fd, const struct sockaddr_un *un) {
    const struct sockaddr *place = (const struct sockaddr *)un;
    if (bind(fd, place, sizeof *un) == 0)
        return 0;
    if (errno != EADDRINUSE)
        return errno;
    if (connect(fd, place, sizeof *un) == 0 || errno != ECONNREFUSED)
        return EADDRINUSE;
    unlink(un->sun_path);
    return bind(fd, place, sizeof *un) == 0 ? 0 : errno;
}

static plait_status open_(const plait_host *host, plait_host_endpoint *h,
                          const plait_open_args *args, void **self) {
    struct loft *l = calloc(1, sizeof *l);
    const char *path = args->uri + strlen("pigeon://");
    plait_addr addr = {0, {0}};
    if (l == NULL) {
        host->fail(h, PLAIT_E_NO_MEMORY, "out of memory");
        return PLAIT_E_NO_MEMORY;
    }
    l->host = host;
    l->h = h;
    l->fd = -1;
    if (strncmp(args->uri, "pigeon://", 9) != 0 || strchr(path, '?') != NULL)
        return refuse(l, PLAIT_E_URI, "not of the form pigeon:///path/of/a/loft");
    if (path[0] != '/' || strlen(path) > PLAIT_ADDR_MAX)
        return refuse(l, PLAIT_E_ADDRESS, "a loft is a path of 63 characters at most");
    addr.len = (uint8_t)strlen(path);
    memcpy(addr.b, path, addr.len);
    l->place = place_of(&addr);
    l->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (l->fd < 0)
        return refuse(l, PLAIT_E_TRANSPORT_OPEN, strerror(errno));
    int error = settle(l->fd, &l->place);
    if (error != 0)
        return error == EADDRINUSE
                   ? refuse(l, PLAIT_E_ADDRESS_IN_USE, "somebody else has this loft")
                   : refuse(l, PLAIT_E_TRANSPORT_OPEN, strerror(error));
    if (host->watch(h, l->fd, PLAIT_POLL_READ) != PLAIT_OK)
        return refuse(l, PLAIT_E_SYSTEM, "the loft cannot be watched");
    *self = l;
    return PLAIT_OK;
}

static void close_(void *self) {
    struct loft *l = self;
    l->host->unwatch(l->h, l->fd);
    unlink(l->place.sun_path);
    close(l->fd);
    free(l);
}

static plait_status send_(void *self, const plait_datagram *v, uint32_t n, uint32_t *sent) {
    struct loft *l = self;
    for (*sent = 0; *sent < n; ++*sent) {
        const plait_datagram *d = &v[*sent];
        if (d->peer == NULL || d->peer->len == 0)
            return PLAIT_E_ADDRESS;
        if (d->len > MTU)
            return PLAIT_E_TOO_BIG;
        struct sockaddr_un to = place_of(d->peer);
        /* Whatever goes wrong from here on, the pigeon is lost, and plait will send another. */
        (void)!sendto(l->fd, d->data, d->len, 0, (struct sockaddr *)&to, sizeof to);
    }
    return PLAIT_OK;
}

static plait_status recv_(void *self, plait_datagram *v, uint32_t n, uint32_t *got) {
    struct loft *l = self;
    for (*got = 0; *got < n && *got < BASKET; ++*got) {
        struct sockaddr_un un = {.sun_family = AF_UNIX};
        socklen_t len = sizeof un;
        ssize_t size = recvfrom(l->fd, l->notes[*got], MTU, 0, (struct sockaddr *)&un, &len);
        if (size < 0)
            break; /* no more for now: the descriptor is watched */
        plait_addr *from = &l->from[*got];
        memset(from, 0, sizeof *from);
        from->len = (uint8_t)strnlen(un.sun_path, PLAIT_ADDR_MAX);
        memcpy(from->b, un.sun_path, from->len);
        v[*got].data = l->notes[*got];
        v[*got].len = (uint32_t)size;
        v[*got].peer = from;
    }
    return PLAIT_OK;
}

PLAIT_TRANSPORT_EXPORT("pigeon", .open = open_, .close = close_, .send = send_, .recv = recv_)
