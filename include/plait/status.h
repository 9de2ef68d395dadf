/* SPDX-License-Identifier: Apache-2.0 */
/* Made by tools/gen_status.py from src/base/status_table.txt: edit the table, not this file. */
#ifndef PLAIT_STATUS_H
#define PLAIT_STATUS_H
#include <stdint.h>

/** What every function that can fail returns: PLAIT_OK or a negative code.
 *  Codes come in bands of a hundred by the kind of failure; no number is ever reused. */
typedef int32_t plait_status;

enum {
    PLAIT_OK = 0, /**< success */
    /* usage */
    PLAIT_E_INVALID = -1, /**< an argument is out of its range */
    PLAIT_E_NULL = -2, /**< an argument that must not be NULL is NULL */
    PLAIT_E_STRUCT_SIZE = -3, /**< struct_size is not one this library knows, or an unknown field is set */
    PLAIT_E_HANDLE = -4, /**< not a handle of this kind, or never issued by this node */
    PLAIT_E_STALE = -5, /**< the handle's object is gone */
    PLAIT_E_URI = -6, /**< the URI cannot be parsed */
    PLAIT_E_NODE_ID = -7, /**< not a valid node id */
    PLAIT_E_IN_CALLBACK = -8, /**< this call is not allowed inside a callback */
    PLAIT_E_UNSUPPORTED = -9, /**< not supported in this configuration */
    PLAIT_E_TOO_BIG = -10, /**< larger than this channel or call can ever take */
    PLAIT_E_BUFFER = -11, /**< the caller's buffer is too small */
    /* resource */
    PLAIT_E_NO_MEMORY = -100, /**< out of memory */
    PLAIT_E_AGAIN = -101, /**< not now; an event tells when to try again */
    PLAIT_E_LIMIT = -102, /**< a configured limit is reached */
    PLAIT_E_FILE = -103, /**< a file cannot be read or written */
    PLAIT_E_SYSTEM = -104, /**< the operating system refused a call */
    /* state */
    PLAIT_E_CLOSED = -200, /**< the object is closed */
    PLAIT_E_STATE = -201, /**< not allowed in the object's present state */
    PLAIT_E_TIMEOUT = -202, /**< no answer in time */
    PLAIT_E_EXISTS = -203, /**< it exists already */
    PLAIT_E_NOT_FOUND = -204, /**< no such object */
    PLAIT_E_END = -205, /**< the peer has sent everything; no more data will come */
    PLAIT_E_RESERVED = -206, /**< a reservation is open on this channel */
    /* protocol */
    PLAIT_E_PROTOCOL = -300, /**< the peer broke the protocol */
    PLAIT_E_MALFORMED = -301, /**< malformed packet, frame or message */
    PLAIT_E_VERSION = -302, /**< no protocol version in common */
    PLAIT_E_REFUSED = -303, /**< the peer refused */
    PLAIT_E_RESET = -304, /**< the peer reset the channel */
    PLAIT_E_PEER_CLOSED = -305, /**< the peer closed the connection */
    PLAIT_E_CHANNEL_LIMIT = -306, /**< more channels than the receiver allows */
    PLAIT_E_FLOW_CONTROL = -307, /**< more data than the receiver allows */
    PLAIT_E_DUPLICATE = -308, /**< replaced by another connection to the same peer */
    PLAIT_E_LOSS = -309, /**< closed because data was lost for good */
    PLAIT_E_PEER_LOST = -310, /**< the peer has forgotten this connection: it was started anew */
    /* crypto */
    PLAIT_E_AUTH = -400, /**< authentication failed */
    PLAIT_E_KEY = -401, /**< not a valid key */
    PLAIT_E_KEY_FILE = -402, /**< not a key file, or it is damaged */
    PLAIT_E_PASSPHRASE = -403, /**< the passphrase is missing or wrong */
    PLAIT_E_KEY_LIMIT = -404, /**< a key has protected as many packets as it may */
    /* transport */
    PLAIT_E_TRANSPORT = -500, /**< a transport failed */
    PLAIT_E_TRANSPORT_OPEN = -501, /**< the transport cannot open this endpoint */
    PLAIT_E_TRANSPORT_UNKNOWN = -502, /**< no transport of this name is loaded */
    PLAIT_E_TRANSPORT_ABI = -503, /**< the plugin speaks another transport ABI */
    PLAIT_E_ADDRESS = -504, /**< not an address of this transport */
    PLAIT_E_ADDRESS_IN_USE = -505, /**< the local address is in use */
    PLAIT_E_NO_DEVICE = -506, /**< no such device */
    PLAIT_E_LINK_DOWN = -507, /**< the link is down */
    PLAIT_E_NO_LINK = -508, /**< no link can carry this now */
    PLAIT_E_PLUGIN = -509, /**< the plugin cannot be loaded */
};

#endif
