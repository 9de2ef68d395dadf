/* SPDX-License-Identifier: Apache-2.0 */
/* What goes wrong in the world outside: each has a status of its own and a text that helps. */
#include "abi.h"

#include <sys/stat.h>
#include <unistd.h>

static plait_status try_open(pair *p, const char *uri) {
    plait_endpoint endpoint = PLAIT_NONE;
    const plait_status status = plait_endpoint_open(p->a.node, uri, NULL, &endpoint);
    assert_int_equal(endpoint, PLAIT_NONE);
    return status;
}

static void test_unknown_uris(void **state) {
    pair *p = *state;
    assert_status(try_open(p, ""), PLAIT_E_URI);
    assert_status(try_open(p, "no scheme"), PLAIT_E_URI);
    assert_status(try_open(p, "UDP://[::]:0"), PLAIT_E_URI);
    assert_status(try_open(p, "app://ble"), PLAIT_E_URI);
    assert_detail_has("plait_endpoint_open_app");
    assert_status(try_open(p, "carrier-pigeon://loft/3"), PLAIT_E_TRANSPORT_UNKNOWN);
    assert_detail_has("carrier-pigeon://loft/3: no transport named carrier-pigeon");
    assert_status(try_open(p, "udp://not an address"), PLAIT_E_ADDRESS);
    assert_detail_has("udp://not an address");
    assert_status(try_open(p, "udp://192.0.2.1:0"), PLAIT_E_ADDRESS);
}

static void test_port_in_use(void **state) {
    pair *p = *state;
    plait_endpoint endpoint;
    char uri[128];
    assert_ok(plait_endpoint_open(p->z.node, "udp://127.0.0.1:0", NULL, &endpoint));
    assert_ok(plait_endpoint_uri(p->z.node, endpoint, uri, sizeof uri, NULL));
    assert_status(try_open(p, uri), PLAIT_E_ADDRESS_IN_USE);
    assert_detail_has(uri);
    assert_ok(plait_endpoint_close(p->z.node, endpoint));
    assert_ok(plait_endpoint_open(p->a.node, uri, NULL, &endpoint));
    assert_status(try_open(p, p->z.uri), PLAIT_E_ADDRESS_IN_USE);
}

static void test_missing_tty(void **state) {
    pair *p = *state;
    assert_status(try_open(p, "serial:///dev/ttyNOWHERE7"), PLAIT_E_NO_DEVICE);
    assert_detail_has("serial:///dev/ttyNOWHERE7: no such device");
    assert_status(try_open(p, "serial:///dev/null"), PLAIT_E_TRANSPORT_OPEN);
    assert_detail_has("not a serial line");
}

static void test_faulty_plugins(void **state) {
    pair *p = *state;
    assert_status(plait_node_load_transport(p->a.node, PLUGIN_DIR "/other_abi.so"),
                  PLAIT_E_TRANSPORT_ABI);
    assert_detail_has("4711");
    assert_detail_has("this library speaks 1");
    assert_status(plait_node_load_transport(p->a.node, PLUGIN_DIR "/no_entry.so"), PLAIT_E_PLUGIN);
    assert_status(plait_node_load_transport(p->a.node, "./absent.so"), PLAIT_E_PLUGIN);
    assert_detail_has("absent.so");
    assert_status(plait_node_load_transport(p->a.node, "absent"), PLAIT_E_PLUGIN);
    assert_ok(plait_node_load_transport(p->a.node, PLUGIN_DIR "/plait_good.so"));
    assert_status(try_open(p, "good://x"), PLAIT_E_NO_DEVICE);
    assert_detail_has("good://x: this plugin opens nothing");
}

static void test_connect_to_nowhere(void **state) {
    pair *p = *state;
    plait_node *a = p->a.node;
    plait_connection c;
    assert_status(plait_connect(a, "short", p->z.uri, NULL, &c), PLAIT_E_NODE_ID);
    assert_detail_has("short");
    assert_status(plait_connect(a, p->a.id, p->z.uri, NULL, &c), PLAIT_E_NODE_ID);
    assert_detail_has("own id");
    assert_status(plait_connect(a, p->z.id, "nothing", NULL, &c), PLAIT_E_URI);
    assert_status(plait_connect(a, p->z.id, "udp://127.0.0.1:1", NULL, &c), PLAIT_E_NO_LINK);
    assert_detail_has("no udp endpoint is open");
    plait_connect_config config = PLAIT_CONNECT_CONFIG_INIT;
    config.endpoint = p->a.endpoint;
    assert_status(plait_connect(a, p->z.id, NULL, &config, &c), PLAIT_E_ADDRESS);
    assert_detail_has("an address is needed");
}

static void test_nobody_answers(void **state) {
    pair *p = *state;
    side hasty;
    plait_node_config config = test_config();
    plait_connection c;
    config.handshake_timeout_us = 50000;
    side_open(&hasty, NULL);
    plait_node_free(hasty.node);
    assert_ok(plait_node_new(hasty.identity, &config, &hasty.node));
    assert_ok(plait_endpoint_open(hasty.node, "memory://hasty", NULL, &hasty.endpoint));
    assert_ok(plait_connect(hasty.node, p->z.id, "memory://nobody", NULL, &c));
    plait_event event;
    size_t got = 0;
    do {
        assert_ok(plait_node_wait(hasty.node, &event, 1, &got, 5000));
    } while (got == 1 && event.type != PLAIT_EVENT_CLOSED);
    assert_int_equal(got, 1);
    assert_int_equal(event.status, PLAIT_E_TIMEOUT);
    assert_status(plait_connect_wait(hasty.node, p->z.id, "memory://nobody", NULL, 20, &c),
                  PLAIT_E_TIMEOUT);
    assert_detail_has("memory://nobody");
    side_close(&hasty);
}

int main(void) {
#define PAIR(test) cmocka_unit_test_setup_teardown(test, pair_set_up, pair_tear_down)
    const struct CMUnitTest tests[] = {
        PAIR(test_unknown_uris),   PAIR(test_port_in_use),        PAIR(test_missing_tty),
        PAIR(test_faulty_plugins), PAIR(test_connect_to_nowhere), PAIR(test_nobody_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
