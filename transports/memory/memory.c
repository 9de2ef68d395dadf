/* SPDX-License-Identifier: Apache-2.0 */
/* memory://NAME[?mtu=N]: endpoints of one process reach each other by name, across nodes and
 * threads.
 *
 * The hub, a table of names, is the plugin's own and the one thing here that is global: it is what
 * stands in for the network. Its lock is held for reading while a datagram is handed over, so that
 * the receiver cannot go away meanwhile, and for writing in open and close only. Each endpoint has
 * a ring of records under its own mutex:
 *
 *      0            head         taken              tail                size
 *      |   free      | out with   | waiting          |   free            |
 *                      the host
 *
 * A record never wraps: what does not fit before the end is preceded by a filler. A ring without
 * room drops what comes, as a network does; so does an unknown name. */
#define _GNU_SOURCE
#include "common/uri.h"
#include "plait/transport.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    kDefaultMtu = 1400,
    kMaxMtu = 65535,
    kRingBytes = 512 * 1024, /* of datagrams waiting at one endpoint, headers included */
    kRecordAlign = 16,
    kBuckets = 256,
    kRunSegments = 64,
};

typedef struct record {
    uint32_t size; /* of the whole record, a multiple of kRecordAlign */
    uint32_t len;  /* of the datagram; kFiller: no datagram */
    plait_addr from;
    uint8_t ecn, r[7];
} record;
static const uint32_t kFiller = UINT32_MAX;
_Static_assert(sizeof(record) % kRecordAlign == 0, "data after a record stays aligned");

typedef struct endpoint {
    struct endpoint *next; /* in its bucket; under the hub's lock */
    const plait_host *host;
    plait_host_endpoint *h;
    plait_addr name;
    uint32_t mtu;
    pthread_mutex_t lock;  /* everything below */
    uint32_t head, taken, tail;
    uint32_t used;         /* bytes from head to tail */
    uint32_t given;        /* bytes from head to taken */
    bool woken;            /* a recv is due */
    uint8_t *ring;
} endpoint;

static struct {
    pthread_rwlock_t lock;
    endpoint *buckets[kBuckets];
} hub = {
/* Many senders must not keep open and close waiting for ever. */
#ifdef PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP
    PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP,
#else
    PTHREAD_RWLOCK_INITIALIZER,
#endif
    {NULL}};

static uint32_t bucket_of(const plait_addr *a) {
    uint32_t x = 2166136261u; /* FNV-1a */
    for (uint32_t i = 0; i < a->len; i++) {
        x = (x ^ a->b[i]) * 16777619u;
    }
    return x % kBuckets;
}

/* With the hub's lock held, for reading at least. */
static endpoint *find(const plait_addr *a) {
    endpoint *e = hub.buckets[bucket_of(a)];
    while (e != NULL && (e->name.len != a->len || memcmp(e->name.b, a->b, a->len) != 0)) {
        e = e->next;
    }
    return e;
}

static bool name_to_addr(uri_text name, plait_addr *out) {
    memset(out, 0, sizeof *out);
    if (name.len == 0 || name.len > PLAIT_ADDR_MAX) {
        return false;
    }
    for (size_t i = 0; i < name.len; i++) {
        if (name.at[i] <= ' ' || name.at[i] > '~' || strchr("?#%", name.at[i]) != NULL) {
            return false;
        }
    }
    out->len = (uint8_t)name.len;
    memcpy(out->b, name.at, name.len);
    return true;
}

static plait_status refuse(const plait_host *host, plait_host_endpoint *h, plait_status status,
                           const char *text) {
    host->fail(h, status, text);
    return status;
}

static plait_status parse_uri(const plait_host *host, plait_host_endpoint *h, const char *uri,
                              endpoint *e) {
    uri_parts parts;
    uri_text key, value;
    uint64_t number;
    if (!uri_split(uri, "memory", &parts)) {
        return refuse(host, h, PLAIT_E_URI, "not of the form memory://NAME");
    }
    if (!name_to_addr(parts.place, &e->name)) {
        return refuse(host, h, PLAIT_E_ADDRESS,
                      "a name has 1 to 63 printable characters, none of them a blank, ?, # or %");
    }
    e->mtu = kDefaultMtu;
    while (uri_next_param(&parts.query, &key, &value)) {
        if (!uri_is(key, "mtu")) {
            return refuse(host, h, PLAIT_E_URI, "memory knows only the parameter mtu");
        }
        if (!uri_number(value, PLAIT_TRANSPORT_MTU_MIN, kMaxMtu, &number)) {
            return refuse(host, h, PLAIT_E_URI, "mtu is a number from 64 to 65535");
        }
        e->mtu = (uint32_t)number;
    }
    return PLAIT_OK;
}

static plait_status memory_open(const plait_host *host, plait_host_endpoint *h,
                                const plait_open_args *args, void **self) {
    endpoint *e = calloc(1, sizeof *e);
    uint8_t *ring = malloc(kRingBytes);
    plait_status status = PLAIT_E_NO_MEMORY;
    if (e == NULL || ring == NULL) {
        refuse(host, h, status, "out of memory");
        goto failed;
    }
    status = parse_uri(host, h, args->uri, e);
    if (status != PLAIT_OK) {
        goto failed;
    }
    e->host = host;
    e->h = h;
    e->ring = ring;
    pthread_mutex_init(&e->lock, NULL);
    pthread_rwlock_wrlock(&hub.lock);
    bool in_use = find(&e->name) != NULL;
    if (!in_use) {
        endpoint **bucket = &hub.buckets[bucket_of(&e->name)];
        e->next = *bucket;
        *bucket = e;
    }
    pthread_rwlock_unlock(&hub.lock);
    if (in_use) {
        pthread_mutex_destroy(&e->lock);
        status = refuse(host, h, PLAIT_E_ADDRESS_IN_USE,
                        "another endpoint of this process has this name");
        goto failed;
    }
    host->state(h, PLAIT_TRANSPORT_ADDRESS, &e->name, 1);
    *self = e;
    return PLAIT_OK;
failed:
    free(ring);
    free(e);
    return status;
}

static void memory_close(void *self) {
    endpoint *e = self;
    pthread_rwlock_wrlock(&hub.lock);
    endpoint **at = &hub.buckets[bucket_of(&e->name)];
    while (*at != e) {
        at = &(*at)->next;
    }
    *at = e->next;
    pthread_rwlock_unlock(&hub.lock);
    pthread_mutex_destroy(&e->lock);
    free(e->ring);
    free(e);
}

/* Room for a record at the tail, or NULL: the ring is full. With e->lock held. */
static record *claim(endpoint *e, uint32_t len) {
    uint32_t padded = (len + kRecordAlign - 1) / kRecordAlign * kRecordAlign;
    uint32_t size = (uint32_t)sizeof(record) + padded;
    uint32_t to_end = kRingBytes - e->tail;
    uint32_t filler = size > to_end ? to_end : 0;
    if (size + filler > kRingBytes - e->used) {
        return NULL;
    }
    if (filler > 0) {
        /* to_end is a multiple of kRecordAlign, so size and len, its first fields, always fit. */
        record *f = (record *)(void *)(e->ring + e->tail);
        f->size = filler;
        f->len = kFiller;
        e->tail = 0;
    }
    record *r = (record *)(void *)(e->ring + e->tail);
    r->size = size;
    r->len = len;
    e->tail = (e->tail + size) % kRingBytes;
    e->used += size + filler;
    return r;
}

/* With the hub's lock held for reading. */
static void deliver(endpoint *to, const endpoint *from, const plait_datagram *d) {
    uint32_t step = d->segment > 0 && d->segment < d->len ? d->segment : d->len;
    bool wake = false;
    pthread_mutex_lock(&to->lock);
    uint32_t at = 0;
    do {
        uint32_t len = d->len - at < step ? d->len - at : step;
        record *r = claim(to, len);
        if (r != NULL) {
            r->from = from->name;
            r->ecn = d->ecn & 3;
            memcpy(r + 1, d->data + at, len);
            wake = wake || !to->woken;
            to->woken = true;
        }
        at += len;
    } while (at < d->len);
    pthread_mutex_unlock(&to->lock);
    if (wake) {
        to->host->wake(to->h);
    }
}

static plait_status check(const endpoint *e, const plait_datagram *d) {
    uint32_t largest = d->segment > 0 && d->segment < d->len ? d->segment : d->len;
    if (d->peer == NULL || d->peer->len == 0) {
        return PLAIT_E_ADDRESS;
    }
    if (largest > e->mtu) {
        if ((d->flags & PLAIT_DATAGRAM_MTU_PROBE) == 0) {
            e->host->state(e->h, PLAIT_TRANSPORT_MTU, d->peer, e->mtu);
        }
        return PLAIT_E_TOO_BIG;
    }
    return PLAIT_OK;
}

static plait_status memory_send(void *self, const plait_datagram *v, uint32_t n, uint32_t *sent) {
    endpoint *e = self;
    plait_status status = PLAIT_OK;
    const plait_addr *last = NULL;
    endpoint *to = NULL;
    uint32_t i = 0;
    pthread_rwlock_rdlock(&hub.lock);
    for (; i < n && (status = check(e, &v[i])) == PLAIT_OK; i++) {
        if (v[i].peer != last) {
            last = v[i].peer;
            to = find(last);
        }
        if (to != NULL) {
            deliver(to, e, &v[i]);
        }
    }
    pthread_rwlock_unlock(&hub.lock);
    *sent = i;
    return status;
}

static plait_status memory_recv(void *self, plait_datagram *v, uint32_t n, uint32_t *got) {
    endpoint *e = self;
    uint32_t count = 0;
    pthread_mutex_lock(&e->lock);
    e->taken = e->head;
    e->given = 0;
    while (count < n && e->given < e->used) {
        record *r = (record *)(void *)(e->ring + e->taken);
        if (r->len != kFiller) {
            v[count].data = (uint8_t *)(r + 1);
            v[count].len = r->len;
            v[count].peer = &r->from;
            v[count].local = &e->name;
            v[count].ecn = r->ecn;
            count++;
        }
        e->taken = (e->taken + r->size) % kRingBytes;
        e->given += r->size;
    }
    bool more = e->given < e->used;
    e->woken = more;
    pthread_mutex_unlock(&e->lock);
    if (more) {
        e->host->wake(e->h);
    }
    *got = count;
    return PLAIT_OK;
}

static void memory_recv_done(void *self, const plait_datagram *v, uint32_t n) {
    endpoint *e = self;
    (void)v;
    (void)n;
    pthread_mutex_lock(&e->lock);
    e->head = e->taken;
    e->used -= e->given;
    e->given = 0;
    pthread_mutex_unlock(&e->lock);
}

static plait_status memory_addr_parse(void *self, const char *text, plait_addr *out) {
    (void)self;
    uri_parts parts;
    if (!uri_split(text, "memory", &parts)) {
        parts.place.at = text;
        parts.place.len = strlen(text);
    }
    return name_to_addr(parts.place, out) ? PLAIT_OK : PLAIT_E_ADDRESS;
}

static plait_status memory_addr_format(void *self, const plait_addr *addr, char *buf, size_t cap) {
    (void)self;
    if (addr->len == 0 || addr->len > PLAIT_ADDR_MAX) {
        return PLAIT_E_ADDRESS;
    }
    int n = snprintf(buf, cap, "%.*s", (int)addr->len, (const char *)addr->b);
    return n >= 0 && (size_t)n < cap ? PLAIT_OK : PLAIT_E_BUFFER;
}

static plait_status memory_info(void *self, const plait_addr *addr, plait_transport_info *out) {
    const endpoint *e = self;
    (void)addr;
    plait_transport_info i = {
        .struct_size = out->struct_size,
        .flags = PLAIT_INFO_FIXED_MTU | PLAIT_INFO_LOOPBACK,
        .capabilities = PLAIT_CAP_GSO | PLAIT_CAP_ECN,
        .mtu = e->mtu,
        .run_segments = kRunSegments,
        .run_bytes = kMaxMtu,
    };
    memcpy(out, &i, out->struct_size < sizeof i ? out->struct_size : sizeof i);
    return PLAIT_OK;
}

PLAIT_TRANSPORT_EXPORT("memory", .capabilities = PLAIT_CAP_GSO | PLAIT_CAP_ECN,
                       .open = memory_open, .close = memory_close, .send = memory_send,
                       .recv = memory_recv, .recv_done = memory_recv_done,
                       .addr_parse = memory_addr_parse, .addr_format = memory_addr_format,
                       .info = memory_info)
