/* SPDX-License-Identifier: Apache-2.0 */
/* The main job: one connection over two UDP links and a serial line carries a file, while the
 * cables are pulled.
 *
 *     launcher (main.c, script.c, display.c)
 *        ├── cables (cable.c)      carries packets and bytes; cut and mended by the launcher
 *        ├── receiver (receiver.c) a process of its own: one node, listens
 *        └── sender (sender.c)     a process of its own: one node, connects
 *
 * The sender and the receiver know nothing of each other but what stands on their command lines,
 * and nothing of the script. Both tell the launcher how they are by writing struct report into a
 * pipe. sender.c, receiver.c and peer.c are the ones to read for how plait is used.
 */
#ifndef JOB_H
#define JOB_H
#include <plait/plait.h>
#include <stddef.h>
#include <stdint.h>

enum { LINKS = 3, HASH_SIZE = 32, URI_MAX = 128, PING_MS = 20, REPORT_MS = 100 };

/* What a report is about. */
enum {
    REPORT_LISTENING = 1, /* receiver: id and uri are set */
    REPORT_PROGRESS = 2,
    REPORT_DONE = 3,  /* the file is through: hash and the pings are final */
    REPORT_FAILED = 4 /* text says why */
};

/* One link, as one side sees it. */
struct link_report {
    uint32_t number; /* the same on both sides */
    uint32_t state;  /* PLAIT_LINK_*; 0: there is none */
    char name[24];   /* "udp 127.0.0.1"; sender only */
    uint64_t rtt_us;
    uint64_t bytes_sent, data_sent, packets_sent, packets_lost;
    uint64_t bytes_received, data_received;
};

/* Written whole into a pipe: at most PIPE_BUF bytes, so it never gets mixed up with another. */
struct report {
    uint32_t kind, link_count;
    uint64_t bytes;            /* sender: read from the file; receiver: received */
    uint64_t longest_stall_us; /* receiver: the longest time without new bytes */
    uint64_t pings_sent, pings_answered, ping_p50_us, ping_p99_us, ping_max_us, ping_last_us;
    uint8_t hash[HASH_SIZE]; /* BLAKE2b of bytes, with REPORT_DONE */
    struct link_report link[LINKS];
    char id[PLAIT_ID_TEXT_SIZE];
    char uri[2][URI_MAX]; /* receiver: where its UDP endpoints are */
    char text[256];
};

/* What the launcher tells a process on its command line. */
struct job_args {
    int report_fd;
    int file_fd;          /* sender: to read from; receiver: to write to, or -1 */
    uint64_t file_size;   /* sender */
    uint64_t hold_us;     /* sender: the file is spread over this time, if it would be faster */
    const char *id;       /* sender: the receiver's */
    const char *udp[2];   /* sender: to dial; receiver: to open */
    const char *local[2]; /* sender: to open */
    const char *serial;   /* the line's device */
};

int run_sender(const struct job_args *args);
int run_receiver(const struct job_args *args);

/* peer.c: what both have in common. */

/** A node with a new identity, which sleeps for two minutes if all its links are gone. */
plait_node *peer_node(void);
void peer_free(void);
/** Opens an endpoint; a failure ends the program. */
plait_endpoint peer_endpoint(plait_node *node, const char *uri);
/** Ends the program with a message if status is not PLAIT_OK. */
void peer_check(plait_status status, const char *what);
/** Ends the program with a message. */
_Noreturn void peer_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
/** Fills in how the links are, and writes the report to the launcher. */
void peer_report(plait_node *node, plait_connection connection, struct report *report);
/** Where failures are told; set once at the start. */
void peer_report_to(int fd);

/* script.c: what happens to the cables, by the progress of the transfer. */

enum { STEP_WAIT, STEP_ONE_CUT, STEP_BOTH_CUT, STEP_RESTORED };

struct script {
    int step, orders; /* orders: to the cables */
    double hold;      /* seconds over which the file is spread at least */
    double last_step; /* seconds */
};

/** Does what is due. done: 0 to 1. Returns a line to show, or NULL. */
const char *script_step(struct script *script, double now, double done);
/** Over how many seconds a file of this size has to be spread, so that the script fits in.
 *  rates: bytes a second of the UDP cables; 0: it is long enough by itself. */
double script_hold(uint64_t file_size, const uint64_t rates[2]);

/* display.c: what a person sees. */

struct display {
    int is_terminal;
    int lines;         /* of the live picture, to be painted over */
    double last;       /* seconds */
    struct report was; /* receiver's last, for rates */
};

void display_progress(struct display *display, double now, uint64_t file_size,
                      const struct report *sender, const struct report *receiver);
void display_line(struct display *display, double now, const char *text);
void display_table(uint64_t file_size, double seconds, const struct report *sender,
                   const struct report *receiver);

#endif
