// SPDX-License-Identifier: Apache-2.0
// Every kind of channel between two processes, all at once on one connection: over UDP, over a tty,
// and what is told of each when the other process dies in the middle.
#include "../conformance/ptys.h"
#include "fixture.h"

#include <cstring>

namespace plait::e2e {
namespace {

constexpr uint32_t kCount = 20; // messages of each kind
constexpr size_t kMost = 1000;  // bytes
constexpr uint64_t kPatienceMs = 20000;

// The presets, and resend, order and what follows on loss in all combinations.
std::vector<plait_channel_config> kinds() {
    std::vector<plait_channel_config> out;
    for (const uint32_t preset : {PLAIT_PRESET_STREAM, PLAIT_PRESET_MESSAGES, PLAIT_PRESET_DATAGRAM,
                                  PLAIT_PRESET_SEQUENCED}) {
        plait_channel_config c{};
        assert_int_equal(plait_channel_config_init(&c, sizeof c, preset), PLAIT_OK);
        out.push_back(c);
    }
    for (const uint8_t resend : {PLAIT_RESEND_ALWAYS, PLAIT_RESEND_NEVER, PLAIT_RESEND_AT_MOST,
                                 PLAIT_RESEND_UNTIL_DEADLINE})
        for (const uint8_t unordered : {0, 1})
            for (const uint8_t on_loss : {PLAIT_ON_LOSS_SKIP, PLAIT_ON_LOSS_CLOSE}) {
                plait_channel_config c = PLAIT_CHANNEL_MESSAGES;
                c.resend = resend;
                c.unordered = unordered;
                c.on_loss = on_loss;
                c.resend_limit = resend == PLAIT_RESEND_AT_MOST ? 3 : 0;
                c.deadline_us = resend == PLAIT_RESEND_UNTIL_DEADLINE ? kPatienceMs * 1000 : 0;
                out.push_back(c);
            }
    return out;
}

// One channel: sends numbered messages (a stream: bytes), and gets them back.
struct Talk {
    plait_channel_config config;
    plait_channel channel = PLAIT_NONE;
    uint32_t sent = 0, back = 0, next = 0;
    uint64_t bytes_sent = 0, bytes_back = 0;
    bool wrong = false, closed = false;
    plait_status status = PLAIT_OK;
    bool seen[kCount] = {};

    void send(plait_node *node) {
        uint8_t m[kMost];
        const size_t size = 8 + sent * 97 % (kMost - 8);
        for (size_t i = 0; i < size; i++)
            m[i] = byte_at(bytes_sent + i);
        if (config.messages)
            std::memcpy(m, &sent, sizeof sent);
        size_t taken = 0;
        wrong |= plait_channel_send(node, channel, m, size, &taken) != PLAIT_OK || taken != size;
        bytes_sent += size;
        sent++;
    }
    void read(plait_node *node) {
        uint8_t m[4096];
        size_t len = 0;
        while (plait_channel_read(node, channel, m, sizeof m, &len) == PLAIT_OK)
            config.messages ? take_message(m, len) : take_bytes(m, len);
    }
    void take_bytes(const uint8_t *m, size_t len) {
        for (size_t i = 0; i < len; i++)
            wrong |= m[i] != byte_at(bytes_back++);
    }
    void take_message(const uint8_t *m, size_t len) {
        uint32_t number = kCount;
        if (len >= sizeof number)
            std::memcpy(&number, m, sizeof number);
        if (number >= sent || len != 8 + number * 97 % (kMost - 8) || seen[number] ||
            (!config.unordered && number < next)) {
            wrong = true;
            return;
        }
        seen[number] = true;
        next = number + 1;
        back++;
    }
    // A machine that lets a process wait for a second loses packets like a bad line.
    bool may_be_lost() const {
        return closed && status == PLAIT_E_LOSS && config.on_loss == PLAIT_ON_LOSS_CLOSE &&
               config.resend != PLAIT_RESEND_ALWAYS;
    }
    // All of it, where the kind promises that; most otherwise, as nothing here is lossy by itself.
    bool complete() const {
        if (!config.messages)
            return bytes_back == bytes_sent;
        const bool once = config.resend == PLAIT_RESEND_NEVER;
        return may_be_lost() || (once ? back * 4 >= kCount * 3 : back == kCount);
    }
    bool right() const { return !wrong && (!closed || may_be_lost()); }
};

class Talks {
  public:
    explicit Talks(Near &near) : near_(near) {
        for (const plait_channel_config &config : kinds()) {
            Talk t{.config = config};
            assert_int_equal(
                plait_channel_open(near.node(), near.peer(), "talk", &config, &t.channel),
                PLAIT_OK);
            talks_.push_back(t);
        }
    }
    void send_all() {
        for (Talk &t : talks_)
            t.send(near_.node());
    }
    template <class Condition> bool run_until(Condition condition, uint64_t timeout_ms) {
        const uint64_t end = now_ms() + timeout_ms;
        while (!condition()) {
            plait_event events[64];
            size_t got = 0;
            if (now_ms() >= end || plait_node_wait(near_.node(), events, 64, &got, 10) != PLAIT_OK)
                return false;
            for (size_t i = 0; i < got; i++)
                on_event(events[i]);
        }
        return true;
    }
    bool all(bool (*what)(const Talk &)) const {
        for (const Talk &t : talks_)
            if (!what(t))
                return false;
        return true;
    }

  private:
    void on_event(const plait_event &e) {
        for (Talk &t : talks_) {
            if (e.channel != t.channel)
                continue;
            t.wrong |= t.closed; // nothing follows the closing event
            if (e.type == PLAIT_EVENT_READABLE)
                t.read(near_.node());
            if (e.type == PLAIT_EVENT_CHANNEL_CLOSED) {
                t.closed = true;
                t.status = e.status;
            }
            return;
        }
        near_.on_event(e);
    }
    Near &near_;
    std::vector<Talk> talks_;
};

// Taken down after each test in every ending, the talks before the node that they are on.
struct Place {
    Fixture f;
    std::unique_ptr<conformance::PtyLine> line;
    std::unique_ptr<Talks> talks;
};

int make_place(void **state) {
    *state = new Place;
    return 0;
}
int leave_place(void **state) {
    delete static_cast<Place *>(*state);
    return 0;
}
Place &place(void **state) {
    return *static_cast<Place *>(*state);
}

void begin_talks(Place &p) {
    assert_true(p.f.near->run_until([&] { return p.f.near->connected; }, kPatienceMs));
    p.talks = std::make_unique<Talks>(*p.f.near);
}

void talk_over(Place &p) {
    begin_talks(p);
    for (uint32_t i = 0; i < kCount; i++) {
        p.talks->send_all();
        const uint64_t next = now_ms() + 10;
        p.talks->run_until([&] { return now_ms() >= next; }, 1000);
    }
    assert_true(p.talks->run_until(
        [&] { return p.talks->all([](const Talk &t) { return t.complete(); }); }, kPatienceMs));
    assert_true(p.talks->all([](const Talk &t) { return t.right(); }));
    p.f.near->send_file(100'000);
    expect_whole(p.f, kPatienceMs);
}

void connect_over_udp(Fixture &f, const plait_node_config &config) {
    assert_true(f.far.open({"udp://127.0.0.1:0"}));
    f.near = std::make_unique<Near>(&config);
    assert_true(f.near->open("udp://127.0.0.1:0") != PLAIT_NONE);
    assert_true(f.near->connect(f.far, f.far.uri(0).c_str()));
}

void test_each_kind_over_udp_keeps_its_promise(void **state) {
    connect_over_udp(place(state).f, short_timeouts());
    talk_over(place(state));
}

void test_each_kind_over_serial_keeps_its_promise(void **state) {
    using conformance::PtyLine;
    Place &p = place(state);
    const plait_node_config config = short_timeouts();
    p.line = std::make_unique<PtyLine>();
    assert_true(p.line->ok());
    const auto uri = [&](auto end) { return "serial://" + p.line->path(end) + "?baud=3000000"; };
    assert_true(p.f.far.open({uri(PtyLine::kZ)}));
    p.f.near = std::make_unique<Near>(&config);
    const plait_endpoint tty = p.f.near->open(uri(PtyLine::kA));
    assert_true(p.f.near->connect(p.f.far, nullptr, tty));
    talk_over(p);
}

// Each channel is told of its end once, and the connection after them, in bounded time.
void test_each_kind_when_the_peer_dies_ends_in_time(void **state) {
    Place &p = place(state);
    plait_node_config config = short_timeouts();
    config.dormancy_timeout_us = 1'500'000;
    connect_over_udp(p.f, config);
    begin_talks(p);
    Near &near = *p.f.near;
    for (uint32_t i = 0; i < kCount / 2; i++)
        p.talks->send_all();
    p.talks->run_until([&] { return near.closed; }, 20);
    p.f.far.kill_it();
    for (uint32_t i = 0; i < kCount / 2; i++)
        p.talks->send_all();
    assert_true(p.talks->run_until([&] { return near.closed; }, kPatienceMs));
    assert_int_equal(near.close_status, PLAIT_E_TIMEOUT);
    // Those that close on loss may have closed before, for that reason.
    assert_true(p.talks->all([](const Talk &t) {
        return t.closed && !t.wrong && (t.status == PLAIT_E_TIMEOUT || t.may_be_lost());
    }));
}

} // namespace
} // namespace plait::e2e

#define PRESETS_TEST(test) cmocka_unit_test_setup_teardown(test, make_place, leave_place)

int main() {
    using namespace plait::e2e;
    const CMUnitTest tests[] = {
        PRESETS_TEST(test_each_kind_over_udp_keeps_its_promise),
        PRESETS_TEST(test_each_kind_over_serial_keeps_its_promise),
        PRESETS_TEST(test_each_kind_when_the_peer_dies_ends_in_time),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
