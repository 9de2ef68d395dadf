/* SPDX-License-Identifier: Apache-2.0 */
/* Announced endpoints over loopback UDP: what is told, what is followed, what is refused. */
#include "abi.h"

/* A node with two sockets. */
static void open_two(side *s, uint32_t announce, plait_endpoint *second) {
    plait_node_config config = test_config();
    plait_id id;
    memset(s, 0, sizeof *s);
    config.announce = announce;
    assert_ok(plait_identity_new(&s->identity));
    assert_ok(plait_node_new(s->identity, &config, &s->node));
    assert_ok(plait_endpoint_open(s->node, "udp://127.0.0.1:0", NULL, &s->endpoint));
    assert_ok(plait_endpoint_open(s->node, "udp://127.0.0.1:0", NULL, second));
    assert_ok(plait_endpoint_uri(s->node, s->endpoint, s->uri, sizeof s->uri, NULL));
    assert_ok(plait_node_id(s->node, &id));
    assert_ok(plait_id_format(&id, s->id, sizeof s->id));
    assert_ok(plait_node_listen(s->node, NULL));
}

static void connect_pair(pair *p) {
    assert_ok(plait_connect(p->a.node, p->z.id, p->z.uri, NULL, &p->a.connection));
    pair_expect(p, &p->a, PLAIT_EVENT_CONNECTED);
    p->z.connection = pair_expect(p, &p->z, PLAIT_EVENT_CONNECTED).connection;
}

static void close_pair(pair *p) {
    side_close(&p->a);
    side_close(&p->z);
}

static void test_second_endpoint_is_told_and_a_link_joins(void **state) {
    (void)state;
    pair p;
    plait_endpoint a2, z2;
    char uri[64], told[64];
    open_two(&p.a, PLAIT_ANNOUNCE_FOLLOW, &a2);
    open_two(&p.z, PLAIT_ANNOUNCE_OWN, &z2);
    assert_ok(plait_endpoint_uri(p.z.node, z2, uri, sizeof uri, NULL));
    connect_pair(&p);
    plait_event e = pair_expect(&p, &p.a, PLAIT_EVENT_PEER_ENDPOINTS);
    assert_true(e.connection == p.a.connection && e.a == 2);
    assert_ok(plait_connection_peer_endpoint(p.a.node, p.a.connection, 1, told, sizeof told, NULL));
    assert_string_equal(told, uri);
    assert_status(
        plait_connection_peer_endpoint(p.a.node, p.a.connection, 2, told, sizeof told, NULL),
        PLAIT_E_INVALID);
    assert_detail_has("2");
    do {
        e = pair_expect(&p, &p.a, PLAIT_EVENT_LINK_STATE);
        assert_ok(plait_link_address(p.a.node, e.link, told, sizeof told, NULL));
    } while (e.a != PLAIT_LINK_GOOD || strcmp(told, uri) != 0);
    size_t links;
    assert_ok(plait_connection_links(p.a.node, p.a.connection, NULL, 0, &links));
    assert_int_equal(links, 2);
    assert_false(side_has(&p.z, PLAIT_EVENT_PEER_ENDPOINTS));
    close_pair(&p);
}

static void test_application_announces_by_hand_and_takes_back(void **state) {
    (void)state;
    pair p;
    plait_endpoint a2, z2;
    char told[64];
    open_two(&p.a, PLAIT_ANNOUNCE_DEFAULT, &a2);
    open_two(&p.z, PLAIT_ANNOUNCE_DEFAULT, &z2);
    connect_pair(&p);
    const char *const addresses[] = {"udp://192.0.2.7:4242", "nonsense"};
    assert_status(plait_connection_announce(p.z.node, p.z.connection, addresses, 2), PLAIT_E_URI);
    assert_status(plait_connection_announce(p.z.node, p.z.connection, addresses, 17),
                  PLAIT_E_LIMIT);
    assert_status(plait_connection_announce(p.z.node, p.z.connection, NULL, 1), PLAIT_E_NULL);
    assert_ok(plait_connection_announce(p.z.node, p.z.connection, addresses, 1));
    plait_event e = pair_expect(&p, &p.a, PLAIT_EVENT_PEER_ENDPOINTS);
    assert_int_equal(e.a, 1);
    assert_ok(plait_connection_peer_endpoint(p.a.node, p.a.connection, 0, told, sizeof told, NULL));
    assert_string_equal(told, addresses[0]);
    assert_ok(plait_connection_announce(p.z.node, p.z.connection, NULL, 0));
    e = pair_expect(&p, &p.a, PLAIT_EVENT_PEER_ENDPOINTS);
    assert_int_equal(e.a, 0);
    size_t links;
    assert_ok(plait_connection_links(p.a.node, p.a.connection, NULL, 0, &links));
    assert_int_equal(links, 1); /* nobody has asked for following */
    close_pair(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_second_endpoint_is_told_and_a_link_joins),
        cmocka_unit_test(test_application_announces_by_hand_and_takes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
