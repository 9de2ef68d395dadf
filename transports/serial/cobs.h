/* SPDX-License-Identifier: Apache-2.0 */
/* Datagrams on a stream of bytes: Consistent Overhead Byte Stuffing with a CRC-32. Pure functions.
 *
 *      datagram (1 .. n bytes)  |  CRC-32 of it, little-endian      -- COBS -->   no zero byte in
 *      it  |  0
 *
 * A zero byte on the line always ends a frame, so a receiver that starts in the middle, or has lost
 * bytes, is in step again at the next zero. COBS adds one byte for each 254 at most.
 *
 * Why 32 bits of CRC: plait authenticates every packet, but the transport may also carry what is
 * not its own; on 1,000 damaged frames a day 16 bits let one through in two months, 32 bits in ten
 * thousand years, for two bytes a frame (under 1 % at 115200 baud). It is the CRC of zlib and of
 * most microcontrollers. */
#ifndef PLAIT_TRANSPORTS_SERIAL_COBS_H
#define PLAIT_TRANSPORTS_SERIAL_COBS_H
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { kFrameCrcBytes = 4 };

typedef enum frame_result {
    FRAME_OK,
    FRAME_EMPTY,   /* nothing between two zeros: idle, not an error */
    FRAME_DAMAGED, /* broken stuffing, too short, or a wrong CRC */
} frame_result;

/* CRC-32/ISO-HDLC (zlib's). `crc` continues an earlier result; begin with 0. */
uint32_t frame_crc32(uint32_t crc, const uint8_t *data, size_t n);

/* Bytes that frame_encode writes for n bytes of datagram, at most. */
size_t frame_bound(size_t n);

/* Writes the frame of data[0..n) and its final zero to out, which has frame_bound(n) bytes and does
 * not overlap data. Returns its length. */
size_t frame_encode(const uint8_t *data, size_t n, uint8_t *out);

/* Decodes in place what stood between two zero bytes, buf[0..n), without them. On FRAME_OK the
 * datagram is buf[0..*len) and *len >= 1. Any input is safe. */
frame_result frame_decode(uint8_t *buf, size_t n, size_t *len);

#ifdef __cplusplus
}
#endif
#endif
