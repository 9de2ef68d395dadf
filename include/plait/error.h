/* SPDX-License-Identifier: Apache-2.0 */
/** @file error.h  What went wrong, for the program and for the person.
 *
 *  The program looks at the plait_status that a function returns (plait/status.h): PLAIT_OK or one
 *  negative number, in bands of a hundred by kind. The person reads a text:
 *
 *      plait_status s = plait_endpoint_open(node, uri, NULL, &ep);
 *      if (s != PLAIT_OK)
 *          fprintf(stderr, "%s: %s\n", plait_status_name(s), plait_error_detail());
 *
 *      PLAIT_E_NO_DEVICE: serial:///dev/ttyUSB7: no such device (is the adapter plugged in?)
 *
 *  A status is what this side knows. The code with which a peer closed something is another thing:
 *  it belongs to the two applications and is found in the event (plait/types.h).
 *
 *  The usual statuses. These are not repeated at each function:
 *      PLAIT_E_NULL         a pointer that must not be NULL is (the comment says where it may be)
 *      PLAIT_E_STRUCT_SIZE  struct_size of a structure is not one that this library knows, or a
 *                           field that this library does not know is not zero
 *      PLAIT_E_HANDLE       not a handle of this kind and node: mixed up, made up, or PLAIT_NONE
 *      PLAIT_E_STALE        it was one, but its object is gone and so is its memory
 *      PLAIT_E_CLOSED       the object is closed (functions that only ask still work until the
 *                           application itself closes the handle)
 *      PLAIT_E_NO_MEMORY    out of memory; nothing has changed
 *  Unless a comment says otherwise, a call that fails has changed nothing and has not written to
 *  its out-parameters.
 */
#ifndef PLAIT_ERROR_H
#define PLAIT_ERROR_H
#include "plait/api.h"
#include "plait/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** The symbol of a status: "PLAIT_E_AGAIN". "PLAIT_E_UNKNOWN" for a number that this library does
 *  not know. A constant of the library, never NULL.  [any-thread] [callback-ok]  Since 0.1. */
PLAIT_API const char *plait_status_name(plait_status status);

/** What a status means in general: "not now; an event tells when to try again". A constant of the
 *  library, never NULL.  [any-thread] [callback-ok]  Since 0.1. */
PLAIT_API const char *plait_status_text(plait_status status);

/** What failed in the last call of this library on this thread that failed: one line, with the
 *  names and the numbers that matter. Calls that succeed leave it alone. PLAIT_E_AGAIN is no
 *  failure and leaves it alone too. Never NULL; "" if nothing has failed on this thread. The text
 *  is the library's and is valid until this thread's next call that fails.  [any-thread]
 *  [callback-ok]  Since 0.1. */
PLAIT_API const char *plait_error_detail(void);

#ifdef __cplusplus
}
#endif
#endif
