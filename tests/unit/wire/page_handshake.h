// SPDX-License-Identifier: Apache-2.0
// The parameters that A and Z exchange in appendix A of docs/protocol.md.
#pragma once

#include "examples.h"
#include "wire/parameters.h"

namespace plait::test {

inline wire::Parameters page_limits() {
    wire::Parameters p;
    p.max_channels = 256;
    p.initial_window = 64 << 10;
    p.max_message = 16 << 20;
    p.max_links = 8;
    p.max_ack_delay_us = 5000;
    p.dormancy_timeout_ms = 60000;
    p.class_count = 2;
    return p;
}

inline wire::Parameters page_init() {
    wire::Parameters p = page_limits();
    const Bytes id = example("identity", "a_id");
    std::copy(id.begin(), id.end(), p.node_id.begin());
    p.has_node_id = true;
    p.ciphers = {1, 2};
    p.cipher_count = 2;
    p.time_ms = 1'700'000'000'000;
    p.classes[0] = wire::CidClass::make("udp", 8);
    p.classes[1] = wire::CidClass::make("serial", 1);
    p.idle_timeout_ms = 60000;
    return p;
}

inline wire::Parameters page_resp() {
    wire::Parameters p = page_limits();
    p.cipher = 1;
    p.versions[0] = wire::kVersion1;
    p.version_count = 1;
    p.suites[0] = wire::kSuite1;
    p.suite_count = 1;
    p.has_connection_ids = true;
    const Bytes packet = example("resp", "packet"); // flags, version, dlen, dcid, slen, scid
    p.dcid = wire::Cid::from(packet.subspan(6, 8));
    p.scid = wire::Cid::from(packet.subspan(15, 8));
    p.classes[0] = wire::CidClass::make("serial", 1);
    p.classes[1] = wire::CidClass::make("udp", 8);
    p.handshake_class = 1;
    p.idle_timeout_ms = 30000;
    return p;
}

} // namespace plait::test
