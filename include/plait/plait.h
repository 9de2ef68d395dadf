/* SPDX-License-Identifier: Apache-2.0 */
/** @file plait.h  plait: secure connections between two nodes over several physical links at once.
 *
 *  This header includes all others; each of them can also be included alone.
 *
 *      version.h     which plait this is
 *      status.h      status codes                     error.h    their texts, and what failed
 *      types.h       handles, events                  identity.h key pairs, node ids, key files
 *      node.h        the node, its loop, settings     endpoint.h UDP sockets, serial ports, …
 *      connection.h  connecting, accepting, closing   link.h     the single ways to a peer
 *      channel.h     sending and receiving            blocking.h the same, waiting
 *      trace.h       what it does and why             transport.h to write a transport
 *
 *  THE WHOLE of a small program (errors left out):
 *
 *      plait_identity_load_or_new("me.key", NULL, &me);
 *      plait_node_new(me, NULL, &node);
 *      plait_endpoint_open(node, "udp://0.0.0.0:0", NULL, &udp);
 *      plait_connect_wait(node, "kq3V…43 characters…", "udp://192.0.2.7:4242", NULL, 5000,
 *                         &peer);
 *      plait_channel_open(node, peer, "hello", NULL, &channel);
 *      plait_channel_write_all(node, channel, "hello\n", 6, 5000);
 *      plait_channel_finish_wait(node, channel, 5000);
 *      plait_connection_close(node, peer, 0, "done");
 *      plait_node_free(node);
 *      plait_identity_free(me);
 *
 *  Rules that hold everywhere:
 *    - A function that can fail returns plait_status; the text is in plait_error_detail().
 *    - The node comes first, results come last. A result is written only on PLAIT_OK,
 *      unless said otherwise.
 *    - Handles are checked; a stale or wrong one is an error code (types.h).
 *    - All calls but the waiting ones return at once. What takes time is told by an event.
 *    - Threads, callbacks, loop modes: node.h.
 *    - Texts are UTF-8 and end with a zero byte. Times end in _us (microseconds) or _ms.
 */
#ifndef PLAIT_PLAIT_H
#define PLAIT_PLAIT_H

#include "plait/blocking.h"
#include "plait/channel.h"
#include "plait/connection.h"
#include "plait/endpoint.h"
#include "plait/error.h"
#include "plait/identity.h"
#include "plait/link.h"
#include "plait/node.h"
#include "plait/status.h"
#include "plait/trace.h"
#include "plait/transport.h"
#include "plait/types.h"
#include "plait/version.h"

#endif
