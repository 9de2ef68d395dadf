// SPDX-License-Identifier: Apache-2.0
// LinkRecovery: all that one link knows of how its packets fare. It joins the ledger of what was
// sent, the round trip, the one-way delays, the congestion controller, the pacer and the MTU
// search.
//
//   send:  send_time(now) -> window_left(), send_budget(now) -> next_packet_number(), on_sent()
//   ACK:   on_ack(): `Outcome` tells the connection what arrived and what is lost
//   time:  timer() and suspicion_timer(); at timer() call on_timer()
//
// RFC 9002 applies to each link alone. An ACK may come back over another link than the packet's
// own: then it says how the forward direction is and that the packet arrived, but its round trip is
// not the controller's (AckInfo::own_return).
#pragma once

#include "recovery/controller.h"
#include "recovery/delivery_rate.h"
#include "recovery/ecn.h"
#include "recovery/mtu.h"
#include "recovery/pacer.h"
#include "recovery/received.h"
#include "recovery/return_path.h"
#include "recovery/rtt.h"
#include "recovery/sent.h"
#include "recovery/slow_line.h"

#include <memory>
#include <optional>
#include <span>

namespace plait::recovery {

struct LinkRecoveryConfig {
    ControllerKind controller = ControllerKind::kCubic;
    EcnMode ecn = EcnMode::kOff;
    MtuConfig mtu;
    uint64_t line_rate = 0; // bytes/s of a line of known rate, 0 = unknown
    uint32_t max_outstanding = SentLedger::kDefaultMax;
    Duration max_ack_delay = ReceivedPackets::kMaxAckDelay; // the peer's promise
};

struct AckInfo {
    std::span<const base::Range> ranges; // descending, half-open
    Duration delay;          // the peer's wait between receiving the largest and this ACK
    uint32_t rx_time_us = 0; // when it received the largest, on its own clock
    bool own_return = true;  // the ACK came back over this link
    std::optional<EcnCounts> ecn;
};

enum class TimerVerdict : uint8_t {
    kNone, // too early, or nothing to do
    kLoss, // the outcome holds what was lost
    kPto,  // send one or two ack-eliciting packets, whatever the window says
};

struct LinkStats {
    uint64_t packets_sent = 0, bytes_sent = 0;
    uint64_t packets_acked = 0, bytes_acked = 0;
    uint64_t packets_lost = 0, bytes_lost = 0;
    uint64_t packets_spurious = 0; // reported lost, acknowledged later
    uint64_t timeouts = 0, persistent_congestions = 0;
    uint64_t delivery_rate = 0; // bytes/s, latest sample
    uint64_t cwnd = 0, bytes_in_flight = 0, pacing_rate = 0;
    Duration srtt, rttvar, min_rtt, latest_rtt, queue_delay;
    size_t mtu = 0;
    uint32_t pto_count = 0;
    bool measured = false; // the round trips are
    ControllerKind controller = ControllerKind::kCubic;
    EcnValidation::State ecn = EcnValidation::State::kOff;
    uint64_t packets_marked = 0;
};

// What the peer was asked for by ACK_FREQ.
struct AckRequest {
    uint64_t seq = 0;   // of the latest; 0: there was none
    Duration spacing{}; // 0: it shall do as usual
    Duration longest{}; // what it may still go by
    template <class Self, class P> static void fields(Self &s, P &&p) {
        p(s.seq), p(s.spacing), p(s.longest);
    }
};

// What is worth keeping of a path that is not used for a while.
struct PathMemory {
    uint32_t srtt_us = 0, rttvar_us = 0, min_rtt_us = 0; // 0: never measured
    uint32_t cwnd = 0, threshold = 0;                    // bytes, saturated
    template <class Self, class P> static void fields(Self &s, P &&p) {
        p(s.srtt_us), p(s.rttvar_us), p(s.min_rtt_us), p(s.cwnd), p(s.threshold);
    }
};
static_assert(sizeof(PathMemory) == 20);

// All that outlives the recovery of a link that sleeps.
struct LinkMemory {
    PathMemory path;
    ReorderTolerance reordering;
    PacketNumber next, largest_acked;
    bool any_acked = false;
    ControllerKind controller = ControllerKind::kCubic;
    MtuMemory mtu;
    EcnValidation ecn{EcnMode::kOff};
    AckRequest acks;
    uint64_t packets_acked = 0, packets_lost = 0, packets_spurious = 0;
    // As far as they are known.
    LinkStats stats() const;
    template <class Self, class P> static void fields(Self &s, P &&p) {
        p(s.path), p(s.reordering), p(s.next), p(s.largest_acked), p(s.any_acked);
        p(s.controller), p(s.mtu), p(s.ecn), p(s.acks);
        p(s.packets_acked), p(s.packets_lost), p(s.packets_spurious);
    }
};

class LinkRecovery {
  public:
    static constexpr Duration kIdle = base::seconds(1); // then the window is old
    static constexpr uint32_t kMaxBackoff = 6;          // PTO doubles as often
    static constexpr Duration kMaxPto = base::seconds(60);
    static constexpr uint32_t kPtoProbes = 2;
    static constexpr uint32_t kMinPacket = 64;
    // Loss at a shorter queue than this: our own runs overflow it. Then they are shorter for a
    // while.
    static constexpr Duration kShallowQueue = base::millis(2);
    static constexpr Duration kFinePacing = base::seconds(10);

    // `first` is the first packet number to be used: they go on when a link wakes up.
    explicit LinkRecovery(const LinkRecoveryConfig &config, PacketNumber first = {});

    // --- sending ---
    PacketNumber next_packet_number() const { return ledger_.next(); }
    // What the packet is to be marked with; then it has SentPacket::kEct.
    Ecn ecn_mark() const { return ecn_.mark(); }
    const EcnValidation &ecn() const { return ecn_; }
    // Records the packet just built with next_packet_number(). Takes packet.sent_us from `now`.
    void on_sent(const SentPacket &packet, Time now);
    // When the pacer lets the next packet go (`now`: at once). Ask it before window_left(): it also
    // notices that the link was idle.
    Time send_time(Time now);
    // Bytes that may be sent now, by window and pacer; 0 while the ledger is full.
    size_t send_budget(Time now);
    size_t window_left() const;
    // False: not even an ACK or a probe may be sent; the ledger must settle something first.
    bool can_send() const { return !ledger_.exhausted(); }
    // Nothing more to send although window and pacer would allow it.
    void on_app_limited() { rate_.on_app_limited(ledger_.next()); }
    // The shortest round trip seen, over whichever link the answer came; 0: none.
    Duration shortest_round_trip() const;
    // Size to build packets with: the MTU, on slow lines less (about 20 ms of the line's rate, as
    // told or as measured).
    size_t packet_size() const;

    // --- acknowledgements and time ---
    // `out` must be clear. PLAIT_E_PROTOCOL, PLAIT_E_MALFORMED: the peer's fault, nothing changed.
    Status on_ack(const AckInfo &ack, Time now, Outcome &out);
    // This link brought an ACK of another link's packets: measures the return direction.
    void on_foreign_ack(Time arrival, uint32_t rx_time_us, Duration delay);
    // Any packet came over this link, before its ACKs are told.
    void on_arrival(size_t bytes) { return_path_.on_received(bytes); }
    // Bytes a second that this link's way back carries; 0: not found to be narrow.
    uint64_t return_rate() const { return return_path_.rate(); }
    // This link's ACKs come on a way of `rate` bytes/s (0: wide), as do those of so many links in
    // all. True: the peer is to be asked for what ack_request() says by now.
    bool fit_acks(uint64_t rate, size_t links);
    const AckRequest &ack_request() const { return acks_; }
    AckFrequency ack_frequency() const;
    // The request with that number has arrived.
    void on_request_acked(uint64_t seq);
    // Loss time or probe timeout, RFC 9002 section A.8; kNever if nothing is awaited.
    Time timer();
    TimerVerdict on_timer(Time now, Outcome &out);
    // From then on the link is suspect, if there is a better one. Sending does not move it.
    Time suspicion_timer();
    // The same without any slack: an answer is late.
    Time overdue();
    // Answers came over a link that is suspect now: the suspicion timer begins again.
    void excuse(Time now) { excused_ = now; }
    // That link brings answers again: those that this one owes are due now.
    void end_excuse(Time now);
    // While suspect, loss is not persistent congestion.
    void set_suspect(bool suspect) { suspect_ = suspect; }
    // The link died: hands everything outstanding back, in out.lost, once. Not taken for
    // congestion; a late ACK still counts.
    void mark_all_lost(Outcome &out, Time now);

    // --- the path ---
    // The address changed: congestion, round trip and MTU start anew, packet numbers go on.
    void reset_path(Time now);
    // The host slept: how long answers to what was sent before took tells of its sleep.
    void forgive_gap(Time now) { path_since_ = now; }
    void set_peer_max_ack_delay(Duration delay) { max_ack_delay_ = delay; }
    void set_line_rate(uint64_t bytes_per_s);
    void set_mtu_limit(size_t limit);
    // Another way to find the rate; it begins from nothing but the window.
    void set_controller(ControllerKind kind, Time now);
    ControllerKind controller_kind() const { return config_.controller; }
    void set_growth_share(double share) { controller_->set_growth_share(share); }
    Probe probe() const { return controller_->probe(); }
    void follow(Probe probe, Time now) { controller_->follow(probe, now); }

    // --- idling ---
    // The peer owes no answer: the link may sleep, and this object go.
    bool may_sleep() const { return ledger_.eliciting_outstanding() == 0 && !suspect_; }
    LinkMemory remember() const;
    // A new object, made with the memory's next packet number, goes on.
    void restore(const LinkMemory &memory);

    // --- what is known ---
    uint32_t pto_count() const { return pto_count_; }
    // A packet sent here was newly acknowledged then or later.
    bool answered_since(Time t) const { return last_acked_ != Time{} && last_acked_ >= t; }
    uint64_t bytes_in_flight() const { return ledger_.bytes_in_flight(); }
    Duration pto() const; // without backoff
    const RttEstimator &rtt() const;
    const OneWayDelay &one_way() const { return one_way_; }
    uint64_t delivery_rate() const { return stats_.delivery_rate; }
    LinkStats stats() const;
    MtuSearch &mtu() { return mtu_; }
    const MtuSearch &mtu() const { return mtu_; }
    SentLedger &ledger() { return ledger_; }
    const SentLedger &ledger() const { return ledger_; }
    const Controller &controller() const { return *controller_; }
    uint64_t cwnd() const { return controller_->cwnd(); }
    uint64_t pacing_rate() const { return controller_->pacing_rate(); }

  private:
    Duration line_time(uint64_t bytes) const;
    Duration max_ack_delay() const { return std::max(max_ack_delay_, acks_.longest); }
    void measure_return(Time now);
    Duration loss_delay() const;
    bool use_other() const;
    // Of the way on which answers are awaited.
    const RttEstimator &awaited() const { return use_other() ? other_ : rtt_; }
    void take_samples(const AckInfo &ack, Time now, Outcome &out);
    void tell_acked(const AckInfo &ack, uint64_t in_flight_before, Time now, Outcome &out);
    void tell_late(Time now, Outcome &out);
    void tell_ecn(const AckInfo &ack, Time now, const Outcome &out);
    void find_lost(Time now, Outcome &out);
    void tell_lost(Time now, Outcome &out);
    Pacer new_pacer() const;
    void after_change();
    void check_idle(Time now);
    PathMemory remember_path() const;

    LinkRecoveryConfig config_;
    SentLedger ledger_;
    RttEstimator rtt_;   // of ACKs that came back over this link
    RttEstimator other_; // of ACKs that came back elsewhere
    OneWayDelay one_way_;
    ReturnPath return_path_;
    SlowLine slow_line_;
    AckRequest acks_;
    DeliveryRate rate_;
    std::unique_ptr<Controller> controller_;
    MtuSearch mtu_;
    Pacer pacer_;
    LinkStats stats_;
    Duration max_ack_delay_;
    Time last_sent_; // the newest in-flight packet
    Time last_pto_, last_acked_;
    Time window_full_; // when the window last stopped the sender
    Time fine_until_;  // paced in shorter runs
    Time path_since_;  // packets sent earlier say nothing of this path
    Time excused_;     // what was unanswered then may be so because of another link
    EcnValidation ecn_;
    uint32_t pto_count_ = 0;
    bool suspect_ = false;
};

} // namespace plait::recovery
