// SPDX-License-Identifier: Apache-2.0
#include "crypto/mac.h"

#include "crypto/blake2b.h"

namespace plait::crypto {

namespace {

Mac keyed_mac(Bytes key, std::initializer_list<Bytes> parts) {
    Mac out;
    blake2b(key, parts, out);
    return out;
}

} // namespace

Mac1Key mac1_key(const Secret<32> *network_key, const X25519Public *responder) {
    constexpr X25519Public kUnknown{};
    Mac1Key out;
    blake2b(network_key != nullptr ? network_key->bytes() : Bytes(),
            {base::bytes_of("plait1 mac1"), responder != nullptr ? *responder : kUnknown},
            out.key.mut_bytes());
    return out;
}

Mac mac1(const Mac1Key &key, Bytes before) { return keyed_mac(key.key, {before}); }

bool verify_mac1(const Mac1Key &key, Bytes before, Bytes mac) {
    return equal_constant_time(mac1(key, before), mac);
}

Mac cookie(const Secret<32> &secret, Bytes context) { return keyed_mac(secret, {context}); }

Mac mac2(const Mac &cookie, Bytes message_and_mac1) {
    return keyed_mac(cookie, {message_and_mac1});
}

bool verify_mac2(const Mac &cookie, Bytes message_and_mac1, Bytes mac) {
    return equal_constant_time(mac2(cookie, message_and_mac1), mac);
}

std::array<uint8_t, kFragmentTagLen> fragment_tag(const Mac &cookie, Bytes before, Bytes after) {
    const Mac mac = keyed_mac(cookie, {before, after});
    std::array<uint8_t, kFragmentTagLen> out;
    std::memcpy(out.data(), mac.data(), out.size());
    return out;
}

bool verify_fragment_tag(const Mac &cookie, Bytes before, Bytes after, Bytes tag) {
    return equal_constant_time(fragment_tag(cookie, before, after), tag);
}

} // namespace plait::crypto
