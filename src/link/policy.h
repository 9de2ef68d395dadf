// SPDX-License-Identifier: Apache-2.0
// How a connection, or a channel of it, wants its links to be used, and the role that each link
// has for the connection because of that.
#pragma once

#include "base/ids.h"
#include "base/time.h"
#include "link/state.h"

#include <cstddef>
#include <cstdint>
#include <span>

namespace plait::link {

enum class PolicyKind : uint8_t { // as PLAIT_POLICY_*
    kDefault = 0,                 // a connection: aggregate; a channel: as its connection
    kAggregate = 1,               // all, each packet where it arrives first
    kFailover = 2,                // one, the others when it fails
    kRedundant = 3,               // copies of each packet on several at once
    kLowestLatency = 4, // the one on which a packet arrives first, whatever it could carry
    kPinned = 5,        // one link, or one kind of them, and no other
};
inline constexpr uint8_t kPolicyKinds = 6;
inline constexpr uint8_t kCostClasses = 3;           // free, metered, dear
inline constexpr uint8_t kAllLinks = 0;              // of Policy::copies
inline constexpr uint32_t kGone = base::kNoSlot - 1; // of Policy::pinned_link: it was closed

struct Policy {
    PolicyKind kind = PolicyKind::kDefault;
    uint8_t max_cost = 0; // dearer links wait until none of this cost or less is good
    uint8_t copies = kAllLinks;
    int8_t pinned_class = -1;             // kPinned: the kind's index in the node's table, or -1
    uint32_t pinned_link = base::kNoSlot; // kPinned: the link's slot, or none
    bool operator==(const Policy &) const = default;
};

// What a link is for, by the connection's policy.
enum class Role : uint8_t { // as PLAIT_ROLE_*
    kNone = 0,              // nothing: it is not good
    kActive = 1,            // data
    kStandby = 2,           // nothing until the active ones fail
};

// Why a link has its state or role.
enum class Reason : uint8_t { // as PLAIT_REASON_*
    kNone = 0,
    kValidated = 1,  // the peer answered its challenge
    kAnswers = 2,    // it answers again
    kNoAnswer = 3,   // packets went unanswered for longer than they should
    kTimeouts = 4,   // several probe timeouts in a row
    kDownNotice = 5, // the transport said that it is down
    kPeerReport = 6, // the peer said that it does not hear us there, or cannot reach us
    kMoved = 7,      // the peer speaks from another address
    kClosedHere = 8, // by the application, or with its endpoint
    kClosedByPeer = 9,
    kPolicy = 10,        // the policy, or a cost, was changed
    kOthersFailed = 11,  // no link that the policy prefers is good
    kPreferredBack = 12, // one that it prefers is good again
    kValidationFailed = 13,
    kSharedBottleneck = 14, // it queues where another link of the connection does
    kOwnBottleneck = 15,    // not any more
};

// A change of a link's state or role, for the application's report.
struct Change {
    Time at;
    State state = State::kWaiting;
    Role role = Role::kNone;
    Reason reason = Reason::kNone;
    Duration waited;    // how long something had gone unanswered
    uint64_t moved = 0; // bytes that went to other links because of it
    template <class Self, class P> static void fields(Self &s, P &&p) {
        p(s.at), p(s.state), p(s.role), p(s.reason), p(s.waited), p(s.moved);
    }
};
inline constexpr size_t kMaxChanges = 16; // kept a link; then the oldest goes

// What a policy looks at.
struct Member {
    bool usable = false;
    uint8_t cost = 0;
    uint8_t cls = 0;
    uint32_t slot = base::kNoSlot;
};

// The links that a policy lets carry data now, one bit each, in the order given (at most 32).
// Dearer ones than max_cost only if no other is usable; of failover the first of the cheapest.
uint32_t allowed_links(std::span<const Member> links, const Policy &policy);

constexpr const char *to_string(Role r) {
    switch (r) {
    case Role::kNone: return "none";
    case Role::kActive: return "active";
    case Role::kStandby: return "standby";
    }
    return "?";
}

} // namespace plait::link
