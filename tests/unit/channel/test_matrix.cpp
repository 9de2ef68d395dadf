// SPDX-License-Identifier: Apache-2.0
// Every combination of the axes over lines of every kind, checked against what the axes promise.
#include "pipe.h"

#include <cstdio>
#include <cstdlib>

using namespace test;
using wire::OnLoss;
using wire::Resend;

namespace {

std::string name_of(const Config &c) {
    static constexpr const char *kResend[] = {"always", "never", "at most", "until"};
    static constexpr const char *kLoss[] = {"skip", "tell", "close"};
    std::string s = c.messages ? "messages " : "bytes ";
    s += c.unordered ? "unordered " : "ordered ";
    s += kResend[static_cast<int>(c.resend)];
    s += std::string(" ") + kLoss[static_cast<int>(c.on_loss)];
    if (c.reorder_wait.us)
        s += " waits";
    return s;
}

std::vector<Config> all_axes() {
    std::vector<Config> all;
    for (int bits = 0; bits < 4; bits++)
        for (int resend = 0; resend < 4; resend++)
            for (int loss = 0; loss < 3; loss++)
                for (int wait = 0; wait < 2; wait++) {
                    Config c;
                    c.messages = bits & 1;
                    c.unordered = bits & 2;
                    c.resend = static_cast<Resend>(resend);
                    c.on_loss = static_cast<OnLoss>(loss);
                    if (c.resend == Resend::kAtMost)
                        c.resend_parameter = 2;
                    if (c.resend == Resend::kUntilDeadline)
                        c.resend_parameter = 150'000;
                    if (wait && !c.waits())
                        continue;
                    c.reorder_wait = base::millis(wait ? 40 : 0);
                    c.send_buffer = 20'000;
                    all.push_back(c);
                }
    return all;
}

std::vector<std::pair<const char *, Line>> all_lines() {
    Line clean, lossy, awful, redundant, tiny;
    clean.jitter_us = 0;
    lossy.loss = 0.05;
    lossy.duplicate = 0.05;
    lossy.ack_loss = 0.05;
    awful.loss = 0.3;
    awful.duplicate = 0.1;
    awful.ack_loss = 0.2;
    awful.suspect = 0.2;
    awful.jitter_us = 100'000; // many are called lost and arrive
    redundant = lossy;
    redundant.copy = 0.5;
    redundant.suspect = 0.1;
    tiny = lossy;
    tiny.mtu = 64;
    tiny.in_flight = 200;
    return {{"clean", clean},
            {"lossy", lossy},
            {"awful", awful},
            {"redundant", redundant},
            {"tiny", tiny}};
}

uint64_t first_seed() {
    const char *s = std::getenv("PLAIT_TEST_SEED");
    return s ? std::strtoull(s, nullptr, 10) : 1;
}

// Fewer where each run takes many times as long.
int seeds(int n) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return n > 2 ? 1 : n - 1;
#else
    return n;
#endif
}

void run_matrix(bool lazy, uint64_t window, bool one_way, int seeds) {
    const uint64_t seed0 = first_seed();
    print_message("seed %llu\n", static_cast<unsigned long long>(seed0));
    uint64_t runs = 0, delivered = 0, given_up = 0;
    for (Config c : all_axes()) {
        c.one_way = one_way;
        for (const auto &[line_name, line] : all_lines())
            for (uint64_t seed = seed0; seed < seed0 + static_cast<uint64_t>(seeds); seed++) {
                World w(c, line, seed, window);
                w.lazy_reader = lazy;
                w.may_close = c.on_loss == OnLoss::kClose;
                const std::string error = w.run(60);
                if (!error.empty()) {
                    print_error("%s, %s line, seed %llu, at %.3f s: %s\n", name_of(c).c_str(),
                                line_name, static_cast<unsigned long long>(seed),
                                static_cast<double>((w.now() - kStart).us) * 1e-6, error.c_str());
                    assert_true(false);
                }
                runs++;
                delivered += w.stream(0).received;
                given_up += w.pair().a->stats().messages_lost;
            }
    }
    print_message("%llu runs, %llu delivered, %llu messages given up\n",
                  static_cast<unsigned long long>(runs), static_cast<unsigned long long>(delivered),
                  static_cast<unsigned long long>(given_up));
    assert_true(delivered > 0 && given_up > 0);
}

void test_matrix_bad_lines_deliver_what_the_axes_promise(void **) {
    run_matrix(false, 16384, false, seeds(3));
}
void test_matrix_lazy_reader_small_window_delivers_the_same(void **) {
    run_matrix(true, 4096, false, seeds(2));
}
void test_matrix_one_way_delivers_the_same(void **) {
    run_matrix(false, 65536, true, seeds(2));
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(test_matrix_bad_lines_deliver_what_the_axes_promise),
        cmocka_unit_test(test_matrix_lazy_reader_small_window_delivers_the_same),
        cmocka_unit_test(test_matrix_one_way_delivers_the_same),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
