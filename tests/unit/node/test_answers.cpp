// SPDX-License-Identifier: Apache-2.0
// What becomes of channels that the peer opens: standing answers, refusals for want of room, what
// the peer says before it has an answer.
#include "../cmocka.hpp"
#include "pair.h"

#include "wire/frames.h"

#include <string>

using namespace plait;
using namespace plait::test;
using connection::ChannelAnswer;

namespace {

struct World : Pair {
    explicit World(node::Config of_z = {}, bool ask = false) : Pair({}, std::move(of_z)) {
        ea = a.open("udp");
        ez = z.open("udp");
        node::AcceptConfig accept;
        accept.listening = true;
        accept.ask = ask;
        z.node.listen(accept);
        const crypto::NodeId id = z.node.id();
        ca = *a.node.connect(&id, ea, address("z"), {}, now);
    }
    bool connect() {
        return run([&] { return has(a, PLAIT_EVENT_CONNECTED) && has(z, PLAIT_EVENT_CONNECTED); });
    }
    uint64_t open(std::string_view label, const channel::Config &config = channel::stream()) {
        const auto ch = a.node.open_channel(ca, label, config, now);
        assert_true(ch.ok());
        return *ch;
    }
    void send(uint64_t ch, std::string_view text) {
        const Bytes part = base::bytes_of(text);
        assert_true(a.node.send(ch, {&part, 1}, now).ok());
    }
    std::string read(uint64_t ch) {
        uint8_t buffer[64];
        const auto n = z.node.read(ch, buffer, nullptr, now);
        return n.ok() ? std::string(buffer, buffer + *n) : base::status_name(n.status());
    }
    bool wait(Side &s, uint32_t type) {
        return run([&] { return has(s, type); });
    }
    void idle(Duration t) {
        run([] { return false; }, t);
    }
    uint64_t ea, ez, ca;
};

ChannelAnswer accepting(uint64_t token) {
    ChannelAnswer answer;
    answer.kind = ChannelAnswer::Kind::kAccept;
    answer.config = channel::stream();
    answer.token = token;
    return answer;
}
ChannelAnswer refusing(uint64_t code) {
    ChannelAnswer answer;
    answer.kind = ChannelAnswer::Kind::kRefuse;
    answer.code = code;
    return answer;
}

void test_answer_accept_tells_the_handle(void **) {
    World w;
    assert_int_equal(w.z.node.answer_channels(nullptr, accepting(77)), PLAIT_OK);
    assert_true(w.connect());
    const uint64_t ch = w.open("any");
    w.send(ch, "at once");
    assert_true(w.run(
        [&] { return has(w.a, PLAIT_EVENT_CHANNEL_ACCEPTED) && has(w.z, PLAIT_EVENT_READABLE); }));
    const plait_event e = event_of(w.z, PLAIT_EVENT_CHANNEL_ACCEPTED);
    assert_int_equal(e.token, 77);
    assert_string_equal(w.read(e.channel).c_str(), "at once");
    assert_false(has(w.z, PLAIT_EVENT_CHANNEL_REQUEST));
}

void test_answer_by_label_goes_before_that_for_all(void **) {
    const std::string longer(100, 'l'); // comes in a record of its own
    World w;
    const std::string_view ask = "ask", refuse = longer;
    assert_int_equal(w.z.node.answer_channels(nullptr, accepting(0)), PLAIT_OK);
    assert_int_equal(w.z.node.answer_channels(&ask, {}), PLAIT_OK);
    assert_int_equal(w.z.node.answer_channels(&refuse, refusing(42)), PLAIT_OK);
    assert_true(w.connect());
    const uint64_t refused = w.open(longer);
    w.open("ask");
    w.open("other");
    w.idle(base::seconds(1));
    const plait_event end = event_of(w.a, PLAIT_EVENT_CHANNEL_CLOSED);
    assert_true(end.channel == refused);
    assert_int_equal(end.status, PLAIT_E_REFUSED);
    assert_int_equal(end.a, 42);
    size_t requests = 0, accepted = 0;
    for (const plait_event &e : w.z.events) {
        requests += e.type == PLAIT_EVENT_CHANNEL_REQUEST;
        accepted += e.type == PLAIT_EVENT_CHANNEL_ACCEPTED;
        assert_true(e.type != PLAIT_EVENT_CHANNEL_CLOSED); // nothing of the refused one
    }
    assert_int_equal(requests, 1);
    assert_int_equal(accepted, 1);
}

void test_answer_refuse_leaves_nothing(void **) {
    World w;
    assert_int_equal(w.z.node.answer_channels(nullptr, refusing(1)), PLAIT_OK);
    assert_true(w.connect());
    for (uint32_t i = 0; i < 300; i++) { // more than may be open at one time
        const uint64_t ch = w.open("x");
        w.send(ch, "never read");
        assert_true(w.wait(w.a, PLAIT_EVENT_CHANNEL_CLOSED));
        assert_int_equal(w.a.node.close_channel(ch, w.now), PLAIT_OK);
        w.a.events.clear();
    }
    w.idle(base::seconds(1));                       // the last refusal is acknowledged
    assert_int_equal(w.z.node.stats().channels, 1); // the connection's own
}

void test_answer_waits_for_the_connection_to_be_accepted(void **) {
    World w({}, true);
    w.z.node.answer_channels(nullptr, accepting(5));
    w.send(w.open("early"), "hello");
    assert_true(w.wait(w.z, PLAIT_EVENT_CONNECTION_REQUEST));
    w.idle(base::seconds(1));
    assert_false(has(w.a, PLAIT_EVENT_CHANNEL_ACCEPTED));
    const uint64_t cz = event_of(w.z, PLAIT_EVENT_CONNECTION_REQUEST).connection;
    assert_int_equal(w.z.node.accept(cz, w.now), PLAIT_OK);
    assert_true(w.wait(w.a, PLAIT_EVENT_CHANNEL_ACCEPTED));
    const plait_event e = event_of(w.z, PLAIT_EVENT_CHANNEL_ACCEPTED);
    assert_int_equal(e.token, 5);
    assert_string_equal(w.read(e.channel).c_str(), "hello");
}

void test_answers_have_a_limit(void **) {
    World w;
    for (size_t i = 0; i < connection::ChannelAnswers::kMax; i++) {
        const std::string label = std::to_string(i);
        const std::string_view view = label;
        assert_int_equal(w.z.node.answer_channels(&view, accepting(i)), PLAIT_OK);
    }
    const std::string_view known = "7", one_more = "one more";
    assert_int_equal(w.z.node.answer_channels(&known, {}), PLAIT_OK);
    assert_int_equal(w.z.node.answer_channels(&one_more, {}), PLAIT_E_LIMIT);
}

// The table of the node is full: each channel above is refused, its number can't be used again, and
// when there is room the next is accepted.
void test_table_full_open_is_refused_with_a_code(void **) {
    node::Config small;
    small.max_channels = 5; // the connection's own is one of them
    World w(std::move(small));
    w.z.node.answer_channels(nullptr, accepting(0));
    assert_true(w.connect());
    std::vector<uint64_t> open;
    uint32_t refused = 0;
    for (uint32_t round = 0; round < 100; round++) {
        const uint64_t ch = w.open("x");
        w.send(ch, "data that comes with it");
        w.a.events.clear();
        w.idle(base::millis(200));
        if (has(w.a, PLAIT_EVENT_CHANNEL_ACCEPTED)) {
            open.push_back(ch);
            continue;
        }
        const plait_event end = event_of(w.a, PLAIT_EVENT_CHANNEL_CLOSED);
        assert_true(end.channel == ch);
        assert_int_equal(end.status, PLAIT_E_REFUSED);
        assert_int_equal(end.a, wire::kRefuseLimit);
        w.a.node.close_channel(ch, w.now);
        refused++;
    }
    assert_int_equal(open.size(), 4);
    assert_int_equal(refused, 96);
    w.a.node.reset_channel(open[0], 1, w.now);
    w.a.node.stop_channel(open[0], 1, w.now);
    assert_true(w.wait(w.z, PLAIT_EVENT_CHANNEL_CLOSED));
    w.z.node.close_channel(event_of(w.z, PLAIT_EVENT_CHANNEL_CLOSED).channel, w.now);
    w.a.events.clear();
    w.open("x");
    assert_true(w.wait(w.a, PLAIT_EVENT_CHANNEL_ACCEPTED));
}

// REFUSE gets lost, again and again; until it has arrived the channel counts.
void test_refusal_lost_is_repeated(void **) {
    node::Config small;
    small.max_channels = 1;
    World w(std::move(small));
    assert_true(w.connect());
    w.idle(base::seconds(1));
    const uint64_t ch = w.open("x");
    uint32_t lost = 0;
    w.watch = [&](Side &from, EndpointIndex, std::vector<uint8_t> &) {
        return &from == &w.a || lost++ > 5;
    };
    assert_true(w.wait(w.a, PLAIT_EVENT_CHANNEL_CLOSED));
    assert_true(event_of(w.a, PLAIT_EVENT_CHANNEL_CLOSED).channel == ch);
    assert_true(lost > 5);
}

// STOP comes before the answer: what is said to it waits until the channel is accepted.
void test_stop_before_accept_reset_follows_accept(void **) {
    World w;
    assert_true(w.connect());
    const uint64_t ch = w.open("x");
    assert_int_equal(w.a.node.stop_channel(ch, 9, w.now), PLAIT_OK);
    assert_true(w.wait(w.z, PLAIT_EVENT_CHANNEL_REQUEST));
    w.idle(base::seconds(2));
    assert_false(has(w.a, PLAIT_EVENT_READABLE)); // nothing but an answer may come
    const uint64_t zh = event_of(w.z, PLAIT_EVENT_CHANNEL_REQUEST).channel;
    assert_int_equal(w.z.node.accept_channel(zh, nullptr, w.now), PLAIT_OK);
    const Bytes part = base::bytes_of("no");
    assert_int_equal(w.z.node.send(zh, {&part, 1}, w.now).status(), PLAIT_E_RESET);
    assert_true(w.run(
        [&] { return has(w.z, PLAIT_EVENT_STOPPED) && has(w.a, PLAIT_EVENT_CHANNEL_ACCEPTED); }));
    assert_int_equal(w.a.node.finish(ch, w.now), PLAIT_OK);
    uint8_t byte[1];
    assert_true(
        w.run([&] { return w.z.node.read(zh, byte, nullptr, w.now).status() == PLAIT_E_END; }));
    assert_true(w.run([&] {
        return has(w.a, PLAIT_EVENT_CHANNEL_CLOSED) && has(w.z, PLAIT_EVENT_CHANNEL_CLOSED);
    }));
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(test_answer_accept_tells_the_handle),
        cmocka_unit_test(test_answer_by_label_goes_before_that_for_all),
        cmocka_unit_test(test_answer_refuse_leaves_nothing),
        cmocka_unit_test(test_answer_waits_for_the_connection_to_be_accepted),
        cmocka_unit_test(test_answers_have_a_limit),
        cmocka_unit_test(test_table_full_open_is_refused_with_a_code),
        cmocka_unit_test(test_refusal_lost_is_repeated),
        cmocka_unit_test(test_stop_before_accept_reset_follows_accept),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
