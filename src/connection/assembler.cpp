// SPDX-License-Identifier: Apache-2.0
#include "connection/assembler.h"

#include "base/assert.h"

#include <algorithm>
#include <utility>

namespace plait::connection {

uint8_t *Assembler::room(const Target &target, size_t size) {
    PLAIT_ASSERT(size <= kMaxDatagram);
    // A run of a few segments costs the system as much as a whole one: none is begun for the rest.
    const size_t need = extends_run(target, size) ? size : std::max(size, full_run(target, size));
    if (endpoint_ != target.endpoint || used_ + need > kArena || count_ == kMaxBatch)
        flush();
    endpoint_ = target.endpoint;
    index_ = target.index;
    if (!arena_)
        arena_.reset(new uint8_t[kArena]); // not zeroed: the system backs only what is touched
    used_lately_ = true;
    return arena_.get() + used_;
}

// Bytes of the longest run of such segments.
size_t Assembler::full_run(const Target &target, size_t size) {
    const link::EndpointInfo &info = target.endpoint->info;
    if (!info.gso || size == 0)
        return size;
    return std::min(std::min<size_t>(info.run_segments, info.run_bytes / size) * size, kArena);
}

bool Assembler::extends_run(const Target &target, size_t size) const {
    if (count_ == 0 || !run_open_ || !target.endpoint->info.gso)
        return false;
    const plait_datagram &last = v_[count_ - 1];
    const size_t segment = last.segment ? last.segment : last.len;
    const link::EndpointInfo &info = target.endpoint->info;
    const bool same_way = last.peer == target.remote && last.local == target.local &&
                          last.flags == 0 && target.flags == 0 && last.ecn == target.ecn;
    return same_way && size <= segment && segment <= 0xffff && last.len + size <= info.run_bytes &&
           run_length_ < info.run_segments;
}

void Assembler::commit(const Target &target, size_t size) {
    if (extends_run(target, size)) {
        plait_datagram &last = v_[count_ - 1];
        if (last.segment == 0)
            last.segment = static_cast<uint16_t>(last.len);
        last.len += static_cast<uint32_t>(size);
        run_open_ = size == last.segment;
        run_length_++;
    } else {
        plait_datagram &d = v_[count_++];
        d = {};
        d.data = arena_.get() + used_;
        d.len = static_cast<uint32_t>(size);
        d.peer = target.remote;
        d.local = target.local;
        d.flags = target.flags;
        d.ecn = target.ecn;
        run_open_ = true;
        run_length_ = 1;
    }
    used_ += size;
}

void Assembler::flush() {
    if (count_ > 0) {
        uint32_t taken = 0;
        if (endpoint_->can_send() && endpoint_->parked.empty() && sink_)
            taken = sink_->send(index_, {v_.data(), count_});
        if (taken < count_)
            park_from(taken);
    }
    count_ = 0;
    used_ = 0;
    run_open_ = false;
    endpoint_ = nullptr;
}

// A node of a phone or a board may be silent for most of its life.
void Assembler::rest(Time now) {
    PLAIT_ASSERT(count_ == 0);
    if (std::exchange(used_lately_, false))
        used_at_ = now;
    else if (arena_ && now - used_at_ >= kIdle)
        arena_.reset();
}

void Assembler::park_from(size_t first) {
    // On a line that is down nothing is kept: what was lost with it is found by loss detection.
    if (!endpoint_->up)
        return;
    endpoint_->blocked = true;
    // Whoever asks before it builds has nothing for a full endpoint; handshake messages do come,
    // and are repeated anyway.
    const size_t room = kMaxParked - std::min(kMaxParked, endpoint_->parked.size());
    count_ = std::min(count_, first + room);
    for (size_t i = first; i < count_; i++) {
        const plait_datagram &d = v_[i];
        link::ParkedDatagram p;
        p.bytes.assign(d.data, d.data + d.len);
        p.peer = *d.peer;
        p.has_local = d.local != nullptr;
        if (d.local)
            p.local = *d.local;
        p.segment = d.segment;
        p.flags = d.flags;
        p.ecn = d.ecn;
        endpoint_->parked.push_back(std::move(p));
    }
}

bool Assembler::unpark(EndpointIndex index, link::Endpoint &endpoint) {
    size_t done = 0;
    while (done < endpoint.parked.size() && endpoint.can_send()) {
        link::ParkedDatagram &p = endpoint.parked[done];
        plait_datagram d{};
        d.data = p.bytes.data();
        d.len = static_cast<uint32_t>(p.bytes.size());
        d.segment = p.segment;
        d.flags = p.flags;
        d.ecn = p.ecn;
        d.peer = &p.peer;
        d.local = p.has_local ? &p.local : nullptr;
        if (sink_->send(index, {&d, 1}) == 0)
            endpoint.blocked = true;
        else
            done++;
    }
    endpoint.parked.erase(endpoint.parked.begin(),
                          endpoint.parked.begin() + static_cast<std::ptrdiff_t>(done));
    return endpoint.parked.empty();
}

} // namespace plait::connection
