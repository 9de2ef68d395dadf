// SPDX-License-Identifier: Apache-2.0
// What the limit programs share: a sender and a receiver in two processes, joined by raw UDP over
// loopback, with segmentation offload on both sides; and how a result is printed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <netinet/in.h>
#include <span>
#include <string_view>

namespace plait::bench {

inline constexpr size_t kRunBytes = 65507; // the most that one UDP datagram carries
inline constexpr size_t kRunSegments = 64; // UDP_MAX_SEGMENTS of the oldest kernels that have it
inline constexpr size_t kMany = 64;        // datagrams in one sendmmsg or recvmmsg
inline constexpr size_t kEndMark = 1;      // bytes of the datagram that ends a run
inline constexpr int kSocketBuffer = 4 << 20;

struct Options {
    std::string_view mode;
    double seconds = 2;
    size_t size = 1400; // bytes of a datagram
    int sender_core = -1, receiver_core = -1;
};
// MODE [--seconds S] [--size N] [--cores SENDER,RECEIVER]; ends the program if it cannot read them.
Options read_options(int argc, char **argv);

uint64_t now_us();
uint64_t end_of(const Options &options); // of a run that begins now
uint64_t cpu_us();                       // of this process

// What the receiver counts, in memory that both processes see.
struct Counts {
    uint64_t bytes = 0, datagrams = 0, failed = 0;
    uint64_t first_us = 0, last_us = 0;
    uint64_t sent_bytes = 0; // before what the receiver's queue dropped
    uint64_t sender_cpu_us = 0, receiver_cpu_us = 0;
    void count(size_t n, uint64_t datagrams_in_it);
};

class Receiver {
  public:
    Receiver();
    const sockaddr_in &address() const { return address_; }
    int fd() const { return fd_; }
    // One datagram or run; `segment`: the size of its pieces. An end mark gives an empty one.
    std::span<uint8_t> receive(uint8_t *buffer, size_t cap, size_t &segment);

  private:
    int fd_;
    sockaddr_in address_{};
};

class Sender {
  public:
    explicit Sender(const sockaddr_in &to);
    int fd() const { return fd_; }
    // Pieces of `segment` bytes, the last may be shorter; one call of the system.
    void send_run(const uint8_t *data, size_t len, size_t segment);
    void send_end();

  private:
    int fd_;
    sockaddr_in to_;
};

// Runs the receiver in a process of its own until it has seen the end mark, the sender here.
using ReceiverMain = void (*)(const Options &, Receiver &, Counts &);
using SenderMain = void (*)(const Options &, Sender &, uint64_t until_us, Counts &);
Counts run_pair(const Options &options, ReceiverMain receive, SenderMain send);

// For pairs over something else than raw UDP: `receive` in a process of its own, `send` here, each
// pinned; `listening` is what both share, e.g. a socket that one accepts from and the other dials.
using Side = void (*)(const Options &, int listening, Counts &);
Counts run_processes(const Options &options, int listening, Side receive, Side send);

[[noreturn]] void die(const char *what); // what, and errno's text

// Microseconds of one round trip each; prints p50, p99 and the worst as one line of JSON.
void print_echo(const char *bench, const Options &options, std::span<double> times_us);

// One line of JSON.
void print(const char *bench, const Options &options, const Counts &counts);

} // namespace plait::bench
