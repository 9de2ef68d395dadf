/* SPDX-License-Identifier: Apache-2.0 */
/* The host's side of the transport ABI, from the plugin's chair: a transport of the test's own, of
 * two endpoints mock://a and mock://z, whose poll does what the test wants done. */
#include "abi.h"

#include <unistd.h>

enum { SLOTS = 256, ROOM = 1500 };

typedef struct mock {
    const plait_host *host;
    plait_host_endpoint *h;
    struct mock *other;
    uint8_t data[SLOTS][ROOM]; /* what was sent to this one and not received yet */
    uint32_t len[SLOTS];
    uint32_t first, count, given;
    int fds[2];
    bool full;      /* send says AGAIN */
    uint32_t polls; /* bits that poll was called with */
    int poll_fd;
    int sends, receives, returns;
    void (*on_poll)(struct mock *m); /* once, in the next poll */
} mock;

static mock mocks[2];
static int inits, opened;
static plait_status open_fails;
static bool open_down;

static plait_status mock_init(void) {
    inits++;
    return PLAIT_OK;
}
static void mock_deinit(void) {
    inits--;
}

static plait_status mock_open(const plait_host *host, plait_host_endpoint *h,
                              const plait_open_args *args, void **self) {
    mock *m = &mocks[strcmp(args->uri, "mock://z") == 0];
    if (open_fails != PLAIT_OK) {
        (host->fail)(h, PLAIT_E_INVALID, "the loft is empty"); /* fail() is a macro of cmocka */
        return open_fails;
    }
    memset(m, 0, sizeof *m);
    m->host = host;
    m->h = h;
    m->other = &mocks[m == &mocks[0]];
    if (pipe(m->fds) != 0) {
        return PLAIT_E_TRANSPORT_OPEN;
    }
    assert_int_equal(host->abi, PLAIT_TRANSPORT_ABI);
    assert_int_equal(args->workers, 1);
    assert_null(host->get_extension(h, "plait.nothing/1"));
    assert_int_equal(host->watch(h, m->fds[0], PLAIT_POLL_READ), PLAIT_OK);
    if (open_down) {
        host->state(h, PLAIT_TRANSPORT_DOWN, NULL, 0);
    }
    opened++;
    *self = m;
    return PLAIT_OK;
}

static void mock_close(void *self) {
    mock *m = self;
    m->host->unwatch(m->h, m->fds[0]);
    close(m->fds[0]);
    close(m->fds[1]);
    m->h = NULL;
    opened--;
}

static plait_status mock_send(void *self, const plait_datagram *v, uint32_t n, uint32_t *sent) {
    mock *m = self, *to = m->other;
    m->sends++;
    for (*sent = 0; *sent < n; ++*sent) {
        if (m->full) {
            return PLAIT_E_AGAIN;
        }
        if (to->h != NULL && to->count < SLOTS) {
            const uint32_t slot = (to->first + to->count++) % SLOTS;
            assert_true(v[*sent].len <= ROOM);
            memcpy(to->data[slot], v[*sent].data, v[*sent].len);
            to->len[slot] = v[*sent].len;
            to->host->wake(to->h);
        }
    }
    return PLAIT_OK;
}

static plait_status mock_recv(void *self, plait_datagram *v, uint32_t n, uint32_t *got) {
    mock *m = self;
    m->receives++;
    assert_int_equal(m->given, 0);
    for (*got = 0; *got < n && *got < m->count; ++*got) {
        const uint32_t slot = (m->first + *got) % SLOTS;
        v[*got].data = m->data[slot];
        v[*got].len = m->len[slot];
    }
    m->given = *got;
    return PLAIT_OK;
}

static void mock_recv_done(void *self, const plait_datagram *v, uint32_t n) {
    mock *m = self;
    assert_int_equal(n, m->given);
    assert_ptr_equal(v[0].data, m->data[m->first]);
    m->first = (m->first + n) % SLOTS;
    m->count -= n;
    m->given = 0;
    m->returns++;
}

static plait_status mock_info(void *self, const plait_addr *addr, plait_transport_info *out) {
    (void)self, (void)addr;
    out->flags = PLAIT_INFO_FIXED_MTU | PLAIT_INFO_POINT_TO_POINT | PLAIT_INFO_BACK_PRESSURE;
    out->mtu = 1300;
    return PLAIT_OK;
}

static void mock_poll(void *self, int fd, uint32_t events) {
    mock *m = self;
    void (*action)(mock *) = m->on_poll;
    char c;
    m->polls |= events;
    m->poll_fd = fd;
    if (fd >= 0 && (events & PLAIT_POLL_READ) != 0) {
        assert_int_equal(read(fd, &c, 1), 1);
    }
    m->on_poll = NULL;
    if (action != NULL) {
        action(m);
    }
}

static const plait_transport mock_transport = {
    .abi = PLAIT_TRANSPORT_ABI,
    .struct_size = sizeof(plait_transport),
    .name = "mock",
    .init = mock_init,
    .deinit = mock_deinit,
    .open = mock_open,
    .close = mock_close,
    .send = mock_send,
    .recv = mock_recv,
    .recv_done = mock_recv_done,
    .info = mock_info,
    .poll = mock_poll,
};

static int set_up(void **state) {
    pair *p = calloc(1, sizeof *p);
    side *sides[] = {&p->a, &p->z};
    inits = opened = 0;
    open_fails = PLAIT_OK;
    open_down = false;
    for (int i = 0; i < 2; i++) {
        const plait_node_config config = test_config();
        plait_id id;
        assert_ok(plait_identity_new(&sides[i]->identity));
        assert_ok(plait_node_new(sides[i]->identity, &config, &sides[i]->node));
        assert_ok(plait_node_register_transport(sides[i]->node, &mock_transport));
        assert_ok(plait_endpoint_open(sides[i]->node, i == 0 ? "mock://a" : "mock://z", NULL,
                                      &sides[i]->endpoint));
        assert_ok(plait_node_id(sides[i]->node, &id));
        assert_ok(plait_id_format(&id, sides[i]->id, sizeof sides[i]->id));
        assert_ok(plait_node_listen(sides[i]->node, NULL));
    }
    assert_int_equal(inits, 2);
    *state = p;
    return 0;
}

static int tear_down(void **state) {
    pair_tear_down(state);
    assert_int_equal(opened, 0);
    assert_int_equal(inits, 0);
    return 0;
}

static void connect_pair(pair *p) {
    assert_ok(plait_connect(p->a.node, p->z.id, "mock:", NULL, &p->a.connection));
    pair_expect(p, &p->a, PLAIT_EVENT_CONNECTED);
    p->z.connection = pair_expect(p, &p->z, PLAIT_EVENT_CONNECTED).connection;
}

static void do_in_poll(mock *m, void (*action)(mock *)) {
    m->on_poll = action;
    m->host->wake(m->h);
}

static void test_batches_are_received_and_given_back(void **state) {
    pair *p = *state;
    connect_pair(p);
    assert_true(mocks[1].returns > 0);
    assert_true((mocks[1].polls & PLAIT_POLL_WAKE) != 0);
    assert_int_equal(mocks[0].given + mocks[1].given, 0);
}

static void test_failed_open_has_the_plugins_text(void **state) {
    pair *p = *state;
    plait_endpoint endpoint;
    open_fails = PLAIT_E_NO_DEVICE;
    assert_status(plait_endpoint_open(p->a.node, "mock://b", NULL, &endpoint), PLAIT_E_NO_DEVICE);
    assert_detail_has("mock://b: the loft is empty");
}

static void test_endpoint_that_opens_down_says_so(void **state) {
    pair *p = *state;
    plait_endpoint_info info = {.struct_size = sizeof info};
    assert_ok(plait_endpoint_close(p->a.node, p->a.endpoint));
    open_down = true;
    assert_ok(plait_endpoint_open(p->a.node, "mock://a", NULL, &p->a.endpoint));
    assert_ok(plait_endpoint_get_info(p->a.node, p->a.endpoint, &info));
    assert_int_equal(info.state, PLAIT_ENDPOINT_DOWN);
    const plait_event event = pair_expect(p, &p->a, PLAIT_EVENT_ENDPOINT_STATE);
    assert_int_equal(event.a, p->a.endpoint);
    assert_int_equal(event.b, PLAIT_ENDPOINT_DOWN);
}

static void say_down(mock *m) {
    m->host->state(m->h, PLAIT_TRANSPORT_DOWN, NULL, 0);
}
static void say_up(mock *m) {
    m->host->state(m->h, PLAIT_TRANSPORT_UP, NULL, 0);
}

static void test_down_and_up_are_events(void **state) {
    pair *p = *state;
    connect_pair(p);
    do_in_poll(&mocks[0], say_down);
    assert_int_equal(pair_expect(p, &p->a, PLAIT_EVENT_ENDPOINT_STATE).b, PLAIT_ENDPOINT_DOWN);
    pair_expect(p, &p->a, PLAIT_EVENT_DORMANT);
    do_in_poll(&mocks[0], say_up);
    assert_int_equal(pair_expect(p, &p->a, PLAIT_EVENT_ENDPOINT_STATE).b, PLAIT_ENDPOINT_UP);
}

static void say_failed(mock *m) {
    (m->host->fail)(m->h, PLAIT_E_NO_DEVICE, "the pigeon has flown");
}
static void keep_text(void *user, uint32_t level, const char *text) {
    if (level == PLAIT_LOG_ERROR) {
        snprintf(user, 128, "%s", text);
    }
}

static void test_failed_endpoint_is_closed_once_and_told(void **state) {
    pair *p = *state;
    char text[128] = "";
    connect_pair(p);
    assert_ok(plait_node_set_log(p->a.node, PLAIT_LOG_ERROR, keep_text, text));
    do_in_poll(&mocks[0], say_failed);
    const plait_event event = pair_expect(p, &p->a, PLAIT_EVENT_ENDPOINT_CLOSED);
    assert_int_equal(event.a, p->a.endpoint);
    assert_int_equal(event.status, PLAIT_E_NO_DEVICE);
    assert_string_equal(text, "mock://a: the pigeon has flown");
    assert_int_equal(opened, 1);
    plait_endpoint_info info = {.struct_size = sizeof info};
    assert_ok(plait_endpoint_get_info(p->a.node, p->a.endpoint, &info));
    assert_int_equal(info.state, PLAIT_ENDPOINT_FAILED);
    assert_ok(plait_endpoint_close(p->a.node, p->a.endpoint));
    assert_int_equal(opened, 1);
}

static void say_writable(mock *m) {
    m->host->state(m->h, PLAIT_TRANSPORT_WRITABLE, NULL, 0);
}

static void test_full_line_is_left_alone_until_it_is_writable(void **state) {
    pair *p = *state;
    plait_channel at_a, at_z;
    char in[8];
    size_t n;
    connect_pair(p);
    pair_channel(p, NULL, &at_a, &at_z);
    pair_settle(p);
    mocks[0].full = true;
    assert_ok(plait_channel_send(p->a.node, at_a, "waits", 5, &n));
    pair_settle(p);
    const int sends = mocks[0].sends;
    pair_settle(p);
    assert_int_equal(mocks[0].sends, sends);
    assert_status(plait_channel_read(p->z.node, at_z, in, sizeof in, &n), PLAIT_E_AGAIN);
    mocks[0].full = false;
    do_in_poll(&mocks[0], say_writable);
    pair_read(p, &p->z, at_z, in, 5);
    assert_memory_equal(in, "waits", 5);
}

static void set_timer(mock *m) {
    m->polls = 0; /* here: on a busy machine it may go off at any time after */
    m->host->timer(m->h, m->host->now_us(m->h) + 3000);
}

static void test_timer_goes_off_once(void **state) {
    pair *p = *state;
    mock *m = &mocks[0];
    do_in_poll(m, set_timer);
    const uint64_t begin = plait_node_now_us(p->a.node);
    while ((m->polls & PLAIT_POLL_TIMER) == 0) {
        plait_event event;
        size_t got;
        assert_true(plait_node_now_us(p->a.node) - begin < 5000000);
        assert_ok(plait_node_wait(p->a.node, &event, 1, &got, 100));
    }
    assert_int_equal(m->poll_fd, -1);
    m->polls = 0;
    pair_settle(p);
    assert_int_equal(m->polls & PLAIT_POLL_TIMER, 0);
}

static void test_watched_descriptor_is_polled_and_then_received_from(void **state) {
    pair *p = *state;
    mock *m = &mocks[0];
    pair_settle(p);
    const int receives = m->receives;
    assert_int_equal(write(m->fds[1], "x", 1), 1);
    pair_settle(p);
    assert_int_equal(m->poll_fd, m->fds[0]);
    assert_true((m->polls & PLAIT_POLL_READ) != 0);
    assert_int_equal(m->receives, receives + 1);
}

static void watch_many(mock *m) {
    int fds[PLAIT_TRANSPORT_FDS_MAX];
    for (int i = 0; i < PLAIT_TRANSPORT_FDS_MAX; i++) { /* one is watched already */
        fds[i] = dup(m->fds[0]);
        const plait_status status = m->host->watch(m->h, fds[i], PLAIT_POLL_READ);
        assert_int_equal(status, i < PLAIT_TRANSPORT_FDS_MAX - 1 ? PLAIT_OK : PLAIT_E_LIMIT);
    }
    for (int i = 0; i < PLAIT_TRANSPORT_FDS_MAX; i++) {
        m->host->unwatch(m->h, fds[i]);
        close(fds[i]);
    }
    assert_int_not_equal(m->host->watch(m->h, -1, PLAIT_POLL_READ), PLAIT_OK);
}

static void test_watches_are_bounded(void **state) {
    pair *p = *state;
    do_in_poll(&mocks[0], watch_many);
    pair_settle(p);
    assert_null(mocks[0].on_poll);
}

int main(void) {
#define MOCK(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        MOCK(test_batches_are_received_and_given_back),
        MOCK(test_failed_open_has_the_plugins_text),
        MOCK(test_endpoint_that_opens_down_says_so),
        MOCK(test_down_and_up_are_events),
        MOCK(test_failed_endpoint_is_closed_once_and_told),
        MOCK(test_full_line_is_left_alone_until_it_is_writable),
        MOCK(test_timer_goes_off_once),
        MOCK(test_watched_descriptor_is_polled_and_then_received_from),
        MOCK(test_watches_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
