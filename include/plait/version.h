/* SPDX-License-Identifier: Apache-2.0 */
/** @file version.h  Which plait this is.
 *
 *  Two numbers count for a program: the ABI number, which the soname carries (libplait.so.N) and
 *  which changes only when programs built before no longer work, and the version, which grows with
 *  each release. What was added later says so at its declaration ("Since 0.1"). While the ABI
 *  number is 0 nothing is promised yet.
 */
#ifndef PLAIT_VERSION_H
#define PLAIT_VERSION_H
#include <stdint.h>

#include "plait/api.h"

#ifdef __cplusplus
extern "C" {
#endif

/** The version of these headers. Enumerators and not macros, so that bindings see them. */
enum {
    PLAIT_ABI = 0,
    PLAIT_VERSION_MAJOR = 0,
    PLAIT_VERSION_MINOR = 1,
    PLAIT_VERSION_PATCH = 0
};

/** The version of the library that is running: major << 16 | minor << 8 | patch. A program built
 *  with newer headers than that may miss functions.  [any-thread] [callback-ok]  Since 0.1. */
PLAIT_API uint32_t plait_version(void);

/** The same as text, "0.1.0". A constant of the library, never NULL.  [any-thread] [callback-ok]
 *  Since 0.1. */
PLAIT_API const char *plait_version_text(void);

/** The ABI number of the library that is running.  [any-thread] [callback-ok]  Since 0.1. */
PLAIT_API uint32_t plait_abi(void);

#ifdef __cplusplus
}
#endif
#endif
