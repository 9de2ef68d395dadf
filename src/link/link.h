// SPDX-License-Identifier: Apache-2.0
// A link: one way to reach one peer, (endpoint, remote address), member of a connection. It holds
// what is particular to the way: state, address validation, connection id, recovery, counters.
// What travels over it is the connection's matter.
#pragma once

#include "base/slim_vector.h"
#include "link/change_log.h"
#include "link/endpoint.h"
#include "link/policy.h"
#include "link/state.h"
#include "recovery/link_recovery.h"
#include "recovery/received.h"
#include "wire/frames.h"

#include <memory>
#include <optional>

namespace plait::link {

inline constexpr uint32_t kAmplification = 3; // bytes sent to an unproven address a byte received
inline constexpr size_t kMaxResponsesOwed = 4;
inline constexpr uint32_t kMaxChallenges = 6;            // then a join has failed; fewer
inline constexpr uint32_t kMaxFollowedChallenges = 3;    // where only the peer's word led there
inline constexpr uint32_t kDeadTimeouts = 3;             // and
inline constexpr Duration kDeadAfter = base::seconds(1); // both until suspect becomes dead
inline constexpr Duration kProbeIntervals[3] = {base::seconds(1), base::seconds(5),
                                                base::seconds(30)};
inline constexpr Duration kFirstDecision = base::seconds(1); // between two unproven addresses
inline constexpr Duration kRetestAfter = base::seconds(1);   // another address, once refuted
inline constexpr Duration kSettledAfter = base::seconds(10); // then round trips are believed again
inline constexpr size_t kMinPacket = 64;

// The challenge that proves an address, and how far it has come.
struct Validation {
    wire::ChallengeBytes challenge{};
    bool armed = false;    // a challenge is out or to be sent
    bool answered = false; // the other side has our answer to its own
    uint8_t sent = 0;
    Time next_send;        // when to (re)send it
    uint64_t received = 0; // bytes from the address while unproven
    uint64_t allowance() const { return kAmplification * received; }
};

// A new remote address under test while the old one is still in use (docs/protocol.md section 7,
// "Known id from a new address"): the link moves only if the new one answers and the old does not.
struct Candidate {
    plait_addr remote{}, local{};
    bool has_local = false;
    EndpointIndex endpoint;
    Validation fresh; // of the new address
    Validation old;   // of the present one
    uint64_t sent = 0;
    bool proven = false;
    Time decide_at; // the old one must have answered by then
};

// What a link needs while it carries packets: what it has sent and received lately, and what is
// measured of its way.
struct Hot final : recovery::LinkRecovery {
    using LinkRecovery::LinkRecovery;
    recovery::ReceivedPackets received;
    Time own_ack_at;                  // when the link's own ACK last went over itself
    LinkNumber acks_from{UINT32_MAX}; // the link that brought the newest ACK of this one
    Time acks_since;                  // it has brought them all
    Time brought_at;                  // when an ACK, of any link, last came over this one
};

// Where its packets go.
struct Addresses {
    plait_addr remote{}, local{};
    bool has_local = false;
    const plait_addr *local_if_any() const { return has_local ? &local : nullptr; }
    template <class Self, class P> static void fields(Self &s, P &&p) {
        p(s.has_local), p(s.remote.len), p(s.local.len);
        p.bytes({s.remote.b, s.remote.len});
        p.bytes({s.local.b, s.local.len});
    }
};

// What a link has beside while it does not sleep.
struct Awake : Addresses {
    Awake() = default;
    explicit Awake(const Addresses &a) : Addresses(a) {}
    Validation validation;
    Time wait_until = base::kNever; // for an id that the peer was asked for
    Time retest_at;         // no other address is tried before: the present one has just answered
    Duration settled_pto{}; // as measured before somebody began to send from elsewhere
    base::SlimVector<wire::ChallengeBytes> responses; // owed, at most kMaxResponsesOwed
    uint64_t sent_unvalidated = 0;
};

// What is left of a link's state while it sleeps; packed, as there are many of them.
struct Asleep {
    recovery::LinkMemory sent;
    recovery::ReceivedMemory received;
    Addresses way;
    template <class Self, class P> static void fields(Self &s, P &&p) {
        p(s.sent), p(s.received), p(s.way);
    }
};

struct Link {
    Link(uint32_t connection_slot, LinkNumber n) : number(n), connection(connection_slot) {}

    LinkNumber number;
    uint32_t connection;
    uint32_t slot = base::kNoSlot;
    EndpointIndex endpoint;
    State state = State::kWaiting;
    Role role = Role::kNone;
    Reason why = Reason::kNone; // of state and role
    bool has_number = false;    // the application's link before its number is known
    bool begun_here = false;
    bool followed = false; // begun here because the peer had announced its address
    bool validated = false;
    bool peer_says_down = false;    // it is suspect because the peer said so
    bool shares_bottleneck = false; // with another link of the connection
    wire::Cid peer_cid;             // put into what is sent
    uint64_t issued_seq = 0;        // of the id by which the peer's packets come in
    uint8_t peer_class = 0;         // the class in the peer's table
    uint32_t cost = 0;
    uint64_t token = 0;

    std::optional<recovery::ControllerKind> controller;     // none: the connection's
    std::unique_ptr<Hot> recovery;                          // of a link that is in use, or
    base::SlimVector<uint8_t> asleep;                       // of one that sleeps
    std::unique_ptr<Awake> way = std::make_unique<Awake>(); // while it does not sleep
    std::unique_ptr<Candidate> candidate;
    uint8_t probes_owed = 0; // packets that may exceed the window: after a timeout
    uint32_t suspect_timeouts = 0;
    Time suspect_since;
    Time next_probe = base::kNever; // of a suspect or dead link

    // For the application.
    Status status = PLAIT_OK;
    uint64_t close_code = 0;
    uint64_t moved_bytes = 0; // at the last change to suspect or dead
    // "no answer for", "ms", 41: parts of a sentence, which live for ever.
    const char *reason = "", *reason_unit = nullptr;
    uint32_t reason_number = 0;
    ChangeLog changes; // not read yet
    uint64_t bytes_sent = 0, bytes_received = 0, packets_sent = 0, packets_received = 0;
    uint64_t payload_sent = 0, payload_received = 0;

    bool usable() const { return state == State::kGood; }
    bool live() const { return state == State::kGood || state == State::kSuspect; }
    // May carry packets at all (a dead one carries probes).
    bool exists() const { return state != State::kClosed && state != State::kWaiting; }

    uint32_t most_challenges() const { return followed ? kMaxFollowedChallenges : kMaxChallenges; }

    // Whether it has all that packets need, perhaps asleep.
    bool started() const { return recovery || !asleep.empty(); }
    // It has nothing to wait for.
    bool may_sleep() const;
    void sleep();
    // `config`: as it was, or as it is by now.
    void wake(const recovery::LinkRecoveryConfig &config, Time now);
    bool is_duplicate(PacketNumber pn) const {
        return recovery ? recovery->received.is_duplicate(pn) : memory().received.is_duplicate(pn);
    }
    // The number that the next packet to come should have.
    uint64_t expected() const;
    recovery::LinkStats stats() const;
    Addresses addresses() const { return way ? *way : memory().way; }
    // What `asleep` says, which must not be empty.
    Asleep memory() const;
    // Of one that ends asleep.
    void keep_addresses() {
        if (!way)
            way = std::make_unique<Awake>(addresses());
    }

    // Bytes that may still go to the present, perhaps unproven, address.
    size_t allowance_left() const {
        if (validated || begun_here)
            return SIZE_MAX;
        const uint64_t most = way->validation.allowance(), sent = way->sent_unvalidated;
        return most > sent ? static_cast<size_t>(most - sent) : 0;
    }
    // For a challenge that has come. `way` must be there.
    void owe_response(const wire::ChallengeBytes &data) {
        if (way->responses.size() < kMaxResponsesOwed)
            way->responses.push_back(data);
    }
    // The size of a packet: no more than the way carries, nor than about 20 ms of its rate.
    size_t packet_size(const Endpoint &e) const;
    // Bytes a second that it is believed to carry; at least 1.
    uint64_t rate(const Endpoint &e) const;
    void set_reason(const char *text, const char *unit = nullptr, uint32_t number = 0) {
        reason = text;
        reason_unit = unit;
        reason_number = number;
    }
};

} // namespace plait::link
