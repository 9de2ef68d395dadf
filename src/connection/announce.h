// SPDX-License-Identifier: Apache-2.0
// Where else a node can be reached, as peers tell each other (docs/protocol.md section 7.8): the
// record, and what a connection remembers of those it sent and got. What a peer says is only worth
// a try: a link there is good once it has answered a challenge, as every other.
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "plait/transport.h"

#include <span>
#include <string>
#include <vector>

namespace plait::connection {

inline constexpr size_t kMaxPlaces = 16;                   // in one announcement
inline constexpr Duration kAnnounceGap = base::seconds(1); // between two, and between two looks
inline constexpr size_t kMaxFollowing = 2;                 // such links that join at a time
inline constexpr size_t kMaxTried = 64;                    // places in
inline constexpr Duration kTriedFor = base::seconds(600);  // so long; each once

struct Place {
    std::string transport_class;
    plait_addr addr{};
    bool operator==(const Place &o) const;
};

// | count u8 | (class name length u8 | class name | address length u8 | address) × count |
// As many as there is room for in a record; how many bytes.
size_t write_places(std::span<const Place> places, MutBytes out);
// PLAIT_E_MALFORMED: not of that form, more than kMaxPlaces, an empty name or address or a longer
// one than there can be.
Status read_places(Bytes body, std::vector<Place> &out);

// Of a connection that announces, or that was announced something to.
struct Announcements {
    std::vector<Place> given;  // by the application, beside the endpoints' own
    std::vector<uint8_t> told; // the last record's body
    Time tell_at = kNever, told_at;
    std::vector<Place> peers; // what the peer said last
    Time look_at = kNever, looked_at;
    struct Tried {
        Place place;
        Time at;
    };
    std::vector<Tried> tried;

    bool was_tried(const Place &place) const;
    void forget_tried(const Place &place);
    void expire(Time now);
};

} // namespace plait::connection
