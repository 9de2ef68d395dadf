// SPDX-License-Identifier: Apache-2.0
// Flows: what the applications of two simulated nodes do with a channel, and what the channel must
// then have done with it. A flow knows both ends, so its checker sees at once when a byte comes
// that was never sent there, or twice, or in the wrong place.
#pragma once

#include "app.h"
#include "channel_model.h"
#include "content.h"
#include "world.h"

#include <vector>

namespace plait::sim {

class Flow;

// What one side sends.
struct Volume {
    uint64_t bytes = 0;    // of a stream
    uint32_t messages = 0; // of a channel of messages,
    size_t least = 8;      // each of so many
    size_t most = 1000;    // bytes
    Duration interval{
        0}; // between two messages (or 1,000 bytes of a stream); 0: as fast as it goes
    uint64_t reset_at = UINT64_MAX; // resets after so many bytes or messages
    uint64_t pause_at = UINT64_MAX; // after so many sends nothing
    Duration pause{0};              // for so long
};

// What one side does to end a flow before its time.
struct Act {
    enum class What : uint8_t {
        kReset,
        kStop,
        kClose,
        kLinger,
    };
    What what = What::kReset;
    bool by_opener = true;
    Duration after{0}; // it was opened, or has come
    Duration linger{0};
    uint32_t code = 0; // of a reset, a stop, or what linger throws away
};

struct FlowPlan {
    channel::Config config = channel::stream();
    Volume there, back;             // from the opener, to the opener
    Duration stall{0};              // the accepting side reads nothing for so long,
    uint64_t stall_at = UINT64_MAX; // once it has read so many bytes or messages
    uint64_t stop_at = UINT64_MAX;  // the accepting side stops the channel there
    bool refused = false;           // by the accepting side
    uint32_t end_code = 0;          // of reset, stop or refusal
    bool back_after_end = false;    // the accepting side answers only when it has everything
    bool over_clean = false;        // nothing gets lost on the way
    Duration answer_after{0};       // the accepting side thinks about it for so long
    std::vector<Act> acts;          // the end is not as planned above, but what these make of it
};

// One end of a flow: sender of one direction, receiver of the other.
struct FlowEnd {
    Flow *flow = nullptr;
    SimNode *node = nullptr;
    uint64_t channel = 0;
    bool opener = false;
    bool abandoned = false; // its node has crashed

    // Sending.
    Volume volume;
    uint64_t sent = 0; // bytes or messages that were taken
    size_t head = 0;   // bytes of the length before the last of them
    bool finish_called = false, finished = false, reset_called = false, stopped_by_peer = false;
    bool waits_for_writable = false, timer_set = false, paused = false;
    bool left = false;     // it has closed the channel: no more is sent or read
    uint64_t next_due = 0; // ns of the world
    std::map<const void *, std::vector<uint8_t>> lent; // what the engine borrows, until released
    std::vector<uint64_t> sent_at;                     // ns of the world, a message

    // Receiving.
    uint64_t received = 0; // bytes or messages
    bool end = false, reset_seen = false, stop_called = false, reading = true, stalled = false;
    std::vector<uint64_t> latencies; // us, a message

    bool closed = false;
    Status closed_status = PLAIT_OK;
    uint64_t closed_code = 0;
    uint64_t closed_undelivered = 0; // bytes, as its closing event tells
    uint64_t closed_at = 0;          // ns of the world
    channel::Stats stats;            // when it closed
    // Closed for good at this moment, delivered or not (linger); ns of the world.
    uint64_t must_be_closed_at = UINT64_MAX;

    bool may_close_on_loss() const;
    void on_data_sent(const plait_trace_record &r);
    void on_event(const plait_event &e, Time now);
    // The node has crashed, and its engine with it.
    void abandon();
    // The engine gives lent memory back: once, and unchanged.
    void take_back(const void *data, size_t len);
    void begin();
    void pump();
    void read();
    // Does what the plan has for this side, each at its time.
    void plan_acts();

  private:
    bool done_sending() const {
        return messages() ? sent >= volume.messages : sent >= volume.bytes;
    }
    bool messages() const;
    bool due();
    bool pausing();
    bool send_next(Status &s);
    Status send_piece(Bytes piece, uint64_t &taken);
    Status send_owned(Bytes piece);
    Status send_reserved(Bytes piece, uint64_t &taken);
    Status send_parts(Bytes piece, uint64_t &taken);
    void after_sending();
    bool read_once();
    void check(const channel::ReadInfo &info, Bytes in);
    void at_read_status(Status s, const channel::ReadInfo &info);
    void maybe_stall();
    void account(const plait_event &closed_event) const;
    uint64_t key(bool from_opener) const;
    FlowEnd &other() const;
    void act(const Act &act);
};

class Flow {
  public:
    Flow(World &world, std::string label, FlowPlan plan);
    // Opens it from `node`, on a connection that may still be dialing.
    void open(SimNode &node, uint64_t connection);
    // The other node has it.
    void arrive(SimNode &node, uint64_t channel, const node::ChannelInfo &info, Time now);

    const std::string &label() const { return label_; }
    const FlowPlan &plan() const { return plan_; }
    World &world() { return world_; }
    uint64_t key() const { return key_; }
    FlowEnd &opener() { return ends_[0]; }
    FlowEnd &accepter() { return ends_[1]; }
    // The direction from the opener, or to it.
    ChannelModel &model(bool there) { return models_[there ? 0 : 1]; }
    // Whether an application may have given this code.
    bool is_code(uint64_t code) const;
    // Both ends have had their closing event.
    bool over() const;
    // It is over, and as it should be: complete, or refused, reset, stopped as planned.
    bool kept_its_promise() const;
    // Fails the run unless so.
    void must_have_kept_its_promise();
    std::string dump() const;

  private:
    std::string what_is_wrong() const;
    std::string wrong_direction(const FlowEnd &from, const FlowEnd &to) const;
    void answer(Time now);
    // With acts (flow_acts.cpp).
    bool acts(bool by_opener, Act::What what) const;
    bool may_be_refused() const;
    std::string wrong_act_end(const FlowEnd &e) const;
    std::string wrong_act_direction(const FlowEnd &from, const FlowEnd &to) const;
    std::string what_is_wrong_with_acts() const;
    World &world_;
    std::string label_;
    FlowPlan plan_;
    uint64_t key_;
    FlowEnd ends_[2];
    ChannelModel models_[2];
};

// Makes a flow with a fresh label and opens it.
Flow &open_flow(World &world, SimNode &from, uint64_t connection, const FlowPlan &plan);
bool all_flows_over(World &world);
// Fails the world unless they are, and lent memory came back.
void all_flows_must_be_over(World &world);
// Microseconds below which `share` of the values lie.
uint64_t percentile(std::vector<uint64_t> values, double share);

} // namespace plait::sim
