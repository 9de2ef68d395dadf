// SPDX-License-Identifier: Apache-2.0
// A channel of a connection: two directions (SendHalf, ReceiveHalf), the agreement to open it, and
// its control frames. docs/protocol.md section 6. It knows nothing of packets, links and keys:
//
//   application        send, reserve/commit, send_owned, finish, reset, read, peek/consume, stop
//   packet builder     pending_control, write_control, has_data, next_segment
//   acknowledgements   on_acked, on_lost, on_reinject, on_control_acked, on_control_lost
//   packet reader      on(frame, now): PLAIT_OK; PLAIT_E_AGAIN: not taken, the packet must not be
//                      acknowledged; anything else: the peer broke the protocol, close
//   clock              deadline, on_timer
//   out                take_events
//
// Time never goes back between calls. Each call may make control frames pending, data ready and
// events due, so ask afterwards: has_events(), pending_control(), has_data(), deadline().
#pragma once

#include "channel/receive_half.h"
#include "channel/send_half.h"

#include <string_view>

namespace plait::channel {

class Channel;

// Where a channel stands in its class's queue; see send_order.h.
struct OrderHook {
    Channel *child = nullptr, *next = nullptr;
    Channel *prev = nullptr; // the parent's or left sibling; itself at the root; null: not queued
    uint64_t pass : 56 = 0;  // virtual time: the class serves the lowest
    uint64_t lane : 7 = 0;   // where it is queued
    uint64_t small : 1 = 0;  // before the bulk of its class
};

// Where a channel begins.
struct Setup {
    ChannelNumber number;
    Config config;
    bool opened_here = true;
    bool is_control = false; // number 0: a stream, open on both sides from the start
    std::string_view label;
    uint64_t peer_window = 0;      // send limit: the peer's INITIAL_WINDOW, or its OPEN's window
    uint64_t peer_max_message = 0; // the peer's MAX_MESSAGE
    uint64_t own_window = 0;       // what the peer may send unasked: our INITIAL_WINDOW; promised
                                   // (ConnectionBudget::promise) if the peer opened it
    uint64_t own_max_message = 0;  // our MAX_MESSAGE
};

class Channel {
  public:
    Channel(const Setup &setup, Pools &pools, ConnectionBudget &budget);
    Channel(const Channel &) = delete;
    Channel &operator=(const Channel &) = delete;
    ~Channel();

    // -- The agreement -------------------------------------------------------------------
    // Opened by the peer: takes it, with this side's own settings out of `local`; or not.
    Status accept(const Config &local, Time now);
    Status refuse(uint64_t code);
    // The label came in a record of its own.
    void set_label(std::string_view label) { c_.set_label(label); }

    // Opened here before the connection knew its role: gets its number, and what the peer takes
    // unasked, now.
    void fix(ChannelNumber number, uint64_t peer_window, uint64_t peer_max_message);

    // -- The application, sending --------------------------------------------------------
    // Bytes: takes what fits, at least 1, or PLAIT_E_AGAIN, and Writable follows. Messages: one,
    // whole or PLAIT_E_AGAIN; PLAIT_E_TOO_BIG if the peer never takes it. PLAIT_E_STATE: finished,
    // or the other's one-way channel, or not accepted here. PLAIT_E_RESET, PLAIT_E_LOSS,
    // PLAIT_E_REFUSED: ended. PLAIT_E_RESERVED: a reservation is open.
    Result<size_t> send(std::span<const Bytes> parts, Time now);
    // Room for at least `min` bytes, valid until commit whatever happens to the channel meanwhile
    // (done() waits); of a message channel `min` is the message's size at most.
    Result<MutBytes> reserve(size_t min);
    // Sends the first n bytes of it, 0: none. After the channel's end PLAIT_E_CLOSED or
    // PLAIT_E_RESET.
    Status commit(size_t n, Time now);
    // On PLAIT_OK the bytes are borrowed until the release, which comes to Pools::releases once, in
    // every ending. All of them or none.
    Status send_owned(Bytes bytes, ReleaseFn fn, void *user, Time now);
    Status finish(Time now);
    Status reset(uint64_t code);
    // What is taken next, in whichever way, is to be acknowledged by the peer at once.
    Status mark_ack_now() { return send_.mark_ack_now(c_); }
    // event::kQueueLow when what waits to be sent falls to so many bytes; kNoLowWater: never.
    void set_low_water(uint32_t bytes) { send_.set_low_water(c_, bytes); }
    // Closing, in both directions: what was taken is delivered, until `until` at most; then the
    // rest is thrown away with a RESET of this code, and event::kLingered tells.
    void linger(Time until, uint64_t code);
    // Its connection has ended: nothing is sent any more, what has arrived can still be read.
    void cut_off();
    // The losses and gaps, one by one (Config::reports), the oldest first.
    size_t take_reports(std::span<Report> out);

    // -- The application, reading --------------------------------------------------------
    // Bytes: as many as there are; messages: one. PLAIT_E_AGAIN; PLAIT_E_BUFFER with the size in
    // info; PLAIT_E_END; PLAIT_E_RESET, PLAIT_E_LOSS, PLAIT_E_REFUSED with the code in info.
    Result<size_t> read(MutBytes to, ReadInfo *info);
    // The same in place, as slices; valid until consume or the next frame. How many were filled;
    // PLAIT_E_BUFFER if a message has more, info->slices tells. An empty message is one empty
    // slice.
    Result<size_t> peek(std::span<Bytes> slices, ReadInfo *info);
    // Bytes: any number that can be read; messages: the size.
    Status consume(size_t n);
    Status stop(uint64_t code);

    // -- The packet builder --------------------------------------------------------------
    // Before its answer an acceptor says nothing.
    ControlSet pending_control() const { return c_.phase == Phase::kOffered ? 0 : c_.pending; }
    // OPEN goes with all data until it is acknowledged: what overtakes it is of no use to the peer.
    bool open_rides() const { return (c_.unacked & control::kOpen) != 0; }
    // Writes as many whole pending frames as fit, and OPEN as long as it rides. `written` is of
    // this packet and this channel alone.
    void write_control(base::Writer &w, ControlSet &written);
    bool has_data(Time now) const {
        return send_.has_data(c_, now) || (c_.config->fec && repair_due());
    }
    // The next piece, at most `max_length` bytes; from now on it counts as sent.
    bool next_segment(size_t max_length, Time now, Segment &out);
    // A REPAIR frame, if one is due: in a packet without the channel's data. One that could never
    // fit is left out.
    bool write_repair(base::Writer &w);
    bool wants_to_send(Time now) const { return pending_control() != 0 || has_data(now); }

    // -- What became of packets ----------------------------------------------------------
    // Of each written set one of the two, once.
    void on_control_acked(ControlSet set);
    void on_control_lost(ControlSet set);
    // An ACK may come after the loss of the same segment was reported: it cancels the resend.
    void on_acked(uint64_t offset, uint64_t length, bool fin);
    void on_lost(uint64_t offset, uint64_t length, bool fin, Time now);
    // Its link is under suspicion: sent again where the axes let, the copy may still arrive; its
    // loss or ACK is reported as ever.
    void on_reinject(uint64_t offset, uint64_t length, bool fin, Time now);
    // The same segment went out in one more packet at the same time.
    void on_copy(uint64_t offset, uint64_t length) { send_.on_copy(offset, length); }

    // -- The packet reader ---------------------------------------------------------------
    Status on(const wire::DataFrame &f, Time now);
    Status on(const wire::SkipFrame &f, Time now);
    Status on(const wire::ResetFrame &f, Time now);
    Status on(const wire::StopFrame &f, Time now);
    Status on(const wire::MaxChannelDataFrame &f, Time now);
    Status on(const wire::BlockedFrame &f, Time now);
    Status on(const wire::CreditReturnFrame &f, Time now);
    Status on(const wire::AcceptFrame &f, Time now);
    Status on(const wire::RefuseFrame &f, Time now);
    Status on(const wire::OpenFrame &f, Time now); // a repeated one
    Status on(const wire::RepairFrame &f, Time now);

    // -- Time ----------------------------------------------------------------------------
    Time deadline() const {
        const Time lingers = c_.extra ? c_.extra->linger_until : kNever;
        const Time repairs = c_.config->fec ? repair_deadline() : kNever;
        return std::min({send_.deadline(c_), receive_.deadline(), lingers, repairs});
    }
    Status on_timer(Time now);
    // Gives back what an idle channel does not need, now.
    void trim();
    // For all channels of the connection: they share its budget.
    void set_bdp(uint64_t bytes) { c_.budget->set_bdp(bytes); }
    void set_srtt(Duration srtt) { c_.budget->set_srtt(srtt); }

    // -- Getters -------------------------------------------------------------------------
    // Of a request nothing is told until the application has answered it.
    EventSet take_events() { return has_events() ? std::exchange(c_.events, 0) : 0; }
    bool has_events() const { return c_.events != 0 && c_.phase != Phase::kOffered; }
    // Both directions ended and all of it acknowledged: the connection may forget it.
    bool done() const;
    ChannelNumber number() const { return c_.number; }
    const Config &config() const { return *c_.config; }
    // The local settings that may change at any time.
    void set_priority(uint8_t priority_class, uint8_t weight_log2);
    std::string_view label() const { return c_.label.view(); }
    bool opened_here() const { return c_.opened_here; }
    bool is_control() const { return c_.is_control; }
    bool accepted() const { return c_.phase == Phase::kOpen; }
    Phase phase() const { return c_.phase; }
    SendState send_state() const { return send_.state(); }
    ReceiveState receive_state() const { return receive_.state(); }
    bool reserved() const { return send_.reserved(); }
    bool readable() const { return receive_.readable(c_); }
    uint64_t written() const { return send_.written(); } // the offset after what was taken
    uint64_t queued() const { return send_.queued(); }   // not sent yet
    // Bytes that may go out, as far as is known: an application that was refused room has more.
    uint64_t backlog() const { return send_.backlog(); }
    // Bytes sent before, once more: a copy beside the one under way. False: they are settled.
    bool copy_segment(uint64_t offset, uint64_t max, bool fin, Segment &out) {
        return send_.copy_segment(c_, offset, max, fin, out);
    }
    // Something is to be sent again.
    bool has_repeats() const { return send_.has_repeats(); }
    uint64_t unacked() const { return send_.written() - send_.settled(); } // taken, not settled
    uint64_t room() const { return send_.room(c_); } // bytes that send() would take now
    // The application reads kWritable, so it has had its turn.
    void on_writable_read() { send_.begin_burst(); }
    uint64_t unread() const { return receive_.unread(); }
    uint64_t send_limit() const { return send_.limit(); }
    uint64_t sent() const { return send_.sent(); }
    uint64_t window() const { return receive_.window(); } // that the peer is given ahead of reading
    // Taken, and as far as is known not in the peer's engine. At the end: not delivered.
    uint64_t undelivered() const { return stats().bytes_sent - stats().bytes_acked; }
    size_t reports() const { return c_.extra ? c_.extra->reports.size() : 0; }
    uint64_t receive_limit() const { return receive_.limit(); }
    uint64_t read_offset() const { return receive_.read_offset(); }
    uint64_t credit() const { return receive_.credit(); } // bytes of the budget that it holds
    uint64_t memory() const { return receive_.memory(); } // bytes of blocks for what is unread
    bool idle() const { return send_.idle() && receive_.idle(); }
    uint64_t send_code() const { return c_.extra ? c_.extra->send_code : 0; }
    uint64_t receive_code() const { return c_.extra ? c_.extra->receive_code : 0; }
    Stats stats() const { return c_.extra && c_.extra->stats ? *c_.extra->stats : Stats{}; }

    // Aborts if the channel's own rules are broken; what the tests ask after each step.
    void check_invariants() const {
        send_.check_invariants(c_);
        receive_.check_invariants(c_);
    }

    OrderHook order;

  private:
    void set_phase(Phase next);
    void refused(uint64_t code);
    // At the end of each public call.
    void settle();
    bool write_one(base::Writer &w, ControlSet kind) const;
    // Forward error correction (channel_repair.cpp).
    fec::Encoder *encoder() const;
    size_t room_beside_repair(size_t max_length) const;
    void protect(const Segment &s, Time now);
    bool repair_due() const;
    Time repair_deadline() const;
    bool keeps_for_repairs() const {
        return c_.extra && c_.extra->repairs && c_.extra->repairs->decoder;
    }
    fec::Decoder *decoder_for(const fec::Repair &r);
    void drop_decoder();
    void trim_repairs(); // with the halves
    Status keep_for_repairs(const wire::DataFrame &f, Time now);
    Status take_recovered(fec::Decoder &decoder, Time now);
    Core c_;
    SendHalf send_;
    ReceiveHalf receive_;
};

static_assert(sizeof(Channel) <= 200, "an idle channel's budget, architecture.md");

} // namespace plait::channel
