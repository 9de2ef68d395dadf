/* SPDX-License-Identifier: Apache-2.0 */
/* What a person sees: a live picture on a terminal, else a line a second, and the table. */
#include "job.h"

#include <stdio.h>
#include <string.h>

enum { BAR = 40 };

static const double kMiB = 1024 * 1024;

static const char *state_text(uint32_t state) {
    static const char *const kTexts[] = {"none", "joining", "good", "suspect", "dead", "closed"};
    return kTexts[state <= PLAIT_LINK_CLOSED ? state : 0];
}

/* The other side's view of the same link. */
static const struct link_report *same_link(const struct report *report, uint32_t number) {
    static const struct link_report kNone;
    for (uint32_t i = 0; i < report->link_count; i++)
        if (report->link[i].number == number)
            return &report->link[i];
    return &kNone;
}

static double share_of(const struct report *receiver, const struct link_report *link) {
    uint64_t all = 0;
    for (uint32_t i = 0; i < receiver->link_count; i++)
        all += receiver->link[i].data_received;
    return all > 0 ? 100.0 * (double)link->data_received / (double)all : 0;
}

static double megabytes_a_second(uint64_t now, uint64_t before, double seconds) {
    return seconds > 0 && now > before ? (double)(now - before) / seconds / 1e6 : 0;
}

static void paint_bar(double done) {
    int full = (int)(done * BAR);
    putchar('[');
    for (int i = 0; i < BAR; i++)
        putchar(i < full ? '#' : '.');
    putchar(']');
}

static void paint(struct display *d, double seconds, uint64_t file_size,
                  const struct report *sender, const struct report *receiver) {
    double done = (double)receiver->bytes / (double)file_size;
    if (d->lines > 0)
        printf("\033[%dA", d->lines);
    printf("\033[2K");
    paint_bar(done);
    printf(" %3.0f %%  %6.1f MB/s  ping %.1f ms\n", 100 * done,
           megabytes_a_second(receiver->bytes, d->was.bytes, seconds),
           (double)sender->ping_last_us / 1e3);
    for (uint32_t i = 0; i < sender->link_count; i++) {
        const struct link_report *link = &sender->link[i];
        const struct link_report *there = same_link(receiver, link->number);
        uint64_t before = same_link(&d->was, link->number)->bytes_received;
        printf("\033[2K  %-16s %-8s %6.1f MB/s  RTT %7.1f ms  share %5.1f %%\n", link->name,
               state_text(link->state),
               megabytes_a_second(there->bytes_received, before, seconds),
               (double)link->rtt_us / 1e3, share_of(receiver, there));
    }
    d->lines = 1 + (int)sender->link_count;
}

static void print_plain(const struct display *d, double now, double seconds, uint64_t file_size,
                        const struct report *sender, const struct report *receiver) {
    double done = (double)receiver->bytes / (double)file_size;
    printf("%5.1f s  %3.0f %%  %5.1f MB/s ", now, 100 * done,
           megabytes_a_second(receiver->bytes, d->was.bytes, seconds));
    for (uint32_t i = 0; i < sender->link_count; i++) {
        const struct link_report *link = &sender->link[i];
        const struct link_report *there = same_link(receiver, link->number);
        uint64_t before = same_link(&d->was, link->number)->bytes_received;
        printf(" | %s %s %.1f MB/s", link->name, state_text(link->state),
               megabytes_a_second(there->bytes_received, before, seconds));
    }
    printf(" | ping %.1f ms\n", (double)sender->ping_last_us / 1e3);
}

void display_progress(struct display *display, double now, uint64_t file_size,
                      const struct report *sender, const struct report *receiver) {
    double seconds = now - display->last;
    if (seconds < (display->is_terminal ? 0.25 : 1.0))
        return;
    if (display->is_terminal)
        paint(display, seconds, file_size, sender, receiver);
    else
        print_plain(display, now, seconds, file_size, sender, receiver);
    fflush(stdout);
    display->last = now;
    display->was = *receiver;
}

void display_line(struct display *display, double now, const char *text) {
    if (display->is_terminal && display->lines > 0)
        printf("\033[%dA\033[J", display->lines); /* the picture is painted again below */
    display->lines = 0;
    printf("%5.1f s  %s\n", now, text);
    fflush(stdout);
}

static void print_hash(const char *who, const uint8_t hash[HASH_SIZE]) {
    printf("BLAKE2b %-9s", who);
    for (int i = 0; i < HASH_SIZE; i++)
        printf("%02x", hash[i]);
    putchar('\n');
}

void display_table(uint64_t file_size, double seconds, const struct report *sender,
                   const struct report *receiver) {
    printf("\n%-16s %12s %12s %8s %9s %7s %9s\n", "link", "MiB sent", "MiB arrived", "share",
           "packets", "lost", "RTT");
    for (uint32_t i = 0; i < sender->link_count; i++) {
        const struct link_report *link = &sender->link[i];
        const struct link_report *there = same_link(receiver, link->number);
        printf("%-16s %12.2f %12.2f %6.1f %% %9llu %7llu %6.1f ms\n", link->name,
               (double)link->bytes_sent / kMiB, (double)there->bytes_received / kMiB,
               share_of(receiver, there), (unsigned long long)link->packets_sent,
               (unsigned long long)link->packets_lost, (double)link->rtt_us / 1e3);
    }
    printf("\n%.1f MiB in %.1f s, %.1f MB/s; longest stall %.0f ms\n", (double)file_size / kMiB,
           seconds, (double)file_size / seconds / 1e6, (double)receiver->longest_stall_us / 1e3);
    printf("%llu pings, %llu answered: p50 %.1f ms, p99 %.1f ms, max %.1f ms\n",
           (unsigned long long)sender->pings_sent, (unsigned long long)sender->pings_answered,
           (double)sender->ping_p50_us / 1e3, (double)sender->ping_p99_us / 1e3,
           (double)sender->ping_max_us / 1e3);
    print_hash("sent", sender->hash);
    print_hash("received", receiver->hash);
}
