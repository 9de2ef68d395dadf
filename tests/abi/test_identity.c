/* SPDX-License-Identifier: Apache-2.0 */
/* Key files: what is saved is loaded, and everything that can be wrong with one. */
#include "abi.h"

#include <sys/stat.h>
#include <unistd.h>

static char folder[64];
static char path[128];

static int set_up(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/plait-abi-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/me.key", folder);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    chmod(folder, 0700);
    unlink(path);
    return rmdir(folder); /* nothing else may be left behind */
}

static plait_id id_of(const plait_identity *identity) {
    plait_id id;
    assert_ok(plait_identity_id(identity, &id));
    return id;
}

static void write_file(const void *data, size_t len) {
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, len, f), len);
    fclose(f);
}

static void test_saved_identity_is_loaded(void **state) {
    (void)state;
    plait_identity *made, *loaded;
    struct stat info;
    assert_ok(plait_identity_new(&made));
    assert_ok(plait_identity_save(made, path, NULL));
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_ok(plait_identity_load(path, NULL, &loaded));
    const plait_id a = id_of(made), b = id_of(loaded);
    assert_memory_equal(&a, &b, sizeof a);
    plait_identity_free(loaded);
    assert_ok(plait_identity_save(made, path, NULL)); /* over the old one */
    plait_identity_free(made);
}

static void test_passphrase_is_needed(void **state) {
    (void)state;
    plait_identity *made, *loaded = NULL;
    assert_ok(plait_identity_new(&made));
    assert_ok(plait_identity_save(made, path, "correct horse"));
    assert_status(plait_identity_load(path, NULL, &loaded), PLAIT_E_PASSPHRASE);
    assert_detail_has(path);
    assert_status(plait_identity_load(path, "wrong", &loaded), PLAIT_E_PASSPHRASE);
    assert_null(loaded);
    assert_ok(plait_identity_load(path, "correct horse", &loaded));
    const plait_id a = id_of(made), b = id_of(loaded);
    assert_memory_equal(&a, &b, sizeof a);
    plait_identity_free(loaded);
    plait_identity_free(made);
}

static void test_unreadable_and_damaged_files(void **state) {
    (void)state;
    plait_identity *identity = NULL;
    char large[5000];
    assert_status(plait_identity_load(path, NULL, &identity), PLAIT_E_FILE);
    assert_detail_has("me.key: No such file or directory");
    assert_status(plait_identity_load(folder, NULL, &identity), PLAIT_E_FILE);
    assert_detail_has("Is a directory");
    write_file("", 0);
    assert_status(plait_identity_load(path, NULL, &identity), PLAIT_E_KEY_FILE);
    assert_detail_has("me.key");
    write_file("-----BEGIN PRIVATE KEY-----\n", 28);
    assert_status(plait_identity_load(path, NULL, &identity), PLAIT_E_KEY_FILE);
    memset(large, 'x', sizeof large);
    write_file(large, sizeof large);
    assert_status(plait_identity_load(path, NULL, &identity), PLAIT_E_KEY_FILE);
    assert_null(identity);
    if (geteuid() != 0) { /* root may read everything */
        chmod(path, 0);
        assert_status(plait_identity_load(path, NULL, &identity), PLAIT_E_FILE);
        assert_detail_has("Permission denied");
    }
}

static void test_every_damaged_byte_is_noticed(void **state) {
    (void)state;
    plait_identity *made, *loaded = NULL;
    char bytes[2000];
    assert_ok(plait_identity_new(&made));
    assert_ok(plait_identity_save(made, path, NULL));
    FILE *f = fopen(path, "rb");
    const size_t size = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    for (size_t i = 0; i < size; i++) {
        bytes[i] ^= 1;
        write_file(bytes, size);
        assert_status(plait_identity_load(path, NULL, &loaded), PLAIT_E_KEY_FILE);
        bytes[i] ^= 1;
    }
    plait_identity_free(made);
}

static void test_unwritable_place(void **state) {
    (void)state;
    plait_identity *made;
    assert_ok(plait_identity_new(&made));
    assert_status(plait_identity_save(made, "/nonexistent/folder/me.key", NULL), PLAIT_E_FILE);
    assert_detail_has("No such file or directory");
    plait_identity_free(made);
}

static void test_load_or_new_makes_one_once(void **state) {
    (void)state;
    plait_identity *first, *second;
    assert_ok(plait_identity_load_or_new(path, NULL, &first));
    assert_ok(plait_identity_load_or_new(path, NULL, &second));
    const plait_id a = id_of(first), b = id_of(second);
    assert_memory_equal(&a, &b, sizeof a);
    plait_identity_free(first);
    plait_identity_free(second);
    write_file("damaged", 7); /* is not replaced */
    assert_status(plait_identity_load_or_new(path, NULL, &first), PLAIT_E_KEY_FILE);
}

static void test_text_of_an_id(void **state) {
    (void)state;
    plait_identity *identity;
    uint8_t seed[32] = {1, 2, 3};
    char text[PLAIT_ID_TEXT_SIZE];
    plait_id back;
    assert_ok(plait_identity_from_seed(seed, &identity));
    const plait_id id = id_of(identity);
    assert_status(plait_id_format(&id, text, sizeof text - 1), PLAIT_E_BUFFER);
    assert_ok(plait_id_format(&id, text, sizeof text));
    assert_int_equal(strlen(text), 43);
    assert_ok(plait_id_parse(text, &back));
    assert_memory_equal(&id, &back, sizeof id);
    text[42] = '\0';
    assert_status(plait_id_parse(text, &back), PLAIT_E_NODE_ID);
    assert_status(plait_id_parse("", &back), PLAIT_E_NODE_ID);
    plait_identity_free(identity);
}

int main(void) {
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        IN_FOLDER(test_saved_identity_is_loaded),
        IN_FOLDER(test_passphrase_is_needed),
        IN_FOLDER(test_unreadable_and_damaged_files),
        IN_FOLDER(test_every_damaged_byte_is_noticed),
        IN_FOLDER(test_unwritable_place),
        IN_FOLDER(test_load_or_new_makes_one_once),
        cmocka_unit_test(test_text_of_an_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
