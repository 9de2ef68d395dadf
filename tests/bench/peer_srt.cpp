// SPDX-License-Identifier: Apache-2.0
// SRT in file mode, encrypted with AES-256 (its own AES-CTR). Mode: bulk.
#include "loopback.h"

#include <cstdio>
#include <srt/srt.h>
#include <string_view>
#include <vector>

namespace plait::bench {
namespace {

constexpr int kPiece = 64 << 10;
constexpr std::string_view kPassphrase = "sixteen and more";

[[noreturn]] void fail(const char *what) {
    std::fprintf(stderr, "%s: %s\n", what, srt_getlasterror_str());
    std::exit(1);
}

sockaddr_in here(int port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<uint16_t>(port));
    return address;
}

SRTSOCKET new_socket() {
    srt_startup();
    const SRTSOCKET s = srt_create_socket();
    const SRT_TRANSTYPE type = SRTT_FILE;
    const int key_bytes = 32;
    if (srt_setsockflag(s, SRTO_TRANSTYPE, &type, sizeof type) != 0 ||
        srt_setsockflag(s, SRTO_PBKEYLEN, &key_bytes, sizeof key_bytes) != 0 ||
        srt_setsockflag(s, SRTO_PASSPHRASE, kPassphrase.data(),
                        static_cast<int>(kPassphrase.size())) != 0)
        fail("srt_setsockflag");
    return s;
}

// `port` stands for the listening socket: SRT makes its own.
void receive_bulk(const Options &, int port, Counts &counts) {
    const SRTSOCKET listening = new_socket();
    const sockaddr_in address = here(port);
    if (srt_bind(listening, reinterpret_cast<const sockaddr *>(&address), sizeof address) != 0 ||
        srt_listen(listening, 1) != 0)
        fail("srt_listen");
    const SRTSOCKET s = srt_accept(listening, nullptr, nullptr);
    if (s == SRT_INVALID_SOCK)
        fail("srt_accept");
    std::vector<char> buffer(kPiece);
    for (int n; (n = srt_recv(s, buffer.data(), kPiece)) > 0;)
        counts.count(static_cast<size_t>(n), 1);
    srt_cleanup();
}

void send_bulk(const Options &o, int port, Counts &counts) {
    const sockaddr_in address = here(port);
    const SRTSOCKET s = new_socket();
    if (srt_connect(s, reinterpret_cast<const sockaddr *>(&address), sizeof address) != 0)
        fail("srt_connect");
    const std::vector<char> source(kPiece, 'x');
    const uint64_t until_us = end_of(o);
    while (now_us() < until_us) {
        const int n = srt_send(s, source.data(), kPiece);
        if (n <= 0)
            fail("srt_send");
        counts.sent_bytes += static_cast<uint64_t>(n);
    }
    srt_close(s);
    srt_cleanup();
}

} // namespace
} // namespace plait::bench

int main(int argc, char **argv) {
    using namespace plait::bench;
    const Options o = read_options(argc, argv);
    if (o.mode != "bulk") {
        std::fprintf(stderr, "peer_srt: the mode is bulk\n");
        return 2;
    }
    constexpr int kPort = 47562; // `run` works in a network namespace of its own
    print("peer_srt", o, run_processes(o, kPort, receive_bulk, send_bulk));
    return 0;
}
