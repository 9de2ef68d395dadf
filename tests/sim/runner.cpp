// SPDX-License-Identifier: Apache-2.0
// Runs scenarios over seeds and reports in TAP, one line a scenario. The first seed of each runs
// twice: the trace hash must be the same (not with --once).
//
//     sim [GROUP] [--scenario NAME] [--seed N] [--seeds N] [--verbose] [--list] [--once]
//         [--patience S]
//
// PLAIT_SIM_SEEDS=K multiplies the default number of seeds. A seed may take 300 s of real time, or
// as many as --patience says. A scenario runs in a process of its
// own, so that an assertion in one does not hide the others.
#include "scenario.h"

#include "crypto/init.h"

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sys/wait.h>
#include <unistd.h>

namespace plait::sim {
namespace {

constexpr unsigned kPatience = 300; // seconds of real time for one seed; sanitizers are slow

struct Arguments {
    std::string group, scenario;
    uint64_t seed = 0; // 0: all
    uint64_t seeds = 0;
    double factor = 1;
    unsigned patience = kPatience;
    bool verbose = false, list = false, no_fork = false, once = false;
};

char running[256]; // what to say when the process is killed

void on_signal(int number) {
    const char *what = number == SIGALRM ? "# it does not come to an end: " : "# it crashed: ";
    [[maybe_unused]] ssize_t n = write(STDOUT_FILENO, what, std::strlen(what));
    n = write(STDOUT_FILENO, running, std::strlen(running));
    std::signal(number, SIG_DFL);
    std::raise(number);
}

uint64_t hash_of(const char *text) {
    TraceHash h;
    h.add(base::bytes_of(text));
    return h.value();
}

struct Outcome {
    bool ok = true;
    uint64_t hash = 0, steps = 0;
    Nanos virtual_time = 0;
};

Outcome run_seed(const Scenario &s, uint64_t seed, const Arguments &arguments, bool tells) {
    std::snprintf(running, sizeof running, "%s --scenario %s --seed %llu\n", "tests/sim/sim",
                  s.name, static_cast<unsigned long long>(seed));
    alarm(arguments.patience);
    Options options;
    options.verbose = arguments.verbose;
    options.seed = seed;
    World world(mix(seed) ^ hash_of(s.name), options);
    Outcome o;
    try {
        s.run(world);
    } catch (const Failure &f) {
        o.ok = false;
        std::string text = f.what();
        if (!tells)
            text.clear();
        std::printf("# seed %llu: %s", static_cast<unsigned long long>(seed), running);
        for (size_t at = 0; at < text.size();) {
            const size_t end = std::min(text.find('\n', at), text.size());
            std::printf("#   %s\n", text.substr(at, end - at).c_str());
            at = end + 1;
        }
    }
    o.hash = world.hash().value();
    o.steps = world.steps();
    o.virtual_time = world.now();
    return o;
}

// Returns true if all seeds went well; prints what did not.
bool run_scenario(const Scenario &s, const Arguments &arguments) {
    const uint64_t first = arguments.seed ? arguments.seed : 1;
    uint64_t count = arguments.seeds
                         ? arguments.seeds
                         : std::max<uint64_t>(1, static_cast<uint64_t>(s.seeds * arguments.factor));
    if (arguments.seed)
        count = 1;
    constexpr uint64_t kMaxFailed = 10; // then it is clear
    uint64_t failed = 0, steps = 0;
    Nanos virtual_time = 0;
    const auto begun = std::chrono::steady_clock::now();
    uint64_t hash = 0;
    for (uint64_t seed = first; seed < first + count && failed < kMaxFailed; seed++) {
        const Outcome o = run_seed(s, seed, arguments, failed == 0);
        failed += !o.ok;
        steps += o.steps;
        virtual_time += o.virtual_time;
        if (seed != first) {
            if (o.hash == hash && hash != TraceHash().value())
                std::printf("# seed %llu has the hash of the first\n",
                            static_cast<unsigned long long>(seed)),
                    failed++;
            continue;
        }
        hash = o.hash;
        if (o.ok && !arguments.verbose && !arguments.once &&
            run_seed(s, seed, arguments, true).hash != hash) {
            std::printf("# seed %llu is not the same twice: %s",
                        static_cast<unsigned long long>(seed), running);
            failed++;
        }
    }
    const std::chrono::duration<double> real = std::chrono::steady_clock::now() - begun;
    std::printf("# %s: %llu seeds, %.1f s of the world, %llu steps, %.2f s, first hash %016llx\n",
                s.name, static_cast<unsigned long long>(count),
                static_cast<double>(virtual_time) / 1e9, static_cast<unsigned long long>(steps),
                real.count(), static_cast<unsigned long long>(hash));
    return failed == 0;
}

bool run_apart(const Scenario &s, const Arguments &arguments) {
    if (arguments.no_fork)
        return run_scenario(s, arguments);
    std::fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        const bool ok = run_scenario(s, arguments);
        std::fflush(stdout);
        std::exit(ok ? 0 : 1);
    }
    int status = 1;
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) &&
           WEXITSTATUS(status) == 0;
}

Arguments parse(int argc, char **argv) {
    Arguments a;
    if (const char *factor = std::getenv("PLAIT_SIM_SEEDS"))
        a.factor = std::max(0.0, std::atof(factor));
    for (int i = 1; i < argc; i++) {
        const std::string arg = argv[i];
        const bool more = i + 1 < argc;
        if (arg == "--scenario" && more)
            a.scenario = argv[++i];
        else if (arg == "--seed" && more)
            a.seed = std::strtoull(argv[++i], nullptr, 10);
        else if (arg == "--seeds" && more)
            a.seeds = std::strtoull(argv[++i], nullptr, 10);
        else if (arg == "--patience" && more)
            a.patience = static_cast<unsigned>(std::strtoul(argv[++i], nullptr, 10));
        else if (arg == "--verbose")
            a.verbose = true;
        else if (arg == "--no-fork")
            a.no_fork = true;
        else if (arg == "--once")
            a.once = true;
        else if (arg == "--list")
            a.list = true;
        else
            a.group = arg;
    }
    return a;
}

int run_all(const Arguments &arguments) {
    const Group groups[] = {{"self", self_scenarios()},
                            {"faults", fault_scenarios()},
                            {"handshake", handshake_scenarios()},
                            {"small", small_scenarios()},
                            {"flood", flood_scenarios()},
                            {"links", link_scenarios()},
                            {"paths", path_scenarios()},
                            {"channels", channel_scenarios()},
                            {"matrix", matrix_scenarios()},
                            {"flow", flow_scenarios()},
                            {"nodes", node_scenarios()},
                            {"life", life_scenarios()},
                            {"keys", key_scenarios()},
                            {"congestion", congestion_scenarios()},
                            {"policies", policy_scenarios()},
                            {"failover", failover_scenarios()},
                            {"wide", wide_scenarios()},
                            {"fec", fec_scenarios()},
                            {"channel_life", channel_life_scenarios()},
                            {"announce", announce_scenarios()}};
    int number = 0, failed = 0;
    for (const Group &g : groups)
        for (const Scenario &s : g.scenarios) {
            if ((!arguments.group.empty() && arguments.group != g.name) ||
                (!arguments.scenario.empty() && arguments.scenario != s.name))
                continue;
            number++;
            if (arguments.list) {
                std::printf("%s %s\n", g.name, s.name);
                continue;
            }
            const bool ok = run_apart(s, arguments);
            failed += !ok;
            std::printf("%sok %d - %s\n", ok ? "" : "not ", number, s.name);
            std::fflush(stdout);
        }
    if (!arguments.list)
        std::printf("1..%d\n", number);
    return number == 0 || failed != 0;
}

} // namespace
} // namespace plait::sim

int main(int argc, char **argv) {
    if (plait::crypto::init() != PLAIT_OK)
        return 1;
    std::signal(SIGABRT, plait::sim::on_signal);
    std::signal(SIGSEGV, plait::sim::on_signal);
    std::signal(SIGALRM, plait::sim::on_signal);
    return plait::sim::run_all(plait::sim::parse(argc, argv));
}
