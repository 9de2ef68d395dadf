/* SPDX-License-Identifier: Apache-2.0 */
/** @file identity.h  Who a node is: an Ed25519 key pair.
 *
 *  The public key, 32 bytes, is the node id: it is what others connect to, and there is no other
 *  name. Its text form is base64url without padding, 43 characters. The private key stays in the
 *  identity, is wiped when that is freed, and leaves it only into a key file.
 *
 *      plait_identity_load_or_new("me.key", NULL, &me)      most programs need only this
 *
 *  A key file is a few lines of text, readable by its owner only (mode 0600). With a passphrase
 *  the key in it is encrypted (Argon2id, XChaCha20-Poly1305), which makes load and save take about
 *  a tenth of a second.
 *
 *  THREADS.  An identity is not changed after it was made: all functions but plait_identity_free
 *  may be called from any thread at any time. It does not belong to a node; a node keeps a copy of
 *  its own.
 */
#ifndef PLAIT_IDENTITY_H
#define PLAIT_IDENTITY_H
#include "plait/types.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    PLAIT_ID_SIZE = 32,     /**< bytes of a node id */
    PLAIT_ID_TEXT_SIZE = 44 /**< characters of its text form and the final zero byte */
};

/** A node id: an Ed25519 public key. Equal ids are equal bytes. */
typedef struct plait_id {
    uint8_t b[PLAIT_ID_SIZE];
} plait_id;

/** Makes a new identity from the system's randomness.
 *  out: [out] owned by the caller, who frees it with plait_identity_free.
 *    PLAIT_E_SYSTEM  the system gives no randomness
 *  [any-thread] [callback-ok]  Since 0.1. */
PLAIT_API plait_status plait_identity_new(plait_identity **out);

/** Makes the identity of a 32-byte secret seed (an Ed25519 private key as in RFC 8032), for
 *  applications that keep their keys elsewhere.
 *  seed: [in] 32 bytes, copied; the caller wipes them.  out: [out] owned by the caller.
 *    PLAIT_E_KEY  no usable key comes out of it
 *  [any-thread] [callback-ok]  Since 0.1. */
PLAIT_API plait_status plait_identity_from_seed(const uint8_t *seed, plait_identity **out);

/** Reads a key file.
 *  path: [in] its name.  passphrase: [in] or NULL: none. Ignored if the file has none.
 *  out: [out] owned by the caller.
 *    PLAIT_E_FILE        it is not there or cannot be read; the detail has the system's reason
 *    PLAIT_E_KEY_FILE    it is not a key file, of an unknown version, or damaged
 *    PLAIT_E_PASSPHRASE  it has a passphrase, and this one is missing or wrong
 *  Reads a file, and may take a tenth of a second: the loop waits meanwhile.
 *  [any-thread] [callback-ok]  Since 0.1. */
PLAIT_API plait_status plait_identity_load(const char *path, const char *passphrase,
                                           plait_identity **out);

/** Writes a key file, mode 0600. It is complete or not there: written beside and then renamed, an
 *  older one is replaced.
 *  identity: [in].  path: [in].  passphrase: [in] or NULL: none, whoever reads the file has the
 *  key.
 *    PLAIT_E_FILE  it cannot be written; the detail has the system's reason
 *  Writes a file.  [any-thread] [callback-ok]  Since 0.1. */
PLAIT_API plait_status plait_identity_save(const plait_identity *identity, const char *path,
                                           const char *passphrase);

/** Reads the key file if there is one, else makes an identity and saves it there. Parameters and
 *  statuses as of load and save: a file that is there but cannot be read is never overwritten.
 *  [any-thread] [callback-ok]  Since 0.1. */
PLAIT_API plait_status plait_identity_load_or_new(const char *path, const char *passphrase,
                                                  plait_identity **out);

/** Gives the node id.
 *  identity: [in].  out: [out].  [any-thread] [callback-ok]  Since 0.1. */
PLAIT_API plait_status plait_identity_id(const plait_identity *identity, plait_id *out);

/** Wipes the private key and frees the identity. Nodes made with it keep their own copy. NULL:
 *  nothing. Not while another thread uses it.  [any-thread] [callback-ok]  Since 0.1. */
PLAIT_API void plait_identity_free(plait_identity *identity);

/** Reads the text form of a node id.
 *  text: [in] 43 characters of base64url.  out: [out].
 *    PLAIT_E_NODE_ID  it is not exactly the text form of some id
 *  [any-thread] [callback-ok]  Since 0.1. */
PLAIT_API plait_status plait_id_parse(const char *text, plait_id *out);

/** Writes the text form of a node id, with a final zero byte.
 *  id: [in].  buf: [out] room for cap bytes; PLAIT_ID_TEXT_SIZE are needed.
 *    PLAIT_E_BUFFER  cap is smaller; nothing is written
 *  [any-thread] [callback-ok]  Since 0.1. */
PLAIT_API plait_status plait_id_format(const plait_id *id, char *buf, size_t cap);

#ifdef __cplusplus
}
#endif
#endif
