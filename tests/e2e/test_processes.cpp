// SPDX-License-Identifier: Apache-2.0
// Processes that die, and processes that drive their node in each of the ways there are.
#include "fixture.h"

#include <atomic>
#include <event2/event.h>
#include <event2/thread.h>
#include <mutex>
#include <poll.h>
#include <unistd.h>

namespace plait::e2e {
namespace {

constexpr uint64_t kFile = 8u << 20;
constexpr uint64_t kPatienceMs = 30000;

void begin(Fixture &f, const plait_node_config *config) {
    assert_true(f.far.open({"udp://127.0.0.1:0"}));
    f.near = std::make_unique<Near>(config);
    assert_true(f.near->open("udp://127.0.0.1:0") != PLAIT_NONE);
}

void test_peer_killed_is_noticed_in_time(void **state) {
    Fixture &f = fixture(state);
    const plait_node_config config = short_timeouts();
    begin(f, &config);
    assert_true(f.near->connect(f.far, f.far.uri(0).c_str()));
    f.near->send_file(1u << 30); // more than it will get
    assert_true(f.near->run_until([&] { return f.near->acked() > kFile; }, kPatienceMs));
    f.far.kill_it();
    assert_true(f.near->run_until([&] { return f.near->dormant || f.near->closed; }, 6000));
    assert_true(f.near->run_until([&] { return f.near->closed; }, 10000));
    assert_int_equal(f.near->close_status, PLAIT_E_TIMEOUT);
}

void test_killed_peer_without_traffic_is_noticed_by_keepalive(void **state) {
    Fixture &f = fixture(state);
    const plait_node_config config = short_timeouts();
    begin(f, &config);
    assert_true(f.near->connect(f.far, f.far.uri(0).c_str()));
    assert_true(f.near->run_until([&] { return f.near->connected; }, 5000));
    f.far.kill_it();
    assert_true(f.near->run_until([&] { return f.near->closed; }, 10000));
    assert_int_equal(f.near->close_status, PLAIT_E_TIMEOUT);
}

// Mode 1. Pings between the bulk, in order.
void test_mode_wait_transfer_arrives_whole(void **state) {
    Fixture &f = fixture(state);
    begin(f, nullptr);
    assert_true(f.near->connect(f.far, f.far.uri(0).c_str()));
    assert_true(f.near->run_until([&] { return f.near->connected; }, 5000));
    f.near->send_file(kFile);
    for (int i = 0; i < 50; i++) {
        f.near->send_ping();
        assert_true(f.near->turn(2));
    }
    assert_true(f.near->run_until([&] { return f.near->pongs == 50; }, kPatienceMs));
    expect_whole(f, kPatienceMs);
}

// Mode 2, with the application's own poll.
void test_mode_fd_transfer_arrives_whole(void **state) {
    Fixture &f = fixture(state);
    begin(f, nullptr);
    pollfd p{plait_node_fd(f.near->node()), POLLIN, 0};
    assert_true(p.fd >= 0);
    assert_true(f.near->connect(f.far, f.far.uri(0).c_str()));
    f.near->send_file(kFile);
    const uint64_t end = now_ms() + kPatienceMs;
    while (!f.near->closed && now_ms() < end) {
        plait_event events[8];
        size_t got = 0;
        if (poll(&p, 1, 1000) != 1)
            continue;
        assert_int_equal(plait_node_dispatch(f.near->node(), events, 8, &got), PLAIT_OK);
        const bool was_finished = f.near->finished;
        for (size_t i = 0; i < got; i++)
            f.near->on_event(events[i]);
        if (f.near->finished && !was_finished)
            plait_connection_close(f.near->node(), f.near->peer(), 0, nullptr);
    }
    assert_true(f.near->closed);
    assert_int_equal(f.far.wait(5000), 0);
}

// What a callback does, on the library's thread or in libevent's loop.
struct Callback {
    Near *near;
    std::atomic<bool> closed{false};
    std::atomic<int> inside{0}, overlaps{0};
    event_base *base = nullptr;

    static void on_event(plait_node *node, const plait_event *e, void *user) {
        auto *self = static_cast<Callback *>(user);
        self->overlaps += self->inside.fetch_add(1) != 0;
        self->near->on_event(*e);
        if (e->type == PLAIT_EVENT_FINISHED)
            plait_connection_close(node, e->connection, 0, nullptr);
        self->inside--;
        if (e->type != PLAIT_EVENT_CLOSED)
            return;
        self->closed = true;
        if (self->base != nullptr)
            event_base_loopbreak(self->base);
    }
};

// Mode 3.
void test_mode_callback_transfer_arrives_whole(void **state) {
    Fixture &f = fixture(state);
    begin(f, nullptr);
    Callback callback{f.near.get()};
    assert_true(f.near->connect(f.far, f.far.uri(0).c_str()));
    f.near->send_file(kFile);
    assert_int_equal(plait_node_start(f.near->node(), Callback::on_event, &callback), PLAIT_OK);
    const uint64_t end = now_ms() + kPatienceMs;
    while (!callback.closed && now_ms() < end)
        usleep(5000);
    assert_int_equal(plait_node_stop(f.near->node()), PLAIT_OK);
    assert_true(callback.closed);
    assert_int_equal(callback.overlaps, 0);
    assert_int_equal(f.far.wait(5000), 0);
}

// Mode 4: the loop runs on the library's thread, events are taken here.
void test_mode_thread_and_wait_transfer_arrives_whole(void **state) {
    Fixture &f = fixture(state);
    begin(f, nullptr);
    assert_int_equal(plait_node_start(f.near->node(), nullptr, nullptr), PLAIT_OK);
    assert_true(f.near->connect(f.far, f.far.uri(0).c_str()));
    f.near->send_file(kFile);
    expect_whole(f, kPatienceMs);
    assert_int_equal(plait_node_stop(f.near->node()), PLAIT_OK);
}

// Mode 5: in the application's libevent loop.
void test_mode_attach_transfer_arrives_whole(void **state) {
    Fixture &f = fixture(state);
    plait_node_config config = PLAIT_NODE_CONFIG_INIT;
    config.poller = PLAIT_POLLER_LIBEVENT;
    begin(f, &config);
    event_base *base = event_base_new();
    Callback callback{f.near.get()};
    callback.base = base;
    const timeval patience{static_cast<time_t>(kPatienceMs / 1000), 0};
    event_base_loopexit(base, &patience);
    const plait_status attached = plait_node_attach(f.near->node(), base);
    const plait_status started = plait_node_start(f.near->node(), Callback::on_event, &callback);
    const bool connected = f.near->connect(f.far, f.far.uri(0).c_str());
    f.near->send_file(kFile);
    event_base_dispatch(base);
    const plait_status stopped = plait_node_stop(f.near->node());
    event_base_free(base);
    assert_int_equal(attached, PLAIT_OK);
    assert_int_equal(started, PLAIT_OK);
    assert_int_equal(stopped, PLAIT_OK);
    assert_true(connected);
    assert_true(callback.closed);
    assert_int_equal(f.far.wait(5000), 0);
}

// The portable poller in the simplest mode.
void test_libevent_poller_transfer_arrives_whole(void **state) {
    Fixture &f = fixture(state);
    plait_node_config config = PLAIT_NODE_CONFIG_INIT;
    config.poller = PLAIT_POLLER_LIBEVENT;
    begin(f, &config);
    assert_true(plait_node_fd(f.near->node()) == PLAIT_E_UNSUPPORTED);
    assert_true(f.near->connect(f.far, f.far.uri(0).c_str()));
    f.near->send_file(kFile);
    expect_whole(f, kPatienceMs);
}

} // namespace
} // namespace plait::e2e

int main() {
    using namespace plait::e2e;
    evthread_use_pthreads();
    const CMUnitTest tests[] = {
        E2E_TEST(test_peer_killed_is_noticed_in_time),
        E2E_TEST(test_killed_peer_without_traffic_is_noticed_by_keepalive),
        E2E_TEST(test_mode_wait_transfer_arrives_whole),
        E2E_TEST(test_mode_fd_transfer_arrives_whole),
        E2E_TEST(test_mode_callback_transfer_arrives_whole),
        E2E_TEST(test_mode_thread_and_wait_transfer_arrives_whole),
        E2E_TEST(test_mode_attach_transfer_arrives_whole),
        E2E_TEST(test_libevent_poller_transfer_arrives_whole),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
