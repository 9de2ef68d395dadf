// SPDX-License-Identifier: Apache-2.0
// The same tests for each poller: a pipe is watched, other threads wake and change things.
#include "../cmocka.hpp"

#include "plait/transport.h"
#include "runtime/poller.h"

#include <array>
#include <atomic>
#include <event2/event.h>
#include <fcntl.h>
#include <poll.h>
#include <thread>
#include <unistd.h>

using namespace plait;
using namespace plait::runtime;

namespace {

using Make = std::unique_ptr<Poller> (*)(Waker &);

struct Fixture {
    explicit Fixture(Make make) : poller(make(waker)) {
        if (pipe(a) != 0 || pipe(b) != 0)
            std::abort();
        for (int fd : {a[0], a[1], b[0], b[1]})
            fcntl(fd, F_SETFL, O_NONBLOCK);
    }
    ~Fixture() {
        poller.reset();
        for (int fd : {a[0], a[1], b[0], b[1]})
            if (fd >= 0)
                close(fd);
    }
    // Sleeps and gives the events told for `tag`; ~0 if something else was told.
    uint32_t events_for(uint64_t tag, Duration timeout = base::millis(0)) {
        std::unique_lock lock(mutex);
        if (poller->sleep(lock, timeout) != PLAIT_OK)
            return ~0u;
        std::array<Ready, 8> ready;
        const size_t n = poller->take(ready);
        uint32_t events = 0;
        for (size_t i = 0; i < n; i++)
            events = ready[i].tag == tag ? events | ready[i].events : ~0u;
        return events;
    }
    std::mutex mutex;
    Waker waker;
    std::unique_ptr<Poller> poller;
    int a[2], b[2];
};

std::unique_ptr<Poller> libevent(Waker &waker) { return make_libevent(waker); }

int set_up_epoll(void **state) {
    *state = new Fixture(make_epoll);
    return 0;
}
int set_up_libevent(void **state) {
    *state = new Fixture(libevent);
    return 0;
}
int tear_down(void **state) {
    delete static_cast<Fixture *>(*state);
    return 0;
}
Fixture &fixture(void **state) { return *static_cast<Fixture *>(*state); }
void put(int fd) { assert_int_equal(write(fd, "x", 1), 1); }

constexpr uint64_t kTag = 42;

void test_readable_descriptor_is_told_until_it_was_read(void **state) {
    Fixture &f = fixture(state);
    assert_int_equal(f.poller->watch(f.a[0], PLAIT_POLL_READ, kTag), PLAIT_OK);
    assert_int_equal(f.events_for(kTag), 0);
    put(f.a[1]);
    assert_int_equal(f.events_for(kTag), PLAIT_POLL_READ);
    assert_int_equal(f.events_for(kTag), PLAIT_POLL_READ);
    char c;
    assert_int_equal(read(f.a[0], &c, 1), 1);
    assert_int_equal(f.events_for(kTag), 0);
}

void test_writable_descriptor_is_told_once_each_time(void **state) {
    Fixture &f = fixture(state);
    f.poller->watch(f.a[1], PLAIT_POLL_WRITE, kTag);
    assert_int_equal(f.events_for(kTag), PLAIT_POLL_WRITE);
    assert_int_equal(f.events_for(kTag), 0);
    f.poller->watch(f.a[1], PLAIT_POLL_WRITE, kTag);
    assert_int_equal(f.events_for(kTag), PLAIT_POLL_WRITE);
}

void test_silent_and_unwatched_descriptors_are_not_told(void **state) {
    Fixture &f = fixture(state);
    put(f.a[1]);
    f.poller->watch(f.a[0], PLAIT_POLL_READ, kTag);
    f.poller->watch(f.a[0], 0, kTag);
    assert_int_equal(f.events_for(kTag), 0);
    f.poller->watch(f.a[0], PLAIT_POLL_READ, kTag);
    assert_int_equal(f.events_for(kTag), PLAIT_POLL_READ);
    f.poller->unwatch(f.a[0]);
    assert_int_equal(f.events_for(kTag), 0);
    f.poller->unwatch(f.a[0]); // once more is harmless
}

void test_hangup_is_told_as_readable_and_error(void **state) {
    Fixture &f = fixture(state);
    f.poller->watch(f.a[0], PLAIT_POLL_READ, kTag);
    close(f.a[1]);
    f.a[1] = -1;
    assert_int_equal(f.events_for(kTag), PLAIT_POLL_READ | PLAIT_POLL_ERROR);
}

void test_descriptor_number_used_anew_is_watched(void **state) {
    Fixture &f = fixture(state);
    f.poller->watch(f.a[0], PLAIT_POLL_READ, kTag);
    assert_int_equal(f.events_for(kTag), 0);
    f.poller->unwatch(f.a[0]);
    assert_int_equal(dup2(f.b[0], f.a[0]), f.a[0]);
    f.poller->watch(f.a[0], PLAIT_POLL_READ, kTag + 1);
    put(f.b[1]);
    assert_int_equal(f.events_for(kTag + 1), PLAIT_POLL_READ);
}

void test_timeout_ends_a_sleep_not_before_its_time(void **state) {
    Fixture &f = fixture(state);
    const Time begin = monotonic_now();
    assert_int_equal(f.events_for(kTag, base::millis(5)), 0);
    // libevent counts whole milliseconds of a clock that may be one behind.
    assert_true((monotonic_now() - begin).us >= 4000);
}

void test_wake_ends_a_sleep_of_another_thread(void **state) {
    Fixture &f = fixture(state);
    std::thread other([&f] { f.waker.wake(); });
    assert_int_equal(f.events_for(kWakerTag, kNoTimeout), PLAIT_POLL_READ);
    other.join();
    assert_int_equal(f.events_for(kWakerTag), 0);
    f.waker.wake();
    f.waker.wake();
    assert_int_equal(f.events_for(kWakerTag), PLAIT_POLL_READ);
    assert_int_equal(f.events_for(kWakerTag), 0);
}

// The sleeper gives its lock up, so that another thread can watch a descriptor that then ends the
// sleep.
void test_watch_during_a_sleep_takes_effect(void **state) {
    Fixture &f = fixture(state);
    put(f.a[1]);
    std::thread other([&f] {
        std::lock_guard lock(f.mutex);
        f.poller->watch(f.a[0], PLAIT_POLL_READ, kTag);
    });
    uint32_t events = 0;
    while (events == 0) { // libevent is woken first and watches then
        std::unique_lock lock(f.mutex);
        f.poller->sleep(lock, kNoTimeout);
        std::array<Ready, 8> ready;
        const size_t n = f.poller->take(ready);
        for (size_t i = 0; i < n; i++)
            events |= ready[i].tag == kTag ? ready[i].events : 0;
    }
    assert_int_equal(events, PLAIT_POLL_READ);
    other.join();
}

void test_take_gives_in_pieces_what_one_sleep_found(void **state) {
    Fixture &f = fixture(state);
    put(f.a[1]);
    put(f.b[1]);
    f.poller->watch(f.a[0], PLAIT_POLL_READ, 1);
    f.poller->watch(f.b[0], PLAIT_POLL_READ, 2);
    std::unique_lock lock(f.mutex);
    f.poller->sleep(lock, base::millis(0));
    Ready one, two, three;
    assert_true(f.poller->found());
    assert_int_equal(f.poller->take({&one, 1}), 1);
    assert_int_equal(f.poller->take({&two, 1}), 1);
    assert_int_equal(f.poller->take({&three, 1}), 0);
    assert_false(f.poller->found());
    assert_int_equal(one.tag + two.tag, 3);
}

bool is_readable(int fd, int timeout_ms = 0) {
    pollfd p{fd, POLLIN, 0};
    return poll(&p, 1, timeout_ms) == 1;
}

void test_epoll_descriptor_covers_input_wakes_and_alarms(void **state) {
    Fixture &f = fixture(state);
    const auto fd = f.poller->fd();
    assert_true(fd.ok());
    assert_false(is_readable(*fd));
    f.poller->watch(f.a[0], PLAIT_POLL_READ, kTag);
    put(f.a[1]);
    assert_true(is_readable(*fd));
    f.poller->unwatch(f.a[0]);
    assert_false(is_readable(*fd));
    f.waker.wake();
    assert_true(is_readable(*fd));
    assert_int_equal(f.events_for(kWakerTag), PLAIT_POLL_READ);
    assert_false(is_readable(*fd));
    const Time soon = monotonic_now() + base::millis(1);
    for (int i = 0; i < 2; i++) { // once more at the same time, which is past then
        f.poller->set_alarm(soon);
        assert_true(is_readable(*fd, 1000));
        assert_int_equal(f.events_for(kAlarmTag), PLAIT_POLL_READ);
        assert_false(is_readable(*fd));
    }
    f.poller->set_alarm(monotonic_now() + base::seconds(1000));
    f.poller->set_alarm(kNever);
    assert_false(is_readable(*fd));
}

void test_libevent_descriptor_is_unsupported(void **state) {
    assert_int_equal(fixture(state).poller->fd().status(), PLAIT_E_UNSUPPORTED);
}

struct CountingSink final : Sink {
    void on_ready() override {
        calls++;
        const size_t n = poller->take(ready);
        if (n != 0)
            last = ready[n - 1];
    }
    Poller *poller = nullptr;
    std::array<Ready, 8> ready;
    Ready last;
    int calls = 0;
};

void test_libevent_in_a_foreign_base_calls_the_sink(void **state) {
    Fixture &f = fixture(state);
    event_base *base = event_base_new();
    CountingSink sink;
    f.poller = make_libevent(f.waker, base, &sink);
    sink.poller = f.poller.get();
    f.poller->watch(f.a[0], PLAIT_POLL_READ, kTag);
    event_base_loop(base, EVLOOP_NONBLOCK);
    assert_int_equal(sink.calls, 0);
    put(f.a[1]);
    event_base_loop(base, EVLOOP_ONCE);
    assert_int_equal(sink.calls, 1);
    assert_int_equal(sink.last.tag, kTag);
    f.poller->unwatch(f.a[0]);
    f.poller->set_alarm(monotonic_now() + base::millis(1));
    event_base_loop(base, EVLOOP_ONCE);
    assert_int_equal(sink.last.tag, kAlarmTag);
    f.waker.wake();
    event_base_loop(base, EVLOOP_ONCE);
    assert_int_equal(sink.last.tag, kWakerTag);
    f.poller.reset();
    assert_int_equal(event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED), 0);
    event_base_free(base);
}

#define BOTH(test)                                                                                 \
    cmocka_unit_test_setup_teardown(test, set_up_epoll, tear_down),                                \
        cmocka_unit_test_setup_teardown(test, set_up_libevent, tear_down)

} // namespace

int main() {
    const CMUnitTest tests[] = {
        BOTH(test_readable_descriptor_is_told_until_it_was_read),
        BOTH(test_writable_descriptor_is_told_once_each_time),
        BOTH(test_silent_and_unwatched_descriptors_are_not_told),
        BOTH(test_hangup_is_told_as_readable_and_error),
        BOTH(test_descriptor_number_used_anew_is_watched),
        BOTH(test_timeout_ends_a_sleep_not_before_its_time),
        BOTH(test_wake_ends_a_sleep_of_another_thread),
        BOTH(test_watch_during_a_sleep_takes_effect),
        BOTH(test_take_gives_in_pieces_what_one_sleep_found),
        cmocka_unit_test_setup_teardown(test_epoll_descriptor_covers_input_wakes_and_alarms,
                                        set_up_epoll, tear_down),
        cmocka_unit_test_setup_teardown(test_libevent_descriptor_is_unsupported, set_up_libevent,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_libevent_in_a_foreign_base_calls_the_sink,
                                        set_up_libevent, tear_down),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
