/* SPDX-License-Identifier: Apache-2.0 */
/** @file link.h  Links: single ways to a peer, members of a connection.
 *
 *  A link is a local endpoint and a remote address. It begins when connecting (plait_connect), by
 *  plait_connection_add_link, or when the peer adds one; it has passed a challenge before it
 *  carries data.
 *
 *      joining ──> good <──> suspect ──> dead ──> closed     LINK_STATE, LINK_CLOSED
 *                     ^──────────────────────┘
 *
 *  The library finds out by itself that a link is dead, in a few round trips or at once when the
 *  transport says so, and sends what it held on the others. A dead link is probed from time to
 *  time and returns by itself.
 */
#ifndef PLAIT_LINK_H
#define PLAIT_LINK_H
#include "plait/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/** The state of a link. */
enum {
    PLAIT_LINK_JOINING = 1, /**< the peer has not answered on it yet */
    PLAIT_LINK_GOOD = 2,
    PLAIT_LINK_SUSPECT = 3, /**< an answer is overdue; others are preferred */
    PLAIT_LINK_DEAD = 4,    /**< not used; probed from time to time */
    PLAIT_LINK_CLOSED = 5
};

/** Removes a link. The connection goes on over the others. LINK_CLOSED follows on both sides.
 *  code: the application's own, below 2^62.
 *    PLAIT_E_INVALID  the code is too large
 *  [any-thread] [callback-ok]  Since 0.1. */
PLAIT_API plait_status plait_link_close(plait_node *node, plait_link link, uint64_t code);

/** Changes how its sending rate is found, at once and for the link's life.
 *  congestion: PLAIT_CONGESTION_*; PLAIT_CONGESTION_DEFAULT: as the connection was told.
 *    PLAIT_E_INVALID  there is no such way
 *  [any-thread] [callback-ok]  Since 0.1. */
PLAIT_API plait_status plait_link_set_congestion(plait_node *node, plait_link link,
                                                 uint32_t congestion);

/** Where it leads: "udp://192.0.2.7:4242"; on a point-to-point line the URI of the local endpoint.
 *  buf, cap, len: as in plait_endpoint_uri.
 *    PLAIT_E_BUFFER  cap is too small; *len is set, nothing else
 *  [any-thread] [callback-ok]  Since 0.1. */
PLAIT_API plait_status plait_link_address(plait_node *node, plait_link link, char *buf, size_t cap,
                                          size_t *len);

/** Why it is in its state, for a person: "no answer for 41 ms". "" if there is nothing to say.
 *  buf, cap, len: as in plait_endpoint_uri.
 *    PLAIT_E_BUFFER  cap is too small; *len is set, nothing else
 *  [any-thread] [callback-ok]  Since 0.1. */
PLAIT_API plait_status plait_link_reason(plait_node *node, plait_link link, char *buf, size_t cap,
                                         size_t *len);

/** How a link is and what it has done. */
typedef struct plait_link_stats {
    uint32_t struct_size;        /**< [in] sizeof(plait_link_stats) */
    uint32_t state;              /**< PLAIT_LINK_* */
    uint32_t number;             /**< on the wire, the same on both sides */
    uint32_t mtu;                /**< bytes of a datagram at present */
    uint32_t cost;               /**< 0 free, 1 metered, 2 dear */
    uint32_t reserved;           /**< 0 */
    plait_endpoint endpoint;     /**< the local end */
    plait_connection connection; /**< whose it is */
    uint64_t rtt_us;             /**< round trip, smoothed; 0: not known yet */
    uint64_t rtt_min_us;         /**< the least, lately */
    uint64_t rtt_var_us;         /**< mean deviation */
    uint64_t rtt_latest_us;      /**< the last one */
    uint64_t cwnd;               /**< bytes that may be under way */
    uint64_t in_flight;          /**< bytes that are */
    uint64_t rate;               /**< bytes a second at which it is paced; 0: not paced */
    uint64_t packets_sent;
    uint64_t bytes_sent;         /**< in datagrams */
    uint64_t packets_received;   /**< that were authentic */
    uint64_t bytes_received;     /**< in them */
    uint64_t packets_lost;
    uint64_t packets_spurious;   /**< taken for lost and then acknowledged */
    uint64_t packets_acked;
    uint64_t data_sent;          /**< bytes of channels in them, repeats included */
    uint64_t data_received;      /**< the same */
    uint32_t congestion;         /**< PLAIT_CONGESTION_* in use; 0: a line of known rate */
    uint32_t ecn;                /**< 1: its packets are marked as capable of ECN, and the path
                                      keeps the marks */
    uint64_t packets_marked;     /**< of those sent, by queues (ECN) */
} plait_link_stats;

/** Gives them. out: [in,out] struct_size is set by the caller.  [any-thread] [callback-ok]  Since
 *  0.1. */
PLAIT_API plait_status plait_link_get_stats(plait_node *node, plait_link link,
                                            plait_link_stats *out);

#ifdef __cplusplus
}
#endif
#endif
