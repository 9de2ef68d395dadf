// SPDX-License-Identifier: Apache-2.0
#include "ptys.h"

#include <cstdlib>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <termios.h>
#include <unistd.h>

namespace plait::conformance {
namespace {
constexpr size_t kBuffered = 4096; // of bytes under way in one direction
}

PtyLine::PtyLine() {
    char dir[] = "/tmp/plait-line-XXXXXX";
    if (mkdtemp(dir) == nullptr) {
        return;
    }
    dir_ = dir;
    ends_[kA].path = dir_ + "/a";
    ends_[kZ].path = dir_ + "/z";
    wake_fd_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    ok_ = wake_fd_ >= 0 && open_pty(ends_[kA]) && open_pty(ends_[kZ]);
    if (ok_) {
        thread_ = std::thread([this] { carry(); });
    }
}

PtyLine::~PtyLine() {
    stop_.store(true);
    uint64_t one = 1;
    (void)!write(wake_fd_, &one, sizeof one);
    if (thread_.joinable()) {
        thread_.join();
    }
    for (Side &s : ends_) {
        close(s.master);
        close(s.slave);
        unlink(s.path.c_str());
    }
    close(wake_fd_);
    rmdir(dir_.c_str());
}

bool PtyLine::open_pty(Side &side) {
    side.master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    char name[64];
    if (side.master < 0 || grantpt(side.master) != 0 || unlockpt(side.master) != 0 ||
        ptsname_r(side.master, name, sizeof name) != 0) {
        return false;
    }
    side.slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
    termios t{};
    if (side.slave < 0 || tcgetattr(side.slave, &t) != 0) {
        return false;
    }
    cfmakeraw(&t); // no echo before the plugin has come
    tcsetattr(side.slave, TCSANOW, &t);
    return symlink(name, side.path.c_str()) == 0;
}

void PtyLine::unplug(End end) {
    std::lock_guard<std::mutex> hold(lock_);
    Side &s = ends_[end];
    unlink(s.path.c_str());
    close(s.slave);
    close(s.master);
    s.master = s.slave = -1;
    s.to_write.clear();
    uint64_t one = 1;
    (void)!write(wake_fd_, &one, sizeof one);
}

void PtyLine::plug(End end) {
    std::lock_guard<std::mutex> hold(lock_);
    ok_ = open_pty(ends_[end]) && ok_;
    uint64_t one = 1;
    (void)!write(wake_fd_, &one, sizeof one);
}

void PtyLine::inject(End end, const std::vector<uint8_t> &bytes) {
    std::lock_guard<std::mutex> hold(lock_);
    Side &s = ends_[end];
    s.to_write.insert(s.to_write.end(), bytes.begin(), bytes.end());
    uint64_t one = 1;
    (void)!write(wake_fd_, &one, sizeof one);
}

void PtyLine::read_from(Side &from, Side &to) {
    uint8_t buf[kBuffered];
    ssize_t n = read(from.master, buf, sizeof buf);
    uint32_t every = lose_every_.load();
    for (ssize_t i = 0; i < n; i++) {
        if (every == 0 || ++counter_ % every != 0) {
            to.to_write.push_back(buf[i]);
        }
    }
    if (n > 0) {
        carried_ += static_cast<uint64_t>(n);
    }
}

void PtyLine::write_to(Side &to) {
    ssize_t n = write(to.master, to.to_write.data(), to.to_write.size());
    if (n > 0) {
        to.to_write.erase(to.to_write.begin(), to.to_write.begin() + n);
    }
}

void PtyLine::carry() {
    while (!stop_.load()) {
        pollfd fds[3] = {{wake_fd_, POLLIN, 0}, {-1, 0, 0}, {-1, 0, 0}};
        {
            std::lock_guard<std::mutex> hold(lock_);
            for (int i = 0; i < 2; i++) {
                const Side &me = ends_[i];
                const Side &other = ends_[1 - i];
                bool room = other.to_write.size() < kBuffered;
                fds[i + 1].fd = me.master;
                fds[i + 1].events = static_cast<short>((room ? POLLIN : 0) |
                                                       (me.to_write.empty() ? 0 : POLLOUT));
            }
        }
        poll(fds, 3, -1);
        std::lock_guard<std::mutex> hold(lock_);
        uint64_t count = 0;
        (void)!read(wake_fd_, &count, sizeof count);
        for (int i = 0; i < 2; i++) {
            Side &me = ends_[i];
            if (me.master < 0) {
                me.to_write.clear(); // nothing is plugged in there
                continue;
            }
            if (me.master == fds[i + 1].fd && (fds[i + 1].revents & POLLIN) != 0) {
                read_from(me, ends_[1 - i]);
            }
            if (!me.to_write.empty()) {
                write_to(me);
            }
        }
    }
}

} // namespace plait::conformance
