// SPDX-License-Identifier: Apache-2.0
// The parameters that both sides tell each other in the handshake, docs/protocol.md section 2:
//
//   | id v | length v | value |   repeated; unknown ids are ignored, none may occur twice.
#pragma once

#include "base/result.h"
#include "wire/frames.h"
#include "wire/long_packet.h"

namespace plait::wire {

enum class ParameterId : uint64_t {
    kNodeId = 1,           // 32 bytes: the sender's Ed25519 key
    kCiphers = 2,          // INIT: a byte a cipher, best first
    kCipher = 3,           // RESP: u8, the one chosen
    kClasses = 4,          // | name length u8 | name | cid size u8 | repeated
    kHandshakeClass = 5,   // v: the class of link 0 in the sender's table
    kMaxChannels = 6,      // v: channels the peer may open at first
    kInitialWindow = 7,    // v: bytes taken on a channel before its window is known
    kMaxMessage = 8,       // v: bytes
    kMaxLinks = 9,         // v: links a connection at a time
    kMaxAckDelay = 10,     // v: microseconds
    kIdleTimeout = 11,     // v: milliseconds, 0 = none
    kDormancyTimeout = 12, // v: milliseconds
    kVersions = 13,        // RESP: u32 each
    kSuites = 14,          // RESP: u16 each
    kTime = 15,            // INIT: u64, milliseconds since 1970, 0 or absent = unknown
    kConnectionIds = 16,   // RESP, FIN: | dlen u8 | dcid | slen u8 | scid |, as in the header
    kResetToken = 19,      // 16 bytes: of scid, if that has 8 bytes (17 and 18 are for 0-RTT)
    kRepairWindow = 20,    // v: bytes of the longest encoding window that is taken, 0: no REPAIR
    kLast = kRepairWindow,
};
// Ids of this form mean nothing and are sent now and then, so that ignoring stays possible.
constexpr bool is_reserved_parameter(uint64_t id) { return id % 31 == 27; }

inline constexpr size_t kMaxClasses = 16;
inline constexpr size_t kMaxClassName = 32;
inline constexpr size_t kMaxCiphers = 8;
// Longer times mean these; no sum of them overflows.
inline constexpr uint64_t kLongestTimeoutMs = uint64_t{1} << 40;
inline constexpr uint64_t kLongestAckDelayUs = uint64_t{1} << 24;

// A transport class by name and the length of the connection ids its packets carry.
struct CidClass {
    std::array<char, kMaxClassName> text{};
    uint8_t length = 0;
    uint8_t cid_size = 0;
    std::string_view name() const { return {text.data(), length}; }
    static CidClass make(std::string_view name, uint8_t cid_size);
};

struct Parameters {
    std::array<uint8_t, 32> node_id{};
    bool has_node_id = false;
    std::array<uint8_t, kMaxCiphers> ciphers{};
    size_t cipher_count = 0;
    uint8_t cipher = 0;
    std::array<CidClass, kMaxClasses> classes{};
    size_t class_count = 0;
    uint64_t handshake_class = 0;
    uint64_t max_channels = 0;
    uint64_t initial_window = 0;
    uint64_t max_message = 0;
    uint64_t max_links = 1;
    uint64_t max_ack_delay_us = 5000;
    uint64_t idle_timeout_ms = 0;
    uint64_t dormancy_timeout_ms = 0;
    std::array<uint32_t, 4> versions{};
    size_t version_count = 0;
    std::array<uint16_t, 4> suites{};
    size_t suite_count = 0;
    uint64_t time_ms = 0;
    bool has_connection_ids = false;
    Cid dcid, scid;
    bool has_reset_token = false;
    std::array<uint8_t, 16> reset_token{};
    uint64_t repair_window = 0;
    uint64_t grease = 0; // when not 0, a reserved id that is written with three bytes of value
};

// Bytes enough for any Parameters.
inline constexpr size_t kMaxParametersSize = 1024;

void write(base::Writer &w, const Parameters &p);
// PLAIT_E_MALFORMED on a bad length, a repeated id or a value out of its range.
Status read(Bytes in, Parameters &p);

} // namespace plait::wire
