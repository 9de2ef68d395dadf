// SPDX-License-Identifier: Apache-2.0
#include "../recovery/checked.hpp"

#include "flow.h"

#include <algorithm>

using namespace test;

namespace {

// Hands everything over, with losses, late arrivals and duplicates, and checks what comes back.
struct Line {
    double loss = 0.05, late = 0, twice = 0;
    std::mt19937 random;
    uint64_t lost_bytes = 0, back_bytes = 0, wrong = 0, starts_wrong = 0, messages = 0;
    base::RangeSet lost;
    std::vector<Source::Packet> delayed;

    bool chance(double p) { return std::uniform_real_distribution<>(0, 1)(random) < p; }
    void take(const Source &s, Decoder &d) {
        for (Recovered r; d.next(r);) {
            back_bytes += lost.remove(r.offset, r.offset + r.bytes.size());
            messages += r.new_message;
            for (size_t i = 0; i < r.bytes.size(); i++)
                wrong += r.bytes[i] != s.content[r.offset + i];
            const bool start = std::binary_search(s.starts.begin(), s.starts.end(), r.offset);
            starts_wrong += start != r.start;
            const auto next = std::upper_bound(s.starts.begin(), s.starts.end(), r.offset);
            starts_wrong += next != s.starts.end() && *next < r.offset + r.bytes.size();
        }
        d.check_invariants();
    }
    void arrive(const Source &s, Decoder &d, const Source::Packet &p) {
        d.on_data(p.offset, p.bytes, p.start);
        take(s, d);
    }
    void send(Source &s, Decoder &d) {
        for (const auto &p : s.message()) {
            if (chance(loss)) {
                lost.add(p.offset, p.offset + p.bytes.size());
                lost_bytes += p.bytes.size();
                continue;
            }
            if (chance(late)) {
                delayed.push_back(p);
                continue;
            }
            arrive(s, d, p);
            if (chance(twice))
                arrive(s, d, p);
        }
        for (const auto &r : s.repairs()) {
            if (chance(loss))
                continue;
            d.on_repair(r.repair, r.symbol);
            take(s, d);
        }
        if (delayed.size() > 2) {
            arrive(s, d, delayed.front());
            delayed.erase(delayed.begin());
        }
    }
};

Options fixed(size_t symbols, uint32_t percent) {
    return {symbols, percent * kShareOne / 100, kMaxWindowBytes};
}

} // namespace

CHECKED_TEST(test_decoder_brings_back_what_was_lost) {
    const struct {
        size_t least, most, mtu;
    } sizes[] = {
        {160, 160, 1200}, {20, 400, 1200}, {1, 3000, 1200}, {5000, 9000, 1000}, {0, 3, 50}};
    for (const auto &z : sizes) {
        Source s(fixed(24, 25), z.least, z.most, z.mtu, 5);
        Decoder d(Content::kStarts);
        Line line;
        line.random.seed(11);
        for (int i = 0; i < 3000; i++)
            line.send(s, d);
        CHECK(line.wrong == 0);
        CHECK(line.starts_wrong == 0);
        CHECK(line.messages > 0);
        // 5 % of loss and a quarter of repairs in windows of 24: all but a few per cent of it.
        CHECK(line.back_bytes > line.lost_bytes * 9 / 10);
    }
    return true;
}

CHECKED_TEST(test_decoder_reordered_doubled_is_the_same) {
    Source s(fixed(24, 25), 100, 1500, 1000, 6);
    Decoder d(Content::kStarts);
    Line line;
    line.late = 0.1;
    line.twice = 0.2;
    for (int i = 0; i < 3000; i++)
        line.send(s, d);
    CHECK(line.wrong == 0);
    CHECK(line.starts_wrong == 0);
    CHECK(line.back_bytes > line.lost_bytes * 8 / 10);
    return true;
}

// One loss, one repair: whatever the sizes, a packet of one symbol's size comes back.
CHECKED_TEST(test_decoder_one_repair_brings_one_packet_back) {
    Source s(fixed(16, 10), 1000, 1000, 1200, 9);
    Decoder d(Content::kStarts);
    Line line;
    line.loss = 0;
    for (int i = 0; i < 30; i++)
        line.send(s, d);
    while (s.encoder.due())
        (void)s.repairs();
    const auto lost = s.message(), after = s.message();
    line.lost.add(lost[0].offset, lost[0].offset + lost[0].bytes.size());
    line.arrive(s, d, after[0]);
    CHECK(line.back_bytes == 0);
    std::vector<Source::Sent> repairs;
    while ((repairs = s.repairs()).empty())
        line.arrive(s, d, s.message()[0]);
    d.on_repair(repairs[0].repair, repairs[0].symbol);
    line.take(s, d);
    CHECK(line.back_bytes == lost[0].bytes.size());
    CHECK(line.wrong + line.starts_wrong == 0);
    CHECK(d.waiting() == 0);
    return true;
}

CHECKED_TEST(test_decoder_same_repair_twice_counts_once) {
    Source s(fixed(16, 100), 500, 500, 1000, 9);
    Decoder d(Content::kBytes);
    const auto first = s.message();
    const auto one = s.repairs();
    d.on_repair(one[0].repair, one[0].symbol);
    Recovered r;
    CHECK(d.next(r)); // a repair of one symbol is that symbol
    (void)s.message();
    (void)s.message();
    const auto two = s.repairs();
    d.on_repair(two[0].repair, two[0].symbol);
    d.on_repair(two[0].repair, two[0].symbol);
    CHECK(d.waiting() == 1);
    return true;
}

// Whatever a peer says: no crash, no more memory than announced, and the rules hold.
CHECKED_TEST(test_decoder_hostile_repairs_stay_in_bounds) {
    std::mt19937 random(3);
    for (int round = 0; round < 40; round++) {
        Decoder d(round % 2 ? Content::kStarts : Content::kMessages);
        uint64_t at = random() % 100'000;
        std::vector<uint8_t> bytes(4000);
        for (int i = 0; i < 400; i++) {
            for (auto &b : bytes)
                b = static_cast<uint8_t>(random() % 5);
            Repair r;
            r.symbol_size = random() % 8 ? 200 : 1 + random() % 2000;
            r.length = 1 + random() % (random() % 4 ? 5000 : kMaxWindowBytes);
            r.first = at / 200 * 200 + 200 * (random() % 20);
            r.key = static_cast<uint16_t>(random());
            d.on_repair(r, Bytes(bytes).first(1 + random() % r.symbol_size));
            d.check_invariants();
            d.on_data(at + random() % 3000, Bytes(bytes).first(random() % 300), random() % 2);
            d.check_invariants();
            int pieces = 0;
            for (Recovered out; d.next(out) && pieces < 100'000; pieces++)
                at = std::max(at, out.offset);
            CHECK(pieces < 100'000);
            at += random() % 1000;
            CHECK(d.waiting() <= kMaxEquations);
            CHECK(d.cost(r) <= 8 * kMaxWindowBytes);
        }
    }
    return true;
}

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(test_decoder_brings_back_what_was_lost),
        cmocka_unit_test(test_decoder_reordered_doubled_is_the_same),
        cmocka_unit_test(test_decoder_one_repair_brings_one_packet_back),
        cmocka_unit_test(test_decoder_same_repair_twice_counts_once),
        cmocka_unit_test(test_decoder_hostile_repairs_stay_in_bounds),
    };
    return cmocka_run_group_tests_name("fec decoder", tests, nullptr, nullptr);
}
