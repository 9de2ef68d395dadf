// SPDX-License-Identifier: Apache-2.0
// A context here is a pointer to libcrypto's own, which is kept from key to key: only the first
// one takes memory. None of these calls fails but for want of memory or through wrong arguments,
// except the last step of opening.
#include "crypto/aead.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>

namespace plait::crypto {

namespace {

// libcrypto with its built-in algorithms alone: neither the configuration file of the machine nor
// what the application has set up there is read. Made once, by crypto::init(), then only read, and
// never freed: a thread of ours may still be sealing while the program exits.
struct Library {
    OSSL_LIB_CTX *context = OSSL_LIB_CTX_new();
    EVP_CIPHER *aes = EVP_CIPHER_fetch(context, "AES-256-GCM", nullptr);
    EVP_CIPHER *chacha = EVP_CIPHER_fetch(context, "ChaCha20-Poly1305", nullptr);
};

const Library &library() {
    static const Library &lib = *new Library;
    return lib;
}

EVP_CIPHER_CTX *&pointer(AeadContext &context) {
    return *reinterpret_cast<EVP_CIPHER_CTX **>(context.b);
}
EVP_CIPHER_CTX *pointer(const AeadContext &context) {
    return *reinterpret_cast<EVP_CIPHER_CTX *const *>(context.b);
}

// AES without instructions for it is slow and tells its key by the time it takes: whether the
// processor has them is libsodium's to say.
bool available(Cipher cipher) {
    switch (cipher) {
    case Cipher::kChaCha20Poly1305: return library().chacha != nullptr;
    case Cipher::kAes256Gcm: return library().aes != nullptr && kSodiumAead.available(cipher);
    }
    return false;
}

void set(AeadContext &context, Cipher cipher, const Secret<kPacketKeyLen> &key) {
    EVP_CIPHER_CTX *&c = pointer(context);
    if (!c)
        c = EVP_CIPHER_CTX_new();
    const EVP_CIPHER *wanted = cipher == Cipher::kAes256Gcm ? library().aes : library().chacha;
    const bool kept = c && EVP_CIPHER_CTX_get0_cipher(c) == wanted;
    const int done =
        c ? EVP_EncryptInit_ex(c, kept ? nullptr : wanted, nullptr, key.data(), nullptr) : 0;
    PLAIT_ASSERT(done == 1);
}

void wipe_context(AeadContext &context) {
    EVP_CIPHER_CTX_free(pointer(context)); // overwrites the key
    pointer(context) = nullptr;
}

bool start(EVP_CIPHER_CTX *c, const AeadNonce &nonce, Bytes aad, int seals) {
    int n = 0;
    return EVP_CipherInit_ex(c, nullptr, nullptr, nullptr, nonce.b, seals) == 1 &&
           (aad.empty() ||
            EVP_CipherUpdate(c, nullptr, &n, aad.data(), static_cast<int>(aad.size())) == 1);
}

bool text(EVP_CIPHER_CTX *c, Bytes in, uint8_t *out) {
    int n = 0;
    return in.empty() || EVP_CipherUpdate(c, out, &n, in.data(), static_cast<int>(in.size())) == 1;
}

void seal_with(const AeadContext &context, Cipher, const AeadNonce &nonce, Bytes aad,
               Bytes plaintext, uint8_t *out) {
    EVP_CIPHER_CTX *const c = pointer(context);
    uint8_t *tag = out + plaintext.size();
    OSSL_PARAM get_tag[] = {
        OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, tag, kTagLen),
        OSSL_PARAM_construct_end()};
    int n = 0;
    const bool done = start(c, nonce, aad, 1) && text(c, plaintext, out) &&
                      EVP_CipherFinal_ex(c, tag, &n) == 1 &&
                      EVP_CIPHER_CTX_get_params(c, get_tag) == 1;
    PLAIT_ASSERT(done);
}

Status open_with(const AeadContext &context, Cipher, const AeadNonce &nonce, Bytes aad,
                 MutBytes in_place) {
    EVP_CIPHER_CTX *const c = pointer(context);
    const MutBytes body = in_place.first(in_place.size() - kTagLen);
    uint8_t *tag = body.data() + body.size();
    const OSSL_PARAM set_tag[] = {
        OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, tag, kTagLen),
        OSSL_PARAM_construct_end()};
    int n = 0;
    const bool begun = start(c, nonce, aad, 0) && EVP_CIPHER_CTX_set_params(c, set_tag) == 1 &&
                       text(c, body, body.data());
    PLAIT_ASSERT(begun);
    uint8_t nothing[kTagLen];
    if (EVP_CipherFinal_ex(c, nothing, &n) == 1)
        return PLAIT_OK;
    crypto::wipe(body);
    return PLAIT_E_AUTH;
}

} // namespace

const AeadProvider kOpensslAead = {"libcrypto", available, set, wipe_context, seal_with, open_with};

} // namespace plait::crypto
