// SPDX-License-Identifier: Apache-2.0
#include "crypto/e.h"

#include "crypto/blake2b.h"

namespace plait::crypto {

bool equal_constant_time(Bytes a, Bytes b) {
    return a.size() == b.size() && (a.empty() || sodium_memcmp(a.data(), b.data(), a.size()) == 0);
}

void expand(Bytes key, std::string_view label, Bytes ctx, MutBytes out) {
    expand(key, label, {ctx}, out);
}

void expand(Bytes key, std::string_view label, std::initializer_list<Bytes> ctx, MutBytes out) {
    PLAIT_ASSERT(!key.empty() && label.size() <= kExpandLabelMax);
    const uint8_t length = static_cast<uint8_t>(label.size());
    Blake2b hash(key, out.size());
    hash.add({&length, 1}).add(base::bytes_of(label));
    for (Bytes part : ctx)
        hash.add(part);
    hash.finish(out);
}

} // namespace plait::crypto
