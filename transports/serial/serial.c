/* SPDX-License-Identifier: Apache-2.0 */
/* serial:///dev/ttyUSB0?baud=921600: the endpoint. cobs.h makes frames of datagrams, tty.h is the
 * line.
 *
 * Sending. A tty hides what it has queued, often a third of a second of it, and a packet that waits
 * there can no longer take another link. So the driver is given about 40 ms of work at a time (two
 * packets, as plait sizes them), the rest waits in `out`, which takes one datagram beyond that. How
 * much the driver holds is the larger of what it says and what a line of this rate cannot have sent
 * yet: USB adapters hide a buffer of their own.
 *
 * Unplugging. An error or a hang-up closes the line, says DOWN, and a timer tries to open it again.
 * */
#define _GNU_SOURCE
#include "cobs.h"
#include "common/uri.h"
#include "plait/transport.h"
#include "tty.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    kDefaultBaud = 115200,
    kMinBaud = 50,
    kMaxBaud = 50000000,
    kDefaultMtu = 1400,
    kMaxMtu = 16384,        /* of what is sent; every receiver takes frames of this size */
    kRxBytes = 64 * 1024,   /* what one recv looks at; more than two of the largest frames */
    kBitsPerByte = 10,      /* start, eight, stop */
    kDriverUs = 40000,      /* work given to the driver at a time */
    kDriverMinBytes = 128,
    kMinTimerUs = 1000,
    kReopenFirstUs = 100000,
    kReopenMaxUs = 2000000,
};

typedef struct endpoint {
    const plait_host *host;
    plait_host_endpoint *h;
    tty_config tty;
    uint32_t mtu;
    bool pace;
    int fd;                   /* -1: down */
    uint64_t rate;            /* bytes a second by the baud rate */
    bool blocked;             /* PLAIT_E_AGAIN was returned, WRITABLE is owed */
    uint64_t reopen_us;       /* the next wait between attempts */

    uint8_t *out;             /* frames not given to the driver yet: out[out_at .. out_end) */
    size_t out_at, out_end, out_size;
    size_t driver_limit;      /* bytes the driver may hold */
    uint64_t line_free_us;    /* when a line of this rate will have sent what was written */

    uint8_t *in;              /* bytes read: in[in_at .. in_end) are not decoded yet */
    size_t in_at, in_end;
    size_t scanned;           /* in[in_at .. scanned) has no zero in it */
    uint64_t damaged;
} endpoint;

static size_t out_waiting(const endpoint *e) {
    return e->out_end - e->out_at;
}

static size_t driver_holds(const endpoint *e) {
    size_t told = tty_queued(e->fd);
    uint64_t now = e->host->now_us(e->h);
    if (!e->pace || now >= e->line_free_us) {
        return told;
    }
    size_t reckoned = (size_t)((e->line_free_us - now) * e->rate / 1000000);
    return reckoned > told ? reckoned : told;
}

static void note_written(endpoint *e, size_t n) {
    uint64_t now = e->host->now_us(e->h);
    if (e->line_free_us < now) {
        e->line_free_us = now;
    }
    e->line_free_us += (uint64_t)n * 1000000 / e->rate;
}

static void go_down(endpoint *e, const char *why) {
    char text[kTtyPathMax + 64];
    e->host->unwatch(e->h, e->fd);
    tty_close(e->fd, false);
    e->fd = -1;
    e->out_at = e->out_end = 0;
    e->in_at = e->in_end = e->scanned = 0;
    e->reopen_us = kReopenFirstUs;
    e->host->state(e->h, PLAIT_TRANSPORT_DOWN, NULL, 0);
    snprintf(text, sizeof text, "%s: %s; waiting for it to return", e->tty.path, why);
    e->host->log(e->h, PLAIT_LOG_WARNING, text);
    e->host->timer(e->h, e->host->now_us(e->h) + e->reopen_us);
}

static plait_status come_up(endpoint *e, int fd) {
    e->fd = fd;
    e->line_free_us = 0;
    plait_status status = e->host->watch(e->h, fd, PLAIT_POLL_READ);
    if (status != PLAIT_OK) {
        tty_close(fd, false);
        e->fd = -1;
    }
    return status;
}

static void say_writable(endpoint *e) {
    if (e->blocked) {
        e->blocked = false;
        e->host->state(e->h, PLAIT_TRANSPORT_WRITABLE, NULL, 0);
    }
}

static void try_reopen(endpoint *e) {
    tty_failure why;
    int fd = tty_open(&e->tty, &why);
    if (fd >= 0 && come_up(e, fd) == PLAIT_OK) {
        char text[kTtyPathMax + 32];
        snprintf(text, sizeof text, "%s is back", e->tty.path);
        e->host->log(e->h, PLAIT_LOG_INFO, text);
        e->host->state(e->h, PLAIT_TRANSPORT_UP, NULL, 0);
        say_writable(e);
        return;
    }
    e->reopen_us = e->reopen_us * 2 < kReopenMaxUs ? e->reopen_us * 2 : kReopenMaxUs;
    e->host->timer(e->h, e->host->now_us(e->h) + e->reopen_us);
}

/* Asks for a turn when the driver will have sent half of its share. */
static void wait_for_driver(endpoint *e, size_t held) {
    size_t half = e->driver_limit / 2;
    uint64_t us = held > half ? (uint64_t)(held - half) * 1000000 / e->rate : 0;
    e->host->timer(e->h, e->host->now_us(e->h) + (us > kMinTimerUs ? us : kMinTimerUs));
}

/* Gives the driver what it may hold. The line may be down afterwards. */
static void flush_out(endpoint *e) {
    while (e->fd >= 0 && out_waiting(e) > 0) {
        size_t n = out_waiting(e);
        if (e->pace) {
            size_t held = driver_holds(e);
            size_t room = held < e->driver_limit ? e->driver_limit - held : 0;
            if (room == 0) {
                wait_for_driver(e, held);
                return;
            }
            n = n < room ? n : room;
        }
        ssize_t done = write(e->fd, e->out + e->out_at, n);
        if (done > 0) {
            e->out_at += (size_t)done;
            note_written(e, (size_t)done);
        } else if (done == 0 || errno == EAGAIN || errno == EWOULDBLOCK) {
            e->host->watch(e->h, e->fd, PLAIT_POLL_READ | PLAIT_POLL_WRITE);
            return;
        } else if (errno != EINTR) {
            go_down(e, strerror(errno));
        }
    }
}

/* Appends the frame of one datagram to `out`. There is room: see full(). */
static void append_frame(endpoint *e, const plait_datagram *d) {
    if (e->out_at > 0) {
        memmove(e->out, e->out + e->out_at, out_waiting(e));
        e->out_end -= e->out_at;
        e->out_at = 0;
    }
    /* After a pause the line may have picked up noise: a zero ends what it looks like. */
    if (e->out_end == 0 && e->host->now_us(e->h) >= e->line_free_us) {
        e->out[e->out_end++] = 0;
    }
    e->out_end += frame_encode(d->data, d->len, e->out + e->out_end);
}

static bool full(const endpoint *e) {
    if (!e->pace) {
        return out_waiting(e) > 0; /* the driver said EAGAIN */
    }
    return out_waiting(e) + driver_holds(e) >= e->driver_limit;
}

static plait_status check(const endpoint *e, const plait_datagram *d) {
    if (e->fd < 0) {
        return PLAIT_E_LINK_DOWN;
    }
    if (d->peer != NULL && d->peer->len != 0) {
        return PLAIT_E_ADDRESS;
    }
    if (d->len > e->mtu) {
        if ((d->flags & PLAIT_DATAGRAM_MTU_PROBE) == 0) {
            e->host->state(e->h, PLAIT_TRANSPORT_MTU, NULL, e->mtu);
        }
        return PLAIT_E_TOO_BIG;
    }
    return PLAIT_OK;
}

static plait_status serial_send(void *self, const plait_datagram *v, uint32_t n, uint32_t *sent) {
    endpoint *e = self;
    plait_status status = PLAIT_OK;
    uint32_t i = 0;
    for (; i < n; i++) {
        status = check(e, &v[i]);
        if (status != PLAIT_OK) {
            break;
        }
        if (full(e)) {
            e->blocked = true;
            if (e->pace) {
                wait_for_driver(e, out_waiting(e) + driver_holds(e));
            }
            status = PLAIT_E_AGAIN;
            break;
        }
        append_frame(e, &v[i]);
        flush_out(e);
    }
    *sent = i;
    return status;
}

static void note_damaged(endpoint *e) {
    e->damaged++;
    if ((e->damaged & (e->damaged - 1)) == 0) { /* 1, 2, 4, 8, ...: bad lines do not fill the log */
        char text[kTtyPathMax + 96];
        snprintf(text, sizeof text, "%s: %llu damaged frames so far (baud rate, cable?)",
                 e->tty.path, (unsigned long long)e->damaged);
        e->host->log(e->h, PLAIT_LOG_INFO, text);
    }
}

/* The next whole datagram among the bytes read. False: none left. */
static bool next_frame(endpoint *e, plait_datagram *d) {
    while (e->in_at < e->in_end) {
        uint8_t *end = memchr(e->in + e->scanned, 0, e->in_end - e->scanned);
        if (end == NULL) {
            e->scanned = e->in_end;
            if (e->in_end - e->in_at > frame_bound(kMaxMtu)) {
                e->in_at = e->in_end; /* no frame is as long as this; its rest fails by the CRC */
            }
            return false;
        }
        uint8_t *frame = e->in + e->in_at;
        size_t len;
        frame_result result = frame_decode(frame, (size_t)(end - frame), &len);
        e->in_at = e->scanned = (size_t)(end - e->in) + 1;
        if (result == FRAME_DAMAGED) {
            note_damaged(e);
        } else if (result == FRAME_OK) {
            d->data = frame;
            d->len = (uint32_t)len;
            return true;
        }
    }
    return false;
}

/* Reads once, as much as there is room for. */
static void read_line(endpoint *e) {
    ssize_t n;
    do {
        n = read(e->fd, e->in + e->in_end, kRxBytes - e->in_end);
    } while (n < 0 && errno == EINTR);
    if (n > 0) {
        e->in_end += (size_t)n;
    } else if (n == 0) {
        go_down(e, "hung up");
    } else if (errno != EAGAIN && errno != EWOULDBLOCK) {
        go_down(e, strerror(errno));
    }
}

/* Moves what is not decoded yet to the front; no batch is out with the host now. */
static void compact(endpoint *e) {
    memmove(e->in, e->in + e->in_at, e->in_end - e->in_at);
    e->in_end -= e->in_at;
    e->scanned -= e->in_at;
    e->in_at = 0;
}

static plait_status serial_recv(void *self, plait_datagram *v, uint32_t n, uint32_t *got) {
    endpoint *e = self;
    *got = 0;
    compact(e);
    if (e->fd >= 0 && e->in_end < kRxBytes) {
        read_line(e);
    }
    while (*got < n && next_frame(e, &v[*got])) {
        ++*got;
    }
    if (e->scanned < e->in_end) {
        e->host->wake(e->h); /* v is full, and the descriptor may have nothing more to say */
    }
    return PLAIT_OK;
}

static void serial_poll(void *self, int fd, uint32_t events) {
    endpoint *e = self;
    (void)fd;
    if (e->fd < 0) {
        if ((events & PLAIT_POLL_TIMER) != 0) {
            try_reopen(e);
        }
        return;
    }
    if ((events & (PLAIT_POLL_WRITE | PLAIT_POLL_TIMER)) != 0) {
        flush_out(e);
        if (e->fd >= 0 && !full(e)) {
            say_writable(e);
        } else if (e->fd >= 0 && e->pace) {
            wait_for_driver(e, out_waiting(e) + driver_holds(e));
        }
    }
}

static plait_status refuse(endpoint *e, plait_status status, const char *text) {
    e->host->fail(e->h, status, text);
    return status;
}

static const char *read_param(endpoint *e, uri_text key, uri_text value) {
    uint64_t number;
    if (uri_is(key, "baud")) {
        if (!uri_number(value, kMinBaud, kMaxBaud, &number)) {
            return "baud is a number from 50 to 50000000";
        }
        e->tty.baud = (uint32_t)number;
    } else if (uri_is(key, "mtu")) {
        if (!uri_number(value, PLAIT_TRANSPORT_MTU_MIN, kMaxMtu, &number)) {
            return "mtu is a number from 64 to 16384";
        }
        e->mtu = (uint32_t)number;
    } else if (uri_is(key, "flow")) {
        e->tty.rtscts = uri_is(value, "rtscts");
        return e->tty.rtscts || uri_is(value, "none") ? NULL : "flow is none or rtscts";
    } else if (uri_is(key, "pace")) {
        e->pace = uri_is(value, "on");
        return e->pace || uri_is(value, "off") ? NULL : "pace is on or off";
    } else {
        return "serial knows only the parameters baud, flow, mtu and pace";
    }
    return NULL;
}

static plait_status read_uri(endpoint *e, const char *uri) {
    uri_parts parts;
    uri_text key, value;
    if (!uri_split(uri, "serial", &parts) || parts.place.len < 2 || parts.place.at[0] != '/' ||
        !uri_decode(parts.place, e->tty.path, sizeof e->tty.path)) {
        return refuse(e, PLAIT_E_URI, "not of the form serial:///dev/ttyUSB0?baud=115200");
    }
    e->tty.baud = kDefaultBaud;
    e->mtu = kDefaultMtu;
    e->pace = true;
    while (uri_next_param(&parts.query, &key, &value)) {
        const char *wrong = read_param(e, key, value);
        if (wrong != NULL) {
            return refuse(e, PLAIT_E_URI, wrong);
        }
    }
    return PLAIT_OK;
}

static plait_status make_buffers(endpoint *e) {
    size_t frame = frame_bound(e->mtu);
    e->rate = e->tty.baud / kBitsPerByte;
    size_t share = (size_t)(e->rate * kDriverUs / 1000000);
    share = share > kDriverMinBytes ? share : kDriverMinBytes;
    e->driver_limit = share < 2 * frame ? share : 2 * frame;
    e->out_size = e->driver_limit + frame + 1;
    e->out = malloc(e->out_size);
    e->in = malloc(kRxBytes);
    return e->out != NULL && e->in != NULL ? PLAIT_OK
                                           : refuse(e, PLAIT_E_NO_MEMORY, "out of memory");
}

static void destroy(endpoint *e) {
    free(e->out);
    free(e->in);
    free(e);
}

static plait_status serial_open(const plait_host *host, plait_host_endpoint *h,
                                const plait_open_args *args, void **self) {
    endpoint *e = calloc(1, sizeof *e);
    tty_failure why;
    if (e == NULL) {
        host->fail(h, PLAIT_E_NO_MEMORY, "out of memory");
        return PLAIT_E_NO_MEMORY;
    }
    e->host = host;
    e->h = h;
    e->fd = -1;
    plait_status status = read_uri(e, args->uri);
    if (status == PLAIT_OK) {
        status = make_buffers(e);
    }
    if (status == PLAIT_OK) {
        int fd = tty_open(&e->tty, &why);
        if (fd < 0) {
            status = refuse(e, why.status, why.text);
        } else if ((status = come_up(e, fd)) != PLAIT_OK) {
            refuse(e, status, "the line cannot be watched");
        }
    }
    if (status != PLAIT_OK) {
        destroy(e);
        return status;
    }
    *self = e;
    return PLAIT_OK;
}

static void serial_close(void *self) {
    endpoint *e = self;
    if (e->fd >= 0) {
        e->pace = false; /* the last words, as far as the driver takes them */
        flush_out(e);
    }
    if (e->fd >= 0) {
        e->host->unwatch(e->h, e->fd);
        tty_close(e->fd, !e->tty.rtscts);
    }
    destroy(e);
}

static plait_status serial_addr_parse(void *self, const char *text, plait_addr *out) {
    (void)self;
    memset(out, 0, sizeof *out);
    return text[0] == '\0' || strncmp(text, "serial:", 7) == 0 ? PLAIT_OK : PLAIT_E_ADDRESS;
}

static plait_status serial_addr_format(void *self, const plait_addr *addr, char *buf, size_t cap) {
    (void)self;
    if (addr->len != 0) {
        return PLAIT_E_ADDRESS;
    }
    if (cap == 0) {
        return PLAIT_E_BUFFER;
    }
    buf[0] = '\0';
    return PLAIT_OK;
}

static plait_status serial_info(void *self, const plait_addr *addr, plait_transport_info *out) {
    const endpoint *e = self;
    (void)addr;
    plait_transport_info i = {
        .struct_size = out->struct_size,
        .flags = PLAIT_INFO_FIXED_MTU | PLAIT_INFO_POINT_TO_POINT | PLAIT_INFO_BACK_PRESSURE |
                 (e->fd < 0 ? PLAIT_INFO_DOWN : 0u),
        .mtu = e->mtu,
        .rate = e->pace ? e->rate : 0,
        .queued_bytes = e->fd < 0 ? 0 : (uint32_t)(out_waiting(e) + driver_holds(e)),
    };
    memcpy(out, &i, out->struct_size < sizeof i ? out->struct_size : sizeof i);
    return PLAIT_OK;
}

PLAIT_TRANSPORT_EXPORT("serial", .open = serial_open, .close = serial_close, .send = serial_send,
                       .recv = serial_recv, .addr_parse = serial_addr_parse,
                       .addr_format = serial_addr_format, .info = serial_info,
                       .poll = serial_poll)
