/* SPDX-License-Identifier: Apache-2.0 */
/** @file endpoint.h  Endpoints: transports opened locally, such as a UDP socket or a serial port.
 *
 *  An endpoint is named by a URI, whose scheme is the transport:
 *
 *      udp://0.0.0.0:4242      udp://[::]:0      serial:///dev/ttyUSB0?baud=921600      memory://a
 *
 *  udp, serial and memory are part of the library; others are loaded (plait_node_load_transport),
 *  or found by name in the plugin folder. A node may have several endpoints of one transport.
 *  Endpoints serve all connections of the node, those that others begin too.
 *
 *      plait_endpoint_open ──> up <──> down          ENDPOINT_STATE
 *                              \─> closed, failed     ENDPOINT_CLOSED
 *
 *  ENDPOINTS THAT STAND FOR SEVERAL.  "udp://" and a star, such as udp://X:4242?exclude=docker*
 *  with a star for X, opens an endpoint for each address of this machine and keeps pace with them:
 *  ENDPOINT_OPENED tells of one that has appeared, ENDPOINT_CLOSED with PLAIT_E_NO_DEVICE that its
 *  address is gone, with another status that it has failed, or the one with the star and so all of
 *  them (a member's handle goes with that event; it need not be closed). Which links are made of
 *  them is up to the application (plait_connection_add_link); where an endpoint is to be given, the
 *  one with the star means the best of its members.
 *
 *  An endpoint that is down (a cable unplugged) stays open and comes back by itself if its
 *  transport can do that; links over it are at once replaced by others.
 *
 *  APPLICATION ENDPOINTS are links that only the host application can drive (Bluetooth LE from
 *  Java, a VPN service): the application hands in what has arrived (plait_endpoint_push) and takes
 *  out what is to be sent (event ENDPOINT_OUTPUT, plait_endpoint_take).
 */
#ifndef PLAIT_ENDPOINT_H
#define PLAIT_ENDPOINT_H
#include "plait/transport.h"
#include "plait/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/** The state of an endpoint. */
enum {
    PLAIT_ENDPOINT_UP = 1,
    PLAIT_ENDPOINT_DOWN = 2,  /**< nothing gets through at present */
    PLAIT_ENDPOINT_FAILED = 3 /**< for good */
};

/** Wishes for an endpoint; 0 means the default. Copied. */
typedef struct plait_endpoint_config {
    uint32_t struct_size; /**< sizeof(plait_endpoint_config) */
    uint32_t recv_buffer; /**< bytes of the system's receive buffer; 0: the transport's choice */
    uint32_t send_buffer; /**< the same for sending */
    uint32_t reserved;    /**< 0 */
    uint64_t token;       /**< comes back in this endpoint's events */
} plait_endpoint_config;

#define PLAIT_ENDPOINT_CONFIG_INIT {sizeof(plait_endpoint_config), 0, 0, 0, 0}

/** Sets the defaults. size: sizeof(plait_endpoint_config).
 *    PLAIT_E_STRUCT_SIZE  the library does not know this size
 *  [any-thread] [callback-ok]  Since 0.1. */
PLAIT_API plait_status plait_endpoint_config_init(plait_endpoint_config *config, size_t size);

/** Opens an endpoint, ready to use on return.
 *  uri: [in] "scheme://…".  config: [in] or NULL.  out: [out] the handle.
 *    PLAIT_E_URI                not of the form scheme://…, or not as this transport wants it
 *    PLAIT_E_TRANSPORT_UNKNOWN  no transport of this name is loaded, and no plugin of it found
 *    PLAIT_E_ADDRESS            what it names is not a local address
 *    PLAIT_E_ADDRESS_IN_USE     another program (or endpoint) has it
 *    PLAIT_E_NO_DEVICE          it is not there
 *    PLAIT_E_TRANSPORT_OPEN     any other reason; the detail has it
 *    PLAIT_E_LIMIT              more than 64 endpoints
 *    or a status of plait_node_load_transport
 *  [any-thread] [callback-ok]  Since 0.1. */
PLAIT_API plait_status plait_endpoint_open(plait_node *node, const char *uri,
                                           const plait_endpoint_config *config,
                                           plait_endpoint *out);

/** Closes an endpoint and its members, or, after its ENDPOINT_CLOSED, only the handle. Its links
 *  are closed (LINK_CLOSED), their connections go on over others. ENDPOINT_CLOSED follows. Peers
 *  are told over the other links.  [any-thread] [callback-ok]  Since 0.1. */
PLAIT_API plait_status plait_endpoint_close(plait_node *node, plait_endpoint endpoint);

/** The URI under which the endpoint is open, with what the system has chosen:
 *  "udp://0.0.0.0:51234" where port 0 was asked for. What a peer has to dial depends on the
 *  network between.
 *  buf: [out] room for cap bytes, the text and a zero byte.  len: [out] or NULL: its length
 *  without that.
 *    PLAIT_E_BUFFER  cap is too small; *len is set, nothing else
 *  [any-thread] [callback-ok]  Since 0.1. */
PLAIT_API plait_status plait_endpoint_uri(plait_node *node, plait_endpoint endpoint, char *buf,
                                          size_t cap, size_t *len);

/** What an endpoint is like and has done. */
typedef struct plait_endpoint_info {
    uint32_t struct_size;        /**< [in] sizeof(plait_endpoint_info) */
    uint32_t state;              /**< PLAIT_ENDPOINT_* */
    uint32_t mtu;                /**< bytes of the largest datagram */
    uint32_t cost;               /**< 0 free, 1 metered, 2 dear */
    uint64_t rate;               /**< bytes a second that it carries at most; 0: unknown */
    uint32_t queued_bytes;       /**< handed over and not on the line yet, if that is known */
    uint32_t reserved;           /**< 0 */
    uint64_t datagrams_sent;     /**< handed to the transport, also those that it refused */
    uint64_t bytes_sent;         /**< in them */
    uint64_t datagrams_received; /**< from the transport */
    uint64_t bytes_received;     /**< in them */
    uint64_t send_errors;        /**< datagrams that the transport refused */
} plait_endpoint_info;

/** Gives them. out: [in,out] struct_size is set by the caller.  [any-thread] [callback-ok]  Since
 *  0.1. */
PLAIT_API plait_status plait_endpoint_get_info(plait_node *node, plait_endpoint endpoint,
                                               plait_endpoint_info *out);

/** What an application endpoint is like; 0 means the default. Copied. */
typedef struct plait_app_endpoint_config {
    uint32_t struct_size;    /**< sizeof(plait_app_endpoint_config) */
    uint32_t mtu;            /**< bytes of the largest datagram, at least 64; default 1,200 */
    uint32_t point_to_point; /**< 1: there is one other end, without an address */
    uint32_t cost;           /**< 0 free, 1 metered, 2 dear */
    uint64_t rate;           /**< bytes a second that it carries at most; 0: unknown */
    uint32_t queue_bytes;    /**< so much waits for plait_endpoint_take at most; default 65,536 */
    uint32_t reserved;       /**< 0 */
    uint64_t token;          /**< comes back in this endpoint's events */
} plait_app_endpoint_config;

#define PLAIT_APP_ENDPOINT_CONFIG_INIT \
    {sizeof(plait_app_endpoint_config), 0, 0, 0, 0, 0, 0, 0}

/** Sets the defaults. size: sizeof(plait_app_endpoint_config).
 *    PLAIT_E_STRUCT_SIZE  the library does not know this size
 *  [any-thread] [callback-ok]  Since 0.1. */
PLAIT_API plait_status plait_app_endpoint_config_init(plait_app_endpoint_config *config,
                                                      size_t size);

/** Opens an application endpoint.
 *  uri: [in] "app://NAME"; NAME (letters, digits, '+', '-', '.', at most 24) is its kind and the
 *  same on both sides, such as "app://ble". An address in it is written "app://NAME/ADDRESS",
 *  whose bytes are ADDRESS.
 *  config: [in] or NULL.  out: [out] the handle.
 *    PLAIT_E_URI, PLAIT_E_INVALID (mtu), PLAIT_E_LIMIT
 *  [any-thread] [callback-ok]  Since 0.1. */
PLAIT_API plait_status plait_endpoint_open_app(plait_node *node, const char *uri,
                                               const plait_app_endpoint_config *config,
                                               plait_endpoint *out);

/** Hands in one datagram that has arrived.
 *  from: [in] whose it is; NULL: the other end of a point-to-point line.  data: [in] len bytes,
 *  copied.
 *    PLAIT_E_TOO_BIG      longer than the endpoint's MTU
 *    PLAIT_E_UNSUPPORTED  not an application endpoint
 *  [any-thread] [callback-ok]  Since 0.1. */
PLAIT_API plait_status plait_endpoint_push(plait_node *node, plait_endpoint endpoint,
                                           const plait_addr *from, const void *data, size_t len);

/** Takes the next datagram that is to be sent.
 *  to: [out] or NULL: for whom; its len is 0 on a point-to-point line.  buf: [out] room for cap
 *  bytes; the endpoint's MTU is always enough.  len: [out].
 *    PLAIT_E_AGAIN        none waits; ENDPOINT_OUTPUT tells when
 *    PLAIT_E_BUFFER       cap is too small; *len is set, the datagram stays
 *    PLAIT_E_UNSUPPORTED  not an application endpoint
 *  [any-thread] [callback-ok]  Since 0.1. */
PLAIT_API plait_status plait_endpoint_take(plait_node *node, plait_endpoint endpoint,
                                           plait_addr *to, void *buf, size_t cap, size_t *len);

/** Says that an application endpoint works or does not work at present. ENDPOINT_STATE follows if
 *  that is new. state: PLAIT_ENDPOINT_UP or PLAIT_ENDPOINT_DOWN.
 *    PLAIT_E_INVALID      another state
 *    PLAIT_E_UNSUPPORTED  not an application endpoint
 *  [any-thread] [callback-ok]  Since 0.1. */
PLAIT_API plait_status plait_endpoint_set_state(plait_node *node, plait_endpoint endpoint,
                                                uint32_t state);

#ifdef __cplusplus
}
#endif
#endif
