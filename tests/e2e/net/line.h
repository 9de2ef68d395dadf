// SPDX-License-Identifier: Apache-2.0
// One direction of an emulated line: packets wait in a queue for a transmitter of a certain rate,
// travel for a while, and some are lost. Time comes from outside, in nanoseconds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <queue>
#include <vector>

namespace plait::e2e {

struct LineModel {
    uint64_t rate = 0;       // bytes a second; 0: as fast as it comes
    uint64_t delay_us = 0;   // one way
    double loss = 0;         // probability, packet by packet
    size_t queue = 1u << 20; // bytes that wait for the transmitter; more is dropped
    bool cut = false;        // everything vanishes without a word
};

class Line {
  public:
    using Packet = std::vector<uint8_t>;

    explicit Line(uint64_t seed) : random_(seed * 2 + 1) {}

    LineModel model;

    void push(Packet packet, uint64_t now);
    // When the next packet arrives; UINT64_MAX: none is under way.
    uint64_t next() const { return under_way_.empty() ? UINT64_MAX : under_way_.front().at; }
    // The next packet; to be called when next() has come.
    Packet pop();

  private:
    struct Travelling {
        uint64_t at;
        Packet packet;
    };

    double draw();

    uint64_t random_;
    uint64_t transmitter_free_ = 0, last_arrival_ = 0;
    std::queue<Travelling> under_way_;
};

} // namespace plait::e2e
