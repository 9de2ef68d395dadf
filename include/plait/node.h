/* SPDX-License-Identifier: Apache-2.0 */
/** @file node.h  The node: one local participant, its loop and its events.
 *
 *  MODEL.  A node has an identity, endpoints through which it reaches the world, and connections
 *  to other nodes. It keeps nothing in global variables: two nodes in one process do not know of
 *  each other.
 *
 *      plait_identity_load ──> plait_node_new ──> plait_endpoint_open … ──> plait_connect, listen
 *                                                       │
 *                                  one of the loop modes, until done
 *                                                       │
 *                                                plait_node_free
 *
 *  LOOP MODES.  Nothing moves unless the node's loop runs. Choose one:
 *
 *    (1) plait_node_wait                   no thread: the call is the loop. The simplest.
 *    (2) plait_node_fd, plait_node_dispatch  no thread: the node is one descriptor in the
 *                                          application's own poll loop. The descriptor covers
 *                                          sockets and timers.
 *    (3) plait_node_start with a callback  the library's own thread calls back. The fastest.
 *    (4) plait_node_start without one,     the library's own thread does the work, the
 *        plait_node_wait                   application takes events from another, which does
 *                                          the work itself while it waits often. What language
 *                                          bindings use.
 *    (5) plait_node_attach                 the node lives in the application's libevent loop.
 *                                          Events by callback, plait_node_start says which.
 *
 *  wait, dispatch and the callback return or bring events only after everything that the events
 *  need has been done, and what the application's calls have caused is sent before they return
 *  (mode 1 and 2), when the calling thread's call ends (any other thread), or when the callback
 *  returns (mode 3 and 5).
 *
 *  THREADS.  Each function has a tag:
 *    [any-thread]       from every thread at any time between plait_node_new and plait_node_free
 *    [loop]             only on the thread that runs the loop: which calls wait or dispatch (mode
 *                       1 and 2), or in a callback (3 and 5)
 *    [callback-ok]      also inside an event callback
 *    [not-in-callback]  not inside one: PLAIT_E_IN_CALLBACK
 *  There is one lock per node (but see WORKERS), held for a call's duration and for a turn of the
 *  loop, never while a callback runs or the loop sleeps. Callbacks never run at the same time as
 *  each other. A callback may call everything that is tagged [callback-ok]; what it causes is sent
 *  when it returns, so that an answer and the acknowledgement of the question share a packet.
 *
 *  BUSY POLLING.  Where a processor goes idle it takes some tens of microseconds to fall asleep and
 *  to be woken, longer than an answer over loopback or a fast network is on its way. A loop that
 *  sleeps in the library (mode 1, 3 and 4) therefore looks for input for up to 50 us before it
 *  sleeps, but only while it pays: after eight turns in a row that brought one or two small packets
 *  within 100 us and answered them, and as long as most such packets are found by looking; when
 *  they are not, it needs more such turns before it looks again, up to 1,024. Idle nodes
 *  never look, streams and bulk not for long; small packets both ways at more than some 20,000 a
 *  second keep a core busy.
 *  plait_node_config.busy_poll_us sets a time instead, or none.
 *
 *  WORKERS.  By default all of a node's work is done in one loop, by one core. A node with several
 *  workers (plait_node_config.workers) has as many loops, each with a lock and a thread of its own.
 *  A connection is one worker's for life, with its channels and links; calls with its handle take
 *  that worker's lock alone. What is different then:
 *    - plait_node_start runs the loops, mode 3 or 4. Modes 1, 2 and 5 and plait_accept_wait give
 *      PLAIT_E_UNSUPPORTED, the other calls that wait do so until it is started.
 *    - Callbacks of one connection never run at the same time as each other; those of different
 *      connections may. So may calls of log and trace functions.
 *    - UDP endpoints are one socket a worker, on the same port; the kernel gives each datagram to
 *      the worker whose connection it is for.
 *    - Endpoints of other transports, those of the application and udp:// with a star are opened by
 *      the first worker; what the others send and receive over them it hands on, a copy and a queue
 *      more for each datagram. Serial lines have 192 connection ids, for all workers together.
 *    - Connections by plait_connect go to one worker after the other, but all with the same peer to
 *      the same. Those of others are spread by chance.
 *    - max_connections and memory_budget are divided evenly. Bans hold for all workers, rates at
 *      which strangers are answered for each.
 *
 *  plait_node_free ends everything: using a node, or a handle of it, afterwards or at the same
 *  time in another thread is the one mistake that this library cannot turn into an error code.
 *
 *  COMPATIBILITY.  Structures that callers fill begin with struct_size and are made with their
 *  INIT macro or their init function. They only grow at the end; a 0 in a new field is what older
 *  programs mean.
 */
#ifndef PLAIT_NODE_H
#define PLAIT_NODE_H
#include "plait/identity.h"
#include "plait/transport.h"
#include "plait/types.h"

#ifdef __cplusplus
extern "C" {
#endif

struct event_base; /* libevent's */

/** What the node sleeps with. */
enum {
    PLAIT_POLLER_DEFAULT = 0, /**< the best for this system */
    PLAIT_POLLER_EPOLL = 1,   /**< Linux */
    PLAIT_POLLER_LIBEVENT = 2 /**< everywhere; no plait_node_fd */
};

/** plait_node_config.busy_poll_us: never look for input, sleep. */
#define PLAIT_BUSY_POLL_NEVER UINT32_MAX

/** Whether peers tell each other where else they can be reached: plait_node_config.announce, and
 *  plait_connect_config.announce for one connection. Added up. */
enum {
    PLAIT_ANNOUNCE_DEFAULT = 0, /**< a connection: as its node. A node: nothing of this */
    PLAIT_ANNOUNCE_OWN = 1,     /**< peers are told the addresses of this node's endpoints, as far
                                     as they mean something elsewhere ("udp://0.0.0.0:4242" has
                                     none, the members of an endpoint with a star have), and their
                                     changes, at most one list a second */
    PLAIT_ANNOUNCE_FOLLOW = 2,  /**< links to what peers announce join by themselves: an address is
                                     tried once in ten minutes, with at most 3 datagrams, at most 2
                                     at a time and 64 in ten minutes; none that is multicast or
                                     broadcast, and loopback only where the peer itself is there */
    PLAIT_ANNOUNCE_NOTHING = 4  /**< a connection: neither, whatever its node does */
};

/** How a node shall be. 0 in a field means the default. Copied by plait_node_new. */
typedef struct plait_node_config {
    uint32_t struct_size;         /**< sizeof(plait_node_config) */
    uint32_t poller;              /**< PLAIT_POLLER_* */
    uint32_t busy_poll_us;        /**< look for input this long before sleeping, which is faster
                                       than to be woken and keeps a processor busy meanwhile;
                                       PLAIT_BUSY_POLL_NEVER: sleep at once; 0: see BUSY POLLING */
    uint32_t max_connections;     /**< connections at the same time; default 4,096 */
    uint32_t max_channels;        /**< channels at the same time in a connection that the peer
                                       opens; default 64 */
    uint32_t max_links;           /**< links at the same time in a connection; default 8 */
    uint64_t memory_budget;       /**< bytes that peers may make this node buffer, all connections
                                       together, half of it in one of them; default 64 MiB. A line
                                       needs its rate times twice its round trip */
    uint64_t handshake_timeout_us; /**< an unanswered connect ends after this; default 10 s */
    uint64_t idle_timeout_us;     /**< a connection in which nothing arrives ends after this, the
                                       smaller value of both sides; default 60 s. UINT64_MAX: never
                                       */
    uint64_t keepalive_us;        /**< send something when nothing was sent for so long; default:
                                       never */
    uint64_t dormancy_timeout_us; /**< a connection without a working link is kept for this long,
                                       the smaller value of both sides; default 60 s */
    const char *transport_path;   /**< where plugins are looked for by name: folders separated by
                                       ':'.
                                       NULL: where this library was installed to */
    const uint8_t *network_keys;  /**< keys of closed networks, 32 random bytes each, one after the
                                       other: only nodes that share one can connect, others hear
                                       nothing. NULL: none */
    uint32_t network_key_count;   /**< at most 4. The first is used to connect, each to be
                                       connected to */
    uint32_t announce;            /**< PLAIT_ANNOUNCE_* of all connections */
    uint32_t congestion;          /**< PLAIT_CONGESTION_* of its links */
    uint32_t ecn;                 /**< PLAIT_ECN_* of all connections */
    uint32_t max_packets;         /**< packets that may be in flight on a link, up to 2^24; default
                                       2^18. Each takes 32 bytes while it is */
    uint32_t workers;             /**< loops with a lock and, started, a thread each: see WORKERS;
                                       0 and 1 are one, at most 64 */
} plait_node_config;

#define PLAIT_NODE_CONFIG_INIT                                                                     \
    {                                                                                              \
        sizeof(plait_node_config), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, NULL, NULL, 0, 0, 0, 0,           \
            0, 0                                                                                   \
    }

/** Sets the defaults. size: sizeof(plait_node_config) as the caller knows it.
 *    PLAIT_E_STRUCT_SIZE  the library does not know this size
 *  [any-thread] [callback-ok]  Since 0.1. */
PLAIT_API plait_status plait_node_config_init(plait_node_config *config, size_t size);

/** Makes a node. It hears and sends nothing until an endpoint is opened.
 *  identity: [in] copied, the caller keeps theirs.  config: [in] or NULL: the defaults.
 *  out: [out] owned by the caller, who frees it with plait_node_free.
 *    PLAIT_E_INVALID      a field of config is out of its range
 *    PLAIT_E_UNSUPPORTED  this poller is not built in
 *    PLAIT_E_SYSTEM       the system gives no descriptors or randomness
 *  [any-thread] [callback-ok]  Since 0.1. */
PLAIT_API plait_status plait_node_new(const plait_identity *identity,
                                      const plait_node_config *config, plait_node **out);

/** Ends everything: peers are told (one packet a connection, code 0), endpoints are closed, the
 *  library's thread is joined, memory given by plait_channel_send_owned is released. Data that was
 *  not acknowledged is lost: close connections before and wait for their CLOSED where that
 *  matters. NULL: nothing. Not while another thread is in a call of this node.  [not-in-callback:
 *  there it does nothing]
 *  Since 0.1. */
PLAIT_API void plait_node_free(plait_node *node);

/** The node's id.  out: [out].  [any-thread] [callback-ok]  Since 0.1. */
PLAIT_API plait_status plait_node_id(const plait_node *node, plait_id *out);

/** The present time of this node: microseconds of a monotonic clock that goes on while the device
 *  sleeps. 0 if node is NULL.  [any-thread] [callback-ok]  Since 0.1. */
PLAIT_API uint64_t plait_node_now_us(const plait_node *node);

/** Who may connect. */
enum {
    PLAIT_ACCEPT_EVERYONE = 0, /**< whoever knows this node's id and can prove their own */
    PLAIT_ACCEPT_LIST = 1,     /**< only the ids of the list; others hear nothing */
    PLAIT_ACCEPT_ASK = 2,      /**< CONNECTION_REQUEST for each; the application decides */
    PLAIT_ACCEPT_NOBODY = 3    /**< as before the first plait_node_listen */
};

/** Copied by plait_node_listen. */
typedef struct plait_listen_config {
    uint32_t struct_size; /**< sizeof(plait_listen_config) */
    uint32_t accept;      /**< PLAIT_ACCEPT_* */
    const plait_id *ids;  /**< PLAIT_ACCEPT_LIST: the list, copied; else NULL */
    uint32_t id_count;    /**< how many there are, at most 65,536 */
    uint32_t allow_unknown; /**< 1: also answer those who do not know this node's id. Then
                                 strangers can find out that a node is there */
} plait_listen_config;

#define PLAIT_LISTEN_CONFIG_INIT {sizeof(plait_listen_config), 0, NULL, 0, 0}

/** Sets the defaults (PLAIT_ACCEPT_EVERYONE). size: sizeof(plait_listen_config).
 *    PLAIT_E_STRUCT_SIZE  the library does not know this size
 *  [any-thread] [callback-ok]  Since 0.1. */
PLAIT_API plait_status plait_listen_config_init(plait_listen_config *config, size_t size);

/** Lets others connect, on all endpoints, from now on. Replaces what an earlier call said;
 *  connections that exist are not touched. An accepted peer shows as CONNECTED. Peers that may not
 *  connect, and those who do not know this node's id, hear nothing: their attempt ends with
 *  PLAIT_E_TIMEOUT.
 *  config: [in] or NULL: everyone.
 *    PLAIT_E_INVALID  an unknown `accept`, or a list where none belongs
 *  [any-thread] [callback-ok]  Since 0.1. */
PLAIT_API plait_status plait_node_listen(plait_node *node, const plait_listen_config *config);

/** Keeps a node out, whatever plait_node_listen says: its attempts are not answered, connections to
 *  it end with code 5 (REFUSED), and plait_connect to it gives PLAIT_E_REFUSED. The ban holds for
 *  every id of the same key; it ends with the node.
 *  id: [in].  duration_us: from now on; 0 lifts a ban, UINT64_MAX is for ever.
 *    PLAIT_E_NODE_ID  not a usable id
 *    PLAIT_E_LIMIT    65,536 are banned already
 *  [any-thread] [callback-ok]  Since 0.1. */
PLAIT_API plait_status plait_node_ban(plait_node *node, const plait_id *id, uint64_t duration_us);

/** Hears nothing any more from those at an address who are not connected; of UDP: from all ports
 *  of an IPv4 address, or from the 64 bits of an IPv6 one. Connections stay as they are.
 *  address: [in] as for plait_connect ("udp://192.0.2.1:1"), of a transport with an open endpoint.
 *  duration_us: from now on; 0 lifts a ban, UINT64_MAX is for ever.
 *    PLAIT_E_URI, PLAIT_E_ADDRESS  not an address, or of a transport without addresses
 *    PLAIT_E_NOT_FOUND, PLAIT_E_TRANSPORT_UNKNOWN  no endpoint of this transport
 *    PLAIT_E_LIMIT                 65,536 are banned already
 *  [any-thread] [callback-ok]  Since 0.1. */
PLAIT_API plait_status plait_node_ban_address(plait_node *node, const char *address,
                                              uint64_t duration_us);

/** Waits until there are events, the time is over, or plait_node_wake is called; in mode 1 it does
 *  the node's work meanwhile. Returns PLAIT_OK with *got = 0 after the time or a wake.
 *  In mode 1, where the application answers events by sending, acknowledgements of what brought the
 *  events go with what it sends, or with the next call that is not a read, or with the next wait:
 *  so wait again soon.
 *  events: [out] room for cap events.  cap: at least 1.  got: [out] how many there are.
 *  timeout_ms: milliseconds; 0: don't sleep; negative: no limit.
 *    PLAIT_E_STATE   the loop runs elsewhere: a callback was given to plait_node_start, or
 *                    another thread is in wait or dispatch
 *    PLAIT_E_SYSTEM  the system's wait failed
 *  [any-thread, one at a time] [not-in-callback]  Since 0.1. */
PLAIT_API plait_status plait_node_wait(plait_node *node, plait_event *events, size_t cap,
                                       size_t *got, int timeout_ms);

/** Mode 2: a descriptor that is readable when plait_node_dispatch should be called. It stays the
 *  same for the node's life, is the node's, and is only to be polled for reading. Returns it, or a
 *  negative plait_status:
 *    PLAIT_E_UNSUPPORTED  this poller has none (libevent)
 *    PLAIT_E_STATE        the library's thread or an attached loop does the work
 *  [any-thread] [callback-ok]  Since 0.1. */
PLAIT_API int plait_node_fd(plait_node *node);

/** Mode 2: does what is due, without sleeping, and gives the events. If *got == cap there may be
 *  more: the descriptor stays readable. Parameters and statuses as of plait_node_wait.
 *  [any-thread, one at a time] [not-in-callback]  Since 0.1. */
PLAIT_API plait_status plait_node_dispatch(plait_node *node, plait_event *events, size_t cap,
                                           size_t *got);

/** Called for each event. event: valid during the call. It may call everything that is tagged
 *  [callback-ok], shall not block, and no exception may leave it. */
typedef void plait_event_fn(plait_node *node, const plait_event *event, void *user);

/** Starts the library's own thread, which does the node's work until plait_node_stop (mode 3 and
 *  4). Of a node that is attached to an event_base no thread is started: the callback then runs
 *  inside that loop (mode 5).
 *  on_event: called on that thread for each event; NULL: events are taken with plait_node_wait.
 *  user: handed to it.
 *    PLAIT_E_STATE   it is started already, or another thread is in plait_node_wait
 *    PLAIT_E_SYSTEM  no thread to be had
 *  [any-thread] [not-in-callback]  Since 0.1. */
PLAIT_API plait_status plait_node_start(plait_node *node, plait_event_fn *on_event, void *user);

/** Ends modes 3, 4 and 5: no callback runs any more when it returns, the thread has ended, an
 *  event_base is left. Connections stay; the loop may be started again in any mode. What has not
 *  been told stays waiting.
 *    PLAIT_E_STATE  neither started nor attached
 *  In mode 5: on the thread of that loop only.  [any-thread] [not-in-callback]  Since 0.1. */
PLAIT_API plait_status plait_node_stop(plait_node *node);

/** Mode 5: does the node's work in the application's own libevent loop until plait_node_stop.
 *  Events: plait_node_start with a callback, before or after; without one plait_node_dispatch
 *  takes them.
 *  base: borrowed, must outlive the node or its plait_node_stop. The calling thread must be the
 *  one that runs the base; other threads may call the node only if the base was made with
 *  libevent's locking (evthread_use_pthreads).
 *    PLAIT_E_STATE        started or attached already, or another thread is in plait_node_wait
 *    PLAIT_E_UNSUPPORTED  built without libevent
 *    PLAIT_E_SYSTEM       libevent refuses
 *  [any-thread] [not-in-callback]  Since 0.1. */
PLAIT_API plait_status plait_node_attach(plait_node *node, struct event_base *base);

/** Makes the plait_node_wait that sleeps now, or the next one, return (with or without events).
 *  [any-thread] [callback-ok]  Since 0.1. */
PLAIT_API plait_status plait_node_wake(plait_node *node);

/** A line for the log. level: PLAIT_LOG_* (plait/transport.h). text: valid during the call, no
 *  line end. It is called with the node's lock held, on any thread that uses the node: it must not
 *  call the node. */
typedef void plait_log_fn(void *user, uint32_t level, const char *text);

/** Sets who gets log lines. There is none at first: the library is silent and never writes to
 *  stderr.
 *  max_level: the least important level wanted, PLAIT_LOG_ERROR … PLAIT_LOG_DEBUG.  log: or
 *  NULL: none.
 *  user: handed to it. After return the former log function is not called any more.
 *  [any-thread] [callback-ok, not in the log function]  Since 0.1. */
PLAIT_API plait_status plait_node_set_log(plait_node *node, uint32_t max_level, plait_log_fn *log,
                                          void *user);

/** Loads a transport from a plugin file; its URIs can be opened from then on. A transport of that
 *  name that was loaded already stays if it is the same file.
 *  path: [in] of the file ("./pigeon.so"), or a bare name ("pigeon"), which is looked for as
 *  NAME.so in the transport path of the configuration. plait_endpoint_open does the latter by
 *  itself.
 *    PLAIT_E_PLUGIN         it cannot be loaded, or has no plait_transport_entry
 *    PLAIT_E_TRANSPORT_ABI  it speaks another transport ABI; the detail names both numbers
 *    PLAIT_E_EXISTS         another transport of its name is there
 *    PLAIT_E_LIMIT          more than 64 transports
 *  A plugin is code of this process: load only what you trust.
 *  [any-thread] [callback-ok]  Since 0.1. */
PLAIT_API plait_status plait_node_load_transport(plait_node *node, const char *path);

/** Adds a transport that is linked into the program.
 *  transport: [in] must stay as it is until plait_node_free. Statuses as of
 *  plait_node_load_transport.
 *  [any-thread] [callback-ok]  Since 0.1. */
PLAIT_API plait_status plait_node_register_transport(plait_node *node,
                                                     const plait_transport *transport);

/** Counters of a node, since it was made. */
typedef struct plait_node_stats {
    uint32_t struct_size;         /**< [in] sizeof(plait_node_stats) */
    uint32_t connections;         /**< now, in any state */
    uint32_t handshakes;          /**< of these, not yet confirmed */
    uint32_t endpoints;           /**< now open */
    uint64_t connections_total;   /**< handshakes that were ever completed */
    uint64_t datagrams_sent;      /**< and handed to a transport */
    uint64_t bytes_sent;          /**< in them */
    uint64_t datagrams_received;  /**< from transports */
    uint64_t bytes_received;      /**< in them */
    uint64_t datagrams_dropped;   /**< received, but not of a connection or handshake */
    uint64_t packets_forged;      /**< received, of a connection, and not authentic */
    uint64_t handshakes_refused;  /**< by list, application or limit */
    uint64_t receive_memory;      /**< bytes of the memory budget that are taken */
    uint64_t send_memory;         /**< bytes taken for sending and not acknowledged yet */
    uint64_t retries_sent;        /**< strangers who had to prove their address first */
    uint64_t resets_sent;         /**< to peers who spoke to an earlier run of this node */
    uint64_t handshakes_in_pieces; /**< handshake messages that were sent as FRAGs */
} plait_node_stats;

/** Gives the counters. out: [in,out] struct_size is set by the caller; no more than that is
 *  written, what this library does not know is set to 0.
 *  [any-thread] [callback-ok]  Since 0.1. */
PLAIT_API plait_status plait_node_get_stats(plait_node *node, plait_node_stats *out);

/** The application is about to be frozen (a phone's background): sends what is waiting, then
 *  nothing until plait_node_resume. The peers see silence.
 *  [any-thread] [callback-ok]  Since 0.1. */
PLAIT_API plait_status plait_node_suspend(plait_node *node);

/** The application runs again: the time since plait_node_suspend is forgiven in all timeouts but
 *  the idle and dormancy timeouts that the peers have meanwhile counted, and all links are probed
 *  at once.
 *    PLAIT_E_STATE  not suspended
 *  [any-thread] [callback-ok]  Since 0.1. */
PLAIT_API plait_status plait_node_resume(plait_node *node);

/** The system says that networks have come, gone or changed: all links are probed at once, instead
 *  of after a timeout. Harmless when nothing has changed.
 *  [any-thread] [callback-ok]  Since 0.1. */
PLAIT_API plait_status plait_node_network_changed(plait_node *node);

#ifdef __cplusplus
}
#endif
#endif
