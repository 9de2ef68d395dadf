// SPDX-License-Identifier: Apache-2.0
// The frames that concern the whole connection, and the records of channel 0's stream.
#include "connection/connection.h"
#include "connection/records.h"

namespace plait::connection {

Status Connection::on_new_cid(const wire::NewCidFrame &f, Time now) {
    if (f.cid_class >= peer_facts_->class_count ||
        f.cid.len != peer_facts_->cid_sizes[f.cid_class] || f.seq > wire::kMaxCidSeq)
        return PLAIT_E_PROTOCOL;
    // For a link that is over already it comes too late.
    const bool over = is_own_number(f.link) ? f.link.v < next_own_link_ : cids_.is_used_up(f.link);
    if (over && !find_link(f.link))
        return PLAIT_OK;
    if (const Status s = cids_.hold({static_cast<uint32_t>(f.seq), f.link,
                                     static_cast<uint8_t>(f.cid_class), f.cid, f.token});
        s != PLAIT_OK)
        return s == PLAIT_E_LIMIT ? PLAIT_E_PROTOCOL : s;
    progress_waiting(now);
    return PLAIT_OK;
}

Status Connection::on_retire_cid(const wire::RetireCidFrame &f) {
    if (f.seq == 0)
        return PLAIT_OK;
    const IssuedCid *c = cids_.issued(f.seq);
    if (!c || find_link(c->link))
        return PLAIT_OK;
    const LinkNumber number = c->link;
    services_.cids.withdraw(c->cid_class, c->cid);
    cids_.drop_issued(f.seq);
    pending_.drop({Control::kNewCid, static_cast<uint32_t>(f.seq), 0});
    if (!is_own_number(number)) { // a join of the peer's that was never heard of
        use_up(number);
        issue_spares();
    }
    return PLAIT_OK;
}

Status Connection::on_cid_request(const wire::CidRequestFrame &f) {
    if (f.cid_class >= my_class_count_ || is_own_number(f.link))
        return PLAIT_E_PROTOCOL;
    if (cids_.is_used_up(f.link))
        return PLAIT_OK;
    // Out of ids: the peer's join waits; nothing else depends on it.
    issue_cid(f.link, static_cast<uint8_t>(f.cid_class));
    return PLAIT_OK;
}

Status Connection::on_link_state(const wire::LinkStateFrame &f, Time now) {
    LinkEntry *link = find_link(f.link);
    if (!link || !link->exists())
        return PLAIT_OK;
    const bool bad =
        f.state == wire::WireLinkState::kSuspect || f.state == wire::WireLinkState::kDead;
    // What goes there is answered: the trouble is on the way back only, and the peer avoids that.
    const bool answered =
        link->recovery && link->recovery->answered_since(now - link->recovery->rtt().srtt());
    if (bad && !answered && link->state == link::State::kGood && other_good(*link)) {
        link->peer_says_down = true;
        suspect(*link, PLAIT_E_LINK_DOWN, now);
        reinject_all(*link, now);
    } else if (!bad) {
        link_up(*link, now);
    }
    return PLAIT_OK;
}

Status Connection::on_link_close(const wire::LinkCloseFrame &f, Time now) {
    if (LinkEntry *link = find_link(f.link))
        close_link(*link, PLAIT_E_PEER_CLOSED, f.code, false, now);
    return PLAIT_OK;
}

Status Connection::on_max_links(const wire::MaxLinksFrame &f, Time now) {
    link_limit_ = std::max(link_limit_, static_cast<uint32_t>(std::max<uint64_t>(f.limit, 1)));
    progress_waiting(now);
    return PLAIT_OK;
}

Status Connection::on_max_channels(const wire::MaxChannelsFrame &f, Time now) {
    open_limit_ = std::max(open_limit_, f.limit);
    fix_numbers(now);
    return PLAIT_OK;
}

void Connection::on_close_frame(const wire::CloseFrame &f, Time now) {
    if (state_ == State::kDraining || state_ == State::kClosed)
        return;
    if (state_ == State::kClosing)
        return finish_close(now); // both have said it
    using wire::CloseCode;
    const auto code = static_cast<CloseCode>(f.code);
    Ending &how = end_as();
    how.status = f.refused                       ? PLAIT_E_REFUSED
                 : f.by_application              ? PLAIT_E_PEER_CLOSED
                 : code == CloseCode::kRefused   ? PLAIT_E_REFUSED
                 : code == CloseCode::kDuplicate ? PLAIT_E_DUPLICATE
                 : code == CloseCode::kIdle      ? PLAIT_E_TIMEOUT
                 : code == CloseCode::kNone      ? PLAIT_E_PEER_CLOSED
                                                 : PLAIT_E_PROTOCOL;
    how.code = f.code;
    how.by_peer = true;
    how.by_application = f.by_application;
    how.reason = std::string(base::text_of(f.reason));
    set_state(State::kDraining);
    // One CLOSE of our own tells the peer that it may forget; then silence.
    close_owed_ = true;
    close_repeats_ = 0;
    close_deadline_ = now + drain_time();
    end_children(how.status);
    raise_closed();
    touch();
}

// Channel 0 carries records: | type v | length v | body |.
Status Connection::on_control_stream(Time now) {
    ChannelEntry &control = services_.channels[control_];
    for (;;) {
        std::array<uint8_t, kMaxRecord> buffer;
        std::array<Bytes, 8> slices;
        channel::ReadInfo info;
        const auto count = control.peek(slices, &info);
        size_t have = 0;
        for (size_t i = 0; count.ok() && i < *count; i++)
            for (size_t k = 0; k < slices[i].size() && have < buffer.size(); k++)
                buffer[have++] = slices[i][k];
        Record record;
        const Status s = read_record(Bytes(buffer).first(have), record);
        if (s == PLAIT_E_AGAIN)
            return PLAIT_OK;
        if (s != PLAIT_OK)
            return s;
        if (const Status t = on_record(record.type, record.body, now); t != PLAIT_OK)
            return t;
        control.consume(record.size);
        control.take_events();
        after_channel_call(control, now);
    }
}

Status Connection::on_record(uint64_t type, Bytes body, Time now) {
    switch (type) {
    case kLabelRecord: return on_label(body, now);
    case kClassesRecord: return on_classes(body, now);
    case kEndpointsRecord: return on_endpoints(body, now);
    case kRekeyRequestRecord: return on_rekey_request(body);
    case kRekeyInitRecord: return on_rekey_init(body, now);
    case kRekeyRespRecord: return on_rekey_resp(body, now);
    default: return PLAIT_OK; // of a later version
    }
}

Status Connection::on_classes(Bytes body, Time now) {
    base::Reader r(body);
    std::array<wire::CidClass, wire::kMaxClasses> said;
    size_t n = 0;
    while (!r.done()) {
        const Bytes name = r.bytes(r.u8());
        const uint8_t cid_size = r.u8();
        if (!r.ok() || name.empty() || name.size() > wire::kMaxClassName || cid_size == 0 ||
            cid_size > wire::kMaxCidSize || peer_facts_->class_count + n == wire::kMaxClasses)
            return PLAIT_E_MALFORMED;
        said[n++] = wire::CidClass::make(base::text_of(name), cid_size);
    }
    learn_classes({said.data(), n});
    issue_spares();
    progress_waiting(now);
    return PLAIT_OK;
}

// Ours that are new since the peer was last told.
void Connection::announce_classes(Time now) {
    if (!confirmed_ || ended() || my_class_count_ == services_.cids.class_count())
        return;
    std::array<uint8_t, kMaxRecord> body;
    base::Writer w(body);
    for (; my_class_count_ < services_.cids.class_count(); my_class_count_++) {
        const wire::CidClass &c = services_.cids.cid_class(my_class_count_);
        w.u8(c.length);
        w.bytes(base::bytes_of(c.name()));
        w.u8(c.cid_size);
    }
    PLAIT_ASSERT(w.ok());
    learn_classes({});
    send_record(kClassesRecord, w.written(), now);
    issue_spares();
}

// The peer has read all of the control stream: ids of classes that it has just learnt may follow.
void Connection::on_classes_told() {
    for (const IssuedCid &c : cids_.issued())
        if (c.cid_class >= told_class_count_)
            pending_.add({Control::kNewCid, c.seq, 0});
    told_class_count_ = my_class_count_;
}

Status Connection::on_label(Bytes body, Time now) {
    base::Reader r(body);
    const uint64_t number = r.varint();
    const Bytes label = r.rest();
    if (!r.ok() || number > 0x3fffffff || label.size() > wire::kMaxLabel)
        return PLAIT_E_MALFORMED;
    if (number == 0 || !opened_by_peer({static_cast<uint32_t>(number)}))
        return PLAIT_E_PROTOCOL;
    ChannelEntry *entry = nullptr;
    const Status s = channel_for({static_cast<uint32_t>(number)}, entry);
    if (s == PLAIT_E_AGAIN) {
        if (early_labels_.size() == kMaxEarlyLabels)
            return PLAIT_E_PROTOCOL;
        early_labels_.push_back({static_cast<uint32_t>(number), std::string(base::text_of(label))});
        return PLAIT_OK;
    }
    if (s == PLAIT_OK && entry) {
        entry->set_label(base::text_of(label));
        entry->label_follows = false;
        answer_request(*entry, now);
        harvest(*entry, now);
    }
    return s;
}

} // namespace plait::connection
