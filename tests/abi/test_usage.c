/* SPDX-License-Identifier: Apache-2.0 */
/* Wrong use: NULL, wrong sizes, values out of range. Nothing of it may crash. */
#include "abi.h"

static void test_versions_agree(void **state) {
    (void)state;
    assert_int_equal(plait_version(),
                     PLAIT_VERSION_MAJOR << 16 | PLAIT_VERSION_MINOR << 8 | PLAIT_VERSION_PATCH);
    char text[32];
    snprintf(text, sizeof text, "%d.%d.%d", PLAIT_VERSION_MAJOR, PLAIT_VERSION_MINOR,
             PLAIT_VERSION_PATCH);
    assert_string_equal(plait_version_text(), text);
    assert_int_equal(plait_abi(), PLAIT_ABI);
}

static void test_statuses_have_names_and_texts(void **state) {
    (void)state;
    assert_string_equal(plait_status_name(PLAIT_OK), "PLAIT_OK");
    assert_string_equal(plait_status_name(PLAIT_E_AGAIN), "PLAIT_E_AGAIN");
    assert_non_null(plait_status_name(-99999));
    assert_non_null(plait_status_text(12345));
    assert_true(strlen(plait_status_text(PLAIT_E_TIMEOUT)) > 0);
}

static void test_null_node_is_an_error_everywhere(void **state) {
    (void)state;
    plait_event event;
    size_t n;
    plait_id id;
    char text[64];
    void *space;
    plait_channel channel;
    const plait_slice slice = {"x", 1};
    plait_slice slices[1];
    assert_status(plait_node_id(NULL, &id), PLAIT_E_NULL);
    assert_int_equal(plait_node_now_us(NULL), 0);
    assert_status(plait_node_listen(NULL, NULL), PLAIT_E_NULL);
    assert_status(plait_node_wait(NULL, &event, 1, &n, 0), PLAIT_E_NULL);
    assert_int_equal(plait_node_fd(NULL), PLAIT_E_NULL);
    assert_status(plait_node_dispatch(NULL, &event, 1, &n), PLAIT_E_NULL);
    assert_status(plait_node_start(NULL, NULL, NULL), PLAIT_E_NULL);
    assert_status(plait_node_stop(NULL), PLAIT_E_NULL);
    assert_status(plait_node_wake(NULL), PLAIT_E_NULL);
    assert_status(plait_node_suspend(NULL), PLAIT_E_NULL);
    assert_status(plait_node_resume(NULL), PLAIT_E_NULL);
    assert_status(plait_node_network_changed(NULL), PLAIT_E_NULL);
    assert_status(plait_node_load_transport(NULL, "x"), PLAIT_E_NULL);
    assert_status(plait_node_set_log(NULL, 4, NULL, NULL), PLAIT_E_NULL);
    assert_status(plait_node_set_trace(NULL, 0, NULL, NULL), PLAIT_E_NULL);
    assert_status(plait_endpoint_open(NULL, "udp://[::]:0", NULL, &channel), PLAIT_E_NULL);
    assert_status(plait_endpoint_uri(NULL, 1, text, sizeof text, &n), PLAIT_E_NULL);
    assert_status(plait_connect(NULL, "x", "y", NULL, &channel), PLAIT_E_NULL);
    assert_status(plait_connection_close(NULL, 1, 0, NULL), PLAIT_E_NULL);
    assert_status(plait_channel_open(NULL, 1, "x", NULL, &channel), PLAIT_E_NULL);
    assert_status(plait_channel_send(NULL, 1, "x", 1, &n), PLAIT_E_NULL);
    assert_status(plait_channel_send_gather(NULL, 1, &slice, 1, &n), PLAIT_E_NULL);
    assert_status(plait_channel_reserve(NULL, 1, 1, &space, &n), PLAIT_E_NULL);
    assert_status(plait_channel_read(NULL, 1, text, 1, &n), PLAIT_E_NULL);
    assert_status(plait_channel_peek(NULL, 1, slices, 1, &n), PLAIT_E_NULL);
    assert_status(plait_connect_wait(NULL, "x", "y", NULL, 0, &channel), PLAIT_E_NULL);
    assert_status(plait_accept_wait(NULL, 0, &channel), PLAIT_E_NULL);
    assert_status(plait_channel_write_all(NULL, 1, "x", 1, 0), PLAIT_E_NULL);
    assert_detail_has("plait_channel_write_all");
    plait_node_free(NULL);
    plait_identity_free(NULL);
}

static void test_null_arguments_are_named(void **state) {
    pair *p = *state;
    plait_node *node = p->a.node;
    plait_node *made;
    size_t n;
    assert_status(plait_identity_new(NULL), PLAIT_E_NULL);
    assert_status(plait_node_new(NULL, NULL, &made), PLAIT_E_NULL);
    assert_detail_has("identity");
    assert_status(plait_node_new(p->a.identity, NULL, NULL), PLAIT_E_NULL);
    assert_status(plait_endpoint_open(node, NULL, NULL, &p->a.endpoint), PLAIT_E_NULL);
    assert_detail_has("uri");
    assert_status(plait_endpoint_open(node, "memory://x", NULL, NULL), PLAIT_E_NULL);
    assert_status(plait_node_load_transport(node, NULL), PLAIT_E_NULL);
    assert_status(plait_node_register_transport(node, NULL), PLAIT_E_NULL);
    assert_status(plait_node_wait(node, NULL, 1, &n, 0), PLAIT_E_NULL);
    assert_status(plait_node_attach(node, NULL), PLAIT_E_NULL);
    assert_status(plait_node_set_trace(node, 1, NULL, NULL), PLAIT_E_NULL);
    assert_status(plait_connect(node, p->z.id, NULL, NULL, &p->a.connection), PLAIT_E_NULL);
    assert_status(plait_connect(node, p->z.id, p->z.uri, NULL, NULL), PLAIT_E_NULL);
    plait_event event;
    assert_status(plait_node_wait(node, &event, 0, &n, 0), PLAIT_E_INVALID);
}

static void test_struct_sizes_are_checked(void **state) {
    pair *p = *state;
    plait_node *made = NULL;
    plait_node_config config = test_config();
    config.struct_size = 0;
    assert_status(plait_node_new(p->a.identity, &config, &made), PLAIT_E_STRUCT_SIZE);
    config.struct_size = sizeof config - 1;
    assert_status(plait_node_new(p->a.identity, &config, &made), PLAIT_E_STRUCT_SIZE);
    config.struct_size = 0x7fffffff;
    assert_status(plait_node_new(p->a.identity, &config, &made), PLAIT_E_STRUCT_SIZE);
    config = test_config();
    config.congestion = 3;
    assert_status(plait_node_new(p->a.identity, &config, &made), PLAIT_E_INVALID);
    assert_detail_has("congestion");
    config.congestion = PLAIT_CONGESTION_BBR;
    config.announce = PLAIT_ANNOUNCE_NOTHING + PLAIT_ANNOUNCE_OWN;
    assert_status(plait_node_new(p->a.identity, &config, &made), PLAIT_E_INVALID);
    assert_detail_has("announce");
    plait_node_stats stats = {0};
    assert_status(plait_node_get_stats(p->a.node, &stats), PLAIT_E_STRUCT_SIZE);
    plait_channel_config channel;
    assert_status(plait_channel_config_init(&channel, 8, PLAIT_PRESET_STREAM), PLAIT_E_STRUCT_SIZE);
    assert_status(plait_channel_config_init(&channel, sizeof channel, 99), PLAIT_E_INVALID);
}

/* A program built with newer headers: what this library does not know must be zero. */
static void test_larger_struct_is_taken_if_its_tail_is_zero(void **state) {
    pair *p = *state;
    struct {
        plait_listen_config known;
        uint64_t later;
    } config;
    memset(&config, 0, sizeof config);
    assert_ok(plait_listen_config_init(&config.known, sizeof config));
    assert_int_equal(config.known.struct_size, sizeof config);
    assert_ok(plait_node_listen(p->a.node, &config.known));
    config.later = 1;
    assert_status(plait_node_listen(p->a.node, &config.known), PLAIT_E_STRUCT_SIZE);
    struct {
        plait_node_stats known;
        uint64_t later;
    } stats;
    memset(&stats, 0xff, sizeof stats);
    stats.known.struct_size = sizeof stats;
    assert_ok(plait_node_get_stats(p->a.node, &stats.known));
    assert_int_equal(stats.later, 0);
    assert_int_equal(stats.known.endpoints, 1);
    assert_int_equal(stats.known.struct_size, sizeof stats);
}

/* A program built with older headers, when structures will have grown. */
static void test_smaller_out_struct_is_filled_up_to_its_size(void **state) {
    pair *p = *state;
    plait_node_stats stats;
    memset(&stats, 0xee, sizeof stats);
    stats.struct_size = offsetof(plait_node_stats, endpoints);
    assert_ok(plait_node_get_stats(p->a.node, &stats));
    assert_int_equal(stats.connections, 0);
    assert_int_equal(stats.endpoints, 0xeeeeeeee);
}

static void test_init_functions_equal_the_macros(void **state) {
    (void)state;
#define SAME(type, init, macro)                                                                    \
    do {                                                                                           \
        type by_function, by_macro = macro;                                                        \
        memset(&by_function, 0xff, sizeof by_function);                                            \
        assert_ok(init);                                                                           \
        assert_memory_equal(&by_function, &by_macro, sizeof by_macro);                             \
    } while (0)
    SAME(plait_node_config, plait_node_config_init(&by_function, sizeof by_function),
         PLAIT_NODE_CONFIG_INIT);
    SAME(plait_listen_config, plait_listen_config_init(&by_function, sizeof by_function),
         PLAIT_LISTEN_CONFIG_INIT);
    SAME(plait_endpoint_config, plait_endpoint_config_init(&by_function, sizeof by_function),
         PLAIT_ENDPOINT_CONFIG_INIT);
    SAME(plait_app_endpoint_config,
         plait_app_endpoint_config_init(&by_function, sizeof by_function),
         PLAIT_APP_ENDPOINT_CONFIG_INIT);
    SAME(plait_connect_config, plait_connect_config_init(&by_function, sizeof by_function),
         PLAIT_CONNECT_CONFIG_INIT);
    SAME(plait_channel_config,
         plait_channel_config_init(&by_function, sizeof by_function, PLAIT_PRESET_STREAM),
         PLAIT_CHANNEL_STREAM);
    SAME(plait_channel_config,
         plait_channel_config_init(&by_function, sizeof by_function, PLAIT_PRESET_MESSAGES),
         PLAIT_CHANNEL_MESSAGES);
    SAME(plait_channel_config,
         plait_channel_config_init(&by_function, sizeof by_function, PLAIT_PRESET_DATAGRAM),
         PLAIT_CHANNEL_DATAGRAM);
    SAME(plait_channel_config,
         plait_channel_config_init(&by_function, sizeof by_function, PLAIT_PRESET_SEQUENCED),
         PLAIT_CHANNEL_SEQUENCED);
}

static void test_values_out_of_range_are_refused(void **state) {
    pair *p = *state;
    plait_node *made = NULL;
    plait_node_config config = test_config();
    config.poller = 77;
    assert_status(plait_node_new(p->a.identity, &config, &made), PLAIT_E_INVALID);
    config = test_config();
    config.max_links = 100000;
    assert_status(plait_node_new(p->a.identity, &config, &made), PLAIT_E_INVALID);
    assert_detail_has("max_links");
    plait_listen_config listen = PLAIT_LISTEN_CONFIG_INIT;
    listen.accept = 9;
    assert_status(plait_node_listen(p->a.node, &listen), PLAIT_E_INVALID);
    listen.accept = PLAIT_ACCEPT_LIST;
    listen.id_count = 1;
    assert_status(plait_node_listen(p->a.node, &listen), PLAIT_E_NULL);
    plait_channel channel;
    plait_channel_config cfg = PLAIT_CHANNEL_STREAM;
    cfg.priority_class = 16;
    assert_status(plait_channel_open(p->a.node, p->a.connection, "x", &cfg, &channel),
                  PLAIT_E_INVALID);
    cfg = (plait_channel_config)PLAIT_CHANNEL_STREAM;
    cfg.resend_limit = 3; /* without PLAIT_RESEND_AT_MOST */
    assert_status(plait_channel_open(p->a.node, p->a.connection, "x", &cfg, &channel),
                  PLAIT_E_INVALID);
    char label[300];
    memset(label, 'x', sizeof label);
    label[sizeof label - 1] = '\0';
    assert_status(plait_channel_open(p->a.node, p->a.connection, label, NULL, &channel),
                  PLAIT_E_TOO_BIG);
    assert_status(plait_connection_close(p->a.node, p->a.connection, UINT64_MAX, NULL),
                  PLAIT_E_INVALID);
}

static void test_detail_stays_until_the_next_failure(void **state) {
    pair *p = *state;
    plait_id id;
    assert_status(plait_id_parse("nonsense", &id), PLAIT_E_NODE_ID);
    assert_detail_has("nonsense");
    assert_ok(plait_node_id(p->a.node, &id));
    assert_detail_has("nonsense");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_versions_agree),
        cmocka_unit_test(test_statuses_have_names_and_texts),
        cmocka_unit_test(test_null_node_is_an_error_everywhere),
        cmocka_unit_test_setup_teardown(test_null_arguments_are_named, pair_set_up, pair_tear_down),
        cmocka_unit_test_setup_teardown(test_struct_sizes_are_checked, pair_set_up, pair_tear_down),
        cmocka_unit_test_setup_teardown(test_larger_struct_is_taken_if_its_tail_is_zero,
                                        pair_set_up, pair_tear_down),
        cmocka_unit_test_setup_teardown(test_smaller_out_struct_is_filled_up_to_its_size,
                                        pair_set_up, pair_tear_down),
        cmocka_unit_test(test_init_functions_equal_the_macros),
        cmocka_unit_test_setup_teardown(test_values_out_of_range_are_refused, pair_set_up_connected,
                                        pair_tear_down),
        cmocka_unit_test_setup_teardown(test_detail_stays_until_the_next_failure, pair_set_up,
                                        pair_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
