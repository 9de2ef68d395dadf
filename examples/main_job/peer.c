/* SPDX-License-Identifier: Apache-2.0 */
/* What the sender and the receiver have in common. */
#include "job.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DORMANCY_S = 120 };

static int report_fd = -1;
static plait_identity *identity;
static plait_node *the_node;

void peer_report_to(int fd) {
    report_fd = fd;
}

/* A launcher that is gone takes its children with it, so nobody cares for a failed write. */
static void write_report(const struct report *report) {
    if (report_fd >= 0)
        (void)!write(report_fd, report, sizeof *report);
}

void peer_fail(const char *format, ...) {
    struct report report = {.kind = REPORT_FAILED};
    va_list args;
    va_start(args, format);
    vsnprintf(report.text, sizeof report.text, format, args);
    va_end(args);
    write_report(&report);
    exit(1);
}

void peer_check(plait_status status, const char *what) {
    if (status != PLAIT_OK)
        peer_fail("%s: %s: %s", what, plait_status_name(status), plait_error_detail());
}

plait_node *peer_node(void) {
    plait_node_config config = PLAIT_NODE_CONFIG_INIT;
    config.dormancy_timeout_us = DORMANCY_S * UINT64_C(1000000);
    config.idle_timeout_us = DORMANCY_S * UINT64_C(1000000);
    peer_check(plait_identity_new(&identity), "a new identity");
    peer_check(plait_node_new(identity, &config, &the_node), "a new node");
    return the_node;
}

void peer_free(void) {
    plait_node_free(the_node);
    plait_identity_free(identity);
}

plait_endpoint peer_endpoint(plait_node *node, const char *uri) {
    plait_endpoint endpoint;
    peer_check(plait_endpoint_open(node, uri, NULL, &endpoint), uri);
    return endpoint;
}

/* "udp://[::1]:51234" becomes "udp ::1", "serial:///dev/pts/3?baud=3000000" becomes "serial". */
static void name_link(plait_node *node, plait_link link, char *name, size_t cap) {
    char uri[PLAIT_ADDR_TEXT_MAX + 40], host[64];
    if (plait_link_address(node, link, uri, sizeof uri, NULL) != PLAIT_OK)
        snprintf(name, cap, "?");
    else if (sscanf(uri, "udp://[%63[^]]]", host) == 1 || sscanf(uri, "udp://%63[^:]", host) == 1)
        snprintf(name, cap, "udp %.*s", (int)cap - 5, host);
    else
        snprintf(name, cap, "%.*s", (int)strcspn(uri, ":"), uri);
}

static void fill_link(plait_node *node, plait_link link, struct link_report *out) {
    plait_link_stats s = {.struct_size = sizeof s};
    if (plait_link_get_stats(node, link, &s) != PLAIT_OK)
        return;
    *out = (struct link_report){.number = s.number, .state = s.state, .rtt_us = s.rtt_us,
                                .bytes_sent = s.bytes_sent, .data_sent = s.data_sent,
                                .packets_sent = s.packets_sent, .packets_lost = s.packets_lost,
                                .bytes_received = s.bytes_received,
                                .data_received = s.data_received};
    name_link(node, link, out->name, sizeof out->name);
}

void peer_report(plait_node *node, plait_connection connection, struct report *report) {
    plait_link links[LINKS];
    size_t count = 0;
    if (connection != PLAIT_NONE &&
        plait_connection_links(node, connection, links, LINKS, &count) == PLAIT_OK && count > 0) {
        report->link_count = count < LINKS ? (uint32_t)count : LINKS;
        for (uint32_t i = 0; i < report->link_count; i++)
            fill_link(node, links[i], &report->link[i]);
    }
    write_report(report);
}
