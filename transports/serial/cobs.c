/* SPDX-License-Identifier: Apache-2.0 */
#include "cobs.h"

enum { kBlock = 254 }; /* data bytes that one code byte stands for at most */

uint32_t frame_crc32(uint32_t crc, const uint8_t *data, size_t n) {
    /* Half a byte at a time: 64 bytes of table, and still far faster than any serial line. */
    static const uint32_t table[16] = {
        0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
        0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
        0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
    };
    crc = ~crc;
    for (size_t i = 0; i < n; i++) {
        crc ^= data[i];
        crc = table[crc & 15] ^ (crc >> 4);
        crc = table[crc & 15] ^ (crc >> 4);
    }
    return ~crc;
}

size_t frame_bound(size_t n) {
    n += kFrameCrcBytes;
    return n + n / kBlock + 1 + 1;
}

/* The stuffing of one run of bytes, continued over several pieces. */
typedef struct stuffer {
    uint8_t *out;
    size_t code, at; /* where the open block's code byte stands, and where the next byte goes */
} stuffer;

static void stuff(stuffer *s, const uint8_t *data, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (s->at - s->code > kBlock) { /* a full block: no zero is meant after it */
            s->out[s->code] = 255;
            s->code = s->at++;
        }
        if (data[i] == 0) {
            s->out[s->code] = (uint8_t)(s->at - s->code);
            s->code = s->at++;
        } else {
            s->out[s->at++] = data[i];
        }
    }
}

size_t frame_encode(const uint8_t *data, size_t n, uint8_t *out) {
    uint32_t crc = frame_crc32(0, data, n);
    const uint8_t tail[kFrameCrcBytes] = {(uint8_t)crc, (uint8_t)(crc >> 8), (uint8_t)(crc >> 16),
                                          (uint8_t)(crc >> 24)};
    stuffer s = {out, 0, 1};
    stuff(&s, data, n);
    stuff(&s, tail, sizeof tail);
    out[s.code] = (uint8_t)(s.at - s.code);
    out[s.at++] = 0;
    return s.at;
}

/* Undoes the stuffing in place. False: a code byte of zero, or one that points beyond the end. */
static int unstuff(uint8_t *buf, size_t n, size_t *len) {
    size_t in = 0, out = 0;
    while (in < n) {
        size_t code = buf[in];
        if (code == 0 || code > n - in) {
            return 0;
        }
        for (size_t i = 1; i < code; i++) {
            if (buf[in + i] == 0) {
                return 0;
            }
            buf[out++] = buf[in + i];
        }
        in += code;
        if (code != 255 && in < n) {
            buf[out++] = 0;
        }
    }
    *len = out;
    return 1;
}

frame_result frame_decode(uint8_t *buf, size_t n, size_t *len) {
    size_t got;
    *len = 0;
    if (n == 0) {
        return FRAME_EMPTY;
    }
    if (!unstuff(buf, n, &got) || got <= kFrameCrcBytes) {
        return FRAME_DAMAGED;
    }
    got -= kFrameCrcBytes;
    uint32_t crc = (uint32_t)buf[got] | (uint32_t)buf[got + 1] << 8 |
                   (uint32_t)buf[got + 2] << 16 | (uint32_t)buf[got + 3] << 24;
    if (crc != frame_crc32(0, buf, got)) {
        return FRAME_DAMAGED;
    }
    *len = got;
    return FRAME_OK;
}
