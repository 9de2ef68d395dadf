// SPDX-License-Identifier: Apache-2.0
// The conformance suite: runs unchanged against every transport.
//
//   conformance MODULE.so|static:NAME URI_A URI_Z
//
// URI_A and URI_Z name two endpoints that reach each other; a port may be left to the system. In
// them
//   {dir}            is a fresh directory,
//   {tty-a} {tty-z}  are the ends of a line made of two ptys, with a leading slash.
#include "ptys.h"
#include "suite.h"

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <unistd.h>

using namespace plait::conformance;

namespace {

bool replace(std::string &text, const std::string &what, const std::string &by) {
    size_t at = text.find(what);
    if (at == std::string::npos) {
        return false;
    }
    text.replace(at, what.size(), by);
    return true;
}

// The places that a pair of URIs asks for, gone again with the object.
class Places {
  public:
    bool fill(std::string &a, std::string &z) {
        if (a.find("{tty-") != std::string::npos || z.find("{tty-") != std::string::npos) {
            line_ = std::make_unique<PtyLine>();
            if (!line_->ok()) {
                return false;
            }
        }
        for (std::string *uri : {&a, &z}) {
            if (line_ != nullptr) {
                replace(*uri, "{tty-a}", line_->path(PtyLine::kA));
                replace(*uri, "{tty-z}", line_->path(PtyLine::kZ));
            }
            if (dir_.empty() && uri->find("{dir}") != std::string::npos) {
                char name[] = "/tmp/plait-conformance-XXXXXX";
                dir_ = mkdtemp(name) != nullptr ? name : "";
            }
            replace(*uri, "{dir}", dir_);
        }
        return true;
    }
    ~Places() {
        if (!dir_.empty()) {
            rmdir(dir_.c_str());
        }
    }

  private:
    std::unique_ptr<PtyLine> line_;
    std::string dir_;
};

int run(const char *name, const std::vector<CMUnitTest> &tests) {
    return _cmocka_run_group_tests(name, tests.data(), tests.size(), nullptr, nullptr);
}

} // namespace

int main(int argc, char **argv) {
    if (argc != 4) {
        std::fprintf(stderr, "usage: conformance MODULE.so|static:NAME URI_A URI_Z\n");
        return 2;
    }
    g_suite.transport = load_transport(argv[1]);
    g_suite.uri_a = argv[2];
    g_suite.uri_z = argv[3];
    if (g_suite.uri_a.find("[::1]") != std::string::npos && !has_ipv6()) {
        constexpr int kSkipped = 77; // meson's word for it
        std::fprintf(stderr, "no IPv6 here\n");
        return kSkipped;
    }
    Places places;
    if (g_suite.transport == nullptr || !places.fill(g_suite.uri_a, g_suite.uri_z)) {
        return 1;
    }
    const plait_transport *t = g_suite.transport;
    if (t->init != nullptr && t->init() != PLAIT_OK) {
        std::fprintf(stderr, "init failed\n");
        return 1;
    }
    int failed = run("endpoints", endpoint_tests());
    failed += run("transfer", transfer_tests());
    failed += run("pressure", pressure_tests());
    if (t->deinit != nullptr) {
        t->deinit();
    }
    return failed == 0 ? 0 : 1;
}
