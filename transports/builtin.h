/* SPDX-License-Identifier: Apache-2.0 */
/* The entries of the transports that come with plait, as the static libraries
 * define them. A program that links transport_NAME_dep registers them by address instead of
 * loading plait_NAME.so. */
#ifndef PLAIT_TRANSPORTS_BUILTIN_H
#define PLAIT_TRANSPORTS_BUILTIN_H
#include "plait/transport.h"

#ifdef __cplusplus
extern "C" {
#endif

extern const plait_transport plait_transport_memory;
extern const plait_transport plait_transport_serial;
extern const plait_transport plait_transport_udp;

#ifdef __cplusplus
}
#endif
#endif
