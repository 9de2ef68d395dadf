/* SPDX-License-Identifier: Apache-2.0 */
/** @file channel.h  Channels: independent flows of data inside a connection.
 *
 *  A channel has its own reliability, keys, flow control and priority: a full or a lossy one does
 *  not hold up the others. Either side opens channels; the other is asked (CHANNEL_REQUEST), or has
 *  said before what it answers (plait_node_answer_channels).
 *
 *      plait_channel_open ───────────────> open ──> finished, reset, refused ──> CHANNEL_CLOSED
 *      CHANNEL_REQUEST ── accept ────────>
 *
 *  KINDS, each a macro to start a plait_channel_config with, and a preset of
 *  plait_channel_config_init; the fields of the configuration make others:
 *
 *      PLAIT_CHANNEL_STREAM     bytes, all of them, in order: like TCP
 *      PLAIT_CHANNEL_MESSAGES   whole messages of any size, all of them, in order
 *      PLAIT_CHANNEL_DATAGRAM   whole messages, each sent once, as it comes: like UDP
 *      PLAIT_CHANNEL_SEQUENCED  whole messages, each sent once, never an older after a newer
 *
 *  and eight kinds of message channels by what they promise: resent until they arrive, or sent
 *  once; in order, or as they come; and, with _CLOSE, ended with PLAIT_E_LOSS as soon as something
 *  is lost for good, so that what was read is always without a gap:
 *
 *      PLAIT_CHANNEL_RESEND_ORDERED[_CLOSE]    PLAIT_CHANNEL_RESEND_UNORDERED[_CLOSE]
 *      PLAIT_CHANNEL_ONCE_ORDERED[_CLOSE]      PLAIT_CHANNEL_ONCE_UNORDERED[_CLOSE]
 *
 *      plait_channel_config cfg = PLAIT_CHANNEL_STREAM;
 *      plait_channel_open(node, connection, "file", &cfg, &channel);
 *
 *  SENDING never blocks. What does not fit is answered with PLAIT_E_AGAIN, and WRITABLE tells when
 *  there is room. (A stream whose buffer's size is left to the library takes at most 1 MiB in one
 *  go, and beyond 256 KiB only what goes in 2 ms: then WRITABLE follows at once, and nothing more
 *  is taken before it was read or an acknowledgement has come.) WRITABLE also comes once when a new
 *  channel first takes data, so that a program can do all its sending there. Data may be sent as
 *  soon as plait_channel_open has returned, before the peer has accepted.
 *  Four ways: plait_channel_send copies; plait_channel_reserve gives memory to write into, without
 *  a copy of one's own; plait_channel_send_owned borrows the application's memory;
 *  plait_channel_send_gather copies several pieces as one.
 *
 *  RECEIVING.  READABLE tells; plait_channel_read copies out, plait_channel_peek shows in place.
 *  Reading makes room: a channel that is not read stops its sender and nobody else.
 *
 *  LOSS.  Each byte taken from the application is acknowledged by the peer's library, or given up
 *  as the configuration has it, or thrown away by an end (reset, stop, linger, the connection's);
 *  CHANNEL_CLOSED tells how many were not delivered. Losses before that are told as sums by
 *  GIVEN_UP (ours) and GAP (the peer's); with PLAIT_TELL_REPORTS each by itself.
 */
#ifndef PLAIT_CHANNEL_H
#define PLAIT_CHANNEL_H
#include "plait/connection.h"
#include "plait/link.h"
#include "plait/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/** What is sent again when it was lost. */
enum {
    PLAIT_RESEND_ALWAYS = 0,        /**< everything, until it arrives */
    PLAIT_RESEND_NEVER = 1,         /**< nothing */
    PLAIT_RESEND_AT_MOST = 2,       /**< resend_limit times */
    PLAIT_RESEND_UNTIL_DEADLINE = 3 /**< until deadline_us after the call to send */
};

/** What follows when something was given up. */
enum {
    PLAIT_ON_LOSS_SKIP = 0, /**< the receiver goes on behind it */
    PLAIT_ON_LOSS_TELL = 1, /**< the same, and GAP tells it */
    PLAIT_ON_LOSS_CLOSE = 2 /**< the channel ends with PLAIT_E_LOSS */
};

/** With what a channel's packets are protected. */
enum {
    PLAIT_CIPHER_DEFAULT = 0, /**< as the connection's handshake chose */
    PLAIT_CIPHER_CHACHA20_POLY1305 = 1,
    PLAIT_CIPHER_AES256_GCM = 2 /**< only where both processors have instructions for it */
};

/** Forward error correction: repair symbols go out beside the data, from which the peer restores
 *  what was lost without waiting for a repetition. For channels whose data is of use for less than
 *  about one and a half round trips. What one side sets holds for what it sends. A peer that does
 *  not know it gets none. */
enum {
    PLAIT_FEC_OFF = 0,
    PLAIT_FEC_ON = 1
};

/** What a channel tells beyond the usual: bits of plait_channel_config.tell. */
enum {
    PLAIT_TELL_REPORTS = 1, /**< a report for each loss and gap: plait_channel_take_reports */
    PLAIT_TELL_WINDOWS = 2  /**< events WINDOW_CHANGED */
};

/** The state of a channel. */
enum {
    PLAIT_CHANNEL_REQUESTED = 1, /**< the peer waits for the application's decision */
    PLAIT_CHANNEL_OPENING = 2,   /**< the peer has not accepted yet */
    PLAIT_CHANNEL_OPEN = 3,
    PLAIT_CHANNEL_CLOSED = 4
};

/** How a channel shall be. 0 in a field means the default. Copied. The first six fields and
 *  reorder_wait_us are the opener's choice and hold on both sides; the rest is each side's own. */
typedef struct plait_channel_config {
    uint32_t struct_size;     /**< sizeof(plait_channel_config) */
    uint8_t resend;           /**< PLAIT_RESEND_* */
    uint8_t on_loss;          /**< PLAIT_ON_LOSS_* */
    uint8_t messages;         /**< 1: borders of messages are kept; 0: a stream of bytes */
    uint8_t unordered;        /**< 1: messages are handed over as they arrive */
    uint8_t one_way;          /**< 1: only the opener sends */
    uint8_t drop_oldest;      /**< 1: a reader that lags loses the oldest messages, instead of
                                   stopping the sender */
    uint8_t priority_class;   /**< 1 (most urgent) to 15; 0: 8. Data of a class is sent only when no
                                   more urgent class has any */
    uint8_t weight_log2;      /**< 0 to 15: share inside the class, as a power of two */
    uint8_t link_policy;      /**< PLAIT_POLICY_*; PINNED by plait_channel_set_policy only */
    uint8_t cipher;           /**< PLAIT_CIPHER_*; the opener's choice */
    uint8_t tell;             /**< PLAIT_TELL_* */
    uint8_t rekey_log2;       /**< the opener's choice too: each direction takes a new key after so
                                   many packets, as a power of two, up to 62. 0: only at the
                                   cipher's limit */
    uint32_t max_message;     /**< bytes of the largest message that this side takes; default
                                   16 MiB */
    uint32_t resend_limit;    /**< PLAIT_RESEND_AT_MOST: how often */
    uint64_t deadline_us;     /**< PLAIT_RESEND_UNTIL_DEADLINE: microseconds, at most 1,000 s. What
                                   is not expected to arrive by then is given up before: earlier by
                                   half the shortest round trip, an estimate of the way, at most by
                                   half of this */
    uint64_t reorder_wait_us; /**< ordered, never resent: how long a gap may delay a later message;
                                   at most 1,000 s. 0: not at all */
    uint64_t window;          /**< bytes that the peer may send ahead of reading, at first, 4 KiB to
                                   1 GiB; default 64 KiB, less where memory_budget is short. It
                                   grows with the line's speed while there is memory, and falls back
                                   when the peer sends nothing for a second */
    uint64_t send_buffer;     /**< bytes kept for sending at most; default: what the line's speed
                                   asks for, up to 64 MiB or half of the node's memory_budget,
                                   shared by those channels that have more than 256 KiB to send */
    uint64_t token;           /**< comes back in this channel's events */
    uint8_t fec;              /**< PLAIT_FEC_*. It costs memory on both sides: a few times what is
                                   protected at one time, at most 1 MiB of the receiver's */
    uint8_t fec_window;       /**< packets that a repair symbol protects, up to 128; 0: as many as
                                   are sent while it can still be in time */
    uint8_t fec_share;        /**< repair symbols in per cent of the data, up to 100; 0: as the
                                   measured loss asks for */
    uint8_t fec_reserved[5];  /**< 0 */
} plait_channel_config;

#define PLAIT_CHANNEL_CONFIG_OF(resend, on_loss, messages, unordered)                            \
    {sizeof(plait_channel_config),                                                               \
     resend, on_loss, messages, unordered, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,          \
     0, 0, 0, {0, 0, 0, 0, 0}}
#define PLAIT_CHANNEL_STREAM PLAIT_CHANNEL_CONFIG_OF(PLAIT_RESEND_ALWAYS, 0, 0, 0)
#define PLAIT_CHANNEL_MESSAGES PLAIT_CHANNEL_RESEND_ORDERED
#define PLAIT_CHANNEL_DATAGRAM PLAIT_CHANNEL_ONCE_UNORDERED
#define PLAIT_CHANNEL_SEQUENCED PLAIT_CHANNEL_ONCE_ORDERED
#define PLAIT_CHANNEL_RESEND_ORDERED_CLOSE \
    PLAIT_CHANNEL_CONFIG_OF(PLAIT_RESEND_ALWAYS, PLAIT_ON_LOSS_CLOSE, 1, 0)
#define PLAIT_CHANNEL_RESEND_ORDERED PLAIT_CHANNEL_CONFIG_OF(PLAIT_RESEND_ALWAYS, 0, 1, 0)
#define PLAIT_CHANNEL_RESEND_UNORDERED_CLOSE \
    PLAIT_CHANNEL_CONFIG_OF(PLAIT_RESEND_ALWAYS, PLAIT_ON_LOSS_CLOSE, 1, 1)
#define PLAIT_CHANNEL_RESEND_UNORDERED PLAIT_CHANNEL_CONFIG_OF(PLAIT_RESEND_ALWAYS, 0, 1, 1)
#define PLAIT_CHANNEL_ONCE_ORDERED_CLOSE \
    PLAIT_CHANNEL_CONFIG_OF(PLAIT_RESEND_NEVER, PLAIT_ON_LOSS_CLOSE, 1, 0)
#define PLAIT_CHANNEL_ONCE_ORDERED PLAIT_CHANNEL_CONFIG_OF(PLAIT_RESEND_NEVER, 0, 1, 0)
#define PLAIT_CHANNEL_ONCE_UNORDERED_CLOSE \
    PLAIT_CHANNEL_CONFIG_OF(PLAIT_RESEND_NEVER, PLAIT_ON_LOSS_CLOSE, 1, 1)
#define PLAIT_CHANNEL_ONCE_UNORDERED PLAIT_CHANNEL_CONFIG_OF(PLAIT_RESEND_NEVER, 0, 1, 1)

/** The kinds as numbers, for plait_channel_config_init. */
enum {
    PLAIT_PRESET_STREAM = 1,
    PLAIT_PRESET_MESSAGES = 2,
    PLAIT_PRESET_DATAGRAM = 3,
    PLAIT_PRESET_SEQUENCED = 4,
    PLAIT_PRESET_RESEND_ORDERED_CLOSE = 5,
    PLAIT_PRESET_RESEND_ORDERED = 6,
    PLAIT_PRESET_RESEND_UNORDERED_CLOSE = 7,
    PLAIT_PRESET_RESEND_UNORDERED = 8,
    PLAIT_PRESET_ONCE_ORDERED_CLOSE = 9,
    PLAIT_PRESET_ONCE_ORDERED = 10,
    PLAIT_PRESET_ONCE_UNORDERED_CLOSE = 11,
    PLAIT_PRESET_ONCE_UNORDERED = 12
};

/** Makes a configuration of a kind. size: sizeof(plait_channel_config).  preset: PLAIT_PRESET_*.
 *    PLAIT_E_STRUCT_SIZE  the library does not know this size
 *    PLAIT_E_INVALID      not a preset
 *  [any-thread] [callback-ok]  Since 0.1. */
PLAIT_API plait_status plait_channel_config_init(plait_channel_config *config, size_t size,
                                                 uint32_t preset);

/** Opens a channel. The peer sees CHANNEL_REQUEST; CHANNEL_ACCEPTED or CHANNEL_CLOSED
 *  (PLAIT_E_REFUSED, with the code) follows here. May be called before CONNECTED. WRITABLE comes
 *  when data can go out.
 *  label: [in] what it is for, UTF-8, at most 255 bytes; NULL: "".  config: [in] or NULL:
 *  PLAIT_CHANNEL_STREAM.
 *  out: [out] the handle.
 *    PLAIT_E_INVALID      a field of config is out of its range
 *    PLAIT_E_UNSUPPORTED  a combination that this version cannot do
 *    PLAIT_E_TOO_BIG      the label
 *    PLAIT_E_LIMIT        as many channels as the peer allows are open, or what this connection
 *                         may buffer (memory_budget) is used up by what was not read
 *  [any-thread] [callback-ok]  Since 0.1. */
PLAIT_API plait_status plait_channel_open(plait_node *node, plait_connection connection,
                                          const char *label, const plait_channel_config *config,
                                          plait_channel *out);

/** Accepts a channel after CHANNEL_REQUEST. WRITABLE follows unless the channel is one-way,
 *  READABLE if data came with the request. The peer sees CHANNEL_ACCEPTED.
 *  config: [in] or NULL. Only this side's fields count: max_message, window, send_buffer,
 *  drop_oldest, tell, priority_class, weight_log2, link_policy, token, fec and what belongs to it;
 *  the rest is the opener's choice.
 *    PLAIT_E_STATE    it does not wait for that
 *    PLAIT_E_INVALID  a field of config is out of its range
 *  [any-thread] [callback-ok]  Since 0.1. */
PLAIT_API plait_status plait_channel_accept(plait_node *node, plait_channel channel,
                                            const plait_channel_config *config);

/** What becomes of channels that a peer opens. */
enum {
    PLAIT_ANSWER_ASK = 0,    /**< CHANNEL_REQUEST, and the application decides */
    PLAIT_ANSWER_ACCEPT = 1, /**< it is accepted; CHANNEL_ACCEPTED tells the handle */
    PLAIT_ANSWER_REFUSE = 2  /**< it is refused, and the application hears nothing of it */
};

/** Codes of a refusal by the peer's library; those of its application are below 2^32. */
#define PLAIT_REFUSED_UNSUPPORTED 0x100000002u /**< it cannot do what was asked for */
#define PLAIT_REFUSED_LIMIT 0x100000003u       /**< it has no room for one more channel */

/** A standing answer. Copied. */
typedef struct plait_channel_answer {
    uint32_t struct_size; /**< sizeof(plait_channel_answer) */
    uint32_t answer;      /**< PLAIT_ANSWER_* */
    const plait_channel_config *config; /**< ACCEPT: as for plait_channel_accept, copied, or NULL */
    uint64_t code;        /**< REFUSE: the application's code, below 2^32 */
} plait_channel_answer;

#define PLAIT_CHANNEL_ANSWER_INIT {sizeof(plait_channel_answer), 0, NULL, 0}

/** Sets the defaults (PLAIT_ANSWER_ASK). size: sizeof(plait_channel_answer).
 *    PLAIT_E_STRUCT_SIZE  the library does not know this size
 *  [any-thread] [callback-ok]  Since 0.1. */
PLAIT_API plait_status plait_channel_answer_init(plait_channel_answer *answer, size_t size);

/** Says what becomes of channels that peers open from now on; without it the application is asked
 *  about each. Channels of a connection that was not accepted yet are answered when it is.
 *  label: [in] only channels of this label, whatever was said for all; NULL: all that have no
 *  answer of their own.  answer: [in], or NULL: ask. It replaces an earlier one.
 *    PLAIT_E_INVALID  an unknown `answer`, a code that is too large, or a field of `config` is out
 *                     of its range
 *    PLAIT_E_TOO_BIG  the label has more than 255 bytes
 *    PLAIT_E_LIMIT    64 labels have an answer already
 *  [any-thread] [callback-ok]  Since 0.1. */
PLAIT_API plait_status plait_node_answer_channels(plait_node *node, const char *label,
                                                  const plait_channel_answer *answer);

/** Refuses a channel after CHANNEL_REQUEST. CHANNEL_CLOSED follows on both sides, with
 *  PLAIT_E_REFUSED at the peer, and the code. The handle is closed with it.  code: the
 *  application's own, below 2^32.
 *    PLAIT_E_STATE    it does not wait for that
 *    PLAIT_E_INVALID  the code is too large
 *  [any-thread] [callback-ok]  Since 0.1. */
PLAIT_API plait_status plait_channel_refuse(plait_node *node, plait_channel channel, uint64_t code);

/** Sends by copying. In a stream as much as fits is taken; in a message channel all of it is one
 *  message, or nothing is taken.
 *  data: [in] len bytes; may be NULL if len is 0.  len: in a message channel it may be 0 (an empty
 *  message).
 *  taken: [out] bytes taken; NULL allowed in message channels.
 *    PLAIT_E_AGAIN     not now, *taken = 0; WRITABLE follows
 *    PLAIT_E_TOO_BIG   a message larger than the peer (or a datagram channel) ever takes
 *    PLAIT_E_STATE     finished already, or a one-way channel of the peer
 *    PLAIT_E_RESET     the peer has stopped it, or this side has reset it
 *    PLAIT_E_RESERVED  a reservation is open
 *  [any-thread] [callback-ok]  Since 0.1. */
PLAIT_API plait_status plait_channel_send(plait_node *node, plait_channel channel, const void *data,
                                          size_t len, size_t *taken);

/** Sends several pieces as if they were one. In a stream as much as fits is taken, in order.
 *  slices: [in] count of them, copied with what they point to. Else as plait_channel_send.
 *    PLAIT_E_INVALID  more than 1,024 pieces
 *  [any-thread] [callback-ok]  Since 0.1. */
PLAIT_API plait_status plait_channel_send_gather(plait_node *node, plait_channel channel,
                                                 const plait_slice *slices, size_t count,
                                                 size_t *taken);

/** Reserves memory in the send buffer, for the application to fill (with read(2), say) and to
 *  commit. Each successful reserve needs one commit; one reservation at a time. Meanwhile the
 *  memory is valid whatever happens to the channel; its CHANNEL_CLOSED waits for the commit.
 *  min: bytes that are needed at least, 1 to 65,536; in a message channel the message's size at
 *  most.
 *  space: [out] where.  room: [out] bytes there, at least min.
 *    PLAIT_E_AGAIN     less than min is free; WRITABLE follows
 *    PLAIT_E_TOO_BIG   min is more than can ever be reserved
 *    PLAIT_E_RESERVED  a reservation is open
 *    PLAIT_E_INVALID, PLAIT_E_STATE, PLAIT_E_RESET  as plait_channel_send
 *  [any-thread] [callback-ok]  Since 0.1. */
PLAIT_API plait_status plait_channel_reserve(plait_node *node, plait_channel channel, size_t min,
                                             void **space, size_t *room);

/** Sends the first len bytes of the reserved memory and ends the reservation. In a message channel
 *  they are one message.
 *  len: at most the room reserved; 0 in a stream: nothing is sent; in a message channel too.
 *    PLAIT_E_STATE    nothing is reserved
 *    PLAIT_E_INVALID  more than the room; the reservation stays open
 *    PLAIT_E_CLOSED, PLAIT_E_RESET  the channel has ended meanwhile; the reservation is ended,
 *                                   nothing is sent
 *  [any-thread] [callback-ok]  Since 0.1. */
PLAIT_API plait_status plait_channel_commit(plait_node *node, plait_channel channel, size_t len);

/** Told once, in every ending, that the memory is the application's again: acknowledged, thrown
 *  away with the channel or connection, or the node is freed. Runs without the node's lock on the
 *  thread whose turn ended it; may call what is tagged [callback-ok], but not during
 *  plait_node_free. */
typedef void plait_release_fn(void *user, const void *data, size_t len);

/** Sends memory that stays the application's, without copying it. It must not change until it is
 *  released. All of it is taken (in a message channel as one message) or nothing; the buffer may
 *  be exceeded by one such piece.
 *  data: [in] len bytes, borrowed on PLAIT_OK until release is called; on any other status the
 *  caller keeps them and release is not called.  len: at least 1.  release: not NULL.  user:
 *  handed to it.
 *    Statuses as plait_channel_send.
 *  [any-thread] [callback-ok]  Since 0.1. */
PLAIT_API plait_status plait_channel_send_owned(plait_node *node, plait_channel channel,
                                                const void *data, size_t len,
                                                plait_release_fn *release, void *user);

/** Ends this side's sending, after what was sent before. The peer reads PLAIT_E_END. FINISHED
 *  follows when everything has been acknowledged, CHANNEL_CLOSED when the peer has finished too
 *  (at once if one-way).
 *    PLAIT_E_STATE     finished already, or a one-way channel of the peer
 *    PLAIT_E_RESET     the peer has stopped it, or this side has reset it
 *    PLAIT_E_RESERVED  a reservation is open
 *  [any-thread] [callback-ok]  Since 0.1. */
PLAIT_API plait_status plait_channel_finish(plait_node *node, plait_channel channel);

/** Ends this side's sending at once and throws away what was not sent. The peer reads
 *  PLAIT_E_RESET.
 *  code: the application's own, below 2^32; the peer sees it in CHANNEL_CLOSED.
 *    PLAIT_E_INVALID  the code is too large
 *    PLAIT_E_STATE    all of it was finished and acknowledged already, or a one-way channel of the
 *                     peer
 *  [any-thread] [callback-ok]  Since 0.1. */
PLAIT_API plait_status plait_channel_reset(plait_node *node, plait_channel channel, uint64_t code);

/** Wants no more data: what arrives from now on is thrown away, reading returns PLAIT_E_RESET. The
 *  peer sees
 *  STOPPED.  code: the application's own, below 2^32.
 *    PLAIT_E_INVALID  the code is too large
 *    PLAIT_E_STATE    everything was received already, or this side's one-way channel
 *  [any-thread] [callback-ok]  Since 0.1. */
PLAIT_API plait_status plait_channel_stop(plait_node *node, plait_channel channel, uint64_t code);

/** Closes a channel: no more is read, and what was sent is still delivered (plait_channel_reset
 *  before if it shall not be). A request that was not answered is refused, with code 0.
 *  CHANNEL_CLOSED follows; after it this call only closes the handle.
 *  [any-thread] [callback-ok]  Since 0.1. */
PLAIT_API plait_status plait_channel_close(plait_node *node, plait_channel channel);

/** As plait_channel_close, but waits for delivery no longer than linger_us; then what is left is
 *  thrown away, the peer reads PLAIT_E_RESET, and CHANNEL_CLOSED comes at that moment, whether the
 *  peer can be reached or not: PLAIT_E_TIMEOUT, with the bytes that were not delivered in b, or
 *  PLAIT_OK if all were.
 *  linger_us: microseconds, at most 1,000 s; 0: none.  code: the application's own, below 2^32; for
 *  the peer, if it comes to that.
 *    PLAIT_E_INVALID  linger_us or the code is too large
 *  [any-thread] [callback-ok]  Since 0.1. */
PLAIT_API plait_status plait_channel_close_linger(plait_node *node, plait_channel channel,
                                                  uint64_t linger_us, uint64_t code);

/** Marks what is taken next on this channel, in whichever way: the peer acknowledges the packet
 *  with its last byte at once instead of some milliseconds later. For the message after which
 *  nothing follows and whose arrival matters.
 *    PLAIT_E_STATE, PLAIT_E_RESET, PLAIT_E_RESERVED  as plait_channel_send
 *  [any-thread] [callback-ok]  Since 0.1. */
PLAIT_API plait_status plait_channel_ack_now(plait_node *node, plait_channel channel);

/** Sets a mark: QUEUE_LOW comes each time that what waits to be sent (send_waiting in the
 *  statistics) falls to so many bytes after it was more. For senders that keep the queue short, so
 *  that what they send is fresh.  bytes: UINT32_MAX: no mark, as at first.
 *  [any-thread] [callback-ok]  Since 0.1. */
PLAIT_API plait_status plait_channel_set_low_water(plait_node *node, plait_channel channel,
                                                   uint32_t bytes);

/** Reads by copying: in a stream what is there, in a message channel one whole message.
 *  buf: [out] room for cap bytes, cap at least 1.  got: [out] bytes read; 0 only for an empty
 *  message.
 *    PLAIT_E_AGAIN   nothing there now; READABLE follows
 *    PLAIT_E_END     the peer has finished and everything was read
 *    PLAIT_E_RESET   the peer has reset it, or this side has stopped it
 *    PLAIT_E_BUFFER  the message is larger than cap; *got is its size, it stays
 *    PLAIT_E_STATE   this side's one-way channel, or a request that was not accepted yet
 *  [any-thread] [callback-ok]  Since 0.1. */
PLAIT_API plait_status plait_channel_read(plait_node *node, plait_channel channel, void *buf,
                                          size_t cap, size_t *got);

/** What is to be known of a piece that was, or can be, read. */
typedef struct plait_read_info {
    uint32_t struct_size;      /**< [in] sizeof(plait_read_info) */
    uint32_t reserved;         /**< 0 */
    uint64_t size;             /**< bytes read; of the message also with PLAIT_E_BUFFER */
    uint64_t offset;           /**< where it begins in the peer's direction: in an unordered stream
                                    this tells where the bytes belong */
    uint64_t missing_bytes;    /**< before this, since the last read: what will not come, with the
                                    frames of messages */
    uint64_t missing_messages; /**< the same, as far as it is known */
    uint64_t dropped_bytes;    /**< dropped for newer ones since the last read (drop_oldest) */
    uint64_t dropped_messages;
    uint64_t code;             /**< with PLAIT_E_RESET: the code */
} plait_read_info;

/** As plait_channel_read, and tells where the piece belongs and what is missing before it (also
 *  with PLAIT_E_END: before the end).
 *  buf: with cap 0 it may be NULL, and got too: nothing is taken, out tells of what comes next.
 *  out: [in,out] struct_size is set by the caller.
 *    Statuses as plait_channel_read.
 *  [any-thread] [callback-ok]  Since 0.1. */
PLAIT_API plait_status plait_channel_read_info(plait_node *node, plait_channel channel, void *buf,
                                               size_t cap, size_t *got, plait_read_info *out);

/** What a report tells. */
enum {
    PLAIT_REPORT_GIVEN_UP = 1, /**< of ours: a message, in a stream bytes. It may have arrived */
    PLAIT_REPORT_GAP = 2,      /**< of the peer's: will not come */
    PLAIT_REPORT_DROPPED = 3   /**< of the peer's: came and was dropped (drop_oldest); one report
                                    for what was dropped between two reads */
};

/** One loss, with PLAIT_TELL_REPORTS. */
typedef struct plait_channel_report {
    uint32_t kind;     /**< PLAIT_REPORT_* */
    uint32_t reserved; /**< 0 */
    uint64_t offset;   /**< where it began in its direction */
    uint64_t bytes;    /**< how many; of a gap with the frames of messages */
    uint64_t messages; /**< how many, 0 where only the bytes are known */
    uint64_t message;  /**< given up: which one, counting from 0 what was sent on this channel */
} plait_channel_report;

/** Takes the reports that wait, the oldest first. At most 64 are kept; what fell out is counted in
 *  the statistics (reports_missed). Works after the channel's end, too.
 *  out: [out] room for cap reports.  got: [out] how many; 0: none.
 *  [any-thread] [callback-ok]  Since 0.1. */
PLAIT_API plait_status plait_channel_take_reports(plait_node *node, plait_channel channel,
                                                  plait_channel_report *out, size_t cap,
                                                  size_t *got);

/** Shows what can be read, in place and in order: in a stream up to cap pieces, in a message
 *  channel the pieces of the next message. The memory is the library's and valid until
 *  plait_channel_consume or the end of the
 *  turn: the return of the callback, or the next plait_node_wait, dispatch, or blocking helper.
 *  slices: [out] room for cap pieces.  count: [out] how many.
 *    PLAIT_E_BUFFER  message channel: it has more pieces than cap; *count says how many
 *    PLAIT_E_STATE   as plait_channel_read; and on any other thread than the loop's
 *    PLAIT_E_AGAIN, PLAIT_E_END, PLAIT_E_RESET  as plait_channel_read
 *  [loop] [callback-ok]  Since 0.1. */
PLAIT_API plait_status plait_channel_peek(plait_node *node, plait_channel channel,
                                          plait_slice *slices, size_t cap, size_t *count);

/** Takes what was peeked.
 *  len: bytes; in a message channel exactly the message's size.
 *    PLAIT_E_INVALID  more than can be read, or not the message's size
 *  [loop] [callback-ok]  Since 0.1. */
PLAIT_API plait_status plait_channel_consume(plait_node *node, plait_channel channel, size_t len);

/** The label with which it was opened. The peer's label is the peer's text: treat it as such.
 *  buf, cap, len: as in plait_endpoint_uri.
 *    PLAIT_E_BUFFER  cap is too small; *len is set, nothing else
 *  [any-thread] [callback-ok]  Since 0.1. */
PLAIT_API plait_status plait_channel_label(plait_node *node, plait_channel channel, char *buf,
                                           size_t cap, size_t *len);

/** The configuration in force; of a request, as the peer proposes it.
 *  out: [in,out] struct_size is set by the caller.  [any-thread] [callback-ok]  Since 0.1. */
PLAIT_API plait_status plait_channel_get_config(plait_node *node, plait_channel channel,
                                                plait_channel_config *out);

/** Sets the value that comes back in this channel's events.  [any-thread] [callback-ok]  Since
 *  0.1. */
PLAIT_API plait_status plait_channel_set_token(plait_node *node, plait_channel channel,
                                               uint64_t token);

/** What a channel has done. */
typedef struct plait_channel_stats {
    uint32_t struct_size;        /**< [in] sizeof(plait_channel_stats) */
    uint32_t state;              /**< PLAIT_CHANNEL_* */
    plait_connection connection; /**< whose it is */
    uint64_t number;             /**< on the wire, the same on both sides */
    uint64_t bytes_sent;         /**< taken from the application */
    uint64_t bytes_acked;        /**< of these, in the peer's library; of messages once all before
                                      are acknowledged or given up */
    uint64_t bytes_resent;       /**< sent again */
    uint64_t bytes_received;     /**< each counted once */
    uint64_t bytes_read;         /**< taken by the application */
    uint64_t messages_sent;      /**< message channels */
    uint64_t messages_received;
    uint64_t messages_lost;      /**< sent, and given up */
    uint64_t messages_missing;   /**< of the peer's, that will not come */
    uint64_t messages_dropped;   /**< received, and dropped for newer ones (drop_oldest) */
    uint64_t send_queue;         /**< bytes taken and not acknowledged */
    uint64_t receive_queue;      /**< bytes received and not read */
    uint64_t send_limit;         /**< offset up to which the peer allows to send */
    uint64_t receive_limit;      /**< offset up to which this side allows */
    uint64_t bytes_lost;         /**< sent, and given up */
    uint64_t bytes_undelivered;  /**< thrown away by the end. When this side's sending has ended,
                                      bytes_sent = bytes_acked + bytes_lost + bytes_undelivered, and
                                      the same holds for messages */
    uint64_t bytes_missing;      /**< of the peer's, that will not come */
    uint64_t bytes_dropped;      /**< received, and dropped for newer ones */
    uint64_t messages_acked;     /**< in the peer's library */
    uint64_t messages_undelivered;
    uint64_t send_waiting;       /**< bytes taken and not sent yet */
    uint64_t receive_window;     /**< bytes that the peer may send ahead of reading */
    uint64_t reports;            /**< that wait for plait_channel_take_reports */
    uint64_t reports_missed;     /**< that fell out before */
    uint64_t send_epoch;         /**< how often its key for sending was changed */
    uint64_t receive_epoch;      /**< and that for receiving */
    uint64_t repairs_sent;       /**< forward error correction: repair symbols */
    uint64_t repair_bytes_sent;  /**< bytes of them */
    uint64_t repairs_received;
    uint64_t bytes_recovered;    /**< restored by them; in bytes_received, too */
    uint64_t messages_recovered; /**< of which a part at least was restored */
} plait_channel_stats;

/** Gives them. out: [in,out] struct_size is set by the caller.  [any-thread] [callback-ok]  Since
 *  0.1. */
PLAIT_API plait_status plait_channel_get_stats(plait_node *node, plait_channel channel,
                                               plait_channel_stats *out);

#ifdef __cplusplus
}
#endif
#endif
