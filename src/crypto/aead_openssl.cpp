// SPDX-License-Identifier: Apache-2.0
// libcrypto's ciphers are called through the table of functions that its default provider publishes
// (provider-cipher(7)), not through EVP: that finds parameters by name and asks for the nonce's
// length anew for each message, which takes as long as AES takes for 300 bytes of one.
//
// A context here is a pointer to the provider's own, which is kept from key to key: only the first
// one takes memory. None of these calls fails but for want of memory or through wrong arguments,
// except the last step of opening.
#include "crypto/aead.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/params.h>
#include <openssl/provider.h>

namespace plait::crypto {

namespace {

struct Functions {
    OSSL_FUNC_cipher_newctx_fn *make = nullptr;
    OSSL_FUNC_cipher_freectx_fn *free = nullptr;
    OSSL_FUNC_cipher_encrypt_init_fn *begin_seal = nullptr;
    OSSL_FUNC_cipher_decrypt_init_fn *begin_open = nullptr;
    OSSL_FUNC_cipher_update_fn *update = nullptr;
    OSSL_FUNC_cipher_final_fn *finish = nullptr;
    OSSL_FUNC_cipher_get_ctx_params_fn *get = nullptr;
    OSSL_FUNC_cipher_set_ctx_params_fn *set = nullptr;
    void *provider = nullptr; // its context

    Functions() = default;
    Functions(const OSSL_DISPATCH *table, void *of_provider) : provider(of_provider) {
        for (const OSSL_DISPATCH *f = table; f->function_id != 0; f++)
            switch (f->function_id) {
            case OSSL_FUNC_CIPHER_NEWCTX: make = OSSL_FUNC_cipher_newctx(f); break;
            case OSSL_FUNC_CIPHER_FREECTX: free = OSSL_FUNC_cipher_freectx(f); break;
            case OSSL_FUNC_CIPHER_ENCRYPT_INIT:
                begin_seal = OSSL_FUNC_cipher_encrypt_init(f);
                break;
            case OSSL_FUNC_CIPHER_DECRYPT_INIT:
                begin_open = OSSL_FUNC_cipher_decrypt_init(f);
                break;
            case OSSL_FUNC_CIPHER_UPDATE: update = OSSL_FUNC_cipher_update(f); break;
            case OSSL_FUNC_CIPHER_FINAL: finish = OSSL_FUNC_cipher_final(f); break;
            case OSSL_FUNC_CIPHER_GET_CTX_PARAMS: get = OSSL_FUNC_cipher_get_ctx_params(f); break;
            case OSSL_FUNC_CIPHER_SET_CTX_PARAMS: set = OSSL_FUNC_cipher_set_ctx_params(f); break;
            default: break;
            }
    }
    bool complete() const {
        return make && free && begin_seal && begin_open && update && finish && get && set;
    }
};

// `names` is a list with colons.
bool is_named(std::string_view names, std::string_view name) {
    for (;;) {
        const size_t colon = names.find(':');
        if (names.substr(0, colon) == name)
            return true;
        if (colon == std::string_view::npos)
            return false;
        names.remove_prefix(colon + 1);
    }
}

// libcrypto with its built-in algorithms alone: neither the configuration file of the machine nor
// what the application has set up there is read. Made once, by crypto::init(), then only read, and
// never freed: a thread of ours may still be sealing while the program exits.
struct Library {
    OSSL_LIB_CTX *context = OSSL_LIB_CTX_new();
    OSSL_PROVIDER *provider = context ? OSSL_PROVIDER_load(context, "default") : nullptr;
    Functions aes = find("AES-256-GCM");
    Functions chacha = find("ChaCha20-Poly1305");

    Functions find(std::string_view name) const {
        int no_cache = 0;
        const OSSL_ALGORITHM *a =
            provider ? OSSL_PROVIDER_query_operation(provider, OSSL_OP_CIPHER, &no_cache) : nullptr;
        for (; a && a->algorithm_names; a++)
            if (is_named(a->algorithm_names, name))
                return {a->implementation, OSSL_PROVIDER_get0_provider_ctx(provider)};
        return {};
    }
    const Functions &of(Cipher cipher) const { return cipher == Cipher::kAes256Gcm ? aes : chacha; }
};

const Library &library() {
    static const Library &lib = *new Library;
    return lib;
}

// What lies in an AeadContext.
struct Place {
    const Functions *functions;
    void *cipher;
};
static_assert(sizeof(Place) <= AeadContext::kLen);

Place &place(AeadContext &context) {
    return *reinterpret_cast<Place *>(context.b);
}
const Place &place(const AeadContext &context) {
    return *reinterpret_cast<const Place *>(context.b);
}

// AES without instructions for it is slow and tells its key by the time it takes: whether the
// processor has them is libsodium's to say.
bool available(Cipher cipher) {
    switch (cipher) {
    case Cipher::kChaCha20Poly1305: return library().chacha.complete();
    case Cipher::kAes256Gcm: return library().aes.complete() && kSodiumAead.available(cipher);
    }
    return false;
}

void wipe_context(AeadContext &context) {
    Place &p = place(context);
    if (p.cipher)
        p.functions->free(p.cipher); // overwrites the key
    p = {};
}

void set(AeadContext &context, Cipher cipher, const Secret<kPacketKeyLen> &key) {
    Place &p = place(context);
    const Functions &f = library().of(cipher);
    if (p.functions != &f) {
        wipe_context(context);
        p = {&f, f.make(f.provider)};
    }
    const bool done =
        p.cipher && f.begin_seal(p.cipher, key.data(), key.size(), nullptr, 0, nullptr) == 1;
    PLAIT_ASSERT(done);
}

bool update(const Place &p, Bytes in, uint8_t *out) {
    size_t n = 0;
    return in.empty() ||
           p.functions->update(p.cipher, out, &n, in.size(), in.data(), in.size()) == 1;
}

void seal_with(const AeadContext &context, Cipher, const AeadNonce &nonce, Bytes aad,
               Bytes plaintext, uint8_t *out) {
    const Place &p = place(context);
    uint8_t *tag = out + plaintext.size();
    OSSL_PARAM get_tag[] = {
        OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, tag, kTagLen),
        OSSL_PARAM_construct_end()};
    size_t n = 0;
    const bool done =
        p.functions->begin_seal(p.cipher, nullptr, 0, nonce.b, sizeof nonce.b, nullptr) == 1 &&
        update(p, aad, nullptr) && update(p, plaintext, out) &&
        p.functions->finish(p.cipher, tag, &n, kTagLen) == 1 &&
        p.functions->get(p.cipher, get_tag) == 1;
    PLAIT_ASSERT(done);
}

Status open_with(const AeadContext &context, Cipher, const AeadNonce &nonce, Bytes aad,
                 MutBytes in_place) {
    const Place &p = place(context);
    const MutBytes body = in_place.first(in_place.size() - kTagLen);
    const OSSL_PARAM set_tag[] = {OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG,
                                                                    body.data() + body.size(),
                                                                    kTagLen),
                                  OSSL_PARAM_construct_end()};
    const bool begun =
        p.functions->begin_open(p.cipher, nullptr, 0, nonce.b, sizeof nonce.b, nullptr) == 1 &&
        p.functions->set(p.cipher, set_tag) == 1 && update(p, aad, nullptr) &&
        update(p, body, body.data());
    PLAIT_ASSERT(begun);
    uint8_t nothing[kTagLen];
    size_t n = 0;
    if (p.functions->finish(p.cipher, nothing, &n, sizeof nothing) == 1)
        return PLAIT_OK;
    crypto::wipe(body);
    return PLAIT_E_AUTH;
}

} // namespace

const AeadProvider kOpensslAead = {"libcrypto", available, set, wipe_context, seal_with, open_with};

} // namespace plait::crypto
