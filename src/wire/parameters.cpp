// SPDX-License-Identifier: Apache-2.0
#include "wire/parameters.h"

namespace plait::wire {

CidClass CidClass::make(std::string_view name, uint8_t cid_size) {
    PLAIT_ASSERT(!name.empty() && name.size() <= kMaxClassName);
    CidClass c;
    std::copy(name.begin(), name.end(), c.text.begin());
    c.length = static_cast<uint8_t>(name.size());
    c.cid_size = cid_size;
    return c;
}

namespace {

void head(base::Writer &w, ParameterId id, size_t length) {
    w.varint(static_cast<uint64_t>(id));
    w.varint(length);
}
void number(base::Writer &w, ParameterId id, uint64_t value) {
    head(w, id, base::varint_size(value));
    w.varint(value);
}
void write_classes(base::Writer &w, const Parameters &p) {
    size_t size = 0;
    for (size_t i = 0; i < p.class_count; i++)
        size += 2u + p.classes[i].length;
    head(w, ParameterId::kClasses, size);
    for (size_t i = 0; i < p.class_count; i++) {
        w.u8(p.classes[i].length);
        w.bytes(base::bytes_of(p.classes[i].name()));
        w.u8(p.classes[i].cid_size);
    }
}
// What only INIT or only RESP and FIN carry.
void write_negotiation(base::Writer &w, const Parameters &p) {
    if (p.cipher_count) {
        head(w, ParameterId::kCiphers, p.cipher_count);
        w.bytes(Bytes(p.ciphers).first(p.cipher_count));
    }
    if (p.cipher) {
        head(w, ParameterId::kCipher, 1);
        w.u8(p.cipher);
    }
    if (p.version_count) {
        head(w, ParameterId::kVersions, 4 * p.version_count);
        for (size_t i = 0; i < p.version_count; i++)
            w.u32(p.versions[i]);
    }
    if (p.suite_count) {
        head(w, ParameterId::kSuites, 2 * p.suite_count);
        for (size_t i = 0; i < p.suite_count; i++)
            w.u16(p.suites[i]);
    }
    if (p.time_ms) {
        head(w, ParameterId::kTime, 8);
        w.u64(p.time_ms);
    }
    if (p.has_connection_ids) {
        head(w, ParameterId::kConnectionIds, 2u + p.dcid.len + p.scid.len);
        for (const Cid *cid : {&p.dcid, &p.scid}) {
            w.u8(cid->len);
            w.bytes(cid->bytes());
        }
    }
}

bool read_classes(base::Reader &r, Parameters &p) {
    while (!r.done()) {
        const Bytes name = r.bytes(r.u8());
        const uint8_t cid_size = r.u8();
        if (!r.ok() || name.empty() || name.size() > kMaxClassName || cid_size == 0 ||
            cid_size > kMaxCidSize || p.class_count == kMaxClasses)
            return false;
        p.classes[p.class_count++] = CidClass::make(base::text_of(name), cid_size);
    }
    return p.class_count > 0;
}

template <class T, size_t N>
bool read_list(base::Reader &r, std::array<T, N> &to, size_t &count) {
    // A longer list than we keep is cut: what comes after the first N is not known here.
    while (!r.done()) {
        const T v = sizeof(T) == 1   ? static_cast<T>(r.u8())
                    : sizeof(T) == 2 ? static_cast<T>(r.u16())
                                     : static_cast<T>(r.u32());
        if (count < N)
            to[count++] = v;
    }
    return r.ok() && count > 0;
}

bool read_cids(base::Reader &r, Parameters &p) {
    for (Cid *cid : {&p.dcid, &p.scid}) {
        const uint8_t len = r.u8();
        if (len > kMaxCidSize)
            return false;
        *cid = Cid::from(r.bytes(len));
    }
    p.has_connection_ids = true;
    return r.ok();
}

bool read_number(base::Reader &r, uint64_t &to) {
    to = r.varint();
    return r.ok();
}

bool read_value(ParameterId id, base::Reader &r, Parameters &p) {
    switch (id) {
    case ParameterId::kNodeId: {
        const Bytes b = r.bytes(p.node_id.size());
        std::copy(b.begin(), b.end(), p.node_id.begin());
        p.has_node_id = true;
        return r.ok();
    }
    case ParameterId::kCiphers: return read_list(r, p.ciphers, p.cipher_count);
    case ParameterId::kCipher: p.cipher = r.u8(); return r.ok();
    case ParameterId::kClasses: return read_classes(r, p);
    case ParameterId::kHandshakeClass: return read_number(r, p.handshake_class);
    case ParameterId::kMaxChannels: return read_number(r, p.max_channels);
    case ParameterId::kInitialWindow: return read_number(r, p.initial_window);
    case ParameterId::kMaxMessage: return read_number(r, p.max_message);
    case ParameterId::kMaxLinks: return read_number(r, p.max_links);
    case ParameterId::kMaxAckDelay: return read_number(r, p.max_ack_delay_us);
    case ParameterId::kIdleTimeout: return read_number(r, p.idle_timeout_ms);
    case ParameterId::kDormancyTimeout: return read_number(r, p.dormancy_timeout_ms);
    case ParameterId::kVersions: return read_list(r, p.versions, p.version_count);
    case ParameterId::kSuites: return read_list(r, p.suites, p.suite_count);
    case ParameterId::kTime: p.time_ms = r.u64(); return r.ok();
    case ParameterId::kConnectionIds: return read_cids(r, p);
    case ParameterId::kResetToken: {
        const Bytes b = r.bytes(p.reset_token.size());
        std::copy(b.begin(), b.end(), p.reset_token.begin());
        p.has_reset_token = true;
        return r.ok();
    }
    case ParameterId::kRepairWindow: return read_number(r, p.repair_window);
    }
    r.rest();
    return true;
}

// What no single value shows: ranges, and the class of link 0 in its table. Cuts times to size.
bool check_ranges(Parameters &p) {
    p.max_ack_delay_us = std::min(p.max_ack_delay_us, kLongestAckDelayUs);
    p.idle_timeout_ms = std::min(p.idle_timeout_ms, kLongestTimeoutMs);
    p.dormancy_timeout_ms = std::min(p.dormancy_timeout_ms, kLongestTimeoutMs);
    return p.max_channels <= kMaxChannelsASide && p.max_links >= 1 &&
           (p.class_count == 0 || p.handshake_class < p.class_count);
}

} // namespace

void write(base::Writer &w, const Parameters &p) {
    if (p.has_node_id) {
        head(w, ParameterId::kNodeId, p.node_id.size());
        w.bytes(p.node_id);
    }
    write_negotiation(w, p);
    if (p.class_count)
        write_classes(w, p);
    number(w, ParameterId::kHandshakeClass, p.handshake_class);
    number(w, ParameterId::kMaxChannels, p.max_channels);
    number(w, ParameterId::kInitialWindow, p.initial_window);
    number(w, ParameterId::kMaxMessage, p.max_message);
    number(w, ParameterId::kMaxLinks, p.max_links);
    number(w, ParameterId::kMaxAckDelay, p.max_ack_delay_us);
    number(w, ParameterId::kIdleTimeout, p.idle_timeout_ms);
    number(w, ParameterId::kDormancyTimeout, p.dormancy_timeout_ms);
    if (p.has_reset_token) {
        head(w, ParameterId::kResetToken, p.reset_token.size());
        w.bytes(p.reset_token);
    }
    if (p.repair_window)
        number(w, ParameterId::kRepairWindow, p.repair_window);
    if (p.grease) {
        w.varint(p.grease);
        w.varint(3);
        w.fill(0x5a, 3);
    }
}

Status read(Bytes in, Parameters &p) {
    base::Reader r(in);
    uint64_t seen = 0; // the known ids that came already, a bit each
    while (!r.done()) {
        const uint64_t id = r.varint();
        const Bytes value = r.bytes(r.varint());
        if (!r.ok())
            return PLAIT_E_MALFORMED;
        if (id == 0 || id > static_cast<uint64_t>(ParameterId::kLast))
            continue;
        if (seen >> id & 1)
            return PLAIT_E_MALFORMED;
        seen |= uint64_t{1} << id;
        base::Reader v(value);
        if (!read_value(static_cast<ParameterId>(id), v, p) || !v.done())
            return PLAIT_E_MALFORMED;
    }
    return check_ranges(p) ? PLAIT_OK : PLAIT_E_MALFORMED;
}

} // namespace plait::wire
