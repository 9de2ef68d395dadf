/* SPDX-License-Identifier: Apache-2.0 */
/** @file blocking.h  Calls that wait, for programs of ten lines.
 *
 *  Each does one thing and returns when it is done, or when the time is over. While it waits the
 *  node's whole work goes on. They can be mixed with the rest of the interface: events that happen
 *  meanwhile are kept for the next plait_node_wait or dispatch (4,096 at most, then the oldest go),
 *  except those of which the call itself tells: CONNECTED, CONNECTION_REQUEST, CHANNEL_REQUEST,
 *  FINISHED and CHANNEL_CLOSED of what it was asked for.
 *
 *  They work in mode 1, and from other threads than the loop's in mode 3 and 4 (plait/node.h); the
 *  two ..._accept_wait and plait_channel_close_wait not in mode 3, where the callback gets the
 *  events that they wait for: PLAIT_E_STATE. In mode 5 and inside callbacks there is nobody to wait
 *  for: PLAIT_E_STATE, PLAIT_E_IN_CALLBACK.
 *
 *  timeout_ms everywhere: milliseconds; 0: don't wait; negative: no limit.
 */
#ifndef PLAIT_BLOCKING_H
#define PLAIT_BLOCKING_H
#include "plait/channel.h"
#include "plait/connection.h"

#ifdef __cplusplus
extern "C" {
#endif

/** plait_connect, and waits for CONNECTED. If it fails nothing is left: the handle is closed.
 *  Parameters and statuses as plait_connect, and
 *    PLAIT_E_TIMEOUT  not connected in time
 *    PLAIT_E_REFUSED, PLAIT_E_PEER_CLOSED, …  the status of its CLOSED
 *  [any-thread] [not-in-callback]  Since 0.1. */
PLAIT_API plait_status plait_connect_wait(plait_node *node, const char *id, const char *address,
                                          const plait_connect_config *config, int timeout_ms,
                                          plait_connection *out);

/** Waits until a peer is connected or asks to be (after plait_node_listen), and gives the oldest
 *  that was not given before; one that asks is accepted.
 *  out: [out] the handle.
 *    PLAIT_E_TIMEOUT  nobody came in time
 *  [any-thread] [not-in-callback]  Since 0.1. */
PLAIT_API plait_status plait_accept_wait(plait_node *node, int timeout_ms, plait_connection *out);

/** Waits until the peer opens a channel in this connection, accepts it and gives it.
 *  config: [in] or NULL, as plait_channel_accept.  out: [out] the handle.
 *    PLAIT_E_TIMEOUT  none came in time
 *    PLAIT_E_CLOSED   the connection has ended
 *  [any-thread] [not-in-callback]  Since 0.1. */
PLAIT_API plait_status plait_channel_accept_wait(plait_node *node, plait_connection connection,
                                                 const plait_channel_config *config, int timeout_ms,
                                                 plait_channel *out);

/** Sends all of it, as plait_channel_send, waiting for room. PLAIT_OK: taken by this library, not
 *  yet by the peer. In a stream a part may have been taken when it fails.
 *    PLAIT_E_TIMEOUT  no room in time
 *    and the statuses of plait_channel_send but PLAIT_E_AGAIN
 *  [any-thread] [not-in-callback]  Since 0.1. */
PLAIT_API plait_status plait_channel_write_all(plait_node *node, plait_channel channel,
                                               const void *data, size_t len, int timeout_ms);

/** Reads as plait_channel_read, waiting until there is something.
 *    PLAIT_E_TIMEOUT  nothing came in time
 *    and the statuses of plait_channel_read but PLAIT_E_AGAIN
 *  [any-thread] [not-in-callback]  Since 0.1. */
PLAIT_API plait_status plait_channel_read_wait(plait_node *node, plait_channel channel, void *buf,
                                               size_t cap, size_t *got, int timeout_ms);

/** plait_channel_finish, and waits until everything has been acknowledged. The peer acknowledges
 *  while its node runs, and when it closes the connection.
 *    PLAIT_E_TIMEOUT  not in time; it goes on being sent
 *    and the statuses of plait_channel_finish but without PLAIT_E_STATE if it is
 *    finished already
 *  [any-thread] [not-in-callback]  Since 0.1. */
PLAIT_API plait_status plait_channel_finish_wait(plait_node *node, plait_channel channel,
                                                 int timeout_ms);

/** plait_channel_close_linger with the timeout as its time, and waits for CHANNEL_CLOSED. The
 *  handle is closed in any case, also where it fails. timeout_ms: at most 1,000 s; negative is
 *  that, too.
 *  undelivered: [out] or NULL: bytes that were taken from this side and not delivered.
 *    PLAIT_OK       all was delivered, or had been given up before
 *    PLAIT_E_TIMEOUT  not in time; what was left is thrown away
 *    PLAIT_E_RESET, PLAIT_E_LOSS, PLAIT_E_REFUSED, …  the status of its CHANNEL_CLOSED
 *  [any-thread] [not-in-callback]  Since 0.1. */
PLAIT_API plait_status plait_channel_close_wait(plait_node *node, plait_channel channel,
                                                int timeout_ms, uint64_t *undelivered);

#ifdef __cplusplus
}
#endif
#endif
