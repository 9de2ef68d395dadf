// SPDX-License-Identifier: Apache-2.0
// TCP, and TCP with TLS 1.3 by OpenSSL (AES-256-GCM, a fresh self-signed certificate), as programs
// use them: one blocking connection, writes of 64 KiB. Modes: tcp, tls; tcp-echo, tls-echo for
// messages of 64 bytes to and fro.
#include "loopback.h"

#include <cstdio>
#include <ctime>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

namespace plait::bench {
namespace {

constexpr size_t kPiece = 64 << 10;
constexpr size_t kEcho = 64;

void need(bool done, const char *what) {
    if (!done)
        die(what);
}

int listen_here() {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in any{};
    any.sin_family = AF_INET;
    any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    need(fd >= 0 && bind(fd, reinterpret_cast<sockaddr *>(&any), sizeof any) == 0 &&
             listen(fd, 1) == 0,
         "listen");
    return fd;
}

int accept_one(int listening) {
    const int fd = accept(listening, nullptr, nullptr);
    need(fd >= 0, "accept");
    return fd;
}

int dial(int listening) {
    sockaddr_in to{};
    socklen_t len = sizeof to;
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    need(fd >= 0 && getsockname(listening, reinterpret_cast<sockaddr *>(&to), &len) == 0 &&
             connect(fd, reinterpret_cast<sockaddr *>(&to), len) == 0,
         "connect");
    return fd;
}

// A connection, with TLS or without.
class Stream {
  public:
    Stream(int fd, bool tls, bool server) : fd_(fd) {
        const int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (tls)
            start_tls(server);
    }
    ~Stream() {
        SSL_free(ssl_);
        SSL_CTX_free(context_);
        close(fd_);
    }
    Stream(const Stream &) = delete;
    Stream &operator=(const Stream &) = delete;

    void write_all(const uint8_t *p, size_t n) {
        while (n > 0) {
            const long k = ssl_ ? SSL_write(ssl_, p, static_cast<int>(n)) : write(fd_, p, n);
            need(k > 0, "write");
            p += k;
            n -= static_cast<size_t>(k);
        }
    }
    // 0: the end.
    size_t read_some(uint8_t *p, size_t n) {
        const long k = ssl_ ? SSL_read(ssl_, p, static_cast<int>(n)) : read(fd_, p, n);
        return k > 0 ? static_cast<size_t>(k) : 0;
    }
    bool read_all(uint8_t *p, size_t n) {
        for (size_t got = 0; got < n;) {
            const size_t k = read_some(p + got, n - got);
            if (k == 0)
                return false;
            got += k;
        }
        return true;
    }

  private:
    void start_tls(bool server) {
        context_ = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
        need(context_ && SSL_CTX_set_min_proto_version(context_, TLS1_3_VERSION) == 1 &&
                 SSL_CTX_set_ciphersuites(context_, "TLS_AES_256_GCM_SHA384") == 1,
             "TLS");
        if (server)
            use_new_certificate();
        ssl_ = SSL_new(context_);
        need(ssl_ && SSL_set_fd(ssl_, fd_) == 1 &&
                 (server ? SSL_accept(ssl_) : SSL_connect(ssl_)) == 1,
             "the TLS handshake");
    }
    void use_new_certificate() {
        EVP_PKEY *key = EVP_EC_gen("P-256");
        X509 *cert = X509_new();
        need(key && cert, "a certificate");
        X509_gmtime_adj(X509_getm_notBefore(cert), 0);
        X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
        need(X509_set_pubkey(cert, key) == 1 && X509_sign(cert, key, EVP_sha256()) > 0 &&
                 SSL_CTX_use_certificate(context_, cert) == 1 &&
                 SSL_CTX_use_PrivateKey(context_, key) == 1,
             "a certificate");
        X509_free(cert);
        EVP_PKEY_free(key);
    }

    int fd_;
    SSL_CTX *context_ = nullptr;
    SSL *ssl_ = nullptr;
};

bool is_tls(const Options &o) {
    return o.mode.starts_with("tls");
}

void receive_bulk(const Options &o, int listening, Counts &counts) {
    Stream stream(accept_one(listening), is_tls(o), true);
    std::vector<uint8_t> buffer(kPiece);
    while (const size_t n = stream.read_some(buffer.data(), buffer.size()))
        counts.count(n, 1);
}

void send_bulk(const Options &o, int listening, Counts &counts) {
    Stream stream(dial(listening), is_tls(o), false);
    const std::vector<uint8_t> source(kPiece, 0xa5);
    const uint64_t until_us = end_of(o);
    while (now_us() < until_us) {
        stream.write_all(source.data(), source.size());
        counts.sent_bytes += source.size();
    }
}

void receive_echo(const Options &o, int listening, Counts &counts) {
    Stream stream(accept_one(listening), is_tls(o), true);
    uint8_t buffer[kEcho];
    while (stream.read_all(buffer, sizeof buffer)) {
        stream.write_all(buffer, sizeof buffer);
        counts.count(sizeof buffer, 1);
    }
}

std::vector<double> echo_times; // of this process, the sender's

void send_echo(const Options &o, int listening, Counts &) {
    Stream stream(dial(listening), is_tls(o), false);
    uint8_t buffer[kEcho] = {};
    timespec before, after;
    const uint64_t until_us = end_of(o);
    while (now_us() < until_us) {
        clock_gettime(CLOCK_MONOTONIC, &before);
        stream.write_all(buffer, sizeof buffer);
        need(stream.read_all(buffer, sizeof buffer), "the answer");
        clock_gettime(CLOCK_MONOTONIC, &after);
        echo_times.push_back(static_cast<double>(after.tv_sec - before.tv_sec) * 1e6 +
                             static_cast<double>(after.tv_nsec - before.tv_nsec) * 1e-3);
    }
}

} // namespace
} // namespace plait::bench

int main(int argc, char **argv) {
    using namespace plait::bench;
    const Options o = read_options(argc, argv);
    const int listening = listen_here();
    if (o.mode == "tcp" || o.mode == "tls") {
        print("peer_stream", o, run_processes(o, listening, receive_bulk, send_bulk));
    } else if (o.mode == "tcp-echo" || o.mode == "tls-echo") {
        run_processes(o, listening, receive_echo, send_echo);
        print_echo("peer_stream", o, echo_times);
    } else {
        std::fprintf(stderr, "peer_stream: the modes are tcp, tls, tcp-echo, tls-echo\n");
        return 2;
    }
    return 0;
}
