// SPDX-License-Identifier: Apache-2.0
// A node that gets endpoints of a new transport class while it has connections: the peer learns of
// the class before it is sent ids of it (docs/protocol.md sections 5.5 and 5.8).
#include "../cmocka.hpp"
#include "raw_peer.h"

using namespace plait;
using namespace plait::test;

namespace {

constexpr uint64_t kNewClass = 1; // in the node's table; udp is 0

wire::Parameters with_radio() {
    wire::Parameters p = RawPeer::parameters();
    p.class_count = 2;
    p.classes[1] = wire::CidClass::make("radio", 8);
    return p;
}

void add_radio(RawPeer &p) {
    link::EndpointInfo info;
    info.transport_class = "radio";
    info.mtu = 1200;
    assert_true(p.node.add_endpoint(info).ok());
    p.turn();
}

size_t ids_of_new_class(const Seen &seen) {
    size_t n = 0;
    for (const wire::NewCidFrame &f : seen.new_cids)
        n += f.cid_class == kNewClass;
    return n;
}

// Everything that the node has sent so far.
void acknowledge(RawPeer &p) {
    wire::AckFrame ack;
    ack.range_count = 1;
    ack.ranges[0] = {0, p.highest[0] + 1};
    p.say(0, ack);
}

void check_order(RawPeer &p) {
    Seen seen = p.look();
    assert_true(seen.data > 0); // the record
    assert_int_equal(ids_of_new_class(seen), 0);
    p.pass(base::seconds(1)); // nor when packets are sent again
    assert_int_equal(ids_of_new_class(p.look()), 0);
    acknowledge(p);
    assert_true(ids_of_new_class(p.look()) > 0);
}

void test_ids_of_a_new_class_wait_for_its_record(void **) {
    RawPeer p;
    assert_true(p.connect(with_radio()));
    p.say(0, wire::PingFrame{});
    (void)p.look();
    acknowledge(p);
    (void)p.look();
    add_radio(p);
    check_order(p);
}

void test_class_that_comes_during_the_handshake_is_told(void **) {
    RawPeer p;
    assert_true(p.connect(with_radio()));
    add_radio(p); // the node has not heard that its answer came
    p.say(0, wire::PingFrame{});
    check_order(p);
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(test_ids_of_a_new_class_wait_for_its_record),
        cmocka_unit_test(test_class_that_comes_during_the_handshake_is_told),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
