// SPDX-License-Identifier: Apache-2.0
// Channels opened and closed one after the other cost nothing that stays: the bytes that the
// allocator has given and not got back are the same after many as after some. PLAIT_CHANNELS=N
// takes N instead of the few of the suite; a million take half a minute.
#include "../cmocka.hpp"
#include "pair.h"

#include <cstdlib>
#include <malloc.h>
#include <new>

using namespace plait;
using namespace plait::test;

namespace {
uint64_t live_bytes = 0;

void *allocate(size_t n) {
    void *p = std::malloc(n > 0 ? n : 1);
    if (!p)
        throw std::bad_alloc();
    live_bytes += malloc_usable_size(p);
    return p;
}
void release(void *p) {
    live_bytes -= p ? malloc_usable_size(p) : 0;
    std::free(p);
}
} // namespace

void *operator new(size_t n) {
    return allocate(n);
}
void *operator new[](size_t n) {
    return allocate(n);
}
void operator delete(void *p) noexcept {
    release(p);
}
void operator delete[](void *p) noexcept {
    release(p);
}
void operator delete(void *p, size_t) noexcept {
    release(p);
}
void operator delete[](void *p, size_t) noexcept {
    release(p);
}

namespace {

void live_and_die(Connected &w) {
    w.a.events.clear();
    w.z.events.clear();
    assert_true(w.open(channel::stream()));
    const Bytes part = base::bytes_of("hello");
    assert_true(w.a.node.send(w.ch, {&part, 1}, w.now).ok());
    assert_int_equal(w.a.node.finish(w.ch, w.now), PLAIT_OK);
    assert_int_equal(w.z.node.finish(w.zh, w.now), PLAIT_OK);
    uint8_t bytes[8];
    const auto ended = [&](Side &s, uint64_t ch) {
        return s.node.read(ch, bytes, nullptr, w.now).status() == PLAIT_E_END;
    };
    assert_true(w.run([&] { return ended(w.z, w.zh) && ended(w.a, w.ch); }));
    assert_true(w.run([&] {
        return has(w.a, PLAIT_EVENT_CHANNEL_CLOSED) && has(w.z, PLAIT_EVENT_CHANNEL_CLOSED);
    }));
    assert_int_equal(w.a.node.close_channel(w.ch, w.now), PLAIT_OK);
    assert_int_equal(w.z.node.close_channel(w.zh, w.now), PLAIT_OK);
}

void test_channels_in_a_row_memory_stays(void **) {
    const char *wanted = std::getenv("PLAIT_CHANNELS");
    const long total = wanted ? std::atol(wanted) : 8000;
    Connected w;
    assert_true(w.connect());
    for (long i = 0; i < 2000; i++)
        live_and_die(w);
    const uint64_t before = live_bytes;
    for (long i = 2000; i < total; i++)
        live_and_die(w);
    // Queues and pools may find their last size in between.
    if (live_bytes > before + (64u << 10))
        print_error("%llu bytes more after %ld channels\n",
                    static_cast<unsigned long long>(live_bytes - before), total);
    assert_true(live_bytes <= before + (64u << 10));
    assert_true(w.a.node.stats().channels == 1 && w.z.node.stats().channels == 1);
}

} // namespace

int main() {
    const CMUnitTest tests[] = {cmocka_unit_test(test_channels_in_a_row_memory_stays)};
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
