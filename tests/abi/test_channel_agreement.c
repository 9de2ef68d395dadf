/* SPDX-License-Identifier: Apache-2.0 */
/* What the two sides of a channel agree on when it is opened: whether there is one at all, and the
 * keys that it has for itself. */
#include "abi.h"

static void answer_at_z(pair *p, const char *label, uint32_t answer, uint64_t code,
                        const plait_channel_config *config) {
    plait_channel_answer a;
    assert_ok(plait_channel_answer_init(&a, sizeof a));
    a.answer = answer;
    a.code = code;
    a.config = config;
    assert_ok(plait_node_answer_channels(p->z.node, label, &a));
}

static void test_standing_answers_accept_refuse_and_ask(void **state) {
    pair *p = *state;
    plait_channel yes, no, perhaps;
    plait_channel_config config = PLAIT_CHANNEL_STREAM;
    plait_event event;
    config.token = 17;
    answer_at_z(p, NULL, PLAIT_ANSWER_ACCEPT, 0, &config);
    answer_at_z(p, "no", PLAIT_ANSWER_REFUSE, 4000, NULL);
    assert_ok(plait_node_answer_channels(p->z.node, "perhaps", NULL));

    assert_ok(plait_channel_open(p->a.node, p->a.connection, "no", NULL, &no));
    event = pair_expect(p, &p->a, PLAIT_EVENT_CHANNEL_CLOSED);
    assert_int_equal(event.channel, no);
    assert_int_equal(event.status, PLAIT_E_REFUSED);
    assert_int_equal(event.a, 4000);
    pair_settle(p);
    assert_false(side_has(&p->z, PLAIT_EVENT_CHANNEL_REQUEST));

    assert_ok(plait_channel_open(p->a.node, p->a.connection, "yes", NULL, &yes));
    assert_int_equal(pair_expect(p, &p->z, PLAIT_EVENT_CHANNEL_ACCEPTED).token, 17);
    assert_int_equal(pair_expect(p, &p->a, PLAIT_EVENT_CHANNEL_ACCEPTED).channel, yes);

    assert_ok(plait_channel_open(p->a.node, p->a.connection, "perhaps", NULL, &perhaps));
    event = pair_expect(p, &p->z, PLAIT_EVENT_CHANNEL_REQUEST);
    assert_ok(plait_channel_accept(p->z.node, event.channel, NULL));
    assert_int_equal(pair_expect(p, &p->a, PLAIT_EVENT_CHANNEL_ACCEPTED).channel, perhaps);
}

static void test_standing_answers_that_make_no_sense_are_errors(void **state) {
    pair *p = *state;
    plait_channel_answer a = PLAIT_CHANNEL_ANSWER_INIT;
    plait_channel_config config = PLAIT_CHANNEL_STREAM;
    char label[300];
    memset(label, 'x', sizeof label - 1);
    label[sizeof label - 1] = 0;
    assert_status(plait_node_answer_channels(p->z.node, label, &a), PLAIT_E_TOO_BIG);
    a.answer = PLAIT_ANSWER_REFUSE + 1;
    assert_status(plait_node_answer_channels(p->z.node, NULL, &a), PLAIT_E_INVALID);
    a.answer = PLAIT_ANSWER_REFUSE;
    a.code = PLAIT_REFUSED_LIMIT;
    assert_status(plait_node_answer_channels(p->z.node, NULL, &a), PLAIT_E_INVALID);
    a.code = 0;
    a.answer = PLAIT_ANSWER_ACCEPT;
    a.config = &config;
    config.priority_class = 16;
    assert_status(plait_node_answer_channels(p->z.node, NULL, &a), PLAIT_E_INVALID);
    a.struct_size = 4;
    assert_status(plait_node_answer_channels(p->z.node, NULL, &a), PLAIT_E_STRUCT_SIZE);
}

/* One channel takes new keys every other packet, the one beside it keeps its own. */
static void test_rekeying_one_channel_touches_no_other(void **state) {
    pair *p = *state;
    plait_channel restless, at_z, calm, calm_at_z;
    plait_channel_config config = PLAIT_CHANNEL_STREAM;
    plait_channel_stats stats = {.struct_size = sizeof stats};
    plait_connection_stats whole = {.struct_size = sizeof whole};
    char byte;
    size_t n;
    config.cipher = PLAIT_CIPHER_CHACHA20_POLY1305;
    config.rekey_log2 = 1;
    pair_channel(p, &config, &restless, &at_z);
    pair_channel(p, NULL, &calm, &calm_at_z);
    for (int i = 0; i < 5000 && stats.send_epoch < 5; i++) { /* as ACKs come */
        assert_ok(plait_channel_send(p->a.node, restless, "r", 1, &n));
        assert_ok(plait_channel_send(p->a.node, calm, "c", 1, &n));
        pair_read(p, &p->z, at_z, &byte, 1);
        pair_read(p, &p->z, calm_at_z, &byte, 1);
        pair_settle(p);
        assert_ok(plait_channel_get_stats(p->a.node, restless, &stats));
    }
    assert_true(stats.send_epoch >= 5);
    assert_ok(plait_channel_get_config(p->z.node, at_z, &config));
    assert_int_equal(config.cipher, PLAIT_CIPHER_CHACHA20_POLY1305);
    assert_int_equal(config.rekey_log2, 1);
    assert_ok(plait_channel_get_stats(p->z.node, at_z, &stats));
    assert_true(stats.receive_epoch >= 4);
    assert_ok(plait_channel_get_stats(p->a.node, calm, &stats));
    assert_int_equal(stats.send_epoch, 0);
    assert_ok(plait_channel_get_stats(p->z.node, calm_at_z, &stats));
    assert_int_equal(stats.receive_epoch, 0);
    assert_ok(plait_connection_get_stats(p->a.node, p->a.connection, &whole));
    assert_int_equal(whole.generation, 0);
}

static void test_rekey_interval_out_of_range_is_an_error(void **state) {
    pair *p = *state;
    plait_channel_config config = PLAIT_CHANNEL_STREAM;
    plait_channel ch;
    config.rekey_log2 = 63;
    assert_status(plait_channel_open(p->a.node, p->a.connection, "x", &config, &ch),
                  PLAIT_E_INVALID);
    assert_detail_has("rekey_log2");
}

/* Each side protects what it sends, if it wants to. */
static void test_repairs_are_sent_where_they_are_asked_for(void **state) {
    pair *p = *state;
    plait_channel_config config = PLAIT_CHANNEL_DATAGRAM;
    plait_channel_stats stats = {.struct_size = sizeof stats};
    plait_channel at_a, at_z;
    char in[100];
    config.fec = PLAIT_FEC_ON;
    config.fec_window = 10;
    config.fec_share = 50;
    pair_channel(p, &config, &at_a, &at_z);
    for (int i = 0; i < 20; i++) {
        assert_ok(plait_channel_send(p->a.node, at_a, "to z", 4, NULL));
        pair_read(p, &p->z, at_z, in, 4);
        assert_ok(plait_channel_send(p->z.node, at_z, "to a", 4, NULL));
        pair_read(p, &p->a, at_a, in, 4);
    }
    pair_settle(p);
    assert_ok(plait_channel_get_stats(p->a.node, at_a, &stats));
    assert_true(stats.repairs_sent >= 5);
    assert_true(stats.repair_bytes_sent >= stats.repairs_sent);
    assert_int_equal(stats.repairs_received, 0);
    assert_ok(plait_channel_get_stats(p->z.node, at_z, &stats));
    assert_true(stats.repairs_received >= 5);
    assert_int_equal(stats.repairs_sent, 0);
    assert_ok(plait_channel_get_config(p->a.node, at_a, &config));
    assert_int_equal(config.fec, PLAIT_FEC_ON);
    assert_int_equal(config.fec_window, 10);
    assert_int_equal(config.fec_share, 50);
}

static void test_repair_settings_out_of_range_are_errors(void **state) {
    pair *p = *state;
    static const struct {
        uint8_t fec, window, share;
        const char *field;
    } wrong[] = {{2, 0, 0, "fec"},
                 {PLAIT_FEC_ON, 129, 0, "fec_window"},
                 {PLAIT_FEC_ON, 0, 101, "fec_share"},
                 {PLAIT_FEC_OFF, 5, 0, "fec_window"}};
    plait_channel_config config = PLAIT_CHANNEL_DATAGRAM;
    plait_channel ch;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        config.fec = wrong[i].fec;
        config.fec_window = wrong[i].window;
        config.fec_share = wrong[i].share;
        assert_status(plait_channel_open(p->a.node, p->a.connection, "x", &config, &ch),
                      PLAIT_E_INVALID);
        assert_detail_has(wrong[i].field);
    }
}

int main(void) {
#define CONNECTED(test) cmocka_unit_test_setup_teardown(test, pair_set_up_connected, pair_tear_down)
    const struct CMUnitTest tests[] = {
        CONNECTED(test_standing_answers_accept_refuse_and_ask),
        CONNECTED(test_standing_answers_that_make_no_sense_are_errors),
        CONNECTED(test_rekeying_one_channel_touches_no_other),
        CONNECTED(test_rekey_interval_out_of_range_is_an_error),
        CONNECTED(test_repairs_are_sent_where_they_are_asked_for),
        CONNECTED(test_repair_settings_out_of_range_are_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
