/* SPDX-License-Identifier: Apache-2.0 */
/** @file trace.h  The trace: what the library does and why, as plain records.
 *
 *  Off by default, and then it costs one comparison. With it, tools write qlog files, draw
 *  congestion windows, or tell why a link was given up. Records are for people and tools, not for
 *  the program's logic: new types come with any version, and a record may grow at its end.
 */
#ifndef PLAIT_TRACE_H
#define PLAIT_TRACE_H
#include "plait/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/** What is traced: bits of the mask. */
enum {
    PLAIT_TRACE_CONNECTIONS = 1, /**< states, handshakes, ends */
    PLAIT_TRACE_LINKS = 2,       /**< states and roles of links, with the reason */
    PLAIT_TRACE_PACKETS = 4,     /**< every packet sent and received */
    PLAIT_TRACE_RECOVERY = 8,    /**< acknowledged, lost, RTT, congestion window */
    PLAIT_TRACE_DATA = 16        /**< which bytes of which channel each packet carries */
};

/** plait_trace_record.type. */
enum {
    PLAIT_TRACE_CONNECTION_STATE = 1, /**< a: PLAIT_CONNECTION_*; b: the status as a positive
                                           number */
    PLAIT_TRACE_LINK_STATE = 2,       /**< a: PLAIT_LINK_*; b: the status as a positive number; c:
                                           microseconds without an answer; d: bytes moved to other
                                           links */
    PLAIT_TRACE_PACKET_SENT = 3,      /**< a: packet number; b: bytes; c: channel number; d: 1 if
                                           it wants an acknowledgement */
    PLAIT_TRACE_PACKET_RECEIVED = 4,  /**< a: packet number; b: bytes; c: channel number */
    PLAIT_TRACE_PACKET_LOST = 5,      /**< a: microseconds since it was sent; b: bytes; c: channel
                                           number */
    PLAIT_TRACE_RECOVERY_STATE = 6,   /**< a: congestion window; b: bytes in flight; c: smoothed
                                           RTT in us; d: rate in bytes a second */
    PLAIT_TRACE_DATA_SENT = 7,        /**< a: channel number; b: offset in the channel's direction;
                                           c: bytes; d: PLAIT_TRACE_DATA_… bits */
    PLAIT_TRACE_LINK_ROLE = 8,        /**< a: PLAIT_ROLE_*; b: PLAIT_REASON_*; c: PLAIT_LINK_*; d:
                                           bytes moved to other links */
    PLAIT_TRACE_GENERATION = 9        /**< new keys for the whole connection are used for sending;
                                           a: how often so far (with PLAIT_TRACE_CONNECTIONS) */
};

/** plait_trace_record.d of PLAIT_TRACE_DATA_SENT. */
enum {
    PLAIT_TRACE_DATA_FIN = 1,   /**< the direction ends after these bytes */
    PLAIT_TRACE_DATA_START = 2, /**< a message begins with them */
    PLAIT_TRACE_DATA_AGAIN = 4  /**< they were sent before */
};

/** One record. */
typedef struct plait_trace_record {
    uint16_t type;               /**< PLAIT_TRACE_…, see above */
    uint16_t size;               /**< bytes of this record */
    uint32_t reserved;           /**< 0 */
    uint64_t time_us;            /**< in the time of plait_node_now_us */
    plait_connection connection; /**< or PLAIT_NONE */
    plait_link link;             /**< or PLAIT_NONE */
    uint64_t a, b, c, d;         /**< by type */
} plait_trace_record;

/** Gets the records. record: valid during the call. It is called with the node's lock held, on any
 *  thread that uses the node: it must be quick and must not call the node. */
typedef void plait_trace_fn(void *user, const plait_trace_record *record);

/** Sets what is traced and who gets it.
 *  mask: PLAIT_TRACE_* bits; 0: nothing. Unknown bits are ignored.  sink: NULL only if mask is 0.
 *  user: handed to it. After return the former sink is not called any more.
 *  [any-thread] [callback-ok, not in the sink]  Since 0.1. */
PLAIT_API plait_status plait_node_set_trace(plait_node *node, uint64_t mask, plait_trace_fn *sink,
                                            void *user);

#ifdef __cplusplus
}
#endif
#endif
