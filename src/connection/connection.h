// SPDX-License-Identifier: Apache-2.0
// A connection: an authenticated, encrypted association of two nodes over 0..n links
// (docs/protocol.md). Its verbs live in files of their own:
//
//   connection.cpp  making, state, small questions      receive.cpp   packets in, frames dispatched
//   handshake_send.cpp  its messages, whole or in pieces
//   establish.cpp   handshake messages, confirmation    frames.cpp    the connection-wide frames
//   links.cpp       join, validation, connection ids    settle.cpp    ACKs, losses, late ACKs
//   paths.cpp       suspicion, death, address change    send.cpp      what goes next, on which link
//   channels.cpp    open, accept, end                   packet.cpp    one packet built and sealed
//   timers.cpp      the one deadline                    close.cpp     the end
//   keys.cpp        epochs, which key opens             rekey.cpp     generations
//   early.cpp       packets before their keys           sleep.cpp     memory given back while idle
//   bottlenecks.cpp links that queue at one place   announce.cpp  where else each can be reached
//
//   kDialing ----RESP----> kConnected <----> kDormant
//   kAnswering --1-RTT--> (kRequested) --^      |
//        \________________________\____________\____> kClosing / kDraining ---> kClosed
#pragma once

#include "base/range_set.h"
#include "base/slim_vector.h"
#include "channel/send_order.h"
#include "connection/announce.h"
#include "connection/control.h"
#include "connection/early.h"
#include "connection/rekey.h"
#include "connection/services.h"
#include "link/bottleneck.h"
#include "wire/read_frames.h"

#include <span>
#include <string>

namespace plait::connection {

class PacketBuilder;

enum class State : uint8_t {
    kDialing,   // INIT (or FIN) sent
    kAnswering, // RESP sent, the initiator not yet proven
    kRequested, // proven, the application has not accepted
    kConnected,
    kDormant,  // no link lives
    kClosing,  // CLOSE sent, repeated at need
    kDraining, // CLOSE received
    kClosed,
};
const char *to_string(State s);
bool may_change(State from, State to);

// How a packet came in.
struct Arrival {
    EndpointIndex endpoint;
    const plait_addr *remote;
    const plait_addr *local; // or nullptr
    uint8_t ecn = 0;
    Time time;
};

struct ConnectionStats {
    uint64_t bytes_sent = 0, bytes_received = 0, packets_sent = 0, packets_received = 0;
    uint64_t packets_lost = 0, packets_spurious = 0, bytes_reinjected = 0, auth_failures = 0;
    Duration handshake_time{};
};

// How it ended.
struct Ending {
    Status status = PLAIT_OK;
    uint64_t code = 0;
    bool by_peer = false;
    bool by_application = false;
    std::string reason;
};

class Connection {
  public:
    Connection(Services &services, const Config &config, Time now);
    ~Connection();
    Connection(const Connection &) = delete;
    Connection &operator=(const Connection &) = delete;

    // -- making (establish.cpp)
    // Dials; the first INIT goes out with the next drain.
    Status dial(const crypto::NodeId *peer, EndpointIndex endpoint, const plait_addr &remote,
                Time now);
    // Takes a verified INIT's handshake and answers it.
    // PLAIT_E_TOO_BIG: the answer may not go to an address that is not proven.
    Status answer(Handshake::Pointer handshake, const Arrival &from, const Proof &proof, Time now);
    void on_long_packet(const wire::LongHeader &header, Bytes packet, const Arrival &from,
                        Time now);
    // The same INIT again: the cached RESP goes out again, also to another source address.
    void repeat_answer(const Arrival &from, const Proof &proof, Time now);
    // It answered an INIT, in the first half of the time that the initiator has.
    bool answered_lately(Time now) const {
        return state_ == State::kAnswering &&
               now + config_->handshake_timeout / 2 < handshake_deadline_;
    }
    // Sends the pending INIT to this address, too (both dial at once).
    void redial_to(const Arrival &from, Time now);
    Status approve(Time now); // of a request, or of an XX responder
    void refuse(uint64_t code, Time now);
    // Goes on in this connection's place: the other was confirmed, this one was only dialing.
    void inherit(Connection &dialing);
    void set_slot(uint32_t slot);

    // -- in and out
    // A short packet for the connection id that belongs to `owner`. It is decrypted in place.
    // False: it did not authenticate.
    bool receive(const CidOwner &owner, MutBytes packet, const Arrival &from, Time now);
    // The peer has said, with a token of ours to it, that it does not know this connection.
    void on_reset(Time now);
    // Sends what there is, but for bulk only so much in one go: `wants_turn` then asks for another
    // drain, at once, but after what has come meanwhile.
    void drain(Time now);
    bool wants_turn() const { return turn_over_; }
    Time deadline(Time now);
    void on_timer(Time now);

    // -- the application's verbs
    void close(Status status, uint64_t code, bool by_application, std::string_view reason,
               Time now);
    Result<uint32_t> add_link(EndpointIndex endpoint, const plait_addr &remote, uint32_t cost,
                              Time now);
    // None: the connection's. Lines of known rate keep to it.
    void set_controller(LinkEntry &link, std::optional<recovery::ControllerKind> kind, Time now);
    void close_link(LinkEntry &link, Status why, uint64_t code, bool tell_peer, Time now);
    Result<uint32_t> open_channel(std::string_view label, const channel::Config &config, Time now);
    Status accept_channel(ChannelEntry &entry, const channel::Config *config, Time now);
    Status refuse_channel(ChannelEntry &entry, uint64_t code, Time now);
    // After any call on a channel: its events, its place in the send order.
    void after_channel_call(ChannelEntry &entry, Time now);
    void after_commit(ChannelEntry &entry, Time now);
    void close_channel(ChannelEntry &entry, Time linger_until, uint64_t code, Time now);

    void set_policy(const link::Policy &policy, Time now);
    void set_channel_policy(ChannelEntry &entry, const link::Policy &policy);
    // Tells the peer of more places where this node can be reached, in place of those told before.
    void announce(std::vector<Place> given, Time now);
    // Costs have changed.
    void costs_changed(Time now) { update_roles(nullptr, link::Reason::kPolicy, now); }

    // Frees the channel's slot if both sides of it are done: protocol and application.
    void release_channel(ChannelEntry &entry);
    void release_link(LinkEntry &link);

    // -- what the node tells
    // Transport classes that this node has had an endpoint of only since the handshake.
    void announce_classes(Time now);
    // Endpoints have come, gone, or changed their address.
    void endpoints_changed(Time now);
    void link_down(LinkEntry &link, Status why, Time now);
    void link_up(LinkEntry &link, Time now);
    void link_mtu(LinkEntry &link, uint32_t mtu, Time now);
    void endpoint_gone(EndpointIndex endpoint, Status why, Time now);
    // Probes every link at once; `forgive`: the time passed counts for nothing.
    void probe_all(bool forgive, Time now);

    // -- questions
    State state() const { return state_; }
    bool established() const { return has_keys_; }
    bool confirmed() const { return confirmed_; }
    bool ended() const { return state_ >= State::kClosing; }
    uint32_t slot() const { return slot_; }
    Role role() const { return role_; }
    const crypto::NodeId &peer() const { return peer_; }
    bool peer_known() const { return peer_known_; }
    bool initiated() const { return initiated_; }
    uint64_t ephemeral_tag() const { return ephemeral_tag_; }
    crypto::Cipher cipher() const { return cipher_; }
    const crypto::Secret<32> &exporter() const { return exporter_; }
    uint32_t generation() const { return generation_; }
    const Ending &ending() const;
    // With which the peer's FRAGs to our attempt are tagged; nullptr: with none.
    const crypto::Mac *cookie() const {
        return handshake_ && handshake_->role() == Role::kInitiator && handshake_->proof().cookie
                   ? &*handshake_->proof().cookie
                   : nullptr;
    }
    const ConnectionStats &stats() const { return stats_; }
    const Config &config() const { return *config_; }
    std::span<const uint32_t> links() const { return {links_.data(), links_.size()}; }
    size_t live_links() const;
    size_t channel_count() const {
        return channels_.size() + early_channels_.size() - (control_ != base::kNoSlot);
    }
    template <class F> void for_each_channel(F &&f) const {
        channels_.for_each([&](uint64_t, uint32_t slot) {
            if (slot != control_)
                f(slot);
        });
        for (const uint32_t slot : early_channels_)
            f(slot);
    }
    uint64_t receive_memory() const { return budget_->used(); }
    Time dormancy_end() const { return last_authentic_ + config_->dormancy_timeout; }
    Duration dormancy_left(Time now) const;
    // What the peer has announced.
    std::span<const Place> peer_places() const {
        return announcements_ ? std::span<const Place>(announcements_->peers)
                              : std::span<const Place>();
    }
    void check_invariants() const;

  private:
    friend struct FrameHandler;
    friend class PacketBuilder;

    void set_state(State next);
    Ending &end_as();
    void touch() { services_.hooks->touch(slot_); }
    ConnectionEntry &entry() { return services_.connections[slot_]; }
    void raise(uint32_t type);
    bool tells_application();
    void tell_held_events();
    void raise_channel(ChannelEntry &entry, uint32_t type);
    void raise_link(LinkEntry &link, uint32_t type);
    LinkEntry &link_at(size_t i) { return services_.links[links_[i]]; }
    const LinkEntry &link_at(size_t i) const { return services_.links[links_[i]]; }
    EndpointEntry &endpoint_of(const link::Link &l) { return services_.endpoints[l.endpoint.v]; }
    LinkEntry *find_link(LinkNumber number);

    // establish.cpp
    uint64_t kept_for_others() const;
    uint64_t share_of_memory() const;
    void promise_channels(bool proven);
    bool keep_promise();
    wire::Parameters my_parameters(uint8_t handshake_class);
    bool ids_fit(const LinkEntry &link, const wire::Cid &peer_cid);
    bool establish(Handshake &handshake, LinkEntry &link, Time now);
    void learn_parameters(const wire::Parameters &said);
    void match_classes(PeerFacts &facts) const;
    void learn_classes(std::span<const wire::CidClass> said);
    void become_connected(Time now);
    void confirm(Time now);
    void fix_numbers(Time now);

    // handshake_send.cpp
    struct Way;
    void send_handshake(Time now);
    size_t send_message(const Way &way);
    size_t send_pieces(Bytes packet, size_t limit, const crypto::Mac &cookie, const Way &way);
    void send_long(Bytes packet, const Way &way);
    bool xx_fin_pending() const;
    void fail_handshake(Status why, Time now);

    // links.cpp
    void place_link(LinkEntry &link, const Arrival &from);
    void make_place_for_link();
    LinkEntry *new_link(LinkNumber number, EndpointIndex endpoint, const plait_addr &remote);
    recovery::ControllerKind controller_of(const LinkEntry &link);
    recovery::LinkRecoveryConfig recovery_config(const LinkEntry &link);
    void start_recovery(LinkEntry &link, Time now);
    LinkEntry *join_by_peer(const CidOwner &owner, const Arrival &from, Time now);
    void issue_spares();
    Status issue_cid(LinkNumber number, uint8_t cid_class);
    void progress_waiting(Time now);
    bool bind_number(LinkEntry &link, Time now);
    Duration longest_pto() const;
    int peer_class_of(uint8_t my_class) const;
    bool is_own_number(LinkNumber n) const { return (n.v & 1) == static_cast<uint32_t>(role_); }
    void fix_link_class(LinkEntry &link);
    void watch_reset(LinkEntry &link);
    void unwatch_reset(LinkEntry &link);
    crypto::ResetToken reset_token(const IssuedCid &c) const;
    void use_up(LinkNumber number);
    template <class F> void drop_cids(LinkNumber number, F &&useless);
    void start_validation(link::Validation &v, Time now);
    void on_validated(LinkEntry &link, Time now);
    void forget_link(LinkEntry &link);

    // paths.cpp
    void set_link_state(LinkEntry &link, link::State next, Status why, Time now);
    void suspect(LinkEntry &link, Status why, Time now);
    std::vector<recovery::SentPacket *> most_wanted(LinkEntry &link);
    LinkEntry &culprit(LinkEntry &silent, Time now);
    void declare_dead(LinkEntry &link, Status why, Time now);
    void recover(LinkEntry &link, Time now);
    void reinject_all(LinkEntry &link, Time now);
    void on_other_address(LinkEntry &link, const Arrival &from, size_t size, Time now);
    void on_response(LinkEntry &link, const wire::ChallengeBytes &data, Time now);
    void decide_candidate(LinkEntry &link, Time now);
    void check_dormancy();
    bool other_good(const LinkEntry &link) const;
    void link_timers(LinkEntry &link, Time now);
    Time link_deadline(LinkEntry &link, Time now);

    // receive.cpp
    struct Opened;
    bool open_packet(const CidOwner &owner, uint8_t cid_class, MutBytes packet, Opened &out,
                     Time now);
    void on_forged();
    void on_authentic(Opened &opened, const Arrival &from, Time now);
    Status dispatch(Opened &opened, LinkEntry &link, Time now, bool &eliciting);
    void close_for_error(Status s, Time now);

    // early.cpp
    void keep_early(const CidOwner &owner, Bytes packet, const Arrival &from);
    void open_early(Time now);

    // keys.cpp
    struct ClosedKeys {
        ChannelNumber channel;
        uint32_t epoch;
        crypto::Cipher cipher;
        Time until;
    };
    enum class Verdict : uint8_t { kOpened, kOpenedUnderOther, kForged, kNoKey };
    Verdict open_with_keys(const wire::ShortHeader &h, Bytes aad, MutBytes sealed, PacketNumber pn,
                           LinkNumber link, ChannelEntry *entry, Time now);
    uint64_t key_limit(const ChannelEntry &entry) const;
    uint64_t key_limit(const ChannelEntry &entry, bool small) const;
    size_t size_under_key(const ChannelEntry &entry, size_t size) const;
    void count_packet(ChannelEntry &entry, size_t size, Time now);
    bool settled_before(Time then) const;
    void look_at_epoch(ChannelEntry &entry, bool small, Time now);
    void on_epoch_acked(ChannelEntry &entry, const recovery::SentPacket &p, Time now);
    bool epoch_proof_due(const ChannelEntry &control) const;
    Time closed_keys_end(Time now) const;
    ClosedKeys *closed_keys(ChannelNumber n);
    void keep_closed_keys(const ChannelEntry &entry, Time now);
    void drop_closed_keys(Time now);

    // rekey.cpp
    void want_generation() { wanted_generation_ = generation_ + 1; }
    bool rekeying() const { return rekey_ || wanted_generation_ > generation_; }
    void on_generation_old(Time now);
    void progress_rekey(Time now);
    void begin_rekey(Time now);
    void offer_generation(Time now);
    Status on_rekey_request(Bytes body);
    Status on_rekey_init(Bytes body, Time now);
    Status on_rekey_resp(Bytes body, Time now);
    Status root_with(const crypto::Secret<32> &ephemeral, const crypto::X25519Public &remote,
                     Bytes init_body, Bytes resp_body, crypto::Root &out);
    void switch_generation(Rekey::State state, Time now);
    void on_generation_heard(bool under_other, Time now);
    void drop_old_keys();
    Duration old_keys_kept() const;

    // frames.cpp
    Status on_control_stream(Time now);
    Status on_new_cid(const wire::NewCidFrame &f, Time now);
    Status on_retire_cid(const wire::RetireCidFrame &f);
    Status on_cid_request(const wire::CidRequestFrame &f);
    Status on_link_state(const wire::LinkStateFrame &f, Time now);
    Status on_link_close(const wire::LinkCloseFrame &f, Time now);
    Status on_max_links(const wire::MaxLinksFrame &f, Time now);
    Status on_max_channels(const wire::MaxChannelsFrame &f, Time now);
    void on_close_frame(const wire::CloseFrame &f, Time now);
    Status on_label(Bytes body, Time now);
    Status on_classes(Bytes body, Time now);
    void on_classes_told();
    Status on_record(uint64_t type, Bytes body, Time now);
    bool send_record(uint64_t type, Bytes body, Time now);

    // channels.cpp
    ChannelEntry *find_channel(ChannelNumber n);
    uint32_t new_channel(ChannelNumber n, const channel::Config &config, bool opened_here,
                         uint64_t offered_window = 0);
    ChannelNumber own_channel_number(uint32_t index) const;
    bool opened_by_peer(ChannelNumber n) const {
        return (n.v & 1) != (role_ == Role::kInitiator ? 0u : 1u);
    }
    Status peer_opens(const wire::OpenFrame &f, Time now);
    // PLAIT_OK with nullptr: closed already, ignore. PLAIT_E_AGAIN: not open yet.
    Status channel_for(ChannelNumber n, ChannelEntry *&out);
    void refuse_unheld(ChannelNumber n);
    void on_peer_channel_over();
    void answer_request(ChannelEntry &entry, Time now);
    void answer_held_requests(Time now);
    void grant_channels();
    static channel::SendOrder::Haste haste_of(const ChannelEntry &entry);
    void harvest(ChannelEntry &entry, Time now);
    void end_channel(ChannelEntry &entry, Status why, uint64_t code);
    void detach(ChannelEntry &entry, Time now);
    void send_label(ChannelEntry &entry, Time now);
    void tune_windows(Time now);

    // settle.cpp
    Status on_ack(const wire::AckFrame &f, LinkEntry &arrived_on, Time now);
    void fit_acks(LinkEntry &link, LinkEntry &via, Time now);
    void settle(LinkEntry &link, Time now);
    void trace_recovery(const LinkEntry &link, Time now);
    struct AckedRun {                     // see add_acked()
        uint32_t channel = base::kNoSlot; // its number; none: the run is empty
        uint32_t key_of = base::kNoSlot;  // the channel and epoch last looked at
        uint8_t epoch = 0;
        bool fin = false;
        uint64_t start = 0, end = 0;
    };
    void add_acked(const recovery::SentPacket &p, AckedRun &run, Time now);
    void end_acked(AckedRun &run, Time now);
    void settle_acked(const recovery::SentPacket &p, AckedRun &run, Time now);
    void settle_lost(const recovery::SentPacket &p, bool reinject, Time now);
    void control_acked(const ControlItem &item, Time now);
    void control_lost(const ControlItem &item, Time now);

    // send.cpp
    void send_data(Time now);
    bool send_control(Time now);
    void send_link_frames(LinkEntry &link, Time now);
    void send_validation(LinkEntry &link, Time now);
    bool waits_for_allowance(const LinkEntry &link) const;
    void send_probes(LinkEntry &link, Time now);
    void send_acks(Time now, bool all = false);
    bool send_some(ChannelEntry &entry, LinkEntry &link, uint64_t bytes, Time now);
    void add_acks(PacketBuilder &packet, LinkEntry &carrier, Time now);
    void add_pending_control(PacketBuilder &packet);
    bool write_item(PacketBuilder &packet, const ControlItem &item);
    bool can_send(LinkEntry &link, Time now);
    LinkEntry *fastest_link();
    LinkEntry *ack_way(LinkEntry &of);
    size_t room_on(LinkEntry &link);

    // policies.cpp
    uint8_t cost_of(const LinkEntry &link) const;
    link::Policy policy_of(const ChannelEntry &entry) const;
    uint32_t allowed(const link::Policy &policy) const;
    void forget_pins(const LinkEntry &link);
    void update_roles(LinkEntry *changed, link::Reason why, Time now);
    void note_change(LinkEntry &link, Time now);
    void send_copies(ChannelEntry &entry, const LinkEntry &first, const channel::Range &what,
                     bool fin, Time now);

    // bottlenecks.cpp
    void watch_bottlenecks(LinkEntry &link, uint32_t received_us, Time now);
    void share_growth(LinkEntry &link);
    void keep_in_step(LinkEntry &link, Time now);
    void share_probe(const LinkEntry &link, recovery::Probe probe, Time now);
    void note_bottlenecks(Time now);

    // announce.cpp
    Announcements &announcements();
    void begin_announcing(Time now);
    void plan_announcement(Time now);
    std::vector<Place> own_places() const;
    void tell_places(Time now);
    Status on_endpoints(Bytes body, Time now);
    void on_places(Time now);
    void plan_look(Time now);
    bool is_linked_to(const Place &place) const;
    bool peer_is_on_loopback() const;
    std::optional<EndpointIndex> endpoint_toward(const Place &place) const;
    void follow_places(Time now);
    void after_link_closed(LinkEntry &link, Time now);

    // schedule.cpp
    LinkEntry *choose_link(const ChannelEntry &entry, bool urgent, Time now, uint64_t &bytes);
    const LinkEntry *delay_reference() const;
    link::Way way_of(LinkEntry &link, const LinkEntry *reference, Time now);

    // close.cpp
    void send_close(Time now);
    void finish_close(Time now);
    void end_children(Status why);
    void raise_closed();
    Duration drain_time() const;

    // sleep.cpp
    Duration quiet_time() const;
    bool may_sleep() const;
    void sleep_if_idle(Time now);
    void wake(Time now);
    bool wants_to_send() const;

    // timers.cpp
    Time idle_deadline() const;
    Time next_close() const;
    Time keepalive_due() const;

    Services &services_;
    base::Shared<Config> config_;
    uint64_t id_; // names its keys in the cache
    uint32_t slot_ = base::kNoSlot;
    uint32_t link_limit_ = 0; // link numbers below it may be used; 0: the peer has not said
    State state_ = State::kDialing;
    Role role_ = Role::kInitiator;
    bool initiated_ = false; // began here, by the application
    bool peer_known_ = false;
    bool has_keys_ = false;
    bool confirmed_ = false;
    bool forged_ = false;            // as many forged packets as a key may see
    bool keys_spent_ = false;        // a channel's key has sealed all that it may
    bool policies_differ_ = false;   // some channel has had a policy of its own
    bool turn_over_ = false;         // the last drain left something for the next one
    bool blocked_on_window_ = false; // the last drain stopped for congestion, not for lack of data
    bool asleep_ = false;            // the links' hot state was given back
    crypto::Cipher cipher_ = crypto::Cipher::kChaCha20Poly1305;
    uint8_t my_class_count_ = 0, told_class_count_ = 0; // the peer knows so many of them
    uint8_t untold_links_ = 0; // that have ended, until the peer acknowledges it
    crypto::NodeId peer_;
    crypto::Root root_; // of the generation that is sent under
    uint32_t generation_ = 0, wanted_generation_ = 0;
    Time generation_since_, rekey_due_ = kNever;
    std::unique_ptr<Rekey> rekey_;
    crypto::Secret<32> exporter_;
    base::SlimVector<ClosedKeys> closed_keys_;
    base::SlimVector<EarlyPacket> early_packets_;
    crypto::HeaderKey send_mask_, receive_mask_;
    base::Shared<PeerFacts> peer_facts_; // at first nothing

    // Where the peer's own INIT came from, while both dial: ours goes there once, too.
    struct Redial {
        EndpointIndex endpoint;
        plait_addr remote;
    };
    Handshake::Pointer handshake_;
    std::unique_ptr<Redial> redial_;
    uint64_t ephemeral_tag_ = 0;
    Time began_, resend_at_ = kNever, handshake_deadline_ = kNever;
    Duration resend_interval_ = kFirstResend;
    bool answered_elsewhere_ = false; // RESP went to more than one address
    uint8_t sent_in_pieces_ = 0;      // times that the message went out as FRAGs
    bool close_owed_ = false;
    uint8_t close_repeats_ = 0;  // left, unless the peer's CLOSE comes
    uint32_t close_trigger_ = 0; // packets that came since CLOSE was sent

    base::SlimVector<uint32_t> links_;                // slots
    uint32_t next_own_link_ = 0, next_peer_link_ = 0; // numbers of each parity not used yet
    CidBook cids_;
    std::unique_ptr<link::Bottlenecks> bottlenecks_; // while there are several links
    std::unique_ptr<Announcements> announcements_;

    base::FlatMap<uint32_t, uint32_t> channels_; // number -> slot
    base::SlimVector<uint32_t>
        early_channels_;                  // opened before the roles, and so numbers, are fixed
    base::SlimVector<uint32_t> detached_; // over, but the application still holds the handle
    base::SlimVector<std::pair<uint32_t, std::string>> early_labels_; // LABEL came before OPEN
    uint32_t control_ = base::kNoSlot;
    uint32_t opened_ = 0;        // by us, in its life
    uint64_t open_limit_ = 0;    // the peer's MAX_CHANNELS
    base::RangeSet peer_opened_; // indices that the peer has used
    uint64_t peer_closed_ = 0, peer_limit_ = 0;
    channel::SendOrder order_;
    link::Policy policy_{link::PolicyKind::kAggregate};
    std::unique_ptr<channel::ConnectionBudget> budget_;
    base::SlimVector<std::unique_ptr<channel::ConnectionBudget>> inherited_budgets_;
    uint64_t channels_allowed_ = 0; // of the peer at a time, as long as memory is short
    uint64_t own_window_ = 0;       // bytes that the peer may send on a new channel, unasked
    Time channel_deadline_ = kNever;
    Time tuned_at_;
    uint64_t tuned_received_ = 0;

    ControlQueue pending_;
    ControlLog log_;

    Time last_authentic_, last_sent_, kept_alive_;
    Time look_idle_at_ = kNever; // whether it may sleep
    Time close_deadline_ = kNever;
    std::unique_ptr<Ending> ending_; // once it has begun to end
    ConnectionStats stats_;
};

} // namespace plait::connection
