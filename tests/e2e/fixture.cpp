// SPDX-License-Identifier: Apache-2.0
#include "fixture.h"

#include <csignal>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace plait::e2e {

bool Cables::start(size_t count) {
    int ends[2];
    count_ = count;
    if (pipe(ends) != 0)
        return false;
    const pid_t parent = getpid();
    pid_ = fork();
    if (pid_ == 0) {
        close(ends[1]);
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent)
            cables_run(cables_, count_, ends[0]);
        _exit(0);
    }
    close(ends[0]);
    orders_ = ends[1];
    return pid_ > 0;
}

Cables::~Cables() {
    if (orders_ >= 0)
        close(orders_);
    if (pid_ > 0)
        waitpid(pid_, nullptr, 0);
    for (size_t i = 0; i < count_; i++)
        cable_close(&cables_[i]);
}

int setup(void **state) {
    *state = new Fixture;
    return 0;
}

int teardown(void **state) {
    delete static_cast<Fixture *>(*state);
    return 0;
}

} // namespace plait::e2e
