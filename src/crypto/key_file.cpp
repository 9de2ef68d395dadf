// SPDX-License-Identifier: Apache-2.0
// The key file's codec; the format is drawn in crypto/identity.h.
#include "crypto/base64.h"
#include "crypto/blake2b.h"
#include "crypto/identity.h"

#include <charconv>
#include <string>

namespace plait::crypto {

namespace {

constexpr std::string_view kVersionLine = "plait-key-1\n";
constexpr std::string_view kKdfName = "argon2id13";
constexpr size_t kSaltLen = crypto_pwhash_argon2id_SALTBYTES;
constexpr size_t kNonceLen = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES;
constexpr size_t kBoxLen = 32 + crypto_aead_xchacha20poly1305_ietf_ABYTES;
constexpr size_t kCheckLen = 16;

struct Kdf {
    uint64_t ops = 0, memory = 0;
    std::array<uint8_t, kSaltLen> salt{};
};

void append(std::vector<uint8_t> &out, std::string_view text) {
    out.insert(out.end(), text.begin(), text.end());
}

void append_base64(std::vector<uint8_t> &out, Bytes bytes) {
    char text[base64_size(kBoxLen) + 1]; // the box is the longest value
    to_base64(bytes, text);
    append(out, text);
    sodium_memzero(text, sizeof text);
}

std::array<uint8_t, kCheckLen> checksum(Bytes before) {
    std::array<uint8_t, kCheckLen> out;
    blake2b({}, {base::bytes_of("plait key file"), before}, out);
    return out;
}

// The lines of the file, taken apart into words.
class Lines {
  public:
    explicit Lines(std::string_view text, size_t start = 0) : text_(text), at_(start) {}
    // Begins the next line, which must start with `name` and a blank.
    bool begin(std::string_view name) {
        const size_t end = text_.find('\n', at_);
        if (!line_.empty() || end == std::string_view::npos)
            return false;
        line_ = text_.substr(at_, end - at_);
        at_ = end + 1;
        return word() == name;
    }
    // The line's next word; empty when there is none.
    std::string_view word() {
        const size_t end = line_.find(' ');
        const std::string_view out = line_.substr(0, end);
        line_ = end == std::string_view::npos ? std::string_view() : line_.substr(end + 1);
        return out;
    }
    bool number(uint64_t &out) {
        const std::string_view text = word();
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
        return error == std::errc() && end == text.data() + text.size();
    }
    size_t at() const { return at_; }
    bool done() const { return line_.empty() && at_ == text_.size(); }

  private:
    std::string_view text_, line_;
    size_t at_;
};

Status stretch(std::string_view passphrase, const Kdf &kdf, Secret<32> &key) {
    if (crypto_pwhash(key.data(), key.size(), passphrase.data(), passphrase.size(), kdf.salt.data(),
                      kdf.ops, static_cast<size_t>(kdf.memory),
                      crypto_pwhash_ALG_ARGON2ID13) != 0)
        return PLAIT_E_NO_MEMORY;
    return PLAIT_OK;
}

Status append_box(const Identity &identity, std::string_view passphrase, Entropy &entropy,
                  std::vector<uint8_t> &out) {
    Kdf kdf;
    kdf.ops = crypto_pwhash_argon2id_OPSLIMIT_INTERACTIVE;
    kdf.memory = crypto_pwhash_argon2id_MEMLIMIT_INTERACTIVE;
    entropy.fill(kdf.salt);
    std::array<uint8_t, kNonceLen> nonce;
    entropy.fill(nonce);
    Secret<32> key;
    if (const Status status = stretch(passphrase, kdf, key); status != PLAIT_OK)
        return status;
    append(out, "kdf ");
    append(out, kKdfName);
    append(out, " " + std::to_string(kdf.ops) + " " + std::to_string(kdf.memory) + " ");
    append_base64(out, kdf.salt);
    append(out, "\n");
    std::array<uint8_t, kBoxLen> box;
    crypto_aead_xchacha20poly1305_ietf_encrypt(box.data(), nullptr, identity.seed().data(), 32,
                                               out.data(), out.size(), nullptr, nonce.data(),
                                               key.data());
    append(out, "box ");
    append_base64(out, nonce);
    append(out, " ");
    append_base64(out, box);
    append(out, "\n");
    return PLAIT_OK;
}

// Reads the lines kdf and box; `lines` has not begun the first of them.
Status read_box(Lines &lines, std::string_view text, std::string_view passphrase,
                Secret<32> &seed) {
    Kdf kdf;
    if (!lines.begin("kdf") || lines.word() != kKdfName || !lines.number(kdf.ops) ||
        !lines.number(kdf.memory) || !from_base64(lines.word(), std::span(kdf.salt)))
        return PLAIT_E_KEY_FILE;
    if (kdf.ops < crypto_pwhash_argon2id_OPSLIMIT_MIN || kdf.ops > kKeyFileOpsMax ||
        kdf.memory < crypto_pwhash_argon2id_MEMLIMIT_MIN || kdf.memory > kKeyFileMemoryMax)
        return PLAIT_E_KEY_FILE;
    const Bytes aad = base::bytes_of(text.substr(0, lines.at()));
    std::array<uint8_t, kNonceLen> nonce;
    std::array<uint8_t, kBoxLen> box;
    if (!lines.begin("box") || !from_base64(lines.word(), std::span(nonce)) ||
        !from_base64(lines.word(), std::span(box)))
        return PLAIT_E_KEY_FILE;
    if (passphrase.empty())
        return PLAIT_E_PASSPHRASE;
    Secret<32> key;
    if (const Status status = stretch(passphrase, kdf, key); status != PLAIT_OK)
        return status;
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(seed.data(), nullptr, nullptr, box.data(),
                                                   box.size(), aad.data(), aad.size(), nonce.data(),
                                                   key.data()) != 0)
        return PLAIT_E_PASSPHRASE;
    return PLAIT_OK;
}

// The part of `text` before its last line, if that line is the right checksum; else empty.
std::string_view checked_part(std::string_view text) {
    if (text.size() > kKeyFileBytesMax || !text.starts_with(kVersionLine) || text.back() != '\n')
        return {};
    const std::string_view body = text.substr(0, text.rfind('\n', text.size() - 2) + 1);
    Lines last(text.substr(body.size()));
    std::array<uint8_t, kCheckLen> check;
    if (!last.begin("check") || !from_base64(last.word(), std::span(check)) || !last.done() ||
        check != checksum(base::bytes_of(body)))
        return {};
    return body;
}

} // namespace

Status encode_key_file(const Identity &identity, std::string_view passphrase, Entropy &entropy,
                       std::vector<uint8_t> &out) {
    out.clear();
    out.reserve(kKeyFileBytesMax); // growing would leave copies of the seed behind
    append(out, kVersionLine);
    append(out, "id ");
    append(out, to_text(identity.id()).data());
    append(out, "\n");
    if (passphrase.empty()) {
        append(out, "seed ");
        append_base64(out, identity.seed());
        append(out, "\n");
    } else if (const Status status = append_box(identity, passphrase, entropy, out);
               status != PLAIT_OK) {
        out.clear();
        return status;
    }
    const auto check = checksum(out);
    append(out, "check ");
    append_base64(out, check);
    append(out, "\n");
    return PLAIT_OK;
}

Result<Identity> decode_key_file(Bytes file, std::string_view passphrase) {
    const std::string_view text = checked_part(base::text_of(file));
    if (text.empty())
        return Error{PLAIT_E_KEY_FILE};
    Lines lines(text, kVersionLine.size());
    if (!lines.begin("id"))
        return Error{PLAIT_E_KEY_FILE};
    const auto id = node_id_from_text(lines.word());
    if (!id)
        return Error{PLAIT_E_KEY_FILE};
    Secret<32> seed;
    Lines plain = lines;
    if (plain.begin("seed")) {
        lines = plain;
        if (!from_base64(lines.word(), std::span<uint8_t, 32>(seed.data(), 32)))
            return Error{PLAIT_E_KEY_FILE};
    } else if (const Status status = read_box(lines, text, passphrase, seed); status != PLAIT_OK) {
        return Error{status};
    }
    if (!lines.done())
        return Error{PLAIT_E_KEY_FILE};
    auto identity = Identity::from_seed(std::span<const uint8_t, 32>(seed.data(), 32));
    if (!identity || identity->id() != *id)
        return Error{PLAIT_E_KEY_FILE};
    return identity;
}

} // namespace plait::crypto
