/* SPDX-License-Identifier: Apache-2.0 */
/* An endpoint that stands for several (plait.members/1), from the plugin's chair: a transport whose
 * flock:// has the members that the test names, flock://1 and so on. */
#include "abi.h"

enum { BIRDS = 4, ADDR_FAILS = 9 };

typedef struct bird {
    const plait_host *host;
    plait_host_endpoint *h;
    int closed; /* how often */
    bool group, open;
} bird;

static bird birds[1 + BIRDS]; /* the group is the first */
static int order[2 * (1 + BIRDS)], closes;
static void (*action)(void); /* in the group's next poll */

static plait_status flock_open(const plait_host *host, plait_host_endpoint *h,
                               const plait_open_args *args, void **self) {
    const char *name = args->uri + strlen("flock://");
    bird *b = &birds[*name == '\0' ? 0 : *name - '0'];
    b->host = host;
    b->h = h;
    b->group = b == birds;
    b->open = true;
    if (!b->group) { /* something to be told of it when it has joined */
        host->state(h, PLAIT_TRANSPORT_UP, NULL, 0);
    }
    *self = b;
    return PLAIT_OK;
}
static void flock_close(void *self) {
    bird *b = self;
    assert_true(b->open);
    b->open = false;
    b->closed++;
    order[closes++] = (int)(b - birds);
}
static plait_status flock_send(void *self, const plait_datagram *v, uint32_t n, uint32_t *sent) {
    (void)self, (void)v;
    *sent = n;
    return PLAIT_OK;
}
static plait_status flock_recv(void *self, plait_datagram *v, uint32_t n, uint32_t *got) {
    (void)self, (void)v, (void)n;
    *got = 0;
    return PLAIT_OK;
}
static void flock_poll(void *self, int fd, uint32_t events) {
    bird *b = self;
    void (*now)(void) = action;
    (void)fd, (void)events;
    if (b->group && now != NULL) {
        action = NULL;
        now();
    }
}
static plait_status flock_uri(void *self, const plait_addr *addr, char *buf, size_t cap) {
    bird *b = self;
    assert_true(b->open && b->group);
    if (addr->b[0] == ADDR_FAILS) {
        (b->host->fail)(b->h, PLAIT_E_NO_DEVICE, "a hawk"); /* fail() is a macro of cmocka */
        snprintf(buf, cap, "flock://4");
        return PLAIT_OK;
    }
    snprintf(buf, cap, "flock://%d", addr->b[0]);
    return PLAIT_OK;
}
static const void *flock_extension(void *self, const char *id) {
    static const plait_transport_members members = {sizeof members, 0, flock_uri};
    const bird *b = self;
    return b != NULL && b->group && strcmp(id, PLAIT_EXTENSION_MEMBERS) == 0 ? &members : NULL;
}

static const plait_transport flock = {
    .abi = PLAIT_TRANSPORT_ABI,
    .struct_size = sizeof(plait_transport),
    .name = "flock",
    .open = flock_open,
    .close = flock_close,
    .send = flock_send,
    .recv = flock_recv,
    .poll = flock_poll,
    .get_extension = flock_extension,
};

typedef struct fixture {
    plait_identity *identity;
    plait_node *node;
    plait_endpoint group;
} fixture;

static fixture f;

static int set_up(void **state) {
    const plait_node_config config = test_config();
    (void)state;
    memset(birds, 0, sizeof birds);
    closes = 0;
    assert_ok(plait_identity_new(&f.identity));
    assert_ok(plait_node_new(f.identity, &config, &f.node));
    assert_ok(plait_node_register_transport(f.node, &flock));
    assert_ok(plait_endpoint_open(f.node, "flock://", NULL, &f.group));
    return 0;
}
static int tear_down(void **state) {
    (void)state;
    plait_node_free(f.node);
    plait_identity_free(f.identity);
    for (int i = 0; i <= BIRDS; i++) {
        assert_false(birds[i].open);
    }
    return 0;
}

static void tell(int which, uint64_t there) {
    plait_addr addr;
    memset(&addr, 0, sizeof addr);
    addr.len = 1;
    addr.b[0] = (uint8_t)which;
    birds[0].host->state(birds[0].h, PLAIT_TRANSPORT_ADDRESS, &addr, there);
}
static void in_poll(void (*what)(void)) {
    action = what;
    birds[0].host->wake(birds[0].h);
}

typedef struct told {
    int opened, closed, group_closed;
    plait_status status;
    plait_endpoint last;
} told;

/* What is told within a moment. */
static told take_events(void) {
    told t = {0};
    plait_event events[16];
    size_t got = 1;
    while (got > 0 || action != NULL) {
        assert_ok(plait_node_wait(f.node, events, 16, &got, 20));
        for (size_t i = 0; i < got; i++) {
            const bool group = events[i].a == f.group;
            t.opened += events[i].type == PLAIT_EVENT_ENDPOINT_OPENED;
            if (events[i].type == PLAIT_EVENT_ENDPOINT_CLOSED) {
                t.status = events[i].status;
                t.last = events[i].a;
                t.closed += !group;
                t.group_closed += group;
            }
        }
    }
    return t;
}

static void two_come(void) {
    tell(1, 1);
    tell(2, 1);
}
static void it_fails(void) {
    (birds[0].host->fail)(birds[0].h, PLAIT_E_NO_DEVICE, "the loft has burnt down");
}
static void two_come_and_it_fails(void) {
    two_come();
    it_fails();
}
static void two_come_a_hawk_between(void) {
    tell(1, 1);
    tell(ADDR_FAILS, 1);
    tell(2, 1);
}
static void first_fails(void) {
    (birds[1].host->fail)(birds[1].h, PLAIT_E_TRANSPORT, "a broken wing");
}
static void first_goes(void) {
    tell(1, 0);
}
static void first_comes(void) {
    tell(1, 1);
}

static void test_failed_group_members_are_closed_before_it(void **state) {
    (void)state;
    in_poll(two_come);
    assert_int_equal(take_events().opened, 2);
    in_poll(it_fails);
    const told t = take_events();
    assert_int_equal(t.closed, 2);
    assert_int_equal(t.group_closed, 1);
    assert_int_equal(t.status, PLAIT_E_NO_DEVICE);
    assert_int_equal(closes, 3);
    assert_int_equal(order[2], 0); /* the group last */
    assert_ok(plait_endpoint_close(f.node, f.group));
    assert_int_equal(closes, 3);
}

static void test_group_that_fails_with_news_opens_nothing(void **state) {
    (void)state;
    in_poll(two_come_and_it_fails);
    const told t = take_events();
    assert_int_equal(t.opened, t.closed);
    assert_int_equal(t.group_closed, 1);
    assert_int_equal(birds[0].closed, 1);
}

/* It fails while one of its members is being opened. */
static void test_group_that_fails_inside_uri_leaves_no_member(void **state) {
    (void)state;
    in_poll(two_come_a_hawk_between);
    const told t = take_events();
    assert_int_equal(t.opened, t.closed);
    assert_int_equal(t.group_closed, 1);
    for (int i = 0; i <= BIRDS; i++) {
        assert_false(birds[i].open);
        assert_true(birds[i].closed <= 1);
    }
    assert_int_equal(order[closes - 1], 0);
}

/* Nobody has opened the member, so nobody has to close what is left of it; its address may come
 * again. */
static void test_failed_member_is_gone_and_may_come_again(void **state) {
    plait_endpoint_info info = {.struct_size = sizeof info};
    (void)state;
    in_poll(two_come);
    assert_int_equal(take_events().opened, 2);
    in_poll(first_fails);
    const told t = take_events();
    assert_int_equal(t.closed, 1);
    assert_int_equal(t.status, PLAIT_E_TRANSPORT);
    assert_int_equal(birds[1].closed, 1);
    assert_int_not_equal(plait_endpoint_get_info(f.node, t.last, &info), PLAIT_OK);
    in_poll(first_goes);
    assert_int_equal(take_events().closed, 0);
    in_poll(first_comes);
    assert_int_equal(take_events().opened, 1);
    assert_true(birds[1].open);
    assert_ok(plait_endpoint_close(f.node, f.group));
    assert_int_equal(birds[1].closed, 2);
    assert_int_equal(birds[2].closed, 1);
}

int main(void) {
#define FLOCK(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        FLOCK(test_failed_group_members_are_closed_before_it),
        FLOCK(test_group_that_fails_with_news_opens_nothing),
        FLOCK(test_group_that_fails_inside_uri_leaves_no_member),
        FLOCK(test_failed_member_is_gone_and_may_come_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
