/* SPDX-License-Identifier: Apache-2.0 */
/* Plugins for the loader's tests: PLUGIN_NAME, PLUGIN_ABI, or with PLUGIN_EMPTY one without an
 * entry. */
#include "plait/transport.h"

#ifdef PLUGIN_EMPTY
PLAIT_TRANSPORT_PUBLIC extern const int not_an_entry;
const int not_an_entry = 1;
#else
static plait_status open_(const plait_host *host, plait_host_endpoint *h,
                          const plait_open_args *args, void **self) {
    (void)args, (void)self;
    host->fail(h, PLAIT_E_NO_DEVICE, "this plugin opens nothing");
    return PLAIT_E_NO_DEVICE;
}
static void close_(void *self) { (void)self; }
static plait_status send_(void *self, const plait_datagram *v, uint32_t n, uint32_t *sent) {
    (void)self, (void)v;
    *sent = n;
    return PLAIT_OK;
}
static plait_status recv_(void *self, plait_datagram *v, uint32_t n, uint32_t *got) {
    (void)self, (void)v, (void)n;
    *got = 0;
    return PLAIT_OK;
}

extern PLAIT_TRANSPORT_PUBLIC const plait_transport plait_transport_entry;
const plait_transport plait_transport_entry = {.abi = PLUGIN_ABI,
                                               .struct_size = sizeof(plait_transport),
                                               .name = PLUGIN_NAME,
                                               .open = open_,
                                               .close = close_,
                                               .send = send_,
                                               .recv = recv_};
#endif
