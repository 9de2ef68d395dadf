/* SPDX-License-Identifier: Apache-2.0 */
/** @file connection.h  Connections: authenticated, encrypted associations of two nodes over any
 *  number of links.
 *
 *      plait_connect ────> connecting ─ CONNECTED ─────┐
 *                                                      ├─> open <──> dormant ──> CLOSED
 *      a peer connects ─> (requested) ─ CONNECTED ─────┘
 *
 *  plait_connect returns at once; CONNECTED or CLOSED follows. CONNECTED means that the peer is who
 *  it should be. A peer that decides for itself who may connect (PLAIT_ACCEPT_ASK) does so after
 *  that: what is sent meanwhile is held there, and a refusal is a CLOSED after CONNECTED.
 *
 *  A connection belongs to two ids, not to an address: its links come and go, and when the last one
 *  dies it sleeps (DORMANT) until one returns. There is one connection between two nodes: if both
 *  connect at the same time the two become one, under the handle that each side's plait_connect
 *  gave; a later one replaces the older, which ends with PLAIT_E_DUPLICATE.
 */
#ifndef PLAIT_CONNECTION_H
#define PLAIT_CONNECTION_H
#include "plait/identity.h"
#include "plait/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/** The state of a connection. */
enum {
    PLAIT_CONNECTION_CONNECTING = 1, /**< not yet confirmed by the peer */
    PLAIT_CONNECTION_REQUESTED = 2,  /**< a peer waits for the application's decision */
    PLAIT_CONNECTION_OPEN = 3,
    PLAIT_CONNECTION_DORMANT = 4, /**< no link works at present */
    PLAIT_CONNECTION_CLOSING = 5, /**< the peer is being told */
    PLAIT_CONNECTION_CLOSED = 6
};

/** 0 means the default. Copied. */
typedef struct plait_connect_config {
    uint32_t struct_size;    /**< sizeof(plait_connect_config) */
    uint32_t accept_any_id;  /**< only without a peer's id. 1: whoever answers is welcome; 0:
                                  CONNECTION_REQUEST comes before CONNECTED, and the application
                                  looks at the id */
    plait_endpoint endpoint; /**< the endpoint to connect from; PLAIT_NONE: any that suits the
                                  address */
    uint64_t token;          /**< comes back in this connection's events */
    uint64_t idle_timeout_us;     /**< as in plait_node_config, 0: the node's */
    uint64_t keepalive_us;        /**< the same */
    uint64_t dormancy_timeout_us; /**< the same */
    uint32_t congestion;          /**< PLAIT_CONGESTION_* of its links */
    uint32_t announce;            /**< PLAIT_ANNOUNCE_* (plait/node.h) of this connection */
} plait_connect_config;

#define PLAIT_CONNECT_CONFIG_INIT                                                                  \
    { sizeof(plait_connect_config), 0, PLAIT_NONE, 0, 0, 0, 0, 0, 0 }

/** Sets the defaults. size: sizeof(plait_connect_config).
 *    PLAIT_E_STRUCT_SIZE  the library does not know this size
 *  [any-thread] [callback-ok]  Since 0.1. */
PLAIT_API plait_status plait_connect_config_init(plait_connect_config *config, size_t size);

/** Begins to connect and returns at once. CONNECTED follows, or CLOSED: PLAIT_E_TIMEOUT (no
 *  answer: not there, not this id, or not listening), PLAIT_E_REFUSED, …. The peer sees
 *  CONNECTED, or CONNECTION_REQUEST before it.
 *  id: [in] text of the peer's node id. NULL: not known, the peer tells it (CONNECTION_REQUEST
 *  follows); only a peer that listens with allow_unknown answers.
 *  address: [in] URI of where it is: "udp://192.0.2.7:4242"; of a point-to-point line the URI with
 *  which this side's endpoint was opened, or its scheme ("serial:"). NULL: at the other end of
 *  config->endpoint if that is given, else where plait_connection_add_link will say.
 *  config: [in] or NULL.  out: [out] the handle.
 *    PLAIT_E_NODE_ID    not a node id, or this node's own
 *    PLAIT_E_URI        the address is not of the form scheme:…
 *    PLAIT_E_ADDRESS    it is not an address of that transport
 *    PLAIT_E_NO_LINK    no endpoint is open that suits the address
 *    PLAIT_E_LIMIT      max_connections is reached
 *  [any-thread] [callback-ok]  Since 0.1. */
PLAIT_API plait_status plait_connect(plait_node *node, const char *id, const char *address,
                                     const plait_connect_config *config, plait_connection *out);

/** Adds one more way to the peer. LINK_STATE follows when it answers, LINK_CLOSED if it never
 *  does. Before CONNECTED it waits until the connection is there. The peer sees a new link
 *  (LINK_STATE).
 *  endpoint: the local endpoint; PLAIT_NONE: any that suits the address.
 *  address: [in] as in plait_connect; NULL: the other end of a point-to-point line.
 *  out: [out] the handle, or NULL.
 *    PLAIT_E_URI, PLAIT_E_ADDRESS, PLAIT_E_NO_LINK  as of plait_connect
 *    PLAIT_E_UNSUPPORTED  the peer has no endpoint of this kind
 *    PLAIT_E_LIMIT        max_links is reached
 *  [any-thread] [callback-ok]  Since 0.1. */
PLAIT_API plait_status plait_connection_add_link(plait_node *node, plait_connection connection,
                                                 plait_endpoint endpoint, const char *address,
                                                 plait_link *out);

/** Tells the peer of more addresses of this node than its endpoints know themselves: the outer side
 *  of a forwarded port, what a wildcard socket is reached by. Whatever `announce` of the
 *  configuration says. They replace those of the call before, and go out within a second. The peer
 *  sees PLAIT_EVENT_PEER_ENDPOINTS; what it makes of them is its own matter.
 *  addresses: [in] count URIs such as "udp://192.0.2.7:4242", copied.  count: 0: none any more.
 *    PLAIT_E_URI, PLAIT_E_ADDRESS, PLAIT_E_NO_LINK  as of plait_connect
 *    PLAIT_E_LIMIT  more than 16
 *  [any-thread] [callback-ok]  Since 0.1. */
PLAIT_API plait_status plait_connection_announce(plait_node *node, plait_connection connection,
                                                 const char *const *addresses, size_t count);

/** Gives one of the addresses that the peer has announced last (PLAIT_EVENT_PEER_ENDPOINTS), as an
 *  URI for plait_connection_add_link. It is the peer's word: nothing has been proven.
 *  index: from 0 on.  buf, cap, len: as in plait_endpoint_uri.
 *    PLAIT_E_INVALID  there are not so many
 *    PLAIT_E_BUFFER   cap is too small; *len is set, nothing else
 *  [any-thread] [callback-ok]  Since 0.1. */
PLAIT_API plait_status plait_connection_peer_endpoint(plait_node *node,
                                                      plait_connection connection, size_t index,
                                                      char *buf, size_t cap, size_t *len);

/** Lets a peer in after CONNECTION_REQUEST. CONNECTED follows; what the peer sent meanwhile
 *  follows it.
 *    PLAIT_E_STATE  it does not wait for that
 *  [any-thread] [callback-ok]  Since 0.1. */
PLAIT_API plait_status plait_connection_accept(plait_node *node, plait_connection connection);

/** Sends a peer away after CONNECTION_REQUEST. CLOSED follows; the peer sees CLOSED with
 *  PLAIT_E_REFUSED and the code. The handle is closed with it.  code: the application's own, below
 *    2^62.
 *    PLAIT_E_STATE    it does not wait for that
 *    PLAIT_E_INVALID  the code is too large
 *  [any-thread] [callback-ok]  Since 0.1. */
PLAIT_API plait_status plait_connection_refuse(plait_node *node, plait_connection connection,
                                               uint64_t code);

/** Closes a connection, or, after its CLOSED, only the handle. Its channels and links end; data
 *  that was not acknowledged is lost (PLAIT_EVENT_FINISHED tells when it is). The peer sees CLOSED
 *  with PLAIT_E_PEER_CLOSED, code and reason. CLOSED follows here too, with PLAIT_OK.
 *  code: the application's own, below 2^62.  reason: [in] UTF-8 for the person, cut at 24 bytes,
 *  or NULL.
 *    PLAIT_E_INVALID  the code is too large
 *  [any-thread] [callback-ok]  Since 0.1. */
PLAIT_API plait_status plait_connection_close(plait_node *node, plait_connection connection,
                                              uint64_t code, const char *reason);

/** Gives the peer's id.  out: [out].  [any-thread] [callback-ok]  Since 0.1. */
PLAIT_API plait_status plait_connection_peer(plait_node *node, plait_connection connection,
                                             plait_id *out);

/** The text with which the connection was closed, by whichever side; "" if none, or not closed.
 *  The peer's text is the peer's: treat it as such.
 *  buf, cap, len: as in plait_endpoint_uri.
 *    PLAIT_E_BUFFER  cap is too small; *len is set, nothing else
 *  [any-thread] [callback-ok]  Since 0.1. */
PLAIT_API plait_status plait_connection_reason(plait_node *node, plait_connection connection,
                                               char *buf, size_t cap, size_t *len);

/** Sets the value that comes back in events of this connection and its links.
 *  [any-thread] [callback-ok]  Since 0.1. */
PLAIT_API plait_status plait_connection_set_token(plait_node *node, plait_connection connection,
                                                  uint64_t token);

/** Lists the links, oldest first, dead ones too.
 *  links: [out] room for cap handles, may be NULL if cap is 0.  count: [out] how many there are,
 *  which may be more.
 *  [any-thread] [callback-ok]  Since 0.1. */
PLAIT_API plait_status plait_connection_links(plait_node *node, plait_connection connection,
                                              plait_link *links, size_t cap, size_t *count);

/** Gives key material that both sides can compute and nobody else, for the application's own use.
 *  channel_number: plait_channel_stats.number of a channel, or 0: of the connection as a whole.
 *  label: [in] what for. Other labels or channels give unrelated bytes; the same ones give the same
 *  for the connection's whole life, whatever becomes of its keys.
 *  out: [out] len bytes.  len: 1 to 64.
 *    PLAIT_E_STATE    not connected yet
 *    PLAIT_E_INVALID  len, or a label of more than 255 bytes
 *  [any-thread] [callback-ok]  Since 0.1. */
PLAIT_API plait_status plait_connection_export_key(plait_node *node, plait_connection connection,
                                                   uint32_t channel_number, const char *label,
                                                   uint8_t *out, size_t len);

/** How a connection is and what it has done since it began. */
typedef struct plait_connection_stats {
    uint32_t struct_size;       /**< [in] sizeof(plait_connection_stats) */
    uint32_t state;             /**< PLAIT_CONNECTION_* */
    uint32_t initiator;         /**< 1: this side began the handshake */
    uint32_t links;             /**< now */
    uint32_t links_live;        /**< of these, in use */
    uint32_t channels;          /**< now */
    uint64_t handshake_us;      /**< how long the handshake took; 0: not done */
    uint64_t packets_sent;      /**< over all links, links that are gone included */
    uint64_t bytes_sent;        /**< in datagrams */
    uint64_t packets_received;  /**< that were authentic */
    uint64_t bytes_received;    /**< in them */
    uint64_t packets_lost;      /**< of those sent */
    uint64_t packets_spurious;  /**< taken for lost and then acknowledged */
    uint64_t packets_forged;    /**< received, and not authentic */
    uint64_t bytes_reinjected;  /**< moved from links in trouble to others */
    uint64_t receive_memory;    /**< bytes received that wait for the application */
    uint64_t send_memory;       /**< bytes that wait for being sent or acknowledged */
    uint64_t generation;        /**< how often all keys were renewed */
} plait_connection_stats;

/** Gives them. out: [in,out] struct_size is set by the caller.  [any-thread] [callback-ok]  Since
 *  0.1. */
PLAIT_API plait_status plait_connection_get_stats(plait_node *node, plait_connection connection,
                                                  plait_connection_stats *out);

#ifdef __cplusplus
}
#endif
#endif
