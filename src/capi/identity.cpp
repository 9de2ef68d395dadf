// SPDX-License-Identifier: Apache-2.0
#include "plait/identity.h"

#include "capi/capi.h"
#include "capi/key_file.h"
#include "crypto/init.h"

using namespace plait;
using namespace plait::capi;

namespace {

crypto::NodeId from_c(const plait_id &id) {
    crypto::NodeId out;
    std::copy_n(id.b, PLAIT_ID_SIZE, out.b.begin());
    return out;
}

plait_id to_c(const crypto::NodeId &id) {
    plait_id out;
    std::copy(id.b.begin(), id.b.end(), out.b);
    return out;
}

Status give(Result<crypto::Identity> identity, plait_identity **out) {
    if (!identity)
        return identity.status();
    *out = new plait_identity{std::move(identity).value()};
    return PLAIT_OK;
}

std::string_view text_or_empty(const char *text) { return text != nullptr ? text : ""; }

Status load(const char *path, const char *passphrase, plait_identity **out) {
    std::vector<uint8_t> bytes;
    Status status = read_secret_file(path, crypto::kKeyFileBytesMax, bytes);
    if (status == PLAIT_OK) {
        status = give(crypto::decode_key_file(bytes, text_or_empty(passphrase)), out);
        if (status != PLAIT_OK)
            fail(status, "%s: %s", path, base::status_text(status));
    }
    crypto::wipe(bytes);
    return status;
}

Status save(const crypto::Identity &identity, const char *path, const char *passphrase,
            Replace replace) {
    runtime::SystemEntropy entropy;
    std::vector<uint8_t> bytes;
    Status status = crypto::encode_key_file(identity, text_or_empty(passphrase), entropy, bytes);
    if (status == PLAIT_OK)
        status = write_secret_file(path, bytes, replace);
    crypto::wipe(bytes);
    return status;
}

} // namespace

plait_status plait_identity_new(plait_identity **out) {
    return guard(__func__, [&]() -> plait_status {
        if (out == nullptr)
            return null_argument("plait_identity_new", "out");
        if (const Status status = crypto::init(); status != PLAIT_OK)
            return status;
        runtime::SystemEntropy entropy;
        return give(crypto::Identity::generate(entropy), out);
    });
}

plait_status plait_identity_from_seed(const uint8_t *seed, plait_identity **out) {
    return guard(__func__, [&]() -> plait_status {
        if (seed == nullptr || out == nullptr)
            return null_argument("plait_identity_from_seed", seed == nullptr ? "seed" : "out");
        if (const Status status = crypto::init(); status != PLAIT_OK)
            return status;
        return give(crypto::Identity::from_seed(std::span<const uint8_t, 32>(seed, 32)), out);
    });
}

plait_status plait_identity_load(const char *path, const char *passphrase, plait_identity **out) {
    return guard(__func__, [&]() -> plait_status {
        if (path == nullptr || out == nullptr)
            return null_argument("plait_identity_load", path == nullptr ? "path" : "out");
        if (const Status status = crypto::init(); status != PLAIT_OK)
            return status;
        const Status status = load(path, passphrase, out);
        return status == PLAIT_E_NOT_FOUND ? PLAIT_E_FILE : status;
    });
}

plait_status plait_identity_save(const plait_identity *identity, const char *path,
                                 const char *passphrase) {
    return guard(__func__, [&]() -> plait_status {
        if (identity == nullptr || path == nullptr)
            return null_argument("plait_identity_save", identity == nullptr ? "identity" : "path");
        return save(identity->identity, path, passphrase, Replace::kYes);
    });
}

plait_status plait_identity_load_or_new(const char *path, const char *passphrase,
                                        plait_identity **out) {
    return guard(__func__, [&]() -> plait_status {
        if (path == nullptr || out == nullptr)
            return null_argument("plait_identity_load_or_new", path == nullptr ? "path" : "out");
        if (const Status status = crypto::init(); status != PLAIT_OK)
            return status;
        Status status = load(path, passphrase, out);
        if (status != PLAIT_E_NOT_FOUND)
            return status;
        runtime::SystemEntropy entropy;
        auto fresh = crypto::Identity::generate(entropy);
        if (!fresh)
            return fresh.status();
        status = save(*fresh, path, passphrase, Replace::kNo);
        if (status == PLAIT_E_EXISTS)
            return load(path, passphrase, out); // another process was faster
        return status == PLAIT_OK ? give(std::move(fresh), out) : status;
    });
}

plait_status plait_identity_id(const plait_identity *identity, plait_id *out) {
    return guard(__func__, [&]() -> plait_status {
        if (identity == nullptr || out == nullptr)
            return null_argument("plait_identity_id", identity == nullptr ? "identity" : "out");
        *out = to_c(identity->identity.id());
        return PLAIT_OK;
    });
}

void plait_identity_free(plait_identity *identity) { delete identity; }

plait_status plait_id_parse(const char *text, plait_id *out) {
    return guard(__func__, [&]() -> plait_status {
        if (text == nullptr || out == nullptr)
            return null_argument("plait_id_parse", text == nullptr ? "text" : "out");
        const auto id = crypto::node_id_from_text(text);
        if (!id)
            return fail(id.status(), "\"%.60s\" is not a node id (43 characters of base64url)",
                        text);
        *out = to_c(*id);
        return PLAIT_OK;
    });
}

plait_status plait_id_format(const plait_id *id, char *buf, size_t cap) {
    return guard(__func__, [&]() -> plait_status {
        if (id == nullptr || buf == nullptr)
            return null_argument("plait_id_format", id == nullptr ? "id" : "buf");
        return put_text("plait_id_format", crypto::to_text(from_c(*id)).data(), buf, cap, nullptr);
    });
}
