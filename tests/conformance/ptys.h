// SPDX-License-Identifier: Apache-2.0
// A serial line without hardware: two ptys and a thread that carries bytes from one to the other,
// and can lose them, add to them, or unplug an end. The ends are symbolic links in a directory of
// its own: unplugging removes the link and hangs the pty up, plugging in makes another pty under
// the old name.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace plait::conformance {

class PtyLine {
  public:
    enum End { kA = 0, kZ = 1 };

    PtyLine();
    ~PtyLine();
    PtyLine(const PtyLine &) = delete;
    PtyLine &operator=(const PtyLine &) = delete;

    bool ok() const { return ok_; }
    const std::string &path(End end) const { return ends_[end].path; }

    void unplug(End end);
    void plug(End end);
    // Bytes that arrive at `end` as if the line had sent them.
    void inject(End end, const std::vector<uint8_t> &bytes);
    // Of the bytes carried to either end, every n-th is lost from now on; 0: none.
    void lose_every(uint32_t n) { lose_every_.store(n); }
    // Bytes carried so far, both ways.
    uint64_t carried() const { return carried_.load(); }

  private:
    struct Side {
        std::string path;
        int master = -1, slave = -1; // the slave is held open, so that the master never hangs up
        std::vector<uint8_t> to_write;
    };
    bool open_pty(Side &side);
    void carry();
    void read_from(Side &from, Side &to);
    void write_to(Side &to);

    std::string dir_;
    Side ends_[2];
    std::mutex lock_; // the sides
    std::thread thread_;
    int wake_fd_ = -1;
    bool ok_ = false;
    std::atomic<bool> stop_{false};
    std::atomic<uint32_t> lose_every_{0};
    std::atomic<uint64_t> carried_{0};
    uint64_t counter_ = 0;
};

} // namespace plait::conformance
