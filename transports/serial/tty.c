/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "tty.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <unistd.h>

#ifdef __linux__
/* termios2 with BOTHER takes any rate; <termios.h> declares the same names and must stay out. */
#include <asm/termbits.h>
#include <linux/serial.h>
#else
#include <termios.h>
#endif

static int failed(int fd, tty_failure *why, plait_status status, const char *text) {
    if (fd >= 0) {
        close(fd);
    }
    why->status = status;
    snprintf(why->text, sizeof why->text, "%s", text);
    return -1;
}

static int failed_errno(int fd, tty_failure *why, const char *what) {
    char text[kTtyTextMax];
    switch (errno) {
    case ENOENT:
    case ENXIO:
    case ENODEV:
    case ENOTDIR:
    case EIO:
        return failed(fd, why, PLAIT_E_NO_DEVICE, "no such device (is the adapter plugged in?)");
    case EACCES:
    case EPERM:
        return failed(fd, why, PLAIT_E_TRANSPORT_OPEN,
                      "permission denied (is this user in the group that owns the device, often "
                      "dialout?)");
    case EBUSY:
    case EWOULDBLOCK:
        return failed(fd, why, PLAIT_E_ADDRESS_IN_USE, "another program is using this line");
    case ENOTTY:
    case EISDIR:
        return failed(fd, why, PLAIT_E_TRANSPORT_OPEN, "not a serial line");
    default:
        snprintf(text, sizeof text, "%s: %s", what, strerror(errno));
        return failed(fd, why, PLAIT_E_TRANSPORT_OPEN, text);
    }
}

#ifdef __linux__
/* Raw, 8 bits, no parity. Returns the rate that the line now has, 0 if it refused. */
static uint32_t set_line(int fd, const tty_config *config) {
    struct termios2 t;
    if (ioctl(fd, TCGETS2, &t) != 0) {
        return 0;
    }
    t.c_iflag = IGNBRK | IGNPAR;
    t.c_oflag = 0;
    t.c_lflag = 0;
    t.c_cflag = CS8 | CREAD | CLOCAL | BOTHER | BOTHER << IBSHIFT;
    if (config->rtscts) {
        t.c_cflag |= CRTSCTS;
    }
    t.c_ispeed = t.c_ospeed = config->baud;
    t.c_cc[VMIN] = 1; /* an empty line reads as EAGAIN, so that 0 means hung up */
    t.c_cc[VTIME] = 0;
    if (ioctl(fd, TCSETS2, &t) != 0 || ioctl(fd, TCGETS2, &t) != 0) {
        return 0;
    }
    return t.c_ospeed;
}

/* USB adapters gather bytes for 16 ms unless told not to. */
static void ask_low_latency(int fd) {
    struct serial_struct s;
    if (ioctl(fd, TIOCGSERIAL, &s) == 0) {
        s.flags |= ASYNC_LOW_LATENCY;
        (void)!ioctl(fd, TIOCSSERIAL, &s);
    }
}

static void flush_line(int fd) {
    (void)!ioctl(fd, TCFLSH, TCIOFLUSH);
}
#else
static uint32_t set_line(int fd, const tty_config *config) {
    struct termios t;
    if (tcgetattr(fd, &t) != 0) {
        return 0;
    }
    cfmakeraw(&t);
    t.c_cflag |= CREAD | CLOCAL;
    t.c_cc[VMIN] = 1;
    t.c_cc[VTIME] = 0;
#ifdef CRTSCTS
    t.c_cflag = config->rtscts ? t.c_cflag | CRTSCTS : t.c_cflag & ~(tcflag_t)CRTSCTS;
#endif
    if (cfsetspeed(&t, config->baud) != 0 || tcsetattr(fd, TCSANOW, &t) != 0) {
        return 0;
    }
    return config->baud;
}

static void ask_low_latency(int fd) {
    (void)fd;
}

static void flush_line(int fd) {
    tcflush(fd, TCIOFLUSH);
}
#endif

int tty_open(const tty_config *config, tty_failure *why) {
    int fd = open(config->path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        return failed_errno(fd, why, "open");
    }
    if (!isatty(fd)) {
        return failed(fd, why, PLAIT_E_TRANSPORT_OPEN, "not a serial line");
    }
    /* Two programs on one line would each see half of the bytes. */
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        return failed_errno(fd, why, "flock");
    }
    uint32_t rate = set_line(fd, config);
    if (rate == 0) {
        return failed_errno(fd, why, "setting the line up");
    }
    uint32_t off = rate > config->baud ? rate - config->baud : config->baud - rate;
    if (off > config->baud / 33) { /* more than 3 %: ten bits would no longer fit */
        char text[kTtyTextMax];
        snprintf(text, sizeof text, "the line cannot do %u baud, it would run at %u",
                 (unsigned)config->baud, (unsigned)rate);
        return failed(fd, why, PLAIT_E_TRANSPORT_OPEN, text);
    }
    ask_low_latency(fd);
    flush_line(fd);
    return fd;
}

void tty_close(int fd, bool drain) {
    if (!drain) {
        flush_line(fd); /* else close() waits for what a dead or stopped line never takes */
    }
    close(fd);
}

uint32_t tty_queued(int fd) {
    int n = 0;
    return ioctl(fd, TIOCOUTQ, &n) == 0 && n > 0 ? (uint32_t)n : 0;
}
