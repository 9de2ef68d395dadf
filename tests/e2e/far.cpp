// SPDX-License-Identifier: Apache-2.0
#include "peer.h"

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <poll.h>
#include <sstream>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace plait::e2e {
namespace {

constexpr int kAnswerMs = 10000;
constexpr uint64_t kStalled = 1; // token of channels that are never read

bool write_text(int fd, const std::string &text) {
    return write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

// Up to an empty line, or nothing if it does not come.
std::string read_paragraph(int fd, int timeout_ms) {
    std::string text;
    while (text.size() < 2 || text.compare(text.size() - 2, 2, "\n\n") != 0) {
        pollfd p{fd, POLLIN, 0};
        char c = 0;
        if (poll(&p, 1, timeout_ms) != 1 || read(fd, &c, 1) != 1)
            return "";
        text += c;
    }
    return text.substr(0, text.size() - 1);
}

// The life of the other process.
struct Listener {
    plait_node *node = nullptr;
    plait_channel file = PLAIT_NONE;
    uint64_t received = 0;
    bool whole = false, wrong = false, closed = false;

    void read_file() {
        plait_slice slices[32];
        size_t count = 0;
        plait_status s;
        while ((s = plait_channel_peek(node, file, slices, 32, &count)) == PLAIT_OK) {
            size_t bytes = 0;
            for (size_t i = 0; i < count; i++) {
                for (size_t k = 0; k < slices[i].len; k++)
                    wrong |= static_cast<const uint8_t *>(slices[i].data)[k] != byte_at(received++);
                bytes += slices[i].len;
            }
            wrong |= plait_channel_consume(node, file, bytes) != PLAIT_OK;
        }
        if (s == PLAIT_E_END) {
            whole = true;
            plait_channel_finish(node, file);
        }
    }

    void echo(plait_channel channel) {
        char buf[4096];
        size_t len = 0;
        size_t taken = 0; // what does not fit is not echoed
        while (plait_channel_read(node, channel, buf, sizeof buf, &len) == PLAIT_OK)
            plait_channel_send(node, channel, buf, len, &taken);
    }

    void on_event(const plait_event &e) {
        char label[16] = "";
        switch (e.type) {
        case PLAIT_EVENT_CHANNEL_REQUEST:
            plait_channel_label(node, e.channel, label, sizeof label, nullptr);
            if (std::strcmp(label, "file") == 0)
                file = e.channel;
            plait_channel_accept(node, e.channel, nullptr);
            if (std::strcmp(label, "stall") == 0)
                plait_channel_set_token(node, e.channel, kStalled);
            break;
        case PLAIT_EVENT_READABLE:
            if (e.channel == file)
                read_file();
            else if (e.token != kStalled)
                echo(e.channel);
            break;
        case PLAIT_EVENT_CLOSED: closed = true; break;
        default: break;
        }
    }

    bool open(const std::string &uris, std::string &answer) {
        char text[256];
        plait_id id{};
        plait_node_id(node, &id);
        plait_id_format(&id, text, sizeof text);
        answer = std::string(text) + "\n";
        std::istringstream lines(uris);
        for (std::string uri; std::getline(lines, uri);) {
            plait_endpoint endpoint = PLAIT_NONE;
            if (plait_endpoint_open(node, uri.c_str(), nullptr, &endpoint) != PLAIT_OK ||
                plait_endpoint_uri(node, endpoint, text, sizeof text, nullptr) != PLAIT_OK) {
                std::fprintf(stderr, "%s: %s\n", uri.c_str(), plait_error_detail());
                return false;
            }
            answer += std::string(text) + "\n";
        }
        answer += "\n";
        return plait_node_listen(node, nullptr) == PLAIT_OK;
    }
};

int live(int orders, int answers) {
    Listener l;
    plait_identity *identity = nullptr;
    const plait_node_config config = short_timeouts();
    if (plait_identity_new(&identity) != PLAIT_OK ||
        plait_node_new(identity, &config, &l.node) != PLAIT_OK)
        return 2;
    std::string answer;
    const std::string uris = read_paragraph(orders, kAnswerMs);
    if (uris.empty() || !l.open(uris, answer) || !write_text(answers, answer))
        return 2;
    while (!l.closed) {
        plait_event events[64];
        size_t got = 0;
        if (plait_node_wait(l.node, events, 64, &got, 1000) != PLAIT_OK)
            return 2;
        for (size_t i = 0; i < got; i++)
            l.on_event(events[i]);
    }
    plait_node_free(l.node);
    plait_identity_free(identity);
    return l.whole && !l.wrong ? 0 : 1;
}

} // namespace

Far::Far() {
    int orders[2], answers[2];
    if (pipe(orders) != 0 || pipe(answers) != 0)
        return;
    const pid_t parent = getpid();
    std::fflush(stdout);
    pid_ = fork();
    if (pid_ == 0) {
        close(orders[1]);
        close(answers[0]);
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent)
            _exit(2);
        _exit(live(orders[0], answers[1]));
    }
    close(orders[0]);
    close(answers[1]);
    orders_ = orders[1];
    answers_ = answers[0];
}

Far::~Far() {
    kill_it();
    close(orders_);
    close(answers_);
}

bool Far::open(const std::vector<std::string> &uris) {
    std::string text;
    for (const std::string &uri : uris)
        text += uri + "\n";
    if (!write_text(orders_, text + "\n"))
        return false;
    std::istringstream lines(read_paragraph(answers_, kAnswerMs));
    std::getline(lines, id_);
    for (std::string uri; std::getline(lines, uri);)
        uris_.push_back(uri);
    return uris_.size() == uris.size();
}

void Far::kill_it() {
    if (pid_ <= 0)
        return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = -1;
}

int Far::wait(uint64_t timeout_ms) {
    const uint64_t end = now_ms() + timeout_ms;
    int status = 0;
    while (waitpid(pid_, &status, WNOHANG) == 0) {
        if (now_ms() >= end)
            return -1;
        usleep(5000);
    }
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

} // namespace plait::e2e
