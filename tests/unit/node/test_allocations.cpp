// SPDX-License-Identifier: Apache-2.0
// A transfer under way takes no memory for its packets: every call of the allocator inside the
// engine is counted, once windows and pools have grown to what they need.
#include "../cmocka.hpp"
#include "pair.h"

#include <cstdlib>
#include <new>

using namespace plait;
using namespace plait::test;

namespace {
bool counting = false;
uint64_t allocations = 0;

void *allocate(size_t n) {
    allocations += counting;
    if (void *p = std::malloc(n > 0 ? n : 1))
        return p;
    throw std::bad_alloc();
}
} // namespace

void *operator new(size_t n) {
    return allocate(n);
}
void *operator new[](size_t n) {
    return allocate(n);
}
void operator delete(void *p) noexcept {
    std::free(p);
}
void operator delete[](void *p) noexcept {
    std::free(p);
}
void operator delete(void *p, size_t) noexcept {
    std::free(p);
}
void operator delete[](void *p, size_t) noexcept {
    std::free(p);
}

namespace {

// Keeps what a node sends until the other takes it, in memory of its own.
class Wire final : public node::Output {
  public:
    uint32_t send(EndpointIndex, std::span<const plait_datagram> v) override {
        for (const plait_datagram &d : v) {
            assert_true(used_ + d.len <= bytes_.size() && count_ < runs_.size());
            std::memcpy(bytes_.data() + used_, d.data, d.len);
            runs_[count_] = {};
            runs_[count_].data = bytes_.data() + used_;
            runs_[count_].len = d.len;
            runs_[count_++].segment = d.segment;
            used_ += d.len;
            packets += d.segment > 0 ? (d.len + d.segment - 1u) / d.segment : 1;
        }
        return static_cast<uint32_t>(v.size());
    }
    uint64_t queued_bytes(EndpointIndex) override { return 0; }
    void carry_to(node::Node &to, const plait_addr &from, Time now) {
        for (size_t i = 0; i < count_; i++)
            runs_[i].peer = &from;
        const size_t n = count_;
        count_ = used_ = 0;
        to.receive({0}, {runs_.data(), n}, now);
    }
    uint64_t packets = 0;

  private:
    std::vector<uint8_t> bytes_ = std::vector<uint8_t>(64 << 20);
    std::vector<plait_datagram> runs_ = std::vector<plait_datagram>(1 << 16);
    size_t used_ = 0, count_ = 0;
};

struct Bulk {
    static constexpr int kPiecesATurn = 2; // 1 Gbit/s
    Connected w;
    Wire from_a, from_z;
    std::vector<uint8_t> source = std::vector<uint8_t>(64 << 10, 0xa5);
    uint64_t read = 0;

    static void settle(node::Node &n, Wire &out, Time now) {
        plait_event events[16];
        n.drain(now, out);
        while (n.take_events(events, now) > 0)
            continue;
    }
    // A turn of both, half a millisecond long, which is the delay of either way.
    void turn() {
        const Bytes part(source);
        for (int i = 0; i < kPiecesATurn && w.a.node.send(w.ch, {&part, 1}, w.now).ok(); i++)
            continue;
        settle(w.a.node, from_a, w.now);
        w.now = w.now + base::micros(500);
        from_a.carry_to(w.z.node, address_a, w.now);
        std::array<Bytes, 64> slices;
        for (;;) {
            const auto n = w.z.node.peek(w.zh, slices, nullptr);
            if (!n.ok())
                break;
            size_t bytes = 0;
            for (size_t i = 0; i < *n; i++)
                bytes += slices[i].size();
            assert_int_equal(w.z.node.consume(w.zh, bytes, w.now), PLAIT_OK);
            read += bytes;
        }
        settle(w.z.node, from_z, w.now);
        w.now = w.now + base::micros(500);
        from_z.carry_to(w.a.node, address_z, w.now);
        for (node::Node *n : {&w.a.node, &w.z.node})
            if (n->deadline() <= w.now)
                n->on_timer(w.now);
    }
    plait_addr address_a = address("a"), address_z = address("z");
};

void test_bulk_transfer_takes_no_memory_for_packets(void **) {
    Bulk b;
    assert_true(b.w.connect());
    assert_true(b.w.open(channel::stream()));
    b.w.run([] { return false; }, base::millis(20));
    for (int i = 0; i < 200; i++)
        b.turn();
    const uint64_t packets = b.from_a.packets + b.from_z.packets, before = b.read;
    counting = true;
    for (int i = 0; i < 200; i++)
        b.turn();
    counting = false;
    const uint64_t sent = b.from_a.packets + b.from_z.packets - packets;
    print_message("%llu packets, %llu bytes, %llu allocations\n",
                  static_cast<unsigned long long>(sent),
                  static_cast<unsigned long long>(b.read - before),
                  static_cast<unsigned long long>(allocations));
    assert_true(b.read - before > 1 << 20);
    assert_true(allocations * 1000 <= sent);
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(test_bulk_transfer_takes_no_memory_for_packets),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
