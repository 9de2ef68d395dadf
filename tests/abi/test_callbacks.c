/* SPDX-License-Identifier: Apache-2.0 */
/* Every public function from inside a callback: what is tagged [callback-ok] does its work there,
 * what is tagged [not-in-callback] says so. check_callbacks.py sees to it that none is missing. */
#include "abi.h"

#include <plait/transport.h>

#include <event2/event.h>

typedef struct callee {
    const char *wrong; /* the first call with another status than expected: no cmocka here */
    plait_status status;
    int released;
    int done;
} callee;

#define EXPECT(call, expected)                                                                     \
    do {                                                                                           \
        const plait_status status_ = (call);                                                       \
        if (status_ != (expected) && v->wrong == NULL) {                                           \
            v->wrong = #call;                                                                      \
            v->status = status_;                                                                   \
        }                                                                                          \
    } while (0)

static void count_release(void *user, const void *data, size_t len) {
    (void)data;
    (void)len;
    __atomic_add_fetch(&((callee *)user)->released, 1, __ATOMIC_RELEASE);
}

static void on_nothing(plait_node *node, const plait_event *event, void *user) {
    (void)node;
    (void)event;
    (void)user;
}

static void ask_and_set(plait_node *node, plait_connection c, plait_channel ch, callee *v) {
    plait_channel_config config = PLAIT_CHANNEL_STREAM;
    plait_channel_answer answer;
    plait_channel_stats stats = {.struct_size = sizeof stats};
    plait_read_info info = {.struct_size = sizeof info};
    plait_channel_report report;
    plait_link_policy policy;
    char text[16];
    size_t n;
    EXPECT(plait_channel_config_init(&config, sizeof config, PLAIT_PRESET_STREAM), PLAIT_OK);
    EXPECT(plait_channel_get_config(node, ch, &config), PLAIT_OK);
    EXPECT(plait_channel_get_stats(node, ch, &stats), PLAIT_OK);
    EXPECT(plait_channel_label(node, ch, text, sizeof text, &n), PLAIT_OK);
    EXPECT(plait_channel_set_token(node, ch, 5), PLAIT_OK);
    EXPECT(plait_channel_take_reports(node, ch, &report, 1, &n), PLAIT_OK);
    EXPECT(plait_channel_set_low_water(node, ch, 10), PLAIT_OK);
    EXPECT(plait_channel_ack_now(node, ch), PLAIT_OK);
    EXPECT(plait_channel_read_info(node, ch, NULL, 0, NULL, &info), PLAIT_OK);
    EXPECT(plait_link_policy_init(&policy, sizeof policy), PLAIT_OK);
    EXPECT(plait_channel_set_policy(node, ch, &policy), PLAIT_OK);
    EXPECT(plait_connection_set_policy(node, c, &policy), PLAIT_OK);
    EXPECT(plait_channel_answer_init(&answer, sizeof answer), PLAIT_OK);
    EXPECT(plait_node_answer_channels(node, "nobody's", &answer), PLAIT_OK);
    EXPECT(plait_channel_accept(node, ch, NULL), PLAIT_E_STATE); /* it is already */
    EXPECT(plait_channel_refuse(node, ch, 1), PLAIT_E_STATE);
}

/* "ab" can be read, "abcd" is sent. */
static void read_and_send(plait_node *node, plait_connection c, plait_channel ch, callee *v) {
    const plait_slice piece = {"b", 1};
    plait_slice slice;
    plait_channel other;
    char text[16];
    void *space;
    size_t n;
    EXPECT(plait_channel_peek(node, ch, &slice, 1, &n), PLAIT_OK);
    EXPECT(plait_channel_consume(node, ch, 1), PLAIT_OK);
    EXPECT(plait_channel_read(node, ch, text, 1, &n), PLAIT_OK);
    EXPECT(plait_channel_send(node, ch, "a", 1, &n), PLAIT_OK);
    EXPECT(plait_channel_send_gather(node, ch, &piece, 1, &n), PLAIT_OK);
    EXPECT(plait_channel_reserve(node, ch, 1, &space, &n), PLAIT_OK);
    *(char *)space = 'c';
    EXPECT(plait_channel_commit(node, ch, 1), PLAIT_OK);
    EXPECT(plait_channel_send_owned(node, ch, "d", 1, count_release, v), PLAIT_OK);
    EXPECT(plait_channel_open(node, c, "other", NULL, &other), PLAIT_OK);
    EXPECT(plait_channel_reset(node, other, 1), PLAIT_OK);
    EXPECT(plait_channel_stop(node, other, 1), PLAIT_OK);
    EXPECT(plait_channel_close(node, other), PLAIT_OK);
    EXPECT(plait_channel_finish(node, ch), PLAIT_OK);
    EXPECT(plait_channel_close_linger(node, ch, 5000000, 0), PLAIT_OK);
}

static void wait_for_it(plait_node *node, plait_connection c, plait_channel ch, callee *v) {
    plait_channel other;
    plait_connection another;
    plait_event event;
    char text[16];
    size_t n;
    EXPECT(plait_channel_write_all(node, ch, "x", 1, 1000), PLAIT_E_IN_CALLBACK);
    EXPECT(plait_channel_read_wait(node, ch, text, 1, &n, 1000), PLAIT_E_IN_CALLBACK);
    EXPECT(plait_channel_finish_wait(node, ch, 1000), PLAIT_E_IN_CALLBACK);
    EXPECT(plait_channel_close_wait(node, ch, 1000, NULL), PLAIT_E_IN_CALLBACK);
    EXPECT(plait_channel_accept_wait(node, c, NULL, 1000, &other), PLAIT_E_IN_CALLBACK);
    EXPECT(plait_accept_wait(node, 1000, &another), PLAIT_E_IN_CALLBACK);
    EXPECT(plait_connect_wait(node, NULL, "memory://x", NULL, 1000, &another), PLAIT_E_IN_CALLBACK);
    EXPECT(plait_node_wait(node, &event, 1, &n, 1000), PLAIT_E_IN_CALLBACK);
    EXPECT(plait_node_dispatch(node, &event, 1, &n), PLAIT_E_IN_CALLBACK);
    EXPECT(plait_node_start(node, on_nothing, NULL), PLAIT_E_IN_CALLBACK);
    EXPECT(plait_node_stop(node), PLAIT_E_IN_CALLBACK);
    struct event_base *base = event_base_new();
    EXPECT(plait_node_attach(node, base), PLAIT_E_IN_CALLBACK);
    event_base_free(base);
    plait_node_free(node); /* does nothing */
}

static void connections_and_links(plait_node *node, plait_connection c, callee *v) {
    plait_connect_config config;
    plait_connection_stats stats = {.struct_size = sizeof stats};
    plait_link_stats link_stats = {.struct_size = sizeof link_stats};
    plait_link_change change = {.struct_size = sizeof change};
    plait_connection other;
    plait_link link, more;
    plait_id id;
    uint8_t key[32];
    char text[256];
    size_t n;
    EXPECT(plait_connect_config_init(&config, sizeof config), PLAIT_OK);
    config.accept_any_id = 1;
    EXPECT(plait_connect(node, NULL, "memory://nobody", &config, &other), PLAIT_OK);
    EXPECT(plait_connection_close(node, other, 0, NULL), PLAIT_OK);
    EXPECT(plait_connection_accept(node, c), PLAIT_E_STATE); /* it is already */
    EXPECT(plait_connection_refuse(node, c, 1), PLAIT_E_STATE);
    EXPECT(plait_connection_peer(node, c, &id), PLAIT_OK);
    EXPECT(plait_connection_reason(node, c, text, sizeof text, &n), PLAIT_OK);
    EXPECT(plait_connection_set_token(node, c, 7), PLAIT_OK);
    EXPECT(plait_connection_export_key(node, c, 0, "label", key, sizeof key), PLAIT_OK);
    EXPECT(plait_connection_get_stats(node, c, &stats), PLAIT_OK);
    EXPECT(plait_connection_links(node, c, &link, 1, &n), PLAIT_OK);
    EXPECT(plait_connection_announce(node, c, NULL, 0), PLAIT_OK);
    EXPECT(plait_connection_peer_endpoint(node, c, 0, text, sizeof text, &n), PLAIT_E_INVALID);
    EXPECT(plait_link_address(node, link, text, sizeof text, &n), PLAIT_OK);
    EXPECT(plait_link_reason(node, link, text, sizeof text, &n), PLAIT_OK);
    EXPECT(plait_link_get_stats(node, link, &link_stats), PLAIT_OK);
    EXPECT(plait_link_set_congestion(node, link, PLAIT_CONGESTION_CUBIC), PLAIT_OK);
    while (plait_link_take_change(node, link, &change) == PLAIT_OK) {
    }
    EXPECT(plait_link_take_change(node, link, &change), PLAIT_E_AGAIN);
    EXPECT(plait_connection_add_link(node, c, link_stats.endpoint, "memory://elsewhere", &more),
           PLAIT_OK);
    EXPECT(plait_link_close(node, more, 0), PLAIT_OK);
}

static void endpoints(plait_node *node, callee *v) {
    plait_endpoint_config config;
    plait_app_endpoint_config app_config;
    plait_endpoint_info info = {.struct_size = sizeof info};
    plait_endpoint endpoint;
    plait_addr addr = {.len = 1};
    char text[256];
    size_t n;
    EXPECT(plait_endpoint_config_init(&config, sizeof config), PLAIT_OK);
    EXPECT(plait_endpoint_open(node, "memory://in-a-callback", &config, &endpoint), PLAIT_OK);
    EXPECT(plait_endpoint_uri(node, endpoint, text, sizeof text, &n), PLAIT_OK);
    EXPECT(plait_endpoint_get_info(node, endpoint, &info), PLAIT_OK);
    EXPECT(plait_endpoint_close(node, endpoint), PLAIT_OK);
    EXPECT(plait_app_endpoint_config_init(&app_config, sizeof app_config), PLAIT_OK);
    EXPECT(plait_endpoint_open_app(node, "app://radio", &app_config, &endpoint), PLAIT_OK);
    EXPECT(plait_endpoint_push(node, endpoint, &addr, "junk", 4), PLAIT_OK);
    EXPECT(plait_endpoint_take(node, endpoint, &addr, text, sizeof text, &n), PLAIT_E_AGAIN);
    EXPECT(plait_endpoint_set_state(node, endpoint, PLAIT_ENDPOINT_DOWN), PLAIT_OK);
    EXPECT(plait_endpoint_close(node, endpoint), PLAIT_OK);
}

static const uint8_t seed[32] = {1, 2, 3};

static void identities_and_nodes(callee *v) {
    static const char *const nowhere = "/nowhere/at/all";
    plait_identity *identity = NULL, *other = NULL;
    plait_node *another = NULL;
    plait_node_config config;
    plait_id id;
    char text[PLAIT_ID_TEXT_SIZE];
    EXPECT(plait_identity_new(&identity), PLAIT_OK);
    EXPECT(plait_identity_from_seed(seed, &other), PLAIT_OK);
    EXPECT(plait_identity_id(other, &id), PLAIT_OK);
    EXPECT(plait_id_format(&id, text, sizeof text), PLAIT_OK);
    EXPECT(plait_id_parse(text, &id), PLAIT_OK);
    plait_identity_free(other);
    EXPECT(plait_identity_load(nowhere, NULL, &other), PLAIT_E_FILE);
    EXPECT(plait_identity_save(identity, nowhere, NULL), PLAIT_E_FILE);
    EXPECT(plait_identity_load_or_new(nowhere, NULL, &other), PLAIT_E_FILE);
    EXPECT(plait_node_config_init(&config, sizeof config), PLAIT_OK);
    EXPECT(plait_node_new(identity, &config, &another), PLAIT_OK);
    plait_node_free(another); /* another one goes */
    plait_identity_free(identity);
}

static void the_node(plait_node *node, callee *v) {
    plait_listen_config config;
    plait_node_stats stats = {.struct_size = sizeof stats};
    plait_identity *other = NULL;
    plait_id id, nobody;
    EXPECT(plait_identity_from_seed(seed, &other), PLAIT_OK);
    EXPECT(plait_identity_id(other, &nobody), PLAIT_OK);
    plait_identity_free(other);
    EXPECT(plait_node_id(node, &id), PLAIT_OK);
    EXPECT(plait_node_get_stats(node, &stats), PLAIT_OK);
    EXPECT(plait_listen_config_init(&config, sizeof config), PLAIT_OK);
    EXPECT(plait_node_listen(node, &config), PLAIT_OK);
    EXPECT(plait_node_ban(node, &nobody, 1), PLAIT_OK);
    EXPECT(plait_node_ban_address(node, "memory://nobody", 1), PLAIT_OK);
    EXPECT(plait_node_fd(node), PLAIT_E_STATE); /* of mode 2 */
    EXPECT(plait_node_wake(node), PLAIT_OK);
    EXPECT(plait_node_set_log(node, 0, NULL, NULL), PLAIT_OK);
    EXPECT(plait_node_set_trace(node, 0, NULL, NULL), PLAIT_OK);
    EXPECT(plait_node_load_transport(node, "/nowhere/at/all.so"), PLAIT_E_PLUGIN);
    EXPECT(plait_node_register_transport(node, NULL), PLAIT_E_NULL);
    EXPECT(plait_node_suspend(node), PLAIT_OK);
    EXPECT(plait_node_resume(node), PLAIT_OK);
    EXPECT(plait_node_network_changed(node), PLAIT_OK);
    EXPECT(plait_node_now_us(node) > 0, true);
    EXPECT(strlen(plait_status_name(PLAIT_OK)) > 0, true);
    EXPECT(strlen(plait_status_text(PLAIT_OK)) > 0, true);
    EXPECT(plait_error_detail() != NULL, true);
    EXPECT(plait_version_text() != NULL, true);
    EXPECT(plait_version() > 0, true);
    EXPECT(plait_abi() == PLAIT_ABI, true);
}

static void on_event(plait_node *node, const plait_event *e, void *user) {
    callee *v = user;
    if (e->type == PLAIT_EVENT_CHANNEL_REQUEST) {
        EXPECT(plait_channel_accept(node, e->channel, NULL), PLAIT_OK);
    } else if (e->type == PLAIT_EVENT_READABLE && v->done == 0) {
        ask_and_set(node, e->connection, e->channel, v);
        wait_for_it(node, e->connection, e->channel, v);
        connections_and_links(node, e->connection, v);
        endpoints(node, v);
        identities_and_nodes(v);
        the_node(node, v);
        read_and_send(node, e->connection, e->channel, v);
        __atomic_store_n(&v->done, 1, __ATOMIC_RELEASE);
    }
}

static void test_calls_inside_a_callback_work_or_are_refused(void **state) {
    pair *p = *state;
    callee v = {0};
    plait_channel at_a;
    char in[4];
    size_t n;
    assert_ok(plait_node_start(p->z.node, on_event, &v));
    assert_ok(plait_channel_open(p->a.node, p->a.connection, "x", NULL, &at_a));
    assert_ok(plait_channel_send(p->a.node, at_a, "ab", 2, &n));
    for (size_t got = 0; got < 4; got += n) {
        assert_ok(plait_channel_read_wait(p->a.node, at_a, in + got, 4 - got, &n, 10000));
    }
    assert_memory_equal(in, "abcd", 4);
    assert_ok(plait_channel_close_wait(p->a.node, at_a, 10000, NULL));
    while (__atomic_load_n(&v.released, __ATOMIC_ACQUIRE) == 0) {
        plait_event event;
        assert_ok(plait_node_wait(p->a.node, &event, 1, &n, 1));
    }
    assert_ok(plait_node_stop(p->z.node));
    if (v.wrong != NULL) {
        fail_msg("%s: %s", v.wrong, plait_status_name(v.status));
    }
    assert_int_equal(v.done, 1);
    assert_int_equal(v.released, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_calls_inside_a_callback_work_or_are_refused,
                                        pair_set_up_connected, pair_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
