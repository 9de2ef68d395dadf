/* SPDX-License-Identifier: Apache-2.0 */
#include "abi.h"

static const uint64_t kPatienceUs = 10 * 1000000;

plait_node_config test_config(void) {
    plait_node_config config = PLAIT_NODE_CONFIG_INIT;
    config.transport_path = TRANSPORT_DIRS;
    return config;
}

void side_open(side *s, const char *uri) {
    static int count;
    char own[64];
    plait_id id;
    const plait_node_config config = test_config();
    memset(s, 0, sizeof *s);
    assert_ok(plait_identity_new(&s->identity));
    assert_ok(plait_node_new(s->identity, &config, &s->node));
    if (uri == NULL) {
        snprintf(own, sizeof own, "memory://abi-%d", count++);
        uri = own;
    }
    assert_ok(plait_endpoint_open(s->node, uri, NULL, &s->endpoint));
    assert_ok(plait_endpoint_uri(s->node, s->endpoint, s->uri, sizeof s->uri, NULL));
    assert_ok(plait_node_id(s->node, &id));
    assert_ok(plait_id_format(&id, s->id, sizeof s->id));
}

void side_close(side *s) {
    plait_node_free(s->node);
    plait_identity_free(s->identity);
    s->node = NULL;
    s->identity = NULL;
}

int pair_set_up(void **state) {
    pair *p = calloc(1, sizeof *p);
    side_open(&p->a, NULL);
    side_open(&p->z, NULL);
    assert_ok(plait_node_listen(p->z.node, NULL));
    *state = p;
    return 0;
}

int pair_set_up_connected(void **state) {
    pair_set_up(state);
    pair *p = *state;
    assert_ok(plait_connect(p->a.node, p->z.id, p->z.uri, NULL, &p->a.connection));
    assert_int_equal(pair_expect(p, &p->a, PLAIT_EVENT_CONNECTED).connection, p->a.connection);
    p->z.connection = pair_expect(p, &p->z, PLAIT_EVENT_CONNECTED).connection;
    return 0;
}

int pair_tear_down(void **state) {
    pair *p = *state;
    side_close(&p->a);
    side_close(&p->z);
    free(p);
    return 0;
}

static size_t side_pump(side *s, int timeout_ms) {
    size_t got = 0;
    if (s->node == NULL) {
        return 0;
    }
    assert_true(s->waiting < INBOX);
    assert_ok(
        plait_node_wait(s->node, s->inbox + s->waiting, INBOX - s->waiting, &got, timeout_ms));
    s->waiting += got;
    return got;
}

void pair_pump(pair *p) {
    if (side_pump(&p->a, 0) + side_pump(&p->z, 0) == 0) {
        side_pump(&p->a, 1);
        side_pump(&p->z, 0);
    }
}

bool side_has(side *s, uint32_t type) {
    for (size_t i = 0; i < s->waiting; i++) {
        if (s->inbox[i].type == type) {
            return true;
        }
    }
    return false;
}

plait_event pair_expect(pair *p, side *s, uint32_t type) {
    const uint64_t begin = plait_node_now_us(s->node);
    while (!side_has(s, type)) {
        if (plait_node_now_us(s->node) - begin > kPatienceUs) {
            fail_msg("no event of type %u at %s", type, s == &p->a ? "a" : "z");
        }
        pair_pump(p);
    }
    for (size_t i = 0;; i++) {
        if (s->inbox[i].type == type) {
            const plait_event event = s->inbox[i];
            s->waiting--;
            memmove(s->inbox + i, s->inbox + i + 1, (s->waiting - i) * sizeof *s->inbox);
            return event;
        }
    }
}

void pair_settle(pair *p) {
    for (int quiet = 0; quiet < 20;) {
        const size_t before = p->a.waiting + p->z.waiting;
        pair_pump(p);
        quiet = p->a.waiting + p->z.waiting == before ? quiet + 1 : 0;
    }
}

void pair_channel(pair *p, const plait_channel_config *config, plait_channel *at_a,
                  plait_channel *at_z) {
    assert_ok(plait_channel_open(p->a.node, p->a.connection, "test", config, at_a));
    *at_z = pair_expect(p, &p->z, PLAIT_EVENT_CHANNEL_REQUEST).channel;
    assert_ok(plait_channel_accept(p->z.node, *at_z, NULL));
    assert_int_equal(pair_expect(p, &p->a, PLAIT_EVENT_CHANNEL_ACCEPTED).channel, *at_a);
}

void pair_read(pair *p, side *s, plait_channel channel, void *to, size_t len) {
    char *at = to;
    while (len > 0) {
        size_t got = 0;
        const plait_status status = plait_channel_read(s->node, channel, at, len, &got);
        if (status == PLAIT_E_AGAIN) {
            pair_expect(p, s, PLAIT_EVENT_READABLE);
            continue;
        }
        assert_ok(status);
        at += got;
        len -= got;
    }
}

void side_open_crew(side *s, plait_identity *identity, const char *uri) {
    plait_node_config config = test_config();
    plait_id id;
    memset(s, 0, sizeof *s);
    config.workers = WORKERS;
    s->identity = identity;
    if (identity == NULL) {
        assert_ok(plait_identity_new(&s->identity));
    }
    assert_ok(plait_node_new(s->identity, &config, &s->node));
    assert_ok(plait_endpoint_open(s->node, uri, NULL, &s->endpoint));
    assert_ok(plait_endpoint_uri(s->node, s->endpoint, s->uri, sizeof s->uri, NULL));
    assert_ok(plait_node_id(s->node, &id));
    assert_ok(plait_id_format(&id, s->id, sizeof s->id));
    assert_ok(plait_node_listen(s->node, NULL));
    assert_ok(plait_node_start(s->node, NULL, NULL));
}

int worker_of(uint64_t handle) {
    enum { SHIFT = 54, MASK = 63 };
    return (int)(handle >> SHIFT & MASK);
}

uint32_t side_connections(plait_node *node) {
    plait_node_stats stats = {.struct_size = sizeof stats};
    assert_ok(plait_node_get_stats(node, &stats));
    return stats.connections - stats.handshakes;
}

void pair_expect_connections(pair *p, side *s, uint32_t count) {
    const uint64_t begin = plait_node_now_us(s->node);
    while (side_connections(s->node) != count) {
        if (plait_node_now_us(s->node) - begin > kPatienceUs) {
            fail_msg("%u connections, not %u", side_connections(s->node), count);
        }
        pair_pump(p);
        while (side_has(s, PLAIT_EVENT_CLOSED)) {
            plait_connection_close(s->node, pair_expect(p, s, PLAIT_EVENT_CLOSED).connection, 0,
                                   NULL);
        }
    }
}

void pair_connect_new(pair *p, const char *uri) {
    side_open(&p->a, uri);
    assert_ok(plait_connect(p->a.node, p->z.id, p->z.uri, NULL, &p->a.connection));
    pair_expect(p, &p->a, PLAIT_EVENT_CONNECTED);
    p->z.connection = pair_expect(p, &p->z, PLAIT_EVENT_CONNECTED).connection;
}

void pair_hello(pair *p) {
    plait_channel at_a, at_z;
    char text[6] = "";
    size_t taken;
    pair_channel(p, NULL, &at_a, &at_z);
    assert_int_equal(worker_of(at_z), worker_of(p->z.connection));
    assert_ok(plait_channel_send(p->a.node, at_a, "hello", 5, &taken));
    pair_read(p, &p->z, at_z, text, 5);
    assert_string_equal(text, "hello");
}
