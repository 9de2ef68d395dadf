/* SPDX-License-Identifier: Apache-2.0 */
/* The line itself: opening it raw at any rate. The one file that knows the system's terminals. */
#ifndef PLAIT_TRANSPORTS_SERIAL_TTY_H
#define PLAIT_TRANSPORTS_SERIAL_TTY_H
#include "plait/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { kTtyPathMax = 512, kTtyTextMax = 160 };

typedef struct tty_config {
    char path[kTtyPathMax];
    uint32_t baud;
    bool rtscts;
} tty_config;

/* Why a line could not be opened. */
typedef struct tty_failure {
    plait_status status;
    char text[kTtyTextMax];
} tty_failure;

/* A descriptor that does not block, or -1 and the reason. */
int tty_open(const tty_config *config, tty_failure *why);
/* `drain`: what the driver holds is still sent, and the call waits for it (40 ms of it at most, see
 * serial.c); only for a line that nothing can stop. */
void tty_close(int fd, bool drain);
/* Bytes written that the driver still holds; 0 if it does not say. */
uint32_t tty_queued(int fd);

#endif
