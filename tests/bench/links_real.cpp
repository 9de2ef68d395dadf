// SPDX-License-Identifier: Apache-2.0
// Rows of links_table measured on real processes: two nodes in network namespaces of their own,
// joined by emulated lines (tests/e2e/net). Needs root, and a machine that is not busy.
//
//     links_real [--list] [--only TEXT] [--quick]
//
// A line a row: name, tab, value, tab, unit; tests/bench/links puts them beside the simulated ones.
// What differs from there: rates count whole IP packets, so shares are of the sum of the rates x
// 1439 / 1500; what arrived is what was acknowledged; pings are echoed, so a gap has both ways in
// it.
#include "../e2e/net/networks.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <functional>

namespace plait::e2e {
namespace {

constexpr double kPayloadShare = 1439.0 / 1500.0;
constexpr uint64_t kEndless = uint64_t{1} << 40;
constexpr uint64_t kPingMs = 20, kPings = 400;

struct LinkPlan {
    double mbit;
    uint64_t rtt_ms;
};
using Links = std::vector<LinkPlan>;

struct Failed {};

void must(bool condition) {
    if (!condition)
        throw Failed{};
}

std::vector<std::string> lines_of(const Links &links, double queue, double loss = 0) {
    std::vector<std::string> lines;
    for (const LinkPlan &l : links) {
        const double rate = l.mbit * 125'000;
        const double bdp = rate * static_cast<double>(l.rtt_ms) / 1000;
        char text[160];
        std::snprintf(text, sizeof text, "rate %.0f delay %llu queue %.0f loss %g", rate,
                      static_cast<unsigned long long>(l.rtt_ms * 500),
                      std::max(bdp * queue, 3 * 1500.0), loss);
        lines.emplace_back(text);
    }
    return lines;
}

double capacity(const Links &links) {
    double sum = 0;
    for (const LinkPlan &l : links)
        sum += l.mbit * 125'000;
    return sum * kPayloadShare;
}

void run_for(Near &near, uint64_t ms) {
    near.run_until([] { return false; }, ms);
}

// Percent of what the links carry, between two moments of a transfer, in ms.
double share(const Links &links, double queue, double loss, uint64_t from, uint64_t until) {
    Networks n;
    must(n.connect(lines_of(links, queue, loss), links.size()));
    const uint64_t begun = now_ms();
    n.near->send_file(kEndless);
    run_for(*n.near, from);
    const uint64_t at = now_ms() - begun, before = n.near->acked();
    run_for(*n.near, until - at);
    const double took = static_cast<double>(now_ms() - begun - at) / 1000;
    return 100 * static_cast<double>(n.near->acked() - before) / (capacity(links) * took);
}

// The longest time without an echo, in ms. `cut`: in the emulator's language.
double ping_gap(const Links &links, double queue, bool loaded, const char *cut) {
    Networks n;
    must(n.connect(lines_of(links, queue), links.size()));
    if (loaded)
        n.near->send_file(kEndless);
    Pings pings(*n.near, kPingMs);
    must(pings.run_until([&] { return n.near->pongs >= kPings / 2; }, 20000));
    must(n.world.emulator.order(cut));
    must(pings.run_until([&] { return n.near->pongs >= kPings; }, 30000));
    return static_cast<double>(pings.longest_gap_ms());
}

// The longest time in which nothing new is acknowledged, in ms.
double bulk_stall(const Links &links, double queue, const char *cut) {
    Networks n;
    must(n.connect(lines_of(links, queue), links.size()));
    n.near->send_file(kEndless);
    run_for(*n.near, 6000);
    must(n.world.emulator.order(cut));
    const uint64_t end = now_ms() + 4000;
    uint64_t seen = n.near->acked(), since = now_ms(), longest = 0;
    while (now_ms() < end) {
        must(n.near->turn(1));
        longest = std::max(longest, now_ms() - since);
        if (n.near->acked() == seen)
            continue;
        since = now_ms();
        seen = n.near->acked();
    }
    return static_cast<double>(longest);
}

class Rows {
  public:
    Rows(std::string only, bool list) : only_(std::move(only)), list_(list) {}

    void run(const std::string &name, const char *unit, const std::function<double()> &measure) {
        if (name.find(only_) == std::string::npos)
            return;
        if (list_) {
            std::printf("%s\n", name.c_str());
            return;
        }
        try {
            std::printf("%s\t%.2f\t%s\n", name.c_str(), measure(), unit);
        } catch (const Failed &) {
            std::printf("%s\tfailed\t\n", name.c_str());
            failed_ = true;
        }
        std::fflush(stdout);
    }
    bool failed() const { return failed_; }

  private:
    std::string only_;
    bool list_, failed_ = false;
};

void aggregation(Rows &rows, bool quick) {
    const std::pair<const char *, Links> plans[] = {
        {"20/20 alone", {{20, 20}}},
        {"20/20 + 20/20", {{20, 20}, {20, 20}}},
        {"50/10 + 10/60", {{50, 10}, {10, 60}}},
        {"20/10 + 5/50", {{20, 10}, {5, 50}}},
        {"50/30 + 40/60", {{50, 30}, {40, 60}}},
        {"20/20 + 10/40 + 5/80 + 2/30", {{20, 20}, {10, 40}, {5, 80}, {2, 30}}},
    };
    for (const auto &[name, links] : plans)
        for (const int queue : {1, 2}) {
            const std::string row = name + (", queue " + std::to_string(queue)) + " BDP, ";
            rows.run(row + "first 10 s", "%",
                     [&links = links, queue] { return share(links, queue, 0, 0, 10000); });
            if (!quick)
                rows.run(row + "10 to 40 s", "%",
                         [&links = links, queue] { return share(links, queue, 0, 10000, 40000); });
        }
    if (!quick)
        rows.run("20/20 + 20/20, 1 % loss, 10 to 40 s", "%", [] {
            return share({{20, 20}, {20, 20}}, 1, 0.01, 10000, 40000);
        });
}

void failover(Rows &rows) {
    const std::pair<const char *, Links> plans[] = {
        {"20/20 -> 20/20", {{20, 20}, {20, 20}}},
        {"50/10 -> 10/60", {{50, 10}, {10, 60}}},
        {"10/20 -> 2/200", {{10, 20}, {2, 200}}},
    };
    for (const auto &[name, links] : plans) {
        const std::string row = std::string("pings, ") + name + " cut";
        const auto gap = [&links = links](double queue, bool loaded, const char *cut) {
            return [&links, queue, loaded, cut] { return ping_gap(links, queue, loaded, cut); };
        };
        rows.run(row, "ms", gap(1, false, "0 both cut"));
        rows.run(row + ", return only", "ms", gap(1, false, "0 z cut"));
        rows.run(row + ", there only", "ms", gap(1, false, "0 a cut"));
        rows.run(row + " under bulk, queue 2 BDP", "ms", gap(2, true, "0 both cut"));
    }
    const Links equal{{20, 20}, {20, 20}}, unequal{{50, 10}, {10, 60}};
    rows.run("bulk stall, 20/20 -> 20/20, queue 1 BDP", "ms",
             [&] { return bulk_stall(equal, 1, "0 both cut"); });
    rows.run("bulk stall, 50/10 -> 10/60, queue 1 BDP", "ms",
             [&] { return bulk_stall(unequal, 1, "0 both cut"); });
    rows.run("bulk stall, 50/10 -> 10/60, queue 2 BDP", "ms",
             [&] { return bulk_stall(unequal, 2, "0 both cut"); });
    rows.run("bulk stall, 20/20 -> 20/20, return cut", "ms",
             [&] { return bulk_stall(equal, 1, "0 z cut"); });
}

} // namespace
} // namespace plait::e2e

int main(int argc, char **argv) {
    using namespace plait::e2e;
    std::string only;
    bool list = false, quick = false;
    for (int i = 1; i < argc; i++) {
        if (std::strcmp(argv[i], "--only") == 0 && i + 1 < argc)
            only = argv[++i];
        list |= std::strcmp(argv[i], "--list") == 0;
        quick |= std::strcmp(argv[i], "--quick") == 0;
    }
    if (const int skipped = list ? 0 : networks_skipped())
        return skipped;
    Rows rows(only, list);
    aggregation(rows, quick);
    failover(rows);
    return rows.failed() ? 1 : 0;
}
