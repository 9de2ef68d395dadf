/* SPDX-License-Identifier: Apache-2.0 */
/* startup LIBRARY: microseconds from loading the library until a node has an endpoint, as JSON. */
#define _POSIX_C_SOURCE 200809L
#include <dlfcn.h>
#include <plait/plait.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

/* A function of the library; ISO C knows no conversion of the pointer. */
static void find(void *library, const char *name, void *function) {
    void *found = dlsym(library, name);
    if (found == NULL) {
        fprintf(stderr, "startup: %s\n", dlerror());
        exit(1);
    }
    memcpy(function, &found, sizeof found);
}

int main(int argc, char **argv) {
    plait_status (*identity_new)(plait_identity **);
    plait_status (*node_new)(const plait_identity *, const plait_node_config *, plait_node **);
    plait_status (*open)(plait_node *, const char *, const plait_endpoint_config *,
                         plait_endpoint *);
    plait_identity *identity;
    plait_node *node;
    plait_endpoint endpoint;
    double start = now_us(), loaded;
    void *library = dlopen(argc == 2 ? argv[1] : "libplait.so.0", RTLD_NOW);
    if (library == NULL) {
        fprintf(stderr, "startup: %s\n", dlerror());
        return 1;
    }
    loaded = now_us();
    find(library, "plait_identity_new", &identity_new);
    find(library, "plait_node_new", &node_new);
    find(library, "plait_endpoint_open", &open);
    if (identity_new(&identity) != PLAIT_OK || node_new(identity, NULL, &node) != PLAIT_OK ||
        open(node, "udp://127.0.0.1:0", NULL, &endpoint) != PLAIT_OK) {
        fputs("startup: no node\n", stderr);
        return 1;
    }
    printf("{\"bench\": \"startup\", \"load_us\": %.0f, \"node_us\": %.0f}\n", loaded - start,
           now_us() - loaded);
    return 0;
}
