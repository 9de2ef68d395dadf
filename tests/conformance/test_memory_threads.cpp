// SPDX-License-Identifier: Apache-2.0
// The memory hub with a thread for each host: datagrams between them, and endpoints that come and
// go under the senders' feet. To be run under the thread sanitizer too.
#include "builtin.h"
#include "suite.h"

#include <atomic>
#include <latch>
#include <thread>

using namespace plait::conformance;

namespace {

constexpr uint32_t kThreads = 4;
constexpr uint32_t kRounds = 400;

struct Tally {
    std::atomic<uint32_t> whole{0}, broken{0}, violations{0};
    std::latch opened{kThreads}, sent{kThreads};
    std::atomic<bool> stop{false};
};

std::string name_of(uint32_t i) {
    return "memory://t" + std::to_string(i);
}

void count(plait_host_endpoint *e, Tally &tally) {
    for (const Received &r : e->inbox) {
        (is_pattern(r.data) ? tally.whole : tally.broken)++;
    }
    e->inbox.clear();
}

// Opens its name, waits for the others, sends to each of them in turn and takes what comes.
void talk(uint32_t me, Tally &tally) {
    Host host;
    plait_host_endpoint *e = host.open(&plait_transport_memory, name_of(me).c_str());
    tally.opened.arrive_and_wait();
    if (e == nullptr) {
        tally.broken++;
        tally.sent.arrive_and_wait();
        return;
    }
    for (uint32_t round = 0; round < kRounds; round++) {
        plait_addr to{};
        e->parse(name_of((me + 1 + round % (kThreads - 1)) % kThreads).c_str(), &to);
        Bytes data = pattern(round, 20 + round);
        plait_datagram d = datagram_to(to, data);
        uint32_t sent = 0;
        if (e->send(&d, 1, &sent) != PLAIT_OK) {
            tally.broken++;
        }
        host.turn(0);
        count(e, tally);
    }
    tally.sent.arrive_and_wait();
    host.turn(0); // all has been sent: one turn takes what is left
    count(e, tally);
    tally.violations += static_cast<uint32_t>(host.violations.size());
}

void test_hosts_of_several_threads_talk(void **) {
    Tally tally;
    {
        std::thread threads[kThreads];
        for (uint32_t i = 0; i < kThreads; i++) {
            threads[i] = std::thread(talk, i, std::ref(tally));
        }
        for (std::thread &t : threads) {
            t.join();
        }
    }
    assert_int_equal(tally.broken.load(), 0);
    assert_int_equal(tally.violations.load(), 0);
    assert_int_equal(tally.whole.load(), kThreads * kRounds);
}

// Sends to one name for as long as it is told to.
void bombard(uint32_t me, Tally &tally) {
    Host host;
    plait_host_endpoint *e = host.open(&plait_transport_memory, name_of(me).c_str());
    plait_addr to{};
    if (e == nullptr || e->parse("memory://guest", &to) != PLAIT_OK) {
        tally.broken++;
        return;
    }
    for (uint32_t i = 0; !tally.stop.load(); i++) {
        Bytes data = pattern(i, 600);
        plait_datagram d = datagram_to(to, data);
        uint32_t sent = 0;
        e->send(&d, 1, &sent);
    }
}

void test_endpoint_may_close_while_others_send_to_it(void **) {
    Tally tally;
    {
        std::thread threads[2] = {std::thread(bombard, 1, std::ref(tally)),
                                  std::thread(bombard, 2, std::ref(tally))};
        Host host;
        for (uint32_t round = 0; round < 200; round++) {
            plait_host_endpoint *e = host.open(&plait_transport_memory, "memory://guest");
            if (e == nullptr) {
                tally.broken++;
                continue;
            }
            host.run([&] { return e->inbox.size() >= 20; }, 2000);
            count(e, tally);
            host.close(e);
        }
        tally.stop = true;
        for (std::thread &t : threads) {
            t.join();
        }
    }
    assert_int_equal(tally.broken.load(), 0);
    assert_true(tally.whole.load() >= 200 * 20);
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(test_hosts_of_several_threads_talk),
        cmocka_unit_test(test_endpoint_may_close_while_others_send_to_it),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
