/* SPDX-License-Identifier: Apache-2.0 */
/** @file transport.h  The plugin interface of plait: how a kind of physical link is added to it.
 *
 *  A transport moves datagrams. It promises nothing about them: they may be lost, doubled or
 *  overtaken, and plait puts that right. What it must do is keep their borders and never hand on a
 *  damaged one as a whole one where that is cheap to see (a checksum on a serial line).
 *
 *  MODEL
 *
 *      host (plait, or the conformance suite)              plugin (you)
 *        loads the module, reads plait_transport_entry
 *        init() ------------------------------------------> once for each node that loads it
 *        open(host, h, args) -----------------------------> one endpoint, one URI
 *                        <--- host->watch(h, fd, READ) ---   "tell me when it is readable"
 *        fd readable: recv(self, v, n, &got) -------------> datagrams in the plugin's memory
 *          ... opens them in place, writes into them ...
 *        recv_done(self, v, got) -------------------------> the memory is the plugin's again
 *        send(self, v, n, &sent) -------------------------> synchronous; data is the host's again
 *        close(self) -------------------------------------> unwatches, frees everything
 *        deinit() ----------------------------------------> once for each successful init
 *
 *  A plugin that has no file descriptor (it has a thread, or calls back from some other library)
 *  queues what arrives and calls host->wake(h); a recv() follows on the worker.
 *
 *  THREADS.  Tags at each function:
 *    [worker]     on the thread that holds the owning worker's lock; never two at once for one
 *                 endpoint. All operations that take `self`, and all host functions but wake.
 *    [load]       when the plugin is loaded or dropped; for one node never concurrent with anything
 *                 of it.
 *    [any-thread] only host->wake and host->now_us.
 *  Two nodes, or two workers of one node, run at the same time: what is common to several endpoints
 *  of a plugin needs a lock of the plugin's own. A plugin never blocks and never sleeps in an
 *  operation.
 *
 *  RE-ENTRANCY.  Every host function may be called from inside any operation of the same endpoint.
 *  None of them calls back into the plugin: what they cause (poll, recv, close) happens after the
 *  operation has returned. Host functions other than wake must not be called outside of an
 *  operation.
 *
 *  MEMORY.  Structures are owned by who made them and are valid during the call, except: `host` and
 *  `h` live from open() until close() returns; received datagrams until recv_done(); the entry for
 *  ever.
 *
 *  COMPATIBILITY.  PLAIT_TRANSPORT_ABI changes only when old plugins can no longer work; a host
 *  refuses another number with a text that names both. Within one number structures only grow at
 *  the end: their struct_size tells what is there, what is absent is as if zero. Unknown flags and
 *  values are ignored.
 */
#ifndef PLAIT_TRANSPORT_H
#define PLAIT_TRANSPORT_H
#include <stddef.h>
#include <stdint.h>

#include "plait/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Numbers of the interface. Enumerators and not macros, so that bindings see them. */
enum {
    PLAIT_TRANSPORT_ABI = 1,       /**< what plait_transport.abi and plait_host.abi must be */
    PLAIT_TRANSPORT_NAME_MAX = 31, /**< characters of a transport's name */
    PLAIT_ADDR_MAX = 63,           /**< bytes of an address */
    PLAIT_ADDR_TEXT_MAX = 256,     /**< a buffer of this size is always enough for addr_format */
    PLAIT_TRANSPORT_FDS_MAX = 8,   /**< file descriptors that one endpoint may watch */
    PLAIT_TRANSPORT_MTU_MIN = 64,  /**< plait works down to datagrams of this size */
    PLAIT_TRANSPORT_MTU_DEFAULT = 1200 /**< the MTU of a transport that has no info() */
};

/** An address of a transport: bytes that only the transport understands. Canonical: two addresses
 *  are the same place if and only if `len` and the first `len` bytes are equal (the rest is zero),
 *  so that the host compares and hashes them. len 0: no address, "the other end of the line". */
typedef struct plait_addr {
    uint8_t len;
    uint8_t b[PLAIT_ADDR_MAX];
} plait_addr;

/** plait_datagram.flags. */
enum {
    PLAIT_DATAGRAM_TRUNCATED = 1, /**< received: it was longer than `len`, the rest is lost. The
                                       host drops it. A plugin may drop such a datagram itself
                                       instead of passing it on. */
    PLAIT_DATAGRAM_MTU_PROBE = 2  /**< to send: may be larger than the known MTU, must not be
                                       fragmented; its loss or refusal changes nothing for others */
};

/** One datagram, or a run of datagrams to (or from) one address laid end to end (GSO, GRO). */
typedef struct plait_datagram {
    uint8_t *data;           /**< first byte */
    uint32_t len;            /**< bytes of all of it */
    uint16_t segment;        /**< 0: one datagram. > 0: datagrams of this many bytes each, the last
                                  may be shorter; segment >= len means one datagram too */
    uint16_t flags;          /**< PLAIT_DATAGRAM_*; unknown bits are ignored */
    const plait_addr *peer;  /**< to whom, or from whom. NULL or len 0: the other end of a
                                  point-to-point line */
    const plait_addr *local; /**< received: the local address it was sent to, NULL if unknown. To
                                  send: the local address to send from, NULL: the system's choice */
    uint64_t time_ns;        /**< received: when it arrived; to send: when it shall depart. Time of
                                  host->now_us in nanoseconds. 0: not known, at once */
    uint32_t ifindex;        /**< network interface, 0: unknown, any */
    uint8_t ecn;             /**< the two ECN bits of IP: 0 Not-ECT, 1 ECT(1), 2 ECT(0), 3 CE */
    uint8_t r[3];            /**< zero */
    uint64_t cookie;         /**< the side that fills the structure keeps something here; the other
                                  leaves it alone */
    uint64_t reserved;       /**< zero */
} plait_datagram;

/** plait_transport.capabilities: what a plugin can do at all. plait_transport_info.capabilities:
 *  what an endpoint does at present (its kernel may lack something); the host may use what the
 *  entry promises in any case. */
enum {
    PLAIT_CAP_PER_WORKER = 1, /**< open() may be called once for each worker with the same URI; the
                                   system spreads what arrives (SO_REUSEPORT). Without it, or after
                                   PLAIT_E_UNSUPPORTED for several, one worker owns the endpoint and
                                   serves the others */
    PLAIT_CAP_GSO = 2,        /**< send() takes runs (segment > 0). It has to take them even when
                                   the system does not help just now: it then sends one by one */
    PLAIT_CAP_GRO = 4,        /**< recv() may give runs */
    PLAIT_CAP_ECN = 8,        /**< ecn is read and set */
    PLAIT_CAP_ASYNC_SEND = 16 /**< reserved for the extension plait.tx-buffers/1: data stays in use
                                   after send() */
};

/** plait_transport_info.flags. */
enum {
    PLAIT_INFO_FIXED_MTU = 1,      /**< every datagram up to `mtu` gets through to the other end:
                                        nothing to search */
    PLAIT_INFO_POINT_TO_POINT = 2, /**< there is one other end and it has no address */
    PLAIT_INFO_LOOPBACK = 4,       /**< does not leave this machine */
    PLAIT_INFO_DOWN = 8,           /**< the link is down at present (see PLAIT_TRANSPORT_DOWN) */
    PLAIT_INFO_ROUTED = 32,        /**< with `addr`: the system itself would send there from this
                                        endpoint; preferred among several that could */
    PLAIT_INFO_NOT_SHARED = 64,    /**< with `addr`: nothing that machines could tell each other, or
                                        send to on another's word: multicast, broadcast, no
                                        particular machine or port, of another family than the
                                        endpoint's, or only with a meaning on one machine. Only
                                        addresses without it are announced, and tried when a peer
                                        has announced them; none of a transport without info() */
    PLAIT_INFO_BACK_PRESSURE = 16  /**< a full line is said (PLAIT_E_AGAIN) rather than answered by
                                        loss */
};

/** What an endpoint is like, in general or towards one address. */
typedef struct plait_transport_info {
    uint32_t struct_size;  /**< [in] bytes of the host's structure; the plugin writes no field
                                beyond it */
    uint32_t flags;        /**< PLAIT_INFO_* */
    uint32_t capabilities; /**< PLAIT_CAP_* that work at present */
    uint32_t mtu;          /**< bytes; send() takes nothing larger. Without FIXED_MTU only an upper
                                bound of what gets through: the host starts lower and searches */
    uint16_t header_room;  /**< bytes before `data` that send() may overwrite, and */
    uint16_t tail_room;    /**< bytes after it: the host leaves them free, for a transport that
                                wraps datagrams without copying them. With GSO both are 0 */
    uint32_t cost;         /**< 0 free, 1 metered, 2 dear; plait prefers the lower */
    uint64_t rate;         /**< bytes a second that the line carries at most; 0 unknown */
    uint32_t queued_bytes; /**< accepted by send() and not yet on the line, as far as the plugin can
                                see */
    uint32_t run_segments; /**< with GSO: datagrams in one run that go out in one call of the
                                system, and */
    uint32_t run_bytes;    /**< bytes of such a run. Longer runs are taken and split. 0: no runs */
    uint32_t reserved;     /**< zero */
} plait_transport_info;

/** host->watch: what of a file descriptor is interesting, and plait_transport.poll: what has
 *  happened. */
enum {
    PLAIT_POLL_READ = 1,  /**< readable, closed or broken. Stays watched until unwatch
                               (level-triggered) */
    PLAIT_POLL_WRITE = 2, /**< writable. Reported once, then off until watch() asks again */
    PLAIT_POLL_ERROR = 4, /**< poll only, together with READ: error or hang-up on the descriptor. A
                               plugin that can't cure it must unwatch, else it is told again and
                               again */
    PLAIT_POLL_TIMER = 8, /**< poll only: the time given to host->timer has come */
    PLAIT_POLL_WAKE = 16  /**< poll only: host->wake was called (several calls may be told once) */
};

/** What host->state tells. `addr` NULL means the whole endpoint. An endpoint is up after open()
 *  unless open() itself said DOWN. Telling what the host knows already is harmless. */
enum {
    PLAIT_TRANSPORT_UP = 1,       /**< datagrams can go again */
    PLAIT_TRANSPORT_DOWN = 2,     /**< nothing will get through until UP is said: moved at once to
                                       other links. Also `addr` alone (a radio peer out of reach).
                                       The endpoint stays open */
    PLAIT_TRANSPORT_WRITABLE = 3, /**< send() will take something again after PLAIT_E_AGAIN */
    PLAIT_TRANSPORT_MTU = 4,      /**< the MTU (towards addr) is `value` now */
    PLAIT_TRANSPORT_ADDRESS = 5   /**< `addr` is a local address of this endpoint from now on (value
                                       1) or no longer (value 0); NULL: local addresses have changed
                                       somehow. Said in open(), it tells the host where the endpoint
                                       can be reached (the port that the system chose) */
};

/** host->log levels. */
enum {
    PLAIT_LOG_ERROR = 1,
    PLAIT_LOG_WARNING = 2,
    PLAIT_LOG_INFO = 3,
    PLAIT_LOG_DEBUG = 4
};

/** The host's side of an endpoint: opaque, given to open(), handed back in every host function. */
typedef struct plait_host_endpoint plait_host_endpoint;

/** What the host offers. One constant structure; valid from init until after the last close. No
 *  function pointer is NULL. */
typedef struct plait_host {
    uint32_t abi;         /**< PLAIT_TRANSPORT_ABI of the host */
    uint32_t struct_size; /**< bytes of the host's structure */

    /** Watches `fd` for `events` (PLAIT_POLL_READ | PLAIT_POLL_WRITE), replacing what was asked for
     *  it before; 0 keeps it known but silent. The host may ignore READ while it has no room for
     *  data (back-pressure). PLAIT_OK; PLAIT_E_LIMIT beyond PLAIT_TRANSPORT_FDS_MAX;
     *  PLAIT_E_SYSTEM.  [worker] */
    plait_status (*watch)(plait_host_endpoint *h, int fd, uint32_t events);

    /** Forgets `fd`. Always to be called before the descriptor is closed, in close() too: its
     *  number may belong to something else a moment later.  [worker] */
    void (*unwatch)(plait_host_endpoint *h, int fd);

    /** Sets the endpoint's one timer to go off once at `when_us` (absolute, in the time of now_us;
     *  the past means at once); replaces the earlier time. UINT64_MAX: none.  [worker] */
    void (*timer)(plait_host_endpoint *h, uint64_t when_us);

    /** Tells a change: `what` is PLAIT_TRANSPORT_*, `addr` NULL for the whole endpoint (copied),
     *  `value` as said there, else 0.  [worker] */
    void (*state)(plait_host_endpoint *h, uint32_t what, const plait_addr *addr, uint64_t value);

    /** The reason of a failure for a person, one line without a full stop or the URI: "no such
     *  device (is the adapter plugged in?)". Inside open(): the text of the status that open() is
     *  about to return (which counts). At any other time: the endpoint is beyond help; the host
     *  closes it after this operation has returned and reports `status`. What may heal by itself is
     *  state(DOWN), not this.  [worker] */
    void (*fail)(plait_host_endpoint *h, plait_status status, const char *text);

    /** A line for the log (PLAIT_LOG_*). Not for every datagram.  [worker] */
    void (*log)(plait_host_endpoint *h, uint32_t level, const char *text);

    /** Asks for a turn on the worker: poll(WAKE) if there is a poll, then recv. Never blocks, takes
     *  none of the worker's locks. Allowed from the moment open() is entered (and then remembered)
     *  until close() returns: stop your threads in close().  [any-thread] */
    void (*wake)(plait_host_endpoint *h);

    /** The host's monotonic time in microseconds. In a simulation it is virtual: a plugin uses no
     *  other clock.  [any-thread] */
    uint64_t (*now_us)(plait_host_endpoint *h);

    /** A power that this header does not know, by its id ("plait.tx-buffers/1"); NULL: not offered.
     *  [worker] */
    const void *(*get_extension)(plait_host_endpoint *h, const char *id);
} plait_host;

/** What open() is given. Copied by the plugin if it needs it later. */
typedef struct plait_open_args {
    uint32_t struct_size; /**< bytes of the host's structure */
    uint32_t worker;      /**< index of the owning worker, from 0 */
    uint32_t workers;     /**< how many workers open this URI; 1 unless PLAIT_CAP_PER_WORKER */
    uint32_t flags;       /**< zero */
    const char *uri;      /**< all of it, as written: "serial:///dev/ttyUSB0?baud=921600".
                               The host has looked at the scheme only, not even for "//" */
    uint32_t recv_buffer; /**< wish for the system's receive buffer, bytes; 0: plugin's choice */
    uint32_t send_buffer; /**< the same for sending */
} plait_open_args;

/** A transport. `open`, `close`, `send`, `recv` and `name` are required; every other pointer may be
 *  NULL and then has the default that its comment gives. */
typedef struct plait_transport {
    uint32_t abi;          /**< PLAIT_TRANSPORT_ABI */
    uint32_t struct_size;  /**< sizeof(plait_transport) of the plugin */
    const char *name;      /**< the URI scheme: a lower-case letter, then lower-case letters,
                                digits, '+', '-', '.' */
    uint32_t capabilities; /**< PLAIT_CAP_* */
    uint32_t reserved;     /**< zero */

    /** Once for each node that loads the plugin, before its first open. Nodes do not know of each
     *  other: a plugin with state of its own per process counts, under its own lock. Anything but
     *  PLAIT_OK: not loaded. Default: nothing.  [load] */
    plait_status (*init)(void);

    /** Once for each init that succeeded, after the last close.  Default: nothing.  [load] */
    void (*deinit)(void);

    /** Opens an endpoint. On PLAIT_OK *self is it (not NULL). On failure nothing is left open and
     *  *self is ignored; host->fail has been called with a text for the person. Statuses to use:
     *    PLAIT_E_URI             not this transport's form of URI, or a query parameter it does not
     *                            know
     *    PLAIT_E_ADDRESS         the place in it is not a (local) address
     *    PLAIT_E_ADDRESS_IN_USE  another one has it
     *    PLAIT_E_NO_DEVICE       it is not there
     *    PLAIT_E_TRANSPORT_OPEN  any other reason
     *    PLAIT_E_UNSUPPORTED     not on this system;  PLAIT_E_NO_MEMORY
     *  host, h: valid until close returns.  [worker] */
    plait_status (*open)(const plait_host *host, plait_host_endpoint *h,
                         const plait_open_args *args, void **self);

    /** Closes it and frees `self`. What was accepted by send() and is not on the line yet may be
     *  thrown away. No received batch is outstanding. Threads of the plugin have ended when it
     *  returns.  [worker] */
    void (*close)(void *self);

    /** Sends v[0..n) in order, n >= 1; *sent: how many entries of v are dealt with. Synchronous: v
     *  and what it points to are the host's again on return (see header_room for what may be
     *  overwritten).
     *    PLAIT_OK             *sent entries are taken. *sent < n means the same as PLAIT_E_AGAIN.
     *    PLAIT_E_AGAIN        v[0..*sent) is taken, nothing more fits now. Later the plugin says
     *                         state(WRITABLE), or has watched for PLAIT_POLL_WRITE and has no poll.
     *                         The next send then begins with the entries that were not taken,
     *                         unchanged, unless the host has given them up.
     *  Any other status is about v[*sent] alone: v[0..*sent) is taken, the host drops v[*sent] (all
     *  of a run) and may go on with the next:
     *    PLAIT_E_TOO_BIG      larger than goes through; state(MTU, peer, mtu) was called before, if
     *                         it is known and not a MTU_PROBE
     *    PLAIT_E_ADDRESS      peer or local is not an address of this transport
     *    PLAIT_E_LINK_DOWN    no way there at present
     *    PLAIT_E_SYSTEM       something else
     *  "Taken" promises nothing: a datagram may vanish. A run of which only a part could be handed
     *  on counts as not taken; the plugin may remember how far it came, or send all of it again.
     *  [worker] */
    plait_status (*send)(void *self, const plait_datagram *v, uint32_t n, uint32_t *sent);

    /** Fills v[0..*got) with what has arrived, n >= 1. The host has zeroed v. Data and addresses
     *  lie in the plugin's memory; the host may write into v[i].data[0..len) (it decrypts in place)
     *  until it calls recv_done; it calls recv_done before the next recv, so a plugin needs only
     *  one batch of memory.
     *    PLAIT_OK       *got may be 0: nothing there. *got == n: probably more, the host soon calls
     *                   again.
     *    other          *got entries are valid all the same; the status is logged. To end the
     *                   endpoint use fail().
     *  As long as there is more and the fd stays readable nothing else is to be done; a plugin
     *  without an fd that keeps something back (because v was full) calls host->wake. A node that
     *  polls busily (see node.h) calls recv whether an fd was found readable or not. Not calling
     *  recv is the host's back-pressure: the plugin then bounds what it queues, and drops.
     *  [worker] */
    plait_status (*recv)(void *self, plait_datagram *v, uint32_t n, uint32_t *got);

    /** v[0..n) are exactly the entries of the last recv (only if it gave any): their memory is the
     *  plugin's again. Default: nothing, the plugin reuses the memory in its next recv.
     *  [worker] */
    void (*recv_done)(void *self, const plait_datagram *v, uint32_t n);

    /** The address that a text names: "192.0.2.7:4242" or the whole URI "udp://192.0.2.7:4242". No
     *  waiting, no names to be resolved. `self` may be NULL (no endpoint is open).
     *  PLAIT_OK; PLAIT_E_ADDRESS: not one.
     *  Default: what stands after "://" (or all of it) up to a '?', taken as bytes; at most
     *  PLAIT_ADDR_MAX.  [any-thread with self NULL, else worker] */
    plait_status (*addr_parse)(void *self, const char *text, plait_addr *out);

    /** The text of an address, without the scheme, with its final zero byte into buf[0..cap);
     *  addr_parse gives the same address back. PLAIT_OK; PLAIT_E_BUFFER: cap too small;
     *  PLAIT_E_ADDRESS: not one of this transport.
     *  Default: the bytes, if all are printable ASCII, else "0x" and hex.  [as addr_parse] */
    plait_status (*addr_format)(void *self, const plait_addr *addr, char *buf, size_t cap);

    /** What the endpoint is like (addr NULL: in general; must be cheap, it is asked for before
     *  batches on a line of known rate) or towards `addr` (asked for once a link and after a
     *  state(MTU)). Sets all fields that out->struct_size holds.
     *  Default: mtu PLAIT_TRANSPORT_MTU_DEFAULT, FIXED_MTU, the entry's capabilities, else 0.
     *  [worker] */
    plait_status (*info)(void *self, const plait_addr *addr, plait_transport_info *out);

    /** Something that the plugin asked for has happened: `events` of PLAIT_POLL_*, on `fd` (-1 for
     *  TIMER and WAKE alone). The host then calls recv if READ, TIMER or WAKE is among them, so a
     *  transport needs a poll only to do more than that.
     *  Default: nothing; and WRITE counts as state(WRITABLE).  [worker] */
    void (*poll)(void *self, int fd, uint32_t events);

    /** A power beyond this header by its id; NULL: not offered. `self` NULL: of the plugin.
     *  plait.members/1: see plait_transport_members. Reserved ids: plait.tx-buffers/1,
     *  plait.lower/1.  Default: none.  [load, worker] */
    const void *(*get_extension)(void *self, const char *id);
} plait_transport;

/** The id of plait_transport_members. */
#define PLAIT_EXTENSION_MEMBERS "plait.members/1"

/** An open endpoint whose get_extension gives this carries nothing itself: it stands for several
 *  others that come and go by themselves, as "udp://" with a star for the addresses of a machine.
 *  It tells state(ADDRESS, addr, 1) and the host opens the member; state(ADDRESS, addr, 0) and the
 *  host closes it; state(DOWN or UP, addr) is about that member. It is asked for nothing but info,
 *  poll, uri and close. When it fails or is closed, its members are closed before it. */
typedef struct plait_transport_members {
    uint32_t struct_size; /**< bytes of the plugin's structure */
    uint32_t reserved;    /**< zero */

    /** The URI of the member at `addr`, with its final zero byte into buf[0..cap). PLAIT_OK;
     *  PLAIT_E_ADDRESS: no longer there; PLAIT_E_BUFFER.  [worker] */
    plait_status (*uri)(void *self, const plait_addr *addr, char *buf, size_t cap);
} plait_transport_members;

#if defined(_WIN32)
#define PLAIT_TRANSPORT_PUBLIC __declspec(dllexport)
#elif defined(__GNUC__)
#define PLAIT_TRANSPORT_PUBLIC __attribute__((visibility("default")))
#else
#define PLAIT_TRANSPORT_PUBLIC
#endif

/** The symbol a loadable plugin exports. To link a plugin statically, compile it with
 *  -DPLAIT_TRANSPORT_SYMBOL=plait_transport_NAME and register that symbol's address. */
#ifndef PLAIT_TRANSPORT_SYMBOL
#define PLAIT_TRANSPORT_SYMBOL plait_transport_entry
#endif

/** Defines the plugin's entry. Name first, then designated initialisers (in C; in C++20 in their
 *  order):
 *      PLAIT_TRANSPORT_EXPORT("pigeon", .open = open_, .close = close_, .send = send_, .recv =
 *      recv_)
 *  No semicolon after it. */
#ifdef __cplusplus
/* g++ takes the fields that are left out on purpose for forgotten ones. */
#define PLAIT_TRANSPORT_EXPORT(name_, ...)                                                       \
    _Pragma("GCC diagnostic push")                                                               \
    _Pragma("GCC diagnostic ignored \"-Wmissing-field-initializers\"")                           \
    extern "C" {                                                                                 \
    extern PLAIT_TRANSPORT_PUBLIC const plait_transport PLAIT_TRANSPORT_SYMBOL;                  \
    const plait_transport PLAIT_TRANSPORT_SYMBOL = {.abi = PLAIT_TRANSPORT_ABI,                  \
                                                    .struct_size = sizeof(plait_transport),      \
                                                    .name = name_,                               \
                                                    __VA_ARGS__};                                \
    }                                                                                            \
    _Pragma("GCC diagnostic pop")
#else
#define PLAIT_TRANSPORT_EXPORT(name_, ...)                                                       \
    extern PLAIT_TRANSPORT_PUBLIC const plait_transport PLAIT_TRANSPORT_SYMBOL;                  \
    const plait_transport PLAIT_TRANSPORT_SYMBOL = {.abi = PLAIT_TRANSPORT_ABI,                  \
                                                    .struct_size = sizeof(plait_transport),      \
                                                    .name = name_,                               \
                                                    __VA_ARGS__};
#endif

#ifdef __cplusplus
}
#endif
#endif
