// SPDX-License-Identifier: Apache-2.0
// What a flow achieves on a modelled link. Figures are printed; bounds are asserted.
#include "flow.hpp"

using namespace flow;
using base::millis;
using base::seconds;

namespace {

constexpr double kRate = 2'500'000; // 20 Mbit/s
constexpr uint64_t kBdp = 100'000;  // at 40 ms

Link wifi() {
    Link l;
    l.rate = kRate;
    l.delay = millis(20);
    l.queue = kBdp;
    return l;
}

uint64_t lost_in_slow_start(Flow &f) {
    while (f.sender.controller().in_slow_start() && f.now < Time{20'000'000})
        f.run(millis(1));
    f.run(millis(100));
    return f.totals.dropped;
}

} // namespace

CHECKED_TEST(test_cubic_fills_a_link_with_one_bdp_of_queue) {
    Flow f(wifi(), {}, 1);
    f.run(seconds(2));
    const double share = f.share(seconds(20));
    std::printf("  20 Mbit/s, 40 ms, queue 1 BDP: %.1f %%, %llu dropped of %llu, mtu %zu\n",
                share * 100, static_cast<unsigned long long>(f.totals.dropped),
                static_cast<unsigned long long>(f.sender.stats().packets_sent),
                f.sender.stats().mtu);
    CHECK(share >= 0.95);
    CHECK(f.totals.dropped * 100 < f.sender.stats().packets_sent);
    CHECK(f.sender.stats().mtu == 1472);
    return true;
}

CHECKED_TEST(test_cubic_fills_links_of_many_shapes) {
    struct Shape {
        double mbit;
        int rtt_ms;
        double queue_bdp;
    };
    const Shape shapes[] = {{1, 30, 2},    {2, 300, 1},   {10, 10, 1},   {50, 20, 0.5},
                            {100, 100, 1}, {300, 40, 1},  {1000, 10, 1}, {5, 600, 1},
                            {50, 10, 0.1}, {10, 60, 0.1}, {20, 40, 0.1}};
    for (const Shape &s : shapes) {
        Link l;
        l.rate = s.mbit * 125'000;
        l.delay = millis(s.rtt_ms) / 2;
        l.queue =
            std::max<uint64_t>(static_cast<uint64_t>(l.rate * s.rtt_ms / 1000 * s.queue_bdp), 6000);
        l.timer_us = 1000;
        Flow f(l, {}, 7);
        f.run(seconds(10));
        const double share = f.share(seconds(20));
        std::printf("  %4.0f Mbit/s, %3d ms, queue %.1f BDP: %.1f %%, %llu dropped\n", s.mbit,
                    s.rtt_ms, s.queue_bdp, share * 100,
                    static_cast<unsigned long long>(f.totals.dropped));
        CHECK(share >= 0.9);
    }
    return true;
}

CHECKED_TEST(test_hystart_ends_slow_start_without_massive_loss) {
    for (const int rtt : {10, 40, 100, 300})
        for (const double queue : {0.5, 1.0, 2.0}) {
            Link l = wifi();
            l.delay = millis(rtt) / 2;
            const double bdp = kRate * rtt / 1000;
            l.queue = static_cast<uint64_t>(std::max(bdp * queue, 30'000.0));
            Flow f(l, {}, 3);
            const uint64_t lost = lost_in_slow_start(f);
            const double of_bdp = static_cast<double>(lost) * 1472 / bdp;
            std::printf("  rtt %3d ms, queue %.1f BDP: out at %.2f s, cwnd %.2f BDP, %llu lost\n",
                        rtt, queue, f.seconds() - 1, static_cast<double>(f.sender.cwnd()) / bdp,
                        static_cast<unsigned long long>(lost));
            CHECK(!f.sender.controller().in_slow_start());
            CHECK(lost < 40 || of_bdp < (queue < 1 ? 1.1 : queue < 2 ? 0.75 : 0.1));
        }
    return true;
}

// A busy return path makes round trips longer, but says nothing of the way there.
CHECKED_TEST(test_hystart_is_not_misled_by_the_return_path) {
    Link l = wifi();
    l.rate *= 10;
    l.queue *= 10;
    l.ack_wait = millis(30);
    Flow f(l, {}, 3);
    while (f.sender.controller().in_slow_start() && f.now < Time{5'000'000})
        f.run(millis(1));
    const double bdp = l.rate * 0.04, cwnd = static_cast<double>(f.sender.cwnd()) / bdp;
    std::printf("  200 Mbit/s, 40 ms and 0 or 30 ms on the way back: out at %.2f BDP\n", cwnd);
    CHECK(cwnd >= 0.95);
    return true;
}

CHECKED_TEST(test_cubic_keeps_its_rate_at_random_loss) {
    const double losses[] = {0.001, 0.01, 0.02};
    const double wanted[] = {0.97, 0.95, 0.6};
    for (int i = 0; i < 3; i++) {
        double least = 1;
        for (uint64_t seed = 1; seed <= 5; seed++) {
            Link l = wifi();
            l.loss = losses[i];
            Flow f(l, {}, seed);
            f.run(seconds(3));
            const double share = f.share(seconds(30)) / (1 - l.loss);
            least = std::min(least, share);
        }
        std::printf("  %.1f %% random loss: at least %.1f %% of what is left\n", losses[i] * 100,
                    least * 100);
        CHECK(least >= wanted[i]);
    }
    return true;
}

// Heavy loss is congestion: the low-loss rule must not hold the window up.
CHECKED_TEST(test_cubic_gives_way_when_the_rate_falls) {
    Flow f(wifi(), {}, 5);
    f.run(seconds(5));
    f.link.rate = kRate / 10;
    f.run(seconds(5));
    const uint64_t sent = f.sender.stats().packets_sent, dropped = f.totals.dropped;
    const double share = f.share(seconds(10));
    const double drops = static_cast<double>(f.totals.dropped - dropped) /
                         static_cast<double>(f.sender.stats().packets_sent - sent);
    std::printf("  rate falls to a tenth: %.1f %% of it, %.2f %% dropped\n", share * 100,
                drops * 100);
    CHECK(share > 0.9 && drops < 0.05);
    f.link.rate = kRate;
    f.run(seconds(10));
    const double again = f.share(seconds(5));
    std::printf("  and comes back: %.1f %%\n", again * 100);
    CHECK(again > 0.9);
    return true;
}

CHECKED_TEST(test_cubic_obeys_congestion_marks) {
    Link l = wifi();
    l.queue = 20 * kBdp;
    l.ecn_above = kBdp / 2;
    LinkRecoveryConfig c;
    c.ecn = EcnMode::kClassic;
    Flow f(l, c, 5);
    f.run(seconds(3));
    f.totals.queue_peak = 0;
    const double share = f.share(seconds(10));
    std::printf("  marks above half a BDP: %.1f %%, queue at most %.2f BDP, %llu dropped\n",
                share * 100, static_cast<double>(f.totals.queue_peak) / kBdp,
                static_cast<unsigned long long>(f.totals.dropped));
    CHECK(share > 0.9 && f.totals.queue_peak < kBdp && f.totals.dropped == 0);
    return true;
}

CHECKED_TEST(test_fixed_rate_fills_the_line_and_builds_no_queue) {
    for (const uint64_t baud : {9600, 115'200, 921'600}) {
        Link l;
        l.rate = static_cast<double>(baud) / 10;
        l.delay = millis(2);
        l.queue = 1'000'000;
        LinkRecoveryConfig c;
        c.controller = ControllerKind::kFixedRate;
        c.line_rate = baud / 10;
        c.mtu = {1200, 1400, true};
        Flow f(l, c, 1);
        f.run(seconds(5));
        f.totals.queue_peak = 0;
        const double share = f.share(seconds(20));
        std::printf("  %llu baud: %.1f %%, at most %.1f packets of %zu bytes in the driver\n",
                    static_cast<unsigned long long>(baud), share * 100,
                    static_cast<double>(f.totals.queue_peak) /
                        static_cast<double>(f.sender.packet_size()),
                    f.sender.packet_size());
        CHECK(share >= 0.97);
        CHECK(f.totals.queue_peak <= 2 * f.sender.packet_size() + baud / 10 / 400);
    }
    return true;
}

// A Wi-Fi card sleeps for 175 ms: what was declared lost arrives after all.
CHECKED_TEST(test_flow_recovers_from_a_pause) {
    Flow f(wifi(), {}, 9);
    f.run(seconds(5));
    const uint64_t before = f.sender.cwnd();
    f.up = false;
    f.run(millis(700));
    CHECK(f.sender.pto_count() >= 1);
    f.up = true;
    f.run(millis(1500));
    CHECK(f.sender.pto_count() == 0);
    const double share = f.share(seconds(3));
    std::printf("  after 700 ms of silence: %.1f %%, cwnd %llu -> %llu\n", share * 100,
                static_cast<unsigned long long>(before),
                static_cast<unsigned long long>(f.sender.cwnd()));
    CHECK(share > 0.85);
    return true;
}

CHECKED_TEST(test_flow_survives_loss_of_half_the_acks) {
    Link l = wifi();
    l.ack_loss = 0.5;
    Flow f(l, {}, 11);
    f.run(seconds(3));
    const double share = f.share(seconds(10));
    std::printf("  half of the ACKs lost: %.1f %%\n", share * 100);
    CHECK(share > 0.9);
    return true;
}

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(test_cubic_fills_a_link_with_one_bdp_of_queue),
        cmocka_unit_test(test_cubic_fills_links_of_many_shapes),
        cmocka_unit_test(test_hystart_ends_slow_start_without_massive_loss),
        cmocka_unit_test(test_hystart_is_not_misled_by_the_return_path),
        cmocka_unit_test(test_cubic_keeps_its_rate_at_random_loss),
        cmocka_unit_test(test_cubic_gives_way_when_the_rate_falls),
        cmocka_unit_test(test_cubic_obeys_congestion_marks),
        cmocka_unit_test(test_fixed_rate_fills_the_line_and_builds_no_queue),
        cmocka_unit_test(test_flow_recovers_from_a_pause),
        cmocka_unit_test(test_flow_survives_loss_of_half_the_acks),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
