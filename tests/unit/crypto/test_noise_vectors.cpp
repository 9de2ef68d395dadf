// SPDX-License-Identifier: Apache-2.0
// The public cacophony vectors, noise_cacophony.json.
#include "noise_vector.h"

#include <nlohmann/json.hpp>

#include <fstream>
#include <map>

using namespace plait::test;
using plait::crypto::Pattern;

namespace {

const std::map<std::string, Pattern> kNames = {
    {"Noise_IK_25519_ChaChaPoly_BLAKE2b", Pattern::kIK},
    {"Noise_XX_25519_ChaChaPoly_BLAKE2b", Pattern::kXX},
    {"Noise_IKpsk2_25519_ChaChaPoly_BLAKE2b", Pattern::kIKpsk2},
    {"Noise_XXpsk3_25519_ChaChaPoly_BLAKE2b", Pattern::kXXpsk3},
    {"Noise_NN_25519_ChaChaPoly_BLAKE2b", Pattern::kNN},
    {"Noise_KK_25519_ChaChaPoly_BLAKE2b", Pattern::kKK},
};

NoiseVector vector_of(const nlohmann::json &from) {
    const auto bytes = [&](const std::string &name) { return unhex(from.value(name, "")); };
    NoiseVector v;
    v.pattern = kNames.at(from.at("protocol_name"));
    const std::string names[2] = {"init_", "resp_"};
    for (size_t i = 0; i < 2; i++) {
        v.prologue[i] = bytes(names[i] + "prologue");
        v.s[i] = bytes(names[i] + "static");
        v.e[i] = bytes(names[i] + "ephemeral");
        v.remote_s[i] = bytes(names[i] + "remote_static");
    }
    if (from.contains("init_psks"))
        v.psk = unhex(from.at("init_psks").at(0).get<std::string>());
    v.hash = from.at("handshake_hash");
    for (const auto &message : from.at("messages"))
        v.messages.push_back({unhex(message.at("payload").get<std::string>()),
                              unhex(message.at("ciphertext").get<std::string>())});
    return v;
}

void test_noise_public_vectors_are_reproduced(void **) {
    std::ifstream file(PLAIT_VECTORS_DIR "/noise_cacophony.json");
    assert_true(file.good());
    std::map<Pattern, int> seen;
    const auto all = nlohmann::json::parse(file);
    for (const auto &one : all.at("vectors")) {
        if (!kNames.contains(one.at("protocol_name")))
            continue;
        const NoiseVector v = vector_of(one);
        check_vector(v);
        seen[v.pattern]++;
    }
    assert_int_equal(seen.size(), kNames.size());
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(test_noise_public_vectors_are_reproduced),
    };
    return cmocka_run_group_tests(tests, start_crypto, nullptr);
}
