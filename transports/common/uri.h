/* SPDX-License-Identifier: Apache-2.0 */
/* The little of URIs that transports need: "scheme://place?key=value&key=value". Header-only, so
 * that a plugin stays one module with one exported symbol. */
#ifndef PLAIT_TRANSPORTS_COMMON_URI_H
#define PLAIT_TRANSPORTS_COMMON_URI_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* A piece of somebody else's string; not terminated. */
typedef struct uri_text {
    const char *at;
    size_t len;
} uri_text;

typedef struct uri_parts {
    uri_text place; /* between "://" and '?' */
    uri_text query; /* after '?'; len 0 if there is none */
} uri_parts;

static inline bool uri_is(uri_text t, const char *word) {
    return t.len == strlen(word) && memcmp(t.at, word, t.len) == 0;
}

/* False if `uri` is not of this scheme. */
static inline bool uri_split(const char *uri, const char *scheme, uri_parts *out) {
    size_t n = strlen(scheme);
    if (strlen(uri) < n + 3 || memcmp(uri, scheme, n) != 0 || memcmp(uri + n, "://", 3) != 0) {
        return false;
    }
    const char *place = uri + n + 3;
    const char *mark = strchr(place, '?');
    out->place.at = place;
    out->place.len = mark != NULL ? (size_t)(mark - place) : strlen(place);
    out->query.at = mark != NULL ? mark + 1 : place + out->place.len;
    out->query.len = strlen(out->query.at);
    return true;
}

/* Takes the next "key=value" off the query; false at its end. A key without '=' has an empty value.
 * */
static inline bool uri_next_param(uri_text *query, uri_text *key, uri_text *value) {
    if (query->len == 0) {
        return false;
    }
    const char *amp = memchr(query->at, '&', query->len);
    size_t n = amp != NULL ? (size_t)(amp - query->at) : query->len;
    const char *eq = memchr(query->at, '=', n);
    key->at = query->at;
    key->len = eq != NULL ? (size_t)(eq - query->at) : n;
    value->at = query->at + (eq != NULL ? key->len + 1 : n);
    value->len = n - (size_t)(value->at - query->at);
    query->at += n + (amp != NULL ? 1 : 0);
    query->len -= n + (amp != NULL ? 1 : 0);
    return true;
}

/* A decimal number in [min, max]; nothing else before or after it. */
static inline bool uri_number(uri_text t, uint64_t min, uint64_t max, uint64_t *out) {
    uint64_t v = 0;
    if (t.len == 0 || t.len > 19) {
        return false;
    }
    for (size_t i = 0; i < t.len; i++) {
        if (t.at[i] < '0' || t.at[i] > '9') {
            return false;
        }
        v = v * 10 + (uint64_t)(t.at[i] - '0');
    }
    if (v < min || v > max) {
        return false;
    }
    *out = v;
    return true;
}

static inline int uri_hex(char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* Copies `t` with %XX resolved and a final zero byte into out[0..cap). False: does not fit, a
 * broken escape, or a zero byte in it. */
static inline bool uri_decode(uri_text t, char *out, size_t cap) {
    size_t n = 0;
    for (size_t i = 0; i < t.len; i++) {
        char c = t.at[i];
        if (c == '%') {
            int hi = t.len - i > 2 ? uri_hex(t.at[i + 1]) : -1;
            int lo = t.len - i > 2 ? uri_hex(t.at[i + 2]) : -1;
            if (hi < 0 || lo < 0) {
                return false;
            }
            c = (char)(hi * 16 + lo);
            i += 2;
        }
        if (c == '\0' || n + 1 >= cap) {
            return false;
        }
        out[n++] = c;
    }
    out[n] = '\0';
    return true;
}

#endif
