/* SPDX-License-Identifier: Apache-2.0 */
/** @file types.h  Handles and events: what all other headers share.
 *
 *  HANDLES.  The node and an identity are pointers. Everything inside a node is named by a handle,
 *  a plain 64-bit value that can be copied, stored and compared freely. 0 (PLAIT_NONE) is no
 *  handle. A handle names one object for ever: after the object is gone the value is not given out
 *  again, and a call with it fails with PLAIT_E_STALE; a handle of another kind gives
 *  PLAIT_E_HANDLE. Neither crashes, also from another thread.
 *
 *  THE LIFE OF A HANDLE.
 *
 *      open, connect, accept ──> usable ──(ended by anyone)──> closed ──> gone
 *                                              event ..._CLOSED   the application closes it too
 *
 *  Each object has exactly one closing event, whoever ended it: CLOSED for a connection,
 *  CHANNEL_CLOSED, LINK_CLOSED, ENDPOINT_CLOSED. A connection's comes after those of its channels
 *  and links. Until the application itself calls the object's ..._close function, functions that
 *  only ask (stats, reason) still answer, and what has arrived can still be read; others return
 *  PLAIT_E_CLOSED. The object's memory is given back once its event has been read and the
 *  application has closed the handle; so close a connection also when the peer ended it. The
 *  handles of its channels and links go with the connection. While it lives, close those of its
 *  channels that have ended, or their memory stays; those of links may be left alone: a connection
 *  keeps 16 links, and the oldest that has ended makes place for a new one.
 *
 *  EVENTS are 64-byte values that the library copies into the caller's array (plait_node_wait,
 *  plait_node_dispatch) or hands to a callback (plait_node_start). An object has at most one event
 *  of a type waiting: if the same happens again before it was read, the event tells the latest
 *  state. So the queue never overflows and nothing is allocated for it. There is no event per
 *  packet. Ignore types that you do not know: later versions add some.
 */
#ifndef PLAIT_TYPES_H
#define PLAIT_TYPES_H
#include <stddef.h>
#include <stdint.h>

#include "plait/api.h"
#include "plait/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct plait_node plait_node;         /**< one local participant (plait/node.h) */
typedef struct plait_identity plait_identity; /**< a key pair (plait/identity.h) */

typedef uint64_t plait_endpoint;   /**< a transport opened locally (plait/endpoint.h) */
typedef uint64_t plait_connection; /**< an association with one peer (plait/connection.h) */
typedef uint64_t plait_link;       /**< one way to that peer (plait/link.h) */
typedef uint64_t plait_channel;    /**< a flow of data inside a connection (plait/channel.h) */

enum {
    PLAIT_NONE = 0 /**< no handle */
};

/** What an event tells: plait_event.type. Fields that are not named here are 0. `token` is what the
 *  application has set for the object concerned: the channel if there is one, else the connection
 *  (links: their connection), else the endpoint. */
enum {
    /** A connection that this side began, or that was accepted, is authenticated: channels may be
     *  opened and carry data. connection. */
    PLAIT_EVENT_CONNECTED = 1,
    /** A connection has ended. connection; status: why (PLAIT_OK: this side closed it;
     *  PLAIT_E_PEER_CLOSED, PLAIT_E_REFUSED, PLAIT_E_TIMEOUT, PLAIT_E_DUPLICATE, PLAIT_E_PROTOCOL,
     *  …); a: the code given to close or refuse on whichever side; b: 1 if that side's
     *  application chose the code, 0 if its library did. The reason's text:
     *  plait_connection_reason. */
    PLAIT_EVENT_CLOSED = 2,
    /** An authenticated peer waits for plait_connection_accept or plait_connection_refuse. Only if
     *  the listen configuration says PLAIT_ACCEPT_ASK, or if this side connected without knowing
     *  the id. connection. Who it is: plait_connection_peer. */
    PLAIT_EVENT_CONNECTION_REQUEST = 3,
    /** The last link of a connection is dead. It is kept, and goes on as soon as any link works
     *  again (LINK_STATE); if none does within the dormancy timeout, CLOSED follows with
     *  PLAIT_E_TIMEOUT. connection; a: microseconds until then. */
    PLAIT_EVENT_DORMANT = 4,
    /** The peer has said where else it can be reached: a new list, in place of the one before.
     *  connection; a: how many addresses. Which: plait_connection_peer_endpoint. With
     *  PLAIT_ANNOUNCE_FOLLOW links to them join by themselves. */
    PLAIT_EVENT_PEER_ENDPOINTS = 5,

    /** The peer wants to open a channel: plait_channel_accept or plait_channel_refuse. connection,
     *  channel. What it proposes: plait_channel_label, plait_channel_get_config. Of what comes
     *  with the request or after it nothing is told before it was accepted. */
    PLAIT_EVENT_CHANNEL_REQUEST = 10,
    /** The peer has accepted a channel that this side opened. connection, channel. Data may be sent
     *  before that; nobody has to wait for this event. Or this node has accepted one of the peer's
     *  by itself (plait_node_answer_channels): then this is the first that is heard of it. */
    PLAIT_EVENT_CHANNEL_ACCEPTED = 11,
    /** A channel has ended in both directions. connection, channel; status: PLAIT_OK: finished by
     *  both sides, or closed by this one; PLAIT_E_RESET, PLAIT_E_REFUSED, PLAIT_E_LOSS,
     *  PLAIT_E_TIMEOUT (plait_channel_close_linger), or why the connection ended; a: the code given
     *  to reset, stop or refuse; b: bytes that were taken from this side and not acknowledged by
     *  the peer's library: given up, or thrown away by the end; with PLAIT_E_REFUSED all of them.
     *  Each byte taken was delivered or is counted here. */
    PLAIT_EVENT_CHANNEL_CLOSED = 12,
    /** Something can be read, or the end (PLAIT_E_END, PLAIT_E_RESET) can be found out by reading.
     *  connection, channel; a: bytes that can be read now. Comes again when more arrives; what is
     *  left unread is not told a second time, so read until PLAIT_E_AGAIN. */
    PLAIT_EVENT_READABLE = 13,
    /** There is room again after PLAIT_E_AGAIN, and once when the channel is first able to take
     *  data. connection, channel; a: bytes that would be taken now. */
    PLAIT_EVENT_WRITABLE = 14,
    /** Everything sent before plait_channel_finish has been acknowledged by the peer's library.
     *  connection, channel; a: bytes sent in all. */
    PLAIT_EVENT_FINISHED = 15,
    /** The peer wants no more data on this channel (plait_channel_stop); what was waiting to be
     *  sent is thrown away, sending returns PLAIT_E_RESET. connection, channel; a: the code. */
    PLAIT_EVENT_STOPPED = 16,
    /** Something sent was given up, as the channel's configuration has it (it may have arrived).
     *  connection, channel; a: messages given up in all; b: bytes. Which ones:
     *  plait_channel_take_reports. */
    PLAIT_EVENT_GIVEN_UP = 17,
    /** Something of the peer's will not come (PLAIT_ON_LOSS_TELL, or reports are on), or was
     *  dropped for newer data (drop_oldest). connection, channel; a: messages in all, as far as
     *  they are known; b: bytes. Where: plait_channel_read_info, plait_channel_take_reports. */
    PLAIT_EVENT_GAP = 18,
    /** What waits to be sent has fallen to the mark that plait_channel_set_low_water set.
     *  connection, channel; a: bytes that wait. */
    PLAIT_EVENT_QUEUE_LOW = 19,

    /** A link has changed its state or role (plait_link_take_change gives each change with its
     *  reason). connection, link; a: the new state (PLAIT_LINK_*); status: why: PLAIT_OK (it
     *  answers), PLAIT_E_TIMEOUT (no answer), PLAIT_E_LINK_DOWN (its transport says so, or the
     *  peer); b: bytes that were moved to other links. */
    PLAIT_EVENT_LINK_STATE = 20,
    /** A link is no longer part of its connection. connection, link; status: why; a: the code. */
    PLAIT_EVENT_LINK_CLOSED = 21,

    /** A window of a channel has changed (only with PLAIT_TELL_WINDOWS in its configuration).
     *  connection, channel; a: bytes that the peer takes beyond what was sent; b: bytes that this
     *  side lets the peer send ahead of reading. */
    PLAIT_EVENT_WINDOW_CHANGED = 40,

    /** An endpoint has gone up or down. a: the endpoint; b: its state (PLAIT_ENDPOINT_*). */
    PLAIT_EVENT_ENDPOINT_STATE = 30,
    /** An endpoint has ended. a: the endpoint; status: why (PLAIT_OK: this side closed it). */
    PLAIT_EVENT_ENDPOINT_CLOSED = 31,
    /** An application endpoint has datagrams to send: plait_endpoint_take until it returns
     *  PLAIT_E_AGAIN. a: the endpoint; b: bytes waiting. */
    PLAIT_EVENT_ENDPOINT_OUTPUT = 32,
    /** A member of an endpoint that stands for several ("udp://" and a star) is open. a: the new
     *  endpoint; b: the one that it belongs to. token: of that one. */
    PLAIT_EVENT_ENDPOINT_OPENED = 33
};

/** Something that has happened. */
typedef struct plait_event {
    uint32_t type;               /**< PLAIT_EVENT_*, which tells what the other fields mean */
    plait_status status;         /**< PLAIT_OK, or why */
    plait_connection connection; /**< or PLAIT_NONE */
    plait_channel channel;       /**< or PLAIT_NONE */
    plait_link link;             /**< or PLAIT_NONE */
    uint64_t token;              /**< the application's own value */
    uint64_t a, b;               /**< by type */
    uint64_t time_us;            /**< when it happened, in the time of plait_node_now_us */
} plait_event;

/** A piece of memory; what owns it is said where one is used. */
typedef struct plait_slice {
    const void *data;
    size_t len;
} plait_slice;

#ifdef __cplusplus
static_assert(sizeof(plait_event) == 64, "an event has 64 bytes");
#else
_Static_assert(sizeof(plait_event) == 64, "an event has 64 bytes");
#endif

/** Whether packets ask queues to mark them instead of dropping them, where the transport can. Each
 *  link tests that its path keeps the marks, and goes on without if not. */
enum {
    PLAIT_ECN_DEFAULT = 0, /**< as PLAIT_ECN_CLASSIC */
    PLAIT_ECN_OFF = 1,     /**< none is marked; the peer's marks are reported all the same */
    PLAIT_ECN_CLASSIC = 2, /**< ECT(0), RFC 3168: a mark slows down about as a loss does */
    PLAIT_ECN_L4S = 3      /**< ECT(1), RFC 9331: only where queues are made for it */
};

/** How the sending rate of a link is found. A line whose transport knows its rate (a serial port)
 *  is always sent to at that rate. */
enum {
    PLAIT_CONGESTION_DEFAULT = 0, /**< of a connection: the node's; of a node: CUBIC */
    PLAIT_CONGESTION_CUBIC = 1,   /**< RFC 9438: as most of the Internet does; fills queues */
    PLAIT_CONGESTION_BBR = 2      /**< BBRv3: keeps queues short, minds random loss less */
};

#ifdef __cplusplus
}
#endif
#endif
