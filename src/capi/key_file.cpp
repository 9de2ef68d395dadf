// SPDX-License-Identifier: Apache-2.0
#include "capi/key_file.h"

#include "runtime/detail.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace plait::capi {

namespace {

using runtime::fail;

Status fail_file(const std::string &path, int error) {
    return fail(PLAIT_E_FILE, "%s: %s", path.c_str(), std::strerror(error));
}

class File {
  public:
    explicit File(int fd) : fd_(fd) {}
    ~File() {
        if (fd_ >= 0)
            ::close(fd_);
    }
    File(const File &) = delete;
    File &operator=(const File &) = delete;
    int fd() const { return fd_; }
    // False if what was written could not be kept.
    bool close() { return ::close(std::exchange(fd_, -1)) == 0; }

  private:
    int fd_;
};

bool write_all(int fd, Bytes bytes) {
    while (!bytes.empty()) {
        const ssize_t n = ::write(fd, bytes.data(), bytes.size());
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        bytes = bytes.subspan(static_cast<size_t>(n));
    }
    return true;
}

// So that the name survives a crash too; not every file system can, and none must.
void sync_folder_of(const std::string &path) {
    const size_t slash = path.rfind('/');
    const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
    const File file(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (file.fd() >= 0)
        fsync(file.fd());
}

} // namespace

Status read_secret_file(const std::string &path, size_t max, std::vector<uint8_t> &out) {
    const File file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (file.fd() < 0) {
        fail_file(path, errno);
        return errno == ENOENT ? PLAIT_E_NOT_FOUND : PLAIT_E_FILE;
    }
    out.resize(max + 1);
    size_t size = 0;
    while (size < out.size()) {
        const ssize_t n = ::read(file.fd(), out.data() + size, out.size() - size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail_file(path, errno);
        if (n == 0)
            break;
        size += static_cast<size_t>(n);
    }
    if (size > max)
        return fail(PLAIT_E_KEY_FILE, "%s: too large for a key file", path.c_str());
    out.resize(size);
    return PLAIT_OK;
}

Status write_secret_file(const std::string &path, Bytes bytes, Replace replace) {
    std::string beside = path + ".XXXXXX";
    File file(mkostemp(beside.data(), O_CLOEXEC)); // mode 0600
    if (file.fd() < 0)
        return fail_file(path, errno);
    bool done = write_all(file.fd(), bytes) && fsync(file.fd()) == 0 && file.close();
    if (done && replace == Replace::kYes)
        done = rename(beside.c_str(), path.c_str()) == 0;
    else if (done)
        done = link(beside.c_str(), path.c_str()) == 0; // fails if somebody was faster
    const int error = errno;
    if (!done || replace == Replace::kNo)
        unlink(beside.c_str());
    if (!done) {
        fail_file(path, error);
        return error == EEXIST && replace == Replace::kNo ? PLAIT_E_EXISTS : PLAIT_E_FILE;
    }
    sync_folder_of(path);
    return PLAIT_OK;
}

} // namespace plait::capi
