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

/** How links are used, by a connection or by one of its channels. */
enum {
    PLAIT_POLICY_DEFAULT = 0,   /**< a channel: as its connection; a connection: AGGREGATE */
    PLAIT_POLICY_AGGREGATE = 1, /**< all of them, each packet on the one where it arrives first */
    PLAIT_POLICY_FAILOVER = 2,  /**< one: the cheapest, of these the oldest; another when it fails,
                                     until it is good again */
    PLAIT_POLICY_REDUNDANT =
        3, /**< each packet on several at once; the peer takes the first copy */
    PLAIT_POLICY_LOWEST_LATENCY = 4, /**< each packet on the one where it arrives first, even if it
                                          has to wait for that one */
    PLAIT_POLICY_PINNED = 5          /**< one link, or the links of one transport; never another */
};

/** What a link is for, by its connection's policy. */
enum {
    PLAIT_ROLE_NONE = 0,   /**< nothing: it is not good */
    PLAIT_ROLE_ACTIVE = 1, /**< it carries data */
    PLAIT_ROLE_STANDBY = 2 /**< it waits until the active ones fail */
};

/** Why a link has its state or role. */
enum {
    PLAIT_REASON_NONE = 0,
    PLAIT_REASON_VALIDATED = 1,   /**< the peer answered there for the first time */
    PLAIT_REASON_ANSWERS = 2,     /**< it answers again */
    PLAIT_REASON_NO_ANSWER = 3,   /**< an answer is overdue */
    PLAIT_REASON_TIMEOUTS = 4,    /**< no answer for several timeouts */
    PLAIT_REASON_DOWN_NOTICE = 5, /**< its transport says that it is down */
    PLAIT_REASON_PEER_REPORT = 6, /**< the peer says that it does not work */
    PLAIT_REASON_MOVED = 7,       /**< the peer speaks from another address */
    PLAIT_REASON_CLOSED_HERE = 8, /**< by this side, or with its endpoint */
    PLAIT_REASON_CLOSED_BY_PEER = 9,
    PLAIT_REASON_POLICY = 10,         /**< the policy, or what a link costs, has changed */
    PLAIT_REASON_OTHERS_FAILED = 11,  /**< those that the policy prefers are not good any more */
    PLAIT_REASON_PREFERRED_BACK = 12, /**< one that the policy prefers is good again */
    PLAIT_REASON_NOT_VALIDATED = 13,  /**< it was closed before the peer had ever answered there */
    PLAIT_REASON_SHARED_BOTTLENECK = 14, /**< it queues where another link of the connection does:
                                              both together take what one would; no new state */
    PLAIT_REASON_OWN_BOTTLENECK = 15     /**< that is over */
};

/** A policy. Copied. */
typedef struct plait_link_policy {
    uint32_t struct_size; /**< sizeof(plait_link_policy) */
    uint8_t kind;         /**< PLAIT_POLICY_* */
    uint8_t max_cost;     /**< dearer links are used only while none that costs this or less is
                               good: 0 free, 1 metered, 2 dear. Not of PINNED */
    uint8_t copies;       /**< REDUNDANT: links at a time, 2 to 16; 0: all. Else 0 */
    uint8_t reserved;     /**< 0 */
    plait_link link;      /**< PINNED: to this link, or PLAIT_NONE */
    char transport[32];   /**< PINNED without a link: to those of this transport ("udp",
                               "serial"), a zero at its end. Else "" */
} plait_link_policy;

#define PLAIT_LINK_POLICY_OF(kind)                                                                 \
    {                                                                                              \
        sizeof(plait_link_policy), kind, 0, 0, 0, PLAIT_NONE, {                                    \
            0                                                                                      \
        }                                                                                          \
    }
#define PLAIT_LINK_POLICY_INIT PLAIT_LINK_POLICY_OF(PLAIT_POLICY_DEFAULT)

/** Sets the defaults. size: sizeof(plait_link_policy).
 *    PLAIT_E_STRUCT_SIZE  the library does not know this size
 *  [any-thread] [callback-ok]  Since 0.1. */
PLAIT_API plait_status plait_link_policy_init(plait_link_policy *policy, size_t size);

/** Sets how this side uses the links of a connection, for all channels that have no policy of
 *  their own; it holds for what is sent from now on. The peer is not told: each side has its own.
 *  LINK_STATE follows for each link whose role changes. May be called before CONNECTED. Whatever
 *  the policy, the library's own messages go over any link that is good.
 *  policy: [in] or NULL: PLAIT_LINK_POLICY_INIT.
 *    PLAIT_E_INVALID  a field is out of its range, or the link is of another connection
 *    PLAIT_E_NO_LINK  no endpoint of that transport has been opened here
 *  [any-thread] [callback-ok]  Since 0.1. */
PLAIT_API plait_status plait_connection_set_policy(plait_node *node, plait_connection connection,
                                                   const plait_link_policy *policy);

/** The same for what this side sends on one channel. Data of a channel that is pinned waits while
 *  that link is not good, for ever if it was closed; other channels do not wait with it.
 *  policy: [in] or NULL: as the connection.  Statuses as plait_connection_set_policy.
 *  [any-thread] [callback-ok]  Since 0.1. */
PLAIT_API plait_status plait_channel_set_policy(plait_node *node, plait_channel channel,
                                                const plait_link_policy *policy);

/** A change of a link's state or role, with its reason. */
typedef struct plait_link_change {
    uint32_t struct_size; /**< [in] sizeof(plait_link_change) */
    uint32_t state;       /**< PLAIT_LINK_*, from then on */
    uint32_t role;        /**< PLAIT_ROLE_* */
    uint32_t reason;      /**< PLAIT_REASON_* */
    uint32_t missed;      /**< changes before this one that were not taken in time */
    uint32_t reserved;    /**< 0 */
    uint64_t time_us;     /**< when, in the time of plait_node_now_us */
    uint64_t waited_us;   /**< how long something had gone unanswered there; 0: nothing had */
    uint64_t moved_bytes; /**< what went to other links because of it */
} plait_link_change;

/** Takes the oldest change that was not taken yet. The last 16 are kept. LINK_STATE tells that
 *  there are some: the event carries the latest state, this list everything between.
 *  out: [in,out] struct_size is set by the caller.
 *    PLAIT_E_AGAIN  there is none
 *  [any-thread] [callback-ok]  Since 0.1. */
PLAIT_API plait_status plait_link_take_change(plait_node *node, plait_link link,
                                              plait_link_change *out);

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
    uint32_t role;               /**< PLAIT_ROLE_* */
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
    uint64_t bytes_sent;       /**< in datagrams */
    uint64_t packets_received; /**< that were authentic */
    uint64_t bytes_received;   /**< in them */
    uint64_t packets_lost;
    uint64_t packets_spurious; /**< taken for lost and then acknowledged */
    uint64_t packets_acked;
    uint64_t data_sent;         /**< bytes of channels in them, repeats included */
    uint64_t data_received;     /**< the same */
    uint32_t congestion;        /**< PLAIT_CONGESTION_* in use; 0: a line of known rate */
    uint32_t ecn;               /**< 1: its packets are marked as capable of ECN, and the path
                                     keeps the marks */
    uint64_t packets_marked;    /**< of those sent, by queues (ECN) */
    uint32_t reason;            /**< PLAIT_REASON_*: why it has its state and role */
    uint32_t shares_bottleneck; /**< 1: it queues where another link of the connection does; so
                                     both together take what one would */
} plait_link_stats;

/** Gives them. out: [in,out] struct_size is set by the caller.  [any-thread] [callback-ok]  Since
 *  0.1. */
PLAIT_API plait_status plait_link_get_stats(plait_node *node, plait_link link,
                                            plait_link_stats *out);

#ifdef __cplusplus
}
#endif
#endif
