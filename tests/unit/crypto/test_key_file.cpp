// SPDX-License-Identifier: Apache-2.0
#include "crypto/identity.h"
#include "support.h"

#include <sodium.h>

using namespace plait;
using namespace plait::crypto;
using namespace plait::test;

namespace {

struct Files {
    Identity identity;
    std::vector<uint8_t> plain, locked;
};

int make_files(void **state) {
    if (start_crypto(state) != 0)
        return 1;
    static Files files; // cmocka's state outlives no frame of ours
    SeededEntropy entropy(42);
    files.identity = std::move(Identity::generate(entropy)).value();
    if (encode_key_file(files.identity, "", entropy, files.plain) != PLAIT_OK ||
        encode_key_file(files.identity, "correct horse", entropy, files.locked) != PLAIT_OK)
        return 1;
    *state = &files;
    return 0;
}

const Files &of(void **state) { return *static_cast<const Files *>(*state); }

Status decode(Bytes file, std::string_view passphrase) {
    return decode_key_file(file, passphrase).status();
}

// Replaces `from` in the file and corrects the checksum, which has no key: what a deliberate change
// looks like.
std::vector<uint8_t> edited(const std::vector<uint8_t> &file, std::string_view from,
                            std::string_view to) {
    std::string text(base::text_of(file));
    text.erase(text.rfind("check "));
    text.replace(text.find(from), from.size(), to);
    const std::string hashed = "plait key file" + text;
    NodeId sum; // 16 bytes of it used: 22 characters, and the last one's spare bits are zero
    crypto_generichash(sum.b.data(), 16, base::bytes_of(hashed).data(), hashed.size(), nullptr, 0);
    text += "check " + std::string(to_text(sum).data(), 22) + "\n";
    return {text.begin(), text.end()};
}

bool contains(const std::vector<uint8_t> &file, std::string_view text) {
    return base::text_of(file).find(text) != std::string_view::npos;
}

void test_key_file_plain_round_trip(void **state) {
    const auto &f = of(state);
    const auto back = decode_key_file(f.plain, "");
    assert_true(back.ok());
    assert_true(back->id() == f.identity.id());
    assert_true(back->seed() == f.identity.seed());
    assert_true(back->x25519_secret() == f.identity.x25519_secret());
    assert_true(base::text_of(f.plain).starts_with("plait-key-1\nid "));
    assert_true(contains(f.plain, to_text(f.identity.id()).data()));
    // A passphrase that the file does not have is of no matter.
    assert_int_equal(decode(f.plain, "unneeded"), PLAIT_OK);
}

void test_key_file_with_passphrase_round_trip(void **state) {
    const auto &f = of(state);
    const auto back = decode_key_file(f.locked, "correct horse");
    assert_true(back.ok());
    assert_true(back->seed() == f.identity.seed());
    NodeId as_id; // the seed's own text, which must not be in the file
    std::memcpy(as_id.b.data(), f.identity.seed().data(), 32);
    assert_true(contains(f.plain, to_text(as_id).data()));
    assert_false(contains(f.locked, to_text(as_id).data()));
}

void test_key_file_wrong_or_missing_passphrase_is_told(void **state) {
    const auto &f = of(state);
    assert_int_equal(decode(f.locked, ""), PLAIT_E_PASSPHRASE);
    assert_int_equal(decode(f.locked, "correct Horse"), PLAIT_E_PASSPHRASE);
}

void test_key_file_each_byte_damaged_is_told(void **state) {
    // With a wrong passphrase given, so that reaching Argon2id would give another status.
    for (const auto *file : {&of(state).plain, &of(state).locked})
        for (size_t i = 0; i < file->size(); i++)
            for (const int flip : {0x01, 0x20, 0x80}) {
                auto bad = *file;
                bad[i] = static_cast<uint8_t>(bad[i] ^ flip);
                assert_int_equal(decode(bad, ""), PLAIT_E_KEY_FILE);
            }
}

void test_key_file_cut_or_longer_is_told(void **state) {
    const auto &plain = of(state).plain;
    for (size_t n = 0; n < plain.size(); n++)
        assert_int_equal(decode(Bytes(plain).first(n), ""), PLAIT_E_KEY_FILE);
    auto longer = plain;
    longer.push_back('\n');
    assert_int_equal(decode(longer, ""), PLAIT_E_KEY_FILE);
    longer.resize(kKeyFileBytesMax + 1, 'x');
    assert_int_equal(decode(longer, ""), PLAIT_E_KEY_FILE);
}

void test_key_file_of_other_content_is_told(void **) {
    for (const char *text : {"", "\n", "plait-key-1", "plait-key-1\n", "plait-key-2\n",
                             "plait-key-1\ncheck \n", "plait-key-1\n\n\n", "-----BEGIN KEY-----\n"})
        assert_int_equal(decode(base::bytes_of(text), ""), PLAIT_E_KEY_FILE);
}

// With a right checksum these reach the checks behind it.
void test_key_file_edited_with_right_checksum_is_refused(void **state) {
    const auto &f = of(state);
    assert_int_equal(decode(edited(f.plain, "id ", "id "), ""), PLAIT_OK);
    const struct {
        const std::vector<uint8_t> &file;
        const char *from, *to;
    } cases[] = {
        {f.plain, "id ", "id x"},
        {f.plain, "id ", "name "},
        {f.plain, "seed ", "seed A"},
        {f.plain, "seed ", "key "},
        {f.plain, "\nseed", "\n\nseed"},
        {f.plain, "id ", "id  "},
        {f.locked, "argon2id13", "argon2i13"},
        {f.locked, " 2 67108864 ", " 0 67108864 "},
        {f.locked, " 2 67108864 ", " 17 67108864 "},
        {f.locked, " 2 67108864 ", " 2 8191 "},
        {f.locked, " 2 67108864 ", " 2 268435457 "},
        {f.locked, " 2 67108864 ", " 2 99999999999999999999 "},
        {f.locked, " 2 67108864 ", " 2 -1 "},
        {f.locked, " 2 67108864 ", " 2 "},
        {f.locked, "box ", "box A"},
        {f.locked, "box ", "cox "},
    };
    for (const auto &c : cases)
        assert_int_equal(decode(edited(c.file, c.from, c.to), "correct horse"), PLAIT_E_KEY_FILE);
    // More than there should be, after the last word and after the last line.
    NodeId as_id;
    std::memcpy(as_id.b.data(), f.identity.seed().data(), 32);
    const std::string seed = to_text(as_id).data();
    assert_int_equal(decode(edited(f.plain, seed, seed + " x"), ""), PLAIT_E_KEY_FILE);
    assert_int_equal(decode(edited(f.plain, seed + "\n", seed + "\nnote x\n"), ""),
                     PLAIT_E_KEY_FILE);
    // Another id than the seed's.
    SeededEntropy entropy(43);
    const auto other = Identity::generate(entropy);
    assert_int_equal(decode(edited(f.plain, to_text(f.identity.id()).data(),
                                   to_text(other->id()).data()),
                            ""),
                     PLAIT_E_KEY_FILE);
    // The box is bound to the lines before it.
    assert_int_equal(decode(edited(f.locked, to_text(f.identity.id()).data(),
                                   to_text(other->id()).data()),
                            "correct horse"),
                     PLAIT_E_PASSPHRASE);
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(test_key_file_plain_round_trip),
        cmocka_unit_test(test_key_file_with_passphrase_round_trip),
        cmocka_unit_test(test_key_file_wrong_or_missing_passphrase_is_told),
        cmocka_unit_test(test_key_file_each_byte_damaged_is_told),
        cmocka_unit_test(test_key_file_cut_or_longer_is_told),
        cmocka_unit_test(test_key_file_of_other_content_is_told),
        cmocka_unit_test(test_key_file_edited_with_right_checksum_is_refused),
    };
    return cmocka_run_group_tests(tests, make_files, nullptr);
}
